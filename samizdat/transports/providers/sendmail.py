"""The way out by this machine's own mail program: Postfix, Exim, OpenSMTPD, msmtp and others answer to `sendmail`.

    sendmail:///usr/sbin/sendmail           runs `/usr/sbin/sendmail -t -i -f SENDER` for each message

Whom it is for the command reads from the letter: what stands in a command line every user of the machine may read. Not
`-bs` (SMTP through standard input), which msmtp and OpenSMTPD don't have; `-t` all of them have.

The letter lies complete in memory before the command begins to read it. Through a pipe, a crash of ours would look
like the end of the letter, and half of it would be sent.
"""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from samizdat.core.mail.outcome import OK, Accepted, Deferred, Outcome, RouteVerdict, Stage, judge, scrub
from samizdat.transports import base
from samizdat.transports.base import (
    BadRoute,
    Message,
    MessageFeed,
    RouteField,
    RouteKind,
    RouteSettings,
    is_one_address,
    reply_text,
)
from samizdat.transports.crew import ConnectionCrew, ConnectionLost, unmakeable

ACCEPTED = Accepted(250)

# More commands at a time only fight for the disk of the queue.
MOST = 20
# Of what a command says so much is kept; it may say more, and nobody waits for it.
KEPT = 4000
# What a finished command has said is in the pipe already. One that left a child behind would keep it open for long.
LAST_WORDS = 0.2
# Seconds between two looks at a command where the system does not tell of its end.
LOOK = 0.02

# Exit codes of sysexits.h about the letter or about the recipient: where SMTP would say it, its code, words if there
# are none.
EXITS: dict[int, tuple[Stage, int, str]] = {
    65: ("final", 554, "the command does not take the data of this letter"),  # EX_DATAERR
    67: ("rcpt", 550, "5.1.1 the command knows no such user"),  # EX_NOUSER
    68: ("rcpt", 450, "the command knows no such host"),  # EX_NOHOST: the recipient's, or that of msmtp's relay
    69: ("final", 450, "a service is not available to the command"),  # EX_UNAVAILABLE, also a catch-all
    75: ("rcpt", 450, "the command wants it again later"),  # EX_TEMPFAIL
    76: ("final", 450, "another server did not keep to the protocol"),  # EX_PROTOCOL
}
BROKEN = (64, 66, 72, 77, 78, 126, 127)  # usage, input, a file of the system, no permission, configuration, not run
BUSY = (70, 71, 73, 74)  # software, operating system, cannot create, disk

# Sendmail itself ends with 75 when it keeps the letter in its queue; for the others 75 means that they have nothing.
QUEUED = re.compile(r"\.\.\. (?:Deferred|Queued)\b|\bqueued\b", re.IGNORECASE)
# msmtp (tried: 1.8.28) speaks to a relay while we wait, and tells what it said, and where.
RELAYED = re.compile(r"server message: (\d{3})[ -](.*)")
STAGES: tuple[tuple[str, Stage], ...] = (
    ("authentication", "auth"),
    ("initial OK", "banner"),
    ("EHLO", "ehlo"),
    ("STARTTLS", "starttls"),
    ("recipient address", "rcpt"),
    ("mail data", "data"),
    ("did not accept the mail", "final"),
)
NOT_REACHED = re.compile(r"cannot (?:connect to|locate host)")
HUNG_UP = re.compile(r"empty reply|invalid reply|network (?:read|write) error|cannot (?:read from|write to) TLS")


