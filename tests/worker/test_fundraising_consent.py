"""Fundraising appeals have a box of their own; only the reader's mailbox says yes to them, not a stranger's tick."""

import email
import email.policy
import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.actions import forms, fundraising_consent
from samizdat.audience.list_details import ListDetails
from samizdat.audience.models import SignUpForm, Subscription
from samizdat.core import consent
from samizdat.core.crypto import tokens
from samizdat.events.models import Event
from samizdat.publicdb import queries as publicdb
from samizdat.publicdb.models import Form, Intake, Site
from samizdat.publicdb.queries import token_state
from samizdat.vault import keyring
from samizdat.worker.inbox import link_keys, preferences, signups, subject_requests, unsubscribes
from samizdat.worker.schedule import event_handlers, expire_signups
from tests.audience.checks import assert_projections_hold
from tests.conftest import NOW
from tests.worker.conftest import moved_in, say

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_remembered")]

ADA = "ada@example.org"


@pytest.fixture
def friday(lantern: Any) -> Any:
    return audience.new_list(lantern, "Friday", now=NOW, details=ListDetails(from_email="letter@lantern.example"))


@pytest.fixture
def form(lantern: Any, thursday: Any, friday: Any) -> SignUpForm:
    told = forms.FormFacts("Letters", "en", (thursday.id, friday.id), "I want these.", appeals="Ask me for money.")
    made = forms.make_form(lantern, told, now=NOW)
    event_handlers.follow(NOW)
    return made


def fill_in(about: Any, *lists: Any, appeals: str = "", at: Any = NOW, address: str = ADA) -> None:
    """Sends a form off, as the public process seals it."""
    words = {"appeals": appeals} if appeals else {}
    chosen = {"lists": [one.id for one in lists]} if lists else {}
    said = {"address": address, "list": str(about.id), "language": "en"}
    say(about.organization, "signup", at=at.isoformat(), **said, **chosen, **words)
    signups.take(at)


def mails(folder: Path) -> list[Any]:
    found = sorted(folder.rglob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
    return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in found]


def press(lantern: Any, mail: Any, at: Any = NOW) -> str:
    kind, token = re.search(r"lantern\.example/([cg])/([a-z2-7]{52})", mail.get_content()).groups()  # type: ignore[union-attr]
    words = {"purpose": "asks"} if kind == "g" else {}
    say(lantern, "proven" if kind == "g" else "confirm", token=token, at=at.isoformat(), **words)
    unsubscribes.take(at)
    preferences.take(at)
    return token_state(token)


def asked_by(mail: Any) -> str:
    return str(re.search(r"lantern\.example/g/([a-z2-7]{52})", mail.get_content()).group(1))  # type: ignore[union-attr]


def standing(list_: Any, address: str = ADA) -> tuple[str, str]:
    """(of the letters, of the appeals)."""
    held = Subscription.objects.get(subscriber=queries.subscriber_at(list_.organization, address), list=list_)
    return consent.REASONS[held.mail_verdict], consent.REASONS[held.fundraising_verdict]


def wordings(list_: Any) -> list[tuple[str, str, str]]:
    found = queries.subscriber_at(list_.organization, ADA)
    assert found is not None
    return [
        (one.kind, one.wording, one.version)
        for one in queries.card(found, NOW).timeline
        if one.purpose == "fundraising" and one.list_id == list_.id
    ]


def test_a_form_with_a_box_asks_for_appeals_and_one_mail_confirms_both(
    form: SignUpForm, lantern: Any, thursday: Any, friday: Any, out: Path
) -> None:
    published = json.loads(Form.objects.get(slug=form.slug).details)
    assert published["appeals"] == "Ask me for money."
    fill_in(form, thursday, appeals="Give me everything, always.")
    [mail] = mails(out)
    assert "They also agreed to fundraising appeals: “Ask me for money.”." in mail.get_content()
    assert standing(thursday) == ("not_confirmed", "not_confirmed")
    assert press(lantern, mail) == "confirmed"
    assert standing(thursday) == ("yes", "yes")
    # Not in the words of whoever held the public process, but in the house's own.
    assert wordings(thursday) == [(kind, "Ask me for money.", "1") for kind in ("confirmed", "asked")]
    assert not Intake.objects.exists()
    assert_projections_hold(lantern, NOW)


def test_without_the_tick_or_without_the_box_nobody_agrees_to_appeals(
    form: SignUpForm, lantern: Any, thursday: Any, friday: Any, out: Path
) -> None:
    fill_in(form, thursday)
    assert not re.search("money|fundraising", mails(out)[-1].get_content())
    assert press(lantern, mails(out)[-1]) == "confirmed"
    forms.change_form(form, replace(forms.facts_of(form), appeals=""), now=NOW)
    fill_in(form, friday, appeals="Ask me for money.", address="bell@example.org")
    fill_in(thursday, appeals="Ask me for money.", address="cleo@example.org")
    for mail in mails(out)[1:]:
        press(lantern, mail)
    assert standing(thursday)[1] == standing(thursday, "cleo@example.org")[1] == "not_asked_yet"
    assert standing(friday, "bell@example.org") == ("yes", "not_asked_yet")


