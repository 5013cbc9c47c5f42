"""A test letter: made like a real one, sent at once, and booked nowhere."""

import asyncio
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.message import EmailMessage
from typing import Any

from django.utils.translation import gettext as _

from samizdat import plugins
from samizdat.accounts import sealed_people
from samizdat.accounts.models import Organization, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.audience.models import Subscriber
from samizdat.campaigns import ab_test
from samizdat.campaigns.content import flaws_error, proof_of, values_of
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.media.library import pictures_of
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.senders import SENT
from samizdat.core.content.message import CompiledContent, MessageMaker, header_text, mailbox
from samizdat.core.content.problems import ContentProblem
from samizdat.core.crypto import tokens
from samizdat.core.mail.address import domain, normalize
from samizdat.core.mail.dkim import SigningMaker
from samizdat.core.mail.outcome import OK, Accepted, Deferred, Outcome, RouteVerdict, Unsure
from samizdat.core.mail.return_address import with_token, without_token
from samizdat.delivery import dkim_keys, domain_ownership
from samizdat.delivery.actions import outside_tests, route_refusals, sender_bans
from samizdat.delivery.actions.rate_budgets import send_first
from samizdat.delivery.actions.routes import believe, limit_of, silent, transport_for_test
from samizdat.delivery.errors import NoRoute
from samizdat.delivery.message_values import date_text
from samizdat.delivery.models import Route
from samizdat.delivery.queries import barred_at
from samizdat.vault import keyring


@dataclass(frozen=True, slots=True)
class TestResult:
    """What became of one test letter. `sentence` says what to do when it was not taken.

    `reason` and `values` as of Tested: the route itself was down, and the doors have their own sentence for it.
    """

    address: str
    ok: bool
    sentence: str
    reason: str = ""
    values: dict[str, str] = field(default_factory=dict)


class _Few:
    """A feed of a few messages that remembers what became of each. Nothing is gained by sending more at a time."""

    waits = True

    def __init__(self, messages: Sequence[plugins.Message]) -> None:
        self._waiting = deque(messages)
        self.outcomes: dict[str, Outcome] = {}

    def take(self) -> plugins.Message | None:
        return self._waiting.popleft() if self._waiting else None

    async def more(self) -> bool:
        return False

    def finishing(self, message: plugins.Message) -> None:
        """A test letter that is lost can be sent again: nothing is written down."""

    def tell(self, message: plugins.Message, outcome: Outcome) -> None:
        self.outcomes[message.recipient] = outcome


def send_test(
    campaign: Campaign,
    to: list[str],
    *,
    now: datetime,
    by: Person | None = None,
    subscriber: Subscriber | None = None,
    route: Route | None = None,
    version: int = 0,
    asked: int = 0,
) -> list[TestResult]:
    """Sends the letter as it is now to a few addresses, as `subscriber` would get it. Its subject and its leave link
    say: a test. version: another one of a test of versions. asked: number of the question that it answers, for the log.

    Errors: IndexError for a version that there is not, BadAddress, LetterHasFlaws, NoRoute, TooManyTests, WantsNoMail.
    """
    addresses = [normalize(address) for address in to]
    outside = outside_tests.check(campaign.organization, campaign.pk, addresses, now=now, by=by)
    routes = Route.objects.filter(organization=campaign.organization, state="live").select_related("organization")
    draft, frame = ab_test.draft_of_version(campaign, version), None
    if version:
        frame = ab_test.versions(campaign)[version].change.letter
    proof = proof_of(campaign, now, _marked(draft), frame=frame)
    sender = normalize(draft.from_email) if proof.compiled is not None else ""
    route = route or _first_for(domain(sender) if sender else "", list(routes.order_by("priority", "pk")))
    if route is None:
        raise NoRoute(_("No sending route can send this. Add one under Routes, or resume one."))
    if proof.compiled is None:
        raise flaws_error(proof.flaws)
    for code, values in domain_ownership.problems(campaign.organization, leading(campaign.organization), sender):
        raise flaws_error((ContentProblem(0, code, values, None, "stop", "from"),))
    personal = values_of(subscriber, proof) if subscriber is not None else {}
    messages = _messages(campaign, route, proof.compiled, sender, addresses, now, personal)
    # Before the first of them leaves: they are counted, whatever becomes of them.
    detail: dict[str, Any] = {"count": len(to), "outside": outside, outside_tests.ASKED: asked}
    # Those alone are published: by the time that somebody follows the event the draft may show others.
    detail[outside_tests.PICTURES] = sorted(pictures_of(proof.letter))
    outside_tests.note(outside_tests.TESTED, campaign.organization, campaign.pk, detail, now=now, by=by)
    for _message in messages:
        send_first(route, now)
    tried, _verdict = asyncio.run(_carry(transport_for_test(route), messages))
    if any(result.ok for result in tried):
        sender_bans.lift(route, domain(sender), now=now, by=by)
    for result in tried:
        if result.ok:
            route_refusals.accepts_again(campaign.organization, result.address, now=now, by=by)
    return tried


