"""A provider's web interface on loopback that does what a test tells it: take, refuse, stall, hang up, talk nonsense.

    with ScriptedApi() as api:                             # 127.0.0.1, a free port, its own thread
        url = f"mailgun://KEY@lantern.example?endpoint={api.endpoint}"
        assert [letter.recipient for letter in api.letters] == ["ada@north.example"]

It speaks as Mailgun does, or as the dialect that it is given: ScriptedApi(dialect=SES).

What it answers is a list of rules; the first that fits is used, and none means a yes of that provider:

    api.on(Reply(400, {"message": "'to' parameter is not a valid address"}), recipient="boris@north.example")
    api.on(Reply(429, {"message": "slow down"}, {"Retry-After": "92"}), times=1)
    api.on(HANG_UP, recipient=…)          took it, and never said so
    api.on(HANG_UP_EARLY)                 hung up with half of the letter read
    api.on(RESET)  api.on(STALL)  api.on(STALL_EARLY)     likewise: a TCP reset; silence after and in the letter
    api.on(Reply(413, {}, early=True))    answers with half of the letter read, and hangs up
    api.on(b"HTTP/1.1 200 OK\\r\\n…")      bytes go out as they are, then it hangs up
    api.on(Endless(200))                  a body that never ends

    api.states = [Reply(200, {"domain": {"state": "disabled"}})]   what a GET is told, the last one again and again;
                                          none: as the dialect says, for Mailgun 401, as to a key that may only
                                          send. api.asked: their paths

    api.letters   Letter(recipient, content, fields, path, authorization), in order, also those without a yes
    api.accepted  to whom a yes was said
    api.connected, api.most_open, api.requests
"""

import asyncio
import base64
import contextlib
import json
import re
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Any, Self

HALF = 200  # bytes of a body that count as half of it


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: Any = None  # bytes as they are, else JSON
    headers: dict[str, str] = field(default_factory=dict)
    early: bool = False
    delay: float = 0.0

    def encoded(self) -> bytes:
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        kind = "text/html" if body.lstrip()[:1] == b"<" else "application/json"
        headers = {"Content-Type": kind, "Content-Length": str(len(body))} | self.headers
        lines = [f"HTTP/1.1 {self.status} Said", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass(frozen=True)
class Act:
    kind: str


@dataclass(frozen=True)
class Endless:
    status: int


HANG_UP, HANG_UP_EARLY, RESET, STALL, STALL_EARLY = map(
    Act, ("hang up", "hang up early", "reset", "stall", "stall early")
)

Answer = Reply | Act | Endless | bytes


@dataclass(frozen=True)
class Letter:
    recipient: str
    content: bytes
    fields: dict[str, Any]
    path: str
    authorization: str
    headers: dict[str, str] = field(default_factory=dict)  # names in lower case


@dataclass
class Rule:
    answer: Answer
    recipient: str | None
    times: int | None
    after: int
    when: Callable[[str], bool] | None
    used: int = 0

    def fits(self, recipient: str, taken: int) -> bool:
        if taken < self.after or (self.times is not None and self.used >= self.times):
            return False
        return self.recipient in (None, recipient) and (self.when is None or self.when(recipient))


@dataclass(frozen=True)
class Dialect:
    """How a provider's interface is spoken. `recipient`: of half a body, "" where there is none."""

    yes: Reply
    state: Reply  # what a GET is told
    recipient: Callable[[bytes], str]
    content: Callable[[dict[str, str], bytes], tuple[bytes, dict[str, Any]]]  # headers, body -> content, other fields


class ScriptedApi:
    """See the top of the file."""

    def __init__(
        self, context: ssl.SSLContext | None = None, latency: float = 0.0, dialect: "Dialect | None" = None
    ) -> None:
        self.context = context
        self.dialect = dialect or MAILGUN
        self.latency = latency
        self.rules: list[Rule] = []
        self.letters: list[Letter] = []
        self.accepted: list[str] = []
        self.connected = self.open = self.most_open = self.requests = 0
        self.states: list[Answer] = []
        self.asked: list[str] = []
        self.port = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scripted-api", daemon=True)

    def on(
        self,
        answer: Answer,
        recipient: str | None = None,
        times: int | None = None,
        after: int = 0,
        when: Callable[[str], bool] | None = None,
    ) -> None:
        self.rules.append(Rule(answer, recipient, times, after, when))

    @property
    def endpoint(self) -> str:
        return f"https://localhost:{self.port}" if self.context else f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.context, limit=1 << 20)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            with contextlib.suppress(OSError, RuntimeError, asyncio.CancelledError):
                writer.close()
                await writer.wait_closed()
            self.open -= 1  # once its goodbye is out: tests wait for that

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.requests += 1
        if head.startswith("GET "):
            self.asked.append(head.split()[1])
            state: Answer = self.dialect.state
            if self.states:
                state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            return await self._act(state, writer)
        size = int(re.search(r"content-length: *(\d+)", head, re.IGNORECASE)[1])  # type: ignore[index]
        body = await reader.readexactly(min(size, HALF))
        recipient = self.dialect.recipient(body)
        rule = next((rule for rule in self.rules if rule.fits(recipient, len(self.letters))), None)
        answer: Answer = rule.answer if rule else self.dialect.yes
        if rule:
            rule.used += 1
        if answer in (HANG_UP_EARLY, STALL_EARLY) or (isinstance(answer, Reply) and answer.early):
            return await self._act(answer, writer)
        body += await reader.readexactly(size - len(body))
        if recipient:
            self.letters.append(self._letter(head, recipient, body))
        if answer is self.dialect.yes:
            self.accepted.append(recipient)
        if self.latency:
            await asyncio.sleep(self.latency)
        return await self._act(answer, writer)

    async def _act(self, answer: Answer, writer: asyncio.StreamWriter) -> bool:
        """True: the connection stays."""
        if isinstance(answer, Act):
            if answer in (STALL, STALL_EARLY):
                await asyncio.sleep(3600)
            elif answer == RESET:
                writer.transport.abort()
            return False
        if isinstance(answer, Endless):
            writer.write(f"HTTP/1.1 {answer.status} Said\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            while True:
                writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                await writer.drain()
        if isinstance(answer, Reply):
            await asyncio.sleep(answer.delay)
            writer.write(answer.encoded())
            await writer.drain()
            return not answer.early
        writer.write(answer)
        await writer.drain()
        return False

    def _letter(self, head: str, recipient: str, body: bytes) -> Letter:
        lines = [line.partition(":") for line in head.split("\r\n")[1:] if line]
        headers = {name.lower(): value.strip() for name, _colon, value in lines}
        content, fields = self.dialect.content(headers, body)
        return Letter(recipient, content, fields, head.split()[1], headers.get("authorization", ""), headers)


def _form_recipient(body: bytes) -> str:
    match = re.search(rb'name="to"\r\n\r\n(.*?)\r\n', body)
    return match[1].decode() if match else ""


def _form(headers: dict[str, str], body: bytes) -> tuple[bytes, dict[str, Any]]:
    boundary = headers["content-type"].partition("boundary=")[2].encode()
    parts: dict[str, bytes] = {}
    for part in body.split(b"--" + boundary)[1:-1]:
        about, _, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]+)"', about)[1].decode()  # type: ignore[index]
        assert name not in parts, "a field was given twice"
        parts[name] = content.removesuffix(b"\r\n")
    content = parts.pop("message")
    del parts["to"]
    return content, {name: value.decode() for name, value in parts.items()}


