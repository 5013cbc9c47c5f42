"""The instance key is replaced: copies that have the former one stop for good, and none becomes the original by it."""

import json
from typing import Any

import pytest

from samizdat import dbclock
from samizdat.backup import instance_rotation
from samizdat.core.backup import epoch
from samizdat.delivery import copied_installation, database_progress, epochs
from samizdat.delivery.actions import copied_installation as fencing
from samizdat.delivery.errors import SendingLocked
from samizdat.delivery.models import EpochRecord, Location
from samizdat.options import data_folder
from samizdat.vault import instance_exchange, keyring
from samizdat.vault.source import InstanceSource
from tests.delivery.conftest import House
from tests.delivery.test_epochs import MemoryPlace, locked, original, places, release  # noqa: F401
from tests.delivery.test_fence import at_home, elsewhere  # noqa: F401
from tests.dns_server import NameServer

NEW, NEWER = bytes(range(50, 82)), bytes(range(100, 132))


def exchange(former: InstanceSource, new: bytes = NEW) -> None:
    instance_rotation.exchange(InstanceSource(bytes(former._key)), new, dbclock.now())


def rival_of_a_copy(row: dict[str, Any], source: InstanceSource) -> Any:
    """What places tell a copy from before, which has the former key and what its rows said then."""
    now = EpochRecord.objects.values().get()
    EpochRecord.objects.update(**row)
    keyring.use(source)
    try:
        return epochs.ask(dbclock.now()).rival
    finally:
        keyring.use(InstanceSource(NEW))
        EpochRecord.objects.update(**now)


def test_a_copy_with_the_former_key_is_stopped_and_this_one_goes_on(
    original: House,  # noqa: F811
    places: list[MemoryPlace],  # noqa: F811
    vault: InstanceSource,
) -> None:
    before = EpochRecord.objects.values().get()
    exchange(vault)
    rival = rival_of_a_copy(before, InstanceSource(bytes(vault._key)))
    assert rival is not None and rival.number == 2
    standing = fencing.ask_places(dbclock.now())
    assert standing.rival is None and standing.own.number == 3 and not locked(original)
    assert all(len(place.files) == 3 for place in places)


def test_a_place_that_could_not_be_reached_is_told_under_both_keys_later(
    original: House,  # noqa: F811
    places: list[MemoryPlace],  # noqa: F811
    vault: InstanceSource,
) -> None:
    places[0].broken = "open"
    exchange(vault)
    exchange(InstanceSource(NEW), NEWER)
    places[0].broken = ""
    assert len(places[0].files) == 1
    fencing.ask_places(dbclock.now())
    keys = [InstanceSource(key).derive("epoch records") for key in (bytes(vault._key), NEW, NEWER)]
    newest = [max(numbers_under(places[0], key)) for key in keys]
    assert newest == sorted(newest) and len({*newest}) == 3


def numbers_under(place: MemoryPlace, key: bytes) -> list[int]:
    numbers = []
    for record in place.files.values():
        try:
            numbers.append(epoch.read(record, key).number)
        except epoch.EpochBroken:
            continue
    return numbers


def test_what_somebody_wrote_among_former_records_hides_no_rival(
    original: House,  # noqa: F811
    places: list[MemoryPlace],  # noqa: F811
) -> None:
    strange = epoch.written(epoch.Epoch(900, b"somebody", dbclock.now()), bytes(32))
    EpochRecord.objects.update(former=strange + b"and more")
    before = [dict(place.files) for place in places]
    fencing.ask_places(dbclock.now())
    assert [place.files for place in places] == before


def test_an_exchange_that_ended_after_places_were_told_stops_nobody_here(
    original: House,  # noqa: F811
    places: list[MemoryPlace],  # noqa: F811
) -> None:
    fencing.before_key_exchange(dbclock.now())
    assert fencing.ask_places(dbclock.now()).rival is None and not locked(original)
    assert fencing.before_key_exchange(dbclock.now()).own.number == 3


def test_a_copy_on_hold_keeps_its_key(
    original: House,  # noqa: F811
    places: list[MemoryPlace],  # noqa: F811
    vault: InstanceSource,
) -> None:
    before = dict(places[0].files)
    elsewhere("path")
    with pytest.raises(SendingLocked, match="samizdat release"):
        exchange(vault)
    assert places[0].files == before and keyring.belongs(vault) is not False
    assert release(original) in (0, 1)
    exchange(vault)


def test_where_it_ran_is_made_anew_where_it_still_runs_there(at_home: House, vault: InstanceSource) -> None:  # noqa: F811
    Location.objects.create(folder=bytes(16), part="path", digest=bytes(16))
    exchange(vault)
    assert fencing.look(dbclock.now()) == [] and not locked(at_home)
    assert {part for _folder, part in copied_installation.known()} >= {"path", "file"}
    assert not Location.objects.filter(folder=bytes(16)).exists(), "another machine is met as a new one"


def test_a_copy_stays_one_whatever_its_key_is(at_home: House, vault: InstanceSource) -> None:  # noqa: F811
    elsewhere("path")
    instance_exchange.exchange(vault, NEW, [copied_installation.renew, database_progress.renew])
    assert fencing.differs()


def test_how_far_the_database_had_come_is_known_under_the_new_key(at_home: House, vault: InstanceSource) -> None:  # noqa: F811
    release(at_home)
    fencing.keep(dbclock.now())
    exchange(vault)
    assert database_progress._releases() == 1
    assert not database_progress.is_of_another() and database_progress.missing() is None
    assert not database_progress.is_copied()


def test_a_note_that_was_copied_is_a_copy_under_the_new_key_as_well(at_home: House, vault: InstanceSource) -> None:  # noqa: F811
    fencing.keep(dbclock.now())
    path = data_folder() / "newest"
    path.write_text(json.dumps({**json.loads(path.read_text()), "file": [1, 2]}))
    assert database_progress.is_copied()
    instance_exchange.exchange(vault, NEW, [copied_installation.renew, database_progress.renew])
    assert database_progress.is_copied()


def test_a_count_that_somebody_wrote_is_not_made_anew(at_home: House, vault: InstanceSource) -> None:  # noqa: F811
    Location.objects.create(folder=b"", part=database_progress.RELEASES, digest=(7).to_bytes(4) + bytes(12))
    instance_exchange.exchange(vault, NEW, [database_progress.renew])
    assert database_progress._releases() == -1


def test_without_a_place_both_records_are_to_be_published(
    house: House, vault: InstanceSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    type(house.organization).objects.update(public_url="https://lantern.ngo")
    fencing.look(dbclock.now())
    with NameServer() as server:
        monkeypatch.setenv("SAMIZDAT_DNS", server.place)
        fencing.ask_places(dbclock.now())
        before = EpochRecord.objects.values().get()
        exchange(vault)
        texts = [text for _name, text in epochs.to_publish(dbclock.now())]
        assert len(texts) == 2 and all(text in fencing.what_to_publish(dbclock.now()) for text in texts)
        server.records["_samizdat-epoch.lantern.ngo"] = texts
        asked = fencing.ask_places(dbclock.now())
        assert asked.is_known and asked.rival is None
        assert rival_of_a_copy(before, InstanceSource(bytes(vault._key))) is not None
