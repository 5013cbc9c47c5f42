"""Run as a program: brings files in to the list of a house that is there, and says when a slice is stored."""

import os
import signal
import sys
from datetime import datetime

import django


def main() -> None:
    django.setup()
    from samizdat.accounts.models import Organization
    from samizdat.audience.actions import direct
    from samizdat.audience.imports import inspect
    from samizdat.audience.imports.reading import parse
    from samizdat.audience.models import List
    from samizdat.vault import keyring
    from samizdat.vault.source import InstanceSource

    keyring.use(InstanceSource(bytes(range(32))))
    inspect.WORTH_A_PROCESS = 0
    # Small slices, so that a small file has many places to be killed at.
    from samizdat.audience.imports import actions

    actions.SLICE, actions.STRETCH = 50, 200
    assert parse.SLICE == 5_000
    now = datetime.fromisoformat(os.environ["TEST_NOW"])
    organization = Organization.objects.get(slug=os.environ["TEST_ORGANIZATION"])
    list_ = List.objects.get(organization=organization)

    def progress(far: object) -> None:
        print("slice", flush=True)
        if os.environ.get("TEST_STANDS_STILL"):
            os.kill(os.getpid(), signal.SIGSTOP)

    made = direct(organization, list_, sys.argv[1:], now=lambda: now, progress=progress)
    print("done", made.counts, flush=True)


if __name__ == "__main__":
    main()
