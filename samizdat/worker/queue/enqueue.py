"""Rings the bell of the task engine: a doorbell, not a memory. What must be true stands in our own tables."""

from datetime import datetime
from typing import Any

from django.tasks import Task, task_backends
from django_tasks_db.backend import DatabaseBackend

from samizdat.worker.queue.procrastinate_backend import TASK_PATHS, WAITING


def ring(task: Task[..., None], *numbers: int) -> bool:
    """Enqueues a task with row numbers, unless the same is waiting already. False: it was."""
    if embedded() and _waits(task, numbers):
        return False
    return bool(task.enqueue(*numbers).id != WAITING)


def embedded() -> bool:
    """Whether django-tasks-db is the engine, and not procrastinate."""
    return isinstance(task_backends["default"], DatabaseBackend)


def _waits(task: Task[..., None], numbers: tuple[int, ...]) -> bool:
    from django_tasks_db.models import DBTaskResult

    rows = DBTaskResult.objects.filter(status__in=("READY", "RUNNING"), task_path=task.module_path)
    # Compared here: looking into JSON is spelled differently by each database, and few bells wait at a time.
    return any(row.args_kwargs["args"] == list(numbers) for row in rows[:1000])


def begun(queue: str) -> set[tuple[int, ...]]:
    """Arguments of the tasks of a queue that wait or run, on PostgreSQL."""
    from procrastinate.contrib.django import models

    jobs: Any = models.ProcrastinateJob
    rows = jobs.objects.filter(queue_name=queue, status__in=("todo", "doing"))
    return {tuple(args["args"]) for args in rows.values_list("args", flat=True)}


def ring_again() -> int:
    """Puts tasks that a killed process left running back in line. Exact, since one process tree owns the folder."""
    from django_tasks_db.models import DBTaskResult

    return DBTaskResult.objects.filter(status="RUNNING").update(status="READY", started_at=None)


def drop_foreign() -> int:
    """Deletes waiting rows that name no task of ours: django-tasks-db imports whatever a row names. How many."""
    from django_tasks_db.models import DBTaskResult

    return DBTaskResult.objects.filter(status="READY").exclude(task_path__in=TASK_PATHS).delete()[0]


def forget_finished(before: datetime) -> None:
    """What became of a bell is nobody's business a day later."""
    from django_tasks_db.models import DBTaskResult

    DBTaskResult.objects.filter(status__in=("SUCCESSFUL", "FAILED"), finished_at__lt=before).delete()
