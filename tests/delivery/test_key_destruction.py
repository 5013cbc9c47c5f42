"""Two admins destroy the keys of their organization after a day in which any admin cancels it."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat.accounts import memberships
from samizdat.accounts.actions import change_settings
from samizdat.accounts.models import Organization, Person
from samizdat.delivery.actions import add_route, key_destruction, key_locks
from samizdat.delivery.actions.key_destruction import DestructionRefused
from samizdat.events.models import Event
from samizdat.vault import locks
from samizdat.vault.models import KeyDestruction
from samizdat.worker.schedule import admin_alerts, destroy_keys
from tests.conftest import NOW
from tests.web.conftest import make_person
from tests.worker.test_preferences import mails

pytestmark = pytest.mark.django_db
DAY = timedelta(hours=24)


@pytest.fixture
def admins(lantern: Any) -> list[Person]:
    made = [make_person(name, f"{name}@lantern.example", lantern, "admin") for name in ("vera", "zoya", "clara")]
    for person in made:
        memberships.give(person, lantern, "admin", NOW - timedelta(days=3))
    return made


def has_keys(organization: Organization) -> bool:
    return locks.are_destroyed(organization) is None


def test_the_keys_go_when_the_time_is_over_and_all_admins_are_mailed(
    lantern: Any, admins: list[Person], tmp_path: Any
) -> None:
    vera, zoya, _clara = admins
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    change_settings(lantern, by=None, now=NOW, return_address="bounces@lantern.example")
    key_destruction.ask(lantern, 24, by=vera, now=NOW)
    key_destruction.confirm(lantern, by=zoya, now=NOW)
    admin_alerts._later.clear()
    admin_alerts.take(NOW)
    destroy_keys.wait(NOW + DAY, DAY - timedelta(seconds=1))
    assert has_keys(lantern), "by the other clock it is not over"
    destroy_keys.wait(NOW + DAY, timedelta(seconds=1))
    assert not has_keys(lantern)
    assert not KeyDestruction.objects.exists()
    assert {*mails(tmp_path)} == {f"{name}@lantern.example" for name in ("vera", "zoya", "clara")}
    texts = [path.read_text() for path in tmp_path.rglob("*.eml")]
    assert sum("Keys destroyed" in text for text in texts) == 3
    assert sum("Destroying the keys" in text for text in texts) == 6


def test_nothing_happens_before_a_second_admin_has_confirmed_it(lantern: Any, admins: list[Person]) -> None:
    vera = admins[0]
    key_destruction.ask(lantern, 24, by=vera, now=NOW)
    destroy_keys.wait(NOW + 9 * DAY, 9 * DAY)
    assert has_keys(lantern)
    with pytest.raises(DestructionRefused):
        key_destruction.confirm(lantern, by=vera, now=NOW)
    new = make_person("new", "new@lantern.example", lantern, "admin")
    memberships.give(new, lantern, "admin", NOW)
    with pytest.raises(DestructionRefused):
        key_destruction.confirm(lantern, by=new, now=NOW)


def test_who_is_alone_asks_whoever_has_the_server(lantern: Any) -> None:
    alone = make_person("vera", "vera@lantern.example", lantern, "admin")
    with pytest.raises(DestructionRefused, match="samizdat keys destroy"):
        key_destruction.ask(lantern, 24, by=alone, now=NOW)


def test_any_admin_cancels_it_until_the_end_and_a_row_put_back_counts_for_nothing(
    lantern: Any, admins: list[Person]
) -> None:
    vera, zoya, clara = admins
    key_destruction.ask(lantern, 24, by=vera, now=NOW)
    row = key_destruction.confirm(lantern, by=zoya, now=NOW)
    destroy_keys.wait(NOW + DAY / 2, DAY / 2)
    assert key_destruction.cancel(lantern, by=clara, now=NOW)
    assert key_destruction.state(lantern) is None
    row.save(force_insert=True)
    destroy_keys.wait(NOW + 3 * DAY, 3 * DAY)
    assert has_keys(lantern) and key_destruction.state(lantern) is None


def test_a_row_that_somebody_else_has_changed_counts_for_nothing(lantern: Any, admins: list[Person]) -> None:
    vera, zoya, _clara = admins
    key_destruction.ask(lantern, 72, by=vera, now=NOW)
    KeyDestruction.objects.update(confirmed=NOW, confirmed_by=zoya, hours=24)
    destroy_keys.wait(NOW + 9 * DAY, 9 * DAY)
    assert has_keys(lantern)


def test_it_is_cancelled_where_one_of_the_two_is_no_admin_any_more(lantern: Any, admins: list[Person]) -> None:
    vera, zoya, _clara = admins
    key_destruction.ask(lantern, 24, by=vera, now=NOW)
    key_destruction.confirm(lantern, by=zoya, now=NOW)
    memberships.give(vera, lantern, "editor", NOW)
    destroy_keys.wait(NOW + DAY, DAY)
    assert has_keys(lantern)
    assert Event.objects.filter(kind=key_destruction.CANCELLED).exists()


def test_while_it_is_locked_the_time_stands_still(lantern: Any, admins: list[Person]) -> None:
    vera, zoya, _clara = admins
    key_destruction.ask(lantern, 24, by=vera, now=NOW)
    key_destruction.confirm(lantern, by=zoya, now=NOW)
    key_locks.lock(lantern, by=vera, now=NOW)
    destroy_keys.wait(NOW + 9 * DAY, 9 * DAY)
    assert has_keys(lantern)
    key_locks.unlock(lantern, by=None, now=NOW)
    destroy_keys.wait(NOW + 9 * DAY, DAY / 2)
    assert has_keys(lantern)
