"""What one stolen session must not do alone (threat model, T19): a change waits for another admin, or for a day.

Whatever it is, a role, an address, a domain, it is one row here: what, who asked, since when, who settled it. All
admins are told at once, at the desk and by mail. Another admin approves it with one press, or stops it with one; where
nobody does either, it is done after a day by two clocks, so that an organization of one person is never stuck. The day
begins when another admin knows of it: a mail to them was accepted, or they saw it at the desk. Until then it waits;
where there is no other admin and no mail goes out, it waits three days. The verb itself asks (`held`), so no door goes
around it. Where the mailboxes of all other admins refuse mail for a week, it waits its day as if they had been told:
one who is gone must not keep a change for ever. The command line is of whoever has the machine, and asks nobody.
"""

import logging
import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from math import inf
from typing import Any, Protocol

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from msgspec import structs

from samizdat.accounts import memberships, row_macs, sealed_settings
from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import Organization, PendingChange, Person
from samizdat.core.crypto.seal import SealError
from samizdat.events import chain, walked_log
from samizdat.events.actions import detail_of, is_genuine, record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.events.queries import last_about
from samizdat.logs import where_it_broke
from samizdat.vault import keyring
from samizdat.vault.locks import unlocked

log = logging.getLogger("samizdat.worker")

WAIT = timedelta(hours=24)
# Of an admin who is alone and whom no mail reaches: long enough to look in at the desk meanwhile.
UNTOLD = timedelta(hours=72)
# How long mails to every other admin have to be refused, until it waits its day as if they had been told.
UNREACHED = timedelta(days=7)
# An attempt speaks for so long. Where none reaches their server, as without a route, that time stands still.
SPEAKS = timedelta(days=1)
# How long somebody has to be an admin before their approval counts: who became one since may be whoever asked.
SEASONED = timedelta(hours=24)

# Seconds in which the clock walks the log for one of them.
WALKED = 1.0
# So many wait in an organization at most: more than a team looks at in the days that they wait.
MOST = 200
# By then an event is in the chain: the worker links new ones each ten seconds.
LINKED = timedelta(minutes=10)

# Row, and what is known of who was told -> seconds that one process has counted of it.
Seen = dict[tuple[int, datetime | None, datetime | None], float]
# Row -> how much has passed that nothing was counted of.
Missed = dict[int, timedelta]

ASKED: EventKind = "change.requested"
DONE: EventKind = "change.applied"
STOPPED: EventKind = "change.stopped"
FAILED: EventKind = "change.failed"


# Events by which the log knows who is an admin.
_ROLES: tuple[EventKind, ...] = ("person.role_changed", "person.removed", "person.locked", "person.unlocked")
# Those by which somebody may have become one: how many there are is sealed, so that none can be taken out.
_GIVING = ("person.role_changed", "person.unlocked")


class ChangeRefused(AccountError):
    code = "change_refused"


class TooManyWaiting(ChangeRefused):
    code = "too_many_waiting"


@dataclass(frozen=True, slots=True)
class ChangeKind[Details]:
    """details: what is sealed of it. says: the change in words. do: what is done once it may be. portions: what is done
    before, each in a transaction of its own, since in one it would keep others waiting; may be repeated. undo: what is
    taken away where it is stopped. secret: fields of the details that are forgotten once it is settled. askers: roles
    that may ask for it. outline: what it says to anybody but an admin, where its words tell who subscribes."""

    details: type[Details]
    says: Callable[[PendingChange, Details], str]
    do: Callable[[PendingChange, Details, datetime], None] | None = None
    undo: Callable[[PendingChange, datetime], None] | None = None
    secret: tuple[str, ...] = ()
    askers: tuple[str, ...] = ("admin",)
    outline: Callable[[PendingChange, Details], str] | None = None
    portions: Callable[[PendingChange, Details, datetime], Iterator[Callable[[], None]]] | None = None


_loaders: list[Callable[[], Mapping[str, ChangeKind[Any]]]] = []


def register(load: Callable[[], Mapping[str, ChangeKind[Any]]]) -> None:
    """By an app that has such verbs, when Django starts; they are loaded when somebody asks."""
    _loaders.append(load)


