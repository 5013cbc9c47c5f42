"""Segments: the list, the builder, taking one away."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat import hours
from samizdat.audience import actions, queries
from samizdat.audience.errors import AudienceError
from samizdat.audience.segments import names, saved
from samizdat.audience.segments.errors import SegmentRefused
from samizdat.audience.segments.who import Reader, today_of
from samizdat.campaigns.audience import drafts_to
from samizdat.campaigns.audience import names as naming
from samizdat.core import segment
from samizdat.vault import house
from samizdat.web import building
from samizdat.web.doors import EVERYONE, WRITERS, door, go
from samizdat.web.forms.audience import SegmentForm
from samizdat.web.forms.base import refuse
from samizdat.web.segmenting import segment_word

# Seconds of one look of a count that opens blobs; the page goes on counting by itself.
COUNTING = 0.3
SHOWN = 10


@door(see=EVERYONE)
def segments(request: Any) -> HttpResponse:
    """Every segment as a sentence."""
    said = naming(request.organisation, segment_word)
    rows = [
        (one, said.sentence(one.tree), names.broken(request.organisation, one.tree))
        for one in saved.segments(request.organisation)
    ]
    return render(request, "web/audience/segments.html", {"rows": rows})


@door(see=WRITERS, do=WRITERS)
def new_segment(request: Any) -> HttpResponse:
    return _builder(request, None)


@door(see=WRITERS, do=WRITERS)
def one_segment(request: Any, segment_id: int) -> HttpResponse:
    return _builder(request, _row(request, segment_id))


def _row(request: Any, segment_id: int) -> Any:
    try:
        return saved.segment_by_id(request.organisation, segment_id)
    except AudienceError:
        raise Http404 from None


def _builder(request: Any, row: Any) -> HttpResponse:
    """The conditions as a form. Every button sends the whole form; only Save writes something."""
    known = saved.opened(house.keys(row.organisation), row) if row else None
    posted = request.method == "POST"
    button = request.POST.get("do", "") if posted else ""
    try:
        root = building.read(request.POST) if posted else building.from_tree(known.tree if known else segment.EVERYBODY)
    except building.OddForm:
        messages.error(request, _("These conditions did not arrive as they were. Open the segment anew."))
        return go(request, "segments")
    initial = {"name": known.name, "version": known.version} if known else {"version": 0}
    form = SegmentForm(request.POST if button == "save" else None, initial=initial | _typed(request))
    building.press(root, button, request.POST)
    found = _found(request, root)
    if button == "save" and form.is_valid():
        if found.problem:
            refuse(form, None, found.problem)
        elif _save(request, row, form, found.tree):
            return go(request, "segments")
    said = naming(request.organisation, segment_word)
    builder = building.Builder(request.organisation, said)
    laid_out = builder.laid_out(root)
    found.unfinished = [(node.title, node.error) for node in root.nodes() if node.error]
    facts = {
        "segment": row,
        "name": known.name if known else "",
        "form": form,
        "root": laid_out,
        "of": sum(1 for _node in laid_out.nodes()),
        "told": button in ("save", "count"),  # A condition that was just added is not scolded for being empty.
        "groups": [(kind, str(word)) for kind, word in building.GROUPS.items()],
        "offered": builder.offered,
        "found": found,
        "sentence": said.sentence(found.tree) if found.tree is not None else "",
    }
    return render(request, "web/audience/segment.html", facts, status=422 if form.errors else 200)


def _typed(request: Any) -> dict[str, str]:
    """Name and version as they stand in a form of which another button than Save was pressed."""
    return {word: request.POST[word][:200] for word in ("name", "version") if word in request.POST}


def _save(request: Any, row: Any, form: SegmentForm, tree: segment.Tree | None) -> bool:
    assert tree is not None
    name, version, now = form.cleaned_data["name"], form.cleaned_data["version"] or 0, timezone.now()
    try:
        if row is None:
            actions.add_segment(request.organisation, name, tree, now=now, by=request.person)
        else:
            actions.change_segment(row, name, tree, version=version, now=now, by=request.person)
    except AudienceError as refused:
        refuse(form, "name" if refused.code in ("segment_name_taken", "no_name") else None, refused)
        return False
    messages.success(request, _("The segment “%(name)s” is saved.") % {"name": name})
    return True


@dataclass(slots=True)
class Found:
    """Who is in it, as far as it was counted. `on`: what the next look begins with, "" when all are counted."""

    tree: segment.Tree | None = None
    problem: str = ""
    count: int = 0
    seen: int = 0
    on: str = ""
    rows: list[Any] = field(default_factory=list)
    unfinished: list[tuple[str, str]] = field(default_factory=list)  # (condition, what is missing)


def _found(request: Any, root: building.Node) -> Found:
    organisation = request.organisation
    try:
        tree = building.to_tree(root)
    except building.Unfinished:
        return Found(problem=_("Finish this, and it is counted:"))
    except SegmentRefused as refused:
        return Found(problem=str(refused))
    if broken := names.broken(organisation, tree):
        return Found(tree, broken)
    reader = Reader(organisation, tree, today_of(organisation, hours.asked()))
    after, count, seen = _so_far(request.POST.get("on", ""), tree)
    look = reader.look(after=after, seconds=COUNTING)
    found = Found(tree, count=count + look.count, seen=seen + look.seen)
    if look.following is not None:
        found.on = f"{look.following}:{found.count}:{found.seen}:{_mark(tree)}"
    found.rows = queries.rows_of(organisation, reader.sample(SHOWN))
    return found


def _so_far(text: str, tree: segment.Tree) -> tuple[int, int, int]:
    """Where the look before this one ended: (row, in it, opened). Another tree is counted from the beginning."""
    parts = text.split(":")
    if len(parts) != 4 or parts[3] != _mark(tree) or not all(one.isascii() and one.isdigit() for one in parts[:3]):
        return 0, 0, 0
    after, count, seen = (min(int(one[:19]), segment.HIGHEST) for one in parts[:3])
    return after, count, seen


def _mark(tree: segment.Tree) -> str:
    return hashlib.sha256(json.dumps(segment.dump(tree)).encode()).hexdigest()[:12]


@door(see=WRITERS, do=WRITERS)
def remove_segment(request: Any, segment_id: int) -> HttpResponse:
    """Asks first, with the drafts that would go to nobody."""
    row = _row(request, segment_id)
    name = saved.name_of(row)
    if request.method == "POST":
        try:
            actions.remove_segment(row, now=timezone.now(), by=request.person)
        except AudienceError as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, _("The segment “%(name)s” is removed.") % {"name": name})
        return go(request, "segments")
    facts = {"segment": row, "name": name, "drafts": drafts_to(row)}
    return render(request, "web/audience/segment_remove.html", facts)
