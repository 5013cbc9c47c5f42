"""However much somebody sends in, who leaves waits for a batch of it and no more, and the worker goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections

from samizdat.accounts.actions import found_organization
from samizdat.audience import actions as audience
from samizdat.core.crypto import tokens
from samizdat.publicdb import actions as publicdb
from samizdat.publicdb.models import Intake, Site
from samizdat.vault import keyring
from samizdat.worker.inbox import inbox, preferences, reconsent, signups, subject_requests
from samizdat.worker.processes import background
from samizdat.worker.publishing import publish
from tests.conftest import NOW, TODAY
from tests.worker.conftest import say, status

pytestmark = pytest.mark.django_db

FLOOD = 60_000
MANY = 300


@pytest.fixture
def readers(lantern: Any, thursday: Any) -> tuple[Any, Any]:
    """Ada, who wants to leave, and Boris, who has a program."""
    ada, boris = (
        audience.add_subscriber(lantern, f"{name}@example.org", thursday, consent="said so", now=NOW)
        for name in ("ada", "boris")
    )
    return ada, boris


def press(organization: Any, reader: Any, kind: str, **words: Any) -> None:
    keys = keyring.keys(organization)
    assert keys.link is not None
    token = tokens.make(keys.link, "leave", 999, reader.number)
    say(organization, kind, token=token, purpose="leave", **words)


def flood(organization: Any, reader: Any, kind: str, count: int = MANY, **words: Any) -> None:
    """The same many times over, as a public process could write it that somebody has taken."""
    press(organization, reader, kind, **words)
    with connections["publicdb"].cursor() as cursor:
        while (there := Intake.objects.count()) < count:
            columns = "place_id, kind, put_off, box"
            cursor.execute(
                f"INSERT INTO publicdb_intake ({columns}) SELECT {columns} FROM publicdb_intake LIMIT %s",
                [count - there],
            )


@contextmanager
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Rows whose box was opened meanwhile."""
    found: list[int] = []
    open_ = inbox._open
    with monkeypatch.context() as patch:
        patch.setattr(inbox, "_open", lambda row, *args: found.append(row.id) or open_(row, *args))
        yield found


@pytest.mark.parametrize(
    ("kind", "count", "words"),
    [
        ("show", FLOOD, {"secret": "a" * 26}),
        ("prefer", MANY, {"often": "monthly"}),
        ("confirm", MANY, {}),
        ("stay", MANY, {}),
        ("ask", MANY, {"what": "data"}),
        ("signup", MANY, {"address": "boris@example.org", "list": "1"}),
        ("pressed", MANY, {}),
    ],
)
def test_however_many_boxes_of_one_reader_keep_nobody_from_leaving(
    lantern: Any,
    thursday: Any,
    readers: Any,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    count: int,
    words: dict[str, str],
) -> None:
    ada, boris = readers
    flood(lantern, boris, kind, count, **words)
    press(lantern, ada, "leave", way="form")
    monkeypatch.setattr(preferences, "TURNS", 1)
    with opened(monkeypatch) as found:
        preferences.take_everything(NOW)
    assert status(ada, thursday) == "unsubscribed"
    assert len(found) <= 1 + inbox.SMALL


def test_no_loop_opens_what_another_one_takes_up(lantern: Any, readers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _ada, boris = readers
    for kind in ("leave", "prefer", "show", "signup", "ask"):
        press(lantern, boris, kind)
    with opened(monkeypatch) as found:
        reconsent.take(NOW)
        assert not found
        subject_requests.take(NOW)
        assert len(found) == 1


def test_however_many_leavings_of_another_group_keep_nobody_waiting(
    lantern: Any, thursday: Any, readers: Any, vault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, boris = readers
    other = found_organization("Harbour", source=vault, today=TODAY, public_url="https://harbour.example")
    publish.publish_place(other)
    flood(other, boris, "leave")
    press(lantern, ada, "leave", way="form")
    monkeypatch.setattr(preferences, "TURNS", 1)
    preferences.take_everything(NOW)
    assert status(ada, thursday) == "unsubscribed"


def test_what_was_put_off_is_not_opened_again_before_its_time_and_comes_after_what_is_new(
    lantern: Any, thursday: Any, readers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, boris = readers

    def broken(*_args: Any, **_how: Any) -> None:
        raise ValueError

    with monkeypatch.context() as patch:
        patch.setattr("samizdat.audience.actions.preferences.prefer_all", broken)
        for _ in range(3):
            press(lantern, boris, "prefer", often="monthly")
        preferences.take_everything(NOW)
        assert Intake.objects.filter(put_off=1).count() == 3
    with opened(monkeypatch) as found:
        preferences.take_everything(NOW)
        assert not found
    monkeypatch.setattr(inbox.waits, "_again", {})
    monkeypatch.setattr(inbox, "SMALL", 2)
    press(lantern, ada, "prefer", often="digest")
    newest = Intake.objects.latest("id").id
    with opened(monkeypatch) as found:
        for _ in range(3):
            preferences.take_everything(NOW)
    assert newest in found[:2] and not Intake.objects.exists()


def test_a_box_that_is_not_what_it_says_it_is_does_nothing(lantern: Any, thursday: Any, readers: Any) -> None:
    """Who has taken the public pages may call anything an unsubscribe, so that it comes first."""
    ada, _boris = readers
    press(lantern, ada, "leave")
    Intake.objects.update(kind="show")
    preferences.take_everything(NOW)
    assert status(ada, thursday) == "subscribed" and not Intake.objects.exists()


def test_what_an_earlier_version_sent_in_without_its_kind_is_taken_up(
    lantern: Any, thursday: Any, readers: Any
) -> None:
    ada, _boris = readers
    press(lantern, ada, "leave", way="form")
    Intake.objects.update(kind="")
    assert bytes(lantern.uid) in publicdb.untaken()
    preferences.take_everything(NOW)
    assert status(ada, thursday) == "unsubscribed" and not publicdb.untaken()


def test_who_fills_the_settings_holds_no_send(lantern: Any, readers: Any) -> None:
    _ada, boris = readers
    for kind in ("show", "signup", "ask", "stay", "pressed"):
        press(lantern, boris, kind)
    assert not publicdb.untaken()


def test_a_worker_that_gets_through_one_box_after_the_other_shows_that_it_lives(
    lantern: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = background.ProcessWatch()
    try:
        watch.keep()
        for alias in ("default", "publicdb"):
            watch.pulse.moved = 0.0
            assert not watch.pulse.moves
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT 1")
            assert watch.pulse.moves
    finally:
        watch.leave()


def test_sign_ups_find_a_slot_until_an_hours_mails_wait(lantern: Any) -> None:
    place = Site.objects.get(uid=bytes(lantern.uid)) if Site.objects.exists() else None
    if place is None:
        publish.publish_place(lantern)
        place = Site.objects.get(uid=bytes(lantern.uid))
    assert [publicdb.drop_into_slot(place, b"box", "signup", range(3)) for _ in range(4)] == [True, True, True, False]
    Intake.objects.first().delete()  # type: ignore[union-attr]
    assert publicdb.drop_into_slot(place, b"box", "signup", range(3))
    assert signups.take(NOW) == 0 and not Intake.objects.exists(), "none of them opens"
