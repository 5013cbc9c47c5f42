"""How many bytes of incoming messages an organization has here, as they came in, and which of them go when there are
too many: strangers send what they like, and a full disk would stop everything.

What was read is in reports and conversations, so a message that goes before its 30 days takes nothing with it but
itself. Nobody's goes that waits to be read, or whose files the inbox still opens.
"""

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import accumulate

from django.db.models import Sum

from samizdat import mail_spool
from samizdat.accounts.models import Organization
from samizdat.core.mail import mail_room
from samizdat.core.mail.mail_room import MailRoom
from samizdat.db import reusable_bytes
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.events.queries import was_said
from samizdat.incoming.models import IncomingMail
from samizdat.options import data_folder, megabytes
from samizdat.vault.locks import unlocked

log = logging.getLogger("samizdat.worker")

FULL: EventKind = "incoming.full"
SAID_EVERY = timedelta(days=1)
# Seconds for which a count is good, but for what this process itself took in since.
COUNTED = 5.0
# Rows that go in one transaction.
SLICE = 200
# What goes first, and what goes next: what strangers sent or nobody could read, then what is about messages of ours.
_FIRST, _NEXT = (IncomingMail.UNPROVEN, IncomingMail.UNREADABLE), (IncomingMail.READ,)
# Number of an organization -> when it was counted, and what it had.
_counted: dict[int, tuple[float, MailRoom]] = {}


def forget() -> None:
    _counted.clear()


def room(organization: Organization) -> MailRoom:
    at, known = _counted.get(organization.pk, (float("-inf"), MailRoom(0, 0)))
    if time.monotonic() - at < COUNTED:
        return known
    return keep(organization, _measured(organization))


def keep(organization: Organization, known: MailRoom) -> MailRoom:
    """What it is, until it is counted again."""
    at, _before = _counted.get(organization.pk, (float("-inf"), known))
    _counted[organization.pk] = (at if time.monotonic() - at < COUNTED else time.monotonic(), known)
    return known


def _measured(organization: Organization) -> MailRoom:
    used = _bytes(organization)
    free = shutil.disk_usage(data_folder()).free + reusable_bytes() - mail_spool.LEFT_FREE
    return MailRoom.on_disk(used, megabytes("SAMIZDAT_MAIL_STORAGE"), free)


def _bytes(organization: Organization, **condition: int) -> int:
    rows = IncomingMail.objects.filter(organization=organization, **condition)
    return rows.aggregate(sum=Sum("size"))["sum"] or 0


def waiting(organization: Organization) -> int:
    """Bytes of messages that nobody has read."""
    return _bytes(organization, state=IncomingMail.WAITING)


def keeps_files(organization: Organization, sizes: Sequence[int], is_subscriber: bool) -> list[bool]:
    """Whether each of these messages stays until its time is over, so that its files can be opened."""
    share = mail_room.FILES if is_subscriber else mail_room.FILES_OF_STRANGERS
    left = int(room(organization).limit * share) - _bytes(organization, state=IncomingMail.WITH_FILES)
    answers = list[bool]()
    for size in sizes:
        answers.append(size <= left)
        left -= size if answers[-1] else 0
    return answers


def make_room(now: datetime, stops: Callable[[], bool] = lambda: False) -> int:
    """Deletes what nobody needs where an organization has too much, the oldest first; how many messages. Admins hear
    of it where that isn't enough."""
    gone = 0
    for organization in Organization.objects.filter(unlocked()).order_by("pk"):
        before = _measured(organization)
        trimmed = _trim(organization, before.excess(), stops)
        gone += trimmed
        after = _measured(organization) if trimmed else before
        _counted[organization.pk] = (time.monotonic(), after)
        if after.is_full and not stops() and not was_said(organization, FULL, now - SAID_EVERY):
            detail = {"used": after.used // 1_000_000, "limit": after.limit // 1_000_000}
            record(FULL, organization, now=now, detail=detail)
    return gone


def _trim(organization: Organization, excess: int, stops: Callable[[], bool]) -> int:
    gone = 0
    while excess > 0 and not stops() and (rows := _oldest(organization, excess)):
        gone += IncomingMail.objects.filter(pk__in=[*rows], organization=organization).delete()[0]
        excess -= sum(rows.values())
    if gone:
        log.warning("%d read messages of organization %d were deleted early to make room.", gone, organization.pk)
    return gone


def _oldest(organization: Organization, excess: int) -> dict[int, int]:
    """Number -> bytes of messages that may go: of some, as many as make up the excess."""
    for states in (_FIRST, _NEXT):
        rows = IncomingMail.objects.filter(organization=organization, state__in=states).order_by("pk")
        some = [*rows.values_list("pk", "size")[:SLICE]]
        before = accumulate((size for _number, size in some), initial=0)
        if some:
            return {number: size for (number, size), sum_ in zip(some, before, strict=False) if sum_ < excess}
    return {}


def alarms(organization: Organization, now: datetime) -> list[Event]:
    """Of the last day, the newest first."""
    rows = Event.objects.filter(organization=organization, kind=FULL, at__gt=now - SAID_EVERY)
    return list(rows.select_related("organization").order_by("-id")[:1])
