"""What the worker process runs: the clock, the mail to new readers, and the task engine."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from django.db import close_old_connections, connection, connections
from django_tasks_db.models import DBTaskResult

from samizdat import dbclock, limited_process, wakeups
from samizdat.delivery import clock_jumps, database_changes
from samizdat.delivery.actions import copied_installation
from samizdat.delivery.engine import locks, recovery
from samizdat.delivery.engine.heartbeat import STUCK, Heartbeat
from samizdat.delivery.models import Worker
from samizdat.logs import where_it_broke
from samizdat.publicdb import actions as publicdb
from samizdat.publicdb.role_guard import PublicRoleGuard
from samizdat.vault.errors import OrganizationLocked
from samizdat.worker.inbox import signups
from samizdat.worker.mail import waiting_mail
from samizdat.worker.processes import metrics
from samizdat.worker.queue import enqueue, remote_checks
from samizdat.worker.queue.procrastinate_worker import STOP_SECONDS, run_engine
from samizdat.worker.schedule import backup_tails, scheduler
from samizdat.worker.stopping import stopping

log = logging.getLogger("samizdat.worker")

QUICK_SECONDS = 1.0
SLOW_SECONDS = 10.0
# The same for all but what readers sent, while nobody writes anything: then little comes due.
QUIET_SECONDS = 60.0
# Between two looks for processes that are gone.
LOOK_SECONDS = 3.0
# Tasks at a time in one process on PostgreSQL.
ENGINE_THREADS = 3

# Advisory locks on PostgreSQL: one of each loop, on whichever machine. The numbers are just ours.
CLOCK_LOCK = 0x5A4D495A0001
SIGNUPS_LOCK = 0x5A4D495A0002
INTAKE_LOCK = 0x5A4D495A0004
SLOW_LOCK = 0x5A4D495A0005
TAILS_LOCK = 0x5A4D495A0006


class SoleSession:
    """Whether this thread's database session is the one that does a thing. A session that is gone has let go."""

    def __init__(self, lock: int) -> None:
        self._lock = lock
        self._session: Any = None

    def here(self) -> bool:
        if connection.vendor != "postgresql":
            return True  # The lock on the data folder has seen to it.
        connection.ensure_connection()
        if self._session is not connection.connection:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [self._lock])
                if not cursor.fetchone()[0]:
                    return False
            self._session = connection.connection
        return True


class ProcessWatch:
    """This process among the others: its sign of life, and a look for those that have stopped giving theirs.

    In the clock's thread. A new session means a new row: the old one's lock is gone, and the others may have noticed.
    """

    def __init__(self) -> None:
        self.pulse = Heartbeat("worker")
        self._session: Any = None
        self._look_at = 0.0

    @property
    def number(self) -> int | None:
        return self.pulse.worker.pk if self.pulse.worker else None

    def keep(self) -> None:
        self.pulse.watch(connections["publicdb"])
        if connection.vendor != "postgresql":
            self.pulse.watch(connection)
            self.pulse.move()
            return
        connection.ensure_connection()
        if self._session is not connection.connection:
            self.pulse.end()
            self.pulse.begin()
            self._session = connection.connection
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_SECONDS
            if publicdb.drop_large_objects(connection):
                log.error(
                    "The public process kept something in the database beside the tables; it was dropped. "
                    "Somebody else may have it in hand: stop serve and look at that machine."
                )
            recovery.recover_dead(dbclock.now(), mine=self.number, forgets=False)  # Senders do, when they look.

    def leave(self) -> None:
        self.pulse.end()
        if self.number:
            Worker.objects.filter(pk=self.number).update(ended=dbclock.now())


watch = ProcessWatch()
# Of the loops on PostgreSQL, which all look at the same moment.
_answer = database_changes.LastAnswer()


class ProgressWatch:
    """Whether a loop beside the clock's gets something done: each round is something, and each statement of its thread.
    One that hangs says nothing of it, and the clock goes on; then nobody who leaves has left."""

    def __init__(self) -> None:
        self.move()

    def move(self) -> None:
        self.moved = time.monotonic()

    @property
    def moves(self) -> bool:
        return time.monotonic() - self.moved < STUCK

    def watch(self) -> None:
        """In the loop's thread, whose connections are its own."""
        for database in connections.all():
            if self._did not in database.execute_wrappers:
                database.execute_wrappers.append(self._did)

    def _did(self, execute: Callable[..., object], sql: str, params: object, many: bool, context: object) -> object:
        result = execute(sql, params, many, context)
        self.move()
        return result


