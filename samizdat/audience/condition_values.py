"""Groups and tags of readers, as the conditions of a letter ask for them, and fields where they are decided beforehand.

Interest groups of Mailchimp come in as tags, "Topics: Law". *|INTERESTED:Topics:Law|* asks for the groups of a
category, {% if tagged "Volunteer" %} for any tag by its whole name. Who carries a tag is readable by number.

Of a letter that a second person agreed to, whether a condition on a field holds is decided with its release as well
(of_fields): else whoever may edit a subscriber chooses afterwards who reads what.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

from samizdat.accounts.models import Organization
from samizdat.audience import sealed_subscribers, tags_and_fields
from samizdat.audience.models import NUMBER_MASK, Subscriber, SubscriberTag
from samizdat.core.content.merge import GROUPS, TAGGED, MergeCondition, escaped_group, split_groups
from samizdat.core.content.message import CompiledContent, ConditionalParts, one_line
from samizdat.core.crypto import seal
from samizdat.vault import keyring

# What conditions compare for who carries a tag: (name of the condition, group).
type Compared = tuple[tuple[str, str], ...]
type Asked = dict[int, Compared]

# Begins the name of a condition that was decided beforehand, as no merge tag does; what it holds is HELD.
_DECIDED, HELD = "=", "1"
# What is no field, but is corrected at the desk like one.
_ADDRESS: Mapping[str, int] = {"EMAIL": seal.ADDRESS}


def known_tags(organization: Organization) -> dict[int, str]:
    """Id -> name; there may be thousands of them."""
    return tags_and_fields.all_tags(organization, keyring.keys(organization))


def names(tags: Mapping[int, str]) -> dict[str, str]:
    """What a letter may ask for, in the shape of Content.fields: each category of groups, and each tag."""
    known = tags.values()
    categories = {name.split(": ", 1)[0] for name in known if ": " in name}
    field_names = {f"{GROUPS}{category}" for category in categories} | {f"{TAGGED}{name.casefold()}" for name in known}
    return dict.fromkeys(field_names, "")


def asked(conditions: Iterable[MergeCondition], known: Callable[[], Mapping[int, str]]) -> Asked:
    """Tag id -> (name of the condition, group) for the tags that the conditions of a letter ask for. known: the names
    of tags, which are opened only where one is asked for."""
    wanted: dict[str, set[tuple[str, str]]] = {}
    for condition in conditions:
        if condition.name.startswith(GROUPS):
            category = condition.name.removeprefix(GROUPS)
            for group in split_groups(condition.value):
                whole = f"{category}: {group}" if category else group
                wanted.setdefault(whole.casefold(), set()).add((condition.name, group))
    if not wanted:
        return {}
    tags = sorted(known().items())
    return {id: tuple(sorted(wanted[name.casefold()])) for id, name in tags if name.casefold() in wanted}


def key_of(name: str) -> int:
    """Of something that is no tag, but is asked for in their place: below zero."""
    return -1 - int.from_bytes(sha256(name.encode()).digest()[:6])


def of_fields(conditions: Iterable[MergeCondition], numbers: Mapping[str, int]) -> Asked:
    """Key -> (name that a condition on a field, or on the address, gets where it is decided beforehand, HELD). numbers:
    merge field tag -> number in every blob."""
    names = {name for it in conditions if (name := _name(numbers, it))}
    return dict(sorted((key_of(name), ((name, HELD),)) for name in names))


def _name(numbers: Mapping[str, int], condition: MergeCondition) -> str:
    """ "" where it asks for nothing that is kept of a reader."""
    number = {**_ADDRESS, **numbers}.get(condition.name)
    return "" if number is None else f"{_DECIDED}{number} {condition.operator} {condition.value}"


def decided(compiled: CompiledContent, compared: Iterable[Compared], numbers: Mapping[str, int]) -> CompiledContent:
    """The same letter, with those conditions on fields that were decided at its release asking for the answer of then.
    numbers: as of of_fields."""
    names = {name for pairs in compared for name, _group in pairs if name.startswith(_DECIDED)}

    def asks(condition: MergeCondition | None) -> MergeCondition | None:
        name = _name(numbers, condition) if condition else ""
        return MergeCondition(name, "has") if name in names else condition

    choices = [tuple((asks(it), first, last) for it, first, last in choice.branches) for choice in compiled.choices]
    return replace(compiled, choices=tuple(map(ConditionalParts, choices))) if names else compiled


def masks(organization: keyring.HasKeys, rows: Sequence[int], asked: Asked) -> dict[int, int]:
    """Row id -> which of the tags asked for they carry, and which conditions on fields hold for them, the first as the
    lowest bit; without those for whom it is none. With fields 10 us and more for each of them, and nothing holds for
    whom the database has something that doesn't open."""
    places = {key: 1 << place for place, key in enumerate(asked)}
    by_row: dict[int, int] = {}
    tags = [key for key in asked if key > 0]
    pairs = SubscriberTag.objects.filter(subscriber__in=rows, tag__in=tags).values_list("subscriber_id", "tag_id")
    for row, tag in pairs if tags else ():
        by_row[row] = by_row.get(row, 0) | places[tag]
    fields = [(places[key], pairs[0][0]) for key, pairs in asked.items() if pairs and pairs[0][0][0] == _DECIDED]
    return _with_fields(organization, rows, fields, by_row) if fields else by_row


def _with_fields(
    organization: keyring.HasKeys, rows: Sequence[int], fields: Sequence[tuple[int, str]], by_row: dict[int, int]
) -> dict[int, int]:
    """fields: (bit, name as of _name)."""
    conditions = [(bit, *_read(name)) for bit, name in fields]
    numbers = {number for _bit, number, _condition in conditions}
    opened = sealed_subscribers.opener(keyring.keys(organization)).open
    for row, blob in Subscriber.objects.filter(id__in=rows).values_list("id", "sealed").iterator():
        try:
            plain = opened(bytes(blob), row & NUMBER_MASK)
            values = {number: one_line(seal.pick(plain, number)) for number in numbers}
        except seal.SealError:
            continue
        mask = sum(bit for bit, number, condition in conditions if condition.holds(values[number]))
        if mask:
            by_row[row] = by_row.get(row, 0) | mask
    return by_row


def _read(name: str) -> tuple[int, MergeCondition]:
    number, operator, value = name.removeprefix(_DECIDED).split(" ", 2)
    return int(number), MergeCondition("", operator, value)


def values(mask: int, compared: Sequence[Compared]) -> dict[str, str]:
    """What conditions compare, of somebody with this mask: `compared` is of each that is asked, in their order."""
    groups: dict[str, list[str]] = {}
    for place, pairs in enumerate(compared):
        for name, group in pairs if mask >> place & 1 else ():
            groups.setdefault(name, []).append(escaped_group(group))
    return {name: ",".join(them) for name, them in groups.items()}


def values_now(subscriber: Subscriber, asked: Asked) -> dict[str, str]:
    """The same of what a subscriber carries at this moment."""
    mask = masks(subscriber.organization, [subscriber.id], asked).get(subscriber.id, 0)
    return values(mask, list(asked.values()))
