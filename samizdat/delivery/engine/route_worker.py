"""A route at work, on the event loop: the feed that its transport takes messages from, with its pace and its verdicts.

Nothing here touches the database (engine/organization_queue.py says who does).
"""

import asyncio
import logging
import time
from collections import deque
from typing import Protocol

from samizdat.core.content.message import Unmakeable
from samizdat.core.mail import ledger, rate
from samizdat.core.mail import outcome as outcomes
from samizdat.core.mail.ledger import JournalNews, JournalRecord, news_of
from samizdat.core.mail.outcome import Accepted, Deferred, Outcome, Refused, RouteVerdict, Unsure
from samizdat.delivery.engine.batches import UNMAKEABLE, BatchItem, MessageBatch
from samizdat.delivery.engine.edition_loader import RouteInfo
from samizdat.delivery.engine.rate_limiter import RateLimiter
from samizdat.delivery.engine.route_rejections import BookingQueue, QueueRefusals
from samizdat.plugins import Message, RouteDown

log = logging.getLogger("samizdat.sender")

# Seconds without anything to send after which connections say goodbye.
IDLE = 5.0
# So often a route that asks for patience may do so without taking anything in between.
MOST_STRIKES = 2
# Seconds; a route that may not send for longer than this lets the next one take over.
SPENT = 60.0
# Seconds over which complaints of mailbox providers are compared: one of them, or all?
LATELY = 60.0
# Bytes of emails that transports may have at once: of one organization, and of all. An email has up to 1 MB of
# pictures, a route 500 connections, and a transport copies what it writes: with a slow mail server of its own one
# organization filled 0.9 GB. Whatever others hold, an organization may have LEAST_BYTES.
LANE_BYTES, SENDER_BYTES, LEAST_BYTES = 32 << 20, 64 << 20, 2 << 20

# Seconds of the event loop for one email, from which on its organization waits REST times as long after each: all
# organizations share the loop, and an editor decides what their emails cost. Most take a tenth of a millisecond, a
# megabyte of pictures with a signature some three.
COSTLY, REST = 0.005, 3

_ACCEPTED = outcomes.NUMBERS["accepted"]


class MakingTurns:
    """When an organization may have its next email made. Time that another process had meanwhile isn't held against it:
    after an email that took long the next one is measured by what we computed."""

    def __init__(self) -> None:
        self.rests_until = 0.0
        self._suspected = False

    def begin(self) -> float:
        return time.thread_time() if self._suspected else time.perf_counter()

    def end(self, began: float) -> None:
        took = self.begin() - began
        if took >= COSTLY and self._suspected:
            self.rests_until = time.monotonic() + REST * took
        self._suspected = took >= COSTLY


class RouteQueue(BookingQueue, Protocol):
    """What a route asks of its lane: engine/organization_queue."""

    limiter: RateLimiter
    refusing: QueueRefusals
    slices: deque[MessageBatch]
    active: "RouteRun | None"
    date: str
    bytes_out: int
    making: MakingTurns

    @property
    def rate(self) -> float: ...

    def has_slices_for(self, run: "RouteRun") -> bool: ...

    def next_item(self, run: "RouteRun") -> BatchItem | None: ...

    def another(self, item: BatchItem, run: "RouteRun") -> "RouteRun | None": ...

    def came_back(self, run: "RouteRun", item: BatchItem, outcome: Outcome) -> None: ...

    def forget_s(self, item: BatchItem) -> None: ...

    def put_off(self, item: BatchItem, seconds: float) -> None: ...

    def condemn(self, run: "RouteRun", verdict: RouteVerdict) -> None: ...

    def changed(self) -> None: ...


