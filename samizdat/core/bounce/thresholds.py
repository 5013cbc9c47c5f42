"""When an address is no longer written to: the one table of what follows from what came back by mail.

Only what is the recipient's own fault counts, and only reports that were matched to an email of ours are handed in.
What servers say while we send has a table of its own (core/mail/suppression_rules): there an email that is accepted
proves that somebody lives, while every email that comes back was accepted first.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Literal, NamedTuple

from samizdat.core.bounce.report import Fault, Kind


class Threshold(NamedTuple):
    """So many reports within the last `days`, of so many campaigns."""

    times: int
    days: int
    campaigns: int


# One report that the mailbox does not exist is enough. Soft ones have to last: a mailbox that is full over a holiday is
# somebody's.
HARD = Threshold(1, 3650, 1)
SOFT = Threshold(5, 15, 3)

# A warning, whose failure follows if there is one.
NOT_COUNTED = frozenset({"delayed"})

Suppression = Literal["complaint", "hard", "soft"]
THRESHOLDS: dict[Suppression, Threshold] = {"hard": HARD, "soft": SOFT}
SENTENCES: dict[Suppression, str] = {
    "complaint": "The subscriber, or their provider, reported an email as spam.",
    "hard": "Their server says that this address can’t receive email.",
    "soft": f"Their server rejected {SOFT.times} emails of {SOFT.campaigns} or more campaigns in {SOFT.days} days.",
}


class Counted(NamedTuple):
    """One report about one address. `campaign`: of the email it is about."""

    kind: Kind
    fault: Fault | None
    reason: str
    day: date
    campaign: int | None = None


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
    if _reached(SOFT, [one for one in own if one.kind == "soft"], today):
        return "soft"
    return None


def _reached(threshold: Threshold, reports: list[Counted], today: date) -> bool:
    since = today - timedelta(days=threshold.days)
    recent = {(one.campaign, one.day) for one in reports if one.day > since}
    campaigns = {campaign for campaign, _day in recent}
    return len(recent) >= threshold.times and len(campaigns) >= threshold.campaigns
