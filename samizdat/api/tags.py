"""Tags: created, renamed and deleted, and given to many subscribers at once or taken from them."""

from collections import Counter
from typing import Annotated

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Path, Router, Schema
from pydantic import Field, StringConstraints

from samizdat.accounts import api_keys
from samizdat.accounts.models import ApiKey
from samizdat.api.donors import refuse_donors
from samizdat.api.fields import ANY
from samizdat.api.keys import KeyAuth, KeyedRequest, insist_on_all_lists, spend
from samizdat.api.problems import ApiProblem
from samizdat.api.shapes import ERRORS, ProblemOut
from samizdat.api.subscribers import BATCH, BATCH_COSTS, Email, list_for
from samizdat.audience import actions, queries
from samizdat.audience.actions.tags import tag_members
from samizdat.audience.errors import TagRefused
from samizdat.audience.models import Tag
from samizdat.audience.tags_and_fields import LONGEST_TAG
from samizdat.privacy.actions import insist_unused

router = Router(tags=["Fields, tags and segments"])
MANAGE, WRITE = KeyAuth("audience:write"), KeyAuth("subscribers:write")

Number = Annotated[int, Field(ge=1, lt=1 << 53)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TAG)]
Emails = Annotated[list[Email], Field(max_length=BATCH)]


class TagIn(Schema):
    name: Name


class TagTotalOut(Schema):
    """Those subscribed to a list who have the tag."""

    list: int
    subscribed: int


class TagOut(Schema):
    """totals: of the lists of this key where anybody subscribed has it; null for a key that can't read subscribers."""

    id: int
    name: str
    totals: list[TagTotalOut] | None


class TagsOut(Schema):
    items: list[TagOut]


class TaggingIn(Schema):
    """add, remove: addresses of subscribers of the list; altogether at most 500."""

    list: int
    add: Emails = []
    remove: Emails = []


class TaggingOut(Schema):
    """changed: got the tag or lost it. full: have as many tags as one can have. missing: not on this list. All but
    `received` are null for a key that can't read subscribers."""

    received: int
    changed: int | None
    unchanged: int | None
    full: int | None
    missing: int | None


@router.get("", response={200: TagsOut, ERRORS: ProblemOut}, auth=ANY, summary="All tags")
def all_tags(request: KeyedRequest) -> TagsOut:
    """By name. The names are those of the organization, the totals those of the lists that the key may use."""
    return TagsOut(items=_tags_out(request.auth))


@router.post("", response={201: TagOut, ERRORS: ProblemOut}, auth=MANAGE, summary="Create a tag")
def create_tag(request: KeyedRequest, body: TagIn) -> tuple[int, TagOut]:
    """The same name again, in upper or lower case, is the same tag."""
    key, name = request.auth, " ".join(body.name.split())
    if not name or not name.isprintable():
        raise TagRefused(_("A tag has a name of at most %(n)s characters.") % {"n": LONGEST_TAG})
    refuse_donors((), [name])
    number = actions.tags_for(key.organization, [name])[name]
    return 201, _tag_out(key, number)


@router.patch("/{int:number}", response={200: TagOut, ERRORS: ProblemOut}, auth=MANAGE, summary="Rename a tag")
def rename_tag(request: KeyedRequest, number: Path[Number], body: TagIn) -> TagOut:
    """Whoever has it keeps it. All lists share it, so this is only for a key that is bound to no list."""
    key = request.auth
    insist_on_all_lists(key)
    refuse_donors((), [body.name])
    actions.rename_tag(_tag(key, number), body.name, now=timezone.now(), by=key.by)
    return _tag_out(key, number)


@router.delete("/{int:number}", response={204: None, ERRORS: ProblemOut}, auth=MANAGE, summary="Delete a tag")
def delete_tag(request: KeyedRequest, number: Path[Number]) -> HttpResponse:
    """Subscribers lose it within minutes. Drafts that go to it go to nobody until somebody chooses anew. Refused while
    a re-confirmation uses it or an import may add it. Only for a key that is bound to no list."""
    key = request.auth
    insist_on_all_lists(key)
    tag = _tag(key, number)
    insist_unused(tag)
    actions.remove_tag(tag, now=timezone.now(), by=key.by)
    return HttpResponse(status=204)


@router.post(
    "/{int:number}/subscribers",
    response={200: TaggingOut, ERRORS: ProblemOut},
    auth=WRITE,
    summary="Tag or untag many subscribers",
)
def tag_subscribers(request: KeyedRequest, number: Path[Number], body: TaggingIn) -> TaggingOut:
    """Subscribers of one list, by address, at most 500 at once. The same request again changes nothing. Counts as five
    requests."""
    key, now = request.auth, timezone.now()
    many = len(body.add) + len(body.remove)
    if many > BATCH:
        raise ApiProblem(422, "too_many", _("Send at most %(n)s addresses at once.") % {"n": BATCH})
    list_, tag = list_for(key, body.list), _tag(key, number)
    spend(key, BATCH_COSTS - 1)
    counts: Counter[str] = Counter()
    for give, addresses in ((True, body.add), (False, body.remove)):
        counts += tag_members(list_, tag, addresses, give=give, now=now, by=key.by)
    shown = {name: counts[name] if _reads(key) else None for name in ("changed", "unchanged", "full", "missing")}
    return TaggingOut(received=many, **shown)


def _reads(key: ApiKey) -> bool:
    return "subscribers:read" in api_keys.scopes_of(key)


def _tag(key: ApiKey, number: int) -> Tag:
    """Errors: ApiProblem 404."""
    tag = Tag.objects.filter(organization=key.organization, pk=number, removed=False).first()
    if tag is None:
        raise _no_such_tag()
    return tag


def _tag_out(key: ApiKey, number: int) -> TagOut:
    """Errors: ApiProblem 404."""
    for tag in _tags_out(key):
        if tag.id == number:
            return tag
    raise _no_such_tag()


def _tags_out(key: ApiKey) -> list[TagOut]:
    """A tag that somebody is given by a key that may only write tells by its totals whether they are here: it sees
    none."""
    lists = [view.id for view in queries.lists(key.organization, archived=True) if api_keys.may_use(key, view.id)]
    totals = queries.tag_totals(lists) if _reads(key) else None
    return [
        TagOut(id=number, name=name, totals=None if totals is None else _totals_out(totals.get(number, {})))
        for number, name in queries.tags(key.organization)
    ]


def _totals_out(totals: dict[int, int]) -> list[TagTotalOut]:
    return [TagTotalOut(list=number, subscribed=many) for number, many in sorted(totals.items())]


def _no_such_tag() -> ApiProblem:
    return ApiProblem(404, "no_such_tag", _("This tag doesn’t exist. Check the list of tags."))
