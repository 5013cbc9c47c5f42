"""The clock finds what is due or orphaned; the engines are bells that may ring twice or never."""

import os
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.tasks import Task

from samizdat import limited_process, wakeups
from samizdat.accounts.actions import SettingDetails
from samizdat.accounts.models import Attempt, Session
from samizdat.delivery import monitoring
from samizdat.delivery.actions import domains
from samizdat.delivery.models import SchedulerStep
from samizdat.events import chain
from samizdat.events.actions import record
from samizdat.incoming import spooled
from samizdat.worker.processes import background
from samizdat.worker.queue import enqueue, procrastinate_backend, sender_slots, task_wrappers, tasks
from samizdat.worker.schedule import scheduler
from samizdat.worker.stopping import stopping
from tests.conftest import NOW, TODAY
from tests.worker.conftest import Instance, until

POSTGRESQL = "postgresql" in os.environ.get("DATABASE_URL", "")
on_sqlite = pytest.mark.skipif(POSTGRESQL, reason="django-tasks-db is the engine on SQLite")
on_postgresql = pytest.mark.skipif(not POSTGRESQL, reason="procrastinate is the engine on PostgreSQL")


@pytest.mark.django_db
class TestTick:
    def test_one_round_sees_to_everything(self, lantern: Any) -> None:
        record("list.changed", lantern, now=NOW)
        Session.objects.create(key_hash=bytes(32), data_sealed=b"", expires=NOW - timedelta(seconds=1))
        Attempt.objects.create(lane=bytes(16), address_hash=bytes(16), failures=3, not_before=NOW - timedelta(days=2))
        assert scheduler.tick(NOW) == []
        assert chain.verify(lantern).length > 0
        assert not Session.objects.exists()
        assert not Attempt.objects.exists()

    def test_a_signing_key_is_forgotten_when_its_overlap_is_over(self, lantern: Any) -> None:
        key = domains.add_domain(lantern, "lantern.example", now=NOW, algorithms=("ed25519",)).keys.get()
        type(key).objects.update(state="retiring", until=TODAY)
        assert scheduler.tick(NOW) == []
        key.refresh_from_db()
        assert (key.state, bytes(key.private_sealed)) == ("retired", b"")

    def test_a_flood_of_mail_at_our_door_keeps_no_other_step_waiting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(scheduler, "READING", -1.0)
        stopped: list[bool] = []
        monkeypatch.setattr(spooled, "take_in", lambda _today, stops: stopped.append(stops()))
        scheduler.incoming_mail(NOW)
        assert stopped == [True]

    def test_a_step_that_fails_keeps_no_other_waiting(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done: list[str] = []

        def broken(_now: Any) -> None:
            raise ValueError("ada@example.org")

        assert scheduler.tick(NOW, {"the first": broken, "the second": lambda _now: done.append("x")}) == ["the first"]
        assert done == ["x"]
        assert "ada" not in caplog.text

    def test_a_stopping_process_begins_no_further_step(self, monkeypatch: pytest.MonkeyPatch) -> None:
        done: list[str] = []
        monkeypatch.setattr(stopping, "is_set", lambda: True)
        scheduler.tick(NOW, {"a": lambda _now: done.append("x")})
        assert done == []


def test_every_task_is_in_the_table_of_those_that_are_run() -> None:
    modules = (tasks, sender_slots)
    known = {value.module_path for module in modules for value in vars(module).values() if isinstance(value, Task)}
    assert known == procrastinate_backend.TASK_PATHS


@on_sqlite
@pytest.mark.django_db
class TestEmbedded:
    def test_the_same_bell_does_not_wait_twice(self) -> None:
        assert enqueue.ring(tasks.run_import, 7)
        assert not enqueue.ring(tasks.run_import, 7)
        assert enqueue.ring(tasks.run_import, 8)

    def test_what_a_killed_process_left_running_is_ready_again(self) -> None:
        from django_tasks_db.models import DBTaskResult

        enqueue.ring(tasks.run_import, 7)
        DBTaskResult.objects.update(status="RUNNING")
        assert enqueue.ring_again() == 1
        assert DBTaskResult.objects.get().status == "READY"

    def test_a_task_that_breaks_leaves_the_place_and_no_value(
        self, monkeypatch: pytest.MonkeyPatch, vault: Any
    ) -> None:
        from django_tasks_db.models import DBTaskResult

        from samizdat.audience import actions

        def broken(*_: Any, **__: Any) -> None:
            raise ValueError("ada@example.org cannot be read")

        monkeypatch.setattr(actions, "run_import", broken)
        enqueue.ring(tasks.run_import, 7)
        with pytest.raises(task_wrappers.TaskFailed) as failed:
            tasks.run_import.call(7)
        assert "ada" not in str(failed.value) and "ValueError in test_scheduler.py" in str(failed.value)
        row = DBTaskResult.objects.get()
        row.set_failed(failed.value)
        assert "ada@" not in row.traceback

    def test_what_was_written_into_the_database_to_be_imported_is_dropped(self) -> None:
        from django_tasks_db.models import DBTaskResult

        enqueue.ring(tasks.run_import, 7)
        enqueue.ring(tasks.run_import, 8)
        first = DBTaskResult.objects.first()
        DBTaskResult.objects.filter(pk=first.pk).update(task_path="samizdat.limited_process.subprocess")
        assert enqueue.drop_foreign() == 1
        assert DBTaskResult.objects.get().task_path == tasks.run_import.module_path

    def test_old_bells_are_forgotten(self) -> None:
        from django_tasks_db.models import DBTaskResult

        enqueue.ring(tasks.run_import, 7)
        DBTaskResult.objects.update(status="FAILED", finished_at=NOW)
        enqueue.forget_finished(NOW - timedelta(days=1))
        assert DBTaskResult.objects.count() == 1
        enqueue.forget_finished(NOW + timedelta(days=1))
        assert DBTaskResult.objects.count() == 0


@on_postgresql
@pytest.mark.django_db(transaction=True)
class TestDistributed:
    @pytest.fixture(autouse=True)
    def _no_bell_yet(self) -> None:
        # Django empties the tables of its own models between tests; procrastinate's are not managed by it.
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM procrastinate_jobs")

    def test_the_same_bell_does_not_wait_twice(self) -> None:
        assert enqueue.ring(tasks.run_import, 7)
        assert not enqueue.ring(tasks.run_import, 7)
        assert enqueue.ring(tasks.run_import, 8)

    def test_a_refused_bell_does_not_spoil_the_transaction_around_it(self) -> None:
        with transaction.atomic():
            enqueue.ring(tasks.run_import, 7)
            enqueue.ring(tasks.run_import, 7)
            assert _jobs() == 1
        assert _jobs() == 1

    def test_a_bell_of_a_rolled_back_transaction_does_not_ring(self) -> None:
        with transaction.atomic():
            enqueue.ring(tasks.run_import, 7)
            transaction.set_rollback(True)
        assert _jobs() == 0

    def test_only_our_own_tasks_are_run_whatever_is_written_into_the_database(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from samizdat.worker.queue.procrastinate_backend import run

        monkeypatch.setattr(limited_process.subprocess, "call", lambda *_: pytest.fail("it ran"))
        for path in ("os.system", "samizdat.limited_process.subprocess", "samizdat.worker.queue.tasks.upload"):
            with pytest.raises(ValueError, match="not one of ours"):
                run(path, [["true"]], {})
        for words in (([["true"]], {}), ([7], {"number": 7}), ([True], {})):
            with pytest.raises(ValueError, match="not one of ours"):
                run(tasks.run_import.module_path, *words)

    def test_one_clock_ticks_on_however_many_machines(self) -> None:
        import psycopg

        settings = connection.get_connection_params()
        wanted = {name: settings[name] for name in ("host", "dbname", "user") if settings.get(name)}
        with psycopg.connect(**wanted, autocommit=True) as elsewhere:
            elsewhere.execute("SELECT pg_advisory_lock(%s)", [background.CLOCK_LOCK])
            only = background.SoleSession(background.CLOCK_LOCK)
            assert not only.here()
        assert until(only.here)
        assert only.here()
        connection.close()


def _jobs() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'")
        return int(cursor.fetchone()[0])


UPLOAD = (
    "from samizdat.accounts.models import Organization; from samizdat.audience.models import Import, List; "
    "from samizdat.audience import actions; from datetime import UTC, datetime; now = datetime.now(UTC); "
)


def test_an_upload_is_looked_through_and_brought_in_by_the_worker(peopled: Instance) -> None:
    """The whole way over the engine that this database has."""
    peopled.start()
    begin = (
        UPLOAD + "row = actions.begin_upload(Organization.objects.get(), List.objects.get(), now=now, by=None); "
        "text = 'Email Address,Status\\n' + ''.join(f'new{n}@example.org,subscribed\\n' for n in range(300)); "
        "actions.add_piece(row, 0, 0, text.encode()); "
        "print(json.dumps(actions.finish_upload(row, ['subscribed_members_export.csv'], now=now).id))"
    )
    number = peopled.python(begin)

    def state() -> str:
        return str(peopled.python(UPLOAD + f"print(json.dumps(Import.objects.get(id={number}).state))"))

    until(lambda: state() == "found")
    peopled.python(
        UPLOAD + f"actions.start(Import.objects.get(id={number}), now=now, by=None); print(json.dumps('started'))"
    )
    until(lambda: state() == "finished")
    counts = peopled.python(UPLOAD + f"print(json.dumps(Import.objects.get(id={number}).counts))")
    assert counts["added"] == 300, peopled.log.read_text()


def test_an_import_whose_worker_is_killed_goes_on_in_the_next_one(peopled: Instance) -> None:
    rows = 60_000
    peopled.start()
    number = peopled.python(
        UPLOAD + "from samizdat.audience.imports.uploads import PIECE; "
        "row = actions.begin_upload(Organization.objects.get(), List.objects.get(), now=now, by=None); "
        "text = 'Email Address,Status\\n'; "
        f"text += ''.join(f'new{{n}}@example.org,subscribed\\n' for n in range({rows})); text = text.encode(); "
        "[actions.add_piece(row, 0, at // PIECE, text[at : at + PIECE]) for at in range(0, len(text), PIECE)]; "
        "print(json.dumps(actions.finish_upload(row, ['subscribed_members_export.csv'], now=now).id))"
    )
    one = f"Import.objects.get(id={number})"
    until(lambda: peopled.python(UPLOAD + f"print(json.dumps({one}.state))") == "found", 60)
    # In one process, so that the kill falls into the middle.
    peopled.python(
        UPLOAD + f"import os, signal, time; actions.start({one}, now=now, by=None); "
        f"[time.sleep(0.02) for _ in range(1000) if not {one}.row_no]; "
        f"os.kill({peopled.children()['worker'][0]}, signal.SIGKILL); print(json.dumps({one}.state))"
    )
    until(lambda: peopled.python(UPLOAD + f"print(json.dumps({one}.state))") == "finished", 60)
    counts = peopled.python(UPLOAD + f"print(json.dumps({one}.counts))")
    assert counts["added"] + counts["updated"] + counts["unchanged"] == rows
    assert (
        peopled.python(
            UPLOAD + "from samizdat.audience.queries import count; print(json.dumps(count(Organization.objects.get())))"
        )
        == rows + 1
    )
    assert "The worker process ended" in peopled.log.read_text()


def test_a_second_bell_for_a_row_that_this_process_is_at_does_nothing() -> None:
    begun: list[int] = []
    going_on, may_end = threading.Event(), threading.Event()

    @task_wrappers.alone
    def work(number: int) -> None:
        begun.append(number)
        going_on.set()
        may_end.wait(60)

    first = threading.Thread(target=work, args=(7,))
    first.start()
    assert going_on.wait(60)
    work(7)
    may_end.set()
    work(8)
    first.join(60)
    work(7)
    assert begun == [7, 8, 7]


@pytest.mark.django_db
def test_while_nobody_writes_what_compares_and_clears_is_done_every_two_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, done, breaks = [1000.0], [], [False]

    def compare(_now: Any) -> None:
        done.append("uploads")
        if breaks[0]:
            raise ValueError

    steps = {"uploads": compare, "digests": lambda _now: done.append("digests")}
    monkeypatch.setattr(scheduler, "SLOW", steps)
    monkeypatch.setattr(scheduler.time, "monotonic", lambda: now[0])
    slow = scheduler.SlowRounds()

    def round_(written: bool) -> list[str]:
        done.clear()
        slow.tick(NOW, written)
        return list(done)

    assert round_(written=False) == ["uploads", "digests"], "the first one"
    assert round_(written=False) == ["digests"]
    assert round_(written=True) == ["uploads", "digests"]
    assert round_(written=False) == ["digests"]
    now[0] += 121
    breaks[0] = True
    assert round_(written=False) == ["uploads", "digests"]
    breaks[0] = False
    assert round_(written=False) == ["uploads", "digests"], "it was broken"
    assert round_(written=False) == ["digests"]


def test_what_may_wait_two_minutes_is_a_step_and_doctor_waits_longer() -> None:
    assert scheduler.SLOW.keys() > scheduler.UNHURRIED
    longest = scheduler.UNHURRIED_SECONDS + background.QUIET_SECONDS + scheduler.NOTED
    assert longest < monitoring.OVERDUE.total_seconds()


@pytest.mark.parametrize(("at", "seconds"), [(7.25, 0.75), (7.0, 1.0), (6.95, 1.05)])
def test_all_loops_look_at_the_same_moment(monkeypatch: pytest.MonkeyPatch, at: float, seconds: float) -> None:
    monkeypatch.setattr(wakeups.time, "monotonic", lambda: at)
    assert wakeups.until_next() == pytest.approx(seconds)


@pytest.mark.django_db
def test_a_step_is_written_down_once_a_minute_and_at_once_when_it_breaks_or_mends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at = [1000.0]
    monkeypatch.setattr(scheduler.time, "monotonic", lambda: at[0])
    monkeypatch.setattr(scheduler, "_written", {})
    writes: list[str] = []
    genuine = scheduler._write
    monkeypatch.setattr(
        scheduler, "_write", lambda what, steps: (writes.extend(step.name for step in steps), genuine(what, steps))
    )
    scheduler.remember(["mail"], {})
    scheduler.remember(["mail"], {})
    assert len(writes) == 1
    scheduler.remember([], {"mail": "ValueError in x.py:3"})
    scheduler.remember([], {"mail": "ValueError in x.py:3"})
    assert len(writes) == 2 and SchedulerStep.objects.get().why
    scheduler.remember(["mail"], {})
    assert len(writes) == 3 and SchedulerStep.objects.get().why == "" and SchedulerStep.objects.get().failed is not None
    at[0] += scheduler.NOTED
    scheduler.remember(["mail"], {})
    assert len(writes) == 4


@pytest.mark.django_db
def test_however_many_processes_look_a_change_waits_for_a_whole_day(
    lantern: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's clock was set a month ahead, so what they count is all that holds it."""
    from samizdat.accounts import actions, pending_changes
    from samizdat.accounts.models import Organization, PendingChange

    Organization.objects.filter(pk=lantern.pk).update(next_number=5001)
    vera = actions.add_person("vera@lantern.example", name="Vera", password="p" * 20 + "x7", today=TODAY)
    actions.give_role(vera, lantern, "admin", by=None, now=NOW)
    ticks = [1000.0]
    monkeypatch.setattr("samizdat.worker.schedule.scheduler.dbclock.ticks", lambda: ticks[0])
    processes = [scheduler.SchedulerRound() for _ in range(4)]
    scheduler.held(NOW, processes[0])  # This one then hears nothing for hours, as on another machine.
    ticks[0] += 5 * 3600
    row = pending_changes.ask(
        lantern, "setting", SettingDetails("public_url", "https://evil.example"), now=NOW, by=vera
    )
    pending_changes.notice(row, vera, NOW, by_mail=True)
    begun, ahead = ticks[0], NOW + timedelta(days=30)
    while PendingChange.objects.get().state == "waiting" and ticks[0] < begun + 2 * 86400:
        for one in processes:
            ticks[0] += 150
            scheduler.held(ahead, one)
    waited = ticks[0] - begun
    assert 86400 <= waited < 86400 + 1200
