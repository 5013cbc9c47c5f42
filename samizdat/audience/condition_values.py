"""Groups and tags of readers, as the conditions of a letter ask for them.

Interest groups of Mailchimp come in as tags, "Topics: Law". *|INTERESTED:Topics:Law|* asks for the groups of a
category, {% if tagged "Volunteer" %} for any tag by its whole name. Sealed fields have nothing to do with it: who
carries a tag is readable by number.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from samizdat.accounts.models import Organization
from samizdat.audience import tags_and_fields
from samizdat.audience.models import SubscriberTag
from samizdat.core.content.merge import GROUPS, TAGGED, MergeCondition, escaped_group, split_groups
from samizdat.vault import keyring

# What conditions compare for who carries a tag: (name of the condition, group).
type Compared = tuple[tuple[str, str], ...]
type Asked = dict[int, Compared]


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


def carried(rows: Iterable[int], tags: Sequence[int]) -> dict[int, int]:
    """Row id -> which of these tags they carry, the first as the lowest bit; without those who carry none."""
    if not tags:
        return {}
    places = {tag: 1 << place for place, tag in enumerate(tags)}
    by_row: dict[int, int] = {}
    for row, tag in SubscriberTag.objects.filter(subscriber__in=list(rows), tag__in=list(tags)).values_list(
        "subscriber_id", "tag_id"
    ):
        by_row[row] = by_row.get(row, 0) | places[tag]
    return by_row


def values(carried: int, compared: Sequence[Compared]) -> dict[str, str]:
    """What conditions compare, of somebody who carries these tags: `compared` is of each, in their order."""
    groups: dict[str, list[str]] = {}
    for place, pairs in enumerate(compared):
        for name, group in pairs if carried >> place & 1 else ():
            groups.setdefault(name, []).append(escaped_group(group))
    return {name: ",".join(them) for name, them in groups.items()}


def values_now(row: int, asked: Asked) -> dict[str, str]:
    """The same of what a subscriber carries at this moment."""
    return values(carried([row], list(asked)).get(row, 0), list(asked.values()))
