"""What became of a letter: live while it goes, and for good afterwards."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.db.models import F
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat import dbclock
from samizdat.accounts import sealed_people
from samizdat.accounts.models import Organization
from samizdat.accounts.queries import name_in
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience
from samizdat.campaigns.archive import listing, sent_elsewhere, web_corrections
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import CampaignError, StorageFull
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.queries import is_public, web_address
from samizdat.core.mail.ledger import LedgerTotals
from samizdat.delivery import actions, complaint_stop, queries
from samizdat.delivery.actions import bounces, complaints, resend_unreached
from samizdat.delivery.click_stats import counted
from samizdat.delivery.errors import DeliveryError
from samizdat.delivery.monitoring import waits_for, waits_for_route
from samizdat.delivery.queries import BarRow, CampaignReport
from samizdat.events.actions import detail_of, is_genuine
from samizdat.events.models import Event
from samizdat.web import charts, labels
from samizdat.web.base_form import refuse
from samizdat.web.campaigns import ab_tests, translations
from samizdat.web.campaigns.forms.campaigns import CancelForm, CorrectionForm
from samizdat.web.campaigns.views.campaigns import letter_at
from samizdat.web.delivery import click_stats, stats
from samizdat.web.permissions import ADMINS, EVERYONE, WRITERS, deed, door, go
from samizdat.web.request import DeskRequest
from samizdat.web.settings.views.pending_changes import tell_waiting
from samizdat.web.templatetags.desk import clock, count, moment

LIVE = ("scheduled", "held", "sending", "paused", "waiting")
# Minutes over which the speed is taken: long enough to smooth, short enough to show a change.
SPEED_OVER = 3


@door(see=EVERYONE)
def report(request: DeskRequest, campaign_id: int) -> HttpResponse:
    campaign = letter_at(request, campaign_id)
    if campaign.state == "draft":
        return go(request, "campaign", campaign_id)
    facts = _facts(request, campaign) | {"unreached": _unreached(campaign), "clicks": click_stats.table(campaign)}
    facts |= {
        "languages": translations.went(campaign),
        "asked": click_stats.asked(campaign),
        "is_public": is_public(campaign),
    }
    facts |= {"archive": _archive(campaign), "placements": stats.shown_placements(campaign)}
    return render(request, "web/campaigns/report.html", facts | stats.heard(campaign))


def _elsewhere(campaign: Campaign) -> dict[str, object] | None:
    """What another service says of a campaign that it sent."""
    sent = sent_elsewhere.of(campaign)
    if sent is None:
        return None
    words = {
        "recipients": _("Recipients"),
        "delivered": _("Delivered, by their count"),
        "bounced": _("Bounced"),
        "unsubscribed": _("Unsubscribed"),
        "complaints": _("Complaints"),
        "clicks": _("Clicks"),
    }
    return {
        "service": sent.service,
        "rows": [(words[name], sent.totals[name]) for name in words if name in sent.totals],
    }


def _archive(campaign: Campaign) -> dict[str, bool] | None:
    """Where its web version stands; None where it has none, and gets none."""
    if not (leading(campaign.organization).public_url and campaign.edition.archive_slug):
        return None
    if campaign.state == "cancelled" and queries.nobody_got(campaign):
        return None
    return {"listed": campaign.is_listed, "to_all": campaign.goes_to_all}


def _unreached(campaign: Campaign) -> dict[str, object] | None:
    """Whom it did not reach, as an addition. None where there is nobody, or another letter went to them."""
    counts = resend_unreached.unreached(campaign)
    if not counts or campaign.resent.exclude(state="draft").exclude(state="cancelled", cancelled=F("frozen")).exists():
        return None
    words = {
        "refused": (_("not sent"), _("no sending route could send it, or retries ran out")),
        "unsure": (_("outcome unknown"), _("it may have been accepted: the connection was lost before the answer")),
        "cancelled": (_("cancelled"), _("cancelled before it was sent to them")),
    }
    rows = [labels.LabelRow(words[state][0], count, words[state][1]) for state, count in counts.items()]
    return {"rows": rows, "total": sum(counts.values())}


@door(see=EVERYONE, do=WRITERS)
def correct(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """A slip on the web version: what was mended, and a form to mend another one."""
    campaign = letter_at(request, campaign_id)
    if not is_public(campaign):
        return go(request, "report", campaign_id)
    form = CorrectionForm(request.POST or None)
    if form.is_valid():
        answers = form.cleaned_data
        try:
            places = web_corrections.correct(
                campaign, answers["wrong"], answers["right"], by=request.person, now=dbclock.asked()
            )
        except web_corrections.NoCorrection as bad:
            refuse(form, bad.field, bad)
        else:
            if web_corrections.needs_approval(campaign, request.person):
                tell_waiting(request, web_corrections.CHANGE, campaign.pk)
                return go(request, "correct-campaign", campaign_id)
            done = ngettext("Fixed in %(n)s place.", "Fixed in %(n)s places.", places) % {"n": count(places)}
            messages.success(request, done + " " + _("The web version shows it within a few minutes."))
            return go(request, "correct-campaign", campaign_id)
    slips = [(slip, name_in(campaign.organization, slip.by)) for slip in web_corrections.corrections(campaign.edition)]
    facts = {"campaign": campaign, "subject": draft_of(campaign).subject, "form": form, "slips": slips}
    facts["waits"] = web_corrections.needs_approval(campaign, request.person)
    return render(request, "web/campaigns/correct.html", facts, status=422 if form.errors else 200)


@deed(WRITERS)
def change_listing(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """Into the archive, or out of it."""
    campaign, listed = letter_at(request, campaign_id), request.POST.get("listed") == "yes"
    try:
        if listing.put(campaign, listed, by=request.person, now=dbclock.asked()):
            tell_waiting(request, listing.CHANGE, campaign.pk)
            return go(request, "report", campaign_id, anchor="archive")
    except CampaignError as refused:
        messages.error(request, str(refused))
    else:
        done = _("Added to the archive.") if listed else _("Removed from the archive and the feed.")
        messages.success(request, done + " " + _("The public pages show this within a minute."))
    return go(request, "report", campaign_id, anchor="archive")


@deed(WRITERS)
def resend(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """A draft to those whom it did not reach."""
    campaign = letter_at(request, campaign_id)
    try:
        draft = actions.resend(campaign, now=dbclock.asked(), by=request.person)
    except (DeliveryError, StorageFull) as refused:
        messages.error(request, str(refused))
        return go(request, "report", campaign_id)
    messages.success(request, _("Here is a draft for them only. Read it, then send it."))
    return go(request, "campaign", draft.pk)


@door(see=EVERYONE)
def live(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """The part of the report that changes, whole, so that its sums always belong to one instant."""
    campaign = letter_at(request, campaign_id)
    if campaign.state == "draft":  # Taken back by somebody else: the page is asked for anew, and leads to the letter.
        return HttpResponse(headers={"HX-Refresh": "true"})
    return render(request, "web/campaigns/parts/live.html", _facts(request, campaign) | {"is_swapped": True})


def _facts(request: DeskRequest, campaign: Campaign) -> dict[str, Any]:
    now = dbclock.asked()
    seen = queries.report(campaign)
    books = seen.books
    moving = campaign.state == "sending" and not request.organization.sending_locked
    speeds = _speeds(seen.minutes, campaign.not_before or campaign.released or now, now) if moving else {}
    speed = sum(speeds.values())
    patience = waits_for_route(campaign, now)
    sums = ("accepted", "refused", "unsure")
    # One that was stopped moves until the senders have given back what they held.
    moves = campaign.state in LIVE or bool(books.pending or books.deferred)
    # Of one that is over only the ways it went by: a route added since has nothing to do with it.
    routes = [
        (name, row, speeds.get(name, 0))
        for name, row in seen.by_route.items()
        if moves or any(row[word] for word in sums)
    ]
    return {
        "campaign": campaign,
        "subject": draft_of(campaign).subject,
        "list_name": audience.name_of(campaign.list),
        "now": now,
        "live": moves,
        "table": bool(request.GET.get("table")),
        "books": books,
        "elsewhere": _elsewhere(campaign),
        "written_again": bool(books.unsure) and actions.written_again(campaign),
        "rows": _book_rows(books, seen),
        "bar": charts.bar_parts(books, books.frozen),
        "routes": routes,
        "route_sums": {name: sum(row[name] for _route, row, _speed in routes) for name in sums},
        "speed": speed,
        "moving": moving,
        "resting": _resting(request.organization) if campaign.state in LIVE else [],
        "barred": _barred(campaign) if campaign.state in LIVE else [],
        "refusing": queries.provider_refusals(campaign) if campaign.state in LIVE else [],
        "list_stopped": complaint_stop.stopped(request.organization, campaign.list_id) is not None,
        "held_bounces": queries.held_bounces(campaign) if books.refused or books.accepted else [],
        "other_way": any(row["state"] in ("live", "throttled") for row in seen.by_route.values()),
        "minutes_left": -(-(books.pending + books.deferred) // speed) if speed and not patience and moving else None,
        "patience": patience,
        "chart": charts.rate_chart((minute, route, accepted) for minute, route, accepted, _no in seen.minutes),
        "providers": _providers(seen.providers),
        "answers": seen.answers,
        "next_due": None if request.organization.sending_locked else seen.next_due,
        "gone": waits_for(campaign) if campaign.state in LIVE else [],
        "timeline": [_moment(event, campaign) for event in reversed(seen.timeline)],
        "sent_from": _sent_from(campaign, seen.timeline),
        "reason": labels.why_held(campaign),
        "can_be_taken_back": queries.can_be_taken_back(campaign),
        "passing": campaign.state == "waiting" and campaign.reason in labels.PASSING,
        "contest": ab_tests.table(campaign),
        "counts_clicks": counted(campaign),
        "waiting": books.pending + books.deferred,
        "web_address": web_address(campaign) if hasattr(campaign, "edition") else "",
    }


def _resting(organization: Organization) -> list[tuple[str, str]]:
    """Routes that were condemned, with the reason: whoever watches a letter must not have to look elsewhere."""
    return [(row.name, labels.route_reason(row)) for row in queries.routes(organization) if row.state == "dead"]


def _barred(campaign: Campaign) -> list[BarRow]:
    """Routes that do not take its domain. Where none does it waits, and the reason of that says so already."""
    if campaign.reason == "barred":
        return []
    return queries.bars_against(campaign.organization, campaign.edition.message_id_domain)


def _book_rows(books: LedgerTotals, seen: CampaignReport) -> list[labels.LabelRow]:
    """Every state that somebody is in; those of zero are left out, but for accepted."""
    rows = []
    for name, word, note in labels.BOOKS:
        number = getattr(books, name)
        if number or name == "accepted":
            rows.append(labels.LabelRow(str(word), number, str(note)))
    return rows


def _speeds(minutes: list[tuple[datetime, str, int, int]], since: datetime, now: datetime) -> dict[str, int]:
    """Accepted a minute by route, over the last whole minutes; one that has just begun over what it has had."""
    this = now.replace(second=0, microsecond=0)
    begin = this - timedelta(minutes=SPEED_OVER)
    young = since > begin
    over = (now - since) / timedelta(minutes=1) if young else SPEED_OVER
    totals: dict[str, int] = {}
    for minute, route, accepted, _refused in minutes:
        if young or begin <= minute < this:
            totals[route] = totals.get(route, 0) + accepted
    # Less than ten seconds say nothing yet.
    return {route: math.ceil(total / over) for route, total in totals.items()} if over > 1 / 6 else {}


def _providers(providers: list[tuple[str, dict[str, int]]]) -> dict[str, object]:
    states = [name for name, _word, _note in labels.BOOKS if any(counts.get(name) for _p, counts in providers)]
    heads = [str(word) for name, word, _note in labels.BOOKS if name in states]
    counted = [(name, [counts.get(state, 0) for state in states], sum(counts.values())) for name, counts in providers]
    totals = [sum(counts[place] for _name, counts, _total in counted) for place in range(len(states))]
    # Each number with the word above it, which stands beside it on a phone.
    rows = [(name, [*zip(heads, counts, strict=True)], total) for name, counts, total in counted]
    return {"heads": heads, "rows": rows, "totals": [*zip(heads, totals, strict=True)], "total": sum(totals)}


def _moment(event: Event, campaign: Campaign) -> dict[str, Any]:
    shape, sentence = labels.EVENTS.get(event.kind, ("", event.kind))
    detail = detail_of(event)
    text = str(sentence)
    if event.kind == "campaign.released" and campaign.welcome:
        text = _("Switched on. The text is locked.")
    elif event.kind == "campaign.released" and detail.get("frozen"):
        text = ngettext(
            "Scheduled. Text and recipients are locked: %(n)s recipient.",
            "Scheduled. Text and recipients are locked: %(n)s recipients.",
            detail["frozen"],
        ) % {"n": count(detail["frozen"])}
    if event.kind == "campaign.waits" and detail.get("reason") in labels.WAITS:
        shape, text = "", str(labels.WAITS[detail["reason"]])
    if event.kind == "campaign.bounces_held" and detail.get("provider") not in (None, "", queries.RETURNED):
        text = _("%(provider)s says that unusually many mailboxes don’t exist: none was suppressed.") % {
            "provider": labels.provider(detail["provider"].removeprefix("@"))
        }
    if event.kind == "campaign.provider_blocks" and detail.get("provider"):
        text = _("%(provider)s rejects our emails: emails to it are waiting.") % {
            "provider": labels.provider(detail["provider"].removeprefix("@"))
        }
    return {"at": event.at, "shape": shape, "text": text, "by": _name(event)}


def _sent_from(campaign: Campaign, timeline: Sequence[Event]) -> tuple[str, str] | None:
    """When the first and the last email was sent; of one day only once its date. None: unknown, or in one minute."""
    first = next((event.at for event in timeline if event.kind == "campaign.first_sent"), None)
    last = campaign.finished
    if first is None or last is None or moment(first) == moment(last):
        return None
    is_one_day = timezone.localtime(first).date() == timezone.localtime(last).date()
    return moment(first), clock(last) if is_one_day else moment(last)


def _name(event: Event) -> str:
    """Who it says did it, if it is ours: of another one the number of a person may lead anywhere."""
    return sealed_people.name_of(event.by) if event.by and is_genuine(event) else ""


def _move(request: DeskRequest, campaign_id: int, action: Any, done: str, **more: object) -> HttpResponse:
    campaign = letter_at(request, campaign_id)
    try:
        action(campaign, now=dbclock.asked(), by=request.person, **more)
    except DeliveryError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, done)
    return go(request, "report", campaign_id)


@deed(WRITERS)
def pause(request: DeskRequest, campaign_id: int) -> HttpResponse:
    return _move(
        request, campaign_id, actions.pause, _("Paused. Emails already being sent were finished; no more are sent.")
    )


@deed(WRITERS)
def resume(request: DeskRequest, campaign_id: int) -> HttpResponse:
    return _move(request, campaign_id, actions.resume, _("Sending resumed."))


@deed(ADMINS)
def suppress_bounced(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """A mailbox provider, or a route, says of too many that they have no mailbox, and an admin knows that it's true."""
    done = _("These addresses are being added to the suppression list.")
    return _move(request, campaign_id, bounces.believe, done, word=request.POST.get("provider", ""))


