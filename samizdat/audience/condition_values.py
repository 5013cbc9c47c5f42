"""Groups and tags of readers, as the conditions of a letter ask for them.

Interest groups of Mailchimp come in as tags, "Topics: Law". *|INTERESTED:Topics:Law|* asks for the groups of a
category, {% if tagged "Volunteer" %} for any tag by its whole name. Sealed fields have nothing to do with it: who
carries a tag is readable by number.
"""

from collections.abc import Iterable, Mapping

from samizdat.accounts.models import Organization
from samizdat.audience import tags_and_fields
from samizdat.audience.models import SubscriberTag
from samizdat.core.content.merge import GROUPS, TAGGED, MergeCondition, escaped_group, split_groups
from samizdat.vault import keyring

type Asked = dict[int, tuple[tuple[str, str], ...]]


def names(organization: Organization) -> dict[str, str]:
    """What a letter may ask for, in the shape of Content.fields: each category of groups, and each tag."""
    known = tags_and_fields.all_tags(organization, keyring.keys(organization)).values()
    categories = {name.split(": ", 1)[0] for name in known if ": " in name}
    field_names = {f"{GROUPS}{category}" for category in categories} | {f"{TAGGED}{name.casefold()}" for name in known}
    return dict.fromkeys(field_names, "")


def asked(organization: Organization, conditions: Iterable[MergeCondition]) -> Asked:
    """Tag id -> (name of the condition, group) for the tags that the conditions of a letter ask for."""
    wanted: dict[str, set[tuple[str, str]]] = {}
    for condition in conditions:
        if condition.name.startswith(GROUPS):
            category = condition.name.removeprefix(GROUPS)
            for group in split_groups(condition.value):
                whole = f"{category}: {group}" if category else group
                wanted.setdefault(whole.casefold(), set()).add((condition.name, group))
    if not wanted:
        return {}
    known = tags_and_fields.all_tags(organization, keyring.keys(organization))
    return {id: tuple(sorted(wanted[name.casefold()])) for id, name in known.items() if name.casefold() in wanted}


def values(rows: Iterable[int], tags: Mapping[int, tuple[tuple[str, str], ...]]) -> dict[int, dict[str, str]]:
    """Row id -> the values that conditions compare, of those who carry any of these tags."""
    if not tags:
        return {}
    carried = SubscriberTag.objects.filter(subscriber__in=list(rows), tag__in=list(tags))
    by_row: dict[int, dict[str, str]] = {}
    for row, tag in carried.values_list("subscriber_id", "tag_id"):
        for name, group in tags[tag]:
            mine = by_row.setdefault(row, {})
            mine[name] = ",".join(filter(None, [mine.get(name, ""), escaped_group(group)]))
    return by_row
