"""The first page: what needs somebody, the five promises, what goes out next, what became of the last letters."""

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat.accounts import database_catalog
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience
from samizdat.audience.actions import signup_alarm
from samizdat.audience.consistency import compared
from samizdat.audience.queries.lists import ListView
from samizdat.campaigns import queries as campaigns
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.queries import CampaignRow
from samizdat.delivery import queries as delivery
from samizdat.delivery.engine import rewound_database
from samizdat.delivery.queries import RouteRow
from samizdat.events import queries as events
from samizdat.events.actions import detail_of
from samizdat.web import labels, limit_alarms
from samizdat.web.exports.views import exports
from samizdat.web.permissions import EVERYONE, address, door
from samizdat.web.request import DeskRequest
from samizdat.web.settings import alarms, reminders
from samizdat.web.settings.views import pending_changes, team
from samizdat.web.templatetags.desk import count, moment

# At most this many things that need somebody, the worst first (shared interface, section 6).
MOST = 5
UNDER_WAY = ("scheduled", "held", "sending", "paused", "waiting")


@door(see=EVERYONE)
def home(request: DeskRequest) -> HttpResponse:
    organization, now = request.organization, timezone.now()
    lists, routes = audience.lists(organization), delivery.routes(organization)
    going = campaigns.newest(organization, UNDER_WAY, limit=20)
    drafts = campaigns.newest(organization, ("draft",), limit=3)
    ended = [row for row in campaigns.newest(organization, ("finished", "cancelled"), limit=20) if _went_out(row)][:3]
    names = {view.id: view.name for view in lists}
    going.sort(key=_when)
    needs = _needs(request, routes, going, ended, now)
    facts = {
        "now": now,
        "lead": _lead(needs, routes, going, organization.sending_locked),
        "needs": needs[:MOST],
        "promises": _promises(organization, lists, routes),
        "next": [(row, names.get(row.campaign.list_id, "")) for row in [*going, *drafts]],
        "last": [(row, _books(row.campaign)) for row in ended],
        "routes": routes,
        "lists": lists,
        "steps": _first_steps(request, lists, routes, bool(going or drafts or ended)),
    }
    return render(request, "web/home.html", facts)


def _went_out(row: CampaignRow) -> bool:
    """Somebody got it, or might have: one that was taken back in time is no letter of ours."""
    campaign = row.campaign
    return bool(campaign.state != "cancelled" or campaign.frozen != campaign.cancelled)


def _when(row: CampaignRow) -> Any:
    return row.campaign.not_before or row.campaign.released or row.campaign.changed


def _lead(needs: list[dict[str, str]], routes: list[RouteRow], going: list[CampaignRow], fenced: bool) -> str:
    """The day in two or three sentences: what is stuck, how much needs somebody, what goes out."""
    number = len(needs)
    needed = ngettext("%(n)s thing needs somebody.", "%(n)s things need somebody.", number) % {"n": count(number)}
    goes = _("Sending is on hold, so no campaign goes out.") if fenced else _going(going)
    sentences = [_stuck(routes, going), needed if needs else _("Nothing needs you."), goes]
    return " ".join(sentence for sentence in sentences if sentence)


def _stuck(routes: list[RouteRow], going: list[CampaignRow]) -> str:
    waiting = next((row for row in going if row.campaign.state == "waiting"), None)
    dead = [route for route in routes if route.state == "dead"]
    if waiting and waiting.campaign.reason in labels.PASSING:
        reason = labels.campaign_reason(waiting.campaign.reason, waiting.campaign.waits_until)
        return _("“%(subject)s” waits. %(reason)s") % {"subject": waiting.subject[:80], "reason": reason}
    if waiting and waiting.campaign.reason == "provider":
        facts = {"subject": waiting.subject[:80]}
        return _("“%(subject)s” waits, for a mailbox provider refuses our emails.") % facts
    if waiting and waiting.campaign.reason == "barred":
        return _("“%(subject)s” waits, for no route takes letters from its domain.") % {"subject": waiting.subject[:80]}
    if waiting:
        return _("“%(subject)s” waits, for no route lives.") % {"subject": waiting.subject[:80]}
    if dead and not any(route.state in ("live", "throttled") for route in routes):
        return _("No route lives, so nothing can leave.")
    if dead:
        return _("Route “%(name)s” rests; mail goes by the next one.") % {"name": dead[0].name}
    return ""


