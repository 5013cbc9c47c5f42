"""The sender process: one event loop for the routes, a claimer and a recorder beside it."""

import asyncio
import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime

from django.db import InterfaceError, OperationalError, connection, connections

from samizdat import dbclock, wakeups
from samizdat.campaigns.models import Campaign
from samizdat.delivery.actions import copied_installation, key_locks
from samizdat.delivery.actions import due as clocks
from samizdat.delivery.engine.claimer import Claimer
from samizdat.delivery.engine.locks import FileLock, check_sessions, sender_lock
from samizdat.delivery.engine.organization_queue import OrganizationQueue
from samizdat.delivery.engine.sender_context import SenderContext
from samizdat.delivery.models import Route
from samizdat.delivery.queries import status
from samizdat.logs import where_it_broke
from samizdat.vault import locks

log = logging.getLogger("samizdat.sender")

# Seconds between two looks at what waits on the event loop.
BEAT = 0.05
# Stopping: what is in flight gets this long, then it is cut off (and is in doubt only if its last dot has left).
PATIENCE = 7.0
# Seconds without a turn after which the event loop counts as stuck.
STILL = 10.0
# Seconds between two looks at a campaign that somebody waits for.
LOOK = 0.3
# Seconds between two looks at what readers sent.
TAKE_UP = 1.0
# So often a sender is begun anew for somebody who waits, until they are told.
MOST_FAILURES = 4
# CPython hands the interpreter to another thread every 5 ms; the claimer's short queries would wait so long each time.
SWITCH = 0.0005


class SenderFailed(RuntimeError):
    """The sender had to stop, mostly because its database is gone. Started again, it goes on where it was.

    `__cause__` is why.
    """

    code = "sender_failed"


def everywhere(_edition: int) -> bool:
    """Placed at every campaign: where no task engine says otherwise."""
    return True


def unwatched(_worker: int | None) -> None:
    """Nobody listens for our sign of life."""


class Sender:
    """Sends everything that is due until `stop` is set. Made and run in one thread."""

    def __init__(
        self,
        stop: threading.Event,
        clock: Callable[[], datetime] = dbclock.now,
        placed: Callable[[int], bool] = everywhere,
        alive: Callable[[int | None], None] = unwatched,
    ) -> None:
        """placed: may chunks of this edition be claimed here? alive: called as long as loop and claimer both move."""
        self._context = SenderContext(stop, clock, placed)
        self._alive = alive
        self._turned = time.monotonic()
        self._lanes: list[OrganizationQueue] = []
        self._claimer = Claimer(self._context, self._turns, self._lanes.append)

    def run(self) -> None:
        """Raises SenderFailed when it could not go on."""
        interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH)
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(self._main())
        finally:
            sys.setswitchinterval(interval)
        if self._context.error is not None:
            raise SenderFailed("The sender stopped: " + type(self._context.error).__name__) from self._context.error

    def _turns(self) -> bool:
        """Does the event loop turn?"""
        return time.monotonic() - self._turned < STILL

    async def _main(self) -> None:
        self._context.loop = asyncio.get_running_loop()
        self._claimer.start()
        while not self._claimer.ready.is_set():
            self._live()
            await asyncio.sleep(BEAT)
        if not hasattr(self._context, "recorder"):
            return
        while not self._context.stop.is_set():
            self._beat()
            await self._pause()
        await self._close()

    async def _pause(self) -> None:
        if self._claimer.at_work or any(lane.in_flight for lane in self._lanes):
            await asyncio.sleep(BEAT)
            return
        self._context.called.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._context.called.wait(), wakeups.until_next())

    def _live(self) -> None:
        self._turned = time.monotonic()
        if self._claimer.pulse.moves:
            self._alive(self._context.worker.pk if self._context.worker else None)

    def _beat(self) -> None:
        self._live()
        self._context.journal.tend()
        for lane in self._lanes:
            lane.tick()

    async def _close(self) -> None:
        """Take nothing more, let what is in flight finish, write it down."""
        self._context.closing = True
        until = time.monotonic() + PATIENCE
        while True:
            for lane in self._lanes:
                lane.close()
            tasks = [task for lane in self._lanes for task in lane.in_flight]
            left = until - time.monotonic()
            if not tasks or left <= 0:
                break
            await asyncio.wait(tasks, timeout=min(left, BEAT))
            self._context.journal.flush()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # What the claimer has sent us meanwhile goes back to it.
        for lane in self._lanes:
            lane.close()
        self._context.journal.flush()
        self._claimer.finish.set()
        self._context.claimer.wake.set()
        while self._claimer.alive:
            await asyncio.sleep(BEAT / 5)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed: 1.3 times less CPU, and nothing depends on it."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


# --- who calls it ---


def _single() -> FileLock | None:
    """The lock that one sender holds on SQLite; PostgreSQL keeps a lock a worker in the database."""
    return sender_lock() if connection.vendor == "sqlite" else None


