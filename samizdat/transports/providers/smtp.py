"""The way out by SMTP: any relay that takes a user name and a password, or one inside the house.

`smtp://` demands STARTTLS, `smtps://` is TLS from the first byte, `smtp+plain://` sends in the clear and says
so in its name, `smtp+oauth://` demands STARTTLS and shows an access token instead of a password. One connection
is `session.SmtpSession`; here is who opens them, how many, and what becomes of their messages.
"""

import asyncio
import contextlib
from collections import deque
from dataclasses import replace
from typing import ClassVar, cast

from samizdat.core.mail.outcome import OK, Deferred, Outcome, Refused, RouteVerdict, Stage, Unsure
from samizdat.core.mail.rate import connections_for
from samizdat.transports import base
from samizdat.transports.base import (
    BadRoute,
    Message,
    MessageFeed,
    OutcomeReporter,
    RouteDown,
    RouteField,
    RouteKind,
    RouteProvider,
    RouteSettings,
)
from samizdat.transports.oauth import ASKS as OAUTH_ASKS
from samizdat.transports.oauth import OPTIONS as OAUTH_OPTIONS
from samizdat.transports.oauth import OAuthClient, access_token, forget_token, read_client, xoauth2
from samizdat.transports.smtp_client.connect import connect
from samizdat.transports.smtp_client.server import SmtpFault, SmtpServer, read_server
from samizdat.transports.smtp_client.session import FINAL, RSET, SmtpSession

# How often time-outs are looked at and connections are added, in seconds. At 20 ms a answer it takes six
# looks to reach 50 connections.
TICK = 0.05

# A connection more than the relay wants is tried again after so many seconds.
CROWDED = 30.0

# Connections in a row that ended without a single message accepted, until the route is down.
FRUITLESS = 3

# A message whose connection was lost before hand-over gets another one so often; one that kills each server
# it meets must not go round for ever.
LOSSES = 1


class SmtpTransport(base.Transport):
    """SMTP with or without TLS."""

    name = "smtp"
    kinds: ClassVar[tuple[RouteKind, ...]] = (
        RouteKind("smtp://user:password@host:587", "SMTP with STARTTLS (usually port 587)"),
        RouteKind("smtps://user:password@host:465", "SMTP with TLS from the start (usually port 465)"),
        RouteKind("smtp+plain://host:25", "SMTP without TLS (only on this server or inside a tunnel)"),
    )
    providers: ClassVar[tuple[RouteProvider, ...]] = (
        RouteProvider(
            "ses",
            "Amazon SES",
            "smtp://USER:PASSWORD@email-smtp.eu-central-1.amazonaws.com:587",
            "Create SMTP credentials in the SES console. Change the host if your region is another one.",
            signs=False,
        ),
        RouteProvider(
            "brevo",
            "Brevo",
            "smtp://LOGIN:KEY@smtp-relay.brevo.com:587",
            "The user name is the SMTP login, the password an SMTP key. An API key doesn’t work here.",
        ),
        RouteProvider(
            "mailjet",
            "Mailjet",
            "smtp://KEY:SECRET@in-v3.mailjet.com:587",
            "The user name is the API key, the password the secret key.",
        ),
        RouteProvider(
            "postmark",
            "Postmark",
            "smtp://ACCESS:SECRET@smtp-broadcasts.postmarkapp.com:587",
            "Use the SMTP token of a broadcast stream: access key and secret key.",
        ),
        RouteProvider(
            "sendgrid",
            "SendGrid",
            "smtp://apikey:KEY@smtp.sendgrid.net:587",
            "The user name is the word “apikey”, the password an API key that may send mail.",
        ),
        RouteProvider(
            "smtp2go",
            "SMTP2GO",
            "smtp://USER:PASSWORD@mail.smtp2go.com:587",
            "Create an SMTP user there. If your network blocks port 587, use 2525.",
        ),
    )
    asks: ClassVar[tuple[RouteField, ...]] = (
        RouteField("host", "As your provider gives them, like mail.example:587.", label="Host and port", required=True),
        RouteField("user", "If the server requires one.", label="User name"),
        RouteField("password", "If the server requires one.", label="Password", secret=True),
        RouteField("timeout", "Longest wait for an answer, in seconds", default="600"),
        RouteField("connect", "Longest wait for a connection, in seconds", default="30"),
        RouteField("idle", "Seconds until an unused connection is closed", default="60"),
        RouteField("drain", "Seconds to finish emails under way when the route stops working", default="5"),
        RouteField("helo", "Our own host name in the SMTP greeting"),
        RouteField("ca", "A file of certificates to trust instead of those of the system"),
        RouteField("fingerprint", "SHA-256 of the only certificate to trust"),
    )
    known_options: ClassVar[tuple[str, ...]] = ("timeout", "connect", "idle", "drain", "helo", "ca", "fingerprint")

    def __init__(self, route: RouteSettings) -> None:
        super().__init__(route)
        self.server: SmtpServer = read_server(route)
        self.idle = route.number("idle", 60.0)
        self.drain = route.number("drain", 5.0)

    def check_new(self) -> None:
        """No password goes unencrypted to a foreign host."""
        if not self.server.encryption and self.route.password and not base.is_near(self.route.host):
            raise BadRoute("in_the_clear", host=self.route.host)

    async def carry(self, feed: MessageFeed) -> None:
        """Carry everything the feed gives. Raises RouteDown."""
        await SmtpCarrier(self, feed).run()

    async def probe(self) -> RouteVerdict:
        """Connect, encrypt, log in and leave. The values of a good verdict name host, what it calls itself, TLS version
        and extensions.
        """
        try:
            session = await connect(self.server)
        except SmtpFault as fault:
            return fault.verdict
        tls = session.transport.get_extra_info("ssl_object")
        session.quit()
        await asyncio.sleep(0)
        session.transport.close()
        version = tls.version() if tls else ""
        values = {"tls": version, "extensions": " ".join(session.extensions), "named": session.named}
        return self.server.verdict(OK, **values)


