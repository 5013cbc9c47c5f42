"""What a row grants holds only with a MAC under a key of the instance: whoever writes the database without keys makes
nobody an admin, raises no invitation and shortens no wait (threat model, docs/keys.md).

What no MAC tells is an older state put back: a row that was there once fits again. Where the log says what became of
a row, as of a change or an export that waited, the log is asked as well.
"""

import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from django.db.models import Exists, OuterRef, QuerySet
from msgspec import Struct, structs

from samizdat.accounts.models import Invitation, Membership, Organization, PendingChange, Person
from samizdat.core.crypto import seal
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.events.queries import was_said
from samizdat.vault import keyring
from samizdat.vault.sealed_json import open_json, seal_json

log = logging.getLogger("samizdat.worker")

FORGED: EventKind = "person.role_forged"
ALTERED: EventKind = "organization.altered"
# Where readers and teammates are led, and where mail from readers goes.
LEADING = ("public_url", "desk_url", "content_url", "return_address", "unsubscribe_mailbox")
# What mails and public pages call the organization, and by what commands know it.
NAMING = ("name", "postal_address", "language", "slug")
GUARDED = (*LEADING, *NAMING, "requires_approval")
# Of these the first one waits for nobody, and nothing waits before there were readers. How many there ever were is
# sealed beside the settings, of readers whether there were any: rows and events of all can be taken away for a moment.
COUNTED = ("routes", "domains", "readers")
TOLD = timedelta(hours=1)
# Hosts that come along with exports: one each time that the public pages moved, and files can be made up.
MOST_BROUGHT = 20


class Leading(Struct, frozen=True):
    """GUARDED, as they were last written by us; what nobody has written yet is as here. What is sealed of an
    organization."""

    public_url: str = ""
    desk_url: str = ""
    content_url: str = ""
    return_address: str = ""
    unsubscribe_mailbox: str = ""
    name: str = ""
    postal_address: str = ""
    language: str = "en"
    slug: str = ""
    requires_approval: bool = True  # Unknown: nobody releases alone.
    names: frozenset[str] = frozenset()  # Of those that were written.
    hosts: frozenset[str] = frozenset()  # That the public pages have, and had.
    brought: tuple[str, ...] = ()  # That they had elsewhere, as exports say.
    routes: int | None = None  # Of COUNTED; None unknown.
    domains: int | None = None
    readers: int | None = None
    closed: dict[int, int] = {}  # Route -> the event that its server closed it.

    @property
    def known(self) -> bool:
        # A slug that was lost with the copy is taken from the row on the server alone: there is no form for it.
        return self.names >= {*GUARDED} - {"slug"}


def mac(*parts: object) -> bytes:
    """Of a kind of row, and all of it that counts. Bytes count by their hash."""
    return seal.keyed_hash(keyring.derive("grants"), json.dumps([*map(_plain, parts)]))


def fits(stored_mac: bytes | memoryview, *parts: object) -> bool:
    return hmac.compare_digest(bytes(stored_mac), mac(*parts))


def _plain(part: object) -> object:
    if isinstance(part, datetime):
        return part.astimezone(UTC).isoformat()
    if isinstance(part, bytes | memoryview):
        return hashlib.sha256(part).hexdigest()
    return part


def of_membership(row: Membership) -> tuple[object, ...]:
    locked = () if row.locked is None else (row.locked,)
    out = () if row.signed_out is None else ("signed out", row.signed_out)
    return "membership", bytes(row.organization.uid), row.person_id, row.role, row.since, *locked, *out


def of_invitation(row: Invitation) -> tuple[object, ...]:
    return "invitation", bytes(row.organization.uid), row.token_hash, row.role, row.expires


def of_change(row: PendingChange) -> tuple[object, ...]:
    facts = (
        row.state,
        row.settled,
        row.kind,
        row.about,
        row.by_id,
        row.created,
        float(row.waited_seconds),
        row.details_sealed,
    )
    noticed = () if row.noticed is None else ("noticed", row.noticed)
    refused = () if row.refused is None else ("refused", row.refused, row.tried)
    return "change", bytes(row.organization.uid), row.pk, *facts, *noticed, *refused


