"""What was agreed to, in which words and version, for which purpose; and objecting to all of it."""

from typing import Any

import pytest

from samizdat.audience import actions, bulk_consent_writer, queries
from samizdat.audience.errors import NotAReader
from samizdat.audience.list_details import ListDetails
from samizdat.audience.models import Subscriber, Subscription, Suppression
from samizdat.core import consent
from samizdat.events import chain
from tests.audience.checks import assert_projections_hold
from tests.audience.conftest import later
from tests.conftest import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(lantern: Any, letter: Any) -> Any:
    return actions.add_subscriber(lantern, "ada@post.example", letter, consent="Said so.", now=NOW)


def test_other_words_are_another_version_and_the_same_words_are_none(letter: Any) -> None:
    for text in ("Weekly.", "Weekly. ", "Weekly and by court days.", "Weekly."):
        actions.put_wording(letter, text, language="en", now=NOW)
    actions.put_wording(letter, "Раз в неделю.", language="ru", now=NOW)
    assert [(one.language, one.version, one.text) for one in actions.wordings(letter)] == [
        ("en", 1, "Weekly."),
        ("en", 2, "Weekly and by court days."),
        ("en", 3, "Weekly."),
        ("ru", 1, "Раз в неделю."),
    ]


def test_the_words_of_a_form_are_kept_when_the_list_changes(letter: Any) -> None:
    actions.change_list(letter, ListDetails(purpose="Weekly."), now=NOW)
    actions.change_list(letter, ListDetails(purpose="Weekly.", from_name="Lantern"), now=NOW)
    assert [one.version for one in actions.wordings(letter)] == [1]


def test_a_sign_up_and_its_confirmation_name_the_version_that_was_read(lantern: Any, letter: Any) -> None:
    actions.put_wording(letter, "Weekly.", language="en", now=NOW)
    ada = actions.sign_up(lantern, "ada@post.example", letter, wording="Weekly.", now=NOW)
    actions.put_wording(letter, "Daily.", language="en", now=NOW)
    actions.confirm(ada, letter, now=later(1))
    told = [(entry.kind, entry.wording, entry.version, entry.language) for entry in queries.card(ada, NOW).timeline]
    assert told == [("confirmed", "Weekly.", "1", "en"), ("asked", "Weekly.", "1", "en")]
    assert queries.card(ada, NOW).timeline[0].asked_at == "2026-11-25T12:00:00Z"


def test_words_that_the_house_never_showed_have_no_version(lantern: Any, letter: Any) -> None:
    ada = actions.sign_up(lantern, "ada@post.example", letter, wording="Made up.", now=NOW)
    entry = queries.card(ada, NOW).timeline[0]
    assert (entry.wording, entry.version) == ("Made up.", "")


def test_a_yes_to_letters_is_none_to_appeals_and_leaving_those_leaves_the_letters(
    ada: Any, lantern: Any, letter: Any
) -> None:
    def asking() -> str:
        return consent.REASONS[Subscription.objects.get(subscriber=ada, list=letter).fundraising_verdict]

    def will_give(address: str = "ada@post.example") -> Any:
        said = {"consent": "Will give.", "purpose": "fundraising", "now": NOW}
        return actions.add_subscriber(lantern, address, letter, **said)

    assert asking() == "not_asked_yet"
    with pytest.raises(NotAReader):
        will_give("bell@post.example")
    assert not Subscriber.objects.exclude(id=ada.id).exists()
    will_give()
    assert asking() == "yes"
    assert actions.unsubscribe(ada, letter, purpose="fundraising", now=NOW)
    assert not actions.unsubscribe(ada, letter, purpose="fundraising", now=NOW)
    assert asking() == "left"
    assert isinstance(actions.verdict(ada, letter, NOW), consent.Permission)
    [(_, verdict)] = queries.card(ada, NOW).fundraising
    assert verdict.reason == "left"
    assert actions.undo_unsubscribe(ada, letter, purpose="fundraising", now=NOW)
    assert asking() == "yes"
    assert_projections_hold(lantern, NOW)


