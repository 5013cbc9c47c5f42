"""Pages of fundraisers: what donors see, and sums of the days before this one."""

import time
from datetime import datetime

import msgspec

from samizdat.core import donations
from samizdat.events.models import Event
from samizdat.fundraising.models import Fundraiser
from samizdat.fundraising.queries import details_of, sums_of, today
from samizdat.publicdb import actions as publicdb
from samizdat.vault.locks import unlocked

# Seconds between two looks at whether another day has begun.
EVERY = 300.0
_look = {"next": 0.0}


def page(event: Event, now: datetime) -> None:
    """Shows the page of a fundraiser as it stands."""
    rows = Fundraiser.objects.select_related("organization").filter(organization=event.organization)
    if fundraiser := rows.filter(pk=event.about or 0).first():
        _show(fundraiser, now)


def all_pages(event: Event, now: datetime) -> None:
    """Those of an organization, as where the public database was lost."""
    for fundraiser in Fundraiser.objects.select_related("organization").filter(organization=event.organization):
        _show(fundraiser, now)


def sums(now: datetime) -> int:
    """How much came in is shown anew each day; how many pages changed."""
    if time.monotonic() < _look["next"]:
        return 0
    _look["next"] = time.monotonic() + EVERY
    rows = Fundraiser.objects.select_related("organization").filter(unlocked("organization__"))
    return sum(_show(fundraiser, now) for fundraiser in rows)


def _show(fundraiser: Fundraiser, now: datetime) -> bool:
    details, day = details_of(fundraiser), today(fundraiser.organization, now)
    public = donations.published(details, sums_of(fundraiser), day)
    text = msgspec.json.encode(public).decode()
    return publicdb.publish_fundraiser(bytes(fundraiser.organization.uid), details.slug, text)
