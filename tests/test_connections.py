"""Visitors who send half of a request, read nothing or say nothing keep nobody from a page."""

import asyncio
import base64
import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any

import pytest

from samizdat import asgi, connections
from samizdat.accounts import devices
from samizdat.accounts.models import Person
from samizdat.core.crypto import tokens
from samizdat.public import door, form_tokens
from samizdat.public import tokens as public_tokens
from samizdat.public.asgi import Public
from samizdat.vault.errors import KeyRefused
from samizdat.web import asgi as desk_asgi
from samizdat.web.asgi import MB, PERSON, STRANGERS, DeskApplication, Workplaces, known_device
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
    """All of its visitors have one thread."""
    return DeskApplication(wsgi, threads=0, knows=lambda _asked: None)


def public() -> Public:
    return Public(wsgi, threads=1)


both = pytest.mark.parametrize("made", [desk, public])
Made = Callable[[], Any]


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever keeps still before their request or under their answer is given up at once."""
    monkeypatch.setattr(connections, "PATIENCE", 0.2)
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(connections, "LEAST_RATE", 1e9)  # What the systems took between two looks gives no time.


@pytest.fixture
def hurried_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stops in the middle of their request is. A busy machine may take its time to send the beginning."""
    monkeypatch.setattr(asgi, "PATIENCE", 0.2)


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
WORK_FOR = {
    "desk=ada": Workplaces(1, {"lantern": 1}),
    "desk=boris": Workplaces(2, {"lantern": 1}),
    "desk=clara": Workplaces(3, {"aurora": 2}),
    "desk=dora": Workplaces(4, {"meadow": 3}),
    "desk=emil": Workplaces(5, {}),
}
HOSTILE = [f"desk=thief{number}" for number in range(20)]
WORK_FOR |= {thief: Workplaces(100 + place, {f"thieves{place}": 100 + place}) for place, thief in enumerate(HOSTILE)}


def _works_for(asked: dict[str, Any]) -> Workplaces | None:
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
        listening(DeskApplication(answered, threads=2, knows=_works_for)) as port,
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

    def knows(asked: dict[str, Any]) -> Workplaces | None:
        if asked["HTTP_COOKIE"] == cookie:
            return WORK_FOR["desk=ada"]
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


