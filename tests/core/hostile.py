"""Inputs that make a regular expression work as long as it can, derived from the expression itself.

For every place of the parsed expression: what leads up to it once or many times, what stands there many times, and an
end that does not fit. An expression that goes back and forth over such an input takes the square of its length.
"""

import re
from collections.abc import Iterable, Iterator
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

# Signs that are in few sets and begin few things: what comes behind them fits nowhere.
STRANGE = ("\x01", "\n")
LONGEST = 1_000  # of what is repeated: a text has to hold it more than once
# What a range or a category is written out as.
CATEGORY = {
    codes.CATEGORY_DIGIT: "1", codes.CATEGORY_SPACE: " ", codes.CATEGORY_WORD: "a",
    codes.CATEGORY_NOT_DIGIT: "a", codes.CATEGORY_NOT_SPACE: "a", codes.CATEGORY_NOT_WORD: "!",
}  # fmt: skip
LENGTHENED = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.SUBPATTERN, codes.BRANCH)
TRIED = ("a", " ", "1", "<", '"', ".", "-", "\\", "@", "[", "{", "(", ",", ";", "=", "/", "é", "я", "\n", "\x02", "A")


class Shape(NamedTuple):
    before: str  # once
    pump: str  # many times
    end: str  # once

    def text(self, length: int) -> str:
        return self.before + self.pump * (length // len(self.pump) + 1) + self.end


def shapes(pattern: re.Pattern[Any]) -> list[Shape]:
    """What to make hostile texts of, each once."""
    written, flags = pattern.pattern, pattern.flags & ~re.DEBUG
    if isinstance(written, bytes):
        written, flags = written.decode("latin-1"), flags | re.UNICODE
    found: dict[Shape, None] = {}
    for before, pump, after in _shapes(parser.parse(written, flags)):
        if pump and len(before) + len(pump) < LONGEST:
            found |= {Shape(before, pump, end): None for end in (*STRANGE, after)}
    return list(found)


def _shapes(tree: Any) -> Iterator[tuple[str, str, str]]:
    """(once before, many times, once behind)"""
    pumps: dict[tuple[str, str], None] = {}
    _walk(list(tree), "", pumps)
    whole = _sample(tree)
    for before, pump in list(pumps):
        yield before, pump, whole
        yield "", before + pump, whole
        yield "", pump, whole
    for pump in TRIED:
        yield "", pump, whole
        yield whole, pump, whole


def _walk(items: list[Any], before: str, pumps: dict[tuple[str, str], None]) -> None:
    """Notes each place: what leads up to it, what stands there."""
    for place, (code, value) in enumerate(items):
        here = _one(code, value)
        pumps[before, here] = None
        for inner in _inside(code, value):
            pumps[before, _sample(inner)] = None
            _walk(list(inner), before, pumps)
            for other in _others(inner):
                pumps[before, other] = None
        if place + 1 < len(items):
            # What stands here and what comes next, together and in turns.
            pumps[before, here + _one(*items[place + 1])] = None
        before += here
    pumps |= dict.fromkeys(_runs(items))


def _runs(items: list[Any]) -> Iterator[tuple[str, str]]:
    """From one element that may be as long as it likes to another: what lies between, many times, may be taken by the
    first and found by what follows it each time. Apart too, for what has to begin a word.
    """
    long = [place for place, item in enumerate(items) if _is_long(*item)]
    for at, first in enumerate(long):
        before = _sample(items[:first])
        for last in long[at + 1 :]:
            for run in (items[first + 1 : last], items[first + 1 : last + 1]):
                for between in ("", " "):
                    yield before, between + _sample(run)


def _is_long(code: Any, value: Any) -> bool:
    repeats = code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)
    if repeats and value[1] is codes.MAXREPEAT:
        return True
    return code in LENGTHENED and any(_is_long(*item) for inner in _inside(code, value) for item in inner)


def _inside(code: Any, value: Any) -> Iterable[Any]:
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        return (value[2],)
    if code is codes.SUBPATTERN:
        return (value[3],)
    if code is codes.BRANCH:
        return tuple(value[1])
    if code is codes.ATOMIC_GROUP:
        return (value,)
    if code in (codes.ASSERT, codes.ASSERT_NOT):
        return (value[1],)
    return ()


def _others(tree: Any) -> Iterator[str]:
    """Other signs that the only element of a repeat may be."""
    items = list(tree)
    if len(items) == 1 and items[0][0] in (codes.IN, codes.NOT_LITERAL, codes.ANY):
        fits = re.compile(_written(items[0]), re.DOTALL)
        yield from (sign for sign in TRIED if fits.fullmatch(sign))


def _written(item: Any) -> str:
    code, value = item
    if code is codes.ANY:
        return "."
    if code is codes.NOT_LITERAL:
        return f"[^{re.escape(chr(value))}]"
    parts = []
    for kind, one in value:
        if kind is codes.NEGATE:
            parts.append("^")
        elif kind is codes.LITERAL:
            parts.append(re.escape(chr(one)))
        elif kind is codes.RANGE:
            parts.append(f"{re.escape(chr(one[0]))}-{re.escape(chr(one[1]))}")
        elif kind is codes.CATEGORY:
            parts.append({"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}.get(str(one)[9:]) or {
                "NOT_DIGIT": r"\D", "NOT_SPACE": r"\S", "NOT_WORD": r"\W"
            }[str(one)[9:]])  # fmt: skip
    return f"[{''.join(parts)}]"


def _sample(tree: Any) -> str:
    """A text that the expression means, as short as it may be but with each repeat once."""
    return "".join(_one(code, value) for code, value in tree)


def _one(code: Any, value: Any) -> str:
    if code is codes.LITERAL:
        return chr(value)
    if code in (codes.IN, codes.NOT_LITERAL, codes.ANY):
        fits = re.compile(_written((code, value)), re.DOTALL)
        if code is codes.IN:
            for kind, one in value:
                if kind is codes.LITERAL and value[0][0] is not codes.NEGATE:
                    return chr(one)
                if kind is codes.CATEGORY and value[0][0] is not codes.NEGATE:
                    return CATEGORY.get(one, "a")
        found = next((sign for sign in TRIED if fits.fullmatch(sign)), None)
        if found is None and code is codes.IN and value[0][0] is codes.RANGE:
            found = chr(value[0][1][0])
        return found or ""
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        return _sample(value[2]) * max(1, min(value[0], 300))
    if code is codes.SUBPATTERN:
        return _sample(value[3])
    if code is codes.BRANCH:
        return _sample(value[1][0])
    if code is codes.ATOMIC_GROUP:
        return _sample(value)
    return ""
