"""Forms with lists, fields and topics of their own, from the desk to a confirmed reader."""

import email
import email.policy
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.actions import forms
from samizdat.audience.actions.forms import FormFacts
from samizdat.audience.actions.tags import remove_tag
from samizdat.audience.errors import FormRefused
from samizdat.audience.list_details import ListDetails
from samizdat.audience.models import SignUpForm, Subscription, Tag
from samizdat.core import consent
from samizdat.core.crypto import tokens
from samizdat.delivery.actions import add_route
from samizdat.publicdb.models import Form, Intake
from samizdat.publicdb.queries import token_state
from samizdat.vault import keyring
from samizdat.worker.inbox import signups, unsubscribes
from samizdat.worker.schedule import event_handlers
from tests.conftest import NOW, TODAY
from tests.worker.conftest import say, status

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_remembered")]


@pytest.fixture
def friday(lantern: Any) -> Any:
    return audience.new_list(lantern, "Friday", now=NOW, details=ListDetails(from_email="letter@lantern.example"))


@pytest.fixture
def form(lantern: Any, thursday: Any, friday: Any, tmp_path: Path) -> SignUpForm:
    """Two lists, a name that must be given, a city, and a topic; published."""
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    numbers = audience.fields_for(lantern, {"FNAME": "First name", "CITY": "City"})
    tags = audience.tags_for(lantern, ["Books", "VIP"])
    told = FormFacts(
        title="Our letters",
        language="en",
        lists=(thursday.id, friday.id),
        wording="I want these letters.",
        thanks="Welcome!",
        fields=(numbers["FNAME"], numbers["CITY"]),
        required=(numbers["FNAME"],),
        topics=(tags["Books"],),
    )
    made = forms.make_form(lantern, told, now=NOW)
    event_handlers.follow(NOW)
    return made


def ask(form: SignUpForm, *lists: Any, address: str = "ada@example.org", **words: Any) -> None:
    chosen = {"list": str(form.id), "lists": [one.id for one in lists], "language": "en"}
    say(form.organization, "signup", address=address, **(chosen | words))


def token(form: SignUpForm, *lists: Any, address: str = "ada@example.org", day: date = TODAY) -> str:
    """The link that was mailed when these lists were asked for."""
    found = queries.subscriber_at(form.organization, address)
    keys = keyring.keys(form.organization)
    assert found is not None and keys.link is not None
    chosen = forms.number_of(form.id, forms.facts_of(form), [one.id for one in lists], day)
    return tokens.make(keys.link, "confirm", chosen, found.number)


def numbers(form: SignUpForm) -> dict[str, int]:
    return {one.tag: one.number for one in queries.fields(form.organization)}


def test_the_publicdb_gets_what_the_page_asks_for(form: SignUpForm, thursday: Any, friday: Any) -> None:
    published = Form.objects.get(slug=form.slug)
    details = json.loads(published.details)
    assert published.name == "Our letters" and published.purpose == "I want these letters."
    assert details["lists"] == [[thursday.id, "the Thursday Letter"], [friday.id, "Friday"]]
    assert [(one["label"], one["required"]) for one in details["fields"]] == [("First name", True), ("City", False)]
    assert [name for _, name in details["topics"]] == ["Books"]
    forms.remove_form(form, now=NOW)
    event_handlers.follow(NOW)
    assert not Form.objects.filter(slug=form.slug).exists()


def test_a_removed_tag_is_offered_no_more(form: SignUpForm, lantern: Any) -> None:
    remove_tag(Tag.objects.get(id=audience.tags_for(lantern, ["Books"])["Books"]), now=NOW)
    event_handlers.follow(NOW)
    assert json.loads(Form.objects.get(slug=form.slug).details)["topics"] == []


def test_a_renamed_tag_is_offered_by_its_new_name(form: SignUpForm, lantern: Any) -> None:
    audience.rename_tag(Tag.objects.get(id=audience.tags_for(lantern, ["Books"])["Books"]), "Reading", now=NOW)
    event_handlers.follow(NOW)
    assert [name for _, name in json.loads(Form.objects.get(slug=form.slug).details)["topics"]] == ["Reading"]


