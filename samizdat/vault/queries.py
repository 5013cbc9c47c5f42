"""The public half of an organisation's box key."""

from typing import Any

from samizdat.core import seal
from samizdat.vault import house
from samizdat.vault.models import VaultKey


def box_of(organisation: Any) -> tuple[int, bytes]:
    """(number, X25519 public key) that readers' words are sealed to: made from the private key, since whoever writes
    the database could put a public key of their own into its column and read every later sign-up."""
    number = VaultKey.objects.get(organisation_id=organisation.id, kind="box", current=True).number
    return number, seal.public_key(house.keys(organisation).boxes[number])
