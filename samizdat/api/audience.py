"""Lists and segments: created and changed, and who is in a segment. A path has one router, so
these are on those of lists.py and fields.py."""

from typing import Annotated, Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Path, Query, Schema
from pydantic import Field, StringConstraints

from samizdat.accounts.models import ApiKey
from samizdat.api.fields import NamedOut, segments
from samizdat.api.keys import KeyAuth, KeyedRequest, insist_on_all_lists, insist_on_list, no_such_list, spend
from samizdat.api.lists import ListOut, list_out
from samizdat.api.lists import router as lists
from samizdat.api.problems import ApiProblem
from samizdat.api.reading import note_reading
from samizdat.api.shapes import ERRORS, ProblemOut
from samizdat.api.subscribers import BATCH_COSTS, SubscriberOut, list_for, subscriber_out
from samizdat.audience import actions, queries
from samizdat.audience.actions import archive_lists
from samizdat.audience.models import NUMBER_MASK, List, Segment, row_id
from samizdat.audience.queries.subscriber_records import records
from samizdat.audience.segments import lookup, portable_json
from samizdat.audience.segments.describe import Names
from samizdat.audience.segments.errors import SegmentOvertaken
from samizdat.audience.segments.members import MemberReader
from samizdat.core import segment
from samizdat.delivery.actions import list_archive
from samizdat.vault import keyring

WRITE, READ = KeyAuth("audience:write"), KeyAuth("subscribers:read")
EITHER = KeyAuth("subscribers:read", "audience:write")

Number = Annotated[int, Field(ge=1, lt=1 << 53)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
MOST_A_PAGE = 500
# Seconds that a page looks for people of a segment: with fewer than asked for it says where to go on.
LOOKING = 1.0


__all__ = ["lists", "segments"]


class ListIn(Schema):
    name: Name


class SegmentIn(Schema):
    """condition: as docs/segments.md says, with names or numbers."""

    name: Name
    condition: dict[str, Any]


class SegmentChangesIn(Schema):
    """version: of the segment as you read it; if somebody else saved since, nothing is changed (409). What isn't named
    stays as it is."""

    version: Annotated[int, Field(ge=1, lt=1 << 31)]
    name: Name | None = None
    condition: dict[str, Any] | None = None


class SegmentOut(Schema):
    """sentence: the condition for people. condition: with names. broken: why it doesn't work any more, since something
    that it asks for was deleted; "" when it does."""

    id: int
    name: str
    version: int
    sentence: str
    condition: dict[str, Any]
    broken: str


class CountOut(Schema):
    count: int


class MembersOut(Schema):
    """next: the cursor of the page after this one; null on the last. A page can be shorter than `count`."""

    items: list[SubscriberOut]
    next: str | None


class MembersIn(Schema):
    count: int = Field(100, ge=1, le=MOST_A_PAGE)
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}$")] | None = None


@lists.post("", response={201: ListOut, ERRORS: ProblemOut}, auth=WRITE, summary="Create a list")
def create_list(request: KeyedRequest, body: ListIn) -> tuple[int, ListOut]:
    """An empty one. Only for a key that is bound to no list."""
    key = request.auth
    insist_on_all_lists(key)
    row = actions.new_list(key.organization, body.name, now=timezone.now(), by=key.by)
    return 201, _list_out(key, row.pk)


@lists.patch("/{int:list_id}", response={200: ListOut, ERRORS: ProblemOut}, auth=WRITE, summary="Rename a list")
def rename_list(request: KeyedRequest, list_id: Path[Number], body: ListIn) -> ListOut:
    """Subscribers see the name when they unsubscribe."""
    key = request.auth
    actions.rename_list(_list(key, list_id), body.name, now=timezone.now(), by=key.by)
    return _list_out(key, list_id)


@lists.post("/{int:list_id}/archive", response={200: ListOut, ERRORS: ProblemOut}, auth=WRITE, summary="Archive a list")
def archive_list(request: KeyedRequest, list_id: Path[Number]) -> ListOut:
    """Nobody joins it any more and no campaign goes to it; everybody on it stays. It is deleted in the app alone."""
    key = request.auth
    list_archive.archive(_list(key, list_id), now=timezone.now(), by=key.by)
    return _list_out(key, list_id)


@lists.post("/{int:list_id}/restore", response={200: ListOut, ERRORS: ProblemOut}, auth=WRITE, summary="Restore a list")
def restore_list(request: KeyedRequest, list_id: Path[Number]) -> ListOut:
    """An archived one, with its sign-up page if it had one."""
    key = request.auth
    archive_lists.bring_back(_list(key, list_id), now=timezone.now(), by=key.by)
    return _list_out(key, list_id)


