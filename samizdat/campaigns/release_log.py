"""What the log says of a release: columns of a campaign and rows of its edition can be put back as they were."""

from collections.abc import Collection
from itertools import batched
from typing import NamedTuple

from django.db.models import Sum

from samizdat.campaigns.models import Edition
from samizdat.events import walked_log
from samizdat.events.actions import detail_of
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.events.queries import about, follows, last_about
from samizdat.vault.keyring import HasKeys

_RELEASED: EventKind = "campaign.released"
_FINISHED: EventKind = "campaign.finished"
_RELEASE: tuple[EventKind, ...] = (_RELEASED, "campaign.cancelled", "campaign.unreleased")


# Campaigns of one query: more values than 65,535 (PostgreSQL) or 250,000 (SQLite) are an error.
NAMED = 5_000


class ReleaseStanding(NamedTuple):
    """goes: an edition was released, and neither stopped for good nor taken back since. finished: everybody whom it is
    owed to had a first try. logged: how long the log was before the release."""

    goes: bool
    finished: bool
    logged: int = 0


def newest(campaigns: Collection[int]) -> dict[int, int]:
    """Campaign -> a number that is another one with each event that may change how its release stands. One query for
    NAMED of them."""
    sums: dict[int, int] = {}
    for some in batched(campaigns, NAMED):
        rows = Event.objects.filter(about__in=some, kind__in=(*_RELEASE, _FINISHED))
        pairs = rows.values_list("about").annotate(all=Sum("id"))  # A later one may have a lower number.
        sums |= {number: int(events) for number, events in pairs if number is not None}
    return sums


def standing(edition: Edition) -> ReleaseStanding:
    """Errors: VaultError, SealError."""
    release = last_about(edition.organization, _RELEASE, edition.campaign_id)
    detail = detail_of(release) if release is not None and release.kind == _RELEASED else {}
    if release is None or detail.get("edition") != edition.pk:
        return ReleaseStanding(goes=False, finished=False)
    finished = about(edition.organization, _FINISHED, edition.campaign_id)
    finished_since = finished is not None and (finished.id > release.id or follows(finished, release))
    return ReleaseStanding(True, finished_since, int(detail.get("logged", 0)))


def is_unfinished(organization: HasKeys, campaign: int) -> bool:
    """Whether it was released, and has neither ended nor been stopped since, whatever its row says."""
    last = last_about(organization, (*_RELEASE, _FINISHED), campaign)
    return last is not None and last.kind == _RELEASED


def standing_in_whole_log(edition: Edition, seconds: float) -> ReleaseStanding | None:
    """standing(), for whoever sends: what came after the release was not taken out of the log. None: in that time not
    all of the log was walked, and whoever asks again goes on from there. Errors: VaultError, SealError."""
    known = standing(edition)
    if not known.goes:
        return known
    whole = walked_log.is_whole(edition.organization, known.logged, edition.campaign_id, seconds)
    return None if whole is None else known._replace(goes=whole)