class RouteRun:
    """A route at work: the feed that its transport takes messages from."""

    def __init__(self, lane: RouteQueue, info: RouteInfo) -> None:
        self.lane = lane
        self.info = info
        self.id = info.id
        self.open = info.state == "live"
        self.unconfirmed = False  # Condemned here, and the claimer has not written it down yet.
        self.barred = info.barred  # Sending domains that its provider does not accept.
        self.unwritten: frozenset[str] = frozenset()  # Of those: barred here, and not written down yet.
        self.refused: set[str] = set()  # Domains that an answer was about since it began to carry.
        self.own: deque[BatchItem] = deque()  # Sent here by a route of higher priority that could not take them.
        self.out: set[BatchItem] = set()
        self.task: asyncio.Task[None] | None = None
        self.event = asyncio.Event()
        self.faults = 0
        self.strikes = 0  # Verdicts in a row without an accepted message in between.
        self.accepted = 0
        self.thanked = False  # It works again, and that has been said.
        self.rested_until = 0.0
        self.busy = False
        self.connections = 0  # Of the route's, leased to this sender. Transports hold to it.
        self.starved = False  # Other senders hold all of them.
        self.learned_to_wait = False
        self.spent_until = 0.0  # Monotonic: its limit or its share of the day is used up.
        self.slowed: dict[int, rate.RateTurns] = {}  # Mailbox providers that asked for patience.
        self._senders = 1
        self._complaints: deque[tuple[float, int]] = deque()
        self._connecting = False
        self._meter = None if info.allowance.endless else rate.RateMeter()
        self._journal = lane.sender.journal
        self._recorder = lane.sender.recorder

    @property
    def active(self) -> bool:
        return self.lane.active is self

    @property
    def has_work(self) -> bool:
        return bool(self.own) or self.lane.has_slices_for(self)

    @property
    def spent(self) -> bool:
        return self.spent_until > 0.0

    @property
    def able(self) -> bool:
        """May messages be given to it?"""
        return self.open and not self.spent and not self.starved

    def takes(self, item: BatchItem) -> bool:
        """May this message be given to it?"""
        return self.able and item.claim.opened.domain not in self.barred

    @property
    def has_room(self) -> bool:
        """May a transport be given one more, by the bytes that they have?"""
        mine = self.lane.bytes_out
        return mine < LEAST_BYTES or (mine < LANE_BYTES and self.lane.sender.bytes_out < SENDER_BYTES)

    @property
    def waits(self) -> bool:
        """Is the answer to each message waited for before anything of the next is sent?"""
        return self.learned_to_wait or self.info.waits

    def must_wait(self) -> None:
        """Its server dies when more follows: from now on, and for other senders and the next ones too."""
        self.learned_to_wait = True
        self.lane.sender.claimer.must_wait.append(self.id)
        self.lane.sender.claimer.wake.set()

    # -- the feed ---------------------------------------------------------------------------------------------------

    def take(self) -> Message | None:
        """The next message, made out at this moment; None when there is none, or no token or room is left."""
        meter = self._meter
        if time.monotonic() < self.lane.making.rests_until:
            return None
        while self.open and self.has_room:
            if meter is not None and not meter.ready(time.monotonic()):
                self._dry(meter)
                return None
            item = self.lane.next_item(self)
            if item is None:
                return None
            if self.slowed and item.provider in self.slowed and self._put_off(item):
                continue
            if self.lane.refusing.holds and self.lane.refusing.holds_back(item):
                continue
            message = self._make(item)
            if message is not None:
                self.out.add(item)
                self._count_bytes(item, len(message.content))
                if meter is not None:
                    meter.use()
                    if not meter.asked and meter.left < meter.size / 2:
                        self._draw(meter)
                return message
        return None

    def _count_bytes(self, item: BatchItem, size: int) -> None:
        """So many bytes of it are with the transport: 0 once it has an outcome."""
        lane, more = self.lane, size - item.size
        if lane.bytes_out >= LEAST_BYTES and not self.has_room:
            self.event.set()
        lane.bytes_out += more
        lane.sender.bytes_out += more
        item.size = size

    def _make(self, item: BatchItem) -> Message | None:
        addressed, opened = item.addressed, item.claim.opened
        addressed.values["DATE"] = self.lane.date
        began = self.lane.making.begin()
        try:
            if addressed.wishes:
                maker = opened.maker_for(addressed.wishes, self.info.signs)
            else:
                maker = opened.signing if self.info.signs else opened.maker
            content = maker(addressed.values)
        except Unmakeable:
            self.lane.book(item, JournalNews.REFUSED, UNMAKEABLE)
            return None
        finally:
            self.lane.making.end(began)
        return Message(
            addressed.number,
            item.claim.chunk,
            addressed.sender,
            addressed.recipient,
            content,
            utf8=not addressed.recipient.isascii(),
            compiled=True,
            key=item,
        )

    async def more(self) -> bool:
        """Waits for something to take. False: the route is closed, or there has been nothing for a while."""
        quiet_since = time.monotonic()
        while self.open and not self.spent:
            wait = IDLE
            now = time.monotonic()
            if self.has_work:
                wait = self._wait(now) if self.has_room else IDLE
                if wait <= 0:
                    return True
                quiet_since = now
            elif now - quiet_since >= IDLE:
                return False
            self.event.clear()
            await _wait(self.event, min(wait, IDLE))
        return False

    # -- pace -------------------------------------------------------------------------------------------------------

    def _wait(self, now: float) -> float:
        """Seconds until the next message may go."""
        if (rest := self.lane.making.rests_until - now) > 0:
            return rest
        meter = self._meter
        if meter is None:
            return 0.0
        wait = meter.wait(now)
        if wait is None:
            self._dry(meter)
            wait = max(0.01, meter.not_before - now) if not meter.asked else IDLE
        return wait

    def _dry(self, meter: rate.RateMeter) -> None:
        """Nothing may go at this moment. Is more to be had, or is it used up for long?"""
        if meter.asked or meter.left:
            return
        if meter.lost:
            meter.not_before = 0.0
        elif meter.not_before - time.monotonic() > SPENT:
            self.spent_until = meter.not_before
            asyncio.get_running_loop().call_soon(self.lane.changed)
            return
        self._draw(meter)

    def _draw(self, meter: rate.RateMeter) -> None:
        if not meter.asked and time.monotonic() >= meter.not_before:
            meter.asked = True
            back, meter.lost = meter.lost, 0
            self.lane.limiter.want(self, back)

    def granted(self, drawn: rate.DrawnRate, offset: float) -> None:
        """What the claimer has drawn. offset: the time of the house minus our monotonic clock."""
        meter = self._meter
        assert meter is not None
        if drawn.count:
            meter.grant(drawn.count, drawn.begin - offset, drawn.gap)
            if self.task is None and not self.has_work:
                self._hand_back()
        else:
            meter.asked = False
            meter.not_before = drawn.until - offset
            self._dry(meter)
        self.event.set()
        self.pump()

    def _hand_back(self) -> None:
        """What was drawn and not used is free for other senders, and for tomorrow."""
        if self._meter is not None and (unused := self._meter.empty()):
            self.lane.limiter.back(self, unused)

    def leased(self, connections: int | None, senders: int) -> None:
        """So many connections are ours. None: they were given up, because nothing went out for a while."""
        self._connecting = False
        if connections is None and self.task is not None:
            self._connect()
            return
        was, self.starved = self.starved, connections == 0
        self.connections, self._senders = connections or 0, senders
        for turns in self.slowed.values():
            turns.share = 1 / senders
        if was != self.starved:
            self.lane.changed()
        elif connections:
            self.pump()

    def _connect(self) -> None:
        if not self._connecting:
            self._connecting = True
            self.lane.limiter.connect(self)

    def _put_off(self, item: BatchItem) -> bool:
        """Is it not their provider's turn? Then they are tried again later, and nobody behind them waits."""
        turns = self.slowed[item.provider]
        seconds = turns.turn(self.lane.sender.clock().timestamp())
        if seconds is None:
            del self.slowed[item.provider]
        if not seconds:
            return False
        self.lane.put_off(item, seconds)
        return True

    def _complained(self, item: BatchItem, outcome: Deferred) -> bool:
        """Their mailbox provider, and not the relay, asks for patience: it gets half of what it got."""
        if outcome.scope != "throttle" or not (outcome.code == 421 or outcome.text.startswith("4.7.")):
            return False
        if outcomes.judge("rcpt", outcome.code, outcome.text)[1].state != "ok":
            return False  # It speaks of the relay, in words.
        now, provider = time.monotonic(), item.provider
        self._complaints.append((now, provider))
        while now - self._complaints[0][0] > LATELY:
            self._complaints.popleft()
        counts: dict[int, int] = {}
        for _, mailbox_provider in self._complaints:
            counts[mailbox_provider] = counts.get(mailbox_provider, 0) + 1
        if not rate.to_blame(counts, provider):
            return False
        moment = self.lane.sender.clock().timestamp()
        known = self.slowed.get(provider)
        state = rate.slow_down(known.state if known else None, self._seen(provider), moment, outcome.wait or 0)
        if known is None or state != known.state:
            self.set_slowed(provider, state)
            self.lane.limiter.complain(self, provider, state)
        return True

    def _seen(self, provider: int) -> float:
        """Messages a second to a provider: its part of those at hand, of all that go out."""
        at_hand = [item.provider for item in self.out]
        for piece in self.lane.slices:
            at_hand += [item.provider for item in piece.items]
        part = at_hand.count(provider) / len(at_hand) if at_hand else 1.0
        return self.lane.rate * part

    def set_slowed(self, provider: int, state: rate.SlowedRate) -> None:
        known = self.slowed.get(provider)
        if known is None:
            self.slowed[provider] = rate.RateTurns(state, 1 / self._senders)
        elif state.at >= known.state.at:
            known.state = state

    def _forgive(self) -> None:
        """The relay itself wants less: what was taken for complaints of providers just now was none."""
        late = self.lane.sender.clock().timestamp() - rate.ONE_COMPLAINT
        if wronged := [provider for provider, turns in self.slowed.items() if turns.state.at >= late]:
            for provider in wronged:
                del self.slowed[provider]
            self.lane.limiter.forgive(self, wronged)
        self._complaints.clear()

    # -- answers ----------------------------------------------------------------------------------------------------

    def finishing(self, message: Message) -> None:
        item = message.key
        item.generation = self._journal.s(message.chunk, message.number, self.id)

    def tell(self, message: Message, outcome: Outcome) -> None:
        item = message.key
        self.out.discard(item)
        self._count_bytes(item, 0)
        if type(outcome) is Accepted:
            self.accepted += 1
            self._note(item, JournalNews.ACCEPTED, _ACCEPTED, outcome.code, 0)
            self.lane.book(item, JournalNews.ACCEPTED, _ACCEPTED, outcome.code, self.id)
            if self.lane.refusing.any_waits:
                self.lane.refusing.accepted(item)
            return
        if type(outcome) is Deferred and outcome.scope == "config":
            self.refused.add(item.claim.opened.domain)
        news = news_of(outcome)
        answer = outcomes.answer_class(outcome)
        code = getattr(outcome, "code", 0)
        wait = getattr(outcome, "wait", None) or 0
        elsewhere = isinstance(outcome, Refused) and outcome.answer == "utf8" and self.lane.another(item, self)
        if news == JournalNews.RETURNED or elsewhere:
            self._note(item, JournalNews.RETURNED, answer, code, wait)
            if type(outcome) is Deferred and self._complained(item, outcome) and self.open:
                self.lane.forget_s(item)
                self.lane.put_off(item, self.slowed[item.provider].wait(self.lane.sender.clock().timestamp(), wait))
                return
            self.lane.came_back(self, item, outcome)
            return
        if isinstance(outcome, Refused):
            # Whose it is will be seen. Killed before that, the journal knows that it was not taken: it is tried again.
            self._note(item, JournalNews.RETURNED, answer, code, wait)
            self.lane.forget_s(item)
            self.lane.refusing.refused(item, outcome, self.id)
            return
        if isinstance(outcome, Unsure):
            self._note(item, news, answer, code, ledger.FOR_PERSON * 60 if outcome.for_person else 0)
            if outcome.for_person:
                self._journal.flush()  # At once: killed before the turn ends, it would be sent again.
            self.lane.book(item, news, answer, code, self.id, held=outcome.for_person)
            return
        self._note(item, news, answer, code, wait)
        self.lane.book(item, news, answer, code, self.id, wait, outcome.text)

    def _note(self, item: BatchItem, news: JournalNews, answer: int, code: int, wait: int) -> None:
        # Without an S only an answer about the recipient is worth keeping; the rest is simply sent again.
        if item.generation >= 0 or news in (JournalNews.DEFERRED, JournalNews.REFUSED):
            number = item.addressed.number
            self._journal.r(JournalRecord(0, item.claim.chunk, number, news, answer, code, self.id, -(-wait // 60)))

    # -- coming and going -------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Begin to carry when there is something to carry."""
        self.event.set()
        if self.task is None and self.able and self.has_work and time.monotonic() >= self.rested_until:
            if not self.connections:
                self._connect()
                return
            self.task = asyncio.create_task(self._carry(), name=f"route {self.id}")
            self.task.add_done_callback(self._carried)

    async def _carry(self) -> None:
        try:
            assert self.info.build is not None
            self.refused.clear()
            await self.info.build().carry(self)
            self.faults = 0
        except RouteDown as down:
            if down.verdict.state == "throttled":
                self._forgive()
            self.lane.condemn(self, down.verdict)
        except Exception as error:
            # A fault of ours in a transport. Rest, try again, and in the end let another route do it.
            log.exception("Route %s stopped by a fault (%s).", self.id, type(error).__name__)
            self.faults += 1
            self.rested_until = time.monotonic() + 2.0**self.faults
            if self.faults >= 5:
                self.lane.condemn(self, RouteVerdict("dead", "bad_answer", {"answer": type(error).__name__}))

    def _carried(self, task: asyncio.Task[None]) -> None:
        self.task = None
        self._account_for_all()
        self._hand_back()
        self.lane.changed()

    def _account_for_all(self) -> None:
        """A transport tells all outcomes before it ends. One that does not has a fault, and nobody is lost."""
        for item in list(self.out):
            message = Message(item.addressed.number, item.claim.chunk, "", "", b"", key=item)
            if item.generation >= 0:
                self.tell(message, Unsure("the transport stopped"))
            else:
                self.tell(message, Deferred(0, "the transport stopped", "route", "route"))

    def close(self) -> None:
        """Take nothing more; what is in flight is finished."""
        self.open = False
        self.event.set()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