def _going(going: list[CampaignRow]) -> str:
    now = [row for row in going if row.campaign.state == "sending"]
    soon = [row for row in going if row.campaign.state in ("scheduled", "held")]
    sentences = []
    if len(now) > 1:
        several = ngettext("%(n)s letter is going out.", "%(n)s letters are going out.", len(now))
        sentences.append(several % {"n": count(len(now))})
    elif now:
        facts = {"subject": now[0].subject[:80], "at": moment(_when(now[0]))}
        sentences.append(_("“%(subject)s” has been going out since %(at)s.") % facts)
    if soon:
        sentences.append(_("The next letter goes on %(at)s.") % {"at": moment(_when(soon[0]))})
    return " ".join(sentences)


def _books(campaign: Campaign) -> list[labels.LabelRow]:
    rows = [labels.LabelRow(str(word), getattr(campaign, name)) for name, word, _note in labels.BOOKS]
    return [row for place, row in enumerate(rows) if row.count or place == 0]


def _need(kind: str, title: str, text: str, href: str = "", link: str = "") -> dict[str, str]:
    return {"kind": kind, "title": title, "text": text, "href": href, "link": link}


def _rewound(organization: Organization, now: datetime) -> list[dict[str, str]]:
    """For a week: the database had forgotten what was sent, and journals told it."""
    event = rewound_database.lately(organization, now)
    details = detail_of(event) if event else {}
    if not any(details.get(name) for name in ("booked", "unsure", "lost")):
        return []
    facts = {name: count(details.get(name, 0)) for name in ("booked", "unsure", "lost")}
    text = _(
        "It had forgotten emails that were sent. From the journals %(booked)s answers were booked again, and "
        "%(unsure)s emails have an unknown outcome and are held. %(lost)s went out in campaigns that it doesn't know."
    )
    return [_need("care", _("The database went back in time"), text % facts)]


def _foreign(request: DeskRequest, now: datetime) -> list[dict[str, str]]:
    """For a week: the database runs what none of us wrote."""
    if request.role != "admin" or not database_catalog.alarming(request.organization, now):
        return []
    text = _("Somebody else may be able to write it. Ask whoever runs the server to look at `samizdat doctor` today.")
    return [_need("stop", _("The database runs something that is not ours"), text)]


def _needs(
    request: DeskRequest, routes: list[RouteRow], going: list[CampaignRow], ended: list[CampaignRow], now: datetime
) -> list[dict[str, str]]:
    """What cannot go on without a person, the worst first."""
    organization, items = request.organization, []
    if organization.sending_locked:
        see = address(organization, "fence")
        items.append(_need("stop", _("Sending is on hold"), labels.campaign_reason("fenced"), see, _("See what waits")))
    items += _foreign(request, now)
    items += _rewound(organization, now)
    for row in going:
        items += _of_campaign(organization, row)
    items += _differing(organization)
    href = address(organization, "routes") if request.role in ("admin", "viewer") else ""
    for route in routes:
        for bar in route.barred:
            facts = {"name": route.name, "domain": bar.domain}
            title = _("Route “%(name)s” takes no letters from %(domain)s") % facts
            items.append(_need("care", title, labels.bar_reason(bar), href, _("See the route")))
        if route.state == "dead":
            title = _("Route “%(name)s” is resting") % {"name": route.name}
            items.append(
                _need(
                    "stop" if len(routes) == 1 else "care", title, labels.route_reason(route), href, _("See the route")
                )
            )
    for row in ended:
        items += _unsure(organization, row)
    for alarm in alarms.unanswered(organization, now)[:2]:
        title = alarms.title(*alarms.about(alarm))
        text = _("On %(when)s. If it was not they who did it, an admin can undo it.")
        href = address(organization, "left-at-once", alarm.pk)
        items.append(_need("care", title, text % {"when": moment(alarm.at)}, href, _("Look")))
    for alarm in signup_alarm.alarms(organization, now):
        text = _(
            "On %(when)s. If you know of no reason, somebody types in other people’s addresses: look at your forms."
        )
        title, href = _("Many more sign up than usual"), address(organization, "lists")
        items.append(_need("care", title, text % {"when": moment(alarm.at)}, href, _("Look")))
    items += limit_alarms.needs(request)
    items += team.needs(request)
    items += pending_changes.needs(request)
    items += exports.needs(request)
    items += reminders.needs(request)
    for run in audience.imports(organization)[:5]:
        if run.state in ("found", "stopped"):
            title = _("An import waits for you")
            text = (
                _("It was read and nothing was changed yet.") if run.state == "found" else _("It was stopped half way.")
            )
            items.append(_need("care", title, text, address(organization, "import", run.pk), _("Go on")))
    return sorted(items, key=lambda need: need["kind"] != "stop")