def _kind(name: str) -> ChangeKind[Any]:
    return next(kinds[name] for load in _loaders if name in (kinds := load()))


# organization number -> whether there is something to guard.
_guarded: list[Callable[[int], bool]] = []


def guard_where(asked: Callable[[int], bool]) -> None:
    """By an app whose rows are a reason to wait, when Django starts."""
    _guarded.append(asked)


class HeldRow(Protocol):
    """What waits for another one's approval or for its day: a PendingChange, or an export that is held."""

    @property
    def pk(self) -> int: ...
    @property
    def organization(self) -> Organization: ...
    @property
    def by(self) -> Person | None: ...

    created: datetime
    noticed: datetime | None
    refused: datetime | None
    tried: datetime | None
    waited_seconds: float


def held(organization: Organization, by: Person | None) -> bool:
    """Whether a change that this person asks for has to wait. Nothing is guarded before there was anybody on a list."""
    if by is None:
        return False
    return sealed_settings.how_many(organization, "readers") != 0 or _has_readers(organization)


def _has_readers(organization: Organization) -> bool:
    if Organization.objects.filter(pk=organization.pk, next_number__gt=1).exists():
        return True
    # Who writes the database could have set that number back.
    return any(asked(organization.pk) for asked in _guarded)


def note_readers() -> None:
    """Seals of each organization that there was somebody on a list, so that nobody takes all signs of it away."""
    for organization in Organization.objects.filter(unlocked()).order_by("id"):
        if sealed_settings.how_many(organization, "readers") == 0 and _has_readers(organization):
            with transaction.atomic():
                Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
                sealed_settings.count_another(organization, "readers")


def ask(
    organization: Organization,
    kind: str,
    details: object,
    *,
    about: int | None = None,
    now: datetime,
    by: Person | None,
    always: bool = False,
) -> PendingChange:
    """The same asked again is the one that waits already: its day does not begin anew. always: also beyond MOST, where
    nobody is there to be refused. Errors: TooManyWaiting."""
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        for row in waiting(organization).filter(kind=kind, about=about):
            if details_of(row, type(details)) == details:
                return row
        if not always and waiting(organization).count() >= MOST:
            sentence = _("%(n)s changes are already pending. Approve or stop some of them under Team, then try again.")
            raise TooManyWaiting(sentence % {"n": MOST})
        row = PendingChange.objects.create(
            organization=organization, kind=kind, about=about, by=by, created=now, details_sealed=b""
        )
        _tell(row, details)
        detail = {"change": kind, **behind(organization)}
        record(ASKED, organization, now=now, by=by, about=row.pk, detail=detail)
    return row


def behind(organization: Organization) -> dict[str, int]:
    """For the event by which something is asked for: how long the log was. Its own place stands in the open, and
    whoever writes the database has it linked anew behind what they deleted."""
    return {"logged": chain.length(organization)}


def _tell(row: PendingChange, details: object) -> None:
    row.details_sealed = keyring.keys(row.organization).seal_json(details, "pendingchange", "details", row.pk)
    row.mac = row_macs.mac(*row_macs.of_change(row))
    row.save(update_fields=["details_sealed", "mac"])


def details_of[Details](row: PendingChange, type: type[Details]) -> Details:
    return keyring.keys(row.organization).open_json(row.details_sealed, "pendingchange", "details", row.pk, type)


def sentence_of(row: PendingChange, reader: Person | None = None) -> str:
    """What it is, for people. reader: who is signed in; None: the command line."""
    kind = _kind(row.kind)
    is_admin = reader is None or memberships.has_role(reader, row.organization, ("admin",))
    says = kind.says if is_admin else kind.outline or kind.says
    return says(row, details_of(row, kind.details))


def others(organization: Organization, asker: Person | None, now: datetime) -> list[Person]:
    """Admins whose approval counts."""
    rows = memberships.valid(organization=organization, role="admin", person__is_active=True, locked=None)
    return [row.person for row in rows if row.person != asker and row.since and row.since <= now - SEASONED]


