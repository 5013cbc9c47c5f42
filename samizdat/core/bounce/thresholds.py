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


def counts(kind: Kind, fault: Fault | None, reason: str) -> bool:
    """Whether a report says anything against an address at all."""
    return kind == "complaint" or (kind in THRESHOLDS and fault == "recipient" and reason not in NOT_COUNTED)


def suppression(reports: Iterable[Counted], today: date) -> Suppression | None:
    """What these reports about one address lead to, the gravest first; None: it is still written to.

    The same report twice counts once, and one from tomorrow (a clock that is wrong) not at all.
    """
    own = {entry for entry in reports if entry.day <= today and counts(entry.kind, entry.fault, entry.reason)}
    if any(entry.kind == "complaint" for entry in own):
        return "complaint"
    if _reached(HARD, [entry for entry in own if entry.kind == "hard"], today):
        return "hard"
    if _reached(SOFT, [entry for entry in own if entry.kind == "soft"], today):
        return "soft"
    return None


def _reached(threshold: Threshold, reports: list[Counted], today: date) -> bool:
    since = today - timedelta(days=threshold.days)
    recent = {(entry.campaign, entry.day) for entry in reports if entry.day > since}
    campaigns = {campaign for campaign, _day in recent}
    return len(recent) >= threshold.times and len(campaigns) >= threshold.campaigns
