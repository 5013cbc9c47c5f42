"""A segment as people and other houses write it: the JSON of core/segment with names where it has numbers.

    {"tag": "Riga"}   {"share": {"percent": 10}}   {"field": {"number": "CITY", "op": "is", "value": "Riga"}}
    {"list": {"id": "Letter", "status": "subscribed"}}   {"consent": {"list": "Letter", "state": "yes"}}
    {"appeals": {"list": "Letter"}}

Numbers are understood too. Campaigns do not go along into another house, so a condition on one has its number only.
"""

from collections.abc import Callable
from typing import Any

from samizdat.accounts.models import Organization
from samizdat.audience.actions.segments import new_seed
from samizdat.audience.segments import describe, lookup
from samizdat.core import segment
from samizdat.core.segment import registry


def dump(organization: Organization, tree: segment.Tree) -> dict[str, object]:
    """The segment with the names of this house. Errors: SegmentBroken, since what is gone has no name."""
    lookup.check(organization, tree)
    names = describe.Names(organization)

    def named(data: dict[str, Any]) -> dict[str, object]:
        ((name, value),) = data.items()
        match name:
            case "all" | "any":
                return {name: [named(part) for part in value]}
            case "not":
                return {name: named(value)}
        return {name: _with(name, value, lambda kind, number: names.reference(kind).portable(number) if number else 0)}

    return named(segment.dump(tree))


def _with(name: str, value: object, other: Callable[[str, Any], object]) -> object:
    """The value of a condition with something else for the number, or name, of what it asks for."""
    refers = registry.by_name()[name].refers
    if refers is None:
        return value
    kind, place = refers
    if not place:
        return other(kind, value)
    return {**value, place: other(kind, value[place])} if isinstance(value, dict) and place in value else value


def read(organization: Organization, data: object) -> segment.Tree:
    """A segment from a JSON text or value with names. Errors: SegmentRefused, SegmentBroken."""
    if isinstance(data, str):
        try:
            data = segment.parse(data)
        except segment.BadSegment as bad:
            raise describe.refused(bad) from None
    tree = describe.read(_numbered(describe.Names(organization), data, segment.DEEPEST))
    lookup.check(organization, tree)
    return tree


def _numbered(names: describe.Names, data: object, depth: int) -> object:
    """Numbers where there are names. What is no condition is left for describe.read to refuse."""
    if depth == 0 or not isinstance(data, dict) or len(data) != 1:
        return data
    ((name, value),) = data.items()
    match name, value:
        case "all" | "any", list():
            return {name: [_numbered(names, part, depth - 1) for part in value]}
        case "not", _value:
            return {name: _numbered(names, value, depth - 1)}
    kind = registry.by_name().get(name)
    if kind is None:
        return data
    if kind.drawn and isinstance(value, dict) and kind.drawn not in value:
        value = {**value, kind.drawn: new_seed()}

    def number(kind: str, wanted: object) -> object:
        return names.reference(kind).numbered(wanted) if isinstance(wanted, str) else wanted

    return {name: _with(name, value, number)}
