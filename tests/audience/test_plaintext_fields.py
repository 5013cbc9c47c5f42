"""Fields with kinds, and those whose values are readable for segments in the database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from samizdat.accounts.models import Organization
from samizdat.audience import queries
from samizdat.audience.actions import (
    FieldShape,
    add_field,
    add_subscriber,
    change_field,
    change_values,
    clear_removed,
    erase,
    follow_readable,
    remove_field,
)
from samizdat.audience.errors import FieldRefused
from samizdat.audience.models import Field, ReadableValue
from tests.conftest import NOW

pytestmark = pytest.mark.django_db

CITIES = FieldShape("choice", choices=("Riga", "Minsk"), readable=True)


def reader(lantern: Any, letter: Any, name: str, **values: str) -> Any:
    return add_subscriber(lantern, f"{name}@post.example", letter, consent="said so", values=values, now=NOW)


def readable() -> list[tuple[int, int]]:
    return sorted(ReadableValue.objects.values_list("subscriber_id", "value"))


def test_a_field_has_a_kind_and_what_goes_with_it(lantern: Any) -> None:
    add_field(lantern, "CITY", "City", now=NOW, shape=FieldShape("choice", True, ("Riga", " Minsk ", ""), True))
    (view,) = queries.fields(lantern)
    assert (view.kind, view.required, view.choices, view.readable) == ("choice", True, ("Riga", "Minsk"), True)
    assert view.ready and view.codes == {"Riga": 1, "Minsk": 2}
    assert "Riga" not in repr(Field.objects.values().get())


@pytest.mark.parametrize(
    ("shape", "field"),
    [
        (FieldShape("color"), "kind"),
        (FieldShape("choice"), "choices"),
        (FieldShape("text", readable=True), "readable"),
        (FieldShape("phone", readable=True), "readable"),
        (FieldShape("choice", choices=tuple(map(str, range(201)))), "choices"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(lantern: Any, shape: FieldShape, field: str) -> None:
    with pytest.raises(FieldRefused, match=r"\.$") as refused:
        add_field(lantern, "CITY", "City", now=NOW, shape=shape)
    assert refused.value.field == field and not queries.fields(lantern)


def test_whoever_is_written_is_written_with_their_readable_value(lantern: Any, letter: Any) -> None:
    add_field(lantern, "CITY", "City", now=NOW, shape=CITIES)
    ada = reader(lantern, letter, "ada", CITY="Minsk")
    reader(lantern, letter, "boris", CITY="somewhere else")
    assert readable() == [(ada.id, 2)]
    change_values(ada, {"CITY": "Riga"}, now=NOW)
    assert readable() == [(ada.id, 1)]
    change_values(ada, {"CITY": ""}, now=NOW)
    assert readable() == []


@pytest.mark.parametrize("settings", ["kept", "gone"])
def test_a_field_that_was_taken_out_of_the_database_gives_its_number_and_values_to_no_other_one(
    lantern: Any, letter: Any, settings: str
) -> None:
    phone = add_field(lantern, "PHONE", "Phone", now=NOW)
    reader(lantern, letter, "ada", PHONE="371200")
    Field.objects.filter(number=phone).delete()
    if settings == "gone":
        Organization.objects.update(settings_sealed=b"")
    assert add_field(lantern, "SHOE", "Shoe", now=NOW, shape=FieldShape("number", readable=True)) > phone
    assert follow_readable(NOW, 9) is not None and readable() == []


def test_an_import_writes_readable_values_too(
    lantern: Any, letter: Any, export: Callable[..., Path], bring: Callable[..., Any]
) -> None:
    add_field(
        lantern, "FNAME", "First Name", now=NOW, shape=FieldShape("choice", choices=("Ada", "Eve"), readable=True)
    )
    bring(export("subscribed", "ada@post.example,Ada", "boris@post.example,Boris"))
    ada = queries.subscriber_at(lantern, "ada@post.example")
    assert ada is not None and readable() == [(ada.id, 1)]
    bring(export("subscribed", "ada@post.example,Eve", name="1b"))
    assert readable() == [(ada.id, 2)]


def test_a_field_that_becomes_readable_is_followed_and_so_is_one_that_is_sealed_again(
    lantern: Any, letter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samizdat.audience.actions.fields.SLICE", 2)
    number = add_field(lantern, "BORN", "Born", now=NOW)
    people = [reader(lantern, letter, name, BORN=f"2001-02-0{place}") for place, name in enumerate("abc", start=1)]
    told: Any = {"tag": "BORN", "label": "Born", "default": "", "now": NOW}
    assert change_field(lantern, number, **told, shape=FieldShape("date", readable=True))
    assert not queries.fields(lantern)[0].ready
    assert not follow_readable(NOW, 0) and follow_readable(NOW, 9)
    assert readable() == sorted((row.id, 20010200 + place) for place, row in enumerate(people, start=1))
    assert queries.fields(lantern)[0].ready
    assert change_field(lantern, number, **told, shape=FieldShape("date"))
    assert follow_readable(NOW, 9) and readable() == []
    assert queries.values_of(people[0])["BORN"] == "2001-02-01"


def test_readable_values_go_with_their_subscriber_and_with_their_field(lantern: Any, letter: Any) -> None:
    number = add_field(lantern, "CITY", "City", now=NOW, shape=CITIES)
    ada, boris = reader(lantern, letter, "ada", CITY="Riga"), reader(lantern, letter, "boris", CITY="Riga")
    erase(lantern, subscriber=ada, now=NOW)
    assert readable() == [(boris.id, 1)]
    remove_field(lantern, number, now=NOW)
    assert follow_readable(NOW, 9) and clear_removed(NOW, 9) and readable() == []


def test_what_is_sealed_is_not_written_down_because_the_database_says_that_a_field_is_readable(
    lantern: Any, letter: Any
) -> None:
    add_field(lantern, "CITY", "City", now=NOW, shape=FieldShape("choice", choices=("Riga", "Minsk")))
    reader(lantern, letter, "ada", CITY="Minsk")
    Field.objects.update(readable=True, filled=0)
    follow_readable(NOW, 10)
    reader(lantern, letter, "boris", CITY="Riga")
    assert readable() == [] and not queries.fields(lantern)[0].readable
