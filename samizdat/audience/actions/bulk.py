"""Bulk work: a deed upon all who fit a filter, or upon those that were ticked.

It is counted before, done in slices that each commit their place, and goes on after a kill. For a day it can be undone:
each slice keeps whom it changed, as numbers. An undo leaves alone whatever somebody did themselves since. To erase
cannot be undone, and to take off a list only for a day: more than a few wait for an admin's approval, or for a day
(accounts/pending_changes.py).
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Min
from django.utils.translation import gettext as _
from msgspec import Struct, structs

from samizdat import db
from samizdat.accounts import pending_changes
from samizdat.accounts.models import Organization, Person
from samizdat.audience import bulk_consent_writer, consent_writer, removal_limit, sql
from samizdat.audience.actions.lists import mark_deleted, unmark_deleted
from samizdat.audience.actions.subscribers import erase, erase_locked
from samizdat.audience.errors import AudienceError
from samizdat.audience.filters import Filter, Search
from samizdat.audience.list_details import insist_open, open_details
from samizdat.audience.list_totals import ListTotals
from samizdat.audience.models import (
    CLEANED,
    MOVED,
    NUMBER_MASK,
    OPEN_WORK,
    PENDING,
    SUBSCRIBED,
    UNDONE,
    UNSUBSCRIBED,
    BulkAction,
    BulkActionPiece,
    ConsentRecord,
    List,
    Subscriber,
    Subscription,
    Tag,
    row_id,
)
from samizdat.audience.removal_limit import ALONE_A_DAY
from samizdat.core import consent
from samizdat.core.crypto.seal import SealBroken
from samizdat.core.mail.ledger import pack_numbers, unpack_numbers
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.vault import keyring
from samizdat.vault.locks import unlocked

TAG, UNTAG, MOVE, REMOVE, ERASE = "tag", "untag", "move", "remove", "erase"

# Rows of one transaction, so that it holds the database for 0.1 s or so. Consent is sealed and judged one by one.
SLICES = {TAG: 5_000, UNTAG: 5_000, MOVE: 500, REMOVE: 500, ERASE: 50}
# And of what reads consent so many records of theirs, 8 MB: fewer people where a file brought a thousand of each.
SLICE_RECORDS = 10_000
# Seconds of one look for the next slice.
LOOKING = 1.0

UNDO = timedelta(days=1)

# ALONE_A_DAY are erased in a day without anybody's approval, and as many taken off lists. To move them to a list that
# nobody writes to is no less.
CHANGES = {ERASE: "bulk_erase", REMOVE: "bulk_remove", MOVE: "bulk_move"}

# Who stands so on a list left it, or is not reached.
_GONE = (UNSUBSCRIBED, CLEANED)

# What the log says of a work once it is in this state no more.
_LATER: dict[str, tuple[EventKind, ...]] = {
    "waiting": ("bulk.started", "bulk.stopped"),
    "running": ("bulk.finished", "bulk.stopped"),
    "finished": ("bulk.undo_started",),
    "stopped": ("bulk.undo_started",),
    "undoing": ("bulk.undone",),
}

log = logging.getLogger("samizdat.audience")


class BulkRefused(AudienceError):
    """A deed that cannot be done. `code` says why."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


class BulkDetails(Struct, frozen=True):
    """What is sealed of a work that waits: how many subscribers it changes, the numbers of the lists, and when it was
    asked for, since another work can get its number."""

    n: int
    list: int | None
    to: int | None
    asked: datetime | None = None
    ends: bool = False


class BulkPlan(Struct, frozen=True):
    """What is done to whom. `tag`: its row. `list`, `to`: of a move from one to the other, or of a removal. `words`:
    why those who are moved may be written to on the other list; kept in each consent record. `newest_record`: of one
    that waits for an approval, the newest consent record when it was asked for: whoever has none up to it came later.
    `ends`: at its end the list is deleted (archive_lists.py).
    """

    action: str
    whom: Filter
    tag: int | None = None
    list: int | None = None
    to: int | None = None
    words: str = ""
    newest_record: int = 0
    ends: bool = False

    def besides(self) -> dict[str, Any]:
        """Whom of those who fit it changes at all."""
        if self.action == TAG:
            return {"lacks": self.tag}
        if self.action == UNTAG:
            return {"carries": self.tag}
        if self.action == REMOVE:
            return {"stands": (self.list, (PENDING, SUBSCRIBED))}
        if self.action == MOVE:
            # Who agreed to the one list comes along; who left the other stays away from it.
            return {"stands": (self.list, (SUBSCRIBED,)), "stands_not": (self.to, (UNSUBSCRIBED, CLEANED))}
        return {}


