"""Exports: asked for at the desk and made by the worker, or made at once by the command line."""

import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from django.db import DatabaseError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from msgspec.structs import replace

from samizdat.accounts import pending_changes
from samizdat.accounts.models import Organization, Person
from samizdat.audience.imports import ownership
from samizdat.core.crypto.seal import SealBroken
from samizdat.core.mail import address as addresses
from samizdat.events.actions import is_genuine, record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.portability import (
    age_encryption,
    bound_selection,
    canary,
    canary_alarms,
    permits,
    recipient_keys,
    stored_file,
    subscribers,
    write,
)
from samizdat.portability.age_passphrase import PassphraseSeal
from samizdat.portability.errors import ExportRefused, ExportTaken
from samizdat.portability.models import Export
from samizdat.portability.request import ExportDetails, ExportRequest, told_of
from samizdat.portability.write import FORMATS
from samizdat.vault import keyring
from samizdat.vault.locks import unlocked

log = logging.getLogger("samizdat.worker")

# Seconds for walking the log: before a download begins, and while on SQLite nobody else can write.
WALKED, WALKED_LOCKED = 2.0, 0.1
# A file that nobody fetches is gone after a day.
LIFETIME = timedelta(hours=24)
# Seconds between two looks at whether somebody else has taken over, and two notes of how far it is.
NOTED = timedelta(seconds=1)
# So many of an organization wait for a yes, or for their day, at most: the worker looks at each in every round.
MOST_HELD = 20
# Whoever has taken no piece of a file for so long keeps nobody else from it.
FETCHED_ALONE = timedelta(minutes=1)

SEEN: EventKind = "subscribers.exported.seen"

type Clock = Callable[[], datetime]


def check(wish: ExportRequest, *, plain: bool, reason: str) -> None:
    """Errors: ExportRefused, with what to put right."""
    if wish.format not in FORMATS:
        sentence = _("There’s no format called %(name)s. Choose one of: %(names)s.")
        raise ExportRefused("bad_format", sentence % {"name": wish.format, "names": ", ".join(FORMATS)})
    if plain and not reason.strip():
        sentence = _("Give a reason for an unencrypted file. Every admin will see it.")
        raise ExportRefused("no_reason", sentence)
    if wish.passphrase and wish.recipients:
        sentence = _("A file is encrypted to keys or with a passphrase. Choose one.")
        raise ExportRefused("keys_and_passphrase", sentence)
    if not plain and not wish.passphrase:
        age_encryption.recipients(wish.recipients)
    if wish.keys and wish.format != "samizdat":
        raise ExportRefused("keys_elsewhere", _("Only the Samizdat format can include link keys."))
    if wish.setup and (plain or wish.format != "samizdat"):
        sentence = _(
            "Routes, sending domains, mailboxes and the team are only included in an encrypted export in Samizdat "
            "format."
        )
        raise ExportRefused("setup_elsewhere", sentence)
    if wish.lists and wish.format == "samizdat":
        sentence = _("The Samizdat format always includes every list. To export one list, choose another format.")
        raise ExportRefused("lists_elsewhere", sentence)
    if (wish.segment is not None or wish.fit is not None) and wish.format == "samizdat":
        sentence = _(
            "The Samizdat format always includes all subscribers. To export some of them, choose another format."
        )
        raise ExportRefused("some_elsewhere", sentence)
    if len(wish.lists) > 1 and wish.format in ("csv", "xlsx"):
        raise ExportRefused("one_list", _("A table covers one list or all of them. Name one list, or none."))


def ask(
    organization: Organization,
    wish: ExportRequest,
    *,
    reason: str = "",
    now: datetime,
    by: Person | None,
    seal: PassphraseSeal | None = None,
) -> Export:
    """The worker shall make a file that waits here to be fetched. A plain one is sealed to nobody; one that a person
    asks for is held before, and one sealed to a key that is not known or by a passphrase as well (approval.py).
    seal: of one by a passphrase. Errors: ExportRefused."""
    state = "held" if by is not None and is_held(organization, wish, by) else "asked"
    return _new(organization, wish, state, reason=reason, now=now, by=by, seal=seal)


def is_held(organization: Organization, wish: ExportRequest, by: Person | None) -> bool:
    """Whether what this person wants has to wait for another one, or for a day."""
    if wish.is_plain:
        return True
    # Nobody knows who has read a passphrase: each is a key that was never seen before. And whoever may have all
    # subscribers may not therefore send in the organization's name.
    is_known = not wish.passphrase and not wish.setup and recipient_keys.are_known(organization, wish.recipients)
    return pending_changes.held(organization, by) and not is_known