MAILGUN = Dialect(
    Reply(200, {"id": "<20261125.1@lantern.example>", "message": "Queued. Thank you."}),
    Reply(401, {"message": "Forbidden"}),
    _form_recipient,
    _form,
)


def _first_json_recipient(pattern: bytes) -> Callable[[bytes], str]:
    """The recipient stands at the beginning of the body."""

    def recipient(body: bytes) -> str:
        match = re.search(pattern, body)
        return parseaddr(json.loads(match[1]))[1] if match else ""

    return recipient


def _ses(headers: dict[str, str], body: bytes) -> tuple[bytes, dict[str, Any]]:
    fields = json.loads(body)
    return base64.b64decode(fields["Content"]["Raw"]["Data"], validate=True), fields


SES = Dialect(
    Reply(200, {"MessageId": "0107018f-9a-000000"}),
    Reply(200, {"SendingEnabled": True, "EnforcementStatus": "HEALTHY", "ProductionAccessEnabled": True}),
    _first_json_recipient(rb'"ToAddresses":\[("[^"]*")'),
    _ses,
)


def _rebuilt(to: str, subject: str, text: str) -> bytes:
    """A letter of tests/transports/desk.py from what is left of it."""
    return f"To: {to}\r\nSubject: {subject}\r\n\r\n{text}".replace("\r\n", "\n").replace("\n", "\r\n").encode()


def _postmark(headers: dict[str, str], body: bytes) -> tuple[bytes, dict[str, Any]]:
    fields = json.loads(body)
    return _rebuilt(fields["To"], fields["Subject"], fields["TextBody"]), fields


def _sendgrid(headers: dict[str, str], body: bytes) -> tuple[bytes, dict[str, Any]]:
    fields = json.loads(body)
    [[recipient]] = [each["to"] for each in fields["personalizations"]]
    return _rebuilt(recipient["email"], fields["subject"], fields["content"][0]["value"]), fields


def _brevo(headers: dict[str, str], body: bytes) -> tuple[bytes, dict[str, Any]]:
    fields = json.loads(body)
    return _rebuilt(fields["to"][0]["email"], fields["subject"], fields["textContent"]), fields


POSTMARK = Dialect(
    Reply(200, {"ErrorCode": 0, "Message": "OK", "MessageID": "0a129aee-e1cd-480d-b08d-4f48548ff48d"}),
    Reply(200, {"ID": "broadcast", "MessageStreamType": "Broadcasts", "ArchivedAt": None}),
    _first_json_recipient(rb'"To":("(?:[^"\\]|\\.)*")'),
    _postmark,
)
SENDGRID = Dialect(
    Reply(202, b"", {"X-Message-Id": "14c5d75ce93.dfd.64b469"}),
    Reply(200, {"scopes": ["mail.send", "sender_verification_eligible"]}),
    _first_json_recipient(rb'"to":\[\{"email":("[^"]*")'),
    _sendgrid,
)
BREVO = Dialect(
    Reply(201, {"messageId": "<202612010354.1@smtp-relay.mailin.fr>"}),
    Reply(200, {"email": "news@lantern.example", "relay": {"enabled": True}}),
    _first_json_recipient(rb'"to":\[\{"email":("[^"]*")'),
    _brevo,
)
