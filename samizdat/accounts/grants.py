"""What a row grants holds only with a MAC under a key of the instance: whoever writes the database without keys makes
nobody an admin, raises no invitation and shortens no wait (threat model, docs/keys.md).

What no MAC tells is an older state put back: a row that was there once fits again.
"""

import hashlib
import hmac
import json
import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from samizdat.accounts.models import Invitation, Membership, Organisation, PendingChange, Person
from samizdat.core import seal
from samizdat.events.actions import record
from samizdat.events.models import Event
from samizdat.vault import house
from samizdat.vault.sealed import open_json, seal_json

log = logging.getLogger("samizdat.worker")

FORGED, ALTERED = "person.role_forged", "organisation.altered"
# Where readers and teammates are led, and where mail from readers goes.
LEADING = ("public_url", "desk_url", "content_url", "return_address", "leave_mailbox")
GUARDED = (*LEADING, "second_person")
TOLD = timedelta(hours=1)


def mac(kind: str, *parts: Any) -> bytes:
    """Of a kind of row, and all of it that counts. Bytes count by their hash."""
    return seal.keyed_hash(house.derive("grants"), json.dumps([kind, *map(_plain, parts)]))


def fits(found: bytes | memoryview, kind: str, *parts: Any) -> bool:
    return hmac.compare_digest(bytes(found), mac(kind, *parts))


def _plain(part: Any) -> Any:
    if isinstance(part, datetime):
        return part.astimezone(UTC).isoformat()
    if isinstance(part, bytes | memoryview):
        return hashlib.sha256(part).hexdigest()
    return part


def of_membership(row: Membership) -> tuple[Any, ...]:
    locked = () if row.locked is None else (row.locked,)
    out = () if row.signed_out is None else ("signed out", row.signed_out)
    return "membership", bytes(row.organisation.uid), row.person_id, row.role, row.since, *locked, *out


def of_invitation(row: Invitation) -> tuple[Any, ...]:
    return "invitation", bytes(row.organisation.uid), row.token_hash, row.role, row.expires


def of_change(row: PendingChange) -> tuple[Any, ...]:
    facts = row.kind, row.about, row.by_id, row.created, float(row.waited), row.told_sealed
    noticed = () if row.noticed is None else ("noticed", row.noticed)
    refused = () if row.refused is None else ("refused", row.refused, row.tried)
    return "change", bytes(row.organisation.uid), row.pk, *facts, *noticed, *refused


def give(person: Any, organisation: Organisation, role: str, now: datetime) -> Membership:
    """Writes a role, and since when it is held. The one place that does. A locked account stays locked,
    and who was signed out stays so."""
    row = Membership(person=person, organisation=organisation, role=role, since=now)
    before = Membership.objects.filter(person=person, organisation=organisation).first()
    if before is not None:
        row.locked, row.signed_out = before.locked, before.signed_out
    values = {"role": role, "since": now, "mac": mac(*of_membership(row))}
    found, _made = Membership.objects.update_or_create(
        person=person, organisation=organisation, defaults=values, create_defaults={**values, "created": now.date()}
    )
    return found


def lock(row: Membership, since: datetime | None) -> None:
    row.locked = since
    row.mac = mac(*of_membership(row))
    row.save(update_fields=["locked", "mac"])


def sign_out(row: Membership, now: datetime) -> None:
    row.signed_out = now
    row.mac = mac(*of_membership(row))
    row.save(update_fields=["signed_out", "mac"])


def holds(row: Membership) -> bool:
    return fits(row.mac, *of_membership(row))


def open_invitation(row: Invitation) -> None:
    row.mac = mac(*of_invitation(row))
    row.save(update_fields=["mac"])


def opens(row: Invitation) -> bool:
    return fits(row.mac, *of_invitation(row))


def memberships(**wanted: Any) -> list[Membership]:
    """Those that hold, with person and organisation; locked ones, too."""
    return [row for row in _rows(**wanted) if holds(row)]


