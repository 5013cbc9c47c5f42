"""A segment from its JSON, strictly, and back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from datetime import date

from samizdat.core import fields
from samizdat.core.consent import REASONS, STATUSES
from samizdat.core.crypto.seal import FIRST_FIELD
from samizdat.core.mail.address import PROVIDERS
from samizdat.core.segment.tree import (
    DATE_OPS,
    DAY_OPS,
    DEEPEST,
    HIGHEST,
    LONGEST_JSON,
    LONGEST_VALUE,
    MOST_CONDITIONS,
    MOST_DAYS,
    NUMBER_OPS,
    OPERATORS,
    TEXT_OPS,
    WITHOUT_VALUE,
    All,
    Any,
    BadSegment,
    CampaignCondition,
    ConsentCondition,
    DayCondition,
    FieldCondition,
    FundraisingCondition,
    LanguageCondition,
    Leaf,
    ListCondition,
    Not,
    ProviderCondition,
    ShareCondition,
    TagCondition,
    Tree,
)


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
    return LanguageCondition(value)


def _read_list(value: object) -> Leaf:
    payload = _named(value, "id", "status")
    return ListCondition(_number(payload["id"], 0), _word(payload["status"], ("", *STATUSES)))


def _read_consent(value: object) -> Leaf:
    payload = _named(value, "list", "state")
    return ConsentCondition(_number(payload["list"], 0), _word(payload["state"], REASONS))


def _read_appeals(value: object) -> Leaf:
    payload = _named(value, optional=("list",))
    return FundraisingCondition(_number(payload.get("list", 0), 0))


def _read_day(what: str) -> Callable[[object], Leaf]:
    def read(value: object) -> Leaf:
        payload = _named(value, "op", optional=("day", "days"))
        op = _word(payload["op"], DAY_OPS)
        if op in ("last", "earlier"):
            days = _named(payload, "op", "days")["days"]
            if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= MOST_DAYS:
                raise BadSegment("bad_day")
            return DayCondition(what, op, days=days)
        return DayCondition(what, op, day=_day(_named(payload, "op", "day")["day"]))

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
    payload = _named(value, "number", "op", optional=("value",))
    number, op, text = (
        _number(payload["number"], FIRST_FIELD, 0xFFFF),
        _word(payload["op"], OPERATORS),
        payload.get("value", ""),
    )
    if not isinstance(text, str) or (op in WITHOUT_VALUE) != ("value" not in payload):
        raise BadSegment("bad_value")
    if len(text) > LONGEST_VALUE:
        raise BadSegment("long_value")
    if op in NUMBER_OPS and fields.code("number", text) is None:
        raise BadSegment("bad_number")
    if op in DATE_OPS:
        _day(text)
    if op in TEXT_OPS and op != "filled" and not text.strip():
        raise BadSegment("bad_value")
    return FieldCondition(number, op, text)


def _read_share(value: object) -> Leaf:
    payload = _named(value, "percent", "seed")
    return ShareCondition(_number(payload["percent"], 1, 99), _number(payload["seed"], 0, 2**31 - 1))


_READERS: dict[str, Callable[[object], Leaf]] = {
    "tag": lambda value: TagCondition(_number(value)),
    "language": _read_language,
    "provider": lambda value: ProviderCondition(_word(value, PROVIDERS)),
    "list": _read_list,
    "consent": _read_consent,
    "appeals": _read_appeals,
    "joined": _read_day("joined"),
    "confirmed": _read_day("confirmed"),
    "field": _read_field,
    "campaign": lambda value: CampaignCondition(_number(value)),
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
        case TagCondition(id):
            return {"tag": id}
        case LanguageCondition(code):
            return {"language": code}
        case ProviderCondition(name):
            return {"provider": name}
        case ListCondition(id, status):
            return {"list": {"id": id, "status": status}}
        case ConsentCondition(id, state):
            return {"consent": {"list": id, "state": state}}
        case FundraisingCondition(id):
            return {"appeals": {"list": id}}
        case DayCondition(what, op, day, days):
            return {what: {"op": op, "day": day.isoformat()} if day else {"op": op, "days": days}}
        case FieldCondition(number, op, value):
            return {"field": {"number": number, "op": op} | ({} if op in WITHOUT_VALUE else {"value": value})}
        case CampaignCondition(id):
            return {"campaign": id}
        case ShareCondition(percent, seed):
            return {"share": {"percent": percent, "seed": seed}}
