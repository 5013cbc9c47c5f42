"""Bringing subscribers in: what a slice of rows changes, and writing it. The verbs are in imports/actions.py."""