def give(person: Person, organization: Organization, role: str, now: datetime) -> Membership:
    """Writes a role, and since when it is held. The one place that does. A locked account stays locked,
    and who was signed out stays so."""
    row = Membership(person=person, organization=organization, role=role, since=now)
    before = Membership.objects.filter(person=person, organization=organization).first()
    if before is not None:
        row.locked, row.signed_out = before.locked, before.signed_out
    values = {"role": role, "since": now, "mac": mac(*of_membership(row))}
    membership, _made = Membership.objects.update_or_create(
        person=person, organization=organization, defaults=values, create_defaults={**values, "created": now.date()}
    )
    return membership


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


def end_invitation(organization: Organization, number: int) -> bool:
    """It opens nothing any more, whatever is written into `used`; whether it could be used until now. The row is the
    lock: of two who press at once one finds it used."""
    mine = Invitation.objects.filter(pk=number, organization=organization, used=False)
    return bool(mine.update(used=True, mac=b""))


def memberships(**wanted: object) -> list[Membership]:
    """Those that hold, with person and organization; locked ones, too."""
    return [row for row in _rows(**wanted) if holds(row)]


def has_role(person: Person, organization: Organization, roles: Collection[str]) -> bool:
    """Whether they hold one of these roles here, and may sign in."""
    wanted = {"role__in": roles, "person__is_active": True, "locked": None}
    return bool(memberships(person=person, organization=organization, **wanted))


def who_may_sign_in() -> QuerySet[Person]:
    """All but those who are locked wherever they work."""
    rows = Membership.objects.filter(person=OuterRef("pk"))
    locked = Exists(rows.filter(locked__isnull=False)) & ~Exists(rows.filter(locked=None))
    return Person.objects.filter(is_active=True).exclude(locked)


def forged(organization: Organization) -> list[Membership]:
    """Roles that were written beside us, or moved from another row: they give nothing."""
    return [row for row in _rows(organization=organization) if not holds(row)]


def keep_settings(organization: Organization, written: Collection[str], *, trusts_row: bool = False) -> None:
    """Seals a copy of what leads people and mail somewhere, by whoever has just written some of it. trusts_row: where
    the copy is gone, the rest is taken from the row; else it stays unknown until each was written."""
    # Of the row: the object in hand may be older than what somebody else saved. And of the others as they were kept,
    # so that saving one setting does not make another one ours which was written beside us.
    row = Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    kept = leading(row)
    ours = [name for name in GUARDED if name in written or (trusts_row and name not in kept.names)]
    values = structs.replace(kept, **{name: getattr(row, name) for name in ours}, names=kept.names.union(ours))
    # Before and now: settings that were sealed by an earlier version name no hosts.
    there = {urlsplit(settings.public_url).hostname or "" for settings in (kept, values)}
    _seal_settings(organization, structs.replace(values, hosts=kept.hosts | there - {""}))


def _seal_settings(organization: Organization, settings: Leading) -> None:
    keys, number = keyring.keys(organization), organization.pk
    organization.settings_sealed = seal_json(keys, settings, "organization", "settings", number)
    organization.save(update_fields=["settings_sealed"])


def begin_counts(organization: Organization) -> None:
    """Of a new one: there is none of COUNTED."""
    _seal_settings(organization, structs.replace(_leading_now(organization), **dict.fromkeys(COUNTED, 0)))


def how_many(organization: Organization, what: str) -> int | None:
    """Of one of COUNTED there ever were; None unknown."""
    count: int | None = getattr(_leading_now(organization), what)
    return count


def count_another(organization: Organization, what: str) -> None:
    """One of COUNTED is added. Call it in a transaction that has locked the organization's row."""
    kept = _leading_now(organization)
    if (count := getattr(kept, what)) is not None:
        _seal_settings(organization, structs.replace(kept, **{what: count + 1}))


def note_closed(organization: Organization, route: int, event: int | None) -> None:
    """Which event says that its server closed this route; None: it is not closed. A later one that says that it lives
    could be deleted. Call it in a transaction that has locked the organization's row."""
    kept = _leading_now(organization)
    others = {number: by for number, by in kept.closed.items() if number != route}
    closed = others if event is None else others | {route: event}
    if closed != kept.closed:
        _seal_settings(organization, structs.replace(kept, closed=closed))


