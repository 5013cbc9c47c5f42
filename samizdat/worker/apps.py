"""Django finds the tasks by this, and remote checks the backup places that the desk wants to add."""

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig


class WorkerConfig(AppConfig):
    name = "samizdat.worker"

    def ready(self) -> None:
        from samizdat.delivery.actions import remote_checks

        remote_checks.register(_kinds)


def _kinds() -> Mapping[str, Any]:
    from samizdat.backup.place_checks import KINDS

    return KINDS
