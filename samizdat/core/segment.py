"""Segments: saved conditions as a small tree. Read it, explain it in words, test one subscriber.

Stored as JSON, for ever (golden values in the tests); a condition has one name and one value:

    {"all": [...]}   {"any": [...]}   {"not": {...}}
    {"tag": 12}                                       a group is a tag that names its category
    {"language": "ru"}                                "" where none is known
    {"provider": "gmail"}                             a name of address.PROVIDERS
    {"list": {"id": 5, "status": "subscribed"}}       id 0: any list; status "": in any way
    {"consent": {"list": 5, "state": "yes"}}          the verdict of consent.may: one of consent.REASONS
    {"joined": {"op": "before", "day": "2026-01-31"}} likewise on, after; or last, earlier with "days": 30
    {"confirmed": {"op": "last", "days": 30}}
    {"field": {"number": 17, "op": "is", "value": "Riga"}}
    {"campaign": 7}                                   her letter was accepted by the next server
    {"share": {"percent": 10, "seed": 12345}}         the same people each time

Tags, lists, fields and campaigns are their numbers, so that a renamed tag stays the same segment. No condition asks
whether somebody opened a letter or followed a link: nothing of the kind is ever known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from samizdat.core import fields
from samizdat.core.address import PROVIDERS
from samizdat.core.consent import REASONS, STATUSES
from samizdat.core.seal import FIRST_FIELD

# Nobody reads a deeper segment, and a file that nests a million brackets must not exhaust the stack.
DEEPEST = 8
MOST_CONDITIONS = 200
LONGEST_VALUE = 200  # signs of a field's text
LONGEST_JSON = 200_000
MOST_DAYS = 36_500  # a hundred years
HIGHEST = 2**63 - 1  # what a column of either database holds

# Code -> what is wrong, then what to do.
SENTENCES = {
    "too_deep": "This segment has conditions nested too deep, or too many of them: split it into two segments.",
    "not_json": "This is no segment: it is not JSON, or much too long. Write it like this: {'tag': 12}.",
    "one_name": "A condition has one name and one value: write it like this: {'tag': 12}.",
    "unknown": "There is a condition here that nobody knows: look at the list of conditions in the handbook.",
    "bad_value": "A condition has a value that it cannot have: look at the list of conditions in the handbook.",
    "long_value": "A field is compared with a text of more than 200 signs: write a shorter one.",
    "bad_day": "A day is written like 2026-01-31, and a number of days lies between 1 and 36,500: write it so.",
    "bad_number": "A field is compared as a number with something that is none: write it like 12 or 12.5.",
}


class BadSegment(ValueError):
    """Not a segment: `code` of SENTENCES. ``str()`` is a sentence that says what to do."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(SENTENCES[code])


@dataclass(frozen=True, slots=True)
class Tag:
    """She carries this tag."""

    id: int


@dataclass(frozen=True, slots=True)
class Language:
    """She reads this language; "" where none is known."""

    code: str


@dataclass(frozen=True, slots=True)
class Provider:
    """Her mailbox is with this provider."""

    name: str


@dataclass(frozen=True, slots=True)
class OnList:
    """She stands on this list (0: on one at least) with this status ("": any)."""

    list: int
    status: str = ""


@dataclass(frozen=True, slots=True)
class Consent:
    """This is the verdict of consent.may for this list (0: for one at least)."""

    list: int
    state: str = "yes"


@dataclass(frozen=True, slots=True)
class Day:
    """A day of hers (KINDS_OF_DAYS) lies so to a day, or to today less so many days."""

    what: str
    op: str
    day: date | None = None
    days: int = 0


@dataclass(frozen=True, slots=True)
class Field:
    """What a field holds of her compares so (OPERATORS) with this text."""

    number: int
    op: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Campaign:
    """Her letter of this campaign was accepted by the next server."""

    id: int


@dataclass(frozen=True, slots=True)
class Share:
    """She belongs to a random part of everybody: percent of a hundred, chosen by seed (0 to 2**31 - 1)."""

    percent: int
    seed: int


@dataclass(frozen=True, slots=True)
class All:
    """Every part is true; with no parts: everybody."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """One part at least is true; with no parts: nobody."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part is not true."""

    part: Tree


type Leaf = Tag | Language | Provider | OnList | Consent | Day | Field | Campaign | Share
type Tree = Leaf | All | Any | Not

EVERYBODY = All(())
NOBODY = Any(())

