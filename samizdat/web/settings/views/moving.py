"""Moving to another server, address or domain: the steps as they stand, and what comes next."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat import dbclock
from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.delivery import dkim_keys, moves
from samizdat.delivery.actions import domains
from samizdat.delivery.errors import DomainRefused, MoveRefused
from samizdat.moving import actions, announcement, former_links, steps
from samizdat.moving.steps import MoveStep
from samizdat.web.base_form import refuse
from samizdat.web.permissions import ADMINS, address, deed, door, go
from samizdat.web.remote_checks import ask
from samizdat.web.request import DeskRequest
from samizdat.web.settings import key_standing
from samizdat.web.settings.forms.moving import BeginMoveForm
from samizdat.web.templatetags.desk import count


@door(see=ADMINS, do=ADMINS)
def show_move(request: DeskRequest) -> HttpResponse:
    """The steps of the move that is under way, else how to begin one; POST begins it."""
    organization, now = request.organization, dbclock.asked()
    form = BeginMoveForm(request.POST or None, initial={"to": leading(organization).public_url})
    if form.is_valid():
        try:
            answers = form.cleaned_data
            actions.begin(
                organization,
                answers["to"],
                sending_domain=answers["domain"],
                keeps_server=answers["keeps_server"],
                now=now,
                by=request.person,
            )
        except MoveRefused as refused:
            refuse(form, refused.field, refused)
        except AccountError as refused:
            refuse(form, "to", refused)
        else:
            return _check(request)
    standing = steps.standing(organization, now)
    if standing is None or standing.move.ended is not None:
        facts: dict[str, object] = {"form": form, "last": standing}
        return render(request, "web/move_begin.html", facts, status=422 if form.errors else 200)
    next_ = standing.next
    facts = {
        "move": standing.move,
        "next": next_,
        "rows": [_row(organization, step, step is next_) for step in standing.steps],
        "done": sum(step.is_settled for step in standing.steps),
        "redirect": _redirect(standing.move.old_url, standing.move.new_url),
        "standing_time": duration(standing.seconds or 0),
    }
    return render(request, "web/move.html", facts, status=422 if form.errors else 200)


# Commands that are about the whole installation.
_OF_ALL = ("samizdat restore", "samizdat backup")


def _row(organization: Organization, step: MoveStep, is_next: bool) -> dict[str, object]:
    slug = "" if key_standing.is_alone(organization) else f" --organization {organization.slug}"
    return {
        "step": step,
        "next": is_next,
        "href": address(organization, str(step.page[0]), *step.page[1:]) if step.page else "",
        "after": duration(step.seconds) if step.seconds and step.seconds >= 60 else "",
        "can_draft": step.commands == steps.DRAFTING,
        "can_warm_up": step.code == "warm_up" and not step.is_settled and step.page[0] == "sending-domain",
        "commands": [command if command.startswith(_OF_ALL) else f"{command}{slug}" for command in step.commands],
    }


def _redirect(old_url: str, new_url: str) -> str:
    return former_links.caddy(old_url, new_url) if old_url and old_url != new_url else ""


def duration(seconds: int) -> str:
    """In its largest unit."""
    minutes = seconds // 60
    if minutes < 60:
        return ngettext("%(n)s minute", "%(n)s minutes", minutes) % {"n": count(minutes)}
    if minutes < 48 * 60:
        return ngettext("%(n)s hour", "%(n)s hours", minutes // 60) % {"n": count(minutes // 60)}
    days = minutes // (24 * 60)
    return ngettext("%(n)s day", "%(n)s days", days) % {"n": count(days)}


@deed(ADMINS)
def check_move(request: DeskRequest) -> HttpResponse:
    """Has name servers and web servers asked."""
    return _check(request)


def _check(request: DeskRequest) -> HttpResponse:
    return ask(request, "move", request.organization.pk, address(request.organization, "move"))


@deed(ADMINS)
def announce_move(request: DeskRequest) -> HttpResponse:
    """Drafts the email that tells subscribers, for each list."""
    try:
        campaigns = announcement.draft(request.organization, now=dbclock.asked(), by=request.person)
    except MoveRefused as refused:
        messages.error(request, str(refused))
        return go(request, "move")
    if len(campaigns) == 1 and campaigns[0].state == "draft":
        return go(request, "campaign", campaigns[0].pk)
    sentence = ngettext("%(n)s email drafted.", "%(n)s emails drafted.", len(campaigns))
    messages.success(request, sentence % {"n": count(len(campaigns))})
    return go(request, "move")


@deed(ADMINS)
def warm_up_move(request: DeskRequest) -> HttpResponse:
    """The usual warm-up for the new domain."""
    move = moves.under_way(request.organization)
    row = dkim_keys.domain_named(request.organization, move.new_domain) if move and move.new_domain else None
    if row is None:
        messages.error(request, _("Add the new sending domain first."))
        return go(request, "move")
    try:
        kept = domains.warm_up(row, "standard", now=dbclock.asked(), by=request.person)
    except DomainRefused as refused:
        messages.error(request, str(refused))
    else:
        sentence = _("Emails per day from %(domain)s: %(plan)s. Day one is the day this was set.")
        messages.success(request, sentence % {"domain": kept.name, "plan": kept.warm_up.replace(",", ", ")})
    return go(request, "move")


@deed(ADMINS)
def end_move(request: DeskRequest) -> HttpResponse:
    """Nothing is undone."""
    try:
        actions.end(request.organization, now=dbclock.asked(), by=request.person)
    except MoveRefused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("Move ended. Nothing was undone."))
    return go(request, "move")
