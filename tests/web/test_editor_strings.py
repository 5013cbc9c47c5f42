"""One reader edited by hand: fields by their kinds, notes, tags, and two people who do it at once."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from samizdat.audience import actions, queries
from samizdat.audience.actions import FieldShape, edit_subscriber
from samizdat.audience.models import Subscriber
from samizdat.core.crypto.seal import NOTES
from tests.conftest import NOW
from tests.web.conftest import House

Desk = Callable[[str], Client]


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


@pytest.fixture
def edit(here: House, desk: Desk) -> Callable[..., Any]:
    """Posts the edit page of Ada as it was when `seen` was taken, with other values for some fields by tag."""
    numbers = {view.tag: view.number for view in queries.fields(here.organization)}

    def post(seen: dict[int, str], role: str = "editor", **changes: str) -> Any:
        form = {f"was{number}": text for number, text in seen.items()}
        form |= {f"was{number}": seen.get(number, "") for number in (NOTES, *numbers.values())}
        form |= {f"value-{number}": seen.get(number, "") for number in numbers.values()}
        form |= {"language": seen.get(edit_subscriber.LANGUAGE, ""), "notes": seen.get(NOTES, "")}
        form |= {f"value-{numbers[tag]}" if tag in numbers else tag: text for tag, text in changes.items()}
        return desk(role).post(_to(here, "edit-subscriber", here.ada.number), form, follow=True)

    return post


def values(here: House) -> dict[str, str]:
    return queries.values_of(Subscriber.objects.get(id=here.ada.id))


def test_fields_notes_and_language_are_edited(here: House, edit: Any) -> None:
    page = edit(
        edit_subscriber.seen(here.ada), CITY="Riga", notes="Met her\r\nat the fair.", language="ru"
    ).content.decode()
    assert "Saved." in page and "Riga" in page and "Met her" in page
    ada = Subscriber.objects.get(id=here.ada.id)
    card = queries.card(ada, NOW)
    assert (card.values["CITY"], card.values["FNAME"], card.notes, card.language) == (
        "Riga",
        "Ada",
        "Met her\nat the fair.",
        "ru",
    )
    assert "Riga" not in repr(Subscriber.objects.values().get(id=ada.id))


def test_a_language_is_one_that_there_is_or_the_one_that_stood_there(here: House, edit: Any) -> None:
    refused = edit(edit_subscriber.seen(here.ada), language="zz<")
    assert refused.status_code == 422 and "“Language” doesn’t offer “zz&lt;”." in refused.content.decode()
    Subscriber.objects.filter(id=here.ada.id).update(language="tok")  # as a file brings it
    page = edit(edit_subscriber.seen(Subscriber.objects.get(id=here.ada.id)), notes="Met her.").content.decode()
    assert "Saved." in page and Subscriber.objects.get(id=here.ada.id).language == "tok"


def test_a_form_that_arrives_in_part_or_twice_over_changes_nothing(here: House, desk: Desk) -> None:
    client, page = desk("editor"), _to(here, "edit-subscriber", here.ada.number)
    before, city = values(here), f"value-{here.field}"
    whole = {"language": "", "was-1": "", "notes": "", f"was{NOTES}": "", f"was{here.field}": before["CITY"]}
    for odd in ({}, {"language": "", "notes": ""}, whole, whole | {city: ["Riga", "Minsk"]}):
        assert (
            "The form didn’t arrive completely, so nothing was changed"
            in client.post(page, odd, follow=True).content.decode()
        )
    assert values(here) == before
    # A field that somebody made since the page was opened is in no form yet, and is left alone.
    actions.add_field(here.organization, "STREET", "Street", now=NOW)
    actions.change_values(here.ada, {"STREET": "Elizabetes 1"}, now=NOW)
    assert "Saved." in client.post(page, whole | {city: "Riga"}, follow=True).content.decode()
    assert (values(here)["CITY"], values(here)["STREET"]) == ("Riga", "Elizabetes 1")


def test_two_who_edit_different_fields_both_keep_what_they_wrote(here: House, edit: Any) -> None:
    seen = edit_subscriber.seen(here.ada)
    edit(seen, CITY="Riga")
    page = edit(seen, "admin", FNAME="Adele").content.decode()
    assert "Someone else changed City to “Riga” in the meantime" in page
    assert (values(here)["CITY"], values(here)["FNAME"]) == ("Riga", "Adele")


def test_the_second_of_two_who_edit_one_field_is_told_and_decides(here: House, edit: Any) -> None:
    seen = edit_subscriber.seen(here.ada)
    edit(seen, CITY="Riga")
    answer = edit(seen, "admin", CITY="Minsk", FNAME="Adele")
    page = answer.content.decode()
    assert answer.status_code == 422 and "Riga" in page and "Minsk" in page
    assert (values(here)["CITY"], values(here)["FNAME"]) == ("Riga", "Ada")
    edit(edit_subscriber.seen(Subscriber.objects.get(id=here.ada.id)), "admin", CITY="Minsk", FNAME="Adele")
    assert (values(here)["CITY"], values(here)["FNAME"]) == ("Minsk", "Adele")


def test_a_value_is_read_by_its_kind_and_an_old_one_may_stay(here: House, edit: Any) -> None:
    actions.change_values(here.ada, {"CITY": "somewhere"}, now=NOW)
    told: Any = {"tag": "CITY", "label": "City", "default": "", "now": NOW}
    actions.change_field(here.organization, here.field, **told, shape=FieldShape("choice", True, ("Riga", "Minsk")))
    ada = Subscriber.objects.get(id=here.ada.id)
    assert "Nothing was changed." in edit(edit_subscriber.seen(ada)).content.decode()
    answer = edit(edit_subscriber.seen(ada), CITY="Paris")
    assert answer.status_code == 422 and "This isn’t one of the choices" in answer.content.decode()
    assert "This field is required" in edit(edit_subscriber.seen(ada), CITY="").content.decode()
    edit(edit_subscriber.seen(ada), CITY="riga")
    assert values(here)["CITY"] == "Riga"


def test_signs_that_an_input_cannot_show_are_told_beside_it_and_removed_on_demand(
    here: House, edit: Any, desk: Desk
) -> None:
    actions.change_values(here.ada, {"CITY": "Ri\u202eag", "FNAME": "Ada"}, notes="a\u200bb", now=NOW)
    seen = edit_subscriber.seen(Subscriber.objects.get(id=here.ada.id))
    page = desk("editor").get(_to(here, "edit-subscriber", here.ada.number)).content.decode()
    assert page.count("Remove them on save") == 2
    assert "<bdi>Ri[U+202E]ag</bdi>" in page and "<bdi>a[U+200B]b</bdi>" in page
    edit(seen)
    assert values(here)["CITY"] == "Ri\u202eag", "nobody asked for it"
    number = next(view.number for view in queries.fields(here.organization) if view.tag == "CITY")
    edit(seen, **{f"bare-value-{number}": "1"})
    assert values(here)["CITY"] == "Riag"
    assert edit_subscriber.seen(Subscriber.objects.get(id=here.ada.id))[NOTES] == "a\u200bb"


def test_whoever_was_erased_meanwhile_is_not_brought_back(here: House, edit: Any) -> None:
    seen = edit_subscriber.seen(here.ada)
    actions.erase(here.organization, subscriber=here.ada, now=NOW)
    assert edit(seen, CITY="Riga").status_code == 404


def test_tags_are_given_and_taken_on_the_page_of_a_subscriber(here: House, desk: Desk) -> None:
    client, page = desk("editor"), _to(here, "tag-subscriber", here.ada.number)
    client.post(page, {"add": " monthly, volunteer ,"})
    (monthly,) = [id for id, name in queries.tags(here.organization) if name == "monthly"]
    assert queries.card(here.ada, NOW).tags == ["monthly", "volunteer"]
    shown = client.post(page, {"remove": str(monthly)}, follow=True).content.decode()
    assert queries.card(here.ada, NOW).tags == ["volunteer"] and "Remove tag volunteer" in shown
    client.post(page, {"remove": "999999"})
    assert queries.card(here.ada, NOW).tags == ["volunteer"]


def test_the_page_of_a_subscriber_says_what_became_of_the_letters_to_them(here: House, desk: Desk) -> None:
    from samizdat.core.mail import outcome
    from samizdat.core.mail.ledger import STATES
    from samizdat.delivery.models import Delivery

    page = _to(here, "subscriber", here.ada.number)
    assert "The winter list" not in desk("viewer").get(page).content.decode()
    row = Delivery(
        edition=here.sent.edition, number=here.ada.number, state=STATES.index("refused"),
        answer=outcome.NUMBERS["full"], code=552, day=NOW.date(),
    )  # fmt: skip
    row.save(force_insert=True)
    shown = desk("viewer").get(page).content.decode()
    assert "The winter list" in shown and "Bounced" in shown and "mailbox full" in shown


def test_a_field_of_every_kind_is_made_at_the_desk(here: House, desk: Desk) -> None:
    client, page = desk("editor"), _to(here, "fields")
    form = {"tag": "BORN", "label": "Born", "default": "", "kind": "date", "readable": "on", "required": "on"}
    shown = client.post(page, form, follow=True).content.decode()
    assert "Date, required" in shown and "readable" in shown
    refused = client.post(page, form | {"tag": "CALL", "kind": "phone"})
    assert (
        refused.status_code == 422
        and "Only numbers, dates, choices and yes/no can be stored unencrypted: text could identify people"
        in refused.content.decode()
    )
    view = next(one for one in queries.fields(here.organization) if one.tag == "BORN")
    client.post(_to(here, "field", view.number), form | {"kind": "choice", "choices": "one\r\ntwo", "readable": ""})
    changed = next(one for one in queries.fields(here.organization) if one.tag == "BORN")
    assert (changed.kind, changed.choices, changed.readable) == ("choice", ("one", "two"), False)
