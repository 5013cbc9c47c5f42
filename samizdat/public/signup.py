"""Signing up: a form, a mail that asks, and the page that confirms.

No answer tells whether an address is known. What it depends on is what was typed alone.
"""

import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import override

from samizdat.core import fields, jurisdictions
from samizdat.core.mail import address
from samizdat.public import cache, door, form_tokens, tokens
from samizdat.public.middleware import HEADERS
from samizdat.public.responses import glimpsed_of, host_of, is_too_old, page_of, posted_of, takes
from samizdat.publicdb import queries
from samizdat.publicdb.models import Form, Site

# (a second in the long run, at once) of sign-ups: with work and without, of one form and of one organization.
WORKED, WORKED_ALL = (5.0, 200.0), (10.0, 400.0)
UNWORKED, UNWORKED_ALL = (2.0, 100.0), (4.0, 200.0)

LONGEST = 1000  # of a field; core/fields keeps no more
_SCRIPT = "; script-src 'self'"

purses = form_tokens.RateBudgets()
used = form_tokens.UsedTokens()


class FormProblem(Exception):
    """A sentence beside the input that it speaks of."""

    def __init__(self, where: str, sentence: str) -> None:
        self.where, self.sentence = where, sentence


@takes("GET", "HEAD", "POST")
def sign_up(request: HttpRequest, slug: str) -> HttpResponse:
    form = cache.form(slug, host_of(request))
    if form is None:
        raise Http404
    with override(form.language):
        if request.method != "POST":
            return form_page(request, form, QueryDict())
        posted = posted_of(request)
        if posted.get("website"):  # Nobody sees this field; only a program fills it in. It gets the same answer.
            return asked_page(request, form, details_of(form), posted)
        return _posted(request, form, posted)


def _posted(request: HttpRequest, form: Form, posted: QueryDict) -> HttpResponse:
    details = details_of(form)
    try:
        asked = address_in(posted)
        answers = answers_in(posted, details)
    except FormProblem as wrong:
        return form_page(request, form, posted, {"errors": {wrong.where: wrong.sentence}}, 422)
    if jurisdictions.within(form.place.hostile_state, address.domain(asked)) and posted.get("sure") != asked:
        return form_page(
            request, form, posted, {"warned": asked, "providers": jurisdictions.named(form.place.hostile_state)}
        )
    stamp = posted.get("stamp", "")
    old = form_tokens.age(_secrets(form.place), form.slug, stamp, time.time())
    if old is None or not form_tokens.YOUNGEST <= old <= form_tokens.OLDEST:
        # From another site's page, from a page of yesterday, or faster than anybody types: one press more.
        return form_page(request, form, posted, {"again": True})
    if not _room(form, form_tokens.worked(stamp, posted.get("work", ""))):
        return form_page(request, form, posted, {"full": True}, 503)
    if not used.first(stamp):
        return form_page(request, form, posted, {"again": True})
    if not lay(form, asked, answers, posted, details):
        return form_page(request, form, posted, {"full": True}, 503)
    return asked_page(request, form, details, posted)


def lay(form: Form, asked: str, answers: Mapping[str, Any], posted: QueryDict, details: Mapping[str, object]) -> bool:
    """Hands a sign-up in. answers: of answers_in(). False: as many as may wait do already."""
    words = {"address": asked, "list": str(form.list), "language": form.language, "wording": form.purpose}
    if appeals := _appeals(posted, details):
        words["appeals"] = appeals
    return door.sign_up(form.place, **words, **answers)


def asked_page(request: HttpRequest, form: Form, details: Mapping[str, object], posted: QueryDict) -> HttpResponse:
    values = {"form": form, "appeals": _appeals(posted, details), "signs": bool(details.get("signs"))}
    return page_of(request, form.place, form.language, "asked", values)


def _appeals(posted: QueryDict, details: Mapping[str, object]) -> str:
    """The words beside the box for appeals for money, where the form has one and it was ticked."""
    return str(details.get("appeals", "")) if posted.get("appeals") else ""


def address_in(posted: QueryDict) -> str:
    """Errors: FormProblem."""
    written = posted.getlist("email")
    try:
        if len(written) != 1:
            raise address.BadAddress("two_at" if written else "empty")
        return address.normalize(written[0])
    except address.BadAddress:
        raise FormProblem("email", _("This isn’t a valid email address. Check it for typos.")) from None


def answers_in(posted: QueryDict, details: dict[str, Any]) -> dict[str, Any]:
    """What was typed into a form with fields of its own. Errors: FormProblem."""
    if not details.get("lists"):
        return {}
    known = [number for number, _name in details["lists"]]
    lists = [number for number in known if str(number) in posted.getlist("list")]
    if len(known) == 1:
        lists = known
    if not lists:
        raise FormProblem("list", _("Choose at least one."))
    values = {str(field["number"]): _value(posted, field) for field in details["fields"]}
    topics = [number for number, _name in details["topics"] if str(number) in posted.getlist("topic")]
    return {"lists": lists, "values": {n: text for n, text in values.items() if text}, "topics": topics}


