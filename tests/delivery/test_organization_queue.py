"""What waits in a sender: nothing goes out on an answer about consent that is too old, whatever it waited for."""

import asyncio
import heapq
import threading
import time
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest

from samizdat.core.mail.ledger import JournalNews, JournalRecord
from samizdat.core.mail.outcome import Deferred, RouteVerdict
from samizdat.delivery.actions.rate_budgets import RateAllowance
from samizdat.delivery.engine import route_worker
from samizdat.delivery.engine.batches import SLICE, BatchItem, Claim, MessageBatch
from samizdat.delivery.engine.organization_queue import MOST_TOSSES, OrganizationQueue
from samizdat.delivery.engine.route_worker import RouteRun
from samizdat.delivery.message_values import Recipient

# Seconds since consent was read; five are the promise (docs/architecture.md).
OLD, YOUNG = 5.5, 4.0


class Inbox:
    """Of the claimer: keeps what is given back to it."""

    def __init__(self) -> None:
        self.returned: deque[tuple[Claim, int]] = deque()
        self.wake = threading.Event()
        self.condemned: list[tuple[Any, ...]] = []

    def want(self, organization: int) -> None: ...

    def condemn(self, *what: Any) -> None:
        self.condemned.append(what)

    @property
    def numbers(self) -> list[int]:
        return [number for _claim, number in self.returned]


def claim_of(edition: int = 1, domain: str = "lantern.example") -> Claim:
    opened: Any = SimpleNamespace(edition=edition, domain=domain)
    return Claim(7, False, opened, deque())


def item(number: int, age: float, claim: Claim | None = None) -> BatchItem:
    return BatchItem(claim or claim_of(), Recipient(number, "", "", {}), 0, time.monotonic() - age)


def piece(age: float, *numbers: int, claim: Claim | None = None) -> MessageBatch:
    claim = claim or claim_of()
    items = deque(item(number, age, claim) for number in numbers)
    return MessageBatch(claim, [], time.monotonic() - age, items)


def route(number: int, barred: frozenset[str] = frozenset()) -> Any:
    """One that takes whatever it is given, but for letters from barred domains."""
    return SimpleNamespace(
        id=number, own=deque(), open=True, able=True, spent=False, spent_until=0.0, starved=False, accepted=0,
        thanked=True, barred=barred, unconfirmed=False, task=None, has_work=False, busy=False,
        takes=lambda _item: True, info=SimpleNamespace(reason="", state="live", rate=None), pump=lambda: None,
    )  # fmt: skip


@pytest.fixture
def lane() -> Any:
    """With one route."""
    sender: Any = SimpleNamespace(claimer=Inbox(), closing=False, bytes_out=0)
    limiter: Any = None
    lane = OrganizationQueue(1, sender, limiter)
    lane.runs = [route(1)]
    lane.active = lane.runs[0]
    return lane


def inbox(lane: OrganizationQueue) -> Any:
    return lane.sender.claimer


@pytest.mark.parametrize("barring", [False, True])
def test_a_slice_that_waited_too_long_is_asked_about_again_and_not_sent(lane: OrganizationQueue, barring: bool) -> None:
    lane.barring = barring
    lane.slices.extend([piece(OLD, 1, 2), piece(YOUNG, 3)])
    found = lane.next_item(lane.runs[0])
    assert found is not None and found.addressed.number == 3
    assert inbox(lane).numbers == [1, 2]


@pytest.mark.parametrize("barring", [False, True])
def test_what_came_back_and_waited_too_long_is_not_sent_before_the_next_tick_either(
    lane: OrganizationQueue, barring: bool
) -> None:
    lane.barring = barring
    lane.runs[0].own.extend([item(1, OLD), item(2, YOUNG)])
    found = lane.next_item(lane.runs[0])
    assert found is not None and found.addressed.number == 2
    assert inbox(lane).numbers == [1]


