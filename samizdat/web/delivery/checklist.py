"""What must be right before a letter goes, what is worth a look, what is fine: one line each, the worst first."""

from dataclasses import dataclass, replace
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat import formatting
from samizdat.accounts import pending_change_kinds
from samizdat.accounts.models import Organization
from samizdat.accounts.queries import name_in
from samizdat.accounts.sealed_settings import Leading
from samizdat.campaigns import approval
from samizdat.campaigns.content import OpenedVersion, compile_version, findings
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.opened import OpenedCampaign
from samizdat.core.content.compile import CompileProof, condition_flaws
from samizdat.core.content.problems import SENTENCES
from samizdat.core.content.render import RenderedContent, conditions_of
from samizdat.delivery import campaign_checks, dkim_keys, domain_ownership, queries
from samizdat.delivery.actions import route_webhooks
from samizdat.delivery.actions.recipients import stands_in_digest
from samizdat.delivery.recipients_breakdown import RecipientsBreakdown
from samizdat.events import queries as events
from samizdat.incoming import queries as incoming
from samizdat.web import labels
from samizdat.web.campaigns import previews
from samizdat.web.delivery.recipients_panel import domain_in
from samizdat.web.permissions import address
from samizdat.web.request import DeskRequest
from samizdat.web.templatetags.desk import count, day, moment


@dataclass(frozen=True, slots=True)
class CheckItem:
    """One line. kind: stop, care, none or good; more: further sentences, shown when asked for; part: "second" or
    "test", whose controls stand in the line.
    """

    kind: str
    title: str
    text: str
    href: str = ""
    link: str = ""
    more: tuple[str, ...] = ()
    part: str = ""

    @property
    def is_folded(self) -> bool:
        """Passed, and nothing can be done about it here."""
        return self.kind == "good" and not self.part


ORDER = ("stop", "care", "none", "good")


def checklist(
    request: DeskRequest,
    opened: OpenedCampaign,
    standing: approval.ApprovalStatus,
    reach: RecipientsBreakdown,
    now: datetime,
) -> list[CheckItem]:
    """What must be right before it goes, what is worth a look, what is fine; the worst first."""
    organization, campaign, draft = request.organization, opened.campaign, opened.draft
    items = [
        *_every_flaw(request, opened, now),
        *_house(request, opened.settings),
        _routes(request, organization, domain_in(draft.from_email)),
        _people(request, opened, reach),
        _second_person(request, opened, standing),
        _test(organization, campaign),
        _bounces(request, opened),
        _signed(request, organization, draft),
    ]
    return sorted(items, key=lambda item: ORDER.index(item.kind))


def _every_flaw(request: DeskRequest, opened: OpenedCampaign, now: datetime) -> list[CheckItem]:
    """What the checks say of each version, with the name of its language where there are several."""
    letter = opened.versions[0]
    if not opened.translations:
        return [_flaws(request, letter, compile_version(letter, now), now)]
    others = {formatting.language(version.language): version for version in opened.translations}
    versions = {formatting.language(letter.campaign.language): letter} | dict(sorted(others.items()))
    proofs = {name: compile_version(version, now) for name, version in versions.items()}
    items = [(name, _flaws(request, version, proofs[name], now)) for name, version in versions.items()]
    named = [replace(item, title=f"{name}: {item.title}") for name, item in items]
    return [*named, *_of_all(request, opened, [proof.letter for proof in proofs.values()])]


def _of_all(request: DeskRequest, opened: OpenedCampaign, letters: list[RenderedContent]) -> list[CheckItem]:
    """What is wrong with the versions together."""
    flaws = condition_flaws(condition for letter in letters for condition in conditions_of(letter))
    href = address(request.organization, "campaign", opened.campaign.pk)
    title = ngettext("%(n)s problem to fix", "%(n)s problems to fix", len(flaws)) % {"n": len(flaws)}
    return [CheckItem("stop", title, finding.sentence, href, _("Fix")) for finding in findings(tuple(flaws))]


def _flaws(request: DeskRequest, version: OpenedVersion, proof: CompileProof, now: datetime) -> CheckItem:
    campaign, draft = version.campaign, version.draft
    checks = previews.checks(proof, draft, campaign_checks.look(campaign, now, draft, proof))
    href = address(request.organization, "campaign", campaign.pk)
    if checks.stops:
        title = ngettext("%(n)s problem to fix", "%(n)s problems to fix", len(checks.stops)) % {"n": len(checks.stops)}
        first, *more = (check.finding.sentence for check in checks.stops)
        return CheckItem("stop", title, first, href, _("Fix"), tuple(more))
    # Whether it is signed has a line of its own.
    cares = [check.finding.sentence for check in checks.cares if check.finding.code != "no_signature"]
    if cares:
        title = ngettext("%(n)s warning", "%(n)s warnings", len(cares))
        first, *more = cares
        return CheckItem("care", title % {"n": len(cares)}, first, href, _("Review"), tuple(more))
    return CheckItem("good", _("No problems to fix"), _("Unsubscribe link, plain text, headers and merge tags: OK."))


