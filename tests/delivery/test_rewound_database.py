"""The database goes back in time: what journals know is booked once more, and nobody gets a campaign twice for it."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from samizdat import dbclock
from samizdat.campaigns.models import Campaign
from samizdat.core.mail import ledger
from samizdat.delivery.engine import journal, recovery, rewound_database
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.models import Chunk, Clock, Delivery, Retry, Worker
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from tests import moulds
from tests.delivery.conftest import House, clock_was_set, until
from tests.delivery.test_kills import CONNECTIONS, Child, one_identity_each
from tests.delivery.test_sending import books_balance
from tests.smtp_server import ScriptedServer

pytestmark = pytest.mark.kill

PEOPLE = 1500


@contextmanager
def copied(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """A copy of the database as it is now; called, it is put back in its place."""
    name = str(connection.settings_dict["NAME"])
    connection.close()
    if connection.vendor == "sqlite":
        kept = tmp_path / "copy.sqlite3"
        with closing(sqlite3.connect(name)) as source, closing(sqlite3.connect(kept)) as target:
            source.backup(target)

        def back() -> None:
            connection.close()
            with closing(sqlite3.connect(kept)) as source, closing(sqlite3.connect(name)) as target:
                source.backup(target)

        yield back
        return
    other = f"{name}_then"
    _copy(name, other)

    def back() -> None:
        connection.close()
        moulds.as_admin(f'DROP DATABASE "{name}" WITH (FORCE)')
        _copy(other, name)

    try:
        yield back
    finally:
        moulds.as_admin(f'DROP DATABASE "{other}" WITH (FORCE)')


def _copy(name: str, other: str) -> None:
    """By a server's own copy, which keeps the number of neither."""
    moulds.as_admin(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    moulds.copy(name, other)


@pytest.fixture
def same_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A standby that takes over is the same cluster; our copy of a database is another one, and would be fenced."""
    from samizdat.delivery import copied_installation

    monkeypatch.setattr(copied_installation, "_of_server", dict)


def sent(server: ScriptedServer, count: int) -> None:
    until(lambda: len(server.messages) >= count)


def finish(campaign: Campaign) -> dict[str, Any]:
    return run_campaign(campaign.pk)


def test_nobody_gets_it_twice_when_this_mornings_copy_is_put_back_and_the_sender_was_started_anew_in_between(
    house: House, server: ScriptedServer, tmp_path: Path, same_place: None
) -> None:
    addresses = house.people(PEOPLE)
    server.latency = 0.01
    house.route(server, connections=CONNECTIONS)
    campaign = house.released()
    child = Child(same_place=True)
    sent(server, 200)
    child.stop()
    with copied(tmp_path) as back:
        for many in (500, 850):
            child = Child(same_place=True)
            sent(server, many)
            child.stop()
        taken = len(server.messages)
        back()
        campaign.refresh_from_db()
        behind = taken - campaign.accepted
        assert behind > 0
        assert finish(campaign)["ended"] == "finished"
    assert set(server.counts()) == set(addresses)
    assert len(server.messages) == PEOPLE
    books_balance(campaign)
    campaign.refresh_from_db()
    assert (campaign.accepted, campaign.unsure) == (PEOPLE, 0)
    event = Event.objects.get(kind="installation.rewound")
    assert detail_of(event)["booked"] >= behind - CONNECTIONS and detail_of(event)["unsure"] == 0


def test_who_was_on_the_way_when_everything_died_is_in_doubt_and_held(
    house: House, server: ScriptedServer, tmp_path: Path, same_place: None
) -> None:
    addresses = house.people(800)
    server.latency = 0.02
    house.route(server, connections=CONNECTIONS)
    campaign = house.released()
    with copied(tmp_path) as back:
        for many in (200, 400):
            child = Child(same_place=True)
            sent(server, many)
            child.kill()
        back()
        assert finish(campaign)["ended"] == "finished"
    counts = server.counts()
    assert set(counts.values()) == {1}
    campaign.refresh_from_db()
    assert campaign.accepted + campaign.unsure == len(addresses)
    assert campaign.unsure <= 2 * CONNECTIONS and not Retry.objects.exists()
    assert len(set(addresses) - set(counts)) <= campaign.unsure
    one_identity_each(server)
    books_balance(campaign)


def test_a_database_that_knows_everything_is_left_alone(house: House, server: ScriptedServer) -> None:
    house.people(20)
    house.route(server)
    campaign = house.released()
    finish(campaign)
    assert [path.suffix for path in journal.kept_folder().iterdir()] == [".0"]
    worker = Worker.objects.get()
    assert worker.written == journal.last_mark(worker.journal) > 0
    assert not rewound_database.catch_up(dbclock.now())
    assert not Event.objects.filter(kind="installation.rewound").exists()


def test_what_was_caught_up_is_not_caught_up_twice_and_a_campaign_that_is_unknown_is_counted(
    house: House, server: ScriptedServer
) -> None:
    house.people(20)
    house.route(server)
    campaign = house.released()
    finish(campaign)
    Delivery.objects.all().delete()
    Worker.objects.all().delete()
    Chunk.objects.all().delete()
    edition = campaign.edition
    Event.objects.filter(kind="installation.rewound").delete()
    Campaign.objects.update(state="draft", frozen=0, accepted=0)
    edition.delete()
    assert rewound_database.catch_up(dbclock.now())
    assert not rewound_database.catch_up(dbclock.now())
    assert detail_of(Event.objects.get(kind="installation.rewound"))["lost"] == 20


def test_journals_are_kept_for_a_week_and_no_larger_than_their_bound(
    monkeypatch: pytest.MonkeyPatch, house: House, server: ScriptedServer
) -> None:
    house.people(5)
    house.route(server)
    finish(house.released())
    (kept,) = journal.kept_folder().iterdir()
    made = kept.stat().st_mtime
    journal.prune(made + journal.KEEP_SECONDS - 1)
    assert kept.exists()
    monkeypatch.setattr(journal, "MOST_KEPT", kept.stat().st_size - 1)
    journal.prune(made)
    assert not kept.exists()


def test_a_clock_that_is_wrong_lets_no_row_go_of_which_a_journal_is_kept(house: House, server: ScriptedServer) -> None:
    """Without it the database would seem to have gone back in time."""
    house.people(5)
    house.route(server)
    finish(house.released())
    now = dbclock.now()
    Worker.objects.create(boot=bytes(16), folder=bytes(range(16)), journal="worker-9", started=now, ended=now)
    late = now + timedelta(days=30)
    recovery.recover_dead(late)
    assert Worker.objects.count() == 2
    assert not rewound_database.catch_up(now)
    (kept,) = journal.kept_folder().iterdir()
    kept.unlink()
    clock_was_set(late)
    recovery.recover_dead(late)
    assert Worker.objects.count() == 2
    Clock.objects.update(patient=None)
    recovery.recover_dead(late)
    assert [row.journal for row in Worker.objects.all()] == ["worker-9"], "that of another machine, which may have it"


def test_no_journal_is_let_go_of_in_the_hour_after_the_clock_was_set(house: House, server: ScriptedServer) -> None:
    house.people(5)
    house.route(server)
    finish(house.released())
    (kept,) = journal.kept_folder().iterdir()
    now = dbclock.now()
    old = now.timestamp() - journal.KEEP_SECONDS - 86_400
    os.utime(kept, (old, old))
    clock_was_set(now)
    rewound_database.catch_up(now)
    assert kept.exists()
    Clock.objects.update(patient=None)
    rewound_database.catch_up(now)
    assert not kept.exists()


def test_a_sender_whose_database_forgets_it_while_it_runs_stops_and_catches_up(
    house: House, server: ScriptedServer
) -> None:
    from samizdat.delivery.engine.results import DatabaseRewound, write

    worker = Worker.objects.create(boot=bytes(16), folder=bytes(16), journal="worker-x", started=dbclock.now())
    write([], dbclock.now(), (worker.pk, 1))
    write([], dbclock.now(), (worker.pk, 1))
    write([], dbclock.now(), (worker.pk, 2))
    Worker.objects.update(written=0)
    with pytest.raises(DatabaseRewound):
        write([], dbclock.now(), (worker.pk, 3))


@pytest.mark.skipif(connection.vendor != "postgresql", reason="machines share a PostgreSQL")
def test_a_sender_that_begins_lets_other_machines_read_their_journals_first(house: House) -> None:
    now = dbclock.now()
    other = Worker.objects.create(boot=bytes(16), folder=bytes(range(16)), journal="worker-9", started=now, beat=now)
    looks = []

    def pause(_seconds: float) -> None:
        """It comes back, and has read what it knows."""
        looks.append(1)
        if len(looks) == 3:
            Worker.objects.filter(pk=other.pk).update(ended=now)

    rewound_database.wait_for_others(lambda: False, pause)
    assert len(looks) == 3
    # Nobody waits for one that a person has given up.
    Worker.objects.filter(pk=other.pk).update(ended=None, forgotten=True)
    rewound_database.wait_for_others(lambda: False, pause)
    assert len(looks) == 3


def test_a_journal_says_of_which_edition_its_chunks_are_in_every_file(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "ROTATE", 90)
    written = journal.Journal("worker-9-a", ledger.Header(bytes(16), 9, bytes(16)))
    written.about(3, 77)
    written.s(3, 1001, 1)
    written.tend()
    written.s(3, 1002, 1)
    written.wrote(5)
    written.close(keep=True)
    newest = ledger.fold_by_edition(list(ledger.read_journal(journal.files("worker-9-a")[-1].read_bytes())))
    assert newest.open == {77: frozenset({1002})} and newest.unnamed == 0
    assert journal.last_mark("worker-9-a") == 5


def test_a_journal_whose_recovery_was_killed_at_its_very_end_is_put_aside_at_the_next_start(house: House) -> None:
    from tests.delivery.test_recovery import NOW, Dead

    dead = Dead(house)
    dead.write()
    Worker.objects.update(ended=NOW)
    rewound_database.catch_up(NOW)
    assert not journal.files(dead.worker.journal) and journal.is_kept(dead.worker.journal)


def test_recovery_reads_a_journal_that_was_put_aside_when_the_database_has_forgotten_its_end(house: House) -> None:
    from tests.delivery.test_recovery import NOW, Dead, counts

    dead = Dead(house)
    dead.write()
    journal.put_aside(dead.worker.journal)
    assert recovery.recover_dead(NOW) == 1
    assert counts(dead.campaign) == {"accepted": 4, "refused": 1, "deferred": 1, "unsure": 2, "pending": 2}
