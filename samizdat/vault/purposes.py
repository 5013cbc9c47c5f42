"""What keys are derived from the instance key for: one each, used in one place, so that nothing which one of them makes
or opens means anything to another. A test finds every use in the code."""

_DESK, _BOTH, _ALL = ("desk",), ("desk", "worker"), ("desk", "worker", "sender")

# The label -> which processes may have it (keyserver.py).
PURPOSES: dict[str, tuple[str, ...]] = {
    "django secret": _BOTH,  # What Django signs.
    "people": _BOTH,  # Addresses and names of people who sign in, sealed.
    "people index": _DESK,  # What stands for one of those addresses, in memory alone.
    "people hashes": _DESK,  # Hashes by which accounts are found, each with its number.
    "password pepper": _DESK,
    "grants": _BOTH,  # MACs of what a row grants.
    "session keys": _DESK,  # Hashes of what the cookie says.
    "sessions": _DESK,  # What a session holds, sealed.
    "device cookies": _DESK,  # MACs of browsers that signed in before.
    "tries": _DESK,  # Hashes of what failed sign-ins are counted by.
    "tries of an address": _DESK,  # Hashes by which they are found again.
    "invitations": _DESK,  # Hashes of their links.
    "address links": _BOTH,  # Hashes that links are made of, by which somebody confirms a new address of theirs.
    "set-up code": _DESK,
    "signed out": _DESK,  # What somebody typed while signed out, sealed.
    "share links": _DESK,  # Hashes of links for people outside.
    "shared letters": _DESK,  # Marks of the letter that one of them read.
    "recipient keys": _BOTH,  # Hashes of the keys that exports are sealed to.
    "key locks": _BOTH,  # MACs of whose keys are locked.
    "strict people": _DESK,  # MACs of who unlocks a strict organization.
    "events": _BOTH,  # Details of events of no organization, sealed.
    "consent records": _BOTH,  # Digests of them.
    "log": _ALL,  # Digests of events.
    "suppression marks": _BOTH,  # Hashes of indexes, by which an event of one suppression is looked up.
    "chain": _ALL,  # Links of the chain over events and consent records.
    "log files": _DESK,  # Signatures of logs that were downloaded.
    "key fingerprint": _DESK,  # Its first characters say which installation a key file or share belongs to.
    "public pages": _BOTH,  # Signatures of the public database's rows; the public process gets what checks them.
    "location": _ALL,  # Hashes of where the installation runs.
    "backup pieces": _BOTH,  # Names of the pieces of a backup, by what is in them.
    "backup manifests": _BOTH,  # Signatures of manifests.
    "backup identity": _BOTH,  # The secret key of age that opens manifests, and pieces that nobody else was given.
    "backup places": _BOTH,  # Where backups go, with passwords, sealed.
    "releases": _ALL,  # MAC of how often it was released.
    "epoch records": _BOTH,  # MACs of who may send, at backup places.
}


def of_role(role: str) -> tuple[str, ...]:
    return tuple(label for label, roles in PURPOSES.items() if role in roles)
