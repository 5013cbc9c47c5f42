"""One reader is edited: their fields, their notes, their language, their tags."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.audience import actions, queries
from samizdat.audience.actions import edit_subscriber as editing
from samizdat.audience.errors import AudienceError
from samizdat.audience.models import Subscriber
from samizdat.audience.queries.lists import FieldView
from samizdat.core.crypto import seal
from samizdat.core.unsafe_text import marked
from samizdat.labels import field_label
from samizdat.web import read_limits
from samizdat.web.audience.field_types import shown
from samizdat.web.audience.forms.audience import EditForm
from samizdat.web.permissions import WRITERS, deed, door, go
from samizdat.web.request import DeskRequest

LONGEST_TAG = 100


def _numbered(request: DeskRequest, number: int) -> Subscriber:
    subscriber = queries.subscriber_numbered(request.organization, number)
    if subscriber is None:
        raise Http404
    return subscriber


@door(see=WRITERS, do=WRITERS)
def edit_subscriber(request: DeskRequest, number: int) -> HttpResponse:
    """Two who edit at once lose nothing: only what was changed here is written; a clash is shown with both texts."""
    fields = queries.fields(request.organization)
    try:
        subscriber = read_limits.subscriber(request, number)
    except read_limits.TooFast as fast:
        if request.method != "POST":
            raise
        return _not_now(request, number, fields, fast.seconds)
    seen = editing.seen(subscriber)
    if request.method == "POST" and not EditForm.is_whole(request.POST, fields):
        messages.error(request, _("The form didn’t arrive completely, so nothing was changed. Here it is again."))
        return go(request, "edit-subscriber", number)
    form, clashes = EditForm(request.POST or None, fields=fields, seen=seen), []
    if form.is_valid():
        try:
            done = editing.edit(subscriber, form.was(), form.wanted(), now=timezone.now(), by=request.person)
        except editing.ChangedMeanwhile as refused:
            form.add_error(None, str(refused))
            form.see(refused.now)
            clashes = [_worded(fields, clash.number, clash.now, clash.wanted) for clash in refused.clashes]
        except AudienceError as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, _("Saved.") if done.changed else _("Nothing was changed."))
            _tell(request, fields, done.meanwhile)
            return go(request, "subscriber", number)
    facts = {
        "form": form,
        "number": number,
        "address": queries.address_of(subscriber),
        "clashes": clashes,
    }
    return render(request, "web/audience/edit.html", facts, status=422 if form.errors else 200)


def _not_now(request: DeskRequest, number: int, fields: list[FieldView], seconds: int) -> HttpResponse:
    """The form with what was typed into it, and nothing else of the subscriber."""
    form = EditForm(request.POST, fields=fields, seen={})
    form.add_error(None, read_limits.sentence(seconds))
    facts = {"form": form, "number": number, "address": "", "clashes": []}
    return render(request, "web/audience/edit.html", facts, status=429)


def _tell(request: DeskRequest, fields: list[FieldView], meanwhile: list[tuple[int, str, str]]) -> None:
    """What others changed since the page was opened, and is left as they wrote it."""
    for number, _was, now in meanwhile:
        texts = _worded(fields, number, now, "")
        sentence = _("Someone else changed %(field)s to “%(text)s” in the meantime. Their value was kept.")
        messages.warning(request, sentence % {"field": texts["name"], "text": marked(texts["now"]) or "–"})


def _worded(fields: list[FieldView], number: int, now: str, wanted: str) -> dict[str, str]:
    own = {seal.NOTES: _("Notes"), editing.LANGUAGE: _("Language")}
    view = next((field for field in fields if field.number == number), None)
    if view is None:
        return {"name": own.get(number, str(number)), "now": now, "wanted": wanted}
    return {"name": field_label(view.tag, view.label), "now": shown(view, now), "wanted": shown(view, wanted)}


@deed(WRITERS)
def tag_subscriber(request: DeskRequest, number: int) -> HttpResponse:
    """Gives the reader a tag, by its name, or takes one away, by its number."""
    subscriber, now = _numbered(request, number), timezone.now()
    gone = next(
        (name for id, name in queries.tags(request.organization) if str(id) == request.POST.get("remove")), None
    )
    names = [name.strip()[:LONGEST_TAG] for name in request.POST.get("add", "").split(",") if name.strip()]
    try:
        if gone is not None:
            actions.remove_tags(subscriber, [gone], now=now, by=request.person)
        elif names:
            actions.add_tags(subscriber, names, now=now, by=request.person)
    except AudienceError as refused:
        messages.error(request, str(refused))
    return go(request, "subscriber", number, anchor="tags")
