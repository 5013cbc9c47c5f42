"""What a dead sender leaves behind is put in order: exactly after a kill, carefully after a power cut."""

import os
import stat
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection
from django.db.models.functions import Now

from samizdat import dbclock
from samizdat.campaigns.models import Campaign
from samizdat.core.mail import ledger
from samizdat.core.mail.ledger import JournalNews, JournalRecord
from samizdat.delivery import monitoring, queries
from samizdat.delivery import sql as delivery_sql
from samizdat.delivery.actions import forget, retry_due, settle
from samizdat.delivery.engine import heartbeat, journal, locks, recovery, result_writer
from samizdat.delivery.engine.claimer import Claimer
from samizdat.delivery.engine.results import SendResult
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.errors import NoSuchWorker, StillRuns
from samizdat.delivery.models import Chunk, Clock, Delivery, Retry, Worker
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.options import data_folder
from tests.delivery.conftest import FIRST_NUMBER, House, clock_was_set, killed
from tests.delivery.test_sending import books_balance
from tests.smtp_server import ScriptedServer

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


class Dead:
    """A worker that claimed a chunk of ten, finished six, was finishing two, and died."""

    def __init__(self, house: House, boot: bytes | None = None) -> None:
        house.people(10)
        self.campaign = house.released()
        self.route = _route(house)
        boot = boot or journal.boot_id()
        self.worker = Worker.objects.create(boot=boot, folder=journal.folder_id(), journal="", started=NOW)
        Worker.objects.update(journal=f"worker-{self.worker.pk}")
        self.worker.refresh_from_db()
        ((self.chunk, *_),) = delivery_sql.claim_chunks(self.campaign.edition.pk, self.worker.pk, NOW)
        if connection.vendor == "postgresql":
            Chunk.objects.filter(pk=self.chunk).update(unsliced=0)  # All ten were handed to a slice.
        header = ledger.Header(boot, self.worker.pk, journal.folder_id())
        self.journal = journal.Journal(self.worker.journal, header)

    def write(self, finished: int = 6, finishing: int = 2) -> None:
        for place in range(finished + finishing):
            self.journal.s(self.chunk, FIRST_NUMBER + place, self.route.pk)
            if place < finished:
                news = (
                    JournalNews.REFUSED if place == 0 else JournalNews.DEFERRED if place == 1 else JournalNews.ACCEPTED
                )
                code = {JournalNews.REFUSED: 550, JournalNews.DEFERRED: 450}.get(news, 250)
                self.journal.r(JournalRecord(0, self.chunk, FIRST_NUMBER + place, news, 0, code, self.route.pk))
        self.journal.close(keep=True)


def _route(house: House) -> Any:
    from samizdat.delivery.actions import add_route

    return add_route(house.organization, "main", "smtp+plain://127.0.0.1:1", now=NOW)


def counts(campaign: Campaign) -> dict[str, int]:
    books_balance(campaign)
    return {name: count for name, count in queries.status(campaign).items() if name in ledger.STATES and count}


def test_after_a_kill_answers_are_booked_the_open_ones_doubtful_and_the_rest_free(house: House) -> None:
    dead = Dead(house)
    dead.write()
    assert recovery.recover_dead(NOW) == 1
    assert counts(dead.campaign) == {"accepted": 4, "refused": 1, "deferred": 1, "unsure": 2, "pending": 2}
    assert queries.status(dead.campaign)["by_route"]["main"]["accepted"] == 4
    chunk = Chunk.objects.get(pk=dead.chunk)
    assert (chunk.state, chunk.worker, chunk.remaining) == (Chunk.READY, None, 2)
    # The policy is to resend: the two are due at once, and the put-off one in five minutes.
    assert sorted(retry.due - NOW for retry in Retry.objects.all()) == [
        timedelta(0),
        timedelta(0),
        timedelta(minutes=5),
    ]
    assert not journal.files(dead.worker.journal)


def test_a_copy_that_somebody_made_beside_a_journal_keeps_nobody_from_starting(house: House) -> None:
    dead = Dead(house)
    dead.write()
    copies = [journal.folder() / f"{dead.worker.journal}.0.bak", journal.folder() / "sender-1-ab.0.bak"]
    for copy in copies:
        copy.write_bytes(b"")
    assert recovery.recover_dead(NOW) == 1
    assert counts(dead.campaign)["accepted"] == 4
    assert journal.names() == [dead.worker.journal]
    assert all(copy.exists() for copy in copies), "they are theirs who made them"


