"""A segment as people and other houses write it: the JSON of core/segment with names where it has numbers.

    {"tag": "Riga"}   {"share": {"percent": 10}}   {"field": {"number": "CITY", "op": "is", "value": "Riga"}}
    {"list": {"id": "Letter", "status": "subscribed"}}   {"consent": {"list": "Letter", "state": "yes"}}
    {"appeals": {"list": "Letter"}}

Numbers are understood too. Campaigns do not go along into another house, so a condition on one has its number only.
"""

from typing import Any

from django.utils.translation import gettext as _

from samizdat.audience import queries
from samizdat.audience.actions.segments import new_seed
from samizdat.audience.errors import NoSuchList
from samizdat.audience.segments import describe
from samizdat.audience.segments.errors import SegmentRefused
from samizdat.core import segment


def dump(organization: Any, tree: segment.Tree) -> dict[str, Any]:
    """The segment with the names of this house. Errors: SegmentBroken, since what is gone has no name."""
    describe.check(organization, tree)
    known = describe.Names(organization, str)
    tags = {field.number: field.tag for field in queries.fields(organization)}

    def named(data: dict[str, Any]) -> dict[str, Any]:
        ((name, value),) = data.items()
        match name:
            case "all" | "any":
                return {name: [named(part) for part in value]}
            case "not":
                return {name: named(value)}
            case "tag":
                return {name: known.tags[value]}
            case "list":
                return {name: {**value, "id": known.lists[value["id"]] if value["id"] else 0}}
            case "consent" | "appeals":
                return {name: {**value, "list": known.lists[value["list"]] if value["list"] else 0}}
            case "field":
                return {name: {**value, "number": tags[value["number"]]}}
        return data

    return named(segment.dump(tree))


def read(organization: Any, data: Any) -> segment.Tree:
    """A segment from a JSON text or value with names. Errors: SegmentRefused, SegmentBroken, NoSuchList."""
    if isinstance(data, str):
        try:
            data = segment.parse(data)
        except segment.BadSegment as bad:
            raise describe.refused(bad) from None
    tree = describe.read(_numbered(organization, data, segment.DEEPEST))
    describe.check(organization, tree)
    return tree


def _numbered(organization: Any, data: Any, depth: int) -> Any:
    """Numbers where there are names. What is no condition is left for names.read to refuse."""
    if depth == 0 or not isinstance(data, dict) or len(data) != 1:
        return data
    ((name, value),) = data.items()
    match name, value:
        case "all" | "any", list():
            return {name: [_numbered(organization, part, depth - 1) for part in value]}
        case "not", _value:
            return {name: _numbered(organization, value, depth - 1)}
        case "tag", str():
            return {name: _tag(organization, value)}
        case "list", {"id": str(wanted)}:
            return {name: {**value, "id": _list(organization, wanted)}}
        case "consent" | "appeals", {"list": str(wanted)}:
            return {name: {**value, "list": _list(organization, wanted)}}
        case "field", {"number": str(wanted)}:
            return {name: {**value, "number": _field(organization, wanted)}}
        case "share", dict() if "seed" not in value:
            return {name: {**value, "seed": new_seed()}}
    return data


def _tag(organization: Any, name: str) -> int:
    tag = queries.tag_named(organization, name[: segment.LONGEST_VALUE])
    if tag is None:
        raise SegmentRefused("no_such_tag", _("There is no tag called %(name)s.") % {"name": name[:100]})
    return tag.id


def _list(organization: Any, name: str) -> int:
    try:
        return queries.list_named(organization, name[: segment.LONGEST_VALUE]).id
    except NoSuchList as wrong:
        raise SegmentRefused(wrong.code, str(wrong)) from wrong


def _field(organization: Any, tag: str) -> int:
    for field in queries.fields(organization):
        if field.tag.upper() == tag.strip().upper():
            return field.number
    sentence = _("There is no field with the merge tag %(tag)s. Look at the list of fields.")
    raise SegmentRefused("no_such_field", sentence % {"tag": tag[:100]})
