"""Whose keys were destroyed, noted at each backup place: a restore of an older copy from there destroys them again,
since its rows know nothing of it yet.

A note's name and text are a MAC of the organization, under a key that everything has which opens a copy. So a place
learns no more than how many there are, and can make none; it can only delete them. There is one for each instance key
that the installation had: whoever restores an older copy has that one alone.
"""

from collections.abc import Collection
from datetime import datetime

from samizdat.accounts.models import Organization
from samizdat.backup.sets import ReadablePlace, WritablePlace
from samizdat.core.crypto import seal
from samizdat.delivery.actions import key_locks
from samizdat.vault import keyring, locks
from samizdat.vault.keyring import HasKeys

FOLDER = "destroyed"
_PURPOSE = "destroyed keys"


def _key() -> bytes:
    return keyring.derive("destroyed keys")


def note(place: WritablePlace) -> None:
    """Those that aren't there yet. Errors: PlaceError."""
    rows = locks.destroyed()
    there = _there(place) if rows else []
    keys = [_key(), *(each.key for each in keyring.former(_PURPOSE))] if rows else []
    for row in rows:
        for key in keys:
            name, text = _note(row.organization, key)
            if name not in there:
                place.write(name, text)


def destroy_again(place: ReadablePlace, now: datetime) -> list[Organization]:
    """In a copy that was just restored from there: organizations whose keys it brought back. Errors: PlaceError."""
    there, again = _there(place), list[Organization]()
    for organization in Organization.objects.order_by("pk") if there else []:
        name, text = _note(organization, _key())
        if name in there and place.read(name) == text and not locks.are_destroyed(organization):
            key_locks.destroy(organization, by=None, now=now)
            again.append(organization)
    return again


def _there(place: ReadablePlace) -> Collection[str]:
    return {name for name, _size in place.names(FOLDER)}


def _note(organization: HasKeys, key: bytes) -> tuple[str, bytes]:
    mark = seal.keyed_hash(key, bytes(organization.uid).hex()).hex()
    return f"{FOLDER}/{mark[:32]}", mark.encode()