def test_what_a_reader_typed_counts_once_they_confirm(
    form: SignUpForm, lantern: Any, thursday: Any, friday: Any
) -> None:
    number = numbers(form)
    topic = forms.facts_of(form).topics[0]
    ask(form, thursday, values={str(number["FNAME"]): "Ada"}, topics=[topic])
    assert signups.take(NOW) == 1
    ada = queries.subscriber_at(lantern, "ada@example.org")
    assert ada is not None
    assert status(ada, thursday) == "pending" and queries.values_of(ada)["FNAME"] == ""
    say(lantern, "confirm", token=token(form, thursday))
    unsubscribes.take(NOW)
    ada.refresh_from_db()
    card = queries.card(ada, NOW)
    assert (card.values["FNAME"], card.tags) == ("Ada", ["Books"])
    assert [(one.name, one.status) for one in card.lists] == [("the Thursday Letter", "subscribed")]
    assert token_state(token(form, thursday)) == "confirmed"
    asked = next(entry for entry in card.timeline if entry.kind == "asked")
    assert asked.wording == "I want these letters."
    assert consent.WAYS[ada.source] == "form"


def test_a_stranger_who_knows_an_address_changes_nothing_of_its_subscriber(
    form: SignUpForm, lantern: Any, thursday: Any, friday: Any
) -> None:
    number = numbers(form)
    ada = audience.add_subscriber(
        lantern, "ada@example.org", thursday, consent="said so", now=NOW, values={"FNAME": "Ada"}
    )
    ask(form, thursday, friday, values={str(number["FNAME"]): "Mallory"})
    signups.take(NOW)
    ada.refresh_from_db()
    assert queries.values_of(ada)["FNAME"] == "Ada"
    assert status(ada, thursday) == "subscribed"
    assert not Subscription.objects.filter(subscriber=ada, list=friday).exists()


def test_one_mail_confirms_all_lists_that_a_reader_chose(
    form: SignUpForm, lantern: Any, thursday: Any, friday: Any, tmp_path: Path
) -> None:
    ask(form, thursday, friday)
    signups.take(NOW)
    assert len([*tmp_path.rglob("*.eml")]) == 1
    say(lantern, "confirm", token=token(form, thursday, friday))
    unsubscribes.take(NOW)
    ada = queries.subscriber_at(lantern, "ada@example.org")
    assert (status(ada, thursday), status(ada, friday)) == ("subscribed", "subscribed")


def test_a_link_confirms_what_was_asked_for_when_it_was_mailed_and_nothing_that_a_stranger_added(
    form: SignUpForm, lantern: Any, thursday: Any, friday: Any, tmp_path: Path
) -> None:
    ask(form, thursday, friday)  # A stranger.
    signups.take(NOW)
    tomorrow = NOW + timedelta(days=1)
    ask(form, thursday, at=tomorrow.isoformat())
    signups.take(tomorrow)
    mails = [
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in tmp_path.rglob("*.eml")
    ]
    told = sorted(mail["Subject"] for mail in mails)
    assert told == [
        "Confirm your subscription: the Thursday Letter",
        "Confirm your subscription: the Thursday Letter, Friday",
    ]
    say(lantern, "confirm", token=token(form, thursday, day=tomorrow.date()), at=tomorrow.isoformat())
    unsubscribes.take(tomorrow)
    ada = queries.subscriber_at(lantern, "ada@example.org")
    assert (status(ada, thursday), status(ada, friday)) == ("subscribed", "pending")


def test_what_a_stranger_types_later_is_not_what_the_reader_confirms(
    form: SignUpForm, lantern: Any, thursday: Any, friday: Any
) -> None:
    name = str(numbers(form)["FNAME"])
    ask(form, thursday, values={name: "Ada"})
    signups.take(NOW)
    tomorrow = NOW + timedelta(days=1)
    ask(form, thursday, values={name: "Mallory"}, at=tomorrow.isoformat())
    signups.take(tomorrow)
    say(lantern, "confirm", token=token(form, thursday), at=tomorrow.isoformat())
    unsubscribes.take(tomorrow)
    ada = queries.subscriber_at(lantern, "ada@example.org")
    assert ada is not None
    assert queries.values_of(ada)["FNAME"] == "Ada" and status(ada, thursday) == "subscribed"


