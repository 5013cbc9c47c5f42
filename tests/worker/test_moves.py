"""A subscriber asks for their emails at another address: what their own page shows tells nothing of who has it."""

from typing import Any

import pytest

from samizdat import dbclock
from samizdat.audience import actions as audience
from samizdat.audience.actions.suppressions import suppress
from tests.worker.test_journeys import InProcess, site

__all__ = ["site"]
pytestmark = pytest.mark.django_db

MALLORY, EVE = "mallory@evil.example", "eve@example.org"


@pytest.mark.parametrize("eve", ["nobody", "subscribed", "unsubscribed", "objected", "manual"])
def test_the_page_that_allows_another_mailbox_looks_the_same_whoever_has_it(
    lantern: Any, thursday: Any, site: InProcess, eve: str
) -> None:
    now = dbclock.now()
    audience.add_subscriber(lantern, MALLORY, thursday, consent="said so", now=now)
    if eve != "nobody":
        row = audience.add_subscriber(lantern, EVE, thursday, consent="said so", now=now)
        if eve == "objected":
            audience.object_to_mail(lantern, subscriber=row, now=now)
        if eve == "manual":
            suppress(lantern, "manual", subscriber=row, now=now)
        if eve == "unsubscribed":
            audience.unsubscribe(row, thursday, now=now)
    page = site.preferences([MALLORY])[MALLORY]
    assert site.post(f"/p/{page}", {"do": "move", "email": EVE})[0] == 200
    site.work()
    own = site.mail(MALLORY, "o")
    assert "<button" in site.get(f"/o/{own}")[1]
    assert site.post(f"/o/{own}", {})[0] == 200
    site.work()
    assert "<button" not in site.get(f"/o/{own}")[1]
    assert bool(site.mail(EVE, "n")) == (eve not in ("objected", "manual"))
