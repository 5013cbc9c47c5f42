"""The activity log: who did what. No line has the address of a subscriber."""

import zoneinfo
from datetime import date, datetime
from typing import Annotated, Any

from django.utils.translation import gettext as _
from ninja import Query, Router, Schema
from pydantic import Field, StringConstraints

from samizdat.accounts import queries as accounts
from samizdat.accounts.models import Organization
from samizdat.api.keys import KeyAuth, KeyedRequest, insist_on_all_lists
from samizdat.api.shapes import ERRORS, ProblemOut
from samizdat.audience.models import NUMBER_MASK
from samizdat.events import queries
from samizdat.events.actions import is_genuine, is_of_people, moment_of
from samizdat.events.kinds import SENTENCES
from samizdat.events.models import Event
from samizdat.events.queries import LogFilter

router = Router(tags=["Activity log"])
READ = KeyAuth("log:read")
MOST_A_PAGE = 200

Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2999, 12, 31))]


class LogEntryOut(Schema):
    """at: null where a subscriber did it, of whom the day alone is shown. kind: never changes; text is its sentence.
    by: a teammate; null for Samizdat, a subscriber or a program of the server. about: number of the subscriber,
    campaign, list and so on that the kind speaks of. genuine: false where somebody changed it in the database."""

    id: int
    day: date
    at: datetime | None
    kind: str
    text: str
    by: str | None
    about: int | None
    genuine: bool


class LogOut(Schema):
    """next: the cursor of the page after this one; null on the last."""

    items: list[LogEntryOut]
    next: str | None


class LogPageIn(Schema):
    """kind: of docs/events.md. since, until: days, both included."""

    kind: Annotated[str, StringConstraints(pattern=r"^[a-z_.]{1,60}$")] | None = None
    since: Day | None = None
    until: Day | None = None
    count: int = Field(50, ge=1, le=MOST_A_PAGE)
    cursor: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,14}$")] | None = None


@router.get("", response={200: LogOut, ERRORS: ProblemOut}, auth=READ, summary="A page of the activity log")
def read_log(request: KeyedRequest, page: Query[LogPageIn]) -> LogOut:
    """The newest first. Only for a key that is bound to no list."""
    insist_on_all_lists(request.auth)
    organization = request.auth.organization
    zone = zoneinfo.ZoneInfo(organization.timezone)
    wanted = LogFilter([page.kind] if page.kind else None, None, page.since, page.until, zone)
    before = None if page.cursor is None else int(page.cursor)
    events = [*queries.log(organization, wanted, before)[: page.count + 1]]
    following = str(events[page.count - 1].pk) if len(events) > page.count else None
    return LogOut(items=[_out(organization, event) for event in events[: page.count]], next=following)


def _out(organization: Organization, event: Event) -> LogEntryOut:
    genuine = is_genuine(event)
    by_subscriber = is_of_people(event.kind) and event.by_id is None
    at = event.at if by_subscriber or not genuine else moment_of(event)
    sentence: Any = SENTENCES.get(event.kind, event.kind)  # type: ignore[call-overload]
    changed = _("This entry was changed in the database, or Samizdat didn’t write it.")
    about = event.about if genuine else None
    return LogEntryOut(
        id=event.pk,
        day=at.date(),
        at=None if by_subscriber else at,
        kind=event.kind,
        text=str(sentence) if genuine else changed,
        by=accounts.name_in(organization, event.by) if genuine and event.by is not None else None,
        about=about & NUMBER_MASK if about is not None and event.kind.startswith("subscriber.") else about,
        genuine=genuine,
    )
