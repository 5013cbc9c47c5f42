"""A segment from its JSON, strictly, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping

from samizdat.core.segment import registry
from samizdat.core.segment.errors import BadSegment
from samizdat.core.segment.tree import DEEPEST, LONGEST_JSON, MOST_CONDITIONS, All, Any, Not, Tree


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
    kind = registry.by_name().get(name)
    if kind is None:
        raise BadSegment("unknown")
    return kind.read(name, value)


def dump(tree: Tree) -> dict[str, object]:
    """The tree as a JSON value; read(dump(tree)) == tree."""
    match tree:
        case All(parts):
            return {"all": [dump(part) for part in parts]}
        case Any(parts):
            return {"any": [dump(part) for part in parts]}
        case Not(part):
            return {"not": dump(part)}
    return tree.json()
