"""The first page: what needs somebody, the five promises, what goes out next, what became of the last letters."""

import shlex
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat.accounts import database_catalog, memberships, sealed_people
from samizdat.accounts.models import Organization
from samizdat.audience import queries as audience
from samizdat.audience.actions import signup_alarm
from samizdat.audience.consistency import compared
from samizdat.audience.imports.documents import is_part
from samizdat.audience.queries.lists import ListView
from samizdat.campaigns import queries as campaigns
from samizdat.campaigns.queries import CampaignRow
from samizdat.delivery import queries as delivery
from samizdat.delivery.actions import spare_check
from samizdat.delivery.backup_standing import backup_standing
from samizdat.delivery.engine import rewound_database
from samizdat.delivery.queries import RouteRow
from samizdat.events import log_breaks
from samizdat.events import queries as events
from samizdat.events.actions import detail_of
from samizdat.health import reports
from samizdat.incoming import mail_space
from samizdat.options import key_file, option
from samizdat.web import complaint_notices, labels, limit_alarms
from samizdat.web.charts import SizeChart, size_chart
from samizdat.web.exports import standing_copies
from samizdat.web.exports.views import exports
from samizdat.web.first_steps import first_steps
from samizdat.web.permissions import EVERYONE, address, door
from samizdat.web.request import DeskRequest
from samizdat.web.settings import alarms, backups, reminders
from samizdat.web.settings.views import pending_changes, team
from samizdat.web.templatetags.desk import count, moment

# So far back the chart of a list goes.
CHART_DAYS = 90
# At most this many things that need somebody, the worst first (shared interface, section 6).
MOST = 5
UNDER_WAY = ("scheduled", "held", "sending", "paused", "waiting")


@door(see=EVERYONE)
def home(request: DeskRequest) -> HttpResponse:
    organization, now = request.organization, timezone.now()
    lists, routes = audience.lists(organization), delivery.routes(organization)
    going = [row for row in campaigns.newest(organization, UNDER_WAY, limit=20) if not row.campaign.is_idle]
    drafts = campaigns.newest(organization, ("draft",), limit=3)
    ended = campaigns.last_sent(organization, limit=3)
    names = {view.id: view.name for view in lists}
    going.sort(key=_when)
    needs = [*complaint_notices.needs(organization, lists, now), *_needs(request, routes, going, ended, now)]
    needs.sort(key=lambda need: need["kind"] != "stop")
    draft = drafts[0].campaign if drafts else None
    steps = [] if going or ended else first_steps(request, lists, routes, draft)
    facts = {
        "now": now,
        "greeting": _greeting(timezone.localtime(now).hour, sealed_people.name_of(request.person)),
        "needs": needs[:MOST],
        "promises": _promises(request, lists, routes, now),
        "next": [(row, names.get(row.campaign.list_id, "")) for row in [*going, *drafts]],
        "last": ended,
        "steps": steps,
        "key_copy": _key_copy() if request.role == "admin" else "",
        "steps_done": sum(step.done for step in steps),
        "size": _size(organization, lists, timezone.localdate()),
    }
    return render(request, "web/home.html", facts)


def _key_copy() -> str:
    """The command that saves a second copy; "" where there is no key file."""
    is_elsewhere = option("SAMIZDAT_KEY_COMMAND") or option("SAMIZDAT_KEY_SERVICE")
    return "" if is_elsewhere else shlex.join(["cp", str(key_file()), "/media/usb/"])


def _greeting(hour: int, name: str) -> str:
    sentence = _("Good evening, %(name)s")
    if hour < 12:
        sentence = _("Good morning, %(name)s")
    elif hour < 18:
        sentence = _("Good afternoon, %(name)s")
    return sentence % {"name": name}


@dataclass(frozen=True, slots=True)
class ListSize:
    """How many are subscribed to the largest list; who came and went in seven days; the chart of ninety."""

    list: ListView
    subscribed: int
    joined: int
    left: int
    chart: SizeChart | None