@deed(ADMINS)
def resume_list(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """Too many reported its emails as spam, and an admin has found out why."""
    done = _("Emails are sent to this list again.")
    return _move(request, campaign_id, complaints.resume_list, done, reason=request.POST.get("reason", ""))


@deed(WRITERS)
def undo_send(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """Before the first message has left: the release is undone, and the letter is a draft again."""
    done = _("It’s a draft again. Nobody has received it; comments and history are kept.")
    if letter_at(request, campaign_id).state == "scheduled":
        done = _("Schedule cancelled. It’s a draft again and keeps its day and time, comments and history.")
    return _move(request, campaign_id, actions.take_back, done)


@deed(WRITERS)
def resolve_unconfirmed(request: DeskRequest, campaign_id: int) -> HttpResponse:
    how = "hold" if request.POST.get("how") == "hold" else "resend"
    done = _("They won’t be resent.") if how == "hold" else _("They’ll be resent with the same Message-ID.")
    return _move(request, campaign_id, lambda campaign, **who: actions.settle(campaign, how, **who), done)


@door(see=WRITERS, do=WRITERS)
def stop(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """Stopping for good, on a page of its own: the loss in numbers, the smaller step first, a typed word."""
    campaign = letter_at(request, campaign_id)
    if campaign.state not in LIVE:
        return go(request, "report", campaign_id)
    form = CancelForm(request.POST or None)
    if form.is_valid():
        return _move(request, campaign_id, actions.cancel, _("Cancelled. Nobody else gets it."))
    facts = {
        "campaign": campaign,
        "subject": draft_of(campaign).subject,
        "form": form,
        "left": campaign.pending + campaign.deferred,
    }
    return render(request, "web/campaigns/stop.html", facts, status=422 if form.errors else 200)
