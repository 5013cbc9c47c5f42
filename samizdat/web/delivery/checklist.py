"""What must be right before a letter goes, what is worth a look, what is fine: one line each, the worst first."""

from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat import formatting
from samizdat.accounts.models import Organization
from samizdat.accounts.queries import name_in
from samizdat.accounts.sealed_settings import leading
from samizdat.campaigns import approval
from samizdat.campaigns.content import OpenedVersion, compile_version
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.opened import OpenedCampaign
from samizdat.core.content.problems import SENTENCES
from samizdat.core.mail.address import BadAddress, domain, normalize
from samizdat.delivery import bounces, campaign_checks, dkim_keys, queries
from samizdat.delivery.actions.recipients import stands_in_digest
from samizdat.delivery.recipients_breakdown import RecipientsBreakdown
from samizdat.events import queries as events
from samizdat.web import labels
from samizdat.web.campaigns import previews
from samizdat.web.permissions import address
from samizdat.web.request import DeskRequest
from samizdat.web.templatetags.desk import count, moment


def domain_in(email: str) -> str:
    """The domain of an address; "" where it is none yet."""
    try:
        return domain(normalize(email))
    except BadAddress:
        return ""


def checklist(
    request: DeskRequest,
    opened: OpenedCampaign,
    standing: approval.ApprovalStatus,
    reach: RecipientsBreakdown,
    now: datetime,
) -> list[dict[str, str]]:
    """What must be right before it goes, what is worth a look, what is fine; the worst first."""
    organization, campaign, draft = request.organization, opened.campaign, opened.draft
    items = [
        *_every_flaw(request, opened, now),
        *_house(request, organization),
        _routes(request, organization, domain_in(draft.from_email)),
        _people(request, campaign, reach),
        *_second_person(request, opened, standing),
        _test(organization, campaign),
        _bounces(request, organization, draft),
        _signed(request, organization, draft),
    ]
    order = {"stop": 0, "care": 1, "good": 2}
    return sorted(items, key=lambda item: order[item["kind"]])


def _item(kind: str, title: str, text: str, href: str = "", link: str = "") -> dict[str, str]:
    return {"kind": kind, "title": title, "text": text, "href": href, "link": link}


def _every_flaw(request: DeskRequest, opened: OpenedCampaign, now: datetime) -> list[dict[str, str]]:
    """What the checks say of each version, with the name of its language where there are several."""
    letter = opened.versions[0]
    if not opened.translations:
        return [_flaws(request, letter, now)]
    others = {formatting.language(version.language): version for version in opened.translations}
    versions = {formatting.language(letter.campaign.language): letter} | dict(sorted(others.items()))
    items = [(name, _flaws(request, version, now)) for name, version in versions.items()]
    return [item | {"title": f"{name}: {item['title']}"} for name, item in items]


def _flaws(request: DeskRequest, version: OpenedVersion, now: datetime) -> dict[str, str]:
    campaign, draft, proof = version.campaign, version.draft, compile_version(version, now)
    checks = previews.checks(proof, draft, campaign_checks.look(campaign, now, draft, proof))
    href = address(request.organization, "campaign", campaign.pk)
    if checks.stops:
        title = ngettext("%(n)s problem to fix", "%(n)s problems to fix", len(checks.stops)) % {"n": len(checks.stops)}
        return _item("stop", title, checks.stops[0].finding.sentence, href, _("Fix"))
    if checks.cares:
        title = ngettext("%(n)s warning", "%(n)s warnings", len(checks.cares))
        return _item("care", title % {"n": len(checks.cares)}, checks.cares[0].finding.sentence, href, _("Review"))
    return _item("good", _("No problems to fix"), _("Unsubscribe link, plain text, headers and merge tags: OK."))


def _house(request: DeskRequest, organization: Organization) -> list[dict[str, str]]:
    items, href = [], address(organization, "settings") if request.role == "admin" else ""
    if organization.sending_locked:
        text = labels.campaign_reason("fenced")
        see = address(organization, "fence")
        items.append(_item("stop", _("Sending is on hold"), text, see, _("Show what’s waiting")))
    if not leading(organization).public_url:
        text = _("Nobody can unsubscribe without an address for your public pages. An admin can set it under Settings.")
        items.append(_item("stop", _("The unsubscribe link doesn’t work"), text, href, _("Settings")))
    if not leading(organization).postal_address:
        text = _("Many countries require it at the foot of an email. An admin can add it under Settings.")
        items.append(_item("care", _("Add your postal address"), text, href, _("Settings")))
    return items


def _routes(request: DeskRequest, organization: Organization, domain: str) -> dict[str, str]:
    routes = queries.routes(organization)
    living = [route for route in routes if route.state in ("live", "throttled")]
    usable = [route for route in living if domain not in (bar.domain for bar in route.barred)]
    # Live again after it was condemned, and nothing taken since: nobody knows yet whether it lives.
    live = [route for route in usable if route.state == "live" and not route.reason]
    href = address(organization, "routes") if request.role == "admin" else ""
    if living and not usable:
        text = _("%(names)s: the provider doesn’t accept this domain. An admin can see its answer under Routes.")
        title = _("No route can send from %(domain)s") % {"domain": domain}
        names = ", ".join(route.name for route in living)
        return _item("stop", title, text % {"names": names}, href, _("Routes"))
    if not usable:
        text = _("Nothing can be sent without one. An admin can add or fix a route under Routes.")
        return _item("stop", _("No sending route is working"), text, href, _("Routes"))
    if not live:
        text = _("Being retried: %(names)s. The campaign waits until one of them accepts email.")
        names = ", ".join(route.name for route in usable)
        return _item("care", _("Sending routes haven’t been checked"), text % {"names": names}, href, _("Routes"))
    names = ", ".join(route.name for route in live)
    if len(live) < len(routes):
        text = _(
            "Working: %(names)s. The others aren’t working or are being retried; emails go through the working ones."
        )
        return _item("care", _("Some sending routes aren’t working"), text % {"names": names}, href, _("Routes"))
    return _item("good", _("All sending routes are working"), _("In this order: %(names)s.") % {"names": names})


