"""What a backup is in bytes (docs/backup-format.md): pieces with rows, and the manifest that names them. Pure."""
