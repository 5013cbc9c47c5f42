"""Verbs on sending domains and their DKIM keys: add, look, activate, rotate, retire."""

import contextlib
import os
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from msgspec import Struct

from samizdat.accounts import pending_changes, sealed_settings
from samizdat.accounts.models import Organization, PendingChange, Person
from samizdat.campaigns.sender_domain_check import Lookup, look_up_txt
from samizdat.core.crypto.seal import SealError
from samizdat.core.mail import dkim, rate
from samizdat.core.mail.address import BadAddress, domain, normalize
from samizdat.delivery import dkim_keys, sealed_domains
from samizdat.delivery.errors import DomainRefused
from samizdat.delivery.models import DkimKey, SendingDomain
from samizdat.delivery.sealed_domains import SealedKey
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.vault.locks import unlocked

# Days for which the record of a key that no longer signs has to stay: letters signed with it lie in queues for up to
# five days, and some receivers look again when a letter is opened or forwarded.
OVERLAP = 14

_SELECTOR = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
# One tag of a selector by algorithm, so that a person sees in the zone which is which.
_LETTERS = {"ed25519": "e", "rsa": "r"}


class KeyDetails(Struct, frozen=True):
    """What is sealed of a key that waits, or its end; its public half where it comes in."""

    domain: str
    selector: str
    public: str = ""


def add_domain(
    organization: Organization,
    name: str,
    *,
    now: datetime,
    by: Person | None = None,
    algorithms: tuple[str, ...] = dkim.ALGORITHMS,
) -> SendingDomain:
    """A domain to sign for, with a new key of each algorithm. Of a second one no key becomes active before somebody has
    approved it (accounts/pending_changes.py). Errors: DomainRefused."""
    name = _domain_name(name)
    try:
        with transaction.atomic():
            # Of two that are added at once, one alone is the first.
            Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
            waits = not _is_first(organization) and pending_changes.held(organization, by)
            sending_domain = SendingDomain.objects.create(organization=organization, name=name, made=_day(now))
            sealed_domains.seal_domain(sending_domain, waits=waits)
            record("domain.added", organization, now=now, by=by, about=sending_domain.pk, detail={"domain": name})
            sealed_settings.count_another(organization, "domains")
            for algorithm in algorithms:
                add_key(sending_domain, algorithm, now=now, by=by)
            if waits:
                pending_changes.ask(organization, "domain", name, about=sending_domain.pk, now=now, by=by)
    except IntegrityError:
        raise DomainRefused(_("%(domain)s is already added.") % {"domain": name}, code="domain_taken") from None
    return sending_domain


def _is_first(organization: Organization) -> bool:
    """Whether there never was one, as is sealed and as the log says: what was removed counts, so nobody makes theirs
    the first."""
    added = Event.objects.filter(organization=organization, kind="domain.added")
    return sealed_settings.how_many(organization, "domains") == 0 and not added.exists()


def _domain_name(text: str) -> str:
    """Lower case, an international one in its xn-- form."""
    try:
        name = domain(normalize(f"postmaster@{text.strip().rstrip('.').removeprefix('@')}"))
    except BadAddress:
        name = ""
    if "." not in name or name.endswith("]"):
        raise DomainRefused(
            _("This isn’t a domain. Enter the part of your sender address after the @, like lantern.example.")
        )
    return name


def warm_up(row: SendingDomain, plan: str, *, now: datetime, by: Person | None = None) -> SendingDomain:
    """How many letters go from this domain on its first day, the second and so on, by all routes together; the first
    one is today. "" ends it. Errors: DomainRefused.
    """
    try:
        text = ",".join(map(str, rate.parse_plan(plan)))
    except rate.BadRate as bad:
        raise DomainRefused(_(bad.sentence).format(**bad.values), "warm_up", "bad_plan") from bad
    if text != row.warm_up:
        today = row.organization.day_of(now)
        with transaction.atomic():
            SendingDomain.objects.filter(pk=row.pk).update(warm_up=text, warm_since=today if text else None)
            detail = {"domain": row.name, "plan": text}
            record("domain.warm_up", row.organization, now=now, by=by, about=row.pk, detail=detail)
        row.refresh_from_db()
    return row


# Characters of a reason.
LONGEST_REASON = 500


def allow_without_records(row: SendingDomain, reason: str, *, now: datetime, by: Person | None = None) -> None:
    """Campaigns from this domain and those below it may go though DNS lacks what mailbox providers ask for
    (delivery/sending_gate.py). Errors: DomainRefused."""
    reason = " ".join(reason.split())
    if not 0 < len(reason) <= LONGEST_REASON:
        sentence = _("Say why this domain may send without its DNS records, in at most %(n)s characters.")
        raise DomainRefused(sentence % {"n": LONGEST_REASON}, "reason", "no_reason")
    _set_allowed(row, reason, "domain.allowed", now, by)


