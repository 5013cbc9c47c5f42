"""Mailchimp's groups are tags here, named “Category: Group” as imports name them. A category that has no group yet is a
tag named “Category:”, which nobody carries."""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

BETWEEN = ": "


class Interest(NamedTuple):
    """id: 10 hex digits, of its tag. category_id: as id_of_category()."""

    id: str
    tag_id: int
    category: str
    category_id: str
    name: str


def interest_id(tag_id: int) -> str:
    return f"{tag_id:010x}"


def tag_of(category: str, name: str) -> str:
    """The name of the tag of a group; of a category without groups: name ""."""
    return f"{category}{BETWEEN}{name}".rstrip()


def id_of_category(category: str) -> str:
    """10 hex digits that stay the same as long as its name does."""
    return hashlib.blake2b(category.casefold().encode(), digest_size=5, person=b"mc category").hexdigest()


def interests_among(tags: Iterable[tuple[int, str]]) -> list[Interest]:
    """tags: (id, name). The groups, without categories that have none."""
    return [each for each in _split(tags) if each.name]


def groups_in(tags: Iterable[tuple[int, str]]) -> list[Interest]:
    """As interests_among(), with one without a name for a category that is a tag of its own."""
    return list(_split(tags))


def _split(tags: Iterable[tuple[int, str]]) -> Iterable[Interest]:
    for number, name in tags:
        category, between, group = f"{name} ".partition(BETWEEN)
        if between and category.strip():
            category = category.strip()
            yield Interest(interest_id(number), number, category, id_of_category(category), group.strip())
