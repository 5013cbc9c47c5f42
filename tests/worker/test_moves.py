"""A subscriber asks for their emails at another address: what their own page shows, and what is
counted beside it, tells nothing of who has it."""

from typing import Any

import pytest

from samizdat import dbclock
from samizdat.audience import actions as audience
from samizdat.audience.actions import signup_alarm
from samizdat.audience.actions.suppressions import suppress
from samizdat.delivery.actions import rate_budgets
from samizdat.delivery.models import Route
from tests.worker.test_journeys import InProcess, site

__all__ = ["site"]
pytestmark = pytest.mark.django_db

MALLORY, EVE = "mallory@evil.example", "eve@example.org"


@pytest.mark.parametrize("eve", ["nobody", "subscribed", "unsubscribed", "objected", "manual"])
def test_what_allows_another_mailbox_looks_and_counts_the_same_whoever_has_it(
    lantern: Any, thursday: Any, site: InProcess, eve: str, monkeypatch: pytest.MonkeyPatch
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
    route = Route.objects.get()
    Route.objects.update(limits="100/h,500/d")
    monkeypatch.setattr(signup_alarm, "FEW", 2)
    monkeypatch.setattr(signup_alarm, "EVERY", 1)
    assert site.post(f"/o/{own}", {})[0] == 200
    site.work()
    assert "<button" not in site.get(f"/o/{own}")[1]
    assert bool(site.mail(EVE, "n")) == (eve not in ("objected", "manual"))
    route.refresh_from_db()
    assert [share.used for share in rate_budgets.used(route, now)] == [1, 1], "as a copy of the database says"
    assert len(signup_alarm.alarms(lantern, now)) == 1, "of two mails"


def test_who_complained_is_asked_once_a_week_whoever_wants_to_move_there(
    lantern: Any, thursday: Any, site: InProcess
) -> None:
    now = dbclock.now()
    row = audience.add_subscriber(lantern, EVE, thursday, consent="said so", now=now)
    suppress(lantern, "complaint", subscriber=row, now=now)
    mine = [f"mallory{n}@evil.example" for n in range(2)]
    for address in mine:
        audience.add_subscriber(lantern, address, thursday, consent="said so", now=now)
    pages = site.preferences(mine)
    for address, eve in zip(mine, (EVE, "eve+again@example.org"), strict=True):
        assert site.post(f"/p/{pages[address]}", {"do": "move", "email": eve})[0] == 200
        site.work()
        assert site.post(f"/o/{site.mail(address, 'o')}", {})[0] == 200
        site.work()
    assert site.mail(EVE, "n")
    assert not site.mail("eve+again@example.org", "n")