class SendmailTransport(base.Transport):
    """The local `sendmail` command."""

    name = "sendmail"
    kinds = (
        RouteKind("sendmail:///usr/sbin/sendmail", "The mail program of this server: Postfix, Exim, OpenSMTPD, msmtp"),
    )
    no_path = "no_command"
    asks = (
        RouteField("path", "The absolute path of the command", default="/usr/sbin/sendmail"),
        RouteField("timeout", "Seconds until a command that doesn’t end is stopped", default="120"),
        RouteField("drain", "Seconds to finish emails under way when the route stops working", default="5"),
    )
    known_options = ("timeout", "drain")

    def __init__(self, route: RouteSettings) -> None:
        super().__init__(route)
        if not route.path.startswith("/") or route.path.endswith("/"):
            raise BadRoute("no_command")
        self.command = route.path
        self.patience = route.number("timeout", 120.0)
        self.drain = route.number("drain", 5.0)

    async def probe(self) -> RouteVerdict:
        """Is the command there, and may we run it? Only a letter shows whether it sends."""
        values = {"host": self.command, "detail": self.command}
        if not (Path(self.command).is_file() and os.access(self.command, os.X_OK)):
            return RouteVerdict("dead", "command_missing", values)
        return replace(OK, values=values)

    async def carry(self, feed: MessageFeed) -> None:
        """Carry everything the feed gives. Raises RouteDown."""
        most = min(MOST, self.route.connections)
        await ConnectionCrew(feed, self.command, most, self.drain, self.hand_over).run()

    async def hand_over(self, message: Message, finishing: Callable[[], None]) -> tuple[Outcome, RouteVerdict]:
        if not is_one_address(message.recipient) or not (not message.sender or is_one_address(message.sender)):
            return unmakeable()
        if not names_alone(message.content, message.recipient):
            return unmakeable()
        with letter_file(message.content) as letter:
            finishing()
            try:
                code, words = await self.run(message, letter)
            except OSError as error:
                return self.not_run(error)
        if code < 0:
            raise ConnectionLost(
                f"the command was ended by signal {-code}", self.verdict("throttled", "command_hung", "", 60)
            )
        return self.read(code, words, message)

    async def run(self, message: Message, letter: BinaryIO) -> tuple[int, str]:
        """The exit code and what was said. Raises OSError when it could not begin, Lost when it did not end."""
        reader, writer = os.pipe()
        try:
            process = self.begin(message, letter, writer)
        except OSError:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        words = CommandWords()
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: words, os.fdopen(reader, "rb", 0))
        try:
            async with asyncio.timeout(self.patience):
                await end_of(process)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS):
                    await words.ended.wait()
        except TimeoutError:
            raise ConnectionLost("the command did not end", self.verdict("throttled", "command_hung", "", 60)) from None
        finally:
            pipe.close()
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return process.returncode, words.text

    def begin(self, message: Message, letter: BinaryIO, output: int) -> subprocess.Popen[bytes]:
        """Not by asyncio: under uvloop that is a fork of all our memory, 5 ms of CPU against 0.4 by vfork."""
        return subprocess.Popen(
            [self.command, "-t", "-i", "-f", message.sender or "<>"],
            stdin=letter,
            stdout=output,
            stderr=output,
            cwd="/",
            env=environment(),
            start_new_session=True,
        )

    def read(self, code: int, words: str, message: Message) -> tuple[Outcome, RouteVerdict]:
        """What an exit code means, with what the command said. Raises Lost when it may have been taken."""
        if code == 0 or (code == 75 and QUEUED.search(words)):
            return ACCEPTED, OK
        relayed = self.relayed(words, message)
        if relayed is not None:
            return relayed
        text = scrub(" ".join(words.split()), message.recipient)
        said_so = text or f"exit {code}"
        busy = self.verdict("throttled", "command_busy", said_so, 60)
        if HUNG_UP.search(words):  # perhaps behind the last dot
            raise ConnectionLost("the relay of the command hung up", busy)
        if code in BROKEN:
            return Deferred(0, said_so, "route", "route"), self.verdict("dead", "command_failed", said_so)
        if code in BUSY or NOT_REACHED.search(words):
            return Deferred(0, said_so, "route", "route"), busy
        stage, like, otherwise = EXITS.get(code, ("final", 450, f"the command ended with {code}"))
        return self.judged(stage, like, text or otherwise)

    def relayed(self, words: str, message: Message) -> tuple[Outcome, RouteVerdict] | None:
        """The verdict on what a relay behind the command said: a closed account must not look like a lost reader."""
        match = RELAYED.search(words)
        if match is None:
            return None
        # Where it is not told, it is about us and not about the recipient.
        stage: Stage = next((stage for word, stage in STAGES if word in words), "mail")
        return self.judged(stage, int(match[1]), scrub(match[2], message.recipient))

    def judged(self, stage: Stage, code: int, text: str) -> tuple[Outcome, RouteVerdict]:
        outcome, verdict = judge(stage, code, text)
        values = {"detail": self.command, "answer": reply_text(code, text)}
        return outcome, replace(verdict, values=values)

    def not_run(self, error: OSError) -> tuple[Outcome, RouteVerdict]:
        """It did not begin, so it surely has not taken anything."""
        known = isinstance(error, FileNotFoundError | PermissionError | NotADirectoryError)
        outcome = Deferred(0, "the command did not begin", "route", "route")
        why = os.strerror(error.errno).lower() if error.errno else type(error).__name__
        if known:
            return outcome, self.verdict("dead", "command_missing", why)
        return outcome, self.verdict("throttled", "command_busy", why, 60)

    def verdict(self, state: str, reason: str, answer: str, wait: int | None = None) -> RouteVerdict:
        values = {"detail": self.command, "answer": answer[:160]}
        return RouteVerdict(state, reason, values, wait)  # type: ignore[arg-type]