def count(organization: Organization, plan: BulkPlan) -> tuple[int, int]:
    """How many fit, and how many of them would be changed: exactly, now."""
    return Search(organization, plan.whom).count()[0], Search(organization, plan.whom, **plan.besides()).count()[0]


def begin(organization: Organization, plan: BulkPlan, *, now: datetime, by: Person | None = None) -> BulkAction:
    """Writes the work down; run() does it. Errors: BulkRefused."""
    if plan.action == MOVE and plan.list == plan.to:
        raise BulkRefused("same_list", _("These are the same list. Choose another one to move to."))
    if plan.action == MOVE and not plan.words.strip():
        raise BulkRefused(
            "no_words", _("Say why they may be emailed on the other list: it’s kept with each subscriber.")
        )
    _check_ours(organization, plan)
    if plan.action == MOVE:
        insist_open(_list(plan.to))
    wanted = count(organization, plan)[1]
    if not wanted:
        raise BulkRefused("nobody", _("No subscribers would change. Check the filters."))
    with transaction.atomic():
        # Of several that are asked for at once each counts those before it.
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        waits = needs_approval(organization, wanted, now=now, by=by, action=plan.action)
        state = "waiting" if waits else "running"
        work = BulkAction(organization=organization, action=plan.action, state=state, expected=wanted, by=by, begun=now)
        if waits:
            plan = structs.replace(plan, newest_record=sql.newest_record())
        work.plan_sealed = b""
        work.save(force_insert=True)
        work.plan_sealed = _sealed(work, plan)
        work.save(update_fields=["plan_sealed"])
        if waits:
            details = BulkDetails(wanted, plan.list, plan.to, now, plan.ends)
            pending_changes.ask(organization, CHANGES[work.action], details, about=work.id, now=now, by=by)
        else:
            _say_started(work, now, by)
    return work


def _say_started(work: BulkAction, now: datetime, by: Person | None) -> None:
    detail = {"deed": work.action, "wanted": work.expected}
    record("bulk.started", work.organization, about=work.id, by=by, now=now, detail=detail)


def needs_approval(
    organization: Organization, many: int, *, now: datetime, by: Person | None, action: str = ERASE
) -> bool:
    """Whether this person may not erase, or take off lists, so many more today."""
    if action not in CHANGES or not pending_changes.held(organization, by):
        return False
    if action != ERASE:
        return removal_limit.is_over(organization, many, now=now, by=by)
    return erased_today(organization, now) + many > ALONE_A_DAY


def erase_one(subscriber: Subscriber, *, now: datetime, by: Person | None) -> None:
    """Of several at once each counts those before it. Errors: BulkRefused, NoSuchSubscriber."""
    organization = subscriber.organization
    with transaction.atomic():
        consent_writer.lock(subscriber)  # Before the organization, as an import does.
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        if needs_approval(organization, 1, now=now, by=by):
            text = _(
                "Your team erased %(n)s people today. Erase this one under Bulk actions: an admin has to approve it."
            )
            raise BulkRefused("too_many", text % {"n": ALONE_A_DAY})
        erase(organization, subscriber=subscriber, now=now, by=by)


def erased_today(organization: Organization, now: datetime) -> int:
    """How many the team erased in a day without an approval."""
    since = now - timedelta(days=1)
    single = Event.objects.filter(organization=organization, kind="subscriber.erased", by__isnull=False, at__gt=since)
    works = BulkAction.objects.filter(organization=organization, action=ERASE, by__isnull=False, begun__gt=since)
    alone = works.filter(expected__lte=ALONE_A_DAY).exclude(state="waiting")
    return single.count() + sum(alone.values_list("expected", flat=True))


