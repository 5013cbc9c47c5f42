"""Leaving whole: asking for a file, watching it being made, fetching it; and who else has been told."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from msgspec import to_builtins

from samizdat import dbclock
from samizdat.accounts import pending_changes
from samizdat.accounts.models import Organization
from samizdat.accounts.queries import name_in
from samizdat.audience import queries as audience
from samizdat.audience.errors import AudienceError
from samizdat.audience.filters import Filter
from samizdat.audience.segments import lookup
from samizdat.core.mail.address import PROVIDERS, BadAddress
from samizdat.portability import (
    actions,
    age_passphrase,
    approval,
    bound_selection,
    canary_alarms,
    queries,
    recipient_keys,
)
from samizdat.portability.errors import ExportRefused
from samizdat.portability.models import Export, RecipientKey
from samizdat.portability.request import ExportRequest, told_of
from samizdat.web import labels, read_limits
from samizdat.web.audience import subscriber_filters
from samizdat.web.audience.views.bulk import filter_of, whom_of
from samizdat.web.base_form import refuse
from samizdat.web.exports.forms import FORMATS, ExportForm, TraceForm
from samizdat.web.permissions import ADMINS, EVERYONE, KEEPERS, WRITERS, address, deed, door, go
from samizdat.web.request import DeskRequest
from samizdat.web.settings.views.pending_changes import untold
from samizdat.web.templatetags.desk import moment

GOING = ("asked", "running")
# Where a planted address turned up.
WHERE = {"asked": lazy("found and looked up here"), "import": lazy("found in an imported file")}
# What of the form a refusal speaks of.
FIELDS = {
    "bad_recipient": "recipients", "secret_key": "recipients", "no_recipient": "recipients",
    "many_recipients": "recipients", "no_reason": "reason", "lists_elsewhere": "format", "some_elsewhere": "format",
}  # fmt: skip


@door(see=KEEPERS, do=ADMINS)
def exports(request: DeskRequest) -> HttpResponse:
    """The form, and what left before; an address with filters makes it a form of those who fit. POST says how many
    would leave and asks; POST with `sure` has the worker make the file."""
    data = request.POST if request.method == "POST" else request.GET
    asked, numbers = whom_of(request, data) if "whom" in data else (None, [])
    if asked is not None and asked.unknown:
        messages.error(request, _("One of these filters no longer works. Check who matches, then choose again."))
        return go(request, "subscribers")
    chosen = _Chosen(asked, numbers, data.get("whom") == "ticked", filter_of(data, asked, numbers)) if asked else None
    form = _form(request, request.POST or None, chosen)
    if form.is_valid():
        wish, reason = form.wish(), form.reason_told
        try:
            # One who was asked for a key must not get a plain file for having none.
            actions.check(wish, plain=form.cleaned_data["seal"] == "plain", reason=reason)
            if not request.POST.get("sure"):
                return _ask(request, wish, reason)
            words = age_passphrase.new_passphrase() if wish.passphrase else ""
            seal = age_passphrase.seal_for(words) if words else None
            row = actions.ask(
                request.organization, wish, reason=reason, now=dbclock.asked(), by=request.person, seal=seal
            )
        except ExportRefused as refused:
            refuse(form, FIELDS.get(refused.code), refused)
        except AudienceError as refused:
            refuse(form, "segment", refused)
        else:
            if words:
                return render(request, "web/exports/passphrase.html", {"row": row, "passphrase": words})
            return go(request, "export", row.pk)
    return _page(request, form, TraceForm(), chosen=chosen)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Whom the filters of an address mean, or who was ticked."""

    asked: subscriber_filters.RequestedFilter
    numbers: list[int]
    ticked: bool
    fit: Filter


def _form(request: DeskRequest, data: QueryDict | None = None, chosen: _Chosen | None = None) -> ExportForm:
    organization = request.organization
    return ExportForm(
        data,
        lists=audience.lists(organization, archived=True),
        tags=audience.tags(organization),
        segments=lookup.segments(organization),
        fit=None if chosen is None else chosen.fit,
    )