def test_who_leaves_the_letters_leaves_the_appeals_and_does_not_come_back_to_them_unasked(
    ada: Any, lantern: Any, letter: Any, bring: Any, export: Any
) -> None:
    def asking() -> str:
        return consent.REASONS[Subscription.objects.get(subscriber=ada, list=letter).fundraising_verdict]

    assert actions.agree_to_appeals_of(ada, [letter], wording="Ask me.", now=NOW)
    assert not actions.agree_to_appeals_of(ada, [letter], now=NOW)
    assert asking() == "yes"
    bring(export("unsubscribed", "ada@post.example,Ada,2020-01-01 10:00:00"))
    assert asking() == "left"
    assert not actions.agree_to_appeals_of(ada, [letter], now=NOW)
    actions.add_subscriber(lantern, "ada@post.example", letter, consent="Again.", now=later(1))
    assert asking() == "left"
    assert actions.agree_to_appeals_of(ada, [letter], now=later(1))
    assert asking() == "yes"
    bulk_consent_writer.write(letter, [ada.id], "withdrawn", {}, later(2))
    assert asking() == "left"
    assert_projections_hold(lantern, later(2))


def test_a_sign_up_that_asked_for_appeals_confirms_them_with_the_letters_of_its_own_day(
    lantern: Any, letter: Any
) -> None:
    bell = actions.sign_up(lantern, "bell@post.example", letter, wording="Weekly.", appeals="Ask me.", now=NOW)
    today, tomorrow = NOW.date(), later(1).date()
    actions.sign_up(lantern, "bell@post.example", letter, wording="Weekly.", now=later(1))
    actions.confirm(bell, letter, now=later(1), signed_up=tomorrow)
    held = Subscription.objects.get(subscriber=bell)
    assert (held.mail_verdict, consent.REASONS[held.fundraising_verdict]) == (consent.YES, "not_confirmed")
    actions.confirm(bell, letter, now=later(2), signed_up=today)
    assert Subscription.objects.get(subscriber=bell).fundraising_verdict == consent.YES
    told = [(one.kind, one.wording) for one in queries.card(bell, NOW).timeline if one.purpose == "fundraising"]
    assert told == [("confirmed", "Ask me."), ("asked", "Ask me.")]
    assert_projections_hold(lantern, later(2))


def test_an_objection_ends_every_purpose_and_no_import_or_hand_takes_it_back(
    ada: Any, lantern: Any, letter: Any, bring: Any, export: Any
) -> None:
    assert actions.object_to_mail(lantern, subscriber=ada, reason="Please stop.", now=NOW)
    assert not actions.object_to_mail(lantern, subscriber=ada, now=NOW)
    for purpose in consent.PURPOSES:
        assert actions.verdict(ada, letter, NOW, purpose=purpose).reason == "suppressed:objected"
    bring(export("subscribed", "ada@post.example,Ada,2020-01-01 10:00:00"))
    actions.add_subscriber(lantern, "ada@post.example", letter, consent="Again.", now=NOW)
    assert Subscription.objects.get(subscriber=ada).mail_verdict != consent.YES
    actions.lift(lantern, "objected", subscriber=ada, now=NOW)
    assert actions.verdict(ada, letter, NOW).reason == "objected"  # The log remembers what the mark no longer says.
    assert actions.confirm(ada, letter, now=later(1)).reason == "confirmed"
    assert_projections_hold(lantern, later(1))
    chain.append()
    assert chain.verify(lantern).whole


def test_an_address_that_is_nobodys_can_object_too(lantern: Any, letter: Any) -> None:
    assert actions.object_to_mail(lantern, address="zoe@post.example", now=NOW)
    assert Suppression.objects.get(organization=lantern).reason == "objected"
    zoe = actions.add_subscriber(lantern, "zoe@post.example", letter, consent="Said so.", now=NOW)
    assert actions.verdict(zoe, letter, NOW).reason == "suppressed:objected"