def test_what_waits_while_a_route_is_slow_is_given_back_in_time(lane: OrganizationQueue) -> None:
    lane.slices.extend([piece(OLD, 1, 2), piece(YOUNG, 3)])
    # What came back from another route may be older than what stands before it.
    lane.runs[0].own.extend([item(4, OLD), item(5, YOUNG), item(6, OLD)])
    lane.tick()
    assert sorted(inbox(lane).numbers) == [1, 2, 4, 6]
    assert [one.addressed.number for one in lane.runs[0].own] == [5]


def test_what_a_route_sent_back_is_asked_about_again_before_its_next_try(lane: OrganizationQueue) -> None:
    for place, age in enumerate((YOUNG, OLD)):
        heapq.heappush(lane._again, (time.monotonic() - 1, place, lane.runs[0], item(place, age)))
    lane.tick()
    assert inbox(lane).numbers == [1]
    assert [one.addressed.number for one in lane.runs[0].own] == [0]


def test_of_a_campaign_that_is_paused_nothing_more_leaves_whatever_it_waits_for(lane: OrganizationQueue) -> None:
    paused, other = claim_of(1), claim_of(2)
    lane.slices.extend([piece(0, 1, claim=paused), piece(0, 2, claim=other)])
    lane.runs[0].own.extend([item(3, 0, paused), item(4, 0, other)])
    lane._again = [
        (time.monotonic() + 60, place, lane.runs[0], item(5 + place, 0, (paused, other)[place])) for place in (0, 1)
    ]
    lane.drop(1)
    assert sorted(inbox(lane).numbers) == [1, 3, 5]
    left = [one.addressed.number for piece in lane.slices for one in piece.items]
    left += [one.addressed.number for one in lane.runs[0].own] + [one.addressed.number for *_, one in lane._again]
    assert left == [2, 4, 6]


def test_a_slice_is_small_enough_that_pause_bites(lane: OrganizationQueue) -> None:
    # At full speed it is what goes out in a twentieth of a second, at any other this many.
    assert lane.appetite == SLICE <= 50
    lane._rate = 5000.0
    assert lane.appetite == 250


class Down(SimpleNamespace):
    """A route that is condemned."""

    def close(self) -> None:
        self.open = False


def test_a_route_that_is_condemned_takes_nothing_more(lane: OrganizationQueue) -> None:
    run: Any = Down(id=1, refused=set(), accepted=3, strikes=0, open=True)
    lane.condemn(run, RouteVerdict("dead", "suspended"))
    assert not run.open and len(inbox(lane).condemned) == 1


def test_what_a_busy_relay_sends_back_a_few_times_is_no_try_of_theirs(lane: OrganizationQueue) -> None:
    one, booked = item(1, 0), []
    lane.book = lambda *what, **_more: booked.append(what)  # type: ignore[method-assign]
    for _ in range(MOST_TOSSES):
        lane.came_back(lane.runs[0], one, Deferred(451, "busy", "throttle", "throttled"))
    assert not booked and len(lane._again) == MOST_TOSSES
    lane.came_back(lane.runs[0], one, Deferred(451, "busy", "throttle", "throttled"))
    assert [news for _item, news, *_ in booked] == [JournalNews.DEFERRED]


def test_a_letter_of_a_barred_domain_waits_for_the_route_that_takes_it(lane: OrganizationQueue) -> None:
    first, second = route(1, frozenset({"lantern.example"})), route(2)
    lane.runs, lane.barring = [first, second], True
    lane.slices.append(piece(0, 1))
    assert not lane.has_slices_for(first) and lane.next_item(first) is None
    found = lane.next_item(second)
    assert found is not None and found.addressed.number == 1


def test_what_a_busy_relay_sends_back_waits_as_long_as_it_said(lane: OrganizationQueue) -> None:
    before = time.monotonic()
    lane.came_back(lane.runs[0], item(1, 0), Deferred(451, "busy", "throttle", "throttled", wait=92))
    assert lane._again[0][0] - before >= 92


