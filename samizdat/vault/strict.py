"""Strict organizations: their keys are wrapped once more under a strict key, which nobody has until one of its people
enters a passphrase. After each start, and after some hours, it is locked again.

Each of them has a key pair, whose private key opens with their passphrase. The strict key is sealed to each of the
public ones, so that whoever removes a person makes a new one for all others without their passphrases.
"""

import hmac
import json
import os
from collections.abc import Collection, Iterator
from datetime import date

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.db import transaction

from samizdat.core.crypto import seal, strict
from samizdat.core.crypto.passphrase import Cost, PassphraseError, check_new
from samizdat.vault import keyring
from samizdat.vault.errors import KeyRefused, KeyWrong, OrganizationLocked, StrictRefused, VaultError
from samizdat.vault.keyring import HasKeys
from samizdat.vault.models import StrictKey, VaultKey
from samizdat.vault.socket_source import SocketSource
from samizdat.vault.source import STRICT_KINDS, InstanceSource

# With one alone, whoever forgets a passphrase has lost everything.
LEAST = 2
HOURS, MOST_HOURS = 8, 24 * 31

COST = Cost()
_DAMAGED = "What opens with this passphrase is damaged in the database. Use another person's, or restore a backup."


def people(organization: HasKeys) -> list[StrictKey]:
    """Those whose passphrases unlock it: it is strict where there are any."""
    rows = StrictKey.objects.select_related("person").filter(organization_id=organization.id).order_by("pk")
    return [row for row in rows if len(row.sealed)]


def is_strict(organization: HasKeys) -> bool:
    return StrictKey.objects.filter(organization_id=organization.id).exclude(sealed=b"").exists()


def waiting(organization: HasKeys) -> list[StrictKey]:
    """Those who have set a passphrase, which doesn't unlock it yet."""
    rows = StrictKey.objects.select_related("person").filter(organization_id=organization.id).order_by("pk")
    return [row for row in rows if not len(row.sealed)]


def owners() -> list[int]:
    """Numbers of strict organizations."""
    rows = StrictKey.objects.exclude(sealed=b"").order_by("organization_id")
    return [*rows.values_list("organization_id", flat=True).distinct()]


def new_key() -> bytes:
    return os.urandom(32)


def prepare(organization: HasKeys, person_id: int, typed: str, today: date) -> StrictKey:
    """A passphrase of somebody who has none there: it unlocks nothing until they are let in. Errors: StrictRefused."""
    if StrictKey.objects.filter(organization_id=organization.id, person_id=person_id).exclude(sealed=b"").exists():
        raise StrictRefused("This person has a passphrase already. Change it instead.")
    private = X25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    wrapped = _under(organization, private.private_bytes_raw(), typed)
    row = StrictKey(organization_id=organization.id, person_id=person_id, wrapped=wrapped, public=public, created=today)
    with transaction.atomic():
        StrictKey.objects.filter(organization_id=organization.id, person_id=person_id).delete()
        row.save()
        row.mac = _mac(row, organization)  # Of its number as well.
        row.save(update_fields=["mac"])
    return row


def rewrapped(organization: HasKeys, row: StrictKey, typed: str, new: str) -> bytes:
    """What `row` is to be for another passphrase of the same person. Errors: StrictRefused."""
    private = _private(row, organization, typed)
    changed = StrictKey(wrapped=_under(organization, private, new))
    if _private(changed, organization, new) != private:
        raise StrictRefused("The new passphrase didn't open the key again. The old one still does. Check the memory.")
    return bytes(changed.wrapped)


def change(row: StrictKey, wrapped: bytes) -> None:
    """In one statement: before it the old passphrase opens, after it the new one. Errors: StrictRefused."""
    if not StrictKey.objects.filter(pk=row.pk, wrapped=bytes(row.wrapped)).update(wrapped=wrapped):
        raise StrictRefused("This passphrase was changed or removed meanwhile. Nothing was changed now.")
    row.wrapped = wrapped


def unlocked_by(person_id: int) -> list[int]:
    """Numbers of organizations that somebody's passphrase unlocks."""
    rows = StrictKey.objects.filter(person_id=person_id).exclude(sealed=b"")
    return [*rows.values_list("organization_id", flat=True)]


def opened(organization: HasKeys, rows: Collection[StrictKey], typed: str) -> bytes:
    """The strict key, by the passphrase of one of these. Errors: StrictRefused."""
    wrong = "This isn't the passphrase. Check keyboard layout and Caps Lock, and enter it again."
    for row in rows:
        try:
            private = _private(row, organization, typed)
        except StrictRefused as refused:
            wrong = str(refused)
            continue
        try:
            return seal.open_sealed(private, bytes(row.sealed), strict.info(bytes(organization.uid)))
        except seal.SealError:
            wrong = _DAMAGED
    raise StrictRefused(wrong)


