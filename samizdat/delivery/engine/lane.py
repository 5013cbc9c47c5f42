"""One organisation's traffic, on the event loop: checked slices go out by the first route that lives.

Nothing here touches the database. The feeder brings slices and the state of routes; results go to the recorder.
"""

import asyncio
import heapq
import itertools
import logging
import math
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from samizdat.core import outcome as outcomes
from samizdat.core import pace, seal
from samizdat.core.ledger import News, Record, news_of
from samizdat.core.message import Unmakeable
from samizdat.core.outcome import Accepted, Deferred, Outcome, Refused, RouteVerdict, Unsure
from samizdat.delivery.engine.opening import Opened, RouteInfo
from samizdat.delivery.engine.results import Result
from samizdat.delivery.values import Addressed, date_text
from samizdat.plugs import Message, RouteDown

if TYPE_CHECKING:
    from samizdat.delivery.engine.sender import Sender

log = logging.getLogger("samizdat.sender")

# Consent, suppression, pause and fence are asked before each slice (design.md, 6.2): so many messages, or what goes
# out in a twentieth of a second where that is more. Nothing goes out on an answer older than SLICE_SECONDS.
SLICE = 50
SLICE_AT_SPEED = 0.05
MOST_SLICE = 500
SLICE_SECONDS = 10.0
# Seconds without anything to send after which connections say goodbye.
IDLE = 5.0
# So often a route that asks for patience may do so without taking anything in between.
MOST_STRIKES = 2
# So often the same message is put back because of the route before it becomes an ordinary deferral of hers.
MOST_TOSSES = 4
# Seconds; a route that may not send for longer than this lets the next one take over.
SPENT = 60.0
# Seconds over which complaints of mailbox providers are compared: one of them, or all?
LATELY = 60.0


@dataclass(slots=True, eq=False)
class Claim:
    """A chunk of ours. The feeder alone writes `rest` and `sliced`, the event loop alone `resolved`."""

    chunk: int
    retry: bool
    opened: Opened
    rest: deque[int]
    size: int = 0  # Of the chunk, as it was claimed.
    untouched: int = 0  # The first so many of `rest` were in no slice yet; those that came back stand behind them.
    sliced: int = 0
    resolved: int = 0
    closing: bool = False
    tosses: dict[int, "Tosses"] = field(default_factory=dict)


@dataclass(slots=True)
class Tosses:
    """How often a message came back because of a route, and which routes those were."""

    count: int = 0
    routes: set[int] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Item:
    """One message to be made out. `checked`: when her consent was read, on the monotonic clock."""

    claim: Claim
    addressed: Addressed
    provider: int
    checked: float
    generation: int = -1


@dataclass(slots=True, eq=False)
class Slice:
    """A few people of a chunk who may be written to: (number, sealed blob, provider) each, then items."""

    claim: Claim
    rows: list[tuple[int, bytes, int]]
    checked: float
    items: deque[Item] = field(default_factory=deque)
    groups: dict[int, dict[str, str]] = field(default_factory=dict)  # By number: what conditions on groups ask.