def _new(
    organization: Organization, wish: ExportRequest, state: str, *, reason: str, now: datetime, by: Person | None,
    seal: PassphraseSeal | None = None,
) -> Export:  # fmt: skip
    plain = wish.is_plain
    assert wish.passphrase == (seal is not None)
    check(wish, plain=plain, reason=reason)
    if state == "held":
        _insist_few_wait(organization)
    keys = keyring.keys(organization)
    # Before the transaction: a segment opens everybody for it, and on SQLite nobody else writes while one stands.
    home = subscribers.ExportContext(organization)
    bound = bound_selection.bind(organization, wish, now) if state == "held" else None
    sample = canary.sample(home, wish.wanted, now, nobody=bound is not None and not bound.people)
    with transaction.atomic():
        if state == "held":
            Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
            _insist_few_wait(organization)
        planted = canary.plant(home, by, sample)
        row = Export.objects.create(
            organization=organization, format=wish.format, state=state, plain=plain, by=by, created=now,
            owner=ownership.myself() if state == "writing" else "", heartbeat=now,
        )  # fmt: skip
        person, blind = (planted.person, planted.blind) if planted else (None, b"")
        details = ExportDetails(wish, reason.strip()[:1000], person, bound, blind, keys.index_version, seal)
        row.details_sealed = keys.seal_json(details, "export", "details", row.pk)
        row.mac = permits.permit(row)
        row.save(update_fields=["details_sealed", "mac"])
        # Before the first byte: what was begun is on record, whatever becomes of it.
        detail = {
            "format": wish.format,
            "plain": plain,
            "reason": details.reason,
            "recipients": list(wish.recipients),
            "passphrase": wish.passphrase,
            **({"setup": True} if wish.setup else {}),
            **pending_changes.behind(organization),
        }
        record(permits.EXPORTED, organization, about=row.pk, by=by, now=now, detail=detail)
    return row


def _insist_few_wait(organization: Organization) -> None:
    """Before everybody is counted for another one, and once more where nobody else asks for one. Errors:
    ExportRefused."""
    if Export.objects.filter(organization=organization, state="held").count() >= MOST_HELD:
        sentence = _("%(n)s exports are already pending. Approve or stop some of them, then try again.")
        raise ExportRefused("too_many_held", sentence % {"n": MOST_HELD})


def wish_of(row: Export) -> ExportRequest:
    return told_of(row).wish


def is_as_asked(row: Export, now: datetime) -> bool:
    """Whether one that was held is of those for whom it was asked."""
    bound = told_of(row).bound
    return bound is None or bound_selection.holds(row.organization, wish_of(row), bound, now)


def planted_of(row: Export) -> canary.Canary | None:
    details = told_of(row)
    return canary.Canary(details.planted, details.blind) if details.planted else None


def direct(
    organization: Organization,
    wish: ExportRequest,
    out: BinaryIO,
    *,
    reason: str = "",
    now: Clock,
    by: Person | None = None,
    tell: subscribers.Tell | None = None,
    seal: PassphraseSeal | None = None,
) -> Export:
    """Makes a file at once, straight into `out`: nothing of it is kept here. Errors: ExportRefused."""
    row = _new(organization, wish, "writing", reason=reason, now=now(), by=by, seal=seal)
    try:
        counts, size = write.write(organization, wish, planted_of(row), out, now=now(), tell=tell, seal=seal)
    except BaseException:
        with suppress(DatabaseError):
            Export.objects.filter(pk=row.pk).update(state="failed", problem="broke", owner="")
        raise
    _done(row, "fetched", counts, size, now())
    recipient_keys.know(organization, wish.recipients, now=now())
    return row


def _done(row: Export, state: str, counts: dict[str, Any], size: int, now: datetime) -> None:
    """Whole."""
    owner, row.state, row.details_sealed = row.owner, state, _details_at_end(row)
    done = {"state": state, "owner": "", "counts": counts, "bytes": size, "finished": now, "mac": permits.permit(row)}
    Export.objects.filter(pk=row.pk, owner=owner).update(**done, details_sealed=row.details_sealed)
    row.refresh_from_db()


def _details_at_end(row: Export) -> bytes:
    """Of the planted one the address is all that is needed now: the rest of them was taken after somebody. Whom it was
    asked for is needed no more, nor what opens the file without its passphrase."""
    details = replace(told_of(row), bound=None, passphrase_seal=None)
    if details.planted:
        details = replace(details, planted=subscribers.ExportedSubscriber(0, details.planted.address, {}, "", ""))
    return keyring.keys(row.organization).seal_json(details, "export", "details", row.pk)


