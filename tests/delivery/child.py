"""A sender in a process of its own, to be killed: python -m tests.delivery.child DATABASE SETTINGS.

SETTINGS is JSON: {"publicdb": DATABASE}; {"die": [name, calls]} makes it kill itself at that call of a step, see STEPS;
{"die": [name, calls, true]} counts only the calls that are about a message for a person to settle.
"""

import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

# Where a power switch is most unkind: (module, name in it, before or after).
STEPS = {
    "before a result is written": ("samizdat.delivery.engine.result_writer", "write", "before"),
    "after a result is written": ("samizdat.delivery.engine.result_writer", "write", "after"),
    "in the middle of a transaction": ("samizdat.delivery.engine.results", "_store", "before"),
    "after a claim": ("samizdat.delivery.sql", "claim_chunks", "after"),
    "before a chunk is let go": ("samizdat.delivery.sql", "close_chunks", "before"),
    "after a chunk is let go": ("samizdat.delivery.sql", "close_chunks", "after"),
    "in recovery, answers folded": ("samizdat.delivery.engine.recovery", "_book_answers", "after"),
    "in recovery, a chunk freed": ("samizdat.delivery.engine.recovery", "_free", "after"),
    "after S": ("samizdat.delivery.engine.journal:Journal", "s", "after"),
    "after the final dot": ("samizdat.transports.smtp_client.session:SmtpSession", "finish", "after"),
    "before R": ("samizdat.delivery.engine.journal:Journal", "r", "before"),
    "before the journal has a file": ("samizdat.delivery.engine.journal", "_reserve", "before"),
}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(
    step: str,
    calls: int,
    held: bool = False,
    end: Callable[[], None] = die,
    steps: Mapping[str, tuple[str, str, str]] = STEPS,
) -> None:
    """The process kills itself at the given call of a step."""
    place, name, when = steps[step]
    module, _, kind = place.partition(":")
    owner: Any = importlib.import_module(module)
    owner = getattr(owner, kind) if kind else owner
    genuine = getattr(owner, name)
    left = [calls]

    def deadly(*arguments: Any, **named: Any) -> Any:
        left[0] -= not held or any(result.held for result in arguments[0])
        if left[0] == 0 and when == "before":
            end()
        result = genuine(*arguments, **named)
        if left[0] == 0:
            end()
        return result

    setattr(owner, name, deadly)


def main() -> None:
    import django
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = sys.argv[1]
    told = json.loads(sys.argv[2])
    settings.DATABASES["publicdb"]["NAME"] = told["publicdb"]
    django.setup()
    from samizdat.vault import keyring
    from samizdat.vault.source import InstanceSource
    from tests.conftest import INSTANCE_KEY

    keyring.use(InstanceSource(INSTANCE_KEY))
    from samizdat.delivery.engine.sender import run_sender

    if told.get("same_place"):
        from samizdat.delivery import copied_installation

        copied_installation._of_server = dict  # type: ignore[assignment]
    if "die" in told:
        arm(*told["die"])
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    print("ready", flush=True)
    run_sender(stop)


if __name__ == "__main__":
    main()
