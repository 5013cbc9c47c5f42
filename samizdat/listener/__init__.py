"""Takes mail in by LMTP or SMTP: seals each message with a public key and answers yes once it is on the disk.

A process of its own without Django, database or keys that open anything: `serve` starts it where an option asks for it.
"""