def _size(organization: Organization, lists: list[ListView], today: date) -> ListSize | None:
    """The size of a day is what it is now, less what has changed since."""
    largest = max(lists, key=lambda view: view.totals.get("subscribed", 0), default=None)
    subscribed = largest.totals.get("subscribed", 0) if largest else 0
    if largest is None or not subscribed:
        return None
    since = today - timedelta(days=CHART_DAYS - 1)
    rows = audience.growth(organization, since, today, audience.list_by_id(organization, largest.id))
    changed: Counter[date] = Counter()
    for row in rows:
        changed[row.day] += row.joined - row.left - row.cleaned
    sizes = [subscribed]
    for back in range(CHART_DAYS - 1):
        sizes.append(max(0, sizes[-1] - changed[today - timedelta(days=back)]))
    week = [row for row in rows if row.day > today - timedelta(days=7)]
    joined, left = sum(row.joined for row in week), sum(row.left for row in week)
    return ListSize(largest, subscribed, joined, left, size_chart(sizes[::-1], today))


def _when(row: CampaignRow) -> Any:
    return row.campaign.not_before or row.campaign.released or row.campaign.changed


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
        "It was missing emails that had been sent. From the journals, %(booked)s answers were recorded again. "
        "%(unsure)s emails have an unknown outcome and are held. %(lost)s were sent in campaigns it doesn’t know."
    )
    return [_need("care", _("The database is from an earlier point in time"), text % facts)]


def _health(request: DeskRequest) -> list[dict[str, str]]:
    """One line, where the page Health has something that may not wait."""
    if request.role != "admin":
        return []
    report = reports.kept(request.organization)
    serious = report.count("red") if report else 0
    see = address(request.organization, "health")
    if report is None and reports.is_altered(request.organization):
        title = _("The health report was changed in the database")
        return [_need("stop", title, _("It could hide a problem. Health says what to do."), see, _("Open Health"))]
    if not serious:
        return []
    title = ngettext("%(n)s serious problem to fix now", "%(n)s serious problems to fix now", serious)
    text = _("Health says what each of them means and what to do.")
    return [_need("stop", title % {"n": count(serious)}, text, see, _("Open Health"))]


def _closed_accounts(request: DeskRequest) -> list[dict[str, str]]:
    """Elsewhere: what was copied of them is all there is."""
    if request.role != "admin":
        return []
    see, text = address(request.organization, "standing-copies"), _("What was copied can become lists and drafts here.")
    return [
        _need(
            "stop",
            _("%(service)s no longer lets Samizdat into “%(account)s”")
            % {"service": settings.label, "account": (settings.title or settings.label)[:80]},
            text,
            see,
            _("Open standing copies"),
        )
        for settings in standing_copies.refused(request.organization)
    ]


def _foreign(request: DeskRequest, now: datetime) -> list[dict[str, str]]:
    """For a week: the database runs what none of us wrote, or an index of it lacks rows."""
    if request.role != "admin" or not database_catalog.alarming(request.organization, now):
        return []
    text = _("Someone else may be able to write to it. Ask your server admin to run `samizdat doctor` today.")
    return [_need("stop", _("The database isn’t as Samizdat created it"), text)]


def _log(request: DeskRequest, now: datetime) -> list[dict[str, str]]:
    """For a week: the log is not as it was written."""
    last = events.last(request.organization, log_breaks.ALTERED) if request.role == "admin" else None
    if last is None or last.at <= now - log_breaks.SHOWN:
        return []
    text = _("Someone else may be able to write to the database. Ask your server admin to run `samizdat doctor` today.")
    return [_need("stop", _("Events or consent records were deleted or changed in the database"), text)]


