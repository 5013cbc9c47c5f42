"""Pages of subscribers and their counts, in every combination of list, status and tag."""

from itertools import product
from typing import Any

import pytest

from samizdat.audience import actions, queries
from samizdat.audience.models import STATUSES
from tests.conftest import NOW

pytestmark = pytest.mark.django_db
TAGS = ("friend", "monthly")


@pytest.fixture
def people(lantern: Any, letter: Any, export: Any, bring: Any) -> dict[str, tuple[str, tuple[str, ...]]]:
    """40 people: every status, and every combination of two tags."""
    made: dict[str, tuple[str, tuple[str, ...]]] = {}
    combinations = list(
        product(("cleaned", "unsubscribed", "subscribed", "nonsubscribed"), ((), TAGS[:1], TAGS[1:], TAGS))
    )
    for turn, (status, tags) in enumerate(combinations * 3):
        made[f"{turn}reader@post.example"] = (status, tags)
    for status in ("cleaned", "unsubscribed", "subscribed", "nonsubscribed"):
        lines = [
            {"Email Address": who, "TAGS": ",".join(f'"{tag}"' for tag in tags)}
            for who, (has, tags) in made.items()
            if has == status
        ]
        bring(export(status, *lines))
    return made


def walk(organization: Any, size: int, **filters: Any) -> list[Any]:
    rows, before = [], None
    while True:
        page = queries.page(organization, before=before, limit=size, **filters)
        rows += page.rows
        if page.next is None:
            return rows
        before = page.next


@pytest.mark.parametrize("size", [1, 7, 50])
def test_every_combination_counts_and_pages_alike(lantern: Any, letter: Any, people: Any, size: int) -> None:
    for list_, status, tag in product((None, letter), (None, *STATUSES), (None, *TAGS)):
        wanted = [who for who, (has, tags) in people.items() if status in (None, has) and (tag is None or tag in tags)]
        assert queries.count(lantern, list_, status, tag) == len(wanted), (list_, status, tag)
        rows = walk(lantern, size, list=list_, status=status, tag=tag)
        numbers = [row.number for row in rows]
        assert numbers == sorted(numbers, reverse=True) and len(rows) == len(wanted)
        found = {queries.address_of(queries.subscriber_numbered(lantern, number)) for number in numbers}
        assert found == set(wanted)


def test_a_row_shows_the_first_letter_and_what_is_readable(lantern: Any, letter: Any) -> None:
    actions.add_subscriber(
        lantern, "адресата-нет@gmail.com", letter, consent="yes", language="ru", tags=["b", "A"], now=NOW
    )
    row = queries.page(lantern, letter).rows[0]
    assert (row.initial, row.status, row.provider, row.language, row.tags) == (
        "а", "subscribed", "gmail", "ru", ["A", "b"],
    )  # fmt: skip
    assert row.since == NOW.date()


def test_both_ways_along_the_indices_find_the_same(lantern: Any, letter: Any, people: Any) -> None:
    from samizdat.audience import sql as audience_sql

    tag = queries.tag_named(lantern, "friend")
    assert tag is not None
    ways = [
        audience_sql.tagged_below(letter.id, STATUSES.index("subscribed"), tag.id, 1 << 62, 50, along_tag=along)
        for along in (True, False)
    ]
    assert ways[0] == ways[1] and len(ways[0]) == 6