def require_records(row: SendingDomain, *, now: datetime, by: Person | None = None) -> None:
    """Takes that back. Errors: DomainRefused."""
    _set_allowed(row, "", "domain.checked", now, by)


def _set_allowed(row: SendingDomain, reason: str, kind: EventKind, now: datetime, by: Person | None) -> None:
    try:
        with transaction.atomic():
            sealed_domains.allow(row, reason)
            detail = {"domain": row.name, **({"reason": reason} if reason else {})}
            record(kind, row.organization, now=now, by=by, about=row.pk, detail=detail)
    except SealError:
        raise _altered(row.name) from None
    row.refresh_from_db(fields=["state_sealed"])


def add_key(
    row: SendingDomain,
    algorithm: str = "",
    *,
    now: datetime,
    by: Person | None = None,
    selector: str = "",
    private: bytes | None = None,
) -> DkimKey:
    """A new key, or one that is brought along (PEM), under a selector of its own. One that is brought along becomes
    active once somebody has approved it. Errors: DomainRefused."""
    key = _brought(private) if private is not None else _new(algorithm)
    algorithm, public = dkim.algorithm_of(key), dkim.public_text(key)
    if twin := DkimKey.objects.filter(domain=row, public=public).first():
        sentence = _("This key is already added, under %(selector)s. A second name for it wouldn’t protect anything.")
        raise DomainRefused(sentence % {"selector": twin.selector}, "private", "key_known")
    selector = _selector(selector) if selector else _free_selector(row, algorithm, now)
    waits = private is not None and pending_changes.held(row.organization, by)
    try:
        with transaction.atomic():
            dkim_key = DkimKey.objects.create(
                domain=row,
                algorithm=algorithm,
                selector=selector,
                public=public,
                since=_day(now),
            )
            sealed = SealedKey(row.pk, algorithm, selector, public, dkim.private_bytes(key), waits)
            sealed_domains.seal_key(dkim_key, sealed)
            _record("domain.key_added", dkim_key, now, by)
            if waits:
                details = KeyDetails(row.name, selector, public)
                pending_changes.ask(row.organization, "key", details, about=dkim_key.pk, now=now, by=by)
    except IntegrityError:
        sentence = _("A key under %(selector)s already exists. Choose another selector.") % {"selector": selector}
        raise DomainRefused(sentence, "selector", "selector_taken") from None
    return dkim_key


def _new(algorithm: str) -> dkim.Private:
    if algorithm == "rsa":
        return rsa.generate_private_key(65537, dkim.NEW_RSA_BITS)
    if algorithm == "ed25519":
        return ed25519.Ed25519PrivateKey.from_private_bytes(os.urandom(32))
    sentence = _("There is no key type called %(kind)s. Use one of: %(known)s.")
    raise DomainRefused(sentence % {"kind": algorithm, "known": ", ".join(dkim.ALGORITHMS)}, "algorithm", "bad_key")


def _brought(data: bytes) -> dkim.Private:
    try:
        return dkim.read_private(data)
    except dkim.BadKey as bad:
        raise DomainRefused(_(bad.sentence).format(**bad.values), "private", "bad_key") from bad


def _selector(text: str) -> str:
    selector = text.strip().lower()
    if len(selector) > 63 or not _SELECTOR.fullmatch(selector):
        sentence = _("A selector is a short name of letters, digits and dashes, like news2026. Choose another one.")
        raise DomainRefused(sentence, "selector", "bad_selector")
    return selector


def _free_selector(row: SendingDomain, algorithm: str, now: datetime) -> str:
    """Year and month tell a person which one is the newer."""
    first = f"sz{now:%y%m}{_LETTERS[algorithm]}"
    taken = set(row.keys.values_list("selector", flat=True))
    return next(name for name in [first, *(f"{first}{n}" for n in range(2, len(taken) + 3))] if name not in taken)


# --- what name servers say ---


@dataclass(frozen=True, slots=True)
class DnsLookup:
    """What was found of one key's record: as dkim.found_in has it, or "silent" (no server answered)."""

    key: DkimKey
    status: str


