"""What the parts of one sender share, whichever thread they are in: clock, journal, and the ways between the threads.

The event loop asks the claimer by its inbox; the claimer's thread has something done on the event loop by `call`.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from samizdat.core.mail.ledger import Header
from samizdat.core.mail.outcome import Deferred, Refused, RouteVerdict
from samizdat.delivery.actions.route_refusals import HeldReplies
from samizdat.delivery.engine.batches import Claim
from samizdat.delivery.engine.journal import Journal
from samizdat.delivery.engine.result_writer import ResultWriter
from samizdat.delivery.models import Worker


class DeferredProvider(NamedTuple):
    """A mailbox provider that refuses us in a campaign, for the claimer to write down."""

    edition: int
    provider: str
    reply: Deferred | Refused
    alike: int  # So many of them.


class ReplyQuestion(NamedTuple):
    """What waits of an edition in one lane, for the claimer to compare with what waits with other senders."""

    edition: int
    waiting: int
    held: list[HeldReplies]
    settles: bool  # Nothing else of it is to be sent here.


class ClaimerInbox:
    """What the event loop has for the claimer, which takes it in its own thread. Lanes go by their organization."""

    def __init__(self) -> None:
        self.wake = threading.Event()
        self.wanted: deque[int] = deque()
        self.returned: deque[tuple[Claim, int]] = deque()
        self.recovered: deque[int] = deque()
        self.must_wait: deque[int] = deque()
        self.condemned: deque[tuple[int, int, RouteVerdict, frozenset[str]]] = deque()
        self.deferred_providers: deque[tuple[int, DeferredProvider]] = deque()
        self.asked: deque[tuple[int, ReplyQuestion]] = deque()
        self.accepted: deque[tuple[int, bytes]] = deque()

    def want(self, organization: int) -> None:
        """Its lane has room for a slice."""
        self.wanted.append(organization)
        self.wake.set()

    def condemn(
        self, organization: int, route: int, verdict: RouteVerdict, domains: frozenset[str] = frozenset()
    ) -> None:
        """domains: the verdict means letters from these alone."""
        self.condemned.append((organization, route, verdict, domains))
        self.wake.set()

    def put_off(self, organization: int, what: DeferredProvider) -> None:
        """A mailbox provider refuses us."""
        self.deferred_providers.append((organization, what))
        self.wake.set()

    def ask_others(self, organization: int, what: ReplyQuestion) -> None:
        """Refusals wait: whose are they, when nobody else is to be sent anything, or with those of other senders?"""
        self.asked.append((organization, what))

    def accepted_elsewhere(self, edition: int, provider: bytes) -> None:
        """A mailbox provider accepted an email that refused others of other senders."""
        self.accepted.append((edition, provider))
        self.wake.set()


class SenderContext:
    """Of one sender, made with it."""

    journal: Journal
    recorder: ResultWriter

    def __init__(self, stop: threading.Event, clock: Callable[[], datetime], placed: Callable[[int], bool]) -> None:
        self.stop = stop
        self.clock = clock
        self.placed = placed
        self.claimer = ClaimerInbox()
        self.worker: Worker | None = None
        self.closing = False
        self.bytes_out = 0  # Of all emails that transports have and that have no outcome yet.
        self.error: BaseException | None = None
        self.called = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop | None = None

    def call(self, function: Callable[..., None], *arguments: object) -> None:
        """From the claimer's thread: run something on the event loop, soon."""
        if self.loop is not None:
            with contextlib.suppress(RuntimeError):  # The loop has ended: nothing is in flight any more.
                self.loop.call_soon_threadsafe(self._do, function, *arguments)

    def _do(self, function: Callable[..., None], *arguments: object) -> None:
        self.called.set()
        function(*arguments)

    def begin_records(self, worker: Worker) -> None:
        self.journal = Journal(worker.journal, Header(bytes(worker.boot), worker.pk, bytes(worker.folder)))
        self.recorder = ResultWriter(self.journal, self.clock, worker.pk)

    def fail(self, error: BaseException) -> None:
        self.error = error
        self.stop.set()
