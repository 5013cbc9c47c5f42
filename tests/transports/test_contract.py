"""What every transport that plugins.py finds must keep to, ours and those that come later."""

# ruff: noqa: E501  (tables are read one row a line)

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from samizdat import plugins
from samizdat.core.mail.outcome import REASONS, TABLE, Deferred, Refused, Unsure
from samizdat.plugins import read_url
from samizdat.transports.base import BadRoute, Message, RouteDown, RouteField
from tests.transports.contract import ANSWERING, BAD_ROUTES, FAKES, ODD, SECRET, TELLING, Fake
from tests.transports.desk import Desk, add_options, carried, carry, letter, letters, probe, standing

PLUGS = sorted({plug.name: plug for plug in plugins.transports().values()}.items())

ADA, BORIS, CLARA = (letter(f"{name}@north.example", number) for number, name in enumerate(("ada", "boris", "clara")))
ALL = [ADA, BORIS, CLARA]


def _opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fake]:
    with FAKES[request.param].open(tmp_path) as fake:
        yield fake


@pytest.fixture(params=list(FAKES))
def fake(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fake]:
    yield from _opened(request, tmp_path)


@pytest.fixture(params=list(ANSWERING))
def answering(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fake]:
    """Without those that can only take or not be there."""
    yield from _opened(request, tmp_path)


@pytest.fixture(params=list(TELLING))
def telling(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fake]:
    """Those of which it is known that a letter was not handed over."""
    yield from _opened(request, tmp_path)


# What it says of itself


def test_all_ways_out_are_found() -> None:
    assert {"smtp", "smtps", "smtp+plain", "folder", "sendmail", "mailgun"} <= set(plugins.transports())


def test_every_transport_has_a_fake_and_so_all_these_tests() -> None:
    ours = [name for name, plug in PLUGS if plug.__module__.startswith("samizdat.")]
    assert set(ours) == set(FAKES)


@pytest.mark.parametrize(("name", "plug"), PLUGS)
def test_a_transport_says_what_it_is_and_what_it_asks(name: str, plug: type[plugins.BaseTransport]) -> None:
    assert plug.kinds
    assert all(kind.scheme == kind.scheme.lower() and kind.label for kind in plug.kinds)
    for kind in plug.kinds:
        read = read_url("main", kind.example)
        assert bool(read.path) == bool(plug.no_path)
        assert read.keyed == plug.keyed
    assert all(isinstance(ask, RouteField) and ask.help for ask in plug.asks)
    assert set(plug.known_options) <= {ask.name for ask in plug.asks}
    assert all(ask.secret for ask in plug.asks if "password" in ask.name or "key" in ask.name)


@pytest.mark.parametrize(("name", "plug"), PLUGS)
def test_a_transport_refuses_options_it_does_not_know(name: str, plug: type[plugins.BaseTransport]) -> None:
    url = plug.kinds[0].example.partition("?")[0] + "?color=blue"
    with pytest.raises(BadRoute, match="color"):
        plug(read_url("main", url))


def test_every_reason_is_a_sentence_that_says_what_to_do() -> None:
    for code, sentence in REASONS.items():
        assert sentence.endswith("."), code
        assert code == "ok" or ". " in sentence, code


def test_every_row_of_the_table_has_its_sentence() -> None:
    for row in TABLE:
        assert row.kind.state == "ok" or row.reason in REASONS, row
        assert not row.reason or row.reason in REASONS, row


# At the door


def built(url: str) -> object:
    route = read_url("main", url)
    return plugins.transport(route.scheme)(route)


@pytest.mark.parametrize(("url", "word"), BAD_ROUTES)
def test_a_route_that_cannot_be_gets_one_sentence_without_its_secret(url: str, word: str) -> None:
    with pytest.raises((BadRoute, plugins.NoSuchPlug)) as refused:
        built(url.replace("SECRET", SECRET))
    assert word in str(refused.value)
    assert str(refused.value).endswith(".")
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("limits", [{"connections": 0}, {"connections": -1}, {"connections": 10**6}, {"rate": 0.0}, {"rate": -5.0}, {"rate": float("inf")}])  # fmt: skip
def test_limits_of_nothing_or_less_are_refused_for_all(fake: Fake, limits: dict[str, float]) -> None:
    with pytest.raises(BadRoute, match=r"\.$"):
        read_url("main", fake.url, **limits)  # type: ignore[arg-type]


# Taking


def test_every_message_arrives_once_and_as_it_was_made(fake: Fake) -> None:
    sent = letters(30)
    desk, verdict = carry(fake.url, sent, connections=5)
    assert verdict.state == "ok"
    assert sorted(desk.accepted) == sorted(message.recipient for message in sent)
    assert fake.counts == {message.recipient: 1 for message in sent}
    assert sorted(fake.contents) == sorted(message.content for message in sent)


def test_nothing_to_send_is_no_fault(fake: Fake) -> None:
    desk, verdict = carry(fake.url, [])
    assert verdict.state == "ok"
    assert not fake.taken