class KnownAdmins:
    """Those of an organization at one moment, looked up when they are first asked for."""

    def __init__(self, organization: Organization, now: datetime) -> None:
        self._organization, self._now = organization, now

    @cached_property
    def approving(self) -> list[Person]:
        return others(self._organization, None, self._now)

    @cached_property
    def by_log(self) -> set[int | None] | None:
        return _admins_by_log(self._organization, self._now)


def is_alone(
    organization: Organization, asker: Person | None, now: datetime, admins: KnownAdmins | None = None
) -> bool:
    """Whether there is nobody whose approval counts. One whom the log knows as an admin, and no row, was taken out of
    the database: a change then waits until they are back. So it does where the log lacks an event by which somebody may
    have become one."""
    admins = admins or KnownAdmins(organization, now)
    if any(person != asker for person in admins.approving):
        return False
    known = admins.by_log
    return known is not None and not known - {asker.pk if asker else None}


def may_be_admin(person: Person, organization: Organization, now: datetime) -> bool:
    """Whether they are an admin here, or nothing says that they are none: a row without its MAC, an older one or none
    at all is what whoever writes the database leaves of one while another one is removed."""
    rows = memberships.rows(person=person, organization=organization)
    if any(row.role == "admin" or not memberships.is_valid(row) for row in rows):
        return True
    known = _admins_by_log(organization, now + SEASONED)
    return known is None or person.pk in known


def count_role(organization: Organization) -> None:
    """Before an event of _GIVING, in its transaction."""
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    sealed_settings.count_another(organization, "roles")


def _admins_by_log(organization: Organization, now: datetime) -> set[int | None] | None:
    """None where it lacks some of the events that say so."""
    rows = Event.objects.select_related("organization").filter(organization=organization, kind__in=_ROLES)
    since: dict[int | None, datetime] = {}
    locked: set[int | None] = set()
    given = 0
    for event in rows.order_by("at", "id"):
        if not is_genuine(event):
            continue
        given += event.kind in _GIVING
        if event.kind == "person.locked":
            locked.add(event.about)
        elif event.kind == "person.unlocked":
            locked.discard(event.about)
        elif event.kind == "person.role_changed" and _makes_admin(event):
            since[event.about] = event.at
        else:
            since.pop(event.about, None)
    if given != sealed_settings.how_many(organization, "roles"):
        return None
    return {person for person, at in since.items() if at <= now - SEASONED} - locked


def _makes_admin(event: Event) -> bool:
    try:
        return detail_of(event).get("role") == "admin"
    except SealError:
        return True  # Unknown.


def waiting(organization: Organization) -> QuerySet[PendingChange]:
    """Rows, the oldest first."""
    rows = PendingChange.objects.select_related("organization", "by").filter(organization=organization, state="waiting")
    return rows.order_by("id")


def is_waiting(organization: Organization, kind: str, about: int) -> bool:
    return bool(waiting(organization).filter(kind=kind, about=about).exists())


def until(row: HeldRow, now: datetime) -> datetime:
    """When it is done by itself at the earliest; of anything with `created`, `noticed`, `refused`, `waited_seconds`."""
    waited = timedelta(seconds=row.waited_seconds)
    span, since = (UNREACHED + WAIT, row.refused or now) if is_refused(row, now) else (WAIT, row.noticed or now)
    return max(since + span, now + span - waited)


def counts(row: HeldRow, now: datetime, admins: KnownAdmins | None = None) -> bool:
    """Whether its time runs: somebody else knows of it, or there is nobody else."""
    return row.noticed is not None or is_refused(row, now) or is_alone(row.organization, row.by, now, admins)


def is_refused(row: HeldRow, now: datetime) -> bool:
    """Whether mails to every other admin were refused when they were last tried, of late, and none of them knows."""
    return row.noticed is None and row.tried is not None and abs(now - row.tried) < SPEAKS


def has_waited(row: HeldRow, waited: float, now: datetime) -> bool:
    """A day by both clocks: so none of them shortens it, and a house that is off only lengthens it."""
    span, since = UNTOLD, row.created
    if row.noticed:
        span, since = WAIT, row.noticed
    elif row.refused:
        span, since = UNREACHED + WAIT, row.refused
    return waited >= span.total_seconds() and now >= since + span


