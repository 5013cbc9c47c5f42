"""Merge fields by hand: added, renamed, removed with every value of theirs."""

from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.actions import (
    add_field,
    add_subscriber,
    change_field,
    change_values,
    clear_removed,
    count_values,
    fields,
    fields_for,
    remove_field,
)
from samizdat.audience.actions.tags import clear_removed_tags
from samizdat.audience.consent_writer import values_of
from samizdat.audience.errors import FieldRefused
from samizdat.audience.models import Field, Import, Subscriber, SubscriberTag, Tag
from samizdat.core.crypto import seal
from samizdat.events.models import Event
from samizdat.vault import keyring
from tests.conftest import NOW, TODAY

pytestmark = pytest.mark.django_db


def reader(lantern: Any, letter: Any, name: str, **values: str) -> Any:
    return add_subscriber(lantern, f"{name}@post.example", letter, consent="said so", values=values, now=NOW)


def tags(lantern: Any) -> list[str]:
    return [view.tag for view in queries.fields(lantern)]


def test_a_field_is_added_and_filled(lantern: Any, letter: Any) -> None:
    number = add_field(lantern, " city ", "City", default="your town", now=NOW)
    ada = reader(lantern, letter, "ada", CITY="Riga")
    assert queries.values_of(ada)["CITY"] == "Riga"
    (view,) = queries.fields(lantern)
    assert (view.number, view.tag, view.label, view.default) == (number, "CITY", "City", "your town")
    assert "City" not in repr(Field.objects.values().get()) and Event.objects.filter(kind="field.added").count() == 1


def test_who_types_an_address_alone_signs_up_though_somebody_overwrote_a_field(lantern: Any, letter: Any) -> None:
    add_field(lantern, "CITY", "City", now=NOW)
    Field.objects.update(sealed=b"not sealed by anyone here")
    ada = audience.sign_up(lantern, "ada@post.example", letter, wording="One story.", now=NOW)
    assert values_of(keyring.keys(lantern), ada)[seal.ADDRESS] == "ada@post.example"


@pytest.mark.parametrize("tag", ["", "ГОРОД", "1ST", "CITY-NAME", "ELEVENCHARS", "EMAIL", "UNSUB", "FORWARD", "IF"])
def test_a_tag_that_a_letter_could_not_say_is_refused(lantern: Any, tag: str) -> None:
    with pytest.raises(FieldRefused, match=r"\.$") as refused:
        add_field(lantern, tag, "", now=NOW)
    assert refused.value.field == "tag"
    assert tags(lantern) == []


def test_a_tag_is_given_once(lantern: Any) -> None:
    add_field(lantern, "CITY", "City", now=NOW)
    other = add_field(lantern, "TOWN", "Town", now=NOW)
    with pytest.raises(FieldRefused, match="already"):
        add_field(lantern, "city", "", now=NOW)
    with pytest.raises(FieldRefused, match="already"):
        change_field(lantern, other, tag="CITY", label="Town", default="", now=NOW)


def test_a_field_that_is_renamed_keeps_its_values(lantern: Any, letter: Any) -> None:
    number = add_field(lantern, "CITY", "City", now=NOW)
    ada = reader(lantern, letter, "ada", CITY="Riga")
    assert change_field(lantern, number, tag="TOWN", label="Town", default="", now=NOW)
    assert not change_field(lantern, number, tag="TOWN", label="Town", default="", now=NOW)
    assert queries.values_of(ada)["TOWN"] == "Riga"
    assert Event.objects.filter(kind="field.changed").count() == 1


def test_a_tag_that_a_file_brought_may_stay(lantern: Any) -> None:
    number = fields_for(lantern, {"FAVOURITEBOOK": "Book"})["FAVOURITEBOOK"]
    assert change_field(lantern, number, tag="FAVOURITEBOOK", label="Favorite book", default="", now=NOW)
    assert queries.fields(lantern)[0].label == "Favorite book"


def test_how_many_have_a_value_is_counted_in_as_many_looks_as_it_takes(lantern: Any, letter: Any) -> None:
    number = add_field(lantern, "CITY", "City", now=NOW)
    for at in range(5):
        reader(lantern, letter, f"reader{at}", CITY="Riga" if at % 2 else "")
    counted = count_values(lantern, number)
    assert (counted.having, counted.seen, counted.following) == (2, 5, None)


