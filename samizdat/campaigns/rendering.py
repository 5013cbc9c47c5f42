"""Letters as core/letter makes them, within bounds: whoever looks at a draft waits no longer than that (bounded.py)."""

from typing import Any

from samizdat import bounded
from samizdat.core.flaws import Flaw
from samizdat.core.letter import Content, Letter
from samizdat.core.letter import render as render_here

# So often a release asks for a helper: others may hold them for a moment, and that is no flaw of its letter.
TRIES = 3


def render(organisation: Any, content: Content, *, tries: int = 1, **how: Any) -> Letter:
    """What stops a letter that takes longer, each time, is said as any other flaw of it."""
    for _again in range(tries):
        try:
            return bounded.work(organisation.pk, render_here, content, **how)
        except bounded.TooMuch:
            continue
    return Letter((), (), (), (), (), (), (Flaw(1, "letter_slow", {}, place="letter"),))
