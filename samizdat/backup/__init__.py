"""Backups: a consistent copy of the whole installation at a place, and its way back (docs/backup-format.md)."""
