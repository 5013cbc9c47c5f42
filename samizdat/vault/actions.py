"""Makes keys: the instance's proof and an organization's own set."""

import os
import secrets
from datetime import date

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from samizdat.vault import keyring
from samizdat.vault.models import Proof, VaultKey
from samizdat.vault.source import KeySource


def prove(source: KeySource) -> None:
    """Leaves a word that only this instance key opens. Done once, when the house is made."""
    Proof.objects.create(wrapped=source.wrap(keyring.PROOF_LABEL, keyring.PROOF_WORD))


def make_keys(organization: keyring.HasKeys, source: KeySource, today: date) -> None:
    """Data, index, link and box key of a new organization, each random on its own."""
    box = X25519PrivateKey.generate()
    # Link and box numbers stand in tokens and boxes and go along in a move, so they are random: two houses do not meet.
    for kind, number, secret, public in (
        ("data", 1, os.urandom(32), b""),
        ("index", 1, os.urandom(32), b""),
        ("link", secrets.randbits(32), os.urandom(32), b""),
        ("box", secrets.randbits(32), box.private_bytes_raw(), box.public_key().public_bytes_raw()),
    ):
        VaultKey.objects.create(
            organization_id=organization.id,
            kind=kind,
            number=number,
            wrapped=source.wrap(keyring.label(kind, number, organization), secret),
            public=public,
            created=today,
        )
