"""Notices when the clock was set, and computes anew what is due.

Each process compares the wall clock with one that nobody can set, at every look. The first one that notices does what
follows in one transaction and writes it into the one row of `Clock`; the others find that it is done. A process that
begins compares with that row: exactly after a restart on a machine that was not booted since. After a boot only a clock
that was set back can be told from a machine that was off; after an hour of either nothing is given up at once.
"""

import functools
import logging
import threading
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from samizdat.accounts.models import Organization
from samizdat.campaigns.models import Campaign
from samizdat.core.mail import rate, retry_schedule
from samizdat.delivery.engine.journal import boot_id
from samizdat.delivery.models import LEASE, Clock, ConnectionLease, ProviderPace, Retry, Route
from samizdat.events.actions import record

log = logging.getLogger("samizdat.worker")

_NONE = timedelta()
# Seconds after which the row is written again, for the next process that begins.
_NOTED = 60.0
_JUST_NOW = timedelta(seconds=20)
# Other processes notice the same within seconds.
_SAME = timedelta(minutes=2)

_lock = threading.Lock()
# (time, ticks) of this process's last look; None before the first.
_last: tuple[datetime, float] | None = None
# boot -> ticks when this process last wrote the row.
_noted: dict[bytes, float] = {}

_boot = functools.cache(boot_id)


def look(now: datetime, ticks: float, boot: bytes | None = None) -> timedelta:
    """By how much the clock was set since the last look; mostly zero. What is due is computed anew by then.

    ticks: hours.ticks(). boot: which boot of which machine, within which ticks can be compared.
    """
    global _last
    boot = boot or _boot()
    # Whoever writes results waits until all is computed anew.
    with _lock:
        before, _last = _last, (now, ticks)
        jump = rate.jump(before, _last) if before is not None else _since_the_row(now, ticks, boot)
        if jump:
            try:
                _set(jump, now, ticks, boot)
            except BaseException:
                _last = before
                raise
        elif ticks - _noted.get(boot, -_NOTED) > _NOTED:
            _note(now, ticks, boot)
        return jump


def forget() -> None:
    """As in a process that begins: for tests."""
    global _last
    _last = None
    _noted.clear()


def patient(now: datetime) -> bool:
    """Was the clock set lately? Then nothing is given up, decided or thrown away because its time is over."""
    return patient_until(now) is not None


def patient_until(now: datetime) -> datetime | None:
    """When that is over; None: it is, or the clock was not set."""
    until = Clock.objects.filter(pk=1).values_list("patient", flat=True).first()
    return until if until is not None and now < until <= now + rate.PATIENCE else None


def forward(now: datetime) -> timedelta:
    """By how much the clock was set forward within the last hour: what seems to be so much older may not be."""
    row = Clock.objects.filter(pk=1).first()
    if row is None or row.jumped is None or not row.jumped <= now < row.jumped + rate.PATIENCE:
        return _NONE
    return max(timedelta(seconds=row.seconds), _NONE)


def unsettled(now: datetime) -> bool:
    """Was it set just now? Then nothing planned begins."""
    jumped = Clock.objects.filter(pk=1).values_list("jumped", flat=True).first()
    return jumped is not None and jumped <= now < jumped + rate.SETTLE


def last() -> Clock | None:
    """For people: the row, where the clock was ever set."""
    return Clock.objects.filter(pk=1, jumped__isnull=False).first()


def _since_the_row(now: datetime, ticks: float, boot: bytes) -> timedelta:
    """By how much the clock was set since somebody last looked, as far as that can be known."""
    row = Clock.objects.filter(pk=1).first()
    if row is None:
        return _NONE
    if bytes(row.boot) == boot:
        return rate.jump((row.seen, row.ticks), (now, ticks))
    if row.seen - now > rate.JUMP:
        return now - row.seen
    if now - row.seen > rate.PATIENCE:
        log.warning(
            "Nothing ran here for %s, or the clock was set forward. Nothing expires within the next hour.",
            _span(now - row.seen),
        )
        Clock.objects.filter(pk=1).update(patient=now + rate.PATIENCE)
    return _NONE


def _note(now: datetime, ticks: float, boot: bytes) -> None:
    """Where no other process has done so just now."""
    _noted[boot] = ticks
    if Clock.objects.filter(pk=1, boot=boot, seen__gt=now - _JUST_NOW, seen__lte=now).exists():
        return
    Clock.objects.update_or_create(pk=1, defaults={"boot": boot, "ticks": ticks, "seen": now})


