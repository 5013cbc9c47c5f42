"""A backup that was put back in its place sends nothing by itself: it has forgotten who left since it was made."""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection

from samizdat import dbclock, modes
from samizdat.accounts import forged_rows, settings_note
from samizdat.accounts.actions import change_settings
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import actions as audience
from samizdat.audience.models import ConsentRecord
from samizdat.core import consent
from samizdat.delivery import actions, database_progress
from samizdat.delivery.actions import copied_installation
from samizdat.delivery.copied_installation import CopyGuard, MovedInstallation
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.models import Location, Worker
from samizdat.events import chain
from samizdat.events.actions import record
from samizdat.events.models import ChainHead, Event
from samizdat.options import data_folder
from samizdat.worker.schedule import scheduler
from tests.conftest import NOW
from tests.delivery.conftest import House
from tests.delivery.test_rewound_database import copied
from tests.smtp_server import ScriptedServer


def something_happens(house: House) -> None:
    record("list.changed", house.organization, now=dbclock.now())


@pytest.fixture
def at_home(house: House) -> House:
    copied_installation.look(dbclock.now())
    copied_installation.keep(dbclock.now())
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
        copied_installation.keep(dbclock.now())
        guard = CopyGuard()
        guard.check()
        put_back()
        for _time in range(later):
            something_happens(at_home)
        with pytest.raises(MovedInstallation):
            guard.check()
        gone = database_progress.missing()
        assert gone is not None and gone.events == (0 if later else 1)
        if connection.vendor == "sqlite":
            assert copied_installation.differs() == [database_progress.REWOUND]
        assert run_campaign(campaign.pk)["ended"] == "fenced" and not server.messages
        copied_installation.keep(dbclock.now())
        assert database_progress.missing(), "the note stays until somebody has decided"
        assert actions.lift_fence([at_home.organization], now=dbclock.now()) == 1
        database_progress.note()
        assert database_progress.missing() is None
        assert run_campaign(campaign.pk)["ended"] == "finished"
        assert len(server.messages) == 3


def test_the_clock_itself_fences_what_has_gone_back(at_home: House) -> None:
    something_happens(at_home)
    copied_installation.keep(dbclock.now())
    Event.objects.order_by("-id")[0].delete()
    copied_installation.keep(dbclock.now())
    at_home.organization.refresh_from_db()
    assert at_home.organization.sending_locked


def test_what_is_released_on_one_machine_is_released_for_the_notes_of_all(at_home: House) -> None:
    something_happens(at_home)
    database_progress.note()
    other_machine = database_progress._path().read_bytes()
    Event.objects.order_by("-id")[0].delete()
    assert database_progress.missing()
    actions.lift_fence([at_home.organization], now=dbclock.now())
    database_progress._path().write_bytes(other_machine)
    assert database_progress.missing() is None


def test_a_database_that_a_person_allowed_keeps_its_own_settings(at_home: House) -> None:
    """Somebody who restores a backup wants what was set then."""
    place = type(at_home.organization).objects.filter(pk=at_home.organization.pk)
    before = bytes(place.get().settings_sealed)
    database_progress.note()
    change_settings(place.get(), by=None, now=dbclock.now(), desk_url="https://desk.example")
    settings_note.note(place.get().pk, bytes(place.get().settings_sealed))
    assert not [path for path in modes.open_to_others(data_folder()) if path.parent.name == "settings"]
    database_progress.note()
    Event.objects.order_by("-id")[0].delete()
    place.update(settings_sealed=before, desk_url="")
    copied_installation.keep(dbclock.now())
    forged_rows.watch(dbclock.now())
    assert bytes(place.get().settings_sealed) == before, "until then it's locked, and left as it is"
    actions.lift_fence([place.get()], now=dbclock.now())
    database_progress.note()
    assert leading(place.get()).desk_url == ""
    forged_rows.watch(dbclock.now())
    assert bytes(place.get().settings_sealed) == before


@pytest.mark.parametrize("own", [True, False], ids=["settings of then", "others"])
def test_settings_of_a_restored_backup_are_no_alarm_unless_somebody_wrote_others(at_home: House, own: bool) -> None:
    place = type(at_home.organization).objects.filter(pk=at_home.organization.pk)
    change_settings(place.get(), by=None, now=dbclock.now(), desk_url="https://then.example")
    before = bytes(place.get().settings_sealed)
    change_settings(place.get(), by=None, now=dbclock.now(), desk_url="https://desk.example")
    settings_note.note(place.get().pk, bytes(place.get().settings_sealed))
    something_happens(at_home)
    database_progress.note()
    Event.objects.order_by("-id")[0].delete()
    place.update(settings_sealed=before, desk_url="https://then.example" if own else "https://else.example")
    scheduler.forged(dbclock.now())
    assert Event.objects.filter(kind=forged_rows.ALTERED).exists() == (not own)
    assert leading(place.get()).desk_url == "https://desk.example", "until somebody releases it"