@pytest.mark.parametrize("name", ["../../backup", "*", "worker-?"])
def test_a_dead_sender_whose_journal_somebody_named_in_the_database_has_no_file_moved_away(db: None, name: str) -> None:
    """Not outside the data folder, and not the journals of others."""
    outside, beside = data_folder().parent / "backup.1", journal.folder() / "worker-7.1"
    lying = {path: b"of somebody else" * 200 + bytes(100) for path in (outside, beside)}
    try:
        for path, content in lying.items():
            path.write_bytes(content)
        Worker.objects.create(
            role="sender", host="h", boot=bytes(16), folder=journal.folder_id(), journal=name, started=NOW
        )
        recovery.recover_dead(NOW)
        assert all(path.read_bytes() == content for path, content in lying.items())
    finally:
        for path in lying:
            path.unlink(missing_ok=True)


def test_the_time_that_a_server_named_outlives_a_kill(house: House) -> None:
    dead = Dead(house)
    dead.journal.s(dead.chunk, FIRST_NUMBER, dead.route.pk)
    dead.journal.r(JournalRecord(0, dead.chunk, FIRST_NUMBER, JournalNews.DEFERRED, 0, 450, dead.route.pk, wait=120))
    dead.journal.close(keep=True)
    recovery.recover_dead(NOW)
    assert [retry.due - NOW for retry in Retry.objects.all()] == [timedelta(hours=2)]


def test_what_a_dead_server_was_given_is_not_sent_again_after_a_kill_though_the_policy_is_to_resend(
    house: House,
) -> None:
    dead = Dead(house)
    for place, wait in enumerate((ledger.FOR_PERSON, 0)):
        dead.journal.s(dead.chunk, FIRST_NUMBER + place, dead.route.pk)
        record = JournalRecord(0, dead.chunk, FIRST_NUMBER + place, JournalNews.UNSURE, 0, 0, dead.route.pk, wait=wait)
        dead.journal.r(record)
    dead.journal.close(keep=True)
    recovery.recover_dead(NOW)
    assert counts(dead.campaign) == {"unsure": 2, "pending": 8}
    assert list(Retry.objects.values_list("number", "due")) == [(FIRST_NUMBER + 1, NOW)]