def is_news_to(row: HeldRow, person: Person, now: datetime, *, by_mail: bool) -> bool:
    """Whether its day begins now that this admin knows of it. By mail the only admin tells themselves: whoever has
    stolen their session does not have their mailbox."""
    if row.noticed is not None:
        return False
    if person in others(row.organization, row.by, now):
        return True
    return by_mail and is_alone(row.organization, row.by, now)


def notice(row: PendingChange, person: Person, now: datetime, *, by_mail: bool = False) -> None:
    """This admin was shown it, or a mail to them was accepted."""
    if not is_news_to(row, person, now, by_mail=by_mail):
        return
    with transaction.atomic():
        fresh = _locked(row, noticed=None)
        # Asked of the row again: who asked for it could have been another one for a moment.
        if fresh is not None and _is_ours(fresh) and is_news_to(fresh, person, now, by_mail=by_mail):
            row.noticed, row.waited_seconds = fresh.noticed, fresh.waited_seconds = now, 0.0
            _save(fresh)
            row.mac = fresh.mac


def refuse(row: PendingChange, refused: Collection[Person], now: datetime) -> None:
    """Mails to these admins were refused or put off by the servers of their mailboxes."""
    if not are_out_of_reach(row, refused, now):
        return
    with transaction.atomic():
        fresh = _locked(row, noticed=None)
        if fresh is not None and _is_ours(fresh) and are_out_of_reach(fresh, refused, now):
            note_refused(fresh, now)
            _save(fresh)


def are_out_of_reach(row: HeldRow, refused: Collection[Person], now: datetime) -> bool:
    """Whether these are all other admins, and none of them was told."""
    known = others(row.organization, row.by, now)
    return row.noticed is None and bool(known) and all(person in refused for person in known)


def note_refused(row: HeldRow, now: datetime) -> None:
    """In anything with `refused`, `tried` and `waited_seconds`: its time begins with the first, and goes on while some
    are."""
    if row.refused is None:
        row.refused, row.waited_seconds = now, 0.0
    row.tried = now


def _save(row: PendingChange) -> None:
    """What is known of who was told."""
    row.mac = row_macs.mac(*row_macs.of_change(row))
    row.save(update_fields=["noticed", "refused", "tried", "waited_seconds", "mac"])


def approve(row: PendingChange, *, now: datetime, by: Person | None) -> None:
    """Errors: ChangeRefused, and whatever the change itself meets."""
    if not _fits(row):  # Who asked for it may be another one for this moment.
        raise _altered()
    if by is not None and by == row.by:
        raise ChangeRefused(_("You asked for it yourself: another admin has to approve it."))
    if by is not None and by not in others(row.organization, row.by, now):
        raise ChangeRefused(_("Only someone who has been an admin for a day can approve it."))
    if not _settle(row, "done", now, by):
        raise ChangeRefused(_("This change is no longer pending. See what was decided."))


def stop(row: PendingChange, *, now: datetime, by: Person | None) -> None:
    """By any admin, also by whoever asked. Errors: ChangeRefused where it is too late."""
    if not _settle(row, "stopped", now, by):
        raise ChangeRefused(_("This change is no longer pending. See what was decided."))


def stop_about(organization: Organization, kind: str, about: int, *, now: datetime, by: Person | None) -> None:
    """What it is about is gone, or is about to go: nothing is left to be taken away."""
    for row in waiting(organization).filter(kind=kind, about=about):
        _settle(row, "stopped", now, by, act=False)


def settle_about(organization: Organization, kind: str, about: int, *, now: datetime, by: Person | None) -> None:
    """What it is about was done without it, by somebody who need not wait."""
    for row in waiting(organization).filter(kind=kind, about=about):
        _settle(row, "done", now, by, act=False)


