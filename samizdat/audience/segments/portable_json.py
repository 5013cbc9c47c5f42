"""A segment as people and other houses write it: the JSON of core/segment with names where it has numbers.

    {"tag": "Riga"}   {"share": {"percent": 10}}   {"field": {"number": "CITY", "op": "is", "value": "Riga"}}
    {"list": {"id": "Letter", "status": "subscribed"}}   {"consent": {"list": "Letter", "state": "yes"}}
    {"appeals": {"list": "Letter"}}

Numbers are understood too. Campaigns do not go along into another house, so a condition on one has its number only.
"""

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization
from samizdat.audience import queries
from samizdat.audience.actions.segments import new_seed
from samizdat.audience.errors import NoSuchList
from samizdat.audience.segments import describe, lookup
from samizdat.audience.segments.errors import SegmentRefused
from samizdat.core import segment


def dump(organization: Organization, tree: segment.Tree) -> dict[str, object]:
    """The segment with the names of this house. Errors: SegmentBroken, since what is gone has no name."""
    lookup.check(organization, tree)
    known = describe.Names(organization, str)
    names = {
        "tag": known.tags,
        "list": known.lists,
        "field": {field.number: field.tag for field in queries.fields(organization)},
    }

    def named(data: dict[str, Any]) -> dict[str, object]:
        ((name, value),) = data.items()
        match name:
            case "all" | "any":
                return {name: [named(part) for part in value]}
            case "not":
                return {name: named(value)}
        return {name: _with(name, value, lambda kind, number: names[kind][number] if number else 0)}

    return named(segment.dump(tree))


def _with(name: str, value: object, other: Callable[[str, Any], object]) -> object:
    """The value of a condition with something else for the number, or name, of what it asks for."""
    refers = segment.BY_NAME[name].refers
    if refers is None or refers[0] not in _NUMBERS:
        return value
    kind, place = refers
    if not place:
        return other(kind, value)
    return {**value, place: other(kind, value[place])} if isinstance(value, dict) and place in value else value


def read(organization: Organization, data: object) -> segment.Tree:
    """A segment from a JSON text or value with names. Errors: SegmentRefused, SegmentBroken, NoSuchList."""
    if isinstance(data, str):
        try:
            data = segment.parse(data)
        except segment.BadSegment as bad:
            raise describe.refused(bad) from None
    tree = describe.read(_numbered(organization, data, segment.DEEPEST))
    lookup.check(organization, tree)
    return tree


def _numbered(organization: Organization, data: object, depth: int) -> object:
    """Numbers where there are names. What is no condition is left for describe.read to refuse."""
    if depth == 0 or not isinstance(data, dict) or len(data) != 1:
        return data
    ((name, value),) = data.items()
    match name, value:
        case "all" | "any", list():
            return {name: [_numbered(organization, part, depth - 1) for part in value]}
        case "not", _value:
            return {name: _numbered(organization, value, depth - 1)}
        case "share", dict() if "seed" not in value:
            return {name: {**value, "seed": new_seed()}}
    if name not in segment.BY_NAME:
        return data

    def number(kind: str, wanted: object) -> object:
        return _NUMBERS[kind](organization, wanted) if isinstance(wanted, str) else wanted

    return {name: _with(name, value, number)}


def _tag(organization: Organization, name: str) -> int:
    tag = queries.tag_named(organization, name[: segment.LONGEST_VALUE])
    if tag is None:
        raise SegmentRefused("no_such_tag", _("There is no tag called “%(name)s”.") % {"name": name[:100]})
    return tag.id


def _list(organization: Organization, name: str) -> int:
    try:
        return queries.list_named(organization, name[: segment.LONGEST_VALUE]).id
    except NoSuchList as wrong:
        raise SegmentRefused(wrong.code, str(wrong)) from wrong


def _field(organization: Organization, tag: str) -> int:
    for field in queries.fields(organization):
        if field.tag.upper() == tag.strip().upper():
            return field.number
    sentence = _("There is no field with the merge tag %(tag)s. Check the list of fields.")
    raise SegmentRefused("no_such_field", sentence % {"tag": tag[:100]})


# Kind of what has a name here -> its number. Campaigns have none that another house knows.
_NUMBERS: dict[str, Callable[[Any, str], int]] = {"tag": _tag, "list": _list, "field": _field}
