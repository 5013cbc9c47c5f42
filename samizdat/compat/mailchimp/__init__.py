"""Mailchimp's Marketing API 3.0 under /3.0: what plug-ins of websites ask for, answered from one list by a key of our
API (accounts/api_keys.py). Sources: the Swagger document of Mailchimp's API 3.0.55 and what its clients send.

Nothing here is imported before the first request (entry.py).
"""
