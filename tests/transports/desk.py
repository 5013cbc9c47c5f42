"""The engine's side of a transport, for tests: a list of messages in, and what was said about each."""

import asyncio
from collections.abc import Callable, Iterable

from samizdat.core.mail.outcome import Accepted, Deferred, Outcome, Refused, RouteVerdict, Unsure
from samizdat.plugins import read_url, transport
from samizdat.transports.base import Message, RouteDown


def letter(recipient: str, number: int = 1, **more: object) -> Message:
    content = more.pop("content", None) or f"To: {recipient}\r\nSubject: Spring\r\n\r\nDear {number}\r\n".encode()
    return Message(number, 1, "news@lantern.example", recipient, content, **more)  # type: ignore[arg-type]


def letters(count: int, domains: int = 1000) -> list[Message]:
    return [letter(f"reader{number}@d{number % domains}.example", number) for number in range(count)]


class Desk:
    """A Feed. `told` is what became of each recipient; it fails when something is told twice or out of order."""

    def __init__(self, messages: Iterable[Message], ends: bool = True) -> None:
        self.waiting = list(messages)
        self.waiting.reverse()
        self.taken: list[Message] = []
        self.finished: list[str] = []
        self.told: dict[str, Outcome] = {}
        self.ends = ends
        self.mores = 0
        self.asked_at_once = 0
        self.woken = asyncio.Event()
        self.on_tell: Callable[[Message, Outcome], None] = lambda message, outcome: None
        self.on_finishing: Callable[[Message], None] = lambda message: None

    def take(self) -> Message | None:
        if not self.waiting:
            return None
        message = self.waiting.pop()
        self.taken.append(message)
        return message

    async def more(self) -> bool:
        self.mores += 1
        self.asked_at_once += 1
        assert self.asked_at_once == 1, "more() is awaited by one task at a time"
        try:
            if not self.ends:
                await self.woken.wait()
                self.woken.clear()
            return bool(self.waiting)
        finally:
            self.asked_at_once -= 1

    def finishing(self, message: Message) -> None:
        self.on_finishing(message)
        assert message.recipient not in self.told
        self.finished.append(message.recipient)

    def tell(self, message: Message, outcome: Outcome) -> None:
        assert message.recipient not in self.told, f"told twice: {self.told[message.recipient]}, {outcome}"
        if isinstance(outcome, Accepted | Unsure):
            assert message.recipient in self.finished
        self.told[message.recipient] = outcome
        self.on_tell(message, outcome)

    def kinds(self, kind: type) -> list[str]:
        return [recipient for recipient, outcome in self.told.items() if isinstance(outcome, kind)]

    @property
    def accepted(self) -> list[str]:
        return self.kinds(Accepted)

    @property
    def deferred(self) -> list[str]:
        return self.kinds(Deferred)

    @property
    def refused(self) -> list[str]:
        return self.kinds(Refused)

    @property
    def unsure(self) -> list[str]:
        return self.kinds(Unsure)


def add_options(url: str, options: dict[str, object]) -> str:
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return url + ("&" if "?" in url else "?") + query if query else url


async def carried(
    url: str, desk: Desk, connections: int = 1, rate: float | None = None, **options: object
) -> RouteVerdict:
    """Carry everything on the desk; how the route stands afterwards. Everything that was taken must have been told."""
    if url.startswith("smtp"):
        options = {"timeout": 3, "connect": 3, "drain": 1} | options
    route = read_url("main", add_options(url, options), connections=connections, rate=rate)
    verdict = RouteVerdict("ok")
    try:
        async with asyncio.timeout(20):
            await transport(route.scheme)(route).carry(desk)
    except RouteDown as down:
        verdict = down.verdict
    assert {message.recipient for message in desk.taken} == set(desk.told)
    return verdict


def carry(url: str, messages: Iterable[Message], connections: int = 1, **options: object) -> tuple[Desk, RouteVerdict]:
    async def go() -> tuple[Desk, RouteVerdict]:
        desk = Desk(messages)
        return desk, await carried(url, desk, connections, **options)  # type: ignore[arg-type]

    return asyncio.run(go())


def probe(url: str, **options: object) -> RouteVerdict:
    defaults: dict[str, object] = {"timeout": 3, "connect": 3} if url.startswith("smtp") else {}
    route = read_url("main", add_options(url, defaults | options))
    return asyncio.run(transport(route.scheme)(route).probe())


def standing(url: str) -> RouteVerdict | None:
    """What the provider says of the account."""
    route = read_url("main", url)
    return asyncio.run(transport(route.scheme)(route).standing())
