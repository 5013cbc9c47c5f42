"""One organization's traffic, on the event loop: checked slices go out by the first route that lives.

Nothing here touches the database. The claimer brings slices and the state of routes; results go to the recorder.
"""

import asyncio
import heapq
import itertools
import math
import time
from collections import deque
from typing import Any

from samizdat.core.crypto import seal
from samizdat.core.mail import outcome as outcomes
from samizdat.core.mail import rate as pace
from samizdat.core.mail.ledger import JournalNews
from samizdat.core.mail.outcome import Deferred, Outcome, Refused, RouteVerdict
from samizdat.delivery.engine.batches import (
    MOST_SLICE,
    SLICE,
    SLICE_AT_SPEED,
    SLICE_SECONDS,
    SUPPRESSED,
    UNMAKEABLE,
    BatchItem,
    MessageBatch,
    RouteRejections,
)
from samizdat.delivery.engine.edition_loader import RouteInfo
from samizdat.delivery.engine.rate_limiter import RateLimiter
from samizdat.delivery.engine.results import SendResult
from samizdat.delivery.engine.route_rejections import QueueRefusals
from samizdat.delivery.engine.route_worker import MOST_STRIKES, MakingTurns, RouteRun
from samizdat.delivery.engine.sender_context import SenderContext
from samizdat.delivery.message_values import Recipient, date_text

# So often the same message is put back because of the route before it becomes an ordinary deferral of this recipient.
MOST_TOSSES = 4

_THROTTLED = outcomes.NUMBERS["throttled"]


