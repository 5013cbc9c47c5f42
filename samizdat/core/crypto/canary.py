"""How an export says which address in it is planted, so that another house leaves it out (threat model, T22).

A hash of the address stands in the manifest of our own format, and in the names of the files of Mailchimp's layout.
Whoever has read this can find the address by it: planted addresses are for those who pass a list on, not for those who
study its format.
"""

from __future__ import annotations

import hashlib
import re

from samizdat.core.mail import address

_MARK = b"samizdat planted\0"
# Mailchimp's own code has ten signs, so its files cost no hash.
CODE = 20
_IN_A_NAME = re.compile(rf"_export_([0-9a-f]{{{CODE}}})(?![0-9a-z])")


def mark(comparable: str, salt: str = "") -> str:
    """64 hex digits for an address as address.comparable() gives it."""
    return hashlib.sha256(_MARK + salt.encode() + b"\0" + comparable.encode()).hexdigest()


def code(text: str) -> str:
    """What stands in the names of the files of one export, for the (normalized) address planted in it."""
    return mark(address.comparable(text))[:CODE]


def code_in(name: str) -> str:
    """The code in a file's name; "" for a file that is not one of ours."""
    match = _IN_A_NAME.search(name)
    return match[1] if match else ""
