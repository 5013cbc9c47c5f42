"""The sending gate: no campaign is released from a domain whose email mailbox providers would refuse or forge.

What is missing is said before the first email, with the record to publish: a provider that has 1,000 refusals in one
hour closes the account. An admin may allow a domain anyway, with a reason that is logged.

It doesn't apply where nothing can be looked up or nothing leaves: to domains that are reserved for tests and examples
(RFC 2606, RFC 6761), which have no place in the public DNS, unless a DNS server was named that may have them; and where
every route writes into a folder. A route to this machine counts: the mail server there sends on.
"""

import ipaddress
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from msgspec import structs

from samizdat import plugins
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import Leading, leading
from samizdat.campaigns import dns_views
from samizdat.campaigns.opened import OpenedCampaign
from samizdat.campaigns.sender_domain_check import DnsRecord, asker, in_words
from samizdat.core.mail.address import BadAddress, domain, is_at_or_below, normalize
from samizdat.core.mail.dns_views import DnsView
from samizdat.core.mail.dns_views import judge as judge_views
from samizdat.core.mail.other_domain import at_other_domain
from samizdat.core.mail.return_address import without_token
from samizdat.core.mail.sender_check import OurKey, RouteConnection, SenderByRoute, SenderFinding, judge
from samizdat.core.mail.spf import Ask, provider_include
from samizdat.delivery import dkim_keys, domain_ownership, queries, route_connections, sealed_domains
from samizdat.delivery.errors import NotReleasable
from samizdat.delivery.queries import RouteRow
from samizdat.delivery.route_connections import route_key
from samizdat.options import option

RESERVED = ("example", "test", "invalid", "localhost", "example.com", "example.net", "example.org")
# Routes in these states may carry a campaign, now or once they are mended.
_USABLE = ("live", "throttled", "paused", "dead")
_KEEPS = "folder"
_ENCRYPTED = ("smtp", "smtps", "smtp+oauth")


@dataclass(frozen=True, slots=True)
class SenderVerdict:
    """What is found of a sender by one route; "" where there is no route yet."""

    route: str
    findings: tuple[SenderFinding, ...]


class KeptAnswers:
    """What name servers answered lately, to be asked like them. is_complete: whether all that was asked is here.
    views: by domain, who sees its records. connections: by route_key, what came of connecting."""

    def __init__(
        self,
        answers: Mapping[tuple[str, str], Sequence[str] | None],
        at: datetime,
        views: Mapping[str, Sequence[DnsView]] | None = None,
        connections: Mapping[str, RouteConnection] | None = None,
    ) -> None:
        self._answers = answers
        self.at = at
        self.views = views or {}
        self.connections = connections or {}
        self.is_complete = True

    def __call__(self, name: str, kind: str) -> Sequence[str] | None:
        self.is_complete = self.is_complete and (name, kind) in self._answers
        return self._answers.get((name, kind))


def verdicts(
    organization: Organization,
    settings: Leading,
    sender: str,
    ask: Ask | None = None,
    connections: Mapping[str, RouteConnection] | None = None,
) -> list[SenderVerdict]:
    """Of a sender's address, as it was typed, by each route that may carry its emails. [] where it is no address.
    connections: what came of connecting to routes; else as it is kept with the answers."""
    try:
        address = normalize(sender)
    except BadAddress:
        return []
    ask, routes = ask or asker(), _leading_out(queries.routes(organization))
    name, return_path = domain(address), domain_ownership.envelope_sender(organization, settings, address)
    sender_at = SenderByRoute(name, domain(return_path) if return_path else "", reports_to=reports_to(settings, name))
    base = _signed(organization, sender_at)
    seen = connections or (ask.connections if isinstance(ask, KeptAnswers) else {})
    senders = [(route.name, _by_route(base, route, seen.get(route_key(route)))) for route in routes] or [("", base)]
    return [SenderVerdict(route, tuple(judge(each, ask))) for route, each in senders]


def reports_to(settings: Leading, name: str) -> str:
    """The address for bounces, where somebody reads what comes in, for reports about a domain; "" where there is none,
    or where it is at another domain, which would have to allow that in DNS (RFC 9990, 4)."""
    address = without_token(settings.return_address)
    there = address.rpartition("@")[2]
    is_same = bool(there) and (is_at_or_below(there, name) or is_at_or_below(name, there))
    return address if is_same else ""