def test_a_count_that_is_cut_short_goes_on_where_it_was(
    lantern: Any, letter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fields, "LOOK", 2)
    number = add_field(lantern, "CITY", "City", now=NOW)
    for at in range(5):
        reader(lantern, letter, f"reader{at}", CITY="Riga")
    looks, having, after = 0, 0, 0
    while True:
        counted = count_values(lantern, number, after=after, seconds=0)
        looks, having = looks + 1, having + counted.having
        if counted.following is None:
            break
        after = counted.following
    assert (looks, having) == (3, 5)


def test_a_removed_field_is_gone_at_once_and_its_values_leave_the_disk(lantern: Any, letter: Any) -> None:
    number, kept = add_field(lantern, "CITY", "City", now=NOW), add_field(lantern, "BOOK", "Book", now=NOW)
    people = [reader(lantern, letter, f"reader{at}", CITY="Riga", BOOK=f"No. {at}") for at in range(5)]
    remove_field(lantern, number, now=NOW)
    assert tags(lantern) == ["BOOK"] and "CITY" not in queries.values_of(people[0])
    assert clear_removed(NOW, 5.0)
    keys = keyring.keys(lantern)
    for row in Subscriber.objects.all():
        assert set(values_of(keys, row)) >= {kept} and number not in values_of(keys, row)
    row = Field.objects.get(number=number)
    assert (row.removed, bytes(row.sealed)) == (TODAY, b"")
    assert [event.kind for event in Event.objects.filter(kind__startswith="field.").order_by("id")][-2:] == [
        "field.removed",
        "field.cleared",
    ]
    assert clear_removed(NOW, 5.0) and Event.objects.filter(kind="field.cleared").count() == 1


def test_a_field_and_a_tag_that_only_their_rows_call_removed_keep_their_values(lantern: Any, letter: Any) -> None:
    """Whoever writes the database would have the worker take them from everybody, and put the rows back."""
    number = add_field(lantern, "CITY", "City", now=NOW)
    ada = reader(lantern, letter, "ada", CITY="Riga")
    tag = Tag.objects.get(pk=audience.tags_for(lantern, ["riga"])["riga"])
    SubscriberTag.objects.create(subscriber=ada, tag=tag)
    Field.objects.update(removed=TODAY)
    Tag.objects.update(removed=True)
    clear_removed(NOW, 5.0)
    clear_removed_tags(5.0)
    ada.refresh_from_db()
    assert values_of(keyring.keys(lantern), ada)[number] == "Riga"
    assert SubscriberTag.objects.filter(tag=tag).exists()


def test_the_clearing_goes_on_where_it_was_stopped(lantern: Any, letter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "SLICE", 2)
    number = add_field(lantern, "CITY", "City", now=NOW)
    people = [reader(lantern, letter, f"reader{at}", CITY="Riga") for at in range(5)]
    remove_field(lantern, number, now=NOW)
    assert not clear_removed(NOW, 0)
    assert Field.objects.get(number=number).cleared > 0
    change_values(people[0], {"BOOK": "Ulysses"}, now=NOW)
    assert not clear_removed(NOW, 0) and clear_removed(NOW, 0)
    keys = keyring.keys(lantern)
    assert all(number not in values_of(keys, row) for row in Subscriber.objects.all())
    people[0].refresh_from_db()
    assert queries.values_of(people[0])["BOOK"] == "Ulysses"


def test_the_number_of_a_removed_field_is_never_given_again(lantern: Any, letter: Any) -> None:
    number = add_field(lantern, "CITY", "City", now=NOW)
    remove_field(lantern, number, now=NOW)
    clear_removed(NOW, 5.0)
    assert add_field(lantern, "CITY", "City", now=NOW) == number + 1
    with pytest.raises(FieldRefused, match="no longer exists"):
        remove_field(lantern, number, now=NOW)


def test_while_an_import_runs_no_field_is_removed(lantern: Any, letter: Any) -> None:
    number = add_field(lantern, "CITY", "City", now=NOW)
    Import.objects.create(
        organization=lantern, list=letter, state="running", source="csv", fingerprint=b"", created=NOW
    )
    with pytest.raises(FieldRefused, match="when it’s done"):
        remove_field(lantern, number, now=NOW)
    assert tags(lantern) == ["CITY"]
