"""What stands beside a letter while it is written: every quick check after a keystroke, and the slow ones alone.

python -m bench checks [--subscribers 100000] [--only sqlite|postgresql] [--times 20]

Two letters: 31 KB of HTML as another service's editor makes it, and 1,500 words of Markdown with 20 links and things to
find. Measured is all that an autosave computes for the list of checks: compiling, and delivery/campaign_checks.look
with its queries. Empty values are counted by opening the sealed fields of everybody on the list, piece by piece.
Spelling is what hunspell takes for words that nobody asked for before, where it is installed.
"""

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import common
from bench.letters import Bench, letter

LOOK = 150.0
WORDS = "The river came at four in the morning and took what stood in the cellar of the archive, box by box. "


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench checks", description=__doc__)
    parser.add_argument("--subscribers", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--only", choices=common.VENDORS)
    options = parser.parse_args()
    return common.on_each_database(options, "bench.checks", lambda data: work(data, options))


def prose() -> str:
    """1,500 words with something for every family of checks."""
    parts = ['# What the river took\n\nDear {{ FNAME | default: "friend" }},']
    for number in range(20):
        parts.append(WORDS * 4)
        parts.append(f"[Read on](https://site{number}.example/a?utm_source=letter) on Friday, {number + 1} November.")
    return "\n\n".join(parts)


def work(data: Path, options: argparse.Namespace) -> int:
    common.open_data(data)
    bench = Bench(options.subscribers)
    common.say(f"\n{options.subscribers:,} subscribers on {options.only}")
    targets = [
        looking(bench, "31 KB of HTML", letter(), "html", options.times),
        looking(bench, "1,500 words of Markdown", prose(), "markdown", options.times),
        counting(bench),
    ]
    spelling()
    return common.conclude(targets)


def draft_of(bench: Bench, body: str, format: str) -> Any:
    from samizdat.campaigns.actions import create
    from samizdat.campaigns.drafts.draft import Draft

    draft = Draft("The river", "", "Nordlicht", "brief@nordlicht.example", "", body, format)
    return create(bench.organization, bench.list, draft, by=None, now=datetime.now(UTC))


def looking(bench: Bench, name: str, body: str, format: str, times: int) -> common.Target:
    """ms of compiling and checking, as after a keystroke; nine of ten rounds have to be quick enough."""
    from samizdat.campaigns.content import proof_of
    from samizdat.delivery.campaign_checks import look

    campaign, now = draft_of(bench, body, format), datetime.now(UTC)
    proof = proof_of(campaign, now)
    look(campaign, now, proof=proof)
    compiled = [_ms(lambda: proof_of(campaign, now)) for _ in range(times)]
    checked = [_ms(lambda: look(campaign, now, proof=proof)) for _ in range(times)]
    both = sorted(one + other for one, other in zip(compiled, checked, strict=True))
    common.say(f"{name}: compiling {common.spread(compiled, 1)} ms, checks {common.spread(checked, 1)} ms")
    return common.Target(f"checks of {name}, p90", both[len(both) * 9 // 10], LOOK, "ms")


def counting(bench: Bench) -> common.Target:
    """ms of the longest piece of counting who has no value."""
    from samizdat.campaigns.checks import missing_values, results
    from samizdat.campaigns.content import proof_of

    campaign, now = draft_of(bench, "Dear {{ FNAME }}", "markdown"), datetime.now(UTC)
    proof = proof_of(campaign, now)
    known, pieces = results.kept(campaign), []
    while not missing_values.finished(known, campaign, missing_values.views_of(campaign, proof.letter), now):
        begin = time.perf_counter()
        known = missing_values.count_on(campaign, proof.letter, known, now)
        pieces.append((time.perf_counter() - begin) * 1000)
    of = known.empties["of"]
    each = sum(pieces) / of * 1000
    common.say(f"empty values of {of:,}: {sum(pieces):,.0f} ms in {len(pieces)} pieces, {each:.1f} us each")
    return common.Target("the longest piece of a count", max(pieces), 600, "ms")


def spelling() -> None:
    from samizdat.campaigns.checks import spelling

    if not spelling.tool()[0]:
        common.say("spelling: hunspell is not installed")
        return
    text = WORDS + " ".join(f"speling{'abcdefghij'[number % 10]}" for number in range(10))
    begin = time.perf_counter()
    spelling.check(0, text)
    common.say(f"spelling of {len(spelling.words_of(text))} new words: {(time.perf_counter() - begin) * 1000:.0f} ms")


def _ms(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000


if __name__ == "__main__":
    sys.exit(main())
