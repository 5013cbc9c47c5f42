"""Mailbox providers that refuse us, in the engine. Refusals wait until it is known whose they are (core/mail/refusals);
what is for a provider that was put off waits, as deferred, until a person lifts that. On the event loop, of one lane.
"""

import time
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, Protocol

from samizdat.core.mail import outcome as outcomes
from samizdat.core.mail import refusals
from samizdat.core.mail.ledger import JournalNews, JournalRecord
from samizdat.core.mail.outcome import Deferred, Refused, like
from samizdat.core.mail.refusals import RefusalGroup, Refusals
from samizdat.delivery.actions.route_refusals import HeldReplies
from samizdat.delivery.engine.batches import BatchItem
from samizdat.delivery.engine.results import HELD
from samizdat.delivery.engine.sender_context import DeferredProvider, ReplyQuestion, SenderContext

# Seconds between two questions whether anything else of a campaign is to be sent.
ASK = 0.5

_PROVIDER = outcomes.NUMBERS["provider"]
# What is no mailbox provider's word: the sending route cannot carry this one email.
_OF_THE_ROUTE = ("utf8", "size", "unmakeable")


class WatchedReplies(NamedTuple):
    """Mailbox providers that refused others in the same campaigns: an email that they accept is news to those."""

    providers: dict[int, frozenset[bytes]]  # By edition: digests.
    digest: Callable[[str], bytes]


class _RejectedItem(NamedTuple):
    item: BatchItem
    route: int


class BookingQueue(Protocol):
    """What its parts write results by: engine/organization_queue."""

    sender: SenderContext

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
    ) -> None: ...


class RefusedQueue(BookingQueue, Protocol):
    """What is asked of the lane besides."""

    organization: int

    def give_back(self, items: object) -> None: ...

    def at_hand(self) -> set[int]: ...