def _house(request: DeskRequest, settings: Leading) -> list[CheckItem]:
    organization = request.organization
    items, href = [], address(organization, "settings") if request.role == "admin" else ""
    if organization.sending_locked:
        text = labels.campaign_reason("fenced")
        see = address(organization, "on-hold")
        items.append(CheckItem("stop", _("Sending is on hold"), text, see, _("Show what’s waiting")))
    if not settings.public_url:
        text = _(
            "Nobody can unsubscribe without an address for your public pages. Set it under Settings (admins only)."
        )
        items.append(CheckItem("stop", _("The unsubscribe link doesn’t work"), text, href, _("Settings")))
    if not settings.postal_address:
        text = _("Many countries require it at the foot of an email. Add it under Settings (admins only).")
        items.append(CheckItem("care", _("Add your postal address"), text, href, _("Settings")))
    return items


def _routes(request: DeskRequest, organization: Organization, domain: str) -> CheckItem:
    routes = queries.routes(organization)
    living = [route for route in routes if route.state in ("live", "throttled")]
    usable = [route for route in living if domain not in (bar.domain for bar in route.barred)]
    # Live again after it was condemned, and nothing taken since: nobody knows yet whether it lives.
    live = [route for route in usable if route.state == "live" and not route.reason]
    href = address(organization, "routes") if request.role == "admin" else ""
    if living and not usable:
        text = _("%(names)s: the provider doesn’t accept this domain. See its answer under Routes (admins only).")
        title = _("No route can send from %(domain)s") % {"domain": domain}
        names = ", ".join(route.name for route in living)
        return CheckItem("stop", title, text % {"names": names}, href, _("Routes"))
    if not usable:
        text = _("Nothing can be sent without one. Add or fix a route under Routes (admins only).")
        return CheckItem("stop", _("No sending route is working"), text, href, _("Routes"))
    if not live:
        text = _("Being retried: %(names)s. The campaign waits until one of them accepts email.")
        names = ", ".join(route.name for route in usable)
        return CheckItem("care", _("Sending routes haven’t been checked"), text % {"names": names}, href, _("Routes"))
    names = ", ".join(route.name for route in live)
    if len(live) < len(routes):
        text = _(
            "Working: %(names)s. The others aren’t working or are being retried; emails go through the working ones."
        )
        return CheckItem("care", _("Some sending routes aren’t working"), text % {"names": names}, href, _("Routes"))
    return CheckItem("good", _("All sending routes are working"), _("In this order: %(names)s.") % {"names": names})


def _people(request: DeskRequest, opened: OpenedCampaign, reach: RecipientsBreakdown) -> CheckItem:
    campaign = opened.campaign
    if not campaign.has_audience:
        text = _("It goes only to those who confirm from now on. Consent is checked again just before it’s sent.")
        return CheckItem("good", _("Everyone has given consent"), text)
    if reach.broken:
        href = address(request.organization, "campaign", campaign.pk)
        return CheckItem("stop", _("Audience no longer exists"), reach.broken, href, _("Choose"))
    if reach.may:
        return CheckItem(
            "good", _("Everyone has given consent"), _("Consent is checked again just before each email is sent.")
        )
    if stands_in_digest(campaign, opened.settings):
        return CheckItem("care", _("Sent in the digest only"), _gathered(campaign, reach))
    href = address(request.organization, "imports")
    return CheckItem(
        "stop",
        _("No recipients"),
        _("Nobody on this list can be emailed. Choose another list or tag."),
        href,
        _("Import"),
    )


def _gathered(campaign: Campaign, reach: RecipientsBreakdown) -> str:
    many = reach.without.get("digest", 0)
    who = ngettext(
        "%(number)s subscriber gets this list as a digest, and nobody gets its emails separately.",
        "%(number)s subscribers get this list as a digest, and nobody gets its emails separately.",
        many,
    )
    due = campaign.list.digest_due
    then = (
        _("Once you send it, it’s included in the next digest: %(when)s.")
        if due
        else _("Once you send it, it’s included in the next digest.")
    )
    return f"{who} {then}" % {"number": count(many), "when": moment(due)}


def _second_person(request: DeskRequest, opened: OpenedCampaign, standing: approval.ApprovalStatus) -> CheckItem:
    """What a second person has said. It stops the release where the organization wants their yes."""
    stops = approval.is_needed(opened)
    kind, title, text = _approval(stops, standing, standing.by == request.person)
    by = standing.asked_by if standing.state == "asked" else None
    name = name_in(request.organization, by) if by else standing.name
    when = standing.asked if standing.state == "asked" else standing.given
    facts = {"name": name or _("Someone"), "when": moment(when), "days": str(approval.COUNTS_FOR.days)}
    return CheckItem(kind, title, text % facts, part="second")


