"""When an address counts as dead: what was answered while a campaign was sent, and what came back later, as one table.

A living subscriber who is taken off loses what they came for, and nobody notices; a dead address that stays costs one
more refusal. So whatever is in doubt waits: for another day, for an admin, or for the next campaign.
"""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from samizdat.core.mail.outcome import NUMBERS, SURE_ANSWER


class Threshold(NamedTuple):
    """So many reports within the last `days`, of so many campaigns."""

    times: int
    days: int
    campaigns: int


class Rule(NamedTuple):
    """How often one has to hear that an address takes no email. days: of servers that refuse it while we send, on so
    many different days, with no email accepted since the first. reports: of emails that came back, each of which was
    accepted first, so that accepting proves nothing."""

    days: int
    reports: Threshold


NO_SUCH_HOST = "no_such_host"
_SOFT = Rule(3, Threshold(5, 15, 3))
# The words of core/mail/outcome.ANSWERS, and NO_SUCH_HOST. A mailbox that is full or shut may be in use again next
# week; three campaigns are most often three weeks.
#
# 5.1.2 and 5.4.4, "there is no such domain", are hard as one reads them, and speak of the address. But no mailbox
# provider says it: a server on our side does, which looked the name up. One whose DNS is broken says it of everybody,
# and of a small domain too few are here to notice. So it has to last, in a session as in a report.
RULES = {
    SURE_ANSWER: Rule(1, Threshold(1, 3650, 1)),
    NO_SUCH_HOST: Rule(3, Threshold(3, 90, 3)),
    "unavailable": _SOFT,
    "full": _SOFT,
    "inactive": _SOFT,
}
# Of a refusal: a number of outcome.ANSWERS -> days. In a session 5.1.2 is "unavailable" (outcome.TABLE, rule 5).
CLASSES = {NUMBERS[name]: rule.days for name, rule in RULES.items() if name in NUMBERS}

# So many of one mailbox provider in one campaign are believed at once, or this share of those whom it answered for, if
# that is more. Where it was measured 115 of 4,200 were dead (2.7 %); four times that is a list that nobody cleaned for
# years, and a provider whose directory is broken says it of nearly all. With fewer than 200 at a provider a share says
# little, and twenty are as many as it takes for a refusal of us (core/mail/refusals.ALIKE).
FLOOR, SHARE = 20, 0.10

# A route is believed where it accepted an email of the same campaign. Where it accepted none and refused so many, an
# admin is asked; of fewer, which may be all there were, nothing follows until a route accepts something.
NONE_ACCEPTED = 5

# Why an address was suppressed, for people: {day}, {days}, and {answer}, the code, are filled in; the doors translate.
REASONS = {
    SURE_ANSWER: "Suppressed on {day}: the mailbox provider said that this mailbox doesn’t exist ({answer}).",
    "unavailable": "Suppressed on {day}: the mailbox provider said on {days} different days that this mailbox is "
    "unavailable (most recently {answer}).",
    "full": "Suppressed on {day}: the mailbox provider said on {days} different days that this mailbox is full (most "
    "recently {answer}).",
    "inactive": "Suppressed on {day}: the mailbox provider said on {days} different days that this mailbox is disabled "
    "(most recently {answer}).",
}
# Why nobody was: {provider}, {count}, {answered}. "": a route.
HELD = {
    "returned": "{count} of {answered} emails came back because their addresses don’t exist. That may be an error at a "
    "sending provider, so no more of these addresses are suppressed. Ask a few of the subscribers another way. If it’s "
    "true, suppress the addresses.",
    "provider": "{provider} says that {count} of {answered} mailboxes don’t exist or don’t work. That may be an error "
    "there, so none of these addresses was suppressed. Ask a few of the subscribers another way. If it’s true, "
    "suppress the addresses.",
    "route": "A sending route says that {count} mailboxes don’t exist or don’t work, and accepted few emails or none. "
    "That may be an error there, so none of these addresses was suppressed. Send a test by this route. If it’s true, "
    "suppress the addresses.",
}


class AnswerDay(NamedTuple):
    """What became of one email to one subscriber. `answer`: a number of outcome.ANSWERS."""

    day: date
    accepted: bool
    answer: int


def is_plausible(bounced: int, answered: int) -> bool:
    """May so many of one mailbox provider be dead, of those for whom it gave a final answer in this campaign?"""
    return bounced <= max(FLOOR, answered * SHARE)


def is_dead(known: Iterable[AnswerDay], after: date | None = None) -> int:
    """On how many days it was said, where that is enough; 0: not enough. `after`: the last day that counts no more,
    since the address was changed on it, or suppressed and came back."""
    days: dict[int, set[date]] = {}
    for entry in sorted(known, key=lambda entry: (entry.day, entry.accepted), reverse=True):
        if entry.accepted or (after is not None and entry.day <= after):
            break
        if entry.answer in CLASSES:
            days.setdefault(CLASSES[entry.answer], set()).add(entry.day)
    heard = {day for some in days.values() for day in some}
    return len(heard) if any(len(heard) >= needed for needed in days) else 0
