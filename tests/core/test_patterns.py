"""No regular expression of the code goes back and forth over what somebody made for it."""

import json
import re
import resource
import subprocess
import sys
from pathlib import Path

from tests.core import patterns

# Pieces of expressions that are only ever used on texts of so many characters.
BOUNDED = {
    "(?P<element>::": 500,  # stylesheet.LONGEST_SELECTOR
    "templates?[^/]*/": 4_096,  # a path
    '"[^\\x00-\\x1f\\x7f-\\x9f<>': 1_000,  # session.LONGEST_ADDRESS
}


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (600, 600))


def test_every_expression_takes_as_long_as_its_text_is() -> None:
    """In a process of its own, which is ended where one never ends."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.core.patterns"],
        input=json.dumps(BOUNDED),
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        preexec_fn=_limited,
    )
    told = ran.stdout.splitlines()
    slow = [json.loads(line) for line in told if line.startswith("{")]
    assert not slow, "\n".join(f"{one['name']} {one['pattern'][:120]!r} by {one['text']!r}" for one in slow)
    assert ran.returncode == 0, f"{told[-1:]} {ran.stderr[-2000:]}"


def test_a_slow_expression_would_be_found() -> None:
    never_closed = r'<img\b[^<>]*?\balt="([^"]*)"[^<>]*>'
    for slow in (r"<a\b[^>]*>", r"\s+$", r"!\[[^\]]*\]\(", never_closed):
        found = patterns.Found("x", re.compile(slow), frozenset({"search"}))
        assert patterns.slow(found, 20_000) is not None, slow
    fine = patterns.Found("x", re.compile(r"<a\b[^<>]*>|[^\s<>]+"), frozenset({"search"}))
    assert patterns.slow(fine, 1 << 30) is None
