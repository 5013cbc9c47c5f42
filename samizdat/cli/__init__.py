"""The command line: a door. Others' scripts rely on it word for word (docs/command-line.md)."""