def test_a_sender_that_ends_while_a_heartbeat_is_due_has_not_failed(
    house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = Claimer._wind_up

    def wind_up(self: Claimer) -> None:
        stop = self._sender.recorder.stop

        def stop_late(patience: float) -> bool:
            clean = stop(patience=patience)
            self.pulse._next = 0.0
            return clean

        self._sender.recorder.stop = stop_late  # type: ignore[method-assign]
        genuine(self)

    monkeypatch.setattr(Claimer, "_wind_up", wind_up)
    house.people(3)
    house.route(server)
    assert run_campaign(house.released().pk, 60)["ended"] == "finished"


def test_recovery_that_is_killed_and_done_again_changes_nothing_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = Dead(house)
    dead.write()

    for step in ("_free", "_book_answers"):
        with monkeypatch.context() as patch:
            genuine = getattr(recovery, step)
            patch.setattr(recovery, step, lambda *a, genuine=genuine: (genuine(*a), killed()))
            with pytest.raises(KeyboardInterrupt):
                recovery.recover_dead(NOW)
        books_balance(dead.campaign)
    # Meanwhile the doubtful ones are on their way again.
    retry_due(NOW)
    assert recovery.recover_dead(NOW) == 1
    assert counts(dead.campaign) == {"accepted": 4, "refused": 1, "deferred": 1, "unsure": 2, "pending": 2}
    assert Retry.objects.filter(chunk=None).count() == 1


def test_with_the_policy_hold_nobody_doubtful_is_due(house: House) -> None:
    dead = Dead(house)
    dead.write()
    Campaign.objects.update(unsure_policy="hold")
    recovery.recover_dead(NOW)
    assert counts(dead.campaign)["unsure"] == 2
    assert Retry.objects.count() == 1


@pytest.mark.parametrize("missing", [False, True])
def test_after_a_power_cut_or_without_a_journal_the_window_is_doubtful_until_a_person_settles_it(
    house: House, missing: bool
) -> None:
    dead = Dead(house, boot=None if missing else bytes(range(16)))
    dead.write()
    if missing:
        journal.remove(dead.worker.journal)
    recovery.recover_dead(NOW)
    # What stands in the journal is so; of the rest nobody knows.
    expected = {"unsure": 10} if missing else {"accepted": 4, "refused": 1, "deferred": 1, "unsure": 4}
    assert counts(dead.campaign) == expected
    assert Retry.objects.count() == (0 if missing else 1)
    assert Chunk.objects.get(pk=dead.chunk).state == Chunk.DONE
    settle(dead.campaign, "resend", now=NOW)
    assert retry_due(NOW) == expected["unsure"]
    books_balance(dead.campaign)


def test_an_answer_heard_again_about_an_earlier_try_does_not_hide_the_doubt_about_the_next(house: House) -> None:
    dead = Dead(house)
    number = FIRST_NUMBER + 1
    dead.journal.s(dead.chunk, number, dead.route.pk)
    dead.journal.r(JournalRecord(0, dead.chunk, number, JournalNews.DEFERRED, 0, 450, dead.route.pk))
    # The put-off was booked, came due, was claimed again and was being finished when everything died.
    from samizdat.delivery.engine.results import SendResult, write

    write([SendResult(dead.campaign.edition.pk, dead.chunk, number, JournalNews.DEFERRED, 0, 450, dead.route.pk)], NOW)
    assert retry_due(NOW + timedelta(minutes=6)) == 1
    again = Chunk.objects.get(retry=True)
    Chunk.objects.filter(pk=again.pk).update(state=Chunk.CLAIMED, worker=dead.worker)
    dead.journal.s(again.pk, number, dead.route.pk)
    dead.journal.close(keep=True)
    recovery.recover_dead(NOW)
    assert Delivery.objects.get().state == ledger.State.UNSURE
    assert counts(dead.campaign) == {"unsure": 1, "pending": 9}
    assert Retry.objects.get().tries == 2


def test_a_living_worker_is_left_alone(house: House) -> None:
    if connection.vendor == "sqlite":
        # There whoever holds the lock of the data folder is the only one that lives.
        first, second = locks.sender_lock(), locks.sender_lock()
        assert first.take() and not second.take()
        first.release()
        assert second.take()
        second.release()
        return
    dead = Dead(house)  # Its journal is open in this process, and locked.
    assert recovery.recover_dead(NOW) == 0
    dead.write()
    assert recovery.recover_dead(NOW) == 1


def test_a_lock_whose_file_was_removed_meanwhile_locks_the_next_one_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever releases takes the file away; who had opened it before holds a file that nobody sees any more."""
    path = data_folder() / "release-1.lock"
    first, second, third = (locks.FileLock(path) for _ in range(3))
    assert first.take()
    genuine = locks.fcntl.flock

    def meanwhile(*arguments: Any) -> None:
        monkeypatch.setattr(locks.fcntl, "flock", genuine)
        path.unlink()
        first.release()
        genuine(*arguments)

    monkeypatch.setattr(locks.fcntl, "flock", meanwhile)
    assert second.take()
    assert not third.take()
    second.release()
    assert third.take()
    third.release()
    path.unlink()


def test_a_machine_that_is_gone_is_waited_for_before_its_window_is_doubtful(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = Dead(house)
    dead.write()
    Worker.objects.update(folder=bytes(range(16)), beat=Now() - timedelta(seconds=60))
    if connection.vendor == "postgresql":
        assert recovery.recover_dead(NOW) == 0
    # On SQLite the folder was copied from elsewhere, and its old sender cannot come back.
    monkeypatch.setattr(recovery, "LOST", 0)
    assert recovery.recover_dead(NOW) == 1
    assert counts(dead.campaign) == {"unsure": 10}
    assert not Retry.objects.exists()


def test_a_full_disk_stops_claims_and_not_the_journal(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = Dead(house)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_reserve", full)
        patch.setattr(dead.journal, "_reserved", 0)
        dead.journal.tend()
        assert dead.journal.full
    dead.journal.tend()
    assert not dead.journal.full
    dead.write()


def test_a_long_journal_begins_a_new_file_and_drops_the_old_one_when_all_of_it_is_booked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = Dead(house)
    monkeypatch.setattr(journal, "ROTATE", 90)
    first = dead.journal.s(dead.chunk, FIRST_NUMBER, dead.route.pk)
    dead.journal.tend()
    second = dead.journal.s(dead.chunk, FIRST_NUMBER + 1, dead.route.pk)
    assert (first, second) == (0, 1) and len(journal.files(dead.worker.journal)) == 2
    header = ledger.Header(journal.boot_id(), dead.worker.pk, journal.folder_id())
    records, whole = journal.read(dead.worker.journal, header)
    assert whole and [record.number for record in records] == [FIRST_NUMBER, FIRST_NUMBER + 1]
    dead.journal.confirm({0: 1})
    assert len(journal.files(dead.worker.journal)) == 1
    dead.journal.close(keep=False)
    assert not journal.files(dead.worker.journal)


def test_a_journal_stays_until_the_last_message_of_it_is_booked(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = Dead(house)
    for place in range(2):
        dead.journal.s(dead.chunk, FIRST_NUMBER + place, dead.route.pk)
    # Of the one that is being written nothing goes, whatever is booked.
    dead.journal.confirm({0: 1})
    assert len(journal.files(dead.worker.journal)) == 1
    monkeypatch.setattr(journal, "ROTATE", 90)
    dead.journal.s(dead.chunk, FIRST_NUMBER + 2, dead.route.pk)
    dead.journal.tend()
    dead.journal.confirm({0: 1})
    assert len(journal.files(dead.worker.journal)) == 2, "one of it is still on its way"
    dead.journal.confirm({0: 1})
    assert [path.suffix for path in journal.files(dead.worker.journal)] == [".1"]
    dead.journal.confirm({1: 0})
    assert [path.suffix for path in journal.files(dead.worker.journal)] == [".1"], "the next message goes into it"
    dead.journal.close(keep=False)


class Disk:
    """Which files a power cut would leave, by name, in the order in which they were forced to the disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kept: list[str] = []
        self.forced = threading.Event()
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, partial(self._force, getattr(os, name)))

    def _force(self, genuine: Callable[[int], None], number: int) -> None:
        genuine(number)
        path = Path(os.readlink(f"/proc/self/fd/{number}"))
        if path.parent.name == "settings":
            return  # A release notes them as well (accounts/settings_note.py).
        self.kept.append(path.name)
        self.forced.set()


