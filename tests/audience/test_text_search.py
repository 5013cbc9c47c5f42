"""Part of a name or an address, looked for by opening subscribers."""

import threading
from typing import Any

import pytest

from samizdat.audience import queries, sealed_subscribers, text_search
from samizdat.audience.actions import add_field, add_subscriber
from samizdat.audience.consent_writer import values_of
from samizdat.audience.models import NUMBER_MASK, Subscriber
from samizdat.audience.text_search import TextSearch
from samizdat.vault import keyring
from tests.conftest import NOW

pytestmark = pytest.mark.django_db

PEOPLE = {
    "ada": ("ada.byron@post.example", "Ada", "Byron"),
    "artem": ("artem@yandex.example", "Артём", "Ёлкин"),
    "oneil": ("o'neil%west@post.example", "Sinéad", "O’Neil"),
    "rtl": ("dalia@post.example", "داليا", "عوض"),
    "smile": ("smile@post.example", "Max 🌻", ""),
    "sharp": ("strasse@post.example", "Straße", ""),
}


@pytest.fixture
def cast(lantern: Any, letter: Any) -> dict[str, int]:
    """Name -> number."""
    for tag in ("FNAME", "LNAME", "CITY"):
        if tag not in {field.tag for field in queries.fields(lantern)}:
            add_field(lantern, tag, tag, now=NOW)
    numbers = {}
    for name, (address, first, last) in PEOPLE.items():
        values = {"FNAME": first, "LNAME": last, "CITY": "Byronstadt"}
        numbers[name] = add_subscriber(lantern, address, letter, consent="yes", values=values, now=NOW).number
    return numbers


def found(organization: Any, text: str, **how: Any) -> list[int]:
    wanted = {"below": None, "limit": 20, "seconds": 5.0} | how
    return [id & NUMBER_MASK for id in TextSearch(organization, text).look(**wanted).ids]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("byron", "ada"),
        ("BYRON@POST", "ada"),
        ("yron ad", "ada"),
        ("артем", "artem"),
        ("ЁЛК", "artem"),
        ("елкин артём", "artem"),
        ("o'neil%w", "oneil"),
        ("SINÉAD", "oneil"),
        ("لي", "rtl"),
        ("\u202eدال", "rtl"),
        ("🌻", "smile"),
        ("straße", "sharp"),
    ],
)
def test_part_of_a_name_or_an_address_finds_its_subscriber(
    lantern: Any, cast: dict[str, int], text: str, name: str
) -> None:
    assert found(lantern, text) == [cast[name]]


@pytest.mark.parametrize("text", ["byronstadt", "%_", "' OR 1=1", "\ud83d", "x" * 300, "", " ", "ada елкин", "\u202e"])
def test_what_stands_in_no_name_or_address_finds_nobody(lantern: Any, cast: dict[str, int], text: str) -> None:
    assert found(lantern, text) == []


def test_a_search_goes_on_where_it_was_left_and_finds_everybody_once(
    lantern: Any, cast: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_search, "PAGE", 2)
    search, below, seen, looks = TextSearch(lantern, "post.example"), None, [], 0
    while True:
        page = search.look(below, 20, 0.0)
        seen += [id & NUMBER_MASK for id in page.ids]
        looks, below = looks + 1, page.below
        if below is None:
            break
    assert sorted(seen) == sorted(number for name, number in cast.items() if name != "artem")
    assert looks > 2, "a look without time opens one page"


def test_a_search_ends_with_as_many_as_are_shown(lantern: Any, cast: dict[str, int]) -> None:
    assert len(found(lantern, "post", limit=2)) == 2


def test_one_that_was_damaged_hides_nobody_else(lantern: Any, cast: dict[str, int]) -> None:
    row = Subscriber.objects.get(pk=_row(lantern, cast["smile"]))
    Subscriber.objects.filter(pk=row.pk).update(sealed=bytes(row.sealed)[:-1] + b"x")
    assert len(found(lantern, "post.example")) == 4


def _row(organization: Any, number: int) -> int:
    subscriber = queries.subscriber_numbered(organization, number)
    assert subscriber is not None
    return subscriber.pk


def test_while_somebody_else_is_looked_for_nobody_is_opened_and_the_place_is_kept(
    lantern: Any, cast: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_search, "WAITING", 0.0)
    busy = threading.Lock()
    monkeypatch.setattr(text_search, "_turn", busy)
    search = TextSearch(lantern, "ada")
    with busy:
        page = search.look(None, 20, 5.0)
    assert page.ids == [] and page.below is not None
    assert search.look(page.below, 20, 5.0).ids, "nobody was passed over"


def test_of_an_organization_that_searches_without_pause_one_look_alone_waits_before_others(
    lantern: Any, cast: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_search, "WAITING", 0.0)
    search = TextSearch(lantern, "ada")
    with text_search._waits[lantern.id + 1]:
        assert search.look(None, 20, 5.0).ids
    with text_search._waits[lantern.id]:
        page = search.look(None, 20, 5.0)
    assert page.ids == [] and search.look(page.below, 20, 5.0).ids


def test_who_has_a_book_in_a_field_is_found_by_name_and_costs_no_more_than_others(
    lantern: Any, letter: Any, cast: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Letter by letter through 99,000 of one letter, a search for 254 of them stopped the desk for minutes."""
    looked_through: list[int] = []
    holder = text_search._holder

    def counting(word: str) -> Any:
        holds = holder(word)
        return lambda text: looked_through.append(len(text)) or holds(text)

    monkeypatch.setattr(text_search, "_holder", counting)
    values = {"FNAME": "Борис", "LNAME": "Книга", "CITY": "Рига"}
    row = add_subscriber(lantern, "boris@post.example", letter, consent="yes", values=values, now=NOW)
    keys = keyring.keys(lantern)
    book = values_of(keys, row) | {900: "е" * 99_000}
    blob = sealed_subscribers.sealed(keys, book, row.number, bytes(row.email_index))
    Subscriber.objects.filter(pk=row.pk).update(sealed=blob)
    assert found(lantern, "борис книга") == [row.number]
    assert found(lantern, "е" * 254 + "x") == []
    assert max(looked_through) <= text_search.SHORT


def test_a_search_that_ends_early_leaves_the_connection_for_what_comes_next(
    lantern: Any, cast: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_search, "PAGE", 2)
    assert len(found(lantern, "post.example", limit=1)) == 1
    assert [field.tag for field in queries.fields(lantern)]


def test_people_who_fill_the_last_page_to_its_end_are_all_found(
    lantern: Any, cast: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_search, "PAGE", 3)
    assert len(found(lantern, "example")) == len(PEOPLE)
