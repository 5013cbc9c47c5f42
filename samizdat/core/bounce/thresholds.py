"""When an address is no longer written to for what came back by mail.

Only what is the recipient's own fault counts, and only reports that were matched to an email of ours are handed in.
How often it has to come stands in the one table of core/mail/suppression_rules, beside what servers say while we send.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Literal, NamedTuple

from samizdat.core.bounce.report import Fault, Kind
from samizdat.core.mail.outcome import SURE_ANSWER
from samizdat.core.mail.suppression_rules import NO_SUCH_HOST, RULES, Threshold

# A warning, whose failure follows if there is one.
NOT_COUNTED = frozenset({"delayed"})
# Reasons of core/bounce/reasons -> words of core/mail/outcome.ANSWERS, by which people read why.
_ANSWERS = {"mailbox_full": "full", "disabled": "inactive"}

Suppression = Literal["complaint", "hard", "host", "soft"]
_HOST, _SOFT = RULES[NO_SUCH_HOST].reports, RULES["unavailable"].reports
THRESHOLDS: dict[Suppression, Threshold] = {"hard": RULES[SURE_ANSWER].reports, "host": _HOST, "soft": _SOFT}
# What is older decides nothing, but for what is enough by itself, on the day it comes.
LONGEST = max(threshold.days for why, threshold in THRESHOLDS.items() if why != "hard")
SENTENCES: dict[Suppression, str] = {
    "complaint": "The subscriber, or their provider, reported an email as spam.",
    "hard": "Their server says that this address can’t receive email.",
    "host": f"A server said of {_HOST.campaigns} campaigns that the domain of this address doesn’t exist.",
    "soft": f"Their server rejected {_SOFT.times} emails of {_SOFT.campaigns} or more campaigns in {_SOFT.days} days.",
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
    for why in THRESHOLDS:
        if _reached(THRESHOLDS[why], [entry for entry in own if _row(entry) == why], today):
            return why
    return None


def _row(entry: Counted) -> Suppression:
    if entry.kind == "hard":
        return "host" if entry.reason == "host_unknown" else "hard"
    return "soft"


def answer(kind: Kind, reason: str) -> str:
    """What a report says, in a word of outcome.ANSWERS."""
    if kind == "hard" and reason != "host_unknown":
        return SURE_ANSWER
    return _ANSWERS.get(reason, "unavailable")


def _reached(threshold: Threshold, reports: list[Counted], today: date) -> bool:
    since = today - timedelta(days=threshold.days)
    recent = {(entry.campaign, entry.day) for entry in reports if entry.day > since}
    campaigns = {campaign for campaign, _day in recent}
    return len(recent) >= threshold.times and len(campaigns) >= threshold.campaigns
