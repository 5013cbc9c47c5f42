"""Mail that comes in: bounces, complaints, automatic replies and requests to leave, and what follows from each.

`intake` seals a raw message before anything is known of it; `processing` opens and reads it, `identity` proves which
message of ours it is about, and `follow_up` does what follows for the subscriber.
"""
