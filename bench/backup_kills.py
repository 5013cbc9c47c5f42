"""Backup, tail, restore, rotation and lock, killed over and over: always before or after, and always to be gone on
with. Of `bench kill --what backup`; what is looked at after each kill is tests/cli/kills.py.

Half of the kills are at a step of tests/cli/killed.py, the others at a random moment.
"""

import argparse
import atexit
import os
import time
from pathlib import Path

from bench import common

PEOPLE, KILLS = 300, 200
# Findings after which the rest tells nothing new.
MOST_WRONG = 10


def measure(data: Path, options: argparse.Namespace) -> int:
    os.environ["SAMIZDAT_TEST_ROOT"] = str(data.parent)
    from tests import moulds
    from tests.cli.conftest import House
    from tests.cli.kills import ENDED, Kills, kinds, steps

    begun, url = time.monotonic(), ""
    if options.only == "postgresql":
        url = moulds.url_of("killed")
    (data / "house").mkdir()
    house = House(data / "house", url)
    house.init()
    atexit.unregister(moulds.as_admin)  # The whole server is thrown away.
    kills, wrong = Kills(house, options.people, options.seed), list[str]()
    some = options.kinds.split(",") if options.kinds else [*kinds(kills)]
    every = {kind: kill for kind, kill in kinds(kills).items() if kind in some}
    for kind, kill in every.items():
        turn, known = 0, steps(kind)

        def done(kind: str = kind) -> int:
            said = kills.tally.items()
            return sum(count for name, count in said if name.startswith(f"{kind}:") and not name.endswith(ENDED))

        while done() < options.kills // len(kinds(kills)):
            step = "" if turn % 2 else known[turn // 2 % len(known)]
            turn += 1
            try:
                kill(step)
            except AssertionError as error:
                wrong.append(f"{kind}, {step or 'at a random moment'}: {str(error)[:2000]}")
                common.say(f"  WRONG: {wrong[-1]}")
                if len(wrong) > MOST_WRONG:
                    raise SystemExit("Too much is wrong.") from None
        common.say(f"  {kind}: {done()} kills, {time.monotonic() - begun:,.0f} s")
    try:
        kills.everybody_gets_it()
    except AssertionError as error:
        wrong.append(f"the campaign at the end: {error}")
        common.say(f"  WRONG: {wrong[-1]}")
    killed = sum(count for name, count in kills.tally.items() if not name.endswith(ENDED))
    common.say(f"{options.only}: {killed} kills in {time.monotonic() - begun:,.0f} s, {options.people:,} subscribers")
    for name, count in sorted(kills.tally.items()):
        common.say(f"  {count:>5} {name}")
    return common.conclude([common.Target("kills after which something was wrong", len(wrong), 0, "")])