class OAuthTokens:
    """The access tokens of one route."""

    def __init__(self, client: OAuthClient, server: SmtpServer) -> None:
        self.client = client
        self.server = server

    async def token(self) -> str:
        try:
            return await access_token(self.client, self.server.route.inside, self.server.patience.connect)
        except RouteDown as down:
            raise SmtpFault(down.verdict) from None

    def response(self, token: str) -> str:
        return xoauth2(self.server.route.user, token)

    def refused(self) -> None:
        forget_token(self.client)


class OAuthSmtpTransport(SmtpTransport):
    """SMTP where the password is an access token: Microsoft 365, Gmail."""

    name = "smtp+oauth"
    kinds = (
        RouteKind(
            "smtp+oauth://user:secret@host:587?client=ID",
            "SMTP with OAuth 2.0 instead of a password (Microsoft 365, Gmail)",
        ),
    )
    providers = (
        RouteProvider(
            "gmail",
            "Gmail",
            "smtp+oauth://ADDRESS:SECRET@smtp.gmail.com:587?client=CLIENT",
            "The user name is the address of the mailbox. The client secret is followed by a space and the refresh "
            "token.",
        ),
        RouteProvider(
            "microsoft365",
            "Microsoft 365",
            "smtp+oauth://ADDRESS:SECRET@smtp.office365.com:587?tenant=TENANT&client=CLIENT",
            "The user name is the address of the mailbox. Register an application with the permission SMTP.SendAsApp.",
            signs=False,
        ),
    )
    asks = (
        RouteField("host", "As your provider gives them, like mail.example:587.", label="Host and port", required=True),
        RouteField("user", "The address of the mailbox.", label="User name", required=True),
        RouteField(
            "password",
            "Of your application. If you have a refresh token, add a space and the token.",
            label="Client secret",
            secret=True,
        ),
        *OAUTH_ASKS,
        *(ask for ask in SmtpTransport.asks if not ask.label),
    )
    known_options = (*OAUTH_OPTIONS, *SmtpTransport.known_options)

    def __init__(self, route: RouteSettings) -> None:
        super().__init__(route)
        if not route.user:
            raise BadRoute("no_mailbox")
        tokens = OAuthTokens(read_client(route.host, route.options, route.password, route.user), self.server)
        self.server = replace(self.server, token=tokens)