def test_letters_that_a_link_shows_keep_nobody_from_signing_in(vault: Any) -> None:
    cookie = f"device={devices.new(Person(pk=7), datetime.now(UTC))}"
    going_on = threading.Event()

    def answered(asked: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        if asked["PATH_INFO"].startswith("/shared/"):
            going_on.wait(60)
        return wsgi(asked, start)

    with listening(DeskApplication(answered, threads=2)) as port, contextlib.ExitStack() as stack:
        stack.callback(going_on.set)
        stack.enter_context(holding(port, 20, asked_for(HERE, "/shared/token")))
        stack.enter_context(holding(port, 20, asking(cookie, "/shared/token")))
        for who in ("", cookie):
            assert page(port, "/sign-in", cookie=who) == 200


@pytest.mark.parametrize("made", ["forged", "of an account alone", "long ago", "nonsense"])
def test_a_browser_that_only_says_that_it_signed_in_waits_among_strangers(vault: Any, made: str) -> None:
    now = datetime.now(UTC)
    cookie = {
        "forged": devices.new(Person(pk=7), now)[:-1] + "x",
        "of an account alone": devices.new(Person(pk=7), now).rpartition(".")[0],
        "long ago": devices.new(Person(pk=7), now - devices.LASTS - timedelta(days=2)),
        "nonsense": "..\xff",
    }[made]
    assert not known_device({"HTTP_COOKIE": f"device={cookie}"})


class Line:
    """A queue in which somebody works until it `ends`, and who of those that came after them had a turn, in order."""

    def __init__(self, shared: int = 1, own: int = 0) -> None:
        self.queue = asgi.FairQueue(shared, own)
        self.began: list[str] = []
        self.sent_away: list[str] = []
        self._ends = asyncio.Event()
        self.asked: dict[str, asyncio.Task[None]] = {}

    async def ask(self, name: str, whose: str = "lantern", *, who: str = "", begun: bool = False) -> None:
        """Whoever waits does so from now on."""
        self.asked[name] = asyncio.create_task(self._ask(name, whose, who, begun))
        await asyncio.sleep(0)

    async def _ask(self, name: str, whose: str, who: str, begun: bool) -> None:
        try:
            async with self.queue.turn(whose, who, begun=begun):
                self.began.append(name)
                await self._ends.wait()
        except asgi.AllThreadsBusy:
            self.sent_away.append(name)

    async def end(self) -> None:
        self._ends.set()
        await asyncio.wait(self.asked.values())


@pytest.mark.parametrize("begun", [False, True], ids=["a page", "the rest of a file"])
def test_in_a_full_line_somebody_who_waits_gives_way_and_never_in_the_middle_of_an_answer(
    monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    monkeypatch.setattr(asgi, "MOST_WAITING", 2)
    monkeypatch.setattr(asgi.secrets, "choice", lambda those: those[0])

    async def all_of_them() -> list[str]:
        line = Line()
        await line.ask("at work")
        await line.ask("first", begun=begun)
        await line.ask("second")
        await line.ask("third")
        await line.end()
        return line.sent_away

    assert asyncio.run(all_of_them()) == (["second"] if begun else ["first"])


@pytest.mark.parametrize("newcomer", ["thieves", "aurora"])
def test_in_a_full_line_whoever_asks_most_gives_way(monkeypatch: pytest.MonkeyPatch, newcomer: str) -> None:
    monkeypatch.setattr(asgi, "MOST_WAITING", 4)

    async def all_of_them() -> list[str]:
        line = Line()
        await line.ask("at work", "thieves")
        await line.ask("lantern's")
        await line.ask("a thief", "thieves", who="once")
        for name in ("theirs", "theirs too"):
            await line.ask(name, "thieves", who="twice")
        await line.ask("new", newcomer, who="new")
        await line.end()
        return line.sent_away

    assert asyncio.run(all_of_them()) in (["theirs"], ["theirs too"])


def test_turns_go_round_by_organization_and_there_by_person() -> None:
    async def all_of_them() -> list[str]:
        line = Line()
        await line.ask("at work", "thieves")
        for name in ("thief 1", "thief 2", "thief 3"):
            await line.ask(name, "thieves", who="thief")
        await line.ask("another thief", "thieves", who="another")
        await line.ask("reader 1")
        await line.ask("reader 2")
        await line.end()
        return line.began

    assert asyncio.run(all_of_them()) == [
        *("at work", "thief 1", "reader 1", "another thief", "reader 2", "thief 2", "thief 3")
    ]


def test_the_first_request_of_an_organization_waits_for_nobody_however_many_others_work_long() -> None:
    async def all_of_them() -> list[str]:
        line = Line(shared=6, own=26)
        for _ in range(10):
            for tenant in (*(f"tenant {number}" for number in range(20)), "strangers", "known"):
                await line.ask(tenant, tenant)
        assert len(line.began) <= 6 + 22
        await line.ask("theirs", "lantern")
        began = line.began[:]
        await line.end()
        return began

    assert asyncio.run(all_of_them())[-1] == "theirs"


@pytest.mark.parametrize(("tenants", "part"), [(1, 7), (2, 4), (3, 3), (6, 2), (7, 1)])
def test_threads_are_parted_among_those_who_want_them(tenants: int, part: int) -> None:
    async def all_of_them() -> list[str]:
        line = Line(shared=6, own=26)
        for _ in range(10):
            for tenant in range(tenants):
                await line.ask(f"tenant {tenant}", f"tenant {tenant}")
        began = line.began[:]
        await line.end()
        return began

    assert set(Counter(asyncio.run(all_of_them())).values()) == {part}


def test_who_goes_away_while_they_wait_takes_no_turn_along() -> None:
    async def all_of_them() -> None:
        queue = asgi.FairQueue(1)

        async def ask() -> None:
            async with queue.turn():
                pass

        async with queue.turn():
            waiting = [asyncio.create_task(ask()) for _ in range(3)]
            await asyncio.sleep(0)
            waiting[0].cancel()
            await asyncio.sleep(0)
        waiting[1].cancel()  # Whose turn has just come.
        await asyncio.wait(waiting)
        async with asyncio.timeout(60), queue.turn():
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
        listening(DeskApplication(answered, threads=4, knows=_works_for)) as port,
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

    application = DeskApplication(answered, knows=_works_for)
    with listening(application) as port, contextlib.ExitStack() as stack:
        stack.callback(going_on.set)
        for who in people:
            assert page(port, "/", cookie=who) == 200, "known from now on"
        for who in people:
            stack.enter_context(holding(port, 10, asking(who)))
        until(lambda: application._threads._at_work >= 7 and application._threads._at_work >= len(people))
        yield port


@pytest.mark.parametrize(
    "others",
    [("desk=ada", "desk=clara"), ("desk=ada", "desk=emil"), ("", *HOSTILE)],
    ids=["two organizations", "one and who works for none", "strangers and twenty organizations"],
)
def test_whoever_asks_for_all_threads_leaves_one_for_whoever_has_none(others: tuple[str, ...]) -> None:
    with beset_by(*others) as port:
        for _ in range(3):
            assert page(port, "/", cookie="desk=dora") == 200


def test_a_session_that_works_for_an_organization_by_now_takes_of_its_share() -> None:
    works_for = {"desk=emil": WORK_FOR["desk=emil"]}

    def answered(asked: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        asked[PERSON] = True
        return wsgi(asked, start)

    application = DeskApplication(answered, threads=1, knows=lambda asked: works_for[asked["HTTP_COOKIE"]])
    with listening(application) as port:
        assert page(port, "/", cookie="desk=emil") == 200
        works_for["desk=emil"] = WORK_FOR["desk=ada"]
        application._seen.change_roles()
        assert page(port, "/", cookie="desk=emil") == 200
    assert application._seen.whose({"HTTP_COOKIE": "desk=emil"}) == WORK_FOR["desk=ada"]


def test_no_request_is_worked_on_once_its_server_is_gone() -> None:
    """Else the page of one test asks for the rows of the next."""
    begun, over = threading.Event(), threading.Event()

    def lasting(asked: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        begun.set()
        until(lambda: not is_listening(port))
        over.set()
        return wsgi(asked, start)

    with listening(DeskApplication(lasting)) as port, holding(port, 1, asked_for(HERE, "/")):
        assert begun.wait(60)
    assert over.is_set()


def is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HERE, port), timeout=60):
        return True
    return False


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
            stack.enter_context(socket.create_connection((HERE, port), timeout=60))


def test_a_stranger_may_send_five_megabytes_and_no_more_is_kept() -> None:
    seen: list[int] = []

    def count(asked: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        seen.append(len(asked["wsgi.input"].read()))
        return wsgi(asked, start)

    sent = STRANGERS[0] + 1_000_000
    for known, kept in ((None, STRANGERS[0]), (WORK_FOR["desk=ada"], sent)):
        with listening(DeskApplication(count, threads=1, knows=lambda _asked, known=known: known)) as port:  # type: ignore[misc]
            connection = HTTPConnection(HERE, port, timeout=60)
            connection.request("POST", "/", bytes(sent), {"Cookie": "desk=ada"})
            assert connection.getresponse().status == 200
            connection.close()
        assert seen.pop() == kept


@both
def test_a_body_that_comes_to_a_standstill_is_told_so(made: Made, hurried_bodies: None) -> None:
    with listening(made()) as port, holding(port, 1, half_sent(HERE)) as (one,):
        assert heard_to_the_end(one).startswith(b"HTTP/1.1 408 ")


class Clock(asyncio.SelectorEventLoop):
    """Time goes as somebody says."""

    now = 0.0

    def time(self) -> float:
        return self.now


@pytest.mark.parametrize("pause", [20.5, 19.5], ids=["silent", "a byte now and then"])
def test_who_sent_much_may_stop_no_longer_than_who_sent_nothing(pause: float) -> None:
    loop = Clock()
    heard: list[bytes] = []

    async def receive() -> asgi.Heard:
        if heard:
            loop.now += pause
            await asyncio.sleep(0)  # Whatever was due is called.
            await asyncio.sleep(0)
        return {"type": "http.request", "body": b"a" if heard else bytes(502 * MB), "more_body": True}

    async def hear() -> None:
        async for piece in asgi.pieces(receive):
            heard.append(piece)
            loop.now += 60  # Our own time.
            assert len(heard) < 10

    with asyncio.Runner(loop_factory=lambda: loop) as runner, pytest.raises(asgi.TooSlow):
        runner.run(hear())


def test_a_body_that_comes_slowly_and_steadily_comes_whole() -> None:
    loop = Clock()

    async def receive() -> asgi.Heard:
        loop.now += 10
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return {"type": "http.request", "body": bytes(6_000), "more_body": loop.now < 2_000}

    async def hear() -> int:
        return sum([len(piece) async for piece in asgi.pieces(receive)])

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(hear()) == 200 * 6_000


def posted_body(who: str, size: int, sent: int) -> bytes:
    head = f"POST / HTTP/1.1\r\nHost: {HERE}\r\nCookie: {who}\r\nContent-Length: {size}\r\n\r\n"
    return head.encode() + bytes(sent)


def test_uploads_that_one_organization_stops_half_way_keep_out_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    total = 2 * MB
    monkeypatch.setattr(desk_asgi, "PEOPLE", (MB, total, *desk_asgi.PEOPLE[2:]))

    def answered(asked: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        asked[PERSON] = True
        return wsgi(asked, start)

    application = DeskApplication(answered, knows=_works_for)
    with listening(application) as port, contextlib.ExitStack() as stack:
        for who in ("desk=ada", "desk=boris", "desk=dora"):
            assert page(port, "/", cookie=who) == 200, "known from now on"
        most = int(total * 0.75 * 0.75)
        for held in (MB - 1, most - MB, total - most):
            before = application._people.taken
            (one,) = stack.enter_context(holding(port, 1, posted_body("desk=ada", MB, held)))
            until(lambda: is_cut(one) or application._people.taken >= before + held)  # noqa: B023
        for who, size in (("desk=boris", 2 * IN_MEMORY), ("desk=dora", 4 * IN_MEMORY)):
            with holding(port, 1, posted_body(who, size, size)) as (another,):
                assert another.recv(65536).startswith(b"HTTP/1.1 200 ")


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


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[connections.ClientConnection]:
    """The connections of a server, in the order they came. Nobody looks at them but the test, at times that it says."""
    monkeypatch.setattr(connections, "LOOK_SECONDS", 600.0)
    there: list[connections.ClientConnection] = []
    begin = connections.ClientConnection.connection_made

    def begun(connection: connections.ClientConnection, transport: object) -> None:
        begin(connection, transport)
        there.append(connection)

    monkeypatch.setattr(connections.ClientConnection, "connection_made", begun)
    return there


@both
def test_whoever_takes_an_answer_slowly_gets_all_of_it(
    made: Made, looked_at: list[connections.ClientConnection]
) -> None:
    """On a bad line: what somebody took gives time for the rest."""
    asked = asked_for(HERE, "/long").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with listening(made()) as port, holding(port, 1, asked) as (one,):
        heard = one.recv(65536)
        (connection,) = looked_at
        until(lambda: connection.unsent > len(LONG) // 2)
        began = connection.loop.time()
        assert not connection._stands_still(began)
        while len(heard) < 40_000:
            heard += one.recv(65536)
        until(lambda: connection.unsent + connection._in_system < len(LONG) - 30_000)
        assert not connection._stands_still(began + connections.PATIENCE + 50)
        assert connection._stands_still(began + connections.PATIENCE + len(LONG) / connections.LEAST_RATE)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, len(LONG))  # Quick from here on.
        assert len(heard + heard_to_the_end(one)) > len(LONG)


def test_a_second_request_on_the_same_connection_has_its_own_time(
    looked_at: list[connections.ClientConnection], hurried_bodies: None
) -> None:
    with listening(desk()) as port, holding(port, 1, asked_for(HERE, "/")) as (one,):
        assert one.recv(65536)
        (connection,) = looked_at
        until(lambda: connection.waits_for_head)
        connection.since -= 60
        one.sendall(half_sent(HERE))
        until(lambda: connection.since > connection.loop.time() - 60)
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


KEY, THIEVES = tokens.LinkKey(77, bytes(range(32))), tokens.LinkKey(78, bytes(range(1, 33)))
ADAS, BORISES = tokens.make(KEY, "leave", 3, 1), tokens.make(KEY, "leave", 3, 2)
# Of their own letters to as many of their own readers.
THEIRS = [tokens.make(THIEVES, "leave", 3, number) for number in range(20)]


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> public_tokens.TokenReader:
    """Of a public process that has just begun, so that no key is here yet."""
    rows = []
    for uid, key in (("00", KEY), ("01", THIEVES)):
        reading = {purpose: base64.b64encode(tokens.reading_key(key, purpose)) for purpose in public_tokens.WAYS_OUT}
        rows.append({"number": key.number, "organization": uid, "keys": reading})
    reader = public_tokens.TokenReader(lambda: rows)
    monkeypatch.setattr(public_tokens, "reader", reader)
    return reader


def posted(link: str) -> bytes:
    head = asked_for(HERE, f"/u/{link}").replace(b"GET", b"POST", 1)
    return head.replace(b"\r\n\r\n", b"\r\nContent-Length: 26\r\n\r\n") + b"List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    "others",
    [asked_for(HERE, f"/u/{ADAS}"), posted("a" * 52), posted(tokens.make(KEY, "message-id", 3, 1)), posted(BORISES)],
    ids=["who only look", "who made up a link", "who took it from a Message-ID", "who press one link again and again"],
)
def test_who_leaves_waits_behind_nobody(others: bytes, links: public_tokens.TokenReader) -> None:
    with beset_public(others, lambda asked: ADAS in asked["PATH_INFO"] and asked["REQUEST_METHOD"] == "POST") as port:
        assert pressed(port, f"/u/{ADAS}") == 200


def test_a_link_whose_key_nobody_tells_has_a_page_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> list[dict[str, Any]]:
        raise KeyRefused("The supervisor is busy.")

    monkeypatch.setattr(public_tokens, "reader", public_tokens.TokenReader(refused))
    with listening(Public(wsgi)) as port:
        assert page(port, f"/u/{ADAS}") == 200


@pytest.mark.parametrize("path", ["/u/", "/p/"])
def test_the_page_behind_a_link_waits_behind_nobody_who_only_looks_at_letters(
    path: str, links: public_tokens.TokenReader
) -> None:
    with beset_public(asked_for(HERE, "/a/"), lambda asked: ADAS in asked["PATH_INFO"]) as port:
        assert page(port, f"{path}{ADAS}") == 200
        assert pressed(port, f"{path}{ADAS}") == 200


@contextlib.contextmanager
def beset_public(others: bytes, goes_on: Callable[[dict[str, Any]], bool]) -> Iterator[int]:
    """Public pages that many ask for something, none of whom is answered; their port."""
    working, done = threading.Event(), threading.Event()

    def slow(asked: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        if not goes_on(asked):
            working.set()
            done.wait(60)
        return wsgi(asked, start)

    with listening(Public(slow, threads=1)) as port, holding(port, 20, others), contextlib.ExitStack() as stack:
        stack.callback(done.set)
        assert working.wait(60)
        yield port


def pressed(port: int, path: str) -> int:
    connection = HTTPConnection(HERE, port, timeout=60)
    with contextlib.closing(connection):
        connection.request("POST", path, b"List-Unsubscribe=One-Click")
        return connection.getresponse().status


@pytest.mark.parametrize("press", [posted, lambda link: asked_for(HERE, f"/u/{link}")], ids=["to leave", "to look"])
def test_who_leaves_waits_for_one_turn_of_others_with_links_of_their_own(
    press: Callable[[str], bytes], links: public_tokens.TokenReader
) -> None:
    began: list[str] = []
    answers = threading.Semaphore(0)

    def noted(asked: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        began.append(asked["PATH_INFO"])
        answers.acquire(timeout=60)
        return wsgi(asked, start)

    application = Public(noted)
    queues = [application._leaving.queue, application._behind_links.queue]
    with listening(application) as port, contextlib.ExitStack() as stack:
        stack.callback(answers.release, 100)
        for place, link in enumerate([*THEIRS, ADAS]):
            stack.enter_context(holding(port, 1, press(link)))
            until(lambda place=place: len(began) + sum(queue._waiting for queue in queues) == place + 1)  # type: ignore[misc]
        assert len(began) == 2
        for turn in (3, 4):  # One answer at a time, so that the order is that of the turns and not of the threads.
            answers.release()
            until(lambda turn=turn: len(began) == turn)  # type: ignore[misc]
        assert f"/u/{ADAS}" in began
        answers.release(100)
        until(lambda: len(began) == 21)


def test_who_presses_one_link_too_often_is_told_so_without_a_thread(
    links: public_tokens.TokenReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "purses", form_tokens.RateBudgets(lambda: 0.0))
    while door.purses.take(door._of_link("leave", ADAS)):
        pass
    with listening(Public(wsgi)) as port:
        assert pressed(port, f"/u/{BORISES}") == 200
        with contextlib.closing(socket.create_connection((HERE, port), timeout=60)) as one:
            one.sendall(posted(ADAS))
            assert "слишком часто".encode() in heard_to_the_end(one)


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


@contextlib.contextmanager
def hung(application: Any, *said: bytes) -> Iterator[None]:
    """While what was asked with these words hangs."""
    working, done = threading.Semaphore(0), threading.Event()

    def hang(asked: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        working.release()
        done.wait(60)
        return wsgi(asked, start)

    application._wsgi = hang
    with listening(application) as port, contextlib.ExitStack() as stack:
        stack.callback(done.set)
        for words in said:
            stack.enter_context(holding(port, 1, words))
        assert all(working.acquire(timeout=60) for _ in said)
        yield


@pytest.mark.parametrize(
    ("made", "said"),
    [(public, [asked_for(HERE, "/")]), (desk, [asked_for(HERE, "/"), asked_for(HERE, "/shared/x")])],
    ids=["public pages", "desk"],
)
def test_threads_that_all_hang_give_no_sign_of_life(
    made: Made, said: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "HUNG", 0.0)
    application = made()
    assert application.moves
    with hung(application, *said):
        assert not application.moves


def test_a_desk_of_which_one_organization_holds_its_part_for_long_still_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "HUNG", 0.0)
    application = DeskApplication(wsgi, threads=2, knows=_works_for)
    with hung(application, *[asking("desk=ada", "/")] * 3):
        assert application.moves, "whoever else asks finds a thread"


def test_a_desk_that_answers_others_lives_however_long_some_work() -> None:
    application = desk()
    with hung(application, asked_for(HERE, "/"), asked_for(HERE, "/shared/x")):
        assert application.moves