def _approval(stops: bool, standing: approval.ApprovalStatus, is_own: bool) -> tuple[str, str, str]:
    """Kind, title and sentence by the state of an approval."""
    kind = "stop" if stops else "care"
    if standing.state == "given" and is_own:
        text = _("You approved this text and audience: %(when)s. If you change either, it needs approval again.")
        if not stops:
            return "good", _("Approved"), text
        text = _("You approved this text and audience: %(when)s. Two people are needed.")
        return "stop", _("Someone else has to send it"), text
    if standing.state == "given":
        text = _("%(name)s approved this text and audience: %(when)s. If you change either, it needs approval again.")
        return "good", _("Approved"), text
    if standing.state == "old":
        text = _("%(name)s approved it: %(when)s. An approval is valid for %(days)s days.")
        return kind, _("The approval has expired"), text
    if standing.state == "changed":
        text = _("%(name)s approved it: %(when)s. The email or its audience has changed since then.")
        return kind, _("Approved an earlier version"), text
    if standing.state == "asked":
        return kind, _("Waiting for approval"), _("%(name)s requested approval: %(when)s. Teammates see it on Home.")
    if not stops:
        return "none", _("No approval requested"), _("Your organization doesn’t require one.")
    text = _("Here a campaign is sent only after someone other than the sender approves it.")
    return "stop", _("Not approved yet"), text


def _test(organization: Organization, campaign: Campaign) -> CheckItem:
    tested = events.about(organization, "campaign.tested", campaign.pk)
    if tested:
        text = _("%(when)s. Check it on a phone; we don’t track opens.") % {"when": moment(tested.at)}
        return CheckItem("good", _("Test sent"), text, part="test")
    text = _("Send one to yourself and check it on your phone.")
    return CheckItem("care", _("No test sent yet"), text, part="test")


def _bounces(request: DeskRequest, opened: OpenedCampaign) -> CheckItem:
    organization, settings, draft = request.organization, opened.settings, opened.draft
    if kept := settings.return_address:
        return _processed(organization, kept)
    href, link = address(organization, "mailboxes") if request.role == "admin" else "", _("Incoming email")
    if domain_ownership.bounces_elsewhere(organization, settings, draft.from_email):
        text = _(SENTENCES["bounces_elsewhere"]) % {"address": draft.from_email}
        return CheckItem("stop", _("Bounces aren’t processed"), text, href, link)
    if waiting := pending_change_kinds.waiting_setting(organization, "return_address"):
        text = _("Until another admin approves %(address)s, or a day has passed, bounces go to your sender address.")
        return CheckItem("care", _("The bounce address waits for approval"), text % {"address": waiting[0]}, href, link)
    if by_webhook := _by_webhook(organization, href):
        return by_webhook
    text = _("Bounces go to your sender address, %(address)s. A separate bounce address keeps replies easy to find.")
    return CheckItem("care", _("Bounces go to the sender’s mailbox"), text % {"address": draft.from_email}, href, link)


def _by_webhook(organization: Organization, href: str) -> CheckItem | None:
    """None unless each route has one, since a route without one has its bounces sent to the sender."""
    views = [view for _route, view in route_webhooks.webhooks_of(organization)]
    if not views or not all(views):
        return None
    if all(view and view.state and view.state.heard for view in views):
        return CheckItem("good", _("Bounces are processed"), _("Your sending provider tells us of them by webhook."))
    text = _("Your sending provider is to tell us by webhook, but nothing has come in. Send a test event there.")
    return CheckItem("care", _("No bounces have come in yet"), text, href, _("Incoming email"))


def _processed(organization: Organization, kept: str) -> CheckItem:
    """A bounce address alone is no proof: the mail has to reach us."""
    if last := incoming.last_received(organization):
        text = _("Bounces go to %(address)s. The last message came in on %(day)s.")
        return CheckItem("good", _("Bounces are processed"), text % {"address": kept, "day": day(last)})
    text = _("Bounces go to %(address)s, but nothing has come in from there. See “Bounces and complaints” under Help.")
    return CheckItem("care", _("No bounces have come in yet"), text % {"address": kept})


def _signed(request: DeskRequest, organization: Organization, draft: Draft) -> CheckItem:
    """Whether we sign, or the provider of a route has to, or nobody does."""
    signature = dkim_keys.signature_of(organization, domain_in(draft.from_email))
    if signature.by == "waiting":
        row = dkim_keys.domain_named(organization, signature.domain)
        href = address(organization, "sending-domain", row.pk) if row and request.role == "admin" else ""
        return CheckItem("care", _("Not signed with DKIM yet"), signature.sentence, href, signature.domain)
    if signature.by == "nobody":
        href = address(organization, "domains") if request.role == "admin" else ""
        return CheckItem("care", _("Not signed with DKIM"), signature.sentence, href, _("Domains"))
    title = _("Signed by the provider") if signature.by == "relay" else _("DKIM signed")
    return CheckItem("good", title, signature.sentence)