def send_copies(campaign: Campaign, route: Route, headers: Mapping[str, bytes], *, now: datetime) -> set[str]:
    """Sends a campaign as it is to mailboxes of the organization's own, by one route; the addresses whose server took
    it. None goes to somebody who said no. headers: by address, a line with CRLF that is put before all others. Booked
    nowhere, and no test.

    Errors: BadAddress, LetterHasFlaws, RouteRefused.
    """
    proof = proof_of(campaign, now)
    if proof.compiled is None:
        raise flaws_error(proof.flaws)
    sender = normalize(draft_of(campaign).from_email)
    addresses = [address for address in headers if not outside_tests.wants_no_mail(campaign.organization, address)]
    messages = [
        replace(message, content=headers[message.recipient] + message.content)
        for message in _messages(campaign, route, proof.compiled, sender, addresses, now, {})
    ]
    if not messages:
        return set()
    for _message in messages:
        send_first(route, now)
    tried, _verdict = asyncio.run(_carry(transport_for_test(route), messages))
    return {result.address for result in tried if result.ok}


def _messages(
    campaign: Campaign,
    route: Route,
    compiled: CompiledContent,
    sender: str,
    addresses: Sequence[str],
    now: datetime,
    personal: dict[str, str],
) -> list[plugins.Message]:
    letter = campaign.version_of_id or campaign.pk
    own = dkim_keys.announcing_keys(campaign.organization, domain(sender), letter) if route.signs else []
    maker = SigningMaker(compiled, own) if own else MessageMaker(compiled)
    return [
        plugins.Message(i, 0, sender, address, maker(_values(campaign, address, sender, i, now, personal)))
        for i, address in enumerate(addresses)
    ]


def _marked(draft: Draft) -> Draft:
    """A letter without a subject has a flaw, as a test as well."""
    return draft.with_(subject=f"{_('[Test]')} {draft.subject}") if draft.subject.strip() else draft


def _first_for(domain: str, routes: list[Route]) -> Route | None:
    """The first that takes letters from this domain; where none does, the first: it may have been mended since."""
    barred = barred_at([route.pk for route in routes])
    return next((route for route in routes if domain not in barred.get(route.pk, ())), routes[0] if routes else None)


def send_probe(route: Route, to: str, *, now: datetime, by: Person | None = None) -> TestResult:
    """One short letter by this way, to see that it really sends; the route is afterwards what it said (believe).

    An answer about this address alone changes nothing about the route. It counts as a test letter, and says no word
    that somebody chose: whoever stole a session would mail them to anybody. Errors: BadAddress, TooManyTests,
    WantsNoMail.
    """
    address, organization = normalize(to), route.organization
    outside = outside_tests.check(organization, None, [address], now=now, by=by)
    sender = _known_sender(organization)
    if not sender or domain_ownership.claimed(organization, sender):
        sender = address
    subject = _("Test of route No. %(n)s") % {"n": route.pk}
    text = _("This email was sent through route No. %(n)s. Nothing else was sent.") % {"n": route.pk}
    content = _short_letter(route, sender, address, (subject, text), now)
    probe = plugins.Message(0, 0, sender, address, content)
    tried, verdict = _carry_probe(route, probe, outside, now, by)
    if tried.ok or verdict.state != "ok":
        if by is None or address == normalize(sealed_people.email_of(by)):
            verdict = replace(verdict, early=True)  # No stranger's server can have said it.
        believe(route, verdict, now=now, by=by, domain=domain(sender))
    if tried.ok:
        route_refusals.accepts_again(route.organization, address, now=now, by=by)
    return tried


def send_to_return_address(
    organization: Organization, address: str, token: str, *, now: datetime, by: Person | None = None
) -> TestResult:
    """A short letter to a return address with a token in it, by the first working route, as bounces would go there. The
    route stays as it is: a stranger's server may have answered. A bounce of it goes to the address without the token.
    Errors: BadAddress, NoRoute, TooManyTests, WantsNoMail.
    """
    to, envelope = normalize(with_token(address, token)), normalize(without_token(address))
    outside = outside_tests.check(organization, None, [to], now=now, by=by)
    sender = _known_sender(organization)
    if not sender or domain_ownership.claimed(organization, sender):
        sender = envelope
    routes = Route.objects.filter(organization=organization, state="live").select_related("organization")
    route = _first_for(domain(sender), list(routes.order_by("priority", "pk")))
    if route is None:
        raise NoRoute(_("No sending route can send this. Add one under Routes, or resume one."))
    words = _("Test of the bounce address"), _("This email shows that bounces come in. Nothing else was sent.")
    content = _short_letter(route, sender, to, words, now)
    tried, _verdict = _carry_probe(route, plugins.Message(0, 0, envelope, to, content), outside, now, by)
    return tried


