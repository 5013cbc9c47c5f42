"""An organization of 4,200 of whom 115 are dead, with a real mail server as its relay: who is suppressed, and how soon.

python -m bench relays [--people 4200] [--dead 115] [--only Postfix|Exim|OpenSMTPD] [--handover pipe|lmtp|socket]

Asks each mail server that is installed; they exclude each other in apt. Their configuration is that of docs/bounces.md.
"""

import argparse

from bench import common
from tests.incoming.mail_servers import SERVERS, Handover, Outcome, two_campaigns, why_not

HANDOVERS: tuple[Handover, ...] = ("pipe", "lmtp", "socket")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench relays", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--people", type=int, default=4_200)
    parser.add_argument("--dead", type=int, default=115)
    parser.add_argument("--only", choices=[server.name for server in SERVERS])
    parser.add_argument("--handover", choices=HANDOVERS)
    options = parser.parse_args()
    wrong = 0
    for server in SERVERS:
        if options.only not in (None, server.name):
            continue
        if reason := why_not(server):
            common.say(reason)
            continue
        for handover in HANDOVERS:
            if options.handover not in (None, handover):
                continue
            outcome = two_campaigns(server, handover, options.people, options.dead)
            common.say(f"{server.name}, {handover}: {sentence(outcome, options.dead)}")
            wrong += not as_it_should_be(outcome, options.people, options.dead)
    return min(wrong, 1)


def sentence(outcome: Outcome, dead: int) -> str:
    return (
        f"{outcome.suppressed} of {dead} dead addresses and {outcome.living_suppressed} living ones were suppressed, "
        f"{outcome.waited.total_seconds():.1f} s after the end of the first campaign. The second one was accepted for "
        f"{outcome.second['accepted']:,}, the provider got {outcome.delivered_again:,}, and the dead addresses were "
        f"tried {outcome.tried_again} times. Reports: {outcome.reports['reports']}."
    )


def as_it_should_be(outcome: Outcome, people: int, dead: int) -> bool:
    counts = (outcome.suppressed, outcome.living_suppressed, outcome.tried_again, outcome.delivered_again)
    return counts == (dead, 0, 0, people - dead)


if __name__ == "__main__":
    raise SystemExit(main())
