"""What every way out has in common: the values it is given, what it is asked, and how it says that it is
down.

A transport knows core and its own dialect, nothing else. `docs` of the shape: see `Transport`.
"""

import asyncio
import ipaddress
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, Protocol
from urllib.parse import parse_qsl, unquote

from samizdat.core.mail import refusals
from samizdat.core.mail.outcome import (
    Deferred,
    Outcome,
    Refused,
    RouteVerdict,
    SameRefusal,
    Scope,
    as_route_fault,
    scrub,
)
from samizdat.core.private_networks import Network

# Code -> what is wrong with a route as written, then what to do. No hole may hold a credential.
SENTENCES = {
    "control": "The route URL contains a line break or another control character. Write it on one line.",
    "no_url": "A route is a URL such as smtp://user:password@mail.example.org:587 or folder:///srv/outbox.",
    "connections": "A route needs between 1 and {most} connections.",
    "no_speed": "The rate of a route must be above zero. To send nothing through it, pause it.",
    "no_folder": "A folder route needs a full path with three slashes, such as folder:///srv/outbox.",
    "held": "This route hasn’t been approved, whatever the database says. Remove it, then add it again.",
    "in_a_file": "{path} can’t be a folder because {file} is a file. Name another folder.",
    "bad_host": "The route URL has no host. In the user name and password write @ as %40, : as %3A, / as %2F, ? as "
    "%3F and # as %23, then the host: smtp://user:password@mail.example.org:587.",
    "no_host": "The route URL has no host. Write it as smtp://user:password@mail.example.org:587.",
    "bad_port": "The port of the route must be a number from 1 to 65535, such as 587.",
    "bad_user": "The user name in the route URL can’t be read. Write a percent sign as %25.",
    "bad_password": "The password in the route URL can’t be read. Write a percent sign as %25.",
    "no_user": "The route has a password but no user name. Write smtp://user:password@host:587.",
    "in_the_clear": "With smtp+plain:// the password would go to {host} unencrypted, and anyone on the way could "
    "read it. Write smtp:// or smtps://. Without encryption it may only go to this server or to an "
    "address in your own network.",
    "a_path": "An SMTP route has no path. After host and port only options may follow, such as ?timeout=30.",
    "no_options": "The route has the option “{option}”, but {scheme}:// has no options. Remove it.",
    "unknown_option": "The route has the option “{option}”, which {scheme}:// doesn’t know. Known options: {known}.",
    "bad_seconds": "The option {option} must be a number of seconds above zero, such as {option}=30.",
    "bad_helo": "The option helo must be a host name, such as helo=mail.example.org.",
    "bad_fingerprint": "The fingerprint must be the SHA-256 of the mail server’s certificate: 64 hexadecimal digits.",
    "no_command": "A sendmail route needs the full path of the command with three slashes, such as "
    "sendmail:///usr/sbin/sendmail.",
    "no_key": "The route has no key. Write it as {scheme}://KEY@example.org, or give the key as the password.",
    "bad_domain": "After the @ comes the sending domain as the provider knows it, without port and path: "
    "{scheme}://KEY@example.org.",
    "bad_region": "The region of the route must be eu or us, as the provider shows it next to the domain.",
    "bad_aws_region": "After the @ comes the region of SES, without port and path, such as eu-central-1.",
    "no_access_key": "The route has no access key. Write it as ses-api://ACCESS_KEY:SECRET_KEY@eu-central-1.",
    "bad_stream": "After the @ comes the ID of the message stream, without port and path, such as "
    "postmark-api://TOKEN@broadcast.",
    "bad_api_host": "After the @ comes {hosts}, without port and path.",
    "bad_endpoint": "The option endpoint must be an https:// address. Without encryption it may only be on this "
    "server.",
    "no_mailbox": "The route needs the address of the mailbox as user name: smtp+oauth://ADDRESS@host:587?client=ID.",
    "no_client": "The client ID is missing. Copy it from your application at Google or Microsoft (client=…).",
    "no_client_secret": "The client secret is missing. Create one for your application at Google or Microsoft.",
    "no_refresh_token": "Google needs a refresh token as well. Write it behind the client secret, after a space.",
    "no_tenant": "Microsoft needs the directory (tenant) ID of your organization (tenant=…). Copy it from the overview "
    "of the application.",
    "bad_token_url": "Where access tokens come from isn’t known. Name an https:// address without options, such as "
    "token_url=https://login.example.org/token.",
    "bad_ca": "The file named in the option ca can’t be read as PEM certificates. Check its path and contents.",
}


