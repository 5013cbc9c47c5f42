"""Run as a program: brings files in to the list of a house that is there, and says when a slice is stored."""

import os
import signal
import sys
from datetime import datetime

import django


def main() -> None:
    django.setup()
    from samizdat.accounts.models import Organisation
    from samizdat.audience.actions import direct
    from samizdat.audience.bringing import opening
    from samizdat.audience.incoming import prepare
    from samizdat.audience.models import List
    from samizdat.vault import house
    from samizdat.vault.source import InstanceSource

    house.use(InstanceSource(bytes(range(32))))
    opening.WORTH_A_PROCESS = 0
    # Small slices, so that a small file has many places to be killed at.
    from samizdat.audience.actions import imports

    imports.SLICE, imports.STRETCH = 50, 200
    assert prepare.SLICE == 5_000
    now = datetime.fromisoformat(os.environ["TEST_NOW"])
    organisation = Organisation.objects.get(slug=os.environ["TEST_ORGANISATION"])
    list_ = List.objects.get(organisation=organisation)

    def progress(far: object) -> None:
        print("slice", flush=True)
        if os.environ.get("TEST_STANDS_STILL"):
            os.kill(os.getpid(), signal.SIGSTOP)

    made = direct(organisation, list_, sys.argv[1:], now=lambda: now, progress=progress)
    print("done", made.counts, flush=True)


if __name__ == "__main__":
    main()
