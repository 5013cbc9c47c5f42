"""One plain mail of the house to one mailbox: from whom, in which form, and by which route."""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from samizdat import plugins
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.core.content.message import header_text, mailbox, phrase
from samizdat.core.mail import address
from samizdat.core.mail.outcome import Deferred, Outcome, Refused
from samizdat.core.mail.return_address import without_token
from samizdat.delivery import domain_ownership
from samizdat.delivery.actions.rate_budgets import send_first
from samizdat.delivery.dkim_keys import signed
from samizdat.delivery.models import Route
from samizdat.delivery.queries import barred_at, transport_of
from samizdat.logs import where_it_broke

log = logging.getLogger("samizdat.worker")

# What an answer speaks of, where the next route may take the same mail.
NOT_THE_RECIPIENT = ("route", "config", "throttle")

# Routes that lead nowhere by themselves. What admins must learn goes by none of them where there is another, and counts
# as told by none: a folder in the first place would swallow it.
LOCAL = ("folder",)

# Seconds: one relay over one mail, and all of them together.
CARRY, ALTOGETHER = 20.0, 40.0
# Seconds for which a relay that let a mail wait so long gets none: the next route takes them, or they wait.
QUIET = 60.0
# Routes that answered nothing -> until when they are left alone.
_quiet: dict[int, float] = {}


@dataclass(frozen=True, slots=True)
class MailThread:
    """What a mail answers: Message-IDs without brackets, the newest last. by_person: no program wrote it. is_first: it
    answers nothing, and asks for an answer. is_last: nothing that is wrong with it comes back to anybody (RFC 3834,
    3.3)."""

    references: tuple[str, ...] = ()
    reply_to: str = ""
    by_person: bool = False
    is_first: bool = False
    is_last: bool = False

    @property
    def headers(self) -> list[str]:
        """As they stand in the mail: email.message makes encoded words of what is longer than a line."""
        named = "\r\n ".join(f"<{reference}>" for reference in self.references)
        threading = [f"In-Reply-To: <{self.references[-1]}>", f"References: {named}"] if named else []
        return threading + ([f"Reply-To: <{mailbox(self.reply_to)}>"] if self.reply_to else [])


def plain_mail(
    sender: tuple[str, str],
    to: str,
    subject: str,
    text: str,
    now: datetime,
    mark: str = "",
    thread: MailThread | None = None,
) -> bytes:
    """A plain text mail; one that a program wrote says so (RFC 3834). sender: (name, address). mark: of its Message-ID,
    where the same mail may go twice. Raises Unmakeable.

    Who it is from and to, and the subject, are written by core/content/message: email.message reads what it is given,
    and what looks like an encoded word there becomes another address or a header.
    """
    name, from_email = sender
    mail = EmailMessage(policy=SMTP.clone(utf8=not to.isascii()))
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{mark or secrets.token_hex(16)}@{address.domain(address.normalize(from_email))}>"
    if thread is None or not thread.by_person:
        mail["Auto-Submitted"] = "auto-replied" if thread and not thread.is_first else "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(text, charset="utf-8", cte="quoted-printable")
    first = f"From: {phrase(name)}<{mailbox(from_email)}>", f"To: <{mailbox(to)}>"
    subject = f"Subject: {header_text(one_line(subject))}"
    answered = thread.headers if thread else []
    return "".join(f"{line}\r\n" for line in (*first, subject, *answered)).encode() + mail.as_bytes()


def send(
    organization: Organization,
    sender: tuple[str, str],
    to: str,
    subject: str,
    text: str,
    now: datetime,
    states: Sequence[str] = ("live",),
    local: bool = True,
    mark: str = "",
    *,
    counts: bool = True,
    thread: MailThread | None = None,
) -> Outcome:
    """One plain mail: `ready`, and carried at once."""
    mail = ready(organization, sender, to, subject, text, now, states, local, mark, counts=counts, thread=thread)
    return asyncio.run(mail.carry())


