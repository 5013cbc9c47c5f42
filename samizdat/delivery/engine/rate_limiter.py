"""The claimer's part in pace: draws for routes what they may send, leases their connections, tells who is slowed down.

All statements are here, a few a second; the event loop counts what was drawn on its own (core/mail/rate.Meter).
"""

import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from samizdat.core.mail.rate import DrawnRate, SlowedRate
from samizdat.delivery.actions import rate_budgets
from samizdat.delivery.engine.edition_loader import RouteInfo
from samizdat.delivery.engine.sender_context import SenderContext

# Without a limit a second or minute nothing is spread out: so many are drawn at a time.
LOT = 500
# Seconds between two looks at the other senders of a route, which may have come or gone.
RENEW = 2.0


class LimitedRoute(Protocol):
    """What is asked of a route at work: engine/route_worker."""

    id: int
    info: RouteInfo
    open: bool
    busy: bool
    starved: bool
    connections: int

    def granted(self, drawn: DrawnRate, offset: float) -> None: ...

    def leased(self, connections: int | None, senders: int) -> None: ...


class LimitedQueue(Protocol):
    """What is asked of a lane: engine/organization_queue."""

    organization: int

    @property
    def runs(self) -> Sequence[LimitedRoute]: ...

    @property
    def leaving(self) -> Sequence[LimitedRoute]: ...

    def set_slowed(self, slowed: dict[int, dict[int, SlowedRate]]) -> None: ...


class RateLimiter:
    """Lives in the claimer's thread; `want`, `back`, `complain` and `forgive` are for the event loop."""

    def __init__(self, sender: SenderContext) -> None:
        self._sender = sender
        self._wanted: deque[tuple[LimitedRoute, int]] = deque()
        self._back: deque[tuple[LimitedRoute, int]] = deque()
        self._complaints: deque[tuple[LimitedRoute, int, SlowedRate]] = deque()
        self._forgiven: deque[tuple[LimitedRoute, list[int]]] = deque()
        self._asking: deque[LimitedRoute] = deque()
        self._leases: dict[int, tuple[float, int, int]] = {}  # route -> (renewed, connections, all of the route)
        self._slowed: dict[int, dict[int, dict[int, SlowedRate]]] = {}

    # -- from the event loop ----------------------------------------------------------------------------------------

    def want(self, run: LimitedRoute, back: int) -> None:
        """Its meter runs dry. back: drawn before and lost."""
        self._wanted.append((run, back))
        self._sender.claimer.wake.set()

    def back(self, run: LimitedRoute, count: int) -> None:
        """It rests, and has not used so many."""
        self._back.append((run, count))
        self._sender.claimer.wake.set()

    def connect(self, run: LimitedRoute) -> None:
        """It has something to carry, and no connections."""
        self._asking.append(run)
        self._sender.claimer.wake.set()

    def complain(self, run: LimitedRoute, provider: int, state: SlowedRate) -> None:
        self._complaints.append((run, provider, state))
        self._sender.claimer.wake.set()

    def forgive(self, run: LimitedRoute, providers: list[int]) -> None:
        self._forgiven.append((run, providers))
        self._sender.claimer.wake.set()

    # -- the claimer's thread ----------------------------------------------------------------------------------------

    def work(self) -> None:
        while self._complaints:
            run, provider, state = self._complaints.popleft()
            rate_budgets.slow_down(run.id, provider, state)
        while self._forgiven:
            run, providers = self._forgiven.popleft()
            rate_budgets.forgive(run.id, providers)
        while self._back:
            run, count = self._back.popleft()
            rate_budgets.give_back(run.id, run.info.allowance, count, self._sender.clock())
        while self._asking:
            self._lease(self._asking.popleft())
        while self._wanted:
            run, back = self._wanted.popleft()
            now = self._sender.clock()
            drawn = rate_budgets.draw(run.id, run.info.allowance, LOT, back, now)
            self._sender.call(run.granted, drawn, now.timestamp() - time.monotonic())

    def forget(self) -> None:
        """Who is slowed down is told again."""
        self._slowed.clear()

    def tick(self, lane: LimitedQueue, sends: bool, now: datetime) -> None:
        """Twice a second: connections of routes at work are renewed, those of others given up; who is slowed down?"""
        runs = list(lane.runs)
        for run in runs:
            if run.open and (run.busy or (run.starved and sends)):
                self._lease(run, RENEW)
            elif run.id in self._leases and not run.busy and not any(other.id == run.id for other in lane.leaving):
                self._give_up(run)
        slowed = rate_budgets.slowed([run.id for run in runs], now)
        if self._slowed.get(lane.organization, {}) != slowed:
            self._slowed[lane.organization] = slowed
            self._sender.call(lane.set_slowed, slowed)

    def _lease(self, run: LimitedRoute, patience: float = 0.0) -> None:
        worker, total = self._sender.worker, run.info.connections
        renewed, held, known = self._leases.get(run.id, (0.0, 0, 0))
        if worker is None or (time.monotonic() - renewed < patience and known == total and run.connections):
            return
        ours, senders = rate_budgets.lease(run.id, worker.pk, total, held, self._sender.clock())
        self._leases[run.id] = time.monotonic(), ours, total
        self._sender.call(run.leased, ours, senders)

    def _give_up(self, run: LimitedRoute) -> None:
        assert self._sender.worker is not None
        del self._leases[run.id]
        rate_budgets.give_up(run.id, self._sender.worker.pk)
        self._sender.call(run.leased, None, 1)

    def end(self) -> None:
        """The sender stops: everything that was not used goes back."""
        self._wanted.clear()
        self._asking.clear()
        self.work()
        for route in self._leases:
            assert self._sender.worker is not None
            rate_budgets.give_up(route, self._sender.worker.pk)
