"""Filters of the desk: what they find is what looking at everybody would find, page by page, and each look is short."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from msgspec import convert, to_builtins
from msgspec.structs import replace

from samizdat.audience import filters, filters_sql, queries
from samizdat.audience.actions import (
    add_subscriber,
    agree_to_appeals_of,
    erase,
    new_list,
    suppress,
    tags_for,
    unsubscribe,
)
from samizdat.audience.filters import ANY, Filter, Search
from samizdat.audience.models import STATUSES, Subscriber, SubscriberTag, Subscription
from samizdat.core import consent
from tests.conftest import NOW, TODAY

pytestmark = pytest.mark.django_db

HOSTS = ("gmail.com", "mail.ru", "post.example")
LANGUAGES = ("ru", "en", "")


@pytest.fixture
def crowd(lantern: Any, letter: Any, remembered: Callable[..., Any]) -> list[Any]:
    """Forty people of all sorts on two lists."""

    def gathered() -> list[Any]:
        chance, second = random.Random(7), new_list(lantern, "Court Diary", now=NOW)
        people = []
        for place in range(40):
            row = add_subscriber(
                lantern,
                f"reader{place}@{chance.choice(HOSTS)}",
                chance.choice((letter, second)),
                consent="said so",
                way=chance.choice(("desk", "form", "api")),
                tags=chance.sample(("volunteer", "monthly", "few"), k=chance.randrange(3)),
                language=chance.choice(LANGUAGES),
                now=NOW - timedelta(days=chance.randrange(30)),
            )
            if place % 4 == 0:
                other = second if Subscription.objects.get(subscriber=row).list_id == letter.id else letter
                add_subscriber(
                    lantern, f"reader{place}@{queries.address_of(row).partition('@')[2]}", other, consent="yes", now=NOW
                )
            if place % 5 == 0:
                unsubscribe(row, letter, now=NOW)
            if place % 3 == 0:
                agree_to_appeals_of(row, [letter], wording="Now and then.", now=NOW)
            if place % 7 == 0:
                suppress(lantern, chance.choice(("manual", "bounce")), subscriber=row, now=NOW)
            people.append(Subscriber.objects.get(id=row.id))
        stranger = new_list(lantern, "Nobody's", now=NOW)
        assert stranger.id
        return people

    return remembered(gathered, lantern, letter)


def fits(person: Any, asked: Filter, subscriptions: list[Any], tags: set[int]) -> bool:
    """The same by looking at the person."""
    rows = [
        row
        for row in subscriptions
        if (asked.list is None or row.list_id == asked.list)
        and (asked.status is None or STATUSES[row.status] == asked.status)
        and (asked.suppressed is None or _stopped(row, asked.suppressed))
        and (asked.appeals is None or row.fundraising_verdict == consent.YES)
    ]
    standing = {asked.list, asked.status, asked.suppressed, asked.appeals} != {None}
    return bool(
        (rows or not standing)
        and (asked.tag is None or asked.tag in tags)
        and asked.language in (None, person.language)
        and asked.provider in (None, person.provider)
        and asked.source in (None, consent.WAYS[person.source])
        and (asked.since is None or person.joined >= asked.since)
        and (asked.until is None or person.joined <= asked.until)
    )


def _stopped(row: Subscription, reason: str) -> bool:
    name = consent.REASONS[row.mail_verdict]
    return name.startswith("suppressed:") and reason in (ANY, name.removeprefix("suppressed:"))


def some_filters(lantern: Any, letter: Any) -> list[Filter]:
    tags, chance = tags_for(lantern, ("volunteer", "few")), random.Random(3)
    asked = [Filter(), Filter(list=letter.id), Filter(suppressed=ANY), Filter(tag=tags["few"], language="")]
    for _ in range(60):
        asked.append(
            Filter(
                list=chance.choice((None, None, letter.id)),
                status=chance.choice((None, None, "subscribed", "unsubscribed")),
                tag=chance.choice((None, None, *tags.values())),
                language=chance.choice((None, None, "ru")),
                provider=chance.choice((None, None, 1, 0)),
                source=chance.choice((None, None, "form", "desk")),
                since=chance.choice((None, None, TODAY - timedelta(days=20))),
                until=chance.choice((None, None, TODAY - timedelta(days=5))),
                suppressed=chance.choice((None, None, None, "manual", ANY)),
                appeals=chance.choice((None, None, True)),
            )
        )
    return asked


def test_a_filter_finds_whom_looking_at_everybody_finds(
    lantern: Any, letter: Any, crowd: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "FIRST", 30)
    monkeypatch.setattr(filters, "COUNTED", 2_000)
    on = {row.id: list(Subscription.objects.filter(subscriber=row)) for row in crowd}
    carried = {
        row.id: set(SubscriberTag.objects.filter(subscriber=row).values_list("tag_id", flat=True)) for row in crowd
    }
    for asked in some_filters(lantern, letter):
        expected = sorted((row.id for row in crowd if fits(row, asked, on[row.id], carried[row.id])), reverse=True)
        search = Search(lantern, asked)
        assert [id for part in search.slices(7) for id in part] == expected, asked
        assert search.count() == (len(expected), None), asked
        for along in ways(asked):
            search.along = along
            assert search.look(None, 100).ids == expected, (asked, along)


def ways(asked: Filter) -> set[str]:
    """What a filter can be walked along."""
    standing = asked.list or asked.status or asked.suppressed or asked.appeals
    possible = {
        filters_sql.FACETS: True,
        filters_sql.SUBSCRIPTIONS: standing,
        filters_sql.CARRIERS: asked.tag,
        filters_sql.STOPPED: asked.suppressed,
        filters_sql.ASKING: asked.appeals,
    }
    return {along for along, wanted in possible.items() if wanted}


def test_pages_go_on_below_the_last_and_a_look_that_runs_out_of_time_says_where(
    lantern: Any, crowd: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "FIRST", 2)
    search = Search(lantern, Filter(source="form"))
    first = search.look(None, 4)
    assert len(first.ids) == 4 and first.below == first.ids[-1]
    assert all(above > below for above, below in pairwise(first.ids))
    nobody = Search(lantern, Filter(language="xx"))
    look = nobody.look(None, 4, seconds=0)
    assert look.ids == [] and look.below is not None
    assert nobody.look(look.below, 4).below is None


def test_a_page_of_filtered_readers_is_made_like_any_other(lantern: Any, letter: Any, crowd: list[Any]) -> None:
    page = queries.filtered(lantern, Filter(list=letter.id, provider=1), limit=5)
    assert page.rows and all(row.provider == "gmail" and row.source in consent.WAYS for row in page.rows)
    assert queries.filtered(lantern, Filter(list=letter.id), limit=50).rows == queries.page(lantern, letter).rows


def test_another_organization_is_never_in_it(lantern: Any, vault: Any, crowd: list[Any]) -> None:
    from samizdat.accounts.actions import found_organization

    bell = found_organization("Harbour Bell", source=vault, today=TODAY, public_url="https://bell.example")
    for asked in (Filter(), Filter(language="ru"), Filter(status="subscribed"), Filter(suppressed=ANY)):
        assert Search(bell, asked).count() == (0, None)


def test_whoever_was_erased_is_not_found(lantern: Any, crowd: list[Any]) -> None:
    before = Search(lantern, Filter(source="form")).count()[0]
    gone = next(row for row in crowd if consent.WAYS[row.source] == "form")
    erase(lantern, subscriber=gone, now=NOW)
    assert Search(lantern, Filter(source="form")).count()[0] == before - 1


def test_a_filter_survives_being_written_down(lantern: Any) -> None:
    asked = Filter(list=3, status="cleaned", since=date(2026, 1, 2), suppressed=ANY)
    assert convert(to_builtins(asked), Filter) == asked and not asked.plain
    assert convert(to_builtins(Filter(appeals=True)), Filter) == Filter(appeals=True) and not Filter(appeals=True).plain
    assert replace(asked, since=None, suppressed=None).plain


@pytest.mark.parametrize(
    "along",
    [filters_sql.FACETS, filters_sql.SUBSCRIPTIONS, filters_sql.CARRIERS, filters_sql.STOPPED, filters_sql.ASKING],
)
def test_sqlite_walks_each_way_along_an_index_and_sorts_nothing_large(lantern: Any, along: str) -> None:
    from django.db import connection

    if connection.vendor != "sqlite":
        pytest.skip("a plan of SQLite's")
    wanted = filters_sql.RecipientQuery(
        lists=(5,), statuses=(1,), may=(7, 8), asking=True, tag=3, provider=1, language="ru"
    )
    sql, values = filters_sql.wanted_sql(wanted, along)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql} ORDER BY 1 DESC LIMIT %s", [*values, 1, 10, 5])
        plan = " ".join(str(row[3]) for row in cursor.fetchall())
    assert "SCAN" not in plan, plan
    first = {
        filters_sql.FACETS: "SEARCH s USING COVERING INDEX subscriber_facets (id>? AND id<?)",
        filters_sql.SUBSCRIPTIONS: "SEARCH u USING INDEX subscription_by_status",
        filters_sql.CARRIERS: "SEARCH t USING COVERING INDEX subscribertag_by_tag",
        filters_sql.STOPPED: "SEARCH u USING INDEX subscription_suppressed",
        filters_sql.ASKING: "SEARCH u USING INDEX subscription_asking",
    }[along]
    assert first in plan, plan