def put_back(house: House) -> None:
    something_happens(house)
    copied_installation.keep(dbclock.now())
    Event.objects.order_by("-id")[0].delete()
    assert database_progress.missing()


@pytest.mark.parametrize("count", [(1).to_bytes(16), (1).to_bytes(4) + bytes(12), b"", bytes(16), b"\xff" * 16])
def test_nobody_without_keys_releases_a_database_that_has_gone_back_by_writing_a_count(
    at_home: House, count: bytes
) -> None:
    put_back(at_home)
    Location.objects.create(folder=b"", part=database_progress.RELEASES, digest=count)
    assert database_progress.missing()
    actions.lift_fence([at_home.organization], now=dbclock.now())
    assert database_progress.missing() is None


def test_a_count_that_somebody_without_keys_wrote_fences_a_database_that_has_not_gone_back(at_home: House) -> None:
    Location.objects.create(folder=b"", part=database_progress.RELEASES, digest=(1).to_bytes(16))
    copied_installation.keep(dbclock.now())
    at_home.organization.refresh_from_db()
    assert at_home.organization.sending_locked


def test_a_release_that_does_not_stand_in_the_log_releases_nothing(at_home: House) -> None:
    put_back(at_home)
    other_machine = database_progress._path().read_bytes()
    database_progress.release()
    database_progress._path().write_bytes(other_machine)
    assert database_progress.missing()
    Event.objects.create(kind=database_progress.RELEASED, about=1, at=dbclock.now(), digest=bytes(32))
    assert database_progress.missing()


def test_a_database_that_has_gone_back_is_no_new_one_because_somebody_wrote_that_it_ran_nowhere(
    at_home: House,
) -> None:
    put_back(at_home)
    Location.objects.all().delete()
    assert database_progress.REWOUND in copied_installation.look(dbclock.now())
    assert database_progress.missing()


def test_a_new_database_in_a_folder_that_another_one_had_is_no_old_one(at_home: House) -> None:
    something_happens(at_home)
    database_progress.note()
    Event.objects.all().delete()
    Location.objects.all().delete()
    note = database_progress._noted() | {"keys": "those of the other one"}
    database_progress._path().write_text(json.dumps(note))
    assert copied_installation.look(dbclock.now()) == []


def test_a_database_does_not_become_another_one_because_somebody_wrote_other_organizations_into_it(
    at_home: House,
) -> None:
    put_back(at_home)
    Organization.objects.update(uid=bytes(16))
    copied_installation.look(dbclock.now())
    assert database_progress.missing()


def test_a_note_that_a_full_disk_cut_off_holds_nothing_up(at_home: House) -> None:
    database_progress._path().write_bytes(b"{")
    assert database_progress.missing() is None
    copied_installation.keep(dbclock.now())
    assert database_progress._noted()["events"]


def test_two_senders_of_one_process_note_how_far_the_database_has_come_at_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = itertools.count()
    monkeypatch.setattr(
        database_progress, "_newest", lambda: {"releases": next(count), "records": None, "events": None}
    )
    with ThreadPoolExecutor(4) as threads:
        for one in [threads.submit(database_progress.note) for _time in range(200)]:
            one.result()
    assert database_progress._noted()["releases"] > 0


def cut(at_home: House) -> None:
    """Without a key: an event goes, and the worker itself links what is left anew."""
    Event.objects.filter(kind="list.changed").order_by("id")[0].delete()
    Event.objects.update(position=None, link=None)
    ConsentRecord.objects.update(position=None, link=None)
    ChainHead.objects.all().delete()
    chain.append()


def test_a_log_that_the_worker_was_made_to_link_anew_fences_until_it_is_released(at_home: House) -> None:
    for _time in range(3):
        something_happens(at_home)
    chain.append()
    copied_installation.keep(dbclock.now())
    assert database_progress.missing() is None
    cut(at_home)
    assert chain.verify(at_home.organization).whole, "of itself it tells nothing"
    copied_installation.keep(dbclock.now())
    at_home.organization.refresh_from_db()
    assert at_home.organization.sending_locked and database_progress.left_end(at_home.organization)
    assert actions.lift_fence([at_home.organization], now=dbclock.now()) == 1
    database_progress.note()
    assert database_progress.missing() is None and not database_progress.left_end(at_home.organization)


