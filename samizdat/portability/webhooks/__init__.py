"""Webhooks: programs of the organization's own are told of what happens here."""