class BadRoute(ValueError):
    """A route that cannot be used as written: `code` of SENTENCES and `values` for its holes, without password.

    The text is the English sentence. A transport of another package may give a whole sentence instead of a code.
    """

    def __init__(self, code: str, **values: str) -> None:
        self.code, self.values = code, values
        self.sentence = SENTENCES.get(code, code)
        super().__init__(self.sentence.format(**values) if values else self.sentence)


class RouteDown(Exception):
    """The route sends nothing more for now. Everything that was taken has been told before this is raised."""

    def __init__(self, verdict: RouteVerdict) -> None:
        super().__init__(verdict.sentence)
        self.verdict = verdict


@dataclass(slots=True)
class Message:
    """One message on its way. `content`: complete, with CRLF, without dot stuffing and the final dot."""

    number: int
    chunk: int
    sender: str
    recipient: str
    content: bytes
    utf8: bool = False  # headers need SMTPUTF8; for addresses we look ourselves
    # Made by core/content/message: it ends in CRLF, no line begins with a dot, and it is ASCII unless `utf8`. Spares
    # the transport a look at every byte, 7 us for 36 kB.
    compiled: bool = False
    key: Any = None  # the engine's own, never read here


class MessageFeed(Protocol):
    """Where messages come from and outcomes go: the engine's side. All but `more` must be quick.

    It may also have `waits`, whether the answer to each message is waited for before anything of the next is sent, and
    `must_wait()`, called when the server turns out to need that: it is remembered for the route.
    """

    def take(self) -> Message | None:
        """The next message, or None: none at this instant."""

    async def more(self) -> bool:
        """Waits until `take` is worth asking again. False: nothing more will come. One task at a time."""

    def finishing(self, message: Message) -> None:
        """Called before the last byte of the message can leave this process: write it down now."""

    def tell(self, message: Message, outcome: Outcome) -> None:
        """Called exactly once for each message that `take` gave."""


class RouteKind(NamedTuple):
    """A scheme: a URL of it as somebody may write it, and what it is, as it stands where one chooses."""

    example: str
    label: str

    @property
    def scheme(self) -> str:
        return self.example.partition("://")[0]


class RouteProvider(NamedTuple):
    """A sending provider that a transport reaches: what the form fills in once it is chosen.

    `example`: its URL, with capitals and example.org where something of one's own stands. `help`: where to find that.
    `signs`: whether we sign what goes by it (DKIM), or it does. Its steps are the part of docs/sending-providers.md
    with `label` as its heading.
    """

    name: str
    label: str
    example: str
    help: str
    signs: bool = True

    @property
    def scheme(self) -> str:
        return scheme_of(self.example)

    @property
    def where(self) -> str:
        """Host and port; empty where that is one's own domain."""
        place = self.example.rpartition("@")[2].partition("?")[0]
        return "" if place == "example.org" else place

    @property
    def user(self) -> str:
        """The user name that everybody has there; empty where each has their own."""
        user = self.example.partition("://")[2].partition(":")[0]
        return user if user.islower() and "@" not in user else ""


