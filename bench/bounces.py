"""What reading a message that came back costs, from raw bytes to a report: CPU of one core, without a process.

python -m bench bounces [--rounds 7]
"""

import argparse
import email
import json
import time
from collections.abc import Callable
from pathlib import Path

from bench import common
from samizdat.core.bounce.reading import read

FILES = Path(__file__).parents[1] / "tests" / "payloads" / "bounces"
# Microseconds of a core: 2,000 a second have 500 for the whole way into the database.
TYPICAL, ALL = 200.0, 350.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench bounces", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    rows = [json.loads(line) for line in (FILES / "truth.jsonl").read_text().splitlines()]
    raws = [(FILES / row["file"]).read_bytes() for row in rows]
    typical = [raw for raw in raws if b"message/delivery-status" in raw and 2_500 < len(raw) < 6_000]
    whole, common_kind = _microseconds(raws, options.rounds), _microseconds(typical, options.rounds)
    parser_alone = _microseconds(typical, options.rounds, email.message_from_bytes)
    common.say(f"Python's email parser alone takes {parser_alone:.0f} us of a standard report")
    common.say(
        f"{len(raws)} messages of {sum(map(len, raws)) / len(raws):,.0f} bytes; {len(typical)} reports of 2.5 to 6 KB"
    )
    return common.conclude(
        [common.Target("a standard report", common_kind, TYPICAL, "us"), common.Target("any message", whole, ALL, "us")]
    )


def _microseconds(raws: list[bytes], rounds: int, reader: Callable[[bytes], object] = read) -> float:
    """The best round: others that work on this machine only make it longer."""
    took = []
    for _round in range(rounds):
        began = time.process_time()
        for raw in raws:
            reader(raw)
        took.append((time.process_time() - began) / len(raws) * 1e6)
    return min(took)


if __name__ == "__main__":
    raise SystemExit(main())