KINDS_OF_DAYS = ("joined", "confirmed")
DAY_OPS = ("on", "before", "after", "last", "earlier")  # the last two count days back from today
TEXT_OPS = ("is", "contains", "begins", "filled")
NUMBER_OPS = ("equal", "less", "more")
DATE_OPS = ("on", "before", "after")
YES_OPS = ("yes",)
OPERATORS = (*TEXT_OPS, *NUMBER_OPS, *DATE_OPS, *YES_OPS)
# Kind of a field -> what it can be asked. Whoever has no value is in none of them.
OPS_OF_KIND = {
    "text": TEXT_OPS,
    "number": (*NUMBER_OPS, "filled"),
    "date": (*DATE_OPS, "filled"),
    "choice": ("is", "filled"),
    "yesno": (*YES_OPS, "filled"),
}
BELOW, ABOVE = ("less", "before"), ("more", "after")
_WITHOUT_VALUE = frozenset({"filled", "yes"})


# -- one subscriber ----------------------------------------


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one subscriber.

    lists: list -> (status, reason of its verdict, one of REASONS); fields: number -> text; confirmed: days of her
    confirmations; campaigns: those of which her letter was accepted.
    """

    number: int = 0
    tags: Collection[int] = frozenset()
    language: str = ""
    provider: str = "other"
    joined: date = date.min
    confirmed: Collection[date] = ()
    lists: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    fields: Mapping[int, str] = field(default_factory=dict)
    campaigns: Collection[int] = frozenset()


def test(tree: Tree, facts: Facts, today: date) -> bool:
    """Is this subscriber in the segment on this day?"""
    match tree:
        case All(parts):
            return all(test(part, facts, today) for part in parts)
        case Any(parts):
            return any(test(part, facts, today) for part in parts)
        case Not(part):
            return not test(part, facts, today)
    return _holds(tree, facts, today)


def _holds(leaf: Leaf, facts: Facts, today: date) -> bool:
    match leaf:
        case Tag(id):
            return id in facts.tags
        case Language(code):
            return facts.language == code
        case Provider(name):
            return facts.provider == name
        case OnList(id, status):
            rows = facts.lists.values() if id == 0 else [facts.lists[id]] if id in facts.lists else []
            return any(not status or row[0] == status for row in rows)
        case Consent(id, state):
            rows = facts.lists.values() if id == 0 else [facts.lists[id]] if id in facts.lists else []
            return any(row[1] == state for row in rows)
        case Day():
            days = [facts.joined] if leaf.what == "joined" else facts.confirmed
            return any(_within(day, *span(leaf, today)) for day in days)
        case Field():
            return compares(leaf)(facts.fields.get(leaf.number, ""))
        case Campaign(id):
            return id in facts.campaigns
        case Share():
            return in_share(facts.number, leaf)


def span(leaf: Day, today: date) -> tuple[date | None, date | None]:
    """First and last day that a condition on days holds for; None: open on that side."""
    one = timedelta(days=1)
    match leaf.op:
        case "last":  # today is the first of them
            return today - timedelta(days=leaf.days - 1), None
        case "earlier":
            return None, today - timedelta(days=leaf.days)
    day = leaf.day or today
    match leaf.op:
        case "before":
            return None, day - one if day > date.min else None
        case "after":
            return day + one if day < date.max else None, None
    return day, day


def _within(day: date, first: date | None, last: date | None) -> bool:
    return (first is None or first <= day) and (last is None or day <= last)


# x = (number + seed) * FACTOR, and x cubed is spread evenly for numbers in a row; all of it modulo PRIME. Each step
# stays below 2**63, so that both databases can do it: SQLite would go on in floating point, and PostgreSQL stop.
PRIME, FACTOR = 2_147_483_647, 1_103_515_245


def in_share(number: int, share: Share) -> bool:
    """Is the subscriber of this number in the random part? Neither order nor time of joining decides."""
    x = (number % PRIME + share.seed) % PRIME * FACTOR % PRIME
    return x * x % PRIME * x % PRIME < share_below(share)


def share_below(share: Share) -> int:
    return PRIME * share.percent // 100


def compares(leaf: Field) -> Callable[[str], bool]:
    """Text of a field -> does it compare so? Upper and lower case are one; an empty text is no value.

    Numbers, days and yes are compared by their readable numbers (core/fields), so that a field is asked the same
    whether it is sealed or not.
    """
    wanted = _folded(leaf.value)
    match leaf.op:
        case "filled":
            return lambda text: bool(text.strip())
        case "is":
            return lambda text: bool(text) and _folded(text) == wanted
        case "contains":
            return lambda text: bool(text) and wanted in _folded(text)
        case "begins":
            return lambda text: bool(text) and _folded(text).startswith(wanted)
    return _compares_code(coded(leaf.op), leaf.op, code_in(leaf))


def _folded(text: str) -> str:
    return text.strip().casefold()


def _compares_code(kind: str, op: str, wanted: int) -> Callable[[str], bool]:
    def holds(text: str) -> bool:
        found = fields.code(kind, text) if text else None
        if found is None:
            return False
        return found < wanted if op in BELOW else found > wanted if op in ABOVE else found == wanted

    return holds


def coded(op: str) -> str:
    """The kind of field whose readable numbers an operator compares; "" for those that compare texts."""
    return "number" if op in NUMBER_OPS else "date" if op in DATE_OPS else "yesno" if op in YES_OPS else ""


def code_in(leaf: Field) -> int:
    """The readable number that a condition compares with."""
    return 1 if leaf.op == "yes" else fields.code(coded(leaf.op), leaf.value) or 0


# -- readable and sealed ----------------------------------------


def leaves(tree: Tree) -> Iterator[Leaf]:
    """Every condition of a tree, in the order of reading."""
    match tree:
        case All(parts) | Any(parts):
            for part in parts:
                yield from leaves(part)
        case Not(part):
            yield from leaves(part)
        case _:
            yield tree


# Does a condition on a field have to open it?
type Sealed = Callable[[Field], bool]


def _always(_leaf: Field) -> bool:
    return True


def is_sealed(tree: Tree, sealed: Sealed = _always) -> bool:
    """Does it ask for what is sealed in the database?"""
    return any(isinstance(leaf, Field) and sealed(leaf) for leaf in leaves(tree))


def bound(tree: Tree, upper: bool = True, sealed: Sealed = _always) -> Tree:
    """What can be known without opening anything: everybody of the segment is in its upper bound, and everybody of
    its lower bound is in the segment.
    """
    match tree:
        case Field() if sealed(tree):
            return EVERYBODY if upper else NOBODY
        case Not(part):
            return negated(bound(part, not upper, sealed))
        case All(parts):
            return _all([bound(part, upper, sealed) for part in parts])
        case Any(parts):
            return _any([bound(part, upper, sealed) for part in parts])
    return tree


def negated(tree: Tree) -> Tree:
    if tree == EVERYBODY:
        return NOBODY
    if tree == NOBODY:
        return EVERYBODY
    return tree.part if isinstance(tree, Not) else Not(tree)


def _all(parts: list[Tree]) -> Tree:
    if NOBODY in parts:
        return NOBODY
    left = [part for part in parts if part != EVERYBODY]
    return left[0] if len(left) == 1 else All(tuple(left))


def _any(parts: list[Tree]) -> Tree:
    if EVERYBODY in parts:
        return EVERYBODY
    left = [part for part in parts if part != NOBODY]
    return left[0] if len(left) == 1 else Any(tuple(left))


# (answers to `asks`, pick) -> is she in it?
type Decision = Callable[[Sequence[object], Callable[[int], str]], bool]


@dataclass(frozen=True, slots=True)
class Split:
    """A segment with sealed conditions, taken apart for a streaming decrypt.

    where: readable, and true for everybody of the segment. asks: readable trees of which the database says for each
    row whether they are true. decide(answers to them, pick): is she in it? pick(number of a field) gives its text; it
    is only called where the answers alone do not decide.
    """

    where: Tree
    asks: tuple[Tree, ...]
    decide: Decision


def split(tree: Tree, sealed: Sealed = _always) -> Split:
    """Takes the readable conditions of a segment out of it."""
    rest = tree
    if isinstance(tree, All):  # What stands beside the sealed ones is in `where` already.
        rest = All(tuple(part for part in tree.parts if is_sealed(part, sealed)))
    asks: list[Tree] = []
    decide = _decision(rest, asks, sealed)
    return Split(bound(tree, True, sealed), tuple(asks), decide)


def _decision(tree: Tree, asks: list[Tree], sealed: Sealed) -> Decision:
    if not is_sealed(tree, sealed):
        place = len(asks)
        asks.append(tree)
        return lambda answers, _pick: bool(answers[place])
    match tree:
        case Not(part):
            inner = _decision(part, asks, sealed)
            return lambda answers, pick: not inner(answers, pick)
        case All(parts) | Any(parts):
            # What is readable is one question and asked first: often nothing needs to be opened then.
            opened = [part for part in parts if is_sealed(part, sealed)]
            beside = tuple(part for part in parts if part not in opened)
            decisions = [_decision(part, asks, sealed) for part in ([type(tree)(beside)] if beside else []) + opened]
            if len(decisions) == 1:
                return decisions[0]
            whole = all if isinstance(tree, All) else any
            return lambda answers, pick: whole(one(answers, pick) for one in decisions)
    assert isinstance(tree, Field)
    holds, number = compares(tree), tree.number
    return lambda _answers, pick: holds(pick(number))


# -- as JSON ----------------------------------------


def loads(text: str) -> Tree:
    """The tree in a JSON text. Errors: BadSegment."""
    return read(parse(text))


def parse(text: str) -> object:
    """The value of a JSON text that may be a segment. Errors: BadSegment."""
    if len(text) > LONGEST_JSON:
        raise BadSegment("not_json")
    try:
        return json.loads(text)
    except RecursionError:
        raise BadSegment("too_deep") from None
    except ValueError:
        raise BadSegment("not_json") from None


def read(data: object) -> Tree:
    """The tree in a JSON value. Errors: BadSegment."""
    left = [MOST_CONDITIONS]
    return _read(data, DEEPEST, left)


def _read(data: object, depth: int, left: list[int]) -> Tree:
    left[0] -= 1
    if depth == 0 or left[0] < 0:
        raise BadSegment("too_deep")
    if not isinstance(data, Mapping) or len(data) != 1:
        raise BadSegment("one_name")
    ((name, value),) = data.items()
    match name, value:
        case "all" | "any", list():
            parts = tuple([_read(part, depth - 1, left) for part in value])
            return All(parts) if name == "all" else Any(parts)
        case "not", _:
            return Not(_read(value, depth - 1, left))
    if not isinstance(name, str) or name not in _READERS:
        raise BadSegment("unknown")
    return _READERS[name](value)


def _number(value: object, lowest: int = 1, highest: int = HIGHEST) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise BadSegment("bad_value")
    return value


def _word(value: object, among: Collection[str]) -> str:
    if not isinstance(value, str) or value not in among:
        raise BadSegment("bad_value")
    return value


def _named(value: object, *names: str, optional: Collection[str] = ()) -> Mapping[str, object]:
    if not isinstance(value, Mapping) or not set(names) <= set(value) <= {*names, *optional}:
        raise BadSegment("bad_value")
    return value


def _read_language(value: object) -> Leaf:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_-]{0,8}", value):
        raise BadSegment("bad_value")
    return Language(value)


def _read_list(value: object) -> Leaf:
    told = _named(value, "id", "status")
    return OnList(_number(told["id"], 0), _word(told["status"], ("", *STATUSES)))


def _read_consent(value: object) -> Leaf:
    told = _named(value, "list", "state")
    return Consent(_number(told["list"], 0), _word(told["state"], REASONS))


def _read_day(what: str) -> Callable[[object], Leaf]:
    def read(value: object) -> Leaf:
        told = _named(value, "op", optional=("day", "days"))
        op = _word(told["op"], DAY_OPS)
        if op in ("last", "earlier"):
            days = _named(told, "op", "days")["days"]
            if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= MOST_DAYS:
                raise BadSegment("bad_day")
            return Day(what, op, days=days)
        return Day(what, op, day=_day(_named(told, "op", "day")["day"]))

    return read


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _day(value: object) -> date:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise BadSegment("bad_day")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise BadSegment("bad_day") from None


def _read_field(value: object) -> Leaf:
    told = _named(value, "number", "op", optional=("value",))
    number, op, text = _number(told["number"], FIRST_FIELD, 0xFFFF), _word(told["op"], OPERATORS), told.get("value", "")
    if not isinstance(text, str) or (op in _WITHOUT_VALUE) != ("value" not in told):
        raise BadSegment("bad_value")
    if len(text) > LONGEST_VALUE:
        raise BadSegment("long_value")
    if op in NUMBER_OPS and fields.code("number", text) is None:
        raise BadSegment("bad_number")
    if op in DATE_OPS:
        _day(text)
    if op in TEXT_OPS and op != "filled" and not text.strip():
        raise BadSegment("bad_value")
    return Field(number, op, text)


def _read_share(value: object) -> Leaf:
    told = _named(value, "percent", "seed")
    return Share(_number(told["percent"], 1, 99), _number(told["seed"], 0, 2**31 - 1))


_READERS: dict[str, Callable[[object], Leaf]] = {
    "tag": lambda value: Tag(_number(value)),
    "language": _read_language,
    "provider": lambda value: Provider(_word(value, PROVIDERS)),
    "list": _read_list,
    "consent": _read_consent,
    "joined": _read_day("joined"),
    "confirmed": _read_day("confirmed"),
    "field": _read_field,
    "campaign": lambda value: Campaign(_number(value)),
    "share": _read_share,
}


def dump(tree: Tree) -> dict[str, object]:
    """The tree as a JSON value; read(dump(tree)) == tree."""
    match tree:
        case All(parts):
            return {"all": [dump(part) for part in parts]}
        case Any(parts):
            return {"any": [dump(part) for part in parts]}
        case Not(part):
            return {"not": dump(part)}
        case Tag(id):
            return {"tag": id}
        case Language(code):
            return {"language": code}
        case Provider(name):
            return {"provider": name}
        case OnList(id, status):
            return {"list": {"id": id, "status": status}}
        case Consent(id, state):
            return {"consent": {"list": id, "state": state}}
        case Day(what, op, day, days):
            return {what: {"op": op, "day": day.isoformat()} if day else {"op": op, "days": days}}
        case Field(number, op, value):
            return {"field": {"number": number, "op": op} | ({} if op in _WITHOUT_VALUE else {"value": value})}
        case Campaign(id):
            return {"campaign": id}
        case Share(percent, seed):
            return {"share": {"percent": percent, "seed": seed}}


def depth(tree: Tree) -> int:
    match tree:
        case All(parts) | Any(parts):
            return 1 + max((depth(part) for part in parts), default=0)
        case Not(part):
            return 1 + depth(part)
    return 1


# -- in words ----------------------------------------

# The doors pass these through gettext. Each is a clause about somebody; {a} is a name, {b} a value.
WORDS = {
    "tag": "who has the tag {a}",
    "not tag": "who does not have the tag {a}",
    "language": "who reads {a}",
    "not language": "who does not read {a}",
    "no language": "whose language is not known",
    "not no language": "whose language is known",
    "provider": "whose mailbox is with {a}",
    "not provider": "whose mailbox is not with {a}",
    "list": "who is on {a} in any way",
    "not list": "who is not on {a} at all",
    "list pending": "who has not confirmed {a} yet",
    "not list pending": "who does not wait to confirm {a}",
    "list subscribed": "who is subscribed to {a}",
    "not list subscribed": "who is not subscribed to {a}",
    "list unsubscribed": "who has left {a}",
    "not list unsubscribed": "who has not left {a}",
    "list cleaned": "whose address is dead for {a}",
    "not list cleaned": "whose address is not dead for {a}",
    "list nonsubscribed": "who is on {a} and never agreed to it",
    "not list nonsubscribed": "who is not on {a} without having agreed",
    "consent": "who may not be written to for {a}, because {b}",
    "not consent": "about whom it is not so for {a} that {b}",
    "consent yes": "who may be written to for {a}",
    "not consent yes": "who may not be written to for {a}",
    "joined on": "who joined on {a}",
    "joined before": "who joined before {a}",
    "joined after": "who joined after {a}",
    "joined last": "who joined in the last {a}",
    "joined earlier": "who joined at least {a} ago",
    "not joined on": "who did not join on {a}",
    "not joined before": "who did not join before {a}",
    "not joined after": "who did not join after {a}",
    "not joined last": "who did not join in the last {a}",
    "not joined earlier": "who joined less than {a} ago",
    "confirmed on": "who confirmed on {a}",
    "confirmed before": "who confirmed before {a}",
    "confirmed after": "who confirmed after {a}",
    "confirmed last": "who confirmed in the last {a}",
    "confirmed earlier": "who confirmed at least {a} ago",
    "not confirmed on": "who did not confirm on {a}",
    "not confirmed before": "who did not confirm before {a}",
    "not confirmed after": "who did not confirm after {a}",
    "not confirmed last": "who did not confirm in the last {a}",
    "not confirmed earlier": "who did not confirm at least {a} ago",
    "field is": "whose {a} is {b}",
    "field contains": "whose {a} contains {b}",
    "field begins": "whose {a} begins with {b}",
    "field filled": "whose {a} is filled in",
    "field equal": "whose {a} is {b}",
    "field less": "whose {a} is less than {b}",
    "field more": "whose {a} is more than {b}",
    "field on": "whose {a} is {b}",
    "field before": "whose {a} is before {b}",
    "field after": "whose {a} is after {b}",
    "field yes": "whose {a} is yes",
    "not field is": "whose {a} is not {b}",
    "not field contains": "whose {a} does not contain {b}",
    "not field begins": "whose {a} does not begin with {b}",
    "not field filled": "whose {a} is empty",
    "not field equal": "whose {a} is not {b}",
    "not field less": "whose {a} is not less than {b}",
    "not field more": "whose {a} is not more than {b}",
    "not field on": "whose {a} is not {b}",
    "not field before": "whose {a} is not before {b}",
    "not field after": "whose {a} is not after {b}",
    "not field yes": "whose {a} is not yes",
    "campaign": "who was sent {a}",
    "not campaign": "who was not sent {a}",
    "share": "who is in a random {a} %",
    "not share": "who is not in a random {a} %",
    "not": "for whom this is not so: ({a})",
    "and": "{a} and {b}",
    "or": "{a} or {b}",
    "everybody": "Everybody.",
    "nobody": "Nobody.",
    "whole": "Everybody {a}.",
}

# name(kind, value): "tag", "list", "field" and "campaign" with their numbers, "language" and "provider" with their
# codes, "reason" with one of consent.REASONS, "day" with a date, "days" with a number of them, "text" with a field's.
type Name = Callable[[str, object], str]


def explain(tree: Tree, name: Name, words: Mapping[str, str] = WORDS) -> str:
    """The segment as one sentence: "Everybody who has the tag Riga and who reads Russian."."""
    if tree == EVERYBODY:
        return words["everybody"]
    if tree == NOBODY:
        return words["nobody"]
    return _filled(words["whole"], clause(tree, name, words))


def clause(tree: Tree, name: Name, words: Mapping[str, str] = WORDS, *, no: bool = False) -> str:
    """The segment as a clause about somebody. no: the opposite."""
    match tree:
        case Not(part) if not isinstance(part, All | Any):
            return clause(part, name, words, no=not no)
        case Not(part):
            inner = clause(part, name, words)
            return inner if no else _filled(words["not"], inner)
        case All(parts) | Any(parts):
            said = _joined(parts, words["and" if isinstance(tree, All) else "or"], name, words)
            said = said or words["everybody" if isinstance(tree, All) else "nobody"].rstrip(".").lower()
            return _filled(words["not"], said) if no else said
    key, a, b = _said(tree, name)
    return _filled(words[f"not {key}" if no else key], a, b)


def _joined(parts: tuple[Tree, ...], joint: str, name: Name, words: Mapping[str, str]) -> str:
    said = ""
    for part in parts:
        text = clause(part, name, words)
        if isinstance(part, All | Any) and len(part.parts) > 1 and len(parts) > 1:
            text = f"({text})"
        said = _filled(joint, said, text) if said else text
    return said


def _said(leaf: Leaf, name: Name) -> tuple[str, str, str]:
    """(key of WORDS, {a}, {b})."""
    match leaf:
        case Tag(id):
            return "tag", name("tag", id), ""
        case Language(code):
            return ("language", name("language", code), "") if code else ("no language", "", "")
        case Provider(provider):
            return "provider", name("provider", provider), ""
        case OnList(id, status):
            return f"list {status}".strip(), name("list", id), ""
        case Consent(id, state):
            return ("consent yes" if state == "yes" else "consent"), name("list", id), name("reason", state)
        case Day(what, op, day, days):
            return f"{what} {op}", name("day", day) if day else name("days", days), ""
        case Field(number, op, value):
            kind = "day" if op in DATE_OPS else "text"
            told = date.fromisoformat(value) if op in DATE_OPS else value
            return f"field {op}", name("field", number), name(kind, told) if value else ""
        case Campaign(id):
            return "campaign", name("campaign", id), ""
        case Share(percent, _seed):
            return "share", str(percent), ""


def _filled(text: str, a: str = "", b: str = "") -> str:
    """In one go and without format(): a tag may be called "{b}" or "{0.x}"."""
    return re.sub(r"\{([ab])\}", lambda found: a if found[1] == "a" else b, text)


def references(tree: Tree) -> set[tuple[str, int]]:
    """Which ("tag" | "list" | "field" | "campaign", number) the segment asks for: without one of them it does not
    work any more.
    """
    found: set[tuple[str, int]] = set()
    for leaf in leaves(tree):
        match leaf:
            case Tag(id):
                found.add(("tag", id))
            case OnList(id, _) | Consent(id, _) if id:
                found.add(("list", id))
            case Field(number):
                found.add(("field", number))
            case Campaign(id):
                found.add(("campaign", id))
    return found
