"""Whom the pieces of a copy are encrypted to, and the instance key that goes along for them."""

import base64
from collections.abc import Sequence
from pathlib import Path

import pyrage

from samizdat.backup.errors import BackupRefused
from samizdat.backup.reader import recipient_of
from samizdat.portability import age_encryption
from samizdat.vault.sources.key_file import key_in, read_key_text, wrapped_in


def cleaned(texts: Sequence[str]) -> list[str]:
    """Age keys as they stand in a manifest: each once, in one order, and of an SSH key without the remark behind it.
    Errors: ExportRefused, of a text that is no public key."""
    keys = {_bare(text) for text in texts if text.strip()}
    if keys:
        age_encryption.recipients(sorted(keys))
    return sorted(keys)


def _bare(text: str) -> str:
    return " ".join(text.split()[:2]) if text.strip().startswith("ssh-") else text.strip()


def wrapped_key_file(path: Path, recipients: Sequence[str]) -> str:
    """The text of a key file encrypted to recipients, in base64: with it and their key alone everything is restored.
    One with a passphrase goes along as it is. Errors: VaultError."""
    text = read_key_text(path)
    if wrapped_in(text) is None:
        key_in(text, str(path))
    return base64.b64encode(pyrage.encrypt(text.encode(), [recipient_of(each) for each in recipients])).decode()


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