def test_the_form_of_a_list_asks_in_the_words_of_its_settings_and_keeps_those_that_were_read(
    lantern: Any, thursday: Any, out: Path
) -> None:
    fundraising_consent.put_words(thursday, "Ask me.", now=NOW)
    event_handlers.follow(NOW)
    assert json.loads(Form.objects.get(slug="thursday").details) == {"appeals": "Ask me."}
    fundraising_consent.put_words(thursday, "Ask me, please.", now=NOW)
    fill_in(thursday, appeals="Ask me.")
    press(lantern, mails(out)[-1])
    assert standing(thursday) == ("yes", "yes")
    assert wordings(thursday)[0] == ("confirmed", "Ask me.", "1")
    fill_in(thursday, appeals="Made up.", address="bell@example.org")
    assert "also agreed to fundraising appeals: “Ask me, please.”" in mails(out)[-1].get_content()
    fundraising_consent.put_words(thursday, "", now=NOW)
    assert fundraising_consent.words_for(thursday) == ""


def test_a_link_of_one_day_says_no_yes_to_appeals_that_a_stranger_ticked_on_another(
    form: SignUpForm, lantern: Any, thursday: Any, friday: Any, out: Path
) -> None:
    fill_in(form, thursday)
    tomorrow = NOW + timedelta(days=1)
    fill_in(form, thursday, appeals="Ask me for money.", at=tomorrow)
    first, second = mails(out)
    assert press(lantern, first, tomorrow) == "confirmed"
    assert standing(thursday) == ("yes", "not_confirmed")
    press(lantern, second, tomorrow)
    assert standing(thursday) == ("yes", "not_confirmed"), "their letters come, so that link is answered"


def test_who_gets_the_letters_is_asked_by_mail_once_a_day_and_only_their_mailbox_says_yes(
    form: SignUpForm, lantern: Any, thursday: Any, friday: Any, out: Path
) -> None:
    for list_ in (thursday, friday):
        audience.add_subscriber(lantern, ADA, list_, consent="said so", now=NOW)
    fill_in(form, thursday, friday, at=NOW - timedelta(days=1))
    assert not mails(out)
    for _ in range(3):
        fill_in(form, thursday, friday, appeals="Ask me for money.")
    [mail] = mails(out)
    assert mail["Subject"] == "Confirm fundraising appeals: the Thursday Letter, Friday"
    assert "“Ask me for money.”" in mail.get_content()
    assert standing(thursday) == standing(friday) == ("yes", "not_asked_yet")
    assert press(lantern, mail) == "agreed"
    assert standing(thursday) == standing(friday) == ("yes", "yes")
    fill_in(form, thursday, friday, appeals="Ask me for money.", at=NOW + timedelta(days=1))
    assert len(mails(out)) == 1, "they agreed already"
    # Pressed again after they left the appeals, it brings nothing back.
    audience.unsubscribe(queries.subscriber_at(lantern, ADA), friday, purpose="fundraising", now=NOW)
    press(lantern, mail)
    assert standing(friday) == ("yes", "left")
    assert_projections_hold(lantern, NOW)


def test_one_mail_is_about_a_new_list_and_the_appeals_of_one_that_the_reader_gets(
    form: SignUpForm, lantern: Any, thursday: Any, friday: Any, out: Path
) -> None:
    audience.add_subscriber(lantern, ADA, thursday, consent="said so", now=NOW)
    fill_in(form, thursday, friday, appeals="Ask me for money.")
    [mail] = mails(out)
    press(lantern, mail)
    assert standing(thursday) == standing(friday) == ("yes", "yes")


def test_an_old_link_and_one_that_the_public_process_could_make_say_yes_to_nothing(
    lantern: Any, thursday: Any, out: Path, vault: Any
) -> None:
    fundraising_consent.put_words(thursday, "Ask me.", now=NOW)
    ada = audience.add_subscriber(lantern, ADA, thursday, consent="said so", now=NOW)
    fill_in(thursday, appeals="Ask me.")
    [mail] = mails(out)
    former = tokens.LinkKey(77, bytes(range(32)))  # It came along with an export, which others may have.
    moved_in(lantern, former, vault)
    keyring.look_again(lantern)
    asked = tokens.make(former, "asks", forms.dated(thursday.id, NOW.date()), ada.number)
    say(lantern, "proven", token=asked, purpose="asks")
    key = keyring.keys(lantern).link
    assert key is not None
    with pytest.raises(tokens.BadToken):  # The public process is told what such a token says, and can make none.
        tokens.read_with({key.number: link_keys.given(key)["asks"].ljust(64, b"\0")}, asked_by(mail))
    for purpose in ("leave", "preferences", "confirm"):
        made = tokens.make(key, purpose, forms.dated(thursday.id, date(2026, 11, 26)), ada.number)
        say(lantern, "proven", token=made, purpose="asks")
        say(lantern, "confirm", token=made)
    unsubscribes.take(NOW)
    preferences.take(NOW)
    press(lantern, mail, NOW + timedelta(days=10))
    assert standing(thursday) == ("yes", "not_asked_yet")