class SmtpCarrier:
    """One call of `carry`: its connections, and where each message is."""

    def __init__(self, transport: SmtpTransport, feed: MessageFeed) -> None:
        self.transport = transport
        self.server = transport.server
        self.feed = feed
        self.teller = OutcomeReporter(feed)
        self.finishing = feed.finishing
        self.accepted = self.teller.success
        self.loop = asyncio.get_running_loop()
        self.changed = asyncio.Event()
        self.again: deque[Message] = deque()
        self.losses: dict[int, tuple[Message, int]] = {}
        self.live: set[SmtpSession] = set()
        self.resting: dict[SmtpSession, float] = {}
        self.opening: set[asyncio.Task[None]] = set()
        self.asking: asyncio.Task[bool] | None = None
        self.verdict: RouteVerdict | None = None
        self.error: BaseException | None = None
        self.over = False
        self.dry = False
        self.latency = self.last_latency = 1e9
        self.window_until = 0.0
        self.seen = 0
        self.most = transport.route.connections
        self.crowded_until = 0.0
        self.fruitless = 0
        self.surplus = 0  # So many more are open than are ours now.
        self.not_before = 0.0
        self.waits = bool(getattr(feed, "waits", False))
        self.copes = False
        self.quiet_since: float | None = None

    # For the sessions

    def take(self) -> Message | None:
        if self.again:
            return self.again.popleft() if self.going() and self.surplus <= 0 else None
        if self.dry or self.surplus > 0 or self.verdict is not None or self.error is not None:
            return None
        message = self.feed.take()
        if message is None:
            self.dry = True
            self.changed.set()
        return message

    def going(self) -> bool:
        return self.verdict is None and self.error is None

    def refuse(self, message: Message, outcome: Outcome) -> None:
        """The message alone cannot be sent here."""
        self.feed.tell(message, outcome)

    def answered(
        self, session: SmtpSession, message: Message, stage: Stage, outcome: Deferred | Refused, verdict: RouteVerdict
    ) -> None:
        """A no, or a not yet."""
        spent = session.is_spent(stage, outcome.code, outcome.text)
        hands_on = stage != "final" and spent
        if hands_on and verdict.state in ("ok", "throttled") and self.lose(message, session):
            # The server ends the session, mostly because it took enough in this one. The message was not
            # looked at.
            if verdict.state == "throttled" and not session.accepted:
                self.condemn(verdict)
            return
        if verdict.state != "ok" and not (spent and session.accepted and verdict.state == "throttled"):
            self.feed.tell(message, outcome)
            self.condemn(verdict)
            return
        same = self.teller.tell(message, outcome)
        if same is not None:
            self.condemn(self.server.verdict(same))

    def idle(self, session: SmtpSession) -> bool:
        """The session has nothing to do. False: it may go."""
        if not self.going() or (self.over and not self.again):
            return False
        if self.surplus > 0:
            self.surplus -= 1
            return False
        self.resting[session] = self.loop.time()
        self.changed.set()
        return True

    def lost(self, session: SmtpSession, why: str) -> None:
        """The connection is gone. What had its final dot is unsure; the rest was surely not taken."""
        rested = self.resting.pop(session, None) is not None
        self.live.discard(session)
        had_work = session.current is not None or session.coming is not None or session.kept is not None
        for message in (session.kept, session.coming):
            if message is not None and not self.lose(message, session):
                self.feed.tell(message, Deferred(0, why, "route", "network"))
        if session.current is not None:
            died = not self.copes and session.died_behind_dot()
            if died:
                self.wait_from_now_on()
            self.feed.tell(session.current, Unsure(why or "the connection ended", for_person=died))
        session.current = session.coming = session.kept = None
        if session.accepted:
            self.fruitless = 0
        elif had_work or not (rested or session.parting):
            self.fruitless += 1
            self.not_before = self.loop.time() + 0.1 * 2**self.fruitless
            if self.fruitless >= FRUITLESS and self.going():
                self.condemn(self.server.verdict(RouteVerdict("throttled", "hung_up", {"detail": why}, 60)))
        self.changed.set()

    def wait_from_now_on(self) -> None:
        """This server was never seen to answer a dot behind which more followed, and it hung up instead. It may die of
        that, as Dovecot 2.4 does once it took the message: all of a campaign would be in doubt, and sent twice.
        """
        if not self.waits:
            self.waits = True
            tell = getattr(self.feed, "must_wait", None)
            if tell is not None:
                tell()

    def lose(self, message: Message, session: SmtpSession) -> bool:
        """Keep it for another connection. False: it was lost too often, or the route is going down."""
        if not self.going():
            return False
        if not session.accepted:
            # A connection that took others before ended for its own reasons; one that took none perhaps for
            # this.
            _, times = self.losses.pop(id(message), (message, 0))
            if times >= LOSSES:
                return False
            self.losses[id(message)] = (message, times + 1)
        self.again.append(message)
        self.changed.set()
        return True

    def broken(self, error: BaseException) -> None:
        """The feed raised. Everything is settled, and then it is raised again."""
        self.error = self.error or error
        self.changed.set()

    def condemn(self, verdict: RouteVerdict) -> None:
        """The route goes down: nothing is taken any more, what is under way is still waited for."""
        if self.verdict is None or (self.verdict.state == "throttled" and verdict.state != "throttled"):
            self.verdict = verdict
        self.teller.blame_route()
        self.changed.set()

    # The round

    async def run(self) -> None:
        try:
            while self.going() and not self.done():
                self.ask_more()
                self.wake()
                self.open_more()
                self.look_after()
                await self.pause()
            await self.finish()
        finally:
            await self.settle()
        if self.error is not None:
            raise self.error
        if self.verdict is not None:
            raise RouteDown(self.verdict)

    def done(self) -> bool:
        return self.over and not self.again and not self.busy()

    def busy(self) -> bool:
        return any(RSET <= session.stage <= FINAL for session in self.live)

    async def pause(self) -> None:
        self.changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TICK):
                await self.changed.wait()

    def ask_more(self) -> None:
        """Find out whether there is more. At the very beginning, before any connection, `take` is asked
        first.
        """
        if not self.live and not self.opening and not self.again and not self.dry:
            message = self.take()
            if message is not None:
                self.again.append(message)
        if self.asking is not None and self.asking.done():
            task, self.asking = self.asking, None
            self.over = not task.result()
            self.dry = self.over
        if self.dry and not self.over and self.asking is None:
            self.asking = asyncio.ensure_future(self.feed.more())
            self.asking.add_done_callback(lambda task: self.changed.set())

    def wake(self) -> None:
        """Give resting sessions what there is, or let them go."""
        if self.over and not self.again:
            for session in list(self.resting):
                self.resting.pop(session, None)
                session.quit()
        while self.resting and (self.again or not self.dry):
            session, _ = self.resting.popitem()
            session.begin()

    def open_more(self) -> None:
        """Add connections: one at first, later twice as many a tick, while all are busy and it pays."""
        now = self.loop.time()
        if self.resting or not (self.again or not self.dry) or now < self.not_before:
            return
        there = len(self.live) + len(self.opening)
        if there == 0:
            self.open_one()
            return
        if self.opening or self.teller.accepted == self.seen:
            return
        self.seen = self.teller.accepted
        latency = min(self.latency, self.last_latency)
        wanted = connections_for(self.transport.route.rate, latency, self.limit(now))
        for _ in range(min(there, wanted - there)):
            self.open_one()

    def limit(self, now: float) -> int:
        """As many as the route allows; fewer for a while when the relay wanted fewer."""
        if self.crowded_until and now > self.crowded_until:
            self.most = min(self.transport.route.connections, self.most + 1)
            self.crowded_until = now + CROWDED if self.most < self.transport.route.connections else 0.0
        return min(self.most, self.ours())

    def ours(self) -> int:
        """Of the route's connections those that this sender may open: the others hold the rest."""
        return getattr(self.feed, "connections", 0) or self.transport.route.connections

    def open_one(self) -> None:
        task = asyncio.ensure_future(self.open_session())
        self.opening.add(task)
        task.add_done_callback(self.opening.discard)

    async def open_session(self) -> None:
        try:
            session = await connect(self.server)
        except SmtpFault as fault:
            self.not_opened(fault.verdict)
            return
        finally:
            self.changed.set()
        if not self.going():
            session.quit()
            session.transport.close()
            return
        session.keeper = self
        self.opening.discard(cast("asyncio.Task[None]", asyncio.current_task()))  # or it would count twice
        self.live.add(session)
        session.begin()

    def not_opened(self, verdict: RouteVerdict) -> None:
        """While others live, one that cannot be opened only means fewer. If none lives, the route is down."""
        if self.live:
            self.most = max(1, len(self.live))
            self.crowded_until = self.loop.time() + CROWDED
        elif len(self.opening) <= 1:
            self.condemn(verdict)

    def look_after(self) -> None:
        """Time-outs, idle connections, the smallest latency of the last second, and refusals held long
        enough.
        """
        now = self.loop.time()
        self.waits = self.waits or bool(getattr(self.feed, "waits", False))
        self.surplus = len(self.live) + len(self.opening) - self.ours()
        for session in list(self.live):
            session.check_time(now)
        for session, since in list(self.resting.items()):
            if now - since > self.transport.idle or self.surplus > 0:
                self.surplus -= self.surplus > 0
                del self.resting[session]
                session.quit()
        if now > self.window_until:
            self.window_until = now + 1.0
            self.last_latency, self.latency = self.latency, 1e9
        if self.busy() or self.again or self.opening:
            self.quiet_since = None
        elif self.quiet_since is None:
            self.quiet_since = now
        elif self.teller.held and now - self.quiet_since > 1.0:
            self.teller.release()

    # The end

    async def finish(self) -> None:
        """Wait for what is under way: without limit but the sessions' own when all is well, shortly when not."""
        if self.going():
            self.teller.release()
        for session in list(self.resting):
            self.resting.pop(session, None)
            session.quit()
        until = self.loop.time() + self.transport.drain
        while self.unanswered() and self.loop.time() < until:
            self.look_after()
            await self.pause()
        goodbye = self.loop.time() + min(1.0, self.server.patience.quit)
        while self.going() and self.live and self.loop.time() < goodbye:
            await self.pause()

    def unanswered(self) -> bool:
        return any(session.current is not None for session in self.live)

    async def settle(self) -> None:
        """Nothing is left without an outcome, whatever happened."""
        tasks = [*self.opening, *([self.asking] if self.asking is not None else [])]
        for task in tasks:
            task.cancel()
        for session in list(self.live):
            session.leave("stopped before the answer came")
        while self.again:
            self.feed.tell(self.again.popleft(), Deferred(0, "", "route", "route"))
        if self.verdict is None:
            self.teller.release()
        else:
            self.teller.blame_route()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
