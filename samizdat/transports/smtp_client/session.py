"""One connection to an SMTP server: a small pipelining client as an asyncio protocol.

Setting up (banner, EHLO, STARTTLS, AUTH) is a coroutine. From the first MAIL on, everything happens in
`data_received`: one state for the answer that comes next, the same whether the server takes commands in
groups (RFC 2920) or one by one.

With PIPELINING one write is `content . MAIL RCPT DATA`: the end of one message and the envelope of the next,
so each message costs one round trip. Some servers die of that (Dovecot 2.4: assertion `pending_rcpt_cmds == 0`);
there the answer to the dot is waited for, once the keeper has learned it. Depth 1: at most one message per
connection is between its final dot and the answer.
"""

import asyncio
import base64
import hashlib
import re
from dataclasses import replace
from typing import Protocol, cast

from samizdat.core.mail.outcome import Accepted, Deferred, Outcome, Refused, RouteVerdict, Stage, judge, scrub
from samizdat.transports.base import Message, reply_text
from samizdat.transports.dialing import LONGEST_ANSWER, Narrow
from samizdat.transports.smtp_client.server import SmtpFault, SmtpServer, TokenSource, shown

# What the next answer is about.
TALKING, IDLE, RSET, MAIL, RCPT, DATA, FINAL, QUITTING, CLOSED = range(9)
STAGES: dict[int, Stage] = {RSET: "mail", MAIL: "mail", RCPT: "rcpt", DATA: "data", FINAL: "final"}

CODES = {str(code).encode(): code for code in range(200, 600)}
ACCEPTED = Accepted()

# Of an answer so much is kept for people to read.
KEPT_OF_ANSWER = 4000
# Lines of one answer, with the empty ones before it. To EHLO the longest real ones have 20.
MOST_LINES = 200
# Seconds that a route rests whose relay sent an answer without end.
ENDLESS = 300

# Anything that could end a command early or begin another one. Quoted local parts may hold spaces.
PLAIN = re.compile(r"[^\x00-\x20\x7f-\x9f<>\u2028\u2029\ud800-\udfff]+")
LONGEST_ADDRESS = 998  # characters: no line of SMTP holds more
QUOTED = re.compile(r'"[^\x00-\x1f\x7f-\x9f<>\u2028\u2029\ud800-\udfff]*"@' + PLAIN.pattern)
CODE = re.compile(rb"(?m)^\d{3}(?:[ -]|$)")
DOT_LINE = re.compile(rb"(?m)^\.")
# The answers to `content . MAIL RCPT DATA` in one piece, none of which says anything but yes.
ALL_WELL = re.compile(rb"(?:2\d\d[ \r][^\n]*\n){3}354[ \r][^\n]*\n")
LONE_END = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class SessionKeeper(Protocol):
    """Who owns the connections: see smtp.Carrier."""

    latency: float
    waits: bool  # For the answer to the final dot, before the next envelope is sent.
    copes: bool  # This server has answered a dot behind which an envelope followed.

    def going(self) -> bool: ...
    def take(self) -> Message | None: ...
    def finishing(self, message: Message) -> None: ...
    def accepted(self, message: Message, outcome: Outcome) -> None: ...
    def answered(
        self, session: "SmtpSession", message: Message, stage: Stage, outcome: Deferred | Refused, verdict: RouteVerdict
    ) -> None: ...
    def refuse(self, message: Message, outcome: Outcome) -> None: ...
    def condemn(self, verdict: RouteVerdict) -> None: ...
    def idle(self, session: "SmtpSession") -> bool: ...
    def lost(self, session: "SmtpSession", why: str) -> None: ...
    def broken(self, error: BaseException) -> None: ...


