"""Leaving whole: asking for a file, watching it being made, fetching it; and who else has been told."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.accounts import people
from samizdat.audience import queries as audience
from samizdat.audience.exporting import actions, queries
from samizdat.audience.exporting.errors import ExportRefused
from samizdat.core.address import BadAddress
from samizdat.web import words
from samizdat.web.doors import ADMINS, KEEPERS, address, deed, door, go
from samizdat.web.forms.base import refuse
from samizdat.web.forms.exports import FORMATS, ExportForm, WhoseForm

GOING = ("asked", "running")
# What of the form a refusal speaks of.
FIELDS = {
    "bad_recipient": "recipients", "secret_key": "recipients", "no_recipient": "recipients",
    "many_recipients": "recipients", "no_reason": "reason",
}  # fmt: skip


@door(see=KEEPERS, do=ADMINS)
def exports(request: Any) -> HttpResponse:
    """The form, and what left before. POST: the worker makes a file."""
    form = ExportForm(request.POST or None, lists=audience.lists(request.organisation))
    if form.is_valid():
        wish, reason = form.wish(), form.reason_told
        try:
            # One who was asked for a key must not get a plain file for having none.
            actions.check(wish, plain=form.cleaned_data["seal"] == "plain", reason=reason)
            row = actions.ask(request.organisation, wish, reason=reason, now=timezone.now(), by=request.person)
        except ExportRefused as refused:
            refuse(form, FIELDS.get(refused.code), refused)
        else:
            return go(request, "export", row.pk)
    return _page(request, form, WhoseForm())


def _page(request: Any, form: ExportForm, whose: WhoseForm, found: Any = None) -> HttpResponse:
    facts = {
        "form": form,
        "whose": whose,
        "found": found,
        "earlier": [(row, _name(row), _format(row)) for row in queries.exports(request.organisation)],
    }
    wrong = form.errors or whose.errors
    return render(request, "web/exports/exports.html", facts, status=422 if wrong else 200)


def _name(row: Any) -> str:
    return people.name_of(row.by) if row.by else _("the command line")


def _format(row: Any) -> str:
    return str(FORMATS.get(row.format, row.format)).partition(":")[0]


@deed(ADMINS)
def whose(request: Any) -> HttpResponse:
    """Which export an address was planted in. Posted, so that it stands in no address of a page."""
    form = WhoseForm(request.POST)
    lists = audience.lists(request.organisation)
    if form.is_valid():
        try:
            found = queries.planted_in(request.organisation, form.cleaned_data["address"])
        except BadAddress as wrong:
            refuse(form, "address", wrong)
        else:
            if found is not None:
                return go(request, "export", found.pk)
            refuse(form, "address", _("This address was planted in none of your exports."))
    return _page(request, ExportForm(lists=lists), form)


def _export(request: Any, export_id: int) -> Any:
    found = queries.export_by_id(request.organisation, export_id)
    if found is None:
        raise Http404
    return found


@door(see=KEEPERS)
def export(request: Any, export_id: int) -> HttpResponse:
    """One export, by how far it is."""
    return render(request, "web/exports/export.html", _facts(request, _export(request, export_id)))


def _facts(request: Any, row: Any) -> dict[str, Any]:
    told = actions.told_of(row)
    names = {found.id: found.name for found in audience.lists(request.organisation)}
    unseen = request.role == "admin" and row in queries.unseen(request.organisation, request.person, timezone.now())
    return {
        "row": row,
        "by": _name(row),
        "told": told,
        "keys": told["recipients"],
        "lists": ", ".join(names.get(number, "–") for number in told["lists"]),
        "format": _format(row),
        "sums": _counts(row),
        "per_mille": round(1000 * row.done / row.whole) if row.whole else 0,
        "going": row.state in GOING,
        "unseen": unseen,
        "until": row.created + actions.LIFETIME,
        "file": actions.name_of(row),
    }


def _counts(row: Any) -> list[words.Row]:
    """How many people are in it."""
    counts = row.counts or {}
    if "subscribers" in counts:
        return [words.Row(_("Subscribers"), counts["subscribers"])]
    found: dict[str, int] = {}
    for by_status in counts.get("lists", {}).values() if isinstance(counts.get("lists"), dict) else []:
        for status, many in by_status.items():
            found[status] = found.get(status, 0) + many
    return [words.Row(words.subscription_state(status)[1], many) for status, many in found.items() if many]


@door(see=KEEPERS)
def progress(request: Any, export_id: int) -> HttpResponse:
    """The live part; once there is something else to see it has the page loaded again."""
    row = _export(request, export_id)
    if row.state not in GOING:
        response = HttpResponse()
        response.headers["HX-Refresh"] = "true"
        return response
    return render(request, "web/exports/progress.html", _facts(request, row))


@deed(ADMINS)
def fetch(request: Any, export_id: int) -> HttpResponseBase:
    """The file. A button and no link: what looks ahead of a person must not fetch it, for it is there once."""
    row = _export(request, export_id)
    if row.state != "ready":
        messages.error(request, _("This file is not here any more. Ask for a new one."))
        return go(request, "export", row.pk)
    response = StreamingHttpResponse(
        actions.fetch(row, now=timezone.now, by=request.person), content_type="application/octet-stream"
    )
    response.headers["Content-Disposition"] = f'attachment; filename="{actions.name_of(row)}"'
    response.headers["Content-Length"] = str(row.bytes)
    return response


@deed(ADMINS)
def drop(request: Any, export_id: int) -> HttpResponse:
    """Not wanted any more."""
    actions.cancel(_export(request, export_id), now=timezone.now(), by=request.person)
    messages.success(request, _("Forgotten: nothing of the file is left here."))
    return go(request, "exports")


@deed(ADMINS)
def seen(request: Any, export_id: int) -> HttpResponse:
    """An admin has read that a plain file was made."""
    actions.say_seen(_export(request, export_id), now=timezone.now(), by=request.person)
    return go(request, "home")


def needs(request: Any) -> list[dict[str, str]]:
    """For the first page of an admin: plain files that others made, and files of her own that wait."""
    if request.role != "admin":
        return []
    organisation, now = request.organisation, timezone.now()
    found = []
    for row in queries.unseen(organisation, request.person, now)[:3]:
        facts = {"who": _name(row), "why": actions.told_of(row)["reason"][:200]}
        found.append(
            {
                "kind": "care",
                "title": _("A plain file of your subscribers was made"),
                "text": _("By %(who)s. The reason given: %(why)s") % facts,
                "href": address(organisation, "export", row.pk),
                "link": _("Look"),
            }
        )
    for row in queries.exports(organisation, 5):
        if row.state == "ready" and row.by_id == request.person.pk:
            found.append(
                {
                    "kind": "care",
                    "title": _("Your export is ready"),
                    "text": _("It waits for a day and is forgotten then."),
                    "href": address(organisation, "export", row.pk),
                    "link": _("Fetch it"),
                }
            )
    return found