def test_never_more_at_a_time_than_the_route_allows(fake: Fake) -> None:
    async def go() -> None:
        desk = Desk(letters(40))
        desk.on_finishing = lambda message: out.append(len(desk.taken) - len(desk.told))
        await carried(fake.url, desk, connections=3)

    out: list[int] = []
    fake.be_slow()
    asyncio.run(go())
    assert max(out) <= 3 * fake.in_hand


def test_each_message_is_written_down_before_its_end_can_leave(fake: Fake) -> None:
    async def go() -> None:
        desk = Desk(letters(10))
        desk.on_finishing = lambda message: seen.append(fake.counts[message.recipient])
        await carried(fake.url, desk, connections=3)

    seen: list[int] = []
    asyncio.run(go())
    assert seen == [0] * 10


def test_a_good_route_answers_a_probe_and_nothing_is_sent(fake: Fake) -> None:
    verdict = probe(fake.url)
    assert verdict.state == "ok", verdict.sentence
    assert not fake.taken


def test_an_account_that_was_closed_is_told_where_a_provider_tells_and_nothing_is_sent(fake: Fake) -> None:
    verdict = standing(fake.url)
    assert verdict is None or verdict.state == "ok"
    if fake.close_account():
        closed = standing(fake.url)
        assert closed is not None and (closed.state, closed.reason) == ("dead", "suspended")
        assert SECRET not in closed.sentence
    assert not fake.taken


def test_a_route_to_nowhere_is_down_and_everything_is_still_owed(fake: Fake) -> None:
    url = fake.nowhere
    desk, verdict = carry(url, ALL)
    assert verdict.state in ("dead", "throttled")
    assert desk.told.keys() == {message.recipient for message in desk.taken} == set(desk.deferred)
    assert probe(url).reason == verdict.reason
    assert standing(url) is None


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_it_works_on_both_event_loops_outside_of_the_main_thread(fake: Fake, loop: str) -> None:
    factory = pytest.importorskip("uvloop").new_event_loop if loop == "uvloop" else None

    def work() -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            desk = Desk(letters(5))
            runner.run(carried(fake.url, desk, connections=2))
            accepted.extend(desk.accepted)

    accepted: list[str] = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert len(accepted) == 5


# Refusing


def test_a_refused_recipient_is_refused_alone(answering: Fake) -> None:
    answering.refuse_recipient(BORIS.recipient)
    desk, verdict = carry(answering.url, ALL)
    assert verdict.state == "ok"
    refused = desk.told[BORIS.recipient]
    assert isinstance(refused, Refused)
    assert refused.scope == "recipient"
    assert "boris" not in refused.text
    assert sorted(desk.accepted) == [ADA.recipient, CLARA.recipient]


def test_a_refused_message_is_refused_alone(answering: Fake) -> None:
    answering.refuse_message(BORIS.recipient)
    desk, verdict = carry(answering.url, ALL)
    assert verdict.state == "ok"
    refused = desk.told[BORIS.recipient]
    assert isinstance(refused, Refused)
    assert refused.scope == "message"
    assert sorted(desk.accepted) == [ADA.recipient, CLARA.recipient]


@pytest.mark.parametrize(
    "recipient", ["", "ada@x.example\r\nBcc: eve@x.example", "a\x00@x.example", "a\ud800@x.example"]
)
def test_an_address_that_would_be_more_than_one_is_refused_alone(answering: Fake, recipient: str) -> None:
    desk, verdict = carry(answering.url, [ADA, letter(recipient, content=b"x\r\n"), BORIS])
    assert desk.refused == [recipient]
    assert verdict.state == "ok"
    assert sorted(answering.taken) == [ADA.recipient, BORIS.recipient]


def test_the_same_refusal_for_many_domains_means_the_route_and_marks_nobody(answering: Fake) -> None:
    answering.refuse_everybody_alike()
    desk, verdict = carry(answering.url, letters(30), connections=4)
    assert (verdict.state, verdict.reason) == ("dead", "same_refusal")
    assert not desk.refused
    assert all(outcome.scope == "route" for outcome in desk.told.values() if isinstance(outcome, Deferred))
    assert len(desk.told) < 15


def test_a_throttled_route_waits_as_long_as_it_was_told_and_marks_nobody(answering: Fake) -> None:
    answering.throttle()
    desk, verdict = carry(answering.url, letters(30), connections=4)
    assert (verdict.state, verdict.wait) == ("throttled", 92)
    assert set(desk.deferred) == set(desk.told)
    assert len(desk.told) < 15


def test_a_suspended_route_is_dead_says_why_and_marks_nobody(fake: Fake) -> None:
    fake.suspend()
    desk, verdict = carry(fake.url, letters(30), connections=4)
    assert verdict.state == "dead"
    assert verdict.reason in ("suspended", "folder_missing")
    assert set(desk.deferred) == set(desk.told)
    assert len(desk.told) < 15
    assert verdict.sentence.endswith(".") and "{" not in verdict.sentence


# Breaking