def test_a_log_whose_end_was_away_is_held_to_what_was_noted_of_it(at_home: House) -> None:
    for _time in range(3):
        something_happens(at_home)
    chain.append()
    copied_installation.keep(dbclock.now())
    ChainHead.objects.all().delete()
    database_progress.note()
    cut(at_home)
    assert database_progress.missing()


@pytest.mark.parametrize("for_a_second", ["another uid", "an older end", "no end"])
def test_an_older_end_of_the_log_is_not_noted_whatever_the_database_says_for_a_second(
    at_home: House, for_a_second: str
) -> None:
    """A no is taken out behind the older end, and the worker itself links what is left."""
    organization, now = at_home.organization, dbclock.now()
    something_happens(at_home)
    chain.append()
    head = ChainHead.objects.filter(organization=organization).values().get()
    eve = audience.add_subscriber(organization, "eve@post.example", at_home.list, consent="By form.", now=now)
    audience.unsubscribe(eve, at_home.list, now=now)
    something_happens(at_home)
    chain.append()
    copied_installation.keep(now)

    uid = bytes(organization.uid)
    if for_a_second == "another uid":
        Organization.objects.update(uid=bytes(range(16)))
    if for_a_second == "no end":
        ChainHead.objects.all().delete()
    else:
        ChainHead.objects.update(**{name: head[name] for name in ("position", "link", "mac")})
    copied_installation.keep(now)
    ConsentRecord.objects.filter(subscriber=eve, kind=consent.KINDS.index("withdrawn")).delete()
    for rows in (Event.objects, ConsentRecord.objects):
        rows.filter(position__gt=head["position"]).update(position=None, link=None)
    ChainHead.objects.all().delete()
    ChainHead.objects.create(**head)
    Organization.objects.update(uid=uid)
    chain.append()
    copied_installation.keep(now)
    organization.refresh_from_db()
    assert chain.verify(organization).whole, "of itself it tells nothing"
    assert database_progress.left_end(organization) and organization.sending_locked


def test_a_head_that_was_put_back_alone_fences_at_once(at_home: House) -> None:
    chain.append()
    head = ChainHead.objects.filter(organization=at_home.organization).values().get()
    something_happens(at_home)
    chain.append()
    copied_installation.keep(dbclock.now())
    assert database_progress.missing() is None
    ChainHead.objects.update(**{name: head[name] for name in ("position", "link", "mac")})
    database_progress.note()
    assert database_progress.missing(), "the end that was noted is not exchanged for an earlier one"
    copied_installation.keep(dbclock.now())
    at_home.organization.refresh_from_db()
    assert at_home.organization.sending_locked


@pytest.mark.parametrize("since", ["an event", "results of a sender"])
def test_a_data_folder_that_is_overwritten_with_its_copy_sends_nothing_until_it_is_released(
    at_home: House, server: ScriptedServer, since: str
) -> None:
    """`cp -a copy/. data/` keeps path and inodes, and brings the note of then along with the database of then."""
    at_home.people(3)
    at_home.route(server)
    campaign = at_home.released()
    copied_installation.keep(dbclock.now())
    note = database_progress._path()
    then = note.read_bytes()
    if since == "an event":
        something_happens(at_home)
    else:
        Worker.objects.create(boot=bytes(16), folder=bytes(16), journal="-", started=NOW, ended=NOW, written=7)
    copied_installation.keep(dbclock.now())
    assert not database_progress.is_copied()
    guard = CopyGuard()
    if since == "an event":
        Event.objects.order_by("-id")[0].delete()
    else:
        Worker.objects.update(written=5)
    note.write_bytes(then)
    assert database_progress.missing() is None, "of itself it tells nothing"
    with pytest.raises(MovedInstallation):
        guard.check()
    assert copied_installation.differs() == [database_progress.COPIED]
    assert run_campaign(campaign.pk)["ended"] == "fenced" and not server.messages
    copied_installation.keep(dbclock.now())
    assert database_progress.is_copied(), "until somebody has decided"
    assert actions.lift_fence([at_home.organization], now=dbclock.now()) == 1
    assert not database_progress.is_copied()
    assert run_campaign(campaign.pk)["ended"] == "finished"
    assert len(server.messages) == 3


def test_a_note_of_a_version_that_wrote_no_file_into_it_holds_nothing_up(at_home: House) -> None:
    note = database_progress._noted()
    database_progress._path().write_text(json.dumps(note))
    assert not database_progress.is_copied() and copied_installation.look(dbclock.now()) == []
