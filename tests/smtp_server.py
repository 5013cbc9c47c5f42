"""A real SMTP server on loopback that does what a test tells it: take, refuse, stall, hang up, talk nonsense.

    with ScriptedServer() as server:                        # 127.0.0.1, a free port, its own thread
        route = read_url("main", server.url)                # smtp+plain://127.0.0.1:PORT
        ...
        assert [m.recipient for m in server.messages] == ["ada@example.org"]
        assert server.copies("ada@example.org") == 1

What it answers is a list of rules; the first that fits is used, and none means the ordinary answer:

    server.on("rcpt", "550 5.1.1 no such user", recipient="boris@example.org")
    server.on("rcpt", "450 4.2.1 later", when=lambda moment: moment.recipient.endswith("@slow.example"))
    server.on("final", "421 4.3.2 shutting down", times=1)  # the first time only
    server.on("mail", "454 Throttling failure", after=100)  # from the 101st message taken
    server.on("final", HANG_UP, recipient="x@y.example")    # took it (it is in .messages), and never said so
    server.on("final", HANG_UP_UNTAKEN)                     # hung up after the dot without taking it
    server.on("data", RESET)   server.on("banner", STALL)   server.on("final", delay(0.02))
    server.on("ehlo", b"250-\\xff\\r\\nwhat\\r\\n")        # bytes go out as they are
    server.on("rcpt", giant(5_000_000))                     # a 250 of five megabytes; endless() never ends

Stages: connect (before the banner), banner, ehlo, starttls, auth, mail, rcpt, data, final, rset, quit.
An answer that begins with 2 (3 for data) counts as a yes, whatever else it says.

    ScriptedServer(pipelining=False)           one command at a time; whoever does not wait is noted
    ScriptedServer(dies_behind_dot=True)       offers PIPELINING, and hangs up when anything follows a final dot, as
                                               Dovecot 2.4 does: it took the message, and never says so
    ScriptedServer(extensions=("8BITMIME",))   what EHLO offers instead of EXTENSIONS (PIPELINING apart)
    ScriptedServer(lenient_data=True)          answers DATA with 354 although every RCPT was refused
    ScriptedServer(latency=0.02)               seconds before each final answer
    ScriptedServer(session_limit=100)          421 after so many messages in one connection
    ScriptedServer(most_connections=3)         421 to the fourth
    ScriptedServer(users={"ada": "secret"}, mechanisms=("LOGIN",))     wants a log-in before MAIL
    ScriptedServer(users=…, asks_again=True)   forgets the first answer of AUTH and asks for it
    ScriptedServer(tls="starttls" | "implicit", certificate=certificates.issued("localhost"))
    certificates = Certificates(tmp_path)      .issued(host), .expired(host), .self_signed(host): Certificate
                                               .ca: the file to trust, as ?ca=… in the URL

    server.die()  server.die_after(300)        stop listening and cut every connection; server.revive() same port
    server.messages    Caught(sender, recipients, content, connection, tls, user), dots unstuffed, in order
    server.commands    every line it was sent outside of messages (passwords too)
    server.violations  sentences about what a strict server would mind: empty in a good test
    server.connected, server.open, server.most_open   counts of connections
    server.starttls_url, server.tls_url, server.url_for("smtp", user=…, password=…, ca=…)
"""

import asyncio
import base64
import contextlib
import datetime
import re
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

END = b".\r\n"  # of a message: the line with the dot alone
EXTENSIONS = ("8BITMIME", "SMTPUTF8", "SIZE 52428800", "ENHANCEDSTATUSCODES")


@dataclass(frozen=True)
class Act:
    """Something else than a line: how the server behaves instead of answering."""

    kind: str
    number: float = 0.0
    then: Any = None


HANG_UP = Act("hang up")  # at `final`: took the message first
HANG_UP_UNTAKEN = Act("hang up untaken")
RESET = Act("reset")  # as HANG_UP_UNTAKEN, with a TCP reset
STALL = Act("stall")  # says nothing more, keeps the connection


def delay(seconds: float, then: Any = None) -> Act:
    """Wait, then answer `then` (None: the ordinary answer)."""
    return Act("delay", seconds, then)


def giant(size: int, code: int = 250) -> Act:
    """An answer of many lines and about `size` bytes, which does end."""
    return Act("giant", size, code)


def endless(code: int = 250) -> Act:
    """An answer that never ends."""
    return Act("endless", 0, code)


Answer = str | bytes | Act


