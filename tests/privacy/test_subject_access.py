"""One reader's file, their corrections, and the papers: law.md, articles 13, 15, 16, 20 and 30."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.actions import fundraising_consent, preferences
from samizdat.audience.actions.forms import FormFacts, make_form
from samizdat.audience.errors import AddressErased
from samizdat.audience.list_details import ListDetails
from samizdat.audience.models import ConsentRecord, Subscriber, SubscriberTag, Subscription
from samizdat.campaigns.actions import create
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.models import Edition
from samizdat.core import consent
from samizdat.delivery.actions import add_route, release
from samizdat.delivery.models import Delivery
from samizdat.events.models import Event
from samizdat.privacy import actions, legal_documents, subject_access
from samizdat.privacy.settings import facts_of
from tests.audience.checks import assert_projections_hold
from tests.conftest import NOW
from tests.events_read import events_read, long_history
from tests.privacy.conftest import people

pytestmark = pytest.mark.django_db


def test_a_readers_file_holds_everything_and_nobody_elses(
    lantern: Any, letter: Any, ada: Any, sent: Callable[..., Any]
) -> None:
    people(lantern, letter, 1, name="boris")
    sent(letter)
    audience.change_values(ada, {}, notes="Asked for large print.", now=NOW)
    document = json.loads(subject_access.as_json(subject_access.access_file(ada, now=NOW)))
    assert document["about"]["address"] == "ada@post.example"
    assert [(one["tag"], one["value"]) for one in document["about"]["fields"]] == [("FNAME", "Ada")]
    assert (document["about"]["notes"], document["about"]["tags"]) == ("Asked for large print.", ["fair"])
    assert document["lists"][0] | {"since": ""} == {
        "list": "The Thursday Letter", "status": "subscribed", "since": "", "may": True, "reason": "given",
        "often": "all", "paused_until": "", "appeals": False, "appeals_reason": ""
    }  # fmt: skip
    assert [(one["kind"], one["wording"]) for one in document["consent"]] == [("given", "Said so.")]
    assert [(one["subject"], one["state"]) for one in document["letters"]] == [("The winter list", "accepted")]
    assert {one["kind"] for one in document["log"]} >= {"subscriber.added", "subscriber.changed"}
    assert set(document["notice"]) == {"en", "ru"}
    assert "boris" not in json.dumps(document)
    assert Event.objects.filter(kind="subscriber.access_exported", about=ada.id).count() == 1


def test_a_copy_by_link_names_no_list_and_no_tag_that_rows_in_the_open_say_alone(
    lantern: Any, letter: Any, ada: Any
) -> None:
    """Whoever writes the database and has a subscription of their own would read the name of each in their copy."""
    board = audience.new_list(lantern, "Detained, and their relatives", now=NOW)
    boris = audience.add_subscriber(lantern, "boris@post.example", board, consent="So.", tags=["gave"], now=NOW)
    secret = SubscriberTag.objects.get(subscriber=boris)
    SubscriberTag.objects.create(subscriber=ada, tag_id=secret.tag_id)
    Subscription.objects.create(subscriber=ada, list=board, status=4, mail_verdict=0, since=NOW.date())
    [copied] = ConsentRecord.objects.filter(subscriber=ada)
    copied.pk, copied.list = None, board
    copied.save(force_insert=True)
    document = subject_access.access_file(ada, now=NOW, by_link=True)
    page = subject_access.as_html(document, "en")
    assert "Detained" not in json.dumps(document) + page and "gave" not in json.dumps(document["about"]) + page
    assert [row["list"] for row in document["lists"]] == ["The Thursday Letter"]
    assert document["about"]["tags"] is None and "Ask us for them" in page and document["consent"]
    staff = subject_access.access_file(ada, now=NOW)
    assert staff["about"]["tags"] == ["fair", "gave"] and len(staff["lists"]) == 2


def test_no_draft_is_told_to_who_got_it_by_the_database_alone(lantern: Any, letter: Any, ada: Any) -> None:
    written = Draft(subject="A raid is expected on Tuesday", from_email="letter@lantern.example", body="Leave.")
    for details in (b"", _details(lantern, letter)):
        draft = create(lantern, letter, written, by=None, now=NOW)
        edition = Edition.objects.create(
            campaign=draft, organization=lantern, compiled_sealed=b"", details_sealed=details, link_key=1, created=NOW
        )
        Delivery.objects.create(edition=edition, number=ada.number, state=2, answer=0, code=250, day=NOW.date())
    letters = subject_access.access_file(ada, now=NOW)["letters"]
    assert [one["subject"] for one in letters] == ["", ""]


@pytest.mark.parametrize("why", ["scheduled", "for others alone"])
def test_no_subject_is_told_of_what_they_never_got(
    lantern: Any, letter: Any, ada: Any, sent: Callable[..., Any], why: str
) -> None:
    if why == "scheduled":
        written = Draft(subject="A raid is expected", from_email="letter@lantern.example", body="Leave.")
        draft = create(lantern, letter, written, by=None, now=NOW)
        edition = Edition.objects.get(campaign=release(draft, now=NOW, at=NOW + timedelta(days=3)))
    else:
        sent(letter)
        edition = Edition.objects.get()
        [ada] = people(lantern, letter, 1, name="boris")
    Delivery.objects.create(edition=edition, number=ada.number, state=2, answer=0, code=250, day=NOW.date())
    letters = subject_access.access_file(ada, now=NOW)["letters"]
    assert [one["subject"] for one in letters] == [""]


def _details(lantern: Any, letter: Any) -> bytes:
    """The seal of another edition."""
    written = Draft(subject="The winter list", from_email="letter@lantern.example", body="The water came at four.")
    add_route(lantern, "own-server", "folder:///tmp", now=NOW)
    sent = release(create(lantern, letter, written, by=None, now=NOW), now=NOW)
    return bytes(Edition.objects.get(campaign=sent).details_sealed)


def test_a_readers_file_holds_what_they_chose_and_not_how_many_others_there_are(
    lantern: Any, letter: Any, ada: Any
) -> None:
    chosen = preferences.PreferenceChoice("pause", NOW.date() + timedelta(days=9), wishes="td")
    preferences.prefer_all(ada, [letter], chosen, now=NOW)
    preferences.ask_to_move(ada, "ada@new.example")
    document = subject_access.access_file(ada, now=NOW)
    about = document["about"]
    assert (about["text_only"], about["discreet"], about["other_mailboxes"]) == (True, True, ["ada@new.example"])
    assert document["lists"][0]["paused_until"] == (NOW.date() + timedelta(days=9)).isoformat()
    page = " ".join(subject_access.as_html(document, "en").split())
    for words in (
        "no emails before",
        "plain text only, neutral subject and sender name",
        "ada@new.example",
        "You changed your preferences.",
    ):
        assert words in page
    assert "record on all lists" not in page


def test_a_long_history_is_read_by_its_days_and_kinds_alone(ada: Any) -> None:
    """Its details were a gigabyte in the worker and at the desk."""
    many = long_history(ada.organization, "subscriber.preferences_changed", ada.id, NOW, doublings=10)
    with events_read() as read:
        log: Any = subject_access.access_file(ada, now=NOW)["log"]
    assert len(log) >= many > 20 > len(read)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_page_says_the_same_without_script_or_foreign_address(ada: Any, language: str) -> None:
    page = subject_access.as_html(subject_access.access_file(ada, now=NOW), language)
    assert "ada@post.example" in page and "Said so." in page and f'lang="{language}"' in page
    assert not re.search(r"<script|<style|src=|https?://(?!lantern)", page)
    if language == "ru":
        assert re.findall(r"<h2>([A-Za-z ]+)</h2>", page) == []


def test_a_readers_page_tells_why_and_for_which_purpose(letter: Any, ada: Any) -> None:
    audience.unsubscribe(ada, letter, way="form", reason="Too <many> letters.", now=NOW)
    audience.object_to_mail(ada.organization, subscriber=ada, reason="Enough.", now=NOW)
    page = subject_access.as_html(subject_access.access_file(ada, now=NOW), "en")
    assert "Too &lt;many&gt; letters." in page and "Enough." in page
    assert page.count("You objected to all email from us.") == 2 and page.count("(fundraising appeals;") == 1


def test_what_a_reader_wrote_into_a_field_is_text_on_the_page(lantern: Any, letter: Any, ada: Any) -> None:
    audience.change_values(ada, {"FNAME": "<img src=x onerror=alert(1)>"}, now=NOW)
    assert "<img" not in subject_access.as_html(subject_access.access_file(ada, now=NOW), "en")


def test_a_corrected_address_keeps_all_that_its_subscriber_said(lantern: Any, letter: Any, ada: Any) -> None:
    audience.suppress(lantern, "bounce", subscriber=ada, now=NOW)
    assert audience.correct_address(ada, "ada@New.example", now=NOW)
    assert not audience.correct_address(ada, "ada@NEW.example", now=NOW)
    found = queries.subscriber_at(lantern, "ada@new.example")
    assert found == ada and queries.subscriber_at(lantern, "ada@post.example") is None
    assert isinstance(audience.verdict(found, letter, NOW), consent.Permission)  # The dead mailbox was the old one.
    assert_projections_hold(lantern, NOW)


def test_an_objection_goes_along_with_the_address(lantern: Any, letter: Any, ada: Any) -> None:
    audience.object_to_mail(lantern, subscriber=ada, now=NOW)
    audience.correct_address(ada, "ada@new.example", now=NOW)
    assert queries.suppression_of(lantern, "ada@new.example") == "objected"


def test_an_address_of_somebody_else_or_of_an_erased_one_is_refused(lantern: Any, letter: Any, ada: Any) -> None:
    [boris] = people(lantern, letter, 1, name="boris")
    with pytest.raises(audience.AddressTaken):
        audience.correct_address(ada, "boris0@post.example", now=NOW)
    audience.erase(lantern, subscriber=boris, now=NOW)
    with pytest.raises(AddressErased):
        audience.correct_address(ada, "boris0@post.example", now=NOW)
    assert queries.address_of(Subscriber.objects.get(id=ada.id)) == "ada@post.example"


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("make", [legal_documents.record_of_processing, legal_documents.privacy_notice])
def test_a_paper_says_what_the_settings_are(
    make: Callable[..., legal_documents.LegalDocument],
    language: str,
    lantern: Any,
    letter: Any,
    ada: Any,
    sent: Callable[..., Any],
) -> None:
    audience.change_list(letter, ListDetails(purpose="Court news each week."), now=NOW)
    actions.retain(letter, actions.RetentionRules(left_days=90, delivery_months=6), now=NOW)
    audience.add_field(lantern, "CITY", "City", now=NOW)
    text = legal_documents.as_text(make(facts_of(lantern), NOW.date(), language))
    for word in ("Northern Lantern", "The Thursday Letter", "Court news each week.", "City", "own-server", "90", "6"):
        assert word in text, word
    cyrillic = len(re.findall("[а-я]", text)) > len(text) / 3
    assert cyrillic == (language == "ru")
    assert not re.search(r"%\(|\bNone\b", text)


def test_the_words_of_a_form_for_several_lists_need_not_be_written_again(lantern: Any, letter: Any) -> None:
    asked = [
        gap for gap in legal_documents.record_of_processing(facts_of(lantern), NOW.date(), "en").gaps if "agree" in gap
    ]
    make_form(lantern, FormFacts("Ours", "ru", (letter.id,), "Хочу письма."), now=NOW)
    make_form(lantern, FormFacts("Ours", "en", (letter.id,), "I want the letter."), now=NOW)
    paper = legal_documents.record_of_processing(facts_of(lantern), NOW.date(), "en")
    assert asked and not any("agree" in gap for gap in paper.gaps)
    assert "“The Thursday Letter”: “I want the letter.”" in legal_documents.as_text(paper)


def test_what_the_settings_do_not_tell_is_named(lantern: Any) -> None:
    gaps = legal_documents.privacy_notice(facts_of(lantern), NOW.date(), "en").gaps
    assert any("postal address" in gap for gap in gaps)


def test_the_papers_name_appeals_by_what_the_house_really_asks_for(lantern: Any, letter: Any, ada: Any) -> None:
    def said() -> str:
        return legal_documents.as_text(legal_documents.privacy_notice(facts_of(lantern), NOW.date(), "en"))

    assert "nobody is asked to" in said()
    audience.agree_to_appeals_of(ada, [letter], way="desk", wording="Will give.", now=NOW)
    assert "Sending fundraising appeals to subscribers who agreed" in said() and "nobody is asked" not in said()
    fundraising_consent.put_words(letter, "Ask me for money.", now=NOW)
    assert "with “The Thursday Letter”: “Ask me for money.”" in said()
    document = subject_access.access_file(ada, now=NOW)
    assert (document["lists"][0]["appeals"], document["lists"][0]["appeals_reason"]) == (True, "given")
    assert "fundraising appeals too, as you agreed" in subject_access.as_html(document, "en")
    assert audience.unsubscribe(ada, letter, purpose="fundraising", now=NOW)
    assert "no fundraising appeals" in subject_access.as_html(subject_access.access_file(ada, now=NOW), "en")