def let_in(organization: HasKeys, row: StrictKey, strict_key: bytes) -> None:
    """Seals the strict key to somebody. Errors: StrictRefused for a row that none of us wrote."""
    if not is_ours(row, organization):
        raise StrictRefused("This person's key was changed in the database. Let them set their passphrase again.")
    info = strict.info(bytes(organization.uid))
    row.sealed = seal.seal_to(bytes(row.public), strict_key, info, os.urandom(32), os.urandom(12))
    row.save(update_fields=["sealed"])


def wrap_all(organization: HasKeys, strict_key: bytes | None) -> list[bytes]:
    """Wraps all its keys under this strict key; None: under none. What they were wrapped as. In a transaction, while it
    is unlocked. Errors: VaultError."""
    source, before = source_here(), []
    for row in VaultKey.objects.filter(organization_id=organization.id, kind__in=STRICT_KINDS):
        before.append(bytes(row.wrapped))
        label = keyring.label_of(row, organization)
        secret = source.unwrap(label, row.wrapped)
        if strict_key is not None:
            public = seal.public_key(secret) if row.kind == "box" else b""
            secret = strict.wrap(strict_key, secret, label, os.urandom(12), public)
        row.wrapped = source.wrap_outer(label, secret)
        row.save(update_fields=["wrapped"])
    return before


def hold(organization: HasKeys, strict_key: bytes, hours: float) -> None:
    """The key server opens its keys for so long. Errors: VaultError, StrictRefused among it."""
    row = VaultKey.objects.filter(organization_id=organization.id, kind="data", current=True).first()
    if row is None:
        raise StrictRefused("The keys of this organization are not in the database. Restore a backup that has them.")
    try:
        source_here().hold(strict_key, hours * 3600, keyring.label_of(row, organization), bytes(row.wrapped))
    except OrganizationLocked:
        raise
    except (KeyRefused, KeyWrong) as refused:
        raise StrictRefused(str(refused)) from None


def prove(organization: HasKeys, strict_key: bytes) -> None:
    """That it opens the organization's keys; nothing is unlocked. Errors: StrictRefused."""
    try:
        hold(organization, strict_key, 0)
    except VaultError:
        raise StrictRefused(
            "These shares don't open this organization's keys. They are of another organization, or from before a "
            "person was removed or strict was turned off."
        ) from None


def seconds_left(organization: HasKeys) -> float:
    """Until it locks by itself on this server; 0: nobody has unlocked it here. Errors: VaultError."""
    return source_here().seconds_left(keyring.label("data", 1, organization))


def source_here() -> InstanceSource | SocketSource:
    source = keyring.open_source()
    assert isinstance(source, InstanceSource | SocketSource)
    return source


def is_ours(row: StrictKey, organization: HasKeys) -> bool:
    return hmac.compare_digest(bytes(row.mac), _mac(row, organization))


def renew() -> Iterator[None]:
    """The MACs of all rows, once the instance key is replaced (instance_exchange.py)."""
    ours = [row for row in StrictKey.objects.select_related("organization") if is_ours(row, row.organization)]
    yield
    for row in ours:
        row.mac = _mac(row, row.organization)
    StrictKey.objects.bulk_update(ours, ["mac"], batch_size=500)


def _mac(row: StrictKey, organization: HasKeys) -> bytes:
    facts = [organization.id, bytes(organization.uid).hex(), row.pk, row.person_id, bytes(row.public).hex()]
    return seal.keyed_hash(keyring.derive("strict people"), json.dumps(facts))


def _under(organization: HasKeys, private: bytes, typed: str) -> bytes:
    uid = bytes(organization.uid)
    try:
        check_new(typed)
        return strict.WrappedPerson.wrap(private, typed, uid.hex(), os.urandom(16), os.urandom(12), COST).text.encode()
    except PassphraseError as error:
        raise StrictRefused(str(error)) from None


def _private(row: StrictKey, organization: HasKeys, typed: str) -> bytes:
    try:
        person = strict.WrappedPerson.parsed(bytes(row.wrapped).decode())
        if person.owner != bytes(organization.uid).hex():
            raise ValueError
        return person.open(typed)
    except PassphraseError as error:
        raise StrictRefused(str(error)) from None
    except ValueError:
        raise StrictRefused(_DAMAGED) from None
