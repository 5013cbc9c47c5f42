"""Letters as core/letter makes them, within bounds: whoever looks at a draft waits no longer than that (bounded.py)."""

from typing import Any

from samizdat import bounded
from samizdat.core.flaws import Flaw
from samizdat.core.letter import Content, Letter
from samizdat.core.letter import render as render_here


def render(content: Content, **how: Any) -> Letter:
    """What stops a letter that takes longer is said as any other flaw of it."""
    try:
        return bounded.work(content.organisation, render_here, content, **how)
    except bounded.TooMuch:
        return Letter((), (), (), (), (), (), (Flaw(1, "letter_slow", {}, place="letter"),))