intake_motion, signups_motion = ProgressWatch(), ProgressWatch()


def is_moving() -> bool:
    """All loops; else the supervisor ends this process and starts another one."""
    return watch.pulse.moves and intake_motion.moves and signups_motion.moves


def run_clock() -> None:
    """Ticks until the process is to stop. On PostgreSQL the slow round is a loop of its own."""
    slow_at, slow = 0.0, scheduler.SlowRounds()
    only, changes = SoleSession(CLOCK_LOCK), database_changes.DatabaseChanges(QUIET_SECONDS, answer=_answer)
    lasting = database_changes.DatabaseChanges(QUIET_SECONDS, own=False)

    def round_(has_news: bool) -> None:
        nonlocal slow_at
        clock_jumps.look(dbclock.now(), dbclock.ticks())
        watch.keep()
        if not has_news:
            return
        # On every machine, whoever has the clock; it writes no row, for which one that hangs could keep us waiting.
        with _reported("The note of how far the database has come"):
            copied_installation.keep(dbclock.now())
        if not only.here():
            changes.forget()  # Nobody knows how far whoever had it has come.
            return
        scheduler.tick(dbclock.now(), scheduler.QUICK)
        if connection.vendor != "postgresql" and time.monotonic() >= slow_at and lasting.has_news():
            slow_at = time.monotonic() + SLOW_SECONDS
            slow.tick(dbclock.now(), lasting.written)

    try:
        _every_second("The clock", round_, changes)
        watch.leave()
    finally:
        connections.close_all()


def run_slow_clock() -> None:
    """On PostgreSQL: somebody waits for the quick round, and here a step may take long."""
    only, changes = SoleSession(SLOW_LOCK), database_changes.DatabaseChanges(QUIET_SECONDS, answer=_answer)
    slow, slow_at, waits, written = scheduler.SlowRounds(), 0.0, False, False

    def round_(has_news: bool) -> None:
        nonlocal slow_at, waits, written
        waits, written = waits or has_news, written or (has_news and changes.written)
        if not waits or time.monotonic() < slow_at:
            return
        slow_at = time.monotonic() + SLOW_SECONDS
        if not only.here():
            return
        _belong_to_us()
        slow.tick(dbclock.now(), written)
        waits = written = False
        changes.settle()  # The public database's rows are written each time, and taken back.

    try:
        _every_second("The slow clock", round_, changes)
    finally:
        connections.close_all()


def run_guard(looked: threading.Event) -> None:
    """A loop of its own, and its own connection: what the public process's role holds, no lock of ours waits for."""
    guard = PublicRoleGuard(connection)

    def round_(_has_news: bool) -> None:
        was_shut = guard.is_shut
        try:
            if guard.look():
                log.error(
                    "The public process held what only the house may hold, and its session was ended. "
                    "Somebody else may have it in hand: stop serve and look at that machine."
                )
            if guard.is_shut and not was_shut:
                log.error("Its database role is shut out for ten minutes, and the public pages with it.")
        finally:
            looked.set()

    try:
        _every_second("The look at the public process", round_)
    finally:
        connections.close_all()


def run_intake() -> None:
    """A loop of its own: who has left waits for nothing else that is to be done."""
    only, changes = SoleSession(INTAKE_LOCK), database_changes.DatabaseChanges(answer=_answer)

    def round_(has_news: bool) -> None:
        if not has_news:
            return
        if not only.here():
            changes.forget()  # Nobody knows how far whoever had it has come.
            return
        _belong_to_us()
        scheduler.tick(dbclock.now(), scheduler.FIRST)

    try:
        _every_second("What readers sent", round_, changes, intake_motion)
    finally:
        connections.close_all()


def run_lock_mail() -> None:
    """A loop of its own, in each worker process: a code that locks an organization waits for nothing."""
    changes = database_changes.DatabaseChanges(answer=_answer)

    def round_(has_news: bool) -> None:
        if has_news:
            scheduler.tick(dbclock.now(), scheduler.LOCKS)

    try:
        _every_second("The codes that lock an organization", round_, changes)
    finally:
        connections.close_all()


def _belong_to_us() -> None:
    """This thread's session is cut off together with the clock's when this process hangs."""
    if watch.number and connection.vendor == "postgresql":
        locks.belong_to(watch.number)