class QueueRefusals:
    """Refusals of one lane's campaigns. Nothing of it outlives the process: whoever waits here is tried again."""

    def __init__(self, lane: RefusedQueue) -> None:
        self._lane = lane
        self._of: dict[int, Refusals] = {}  # By edition.
        self._put_off: dict[int, frozenset[str]] = {}  # By edition: providers, as the database has them.
        self._unwritten: dict[int, set[str]] = {}  # Put off here, and not written down yet.
        self._believed: Mapping[int, frozenset[str]] = {}
        self._watched: WatchedReplies | None = None
        self._next_ask = 0.0

    # -- from routes ------------------------------------------------------------------------------------------------

    @property
    def holds(self) -> bool:
        """Is any provider put off? Asked for each message."""
        return bool(self._put_off or self._unwritten)

    def holds_back(self, item: BatchItem) -> bool:
        """Is this one's provider put off? Then it waits, and nobody behind it."""
        edition = item.claim.opened.edition
        held = self._put_off.get(edition, frozenset()) | self._unwritten.get(edition, frozenset())
        if not held or refusals.of(item.addressed.recipient) not in held:
            return False
        self._lane.book(item, JournalNews.DEFERRED, _PROVIDER, wait=HELD, put_off=True)
        return True

    def refused(self, item: BatchItem, outcome: Deferred | Refused, route: int) -> None:
        """A refusal that may be about us. Its S has been answered."""
        if outcome.answer in _OF_THE_ROUTE:
            self._book(_RejectedItem(item, route), outcome)
            return
        edition, provider = item.claim.opened.edition, refusals.of(item.addressed.recipient)
        if self.holds_back(item):
            return
        mine = self._of.setdefault(edition, Refusals())
        mine.believed = self._believed.get(edition, frozenset())
        if mine.is_believed(provider, outcome):
            self._book(_RejectedItem(item, route), outcome)
            return
        group = mine.note(provider, outcome, _RejectedItem(item, route))
        if group is not None:
            self._put_provider_off(edition, group)
        for group in mine.too_many():
            self._believe(group)

    def accepted(self, item: BatchItem) -> None:
        """Others of its provider were refused on their own account."""
        edition, provider = item.claim.opened.edition, refusals.of(item.addressed.recipient)
        self.believe(edition, provider)
        if self._watched is None or edition not in self._watched.providers:
            return
        digest = self._watched.digest(provider)
        if digest in self._watched.providers[edition]:
            self._watched.providers[edition] -= {digest}
            self._lane.sender.claimer.accepted_elsewhere(edition, digest)

    @property
    def any_waits(self) -> bool:
        return bool(self._of or self._watched)

    # -- what becomes of them ---------------------------------------------------------------------------------------

    def believe(self, edition: int, provider: str) -> None:
        """It accepted an email, here or from another sender."""
        mine = self._of.get(edition)
        for group in mine.of_provider(provider) if mine else ():
            self._believe(group)

    def _believe(self, group: RefusalGroup) -> None:
        """Each of them was refused for itself. Words about us mark nobody even then: the provider is asked later."""
        for waiting, reply in group.waiting:
            self._book(waiting, reply)

    def _book(self, waiting: _RejectedItem, reply: Deferred | Refused) -> None:
        item, answer = waiting.item, outcomes.answer_class(reply)
        lane, number = self._lane, waiting.item.addressed.number
        news, wait = JournalNews.REFUSED, 0
        if isinstance(reply, Deferred):
            news, wait = JournalNews.DEFERRED, max(reply.wait or 0, refusals.LATER)
        lane.sender.journal.r(
            JournalRecord(0, item.claim.chunk, number, news, answer, reply.code, waiting.route, -(-wait // 60))
        )
        lane.book(item, news, answer, reply.code, waiting.route, wait, reply.text)

    def _put_provider_off(self, edition: int, group: RefusalGroup) -> None:
        """Those who wait are no tries; whoever else is of this provider in this campaign waits with them."""
        self._unwritten.setdefault(edition, set()).add(group.provider)
        self._hold(group)
        self._hold_of(edition, group.provider)
        self._lane.sender.claimer.put_off(
            self._lane.organization, DeferredProvider(edition, group.provider, group.outcome, group.count)
        )

    def _hold_of(self, edition: int, provider: str) -> None:
        """What a provider that is put off said in other words waits as well: none of it is known to be theirs."""
        mine = self._of.get(edition)
        for group in mine.of_provider(provider) if mine else ():
            self._hold(group)

    def _hold(self, group: RefusalGroup) -> None:
        for (item, route), reply in group.waiting:
            self._lane.book(item, JournalNews.DEFERRED, _PROVIDER, reply.code, route, HELD, reply.text, put_off=True)

    def put_off_together(self, edition: int, provider: str, words: str, count: int) -> None:
        """With those of the other senders they are too many."""
        mine = self._of.get(edition)
        if mine is None:
            return
        for group in mine.groups:
            if (group.provider, like(group.outcome)) == (provider, words):
                group.count = max(group.count, count)
                self._put_provider_off(edition, mine.take(group))

    # -- from the claimer --------------------------------------------------------------------------------------------

    def set_put_off(self, put_off: dict[int, frozenset[str]], believed: Mapping[int, frozenset[str]]) -> None:
        """As the database has it now. Where another sender found it, what waits here waits with the others."""
        self._put_off, self._believed = put_off, believed
        for edition, providers in put_off.items():
            for provider in providers:
                self._hold_of(edition, provider)

    def watch(self, watched: WatchedReplies | None) -> None:
        """What other senders have in hand now."""
        self._watched = watched

    def written(self, edition: int, provider: str) -> None:
        self._put_off[edition] = self._put_off.get(edition, frozenset()) | {provider}
        left = self._unwritten.get(edition, set())
        left.discard(provider)
        if not left:
            self._unwritten.pop(edition, None)

    def ask(self) -> None:
        """Is anything else of these campaigns to be sent? The claimer knows, and calls `settle` where nothing is."""
        now = time.monotonic()
        if not self._of or now < self._next_ask:
            return
        self._next_ask = now + ASK
        busy = self._lane.at_hand()
        for edition, mine in list(self._of.items()):
            held = [HeldReplies(group.provider, like(group.outcome), group.count, group.limit) for group in mine.groups]
            self._lane.sender.claimer.ask_others(
                self._lane.organization, ReplyQuestion(edition, len(mine), held, edition not in busy)
            )
            if not mine:
                del self._of[edition]

    def settle(self, edition: int) -> None:
        """Nobody else will be asked: what mailbox providers said of single people is theirs, what they said of us means
        that they refuse us."""
        mine = self._of.get(edition)
        if mine is None or edition in self._lane.at_hand():
            return
        groups = mine.take_all()
        for group in groups:
            if group.about_us:
                self._put_provider_off(edition, group)
        put_off = self._put_off.get(edition, frozenset()) | self._unwritten.get(edition, frozenset())
        for group in groups:
            if group.provider in put_off and not group.about_us:
                self._hold(group)
            elif not group.about_us:
                self._believe(group)

    # -- the end ----------------------------------------------------------------------------------------------------

    def drop(self, editions: Collection[int] | None = None) -> None:
        """The campaign does not go on, or a route was to blame: they are as good as untried. None: all campaigns."""
        for edition in list(self._of if editions is None else editions):
            mine = self._of.get(edition)
            for group in mine.take_all() if mine else ():
                self._lane.give_back([waiting.item for waiting, _ in group.waiting])
