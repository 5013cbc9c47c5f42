"""What a DKIM signature adds to a letter of 36 KB, beside what hash and key alone cost on this machine.

python -m bench dkim [--rounds 9]
"""

import argparse
import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from bench import common
from bench.letters import letter
from samizdat.core.content.compile import compile_letter
from samizdat.core.content.message import MessageMaker
from samizdat.core.content.render import Content
from samizdat.core.mail.dkim import SigningKey, SigningMaker, signer

# Microseconds that signing may add to a message besides hash and key, which are the machine's own. It is the same work
# for either kind, and looked at beside Ed25519, whose few microseconds do not hide it.
BESIDES = 10.0
COUNTS = {"ed25519": 400, "rsa": 100}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench dkim", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    compiled, values = _letter()
    plain = MessageMaker(compiled)
    common.say(f"a letter of {len(plain(values)) / 1024:.1f} KB; CPU a message, {options.rounds} rounds in turns")
    keys = {"ed25519": ed25519.Ed25519PrivateKey.generate(), "rsa": rsa.generate_private_key(65537, 2048)}
    besides = {kind: _measure(kind, private, plain, compiled, values, options.rounds) for kind, private in keys.items()}
    return common.conclude([common.Target("signing besides hash and key", besides["ed25519"], BESIDES, "us")])


def _letter() -> tuple[Any, dict[str, str]]:
    content = Content(
        subject="Nordlicht im November",
        body=letter(33),
        format="html",
        from_name="Nordlicht",
        from_address="redaktion@nordlicht.example",
        organization="Nordlicht",
        list_name="Rundbrief",
        list_id="list-1.nordlicht.example",
        to_name="*|FNAME|*",
        fields={"FNAME": ""},
    )
    compiled = compile_letter(content, now=datetime.now(UTC), boundary="ab" * 12).compiled
    token = "b" * 52
    values = {
        "FNAME": "Ada 1",
        "EMAIL": "leserin1@mail1.example",
        "DATE": "Wed, 25 Nov 2026 12:00:00 +0000",
        "MESSAGE_ID": f"<{token}@nordlicht.example>",
        "UNSUB_URL": f"https://nordlicht.example/u/{token}",
        "ARCHIVE_URL": "https://nordlicht.example/a/x",
    }
    return compiled, values


def _measure(kind: str, private: Any, plain: Any, compiled: Any, values: Any, rounds: int) -> float:
    """Median of what is neither hash nor key, in microseconds a message."""
    signed = SigningMaker(compiled, [SigningKey("nordlicht.example", "bench", private)])
    body, sign = plain(values).partition(b"\r\n\r\n")[2], signer(private)

    def floor() -> None:
        sign(hashlib.sha256(body).digest())

    rows = []
    for _ in range(rounds):
        count = COUNTS[kind]
        rows.append([_cost(deed, count) for deed in (lambda: plain(values), lambda: signed(values), floor)])
    common.say(f"  {kind:<8} makes and signs {common.spread([row[1] for row in rows], 1)} us")
    common.say(f"  {'':<8} without signing {common.spread([row[0] for row in rows], 1)} us")
    common.say(f"  {'':<8} hash and key    {common.spread([row[2] for row in rows], 1)} us")
    common.say(f"  {'':<8} added           {common.spread([ours - bare for bare, ours, _ in rows], 1)} us")
    return common.median([ours - bare - least for bare, ours, least in rows])


def _cost(deed: Callable[[], object], count: int) -> float:
    """CPU of one, in microseconds."""
    begun = time.process_time()
    for _ in range(count):
        deed()
    return (time.process_time() - begun) / count * 1e6


if __name__ == "__main__":
    raise SystemExit(main())