@dataclass(frozen=True, slots=True)
class RouteField:
    """One thing a route must know: a field of the form at the desk, a line in the handbook and in the command's help.

    `name`: host, port, user, password, key or path, else an option that stands after the question mark. Those with a
    `label` are asked at the desk. One that names a file of the server has none: whoever may name it is at its terminal.
    """

    name: str
    help: str
    secret: bool = False
    default: str = ""
    label: str = ""
    required: bool = False  # at the desk
    choices: Mapping[str, str] = field(default_factory=dict)  # value -> how it is called


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """A route, as its URL says. `options` is the part after the question mark."""

    name: str
    scheme: str
    host: str = ""
    port: int = 0
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    path: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    connections: int = 50
    rate: float | None = None
    # What it may reach beside public addresses; None, for one that was added on the server itself: everything.
    inside: tuple[Network, ...] | None = None
    keyed: bool = False  # as Transport.keyed

    @property
    def has_login(self) -> bool:
        """Does it say who we are? Then a password or a key belongs to it."""
        return bool(self.user) or self.keyed

    @property
    def leads_to(self) -> str:
        """Whoever gets the password, the key, or what is given for it."""
        places = (self.options.get("endpoint") or self.host, self.options.get("token_url"))
        return " ".join(place for place in places if place)

    def at_most(self, seconds: float, waits: Iterable[str]) -> "RouteSettings":
        """The same, and no wait that these options name is longer than this many seconds."""
        shorter = {option: str(min(self.number(option, seconds), seconds)) for option in waits}
        return replace(self, options={**self.options, **shorter})

    def number(self, option: str, default: float) -> float:
        """An option in seconds. Raises BadRoute when it is no number above zero."""
        text = self.options.get(option, "")
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not (math.isfinite(value) and value > 0):
            raise BadRoute("bad_seconds", option=option)
        return value


# Names that lead to no foreign host (RFC 6761, RFC 6762, RFC 8375, and ICANN's resolution of 2024-07-29 on .internal).
HOME_NAMES = (".localhost", ".local", ".internal", ".home.arpa")


def is_near(host: str) -> bool:
    """Is the host this machine or one of a private network, as far as its name or address tells?"""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        # A number without a dot is an address as well: 134744072 is 8.8.8.8.
        return host.endswith(HOME_NAMES) or ("." not in host and not host[:1].isdigit())


SCHEME = re.compile(r"([a-z][a-z0-9+.-]{0,30})://(.*)", re.DOTALL | re.IGNORECASE)
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252})?|\[[0-9A-Fa-f:.]+\]")
MOST_CONNECTIONS = 1000


def scheme_of(url: str) -> str:
    return url.strip().partition("://")[0].lower()


def read_url(
    plug: "type[Transport]",
    name: str,
    url: str,
    *,
    password: str | None = None,
    connections: int | None = None,
    rate: float | None = None,
) -> RouteSettings:
    """A route's URL as settings: `scheme://user:password@host:port/path?option=value`, user and password
    percent-encoded. `plug`: whose URL it is.

    `password` wins over the one in the URL. Raises BadRoute, whose sentence never shows a credential.
    """
    url = url.strip()
    if any(ord(c) < 32 for c in url):
        raise BadRoute("control")
    match = SCHEME.fullmatch(url)
    if not match:
        raise BadRoute("no_url")
    if connections is not None and not 1 <= connections <= MOST_CONNECTIONS:
        raise BadRoute("connections", most=str(MOST_CONNECTIONS))
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise BadRoute("no_speed")
    scheme = match[1].lower()
    settings = (read_path if plug.no_path else read_server)(plug, name, scheme, match[2])
    if plug.keyed:
        settings = replace(settings, keyed=True, user="", password=settings.password or settings.user)
    if password is not None:
        settings = replace(settings, password=password)
    if connections is not None:
        settings = replace(settings, connections=connections)
    return replace(settings, rate=rate)


def read_path(plug: "type[Transport]", name: str, scheme: str, rest: str) -> RouteSettings:
    """`folder:///srv/outbox`: two slashes would make `srv` a host, so that is said."""
    path, _, query = rest.partition("?")
    if not path.startswith("/") or path == "/":
        raise BadRoute(plug.no_path)
    return RouteSettings(name, scheme, path=decoded(path, plug.no_path), options=options(query))