def who_may_sign_in() -> QuerySet[Person]:
    """All but those who are locked wherever they work."""
    rows = Membership.objects.filter(person=OuterRef("pk"))
    locked = Exists(rows.filter(locked__isnull=False)) & ~Exists(rows.filter(locked=None))
    return Person.objects.filter(is_active=True).exclude(locked)


def forged(organisation: Organisation) -> list[Membership]:
    """Roles that were written beside us, or moved from another row: they give nothing."""
    return [row for row in _rows(organisation=organisation) if not holds(row)]


def keep_settings(organisation: Organisation, written: Collection[str]) -> None:
    """Seals a copy of what leads people and mail somewhere, by whoever has just written some of it."""
    # Of the row: the object in hand may be older than what somebody else saved. And of the others as they were kept,
    # so that saving one setting does not make another one ours which was written beside us.
    row = Organisation.objects.get(pk=organisation.pk)
    kept = kept_settings(row) or {}
    told = {name: getattr(row, name) if name in written else kept.get(name, getattr(row, name)) for name in GUARDED}
    organisation.settings_sealed = seal_json(
        house.keys(organisation), told, "organisation", "settings", organisation.pk
    )
    organisation.save(update_fields=["settings_sealed"])


def kept_settings(organisation: Organisation) -> dict[str, Any] | None:
    """As they were last written by us; None where the copy is gone or is none of ours."""
    try:
        keys, blob = house.keys(organisation), organisation.settings_sealed
        told: dict[str, Any] | None = open_json(keys, blob, "organisation", "settings", organisation.pk)
    except seal.SealError:
        return None
    return told


@dataclass(frozen=True, slots=True)
class Leading:
    """GUARDED, as they were last written by us."""

    public_url: str = ""
    desk_url: str = ""
    content_url: str = ""
    return_address: str = ""
    leave_mailbox: str = ""
    second_person: bool = True  # Unknown: nobody releases alone.
    known: bool = False


def leading(organisation: Organisation) -> Leading:
    """What leads readers and teammates somewhere. Letters, mails, links and whatever is signed take it from here and
    never from the row: whoever writes the database would have until the next look of `watch` to be led to. All is
    empty where the copy is gone."""
    kept = kept_settings(organisation)
    if kept is None:
        return Leading()
    return Leading(**{name: kept[name] for name in GUARDED if name in kept}, known=True)


def is_altered(organisation: Organisation) -> bool:
    """Whether the row says something else than its sealed copy, or the copy is gone."""
    kept = kept_settings(organisation)
    return kept is None or any(getattr(organisation, name) != kept.get(name) for name in GUARDED)


def _put_back(organisation: Organisation) -> list[str] | None:
    """Names of settings that somebody without keys had written; [] none, None unknown."""
    kept = kept_settings(organisation)
    if kept is None:
        return None
    wrong = {name: getattr(organisation, name) for name in GUARDED if getattr(organisation, name) != kept[name]}
    if wrong:
        # Only where it still stands so: somebody may have saved others meanwhile.
        Organisation.objects.filter(pk=organisation.pk, **wrong).update(**{name: kept[name] for name in wrong})
    return list(wrong)


def watch(now: datetime) -> int:
    """Says in the log and in the events, once an hour, where roles were written beside us; how many stand there. What
    settings were written beside us is put back."""
    found = 0
    for organisation in Organisation.objects.order_by("id"):
        roles = forged(organisation)
        found += len(roles)
        if roles:
            _tell(organisation, FORGED, {"people": [row.person_id for row in roles]}, now)
        altered = _put_back(organisation)
        if altered is None or altered:
            _tell(organisation, ALTERED, {"settings": altered}, now)
    return found


def _tell(organisation: Organisation, kind: str, detail: dict[str, Any], now: datetime) -> None:
    if not Event.objects.filter(organisation=organisation, kind=kind, at__gt=now - TOLD).exists():
        record(kind, organisation, now=now, detail=detail)
        log.error("Somebody without keys wrote roles or settings into the database. Run: samizdat doctor")


def _rows(**wanted: Any) -> Iterator[Membership]:
    yield from Membership.objects.select_related("person", "organisation").filter(**wanted).order_by("id")
