"""Makes keys: the instance's proof and an organisation's own set."""

import os
import secrets
from datetime import date
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from samizdat.vault import house
from samizdat.vault.models import Proof, VaultKey
from samizdat.vault.source import Source


def prove(source: Source) -> None:
    """Leaves a word that only this instance key opens. Done once, when the house is made."""
    Proof.objects.create(wrapped=source.wrap(house.PROOF_LABEL, house.PROOF_WORD))


def make_keys(organisation: Any, source: Source, today: date) -> None:
    """Data, index, link and box key of a new organisation, each random on its own."""
    box = X25519PrivateKey.generate()
    uid = bytes(organisation.uid)
    # Link and box numbers stand in tokens and boxes and go along in a move, so they are random: two houses do not meet.
    for kind, number, secret, public in (
        ("data", 1, os.urandom(32), b""),
        ("index", 1, os.urandom(32), b""),
        ("link", secrets.randbits(32), os.urandom(32), b""),
        ("box", secrets.randbits(32), box.private_bytes_raw(), box.public_key().public_bytes_raw()),
    ):
        VaultKey.objects.create(
            organisation_id=organisation.id,
            kind=kind,
            number=number,
            wrapped=source.wrap(house.label(kind, number, uid), secret),
            public=public,
            created=today,
        )
