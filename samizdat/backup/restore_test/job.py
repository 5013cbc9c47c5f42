"""What the process that tests a copy is told, and how it fails."""

import re

import msgspec

from samizdat import plugins
from samizdat.options import inner_networks


class RestoreTestJob(msgspec.Struct, frozen=True):
    """url, secret, public_only: of the place. identities: texts with secret keys that open pieces. naming_key: in
    hex."""

    url: str
    secret: str
    copy: str
    identities: list[str]
    installation: str
    naming_key: str
    public_only: bool = False


class TestFailed(Exception):
    """`code`: what was found (sentences.py); `what`: where."""

    __test__ = False

    def __init__(self, code: str, what: str = "") -> None:
        self.code, self.what = code, what
        super().__init__(code)


def file_in(sentence: str) -> str:
    """The name of a file of a backup that a sentence has."""
    match = re.search(r"(pieces|sets|tails)/[0-9a-z/-]{1,120}\.age", sentence)
    return match[0] if match else ""


def open_place(url: str, secret: str, public_only: bool) -> plugins.Place:
    """Errors: PlaceError."""
    return plugins.open_place(url, secret, inside=inner_networks() if public_only else None)
