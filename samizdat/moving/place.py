"""Where the installation runs, as one word: another one after a restore elsewhere, the same after a reboot."""

import hashlib

from samizdat.delivery import copied_installation

# Not those that an upgrade of the system may change.
_PARTS = ("machine", "path", "file", "server", "database", "table")


def place_now() -> str:
    """Keyed, as each of its parts is: it says nothing about the server."""
    marks = sorted((part, digest) for (_folder, part), digest in copied_installation.here().items() if part in _PARTS)
    return hashlib.sha256(b"".join(part.encode() + digest for part, digest in marks)).hexdigest()[:32]