def test_the_journal_keeps_the_time_that_a_server_named(lane: OrganizationQueue) -> None:
    records: list[JournalRecord] = []
    lane.sender.journal = SimpleNamespace(r=records.append)  # type: ignore[assignment]
    lane.sender.recorder = SimpleNamespace()  # type: ignore[assignment]
    lane.book = lambda *what, **_more: None  # type: ignore[method-assign]
    info: Any = SimpleNamespace(id=1, state="live", barred=frozenset(), allowance=RateAllowance())
    one = item(1, 0)
    run = RouteRun(lane, info)
    run.tell(SimpleNamespace(key=one), Deferred(450, "4.2.0 try again in 2 hours", "recipient", "other", wait=7200))
    assert [(record.news, record.wait) for record in records] == [(JournalNews.DEFERRED, 120)]


def run_of(lane: OrganizationQueue, monkeypatch: pytest.MonkeyPatch) -> RouteRun:
    """A route with three emails of a megabyte to carry; no more than two fit."""
    lane.sender.journal = SimpleNamespace(r=lambda _record: None)  # type: ignore[assignment]
    lane.sender.recorder = SimpleNamespace()  # type: ignore[assignment]
    lane.book = lambda *what, **_more: None  # type: ignore[method-assign]
    monkeypatch.setattr(route_worker, "LEAST_BYTES", 1 << 20)
    monkeypatch.setattr(route_worker, "LANE_BYTES", 2 << 20)
    info: Any = SimpleNamespace(id=1, state="live", barred=frozenset(), allowance=RateAllowance(), signs=False)
    run = RouteRun(lane, info)
    lane.runs, lane.active = [run], run
    claim = claim_of()
    claim.opened.maker = lambda _values: b"x" * (1 << 20)
    lane.slices.append(piece(0, 1, 2, 3, claim=claim))
    return run


def test_a_route_without_room_waits_until_an_email_has_its_outcome(
    lane: OrganizationQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow mail server of their own and pictures inside: what transports hold was 0.9 GB of one organization."""
    run = run_of(lane, monkeypatch)

    async def carry() -> None:
        first, second = run.take(), run.take()
        assert first is not None and second is not None and run.take() is None
        more = asyncio.ensure_future(run.more())
        done, _waiting = await asyncio.wait([more], timeout=0.05)
        assert not done, "it waits, and does not ask again and again"
        run.tell(first, Deferred(450, "4.2.0 busy", "recipient", "other"))
        assert await more
        third = run.take()
        assert third is not None
        for message in (second, third):
            run.tell(message, Deferred(450, "4.2.0 busy", "recipient", "other"))
        assert lane.bytes_out == lane.sender.bytes_out == 0

    asyncio.run(carry())


def test_an_organization_may_send_a_few_whatever_others_hold(
    lane: OrganizationQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(lane, monkeypatch)
    lane.sender.bytes_out = route_worker.SENDER_BYTES
    assert run.take() is not None and run.take() is None


class TestClock:
    """Of the machine and of what we compute; both stand still in between."""

    __test__ = False

    def __init__(self) -> None:
        self.now = self.computed = 1_000.0

    def monotonic(self) -> float:
        return self.now

    perf_counter = monotonic

    def thread_time(self) -> float:
        return self.computed


@pytest.mark.parametrize(("computed", "waits"), [(0.2, True), (0.0, False)])
def test_an_organization_whose_emails_take_long_to_make_leaves_the_loop_to_others(
    lane: OrganizationQueue, monkeypatch: pytest.MonkeyPatch, computed: float, waits: bool
) -> None:
    """Where another process had the time, nobody waits for it."""
    run, clock = run_of(lane, monkeypatch), TestClock()

    def make(_values: object) -> bytes:
        clock.now += 0.2
        clock.computed += computed
        return b"x"

    [claim] = {batch_item.claim for batch_item in lane.slices[0].items}
    claim.opened.maker = make
    monkeypatch.setattr(route_worker, "time", clock)
    assert run.take() is not None and run.take() is not None
    assert (run.take() is None) is waits
    assert (run._wait(clock.now) > 0.5) is waits
    clock.now += 0.7
    assert (run.take() is not None) is waits