def run(export_id: int, *, now: Clock, stop: Callable[[], bool] | None = None) -> Export:
    """The worker makes what was asked for; what a killed one had begun is made anew. Errors: ExportTaken."""
    row = _take(export_id, now())
    if is_past(row, now()) or not permits.is_ours_in_whole_log(row, now()):
        log.error("An export was asked for by somebody who has no keys, or is over; it was not made.")
        _failed(row, "not_permitted")
        row.refresh_from_db()
        return row
    if not is_as_asked(row, now()):
        _failed(row, "changed")
        row.refresh_from_db()
        return row
    stored_file.drop(row)
    keys = keyring.keys(row.organization)
    out = stored_file.StoredFile(keys, row)
    noted = now()

    def tell(done: int, whole: int) -> None:
        nonlocal noted
        if now() - noted >= NOTED:
            noted = now()
            if not Export.objects.filter(pk=row.pk, owner=row.owner).update(
                rows_done=done, rows_total=whole, heartbeat=noted
            ):
                raise ExportTaken(_("Another process is already working on this export. Wait until it’s done."))

    try:
        counts, size = write.write(
            row.organization,
            wish_of(row),
            planted_of(row),
            out,
            now=row.released_at or row.created,
            tell=tell,
            stop=stop,
            seal=told_of(row).passphrase_seal,
        )
        out.close()
    except subscribers.ExportStopped:
        Export.objects.filter(pk=row.pk, owner=row.owner).update(state="asked", owner="")
    except ExportTaken:
        raise
    except ExportRefused as refused:
        _failed(row, refused.code)
    except BaseException:
        _failed(row, "broke")
        raise
    else:
        _done(row, "ready", counts, size, now())
    row.refresh_from_db()
    return row


def _take(export_id: int, now: datetime) -> Export:
    row = Export.objects.select_related("organization", "by").get(pk=export_id)
    mine = ownership.myself()
    if row.owner and row.owner != mine and is_alive(row, now):
        raise ExportTaken(_("Another process is already working on this export. Wait until it’s done."))
    free = Q(owner="") | Q(owner=row.owner)
    taken = Export.objects.filter(free, pk=export_id, state__in=("asked", "running"))
    if not taken.update(owner=mine, state="running", heartbeat=now):
        raise ExportTaken(_("Another process is already working on this export. Wait until it’s done."))
    row.owner, row.state = mine, "running"
    return row


def _failed(row: Export, problem: str) -> None:
    with suppress(DatabaseError):
        stored_file.drop(row)
        failed = {"state": "failed", "problem": problem[:40], "owner": "", "mac": b""}
        Export.objects.filter(pk=row.pk, owner=row.owner).update(**failed)
        with suppress(SealBroken):  # Of a row that somebody else wrote.
            Export.objects.filter(pk=row.pk, state="failed").update(details_sealed=_details_at_end(row))


def is_alive(row: Export, now: datetime) -> bool:
    return ownership.is_alive(row, now)  # type: ignore[arg-type]  # It asks for owner and beat alone.


def waiting(now: datetime) -> list[int]:
    """Asked for, or begun by a process that is gone. The command line's own are nobody's to go on with."""
    rows = Export.objects.filter(unlocked("organization__"), state__in=("asked", "running"))
    return [row.pk for row in rows if row.state == "asked" or not is_alive(row, now)]


def cancel(row: Export, *, now: datetime, by: Person | None) -> None:
    """Not wanted any more: nothing of the file stays. Whoever makes it notices."""
    moved = Export.objects.filter(pk=row.pk, state__in=("held", "asked", "running", "ready"))
    with transaction.atomic():
        if moved.update(state="over", owner="", details_sealed=_details_at_end(row), mac=b""):
            stored_file.drop(row)
            record(permits.DROPPED, row.organization, about=row.pk, by=by, now=now)


