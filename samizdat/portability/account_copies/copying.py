"""Copies what is new in an account, page by page. Each page is written together with where the next one begins, so that
a run that was killed goes on there: nothing is lost, and nothing of it is twice."""

import contextlib
import itertools
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from msgspec import json
from msgspec.structs import replace

from samizdat import plugins
from samizdat.audience.errors import AudienceError
from samizdat.audience.imports import ownership
from samizdat.core.account_copy import SECTIONS, AccountPage, Contact, Item, presence
from samizdat.core.crypto.seal import SealBroken
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.portability.account_copies import erased, people, pieces
from samizdat.portability.account_copies.pieces import KeptItem, PieceWriter, Presence
from samizdat.portability.account_copies.records import (
    CopyProblem,
    CopyProgress,
    CopyTaken,
    progress_of,
    put_progress,
    settings_of,
)
from samizdat.portability.models import AccountCopy

if TYPE_CHECKING:
    from samizdat.plugins import Account

REFUSED: EventKind = "standing_copy.refused"
COPIED: EventKind = "standing_copy.copied"

# Contacts that were changed so long before the last run began are asked for once more: clocks of servers differ.
OVERLAP = timedelta(minutes=30)
# Seconds that one request may take, and tries of it, while a run goes on; what does not pass then ends the run.
TIMEOUT, TRIES = 120.0, 6
# Contacts of whom is noted at once that they are gone, or there again.
MARKS = 5_000

type Clock = Callable[[], datetime]


class CopyStopped(AudienceError):
    """Somebody asked for it. The copy goes on where it was."""

    code = "stopped"

    def __init__(self) -> None:
        super().__init__(_("Stopped. Run it again to continue."))


class Told(Protocol):
    """Called after each page: what is copied by now, and what the service says that there is."""

    def __call__(self, section: str, lines: int, whole: int) -> object: ...


def _nothing(section: str, lines: int, whole: int) -> None:
    pass


def run(
    copy_id: int,
    *,
    now: Clock,
    stop: Callable[[], bool] = lambda: False,
    tell: Told = _nothing,
    **how: object,
) -> AccountCopy:
    """Copies what is new, or goes on with what was begun. how: of AccountSettings. Errors: ServiceRefused, which is
    noted as well; CopyTaken, CopyStopped."""
    row = take(copy_id, now())
    try:
        settings = {"timeout": TIMEOUT, "tries": TRIES, "sleep": _sleeping(stop), **how}
        with contextlib.closing(settings_of(row).open(**settings)) as account:
            _Run(row, account, now, stop, tell).go()
    except plugins.ServiceRefused as error:
        note_failure(row, error, now())
        raise
    finally:
        let_go(row)
    return row


def _sleeping(stop: Callable[[], bool]) -> Callable[[float], None]:
    """Waits as long as a service asks for, or until somebody asks to stop."""

    def sleep(seconds: float) -> None:
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            if stop():
                raise CopyStopped
            time.sleep(min(1.0, left))

    return sleep


# Copies that threads of this process are at: what is written down tells processes apart, not their threads.
_here: set[int] = set()
_lock = threading.Lock()


def take(copy_id: int, now: datetime) -> AccountCopy:
    """This process is at it. Errors: CopyTaken."""
    with _lock:
        row = AccountCopy.objects.select_related("organization").get(pk=copy_id)
        mine = ownership.myself()
        if copy_id in _here or (row.owner and row.owner != mine and is_alive(row, now)):
            raise CopyTaken
        free = Q(owner="") | Q(owner=row.owner)
        if not AccountCopy.objects.filter(free, pk=copy_id).update(owner=mine, heartbeat=now):
            raise CopyTaken
        _here.add(copy_id)
    row.refresh_from_db()
    return row


def is_alive(row: AccountCopy, now: datetime) -> bool:
    """Whether somebody is at it."""
    return ownership.is_alive(row, now)  # type: ignore[arg-type]  # It asks for owner and beat alone.


def let_go(row: AccountCopy) -> None:
    with _lock:
        _here.discard(row.pk)
    AccountCopy.objects.filter(pk=row.pk, owner=row.owner).update(owner="")