def _ask(request: DeskRequest, wish: ExportRequest, reason: str) -> HttpResponse:
    """How many leave, and the last yes."""
    if wish.segment is not None:
        among = f"export {wish.lists} {wish.fit}"
        read_limits.ask_segment(request, wish.wanted.tree(request.organization), among)
    facts = {
        "found": bound_selection.count(request.organization, wish, timezone.now()),
        "whom": _whom(request.organization, wish),
        "format": _format(wish.format),
        "keys": wish.recipients,
        "with_keys": wish.keys,
        "passphrase": wish.passphrase,
        "setup": wish.setup,
        "plain": wish.is_plain,
        "held": actions.is_held(request.organization, wish, request.person),
        "others": pending_changes.others(request.organization, request.person, dbclock.asked()),
        "reason": reason,
        "again": [
            (name, value)
            for name, values in request.POST.lists()
            for value in values
            if name not in ("csrfmiddlewaretoken", "sure")
        ],
    }
    return render(request, "web/exports/sure.html", facts)


def _whom(organization: Organization, wish: ExportRequest) -> str:
    """Of whom an export is, in words; "" for everybody."""
    parts = []
    if wish.segment is not None:
        with suppress(AudienceError):
            parts.append(
                _("Segment: %(name)s") % {"name": lookup.name_of(lookup.segment_by_id(organization, wish.segment))}
            )
    if wish.fit is not None and wish.fit.numbers:
        parts.append(_("selected subscribers"))
    elif wish.fit is not None or wish.lists:
        values = {name: str(value) for name, value in to_builtins(wish.fit or Filter()).items()}
        if "provider" in values:
            values["provider"] = PROVIDERS[int(values["provider"])]
        if wish.lists:
            values["list"] = str(wish.lists[0])
        parts.append(
            subscriber_filters.read(
                values, audience.lists(organization, archived=True), audience.tags(organization)
            ).sentence
        )
    return "; ".join(filter(None, parts))


def _page(
    request: DeskRequest, form: ExportForm, trace: TraceForm, result: Any = None, chosen: _Chosen | None = None
) -> HttpResponse:
    facts = {
        "form": form,
        "trace": trace,
        "found": result,
        "chosen": chosen,
        # The names that audience/parts/whom.html carries along.
        "asked": chosen and chosen.asked,
        "numbers": chosen and chosen.numbers,
        "ticked": chosen and chosen.ticked,
        "known": recipient_keys.known(request.organization) if request.role == "admin" else [],
        "earlier": [(row, _name(row), _format(row.format)) for row in queries.exports(request.organization)],
    }
    wrong = form.errors or trace.errors
    return render(request, "web/exports/exports.html", facts, status=422 if wrong else 200)


def _name(row: Export) -> str:
    if row.state == "elsewhere":
        return _("the previous installation")
    return name_in(row.organization, row.by) or _("Someone") if row.by else _("the command line")


def _format(name: str) -> str:
    return str(FORMATS.get(name, name)).partition(":")[0]


@deed(ADMINS)
def trace_address(request: DeskRequest) -> HttpResponse:
    """Which export an address was planted in. Posted, so that it stands in no address of a page."""
    form = TraceForm(request.POST)
    if form.is_valid():
        try:
            row = actions.export_with_address(
                request.organization, form.cleaned_data["address"], now=timezone.now(), by=request.person
            )
        except BadAddress as wrong:
            refuse(form, "address", wrong)
        else:
            if row is not None:
                return go(request, "export", row.pk)
            refuse(form, "address", _("This isn’t a marker address from any of your exports."))
    return _page(request, _form(request), form)


def _export(request: DeskRequest, export_id: int) -> Export:
    row = queries.export_by_id(request.organization, export_id)
    if row is None:
        raise Http404
    return row


def _held_facts(request: DeskRequest, row: Export) -> dict[str, Any]:
    now, details = dbclock.asked(), told_of(row)
    approval.notice(row, request.person, now)
    agreeing_ones = pending_changes.others(request.organization, row.by, now)
    return {
        "row": row,
        "by": _name(row),
        "reason": details.reason,
        "people": details.bound.people if details.bound else 0,
        "agree": request.person in agreeing_ones,
        "alone": approval.is_made_alone(row, now),
        "keys": details.wish.recipients,
        "passphrase": details.wish.passphrase,
        "setup": details.wish.setup,
        "of_all": bound_selection.is_of_all(details.wish),
        "made": pending_changes.until(row, now),
        "untold": untold(row, now),
        "lapses": row.created + approval.LAPSE,
    }