@segments.post("", response={201: NamedOut, ERRORS: ProblemOut}, auth=WRITE, summary="Create a segment")
def create_segment(request: KeyedRequest, body: SegmentIn) -> tuple[int, NamedOut]:
    """Only for a key that is bound to no list, as is all about segments but their names."""
    key = request.auth
    insist_on_all_lists(key)
    tree = portable_json.read(key.organization, body.condition)
    row = actions.add_segment(key.organization, body.name, tree, now=timezone.now(), by=key.by)
    return 201, NamedOut(id=row.pk, name=lookup.name_of(row))


@segments.get("/{int:number}", response={200: SegmentOut, ERRORS: ProblemOut}, auth=EITHER, summary="One segment")
def get_segment(request: KeyedRequest, number: Path[Number]) -> SegmentOut:
    """Its condition, as JSON and as a sentence."""
    return _segment_out(_segment(request.auth, number))


@segments.patch(
    "/{int:number}",
    response={200: SegmentOut, 409: ProblemOut, ERRORS: ProblemOut},
    auth=WRITE,
    summary="Change a segment",
)
def change_segment(request: KeyedRequest, number: Path[Number], body: SegmentChangesIn) -> SegmentOut:
    """What was sent already keeps its recipients."""
    key = request.auth
    row = _segment(key, number)
    known = lookup.opened(keyring.keys(key.organization), row)
    tree = known.tree if body.condition is None else portable_json.read(key.organization, body.condition)
    name = known.name if body.name is None else body.name
    try:
        actions.change_segment(row, name, tree, version=body.version, now=timezone.now(), by=key.by)
    except SegmentOvertaken as overtaken:
        raise ApiProblem(409, overtaken.code, str(overtaken)) from None
    return _segment_out(_segment(key, number))


@segments.delete("/{int:number}", response={204: None, ERRORS: ProblemOut}, auth=WRITE, summary="Delete a segment")
def delete_segment(request: KeyedRequest, number: Path[Number]) -> HttpResponse:
    """Drafts that go to it go to nobody until somebody chooses anew."""
    key = request.auth
    actions.remove_segment(_segment(key, number), now=timezone.now(), by=key.by)
    return HttpResponse(status=204)


@segments.get("/{int:number}/count", response={200: CountOut, ERRORS: ProblemOut}, auth=READ, summary="Count a segment")
def count_segment(request: KeyedRequest, number: Path[Number]) -> CountOut:
    """Exactly, now. Counts as five requests."""
    key = request.auth
    reader = _reader(key, number)
    spend(key, BATCH_COSTS - 1)
    return CountOut(count=reader.count())


@segments.get(
    "/{int:number}/subscribers",
    response={200: MembersOut, ERRORS: ProblemOut},
    auth=READ,
    summary="A page of subscribers in a segment",
)
def list_segment_subscribers(request: KeyedRequest, number: Path[Number], page: Query[MembersIn]) -> MembersOut:
    """By rising number. Who signed up and hasn't confirmed is not among them."""
    key = request.auth
    reader, after = _reader(key, number), int(page.cursor or 0)
    if after > NUMBER_MASK:
        raise ApiProblem(422, "invalid", _("This cursor is none of ours. Begin again without one."))
    ids, last = reader.page(row_id(key.organization_id, after) if after else 0, page.count, LOOKING)
    note_reading(key)
    items = [subscriber_out(each) for each in records(key.organization, [id & NUMBER_MASK for id in ids])]
    return MembersOut(items=items, next=None if last is None else str(last & NUMBER_MASK))


def _list(key: ApiKey, number: int) -> List:
    """Errors: ApiProblem 404, also for one that was deleted."""
    row = list_for(key, number)
    if queries.details_of(row).deleted:
        raise no_such_list()
    return row


def _list_out(key: ApiKey, number: int) -> ListOut:
    insist_on_list(key, number)
    views = queries.lists(key.organization, archived=True)
    return list_out(next(view for view in views if view.id == number))


def _segment(key: ApiKey, number: int) -> Segment:
    """Errors: ApiProblem 403, NoSuchSegment, which is a 404."""
    insist_on_all_lists(key)
    return lookup.segment_by_id(key.organization, number)


def _reader(key: ApiKey, number: int) -> MemberReader:
    """Errors: as _segment; SegmentBroken."""
    tree = lookup.tree_of(_segment(key, number))
    return MemberReader(key.organization, tree, key.organization.day_of(timezone.now()))


def _segment_out(row: Segment) -> SegmentOut:
    organization = row.organization
    known = lookup.opened(keyring.keys(organization), row)
    broken = lookup.broken(organization, known.tree)
    condition = segment.dump(known.tree) if broken else portable_json.dump(organization, known.tree)
    sentence = Names(organization).sentence(known.tree)
    return SegmentOut(
        id=row.pk, name=known.name, version=known.version, sentence=sentence, condition=condition, broken=broken
    )