def _needs(
    request: DeskRequest, routes: list[RouteRow], going: list[CampaignRow], ended: list[CampaignRow], now: datetime
) -> list[dict[str, str]]:
    """What cannot go on without a person, the worst first."""
    organization, items = request.organization, []
    if organization.sending_locked:
        see = address(organization, "on-hold")
        items.append(
            _need("stop", _("Sending is on hold"), labels.campaign_reason("fenced"), see, _("Show what’s waiting"))
        )
    items += _closed_accounts(request)
    items += _health(request)
    items += _foreign(request, now)
    items += _log(request, now)
    items += _rewound(organization, now)
    for row in going:
        items += _of_campaign(organization, row)
    items += _differing(organization)
    href = address(organization, "routes") if request.role in ("admin", "viewer") else ""
    is_any_live = any(route.state in ("live", "throttled") for route in routes)
    for route in routes:
        for bar in route.barred:
            facts = {"name": route.name, "domain": bar.domain}
            title = _("Route “%(name)s” can’t send from %(domain)s") % facts
            items.append(_need("care", title, labels.bar_reason(bar), href, _("View route")))
        if route.state == "dead":
            title = _("Route “%(name)s” isn’t working") % {"name": route.name}
            items.append(
                _need("care" if is_any_live else "stop", title, labels.route_reason(route), href, _("View route"))
            )
    for row in ended:
        items += _unsure(organization, row)
    for row in [*going, *ended] if request.role == "admin" else ():
        items += _bounces_held(organization, row)
    for alarm in alarms.unanswered(organization, now)[:2]:
        title = alarms.title(*alarms.about(alarm))
        text = _("On %(when)s. If they didn’t do this themselves, an admin can undo it.")
        href = address(organization, "mass-unsubscribe", alarm.pk)
        items.append(_need("care", title, text % {"when": moment(alarm.at)}, href, _("Review")))
    for alarm in signup_alarm.alarms(organization, now):
        title, text = _signups_words(signup_alarm.is_about_data(alarm))
        href = address(organization, "lists")
        items.append(_need("care", title, text % {"when": moment(alarm.at)}, href, _("Review")))
    items += _mail_room(request, now)
    items += _spare_domains(request)
    items += limit_alarms.needs(request)
    items += team.needs(request)
    items += pending_changes.needs(request)
    items += exports.needs(request)
    items += reminders.needs(request)
    for run in audience.imports(organization)[:5]:
        if run.state in ("found", "stopped") and not is_part(run):
            title = _("Finish your import")
            text = (
                _("The file was read. Nothing has changed yet.")
                if run.state == "found"
                else _("It was stopped partway.")
            )
            items.append(_need("care", title, text, address(organization, "import", run.pk), _("Continue")))
    return sorted(items, key=lambda need: need["kind"] != "stop")


def _mail_room(request: DeskRequest, now: datetime) -> list[dict[str, str]]:
    """For a day: some incoming email has to wait elsewhere."""
    alarms = mail_space.alarms(request.organization, now) if request.role == "admin" else []
    text = _(
        "On %(when)s. Nothing is lost: large email of strangers waits at its mail server. Ask your server admin to run "
        "`samizdat doctor`: it says how to make room."
    )
    title = _("Incoming email takes too much room")
    return [_need("care", title, text % {"when": moment(alarm.at)}) for alarm in alarms]


def _spare_domains(request: DeskRequest) -> list[dict[str, str]]:
    """Those that couldn't take another's place now."""
    if request.role != "admin":
        return []
    text = _("On %(when)s some of its DNS records were missing, so it couldn’t take the place of another domain.")
    title, press = _("Spare domain %(domain)s isn’t ready"), _("View records")
    return [
        _need(
            "care",
            title % {"domain": row.name},
            text % {"when": moment(event.at)},
            address(request.organization, "sending-domain", row.pk),
            press,
        )
        for row, event in spare_check.unready(request.organization)
    ]


def _signups_words(is_about_data: bool) -> tuple[str, str]:
    if is_about_data:
        text = _(
            "On %(when)s. If you know of no reason, someone may be asking in their name. Ask your server admin to "
            "check the server of your public pages."
        )
        return _("Many more data requests than usual"), text
    text = _(
        "On %(when)s. If you know of no reason, someone may be entering other people’s addresses. Check your forms."
    )
    return _("Many more sign-ups than usual"), text