# The fields that `-t` reads; what else looks like a recipient in them would be one.
_FIELDS = re.compile(
    rb"^(To|Cc|Bcc|Apparently-To|Resent-[\w-]+)[ \t]*:((?:.*\r\n[ \t])*.*)", re.IGNORECASE | re.MULTILINE
)
_NAME = rb"(?:\"[^\"\\<>@\r\n]*\"|[^\"\\<>@(),:;\[\]\r\n]|\r\n(?=[ \t]))*"


def names_alone(content: bytes, recipient: str) -> bool:
    """Whether the head of the letter names this recipient and nobody else, however it is read."""
    head = content.partition(b"\r\n\r\n")[0]
    if b"\n" in head.replace(b"\r\n", b""):
        return False
    if [name.lower() for name, _value in _FIELDS.findall(head)] != [b"to"]:
        return False
    address = re.escape(recipient.encode())
    [(_name, value)] = _FIELDS.findall(head)
    return bool(re.fullmatch(_NAME + rb"<" + address + rb">|" + address, value.strip()))


async def end_of(process: subprocess.Popen[bytes]) -> None:
    """Waits for a command without a thread and without a handler of signals, so in any thread and on any loop."""
    if not hasattr(os, "pidfd_open"):  # not Linux
        while process.poll() is None:
            await asyncio.sleep(LOOK)
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    watched = os.pidfd_open(process.pid)
    loop.add_reader(watched, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(watched)
        os.close(watched)


class CommandWords(asyncio.Protocol):
    """What a command says, the beginning of it."""

    def __init__(self) -> None:
        self.kept = b""
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        if len(self.kept) < KEPT:
            self.kept = (self.kept + data)[:KEPT]

    def connection_lost(self, error: Exception | None) -> None:
        self.ended.set()

    @property
    def text(self) -> str:
        return self.kept.decode("utf-8", "replace").replace("\N{REPLACEMENT CHARACTER}", "?")


def letter_file(content: bytes) -> BinaryIO:
    """The letter as a file in memory, with the line ends of this machine: mail programs put CRLF back themselves."""
    plain = content.replace(b"\r\n", b"\n")
    if hasattr(os, "memfd_create"):
        file: BinaryIO = os.fdopen(os.memfd_create("letter"), "w+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115  (handed to the caller; already without a name)
    file.write(plain)
    file.flush()
    file.seek(0)
    return file


def environment() -> dict[str, str]:
    """Little: ours names databases and key files, and the command needs none of it. HOME is for ~/.msmtprc."""
    kept = {name: os.environ[name] for name in ("HOME", "TZ") if name in os.environ}
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", **kept}
