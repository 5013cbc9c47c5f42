"""Segments: the list, the builder, taking one away."""

from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.core import signing
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat import dbclock
from samizdat.audience import actions, filters, queries
from samizdat.audience.errors import AudienceError
from samizdat.audience.models import Segment
from samizdat.audience.segments import lookup
from samizdat.audience.segments.describe import Names
from samizdat.audience.segments.errors import SegmentRefused
from samizdat.audience.segments.members import MemberReader
from samizdat.campaigns.audience import drafts_to
from samizdat.core import segment
from samizdat.vault import keyring
from samizdat.web import read_limits
from samizdat.web.audience import segment_builder, subscriber_filters
from samizdat.web.audience.forms.audience import SegmentForm
from samizdat.web.audience.segment_labels import segment_word
from samizdat.web.base_form import refuse
from samizdat.web.permissions import EVERYONE, WRITERS, door, go
from samizdat.web.request import DeskRequest

# Seconds of one look of a count that opens blobs; the page goes on counting by itself.
COUNTING = 0.3
SHOWN = 10


@door(see=EVERYONE)
def segments(request: DeskRequest) -> HttpResponse:
    """Every segment as a sentence."""
    segment_names = Names(request.organization, segment_word)
    rows = [
        (view, segment_names.sentence(view.tree), lookup.broken(request.organization, view.tree))
        for view in lookup.segments(request.organization)
    ]
    return render(request, "web/audience/segments.html", {"rows": rows})


@door(see=WRITERS, do=WRITERS)
def new_segment(request: DeskRequest) -> HttpResponse:
    """Filters of the list of subscribers, in the address, are its first conditions."""
    organization = request.organization
    asked = subscriber_filters.read(request.GET, queries.lists(organization, archived=True), queries.tags(organization))
    return _builder(request, None, asked)


@door(see=WRITERS, do=WRITERS)
def one_segment(request: DeskRequest, segment_id: int) -> HttpResponse:
    return _builder(request, _row(request, segment_id))


def _row(request: DeskRequest, segment_id: int) -> Segment:
    try:
        return lookup.segment_by_id(request.organization, segment_id)
    except AudienceError:
        raise Http404 from None


def _builder(
    request: DeskRequest, row: Segment | None, asked: subscriber_filters.RequestedFilter | None = None
) -> HttpResponse:
    """The conditions as a form. Every button sends the whole form; only Save writes something."""
    known = lookup.opened(keyring.keys(row.organization), row) if row else None
    posted = request.method == "POST"
    first = filters.as_segment(asked.filter) if asked else segment.EVERYBODY
    button = request.POST.get("do", "") if posted else ""
    try:
        root = (
            segment_builder.read(request.POST) if posted else segment_builder.from_tree(known.tree if known else first)
        )
    except segment_builder.BrokenForm:
        messages.error(request, _("The conditions didn’t arrive as they were. Open the segment again."))
        return go(request, "segments")
    initial: dict[str, object] = {"name": known.name, "version": known.version} if known else {"version": 0}
    form = SegmentForm(request.POST if button == "save" else None, initial=initial | _typed(request))
    segment_builder.press(root, button, request.POST)
    segment_match = _found(request, root)
    if button == "save" and form.is_valid():
        if segment_match.problem:
            refuse(form, None, segment_match.problem)
        elif _save(request, row, form, segment_match.tree):
            return go(request, "segments")
    segment_names = Names(request.organization, segment_word)
    builder = segment_builder.Builder(request.organization, segment_names)
    laid_out = builder.laid_out(root)
    segment_match.unfinished = [(node.title, node.error) for node in root.nodes() if node.error]
    facts = {
        "segment": row,
        "name": known.name if known else "",
        "form": form,
        "root": laid_out,
        "of": sum(1 for _node in laid_out.nodes()),
        "told": button in ("save", "count"),  # A condition that was just added is not scolded for being empty.
        "groups": [(kind, str(word)) for kind, word in segment_builder.GROUPS.items()],
        "offered": builder.offered,
        "left_out": bool(asked and (asked.unknown or asked.filter.source)),
        "found": segment_match,
        "sentence": segment_names.sentence(segment_match.tree) if segment_match.tree is not None else "",
    }
    return render(request, "web/audience/segment.html", facts, status=422 if form.errors else 200)