class RouteRun:
    """A route at work: the feed that its transport takes messages from."""

    def __init__(self, lane: "Lane", info: RouteInfo) -> None:
        self.lane = lane
        self.info = info
        self.id = info.id
        self.open = info.state == "live"
        self.unconfirmed = False  # Condemned here, and the feeder has not written it down yet.
        self.barred = info.barred  # Sending domains that its provider does not accept.
        self.unwritten: frozenset[str] = frozenset()  # Of those: barred here, and not written down yet.
        self.refused: set[str] = set()  # Domains that an answer was about since it began to carry.
        self.own: deque[Item] = deque()  # Sent here by a route of higher priority that could not take them.
        self.out: set[Item] = set()
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
        self.spent_until = 0.0  # Monotonic: its limit or its share of the day is used up.
        self.slowed: dict[int, pace.Turns] = {}  # Mailbox providers that asked for patience.
        self._senders = 1
        self._complaints: deque[tuple[float, int]] = deque()
        self._connecting = False
        self._meter = None if info.allowance.endless else pace.Meter()
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

    def takes(self, item: Item) -> bool:
        """May this message be given to it?"""
        return self.able and item.claim.opened.domain not in self.barred

    # -- the feed ---------------------------------------------------------------------------------------------------

    def take(self) -> Any:
        """The next message, made out at this moment; None when there is none or no token is left."""
        meter = self._meter
        while self.open:
            if meter is not None and not meter.ready(time.monotonic()):
                self._dry(meter)
                return None
            item = self.own.popleft() if self.own else self.lane.next_item(self)
            if item is None:
                return None
            if self.slowed and item.provider in self.slowed and self._put_off(item):
                continue
            message = self._make(item)
            if message is not None:
                self.out.add(item)
                if meter is not None:
                    meter.use()
                    if not meter.asked and meter.left < meter.size / 2:
                        self._draw(meter)
                return message
        return None

    def _make(self, item: Item) -> Any:
        addressed, opened = item.addressed, item.claim.opened
        addressed.values["DATE"] = self.lane.date
        try:
            if addressed.wishes:
                maker = opened.maker_for(addressed.wishes, self.info.signs)
            else:
                maker = opened.signing if self.info.signs else opened.maker
            content = maker(addressed.values)
        except Unmakeable:
            self.lane.book(item, News.REFUSED, _UNMAKEABLE)
            return None
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
                wait = self._wait(now)
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
        meter = self._meter
        if meter is None:
            return 0.0
        wait = meter.wait(now)
        if wait is None:
            self._dry(meter)
            wait = max(0.01, meter.not_before - now) if not meter.asked else IDLE
        return wait

    def _dry(self, meter: pace.Meter) -> None:
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

    def _draw(self, meter: pace.Meter) -> None:
        if not meter.asked and time.monotonic() >= meter.not_before:
            meter.asked = True
            back, meter.lost = meter.lost, 0
            self.lane.sender.feeder.pacer.want(self, back)

    def granted(self, drawn: pace.Drawn, offset: float) -> None:
        """What the feeder has drawn. offset: the time of the house minus our monotonic clock."""
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
            self.lane.sender.feeder.pacer.back(self, unused)

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
            self.lane.sender.feeder.pacer.connect(self)

    def _put_off(self, item: Item) -> bool:
        """Is it not her provider's turn? Then she is tried again later, and nobody behind her waits."""
        turns = self.slowed[item.provider]
        seconds = turns.turn(self.lane.sender.clock().timestamp())
        if seconds is None:
            del self.slowed[item.provider]
        if not seconds:
            return False
        self.lane.put_off(item, seconds)
        return True

    def _complained(self, item: Item, outcome: Deferred) -> bool:
        """Her mailbox provider, and not the relay, asks for patience: it gets half of what it got."""
        if outcome.scope != "throttle" or not (outcome.code == 421 or outcome.text.startswith("4.7.")):
            return False
        if outcomes.judge("rcpt", outcome.code, outcome.text)[1].state != "ok":
            return False  # It speaks of the relay, in words.
        now, provider = time.monotonic(), item.provider
        self._complaints.append((now, provider))
        while now - self._complaints[0][0] > LATELY:
            self._complaints.popleft()
        counts: dict[int, int] = {}
        for _, one in self._complaints:
            counts[one] = counts.get(one, 0) + 1
        if not pace.to_blame(counts, provider):
            return False
        moment = self.lane.sender.clock().timestamp()
        known = self.slowed.get(provider)
        state = pace.slow_down(known.state if known else None, self._seen(provider), moment, outcome.wait or 0)
        if known is None or state != known.state:
            self.set_slowed(provider, state)
            self.lane.sender.feeder.pacer.complain(self, provider, state)
        return True

    def _seen(self, provider: int) -> float:
        """Messages a second to a provider: its part of those at hand, of all that go out."""
        at_hand = [item.provider for item in self.out]
        for piece in self.lane.slices:
            at_hand += [item.provider for item in piece.items]
        part = at_hand.count(provider) / len(at_hand) if at_hand else 1.0
        return self.lane.rate * part

    def set_slowed(self, provider: int, state: pace.Slowed) -> None:
        known = self.slowed.get(provider)
        if known is None:
            self.slowed[provider] = pace.Turns(state, 1 / self._senders)
        elif state.at >= known.state.at:
            known.state = state

    def _forgive(self) -> None:
        """The relay itself wants less: what was taken for complaints of providers just now was none."""
        late = self.lane.sender.clock().timestamp() - pace.ONE_COMPLAINT
        if wronged := [provider for provider, turns in self.slowed.items() if turns.state.at >= late]:
            for provider in wronged:
                del self.slowed[provider]
            self.lane.sender.feeder.pacer.forgive(self, wronged)
        self._complaints.clear()

    # -- answers ----------------------------------------------------------------------------------------------------

    def finishing(self, message: Any) -> None:
        item = message.key
        item.generation = self._journal.s(message.chunk, message.number, self.id)

    def tell(self, message: Any, outcome: Outcome) -> None:
        item = message.key
        self.out.discard(item)
        if type(outcome) is Accepted:
            self.accepted += 1
            self._note(item, News.ACCEPTED, _ACCEPTED, outcome.code, 0)
            self.lane.book(item, News.ACCEPTED, _ACCEPTED, outcome.code, self.id)
            return
        if type(outcome) is Deferred and outcome.scope == "config":
            self.refused.add(item.claim.opened.domain)
        news = news_of(outcome)
        answer = outcomes.answer_class(outcome)
        code = getattr(outcome, "code", 0)
        wait = getattr(outcome, "wait", None) or 0
        elsewhere = isinstance(outcome, Refused) and outcome.answer == "utf8" and self.lane.another(item, self)
        if news == News.RETURNED or elsewhere:
            self._note(item, News.RETURNED, answer, code, wait)
            if type(outcome) is Deferred and self._complained(item, outcome) and self.open:
                self.lane.forget_s(item)
                self.lane.put_off(item, self.slowed[item.provider].wait(self.lane.sender.clock().timestamp(), wait))
                return
            self.lane.came_back(self, item, outcome)
            return
        self._note(item, news, answer, code, wait)
        self.lane.book(item, news, answer, code, self.id, wait, "" if isinstance(outcome, Unsure) else outcome.text)

    def _note(self, item: Item, news: News, answer: int, code: int, wait: int) -> None:
        # Without an S only an answer about her is worth keeping; the rest is simply sent again.
        if item.generation >= 0 or news in (News.DEFERRED, News.REFUSED):
            number = item.addressed.number
            self._journal.r(Record(0, item.claim.chunk, number, news, answer, code, self.id, -(-wait // 60)))

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


class Lane:
    """One organisation's slices and routes."""

    def __init__(self, organisation: int, sender: "Sender") -> None:
        self.organisation = organisation
        self.sender = sender
        self.slices: deque[Slice] = deque()
        self.runs: list[RouteRun] = []
        self.leaving: list[RouteRun] = []  # Closed or replaced, with something still in flight.
        self.active: RouteRun | None = None
        self.alive = False  # Some route lives, perhaps one that waits.
        self.date = ""
        self._again: list[tuple[float, int, RouteRun, Item]] = []
        self._count = itertools.count()
        self._asked = False
        self.barring = False  # Some route does not take every domain.
        self._fed: frozenset[str] = frozenset()  # Then: domains of which a slice waits for its route.
        self._rate = 0.0
        self._received = time.monotonic()

    # -- slices -----------------------------------------------------------------------------------------------------

    def has_slices_for(self, run: RouteRun) -> bool:
        if self.barring:
            return any(piece.items and self.way_for(piece.claim.opened.domain) is run for piece in self.slices)
        return self.active is run and any(piece.items for piece in self.slices)

    def next_item(self, run: RouteRun) -> Item | None:
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

    def _next_for(self, run: RouteRun) -> Item | None:
        """As next_item, where some route does not take every domain: each pulls what is for it, and none runs ahead."""
        found = None
        for piece in list(self.slices):
            if time.monotonic() - piece.checked > SLICE_SECONDS:
                self.give_back(piece.items)
                piece.items.clear()
            if not piece.items:
                self.slices.remove(piece)
            elif found is None and self.way_for(piece.claim.opened.domain) is run:
                found = piece
        if found is None:
            self._ask()
            return None
        item = found.items.popleft()
        if len(found.items) in (0, int(self._rate * 0.03)):
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
            self.sender.feeder.wake.set()
        if not self._asked:
            self._asked = True
            self.sender.feeder.want(self)

    def receive(self, piece: Slice | None) -> None:
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
        self._open(piece)
        if self.sender.closing:
            self.give_back(piece.items)
            return
        self.slices.append(piece)
        if self.barring:
            self._ask()  # For the domains of other routes: this slice may be long in going.
        self.pump()

    def _open(self, piece: Slice) -> None:
        """Opens the blobs and addresses the letters. Here and not in the feeder: two threads that both compute take the
        interpreter from each other. Whose blob does not open cannot be written to, and holds nobody else up.
        """
        opener, letterer = piece.claim.opened.opener, piece.claim.opened.letterer
        try:
            people = [(number, opener.open(blob, number)) for number, blob, _ in piece.rows]
            addressed = letterer.address(people)
        except seal.SealBroken:
            addressed = [one for row in piece.rows for one in self._open_one(piece, *row)]
        for one in addressed if piece.groups else ():
            one.values.update(piece.groups.get(one.number, {}))
        providers = {number: provider for number, _, provider in piece.rows}
        piece.items.extend(Item(piece.claim, one, providers[one.number], piece.checked) for one in addressed)
        piece.rows = []

    def _open_one(self, piece: Slice, number: int, blob: bytes, provider: int) -> list[Addressed]:
        opened = piece.claim.opened
        try:
            return opened.letterer.address([(number, opened.opener.open(blob, number))])
        except seal.SealBroken:
            item = Item(piece.claim, Addressed(number, "", "", {}), provider, piece.checked)
            self.book(item, News.REFUSED, _UNMAKEABLE)
            return []

    def give_back(self, items: Any) -> None:
        """Unsent and unbegun: to the feeder, which asks for consent again before they return."""
        for item in items:
            self.sender.feeder.returned.append((item.claim, item.addressed.number))
        self.sender.feeder.wake.set()

    def drop(self, edition: int) -> None:
        """The campaign is paused, cancelled or fenced: nothing more of it leaves."""
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
        for piece in self.slices:
            self.give_back(piece.items)
        self.slices.clear()
        for run in self.runs:
            self.give_back(run.own)
            run.own.clear()
        self.give_back([item for *_, item in self._again])
        self._again.clear()

    # -- results ----------------------------------------------------------------------------------------------------

    def book(
        self,
        item: Item,
        news: News,
        answer: int,
        code: int = 0,
        route: int | None = None,
        wait: int = 0,
        text: str = "",
        put_off: bool = False,
    ) -> None:
        claim = item.claim
        result = Result(
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
        )
        self.sender.recorder.tell(result, item.generation)
        claim.resolved += 1
        if claim.resolved == claim.sliced and not claim.rest:
            self.sender.feeder.wake.set()

    def came_back(self, run: RouteRun, item: Item, outcome: Outcome) -> None:
        """Refused because of the route: not a try of hers. By the next route, or by this one a little later."""
        assert isinstance(outcome, Deferred | Refused)
        self.forget_s(item)
        tosses = item.claim.tosses.setdefault(item.addressed.number, Tosses())
        tosses.count += 1
        if outcome.scope != "throttle":
            tosses.routes.add(run.id)
            other = self.another(item, run)
            if other is not None:
                other.own.append(item)
                other.pump()
                return
        wait = getattr(outcome, "wait", None) or 0
        if tosses.count > MOST_TOSSES and run.open:
            answer = outcomes.answer_class(outcome)
            self.book(item, News.DEFERRED, answer, outcome.code, run.id, wait, outcome.text)
            return
        pause = max(wait, 2.0 ** (tosses.count - 1) * 0.5)
        heapq.heappush(self._again, (time.monotonic() + pause, next(self._count), run, item))

    def forget_s(self, item: Item) -> None:
        """Its S was answered by an R: the journal need not keep that for it."""
        if item.generation >= 0:
            self.sender.journal.confirm({item.generation: 1})
            item.generation = -1

    def put_off(self, item: Item, seconds: float) -> None:
        """Her turn comes later. Not a try of hers, and nothing that stays in a claimed chunk meanwhile."""
        self.book(item, News.DEFERRED, _THROTTLED, wait=math.ceil(seconds), put_off=True)

    def another(self, item: Item, run: RouteRun) -> RouteRun | None:
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

    def set_slowed(self, slowed: dict[int, dict[int, pace.Slowed]]) -> None:
        """Mailbox providers that asked for patience, as other senders heard it too."""
        for run in self.runs:
            for provider, state in slowed.get(run.id, {}).items():
                run.set_slowed(provider, state)

    def _leave(self, run: RouteRun) -> None:
        run.close()
        self.give_back(run.own)
        run.own.clear()
        if run.task is not None:
            self.leaving.append(run)

    def condemn(self, run: RouteRun, verdict: RouteVerdict) -> None:
        """The route is down: said to the feeder, which writes it down, and no message is blamed for it.

        Where our set-up is wrong, it is down for the domains that it was said of, and others go on.
        """
        if verdict.state == "config" and run.refused:
            self._bar(run, verdict)
            return
        run.close()
        run.unconfirmed = True
        run.strikes = 0 if run.accepted else run.strikes + 1
        run.accepted = 0
        run.thanked = False
        self.sender.feeder.condemn(self, run.id, verdict)

    def _bar(self, run: RouteRun, verdict: RouteVerdict) -> None:
        domains = frozenset(run.refused)
        run.unwritten |= domains
        run.barred |= domains
        self.sender.feeder.condemn(self, run.id, verdict, domains)

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
                # Unconfirmed: the feeder tells within half a second whether this one waits or is dead.
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
            if now - item.checked > SLICE_SECONDS or not run.takes(item):
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
                self.sender.feeder.recovered.append(run.id)
            while run.own and now - run.own[0].checked > SLICE_SECONDS:
                self.give_back([run.own.popleft()])
        while self.slices and now - self.slices[0].checked > SLICE_SECONDS:
            self.give_back(self.slices.popleft().items)
        self.pump()

    @property
    def in_flight(self) -> list[asyncio.Task[None]]:
        return [run.task for run in [*self.runs, *self.leaving] if run.task is not None]

    def close(self) -> None:
        for run in self.runs:
            run.close()
        self.give_all_back()


_ACCEPTED = outcomes.NUMBERS["accepted"]
_UNMAKEABLE = outcomes.NUMBERS["unmakeable"]
_THROTTLED = outcomes.NUMBERS["throttled"]


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
