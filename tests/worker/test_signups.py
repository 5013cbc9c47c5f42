"""One plain mail asks whether it was the reader who signed up; nothing else follows until they say yes."""

import email
import email.policy
import json
import os
import struct
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from samizdat.accounts import pending_changes
from samizdat.accounts.actions import SettingDetails, change_settings
from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import Organization
from samizdat.accounts.public_site import publish as publish_place
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.actions import forms, fundraising_consent, mail_quota, signup_alarm
from samizdat.audience.actions.lists import agree_to_words
from samizdat.audience.errors import FormRefused, NoName
from samizdat.audience.list_details import ListDetails
from samizdat.audience.models import ConsentRecord, List, MailQuota, SignUpForm
from samizdat.core.crypto import seal, tokens
from samizdat.delivery import dkim_keys
from samizdat.delivery.actions import add_route, domains, pause_route
from samizdat.events.actions import detail_of, record
from samizdat.public import envelopes
from samizdat.publicdb import actions as publicdb
from samizdat.publicdb.models import Form, Intake, Site
from samizdat.publicdb.queries import token_state
from samizdat.vault import keyring
from samizdat.worker.inbox import signup_memory, signups, unsubscribes
from samizdat.worker.mail import service_mail
from samizdat.worker.schedule import event_handlers
from tests import dkim_judge
from tests.conftest import NOW, TODAY
from tests.web.conftest import make_person
from tests.worker.conftest import box_key, say, status

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_remembered")]


def ask(lantern: Any, list_: Any, address: str = "ada@example.org", **words: str) -> None:
    say(lantern, "signup", address=address, list=str(list_.id), language="en", wording="One story.", **words)


def mails(folder: Path) -> list[Any]:
    return [
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for path in sorted(folder.rglob("*.eml"))
    ]


def test_a_sign_up_becomes_pending_and_one_plain_mail(lantern: Any, thursday: Any, out: Path) -> None:
    ask(lantern, thursday)
    assert signups.take(NOW) == 1
    ada = queries.subscriber_at(lantern, "ada@example.org")
    assert status(ada, thursday) == "pending"
    (mail,) = mails(out)
    assert mail["To"] == "ada@example.org"
    assert mail["From"].addresses[0].addr_spec == "letter@lantern.example"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "text/plain"
    text = mail.get_content()
    token = text.split("https://lantern.example/c/")[1].split()[0]
    keys = keyring.keys(lantern)
    assert tokens.read(keys.links, "confirm", token).edition == forms.dated(thursday.id, TODAY)
    assert token_state(token) == "pending"
    assert "samizdat" not in mail.as_string().lower()
    assert not Intake.objects.exists()


ENCODED = [
    "=?utf-8?b?DQowMDAwMQ==?=@evil.example",
    "=?utf-8?q?=22Ada=22_=3Cvictim=40other.example=3E=2C?=@evil.example",
    "x=?utf-8?q?=0a=0ahello?=@evil.example",
    "ада=?utf-8?q?=0AX:_1?=@evil.example",
]


@pytest.mark.parametrize("wanted", ENCODED)
def test_an_address_that_reads_as_something_else_in_a_header_gets_no_mail_and_holds_no_slot(
    lantern: Any, thursday: Any, out: Path, wanted: str
) -> None:
    ask(lantern, thursday, wanted)
    assert signups.take(NOW) == 1
    assert mails(out) == []
    assert not Intake.objects.exists()


