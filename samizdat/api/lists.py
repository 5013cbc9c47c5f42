"""Lists of the organization: those that the key is bound to."""

from datetime import date

from ninja import Router, Schema

from samizdat.accounts import api_keys
from samizdat.api.keys import KeyAuth, KeyedRequest, insist_on_list, no_such_list
from samizdat.api.shapes import ERRORS, ProblemOut
from samizdat.audience import queries
from samizdat.audience.queries import ListView

router = Router(tags=["Lists"])
# Each key has to know where it may do something.
ANY = KeyAuth("subscribers:read", "subscribers:write", "campaigns:read", "campaigns:write", "audience:write")


class TotalsOut(Schema):
    """Subscribers of a list by status."""

    subscribed: int
    pending: int
    unsubscribed: int
    cleaned: int
    nonsubscribed: int


class ListOut(Schema):
    """archived: since which day nobody can join."""

    id: int
    name: str
    created: date
    archived: date | None
    totals: TotalsOut


class ListsOut(Schema):
    items: list[ListOut]


@router.get("", response={200: ListsOut, ERRORS: ProblemOut}, auth=ANY, summary="All lists")
def all_lists(request: KeyedRequest) -> ListsOut:
    """In the order in which they were created, archived ones as well."""
    return ListsOut(items=[list_out(view) for view in _views(request)])


@router.get("/{int:list_id}", response={200: ListOut, ERRORS: ProblemOut}, auth=ANY, summary="One list")
def one_list(request: KeyedRequest, list_id: int) -> ListOut:
    """With how many subscribers it has."""
    insist_on_list(request.auth, list_id)
    for view in _views(request):
        if view.id == list_id:
            return list_out(view)
    raise no_such_list()


def _views(request: KeyedRequest) -> list[ListView]:
    views = queries.lists(request.auth.organization, archived=True)
    return [view for view in views if api_keys.may_use(request.auth, view.id)]


def list_out(view: ListView) -> ListOut:
    return ListOut(
        id=view.id, name=view.name, created=view.created, archived=view.archived, totals=TotalsOut(**view.totals)
    )