@door(see=EVERYONE, do=WRITERS)
def review_export(request: DeskRequest, export_id: int) -> HttpResponse:
    """One that is held before it is made: another admin says yes, or whoever works here stops it."""
    row = _export(request, export_id)
    if row.state != "held":
        return go(request, "export", row.pk) if request.role in KEEPERS else go(request, "home")
    if request.method != "POST":  # HEAD as well: what looks ahead of a person agrees to nothing.
        facts = _held_facts(request, row) | {"whom": _whom(request.organization, actions.wish_of(row))}
        facts["changed"] = not actions.is_as_asked(row, timezone.now())
        return render(request, "web/exports/review.html", facts | {"format": _format(row.format)})
    if request.POST.get("answer") == "stop":
        actions.cancel(row, now=timezone.now(), by=request.person)
        messages.success(request, _("Stopped. No file was created."))
        return go(request, "home")
    try:
        knows_key = bool(request.POST.get("knows-key"))
        approval.agree(row, now=dbclock.asked(), by=request.person, knows_key=knows_key)
    except ExportRefused as refused:
        messages.error(request, str(refused))
        return go(request, "review-export", row.pk)
    return go(request, "export", row.pk)


@door(see=KEEPERS)
def export(request: DeskRequest, export_id: int) -> HttpResponse:
    """One export, by how far it is."""
    row = _export(request, export_id)
    if row.state == "held":
        return go(request, "review-export", row.pk)
    return render(request, "web/exports/export.html", _facts(request, row))


def _facts(request: DeskRequest, row: Export) -> dict[str, Any]:
    details = told_of(row)
    now = timezone.now()
    unseen = request.role == "admin" and row in queries.unseen(request.organization, request.person, now)
    return {
        "row": row,
        "by": _name(row),
        "told": details,
        "keys": details.wish.recipients,
        "passphrase": details.wish.passphrase,
        "whom": _whom(request.organization, actions.wish_of(row)),
        "format": _format(row.format),
        "sums": _counts(row),
        "per_mille": round(1000 * row.rows_done / row.rows_total) if row.rows_total else 0,
        "going": row.state in GOING,
        "own": row.by_id == request.person.pk,
        "unseen": unseen,
        "alarms": [
            (when, WHERE[where], name_in(request.organization, by)) for when, where, by in canary_alarms.raised(row)
        ],
        "alarm_unseen": request.role == "admin"
        and row in canary_alarms.unseen(request.organization, request.person, now),
        "agreed": name_in(request.organization, row.agreed_by),
        "until": (row.released_at or row.created) + actions.LIFETIME,
        "file": actions.name_of(row),
    }


def _counts(row: Export) -> list[labels.LabelRow]:
    """How many people are in it."""
    counts = row.counts or {}
    if "subscribers" in counts:
        return [labels.LabelRow(_("Subscribers"), counts["subscribers"])]
    totals: dict[str, int] = {}
    for by_status in counts.get("lists", {}).values() if isinstance(counts.get("lists"), dict) else []:
        for status, many in by_status.items():
            totals[status] = totals.get(status, 0) + many
    return [labels.LabelRow(labels.subscription_state(status)[1], many) for status, many in totals.items() if many]


@door(see=KEEPERS)
def progress(request: DeskRequest, export_id: int) -> HttpResponse:
    """The live part; once there is something else to see it has the page loaded again."""
    row = _export(request, export_id)
    if row.state not in GOING:
        response = HttpResponse()
        response.headers["HX-Refresh"] = "true"
        return response
    return render(request, "web/exports/progress.html", _facts(request, row))


@deed(ADMINS)
def fetch(request: DeskRequest, export_id: int) -> HttpResponseBase:
    """The file. A button and no link: what looks ahead of a person must not fetch it, for it is there once."""
    row = _export(request, export_id)
    try:
        pieces = actions.fetch(row, now=timezone.now, by=request.person)
    except ExportRefused as refused:
        messages.error(request, str(refused))
        return go(request, "export", row.pk)
    response = StreamingHttpResponse(pieces, content_type="application/octet-stream")
    response.headers["Content-Disposition"] = f'attachment; filename="{actions.name_of(row)}"'
    response.headers["Content-Length"] = str(row.bytes)
    return response


@deed(ADMINS)
def delete_export(request: DeskRequest, export_id: int) -> HttpResponse:
    """Not wanted any more."""
    actions.cancel(_export(request, export_id), now=timezone.now(), by=request.person)
    messages.success(request, _("File deleted. Nothing of it is kept here."))
    return go(request, "exports")


@deed(ADMINS)
def forget_key(request: DeskRequest, known_key_id: int) -> HttpResponse:
    """The next export to this key needs an approval again."""
    rows = RecipientKey.objects.select_related("organization").filter(
        organization=request.organization, pk=known_key_id
    )
    row = rows.first()
    if row is None:
        raise Http404
    recipient_keys.forget(row, now=timezone.now(), by=request.person)
    messages.success(request, _("Key deleted. Exports to it need approval again."))
    return go(request, "exports")


