"""Ways out: one file each, found by plugs.py. They know core and their own client library, nothing else."""
