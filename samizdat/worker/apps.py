"""Django finds the tasks by this, and remote checks the backup places that the desk wants to add, and what a move asks
of other people's servers."""

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig


class WorkerConfig(AppConfig):
    name = "samizdat.worker"

    def ready(self) -> None:
        from samizdat.delivery.actions import remote_checks

        remote_checks.register(_kinds)


def _kinds() -> Mapping[str, Any]:
    from samizdat.backup import place_checks
    from samizdat.moving import surroundings

    return {**place_checks.KINDS, **surroundings.KINDS}
