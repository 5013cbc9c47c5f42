"""What comes back: a raw message becomes a report. Pure: bytes in, values out; no clock, no files, no database.

`reading.read` is the entry. mime takes a message apart within limits; delivery_status (RFC 3464), feedback (RFC 5965),
notices (the prose of mail servers) and replies (RFC 3834, unsubscribing, people) are the dialects; reasons has the one
table that says what words mean and whose fault they are; thresholds says what follows for an address.
"""
