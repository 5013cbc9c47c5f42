"""An SMTP server as a route's settings name it: where it is, how it is spoken to, which certificate is trusted."""

import re
import socket
import ssl
from dataclasses import dataclass, fields, replace
from typing import Protocol

from samizdat.core.mail.outcome import RouteState, RouteVerdict
from samizdat.transports.base import BadRoute, RouteSettings


class SmtpFault(Exception):
    """Setting up failed; the verdict says why."""

    def __init__(self, verdict: RouteVerdict) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


@dataclass(frozen=True)
class Timeouts:
    """Seconds to wait for each answer: RFC 5321 section 4.5.3.2, the final dot 10 minutes."""

    connect: float = 30.0
    banner: float = 300.0
    command: float = 300.0
    data: float = 120.0
    block: float = 180.0
    final: float = 600.0
    quit: float = 2.0

    def at_most(self, seconds: float) -> "Timeouts":
        """The same, no part longer than this."""
        return Timeouts(*(min(seconds, getattr(self, part.name)) for part in fields(self)))


class TokenSource(Protocol):
    """Where the access tokens of a route come from that has no password."""

    async def token(self) -> str:
        """Errors: SmtpFault."""

    def response(self, token: str) -> str:
        """What follows AUTH XOAUTH2."""

    def refused(self) -> None:
        """The mail server does not take it."""


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where and how to connect: a route's settings, read once."""

    route: RouteSettings
    host: str
    port: int
    encryption: str  # "", "starttls" or "implicit"
    patience: Timeouts
    context: ssl.SSLContext | None
    fingerprint: str
    helo: str
    token: TokenSource | None = None

    @property
    def place(self) -> str:
        return f"{self.host}:{self.port}"

    def verdict(self, verdict: RouteVerdict, **values: str) -> RouteVerdict:
        """The verdict with the name of this server in its values."""
        return replace(verdict, values={"host": self.place, **verdict.values, **values})

    def fault(self, state: RouteState, reason: str, wait: int | None = None, **values: str) -> SmtpFault:
        return SmtpFault(self.verdict(RouteVerdict(state, reason, values, wait)))


PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25, "smtp+oauth": 587}
ENCRYPTION = {"smtp": "starttls", "smtps": "implicit", "smtp+plain": "", "smtp+oauth": "starttls"}
HELO = re.compile(r"[A-Za-z0-9.\-\[\]:]{1,255}")


def read_server(route: RouteSettings) -> SmtpServer:
    """The settings of a route as a Server. Raises BadRoute."""
    if not route.host:
        raise BadRoute("no_host")
    if route.path not in ("", "/"):
        raise BadRoute("a_path")
    if route.password and not route.user:
        raise BadRoute("no_user")
    encryption = ENCRYPTION[route.scheme]
    fingerprint = read_fingerprint(route.options.get("fingerprint", ""))
    helo = route.options.get("helo", "") or own_name()
    if helo and not HELO.fullmatch(helo):
        raise BadRoute("bad_helo")
    patience = Timeouts(connect=route.number("connect", Timeouts.connect))
    return SmtpServer(
        route,
        route.host,
        route.port or PORTS[route.scheme],
        encryption,
        patience.at_most(route.number("timeout", 600.0)),
        make_context(route.options.get("ca", ""), fingerprint) if encryption else None,
        fingerprint,
        helo,
    )


def own_name() -> str:
    """This machine's name for EHLO, if it looks like one that others know; else the address is used."""
    name = socket.gethostname()
    return name if "." in name and HELO.fullmatch(name) else ""


def read_fingerprint(text: str) -> str:
    plain = text.replace(" ", "").lower().removeprefix("sha256:").replace(":", "")
    if plain and not re.fullmatch(r"[0-9a-f]{64}", plain):
        raise BadRoute("bad_fingerprint")
    return plain


def shown(fingerprint: str) -> str:
    """As `openssl x509 -fingerprint -sha256` writes it, to be compared by eye; the route takes it like this."""
    digits = fingerprint.upper()
    return "sha256:" + ":".join(digits[place : place + 2] for place in range(0, len(digits), 2))


def make_context(ca: str, fingerprint: str) -> ssl.SSLContext:
    """Checks names and chain, TLS 1.2 or later. A pinned fingerprint is checked by us instead of the chain."""
    try:
        context = ssl.create_default_context(cafile=ca or None)
    except (OSError, ssl.SSLError):
        raise BadRoute("bad_ca") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if fingerprint:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
