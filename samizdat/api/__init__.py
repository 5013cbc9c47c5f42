"""The HTTP API under /api/v1: the same actions and queries as the app, for programs with a key (accounts/api_keys.py).

Whatever isn't needed by a request is imported by the first one (entry.py): most installations never get any.
"""