class OrganizationQueue:
    """One organization's slices and routes."""

    def __init__(self, organization: int, sender: SenderContext, limiter: RateLimiter) -> None:
        self.organization = organization
        self.sender = sender
        self.limiter = limiter
        self.slices: deque[MessageBatch] = deque()
        self.runs: list[RouteRun] = []
        self.leaving: list[RouteRun] = []  # Closed or replaced, with something still in flight.
        self.active: RouteRun | None = None
        self.making = MakingTurns()
        self.bytes_out = 0  # Of its emails that transports have.
        self.alive = False  # Some route lives, perhaps one that waits.
        self.date = ""
        self._again: list[tuple[float, int, RouteRun, BatchItem]] = []
        self._count = itertools.count()
        self._asked = False
        self.barring = False  # Some route does not take every domain.
        self._fed: frozenset[str] = frozenset()  # Then: domains of which a slice waits for its route.
        self._rate = 0.0
        self._received = time.monotonic()
        self.refusing = QueueRefusals(self)

    # -- slices -----------------------------------------------------------------------------------------------------

    def has_slices_for(self, run: RouteRun) -> bool:
        if self.barring:
            return any(piece.items and self.way_for(piece.claim.opened.domain) is run for piece in self.slices)
        return self.active is run and any(piece.items for piece in self.slices)

    def next_item(self, run: RouteRun) -> BatchItem | None:
        """What another route sent to this one goes first. Its age counts here too: a loop that stood still for seconds
        takes messages before its next tick."""
        while run.own:
            item = run.own.popleft()
            if time.monotonic() - item.checked <= SLICE_SECONDS:
                return item
            self.give_back([item])
        if self.barring:
            return self._next_for(run)
        if self.active is not run:
            return None
        while self.slices:
            first = self.slices[0]
            if not first.items:
                self.slices.popleft()
                continue
            if time.monotonic() - first.checked > SLICE_SECONDS:
                self.give_back(self.slices.popleft().items)
                continue
            item = first.items.popleft()
            if len(first.items) <= self._rate * 0.03 and len(self.slices) == 1:
                self._ask()
            return item
        self._ask()
        return None

    def _next_for(self, run: RouteRun) -> BatchItem | None:
        """As next_item, where some route does not take every domain: each pulls what is for it, and none runs ahead."""
        batch = None
        for piece in list(self.slices):
            if time.monotonic() - piece.checked > SLICE_SECONDS:
                self.give_back(piece.items)
                piece.items.clear()
            if not piece.items:
                self.slices.remove(piece)
            elif batch is None and self.way_for(piece.claim.opened.domain) is run:
                batch = piece
        if batch is None:
            self._ask()
            return None
        item = batch.items.popleft()
        if len(batch.items) in (0, int(self._rate * 0.03)):
            self._ask()
        return item

    def way_for(self, domain: str) -> RouteRun | None:
        """The route that messages of a sending domain go by: the first that may and whose provider accepts it."""
        return self._first(domain)[0] if self.barring else self.active

    def wants(self, domain: str) -> bool:
        """May a slice of this domain be fed? Not where no route takes it now, or one waits for its route already."""
        if not self.barring:
            return True
        return domain not in self._fed and self.way_for(domain) is not None

    @property
    def appetite(self) -> int:
        """How many the next slice may hold. By a slow route what goes in a second, so that campaigns take turns."""
        rate = self.active.info.rate if self.active is not None else None
        most = SLICE if rate is None else max(1, min(SLICE, int(rate)))
        return max(most, min(MOST_SLICE, int(self._rate * SLICE_AT_SPEED)))

    @property
    def rate(self) -> float:
        """Messages a second, of late."""
        return self._rate

    def _ask(self) -> None:
        if self.barring:
            few = self._rate * 0.03
            self._fed = frozenset(piece.claim.opened.domain for piece in self.slices if len(piece.items) > few)
            self.sender.claimer.wake.set()
        if not self._asked:
            self._asked = True
            self.sender.claimer.want(self.organization)

    def receive(self, piece: MessageBatch | None) -> None:
        """A checked slice. None: asked again when there is more to do."""
        if piece is None:
            return
        now = time.monotonic()
        # How fast slices go decides how early the next one is asked for: at full speed one ahead, slowly none.
        rate = len(piece.rows) / max(now - self._received, 0.001)
        self._rate = rate if rate < self._rate else (rate + self._rate) / 2
        self._received = now
        self._asked = False
        self.date = date_text(self.sender.clock())
        self.sender.journal.about(piece.claim.chunk, piece.claim.opened.edition)
        self._open(piece)
        if self.sender.closing:
            self.give_back(piece.items)
            return
        self.slices.append(piece)
        if self.barring:
            self._ask()  # For the domains of other routes: this slice may be long in going.
        self.pump()

    def _open(self, piece: MessageBatch) -> None:
        """Opens the blobs and addresses the letters. Here and not in the claimer: two threads that both compute take
        the interpreter from each other.
        """
        people, letterer = self._opened(piece), piece.claim.opened.letterer
        try:
            addressed = letterer.address(people)
        except seal.SealBroken:
            addressed = [message for person in people for message in self._address_one(piece, *person)]
        for message in addressed if piece.groups else ():
            message.values.update(piece.groups.get(message.number, {}))
        providers = {number: provider for number, _blob, provider, _index in piece.rows}
        piece.items.extend(
            BatchItem(piece.claim, message, providers[message.number], piece.checked) for message in addressed
        )
        piece.rows = []

    def _opened(self, piece: MessageBatch) -> list[tuple[int, bytes]]:
        """(number, values) of those who can be written to. Whose blob does not open cannot, and holds nobody else up;
        nor can who has an older one, with an address that is none of the index by which the suppression list was asked,
        or who has not confirmed their sign-up: no no of the subscriber at its address is asked of its row.
        """
        people, opened = [], piece.claim.opened.opener.open_with_tail
        for number, blob, _provider, index in piece.rows:
            try:
                plain, mark = opened(blob, number)
                is_confirmed = not seal.pick(plain, seal.WAITING)
            except seal.SealBroken:
                self._book_unsent(piece, number, JournalNews.REFUSED, UNMAKEABLE)
                continue
            if is_confirmed and index.startswith(mark):
                people.append((number, plain))
            else:
                self._book_unsent(piece, number, JournalNews.SUPPRESSED, SUPPRESSED)
        return people

    def _address_one(self, piece: MessageBatch, number: int, plain: bytes) -> list[Recipient]:
        try:
            return piece.claim.opened.letterer.address([(number, plain)])
        except seal.SealBroken:
            self._book_unsent(piece, number, JournalNews.REFUSED, UNMAKEABLE)
            return []

    def _book_unsent(self, piece: MessageBatch, number: int, news: JournalNews, answer: int) -> None:
        provider = next(row[2] for row in piece.rows if row[0] == number)
        self.book(BatchItem(piece.claim, Recipient(number, "", "", {}), provider, piece.checked), news, answer)

    def give_back(self, items: Any) -> None:
        """Unsent and unbegun: to the claimer, which asks for consent again before they return."""
        for item in items:
            self.sender.claimer.returned.append((item.claim, item.addressed.number))
        self.sender.claimer.wake.set()

    def drop(self, edition: int) -> None:
        """The campaign is paused, cancelled or fenced: nothing more of it leaves."""
        self.refusing.drop([edition])
        for piece in self.slices:
            kept = deque(item for item in piece.items if item.claim.opened.edition != edition)
            self.give_back([item for item in piece.items if item.claim.opened.edition == edition])
            piece.items = kept
        for run in self.runs:
            self.give_back([item for item in run.own if item.claim.opened.edition == edition])
            run.own = deque(item for item in run.own if item.claim.opened.edition != edition)
        self.give_back([item for *_, item in self._again if item.claim.opened.edition == edition])
        self._again = [entry for entry in self._again if entry[3].claim.opened.edition != edition]
        heapq.heapify(self._again)

    def give_all_back(self) -> None:
        self.refusing.drop()
        for piece in self.slices:
            self.give_back(piece.items)
        self.slices.clear()
        for run in self.runs:
            self.give_back(run.own)
            run.own.clear()
        self.give_back([item for *_, item in self._again])
        self._again.clear()

    def at_hand(self) -> set[int]:
        """Editions of which something is still to be sent here, or on its way."""
        items = [item for run in (*self.runs, *self.leaving) for item in (*run.own, *run.out)]
        items += [entry[3] for entry in self._again]
        return {item.claim.opened.edition for item in items} | {
            piece.claim.opened.edition for piece in self.slices if piece.items
        }

    def take_back(self) -> None:
        """Nothing leaves for now: what was fed goes back, and is asked for again."""
        self.give_all_back()
        self._ask()

    # -- results ----------------------------------------------------------------------------------------------------

    def book(
        self,
        item: BatchItem,
        news: JournalNews,
        answer: int,
        code: int = 0,
        route: int | None = None,
        wait: int = 0,
        text: str = "",
        put_off: bool = False,
        held: bool = False,
    ) -> None:
        claim = item.claim
        result = SendResult(
            claim.opened.edition,
            claim.chunk,
            item.addressed.number,
            news,
            answer,
            code,
            route,
            item.provider,
            claim.retry,
            wait,
            text,
            put_off=put_off,
            held=held,
        )
        self.sender.recorder.tell(result, item.generation)
        claim.resolved += 1
        if claim.resolved == claim.sliced and not claim.rest:
            self.sender.claimer.wake.set()

    def came_back(self, run: RouteRun, item: BatchItem, outcome: Outcome) -> None:
        """Refused because of the route: not one of the recipient's tries. By the next route, or by this one a little
        later."""
        assert isinstance(outcome, Deferred | Refused)
        self.forget_s(item)
        tosses = item.claim.tosses.setdefault(item.addressed.number, RouteRejections())
        tosses.count += 1
        if outcome.scope != "throttle" and self._by_another(run, item, tosses):
            return
        if outcome.scope == "provider":
            self.refusing.refused(item, outcome, run.id)
            return
        wait = getattr(outcome, "wait", None) or 0
        if tosses.count > MOST_TOSSES and run.open:
            answer = outcomes.answer_class(outcome)
            self.book(item, JournalNews.DEFERRED, answer, outcome.code, run.id, wait, outcome.text)
            return
        pause = max(wait, 2.0 ** (tosses.count - 1) * 0.5)
        heapq.heappush(self._again, (time.monotonic() + pause, next(self._count), run, item))

    def _by_another(self, run: RouteRun, item: BatchItem, tosses: RouteRejections) -> bool:
        """Does another route that lives try it?"""
        tosses.routes.add(run.id)
        other = self.another(item, run)
        if other is None:
            return False
        other.own.append(item)
        other.pump()
        return True

    def forget_s(self, item: BatchItem) -> None:
        """Its S was answered by an R: the journal need not keep that for it."""
        if item.generation >= 0:
            self.sender.journal.confirm({item.generation: 1})
            item.generation = -1

    def put_off(self, item: BatchItem, seconds: float) -> None:
        """Their turn comes later. Not one of the recipient's tries, and nothing that stays in a claimed chunk
        meanwhile."""
        self.book(item, JournalNews.DEFERRED, _THROTTLED, wait=math.ceil(seconds), put_off=True)

    def another(self, item: BatchItem, run: RouteRun) -> RouteRun | None:
        """The next live route that has not sent this message back."""
        tosses = item.claim.tosses.get(item.addressed.number)
        tried = tosses.routes if tosses else set()
        domain = item.claim.opened.domain
        return next(
            (
                other
                for other in self.runs
                if other.able and other is not run and other.id not in tried and domain not in other.barred
            ),
            None,
        )

    # -- routes -----------------------------------------------------------------------------------------------------

    def set_routes(self, infos: list[RouteInfo]) -> None:
        """Routes as the database has them now, the highest priority first."""
        old = {run.id: run for run in self.runs}
        runs = []
        for info in infos:
            run = old.pop(info.id, None)
            if run is not None and run.info.version != info.version:
                self._leave(run)
                run = None
            if run is None:
                run = RouteRun(self, info)
            run.info = info
            if not run.unconfirmed:
                run.open = info.state == "live"
            run.barred = info.barred | run.unwritten
            runs.append(run)
        for run in old.values():
            self._leave(run)
        self.runs = runs
        self.changed()

    def set_slowed(self, slowed: dict[int, dict[int, pace.SlowedRate]]) -> None:
        """Mailbox providers that asked for patience, as other senders heard it too."""
        for run in self.runs:
            for provider, state in slowed.get(run.id, {}).items():
                run.set_slowed(provider, state)

    def forget_slowed(self) -> None:
        """The clock was set: when whose turn is, is read and computed anew."""
        for run in self.runs:
            run.slowed.clear()

    def _leave(self, run: RouteRun) -> None:
        run.close()
        self.give_back(run.own)
        run.own.clear()
        if run.task is not None:
            self.leaving.append(run)

    def condemn(self, run: RouteRun, verdict: RouteVerdict) -> None:
        """The route is down: said to the claimer, which writes it down, and no message is blamed for it.

        Where our set-up is wrong, it is down for the domains that it was said of, and others go on.
        """
        if verdict.reason in ("same_refusal", "authentication_records"):
            self.refusing.drop()  # Not only theirs: those who wait here were not refused by anybody's provider.
        if verdict.state == "config" and run.refused:
            self._bar(run, verdict)
            return
        run.close()
        run.unconfirmed = True
        run.strikes = 0 if run.accepted else run.strikes + 1
        run.accepted = 0
        run.thanked = False
        self.sender.claimer.condemn(self.organization, run.id, verdict)

    def _bar(self, run: RouteRun, verdict: RouteVerdict) -> None:
        domains = frozenset(run.refused)
        run.unwritten |= domains
        run.barred |= domains
        self.sender.claimer.condemn(self.organization, run.id, verdict, domains)

    def confirmed(self, route: int, domains: frozenset[str] = frozenset()) -> None:
        """Written down: what the rows say counts from now on."""
        for run in self.runs:
            if run.id == route:
                run.unwritten -= domains
                run.unconfirmed = run.unconfirmed and bool(domains)

    def changed(self) -> None:
        """Which route is the first that lives? What waited for one that does not goes on by it."""
        self.leaving = [run for run in self.leaving if run.task is not None]
        self.active, waiting = self._first()
        self.alive = self.active is not None or waiting
        self.barring = any(run.barred for run in self.runs)
        for run in self.runs:
            self._give_back_own(run)
        self._release_waiting()
        if self.active is not None:
            self._ask()
        self.pump()

    def _first(self, domain: str = "") -> tuple[RouteRun | None, bool]:
        """The first route that may be given messages, and whether one before it waits; of those that take a domain."""
        waiting = False
        for run in self.runs:
            if domain in run.barred:
                continue
            if run.able:
                return run, waiting
            if run.open:
                # Spent: the next one takes over. Starved: other senders use it fully.
                waiting = True
                if run.starved:
                    break
            elif run.info.state == "throttled" or (run.unconfirmed and not run.open):
                # Unconfirmed: the claimer tells within half a second whether this one waits or is dead.
                waiting = True
                if run.unconfirmed or self._comes_back_soon(run):
                    break
        return None, waiting

    def _give_back_own(self, run: RouteRun) -> None:
        """What was sent to a route that cannot take it any more."""
        if not run.own or (run.able and not run.barred):
            return
        gone = [item for item in run.own if not run.takes(item)]
        run.own = deque(item for item in run.own if run.takes(item))
        self.give_back(gone)

    def _comes_back_soon(self, run: RouteRun) -> bool:
        if run.info.reason not in pace.PATIENT or run.strikes >= MOST_STRIKES or run.info.until is None:
            return False
        return (run.info.until - self.sender.clock()).total_seconds() <= pace.LONG_WAIT

    def _release_waiting(self) -> None:
        """Messages that waited for a route that is down now are free again, and it is not held against them."""
        kept = []
        for entry in self._again:
            _, _, run, item = entry
            if run.takes(item) and run in self.runs:
                kept.append(entry)
            else:
                item.claim.tosses.pop(item.addressed.number, None)
                self.give_back([item])
        self._again = kept
        heapq.heapify(self._again)

    def pump(self) -> None:
        for run in self.runs:
            run.pump()

    def tick(self) -> None:
        """Several times a second: what has waited long enough goes on, what is too old is asked again."""
        now = time.monotonic()
        while self._again and self._again[0][0] <= now:
            _, _, run, item = heapq.heappop(self._again)
            if not run.takes(item):
                self.give_back([item])
            else:
                run.own.append(item)
        for run in self.runs:
            run.busy = run.task is not None or run.has_work
            if run.spent and now >= run.spent_until:
                run.spent_until = 0.0
                self.changed()
            if run.open and run.accepted and run.info.reason and not run.thanked:
                run.thanked = True
                self.sender.claimer.recovered.append(run.id)
            self._give_back_old(run, now)
        while self.slices and now - self.slices[0].checked > SLICE_SECONDS:
            self.give_back(self.slices.popleft().items)
        self.refusing.ask()
        self.pump()

    def _give_back_old(self, run: RouteRun, now: float) -> None:
        """All of them are looked at: what came back from another route may be older than what stands before it."""
        old = [item for item in run.own if now - item.checked > SLICE_SECONDS]
        if old:
            run.own = deque(item for item in run.own if now - item.checked <= SLICE_SECONDS)
            self.give_back(old)

    @property
    def in_flight(self) -> list[asyncio.Task[None]]:
        return [run.task for run in [*self.runs, *self.leaving] if run.task is not None]

    def close(self) -> None:
        for run in self.runs:
            run.close()
        self.give_all_back()
