"""Leaving whole: asking for a file, watching it being made, fetching it; and who else has been told."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat import hours
from samizdat.accounts import changes, people
from samizdat.audience import queries as audience
from samizdat.audience.errors import AudienceError
from samizdat.audience.exporting import actions, agreeing, alarms, queries, recipients
from samizdat.audience.exporting.errors import ExportRefused
from samizdat.audience.exporting.leaving import Wish
from samizdat.audience.exporting.models import RecipientKey
from samizdat.audience.filters import Filter
from samizdat.audience.segments import saved
from samizdat.core.address import PROVIDERS, BadAddress
from samizdat.web import filtering, words
from samizdat.web.doors import ADMINS, EVERYONE, KEEPERS, WRITERS, address, deed, door, go
from samizdat.web.forms.base import refuse
from samizdat.web.forms.exports import FORMATS, ExportForm, WhoseForm
from samizdat.web.templatetags.desk import moment
from samizdat.web.views.bulk import filter_of, whom_of
from samizdat.web.views.waiting import untold

GOING = ("asked", "running")
# Where a planted address turned up.
WHERE = {"asked": lazy("somebody found it and asked here"), "import": lazy("it stood in a file that was brought in")}
# What of the form a refusal speaks of.
FIELDS = {
    "bad_recipient": "recipients", "secret_key": "recipients", "no_recipient": "recipients",
    "many_recipients": "recipients", "no_reason": "reason", "lists_elsewhere": "format", "some_elsewhere": "format",
}  # fmt: skip


@door(see=KEEPERS, do=ADMINS)
def exports(request: Any) -> HttpResponse:
    """The form, and what left before; an address with filters makes it a form of those who fit. POST says how many
    would leave and asks; POST with `sure` has the worker make the file."""
    told = request.POST if request.method == "POST" else request.GET
    asked, numbers = whom_of(request, told) if "whom" in told else (None, [])
    if asked is not None and asked.unknown:
        messages.error(request, _("One of these filters means nothing any more. Look at who fits, and choose anew."))
        return go(request, "subscribers")
    chosen = _Chosen(asked, numbers, told.get("whom") == "ticked", filter_of(told, asked, numbers)) if asked else None
    form = _form(request, request.POST or None, chosen)
    if form.is_valid():
        wish, reason = form.wish(), form.reason_told
        try:
            # One who was asked for a key must not get a plain file for having none.
            actions.check(wish, plain=form.cleaned_data["seal"] == "plain", reason=reason)
            if not request.POST.get("sure"):
                return _ask(request, wish, reason)
            row = actions.ask(request.organisation, wish, reason=reason, now=hours.asked(), by=request.person)
        except ExportRefused as refused:
            refuse(form, FIELDS.get(refused.code), refused)
        except AudienceError as refused:
            refuse(form, "segment", refused)
        else:
            return go(request, "export", row.pk)
    return _page(request, form, WhoseForm(), chosen=chosen)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Whom the filters of an address mean, or who was ticked."""

    asked: filtering.Asked
    numbers: list[int]
    ticked: bool
    fit: Filter


def _form(request: Any, data: Any = None, chosen: _Chosen | None = None) -> ExportForm:
    organisation = request.organisation
    return ExportForm(
        data,
        lists=audience.lists(organisation),
        tags=audience.tags(organisation),
        segments=saved.segments(organisation),
        fit=None if chosen is None else chosen.fit,
    )


def _ask(request: Any, wish: Wish, reason: str) -> HttpResponse:
    """How many leave, and the last yes."""
    facts = {
        "found": wish.wanted.count(request.organisation, timezone.now()),
        "whom": _whom(request.organisation, wish),
        "format": _format(wish.format),
        "keys": wish.recipients,
        "with_keys": wish.keys,
        "plain": not wish.recipients,
        "held": actions.is_held(request.organisation, wish, request.person),
        "others": changes.others(request.organisation, request.person, hours.asked()),
        "reason": reason,
        "again": [
            (name, value)
            for name, values in request.POST.lists()
            for value in values
            if name not in ("csrfmiddlewaretoken", "sure")
        ],
    }
    return render(request, "web/exports/sure.html", facts)


