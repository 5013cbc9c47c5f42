"""What the queue's library (django_tasks_db) asks of Django's classes: to be written with brackets, for type checkers.

It has django_stubs_ext see to that for each of them, which imports Django's admin, feeds and forms: 2 MB of each
process, and 30 ms of each command. When it runs, three classes are written so.
"""

import sys
from types import ModuleType
from typing import Any

_PATCH = "django_stubs_ext.patch"


def patch_few() -> None:
    """Called before that library is imported."""
    if _PATCH not in sys.modules:
        module: Any = ModuleType(_PATCH)
        module.monkeypatch = _monkeypatch
        sys.modules[_PATCH] = module


def _monkeypatch() -> None:
    from django.tasks import Task, TaskContext, TaskResult

    classes: tuple[Any, ...] = Task, TaskContext, TaskResult
    for each in classes:
        each.__class_getitem__ = classmethod(lambda cls, _item: cls)