def look(
    row: SendingDomain, *, now: datetime, by: Person | None = None, look_up: Lookup = look_up_txt
) -> list[DnsLookup]:
    """Looks up the records of all keys that are not retired. A new key whose record is there is published then."""
    looks = []
    sealed = {known.id: known for known in dkim_keys.domain_row(row).keys if not known.is_altered}
    for key in row.keys.select_related("domain__organization").exclude(state="retired").order_by("pk"):
        if (known := sealed.get(key.pk)) is None:
            continue
        texts = look_up(known.name)
        status = "silent" if texts is None else dkim.found_in(texts, known.algorithm, known.public)
        if status == "right":
            DkimKey.objects.filter(pk=key.pk).update(seen=_day(now))
            sealed_domains.prove_key(key)
            if key.state == "new":
                _move(key, ("new",), "published", "domain.key_published", now, by)
            key.refresh_from_db()
        looks.append(DnsLookup(key, status))
    _note_claim(row)
    return looks


def say_published(key: DkimKey, *, now: datetime, by: Person | None = None) -> None:
    """A person says that the record is there: ours is not the only resolver. Whoever has the machine is believed
    (delivery/domain_ownership.py). Errors: DomainRefused."""
    moved = _move(key, ("new",), "published", "domain.key_published", now, by)
    if not moved and (by is not None or key.state == "retired"):
        raise _wrong_state(key)
    if by is None:
        with contextlib.suppress(SealError):
            sealed_domains.prove_key(key)
            _note_claim(key.domain)


# --- the life of a key ---


def activate(key: DkimKey, *, now: datetime, by: Person | None = None) -> None:
    """From now on this key signs. The one of its kind that did so retires: its record has to stay for OVERLAP days.

    Errors: DomainRefused for a key whose record nobody has seen.
    """
    if key.state == "new":
        sentence = _(
            "The record of %(selector)s wasn’t found yet. Add it and press Check, or confirm that you’ve added it."
        )
        raise DomainRefused(sentence % {"selector": key.selector}, "selector", "not_published")
    if key.state == "retired":
        raise _wrong_state(key)
    if by is not None and waits(key):
        sentence = _(
            "%(selector)s is waiting for another admin’s approval. See Pending changes. If it isn’t there, add it "
            "again."
        )
        raise DomainRefused(sentence % {"selector": key.selector}, "selector", "waits")
    try:
        with transaction.atomic():
            if by is None:
                _approve_on_server(key, now)
            others = DkimKey.objects.filter(domain=key.domain_id, algorithm=key.algorithm, state="active")
            others.exclude(pk=key.pk).update(
                state="retiring", since=_day(now), until=_day(now) + timedelta(days=OVERLAP)
            )
            # A retiring one may come back: that is the way out when the new record turns out to be wrong.
            if not _move(key, ("published", "retiring"), "active", "domain.key_activated", now, by):
                raise _wrong_state(key)
    except IntegrityError:
        raise _wrong_state(key) from None


def waits(key: DkimKey) -> bool:
    """Whether it, or its domain, has not been approved yet. Errors: DomainRefused for one that is none of ours."""
    try:
        return sealed_domains.open_key(key).waits or sealed_domains.domain_waits(key.domain)
    except SealError:
        raise _altered(key.selector) from None


def approve_domain(row: SendingDomain, name: str) -> None:
    """Its keys may sign for this name from now on. Errors: DomainRefused."""
    try:
        sealed_domains.approve_domain(row, name)
    except SealError:
        raise _altered(row.name) from None
    _note_claim(row)


def approve_key(key: DkimKey, public: str) -> None:
    """The key with this public half may sign from now on, if its domain may. Errors: DomainRefused."""
    try:
        sealed_domains.approve_key(key, public)
    except SealError:
        raise _altered(key.selector) from None
    _note_claim(key.domain)


def _approve_on_server(key: DkimKey, now: datetime) -> None:
    """Whoever has the machine asks nobody."""
    if not waits(key):
        return
    approve_key(key, key.public)
    approve_domain(key.domain, key.domain.name)
    for kind, number in (("key", key.pk), ("domain", key.domain_id)):
        pending_changes.settle_about(key.domain.organization, kind, number, now=now, by=None)


def _altered(name: str) -> DomainRefused:
    sentence = _("%(name)s was edited directly in the database. Remove it, then add it again.")
    return DomainRefused(sentence % {"name": name}, "selector", "altered")


def activate_published(row: SendingDomain, *, now: datetime, by: Person | None = None) -> list[DkimKey]:
    """Every key whose record is there; the newest of each kind."""
    newest = {key.algorithm: key for key in _keys(row).filter(state="published").order_by("pk")}
    for key in newest.values():
        activate(key, now=now, by=by)
    return list(newest.values())


