"""Which of two living copies may send: what the backup places say, and what follows."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from samizdat import dbclock
from samizdat.core.backup import epoch
from samizdat.delivery import actions, backup_places, epoch_dns, epochs
from samizdat.delivery.actions import copied_installation
from samizdat.delivery.backup_places import PlaceDetails
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.errors import SendingLocked
from samizdat.delivery.models import EpochRecord
from samizdat.events.models import Event
from tests.delivery.conftest import House
from tests.dns_server import NameServer
from tests.smtp_server import ScriptedServer

TAKEN_OVER = "installation.taken_over"


class MemoryPlace:
    """A backup place that keeps what is written, and can be broken."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.broken = ""
        self.silent = threading.Event()
        self.answers = threading.Event()

    def open(self) -> "MemoryPlace":
        if self.silent.is_set():
            self.answers.wait(10)
        if self.broken == "open":
            raise OSError("no route to host")
        return self

    def names(self, folder: str) -> Iterator[tuple[str, int]]:
        return iter([(name, len(data)) for name, data in self.files.items() if name.startswith(f"{folder}/")])

    def read(self, name: str) -> bytes:
        if self.broken == "read":
            raise OSError("input/output error")
        return self.files[name]

    def write(self, name: str, data: bytes) -> None:
        if self.broken == "write":
            raise OSError("read-only")
        assert self.files.setdefault(name, data) == data

    def close(self) -> None:
        pass


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> list[MemoryPlace]:
    """Two, which all copies know."""
    rows = [MemoryPlace(), MemoryPlace()]
    monkeypatch.setattr(epochs, "_places", lambda: [place.open for place in rows])
    return rows


@pytest.fixture
def original(house: House, places: list[MemoryPlace]) -> House:
    """It has run here, and its record is at both places."""
    copied_installation.look(dbclock.now())
    copied_installation.ask_places(dbclock.now())
    assert all(len(place.files) == 1 for place in places)
    return house


def locked(house: House) -> bool:
    house.organization.refresh_from_db()
    return bool(house.organization.sending_locked)


class Copies:
    """Installations beside each other, of which one at a time has the database: what it knows of its epoch."""

    def __init__(self, house: House) -> None:
        self.house = house

    @contextmanager
    def copy(self) -> Iterator[None]:
        """Inside, the database is that of a copy on hold, as it was copied; afterwards that of the original again."""
        row, organization = EpochRecord.objects.values().get(), type(self.house.organization).objects
        organization.update(sending_locked=True)
        yield
        organization.update(sending_locked=False)
        EpochRecord.objects.all().delete()
        EpochRecord.objects.create(**row)


@pytest.fixture
def copies(original: House) -> Copies:
    return Copies(original)


def release(house: House) -> int:
    return actions.lift_fence([house.organization], now=dbclock.now())


def test_a_copy_that_is_released_stops_the_original_which_says_who_took_over_and_when(
    copies: Copies, server: ScriptedServer
) -> None:
    house = copies.house
    house.people(3)
    house.route(server)
    campaign = house.released()
    with copies.copy():
        assert release(house) == 1
        taken = epochs.standing(dbclock.now()).own
        assert taken.number == 2
    standing = copied_installation.ask_places(dbclock.now())
    assert standing.rival == taken and locked(house)
    assert run_campaign(campaign.pk)["ended"] == "fenced" and not server.messages
    assert Event.objects.filter(kind=TAKEN_OVER).count() == 1
    sentence = copied_installation.what_places_say(standing)
    assert taken.mark.hex() in sentence and f"{taken.since:%Y-%m-%d %H:%M}" in sentence


@pytest.mark.parametrize("deed", ["release", "resume", "settle"])
def test_places_are_asked_before_anything_is_sent(copies: Copies, deed: str) -> None:
    house, now = copies.house, dbclock.now()
    house.people(2)
    campaign = house.released() if deed != "release" else house.draft()
    if deed == "resume":
        actions.pause(campaign, now=now)
    with copies.copy():
        release(house)
    work: dict[str, Callable[[], Any]] = {
        "release": lambda: actions.release(campaign, now=now),
        "resume": lambda: actions.resume(campaign, now=now),
        "settle": lambda: actions.settle(campaign, "resend", now=now),
    }
    with pytest.raises(SendingLocked, match="took over"):
        work[deed]()
    assert locked(house)


