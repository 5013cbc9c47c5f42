"""An organization of 4,200 of whom 1,312 are at a provider that refuses us for a missing DMARC record: who waits, and
who is reached once the record is there.

python -m bench refused [--people 4200] [--there 1312]
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench import common
from tests.incoming.mail_servers import READERS, Installation, Ports, until
from tests.ports import free_port
from tests.smtp_server import ScriptedServer

PROVIDER = "large.example"
ANSWER = "550 5.7.1 Unauthenticated email is not accepted: lantern.example does not have a DMARC record"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench refused", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--people", type=int, default=4_200)
    parser.add_argument("--there", type=int, default=1_312)
    options = parser.parse_args()
    there = {f"reader{number}@{PROVIDER}" for number in range(options.there)}
    others = {f"reader{number}@{READERS}" for number in range(options.people - options.there)}
    has_record: list[bool] = []
    with tempfile.TemporaryDirectory() as name, ScriptedServer() as relay:
        relay.keep_content = False
        relay.on("rcpt", ANSWER, when=lambda moment: not has_record and moment.recipient in there)
        installation = Installation(Path(name), Ports(relay.port, relay.port, free_port()), "pipe")
        installation.set_up(sorted(there | others))
        with installation.serving():
            first = _while_refused(installation)
            suppressed = installation.count_suppressed()
            has_record.append(True)
            began = time.monotonic()
            installation.commands(("campaign", "resume", "1"))
            until(lambda: _state(installation) == "finished", 1_800)
            waited = time.monotonic() - began
        got = _received(relay, there | others)
    [refusal] = first["provider_refusals"]
    common.say(
        f"While {PROVIDER} refuses: accepted {first['accepted']:,}, deferred {first['deferred']:,}, bounced "
        f"{first['refused']:,}, suppressed {suppressed:,}; the report names {refusal['provider']} with "
        f"{refusal['waiting']:,} waiting. Once the record is there: {len(got):,} reached in {waited:.1f} s, "
        f"{sum(number > 1 for number in got.values())} of them twice."
    )
    counts = (first["accepted"], first["deferred"], first["refused"], suppressed, len(got), max(got.values()))
    return counts != (len(others), len(there), 0, 0, options.people, 1)


def _while_refused(installation: Installation) -> dict[str, Any]:
    """Status of the campaign once nothing else can be sent."""
    about = ("--subject", "News", "--from", "Lantern <news@lantern.example>")
    body = ("--body", str(installation.folder / "letter.md"))
    installation.commands(("campaign", "new", "--list", "Readers", *about, *body), ("campaign", "send", "1", "--yes"))
    until(lambda: _state(installation) == "waiting", 1_800)
    [printed] = installation.commands(("campaign", "status", "1", "--json"))
    status: dict[str, Any] = json.loads(printed)
    return status


def _state(installation: Installation) -> str:
    [(state,)] = installation.rows("SELECT state FROM campaigns_campaign WHERE id = 1")
    return str(state)


def _received(relay: ScriptedServer, readers: set[str]) -> Counter[str]:
    return Counter({recipient: count for recipient, count in relay.counts().items() if recipient in readers})


if __name__ == "__main__":
    raise SystemExit(main())
