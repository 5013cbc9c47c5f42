"""Accounts at newsletter services, read over their interface: a file for each service, found by plugins.py."""
