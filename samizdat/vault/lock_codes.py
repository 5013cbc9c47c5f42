"""One-time codes on paper that lock an organization by email. Only hashes of them are kept, under a key of their own
that stands beside them, sealed: nobody reads a code here, and nobody without the keys tries one."""

import hmac
import os
import secrets
from collections.abc import Iterable
from datetime import date

import msgspec

from samizdat.core.crypto import seal
from samizdat.core.mail import lock_words
from samizdat.vault import keyring
from samizdat.vault.keyring import HasKeys
from samizdat.vault.models import LockCodeSet

COUNT, MOST = 10, 50


class CodeSet(msgspec.Struct, frozen=True):
    """What is sealed of a set. left: hashes of codes that nobody used."""

    key: bytes = b""
    created: date = date.min
    count: int = 0
    left: tuple[bytes, ...] = ()


def make(organization: HasKeys, count: int, today: date) -> list[str]:
    """New codes, instead of those before. Call it in a transaction that has locked the organization's row."""
    codes, key = [lock_words.spelled(secrets.randbits(lock_words.BITS)) for _ in range(count)], os.urandom(32)
    _keep(organization, CodeSet(key, today, count, tuple(_hash(key, code) for code in codes)))
    return codes


def state(organization: HasKeys) -> CodeSet | None:
    """None where there are none. Errors: VaultError."""
    row = LockCodeSet.objects.filter(organization_id=organization.id).first()
    if row is None:
        return None
    return keyring.keys(organization).open_json(row.sealed, "lockcodeset", "sealed", organization.id, CodeSet)


def numbers() -> set[int]:
    """Organizations that have some."""
    return {*LockCodeSet.objects.values_list("organization_id", flat=True)}


def fits(organization: HasKeys, codes: Iterable[str]) -> bool:
    """Whether one of these is a code that nobody used. Errors: VaultError."""
    known = state(organization)
    return known is not None and _matching(known, codes) is not None


def use(organization: HasKeys, codes: Iterable[str]) -> bool:
    """Whether one of these was a code that nobody had used; now it is used. As `make`."""
    known = state(organization)
    if known is None or (used := _matching(known, codes)) is None:
        return False
    _keep(organization, msgspec.structs.replace(known, left=tuple(mark for mark in known.left if mark != used)))
    return True


def _matching(known: CodeSet, codes: Iterable[str]) -> bytes | None:
    tried = [_hash(known.key, code) for code in codes]
    return next((mark for mark in known.left for digest in tried if hmac.compare_digest(mark, digest)), None)


def _hash(key: bytes, code: str) -> bytes:
    return seal.keyed_hash(key, code)


def _keep(organization: HasKeys, known: CodeSet) -> None:
    blob = keyring.keys(organization).seal_json(known, "lockcodeset", "sealed", organization.id)
    LockCodeSet.objects.update_or_create(organization_id=organization.id, defaults={"sealed": blob})