@dataclass(frozen=True, slots=True)
class Caught:
    """A message that was taken."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    connection: int
    tls: bool = False
    user: str = ""
    parameters: str = ""

    @property
    def recipient(self) -> str:
        return self.recipients[0]


@dataclass(slots=True)
class Moment:
    """What a rule's `when` may look at."""

    stage: str
    argument: str
    connection: int
    taken: int  # messages taken by the server so far
    taken_here: int  # and in this connection
    sender: str = ""
    recipient: str = ""
    content: bytes = b""


@dataclass(slots=True)
class Rule:
    stage: str
    answer: Answer
    when: Callable[[Moment], bool] | None
    recipient: str | None
    after: int
    times: int | None
    used: int = 0

    def fits(self, moment: Moment) -> bool:
        if self.stage != moment.stage or moment.taken < self.after:
            return False
        if self.times is not None and self.used >= self.times:
            return False
        if self.recipient is not None and moment.recipient != self.recipient:
            return False
        return self.when is None or self.when(moment)


class HungUp(Exception):
    """The server leaves this connection."""


class ScriptedServer:
    """See the top of the file."""

    def __init__(
        self,
        *,
        pipelining: bool = True,
        extensions: tuple[str, ...] = EXTENSIONS,
        lenient_data: bool = False,
        dies_behind_dot: bool = False,
        latency: float = 0.0,
        session_limit: int | None = None,
        most_connections: int | None = None,
        users: dict[str, str] | None = None,
        mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN"),
        asks_again: bool = False,
        tls: str = "",
        certificate: "Certificate | None" = None,
        host: str = "127.0.0.1",
        port: int = 0,
        keep_content: bool = True,
    ) -> None:
        self.pipelining = pipelining
        self.extensions = extensions
        self.lenient_data = lenient_data
        self.dies_behind_dot = dies_behind_dot
        self.latency = latency
        self.session_limit = session_limit
        self.most_connections = most_connections
        self.users = users or {}
        self.mechanisms = mechanisms
        self.asks_again = asks_again
        self.tls = tls
        self.certificate = certificate
        self.host = host
        self.port = port
        self.keep_content = keep_content
        self.died_behind: list[str] = []  # Recipients of what it took before it hung up (dies_behind_dot).
        self.rules: list[Rule] = []
        self.messages: list[Caught] = []
        self.commands: list[str] = []
        self.violations: list[str] = []
        self.connected = self.open = self.most_open = 0
        self._dies_after: int | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="scripted-smtp", daemon=True)

    # Scripting

    def on(
        self,
        stage: str,
        answer: Answer,
        *,
        when: Callable[[Moment], bool] | None = None,
        recipient: str | None = None,
        after: int = 0,
        times: int | None = None,
    ) -> None:
        """A new rule, looked at after those before it."""
        self.rules.append(Rule(stage, answer, when, recipient, after, times))

    def forget(self) -> None:
        """Drop every rule."""
        self.rules.clear()

    def die_after(self, messages: int) -> None:
        """Go away once so many messages were taken and answered."""
        self._dies_after = messages

    def die(self) -> None:
        """Stop listening and cut every connection."""
        self._call(self._stop())

    def revive(self) -> None:
        """Listen again on the same port."""
        self._dies_after = None
        self._call(self._listen())

    # Looking

    def copies(self, recipient: str) -> int:
        return self.counts()[recipient]

    def counts(self) -> Counter[str]:
        """How many copies each recipient got."""
        return Counter(recipient for caught in list(self.messages) for recipient in caught.recipients)

    def url_for(self, scheme: str, *, user: str = "", password: str = "", host: str = "", **options: Any) -> str:
        credentials = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
        query = "&".join(f"{name}={quote(str(value), safe='/:')}" for name, value in options.items())
        where = host or ("localhost" if scheme in ("smtp", "smtps") else self.host)
        return f"{scheme}://{credentials}{where}:{self.port}" + (f"?{query}" if query else "")

    @property
    def url(self) -> str:
        return self.url_for("smtp+plain")

    @property
    def starttls_url(self) -> str:
        return self.url_for("smtp")

    @property
    def tls_url(self) -> str:
        return self.url_for("smtps")

    # Life

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def stop(self) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        # Clients that hang up and broken handshakes are what we are here for: nothing to report.
        self._loop.set_exception_handler(lambda loop, context: None)
        self._loop.run_forever()

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        context = self.certificate.context() if self.certificate and self.tls == "implicit" else None
        self._server = await asyncio.start_server(
            self._serve, self.host, self.port, limit=100_000_000, ssl=context, backlog=1000
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connected += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await Session(self, self.connected, reader, writer).run()
        except (HungUp, OSError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            self.open -= 1
            self._tasks.discard(task)
            with contextlib.suppress(Exception):
                writer.transport.abort() if task.cancelling() else writer.close()

    def _taken(self, caught: Caught) -> None:
        self.messages.append(caught)

    def _answered(self) -> None:
        if self._dies_after is not None and len(self.messages) >= self._dies_after:
            self._dies_after = None
            self._dying = self._loop.create_task(self._stop())

    def _find(self, moment: Moment) -> Answer | None:
        for rule in self.rules:
            if rule.fits(moment):
                rule.used += 1
                return rule.answer
        return None


@dataclass
class Session:
    """One connection."""

    server: ScriptedServer
    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sender: str | None = None
    parameters: str = ""
    recipients: list[str] = field(default_factory=list)
    recipient: str = ""
    user: str = ""
    secure: bool = False
    greeted: bool = False
    taken: int = 0

    async def run(self) -> None:
        self.secure = self.server.tls == "implicit"
        await self.act("connect", "", None)
        most = self.server.most_connections
        crowded = most is not None and self.server.open > most
        banner = "421 4.7.0 too many connections" if crowded else "220 scripted ESMTP"
        if not await self.act("banner", "", banner):
            raise HungUp
        while line := await self.reader.readline():
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            self.server.commands.append(text)
            self.check_line(line, text)
            verb, _, argument = text.partition(" ")
            handler = getattr(self, "do_" + verb.lower(), None)
            if handler is None:
                await self.say("500 5.5.2 what?")
            else:
                await handler(argument)

    def check_line(self, line: bytes, text: str) -> None:
        buffered = bool(self.reader._buffer)  # type: ignore[attr-defined]
        verb = text.split(" ")[0].upper()
        if not line.endswith(b"\r\n"):
            self.mind(f"a line without CRLF: {verb}")
        if len(line) > 12288 + 2:
            self.mind(f"a line of {len(line)} bytes")
        if buffered and not self.server.pipelining:
            self.mind(f"{verb} was not waited for, and PIPELINING was not offered")
        if buffered and verb in ("EHLO", "HELO", "DATA", "STARTTLS", "AUTH", "QUIT"):
            self.mind(f"{verb} must be the last command of a group")
        if not self.greeted and verb not in ("EHLO", "HELO", "QUIT"):
            self.mind(f"{verb} before EHLO")

    def mind(self, sentence: str) -> None:
        self.server.violations.append(sentence)

    async def say(self, text: str | bytes) -> None:
        self.writer.write(text if isinstance(text, bytes) else text.encode() + b"\r\n")
        await self.writer.drain()

    async def act(self, stage: str, argument: str, ordinary: str | bytes | None) -> bool:
        """Answer at this stage, by rule or in the ordinary way. True: the answer was a yes."""
        taken = len(self.server.messages)
        moment = Moment(stage, argument, self.number, taken, self.taken, self.sender or "", self.recipient)
        answer = self.server._find(moment)
        return await self.give(answer if answer is not None else ordinary)

    async def give(self, answer: Answer | None, ordinary: str | bytes | None = None) -> bool:
        match answer:
            case None:
                return True
            case Act("delay", seconds, then):
                await asyncio.sleep(seconds)
                return await self.give(then if then is not None else (ordinary or "250 2.0.0 Ok"), ordinary)
            case Act("giant", size, code):
                await self.say(f"{code}-{'x' * 998}\r\n".encode() * (int(size) // 1000) + f"{code} end\r\n".encode())
                return code < 400
            case Act("endless", _, code):
                while True:
                    await self.say(f"{code}-{'x' * 998}\r\n".encode() * 100)
            case Act("stall"):
                await asyncio.sleep(3600)
                raise HungUp
            case Act("reset"):
                self.writer.transport.abort()
                raise HungUp
            case Act():
                raise HungUp
        text = answer if isinstance(answer, bytes) else answer.encode()
        await self.say(answer)
        if text[:3] == b"421":
            raise HungUp
        return text[:1] in (b"2", b"3")

    # Commands

    async def do_ehlo(self, argument: str) -> None:
        self.reset()
        lines = ["scripted greets you", *self.server.extensions]
        if self.server.pipelining:
            lines.append("PIPELINING")
        if self.server.tls == "starttls" and not self.secure:
            lines.append("STARTTLS")
        if self.server.users:
            lines.append("AUTH " + " ".join(self.server.mechanisms))
        answer = "".join(f"250-{line}\r\n" for line in lines[:-1]) + f"250 {lines[-1]}"
        self.greeted = await self.act("ehlo", argument, answer)

    async def do_helo(self, argument: str) -> None:
        self.reset()
        self.greeted = await self.act("helo", argument, "250 scripted")

    async def do_starttls(self, argument: str) -> None:
        if self.server.tls != "starttls" or self.secure or self.server.certificate is None:
            await self.say("503 5.5.1 not offered")
            return
        if await self.act("starttls", argument, "220 2.0.0 go ahead"):
            await self.writer.start_tls(self.server.certificate.context())
            self.secure, self.greeted, self.user = True, False, ""

    async def do_auth(self, argument: str) -> None:
        mechanism, _, first = argument.partition(" ")
        first = "" if self.server.asks_again else first
        if mechanism.upper() == "XOAUTH2" and "XOAUTH2" in self.server.mechanisms:
            await self.show_token(first)
            return
        if mechanism.upper() not in self.server.mechanisms:
            await self.say("504 5.5.4 not offered")
            return
        try:
            user, password = await (self.plain(first) if mechanism.upper() == "PLAIN" else self.login(first))
        except ValueError:
            await self.say("501 5.5.2 cannot decode")
            return
        right = self.server.users.get(user) == password
        answer = "235 2.7.0 welcome" if right else "535 5.7.8 Username and Password not accepted"
        if await self.act("auth", user, answer):
            self.user = user

    async def show_token(self, first: str) -> None:
        """XOAUTH2, where the password is the token. What is wrong with one is asked away first, as Gmail does."""
        fields = dict(part.partition("=")[::2] for part in base64.b64decode(first).decode().split("\x01"))
        right = fields["auth"] == f"Bearer {self.server.users.get(fields['user'])}"
        if not right and await self.ask(base64.b64encode(b'{"status":"400"}').decode()) != "":
            self.mind("an answer to what is wrong with a token")
        answer = "235 2.7.0 welcome" if right else "535 5.7.8 Username and Password not accepted"
        if await self.act("auth", fields["user"], answer):
            self.user = fields["user"]

    async def plain(self, first: str) -> tuple[str, str]:
        _, user, password = base64.b64decode(first or await self.ask("")).decode().split("\0")
        return user, password

    async def login(self, first: str) -> tuple[str, str]:
        user = base64.b64decode(first or await self.ask("Username:")).decode()
        return user, base64.b64decode(await self.ask("Password:")).decode()

    async def ask(self, question: str) -> str:
        await self.say(f"334 {base64.b64encode(question.encode()).decode()}")
        line = (await self.reader.readline()).decode().strip()
        self.server.commands.append(line)
        return line

    async def do_mail(self, argument: str) -> None:
        if self.server.users and not self.user:
            await self.say("530 5.7.0 Authentication required")
            return
        if self.sender is not None:
            self.mind("MAIL inside of a transaction")
            await self.say("503 5.5.1 nested MAIL")
            return
        limit = self.server.session_limit
        full = limit is not None and self.taken >= limit
        address, self.parameters = path(argument, "FROM:")
        if await self.act("mail", address, "421 4.7.0 enough for one session" if full else "250 2.1.0 Ok"):
            self.sender = address

    async def do_rcpt(self, argument: str) -> None:
        if self.sender is None:
            await self.say("503 5.5.1 MAIL first")
            return
        self.recipient, _ = path(argument, "TO:")
        if await self.act("rcpt", self.recipient, "250 2.1.5 Ok"):
            self.recipients.append(self.recipient)

    async def do_data(self, argument: str) -> None:
        ready = bool(self.recipients) or self.server.lenient_data
        if not ready:
            await self.say("503 5.5.1 MAIL first" if self.sender is None else "554 5.5.1 no valid recipients")
            return
        if not await self.act("data", argument, "354 go ahead"):
            return
        content = await self.read_content()
        self.check_content(content)
        await self.final(content)

    async def read_content(self) -> bytes:
        """To the line with the dot alone, all at once: asking for each line took longer than all else here."""
        content = b""
        while content != END and not content.endswith(b"\n" + END):
            content += await self.reader.readuntil(END)
        return re.sub(rb"^\.", b"", content.removesuffix(END), flags=re.MULTILINE)

    def check_content(self, content: bytes) -> None:
        if content.count(b"\n") != content.count(b"\r\n") or content.count(b"\r") != content.count(b"\r\n"):
            self.mind("a bare CR or LF in a message")
        if self.recipients and any(len(line) > 998 for line in content.split(b"\r\n")):
            self.mind("a line of more than 998 bytes in a message")
        if not self.server.pipelining and self.reader._buffer:  # type: ignore[attr-defined]
            self.mind("something after the final dot, and PIPELINING was not offered")

    async def final(self, content: bytes) -> None:
        server = self.server
        moment = Moment(
            "final",
            "",
            self.number,
            len(server.messages),
            self.taken,
            self.sender or "",
            self.recipient,
            content,
        )
        answer = server._find(moment)
        if server.latency:
            await asyncio.sleep(server.latency)
        keeps = takes(answer)
        if not self.recipients:
            keeps, answer = False, answer or "554 5.5.1 no valid recipients"
        if keeps:
            self.take(content)
        if server.dies_behind_dot and self.reader._buffer:  # type: ignore[attr-defined]
            server.died_behind.extend(self.recipients)
            raise HungUp
        await self.give(answer if answer is not None else "250 2.0.0 Ok: queued as 4Zq1xN0abcz9", None)
        self.reset()
        server._answered()

    def take(self, content: bytes) -> None:
        self.taken += 1
        kept = content if self.server.keep_content else b""
        self.server._taken(
            Caught(
                self.sender or "",
                tuple(self.recipients),
                kept,
                self.number,
                self.secure,
                self.user,
                self.parameters,
            )
        )

    async def do_rset(self, argument: str) -> None:
        self.reset()
        await self.act("rset", argument, "250 2.0.0 Ok")

    async def do_noop(self, argument: str) -> None:
        await self.say("250 2.0.0 Ok")

    async def do_quit(self, argument: str) -> None:
        await self.act("quit", argument, "221 2.0.0 bye")
        raise HungUp

    def reset(self) -> None:
        self.sender, self.recipients, self.recipient, self.parameters = None, [], "", ""


def takes(answer: Answer | None) -> bool:
    """Does the server take the message with this answer to its final dot?"""
    match answer:
        case None | Act("hang up" | "stall"):
            return True
        case Act("delay", _, then):
            return takes(then)
        case Act("giant" | "endless", _, code):
            return bool(code < 400)
        case str() | bytes():
            return answer[:1] in ("2", b"2")
    return False


def path(argument: str, before: str) -> tuple[str, str]:
    """`FROM:<a@b> SIZE=3` as ('a@b', 'SIZE=3')."""
    rest = argument[len(before) :].strip() if argument.upper().startswith(before) else argument
    address, _, parameters = rest.partition("> ") if "> " in rest else (rest.rstrip(">"), "", "")
    return address.lstrip("<"), parameters


@dataclass(frozen=True)
class Certificate:
    """Files of a certificate and its key, and its SHA-256 fingerprint in hex."""

    file: Path
    key: Path
    fingerprint: str

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


class Certificates:
    """An authority of our own for one test, in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made = self._count()
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self.ca = folder / "ca.pem"
        certificate = self._build(self.name, self.key, self.name, self.key, None, 0)
        self.ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _count(self) -> Iterator[int]:
        number = 0
        while True:
            number += 1
            yield number

    def issued(self, host: str) -> Certificate:
        """Signed by the authority, good for this host."""
        return self._make(host, self.name, self.key, 0)

    def expired(self, host: str) -> Certificate:
        return self._make(host, self.name, self.key, -30)

    def self_signed(self, host: str) -> Certificate:
        return self._make(host, None, None, 0)

    def _make(self, host: str, issuer: x509.Name | None, signer: Any, days: int) -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = self._build(name, key, issuer or name, signer or key, host, days)
        stem = self.folder / f"certificate-{next(self.made)}"
        stem.with_suffix(".pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        stem.with_suffix(".key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return Certificate(
            stem.with_suffix(".pem"), stem.with_suffix(".key"), certificate.fingerprint(hashes.SHA256()).hex()
        )

    def _build(
        self, name: x509.Name, key: Any, issuer: x509.Name, signer: Any, host: str | None, days: int
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=10))
            .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        )
        if host is None:
            builder = builder.add_extension(key_usage(signs_certificates=True), critical=True)
        else:
            builder = builder.add_extension(key_usage(signs_certificates=False), critical=True)
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            builder = builder.add_extension(x509.SubjectAlternativeName([general_name(host)]), critical=False)
        return builder.sign(signer, hashes.SHA256())


def key_usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
