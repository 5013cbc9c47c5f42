"""May I write to this subscriber? Consent is a log of facts; this is the one function that reads it.

The log of one subscriber is folded record by record, in the order of day and then of writing, through one
table of moves. The last word wins, with the exceptions that the table names. What stands at the end is the
answer.

Days are readable in the database; the exact time, the wording and the source in detail go into the record's
sealed blob (seal.pack with the numbers AT, WORDING, ... below).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

# The index of each name is its stored code: append only.
KINDS = (
    "asked",  # signed up, not confirmed yet
    "given",  # agreed, with no confirmation outstanding: brought in, noted at the desk, by the API
    "confirmed",  # pressed the link in our letter, or answered it
    "withdrawn",  # left this list, for this purpose
    "objected",  # wants no mail of this purpose, from no list (list 0) or not from this one
    "cleaned",  # the address is dead
    "returned",  # took back the last withdrawal: the button on the leave page, or a mass leaving undone
    "undone",  # what the desk had written down last was taken back: a move from another list, an objection to all mail
)
WAYS = ("import", "form", "desk", "api", "mail", "one-click", "bounce")
PURPOSES = ("newsletter", "fundraising")
LETTERS, APPEALS = PURPOSES
STATUSES = ("pending", "subscribed", "unsubscribed", "cleaned", "nonsubscribed")

ALL_LISTS = 0  # a record with this list speaks for every list of the organization

# Field numbers inside the sealed blob of a consent record (seal.pack). Append only.
AT, SOURCE, WORDING, REASON, LETTER = 0, 1, 2, 3, 4
ASKED_AT = 5  # of a confirmation: when they had signed up
VERSION, LANGUAGE = 6, 7  # of the wording, where it is one that the house keeps: "3" and "ru"
TOLD = 8  # of a sign-up: what they typed into the form, which counts once they confirm (audience/actions/forms)
INDEX = 9  # of a no: version of a key, and by it the index of their address ("1 00ff..."); it goes into no export

# What REASON says of a leaving that nobody wrote: who was asked again by a renewal and did not answer.
NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True)
class ConsentFact:
    """One fact. ``day`` is a day in UTC, ``order`` the position in the log, which decides within one day."""

    kind: str
    list: int
    purpose: str
    day: date
    way: str
    source: str = ""
    order: int = 0
    letter: str = ""  # of a leaving: the edition whose link it was, where that was looked up


@dataclass(frozen=True, slots=True)
class Permission:
    """``record`` is the fact to show when they ask why they get this mail; ``reason`` its kind."""

    reason: str
    record: ConsentFact


@dataclass(frozen=True, slots=True)
class Refusal:
    """``reason`` is one of REASONS; ``record`` the fact behind it, None where there is no record."""

    reason: str
    record: ConsentFact | None


# What a subscription's projection column holds is the index in this tuple: append only. 0 is what a row has
# before anybody asked, and it is not a yes.
REASONS = (
    "not_asked_yet",
    "yes",
    "never_agreed",
    "not_confirmed",
    "left",
    "objected",
    "cleaned",
    "suppressed:bounce",
    "suppressed:complaint",
    "suppressed:erased",
    "suppressed:manual",
    "suppressed:objected",
    "paused",  # they agreed, and asked for nothing until a day
)
YES = 1
PAUSED = REASONS.index("paused")

# (what stood, what was recorded) -> what stands now. A pair that is not here changes nothing.
MOVES = {
    ("never_agreed", "asked"): "not_confirmed",
    ("never_agreed", "given"): "yes",
    ("never_agreed", "confirmed"): "yes",
    ("never_agreed", "withdrawn"): "left",  # an import may know no more than this
    ("never_agreed", "objected"): "objected",
    ("never_agreed", "cleaned"): "cleaned",
    ("not_confirmed", "given"): "yes",
    ("not_confirmed", "confirmed"): "yes",
    ("not_confirmed", "withdrawn"): "left",
    ("not_confirmed", "objected"): "objected",
    ("not_confirmed", "cleaned"): "cleaned",
    # ("yes", "asked") is missing on purpose: whoever types their address into the form must not silence them
    # letters.
    ("yes", "given"): "yes",
    ("yes", "confirmed"): "yes",
    ("yes", "withdrawn"): "left",
    ("yes", "objected"): "objected",
    ("yes", "cleaned"): "cleaned",
    # ("left", "asked") is missing too: whoever types it in must not let a file bring them back. asked_on() tells
    # that their confirmation would be an answer.
    ("left", "given"): "yes",  # only by BRINGS_BACK
    ("left", "confirmed"): "yes",
    ("left", "objected"): "objected",
    ("left", "cleaned"): "cleaned",
    ("objected", "confirmed"): "yes",  # only the reader takes an objection back; or whoever wrote down none of theirs
    ("objected", "cleaned"): "cleaned",
    ("cleaned", "confirmed"): "yes",  # the mailbox answered, so it lives
    ("cleaned", "objected"): "objected",
}

# Who left comes back by their own act, or by a person at the desk who writes down what they said. A file or a
# program that knows nothing of their leaving does not bring them back.
BRINGS_BACK = frozenset({"form", "desk", "mail", "one-click"})

_GONE = frozenset({"left", "objected", "cleaned"})
_COMING_BACK = frozenset({"yes", "not_confirmed"})

# A dead address is dead for every purpose; every other fact speaks for its own purpose only.
_EVERY_PURPOSE = frozenset({"cleaned"})
AGREEING = frozenset({"asked", "given", "confirmed"})


def may(
    records: Iterable[ConsentFact],
    list: int,
    purpose: str,
    now: datetime,
    suppressed: str | None = None,
    paused: date | None = None,
) -> Permission | Refusal:
    """May we write to this subscriber, for this list and purpose, now?

    An appeal for money is a letter of its list that takes a second yes: without one to the letters the answer is
    the same no, whatever they said of appeals. Who leaves the letters leaves the list whole, so a yes to appeals
    counts until then; coming back to the letters is no new one, taking that leaving back brings both.

    ``records`` is their whole log, in any order. ``suppressed`` is the reason for which their address is
    suppressed in the organization (bounce, complaint, objected, ...), None if it is not. ``now`` is aware.
    ``paused`` is the day until which they want nothing of this list; the record of that answer carries it.
    """
    if suppressed is not None:
        return Refusal(f"suppressed:{suppressed}", None)
    known = tuple(records)
    answer = _answer(*_fold(_spoken(known, list, LETTERS, now)))
    if isinstance(answer, Permission) and purpose != LETTERS:
        answer = _answer(*_fold(_spoken(known, list, purpose, now)))
        whole = _last_leaving(_spoken(known, list, LETTERS, now))
        if isinstance(answer, Permission) and whole is not None and _place(answer.record) < _place(whole):
            answer = Refusal("left" if whole.kind == "withdrawn" else whole.kind, whole)
    if isinstance(answer, Permission) and paused is not None and now.astimezone(UTC).date() < paused:
        return Refusal("paused", replace(answer.record, day=paused))
    return answer


# Ways of leaving that a letter offers: its link, and the button that a mailbox makes of its header.
_BY_LETTER = frozenset({"form", "one-click"})
_WRITTEN_TO = frozenset({"yes", "never_agreed"})


def letters_left_by(records: Iterable[ConsentFact], list: int, purpose: str, now: datetime) -> frozenset[str]:
    """The letters by whose link they left this list: what a report counts, once for each of them.

    Only a leaving that really ended something counts, and one that was taken back does not. Whoever came back by
    signing up again did leave by that letter, so it stays. A yes that is not on record, or that a wrong clock has put
    into the future so that it is not believed, does not matter: they got the letter, and left by it. The records carry
    `letter`; otherwise as for may().
    """
    left: set[ConsentFact] = set()
    standing = before = _NOTHING
    for record in _spoken(records, list, purpose, now):
        word, fact = standing
        if record.kind == "withdrawn" and word in _WRITTEN_TO and record.letter and record.way in _BY_LETTER:
            left.add(record)
        elif record.kind == "returned" and word == "left" and fact is not None:
            left.discard(fact)
        standing, before = _step(standing, before, record)
    return frozenset(record.letter for record in left)


def leavings(records: Iterable[ConsentFact], list: int, purpose: str, now: datetime) -> tuple[ConsentFact, ...]:
    """What taking a leaving back would undo: the withdrawal that stands, and those that were recorded after it of
    somebody who had left already. None where something else stands. Otherwise as for may()."""
    withdrawals: tuple[ConsentFact, ...] = ()
    standing = before = _NOTHING
    for record in _spoken(records, list, purpose, now):
        earlier = standing
        standing, before = _step(standing, before, record)
        if standing[0] != "left":
            withdrawals = ()
        elif record.kind == "withdrawn":
            withdrawals = (*withdrawals, record) if standing is earlier else (record,)
    return withdrawals


_ANSWERS = frozenset({"confirmed", "withdrawn", "objected", "cleaned"})


# Days a sign-up waits for its confirmation; the page says seven, a day more for time zones and slow mail.
CONFIRM_DAYS = 8


def last_day(now: datetime) -> date:
    """Sign-ups of earlier days have had their time."""
    return (now.astimezone(UTC) - timedelta(days=CONFIRM_DAYS)).date()


def asked_on(records: Iterable[ConsentFact], list: int, now: datetime, purpose: str = LETTERS) -> frozenset[date]:
    """The days of the sign-ups to this list that nothing has answered since, also of somebody who had left."""
    days: set[date] = set()
    for record in _spoken(records, list, purpose, now):
        if record.kind == "asked":
            days.add(record.day)
        elif record.kind in _ANSWERS:
            days.clear()
    return frozenset(days)


def _spoken(records: Iterable[ConsentFact], list: int, purpose: str, now: datetime) -> Iterable[ConsentFact]:
    """What speaks for this list and purpose, in the order in which it is read."""
    # A day ahead of UTC is today in half the world; later ones are a mistyped year or a wrong clock. A yes
    # from then is not believed, a no is.
    last_day = now.astimezone(UTC).date() + timedelta(days=1)
    mine = (record for record in records if _speaks_for(record, list, purpose, last_day))
    return sorted(mine, key=_place)


def _place(record: ConsentFact) -> tuple[date, int]:
    return record.day, record.order


def _speaks_for(record: ConsentFact, list: int, purpose: str, last_day: date) -> bool:
    here = record.list == list or (record.list == ALL_LISTS and record.kind not in AGREEING)
    meant = record.purpose == purpose or record.kind in _EVERY_PURPOSE
    return here and meant and (record.day <= last_day or record.kind in ("withdrawn", "objected", "cleaned"))


# What stands, and the fact behind it.
type _Standing = tuple[str, ConsentFact | None]
_NOTHING: _Standing = ("never_agreed", None)


def _fold(records: Iterable[ConsentFact]) -> _Standing:
    standing = before = _NOTHING
    for record in records:
        standing, before = _step(standing, before, record)
    return standing


def _step(standing: _Standing, before: _Standing, record: ConsentFact) -> tuple[_Standing, _Standing]:
    """(what stands after this record, what stood before the last that can be taken back: a leaving, an agreement)."""
    word, fact = standing
    if record.kind == "undone":
        # Back to what stood before, so that a list they were moved to by mistake knows nothing of them again.
        written = fact is not None and (fact.way, fact.purpose) == ("desk", record.purpose) and _same_deed(fact, record)
        return (before if written else standing), before
    if record.kind == "returned":
        # Back to what stood before they left: a leaving undone must not make a yes that never was.
        return (before if word == "left" else standing), before
    if word == "objected" and record.kind == "withdrawn":
        return standing, ("left", record)  # What a colleague wrote down may be taken back, not what the reader said.
    to = MOVES.get((standing[0], record.kind))
    if to is None or (standing[0] in _GONE and to in _COMING_BACK and not _brings_back(record)):
        return standing, before
    return (to, record), (standing if to in ("left", "objected") or record.kind == "given" else before)


def _same_deed(fact: ConsentFact, undone: ConsentFact) -> bool:
    """A move is taken back for its list, an objection to all mail for all of them."""
    return fact.kind == ("objected" if undone.list == ALL_LISTS else "given")


def _last_leaving(records: Iterable[ConsentFact]) -> ConsentFact | None:
    """The newest leaving that was not taken back, of letters in the order in which they are read; also one that
    changed nothing, since they had left before."""
    leavings: list[ConsentFact] = []
    standing = before = _NOTHING
    for record in records:
        if record.kind in ("withdrawn", "objected"):
            leavings.append(record)
        elif record.kind == "returned" and standing[0] == "left" and standing[1] is not None:
            undone = _place(standing[1])
            leavings = [leaving for leaving in leavings if leaving.kind != "withdrawn" or _place(leaving) < undone]
        standing, before = _step(standing, before, record)
    return leavings[-1] if leavings else None


def _brings_back(record: ConsentFact) -> bool:
    return record.way in BRINGS_BACK


def _answer(standing: str, record: ConsentFact | None) -> Permission | Refusal:
    if standing == "yes" and record is not None:
        return Permission(record.kind, record)
    return Refusal(standing, record)


# How much a yes is worth when somebody asks for proof, the strongest first; and how old it is.
STRENGTHS = ("confirmed", "elsewhere", "written", "brought")
AGES = ("one", "two", "old", "unknown")


def strength(yes: Permission) -> str:
    """confirmed: by their own act here. elsewhere: so says a file. written: somebody wrote down that they agreed.
    brought: a file says no more than that they are subscribed."""
    if yes.record.way == "import":
        return "elsewhere" if yes.reason == "confirmed" else "brought"
    return "confirmed" if yes.reason in ("confirmed", "returned") or yes.record.way in _OWN_WAYS else "written"


_OWN_WAYS = frozenset({"form", "mail", "one-click"})


def age(consent_date: date | None, today: date) -> str:
    """one: younger than a year; two: than two; old; unknown where nobody told when they agreed."""
    if consent_date is None:
        return "unknown"
    days = (today - consent_date).days
    return "one" if days < 365 else "two" if days < 730 else "old"


def code(verdict: Permission | Refusal) -> int:
    """The small number for the projection column of a subscription; YES (1) alone may be written to."""
    return YES if isinstance(verdict, Permission) else REASONS.index(verdict.reason)


# -- statuses, as people and files say them ----------------------------------------

# What a status in a file means as a fact. Nonsubscribed people never agreed: there is nothing to record.
KIND_OF_STATUS: dict[str, str | None] = {
    "pending": "asked",
    "subscribed": "given",
    "unsubscribed": "withdrawn",
    "cleaned": "cleaned",
    "nonsubscribed": None,
}

# The verdict that may() gives over that one fact, for an import that writes a million rows at once.
CODE_OF_STATUS = {
    "pending": REASONS.index("not_confirmed"),
    "subscribed": YES,
    "unsubscribed": REASONS.index("left"),
    "cleaned": REASONS.index("cleaned"),
    "nonsubscribed": REASONS.index("never_agreed"),
}

_STATUS_OF_STANDING = {
    "never_agreed": "nonsubscribed",
    "not_confirmed": "pending",
    "left": "unsubscribed",
    "objected": "unsubscribed",
    "cleaned": "cleaned",
    "paused": "subscribed",
}


def status(verdict: Permission | Refusal) -> str:
    """The status of a subscription, in the words of STATUSES. Ask may() without ``suppressed``: a suppression
    stands beside the subscription and is no status; it reads as "cleaned" for a bounce and "unsubscribed"
    else."""
    if isinstance(verdict, Permission):
        return "subscribed"
    if verdict.reason.startswith("suppressed:"):
        return "cleaned" if verdict.reason == "suppressed:bounce" else "unsubscribed"
    return _STATUS_OF_STANDING[verdict.reason]


# (known, in the file) -> what they are afterwards. The rule behind it is one order, see strongest(): so the
# files of an export may come in any order, twice, or half, and the end is the same.
MERGES = {
    ("pending", "pending"): "pending",
    ("pending", "subscribed"): "subscribed",  # the service they come from has their confirmation
    ("pending", "unsubscribed"): "unsubscribed",
    ("pending", "cleaned"): "cleaned",
    ("pending", "nonsubscribed"): "pending",  # a file that knows less takes nothing away
    ("subscribed", "pending"): "subscribed",  # an old export, or somebody typed them into a form
    ("subscribed", "subscribed"): "subscribed",
    ("subscribed", "unsubscribed"): "unsubscribed",  # they told somebody no: that counts here too
    ("subscribed", "cleaned"): "cleaned",
    ("subscribed", "nonsubscribed"): "subscribed",  # bought something as well; their yes stays
    ("unsubscribed", "pending"): "unsubscribed",  # nothing in a file brings back who left
    (
        "unsubscribed",
        "subscribed",
    ): "unsubscribed",  # likewise: the file is older than their no, or does not know it
    ("unsubscribed", "unsubscribed"): "unsubscribed",
    ("unsubscribed", "cleaned"): "cleaned",  # stronger: only their own confirmation brings them back
    ("unsubscribed", "nonsubscribed"): "unsubscribed",
    ("cleaned", "pending"): "cleaned",
    ("cleaned", "subscribed"): "cleaned",  # a dead mailbox does not live again by being listed
    ("cleaned", "unsubscribed"): "cleaned",
    ("cleaned", "cleaned"): "cleaned",
    ("cleaned", "nonsubscribed"): "cleaned",
    ("nonsubscribed", "pending"): "pending",
    ("nonsubscribed", "subscribed"): "subscribed",  # they have agreed since
    ("nonsubscribed", "unsubscribed"): "unsubscribed",
    ("nonsubscribed", "cleaned"): "cleaned",
    ("nonsubscribed", "nonsubscribed"): "nonsubscribed",
}

_STRENGTH = ("nonsubscribed", "pending", "subscribed", "unsubscribed", "cleaned")


def strongest(a: str, b: str) -> str:
    """Which of two statuses counts when the files of one export disagree: cleaned, then unsubscribed,
    subscribed, pending, nonsubscribed."""
    return max(a, b, key=_STRENGTH.index)


def merge_status(known: str | None, incoming: str) -> str:
    """Their status after an import: what is known (None: they are new to the list) and what the file says."""
    return incoming if known is None else MERGES[known, incoming]