def test_a_copy_on_hold_writes_nothing_that_would_stop_the_original(copies: Copies, places: list[MemoryPlace]) -> None:
    before = dict(places[0].files)
    with copies.copy():
        EpochRecord.objects.all().delete()  # It was copied before the original had one.
        copied_installation.ask_places(dbclock.now())
    assert places[0].files == before
    assert copied_installation.ask_places(dbclock.now()).rival is None and not locked(copies.house)


def test_of_two_that_are_released_at_once_neither_sends_until_a_person_decides(
    copies: Copies, places: list[MemoryPlace], monkeypatch: pytest.MonkeyPatch
) -> None:
    house = copies.house
    own = epochs.standing(dbclock.now()).own
    other = own.next(b"somebody", own.since)
    record = epoch.written(other, epochs._key())
    write = MemoryPlace.write

    def write_at_once(place: MemoryPlace, name: str, data: bytes) -> None:
        write(place, name, data)
        if not name.startswith("epoch/00000001"):
            place.files[other.name] = record

    with copies.copy():
        monkeypatch.setattr(MemoryPlace, "write", write_at_once)
        with pytest.raises(SendingLocked, match="both are on hold"):
            release(house)
        assert locked(house)
        assert release(house) == 1, "the second time, it is above the other one"
        assert epochs.standing(dbclock.now()).own.number == 3
        assert not locked(house)


def test_who_took_over_is_remembered_when_a_place_forgets_it(copies: Copies, places: list[MemoryPlace]) -> None:
    with copies.copy():
        release(copies.house)
    copied_installation.ask_places(dbclock.now())
    for place in places:
        place.files.clear()
    assert copied_installation.ask_places(dbclock.now()).rival is not None
    assert release(copies.house) == 1
    assert epochs.standing(dbclock.now()).own.number == 3 and not locked(copies.house)


def test_one_place_that_answers_is_enough_to_know(copies: Copies, places: list[MemoryPlace]) -> None:
    with copies.copy():
        release(copies.house)
    places[0].broken = "open"
    standing = copied_installation.ask_places(dbclock.now())
    assert standing.rival is not None and (standing.places, standing.reached) == (2, 1)


def test_a_release_is_written_to_a_place_that_could_not_be_reached_as_soon_as_it_can(
    copies: Copies, places: list[MemoryPlace]
) -> None:
    places[0].broken, places[1].broken = "open", "write"
    release(copies.house)
    own = epochs.standing(dbclock.now()).own
    assert not any(own.name in place.files for place in places)
    places[0].broken = places[1].broken = ""
    copied_installation.ask_places(dbclock.now())
    assert all(own.name in place.files for place in places)


@pytest.mark.parametrize("broken", ["open", "read", "silent"])
def test_where_no_place_answers_nothing_is_known_and_nothing_stops(
    copies: Copies, places: list[MemoryPlace], broken: str
) -> None:
    with copies.copy():
        release(copies.house)
    for place in places:
        place.broken = broken
        place.files = {name: data for name, data in place.files.items() if broken == "read" or "00000001" in name}
        if broken == "silent":
            place.silent.set()
    standing = copied_installation.ask_places(dbclock.now(), 0.2)
    assert (standing.places, standing.reached) == (2, 0)
    assert "nobody can tell" in copied_installation.what_places_say(standing)
    assert not locked(copies.house)
    for place in places:
        place.answers.set()


def test_without_places_it_is_said_that_nobody_can_tell(house: House) -> None:
    standing = copied_installation.ask_places(dbclock.now())
    assert not standing.is_known
    assert "No backup place is set up" in copied_installation.what_places_say(standing)