def _whom(organisation: Any, wish: Wish) -> str:
    """Of whom an export is, in words; "" for everybody."""
    said = []
    if wish.segment is not None:
        with suppress(AudienceError):
            said.append(
                _("Segment: %(name)s") % {"name": saved.name_of(saved.segment_by_id(organisation, wish.segment))}
            )
    if wish.fit is not None and wish.fit.numbers:
        said.append(_("those who were ticked"))
    elif wish.fit is not None or wish.lists:
        told = {name: str(value) for name, value in (wish.fit.told() if wish.fit else {}).items()}
        if "provider" in told:
            told["provider"] = PROVIDERS[int(told["provider"])]
        if wish.lists:
            told["list"] = str(wish.lists[0])
        said.append(filtering.read(told, audience.lists(organisation), audience.tags(organisation)).sentence)
    return "; ".join(filter(None, said))


def _page(
    request: Any, form: ExportForm, whose: WhoseForm, found: Any = None, chosen: _Chosen | None = None
) -> HttpResponse:
    facts = {
        "form": form,
        "whose": whose,
        "found": found,
        "chosen": chosen,
        # The names that audience/parts/whom.html carries along.
        "asked": chosen and chosen.asked,
        "numbers": chosen and chosen.numbers,
        "ticked": chosen and chosen.ticked,
        "known": recipients.known(request.organisation) if request.role == "admin" else [],
        "earlier": [(row, _name(row), _format(row.format)) for row in queries.exports(request.organisation)],
    }
    wrong = form.errors or whose.errors
    return render(request, "web/exports/exports.html", facts, status=422 if wrong else 200)


def _name(row: Any) -> str:
    if row.state == "elsewhere":
        return _("the house before this one")
    return people.name_of(row.by) if row.by else _("the command line")


def _format(name: str) -> str:
    return str(FORMATS.get(name, name)).partition(":")[0]


@deed(ADMINS)
def whose(request: Any) -> HttpResponse:
    """Which export an address was planted in. Posted, so that it stands in no address of a page."""
    form = WhoseForm(request.POST)
    if form.is_valid():
        try:
            found = actions.whose(
                request.organisation, form.cleaned_data["address"], now=timezone.now(), by=request.person
            )
        except BadAddress as wrong:
            refuse(form, "address", wrong)
        else:
            if found is not None:
                return go(request, "export", found.pk)
            refuse(form, "address", _("This address was planted in none of your exports."))
    return _page(request, _form(request), form)


def _export(request: Any, export_id: int) -> Any:
    found = queries.export_by_id(request.organisation, export_id)
    if found is None:
        raise Http404
    return found


def _held_facts(request: Any, row: Any) -> dict[str, Any]:
    now = hours.asked()
    agreeing.notice(row, request.person, now)
    agreeing_ones = changes.others(request.organisation, row.by, now)
    return {
        "row": row,
        "by": _name(row),
        "reason": actions.told_of(row)["reason"],
        "agree": request.person in agreeing_ones,
        "alone": agreeing.is_made_alone(row, now),
        "keys": actions.told_of(row)["recipients"],
        "made": changes.until(row, now),
        "untold": untold(row, now),
        "lapses": row.created + agreeing.LAPSE,
    }


@door(see=EVERYONE, do=WRITERS)
def held(request: Any, export_id: int) -> HttpResponse:
    """One that is held before it is made: another admin says yes, or whoever works here stops it."""
    row = _export(request, export_id)
    if row.state != "held":
        return go(request, "export", row.pk) if request.role in KEEPERS else go(request, "home")
    if request.method != "POST":  # HEAD as well: what looks ahead of a person agrees to nothing.
        facts = _held_facts(request, row) | {"whom": _whom(request.organisation, actions.wish_of(row))}
        return render(request, "web/exports/held.html", facts | {"format": _format(row.format)})
    if request.POST.get("answer") == "stop":
        actions.cancel(row, now=timezone.now(), by=request.person)
        messages.success(request, _("Stopped: no file was made."))
        return go(request, "home")
    try:
        agreeing.agree(row, now=hours.asked(), by=request.person)
    except ExportRefused as refused:
        messages.error(request, str(refused))
        return go(request, "held-export", row.pk)
    return go(request, "export", row.pk)


@door(see=KEEPERS)
def export(request: Any, export_id: int) -> HttpResponse:
    """One export, by how far it is."""
    row = _export(request, export_id)
    if row.state == "held":
        return go(request, "held-export", row.pk)
    return render(request, "web/exports/export.html", _facts(request, row))


