"""Carries messages one by one, some at a time: for ways out without a session, like a command or a web interface.

SMTP has a carrier of its own, because there one write ends a message and begins the next.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from samizdat.core.mail.outcome import OK, Accepted, Deferred, Outcome, Refused, RouteVerdict, Unsure
from samizdat.transports.base import Message, MessageFeed, OutcomeReporter, RouteDown

# Messages in a row that were lost without any answer, until the route is down.
FRUITLESS = 3

# A refusal that may turn out to mean the route is told after so many seconds in which nothing happened.
QUIET = 1.0

NOT_SENT = Deferred(0, "", "route", "route")
CUT = Unsure("stopped before the answer came")

# Hands one message over: calls `finishing` before its last byte can leave this process, and answers what became of it.
HandOver = Callable[[Message, Callable[[], None]], Awaitable[tuple[Outcome, RouteVerdict]]]


class ConnectionLost(Exception):
    """The way broke under a message: unsure once it was handed over, else surely not taken. The verdict says why."""

    def __init__(self, why: str, verdict: RouteVerdict) -> None:
        super().__init__(why)
        self.why = why
        self.verdict = verdict


class _GoingDown(Exception):
    """The route went down before this message was handed over."""


class ConnectionCrew:
    """One call of `carry`. `host`: the name for sentences; `most` at a time; `drain`: see the asks of transports."""

    def __init__(self, feed: MessageFeed, host: str, most: int, drain: float, hand_over: HandOver) -> None:
        self.feed = feed
        self.host = host
        self.most = most
        self.drain = drain
        self.hand_over = hand_over
        self.teller = OutcomeReporter(feed)
        self.loop = asyncio.get_running_loop()
        self.changed = asyncio.Event()
        self.at_work: set[asyncio.Task[None]] = set()
        self.asking: asyncio.Task[bool] | None = None
        self.verdict: RouteVerdict | None = None
        self.error: BaseException | None = None
        self.over = self.dry = False
        self.answered = 0
        self.fruitless = 0

    async def run(self) -> None:
        """Until the feed has no more. Raises RouteDown, or what the feed raised."""
        try:
            while self.going() and not (self.over and not self.at_work):
                self.take_on()
                await self.pause()
            if self.going():
                self.teller.release()
            await self.wait_for_the_last()
        finally:
            await self.settle()
        if self.error is not None:
            raise self.error
        if self.verdict is not None:
            raise RouteDown(self.verdict)

    def going(self) -> bool:
        return self.verdict is None and self.error is None

    def take_on(self) -> None:
        """Begin with one, and with one more for each answer: a dead route then costs one message and not fifty."""
        if self.asking is not None and self.asking.done():
            task, self.asking = self.asking, None
            self.over = not task.result()
            self.dry = self.over
        while not self.dry and len(self.at_work) < min(self.most, self.ours(), 1 + self.answered):
            message = self.feed.take()
            if message is None:
                self.dry = True
            else:
                self.begin(message)
        if self.dry and not self.over and self.asking is None:
            self.asking = asyncio.ensure_future(self.feed.more())
            self.asking.add_done_callback(lambda task: self.changed.set())

    def ours(self) -> int:
        """Of the route's connections those that this sender may use: the others hold the rest."""
        return getattr(self.feed, "connections", 0) or self.most

    def begin(self, message: Message) -> None:
        task = asyncio.ensure_future(self.carry_one(message))
        self.at_work.add(task)
        task.add_done_callback(self.ended)

    def ended(self, task: asyncio.Task[None]) -> None:
        self.at_work.discard(task)
        self.changed.set()

    async def pause(self) -> None:
        if self.over and not self.at_work:
            return
        self.changed.clear()
        try:
            async with asyncio.timeout(QUIET if self.teller.held and not self.at_work else None):
                await self.changed.wait()
        except TimeoutError:
            self.teller.release()

    async def carry_one(self, message: Message) -> None:
        """Whatever happens to it, one outcome is told."""
        finished = False

        def finishing() -> None:
            nonlocal finished
            if not self.going():
                raise _GoingDown
            self.feed.finishing(message)
            finished = True

        try:
            outcome, verdict = await self.hand_over(message, finishing)
        except ConnectionLost as lost:
            self.lost(
                message, Unsure(lost.why) if finished else Deferred(0, lost.why, "route", "network"), lost.verdict
            )
        except (asyncio.CancelledError, _GoingDown):  # cancelled by nobody but `settle`
            self.tell(message, CUT if finished else NOT_SENT)
        except Exception as error:  # of the feed, or a fault of ours: it comes out of `run`
            self.error = self.error or error
            self.tell(message, CUT if finished else NOT_SENT)
        else:
            self.answer(message, outcome, verdict)

    def tell(self, message: Message, outcome: Outcome) -> None:
        try:
            if isinstance(outcome, Accepted):
                self.teller.success(message, outcome)
            else:
                self.feed.tell(message, outcome)
        except Exception as error:
            self.error = self.error or error

    def lost(self, message: Message, outcome: Outcome, verdict: RouteVerdict) -> None:
        """One that gets no answer may have been the reason itself; the third in a row was not. An answer without end
        costs the letters of all others time: one is enough.
        """
        self.tell(message, outcome)
        self.fruitless += 1
        if verdict.reason == "endless_answer" or self.fruitless >= FRUITLESS or not self.answered:
            self.condemn(verdict)

    def answer(self, message: Message, outcome: Outcome, verdict: RouteVerdict) -> None:
        self.answered += 1
        self.fruitless = 0
        if isinstance(outcome, Accepted | Unsure) or verdict.state != "ok":
            self.tell(message, outcome)
            if verdict.state != "ok":
                self.condemn(verdict)
            return
        try:
            same = self.teller.tell(message, outcome)
        except Exception as error:
            self.error = self.error or error
        else:
            if same is not None:
                self.condemn(same)

    def condemn(self, verdict: RouteVerdict) -> None:
        """Nothing more is taken; what is under way gets a little time. What needs a person wins over what waits."""
        if self.verdict is None or (self.verdict.state == "throttled" and verdict.state != "throttled"):
            self.verdict = replace(verdict, values={"host": self.host, **verdict.values})
        try:
            self.teller.blame_route()
        except Exception as error:
            self.error = self.error or error
        self.changed.set()

    async def wait_for_the_last(self) -> None:
        if self.at_work:
            await asyncio.wait(self.at_work, timeout=self.drain)

    async def settle(self) -> None:
        """Nothing is left without an outcome, whatever happened."""
        tasks = [*self.at_work, *([self.asking] if self.asking is not None else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
        if self.verdict is None:
            self.teller.release()
        else:
            self.teller.blame_route()


def unmakeable() -> tuple[Outcome, RouteVerdict]:
    """The outcome for an address that would be something else to a command line or to a list of addresses."""
    return Refused(553, "An address holds characters that no address can hold.", "message", "unmakeable"), OK
