"""Visitors who send half of a request, read nothing or say nothing keep nobody from a page."""

import asyncio
import base64
import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any

import pytest

from samizdat import asgi, connections
from samizdat.accounts import devices
from samizdat.accounts.models import Person
from samizdat.core.crypto import tokens
from samizdat.public import tokens as public_tokens
from samizdat.public.asgi import Public
from samizdat.web.asgi import PERSON, STRANGERS, DeskApplication, has_signed_in
from samizdat.web.spool import IN_MEMORY
from tests.visitors import asked_for, half_sent, heard_to_the_end, holding, is_cut, listening, page
from tests.worker.conftest import until

HERE = "127.0.0.1"
LONG = bytes(1024 * 1024)  # More than the systems at both ends take.


def wsgi(asked: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
    asked["wsgi.input"].read(100)
    start("200 OK", [("Content-Type", "text/plain")])
    return [LONG if asked["PATH_INFO"] == "/long" else b"a page"]


def desk() -> DeskApplication:
    return DeskApplication(wsgi, threads=1, knows=lambda _asked: None)


def public() -> Public:
    return Public(wsgi, threads=1)


both = pytest.mark.parametrize("made", [desk, public])
Made = Callable[[], Any]


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever keeps still is given up at once."""
    for module in (asgi, connections):
        monkeypatch.setattr(module, "PATIENCE", 0.2)
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(connections, "LEAST_RATE", 1e9)  # What the systems took between two looks gives no time.


@both
def test_half_sent_requests_hold_no_thread(made: Made) -> None:
    with listening(made()) as port, holding(port, 20, half_sent(HERE)):
        assert page(port, "/") == 200


@both
def test_slow_readers_hold_no_thread(made: Made) -> None:
    with listening(made()) as port, holding(port, 20, asked_for(HERE, "/long")):
        assert page(port, "/") == 200


@both
def test_who_says_nothing_makes_room_for_whoever_comes(made: Made) -> None:
    with listening(made(), most=20) as port, holding(port, 200):
        assert page(port, "/") == 200


@both
def test_who_sends_half_makes_room_for_whoever_comes(made: Made) -> None:
    with listening(made(), most=20) as port, holding(port, 200, half_sent(HERE)):
        assert page(port, "/") == 200


@both
def test_more_connections_than_there_may_be_are_closed(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 600.0)  # Not for keeping still.
    with listening(made(), most=20) as port, holding(port, 200) as held:
        assert page(port, "/") == 200
        assert heard_to_the_end(held[0]) == b"", "the oldest made room"


@both
def test_no_more_are_closed_than_make_room(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 600.0)
    with listening(made(), most=100) as port, holding(port, 400) as held:
        until(lambda: sum(map(is_cut, held)) >= 300)
        assert page(port, "/") == 200
        assert sum(map(is_cut, held)) <= 320, "a tenth of them at a time"


# Who of the cast works where, by what their browsers send.
WORK_FOR = {"desk=ada": 1, "desk=boris": 1, "desk=clara": 2, "desk=dora": 3, "desk=emil": 0}


def _number(asked: dict[str, Any]) -> int | None:
    return WORK_FOR.get(asked.get("HTTP_COOKIE", ""))


def test_whoever_is_signed_in_finds_a_thread_however_many_strangers_ask() -> None:
    going_on = threading.Event()

    def answered(asked: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        if "desk=clara" in asked.get("HTTP_COOKIE", ""):
            asked[PERSON] = True
        else:
            going_on.wait(60)
        return wsgi(asked, start)

    with (
        listening(DeskApplication(answered, threads=2, knows=_number)) as port,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(going_on.set)
        assert page(port, "/", cookie="desk=clara") == 200, "known from now on"
        stack.enter_context(holding(port, 100, asked_for(HERE, "/")))
        for _ in range(3):
            assert page(port, "/", cookie="desk=clara") == 200


@contextlib.contextmanager
def beset_by_strangers() -> Iterator[int]:
    """A desk that has just begun, whose threads for strangers hang; its port."""
    going_on = threading.Event()

    def answered(asked: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        if asked["PATH_INFO"] == "/slow":
            going_on.wait(60)
        return wsgi(asked, start)

    application = DeskApplication(answered, threads=2, knows=lambda _asked: None)
    with listening(application) as port, contextlib.ExitStack() as stack:
        stack.callback(going_on.set)
        stack.enter_context(holding(port, 100, asked_for(HERE, "/slow")))
        yield port


def test_after_a_restart_a_browser_that_signed_in_before_finds_a_thread_however_many_strangers_ask(vault: Any) -> None:
    cookie = devices.new(Person(pk=7), datetime.now(UTC))
    with beset_by_strangers() as port:
        for _ in range(3):
            assert page(port, "/", cookie=f"device={cookie}") == 200


def test_strangers_who_send_much_keep_nobody_who_is_signed_in_from_a_thread(vault: Any) -> None:
    cookie = f"device={devices.new(Person(pk=7), datetime.now(UTC))}"
    asking, going_on = threading.Event(), threading.Event()

    def knows(asked: dict[str, Any]) -> int | None:
        if asked["HTTP_COOKIE"] == cookie:
            return 1
        asking.set()
        going_on.wait(60)
        return None

    much = half_sent(HERE).replace(b"Length: 50", b"Length: 500000") + bytes(IN_MEMORY + 1)
    much = much.replace(b"\r\n\r\n", b"\r\nCookie: desk=made-up\r\n\r\n", 1)
    with (
        listening(DeskApplication(wsgi, threads=2, knows=knows)) as port,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(going_on.set)
        stack.enter_context(holding(port, 20, much))
        assert asking.wait(60)
        for _ in range(3):
            assert page(port, "/", cookie=cookie) == 200


@pytest.mark.parametrize("made", ["forged", "of an account alone", "long ago", "nonsense"])
def test_a_browser_that_only_says_that_it_signed_in_waits_among_strangers(vault: Any, made: str) -> None:
    now = datetime.now(UTC)
    cookie = {
        "forged": devices.new(Person(pk=7), now)[:-1] + "x",
        "of an account alone": devices.new(Person(pk=7), now).rpartition(".")[0],
        "long ago": devices.new(Person(pk=7), now - devices.LASTS - timedelta(days=2)),
        "nonsense": "..\xff",
    }[made]
    assert not has_signed_in({"HTTP_COOKIE": f"device={cookie}"})


@pytest.mark.parametrize("begun", [False, True], ids=["a page", "the rest of a file"])
def test_in_a_full_line_somebody_who_waits_gives_way_and_never_in_the_middle_of_an_answer(
    monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    monkeypatch.setattr(asgi, "MOST_WAITING", 2)
    monkeypatch.setattr(asgi.secrets, "choice", lambda those: those[0])

    async def ask(share: asgi.Share, begun: bool = False) -> str:
        try:
            async with share.turn(begun=begun):
                return "answered"
        except asgi.AllThreadsBusy:
            return "sent away"

    async def all_of_them() -> list[str]:
        share = asgi.Share(1)
        async with share.turn():
            asked = []
            for one in (begun, False, False):
                asked.append(asyncio.create_task(ask(share, one)))
                await asyncio.sleep(0)
        return await asyncio.gather(*asked)

    away = ["answered", "sent away", "answered"] if begun else ["sent away", "answered", "answered"]
    assert asyncio.run(all_of_them()) == away


def test_who_goes_away_while_they_wait_takes_no_turn_along() -> None:
    async def all_of_them() -> None:
        share = asgi.Share(1)

        async def ask() -> None:
            async with share.turn():
                pass

        async with share.turn():
            waiting = [asyncio.create_task(ask()) for _ in range(3)]
            await asyncio.sleep(0)
            waiting[0].cancel()
            await asyncio.sleep(0)
        waiting[1].cancel()  # Whose turn has just come.
        await asyncio.wait(waiting)
        async with asyncio.timeout(60), share.turn():
            assert not waiting[2].cancelled()

    asyncio.run(all_of_them())


@pytest.mark.parametrize("streamed", [False, True], ids=["pages", "files in portions"])
def test_one_organization_keeps_no_other_from_the_desk_however_much_it_asks(
    monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    monkeypatch.setattr(asgi, "MOST_WAITING", 10)
    monkeypatch.setattr(asgi, "PORTION", 1)
    going_on, working = threading.Event(), threading.Event()

    def held_up() -> Iterator[bytes]:
        yield b"begun"
        working.set()
        going_on.wait(60)
        yield b"done"

    def answered(asked: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        asked[PERSON] = True
        if asked["PATH_INFO"] != "/long-work":
            return wsgi(asked, start)
        start("200 OK", [])
        if streamed:
            return Streamed(held_up())
        return list(held_up())

    with (
        listening(DeskApplication(answered, threads=4, knows=_number)) as port,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(going_on.set)
        for who in ("desk=ada", "desk=boris"):
            stack.enter_context(holding(port, 30, asking(who, "/long-work")))
        assert working.wait(60)
        for _ in range(3):
            assert page(port, "/", cookie="desk=clara") == 200


def asking(who: str, path: str = "/slow") -> bytes:
    return asked_for(HERE, path).replace(b"\r\n\r\n", f"\r\nCookie: {who}\r\n\r\n".encode())


@contextlib.contextmanager
def beset_by(*people: str) -> Iterator[int]:
    """A desk that so many of its people ask for long work, with all the threads that they get; its port."""
    going_on = threading.Event()

    def answered(asked: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        asked[PERSON] = True
        if asked["PATH_INFO"] == "/slow":
            going_on.wait(60)
        return wsgi(asked, start)

    application = DeskApplication(answered, threads=8, knows=_number)
    with listening(application) as port, contextlib.ExitStack() as stack:
        stack.callback(going_on.set)
        for who in people:
            assert page(port, "/", cookie=who) == 200, "known from now on"
        for who in people:
            stack.enter_context(holding(port, 10, asking(who)))
        until(lambda: len(application._threads._begun) >= 7)
        yield port


@pytest.mark.parametrize("others", [("desk=ada", "desk=clara"), ("desk=ada", "desk=emil")], ids=", ".join)
def test_two_who_ask_for_all_threads_leave_one_for_whoever_has_none(others: tuple[str, ...]) -> None:
    with beset_by(*others) as port:
        for _ in range(3):
            assert page(port, "/", cookie="desk=dora") == 200


def test_a_session_that_works_for_an_organization_by_now_takes_of_its_share() -> None:
    works_for = {"desk=emil": 0}

    def answered(asked: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        asked[PERSON] = True
        return wsgi(asked, start)

    application = DeskApplication(answered, threads=1, knows=lambda asked: works_for[asked["HTTP_COOKIE"]])
    with listening(application) as port:
        assert page(port, "/", cookie="desk=emil") == 200
        works_for["desk=emil"] = 1
        application._seen.change_roles()
        assert page(port, "/", cookie="desk=emil") == 200
    assert application._seen.whose({"HTTP_COOKIE": "desk=emil"}) == 1


def test_a_burst_of_connections_waits_while_the_desk_is_busy() -> None:
    taken, going_on = threading.Event(), threading.Event()

    async def busy(scope: Any, _receive: Any, _send: Any) -> None:
        if scope["type"] == "http":
            taken.set()
            going_on.wait(60)

    with listening(busy) as port, holding(port, 1, asked_for(HERE, "/")), contextlib.ExitStack() as stack:
        assert taken.wait(60)
        stack.callback(going_on.set)
        for _ in range(600):
            stack.enter_context(socket.create_connection((HERE, port), timeout=10))


def test_a_stranger_may_send_five_megabytes_and_no_more_is_kept() -> None:
    seen: list[int] = []

    def count(asked: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        seen.append(len(asked["wsgi.input"].read()))
        return wsgi(asked, start)

    sent = STRANGERS[0] + 1_000_000
    for known, kept in ((False, STRANGERS[0]), (True, sent)):
        with listening(DeskApplication(count, threads=1, knows=lambda _asked, known=known: known or None)) as port:  # type: ignore[misc]
            connection = HTTPConnection(HERE, port, timeout=60)
            connection.request("POST", "/", bytes(sent), {"Cookie": "desk=ada"})
            assert connection.getresponse().status == 200
            connection.close()
        assert seen.pop() == kept


@both
def test_a_body_that_comes_to_a_standstill_is_told_so(made: Made, hurried: None) -> None:
    with listening(made()) as port, holding(port, 1, half_sent(HERE)) as (one,):
        assert heard_to_the_end(one).startswith(b"HTTP/1.1 408 ")


@both
@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: a"])
def test_a_head_that_does_not_come_is_not_waited_for(made: Made, said: bytes, hurried: None) -> None:
    with listening(made()) as port, holding(port, 1, said) as (one,):
        assert heard_to_the_end(one) == b""


@both
def test_an_answer_that_nobody_takes_is_thrown_away(made: Made, hurried: None) -> None:
    with listening(made()) as port, holding(port, 1, asked_for(HERE, "/long")) as (one,):
        until(lambda: is_cut(one))  # Nothing is read meanwhile.
        assert len(heard_to_the_end(one)) < len(LONG)


@both
def test_whoever_takes_an_answer_slowly_gets_all_of_it(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 2.0)
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.05)
    with listening(made()) as port, holding(port, 1, asked_for(HERE, "/long")) as (one,):
        begun = one.recv(65536)
        assert not threading.Event().wait(2.5)  # On a bad line; what it took so far allows for much more.
        assert len(begun + heard_to_the_end(one)) > len(LONG)


def test_a_second_request_on_the_same_connection_has_its_own_time(hurried: None) -> None:
    with listening(desk()) as port, holding(port, 1, asked_for(HERE, "/")) as (one,):
        assert one.recv(65536)
        one.sendall(half_sent(HERE))
        assert b"408" in heard_to_the_end(one)


@both
def test_what_nobody_takes_is_bounded_for_all_together(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_UNSENT", 3 * len(LONG))
    with listening(made()) as port, holding(port, 10, asked_for(HERE, "/long")) as held:
        assert page(port, "/") == 200
        until(lambda: sum(map(is_cut, held)) >= 6)  # Of what lies there, three have room and one is on its way.
        assert sum(map(is_cut, held)) <= 7


@both
def test_of_too_many_requests_some_are_told_to_come_back(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "MOST_WAITING", 0)
    working, done = threading.Event(), threading.Event()

    def slow(asked: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        if asked["PATH_INFO"] == "/slow":
            working.set()
            done.wait(60)
        return wsgi(asked, start)

    application = made()
    application._wsgi = slow
    with listening(application) as port, holding(port, 1, asked_for(HERE, "/slow")) as (one,):
        assert working.wait(60)
        assert page(port, "/") == 503
        done.set()
        assert one.recv(65536).startswith(b"HTTP/1.1 200 ")


KEY = tokens.LinkKey(77, bytes(range(32)))
ADAS, BORISES = tokens.make(KEY, "leave", 3, 1), tokens.make(KEY, "leave", 3, 2)


def posted(link: str) -> bytes:
    head = asked_for(HERE, f"/u/{link}").replace(b"GET", b"POST", 1)
    return head.replace(b"\r\n\r\n", b"\r\nContent-Length: 26\r\n\r\n") + b"List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    "others",
    [asked_for(HERE, f"/u/{ADAS}"), posted("a" * 52), posted(tokens.make(KEY, "message-id", 3, 1)), posted(BORISES)],
    ids=["who only look", "who made up a link", "who took it from a Message-ID", "who press one link again and again"],
)
def test_who_leaves_waits_behind_nobody(others: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    working, done = threading.Event(), threading.Event()
    reading = {purpose: base64.b64encode(tokens.reading_key(KEY, purpose)) for purpose in public_tokens.WAYS_OUT}
    row = {"number": KEY.number, "organization": "00", "keys": reading}
    monkeypatch.setattr(public_tokens, "reader", public_tokens.TokenReader(lambda: [row]))
    public_tokens.reader.read(ADAS, "leave")  # As any page has done.

    def slow(asked: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        if ADAS not in asked["PATH_INFO"] or asked["REQUEST_METHOD"] == "GET":
            working.set()
            done.wait(60)
        return wsgi(asked, start)

    with listening(Public(slow, threads=1)) as port, holding(port, 20, others), contextlib.ExitStack() as stack:
        stack.callback(done.set)
        assert working.wait(60)
        connection = HTTPConnection(HERE, port, timeout=60)
        connection.request("POST", f"/u/{ADAS}", b"List-Unsubscribe=One-Click")
        assert connection.getresponse().status == 200
        connection.close()


class Streamed:
    streaming = True

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self.closed = pieces, threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        self._pieces.close()  # type: ignore[attr-defined]
        self.closed.set()


def test_a_file_that_is_broken_off_is_not_counted_as_fetched() -> None:
    fetched: list[bool] = []

    def pieces() -> Iterator[bytes]:
        for _number in range(100):
            yield bytes(asgi.PORTION)
        fetched.append(True)

    answer = Streamed(pieces())

    def stream(asked: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        if asked["PATH_INFO"] == "/":
            return wsgi(asked, start)
        start("200 OK", [("Content-Length", str(100 * asgi.PORTION))])
        return answer

    with listening(DeskApplication(stream, threads=1)) as port:
        with holding(port, 1, asked_for(HERE, "/file")) as (one,):
            assert one.recv(100)
            assert page(port, "/") == 200, "the thread is free while the file waits for its reader"
        assert answer.closed.wait(60)
    assert fetched == []


def test_a_file_that_is_read_to_its_end_comes_whole() -> None:
    def stream(_asked: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        start("200 OK", [("Content-Length", str(10 * asgi.PORTION))])
        return Streamed(iter([b"x" * asgi.PORTION] * 10))

    with listening(DeskApplication(stream, threads=1)) as port, holding(port, 1, asked_for(HERE, "/file")) as (one,):
        heard = b""
        while len(heard) < 10 * asgi.PORTION:
            heard += one.recv(65536)
    assert heard.count(b"x") == 10 * asgi.PORTION


def test_threads_that_all_hang_give_no_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "HUNG", 0.0)
    working, done = threading.Event(), threading.Event()

    def hang(asked: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        working.set()
        done.wait(60)
        return wsgi(asked, start)

    application = DeskApplication(hang, threads=1)
    assert application.moves
    with listening(application) as port, holding(port, 1, asked_for(HERE, "/")) as (one,):
        assert working.wait(60)
        assert not application.moves
        done.set()
        assert one.recv(100)


def test_a_desk_of_which_one_organization_holds_its_share_for_long_still_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "HUNG", 0.0)

    async def long_work() -> bool:
        threads = asgi.Threads(4, "test")
        threads._begun[1] = asgi.time.monotonic()
        async with threads.share(1).turn(), threads.share(1).turn(), threads.share(1).turn():
            return threads.moves

    assert asyncio.run(long_work()), "whoever else asks finds the fourth thread"


def test_threads_that_are_only_busy_live() -> None:
    threads = asgi.Threads(1, "test")
    threads._begun[1] = asgi.time.monotonic()
    assert threads.moves