def _facts(request: Any, row: Any) -> dict[str, Any]:
    told = actions.told_of(row)
    now = timezone.now()
    unseen = request.role == "admin" and row in queries.unseen(request.organisation, request.person, now)
    return {
        "row": row,
        "by": _name(row),
        "told": told,
        "keys": told["recipients"],
        "whom": _whom(request.organisation, actions.wish_of(row)),
        "format": _format(row.format),
        "sums": _counts(row),
        "per_mille": round(1000 * row.done / row.whole) if row.whole else 0,
        "going": row.state in GOING,
        "unseen": unseen,
        "alarms": [(when, WHERE[where], people.name_of(by) if by else "") for when, where, by in alarms.raised(row)],
        "alarm_unseen": request.role == "admin" and row in alarms.unseen(request.organisation, request.person, now),
        "agreed": people.name_of(row.agreed_by) if row.agreed_by else "",
        "until": (row.begun or row.created) + actions.LIFETIME,
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
def drop(request: Any, export_id: int) -> HttpResponse:
    """Not wanted any more."""
    actions.cancel(_export(request, export_id), now=timezone.now(), by=request.person)
    messages.success(request, _("Forgotten: nothing of the file is left here."))
    return go(request, "exports")


@deed(ADMINS)
def forget_key(request: Any, known_key_id: int) -> HttpResponse:
    """The next export to this key needs an approval again."""
    found = RecipientKey.objects.select_related("organisation").filter(
        organisation=request.organisation, pk=known_key_id
    )
    row = found.first()
    if row is None:
        raise Http404
    recipients.forget(row, now=timezone.now(), by=request.person)
    messages.success(request, _("The key is forgotten: an export to it needs approval again."))
    return go(request, "exports")


@deed(ADMINS)
def seen(request: Any, export_id: int) -> HttpResponse:
    """An admin has read that a plain file was made, or that its planted address turned up."""
    row, now = _export(request, export_id), timezone.now()
    if row in queries.unseen(request.organisation, request.person, now):
        actions.say_seen(row, now=now, by=request.person)
    alarms.say_seen(row, now=now, by=request.person)
    return go(request, "home")


def needs(request: Any) -> list[dict[str, str]]:
    """For the first page: files that are held, for everybody; for an admin also those that others made, and files
    of her own that wait."""
    organisation, now = request.organisation, timezone.now()
    found = [_held_need(request, row) for row in agreeing.held(organisation)[:3]]
    if request.role != "admin":
        return found
    for row in alarms.unseen(organisation, request.person, now)[:3]:
        told = {"when": moment(row.created), "who": _name(row), "format": _format(row.format)}
        found.append(
            {
                "kind": "stop",
                "title": _("The planted address of an export turned up"),
                "text": _("The file of %(when)s (%(format)s, by %(who)s) was passed on, or brought in here.") % told,
                "href": address(organisation, "export", row.pk),
                "link": _("Look"),
            }
        )
    for row in queries.unseen(organisation, request.person, now)[:3]:
        told = actions.told_of(row)
        facts = {"who": _name(row), "why": told["reason"][:200], "key": ", ".join(told["recipients"])[:80]}
        found.append(
            {
                "kind": "care",
                "title": _("A plain file of your subscribers was made")
                if row.plain
                else _("A sealed file of your subscribers was made"),
                "text": (
                    _("By %(who)s. The reason given: %(why)s") if row.plain else _("By %(who)s, for the key %(key)s.")
                )
                % facts,
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


def _held_need(request: Any, row: Any) -> dict[str, str]:
    facts = _held_facts(request, row)
    why = facts["reason"][:200] if row.plain else ", ".join(facts["keys"])[:80]
    told = {"who": facts["by"], "why": why, "when": moment(facts["made"])}
    return {
        "kind": "stop" if facts["agree"] else "care",
        "title": _held_title(row.plain, facts["agree"]),
        "text": " ".join(filter(None, (_held_text(row.plain, facts["agree"], facts["alone"]) % told, facts["untold"]))),
        "href": address(request.organisation, "held-export", row.pk),
        "link": _("Look"),
    }


def _held_title(plain: bool, agree: bool) -> str:
    if plain:
        return (
            _("A plain file of your subscribers waits for your yes")
            if agree
            else _("Somebody wants a plain file of your subscribers")
        )
    return (
        _("An export to a new key waits for your approval")
        if agree
        else _("Somebody wants an export of your subscribers to a new key")
    )


def _held_text(plain: bool, agree: bool, alone: bool) -> str:
    if not plain:
        return _("%(who)s asks. It is made on %(when)s unless somebody stops it. The key: %(why)s")
    if agree:
        return _("%(who)s asks. The reason: %(why)s")
    if alone:
        return _("%(who)s asks. It is made on %(when)s unless somebody stops it. The reason: %(why)s")
    return _("%(who)s asks, and another admin has to agree. The reason: %(why)s")
