"""The way out by Mailgun's interface: the letter as we made it, over HTTPS. For networks that let no mail out.

    mailgun://KEY@example.org?region=eu     POST https://api.eu.mailgun.net/v3/example.org/messages.mime

The domain is the sending domain as Mailgun knows it. Mailgun is told to leave our links alone and to count no openings.
Bounces go to Mailgun and not to the return address: it writes an envelope of its own.
"""

import base64
import secrets
from collections.abc import Callable
from dataclasses import replace

from samizdat.core.mail.outcome import OK, Outcome, RouteVerdict
from samizdat.transports.base import (
    HOST,
    BadRoute,
    Message,
    MessageFeed,
    RouteField,
    RouteKind,
    RouteProvider,
    RouteSettings,
    is_one_address,
)
from samizdat.transports.crew import ConnectionCrew, ConnectionLost, unmakeable
from samizdat.transports.http import Endpoint, HttpPool, HttpReply, no_finishing, read_endpoint
from samizdat.transports.http_api import HttpApi, document
from samizdat.transports.smtp_client.server import make_context

HOSTS = {"us": "api.mailgun.net", "eu": "api.eu.mailgun.net"}


class MailgunTransport(HttpApi):
    """Mailgun's raw-MIME interface."""

    name = "mailgun"
    kinds = (
        RouteKind(
            "mailgun://KEY@example.org?region=eu", "Mailgun over HTTPS, for networks where mail ports are blocked"
        ),
    )
    providers = (
        RouteProvider(
            "mailgun",
            "Mailgun",
            "mailgun://KEY@example.org?region=eu",
            "Sends over HTTPS, so it also works where mail ports are blocked.",
        ),
    )
    keyed = True
    asks = (
        RouteField("host", "As shown in Mailgun, like lantern.example.", label="Sending domain", required=True),
        RouteField("key", "Use a sending key.", label="Key", secret=True),
        RouteField(
            "region",
            "As Mailgun shows it next to the domain.",
            default="us",
            label="Region",
            required=True,
            choices={"us": "US", "eu": "EU"},
        ),
        RouteField("timeout", "Longest wait for an answer, in seconds", default="60"),
        RouteField("connect", "Longest wait for a connection, in seconds", default="30"),
        RouteField("drain", "Seconds to finish emails under way when the route stops working", default="5"),
        RouteField("endpoint", "Another https:// address instead of Mailgun’s own"),
    )
    known_options = ("region", "timeout", "connect", "drain", "endpoint")

    def __init__(self, route: RouteSettings) -> None:
        super().__init__(route)
        region = route.options.get("region", "us").lower()
        if region not in HOSTS:
            raise BadRoute("bad_region")
        if not HOST.fullmatch(route.host) or "." not in route.host or route.port or route.path not in ("", "/"):
            raise BadRoute("bad_domain", scheme=route.scheme)
        if not route.password:
            raise BadRoute("no_key", scheme=route.scheme)
        endpoint = route.options.get("endpoint", "")
        self.place = read_endpoint(endpoint) if endpoint else Endpoint(HOSTS[region], 443, make_context("", ""))
        self.connect = route.number("connect", 30.0)
        self.timeout = route.number("timeout", 60.0)
        self.drain = route.number("drain", 5.0)
        self.path = f"/v3/{route.host}/messages.mime"
        # Nobody can know it, so no letter can hold it.
        self.boundary = secrets.token_hex(24)

    async def carry(self, feed: MessageFeed) -> None:
        """Carry everything the feed gives. Raises RouteDown."""
        pool = HttpPool(self.place, self.connect, self.timeout, self.route.inside)

        async def hand_over(message: Message, finishing: Callable[[], None]) -> tuple[Outcome, RouteVerdict]:
            if not is_one_address(message.recipient):
                return unmakeable()
            start, end = self.form(message.recipient, message.content)
            return self.read(await pool.post(self.path, self.headers(), start, end, finishing), message.recipient)

        try:
            await ConnectionCrew(feed, self.place.name, self.route.connections, self.drain, hand_over).run()
        finally:
            pool.close()

    async def probe(self) -> RouteVerdict:
        """A letter to nobody: whoever may send is told that the recipient is missing, and nothing is sent.

        Looking at the domain would say more, but a key that may only send is not allowed to.
        """
        pool = HttpPool(self.place, self.connect, self.timeout, self.route.inside)
        start, end = self.form("", b"Subject: test\r\n\r\n")
        try:
            answer = await pool.post(self.path, self.headers(), start, end, no_finishing)
        except ConnectionLost as lost:
            return lost.verdict
        finally:
            pool.close()
        values = {"host": self.place.name}
        if answer.status in (400, 422) and isinstance(document(answer), dict):
            return replace(OK, values=values)
        _, verdict = self.read(answer, "")
        return replace(verdict, values={**values, **verdict.values})

    async def standing(self) -> RouteVerdict | None:
        """The state of the sending domain. A key that may only send is not told; then nobody knows more than before."""
        pool = HttpPool(self.place, self.connect, self.timeout, self.route.inside)
        try:
            for version in ("v4", "v3"):
                answer = await pool.get(f"/{version}/domains/{self.route.host}", self.authorization())
                if answer.status != 404:
                    return self.read_state(answer)
        except ConnectionLost:
            return None
        finally:
            pool.close()
        return None

    def read_state(self, answer: HttpReply) -> RouteVerdict | None:
        """What `state` says: active, unverified or disabled. None for any other answer."""
        payload = document(answer)
        domain = payload.get("domain") if answer.status == 200 and isinstance(payload, dict) else None
        state = domain.get("state") if isinstance(domain, dict) else None
        values = {"host": self.place.name, "answer": f"{self.route.host}: {state}"}
        if state == "active":
            return replace(OK, values=values)
        if state == "disabled":
            return RouteVerdict("dead", "suspended", values, early=True)
        return RouteVerdict("config", "sender", values) if state == "unverified" else None

    def authorization(self) -> dict[str, str]:
        secret = base64.b64encode(f"api:{self.route.password}".encode()).decode()
        return {"Authorization": f"Basic {secret}"}

    def headers(self) -> dict[str, str]:
        return self.authorization() | {"Content-Type": f"multipart/form-data; boundary={self.boundary}"}

    def form(self, recipient: str, content: bytes) -> tuple[bytes, bytes]:
        """The body in two parts; without the second it is no letter yet."""
        field = f"--{self.boundary}\r\nContent-Disposition: form-data; name="
        to = f'{field}"to"\r\n\r\n{recipient}\r\n' if recipient else ""
        head = (
            f'{to}{field}"o:tracking"\r\n\r\nno\r\n'
            f'{field}"message"; filename="letter.eml"\r\nContent-Type: application/octet-stream\r\n\r\n'
        )
        return head.encode() + content, f"\r\n--{self.boundary}--\r\n".encode()
