"""Letters as core/content/render makes them, within bounds: whoever looks at a draft waits no longer than that
(limited_process.py)."""

from samizdat import limited_process
from samizdat.accounts.models import Organization
from samizdat.core.content.problems import ContentProblem
from samizdat.core.content.render import Content, RenderedContent
from samizdat.core.content.render import render as render_here

# So often a release asks for a helper: others may hold them for a moment, and that is no flaw of its letter.
TRIES = 3


def render(organization: Organization, content: Content, *, tries: int = 1, **how: object) -> RenderedContent:
    """What stops a letter that takes longer, each time, is said as any other flaw of it."""
    for _again in range(tries):
        try:
            return limited_process.work(organization.pk, render_here, content, **how)
        except limited_process.TooMuch:
            continue
    return RenderedContent((), (), (), (), (), (), (ContentProblem(1, "letter_slow", {}, place="letter"),))