def _people(request: DeskRequest, campaign: Campaign, reach: RecipientsBreakdown) -> dict[str, str]:
    if reach.broken:
        href = address(request.organization, "campaign", campaign.pk)
        return _item("stop", _("Audience no longer exists"), reach.broken, href, _("Choose"))
    if reach.may:
        return _item(
            "good", _("Everyone has given consent"), _("Consent is checked again just before each email is sent.")
        )
    if stands_in_digest(campaign):
        return _item("care", _("Sent in the digest only"), _gathered(campaign, reach))
    href = address(request.organization, "imports")
    return _item(
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


def _second_person(
    request: DeskRequest, opened: OpenedCampaign, standing: approval.ApprovalStatus
) -> list[dict[str, str]]:
    """What a second person has said. It stops the release where the organization wants their yes."""
    stops = approval.is_needed(opened)
    kind = "stop" if stops else "care"
    if standing.state == "given":
        facts = {"name": standing.name or _("Someone"), "when": moment(standing.given)}
        text = _("%(name)s approved this text and audience: %(when)s. If you change either, it needs approval again.")
        if stops and standing.by == request.person:
            return [_item("stop", _("Someone else has to send it"), _("You approved it; two people are needed."))]
        return [_item("good", _("Approved"), text % facts)]
    if standing.state == "old":
        text = _("%(name)s approved it: %(when)s. An approval is valid for %(days)s days.")
        facts = {"name": standing.name or _("Someone"), "when": moment(standing.given)}
        facts["days"] = str(approval.COUNTS_FOR.days)
        return [_item(kind, _("The approval has expired"), text % facts, "#second", _("Ask again"))]
    if standing.state == "changed":
        text = _("%(name)s approved it: %(when)s. The email or its audience has changed since then.")
        facts = {"name": standing.name or _("Someone"), "when": moment(standing.given)}
        return [_item(kind, _("Approved an earlier version"), text % facts, "#second", _("Ask again"))]
    if standing.state == "asked":
        name = name_in(request.organization, standing.asked_by) or _("Someone")
        text = _("%(name)s requested approval: %(when)s. Teammates see it on Home.")
        facts = {"name": name, "when": moment(standing.asked)}
        return [_item(kind, _("Waiting for approval"), text % facts, "#second", _("Approve"))]
    if not stops:
        return []
    text = _("Here a campaign is sent only after someone other than the sender approves it.")
    return [_item("stop", _("Not approved yet"), text, "#second", _("Request approval"))]


def _test(organization: Organization, campaign: Campaign) -> dict[str, str]:
    tested = events.about(organization, "campaign.tested", campaign.pk)
    if tested:
        text = _("%(when)s. Check it on a phone; we don’t track opens.") % {"when": moment(tested.at)}
        return _item("good", _("Test sent"), text)
    return _item(
        "care", _("No test sent yet"), _("Send one to yourself and check it on your phone."), "#test", _("Test")
    )


def _bounces(request: DeskRequest, organization: Organization, draft: Draft) -> dict[str, str]:
    if kept := leading(organization).return_address:
        text = _("Bounces go to %(address)s.") % {"address": kept}
        return _item("good", _("Bounces are processed"), text)
    href = address(organization, "settings") if request.role == "admin" else ""
    if bounces.elsewhere(organization, draft.from_email):
        text = _(SENTENCES["bounces_elsewhere"]) % {"address": draft.from_email}
        return _item("stop", _("Bounces aren’t processed"), text, href, _("Settings"))
    text = _("Bounces go to your sender address, %(address)s. A separate bounce address keeps replies easy to find.")
    return _item(
        "care", _("Bounces go to the sender’s mailbox"), text % {"address": draft.from_email}, href, _("Settings")
    )


def _signed(request: DeskRequest, organization: Organization, draft: Draft) -> dict[str, str]:
    """Whether we sign, or the provider of a route has to, or nobody does."""
    signature = dkim_keys.signature_of(organization, domain_in(draft.from_email))
    if signature.by == "waiting":
        row = dkim_keys.domain_named(organization, signature.domain)
        href = address(organization, "sending-domain", row.pk) if row and request.role == "admin" else ""
        return _item("care", _("Not signed with DKIM yet"), signature.sentence, href, signature.domain)
    if signature.by == "nobody":
        href = address(organization, "domains") if request.role == "admin" else ""
        return _item("care", _("Not signed with DKIM"), signature.sentence, href, _("Domains"))
    title = _("Signed by the provider") if signature.by == "relay" else _("DKIM signed")
    return _item("good", title, signature.sentence)
