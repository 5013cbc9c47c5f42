"""Django's Tasks over procrastinate, for PostgreSQL: any machine's worker may take a task, and a bell that is rung
in a transaction rings when that commits."""

from collections.abc import Callable
from typing import Any

from django.db import close_old_connections, transaction
from django.tasks import Task, TaskResult, TaskResultStatus
from django.tasks.backends.base import BaseTaskBackend
from django.utils import timezone
from django.utils.json import normalize_json
from django.utils.module_loading import import_string

# Procrastinate knows these two: what the first runs is named in its arguments, the other is the clock's slow round.
TASK_NAME = "samizdat.run"
WAITING = "waiting already"

# All tasks there are. A row of the engine's table names one; any other path would be imported and called with
# arguments of whoever wrote it.
_TASKS = ("run_import", "inspect_import", "run_export", "run_bulk_work", "renew")
TASK_PATHS = frozenset(
    {*(f"samizdat.worker.queue.tasks.{name}" for name in _TASKS), "samizdat.worker.queue.sender_slots.send"}
)


class ProcrastinateBackend(BaseTaskBackend):
    supports_defer = True
    supports_priority = True

    def enqueue[**P, R](self, task: Task[P, R], args: list[object], kwargs: dict[str, object]) -> TaskResult[P, R]:
        """The result's id is WAITING when the same task with the same arguments is waiting already."""
        from procrastinate.contrib.django import app
        from procrastinate.exceptions import AlreadyEnqueued

        self.validate_task(task)
        words: dict[str, Any] = {"args": normalize_json(list(args)), "kwargs": normalize_json(dict(kwargs))}
        deferrer = app.configure_task(
            TASK_NAME,
            queue=task.queue_name,
            priority=task.priority,
            schedule_at=task.run_after,
            queueing_lock=f"{task.module_path} {words}",
        )
        try:
            with transaction.atomic():  # A refused row must not spoil the transaction around us.
                number = str(deferrer.defer(path=task.module_path, **words))
        except AlreadyEnqueued:
            number = WAITING
        return self._result(task, number, words)

    def _result[**P, R](self, task: Task[P, R], number: str, words: dict[str, Any]) -> TaskResult[P, R]:
        return TaskResult(
            task=task,
            id=number,
            status=TaskResultStatus.READY,
            enqueued_at=timezone.now(),
            started_at=None,
            last_attempted_at=None,
            finished_at=None,
            args=words["args"],
            kwargs=words["kwargs"],
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )


def run(path: str, args: list[object], kwargs: dict[str, object]) -> None:
    """What procrastinate calls. Only tasks of ours are run, with row numbers, whatever a row of its table says."""
    if path not in TASK_PATHS or kwargs or any(type(arg) is not int for arg in args):
        raise ValueError("This task is not one of ours.")
    call(import_string(path).call, *args)


def call(work: Callable[..., None], *args: object, **kwargs: object) -> None:
    close_old_connections()  # Its threads live on between tasks, and so do their connections.
    try:
        work(*args, **kwargs)
    finally:
        close_old_connections()