def wait(
    now: datetime, passed: timedelta, seen: Seen | None = None, missed: Missed | None = None, seconds: float = inf
) -> None:
    """Counts the time that passed, by a clock that nobody can set, since the last call; what has waited long enough is
    done. seen: as in `count`. seconds: of this look; organizations are in no order, and what it did not come to is
    noted in `missed`, for the next."""
    until = time.monotonic() + seconds
    missed = {} if missed is None else missed
    before = {**missed}
    missed.clear()
    rows = PendingChange.objects.filter(state="waiting").order_by()
    organizations = [*Organization.objects.filter(unlocked(), pk__in=rows.values("organization"))]
    for organization in random.sample(organizations, len(organizations)):
        admins = KnownAdmins(organization, now)
        for row in sorted(waiting(organization), key=lambda row: row.pk not in before):
            since = passed + before.get(row.pk, timedelta())
            if time.monotonic() > until:
                missed[row.pk] = since
            else:
                _look_at(row, now, since, seen, admins)


def _look_at(row: PendingChange, now: datetime, passed: timedelta, seen: Seen | None, admins: KnownAdmins) -> None:
    if not _may_ask(row):
        _settle(row, "stopped", now, None)  # Whoever asked is none any more who may, or is locked.
    elif not _is_ours(row):
        log.error("A change that waited was written by somebody who has no keys; it was dropped.")
        _fail(row, now)
    elif counts(row, now, admins):
        _wait_on(row, now, count(row, passed, seen))


def _wait_on(row: PendingChange, now: datetime, waited: float) -> None:
    late = has_waited(row, waited, now)
    # A clock that was ahead when it was asked for would keep it for ever.
    mine = PendingChange.objects.filter(pk=row.pk, state="waiting", waited_seconds__lte=waited, **receipts_of(row))
    row.waited_seconds, row.created = waited, min(row.created, now)
    row.noticed = min(row.noticed, now) if row.noticed else None
    row.refused = min(row.refused, now) if row.refused else None
    row.mac = row_macs.mac(*row_macs.of_change(row))
    mine.update(
        waited_seconds=row.waited_seconds, created=row.created, noticed=row.noticed, refused=row.refused, mac=row.mac
    )
    if late:
        _do_late(row, now)


def receipts_of(row: HeldRow) -> dict[str, datetime | None]:
    """What WHERE has to find unchanged, so that no time counted before a notice is written after it."""
    return {"noticed": row.noticed, "refused": row.refused, "tried": row.tried}


def _is_ours(row: PendingChange) -> bool:
    """Whether we wrote it as it stands, and the log doesn't say that it was settled: an older row fits its MAC."""
    return _fits(row) and not _was_settled(row)


def is_log_whole_since(row: HeldRow, asked: EventKind, now: datetime, seconds: float = inf) -> bool | None:
    """Whether nothing was taken out of the log since something was asked for: what it does not say, such as that
    somebody refused it, did not happen. For whoever does by itself what has waited. None: in that time not all of the
    log was walked, and whoever asks again goes on from there."""
    event = last_about(row.organization, [asked], row.pk)
    if event is not None and event.position is None and row.created > now - LINKED:
        return True
    try:
        logged = int(detail_of(event).get("logged", 0)) if event is not None else 0
    except SealError:
        logged = 0
    # All of the log where the event is gone.
    return walked_log.is_whole(row.organization, logged, row.pk, seconds)


def _was_settled(row: PendingChange) -> bool:
    events = Event.objects.filter(organization=row.organization_id, about=row.pk, kind__in=(DONE, STOPPED, FAILED))
    return events.exists()


def _fits(row: PendingChange) -> bool:
    return row_macs.fits(row.mac, *row_macs.of_change(row))


def _locked(row: PendingChange, **wanted: object) -> PendingChange | None:
    """As it stands now, if it still waits: of two who press, the second finds none."""
    rows = PendingChange.objects.select_related("organization", "by").select_for_update(of=("self",))
    return rows.filter(pk=row.pk, state="waiting", **wanted).first()