def begin_approved(work: BulkAction, asked: datetime | None, now: datetime) -> None:
    """It waited, and may be done now. asked: when the one was asked for that somebody agreed to."""
    with transaction.atomic():
        row = BulkAction.objects.select_related("organization", "by").select_for_update(of=("self",)).get(id=work.id)
        if row.state == "waiting" and row.begun == asked:
            _turn(row, "running", begun=now)
            row.save(update_fields=["state", "begun", "plan_sealed"])
            _say_started(row, now, row.by)


def _check_ours(organization: Organization, plan: BulkPlan) -> None:
    """Doors offer nothing else; a plan that names another organization's list or tag does nothing all the same."""
    lists = [number for number in (plan.list, plan.to) if number]
    tags = [plan.tag] if plan.tag else []
    ours = List.objects.filter(organization=organization, id__in=lists).count() == len(lists)
    if not ours or Tag.objects.filter(organization=organization, id__in=tags).count() != len(tags):
        raise BulkRefused("nobody", _("No subscribers would change. Check the filters."))


def plan_of(work: BulkAction) -> BulkPlan:
    return _document(work).plan


class BulkDocument(Struct, frozen=True):
    """A plan, and what of its row is sealed beside it, since the worker does what they say: how many were agreed to,
    and how far it has come."""

    plan: BulkPlan
    state: str
    begun: datetime
    expected: int
    processed: int
    cursor: int | None

    def is_of(self, work: BulkAction) -> bool:
        row = (work.action, work.state, work.begun, work.expected, work.processed, work.cursor)
        return row == (self.plan.action, self.state, self.begun, self.expected, self.processed, self.cursor)


def _document(work: BulkAction) -> BulkDocument:
    return keyring.keys(work.organization).open_json(work.plan_sealed, "bulk", "plan", work.id, BulkDocument)


def _sealed(work: BulkAction, plan: BulkPlan) -> bytes:
    document = BulkDocument(plan, work.state, work.begun, work.expected, work.processed, work.cursor)
    return keyring.keys(work.organization).seal_json(document, "bulk", "plan", work.id)


def _is_ours(work: BulkAction) -> bool:
    """Whether we wrote it as it stands, and the log doesn't say that it went on from there: an older row opens, too."""
    try:
        document = _document(work)
    except SealBroken:
        return False
    if not document.is_of(work):
        return False
    later = Event.objects.filter(organization=work.organization_id, about=work.id, kind__in=_LATER.get(work.state, ()))
    return not later.exists()


def _turn(row: BulkAction, state: str, begun: datetime | None = None) -> None:
    """Its next state. What is not ours does not become so: its seal stays that of another row."""
    plan = plan_of(row) if _is_ours(row) else None
    row.state, row.begun = state, begun or row.begun
    if plan is not None:
        row.plan_sealed = _sealed(row, plan)


def open_works() -> list[int]:
    """Those that are not at their end, for the clock."""
    return [
        *BulkAction.objects.filter(unlocked("organization__"), OPEN_WORK).order_by("id").values_list("id", flat=True)
    ]


