"""Whom the pieces of a copy are encrypted to, and the instance key that goes along for them."""

import base64
from collections.abc import Sequence

import pyrage

from samizdat.backup.errors import BackupRefused
from samizdat.backup.reader import recipient_of
from samizdat.portability import age_encryption
from samizdat.vault.sources.key_file import text_of


def cleaned(texts: Sequence[str]) -> list[str]:
    """Age keys as they stand in a manifest: each once, in one order, and of an SSH key without the remark behind it.
    Errors: ExportRefused, of a text that is no public key."""
    keys = {_bare(text) for text in texts if text.strip()}
    if keys:
        age_encryption.recipients(sorted(keys))
    return sorted(keys)


def _bare(text: str) -> str:
    return " ".join(text.split()[:2]) if text.strip().startswith("ssh-") else text.strip()


def wrapped_key_file(instance_key: bytes, recipients: Sequence[str]) -> str:
    """A key file encrypted to recipients, in base64: with it and their key alone everything is restored."""
    text = text_of(instance_key).encode()
    return base64.b64encode(pyrage.encrypt(text, [recipient_of(text) for text in recipients])).decode()


def identities(text: str) -> list[object]:
    """Secret keys of a file as age-keygen writes it, or an SSH key. Errors: BackupRefused."""
    try:
        if "PRIVATE KEY" in text:
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        keys: list[object] = [pyrage.x25519.Identity.from_str(line) for line in lines]
    except (pyrage.IdentityError, ValueError):
        keys = []
    if not keys:
        raise BackupRefused(
            "bad_identity",
            "The file of --identity has no secret key of age. Enter the file that age-keygen wrote, or an SSH key.",
        )
    return keys