def closed_by(organization: Organization, route: int) -> int | None:
    return _leading_now(organization).closed.get(route)


def hosts(organization: Organization) -> frozenset[str]:
    """Those that its public pages have, and had: links of letters that are out lead there."""
    return leading(organization).hosts


def brought_hosts(organization: Organization) -> tuple[str, ...]:
    """Those that its exports say it had elsewhere."""
    return leading(organization).brought


def bring_hosts(organization: Organization, more: Collection[str]) -> None:
    """Hosts to which links of letters lead that were sent elsewhere. Call it in a transaction that has locked the
    organization's row."""
    kept = _leading_now(organization)
    brought = tuple(dict.fromkeys((*kept.brought, *more)))[:MOST_BROUGHT]
    if brought != kept.brought:
        _seal_settings(organization, structs.replace(kept, brought=brought))


def _leading_now(organization: Organization) -> Leading:
    return leading(Organization.objects.get(pk=organization.pk))


def leading(organization: Organization) -> Leading:
    """What leads readers and teammates somewhere, as far as it is known. Letters, mails, links and whatever is signed
    take it from here and never from the row: whoever writes the database would have until the next look of `watch` to
    be led to. All is empty where the copy is gone, or is none of ours."""
    keys, blob = keyring.keys(organization), organization.settings_sealed
    try:
        return open_json(keys, blob, "organization", "settings", organization.pk, Leading)
    except seal.SealError:
        return Leading()


def is_altered(organization: Organization) -> bool:
    """Whether the row says something else than its sealed copy, or the copy is gone."""
    kept = leading(organization)
    return not kept.known or bool(_differing(organization, kept))


def _differing(organization: Organization, kept: Leading) -> dict[str, object]:
    """What stands in the row instead of what was kept."""
    there = {name: getattr(organization, name) for name in GUARDED if name in kept.names}
    return {name: value for name, value in there.items() if value != getattr(kept, name)}


def _put_back(organization: Organization) -> list[str] | None:
    """Names of settings that somebody without keys had written; [] none, None unknown."""
    kept = leading(organization)
    if not kept.known:
        return None
    wrong = _differing(organization, kept)
    if "slug" in wrong:
        # Two slugs may have been exchanged: whoever else has ours gets a free one until their turn comes.
        for other in Organization.objects.filter(slug=kept.slug).exclude(pk=organization.pk):
            Organization.objects.filter(pk=other.pk).update(slug=f"organization-{secrets.token_hex(8)}")
    if wrong:
        # Only where it still stands so: somebody may have saved others meanwhile.
        mine = Organization.objects.filter(pk=organization.pk, **wrong)
        mine.update(**{name: getattr(kept, name) for name in wrong})
    return list(wrong)


def watch(now: datetime) -> int:
    """Says in the log and in the events, once an hour, where roles were written beside us; how many stand there. What
    settings were written beside us is put back."""
    count = 0
    for number in Organization.objects.order_by("id").values_list("id", flat=True):
        # As it stands now: the one before may have had the slug of this one.
        organization = Organization.objects.get(pk=number)
        roles = forged(organization)
        count += len(roles)
        if roles:
            _tell(organization, FORGED, {"people": [row.person_id for row in roles]}, now)
        altered = _put_back(organization)
        if altered is None or altered:
            tell_altered(organization, altered, now)
    return count


def tell_altered(organization: Organization, settings: list[str] | None, now: datetime) -> None:
    """settings: names of what stood there instead; None unknown."""
    _tell(organization, ALTERED, {"settings": settings}, now)


def _tell(organization: Organization, kind: EventKind, detail: dict[str, object], now: datetime) -> None:
    if not was_said(organization, kind, now - TOLD):
        record(kind, organization, now=now, detail=detail)
        log.error("Somebody without keys wrote roles or settings into the database. Run: samizdat doctor")


def _rows(**wanted: object) -> Iterator[Membership]:
    yield from Membership.objects.select_related("person", "organization").filter(**wanted).order_by("id")