def note_failure(row: AccountCopy, error: "plugins.ServiceRefused", now: datetime) -> None:
    """A refusal is an event once, from which admins are mailed (worker/schedule/admin_alerts.py)."""
    progress = progress_of(row)
    is_new = error.is_refusal and progress.refused is None
    changed = replace(
        progress,
        problem=CopyProblem(error.code, error.values, now),
        failures=progress.failures + 1,
        refused=(progress.refused or now) if error.is_refusal else progress.refused,
    )
    with transaction.atomic():
        put_progress(row, changed)
        if is_new:
            record(REFUSED, row.organization, about=row.pk, now=now, detail={"code": error.code})


class _Run:
    def __init__(self, row: AccountCopy, account: "Account", now: Clock, stop: Callable[[], bool], tell: Told) -> None:
        self._row, self._account, self._now, self._stop, self._tell = row, account, now, stop, tell
        self._progress = progress_of(row)
        # Of the section under way: what is known of each thing.
        self._known: dict[str, KeptItem] = {}
        # Of contacts, hash of who -> hash of what was written last: 200 MB for a million. Only of a service that names
        # everybody.
        self._here: dict[int, int] = {}
        # Hashes of whom the service named, from the first page on; None where this run began further on.
        self._seen: set[int] | None = None
        self._service = plugins.account_kinds()[settings_of(row).service]
        self._erased = erased.ErasedPeople(row.organization)

    def go(self) -> None:
        if pieces.count(self._row) != self._progress.pieces - self._progress.holes:
            # Restored from a backup, whose pieces may be older: everything is asked for once more.
            first = pieces.next_number(self._row)
            holes = first - pieces.count(self._row)
            anew = {"section": "", "cursor": "", "since": "", "following": "", "pieces": first, "holes": holes}
            self._progress = replace(self._progress, **anew)
        if not self._progress.is_running:
            self._begin()
        for section in SECTIONS[SECTIONS.index(self._progress.section) :]:
            self._copy(section)
        self._end()

    def _begin(self) -> None:
        totals = self._account.totals()
        before = datetime.fromisoformat(self._account.server_time) if self._account.server_time else self._now()
        self._put(
            replace(
                self._progress,
                section=SECTIONS[0],
                cursor="",
                following=(before - OVERLAP).isoformat(),
                began=self._now(),
                totals=totals,
                left_out={},
            )
        )

    def _copy(self, section: str) -> None:
        if section != self._progress.section:
            self._put(replace(self._progress, section=section, cursor=""))
        if section not in self._service.sections:
            return
        if section == "contacts":
            self._begin_contacts()
        else:
            self._known = pieces.items(self._row, section)
        while True:
            page = self._account.page(section, self._progress.cursor, self._progress.since)
            self._write(section, page)
            if not page.cursor:
                break
        if section == "contacts" and self._progress.finished is not None:
            self._note_presence()

    def _begin_contacts(self) -> None:
        if not self._service.tells_changes:
            self._here = pieces.newest_lines(self._row)
            self._seen = None if self._progress.cursor else set()

    def _note_presence(self) -> None:
        """Who is gone from the service is told by nobody: by whom it no longer names. One who is there again is noted
        too, as after an answer that was not whole."""
        if self._service.tells_changes:
            self._seen = self._ask_who_is_there()
        seen = self._seen
        if seen is None:  # A run that was broken off saw a part. The next one sees all.
            return
        at = self._now().isoformat()
        missing: dict[int, Presence] = {}
        back: dict[int, Presence] = {}
        for each in pieces.presences(self._row):
            key = hash(each.key)
            if key not in seen:
                missing[key] = each
            elif each.gone:
                back[key] = each
            else:
                back.pop(key, None)
        marks = [presence(each.list, each.address, at) for each in missing.values() if not each.gone]
        marks += [presence(each.list, each.address, "") for each in back.values()]
        for some in itertools.batched(marks, MARKS):
            self._put_page("contacts", AccountPage(), list(some))

    def _ask_who_is_there(self) -> set[int]:
        seen: set[int] = set()
        cursor, is_more = "", True
        while is_more:
            self._look()
            page = self._account.present(cursor)
            seen.update(hash((list_id, address.casefold())) for list_id, address in page.keys)
            cursor, is_more = page.cursor, bool(page.cursor)
            self._put(self._progress)  # It is alive.
        return seen

    def _write(self, section: str, page: AccountPage) -> None:
        if self._seen is not None and section == "contacts":
            self._seen.update(hash(_key(contact)) for contact in page.contacts)
        new = [item for item in page.items if self._is_new(item)]
        for item in new:
            if item.has_body:
                self._write_body(section, item)
        bare = [KeptItem(item) for item in new if not item.has_body]
        self._put_page(section, page, [*self._unknown(self._erased.without(page.contacts)), *bare])
        self._known |= {kept.item.id: kept for kept in bare}

    def _unknown(self, contacts: list[Contact]) -> list[Contact]:
        """Of a service that names everybody each night: those that are not here, or otherwise."""
        if self._service.tells_changes:
            return contacts
        lines = {hash(_key(contact)): hash(json.encode(contact)) for contact in contacts}
        new = [contact for contact in contacts if self._here.get(key := hash(_key(contact))) != lines[key]]
        self._here |= lines
        return new

    def _is_new(self, item: Item) -> bool:
        """Or another one than at the last time. What has no stamp may be, and is asked for."""
        kept = self._known.get(item.id)
        if kept is None or kept.item != item or kept.missing:
            return True
        return item.has_body and not item.stamp

    def _write_body(self, section: str, item: Item) -> None:
        """With its body, at once: pages of pictures would take all the memory."""
        self._look()
        known = self._known.get(item.id)
        try:
            content, missing = self._account.body(item), ""
        except plugins.ServiceRefused as error:
            if error.code not in ("not_found", "too_large", "inside", "bad_answer"):
                raise
            content, missing = b"", error.code
        if known and known.item == item and known.missing == missing and _is_body(self._row, known, content):
            return
        with transaction.atomic():
            writer = PieceWriter(self._row, self._progress.pieces)
            kept = replace(writer.body(item, content), missing=missing)
            writer.lines(section, [kept])
            self._put(self._counted(section, writer.number, 1))
        self._known[item.id] = kept

    def _put_page(self, section: str, page: AccountPage, lines: list[object]) -> None:
        self._look()
        with transaction.atomic():
            writer = PieceWriter(self._row, self._progress.pieces)
            writer.lines(section, lines)  # type: ignore[arg-type]
            counted = self._counted(section, writer.number, len(lines))
            out = {name: counted.left_out.get(name, 0) + count for name, count in page.left_out.items()}
            self._put(replace(counted, cursor=page.cursor, left_out=counted.left_out | out))
        self._tell(section, self._progress.lines.get(section, 0), _whole(self._progress, section))

    def _counted(self, section: str, pieces_now: int, lines: int) -> CopyProgress:
        counts = {**self._progress.lines, section: self._progress.lines.get(section, 0) + lines}
        return replace(self._progress, pieces=pieces_now, lines=counts)

    def _end(self) -> None:
        at, progress = self._now(), self._progress
        is_first = progress.finished is None
        counted = progress.lines.get("contacts", 0)
        # Outside of a transaction: of a million it takes minutes.
        everyone = progress.people if counted == progress.counted else people.count(self._row, progress)
        with transaction.atomic():
            self._put(
                replace(
                    progress,
                    section="",
                    cursor="",
                    since=progress.following,
                    following="",
                    finished=at,
                    people=everyone,
                    counted=counted,
                )
            )
            if is_first:
                detail = {"lines": self._progress.lines}
                record(COPIED, self._row.organization, about=self._row.pk, now=at, detail=detail)

    def _put(self, progress: CopyProgress) -> None:
        """Whoever answers lets us in."""
        at = self._now()
        self._progress = replace(progress, checked=at, problem=CopyProblem(), failures=0, refused=None)
        put_progress(self._row, self._progress)
        AccountCopy.objects.filter(pk=self._row.pk, owner=self._row.owner).update(heartbeat=at)

    def _look(self) -> None:
        if self._stop():
            raise CopyStopped


def _key(contact: Contact) -> tuple[str, str]:
    return contact.list, contact.address.casefold()


def _whole(progress: CopyProgress, section: str) -> int:
    return progress.totals.contacts if section == "contacts" else progress.totals.sections.get(section, 0)


def _is_body(row: AccountCopy, kept: KeptItem, content: bytes) -> bool:
    """Whether it is the one that is kept. What cannot be opened is written once more."""
    with contextlib.suppress(SealBroken):
        return kept.size == len(content) and pieces.body(row, kept) == content
    return False