def _typed(request: DeskRequest) -> dict[str, str]:
    """Name and version as they stand in a form of which another button than Save was pressed."""
    return {word: request.POST[word][:200] for word in ("name", "version") if word in request.POST}


def _save(request: DeskRequest, row: Segment | None, form: SegmentForm, tree: segment.Tree | None) -> bool:
    assert tree is not None
    name, version, now = form.cleaned_data["name"], form.cleaned_data["version"] or 0, timezone.now()
    try:
        if row is None:
            actions.add_segment(request.organization, name, tree, now=now, by=request.person)
        else:
            actions.change_segment(row, name, tree, version=version, now=now, by=request.person)
    except AudienceError as refused:
        refuse(form, "name" if refused.code in ("segment_name_taken", "no_name") else None, refused)
        return False
    messages.success(request, _("Segment “%(name)s” saved.") % {"name": name})
    return True


@dataclass(slots=True)
class SegmentMatch:
    """Who is in it, as far as it was counted. `on`: what the next look begins with, "" when all are counted."""

    tree: segment.Tree | None = None
    problem: str = ""
    count: int = 0
    seen: int = 0
    on: str = ""
    rows: list[Any] = field(default_factory=list)
    unfinished: list[tuple[str, str]] = field(default_factory=list)  # (condition, what is missing)


def _found(request: DeskRequest, root: segment_builder.BuilderNode) -> SegmentMatch:
    organization = request.organization
    try:
        tree = segment_builder.to_tree(root)
    except segment_builder.UnfinishedCondition:
        return SegmentMatch(problem=_("Complete this to see the count:"))
    except SegmentRefused as refused:
        return SegmentMatch(problem=str(refused))
    if broken := lookup.broken(organization, tree):
        return SegmentMatch(tree, broken)
    read_limits.ask_segment(request, tree)
    reader = MemberReader(organization, tree, organization.day_of(dbclock.asked()))
    after, count, seen = _so_far(request, tree)
    look = reader.look(after=after, seconds=COUNTING)
    segment_match = SegmentMatch(tree, count=count + look.count, seen=seen + look.seen)
    if look.following is not None:
        place = look.following, segment_match.count, segment_match.seen
        segment_match.on = signing.dumps([*place, *_looking(request, tree)], salt=_SALT)
    segment_match.rows = queries.rows_of(organization, reader.sample(SHOWN))
    return segment_match


_SALT = "samizdat.segment"


def _so_far(request: DeskRequest, tree: segment.Tree) -> tuple[int, int, int]:
    """Where the look before this one ended: (row, in it, opened). Another tree is counted from the beginning. Signed:
    who chose the row would be told of everybody whether they are in it, with one question."""
    try:
        after, count, seen, *of = signing.loads(request.POST.get("on", ""), salt=_SALT)
    except signing.BadSignature:
        return 0, 0, 0
    return (after, count, seen) if of == _looking(request, tree) else (0, 0, 0)


def _looking(request: DeskRequest, tree: segment.Tree) -> list[object]:
    return [read_limits.segment_mark(tree), request.organization.pk, request.person.pk]


@door(see=WRITERS, do=WRITERS)
def remove_segment(request: DeskRequest, segment_id: int) -> HttpResponse:
    """Asks first, with the drafts that would go to nobody."""
    row = _row(request, segment_id)
    name = lookup.name_of(row)
    if request.method == "POST":
        try:
            actions.remove_segment(row, now=timezone.now(), by=request.person)
        except AudienceError as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, _("Segment “%(name)s” deleted.") % {"name": name})
        return go(request, "segments")
    facts = {"segment": row, "name": name, "drafts": drafts_to(row)}
    return render(request, "web/audience/segment_remove.html", facts)