def test_what_others_write_to_a_place_stops_nobody(copies: Copies, places: list[MemoryPlace]) -> None:
    own = epochs.standing(dbclock.now()).own
    forged = own.next(b"stranger", own.since)
    genuine = forged.next(b"stranger", own.since)
    for name, data in (
        (forged.name, epoch.written(forged, bytes(32))),
        ("epoch/00000007-0000000000000000", epoch.written(genuine, epochs._key())),
        ("epoch/00000008-0000000000000000", b"\0" * 70_000),
        ("epoch/99999999-zz", b""),
    ):
        places[0].files[name] = data
    standing = copied_installation.ask_places(dbclock.now())
    assert standing.rival is None and not locked(copies.house)
    assert "2 of 2" in copied_installation.what_places_say(standing)


def test_a_new_instance_key_is_followed_by_a_new_record(copies: Copies, places: list[MemoryPlace]) -> None:
    """As after a rotation: what was signed with the old key is nobody's."""
    own = epochs.standing(dbclock.now()).own
    EpochRecord.objects.update(own=epoch.written(own, bytes(32)))
    now = dbclock.now() + timedelta(minutes=1)
    standing = copied_installation.ask_places(now)
    assert standing.own.number == own.number + 1 and standing.rival is None
    assert standing.own.name in places[0].files
    assert copied_installation.ask_places(now).own == standing.own


def test_kept_folders_are_places(house: House, tmp_path: Path) -> None:
    """One is a disk that is mounted, the other one isn't."""
    (tmp_path / "disk").mkdir()
    for folder in ("disk", "away"):
        backup_places.add(PlaceDetails(url=f"file://{tmp_path}/{folder}", added=dbclock.now()))
    copied_installation.look(dbclock.now())
    standing = copied_installation.ask_places(dbclock.now())
    assert (standing.places, standing.reached) == (2, 1)
    own = standing.own
    assert epoch.read((tmp_path / "disk" / own.name).read_bytes(), epochs._key()) == own
    rival = own.next(b"somebody", own.since)
    (tmp_path / "disk" / rival.name).write_bytes(epoch.written(rival, epochs._key()))
    assert copied_installation.ask_places(dbclock.now()).rival == rival and locked(house)


def test_without_a_backup_place_dns_says_who_took_over(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person publishes what a release shows; the original reads it."""
    organization = house.organization
    type(organization).objects.update(public_url="https://lantern.ngo")
    copied_installation.look(dbclock.now())
    name = "_samizdat-epoch.lantern.ngo"
    with NameServer() as server:
        monkeypatch.setenv("SAMIZDAT_DNS", server.place)
        asked = copied_installation.ask_places(dbclock.now())
        assert (asked.is_known, asked.places, asked.rival) == (False, 0, None)
        server.records[name] = ["v=spf1 -all", own_text()]
        asked = copied_installation.ask_places(dbclock.now())
        assert asked.is_known and "DNS record" in copied_installation.what_places_say(asked)
        assert not locked(house)
        copies = Copies(house)
        with copies.copy():
            assert release(house) == 1
            sentence = copied_installation.what_to_publish(dbclock.now())
            assert name in sentence and own_text() in sentence
            taken = own_text()
        assert copied_installation.ask_places(dbclock.now()).rival is None, "nobody published it yet"
        server.records[name] = [taken]
        assert copied_installation.ask_places(dbclock.now()).rival is not None and locked(house)


def own_text() -> str:
    [(_name, text)] = epochs.to_publish(dbclock.now())
    return text


@pytest.mark.parametrize("url", ["", "http://localhost:8000", "http://127.0.0.1", "https://[::1]", "https://a.example"])
def test_no_name_server_is_asked_for_an_address_without_public_name(house: House, url: str) -> None:
    type(house.organization).objects.update(public_url=url)
    assert epoch_dns.txt_name() == "" and not epochs.to_publish(dbclock.now())


@pytest.mark.parametrize("state", ["silent", "broken"])
def test_a_name_server_without_an_answer_stops_nobody(
    house: House, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    type(house.organization).objects.update(public_url="https://lantern.ngo")
    monkeypatch.setattr(epoch_dns, "PATIENCE", 0.2)
    copied_installation.look(dbclock.now())
    with NameServer() as server:
        setattr(server, state, True)
        monkeypatch.setenv("SAMIZDAT_DNS", server.place)
        asked = copied_installation.ask_places(dbclock.now())
    assert not asked.is_known and asked.rival is None and not locked(house)