def ready(
    organization: Organization,
    sender: tuple[str, str],
    to: str,
    subject: str,
    text: str,
    now: datetime,
    states: Sequence[str] = ("live",),
    local: bool = True,
    mark: str = "",
    *,
    counts: bool = True,
    thread: MailThread | None = None,
) -> "ReadyMail":
    """One plain mail and the routes that may take it: those in one of these states, in the order of states and of
    priority. sender: (name, address) of From. local: also by one that leads nowhere by itself. What cannot be made
    today cannot be made tomorrow either: Refused.

    It goes ahead of any campaign. counts: it uses one of the first route's limit, whichever takes it; a mail that is
    tried again does not. A route whose limit is used up to the last one comes after the others.
    """
    try:
        content = plain_mail(sender, to, subject, text, now, mark, thread)
    except ValueError as error:
        log.error("A mail could not be made and is not tried again: %s", where_it_broke(error))
        return ReadyMail((), Refused(553, "", "message", "unmakeable"))
    bounces = without_token(leading(organization).return_address)
    bounces = (
        "" if (thread and thread.is_last) or domain_ownership.claimed(organization, bounces, proven=True) else bounces
    )
    message = plugins.Message(1, 0, bounces, to, content, utf8=not to.isascii())
    domain, hops = address.domain(address.normalize(sender[1])), []
    for route in _with_room(organization, domain, now, states, local, counts=counts):
        # Condemning a route is the sender's business; here the next one is tried.
        with contextlib.suppress(plugins.RouteDown, plugins.BadRoute, plugins.NoSuchPlug, OSError):
            signed_message = replace(message, content=signed(route, sender[1], message.content))
            hops.append((route.pk, transport_of(route), signed_message))
    return ReadyMail(tuple(hops))


def one_line(text: str) -> str:
    """A name typed by somebody must not end the header it stands in."""
    return " ".join(text.split())[:150]


class ServiceMail:
    """A feed of a single message (transports/base.Feed)."""

    def __init__(self, message: plugins.Message) -> None:
        self._message: plugins.Message | None = message
        self.outcome: Outcome | None = None

    def take(self) -> plugins.Message | None:
        message, self._message = self._message, None
        return message

    async def more(self) -> bool:
        return self._message is not None

    def finishing(self, message: plugins.Message) -> None:
        """Nothing is journalled: a second confirmation mail harms nobody."""

    def tell(self, message: plugins.Message, outcome: Outcome) -> None:
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class ReadyMail:
    """A mail and the routes that may take it, in this order: from here on nothing is asked but their servers."""

    hops: tuple[tuple[int, plugins.BaseTransport, plugins.Message], ...]
    unmakeable: Refused | None = None

    async def carry(self) -> Outcome:
        """By the first route that takes it; Deferred when none does."""
        outcome: Outcome = self.unmakeable or Deferred(0, "", "route")
        until = time.monotonic() + ALTOGETHER
        for route, transport, message in self.hops:
            if (left := until - time.monotonic()) <= 0:
                break
            if time.monotonic() < _quiet.get(route, 0.0):
                continue
            outcome = await _by(route, transport, message, min(CARRY, left))
            if not (isinstance(outcome, Deferred) and outcome.scope in NOT_THE_RECIPIENT):
                return outcome
        return outcome


def count_unsent(organization: Organization, sender: str, now: datetime) -> None:
    """Counts a mail that does not go as one of `ready`: what a route has used must not tell who is mailed."""
    next(_with_room(organization, address.domain(address.normalize(sender)), now), None)


def leads_out(organization: Organization) -> bool:
    """Whether any route, in whatever state, hands mail on by itself."""
    rows = Route.objects.filter(organization=organization).exclude(state__in=("waiting", "removed"))
    return rows.exclude(scheme__in=LOCAL).exists()


def _with_room(
    organization: Organization,
    domain: str,
    now: datetime,
    states: Sequence[str] = ("live",),
    local: bool = True,
    *,
    counts: bool = True,
) -> Iterator[Route]:
    """Those that do not take the sender's domain come last. Only of the first is anything used: a mail that is not
    sent uses as much, and what was used must not tell them apart (count_unsent)."""
    full = []
    rows = Route.objects.filter(organization=organization, state__in=states).select_related("organization")
    rows = rows if local else rows.exclude(scheme__in=LOCAL)
    routes = [route for route in rows.order_by("priority", "id") if time.monotonic() >= _quiet.get(route.pk, 0.0)]
    routes.sort(key=lambda route: states.index(route.state))
    barred = barred_at([route.pk for route in routes])
    for route in routes:
        if domain in barred.get(route.pk, ()):
            full.append(route)
        elif send_first(route, now, counts=counts):
            counts = False
            yield route
        else:
            full.append(route)
    yield from full


async def _by(route: int, transport: plugins.BaseTransport, message: plugins.Message, seconds: float) -> Outcome:
    feed = ServiceMail(message)
    with contextlib.suppress(plugins.RouteDown, plugins.BadRoute, plugins.NoSuchPlug, OSError):
        try:
            await asyncio.wait_for(transport.carry(feed), seconds)
        except TimeoutError:
            _quiet[route] = time.monotonic() + QUIET
    return feed.outcome or Deferred(0, "", "route")
