"""What a check gets to see of a letter."""

from dataclasses import dataclass, field
from datetime import datetime

from samizdat.core.content.checks.positions import TextPositions
from samizdat.core.content.problems import ContentProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class Readability:
    """A compiled letter as somebody without any fields reads it. `now`: aware, in the organization's zone."""

    subject: str
    html: str
    text: str
    links: tuple[str, ...]
    where: TextPositions
    now: datetime
    preheader: str = ""
    language: str = "en"
    hostile_state: str = ""  # The state that the organization fears (core/jurisdictions); "" for none.
    own: frozenset[str] = field(default_factory=frozenset)  # Hosts of the house itself.
    blocked: frozenset[str] = field(default_factory=frozenset)  # Hosts that readers cannot reach.
    donation: bool = False  # A donation block stands in it.
    to_unasked: bool = False  # Some of its list agreed to appeals, and it goes to the others as well.
    warnings: tuple[str, ...] = ()  # Texts that warn donors, any of which will do; in the letter's language first.

    def flaw(self, code: str, *needles: str, **values: str) -> ContentProblem:
        """Something worth a look at the place where one of the needles was written."""
        place, line = self.where.place_of(*needles)
        return ContentProblem(line, code, values, None, "care", place)
