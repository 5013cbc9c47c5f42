"""What keys are derived from the instance key for: one each, used in one place, so that nothing which one of them makes
or opens means anything to another. A test finds every use in the code."""

from typing import Literal, NamedTuple

# What becomes of what a purpose has made once the instance key is replaced (docs/key-formats.md):
#
# ENDS        It ends with the old key, which costs somebody a sign-in at most.
# ANEW        It is made anew from what stands beside it, after it was checked under the old key: what doesn't fit stays
#             as it is, since whoever writes the database put it there.
# SEALED      As ANEW: it is opened with the old key and sealed with the new one.
# KEPT        The old derived key stays, wrapped by the new instance key: it reads and checks what was made before, and
#             makes nothing.
# KEPT_WHILE  As KEPT, until nothing names it any more: a link is over, or somebody has signed in again.
ENDS: Literal["ends"] = "ends"
ANEW: Literal["anew"] = "anew"
SEALED: Literal["sealed"] = "sealed"
KEPT: Literal["kept"] = "kept"
KEPT_WHILE: Literal["kept while"] = "kept while"
type Rule = Literal["ends", "anew", "sealed", "kept", "kept while"]


class Purpose(NamedTuple):
    """`roles`: the processes that may have it (keyserver.py)."""

    roles: tuple[str, ...]
    rule: Rule


_DESK, _BOTH, _ALL = ("desk",), ("desk", "worker"), ("desk", "worker", "sender")

PURPOSES: dict[str, Purpose] = {
    "django secret": Purpose(_BOTH, ENDS),  # What Django signs.
    "people": Purpose(_BOTH, SEALED),  # Addresses and names of people who sign in, sealed.
    # What stands for one of those addresses, in memory alone. A password is stretched with it: kept as long as that.
    "people index": Purpose(_DESK, KEPT_WHILE),
    "people hashes": Purpose(_DESK, ANEW),  # Hashes by which accounts are found, each with its number.
    "password pepper": Purpose(_DESK, KEPT_WHILE),  # Until the next sign-in of each person.
    "grants": Purpose(_BOTH, ANEW),  # MACs of what a row grants.
    "session keys": Purpose(_DESK, ENDS),  # Hashes of what the cookie says.
    "sessions": Purpose(_DESK, ENDS),  # What a session holds, sealed.
    "device cookies": Purpose(_DESK, ENDS),  # MACs of browsers that signed in before.
    "tries": Purpose(_DESK, ENDS),  # Hashes of what failed sign-ins are counted by.
    "tries of an address": Purpose(_DESK, ENDS),  # Hashes by which they are found again.
    "invitations": Purpose(_DESK, KEPT_WHILE),  # Hashes of their links: we have no token to make another one of.
    "api keys": Purpose(_DESK, KEPT_WHILE),  # Hashes of keys of the API, likewise.
    "address links": Purpose(_BOTH, ENDS),  # Hashes that links are made of, by which somebody confirms a new address.
    "set-up code": Purpose(_DESK, ENDS),
    "signed out": Purpose(_DESK, ENDS),  # What somebody typed while signed out, sealed.
    "share links": Purpose(_DESK, KEPT_WHILE),  # Hashes of links for people outside, likewise.
    "shared letters": Purpose(_DESK, ENDS),  # Marks of the letter that one of them read.
    "recipient keys": Purpose(_BOTH, ANEW),  # Hashes of the keys that exports are sealed to.
    "key locks": Purpose(_BOTH, ANEW),  # MACs of whose keys are locked.
    "strict people": Purpose(_DESK, ANEW),  # MACs of who unlocks a strict organization.
    "events": Purpose(_BOTH, KEPT),  # Details of events of no organization, sealed: the log vouches for the bytes.
    "consent records": Purpose(_BOTH, KEPT),  # Digests of them.
    "log": Purpose(_ALL, KEPT),  # Digests of events.
    "suppression marks": Purpose(_BOTH, KEPT),  # Hashes of indexes, by which an event of one suppression is looked up.
    "chain": Purpose(_ALL, KEPT),  # Links of the chain over events and consent records.
    "log files": Purpose(_DESK, KEPT),  # Signatures of logs that were downloaded: of this the public half is enough.
    "key fingerprint": Purpose(_DESK, ENDS),  # Its first characters say which installation a key or share belongs to.
    "public pages": Purpose(_BOTH, ANEW),  # Signatures of the public database's rows; the public process checks them.
    "location": Purpose(_ALL, ANEW),  # Hashes of where the installation runs.
    "backup pieces": Purpose(_BOTH, KEPT),  # Names of the pieces of a backup, by what is in them.
    "backup manifests": Purpose(_BOTH, KEPT),  # Signatures of manifests.
    "backup identity": Purpose(_BOTH, KEPT),  # The secret key of age that opens manifests, and pieces of nobody else.
    "destroyed keys": Purpose(_BOTH, KEPT),  # MACs of whose keys were destroyed, at backup places.
    "backup places": Purpose(_BOTH, SEALED),  # Where backups go, with passwords, sealed.
    "releases": Purpose(_ALL, ANEW),  # MAC of how often it was released.
    "epoch records": Purpose(_BOTH, ANEW),  # MACs of who may send, at backup places.
}

# Derived by the supervisor for itself alone. On PostgreSQL: the role of the public process.
OF_THE_SUPERVISOR: dict[str, Rule] = {
    "public database role name": ENDS,
    "public database role password": ENDS,
}


def of_role(role: str) -> tuple[str, ...]:
    return tuple(label for label, purpose in PURPOSES.items() if role in purpose.roles)