@deed(ADMINS)
def dismiss_export(request: DeskRequest, export_id: int) -> HttpResponse:
    """An admin has read that a plain file was made, or that its planted address turned up."""
    row, now = _export(request, export_id), timezone.now()
    if row in queries.unseen(request.organization, request.person, now):
        actions.say_seen(row, now=now, by=request.person)
    canary_alarms.say_seen(row, now=now, by=request.person)
    return go(request, "home")


def needs(request: DeskRequest) -> list[dict[str, str]]:
    """For the first page: files that are held, for everybody; for an admin also those that others made, and files
    of their own that wait."""
    organization, now = request.organization, timezone.now()
    items = [_held_need(request, row) for row in approval.held(organization)[:3]]
    if request.role != "admin":
        return items
    for row in canary_alarms.unseen(organization, request.person, now)[:3]:
        details = {"when": moment(row.created), "who": _name(row), "format": _format(row.format)}
        items.append(
            {
                "kind": "stop",
                "title": _("Leak alert: a marker address from an export turned up"),
                "text": _("The file of %(when)s (%(format)s, by %(who)s) was passed on, or imported here.") % details,
                "href": address(organization, "export", row.pk),
                "link": _("Review"),
            }
        )
    for row in queries.unseen(organization, request.person, now)[:3]:
        asked_for = told_of(row)
        facts = {"who": _name(row), "why": asked_for.reason[:200], "key": _opened_by(asked_for.wish)}
        items.append(
            {
                "kind": "care",
                "title": _("An unencrypted export of your subscribers was created")
                if row.plain
                else _("An encrypted export of your subscribers was created"),
                "text": (
                    _("By %(who)s. Reason: %(why)s")
                    if row.plain
                    else _("By %(who)s, with a passphrase.")
                    if asked_for.wish.passphrase
                    else _("By %(who)s, for the key %(key)s.")
                )
                % facts,
                "href": address(organization, "export", row.pk),
                "link": _("Review"),
            }
        )
    for row in queries.exports(organization, 5):
        if row.state == "ready" and row.by_id == request.person.pk:
            items.append(
                {
                    "kind": "care",
                    "title": _("Your export is ready"),
                    "text": _("Download it within a day. After that, it’s deleted."),
                    "href": address(organization, "export", row.pk),
                    "link": _("Download"),
                }
            )
    return items


def _held_need(request: DeskRequest, row: Export) -> dict[str, str]:
    facts = _held_facts(request, row)
    wish = actions.wish_of(row)
    why = facts["reason"][:200] if row.plain else _opened_by(wish)
    values = {"who": facts["by"], "why": why, "when": moment(facts["made"])}
    return {
        "kind": "stop" if facts["agree"] else "care",
        "title": _held_title(row.plain, facts["agree"], wish=wish),
        "text": " ".join(
            filter(None, (_held_text(row.plain, facts["agree"], facts["alone"]) % values, facts["untold"]))
        ),
        "href": address(request.organization, "review-export", row.pk),
        "link": _("Review"),
    }


def _opened_by(wish: ExportRequest) -> str:
    """By which keys, in short; the passphrase itself is known to nobody here."""
    return _("a passphrase, shown to who requested it") if wish.passphrase else ", ".join(wish.recipients)[:80]


def _held_title(plain: bool, agree: bool, *, wish: ExportRequest) -> str:
    if plain:
        return (
            _("An unencrypted export of your subscribers is waiting for your approval")
            if agree
            else _("Someone requested an unencrypted export of your subscribers")
        )
    if wish.setup:
        return (
            _("An export with routes and DKIM keys is waiting for your approval")
            if agree
            else _("Someone requested an export with routes and DKIM keys")
        )
    if wish.passphrase:
        return (
            _("An export with a passphrase is waiting for your approval")
            if agree
            else _("Someone requested an export of your subscribers with a passphrase")
        )
    return (
        _("An export to a new key is waiting for your approval")
        if agree
        else _("Someone requested an export of your subscribers to a new key")
    )


def _held_text(plain: bool, agree: bool, alone: bool) -> str:
    if not plain:
        return _("Requested by %(who)s. It will be created on %(when)s unless someone stops it. The key: %(why)s")
    if agree:
        return _("Requested by %(who)s. Reason: %(why)s")
    if alone:
        return _("Requested by %(who)s. It will be created on %(when)s unless someone stops it. Reason: %(why)s")
    return _("Requested by %(who)s. A second admin must approve. Reason: %(why)s")