def send_to_seed(
    organization: Organization, address: str, header: tuple[str, str], *, now: datetime, by: Person | None
) -> tuple[str, TestResult]:
    """A short letter to a seed mailbox, by the first working route; its name, and what became of it. header: name and
    value, by which it is looked for. The route stays as it is: a stranger's server may have answered. Errors:
    BadAddress, NoRoute, TooManyTests, WantsNoMail."""
    to = normalize(address)
    outside = outside_tests.check(organization, None, [to], now=now, by=by)
    sender = _known_sender(organization)
    if not sender or domain_ownership.claimed(organization, sender):
        sender = to
    routes = Route.objects.filter(organization=organization, state="live").select_related("organization")
    route = _first_for(domain(sender), list(routes.order_by("priority", "pk")))
    if route is None:
        raise NoRoute(_("No sending route can send this. Add one under Routes, or resume one."))
    words = _("Test of a seed mailbox"), _("This email shows where emails by this sending route arrive.")
    content = _short_letter(route, sender, to, words, now, header)
    tried, _verdict = _carry_probe(route, plugins.Message(0, 0, sender, to, content), outside, now, by)
    return route.name, tried


def _short_letter(
    route: Route, sender: str, to: str, words: tuple[str, str], now: datetime, header: tuple[str, str] | None = None
) -> bytes:
    """A letter that nobody wrote, signed as the route has it. words: subject and text. header: one more."""
    letter = EmailMessage()
    if header:
        letter[header[0]] = header[1]
    # Not by email.message, which reads addresses and decodes what looks like an encoded word in them.
    first = f"From: <{mailbox(sender)}>\r\nTo: <{to}>\r\nSubject: {header_text(words[0])}\r\n"
    letter["Date"], letter["Message-ID"] = date_text(now), f"<{secrets.token_hex(16)}@{domain(sender)}>"
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(words[1])
    rest = letter.as_bytes(policy=letter.policy.clone(linesep="\r\n"))
    return dkim_keys.signed(route, sender, first.encode() + rest)


def _carry_probe(
    route: Route, probe: plugins.Message, outside: int, now: datetime, by: Person | None
) -> tuple[TestResult, RouteVerdict]:
    """Counted before it leaves. Errors: TooManyTests."""
    detail = {"count": 1, "outside": outside}
    outside_tests.note(outside_tests.ROUTE_TESTED, route.organization, route.pk, detail, now=now, by=by)
    send_first(route, now)
    [tried], verdict = asyncio.run(_carry(transport_for_test(route), [probe]))
    return tried, verdict


def _known_sender(organization: Organization) -> str:
    """An address the relay may know as ours: where bounces go, else From of the newest campaign that went out, else
    of the newest draft."""
    if kept := leading(organization).return_address:
        return without_token(kept)
    rows = Campaign.objects.select_related("organization").filter(organization=organization).order_by("-pk")
    newest = rows.filter(state__in=SENT).first() or rows.first()
    return draft_of(newest).from_email if newest else ""


def _values(
    campaign: Campaign, address: str, sender: str, place: int, now: datetime, personal: dict[str, str]
) -> dict[str, str]:
    keys = keyring.keys(campaign.organization)
    assert keys.link is not None
    base = leading(campaign.organization).public_url.rstrip("/")
    # The time makes each test a message of its own: mailboxes drop what carries an identity they know.
    moment = int(now.timestamp())
    identity = tokens.message_id(tokens.TokenMaker(keys.link, "message-id"), 0, moment * 1000 + place, domain(sender))
    leave = tokens.make(keys.link, "test", 0, 0)
    return {
        **personal,
        "EMAIL": address,
        "DATE": date_text(now),
        "MESSAGE_ID": identity,
        "UNSUB_URL": f"{base}/u/{leave}",
        "STAY_URL": f"{base}/y/{leave}",
        "ARCHIVE_URL": f"{base}/a/",
        "LEAVE_MAILTO": f"mailto:{leading(campaign.organization).unsubscribe_mailbox or sender}",
    }


async def _carry(
    transport: plugins.BaseTransport, messages: Sequence[plugins.Message]
) -> tuple[list[TestResult], RouteVerdict]:
    """What became of each, and what that says of the route. The transport is made outside: its keys are in the
    database."""
    feed, verdict = _Few(messages), OK
    try:
        await asyncio.wait_for(transport.carry(feed), limit_of(transport))
    except plugins.RouteDown as error:
        verdict = error.verdict
    except TimeoutError:
        verdict = silent(transport)
    return [_tried(message.recipient, feed.outcomes.get(message.recipient), verdict) for message in messages], verdict


def _tried(address: str, outcome: Outcome | None, verdict: RouteVerdict) -> TestResult:
    if isinstance(outcome, Accepted):
        return TestResult(address, True, _("Test accepted."))
    if verdict.state != "ok":
        return TestResult(address, False, verdict.sentence, verdict.reason, dict(verdict.values))
    if outcome is None or isinstance(outcome, Unsure):
        return TestResult(
            address, False, _("The sending provider didn’t answer. The test may have been sent: check the inbox.")
        )
    sentence = _("Test deferred: %(said)s") if isinstance(outcome, Deferred) else _("Test rejected: %(said)s")
    return TestResult(address, False, sentence % {"said": f"{outcome.code} {outcome.text}".strip()})