def run_signups() -> None:
    """A loop of its own: who has mail to write gets a lane, and nobody's leaving waits for a relay."""
    only, changes = SoleSession(SIGNUPS_LOCK), database_changes.DatabaseChanges(QUIET_SECONDS, answer=_answer)

    def round_(has_news: bool) -> None:
        # A relay that was away is tried again by hours that are kept here, not in the database.
        if not (has_news or signups.memory.tries or signups.memory.held or signups.memory.under_way):
            return
        if not only.here():
            changes.forget()  # Nobody knows how far whoever had it has come.
            return
        _belong_to_us()
        waiting_mail.look(dbclock.now())
        remote_checks.look()
        stuck = signups.memory.stuck
        name = scheduler.SIGNUPS
        scheduler.remember([] if stuck else [name], {name: f"{stuck} mails wait for a route"} if stuck else {})

    try:
        _every_second("The mail to new readers", round_, changes, signups_motion)
    finally:
        connections.close_all()


def run_backup_tails() -> None:
    """A loop of its own: a backup place may take its time."""
    only, tails = SoleSession(TAILS_LOCK), backup_tails.BackupTails()

    def round_(_has_news: bool) -> None:
        if not only.here():
            tails.leave()
            return
        _belong_to_us()
        tails.look()

    try:
        _every_second("What has changed since the last backup", round_)
    finally:
        tails.leave()
        connections.close_all()


def _every_second(
    name: str,
    round_: Callable[[bool], object],
    changes: database_changes.DatabaseChanges | None = None,
    motion: ProgressWatch | None = None,
) -> None:
    """Calls round_(has anything been written?); without `changes` it may have been at any time."""
    while not stopping.is_set():
        if motion is not None:
            motion.move()
            motion.watch()
        with _reported(name):
            has_news = changes is None or changes.has_news()
            if has_news:
                close_old_connections()  # Of a session that is not used nobody asks whether it still works.
            round_(has_news)
        stopping.wait(wakeups.until_next())


@contextlib.contextmanager
def _reported(name: str) -> Iterator[None]:
    """A database that is away for a moment must not end the process."""
    try:
        yield
    except OrganizationLocked:
        pass  # What is left of this round waits until that is unlocked.
    except Exception as error:
        log.error("%s failed and goes on: %s", name, where_it_broke(error))
        close_old_connections()


def run_worker(alive: Callable[[], object] = lambda: None) -> None:
    """The whole worker process, until stopping is set. alive: called as long as all loops move."""
    for motion in (intake_motion, signups_motion):
        motion.move()
    # Test messages and digests are compiled here: what an editor wrote may have been made to take gigabytes.
    limited_process.begin()
    runs = (run_lock_mail, run_intake, run_clock, run_signups, run_backup_tails)
    loops = [threading.Thread(target=loop, daemon=True) for loop in runs]
    metrics.begin()
    if connection.vendor == "postgresql":
        looked = threading.Event()
        threading.Thread(target=run_guard, args=(looked,), daemon=True).start()
        looked.wait(LOOK_SECONDS)  # Who holds locks that we are about to take is thrown out before.
        loops.append(threading.Thread(target=run_slow_clock, daemon=True))
    for thread in (*loops, threading.Thread(target=_show_life, args=(alive,), daemon=True)):
        thread.start()
    if connection.vendor == "postgresql":
        run_engine(["default"], ENGINE_THREADS, stopping, lambda: watch.number, rescues=True)
    else:
        _run_embedded()
    deadline = time.monotonic() + STOP_SECONDS
    for thread in loops:
        thread.join(max(0.0, deadline - time.monotonic()))


def _show_life(alive: Callable[[], object]) -> None:
    while not stopping.wait(QUICK_SECONDS):
        if is_moving():
            alive()


def _run_embedded() -> None:
    """django-tasks-db inside our own loop: asking whether there is a task takes no lock, its own worker's asking
    does."""
    from django_tasks_db.management.commands.db_worker import Worker

    enqueue.ring_again()
    changes = database_changes.DatabaseChanges()
    while not stopping.is_set():
        with _reported("The task engine"):
            if changes.has_news() and DBTaskResult.objects.ready().exists():
                if dropped := enqueue.drop_foreign():
                    log.error("%d tasks were added in the database by other means: dropped.", dropped)
                Worker(
                    queue_names=["default"],
                    interval=0,
                    batch=True,
                    backend_name="default",
                    startup_delay=False,
                    max_tasks=1,
                    worker_id="embedded",
                    excluded_queue_names=[],
                ).run()
                continue
        stopping.wait(wakeups.until_next())
