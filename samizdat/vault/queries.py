"""What may be read of the keys without opening them."""

from typing import Any

from samizdat.vault.models import VaultKey


def box_of(organisation: Any) -> tuple[int, bytes]:
    """(number, X25519 public key) that readers' words are sealed to."""
    row = VaultKey.objects.get(organisation_id=organisation.id, kind="box", current=True)
    return row.number, bytes(row.public)