def _value(posted: QueryDict, field: dict[str, Any]) -> str:
    text = posted.get(f"v{field['number']}", "")
    try:
        if len(posted.getlist(f"v{field['number']}")) > 1:
            raise fields.BadValue("too_long")
        kept = fields.read(field["kind"], text, dict.fromkeys(field["choices"], 0))
    except fields.BadValue:
        raise FormProblem(str(field["number"]), _("This can’t be used here. Write it another way.")) from None
    if field["required"] and not kept:
        raise FormProblem(str(field["number"]), _("Fill in this field."))
    return kept


def _room(form: Form, worked: bool) -> bool:
    if worked:
        return has_room(form, "worked", WORKED, WORKED_ALL)
    return has_room(form, "plain", UNWORKED, UNWORKED_ALL)


def has_room(form: Form, kind: str, per_form: tuple[float, float], every: tuple[float, float]) -> bool:
    """Takes one of so many a second and at once, of this form and of all of its organization."""
    uid = bytes(form.place.uid).hex()
    return purses.take((f"{kind} {form.slug}", *per_form), (f"{kind} of {uid}", *every))


def _secrets(place: Site) -> list[bytes]:
    return tokens.stamp_secrets(bytes(place.uid))


def details_of(form: Form) -> dict[str, Any]:
    details: dict[str, Any] = json.loads(form.details) if form.details else {}
    return details


def form_page(
    request: HttpRequest, form: Form, posted: QueryDict, more: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    """The form, with what was typed before. Whoever is asked to press again need not wait before they do."""
    more = more or {}
    wrong: dict[str, str] = more.get("errors", {})
    details = details_of(form)
    issued_at = time.time() - (form_tokens.YOUNGEST if more else 0)
    values = {
        "form": form,
        "own": bool(details.get("lists")),
        "signs": bool(details.get("signs")),
        "appeals": details.get("appeals", ""),
        "ticked": bool(posted.get("appeals")),
        "intro": details.get("intro", ""),
        "lists": [(*entry, str(entry[0]) in posted.getlist("list")) for entry in details.get("lists", [])],
        "topics": [(*entry, str(entry[0]) in posted.getlist("topic")) for entry in details.get("topics", [])],
        "fields": [
            entry
            | {"was": posted.get(f"v{entry['number']}", "")[:LONGEST], "wrong": wrong.get(str(entry["number"]), "")}
            for entry in details.get("fields", [])
        ],
        # Besides the address.
        "asks_for_nothing": not any(entry["required"] for entry in details.get("fields", [])),
        "written": posted.get("email", "")[:254],
        "wrong": wrong.get("email", ""),
        "wrong_list": wrong.get("list", ""),
        "stamp": form_tokens.make(_secrets(form.place)[0], form.slug, issued_at, secrets.token_bytes(8)),
        "feared": jurisdictions.named(form.place.hostile_state),
    }
    response = page_of(request, form.place, form.language, "sign_up", values | more, status=status)
    response["Content-Security-Policy"] = HEADERS["Content-Security-Policy"] + _SCRIPT
    return response


@takes("GET", "HEAD", "POST")
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """The link in the confirmation mail. Its token names the list or form where others name an edition."""
    # The house proves it; one that it mailed is known here by its state, and of one that came along from another house
    # nothing is known.
    holder, place = glimpsed_of(request, token, "confirm")
    # Below the day the number of a list, or of a form with its choice in the last four bits (audience/actions/forms).
    number = holder.edition & (1 << 40) - 1
    form = queries.form_of_list(place, number & ~15 if number >> 32 else number)
    language = form.language if form else place.language
    # Of a link that was pressed before nobody here knows whether its letters still come: they may have left since.
    state = queries.token_state(holder.text)
    page = {"confirmed": "confirmed_before"}.get(state, "forgotten" if is_too_old(holder.edition) else "confirm")
    if request.method == "POST" and page != "forgotten":
        door.drop_in(place, "confirm", token=holder.text)
        page = "confirmed" if page == "confirm" else page
    with override(language):
        details = details_of(form) if form else {}
        name = _chosen(details, number) or (form.name if form else place.name)
        values = {
            "list": name,
            "token": holder.text,
            "form": form,
            "thanks": details.get("thanks", ""),
            "signs": bool(details.get("signs")),
            "known": state in ("pending", "pending-asks"),
            "appeals": state == "pending-asks",
        }
        return page_of(request, place, language, page, values)


def _chosen(details: dict[str, Any], number: int) -> str:
    """The names of the lists that a link confirms, where its form speaks for several."""
    order, named = details.get("order", []), details.get("lists", [])
    chosen = {list_number for place, list_number in enumerate(order) if number >> place & 1}
    return ", ".join(name for list_number, name in named if list_number in chosen) if len(named) > 1 else ""
