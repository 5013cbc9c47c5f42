"""What a check gets to see of a letter."""

from dataclasses import dataclass, field
from datetime import datetime

from samizdat.core.checks.whereabouts import Whereabouts
from samizdat.core.flaws import Flaw


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A compiled letter as somebody without any fields reads it. `now`: aware, in the organisation's zone."""

    subject: str
    html: str
    text: str
    links: tuple[str, ...]
    where: Whereabouts
    now: datetime
    preheader: str = ""
    language: str = "en"
    feared: str = ""  # The state that the organisation fears (core/reach); "" for none.
    own: frozenset[str] = field(default_factory=frozenset)  # Hosts of the house itself.
    blocked: frozenset[str] = field(default_factory=frozenset)  # Hosts that readers cannot reach.
    donation: bool = False  # A donation block stands in it.
    to_unasked: bool = False  # Some of its list agreed to appeals, and it goes to the others as well.
    warnings: tuple[str, ...] = ()  # Texts that warn donors, any of which will do; in the letter's language first.

    def flaw(self, code: str, *needles: str, **values: str) -> Flaw:
        """Something worth a look at the place where one of the needles was written."""
        place, line = self.where.place_of(*needles)
        return Flaw(line, code, values, None, "care", place)
