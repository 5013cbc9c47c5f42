"""When an address is no longer written to: the one table of what follows from what came back.

Only what is the recipient's own fault counts, and only reports that were matched to an email of ours are handed in.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Literal, NamedTuple

from samizdat.core.bounce.report import Fault, Kind


class Threshold(NamedTuple):
    """`times` on different days of the last `days`, in so many campaigns, for the code of a suppression."""

    times: int
    days: int
    campaigns: int


# One report that the mailbox does not exist is enough. Soft ones have to last: a mailbox that is full over a holiday is
# somebody's. Within a session softer words than "no such mailbox" count only when they come back on other days.
HARD = Threshold(1, 3650, 1)
SOFT = Threshold(5, 15, 3)
IN_SESSION = Threshold(3, 60, 1)

# A warning, whose failure follows if there is one.
NOT_COUNTED = frozenset({"delayed"})

Suppression = Literal["complaint", "hard", "soft", "in_session"]
THRESHOLDS: dict[Suppression, Threshold] = {"hard": HARD, "soft": SOFT, "in_session": IN_SESSION}
SENTENCES: dict[Suppression, str] = {
    "complaint": "The subscriber, or their provider, reported an email as spam.",
    "hard": "Their server says that this address can’t receive email.",
    "soft": f"Their server rejected {SOFT.times} emails of {SOFT.campaigns} or more campaigns in {SOFT.days} days.",
    "in_session": f"Their server rejected emails on {IN_SESSION.times} different days.",
}


class Counted(NamedTuple):
    """One report about one address. `campaign`: of the email it is about. `in_session`: their server said it while we
    were sending, not afterwards by mail."""

    kind: Kind
    fault: Fault | None
    reason: str
    day: date
    campaign: int | None = None
    in_session: bool = False


def suppression(reports: Iterable[Counted], today: date) -> Suppression | None:
    """What these reports about one address lead to, the gravest first; None: it is still written to.

    The same report twice counts once, and one from tomorrow (a clock that is wrong) not at all.
    """
    known = {one for one in reports if one.day <= today}
    if any(one.kind == "complaint" for one in known):
        return "complaint"
    own = {one for one in known if one.fault == "recipient" and one.reason not in NOT_COUNTED}
    if _reached(HARD, [one for one in own if one.kind == "hard"], today):
        return "hard"
    if _reached(SOFT, [one for one in own if one.kind == "soft" and not one.in_session], today):
        return "soft"
    if _reached(IN_SESSION, [one for one in own if one.kind == "soft" and one.in_session], today):
        return "in_session"
    return None


def _reached(threshold: Threshold, reports: list[Counted], today: date) -> bool:
    since = today - timedelta(days=threshold.days)
    recent = {(one.campaign, one.day) for one in reports if one.day > since}
    days = {day for _campaign, day in recent}
    campaigns = {campaign for campaign, _day in recent}
    counted = len(days) if threshold is IN_SESSION else len(recent)
    return counted >= threshold.times and len(campaigns) >= threshold.campaigns