class SmtpSession(Narrow):
    """One connection. `current`: its dot is out, no answer yet. `coming`: its envelope is being answered."""

    transport: asyncio.Transport

    def __init__(self, server: SmtpServer) -> None:
        super().__init__()
        self.server = server
        self.keeper: SessionKeeper | None = None
        self.stage = TALKING
        self.talk: Stage = "banner"
        self.loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[tuple[int, str]] = self.loop.create_future()
        self.deaf = False
        self.tail = b""
        self.lines: list[bytes] = []
        self.size_of_answer = self.lines_of_answer = 0  # Since the last whole one.
        self.current: Message | None = None
        self.coming: Message | None = None
        self.kept: Message | None = None  # its dot was given to the transport, and surely never left it
        self.parting = False
        self.hung_up = False
        self.refusal: tuple[int, str] | None = None
        self.refused_at: Stage = "mail"
        self.group_size = 0
        self.reset_first = False
        self.deadline = self.block_until = self.sent_at = 0.0
        self.accepted = 0
        self.extensions: dict[str, str] = {}
        self.named = ""  # What the server calls itself.
        self.pipelining = self.eight_bit = self.utf8 = self.sizes = False
        self.size_limit = 0

    # Setting up

    async def open(self) -> None:
        """From the TCP connection to the point where MAIL may come. Raises Fault."""
        server = self.server
        await self.expect("banner", None, server.patience.banner)
        await self.hello()
        if server.encryption == "starttls":
            await self.encrypt()
            await self.hello()
        self.check_fingerprint()
        if server.route.user:
            await self.log_in()
        self.stage = IDLE

    async def hello(self) -> None:
        """EHLO, or HELO for a server from before 1995. What an earlier EHLO said is forgotten (RFC 3207
        section 4.2).
        """
        self.extensions = {}
        name = self.server.helo or self.own_address()
        code, text = await self.ask("ehlo", f"EHLO {name}", self.server.patience.command)
        if code in (500, 502, 504):
            code, text = await self.ask("ehlo", f"HELO {name}", self.server.patience.command)
            text = text.partition("\n")[0]
        if not 200 <= code < 300:
            raise self.unwelcome("ehlo", code, text)
        self.read_extensions(text)

    def own_address(self) -> str:
        """RFC 5321 section 4.1.3: without a name, the address in brackets."""
        name = self.transport.get_extra_info("sockname") or ("127.0.0.1",)
        host = str(name[0]).partition("%")[0]
        return f"[IPv6:{host}]" if ":" in host else f"[{host}]"

    def read_extensions(self, text: str) -> None:
        first, *offers = text.split("\n")
        self.named = first.strip().partition(" ")[0]
        for line in offers:
            word, _, rest = line.strip().replace("=", " ", 1).partition(" ")
            self.extensions[word.upper()] = rest.strip()
        offered = self.extensions
        self.pipelining = "PIPELINING" in offered
        self.eight_bit = "8BITMIME" in offered
        self.utf8 = "SMTPUTF8" in offered
        self.sizes = "SIZE" in offered
        size = offered.get("SIZE", "")
        self.size_limit = int(size[:18]) if size.isascii() and size.isdecimal() else 0

    async def encrypt(self) -> None:
        """STARTTLS. Whatever came in plain after its answer is dropped: it was not under TLS, so nobody
        vouches for it.
        """
        if "STARTTLS" not in self.extensions:
            raise self.server.fault("dead", "no_starttls")
        code, text = await self.ask("starttls", "STARTTLS", self.server.patience.command)
        if code != 220:
            self.deaf = False
            raise self.server.fault("throttled", "tls", 300, detail=reply_text(code, text))
        self.size_of_answer = self.lines_of_answer = 0
        self.tail = b""
        self.lines = []
        context = self.server.context
        assert context is not None
        upgraded = await self.loop.start_tls(
            self.transport,
            self,
            context,
            server_hostname=self.server.host,
            ssl_handshake_timeout=self.server.patience.connect,
        )
        if upgraded is None:
            raise self.server.fault("throttled", "hung_up", 60, detail="STARTTLS")
        self.transport = upgraded
        self.deaf = False

    def check_fingerprint(self) -> None:
        if not self.server.fingerprint:
            return
        tls = self.transport.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True) if tls else b""
        fingerprint = hashlib.sha256(der or b"").hexdigest()
        if fingerprint != self.server.fingerprint:
            raise self.server.fault("dead", "fingerprint", detail=shown(fingerprint))

    async def log_in(self) -> None:
        """AUTH PLAIN (RFC 4616), else LOGIN by custom. XOAUTH2 alone where passwords are access tokens."""
        route = self.server.route
        methods = self.extensions.get("AUTH", "").upper().split()
        if self.server.token is not None:
            code, text = await self.show_token(self.server.token, methods)
        elif "PLAIN" in methods:
            first = f"\0{route.user}\0{route.password}"
            code, text = await self.ask("auth", f"AUTH PLAIN {encoded(first)}", self.server.patience.command)
            if code == 334:  # a server that wants to be asked twice
                code, text = await self.ask("auth", encoded(first), self.server.patience.command)
        elif "LOGIN" in methods:
            code, text = await self.ask("auth", "AUTH LOGIN", self.server.patience.command)
            for part in (route.user, route.password):
                if code == 334:
                    code, text = await self.ask("auth", encoded(part), self.server.patience.command)
        else:
            raise self.server.fault("dead", "login_not_offered")
        if not 200 <= code < 300:
            raise self.unwelcome("auth", code, text)

    async def show_token(self, tokens: TokenSource, methods: list[str]) -> tuple[int, str]:
        """AUTH XOAUTH2. One that is refused is described first, and the answer to that is empty."""
        if "XOAUTH2" not in methods:
            raise self.server.fault("dead", "no_xoauth2")
        token = await tokens.token()
        command = f"AUTH XOAUTH2 {tokens.response(token)}"
        code, text = await self.ask("auth", command, self.server.patience.command)
        if code == 334:
            code, text = await self.ask("auth", "", self.server.patience.command)
        if not 200 <= code < 300:
            tokens.refused()
        return code, text

    async def expect(self, stage: Stage, command: str | None, seconds: float) -> None:
        code, text = await self.ask(stage, command, seconds)
        if not 200 <= code < 300:
            raise self.unwelcome(stage, code, text)

    async def ask(self, stage: Stage, command: str | None, seconds: float) -> tuple[int, str]:
        """Send a command, wait for its answer. Code 0: it was no answer of SMTP."""
        self.talk = stage
        if command is not None:
            if self.stage == CLOSED:
                raise self.server.fault("throttled", "hung_up", 60, detail=stage)
            self.answer = self.loop.create_future()
            self.transport.write(command.encode() + b"\r\n")
        try:
            async with asyncio.timeout(seconds):
                return await self.answer
        except TimeoutError:
            raise self.server.fault("throttled", "silent", 60, detail=f"{stage}, {seconds:g} s") from None

    def unwelcome(self, stage: Stage, code: int, text: str) -> SmtpFault:
        """An answer while setting up that was no yes."""
        answer = reply_text(code, text.replace("\n", " "))
        if not 400 <= code < 600:
            reason = "not_smtp" if stage == "banner" else "bad_answer"
            return self.server.fault("dead" if stage == "banner" else "throttled", reason, 300, answer=answer)
        _, verdict = judge(stage, code, text.replace("\n", " "))
        if verdict.state == "ok":
            verdict = RouteVerdict("throttled", "busy", {}, verdict.wait or 60)
        return SmtpFault(self.server.verdict(verdict, answer=answer))

    # What comes in

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.deaf or self.stage == CLOSED:
            return
        begun = self.tail or self.size_of_answer  # Of an answer that is not whole yet.
        if self.stage == FINAL and self.coming is not None and not begun and ALL_WELL.fullmatch(data):
            self.all_well()
            return
        lines = (self.tail + data if self.tail else data).split(b"\n")
        self.tail = lines.pop()
        try:
            for line in lines:
                # A lone line of an ordinary answer, which is nearly every line there is.
                code = CODES.get(line[:3], 0)
                if code and line[3:4] in b" \r" and not self.size_of_answer:
                    self.answered(code, line)
                else:
                    self.odd_line(code, line)
            if len(self.tail) > KEPT_OF_ANSWER:
                self.size_of_answer += len(self.tail) - KEPT_OF_ANSWER
                self.tail = self.tail[:KEPT_OF_ANSWER]
                self.check_size()
        except Exception as error:
            self.break_off(error)

    def all_well(self) -> None:
        """The message was taken, and the next one may come: the same steps as one by one, a microsecond sooner."""
        try:
            self.final_answered(250, b"")
            if self.stage == MAIL:
                self.data_answered(354, b"")
        except Exception as error:
            self.break_off(error)

    def odd_line(self, code: int, line: bytes) -> None:
        """A line of an answer of several lines, or one that is no answer at all."""
        line = line.rstrip(b"\r")
        if self.stage == CLOSED or self.deaf:
            return
        self.size_of_answer += len(line) + 2
        self.lines_of_answer += 1
        if not line:
            self.check_size()
            return  # a gap
        if line[3:4] not in b" -":
            code = 0  # 550 and a letter, a digit or a no-break space is no code
        began = bool(self.lines)
        if self.size_of_answer < KEPT_OF_ANSWER or not began:
            self.lines.append(line[:KEPT_OF_ANSWER])
        if self.check_size() or (code and line[3:4] == b"-"):
            return
        if not code and line[:3].isdigit() and line[3:4] in (b"", b" "):
            code = int(line[:3])  # 999 or 042: a code, though none we know
        elif not code and began and self.lines[0][:3] in CODES:
            return  # a line without code inside of an answer that began well
        joined = b"\n".join(self.lines)
        self.lines = []
        self.size_of_answer = self.lines_of_answer = 0
        self.answered(code, joined)

    def check_size(self) -> bool:
        """An answer without end: leave, and let the route rest."""
        if self.size_of_answer <= LONGEST_ANSWER and self.lines_of_answer <= MOST_LINES:
            return False
        self.leave_for_good("an answer without end")
        return True

    def leave_for_good(self, why: str) -> None:
        """What this relay does costs the letters of all others time or memory."""
        fault = self.server.fault("throttled", "endless_answer", ENDLESS, detail=why)
        if self.keeper is not None:
            self.keeper.condemn(fault.verdict)
        elif not self.answer.done():
            self.answer.set_exception(fault)
            self.answer.exception()  # nobody may be waiting; that is no surprise
        self.leave(why)

    def answered(self, code: int, line: bytes) -> None:
        """One whole answer. The order of the branches is their frequency."""
        stage = self.stage
        if stage == FINAL:
            self.final_answered(code, line)
        elif stage == MAIL:
            if not 200 <= code < 300 and self.note_refusal("mail", code, line):
                return
            self.stage = RCPT
            if not self.pipelining:
                self.next_command(b"RCPT TO:<%b>\r\n")
        elif stage == RCPT:
            if not 200 <= code < 300 and self.refusal is None and self.note_refusal("rcpt", code, line):
                return
            self.stage = DATA
            if not self.pipelining:
                self.next_command(b"DATA\r\n")
        elif stage == DATA:
            self.data_answered(code, line)
        elif stage == RSET:
            if code == 421 and self.note_refusal("mail", code, line):
                return
            self.stage = MAIL
            if not self.pipelining:
                self.write_mail()
        elif stage == TALKING:
            self.give_answer(code, readable(line))
        elif stage == QUITTING:
            self.leave("")
        elif stage == IDLE:
            self.leave(reply_text(code, readable(line)))

    def give_answer(self, code: int, text: str) -> None:
        if self.talk == "starttls" and code == 220:
            self.deaf = True
        if not self.answer.done():
            self.answer.set_result((code, text))

    # One message after the other

    def begin(self) -> None:
        """Setting up is done: take the first message."""
        self.stage = IDLE
        try:
            self.go_on()
        except Exception as error:
            self.break_off(error)

    def go_on(self) -> None:
        """Nothing is under way in this connection: take a message, or wait, or say goodbye."""
        assert self.keeper is not None
        if self.stage == CLOSED:
            return
        message = self.take()
        if message is None:
            self.stage = IDLE
            self.deadline = 0.0
            if not self.keeper.idle(self):
                self.quit()
            return
        self.coming = message
        self.refusal = None
        self.deadline = self.loop.time() + self.server.patience.command
        self.stage = MAIL
        if self.reset_first:
            self.reset_first = False
            self.stage = RSET
            if not self.pipelining:
                self.transport.write(b"RSET\r\n")
                return
            self.transport.write(b"RSET\r\n" + self.group(message))
        elif self.pipelining:
            self.transport.write(self.group(message))
        else:
            self.write_mail()

    def take(self) -> Message | None:
        """The next message that this server can be given at all. The others are refused, each alone."""
        assert self.keeper is not None
        while (message := self.keeper.take()) is not None:
            outcome = self.unfit(message)
            if outcome is None:
                return message
            self.keeper.refuse(message, outcome)
        return None

    def unfit(self, message: Message) -> Refused | None:
        """Why this message cannot go through this server."""
        sender, recipient = message.sender, message.recipient
        if not (recipient and PLAIN.fullmatch(sender + recipient)) and not (
            is_path(sender or "@") and is_path(recipient)
        ):
            return Refused(553, "An address holds characters that no address can hold.", "message", "unmakeable")
        if self.size_limit and len(message.content) > self.size_limit:
            return Refused(552, f"The relay takes at most {self.size_limit} bytes.", "message", "size")
        if not self.utf8 and needs_utf8(message):
            return Refused(553, "The relay takes no addresses or headers in UTF-8 (SMTPUTF8).", "message", "utf8")
        if not self.eight_bit and not message.compiled and not message.content.isascii():
            return Refused(554, "The relay takes no 8-bit content (8BITMIME).", "message", "content")
        return None

    def mail_command(self, message: Message) -> str:
        parameters = f" SIZE={len(message.content)}" if self.sizes else ""
        if self.utf8 and needs_utf8(message):
            parameters += " SMTPUTF8"
        if self.eight_bit and not (message.compiled and not message.utf8) and not message.content.isascii():
            parameters += " BODY=8BITMIME"
        return f"MAIL FROM:<{message.sender}>{parameters}\r\n"

    def group(self, message: Message) -> bytes:
        """The envelope as one group of commands."""
        return f"{self.mail_command(message)}RCPT TO:<{message.recipient}>\r\nDATA\r\n".encode()

    def write_mail(self) -> None:
        assert self.coming is not None
        self.transport.write(self.mail_command(self.coming).encode())

    def next_command(self, command: bytes) -> None:
        """Without PIPELINING: the next command, unless the last one was refused."""
        if self.refusal is not None:
            self.refused()
            return
        assert self.coming is not None
        if b"%b" in command:
            command = command % self.coming.recipient.encode()
        patience = self.server.patience
        self.deadline = self.loop.time() + (patience.data if self.stage == DATA else patience.command)
        self.transport.write(command)

    def note_refusal(self, stage: Stage, code: int, line: bytes) -> bool:
        """True: that was the end of the connection."""
        self.refusal = (code, readable(line))
        self.refused_at = stage
        if not code or self.is_spent(stage, *self.refusal):
            # It hangs up, or what it says is not SMTP: answers that follow would not be about what we think.
            self.refused()
            return True
        return False

    def data_answered(self, code: int, line: bytes) -> None:
        assert self.keeper is not None
        if code == 354 and self.refusal is None:
            if self.keeper.going():
                self.finish()
            else:
                self.leave("the route goes down")
        elif code == 354:
            # RFC 2920 section 3.1: every recipient was refused, and yet DATA was taken: end it with a lone
            # dot.
            if self.settle_refused():
                self.transport.write(b".\r\n")
                self.stage = FINAL
                self.deadline = self.loop.time() + self.server.patience.final
        elif self.refusal is not None or not self.note_refusal("data", code, line):
            self.refused()

    def refused(self) -> None:
        """The coming message was refused, and no content is waited for: go on with the next."""
        # When MAIL was taken a transaction is still open, and the next MAIL would be "nested".
        self.reset_first = self.refused_at != "mail"
        if self.settle_refused():
            self.go_on()

    def settle_refused(self) -> bool:
        """Tell what was refused before any of it was handed over. False: the connection is at its end."""
        assert self.refusal is not None and self.coming is not None
        message, self.coming = self.coming, None
        code, text = self.refusal
        self.settle(message, self.refused_at, code, text)
        return self.stage != CLOSED

    def finish(self) -> None:
        """The hot spot: end this message and send the envelope of the next in one write."""
        keeper = self.keeper
        message = self.coming
        assert keeper is not None and message is not None
        content = message.content if message.compiled else made_fit(message.content)
        following = self.take() if self.pipelining and not keeper.waits else None
        group = b".\r\n" if following is None else b".\r\n" + self.group(following)
        try:
            keeper.finishing(message)
        except BaseException:
            # It was not written down, so it is not handed over.
            if following is not None:
                keeper.refuse(following, Deferred(0, "", "route", "route"))
            raise
        self.current = message
        self.coming = following
        self.refusal = None
        self.stage = FINAL
        self.group_size = len(group) - 3
        now = self.loop.time()
        self.sent_at = now
        self.deadline = now + self.server.patience.final
        # One copy of 36 kB and one send() cost less than a vector of two (30 against 33 us a message).
        self.transport.write(content + group)

    def final_answered(self, code: int, line: bytes) -> None:
        message = self.current
        keeper = self.keeper
        assert keeper is not None
        if 200 <= code < 300 and message is not None and self.surely_kept():
            # A relay that says yes beforehand and reads nothing would have a whole campaign in our memory.
            self.leave_for_good("a yes to what it has not read")
            return
        self.current = None
        now = self.loop.time()
        if message is None:
            # The answer to a lone dot: what it says about nothing does not matter, unless it hangs up.
            if code == 421:
                self.leave(reply_text(code, readable(line)))
        elif 200 <= code < 300:
            self.accepted += 1
            if self.group_size:
                keeper.copes = True
            if now - self.sent_at < keeper.latency:
                keeper.latency = now - self.sent_at
            keeper.accepted(message, ACCEPTED)
        else:
            self.settle(message, "final", code, readable(line))
        if self.stage == CLOSED:
            return
        if self.coming is None:
            self.go_on()
        else:
            self.stage = MAIL
            self.deadline = now + self.server.patience.command

    def settle(self, message: Message, stage: Stage, code: int, text: str) -> None:
        """An answer that was no yes. After a 421, or one that is none, the connection is left."""
        assert self.keeper is not None
        plain = text.replace("\n", " ")
        outcome, verdict = judge(stage, code, plain)
        if not isinstance(outcome, Deferred | Refused):  # 2yz or 3yz where it is no answer
            outcome = Deferred(code, plain, "route", "bad_answer")
        outcome = replace(outcome, text=scrub(plain, message.recipient))
        verdict = self.server.verdict(verdict, answer=reply_text(code, outcome.text))
        self.keeper.answered(self, message, stage, outcome, verdict)
        if self.is_spent(stage, code, plain) or not 400 <= code < 600:
            self.leave(reply_text(code, outcome.text))

    def is_spent(self, stage: Stage, code: int, text: str) -> bool:
        """Does the server want a new connection? With 421 (RFC 5321, 4.2.2) it hangs up. OpenSMTPD doesn't: it says
        452 4.5.3 to the 1,001st MAIL of a session, and to all that follow.
        """
        enough = stage == "mail" and code == 452 and text.startswith("4.5.3") and self.accepted > 0
        return code == 421 or enough

    # The end

    def quit(self) -> None:
        """Say goodbye; does not wait for long."""
        if self.stage == CLOSED:
            return
        self.parting = True
        self.stage = QUITTING
        self.deadline = self.loop.time() + self.server.patience.quit
        self.transport.write(b"QUIT\r\n")

    def check_time(self, now: float) -> None:
        """Called now and then by the keeper: an answer that is overdue ends the connection."""
        blocked = self.current is not None and now > self.sent_at + self.server.patience.block
        if blocked and self.surely_kept():
            self.leave("it reads no more")
        elif self.deadline and now > self.deadline:
            self.leave("no answer in time")

    def surely_kept(self) -> bool:
        """Did the final dot certainly not leave this process? Then the server cannot have the message."""
        return self.transport.get_write_buffer_size() > self.group_size

    def died_behind_dot(self) -> bool:
        """Did the server hang up instead of answering a dot behind which an envelope followed?"""
        return self.hung_up and self.current is not None and self.group_size > 0

    def leave(self, why: str) -> None:
        """Close now. What was under way is settled by the keeper."""
        if self.stage == CLOSED:
            return
        kept = self.current is not None and self.surely_kept()
        politely = self.stage in (QUITTING, IDLE)
        self.stage = CLOSED
        if politely:
            self.transport.close()
        else:
            self.transport.abort()
        if kept:
            self.kept, self.current = self.current, None
        if self.keeper is not None:
            self.keeper.lost(self, why)

    def break_off(self, error: Exception) -> None:
        """The feed's side failed, or we did: never lose what is under way, and say so to whoever waits."""
        keeper = self.keeper
        if keeper is None:
            self.stage = CLOSED
            self.transport.abort()
            if not self.answer.done():
                self.answer.set_exception(error)
            return
        keeper.broken(error)
        self.leave("")

    def connection_lost(self, error: Exception | None) -> None:
        if self.stage == CLOSED:
            return
        if self.stage == TALKING:
            self.stage = CLOSED
            if not self.answer.done():
                fault = self.server.fault("throttled", "hung_up", 60, detail=self.talk)
                self.answer.set_exception(fault)
                self.answer.exception()  # nobody may be waiting; that is no surprise
            return
        self.hung_up = True
        self.leave("it hung up" if error is None else "the connection broke")


def is_path(address: str) -> bool:
    return len(address) <= LONGEST_ADDRESS and bool(PLAIN.fullmatch(address) or QUOTED.fullmatch(address))


def needs_utf8(message: Message) -> bool:
    return message.utf8 or not (message.recipient.isascii() and message.sender.isascii())


def made_fit(content: bytes) -> bytes:
    """Content that was not compiled: whole lines with CRLF, dots stuffed (RFC 5321 section 4.5.2)."""
    if LONE_END.search(content):
        content = LONE_END.sub(b"\r\n", content)
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    return DOT_LINE.sub(b"..", content)


def readable(answer: bytes) -> str:
    """An answer as text without its codes. Servers also answer in Latin-1 or KOI8-R: what we cannot read
    becomes ?.
    """
    plain = CODE.sub(b"", answer[:KEPT_OF_ANSWER]).replace(b"\r", b"")
    return plain.decode("utf-8", "replace").replace("\N{REPLACEMENT CHARACTER}", "?")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