def test_before_the_first_message_journal_and_folder_are_on_the_disk(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SYNC_SECONDS", 3600)
    disk = Disk(monkeypatch)
    dead = Dead(house)
    name = dead.worker.journal
    assert disk.kept == [f"{name}.0", "journals"]
    monkeypatch.setattr(journal, "ROTATE", 90)
    dead.journal.s(dead.chunk, FIRST_NUMBER, dead.route.pk)
    dead.journal.tend()
    assert disk.kept[2:] == [f"{name}.1", "journals", f"{name}.0"], "a file that is full keeps its end"
    dead.journal.close(keep=False)


def test_what_was_written_is_on_the_disk_a_moment_later(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SYNC_SECONDS", 0)
    disk = Disk(monkeypatch)
    dead = Dead(house)
    disk.forced.clear()
    dead.journal.s(dead.chunk, FIRST_NUMBER, dead.route.pk)
    assert disk.forced.wait(60)
    dead.journal.close(keep=False)


def test_a_journal_that_is_closed_while_it_is_about_to_sync_ends(house: House) -> None:
    dead = Dead(house)

    class ClosedAfterItWasAsked(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            self.set()
            dead.journal._unsynced.set()
            return False

    dead.journal._stop = ClosedAfterItWasAsked()
    dead.journal.s(dead.chunk, FIRST_NUMBER, dead.route.pk)
    dead.journal._thread.join(60)
    assert not dead.journal._thread.is_alive()
    dead.journal.close(keep=False)


def test_what_the_database_did_not_take_is_written_although_nothing_more_comes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries, written = [], threading.Event()

    def write(results: list[SendResult], *_rest: object) -> None:
        tries.append(results)
        if len(tries) == 1:
            raise OperationalError
        written.set()

    monkeypatch.setattr(result_writer, "write", write)
    monkeypatch.setattr(result_writer, "PAUSE", 0.0)
    dead = Dead(house)
    recorder = result_writer.ResultWriter(dead.journal, dbclock.now, dead.worker.pk)
    result = SendResult(dead.campaign.edition.pk, dead.chunk, FIRST_NUMBER, JournalNews.ACCEPTED)
    recorder.tell(result)
    assert written.wait(60)
    assert tries == [[result], [result]]
    assert recorder.stop(20)
    dead.journal.close(keep=False)


def test_a_journal_is_closed_with_the_last_answer_in_it_and_kept_where_it_is_needed(house: House) -> None:
    dead = Dead(house)
    dead.journal.s(dead.chunk, FIRST_NUMBER, dead.route.pk)
    dead.journal.r(JournalRecord(0, dead.chunk, FIRST_NUMBER, JournalNews.ACCEPTED, 0, 250, dead.route.pk))
    dead.journal.close(keep=True)
    header = ledger.Header(journal.boot_id(), dead.worker.pk, journal.folder_id())
    assert [chr(record.kind) for record in journal.read(dead.worker.journal, header)[0]] == ["S", "R"]


def test_nobody_else_reads_a_journal(house: House) -> None:
    dead = Dead(house)
    (path,) = journal.files(dead.worker.journal)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    dead.journal.close(keep=False)


def test_what_is_being_finished_is_in_the_journal_before_it_can_leave(house: House) -> None:
    dead = Dead(house)
    dead.journal.s(dead.chunk, FIRST_NUMBER, dead.route.pk)
    header = ledger.Header(journal.boot_id(), dead.worker.pk, journal.folder_id())
    records, _whole = journal.read(dead.worker.journal, header)
    assert [record.number for record in records] == [FIRST_NUMBER]
    dead.journal.close(keep=False)


@pytest.mark.parametrize("which", ["journal", "row"])
def test_a_journal_of_another_life_of_the_machine_counts_as_torn(house: House, which: str) -> None:
    """A database that was put back from a copy may know this number for a worker of another boot."""
    dead = Dead(house, boot=bytes(range(16)) if which == "journal" else None)
    Worker.objects.update(boot=journal.boot_id() if which == "journal" else bytes(range(16)))
    dead.write()
    recovery.recover_dead(NOW)
    # Who had an answer is known; of the others nobody says that they were not written to.
    assert counts(dead.campaign) == {"accepted": 4, "refused": 1, "deferred": 1, "unsure": 4}


def test_killed_while_doubt_is_written_down_the_doubt_is_still_told_and_nobody_is_sent_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = Dead(house)
    dead.write()

    for place, name in ((recovery, "write"), (delivery_sql, "close_chunks")):
        with monkeypatch.context() as patch:
            if name == "write":
                patch.setattr(recovery, "_book_answers", lambda *_: None)
            patch.setattr(place, name, killed)
            with pytest.raises(KeyboardInterrupt):
                recovery.recover_dead(NOW)
        assert Chunk.objects.get(pk=dead.chunk).state == Chunk.CLAIMED
    assert counts(dead.campaign).get("unsure", 0) == 0
    recovery.recover_dead(NOW)
    assert counts(dead.campaign)["unsure"] == 2
    assert [detail_of(one)["count"] for one in Event.objects.filter(kind="campaign.unsure")] == [2]


# --- other machines ---

on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="one machine sends on SQLite")


def _gone(dead: Dead, seconds: int, unsliced: int) -> None:
    """Its machine is another one, was silent for so long, and so many of its chunk were in no slice yet."""
    Worker.objects.update(folder=bytes(range(16)), host="far", beat=Now() - timedelta(seconds=seconds))
    Chunk.objects.filter(pk=dead.chunk).update(unsliced=unsliced)


@on_postgresql
def test_what_no_slice_took_is_taken_over_at_once_and_the_rest_waits_for_its_machine(house: House) -> None:
    dead = Dead(house)
    _gone(dead, 20, 2)
    assert recovery.recover_dead(NOW) == 0
    assert counts(dead.campaign) == {"pending": 10}
    old, fresh = Chunk.objects.get(pk=dead.chunk), Chunk.objects.get(state=Chunk.READY)
    assert (old.state, old.size, old.remaining, old.unsliced) == (Chunk.CLAIMED, 8, 8, 0)
    assert ledger.unpack_numbers(bytes(fresh.numbers)) == (FIRST_NUMBER + 8, FIRST_NUMBER + 9)
    assert (fresh.size, fresh.remaining) == (2, 2)
    # What it still believes to own, it may feed no more.
    edition = dead.campaign.edition
    assert not delivery_sql.feed(
        dead.chunk, dead.worker.pk, 10, 0, edition.pk, edition.organization_id, dead.campaign.list_id, False, -1, []
    ).ours
    # It comes back, and its journal says exactly what became of the eight.
    Worker.objects.update(folder=journal.folder_id())
    dead.write()
    assert recovery.recover_dead(NOW) == 1
    assert counts(dead.campaign) == {"accepted": 4, "refused": 1, "deferred": 1, "unsure": 2, "pending": 2}


@on_postgresql
def test_a_chunk_of_which_nothing_was_fed_is_free_as_a_whole(house: House) -> None:
    dead = Dead(house)
    _gone(dead, 20, 10)
    recovery.recover_dead(NOW)
    assert [(chunk.state, chunk.size) for chunk in Chunk.objects.all()] == [(Chunk.READY, 10)]
    dead.journal.close(keep=False)


@on_postgresql
def test_a_clock_that_was_set_forward_puts_no_window_of_another_machine_in_doubt(house: House) -> None:
    dead = Dead(house)
    _gone(dead, recovery.LOST + 60, 2)
    now = dbclock.now()
    clock_was_set(now)
    recovery.recover_dead(NOW)
    assert counts(dead.campaign) == {"pending": 10}
    Clock.objects.update(patient=None)
    recovery.recover_dead(NOW)
    assert counts(dead.campaign)["unsure"] == 8
    dead.journal.close(keep=False)


@on_postgresql
def test_retries_are_taken_over_too(house: House) -> None:
    dead = Dead(house)
    numbers = range(FIRST_NUMBER, FIRST_NUMBER + 10)
    from samizdat.delivery.engine.results import SendResult, write

    edition = dead.campaign.edition.pk
    write(
        [SendResult(edition, dead.chunk, number, JournalNews.DEFERRED, 0, 450, dead.route.pk) for number in numbers],
        NOW,
    )
    retry_due(NOW + timedelta(minutes=6))
    again = Chunk.objects.get(retry=True)
    Chunk.objects.filter(pk=again.pk).update(state=Chunk.CLAIMED, worker=dead.worker, unsliced=3)
    Worker.objects.update(folder=bytes(range(16)), beat=Now() - timedelta(seconds=20))
    recovery.recover_dead(NOW)
    fresh = Chunk.objects.get(retry=True, state=Chunk.READY)
    assert (fresh.size, fresh.remaining, Retry.objects.filter(chunk=fresh).count()) == (3, 0, 3)
    assert Retry.objects.filter(chunk=again).count() == 7
    assert counts(dead.campaign) == {"deferred": 10}
    dead.journal.close(keep=True)


@on_postgresql
@pytest.mark.parametrize("by_command", [False, True])
def test_a_machine_that_is_gone_for_good_leaves_its_window_in_doubt_until_a_person_settles_it(
    house: House, by_command: bool
) -> None:
    dead = Dead(house)
    dead.journal.close(keep=True)
    _gone(dead, 30 if by_command else 601, 4)
    if by_command:
        assert forget(dead.worker.pk, now=NOW) == 6
    else:
        assert recovery.recover_dead(NOW) == 1
    assert counts(dead.campaign) == {"unsure": 6, "pending": 4}
    assert not Retry.objects.exists()
    assert delivery_sql.beat(dead.worker.pk) is None  # Should it move again, it learns that it was taken for dead.


@on_postgresql
def test_a_session_without_a_heartbeat_is_cut_off_and_a_beating_one_is_not(house: House) -> None:
    dead = Dead(house)
    dead.journal.close(keep=True)
    with psycopg.connect(**_parameters(), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", [locks.WORKERS, dead.worker.pk])
        _gone(dead, heartbeat.HUNG - 5, 0)
        recovery.recover_dead(NOW)
        assert locks.is_held(dead.worker.pk)
        with pytest.raises(StillRuns):
            forget(dead.worker.pk, now=NOW)
        _gone(dead, heartbeat.HUNG + 1, 0)
        recovery.recover_dead(NOW)
        with pytest.raises(psycopg.OperationalError):
            other.execute("SELECT 1")
    assert not locks.is_held(dead.worker.pk)


def _parameters() -> dict[str, Any]:
    wanted = connection.get_connection_params()
    return {name: wanted[name] for name in ("dbname", "user", "host", "password", "port") if wanted.get(name)}


def test_nobody_is_forgotten_who_is_not_there(house: House) -> None:
    with pytest.raises(NoSuchWorker):
        forget(99, now=NOW)


@on_postgresql
def test_the_status_names_the_machine_that_a_campaign_waits_for(house: House) -> None:
    dead = Dead(house)
    dead.journal.close(keep=True)
    assert monitoring.waits_for(dead.campaign) == []
    _gone(dead, 100, 4)
    recovery.recover_dead(NOW)
    (gone,) = monitoring.waits_for(dead.campaign)
    assert (gone["worker"], gone["host"], gone["messages"]) == (dead.worker.pk, "far", 6)
    assert 480 <= gone["in_doubt_in"] <= 500 and gone["minutes"] == 9