def findings(of_routes: Iterable[SenderVerdict]) -> list[SenderFinding]:
    """Of all routes together: each once, as grave as it is anywhere."""
    worst: dict[tuple[str, str], SenderFinding] = {}
    for verdict in of_routes:
        for finding in verdict.findings:
            key = finding.code, finding.values.get("name", "")
            if key not in worst or finding.severity == "stop":
                worst[key] = finding
    return list(worst.values())


def records(of_routes: Iterable[SenderVerdict]) -> list[DnsRecord]:
    return in_words(findings(of_routes))


def look(organization: Organization, settings: Leading, sender: str, ask: Ask | None = None) -> list[DnsRecord]:
    """What is found of a sender's address by all routes, in sentences."""
    return records(verdicts(organization, settings, sender, ask))


def stops(of_routes: Iterable[SenderVerdict]) -> list[str]:
    """What has to be published before anything may be sent, a sentence each."""
    return [record.sentence for record in records(of_routes) if record.state == "stop"]


def refuse_unready(opened: OpenedCampaign, kept: KeptAnswers | None) -> None:
    """kept: what name servers answered lately; who presses Send waits for none of them where that lets it go. Errors:
    NotReleasable where a sender of one of its versions lacks what mailbox providers ask for."""
    if kept and not refusal_of_all(opened, kept) and kept.is_complete:
        return
    if sentence := refusal_of_all(opened, asker()):
        raise NotReleasable(sentence)


def waits_for_dns(opened: OpenedCampaign, kept: KeptAnswers | None, now: datetime) -> bool:
    """Whether name servers have to be asked before anybody knows that it may be sent."""
    kept = kept or KeptAnswers({}, now)
    refusal_of_all(opened, kept)
    return not kept.is_complete


def senders(opened: OpenedCampaign) -> list[str]:
    """Addresses that its versions are from."""
    return [*dict.fromkeys(version.draft.from_email for version in opened.versions)]


def refusal_of_all(opened: OpenedCampaign, ask: Ask) -> str:
    """Of the first sender that is refused; "" where none is."""
    sentences = (refusal(opened.campaign.organization, opened.settings, sender, ask) for sender in senders(opened))
    return next(filter(None, sentences), "")


def gathered(organization: Organization, from_: Iterable[str], now: datetime) -> dict[str, Any]:
    """What name servers answer to all that is asked of these senders, to be kept; who sees the records of domains that
    the organization has here; and what comes of connecting to its routes. Takes seconds: for the worker and commands.
    """
    ask, connections = asker(), route_connections.look(organization)
    answers: dict[tuple[str, str], Sequence[str] | None] = {}
    seen: dict[str, list[DnsView]] = {}

    def listen(name: str, kind: str) -> Sequence[str] | None:
        answers[name, kind] = ask(name, kind)
        return answers[name, kind]

    for sender in from_:
        name = _domain_of(sender)
        verdicts(organization, settings_for(organization, name), sender, listen, connections)
        if name and applies(organization, name) and dkim_keys.domains_over(organization, name):
            seen[name] = dns_views.views(name, _own_names(organization, name, answers))
    return {
        "at": now.isoformat(),
        "answers": [[name, kind, values] for (name, kind), values in answers.items()],
        "views": {name: [[view.name, view.zone, view.resolvers] for view in views] for name, views in seen.items()},
        "connections": {key: asdict(connection) for key, connection in connections.items()},
    }


def settings_for(organization: Organization, name: str) -> Leading:
    """For a sender at this domain: of a spare one as they will be once it is in use."""
    settings = leading(organization)
    spare = next(filter(sealed_domains.is_spare, dkim_keys.domains_over(organization, name)), None) if name else None
    there = _domain_of(without_token(settings.return_address))
    if spare is None or not there:
        return settings
    above = [row.name for row in dkim_keys.domains_over(organization, there)]
    moved = at_other_domain(settings.return_address, above[0] if above else there, spare.name)
    return structs.replace(settings, return_address=moved)


def kept_answers(*documents: Mapping[str, Any]) -> KeptAnswers:
    """Of what was gathered, the newest last."""
    answers: dict[tuple[str, str], Sequence[str] | None] = {}
    views: dict[str, list[DnsView]] = {}
    connections: dict[str, RouteConnection] = {}
    for document in documents:
        answers |= {(name, kind): values for name, kind, values in document["answers"]}
        views |= {name: [DnsView(*view) for view in seen] for name, seen in document["views"].items()}
        connections |= {key: RouteConnection(**seen) for key, seen in document.get("connections", {}).items()}
    return KeptAnswers(answers, datetime.fromisoformat(documents[-1]["at"]), views, connections)