def _set(by: timedelta, now: datetime, ticks: float, boot: bytes) -> None:
    """The clock was set. By whom it was noticed first, it is said and reckoned with."""
    with transaction.atomic():
        Clock.objects.get_or_create(pk=1, defaults={"boot": boot, "ticks": ticks, "seen": now})
        row = Clock.objects.select_for_update().get(pk=1)
        known = row.jumped is not None and abs(now - row.jumped) < _SAME
        if known and abs(timedelta(seconds=row.seconds) - by) < rate.JUMP:
            # What a process wrote that had not noticed yet.
            ahead = Retry.objects.filter(due__gt=now + rate.LONGEST_WAIT).exclude(due=retry_schedule.LATER)
            ahead.update(due=now + retry_schedule.RETRY_WAITS[0])
            return
        Clock.objects.filter(pk=1).update(
            boot=boot, ticks=ticks, seen=now, jumped=now, seconds=by.total_seconds(), patient=now + rate.PATIENCE
        )
        _compute_anew(by, now)
        for organization in Organization.objects.order_by("pk"):
            record("clock.set_forward" if by > _NONE else "clock.set_back", organization, now=now)
    log.warning(
        "The clock was set %s by %s, to %s UTC. What is due was computed anew; nothing expires within the next hour.",
        "forward" if by > _NONE else "back",
        _span(by),
        f"{now:%Y-%m-%d %H:%M}",
    )


def _span(by: timedelta) -> str:
    """ "7 days, 0:00:00" for either direction."""
    return str(timedelta(seconds=round(abs(by).total_seconds())))


def _compute_anew(by: timedelta, now: datetime) -> None:
    _retries(by, now)
    _routes(by, now)
    _leases_and_providers(by, now)
    # The time to change one's mind and a first wave's hold are spans; what was planned for an hour stays at that hour.
    for campaign in Campaign.objects.filter(Q(state="held") | Q(canary_state="held")).only(
        "not_before", "canary_until", "state"
    ):
        change = {}
        if campaign.state == "held" and campaign.not_before is not None:
            change["not_before"] = rate.due_after(campaign.not_before, now, by)
        if campaign.canary_until is not None:
            change["canary_until"] = rate.due_after(campaign.canary_until, now, by)
        if change:
            Campaign.objects.filter(pk=campaign.pk).update(**change)


def _retries(by: timedelta, now: datetime) -> None:
    """rate.due_after and rate.first_after of each, in a few statements: there can be hundreds of thousands."""
    # Who waits for a provider waits for a person, and for no time.
    before, rows = now - by, Retry.objects.exclude(due=retry_schedule.LATER)
    rows.filter(due__gt=before + rate.LONGEST_WAIT).update(due=before + retry_schedule.RETRY_WAITS[0])
    rows.filter(due__gt=now, due__lte=before).update(due=now)
    rows.filter(due__gt=before).update(due=F("due") + by)
    oldest = before - retry_schedule.GIVE_UP - rate.LONGEST_WAIT
    rows.filter(Q(first__lt=oldest) | Q(first__gt=before + rate.JUMP)).update(first=before)
    rows.update(first=F("first") + by)


def _routes(by: timedelta, now: datetime) -> None:
    for route in Route.objects.filter(until__isnull=False).only("until"):
        assert route.until is not None
        Route.objects.filter(pk=route.pk).update(until=rate.due_after(route.until, now, by))
    # Condemned while the clock was ahead, as when every certificate has expired: asked once more.
    wrong = Route.objects.filter(state="dead", changed__gt=now + rate.JUMP)
    wrong.update(until=now, reason="", changed=now)


def _leases_and_providers(by: timedelta, now: datetime) -> None:
    at, seconds = now.timestamp(), by.total_seconds()
    ConnectionLease.objects.update(until=at + LEASE)
    for slowed in ProviderPace.objects.all():
        # Slowed down so long ago as before; if in no time that can be, now.
        then, hold = slowed.at + seconds, slowed.hold + seconds
        then = then if at - rate.DAY < then <= at else at
        hold = min(hold, at + rate.LATEST)
        ProviderPace.objects.filter(route=slowed.route_id, provider=slowed.provider).update(at=then, hold=hold)