def rotate(row: SendingDomain, *, now: datetime, by: Person | None = None, algorithm: str = "") -> list[DkimKey]:
    """A successor for each active key that has none; nothing is signed with it before it is activated."""
    waiting = set(_keys(row).filter(state__in=("new", "published")).values_list("algorithm", flat=True))
    active = _keys(row).filter(state="active").order_by("algorithm")
    wanted = [key.algorithm for key in active if algorithm in ("", key.algorithm) and key.algorithm not in waiting]
    if not wanted:
        sentence = _("No active key is left to replace. Publish and activate the one that’s waiting.")
        raise DomainRefused(sentence, "algorithm", "nothing_to_rotate")
    return [add_key(row, key_algorithm, now=now, by=by) for key_algorithm in wanted]


def retire(key: DkimKey, *, now: datetime, by: Person | None = None, approved: bool = False) -> PendingChange | None:
    """This key never signs again, and its private half is forgotten. Its record may go once no queue holds its letters.
    For one that signs one admin is not enough (accounts/pending_changes.py).

    Errors: DomainRefused when it is retired already.
    """
    before = tuple(state for state in DkimKey.STATES if state != "retired")
    if key.state == "active" and not approved and pending_changes.held(key.domain.organization, by):
        details = KeyDetails(key.domain.name, key.selector)
        return pending_changes.ask(key.domain.organization, "key_retired", details, about=key.pk, now=now, by=by)
    if not _move(key, before, "retired", "domain.key_retired", now, by, private_sealed=b""):
        raise _wrong_state(key)
    return None


def retire_due(now: datetime) -> int:
    """Keys whose overlap is over."""
    due = DkimKey.objects.filter(unlocked("domain__organization__"), state="retiring", until__lte=_day(now))
    due = due.select_related("domain__organization")
    moves = [_move(key, ("retiring",), "retired", "domain.key_retired", now, None, private_sealed=b"") for key in due]
    return sum(moves)


def remove_domain(
    row: SendingDomain, *, now: datetime, by: Person | None = None, approved: bool = False
) -> PendingChange | None:
    """Takes a domain away with its keys: letters from it go out unsigned, or signed by the relay. Where one of them
    signs, one admin is not enough (accounts/pending_changes.py)."""
    if not approved and row.keys.filter(state="active").exists() and pending_changes.held(row.organization, by):
        return pending_changes.ask(row.organization, "domain_removed", row.name, about=row.pk, now=now, by=by)
    with transaction.atomic():
        record("domain.removed", row.organization, now=now, by=by, about=row.pk, detail={"domain": row.name})
        pending_changes.stop_about(row.organization, "domain", row.pk, now=now, by=by)
        sealed_settings.note_claim(row.organization, row.name, None)
        row.delete()
    return None


def _keys(row: SendingDomain) -> QuerySet[DkimKey]:
    return row.keys.select_related("domain__organization")


def _move(
    key: DkimKey,
    before: tuple[str, ...],
    state: str,
    kind: EventKind,
    now: datetime,
    by: Person | None,
    **changes: object,
) -> bool:
    """WHERE is the lock: one of two who move the same key finds nothing to update."""
    with transaction.atomic():
        moved = DkimKey.objects.filter(pk=key.pk, state__in=before).update(
            state=state, since=_day(now), until=None, **changes
        )
        if moved:
            _record(kind, key, now, by)
            _note_claim(key.domain)
    key.refresh_from_db()
    return bool(moved)


def _note_claim(row: SendingDomain) -> None:
    """Keeps beside the settings whether it is proven, or signs: so that it claims its name whatever its row says."""
    proven = dkim_keys.is_proven(row)
    sealed_settings.note_claim(row.organization, row.name, proven if proven or dkim_keys.signs(row) else None)


def _record(kind: EventKind, key: DkimKey, now: datetime, by: Person | None) -> None:
    detail = {"domain": key.domain.name, "selector": key.selector, "algorithm": key.algorithm, "key": key.pk}
    record(kind, key.domain.organization, now=now, by=by, about=key.domain_id, detail=detail)


def _wrong_state(key: DkimKey) -> DomainRefused:
    sentence = _("%(selector)s is now %(state)s. Reload the page.")
    return DomainRefused(sentence % {"selector": key.selector, "state": _STATES[key.state]()}, "selector", "key_state")


_STATES = {
    "new": lambda: pgettext("signing key", "new"),
    "published": lambda: pgettext("signing key", "published"),
    "active": lambda: pgettext("signing key", "active"),
    "retiring": lambda: pgettext("signing key", "being replaced"),
    "retired": lambda: pgettext("signing key", "retired"),
}


def _day(now: datetime) -> date:
    return now.astimezone(UTC).date()
