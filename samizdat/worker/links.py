"""What the key server tells the public process: keys that read the tokens in letters' links, and no other."""

import base64
from typing import Any

from django.db import connections

from samizdat.core import link
from samizdat.vault import house
from samizdat.vault.models import VaultKey
from samizdat.vault.source import Source

# Who holds a leave token may leave; "test" is in the links of test letters. Return addresses and Message-IDs are
# none of the public process's business.
PURPOSES = ("leave", "preferences", "test")
# What can be read proves, and what proves makes: a public process that was taken would sign up whom it likes and press
# the links of their mails itself, or answer for everybody who is asked again. So of these it is told what they say, and
# no more.
LOOKED_AT = ("confirm", "stay")


def reader_links(source: Source) -> list[dict[str, Any]]:
    """[{"organisation": hex uid, "number": of the link key, "keys": {purpose: base64 of given()}}]."""
    try:
        # Of one number the last counts: that of whoever signs by it, else of whoever has had it here for longest.
        rows = list(VaultKey.objects.filter(kind="link").select_related("organisation").order_by("current", "-id"))
    finally:
        connections.close_all()  # Called from the key server's threads, which live as long as their child.
    return [_reading(source, row) for row in rows]


def _reading(source: Source, row: VaultKey) -> dict[str, Any]:
    uid = bytes(row.organisation.uid)
    key = link.LinkKey(row.number, source.unwrap(house.label("link", row.number, uid), bytes(row.wrapped)))
    keys = {purpose: base64.b64encode(secret).decode() for purpose, secret in given(key).items()}
    return {"organisation": uid.hex(), "number": row.number, "keys": keys}


def given(key: link.LinkKey) -> dict[str, bytes]:
    """What the public process holds of a link key, by purpose."""
    reading = {purpose: link.reading_key(key, purpose) for purpose in PURPOSES}
    return reading | {purpose: link.looking_key(key, purpose) for purpose in LOOKED_AT}
