"""A backup that was put back in its place sends nothing by itself: it has forgotten who left since it was made."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection

from samizdat import hours
from samizdat.delivery import actions, progress
from samizdat.delivery.actions import fencing
from samizdat.delivery.engine import run_campaign
from samizdat.delivery.location import Guard, Moved
from samizdat.delivery.models import Location
from samizdat.events.actions import record
from samizdat.events.models import Event
from tests.delivery.conftest import House
from tests.delivery.test_rewound import copied
from tests.smtp_server import ScriptedServer


def something_happens(house: House) -> None:
    record("list.changed", house.organisation, now=hours.now())


@pytest.fixture
def at_home(house: House) -> House:
    fencing.look(hours.now())
    progress.keep(hours.now())
    return house


@pytest.mark.parametrize("later", [0, 3])
def test_a_database_put_back_into_the_same_file_sends_nothing_until_it_is_released(
    at_home: House, server: ScriptedServer, tmp_path: Path, later: int
) -> None:
    """Its inode, or its number in PostgreSQL, is the same. `later`: it was used before anybody looked."""
    at_home.people(3)
    at_home.route(server)
    campaign = at_home.released()
    with copied(tmp_path) as put_back:
        something_happens(at_home)
        progress.keep(hours.now())
        guard = Guard()
        guard.check()
        put_back()
        for _time in range(later):
            something_happens(at_home)
        with pytest.raises(Moved):
            guard.check()
        gone = progress.missing()
        assert gone is not None and gone.events == (0 if later else 1)
        if connection.vendor == "sqlite":
            assert fencing.differs() == [progress.REWOUND]
        assert run_campaign(campaign.pk)["ended"] == "fenced" and not server.messages
        progress.keep(hours.now())
        assert progress.missing(), "the note stays until somebody has decided"
        assert actions.lift_fence([at_home.organisation], now=hours.now()) == 1
        progress.note()
        assert progress.missing() is None
        assert run_campaign(campaign.pk)["ended"] == "finished"
        assert len(server.messages) == 3


def test_the_clock_itself_fences_what_has_gone_back(at_home: House) -> None:
    something_happens(at_home)
    progress.keep(hours.now())
    Event.objects.order_by("-id")[0].delete()
    progress.keep(hours.now())
    at_home.organisation.refresh_from_db()
    assert at_home.organisation.fenced


def test_what_is_released_on_one_machine_is_released_for_the_notes_of_all(at_home: House) -> None:
    something_happens(at_home)
    progress.note()
    other_machine = progress._path().read_bytes()
    Event.objects.order_by("-id")[0].delete()
    assert progress.missing()
    Location.objects.create(folder=b"", part=progress.RELEASES, digest=(1).to_bytes(16))
    progress._path().write_bytes(other_machine)
    assert progress.missing() is None


def test_a_new_database_in_a_folder_that_another_one_had_is_no_old_one(at_home: House) -> None:
    something_happens(at_home)
    progress.note()
    Event.objects.all().delete()
    Location.objects.all().delete()
    assert fencing.look(hours.now()) == []


def test_a_note_that_a_full_disk_cut_off_holds_nothing_up(at_home: House) -> None:
    progress._path().write_bytes(b"{")
    assert progress.missing() is None
    progress.keep(hours.now())
    assert progress._noted()["events"]


def test_two_senders_of_one_process_note_how_far_the_database_has_come_at_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = itertools.count()
    monkeypatch.setattr(progress, "_newest", lambda: {"releases": next(count), "records": None, "events": None})
    with ThreadPoolExecutor(4) as threads:
        for one in [threads.submit(progress.note) for _time in range(200)]:
            one.result()
    assert progress._noted()["releases"] >= 100