def _own_names(
    organization: Organization, name: str, answers: Mapping[tuple[str, str], Sequence[str] | None]
) -> list[str]:
    """Names at or below a domain whose TXT records count."""
    keys = [key.name for row in dkim_keys.domains_over(organization, name) for key in dkim_keys.domain_row(row).active]
    published = [text for (text, kind), values in answers.items() if kind == "TXT" and values]
    every = [f"_dmarc.{name}", name, *keys, *published]
    return [text for text in every if is_at_or_below(text, name)]


def _domain_of(sender: str) -> str:
    try:
        return domain(normalize(sender))
    except BadAddress:
        return ""


def visibility(kept: KeptAnswers, name: str) -> list[DnsRecord]:
    """Whether everybody sees the records of a domain."""
    return in_words(judge_views(name, kept.views.get(name, []), kept))


def refusal(organization: Organization, settings: Leading, sender: str, ask: Ask | None = None) -> str:
    """Why nothing may be sent from this address yet, and what to do; "" where it may."""
    name = _domain_of(sender)
    if not name:
        return ""  # The letter's own flaw names it already.
    if not applies(organization, name) or allowed_reason(organization, name):
        return ""
    if not (sentences := stops(verdicts(organization, settings, sender, ask))):
        return ""
    instead = _("Or an admin allows %(domain)s without these records, under Domains.") % {"domain": name}
    return " ".join([*sentences, instead])


def applies(organization: Organization, name: str) -> bool:
    """Whether emails from this domain leave, and its DNS can be looked up."""
    if is_reserved(name) and not option("SAMIZDAT_DNS"):
        return False
    usable = _usable(queries.routes(organization))
    return not usable or bool(_leading_out(usable))


def is_reserved(name: str) -> bool:
    return any(is_at_or_below(name, end) for end in RESERVED)


def allowed_reason(organization: Organization, name: str) -> str:
    """Why an admin allowed this domain, or one above it, without the records; "" where nobody did."""
    rows = dkim_keys.domains_over(organization, name)
    return next(filter(None, map(sealed_domains.allowed_reason, rows)), "")


def _usable(routes: Iterable[RouteRow]) -> list[RouteRow]:
    return [route for route in routes if route.state in _USABLE]


def _leading_out(routes: Iterable[RouteRow]) -> list[RouteRow]:
    return [route for route in _usable(routes) if route.scheme != _KEEPS]


def _signed(organization: Organization, sender: SenderByRoute) -> SenderByRoute:
    """The same, and who signs for it."""
    name = sender.domain
    signing = dkim_keys.signing_domain(organization, name)
    row = dkim_keys.domain_named(organization, signing) if signing else None
    keys: tuple[OurKey, ...] = dkim_keys.domain_row(row).active if row else ()
    if keys:
        return replace(sender, keys=keys, signing=signing)
    waiting = dkim_keys.unsigning_domain(organization, name)
    row = dkim_keys.domain_named(organization, waiting) if waiting else None
    ready = [key.selector for key in dkim_keys.domain_row(row).keys if key.state == "published"] if row else []
    return replace(sender, waiting=waiting, published=tuple(ready))


def _by_route(base: SenderByRoute, route: RouteRow, seen: RouteConnection | None) -> SenderByRoute:
    is_own = route.scheme == "sendmail" or _is_loopback(route.host)
    interface = plugins.spf_host(route.scheme)  # Its URL names no mail server.
    encrypted = None if is_own else bool(interface) or route.scheme in _ENCRYPTED
    include = provider_include(interface or route.host)
    own_host = _own_host(route, seen) if is_own else None
    host = "" if is_own or interface else route.host
    return replace(
        base,
        by_provider=not route.signs,
        include=include,
        host=host,
        own_host=own_host,
        encrypted=encrypted,
        connection=seen,
    )


def _own_host(route: RouteRow, seen: RouteConnection | None) -> str:
    """A mail server on this machine says its own name to others, which may not be ours. What it greets us with may be
    no name of a host; what Postfix has as smtp_helo_name is said, whatever it is."""
    named = seen.named if seen else ""
    return named if "." in named or (named and route.scheme == "sendmail") else socket.gethostname()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return is_at_or_below(host, "localhost")