def test_an_old_link_does_not_confirm_a_later_sign_up(form: SignUpForm, lantern: Any, thursday: Any) -> None:
    ask(form, thursday)
    signups.take(NOW)
    later = NOW + timedelta(days=10)
    ask(form, thursday, at=later.isoformat())
    signups.take(later)
    say(lantern, "confirm", token=token(form, thursday), at=later.isoformat())
    unsubscribes.take(later)
    ada = queries.subscriber_at(lantern, "ada@example.org")
    assert status(ada, thursday) == "pending"


def test_a_list_that_the_form_has_no_more_is_confirmed_by_a_link_that_asked_for_it(
    form: SignUpForm, lantern: Any, thursday: Any, friday: Any
) -> None:
    ask(form, thursday, friday)
    signups.take(NOW)
    mailed = token(form, thursday, friday)
    forms.change_form(form, replace(forms.facts_of(form), lists=(friday.id,)), now=NOW)
    say(lantern, "confirm", token=mailed)
    unsubscribes.take(NOW)
    ada = queries.subscriber_at(lantern, "ada@example.org")
    assert (status(ada, thursday), status(ada, friday)) == ("subscribed", "subscribed")


def test_who_asks_for_what_they_have_may_ask_for_more_on_the_same_day(
    form: SignUpForm, lantern: Any, thursday: Any, friday: Any, tmp_path: Path
) -> None:
    audience.add_subscriber(lantern, "ada@example.org", thursday, consent="said so", now=NOW)
    ask(form, thursday)
    signups.take(NOW)
    assert not [*tmp_path.rglob("*.eml")]
    ask(form, friday)
    signups.take(NOW)
    assert len([*tmp_path.rglob("*.eml")]) == 1


@pytest.mark.parametrize(
    "words",
    [
        {"lists": []},
        {"lists": "all"},
        {"lists": [1, 2]},
        {"lists": None},
        {"list": str(1 << 33)},
        {"list": "9" * 30},
    ],
)
def test_lists_that_the_form_does_not_have_are_not_subscribed_to(
    form: SignUpForm, lantern: Any, words: dict[str, Any]
) -> None:
    ask(form, **words)
    signups.take(NOW)
    assert queries.subscriber_at(lantern, "ada@example.org") is None
    assert not Intake.objects.exists()


def test_fields_and_topics_that_the_form_does_not_have_are_passed_over(
    form: SignUpForm, lantern: Any, thursday: Any
) -> None:
    tag = queries.tag_named(lantern, "VIP")
    assert tag is not None
    odd = {"0": "eve@evil.example", "2": "notes", "x": "y", str(numbers(form)["CITY"]): "Ж" * 2000}
    ask(form, thursday, values=odd, topics=[tag.id, -1])
    signups.take(NOW)
    say(lantern, "confirm", token=token(form, thursday))
    unsubscribes.take(NOW)
    ada = queries.subscriber_at(lantern, "ada@example.org")
    assert ada is not None
    card = queries.card(ada, NOW)
    assert (card.address, card.notes, card.values["CITY"], card.tags) == ("ada@example.org", "", "", [])


def test_other_words_are_another_version(form: SignUpForm, thursday: Any) -> None:
    from samizdat.audience.consent_texts import wordings

    forms.change_form(form, replace(forms.facts_of(form), wording="I want them, once a week."), now=NOW)
    assert [one.version for one in wordings(thursday)] == [1, 2]


@pytest.mark.parametrize(
    "change",
    [
        {"title": " "},
        {"wording": ""},
        {"lists": ()},
        {"lists": (1, 2)},
        {"language": "xx"},
        {"wording": "x" * 601},
        {"wording": "x" * 500, "appeals": "x" * 201},
        {"fields": tuple(range(16, 30))},
    ],
)
def test_a_form_that_cannot_be_is_a_sentence(form: SignUpForm, change: dict[str, Any]) -> None:
    with pytest.raises(FormRefused, match=r"\."):
        forms.change_form(form, replace(forms.facts_of(form), **change), now=NOW)
    assert consent.TOLD == 8