def count(row: HeldRow, passed: timedelta, seen: Seen | None) -> float:
    """How long it has waited at least, of anything with `waited_seconds`, when one process looks again.

    Each of several processes counts the same hours, so none adds its own to the sum of all. seen: what had been
    counted of each row when this process looked last; since then so much has passed. Of a row that it sees for the
    first time it counts nothing. Without it the caller is the only one that counts.
    """
    if seen is None:
        return float(row.waited_seconds + passed.total_seconds())
    key = row.pk, row.noticed, row.refused  # With each of these it begins anew.
    before = seen.get(key)
    seen[key] = max(row.waited_seconds, before + passed.total_seconds()) if before is not None else row.waited_seconds
    return seen[key]


def _do_late(row: PendingChange, now: datetime) -> None:
    """What cannot be done any more, such as a name that is taken by now, waits no longer."""
    whole = is_log_whole_since(row, ASKED, now, WALKED)
    if whole is None:
        return  # The clock comes again.
    if not whole:
        log.error("A change that had waited for its day was not made: the log since it was asked for is not whole")
        _fail(row, now)
        return
    try:
        _settle(row, "done", now, None)
    except AccountError as refused:
        log.error("A change that had waited for its day could not be made: %s", refused.code)
        _fail(row, now)
    except Exception as error:
        log.error("A change that had waited for its day could not be made: %s", where_it_broke(error))
        _fail(row, now)


def _fail(row: PendingChange, now: datetime) -> None:
    with transaction.atomic():
        fresh = _locked(row)
        if fresh is not None:
            _end(fresh, "failed", now, None)
            record(FAILED, row.organization, now=now, about=row.pk)
            _forget_secrets(fresh)


def is_admin(person: Person | None, organization: Organization) -> bool:
    """Who may sign in, and is one here."""
    return person is not None and memberships.has_role(person, organization, ("admin",))


def _may_ask(row: PendingChange) -> bool:
    return row.by is not None and memberships.has_role(row.by, row.organization, _kind(row.kind).askers)


def _settle(row: PendingChange, state: str, now: datetime, by: Person | None, act: bool = True) -> bool:
    """Whether it waited until now. act: what follows from it is done."""
    if act and state == "done":
        _do_portions(row, now)
    with transaction.atomic():
        fresh = _locked(row)
        if fresh is None:
            return False
        was_settled = _was_settled(fresh)
        if state == "done" and (was_settled or not _fits(fresh)):
            raise _altered()
        _end(fresh, state, now, by)
        record(DONE if state == "done" else STOPPED, fresh.organization, now=now, by=by, about=fresh.pk)
        if act and not was_settled:
            _act(fresh, now)
        _forget_secrets(fresh)
    row.refresh_from_db()
    return True


def _do_portions(row: PendingChange, now: datetime) -> None:
    """While it waits: after a kill it still does, and is begun anew."""
    kind = _kind(row.kind)
    if kind.portions is None or not _fits(row):
        return
    for portion in kind.portions(row, details_of(row, kind.details), now):
        with transaction.atomic():
            fresh = _locked(row, details_sealed=row.details_sealed)
            if fresh is None or _was_settled(fresh) or not _fits(fresh):
                return
            portion()


def _altered() -> ChangeRefused:
    return ChangeRefused(_("This change was edited directly in the database. Stop it and request it again."))


def _end(row: PendingChange, state: str, now: datetime, by: Person | None) -> None:
    """With a MAC of that state, so that nothing is waiting again because somebody writes that it is."""
    is_ours = _fits(row)
    row.state, row.settled, row.settled_by = state, now, by
    row.mac = row_macs.mac(*row_macs.of_change(row)) if is_ours else b""
    row.save(update_fields=["state", "settled", "settled_by", "mac"])


def _act(row: PendingChange, now: datetime) -> None:
    kind = _kind(row.kind)
    if row.state == "done" and kind.do is not None:
        kind.do(row, details_of(row, kind.details), now)
    if row.state == "stopped" and kind.undo is not None:
        kind.undo(row, now)


def _forget_secrets(row: PendingChange) -> None:
    kind = _kind(row.kind)
    if kind.secret and _fits(row):
        _tell(row, structs.replace(details_of(row, kind.details), **dict.fromkeys(kind.secret)))