def _differing(organization: Organization) -> list[dict[str, str]]:
    """What the nightly comparison found; letters go by the status, so it cannot wait."""
    seen = compared(organization)
    if seen is None or seen.wrong <= 0:
        return []
    title = ngettext(
        "The status of %(n)s subscriber is not what the consent records say",
        "The status of %(n)s subscribers is not what the consent records say",
        seen.wrong,
    )
    text = _("It is being put right; it takes a minute.") if seen.asked else _("Have it put right by the records.")
    return [_need("stop", title % {"n": count(seen.wrong)}, text, address(organization, "differ"), _("Look"))]


def _refused(organization: Organization, row: CampaignRow) -> list[dict[str, str]]:
    """Mailbox providers that refuse us while it goes out to the others."""
    refusals = delivery.provider_refusals(row.campaign)
    if not refusals:
        return []
    title = _("A mailbox provider refuses “%(subject)s”") % {"subject": row.subject[:80]}
    href = address(organization, "report", row.campaign.pk)
    return [_need("stop", title, " ".join(labels.refusals_told(refusals)), href, _("See the report"))]


def _of_campaign(organization: Organization, row: CampaignRow) -> list[dict[str, str]]:
    campaign = row.campaign
    if campaign.state == "sending":
        return _refused(organization, row)
    if campaign.state not in ("paused", "waiting"):
        return []
    sentence = _("“%(subject)s” is paused") if campaign.state == "paused" else _("“%(subject)s” waits")
    kind = "care" if campaign.state == "paused" else "stop"
    href = address(organization, "report", campaign.pk)
    return [
        _need(
            kind,
            sentence % {"subject": row.subject[:80]},
            labels.why_held(campaign),
            href,
            _("See the report"),
        )
    ]


def _unsure(organization: Organization, row: CampaignRow) -> list[dict[str, str]]:
    campaign = row.campaign
    decided = campaign.unsure_policy == "hold" and events.about(organization, "campaign.unsure_settled", campaign.pk)
    if not campaign.unsure or decided or campaign.state == "cancelled":
        return []
    title = ngettext(
        "%(n)s answer to “%(subject)s” was lost", "%(n)s answers to “%(subject)s” were lost", campaign.unsure
    ) % {"n": count(campaign.unsure), "subject": row.subject[:60]}
    text = _("Decide whether those messages are sent again.")
    return [_need("care", title, text, address(organization, "report", campaign.pk), _("Decide"))]


def _promises(organization: Organization, lists: list[ListView], routes: list[RouteRow]) -> list[tuple[str, str, str]]:
    """The five, always in this order, each with its newest fact: shape, name, fact."""
    subscribed = sum(view.totals.get("subscribed", 0) for view in lists)  # As the page of lists has it, list by list.
    live = sum(route.state == "live" for route in routes)
    through = "good" if routes and live == len(routes) else "care" if live else "stop"
    fact = (
        _("%(live)s of %(all)s routes live") % {"live": count(live), "all": count(len(routes))}
        if routes
        else _("No route yet")
    )
    here = ngettext(
        "%(n)s subscription in force, on your own server",
        "%(n)s subscriptions in force, all on your own server",
        subscribed,
    )
    return [
        ("good", _("Yours"), here % {"n": count(subscribed)}),
        (through if routes else "none", _("Through"), fact),
        ("good", _("Sealed"), _("A copied database without the key file names nobody")),
        ("none", _("Elsewhere within the hour"), _("Copy the data folder and the key file, each to another place")),
        ("good", _("Just"), _("No suspension: nobody hosts you but yourselves")),
    ]


def _first_steps(
    request: DeskRequest, lists: list[ListView], routes: list[RouteRow], has_letters: bool
) -> list[dict[str, object]]:
    """What a new house still needs, in order; empty once it has all of it."""
    organization, admin = request.organization, request.role == "admin"
    people = sum(view.total for view in lists)
    steps = [
        (bool(lists), _("Make a list"), _("It is what people subscribe to."), "lists", True),
        (people > 0, _("Bring your readers in"), _("From the export you still have, or one by one."), "imports", True),
        (bool(routes), _("Add a route"), _("A mail server that carries your letters."), "routes", admin),
        (
            bool(leading(organization).public_url),
            _("Say where your public pages are"),
            _("Leave links begin with it."),
            "settings",
            admin,
        ),
        (has_letters, _("Write the first letter"), _("Look at it, test it, send it."), "new-campaign", True),
    ]
    if all(done for done, *_rest in steps):
        return []
    return [
        {"done": done, "title": title, "text": text, "href": address(organization, name) if allowed else ""}
        for done, title, text, name, allowed in steps
    ]