def read_server(plug: "type[Transport]", name: str, scheme: str, rest: str) -> RouteSettings:
    """The credentials end at the last @, so that a password pasted without encoding mostly still works.

    No key holds one, so a key ends at the first: what follows may be an option with an @ of its own.
    """
    if plug.keyed and "@" in rest:
        credentials, _, place = rest.partition("@")
    else:
        credentials, _, place = rest.rpartition("@")
    user, _, password = credentials.partition(":")
    where, _, query = place.partition("?")
    where, _, path = where.partition("/")
    host, port = split_host(where)
    return RouteSettings(
        name,
        scheme,
        host.strip("[]").rstrip(".").lower(),
        port,
        decoded(user, "bad_user"),
        decoded(password, "bad_password"),
        "/" + unquote(path) if path else "",
        options(query),
    )


def split_host(where: str) -> tuple[str, int]:
    host, colon, port = where.rpartition(":")
    if not colon or where.endswith("]"):
        host, port = where, ""
    try:
        host = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        host = ""
    if not HOST.fullmatch(host):
        raise BadRoute("bad_host")
    if colon and port and not (port.isascii() and port.isdecimal() and 1 <= int(port[:9]) <= 65535):
        raise BadRoute("bad_port")
    return host, int(port) if port else 0


def decoded(text: str, code: str) -> str:
    """A percent-encoded part of the URL as it is meant; `code` says which one cannot be read."""
    try:
        plain = unquote(text, errors="strict")
    except UnicodeDecodeError:
        plain = "\0"
    if any(ord(c) < 32 for c in plain):
        raise BadRoute(code)
    return plain


def options(query: str) -> dict[str, str]:
    return dict(parse_qsl(query, keep_blank_values=True))


class ListedPage(NamedTuple):
    """A page of a list that a provider keeps. `list`: which of its lists."""

    list: str
    body: bytes


class Transport:
    """The plug. A subclass in a module of `providers` is found, by the schemes of its kinds.

    `carry` takes messages from the feed until `more` says there will be none, and tells each one's outcome
    exactly once. It raises RouteDown when the route is condemned. When it is cancelled, messages surely not
    handed over are told Deferred with the scope 'route' and the others Unsure, before the cancellation goes
    on.
    """

    name: ClassVar[str] = ""
    kinds: ClassVar[tuple[RouteKind, ...]] = ()
    providers: ClassVar[tuple[RouteProvider, ...]] = ()
    # What is said when the URL names no whole path, where it has to name one instead of a host. A path is a folder or a
    # command of the server itself, so such a route is added on the command line and never at the desk.
    no_path: ClassVar[str] = ""
    # Its credential is a key: it stands alone before the @, and is kept like a password.
    keyed: ClassVar[bool] = False
    # Of a provider's web interface: the domain by which core/mail/spf knows the provider.
    spf_host: ClassVar[str] = ""
    asks: ClassVar[tuple[RouteField, ...]] = ()
    known_options: ClassVar[tuple[str, ...]] = ()

    def __init__(self, route: RouteSettings) -> None:
        self.route = route
        for option in route.options:
            if option not in self.known_options:
                code = "unknown_option" if self.known_options else "no_options"
                raise BadRoute(code, option=option[:40], scheme=route.scheme, known=", ".join(self.known_options))

    @classmethod
    def at_desk(cls) -> tuple[RouteField, ...]:
        """What the form asks."""
        return tuple(ask for ask in cls.asks if ask.label and not cls.no_path)

    @classmethod
    def sentences(cls) -> list[str]:
        """What pages show of it, in English."""
        asked = [text for ask in cls.at_desk() for text in (ask.label, ask.help, *ask.choices.values())]
        return [
            *(kind.label for kind in cls.kinds if not cls.no_path),
            *asked,
            *(provider.help for provider in cls.providers),
        ]

    def check_new(self) -> None:
        """Refuses, as BadRoute, what nobody should begin with, though a route that is there may go on so."""

    async def carry(self, feed: MessageFeed) -> None:
        """Carry everything the feed gives."""
        raise NotImplementedError

    async def probe(self) -> RouteVerdict:
        """Does the route answer, let us in and out again? Sends nothing."""
        raise NotImplementedError

    # Of its provider, the dialect (webhooks.py) that reads what `events_since` gives; "": it lists no bounces.
    lists_for: ClassVar[str] = ""

    async def events_since(self, since: datetime, now: datetime) -> list[ListedPage]:
        """What the provider's lists have of bounces and complaints, which may be more than that. Errors: RouteDown."""
        raise NotImplementedError

    async def standing(self) -> RouteVerdict | None:
        """How the provider says that the account stands, beside any letter: some close one and go on taking letters.

        None where it does not say, or not to this key: no news. Only a clear word is a verdict.
        """
        return None


