"""Where backups are kept: one file for each kind of place, found by plugins.py. They know core and their own client
library, nothing else."""
