"""Ways out: one file each, found by plugins.py. They know core and their own client library, nothing else."""