def run_sender(
    stop: threading.Event,
    placed: Callable[[int], bool] = everywhere,
    alive: Callable[[int | None], None] = unwatched,
) -> None:
    """The supervisor's sender: waits for its turn, then sends until `stop` is set. Raises SenderFailed."""
    lock = _single()
    while lock is not None and not lock.take():
        alive(None)
        if stop.wait(LOOK):
            return
    try:
        Sender(stop, placed=placed, alive=alive).run()
    finally:
        if lock is not None:
            lock.release()


# Ends of waiting that a person has to do something about, by the state of the campaign.
_ENDS = {"finished": "finished", "paused": "paused", "cancelled": "cancelled", "draft": "draft", "waiting": "no_route"}


def run_campaign(
    campaign_id: int,
    wait_limit: float | None = None,
    stop: threading.Event | None = None,
    take_up: Callable[[datetime], object] | None = None,
) -> dict[str, object]:
    """`campaign send --wait`: sends if nobody else does, else watches. Killed and called again, it goes on.

    The status of queries.status, and why waiting ended: `ended` is finished, paused, cancelled, draft, fenced,
    no_route, barred, provider, wait_limit or stopped. wait_limit: seconds; None: as long as it takes. take_up: takes up
    what readers sent, called now and then; where no worker does so, a send would wait for it. Errors: SenderFailed,
    CopiedFolder, Pooled.
    """
    check_sessions()
    copied_installation.look(dbclock.now())
    stop = stop or threading.Event()
    until = time.monotonic() + wait_limit if wait_limit is not None else None
    watched = _Watched(campaign_id, until)
    failures = 0
    while True:
        try:
            ended = watched.ended() or ("stopped" if stop.is_set() else "")
            if ended:
                return {**status(watched.campaign), "ended": ended}
            _send_or_watch(watched, stop, take_up)
            failures = 0
        except (SenderFailed, OperationalError, InterfaceError) as error:
            log.warning("%s", error)
            connection.close()
            failures += 1
            if failures >= MOST_FAILURES:
                raise SenderFailed(
                    "The sender failed several times in a row. Run `samizdat doctor` to see what is wrong."
                ) from error
            # A database that is locked or restarting comes back; one that does not is for a person.
            stop.wait(2.0**failures / 2)


type _TakeUp = Callable[[datetime], object] | None


def _send_or_watch(watched: "_Watched", stop: threading.Event, take_up: _TakeUp) -> None:
    """Sends where nobody else does, else waits a moment. Errors: SenderFailed."""
    lock = _single()
    if lock is not None and not lock.take():
        stop.wait(LOOK)
        return
    try:
        _send_until(watched, stop, take_up)
    finally:
        if lock is not None:
            lock.release()


class _Watched:
    """A campaign that somebody waits for."""

    def __init__(self, campaign_id: int, until: float | None) -> None:
        self.campaign = Campaign.objects.select_related("organization", "edition").get(pk=campaign_id)
        self._until = until
        self._stuck_since: float | None = None

    def ended(self) -> str:
        """Why there is no point in waiting any longer; empty while there is one."""
        campaign = self.campaign
        asked = Campaign.objects.values_list("state", "reason", "organization__sending_locked")
        campaign.state, campaign.reason, is_locked = asked.get(pk=campaign.pk)
        if campaign.state == "finished":
            return "finished"
        if is_locked:
            return "fenced"
        if campaign.state == "waiting" and campaign.reason in ("", "no_route", "barred"):
            return self._no_route()
        if campaign.state == "waiting" and campaign.reason == "provider":
            return campaign.reason
        if campaign.state == "waiting" and campaign.reason == key_locks.REASON and locks.state(campaign.organization):
            return campaign.reason  # One that was unlocked goes on by itself.
        self._stuck_since = None
        if campaign.state in _ENDS and campaign.state != "waiting":
            return _ENDS[campaign.state]
        return "wait_limit" if self._until is not None and time.monotonic() >= self._until else ""

    def _no_route(self) -> str:
        """A route may have come back since: the sender takes it up within a second, so that one is waited for."""
        ended = self.campaign.reason or "no_route"
        routes = Route.objects.filter(organization=self.campaign.organization_id, state__in=("live", "throttled"))
        if not routes.exclude(bars__domain=self.campaign.edition.message_id_domain).exists():
            return ended
        self._stuck_since = self._stuck_since or time.monotonic()
        return ended if time.monotonic() - self._stuck_since > 5 else ""


def _send_until(watched: _Watched, stop: threading.Event, take_up: _TakeUp) -> None:
    """Sends everything that is due while this campaign is worth waiting for. Errors: SenderFailed."""
    inner = threading.Event()

    def watch() -> None:
        try:
            while not inner.wait(LOOK):
                if stop.is_set() or watched.ended():
                    inner.set()
        finally:
            inner.set()
            connection.close()

    def look_after_readers() -> None:
        try:
            while take_up is not None and not inner.wait(TAKE_UP):
                take_up(dbclock.now())
        except Exception as error:
            log.error("What readers sent could not be taken up: %s", where_it_broke(error))
        finally:
            connections.close_all()

    dbclock.sync()
    clocks.start_due(dbclock.now())
    beside = [threading.Thread(target=work, daemon=True) for work in (watch, look_after_readers)]
    for thread in beside:
        thread.start()
    try:
        Sender(inner).run()
    finally:
        inner.set()
        for thread in beside:
            thread.join()
