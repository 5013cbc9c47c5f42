"""Keys of backups, derived from the instance key: a copy is written and checked with them, and opened where nobody else
was given it."""

from collections.abc import Callable
from dataclasses import dataclass

import pyrage

from samizdat.core.backup import age_identity
from samizdat.core.crypto import signature


@dataclass(frozen=True, slots=True, repr=False)
class BackupKeys:
    """names: what pieces are named by. seed: of what manifests are signed with. identity: a secret key of age."""

    names: bytes
    seed: bytes
    identity: str

    @property
    def recipient(self) -> str:
        """The public key of `identity`: age1…"""
        return str(pyrage.x25519.Identity.from_str(self.identity).to_public())

    @property
    def installation(self) -> str:
        """The public key that checks manifests, in hex."""
        return signature.public_key(self.seed).hex()


def backup_keys(derive: Callable[[str], bytes]) -> BackupKeys:
    """derive: of a key source, or keyring.derive."""
    names, seed = derive("backup pieces"), derive("backup manifests")
    return BackupKeys(names, seed, age_identity.identity(derive("backup identity")))