def run(
    number: int,
    now: Callable[[], datetime],
    *,
    seconds: float | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Goes on with a work, forward or back, until it is through, the seconds are used up, or somebody stops it."""
    until = None if seconds is None else time.monotonic() + seconds
    # Its place and its rows are one transaction, so a power cut takes back both.
    with db.not_waiting():
        while True:
            work = BulkAction.objects.select_related("organization").get(id=number)
            if work.state not in ("running", "undoing") or _drop_altered(work, now()):
                return True
            _slice(work, now()) if work.state == "running" else _undo_slice(work, now())
            if stop() or (until is not None and time.monotonic() > until):
                return BulkAction.objects.values_list("state", flat=True).get(id=number) not in ("running", "undoing")


def stop(work: BulkAction, *, now: datetime, by: Person | None = None) -> bool:
    """What is done stays done, and can be undone. False when it was through already."""
    with transaction.atomic():
        row = BulkAction.objects.select_related("organization").select_for_update(of=("self",)).get(id=work.id)
        if row.state not in ("waiting", "running"):
            return False
        _turn(row, "stopped")
        row.finished = now
        row.save(update_fields=["state", "finished", "plan_sealed"])
        if change := CHANGES.get(row.action):
            pending_changes.stop_about(work.organization, change, work.id, now=now, by=by)
        record("bulk.stopped", work.organization, about=work.id, by=by, now=now)
    return True


def _drop_altered(work: BulkAction, now: datetime) -> bool:
    """Whoever writes the database without keys has nothing done, undone or done again: what the worker finds so is
    stopped. An undo that a day could begin is through after another one, or never."""
    is_late = work.state == "undoing" and now >= work.begun + 2 * UNDO
    if not is_late and _is_ours(work):
        return False
    with transaction.atomic():
        if BulkAction.objects.filter(id=work.id, state=work.state).update(state="stopped", finished=now):
            record("bulk.stopped", work.organization, about=work.id, now=now)
    if not is_late:
        log.error("Work %d on many subscribers was altered in the database by other means; it was stopped", work.id)
    return True


def may_undo(work: BulkAction, now: datetime) -> bool:
    is_open = work.action != ERASE and work.state in ("finished", "stopped") and work.changed > 0
    return is_open and now < work.begun + UNDO and _is_ours(work)


def undo(work: BulkAction, *, now: datetime, by: Person | None = None) -> None:
    """Turns it round; run() does it. Errors: BulkRefused."""
    with transaction.atomic():
        row = BulkAction.objects.select_related("organization").select_for_update(of=("self",)).get(id=work.id)
        if not may_undo(row, now):
            raise BulkRefused("too_late", _("This can be undone once, within a day. That time is over."))
        if plan_of(row).ends:
            unmark_deleted(_list(plan_of(row).list), now=now, by=by)
        last = BulkActionPiece.objects.filter(work=row).order_by("-place").values_list("place", flat=True).first()
        _turn(row, "undoing")
        row.piece = last or 0
        row.save(update_fields=["state", "piece", "plan_sealed"])
        record("bulk.undo_started", work.organization, about=work.id, by=by, now=now)


def forget_pieces(now: datetime) -> int:
    """After a day nobody can undo it, so whom it changed is kept no longer."""
    old = BulkAction.objects.filter(begun__lt=now - UNDO).exclude(state__in=("running", "undoing"))
    return BulkActionPiece.objects.filter(work__in=old).delete()[0]


# -- forward ------------------------------------------------------------------------------------------------------


def _slice(work: BulkAction, now: datetime) -> None:
    """The next slice. Two processes at it take turns: whoever finds that the place has moved does nothing."""
    plan = plan_of(work)
    # Looked for before the transaction, which on SQLite holds up everybody else.
    search = Search(work.organization, plan.whom, **plan.besides())
    page = search.look(work.cursor, SLICES[plan.action], LOOKING)
    subscribers, below = page.ids, page.below
    if plan.action in CHANGES and len(few := sql.cut_by_records(subscribers, SLICE_RECORDS)) < len(subscribers):
        subscribers, below = list(few), few[-1]
    with transaction.atomic():
        row = _locked(work)
        if row is None:
            return
        if subscribers:
            ids = _without_newcomers(subscribers, plan)
            # Of those who came to fit while it waited for an approval, as many others are left out.
            ids = ids[: row.expected - row.processed] if row.action in CHANGES else ids
            held = sql.hold_subscribers(work.organization_id, ids)
            changed, entered, fresh = _do(work.organization, plan, held, now)
            _keep(row, changed, entered, fresh)
            row.processed += len(ids)
            row.changed += len(changed)
        row.cursor = None if row.action in CHANGES and row.processed >= row.expected else below
        if row.cursor is None:
            row.state, row.finished = "finished", now
            detail = {"deed": row.action, "changed": row.changed}
            record("bulk.finished", work.organization, about=row.id, by=row.by, now=now, detail=detail)
            if row.action == ERASE:
                transaction.on_commit(sql.sweep_after_erasing)
            if plan.ends:
                _end_list(_list(plan.list), row, now)
        row.plan_sealed = _sealed(row, plan)
        row.save(update_fields=["state", "processed", "changed", "cursor", "finished", "piece", "plan_sealed"])


def _end_list(list_: List, work: BulkAction, now: datetime) -> None:
    """Not where it is in use again, or somebody came onto it by another way."""
    here = Subscription.objects.filter(list=list_, status__in=(PENDING, SUBSCRIBED))
    if open_details(keyring.keys(list_.organization), list_).archived and not here.exists():
        mark_deleted(list_, now=now, by=work.by)


def _without_newcomers(ids: Sequence[int], plan: BulkPlan) -> list[int]:
    """Numbers of subscribers are drawn by lot, so no number says who came last; records of consent are counted."""
    if not plan.newest_record:
        return list(ids)
    records = ConsentRecord.objects.filter(subscriber__in=ids).values_list("subscriber")
    came = {id for id, first in records.annotate(first=Min("id")) if first > plan.newest_record}
    return [id for id in ids if id not in came]


def _locked(work: BulkAction) -> BulkAction | None:
    """The row, while it is what was looked at."""
    row = BulkAction.objects.select_related("organization").select_for_update(of=("self",)).get(id=work.id)
    is_same = bytes(row.plan_sealed) == bytes(work.plan_sealed) and _document(work).is_of(row)
    return row if is_same else None


def _keep(row: BulkAction, changed: Sequence[int], entered: Sequence[int], fresh: Sequence[int]) -> None:
    if not changed or row.action == ERASE:
        return
    row.piece += 1
    keys, place = keyring.keys(row.organization), _place(row, row.piece)
    sealed = {
        name: keys.seal(pack_numbers([id & NUMBER_MASK for id in ids]), "bulkpiece", name, place)
        for name, ids in (("changed", changed), ("entered", entered), ("fresh", fresh))
    }
    BulkActionPiece(work=row, place=row.piece, **sealed).save(force_insert=True)


def _place(row: BulkAction, piece: int) -> int:
    """What a piece is sealed to: its work and its place in it."""
    return row.id << 32 | piece


# Whom a slice changed, who of them came onto the other list, and who of those had no place there before.
type Changed = tuple[Sequence[int], Sequence[int], Sequence[int]]


def _do(organization: Organization, plan: BulkPlan, ids: Sequence[int], now: datetime) -> Changed:
    if plan.action == TAG:
        return _retag(plan.tag or 0, ids, 1), (), ()
    if plan.action == UNTAG:
        return _retag(plan.tag or 0, ids, -1), (), ()
    if plan.action == REMOVE:
        list_ = _list(plan.list)
        leaving = bulk_consent_writer.on_list(list_, ids, now, (PENDING, SUBSCRIBED))
        bulk_consent_writer.write(list_, leaving, "withdrawn", {consent.REASON: plan.words} if plan.words else {}, now)
        return leaving, (), ()
    if plan.action == MOVE:
        return _move(plan, ids, now)
    rows = Subscriber.objects.select_related("organization").filter(organization=organization, id__in=ids)
    for subscriber in rows.order_by("id"):
        erase_locked(subscriber, now)
        record("subscriber.erased", organization, about=subscriber.id, now=now)
    return ids, (), ()


def _list(number: int | None) -> List:
    return List.objects.select_related("organization").get(id=number or 0)


def _retag(tag: int, ids: Sequence[int], more: int) -> Sequence[int]:
    changed = sql.tag_many(tag, ids) if more > 0 else sql.untag_many(tag, ids)
    totals = ListTotals()
    for list_id, status, many in sql.standings_of(changed):
        totals.carry(list_id, status, tag, more * many)
    totals.write()
    return changed


def _standing(list_: List, ids: Sequence[int], statuses: Iterable[int]) -> Sequence[int]:
    """Those who stand so on a list now that they are locked."""
    known = sql.pauses_of(ids, list_.id)
    return [id for id in ids if id in known and known[id][0] in statuses]


def _move(plan: BulkPlan, ids: Sequence[int], now: datetime) -> Changed:
    """Who it is goes by their records as well: of a status that whoever writes the database changed, a move would make
    a genuine yes."""
    here, there = _list(plan.list), _list(plan.to)
    statuses, statuses_there = (bulk_consent_writer.statuses_of(list_, ids, now) for list_ in (here, there))
    away = {*_standing(there, ids, _GONE), *(id for id in ids if statuses_there[id] in _GONE)}
    away |= sql.crowded(ids)  # They would leave one list and come onto no other.
    agreed = [id for id in _standing(here, ids, (SUBSCRIBED,)) if statuses[id] == SUBSCRIBED]
    moving = [id for id in agreed if id not in away]
    subscribed = set(_standing(there, moving, (SUBSCRIBED,)))
    entering = [id for id in moving if id not in subscribed or statuses_there[id] != SUBSCRIBED]
    known = sql.pauses_of(entering, there.id)
    bulk_consent_writer.write(
        there, entering, "given", {consent.WORDING: plan.words, consent.SOURCE: "desk"}, now, MOVED
    )
    bulk_consent_writer.write(here, moving, "withdrawn", {consent.REASON: plan.words}, now, MOVED)
    return moving, entering, [id for id in entering if id not in known]


# -- back ---------------------------------------------------------------------------------------------------------


def _undo_slice(work: BulkAction, now: datetime) -> None:
    """The last slice first, so that a killed undo goes on where it was."""
    plan = plan_of(work)
    with transaction.atomic():
        row = _locked(work)
        if row is None:
            return
        piece = BulkActionPiece.objects.filter(work=row).order_by("-place").first()
        if piece is not None:
            ids, entered, fresh = _numbers(row, piece)
            here = sql.hold_subscribers(work.organization_id, ids)
            row.undone += len(_take_back(plan, (here, entered, fresh), now))
            BulkActionPiece.objects.filter(work=row, place=piece.place).delete()
        if not BulkActionPiece.objects.filter(work=row).exists():
            _turn(row, "undone")
            row.finished = now
            detail = {"deed": row.action, "undone": row.undone}
            record("bulk.undone", work.organization, about=row.id, by=row.by, now=now, detail=detail)
        row.save(update_fields=["state", "undone", "finished", "plan_sealed"])


def _numbers(row: BulkAction, piece: BulkActionPiece) -> Changed:
    """Whom a slice changed; nobody, where somebody else wrote the piece."""
    keys, place = keyring.keys(row.organization), _place(row, piece.place)
    try:
        packed = [keys.open(getattr(piece, name), "bulkpiece", name, place) for name in ("changed", "entered", "fresh")]
    except SealBroken:
        log.error("A piece of work %d on many subscribers was altered in the database by other means", row.id)
        return (), (), ()
    changed, entered, fresh = ([row_id(row.organization_id, number) for number in unpack_numbers(p)] for p in packed)
    return changed, entered, fresh


def _take_back(plan: BulkPlan, changed: Changed, now: datetime) -> Sequence[int]:
    """`changed`: whom of them the slice changed are locked, and still here."""
    ids, entered, fresh = changed
    if plan.action in (TAG, UNTAG):
        return _retag(plan.tag or 0, ids, -1 if plan.action == TAG else 1)
    here = _list(plan.list)
    back = bulk_consent_writer.last_by_desk(here, ids, "withdrawn", once=True)
    if plan.action == MOVE:
        there = _list(plan.to)
        # Who left the other list since by their own doing wants nothing: they were not to be found there before.
        statuses = bulk_consent_writer.statuses_of(there, back, now)
        gone = set(_standing(there, back, _GONE))
        back = [id for id in back if id not in gone and statuses[id] not in _GONE]
    bulk_consent_writer.write(here, back, "returned", {}, now, MOVED if plan.action == MOVE else UNDONE)
    if plan.action == MOVE:
        out = bulk_consent_writer.last_by_desk(there, sorted({*entered} & {*ids}), "given")
        bulk_consent_writer.write(there, out, "undone", {consent.REASON: "moved_back"}, now, MOVED)
        bulk_consent_writer.take_off(there, sorted({*fresh} & {*out}))
    return back