def test_cut_off_before_hand_over_is_surely_not_taken(telling: Fake) -> None:
    telling.cut_off_early(BORIS.recipient)
    # Larger than what the kernel takes for a server that does not read.
    large = letter(BORIS.recipient, content=b"x" * 70 + b"\r\n" * 10_000_000)
    desk, _ = carry(telling.url, [ADA, large, CLARA])
    assert isinstance(desk.told[BORIS.recipient], Deferred)
    assert not desk.unsure
    assert sorted(desk.accepted) == [ADA.recipient, CLARA.recipient]
    assert BORIS.recipient not in telling.taken


def test_cut_off_after_hand_over_is_unsure_and_the_rest_goes_on(answering: Fake) -> None:
    answering.cut_off(BORIS.recipient)
    desk, _ = carry(answering.url, ALL)
    assert desk.unsure == [BORIS.recipient]
    assert sorted(desk.accepted) == [ADA.recipient, CLARA.recipient]
    assert set(answering.counts.values()) == {1}


def test_silence_after_hand_over_is_unsure_and_the_rest_goes_on(answering: Fake) -> None:
    answering.hang(BORIS.recipient)
    began = time.monotonic()
    desk, _ = carry(answering.url, ALL, timeout=2)  # The others answer in that time on a busy machine as well.
    assert desk.unsure == [BORIS.recipient]
    assert sorted(desk.accepted) == [ADA.recipient, CLARA.recipient]
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("how", ["cut_off", "hang"])
def test_a_way_that_never_answers_is_down_and_costs_few_unsure(answering: Fake, how: str) -> None:
    getattr(answering, how)(None)
    desk, verdict = carry(answering.url, letters(100), connections=10, timeout=0.5)
    assert verdict.state == "throttled"
    assert len(desk.unsure) <= 3
    assert not desk.refused
    assert not set(desk.deferred) & set(answering.taken)


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_answer_surprises_nobody_and_is_no_yes(answering: Fake, odd: str) -> None:
    answering.say(odd, BORIS.recipient)
    desk, verdict = carry(answering.url, ALL, timeout=1.5)
    told = desk.told[BORIS.recipient]
    assert isinstance(told, Refused | Deferred | Unsure)
    assert len(getattr(told, "text", "")) <= 300
    assert len(verdict.sentence) < 1000
    assert max(answering.counts.values(), default=0) <= 1


# The engine's side


def test_a_journal_that_cannot_be_written_stops_the_send_and_hands_nothing_over(fake: Fake) -> None:
    def full(message: Message) -> None:
        if len(desk.finished) == 5:
            raise OSError(28, "No space left on device")

    desk = Desk(letters(20))
    desk.on_finishing = full
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(carried(fake.url, desk))
    assert desk.told.keys() == {message.recipient for message in desk.taken}
    assert set(fake.taken) == set(desk.accepted) == set(desk.finished)
    assert len(desk.accepted) == 5


@pytest.mark.parametrize("fails", ["take", "more", "tell"])
def test_a_fault_of_the_engine_comes_back_to_it_and_leaves_nothing_behind(fake: Fake, fails: str) -> None:
    async def go() -> None:
        desk = Desk(letters(10))
        real = getattr(desk, fails)

        def fail(*values: object) -> object:
            if len(desk.taken) >= 5:
                raise KeyError("a mistake")
            return real(*values)

        setattr(desk, fails, fail)
        route = read_url("main", fake.url)
        with pytest.raises(KeyError, match="a mistake"):
            await plugins.transport(route.scheme)(route).carry(desk)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(go())
    assert len(fake.taken) <= 10


def test_cancelling_leaves_nothing_without_an_outcome(answering: Fake) -> None:
    async def go() -> Desk:
        desk = Desk(letters(100))
        task = asyncio.ensure_future(carried(answering.url, desk, connections=4))
        while len(desk.told) < 10 and not task.done():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks()) == 1
        return desk

    answering.be_slow()
    desk = asyncio.run(go())
    assert {message.recipient for message in desk.taken} == set(desk.told)
    assert len(desk.unsure) <= 4
    assert not set(desk.deferred) & set(answering.taken)


def test_a_refusal_is_told_when_nothing_more_comes_for_a_while(answering: Fake) -> None:
    async def go() -> Desk:
        desk = Desk([ADA], ends=False)
        task = asyncio.ensure_future(carried(answering.url, desk))
        while not desk.told:
            await asyncio.sleep(0.05)
        desk.woken.set()
        await task
        return desk

    answering.refuse_recipient(ADA.recipient)
    assert asyncio.run(go()).refused == [ADA.recipient]


def test_the_secret_of_a_route_is_in_no_log_no_sentence_and_no_printed_value(
    fake: Fake, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fake.suspend()
    route = read_url("main", add_options(fake.url, {}))
    transport = plugins.transport(route.scheme)(route)
    desk = Desk(letters(3))
    with pytest.raises(RouteDown) as down:
        asyncio.run(transport.carry(desk))
    shown = [
        caplog.text,
        repr(route),
        repr(vars(transport)),
        str(down.value),
        repr(down.value.verdict),
        repr(desk.told),
    ]
    assert not any(SECRET in text for text in shown)