def _differing(organization: Organization) -> list[dict[str, str]]:
    """What the nightly comparison found; letters go by the status, so it cannot wait."""
    seen = compared(organization)
    if seen is None or seen.wrong <= 0:
        return []
    title = ngettext(
        "The status of %(n)s subscriber doesn’t match the consent records",
        "The status of %(n)s subscribers doesn’t match the consent records",
        seen.wrong,
    )
    text = _("Statuses are being fixed. This takes a minute.") if seen.asked else _("Fix it to match the records.")
    return [_need("stop", title % {"n": count(seen.wrong)}, text, address(organization, "consistency"), _("Review"))]


def _refused(organization: Organization, row: CampaignRow) -> list[dict[str, str]]:
    """Mailbox providers that refuse us while it goes out to the others."""
    refusals = delivery.provider_refusals(row.campaign)
    if not refusals:
        return []
    title = _("A mailbox provider rejects “%(subject)s”") % {"subject": row.subject[:80]}
    href = address(organization, "report", row.campaign.pk)
    return [_need("stop", title, " ".join(labels.refusals_told(refusals)), href, _("View report"))]


def _of_campaign(organization: Organization, row: CampaignRow) -> list[dict[str, str]]:
    campaign = row.campaign
    if campaign.state == "sending":
        return _refused(organization, row)
    if campaign.state not in ("paused", "waiting"):
        return []
    sentence = _("“%(subject)s” is paused") if campaign.state == "paused" else _("“%(subject)s” is waiting")
    kind = "care" if campaign.state == "paused" else "stop"
    href = address(organization, "report", campaign.pk)
    return [
        _need(
            kind,
            sentence % {"subject": row.subject[:80]},
            labels.why_held(campaign),
            href,
            _("View report"),
        )
    ]


def _unsure(organization: Organization, row: CampaignRow) -> list[dict[str, str]]:
    campaign = row.campaign
    decided = campaign.unsure_policy == "hold" and events.about(organization, "campaign.unsure_settled", campaign.pk)
    if not campaign.unsure or decided or campaign.state == "cancelled":
        return []
    title = ngettext(
        "“%(subject)s”: %(n)s email with unknown outcome",
        "“%(subject)s”: %(n)s emails with unknown outcome",
        campaign.unsure,
    ) % {"n": count(campaign.unsure), "subject": row.subject[:60]}
    text = _("Decide whether to resend those emails.")
    return [_need("care", title, text, address(organization, "report", campaign.pk), _("Choose"))]


def _bounces_held(organization: Organization, row: CampaignRow) -> list[dict[str, str]]:
    """Of whom a mailbox provider says that they have no mailbox, and nobody believes it."""
    held = delivery.held_bounces(row.campaign) if row.campaign.refused or row.campaign.accepted else []
    if not held:
        return []
    title = _("“%(subject)s”: unusually many nonexistent mailboxes") % {"subject": row.subject[:60]}
    text = _("Decide whether to suppress these addresses.")
    return [_need("care", title, text, address(organization, "report", row.campaign.pk), _("Choose"))]


def _promises(
    request: DeskRequest, lists: list[ListView], routes: list[RouteRow], now: datetime
) -> list[tuple[str, str, str, str]]:
    """The five, always in this order, each with its newest fact: shape, name, fact, and where to see more."""
    subscribed = sum(view.totals.get("subscribed", 0) for view in lists)  # As the page of lists has it, list by list.
    live = sum(route.state == "live" for route in routes)
    through = "good" if routes and live == len(routes) else "care" if live else "stop"
    fact = (
        _("routes working: %(live)s of %(all)s") % {"live": count(live), "all": count(len(routes))}
        if routes
        else _("no route yet")
    )
    here = ngettext("%(n)s subscription, on your server", "%(n)s subscriptions, on your server", subscribed)
    shape, copied = backups.fact(backup_standing(now), now)
    is_theirs = request.role == "admin" and memberships.administers_all(request.person)
    return [
        ("good", _("Your data"), here % {"n": count(subscribed)}, ""),
        (through if routes else "none", _("Sending"), fact, ""),
        ("good", _("Encryption"), _("unreadable without the key file"), ""),
        (shape, _("Recovery"), copied, address(request.organization, "backups") if is_theirs else ""),
        ("good", _("Account"), _("no restrictions"), ""),
    ]
