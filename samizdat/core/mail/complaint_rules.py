"""When so many report the emails of a list as spam that admins are told, and that its sending stops.

Gmail and Yahoo want a sender to stay below 0.1 % and refuse one that reaches 0.3 %, each of what it delivered itself.
So it is counted by mailbox provider, since most of them send no reports: of all emails a high share at one of them
would look low. And of the campaigns of the last seven days: a bad one is not made good by three of last month, and a
list that is sent daily has enough of them together.
"""

from datetime import timedelta
from typing import Literal, NamedTuple

WINDOW = timedelta(days=7)


class ComplaintLine(NamedTuple):
    """share: of the emails that were delivered. least: so many subscribers at least, whatever the share: of a small
    list one or two are somebody's mistake."""

    share: float
    least: int


ALARM, STOP = ComplaintLine(0.001, 3), ComplaintLine(0.003, 5)

Reached = Literal["", "alarm", "stop"]


def reached(complaints: int, delivered: int) -> Reached:
    """At one mailbox provider."""
    if _is_over(STOP, complaints, delivered):
        return "stop"
    return "alarm" if _is_over(ALARM, complaints, delivered) else ""


def between(line: Reached, delivered: int) -> tuple[float, float | None]:
    """The shares between which a number of complaints is that has reached this line and no higher one."""
    alarm, stop = (max(line.share, line.least / delivered) for line in (ALARM, STOP))
    return {"": (0, alarm), "alarm": (alarm, stop), "stop": (stop, None)}[line]


def _is_over(line: ComplaintLine, complaints: int, delivered: int) -> bool:
    return complaints >= line.least and complaints >= delivered * line.share
