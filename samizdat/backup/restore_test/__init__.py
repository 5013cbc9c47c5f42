"""Whether a backup restores: the newest copy at a place is restored into an empty folder and looked at there."""
