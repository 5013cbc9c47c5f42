"""What an editor waits for when they work with many readers: filters, counts, and bulk work.

python -m bench desk [--subscribers 100000] [--only sqlite|postgresql] [--times 20]

The readers are a generated Mailchimp export, brought in by the import. Filters are asked as the page asks for them
(queries.filtered, rows and all), at places by chance; bulk work runs as the worker runs it, to its end.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from bench import common

LOOK, TAGGING = 150.0, 2.0
# Seconds that a search takes at most, through 100,000 and through a million.
SEARCH_FEW, SEARCH = 0.3, 3.0
COMPARED = 100_000  # Readers that TAGGING speaks of.


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench desk", description=__doc__)
    parser.add_argument("--subscribers", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--only", choices=common.VENDORS)
    options = parser.parse_args()
    return common.on_each_database(options, "bench.desk", lambda data: work(data, options))


def work(data: Path, options: argparse.Namespace) -> int:
    common.open_data(data)
    from django.db import connection

    from bench.pages import bring_in
    from samizdat.accounts.actions import found_organization
    from samizdat.vault import keyring

    today = datetime.now(UTC).date()
    organization = found_organization("Northern Lantern", source=keyring.open_source(), today=today)
    common.say(f"\n{options.subscribers:,} subscribers on {options.only}")
    list_ = bring_in(organization, options.subscribers, data.with_name("export.zip"))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    targets = [filters(organization, list_, today, options), *searching(organization, options)]
    targets += [tagging(organization, options)]
    moving(organization, list_)
    looking(options)
    return common.conclude(targets)


def filters(organization: Any, list_: Any, today: date, options: argparse.Namespace) -> common.Target:
    """ms until the rows of a page are there; the worst p95 is the figure that counts."""
    from samizdat.audience import queries
    from samizdat.audience.filters import ANY, Filter, Search

    tag = queries.tags(organization)[0][0]
    asked = {
        "a mailbox": Filter(provider=1),
        "a language of nobody": Filter(language="xx"),
        "list, status, mailbox": Filter(list=list_.id, status="subscribed", provider=5),
        "a tag and a language": Filter(tag=tag, language="en"),
        "a tag and a language of nobody": Filter(tag=tag, language="xx"),
        "came by a form": Filter(source="form"),
        "joined today": Filter(since=today, until=today),
        "suppressed": Filter(suppressed=ANY),
        "list, status, tag, mailbox, way": Filter(list_.id, "unsubscribed", tag, provider=3, source="import"),
    }
    common.say(f"  {'':<36}{'median':>9}{'p95':>9}{'count':>9}   ms")
    worst = 0.0
    for name, one in asked.items():
        chance, times = random.Random(name), []
        for _ in range(options.times):
            before = chance.randrange(1, options.subscribers)
            times.append(timed(partial(queries.filtered, organization, one, before)) * 1000)
        times.sort()
        p95 = times[max(0, -(-len(times) * 95 // 100) - 1)]
        counted = timed(Search(organization, one).count) * 1000
        common.say(f"  {name:<36}{common.median(times):>9.1f}{p95:>9.1f}{counted:>9.1f}")
        worst = max(worst, p95)
    return common.Target(f"{options.only}, p95 of the slowest filter", worst, LOOK, "ms")


def searching(organization: Any, options: argparse.Namespace) -> list[common.Target]:
    """Seconds until everybody was opened for part of an address or a name that nobody has, look by look as the page
    asks; and until the first 20 of those whom many have."""
    from samizdat.audience.text_search import TextSearch
    from samizdat.web.audience.views.subscriber_list import HITS, LOOKING

    def whole(text: str) -> int:
        search, below, looks = TextSearch(organization, text), None, 0
        while True:
            page = search.look(below, HITS + 1, LOOKING)
            below, looks = page.below, looks + 1
            if below is None or len(page.ids) > HITS:
                return looks

    worst = 0.0
    for name, text in {
        "part of an address of nobody": "nobody@nowhere",
        "part of a name of nobody": "Ёжъ",
        "two words of nobody": "example никтошенька",
        "part that many have": "gmail",
    }.items():
        whole(text)
        begun = time.process_time()
        times = [timed(partial(whole, text)) for _ in range(common.ROUNDS)]
        cpu = 1000 * (time.process_time() - begun) / common.ROUNDS
        common.say(f"  {'search, ' + name:<42}{common.spread([1000 * one for one in times], 1)} ms, CPU {cpu:,.1f}")
        worst = max(worst, common.median(times))
    limit = SEARCH if options.subscribers > COMPARED else SEARCH_FEW
    return [common.Target(f"{options.only}, slowest search", 1000 * worst, 1000 * limit, "ms")]


def tagging(organization: Any, options: argparse.Namespace) -> common.Target:
    from samizdat.audience.actions import bulk, tags_for
    from samizdat.audience.filters import Filter

    tag = tags_for(organization, ["benchmark"])["benchmark"]
    seconds, work_ = done(organization, bulk.BulkPlan(bulk.TAG, Filter(), tag=tag))
    back = timed(lambda: undone(work_))
    many = work_.changed
    common.say(f"  tagging {many:,}: {seconds:.2f} s; undone in {back:.2f} s")
    return common.Target(f"{options.only}, tagging {COMPARED:,}", seconds * COMPARED / many, TAGGING, "s")


def moving(organization: Any, list_: Any) -> None:
    """Consent records of each, sealed and judged: no figure that must be met."""
    from samizdat.audience.actions import bulk
    from samizdat.audience.filters import Filter

    seconds, work_ = done(
        organization, bulk.BulkPlan(bulk.REMOVE, Filter(provider=1), list=list_.id, words="benchmark")
    )
    back = timed(lambda: undone(work_))
    common.say(f"  taking {work_.changed:,} off a list: {seconds:.2f} s; undone in {back:.2f} s")


def looking(options: argparse.Namespace) -> None:
    """The daily look for typos and doubles: every address is opened."""
    from samizdat.audience import data_quality

    seconds = timed(partial(data_quality.scan, datetime.now(UTC), 3600))
    common.say(f"  looking through {options.subscribers:,} addresses for typos and doubles: {seconds:.2f} s")


def done(organization: Any, plan: Any) -> tuple[float, Any]:
    from samizdat.audience.actions import bulk

    at = datetime.now(UTC)
    begun = time.perf_counter()
    work_ = bulk.begin(organization, plan, now=at)
    bulk.run(work_.id, lambda: at)
    seconds = time.perf_counter() - begun
    work_.refresh_from_db()
    return seconds, work_


def undone(work_: Any) -> None:
    from samizdat.audience.actions import bulk

    bulk.undo(work_, now=datetime.now(UTC))
    bulk.run(work_.id, lambda: datetime.now(UTC))


def timed(deed: Callable[[], object]) -> float:
    begun = time.perf_counter()
    deed()
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
