"""What is sealed of sending domains and their keys, so that nothing in the clear makes one sign: whether an approval is
missing (accounts/pending_changes.py), what name a domain has, and of a key its domain and its record.

What was removed or retired could be put back as it was; the log is asked what became of it.
"""

import contextlib
from collections.abc import Collection, Iterable

from django.db import transaction
from django.db.models import QuerySet
from msgspec import Struct, structs

from samizdat.core.crypto.seal import SealBroken, SealError
from samizdat.delivery.models import DkimKey, SendingDomain
from samizdat.events.actions import detail_of
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.events.queries import last_about
from samizdat.vault import keyring

# By which an admin allows a domain without its records, and takes that back.
ALLOWING: tuple[EventKind, EventKind] = ("domain.allowed", "domain.checked")
# By which a domain is kept for the day when another one is lost, and isn't any more.
SPARING: tuple[EventKind, EventKind] = ("domain.spare", "domain.in_use")


class DomainState(Struct, frozen=True):
    """waits: nobody has approved it yet. Of a row without a seal: a name that no domain has. allowed: why an admin lets
    campaigns go without the records that mailbox providers ask for (delivery/sending_gate.py). spare: kept for the day
    when the one in use is lost (actions/domain_switch.py)."""

    name: str = ""
    waits: bool = True
    allowed: str = ""
    spare: bool = False


class SealedKey(Struct, frozen=True):
    """waits: nobody has approved it yet. proven: its record was found in DNS, or whoever runs the server said so."""

    domain: int
    algorithm: str
    selector: str
    public: str
    private: bytes  # PKCS #8, DER.
    waits: bool
    proven: bool = False


def seal_domain(row: SendingDomain, *, waits: bool) -> None:
    _seal_domain(row, DomainState(row.name, waits))


def _seal_domain(row: SendingDomain, value: DomainState) -> None:
    row.state_sealed = keyring.keys(row.organization).seal_json(value, "sendingdomain", "state", row.pk)
    row.save(update_fields=["state_sealed"])


def _open_domain(row: SendingDomain) -> DomainState:
    """Errors: SealError."""
    keys = keyring.keys(row.organization)
    return keys.open_json(row.state_sealed, "sendingdomain", "state", row.pk, DomainState)


def domain_waits(row: SendingDomain) -> bool:
    """Whether nobody has approved it; the same of one that is none of ours as its row stands, or was removed."""
    try:
        state = _open_domain(row)
    except SealError:
        return True
    return state.name != row.name or state.waits or _events(row, "domain.removed").exists()


def approve_domain(row: SendingDomain, name: str) -> None:
    """name: what was approved, whatever stands in its row by now. Errors: SealError where another one is sealed."""
    state = _open_domain(row)
    if state.name != name:
        raise SealBroken()
    _seal_domain(row, structs.replace(state, waits=False))


def allow(row: SendingDomain, reason: str) -> None:
    """reason: "" takes it back. Call it in the transaction that logs it. Errors: SealError."""
    row = SendingDomain.objects.select_for_update(of=("self",)).select_related("organization").get(pk=row.pk)
    _seal_domain(row, structs.replace(_open_domain(row), allowed=reason))


def allowed_reason(row: SendingDomain) -> str:
    """Why an admin allowed it without the records; "" where nobody did. A state that was put back counts for nothing:
    the log has the last word."""
    if domain_waits(row):
        return ""
    last = last_about(row.organization, ALLOWING, row.pk)
    return _open_domain(row).allowed if last is not None and last.kind == ALLOWING[0] else ""


def set_spare(row: SendingDomain, spare: bool) -> None:
    """Call it in the transaction that logs it. Errors: SealError."""
    row = SendingDomain.objects.select_for_update(of=("self",)).select_related("organization").get(pk=row.pk)
    _seal_domain(row, structs.replace(_open_domain(row), spare=spare))


def is_spare(row: SendingDomain) -> bool:
    """Whether it was prepared as a spare one; the log has the last word, as of allowed_reason."""
    if domain_waits(row) or not _open_domain(row).spare:
        return False
    last = last_about(row.organization, SPARING, row.pk)
    return last is not None and last.kind == SPARING[0]


def seal_key(key: DkimKey, value: SealedKey) -> None:
    key.private_sealed = keyring.keys(key.domain.organization).seal_json(value, "dkimkey", "private", key.pk)
    key.save(update_fields=["private_sealed"])


def open_key(key: DkimKey, retired: Collection[int] | None = None) -> SealedKey:
    """retired: of its domain, where that was asked already. Errors: SealError where it doesn't open, was led to another
    domain, or was retired."""
    if retired is None:
        retired = retired_keys(key.domain)
    if not key.private_sealed:
        raise SealBroken()
    keys = keyring.keys(key.domain.organization)
    value = keys.open_json(key.private_sealed, "dkimkey", "private", key.pk, SealedKey)
    if value.domain != key.domain_id or key.pk in retired:
        raise SealBroken()
    return value


def approve_key(key: DkimKey, public: str) -> None:
    """public: the half of the key that was approved. Errors: SealError where another key is sealed."""
    value = open_key(key)
    if value.public != public:
        raise SealBroken()
    seal_key(key, structs.replace(value, waits=False))


def prove_key(key: DkimKey) -> None:
    """Errors: SealError."""
    with transaction.atomic():
        # Held, so that an approval of this moment is not undone.
        row = DkimKey.objects.select_for_update(of=("self",)).select_related("domain__organization").get(pk=key.pk)
        value = open_key(row)
        if not value.proven:
            seal_key(row, structs.replace(value, proven=True))


def is_proven(row: SendingDomain, keys: Iterable[DkimKey]) -> bool:
    """Whether one of its keys was seen where whoever has the domain alone can have put it."""
    if domain_waits(row):
        return False
    retired = retired_keys(row)
    for key in keys:
        with contextlib.suppress(SealError):
            if open_key(key, retired).proven:
                return True
    return False


def signing(row: SendingDomain, keys: Iterable[DkimKey]) -> list[SealedKey]:
    """Those of its keys that nothing forbids to sign. Errors: SealError."""
    if domain_waits(row):
        return []
    retired = retired_keys(row)
    return [value for key in keys if not (value := open_key(key, retired)).waits]


def retired_keys(row: SendingDomain) -> set[int]:
    """Numbers of its keys of which the log says that they never sign again."""
    events = _events(row, "domain.key_retired").select_related("organization")
    return {detail_of(event).get("key", 0) for event in events}


def _events(row: SendingDomain, kind: str) -> QuerySet[Event]:
    return Event.objects.filter(organization=row.organization_id, kind=kind, about=row.pk)