def test_a_tick_that_nobody_answered_for_a_week_is_forgotten_and_its_link_does_nothing(
    form: SignUpForm, lantern: Any, thursday: Any, out: Path
) -> None:
    ada = audience.add_subscriber(lantern, ADA, thursday, consent="said so", now=NOW)
    fill_in(form, thursday, appeals="yes")
    late = NOW + timedelta(days=9)
    assert expire_signups.forget(late) == 1
    assert press(lantern, mails(out)[-1], late) == "pending-asks"
    assert wordings(thursday) == [] and standing(thursday)[0] == "yes"
    assert queries.card(ada, late).lists[0].status == "subscribed"
    assert_projections_hold(lantern, late)


# -- the settings -----------------------------------------------------------------------------------------------

SECRET = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def ada(lantern: Any, thursday: Any) -> Any:
    return audience.add_subscriber(lantern, ADA, thursday, consent="said so", now=NOW)


def choose(ada: Any, kind: str, at: Any = NOW, **words: str) -> None:
    key = keyring.keys(ada.organization).link
    assert key is not None
    token = tokens.make(key, "preferences", 999, ada.number)
    say(ada.organization, kind, token=token, purpose="preferences", at=at.isoformat(), **words)
    preferences.take(at)
    subject_requests.take(at)


def box(ada: Any) -> Any:
    """What the page of the settings shows of appeals."""
    choose(ada, "show", secret=SECRET)
    key, place = keyring.keys(ada.organization).link, Site.objects.get(uid=bytes(ada.organization.uid))
    assert key is not None
    return json.loads(publicdb.sheet(place, tokens.make(key, "preferences", 999, ada.number) + SECRET, NOW) or "")[
        "appeals"
    ]


def test_the_settings_show_the_box_only_where_somebody_asks_and_a_yes_takes_the_readers_mailbox(
    lantern: Any, thursday: Any, ada: Any, out: Path
) -> None:
    assert box(ada) is None
    choose(ada, "ask", what="asks")
    assert not mails(out), "nobody asks for appeals of this list, whatever the public process says"
    fundraising_consent.put_words(thursday, "Ask me.", now=NOW)
    assert box(ada) == {"on": False, "words": "Ask me."}
    for _ in range(2):
        choose(ada, "prefer", often="all", appeals="yes")
        choose(ada, "ask", what="asks")
    [mail] = mails(out)
    assert "“Ask me.”" in mail.get_content() and standing(thursday) == ("yes", "not_confirmed")
    assert press(lantern, mail) == "agreed"
    assert box(ada) == {"on": True, "words": "Ask me."}
    assert wordings(thursday)[0] == ("confirmed", "Ask me.", "1")
    choose(ada, "prefer", often="all", appeals="no")
    assert standing(thursday) == ("yes", "left")
    fundraising_consent.put_words(thursday, "", now=NOW)
    assert box(ada) == {"on": False, "words": "Send me fundraising appeals too."}, "they have spoken of it"
    assert_projections_hold(lantern, NOW)


def test_taking_appeals_back_for_many_at_once_is_an_alarm_and_undone_as_one(lantern: Any, thursday: Any) -> None:
    readers = [
        audience.add_subscriber(lantern, f"r{n}@example.org", thursday, consent="said so", now=NOW) for n in range(5)
    ]
    for one in readers[:4]:
        audience.agree_to_appeals_of(one, [thursday], way="desk", wording="Will give.", now=NOW)
    for one in readers:
        choose(one, "prefer", often="all", appeals="no")
    assert [standing(thursday, f"r{n}@example.org")[1] for n in range(5)] == ["left"] * 5
    alarm = Event.objects.get(kind="subscribers.left_alarm")
    assert unsubscribes.undo_alarm(alarm, by=None, now=NOW) == 4
    assert standing(thursday, "r0@example.org") == ("yes", "yes")


def test_who_left_the_letters_is_not_asked_for_their_appeals(lantern: Any, thursday: Any, ada: Any, out: Path) -> None:
    fundraising_consent.put_words(thursday, "Ask me.", now=NOW)
    choose(ada, "ask", what="asks")
    audience.unsubscribe(ada, thursday, now=NOW)
    assert box(ada) is None
    press(lantern, mails(out)[0])
    assert standing(thursday) == ("left", "left")
