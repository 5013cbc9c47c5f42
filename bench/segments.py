"""What counting a segment takes: a part of `./run bench audience`, and by itself on a house that is there.

python -m bench.segments                     measures on the house of SAMIZDAT_DATA and prints JSON

Who agreed to appeals for money is every third of those subscribed; the first run writes that down.
Readable segments are one query. Sealed ones open everybody whom the other conditions leave in question; their first
rows have to be there long before the count. Times are of the process itself, without its start.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from bench import common

READABLE_MS, SEALED_SECONDS, FIRST_MS = 200.0, 4.0, 200.0


def segments(house: Any, rounds: int) -> list[common.Target]:
    """The part of bench audience. Limits are those of a million; of fewer the figures are only told."""
    runs = [_run(house) for _ in range(rounds)]
    targets = []
    for name in runs[0]:
        seconds = [run[name]["seconds"] for run in runs]
        found = f"{runs[0][name]['count']:,} of {house.size:,}"
        common.say(f"{house.vendor}, {name}: {common.spread([1000 * one for one in seconds], 1)} ms, {found}")
        if house.size >= 1_000_000:
            targets.append(_target(f"{house.vendor}: {name}", common.median(seconds)))
    return targets


def _target(name: str, seconds: float) -> common.Target:
    if "whom a letter" in name:
        return common.Target(name, seconds, SEALED_SECONDS, "s")
    if "first rows" in name:
        return common.Target(name, 1000 * seconds, FIRST_MS, "ms")
    if "sealed" in name:
        return common.Target(name, seconds, SEALED_SECONDS, "s")
    return common.Target(name, 1000 * seconds, READABLE_MS, "ms")


def _run(house: Any) -> dict[str, dict[str, float]]:
    words = [sys.executable, "-m", "bench.segments"]
    done = subprocess.run(words, env=house.environment, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found


def main() -> int:
    from samizdat.audience.segment_conditions.consent import ConsentCondition
    from samizdat.audience.segment_conditions.days import DayCondition
    from samizdat.audience.segment_conditions.field import FieldCondition
    from samizdat.audience.segment_conditions.fundraising import FundraisingCondition
    from samizdat.audience.segment_conditions.language import LanguageCondition
    from samizdat.audience.segment_conditions.list_status import ListCondition
    from samizdat.audience.segment_conditions.provider import ProviderCondition
    from samizdat.audience.segment_conditions.share import ShareCondition
    from samizdat.audience.segment_conditions.tag import TagCondition
    from samizdat.cli.bootstrap import open_house

    open_house()
    from datetime import UTC, datetime

    from samizdat.accounts.models import Organization
    from samizdat.audience import queries
    from samizdat.audience.segments.campaign_audience import reach_in
    from samizdat.audience.segments.members import MemberReader
    from samizdat.core.segment import All, Not
    from samizdat.core.segment import Any as Any_

    organization, today = Organization.objects.get(), datetime.now(UTC).date()
    list_ = queries.list_by_id(organization, queries.lists(organization)[0].id)
    tags = sorted((queries.count(organization, tag=name), id) for id, name in queries.tags(organization))
    agree(list_.id)
    few, many = TagCondition(tags[0][1]), TagCondition(tags[-1][1])
    fields = {view.tag: view.number for view in queries.fields(organization)}
    name = FieldCondition(next(iter(fields.values())), "begins", "А")
    on_list = ListCondition(list_.id, "subscribed")
    trees = {
        "readable, a tag, a provider, on the list": All((few, ProviderCondition("gmail"), on_list)),
        "readable, a language and joined": All((LanguageCondition("ru"), DayCondition("joined", "last", days=30))),
        "readable, a large tag, a provider, on the list": All((many, ProviderCondition("gmail"), on_list)),
        "readable, one of two tags": Any_((few, many)),
        "readable, without a large tag": Not(many),
        "readable, on the list, without a large tag": All((on_list, Not(many))),
        "readable, on the list, a language": All((on_list, LanguageCondition("ru"))),
        "readable, a provider, may be written to": All((ProviderCondition("gmail"), ConsentCondition(list_.id, "yes"))),
        "readable, agreed to appeals for money, a provider": All(
            (ProviderCondition("gmail"), FundraisingCondition(list_.id))
        ),
        "readable, on the list, did not agree to appeals": All((on_list, Not(FundraisingCondition(list_.id)))),
        "readable, agreed to appeals of any list": FundraisingCondition(),
        "readable, confirmed in a year": All((on_list, DayCondition("confirmed", "last", days=365))),
        "readable, confirmed before that": DayCondition("confirmed", "earlier", days=365),
        "readable, a random tenth": ShareCondition(10, 77),
        "sealed, a name": name,
        "sealed, a name and a tag": All((few, name)),
        "sealed, a name, on the list": All((on_list, name)),
    }
    told: dict[str, dict[str, float]] = {}

    def measure(word: str, deed: Callable[[], int]) -> None:
        deed()  # Once for the caches: whoever builds a segment asks again and again.
        begun = time.perf_counter()
        count = deed()
        told[word] = {"seconds": time.perf_counter() - begun, "count": count}

    for word, tree in trees.items():
        measure(word, MemberReader(organization, tree, today).count)
    measure("first rows of a sealed one", lambda: len(MemberReader(organization, name, today).sample(10)))
    # Behind the send page, which is there before.
    for word, tree in (("readable", All((few, ProviderCondition("gmail")))), ("sealed", name)):
        reader = MemberReader(organization, tree, today)
        measure(f"whom a letter to a {word} one reaches", lambda reader=reader: reach_in(list_, None, reader).may)
    print(json.dumps(told))
    return 0


def agree(list_id: int) -> None:
    """Every third of those subscribed agrees to appeals: the verdicts alone, which is what a count looks at."""
    from django.db.models import F

    from samizdat.audience.models import SUBSCRIBED, Subscription

    rows = Subscription.objects.filter(list=list_id, status=SUBSCRIBED)
    if not rows.filter(fundraising_verdict=1).exists():
        rows.alias(third=F("subscriber_id") % 3).filter(third=0).update(fundraising_verdict=1)


if __name__ == "__main__":
    sys.exit(main())
