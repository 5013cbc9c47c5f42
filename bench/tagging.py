"""What giving a tag to many takes: a part of `./run bench audience`, and by itself on a house that is there.

python -m bench.tagging                      measures on the house of SAMIZDAT_DATA and prints JSON

Tagged is everybody with one mailbox provider: a sixth of the list, strewn over all of it. Measured is the work as the
worker does it, from begin() to its end; afterwards it is undone.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from bench import common
from bench.import_ import RATIO

SECONDS = 2.0
COMPARED = 100_000  # People that SECONDS speaks of.


def tagging(vendor: str, houses: Sequence[tuple[int, dict[str, str]]], rounds: int) -> list[common.Target]:
    """houses: (size, environment), the largest first."""
    each = {}
    for size, environment in houses:
        runs = [_run(environment) for _ in range(rounds)]
        each[size] = common.median([run["seconds"] / run["changed"] for run in runs])
        seconds = [run["seconds"] for run in runs]
        back = common.spread([run["back"] for run in runs], 2)
        common.say(
            f"{vendor}, tagging {runs[0]['changed']:,.0f} of {size:,}: {common.spread(seconds, 2)} s, "
            f"{each[size] * COMPARED:.2f} s for {COMPARED:,}; undone in {back} s"
        )
    large, small = max(each), min(each)
    targets = [common.Target(f"{vendor}: tagging {COMPARED:,} of {large:,}", each[large] * COMPARED, SECONDS, "s")]
    if small < large:
        ratio = each[large] / each[small]
        targets.append(common.Target(f"{vendor}: tagging, a row, {small:,} to {large:,}", ratio, RATIO, "times"))
    return targets


def _run(environment: dict[str, str]) -> dict[str, float]:
    words = [sys.executable, "-m", "bench.tagging"]
    done = subprocess.run(words, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> int:
    from samizdat.cli.bootstrap import open_house

    open_house()
    from samizdat.accounts.models import Organization
    from samizdat.audience.actions import bulk, tags_for
    from samizdat.audience.filters import Filter

    organization = Organization.objects.get()
    tag = tags_for(organization, ["benchmark"])["benchmark"]
    plan = bulk.BulkPlan(bulk.TAG, Filter(provider=MAILBOXES), tag=tag)
    begun = time.perf_counter()
    work = _done(organization, plan)
    seconds = time.perf_counter() - begun
    begun = time.perf_counter()
    bulk.undo(work, now=_now())
    bulk.run(work.id, _now)
    print(json.dumps({"seconds": seconds, "changed": work.changed, "back": time.perf_counter() - begun}))
    return 0


# Of core.address.PROVIDERS: mail.ru and bk.ru, four of 24 addresses of the generated export.
MAILBOXES = 5


def _done(organization: Any, plan: Any) -> Any:
    from samizdat.audience.actions import bulk

    work = bulk.begin(organization, plan, now=_now())
    bulk.run(work.id, _now)
    work.refresh_from_db()
    return work


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(main())