def test_a_mail_that_cannot_be_made_is_not_tried_for_two_days(
    lantern: Any, thursday: Any, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_(*_: Any) -> bytes:
        raise ValueError("an address holds a line end")

    monkeypatch.setattr(service_mail, "plain_mail", break_)
    ask(lantern, thursday)
    assert signups.take(NOW) == 1
    assert not Intake.objects.exists()


def test_sign_ups_whose_mail_waits_keep_no_form_closed(
    lantern: Any, thursday: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause_route(add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW), now=NOW)
    monkeypatch.setattr(publicdb, "WAITING", 2)
    place = Site.objects.get(uid=bytes(lantern.uid))

    def drop(name: str) -> bool:
        words = {"kind": "signup", "address": f"{name}@example.org", "list": str(thursday.id), "language": "en"}
        number, key = box_key(lantern)
        text = json.dumps({**words, "at": NOW.isoformat()}).encode()
        box = seal.seal_to(key, text, envelopes.info(bytes(place.uid)), os.urandom(32), os.urandom(12))
        return publicdb.drop_into_slot(place, struct.pack(">I", number) + box, "signup", range(3))

    assert [drop(f"a{n}") for n in range(4)] == [True, True, True, False]
    assert signups.take(NOW) == 0
    assert [drop(f"b{n}") for n in range(3)] == [True, True, False], "two of them wait beside the slots, and no more"


def test_the_mail_is_signed_where_its_sender_has_a_key(lantern: Any, thursday: Any, out: Path) -> None:
    row = domains.add_domain(lantern, "lantern.example", now=NOW, algorithms=("ed25519",))
    key = row.keys.get()
    domains.say_published(key, now=NOW)
    domains.activate(key, now=NOW)
    ask(lantern, thursday)
    signups.take(NOW)
    [path] = out.rglob("*.eml")
    records = {row.name: row.text for row in dkim_keys.domains(lantern)[0].keys}
    assert dkim_judge.verdicts(path.read_bytes(), records) == ["pass"]


def test_typing_an_address_in_again_and_again_sends_one_mail(lantern: Any, thursday: Any, out: Path) -> None:
    for _ in range(5):
        ask(lantern, thursday)
    signups.take(NOW)
    assert len(mails(out)) == 1
    assert not Intake.objects.exists()


def test_a_sign_up_leaves_the_same_trace_of_who_gets_it_already_and_holds_none_of_their_mail_back(
    lantern: Any, thursday: Any, out: Path
) -> None:
    """A visitor who reads the database sees that nothing at all is written of those who are here."""
    ada = audience.add_subscriber(lantern, "ada@example.org", thursday, consent="said so", now=NOW)
    counts = []
    for wanted in ("ada@example.org", "boris@example.org", "ada@example.org", "boris@example.org"):
        before = MailQuota.objects.count()
        ask(lantern, thursday, wanted)
        signups.take(NOW)
        counts.append(MailQuota.objects.count() - before)
    assert counts == [6, 6, 4, 4] and len(mails(out)) == 1
    audience.unsubscribe(ada, thursday, now=NOW)
    ask(lantern, thursday)
    signups.take(NOW)
    assert sorted(mail["To"] for mail in mails(out)) == ["ada@example.org", "boris@example.org"]


def test_who_gets_it_already_gets_no_mail_and_keeps_it(lantern: Any, thursday: Any, out: Path) -> None:
    ada = audience.add_subscriber(lantern, "ada@example.org", thursday, consent="said so", now=NOW)
    ask(lantern, thursday)
    signups.take(NOW)
    assert (status(ada, thursday), mails(out)) == ("subscribed", [])


@pytest.mark.parametrize("how", ["left", "bounce", "objected"])
def test_who_is_gone_is_asked_by_mail_and_comes_back_by_their_own_press_alone(
    lantern: Any, thursday: Any, out: Path, how: str
) -> None:
    ada = audience.add_subscriber(lantern, "ada@example.org", thursday, consent="said so", now=NOW)
    if how == "left":
        audience.unsubscribe(ada, thursday, now=NOW)
    elif how == "bounce":
        audience.suppress(lantern, "bounce", subscriber=ada, now=NOW)
    else:
        audience.object_to_mail(lantern, subscriber=ada, now=NOW)
    before = audience.verdict(ada, thursday, NOW).reason, status(ada, thursday)
    ask(lantern, thursday)
    signups.take(NOW)
    # Somebody else may have typed it in: until the reader answers, all is as it was.
    assert (audience.verdict(ada, thursday, NOW).reason, status(ada, thursday)) == before
    [mail] = mails(out)
    say(lantern, "confirm", token=mail.get_content().split("https://lantern.example/c/")[1].split()[0])
    unsubscribes.take(NOW)
    assert audience.verdict(ada, thursday, NOW).reason == "confirmed"


def test_without_a_living_route_the_sign_up_waits_and_nobody_is_lost(
    lantern: Any,
    thursday: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signup_memory, "WAITS", (0,))
    route = add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    pause_route(route, now=NOW)
    ask(lantern, thursday)
    assert signups.take(NOW) == 0
    assert Intake.objects.count() == 1
    assert queries.unmailed(lantern) == {}  # It may be back in an instant.
    for _ in range(2):
        signups.take(NOW)
    assert queries.unmailed(lantern) == {"route": 1}
    monkeypatch.setattr(signups, "memory", signup_memory.SignupMemory())  # Another process, which remembers nothing.
    add_route(lantern, "second", f"folder://{tmp_path}", now=NOW)
    assert signups.take(NOW) == 1
    assert len(mails(tmp_path)) == 1
    assert ConsentRecord.objects.count() == 1
    assert queries.unmailed(lantern) == {}


def test_without_a_sender_it_is_told_at_once_how_many_wait(lantern: Any, thursday: Any) -> None:
    audience.change_list(thursday, ListDetails(), now=NOW)
    for name in ("ada", "boris"):
        ask(lantern, thursday, address=f"{name}@example.org")
    assert signups.take(NOW) == 0 and queries.unmailed(lantern) == {"sender": 2}


def test_a_sign_up_that_could_not_be_mailed_for_two_days_is_given_up(lantern: Any, thursday: Any) -> None:
    ask(lantern, thursday)
    assert signups.take(NOW + timedelta(days=3)) == 0, "the worker stood still, and has tried it once"
    assert Intake.objects.exists()
    signups.memory.tries.clear()
    assert signups.take(NOW + timedelta(days=6)) == 1
    assert not Intake.objects.exists() and queries.unmailed(lantern) == {}


@pytest.mark.parametrize(
    "words", [{"list": "999"}, {"list": "x"}, {"address": "nobody"}, {"address": "a@b.example\nBcc: c@d.example"}]
)
def test_what_the_public_process_makes_up_is_not_believed(
    lantern: Any,
    thursday: Any,
    out: Path,
    words: dict[str, str],
) -> None:
    say(lantern, "signup", **({"address": "ada@example.org", "list": str(thursday.id)} | words))
    signups.take(NOW)
    assert mails(out) == []
    assert not Intake.objects.exists()


def test_a_list_without_a_form_takes_no_sign_up(lantern: Any, out: Path) -> None:
    from samizdat.worker.publishing import publish

    hidden = audience.new_list(lantern, "hidden", now=NOW, details=ListDetails(from_email="letter@lantern.example"))
    publish.publish_place(lantern)
    say(lantern, "signup", address="ada@example.org", list=str(hidden.id))
    signups.take(NOW)
    assert queries.subscriber_at(lantern, "ada@example.org") is None


def test_a_list_name_with_a_line_break_adds_no_header(lantern: Any, out: Path) -> None:
    from samizdat.worker.publishing import publish

    evil = audience.new_list(lantern, "Naïve", now=NOW, details=ListDetails(from_email="l@lantern.example"))
    name = "Naïve\r\nBcc: boris@example.org".encode()  # As it came along from another house.
    List.objects.filter(pk=evil.pk).update(name_sealed=keyring.keys(lantern).seal(name, "list", "name", evil.pk))
    agree_to_words(evil, [name.decode()], now=NOW)
    audience.give_form(evil, "evil", now=NOW)
    publish.publish_place(lantern)
    say(lantern, "signup", address="ada@example.org", list=str(evil.id))
    signups.take(NOW)
    (mail,) = mails(out)
    assert mail["Bcc"] is None


def test_an_hour_has_a_limit_for_each_organization(
    lantern: Any,
    thursday: Any,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SAMIZDAT_CONFIRMATIONS", "3")
    for number in range(5):
        ask(lantern, thursday, f"reader{number}@example.org")
    signups.take(NOW)
    assert len(mails(out)) == 3
    assert Intake.objects.count() == 2


def test_one_mailbox_under_many_spellings_gets_three_mails_a_day(lantern: Any, thursday: Any, out: Path) -> None:
    spelled = [f"victim+{number}@gmail.com" for number in range(10)]
    spelled += ["vic.tim@gmail.com", "v.i.c.t.i.m+x@googlemail.com"]
    for address in spelled:
        ask(lantern, thursday, address)
    signups.take(NOW)
    assert len(mails(out)) == 3 and not Intake.objects.exists()
    ask(lantern, thursday, "boris+news@example.org")
    signups.take(NOW)
    assert len(mails(out)) == 4
    ask(lantern, thursday, "victim+tomorrow@gmail.com")
    signups.take(NOW + timedelta(days=1))
    assert len(mails(out)) == 5


def test_what_somebody_makes_up_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signup_memory, "MOST", 10)
    memory = signup_memory.SignupMemory()
    for row in range(100):
        memory.put_off(row)
        memory.hold(row, 1, "route")
    assert len(memory.tries) <= 11 and len(memory.held) <= 11
    assert not memory.due(99)


def test_a_name_that_somebody_wrote_into_the_database_reaches_no_reader(lantern: Any, thursday: Any, out: Path) -> None:
    Organization.objects.update(name="Lantern has moved: evil.example")
    publish_place(Organization.objects.get())
    ask(lantern, thursday, "ada@example.org")
    signups.take(NOW)
    assert "evil.example" not in str(mails(out)[0])
    assert Site.objects.get().name == lantern.name


def test_where_the_copy_of_the_settings_is_gone_pages_say_the_name_that_they_said(lantern: Any, out: Path) -> None:
    change_settings(lantern, by=None, now=NOW, unsubscribe_mailbox="leave@lantern.example")
    publish_place(lantern)
    Organization.objects.update(settings_sealed=b"", name="Lantern has moved: evil.example")
    publish_place(Organization.objects.get())
    site = Site.objects.get()
    assert (site.name, site.unsubscribe_mailbox) == (lantern.name, "leave@lantern.example")
    Site.objects.all().delete()
    publish_place(Organization.objects.get())
    assert (Site.objects.get().name, Site.objects.get().language) == ("", "en"), "nobody knows them here"


def test_nobody_signs_up_for_a_closed_list_because_somebody_wrote_that_it_is_open(
    lantern: Any, thursday: Any, out: Path
) -> None:
    board = audience.new_list(lantern, "Board", now=NOW, details=ListDetails(from_email="letter@lantern.example"))
    List.objects.filter(pk=board.pk).update(form_slug="x9")
    ask(lantern, board, "x@evil.example")
    assert (signups.take(NOW), mails(out)) == (1, [])


def test_the_address_of_a_form_is_taken_though_somebody_emptied_its_column(lantern: Any, thursday: Any) -> None:
    audience.give_form(thursday, "thursday-letter", now=NOW)
    List.objects.update(form_slug="")
    assert not forms.is_free("thursday-letter")


EVIL = "Lantern moves: all readers must confirm by tonight or lose their letters"


@pytest.fixture
def guarded(lantern: Any, thursday: Any) -> Any:
    """Where a second person is asked, with a reader."""
    change_settings(lantern, by=None, now=NOW, requires_approval=True)
    audience.add_subscriber(lantern, "mia@example.org", thursday, consent="said so", now=NOW)
    return lantern


@pytest.fixture
def clara(lantern: Any) -> Any:
    return make_person("Clara", "clara@lantern.example", lantern, "editor")


def _words(mail: Any) -> str:
    return f"{mail['From']} {mail['Subject']} {mail.get_content()}"


def test_a_mail_says_the_name_of_a_list_only_once_a_second_person_agreed(
    guarded: Any, thursday: Any, clara: Any, out: Path
) -> None:
    audience.rename_list(thursday, EVIL, now=NOW, by=clara)
    ask(guarded, thursday)
    signups.take(NOW)
    assert EVIL not in _words(mails(out)[0]) and guarded.name in mails(out)[0]["Subject"]
    (row,) = pending_changes.waiting(guarded)
    assert EVIL in pending_changes.sentence_of(row)
    pending_changes.approve(row, now=NOW, by=None)
    ask(guarded, thursday, "boris@example.org")
    signups.take(NOW)
    assert EVIL in _words(mails(out)[1])


def test_a_mail_says_the_heading_and_the_words_of_a_form_only_once_a_second_person_agreed(
    guarded: Any, thursday: Any, clara: Any, out: Path
) -> None:
    facts = forms.FormFacts(title=EVIL, language="en", lists=(thursday.id,), wording="Yes.", appeals="Pay at once.")
    form = forms.make_form(guarded, facts, now=NOW, by=clara)
    say(guarded, "signup", address="ada@example.org", list=str(form.id), language="en", appeals="Pay at once.")
    signups.take(NOW)
    (mail,) = mails(out)
    assert EVIL not in _words(mail) and "Pay at once" not in _words(mail)
    assert queries.name_of(thursday) in mail["Subject"]
    (row,) = pending_changes.waiting(guarded)
    pending_changes.approve(row, now=NOW, by=None)
    assert forms.facts_of(SignUpForm.objects.get()).agreed == (EVIL, "Pay at once.")


def test_a_public_page_shows_words_for_appeals_only_once_a_second_person_agreed(
    guarded: Any, thursday: Any, clara: Any, out: Path
) -> None:
    def boxes() -> list[str]:
        event_handlers.follow(NOW)
        return [json.loads(form.details or "{}").get("appeals", "") for form in Form.objects.order_by("list")]

    facts = forms.FormFacts("Ours", "en", (thursday.id,), "Yes.", appeals="Ask me for gifts.")
    form = forms.make_form(guarded, facts, now=NOW, by=None)
    audience.change_list(thursday, ListDetails(appeals="Ask me for money."), now=NOW, by=None)
    audience.give_form(thursday, "thursday", now=NOW)
    assert boxes() == ["Ask me for money.", "Ask me for gifts."]
    audience.change_list(thursday, ListDetails(appeals=EVIL), now=NOW, by=clara)
    forms.change_form(form, replace(facts, appeals=EVIL), now=NOW, by=clara)
    assert boxes() == ["Ask me for money.", "Ask me for gifts."]
    assert fundraising_consent.words_for(thursday) == "Ask me for money."
    change_settings(guarded, by=None, now=NOW, return_address="back@lantern.example")
    say(guarded, "signup", address="ada@example.org", list=str(form.id), language="en", appeals="Ask me for gifts.")
    signups.take(NOW)
    assert "Ask me for gifts." in _words(mails(out)[0]) and EVIL not in _words(mails(out)[0])
    for row in pending_changes.waiting(guarded):
        pending_changes.approve(row, now=NOW, by=None)
    assert boxes() == [EVIL, EVIL]
    audience.change_list(thursday, ListDetails(), now=NOW, by=clara)
    assert boxes() == ["", EVIL], "asking for nothing waits for nobody"


def test_a_change_of_a_name_back_leaves_nothing_that_waits(guarded: Any, thursday: Any, clara: Any) -> None:
    name = queries.name_of(thursday)
    audience.rename_list(thursday, EVIL, now=NOW, by=clara)
    audience.rename_list(thursday, name, now=NOW, by=clara)
    assert not pending_changes.waiting(guarded).exists()
    audience.change_list(thursday, ListDetails(), now=NOW, by=clara)
    assert not pending_changes.waiting(guarded).exists()


def test_the_name_of_an_organization_waits_for_a_second_person(guarded: Any) -> None:
    vera = make_person("Vera", "vera@lantern.example", guarded, "admin")
    change_settings(guarded, by=vera, now=NOW, name=EVIL)
    [row] = pending_changes.waiting(guarded)
    assert pending_changes.details_of(row, SettingDetails).name == "name"
    assert leading(guarded).name != EVIL


@pytest.mark.parametrize(
    "name",
    [
        "Confirm at https://evil.example/x",
        "Confirm at evil.example",
        "evil.example/x",
        "www.evil",
        "me@evil",
        "two\nlines",
        "evil。example",
    ],
)
def test_a_name_with_a_link_or_a_line_break_is_refused(lantern: Any, thursday: Any, name: str) -> None:
    with pytest.raises(NoName, match="instead of"):
        audience.rename_list(thursday, name, now=NOW)
    facts = forms.FormFacts(title=name, language="en", lists=(thursday.id,), wording="Yes.")
    with pytest.raises(FormRefused, match="instead of"):
        forms.make_form(lantern, facts, now=NOW)
    with pytest.raises(AccountError):
        change_settings(lantern, by=None, now=NOW, name=name)


def test_a_name_with_full_stops_is_no_link(thursday: Any) -> None:
    for name in ("St. Petersburg, No.5", "The U.S. letter", "Письмо: вып. 3…", "OVD-Info.org"):
        audience.rename_list(thursday, name, now=NOW)
        assert queries.name_of(thursday) == name


def test_who_objected_is_asked_once_a_week_whether_they_come_back(lantern: Any, thursday: Any, out: Path) -> None:
    mia = audience.add_subscriber(lantern, "mia@example.org", thursday, consent="said so", now=NOW)
    audience.object_to_mail(lantern, subscriber=mia, now=NOW)
    monday = NOW + timedelta(days=7 - NOW.weekday())
    for day in (0, 1, 2, 3, 6, 7, 9, 13):
        at = monday + timedelta(days=day)
        mail_quota.forget_mailed(at)
        words = {"address": "mia@example.org", "list": str(thursday.id), "wording": "One story."}
        say(lantern, "signup", **words | {"at": at.isoformat()})
        signups.take(at)
    assert len(mails(out)) == 2


@pytest.mark.parametrize(("no", "asked"), [("objected", 1), ("complaint", 1), ("manual", 0)])
def test_who_said_no_is_asked_once_a_week_however_their_mailbox_is_spelled(
    lantern: Any, thursday: Any, out: Path, no: str, asked: int
) -> None:
    mia = audience.add_subscriber(lantern, "mia@gmail.com", thursday, consent="said so", now=NOW)
    if no == "objected":
        audience.object_to_mail(lantern, subscriber=mia, now=NOW)
    else:
        audience.suppress(lantern, no, subscriber=mia, now=NOW)
    for spelled in ("mia+1@gmail.com", "m.ia@gmail.com", "mia+2@gmail.com"):
        ask(lantern, thursday, spelled)
        signups.take(NOW)
    assert len(mails(out)) == asked


def test_many_more_sign_ups_than_usual_are_told_to_admins_once(
    lantern: Any, thursday: Any, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signup_alarm, "FEW", 10)

    def typed(name: str) -> int:
        for number in range(10):
            ask(lantern, thursday, f"{name}{number}@host.example")
        while signups.take(NOW):
            pass
        return len(signup_alarm.alarms(lantern, NOW))

    assert [typed("ada"), typed("boris")] == [1, 1]
    [alarm] = signup_alarm.alarms(lantern, NOW)
    assert detail_of(alarm) == {"mails": 10, "data": 0} and not signup_alarm.is_about_data(alarm)


def test_as_many_sign_ups_as_usual_alarm_nobody(
    lantern: Any, thursday: Any, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signup_alarm, "FEW", 10)
    monkeypatch.setattr(signup_alarm, "DAYS", 1)
    for number in range(50):
        record(signup_alarm.ASKED, lantern, about=number, now=NOW - timedelta(hours=30), detail={})
    for number in range(10):
        ask(lantern, thursday, f"ada{number}@host.example")
    while signups.take(NOW):
        pass
    assert len(mails(out)) == 10
    assert signup_alarm.alarms(lantern, NOW) == []