class OutcomeReporter:
    """Tells outcomes to the feed, and holds refusals back while they may turn out to mean the route.

    Rule 2 of route errors: the same refusal for many domains in a row, with no success between, condemns the
    route. Nobody may be marked because of it, so such refusals wait here until a success or another answer
    clears them. One a mailbox provider: each holds a whole message, and of 12,000 readers of one domain all were
    held, with 430 MB. Whoever takes outcomes keeps the others back (delivery/engine/route_rejections).
    """

    __slots__ = ("accepted", "feed", "held", "same")

    def __init__(self, feed: MessageFeed) -> None:
        self.feed = feed
        self.same = SameRefusal()
        self.held: list[tuple[Message, Deferred | Refused]] = []
        self.accepted = 0

    def success(self, message: Message, outcome: Outcome) -> None:
        """The hot way: a message was accepted."""
        self.accepted += 1
        if self.same.domains:
            self.release()
            self.same.success()
        self.feed.tell(message, outcome)

    def tell(self, message: Message, outcome: Deferred | Refused) -> RouteVerdict | None:
        """A no of the relay that does not condemn the route by itself. A verdict: this was the one too many."""
        begins = self.same.begins_anew(outcome)
        if begins:
            self.release()
        known = 0 if begins else len(self.same.domains)
        means_route = self.same.note(outcome, message.recipient)
        if len(self.same.domains) == known:
            self.feed.tell(message, outcome)
        else:
            self.held.append((message, outcome))
        if not means_route:
            return None
        values = {"answer": reply_text(outcome.code, outcome.text)}
        refused = isinstance(outcome, Refused) or (outcome.scope == "provider" and outcome.code >= 500)
        if outcome.scope == "provider" and refused and refusals.reason(outcome) in refusals.RECORDS:
            # Whoever is asked misses a record of the sender's domain: letters from others may go on by this route.
            self.blame_route("config")
            return RouteVerdict("config", "authentication_records", values)
        self.blame_route()
        if refused:
            return RouteVerdict("dead", "same_refusal", values)
        return RouteVerdict("throttled", "same_refusal", values, getattr(outcome, "wait", None) or 900)

    def release(self) -> None:
        """What was held was really meant for each of them."""
        held, self.held = self.held, []
        for message, outcome in held:
            self.feed.tell(message, outcome)

    def blame_route(self, scope: Scope = "route") -> None:
        """What was held was never meant for them."""
        held, self.held = self.held, []
        for message, outcome in held:
            self.feed.tell(message, as_route_fault(outcome, scope))


# For ways out to which a comma or a bracket would mean several addresses, and a minus in front an option.
ODD = r"\x00-\x20\x7f-\x9f<>()\[\]\\,;:\"|@\u2028\u2029\ud800-\udfff"
ONE_ADDRESS = re.compile(rf"(?!-)[^{ODD}]+@[^{ODD}]+")


def is_one_address(address: str) -> bool:
    """Does it name one mailbox however it is read? Quoted local parts, a minus in front and the like do not."""
    return bool(ONE_ADDRESS.fullmatch(address))


def reply_text(code: int, text: str) -> str:
    """An answer for a sentence."""
    return scrub(f"{code} {text}" if code else text, limit=160)


async def at_most(seconds: float, waiting: Any) -> object:
    """Await with a limit. One place, so that time-outs mean the same everywhere."""
    async with asyncio.timeout(seconds):
        return await waiting
