"""A breach is written down as soon as it is noticed, and what is done about it beside it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts import memberships
from samizdat.accounts.models import Organization, Person
from samizdat.delivery.models import Route
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.privacy.breach_register import KINDS, AffectedFilter, BreachNotice, affected, told_of
from samizdat.privacy.errors import PrivacyError
from samizdat.privacy.models import Breach
from samizdat.vault import keyring

# A clock may be wrong by so much.
_SLACK = timedelta(minutes=5)


def note_breach(
    organization: Organization, asked: AffectedFilter, *, now: datetime, by: Person | None = None
) -> Breach:
    """Writes it down with the counts of this moment. Errors: RightsError."""
    _check(organization, asked, now)
    impact = affected(organization, asked)
    notice = BreachNotice(asked.notes, "", asked.since.isoformat() if asked.since else "", asked.person, asked.route)
    with transaction.atomic():
        breach = Breach.objects.create(
            organization=organization,
            kind=asked.kind,
            noticed=asked.noticed,
            counts={"readers": impact.readers, **impact.counts},
            created=now,
            by=by,
        )
        _seal(breach, notice)
        record("breach.recorded", organization, about=breach.pk, by=by, now=now, detail={"kind": asked.kind})
    return breach


def write_breach(breach: Breach, *, notes: str, done: str, now: datetime, by: Person | None = None) -> None:
    """What is known by now, and what was done."""
    with transaction.atomic():
        _seal(breach, replace(told_of(breach), notes=notes.strip(), done=done.strip()))
        record("breach.updated", breach.organization, about=breach.pk, by=by, now=now)


def decide_no_risk(breach: Breach, *, now: datetime, by: Person | None = None) -> None:
    """Nobody is at risk: the authority need not be told (article 33(1)). Why, stands in the notes."""
    with transaction.atomic():
        _seal(breach, replace(told_of(breach), no_risk=True))
        record("breach.no_risk", breach.organization, about=breach.pk, by=by, now=now)


_NOTIFIED: dict[str, EventKind] = {"authority": "breach.authority_notified", "readers": "breach.readers_notified"}


def tell(breach: Breach, whom: str, *, now: datetime, by: Person | None = None) -> None:
    """Somebody was told: `authority` or `readers`. The first time counts."""
    kind = _NOTIFIED[whom]
    column = f"told_{whom}"
    with transaction.atomic():
        if Breach.objects.filter(pk=breach.pk, **{column: None}).update(**{column: now}):
            record(kind, breach.organization, about=breach.pk, by=by, now=now)
    breach.refresh_from_db()


def _seal(breach: Breach, notice: BreachNotice) -> None:
    breach.notes_sealed = keyring.keys(breach.organization).seal_json(notice, "breach", "notes", breach.pk)
    breach.save(update_fields=["notes_sealed"])


def _check(organization: Organization, asked: AffectedFilter, now: datetime) -> None:
    if asked.kind not in KINDS:
        raise PrivacyError(_("Choose what was exposed."), "kind")
    if asked.noticed > now + _SLACK:
        raise PrivacyError(_("The breach can’t have been noticed in the future. Check the day and time."), "noticed")
    if asked.since is not None and asked.since > asked.noticed.astimezone(UTC).date() + timedelta(days=1):
        raise PrivacyError(_("The breach can’t have begun after it was noticed. Check both dates."), "since")
    if asked.kind == "account" and not memberships.valid(organization=organization, person=asked.person):
        raise PrivacyError(_("Choose whose account it was."), "person")
    if asked.kind == "route" and not Route.objects.filter(organization=organization, pk=asked.route or 0).exists():
        raise PrivacyError(_("Choose which route it was."), "route")