def fetch(row: Export, *, now: Clock, by: Person | None) -> Iterator[bytes]:
    """The file of a ready export, for one at a time: who breaks off may begin again. Once its last piece is on its way
    it is dropped here. To a plain one another admin agreed for whoever asked, so nobody else gets it. Errors:
    ExportRefused, also when it is not there any more, or somebody else is at it."""
    if row.plain and by != row.by:
        raise ExportRefused(
            "not_yours", _("Only the person who requested an unencrypted file can download it. Request your own.")
        )
    mine, at = secrets.token_hex(8), now()
    # Before the transaction: on SQLite nobody else writes while one stands.
    if permits.is_ours_in_whole_log(row, at, WALKED) is None:
        raise _being_checked()
    with transaction.atomic():
        # WHERE is the lock: of three who press at once two are told so. A process that was killed gives nothing back.
        free = Q(owner="") | Q(heartbeat__lt=at - FETCHED_ALONE)
        if not Export.objects.filter(free, pk=row.pk, state="ready").update(owner=mine, heartbeat=at):
            if Export.objects.filter(pk=row.pk, state="ready").exists():
                raise ExportRefused("taken", _("This file is being downloaded. Wait a minute, then try again."))
            raise _gone()
        fresh = Export.objects.select_related("organization", "by").get(pk=row.pk)
        # Its state and pieces could have been put back, and somebody else have been whoever asked for a moment.
        is_theirs = not fresh.plain or by == fresh.by
        whole = permits.is_ours_in_whole_log(fresh, at, WALKED_LOCKED)
        if whole is None:
            raise _being_checked()
        if not is_theirs or is_past(fresh, at) or not whole:
            raise _gone()
        record(permits.FETCHED, row.organization, about=row.pk, by=by, now=at)
    return _fetched(row, Export.objects.filter(pk=row.pk, state="ready", owner=mine), now, by)


def _being_checked() -> ExportRefused:
    sentence = _("This file is still being checked against the activity log. Wait a minute, then try again.")
    return ExportRefused("checked", sentence)


def _gone() -> ExportRefused:
    return ExportRefused("gone", _("This file is no longer available. Request a new one."))


def is_past(row: Export, now: datetime) -> bool:
    return (row.released_at or row.created) < now - LIFETIME


def _fetched(row: Export, mine: QuerySet[Export], now: Clock, by: Person | None) -> Iterator[bytes]:
    try:
        for piece in stored_file.read(keyring.keys(row.organization), row):
            if not mine.update(heartbeat=now()):
                return  # Dropped meanwhile, or so slow that somebody else has begun.
            yield piece
        with transaction.atomic():
            whole = mine.update(state="fetched", owner="", mac=b"")
            if whole:
                record(permits.DROPPED, row.organization, about=row.pk, by=by, now=now())
        if whole:
            stored_file.drop(row)
    finally:
        mine.update(owner="")


def sweep(now: datetime) -> int:
    """Drops what has lain here for a day, and pieces that a cancelled making left; how many files there were."""
    begun = Q(released_at=None, created__lt=now - LIFETIME) | Q(released_at__lt=now - LIFETIME)
    old = Export.objects.filter(begun, state__in=("asked", "running", "ready", "writing"))
    rows = [row for row in old if row.state == "ready" or not is_alive(row, now)]
    for row in rows:
        Export.objects.filter(pk=row.pk, owner=row.owner).update(state="over", owner="", mac=b"")
    left = Export.objects.filter(state__in=("over", "failed", "fetched"), pieces__isnull=False).distinct()
    for row in left:
        stored_file.drop(row)
    return len(rows)


def name_of(row: Export) -> str:
    """Of the file, for whoever saves it."""
    return f"{row.organization.slug}-{row.format}-{row.created.date().isoformat()}.{write.ending(wish_of(row))}"


# -- where an address came from ----------------------------------------------------------------------------------


def export_with_address(
    organization: Organization, address: str, *, now: datetime, by: Person | None = None
) -> Export | None:
    """Which export a planted address was in, on record as an alarm; None for any other address. Errors: BadAddress."""
    blinds = keyring.keys(organization).blinds(addresses.comparable(addresses.normalize(address)))
    export = canary_alarms.planted_in(organization, blinds)
    if export is not None:
        canary_alarms.raise_alarm(export, "asked", now=now, by=by)
    return export


# -- plain files are told to everybody who keeps the house ------------------------------------------------------


def say_seen(row: Export, *, now: datetime, by: Person) -> None:
    """This person has read that a plain file was made. Said twice it changes nothing."""
    seen = Event.objects.filter(organization=row.organization, kind=SEEN, about=row.pk, by=by)
    with transaction.atomic():
        Export.objects.select_for_update().get(pk=row.pk)  # Of two presses the second finds what the first one wrote.
        if not any(map(is_genuine, seen)):
            record(SEEN, row.organization, about=row.pk, by=by, now=now)
