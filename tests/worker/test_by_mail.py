"""Everything a reader can do, by plain email alone: no page is open, and mail comes in by our own listener, or from a
mailbox at a real Dovecot that is read over TLS."""

import base64
import email
import email.policy
import json
import smtplib
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from samizdat import limited_process, mail_spool
from samizdat.accounts.actions import change_settings
from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.actions import consent, preferences
from samizdat.audience.models import Subscriber
from samizdat.core.mail import by_mail as requests
from samizdat.core.mail import dkim
from samizdat.incoming import by_mail as door
from samizdat.incoming import intake, processing, spooled
from samizdat.incoming.mailboxes import actions as mailboxes
from samizdat.incoming.mailboxes.sealed import MailboxState, write_state
from samizdat.incoming.models import IncomingMail, MailReport
from samizdat.privacy.subject_access import access_file
from samizdat.publicdb.models import Intake
from samizdat.worker.inbox import by_mail, link_keys, signups
from samizdat.worker.inbox import preferences as inbox
from samizdat.worker.mail import mailbox_polls
from tests.conftest import NOW, TODAY
from tests.incoming.dovecot import Dovecot, certificates, dovecot, why_not
from tests.listener.conftest import Door, start
from tests.worker.conftest import status

__all__ = ["certificates", "dovecot"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_remembered")]

KEY = dkim.SigningKey("a.example", "s1", rsa.generate_private_key(65537, 2048))
PUBLIC = base64.b64encode(
    KEY.private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
).decode()
RECORDS = {"s1._domainkey.a.example": [f"v=DKIM1; p={PUBLIC}"], "_dmarc.a.example": ["v=DMARC1; p=none"]}
ADA = "ada@a.example"


class Post:
    """Mail that readers write, and what they get."""

    def __init__(self, lantern: Any, out: Path) -> None:
        self.lantern, self.out = lantern, out
        self.read = 0

    def write(
        self, to: str, sender: str = ADA, subject: str = "", body: str = "", *, signs: bool = True, **headers: str
    ) -> list[Any]:
        """Sends it, has all of it taken up, and returns the mails that came of it."""
        self.hand_over(message(to, sender, subject, body, signs=signs, **headers), to)
        return self.work()

    def hand_over(self, raw: bytes, to: str) -> None:
        intake.take(self.lantern, raw, [to], TODAY)

    def work(self) -> list[Any]:
        while processing.process(self.lantern, NOW):
            pass
        inbox.take_everything(NOW)
        signups.take(NOW)
        by_mail.take(NOW)
        files = sorted(self.out.rglob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
        new, self.read = files[self.read :], len(files)
        return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in new]


def message(to: str, sender: str, subject: str, body: str, *, signs: bool = True, **headers: str) -> bytes:
    letter = EmailMessage(policy=email.policy.SMTP)
    letter["From"], letter["To"], letter["Subject"], letter["Date"] = sender, to, subject, format_datetime(NOW)
    for name, value in headers.items():
        letter[name.replace("_", "-")] = value
    letter.set_content(body)
    return dkim.sign(letter.as_bytes(), [KEY] if signs else [])


@pytest.fixture
def post(lantern: Any, thursday: Any, out: Path, monkeypatch: pytest.MonkeyPatch) -> Post:
    change_settings(lantern, by=None, now=NOW, unsubscribe_mailbox="news@lantern.example")
    monkeypatch.setattr(door, "asker", lambda _patience: lambda name, kind: RECORDS.get(name, []))
    return Post(lantern, out)


@pytest.fixture
def ada(post: Post, thursday: Any) -> Subscriber:
    audience.add_subscriber(post.lantern, ADA, thursday, consent="Said so.", now=NOW - timedelta(days=1))
    subscriber = queries.subscriber_at(post.lantern, ADA)
    assert subscriber is not None
    return subscriber


class Listener(Post):
    """The same by our own listener, over a socket."""

    door: Door

    def hand_over(self, raw: bytes, to: str) -> None:
        with smtplib.SMTP("127.0.0.1", self.door.port) as session:
            session.sendmail(ADA, to, raw)
        assert spooled.take_in(TODAY, lambda: False) == 1


@pytest.fixture
def listener(post: Post, vault: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr(mail_spool, "folder", lambda: folder)
    listening = Listener(post.lantern, post.out)
    monkeypatch.setattr(link_keys, "connections", SimpleNamespace(close_all=lambda: None))
    rows, key = link_keys.own_mailboxes(), link_keys.box_key(vault, bytes(post.lantern.uid))
    for listening.door in start(Door(folder), "smtp", rows=rows, box_key=lambda _uid: key):
        yield listening


class Mailbox(Post):
    """The same from a mailbox that is polled."""

    dovecot: Dovecot
    number: int

    def hand_over(self, raw: bytes, to: str) -> None:
        self.dovecot.deliver(raw)
        assert mailbox_polls.read(self.number, keeps_open=False) == mailbox_polls.AGAIN
        assert self.dovecot.messages() == []


@pytest.fixture
def mailbox(post: Post, dovecot: Dovecot) -> Mailbox:
    polled = Mailbox(post.lantern, post.out)
    url = dovecot.url("imaps", f"fingerprint={dovecot.certificate.fingerprint}")
    polled.dovecot, polled.number = dovecot, mailboxes.add(post.lantern, "news", url, now=NOW).pk
    return polled


@pytest.mark.parametrize(
    "by",
    ["listener", pytest.param("mailbox", marks=pytest.mark.skipif(bool(why_not()), reason=why_not()))],
)
def test_a_reader_comes_changes_and_leaves_by_mail_alone(
    request: pytest.FixtureRequest, thursday: Any, by: str
) -> None:
    here: Post = request.getfixturevalue(by)
    [asked] = here.write("news+subscribe@lantern.example")
    assert asked["To"] == ADA and "YES" in asked.get_content()
    reply_to = asked["Reply-To"].addresses[0].addr_spec
    assert here.write(reply_to, subject="Re: Confirm", body="Yes\n\n> Someone entered your address") == []
    ada = queries.subscriber_at(here.lantern, ADA)
    assert ada is not None and status(ada, thursday) == "subscribed"
    records: Any = access_file(ada, now=NOW, by_link=True)["consent"]
    assert [(record["kind"], record["way"]) for record in records] == [("confirmed", "mail"), ("asked", "mail")]

    [changed] = here.write("news+monthly@lantern.example")
    assert preferences.often_of(ada, thursday.id) == ("monthly", None) and "have been changed" in changed.get_content()
    here.write("news@lantern.example", subject="language ru")
    ada.refresh_from_db()
    assert ada.language == "ru"
    [paused] = here.write("news@lantern.example", subject="пауза 14")
    assert preferences.often_of(ada, thursday.id)[1] == TODAY + timedelta(days=14)
    assert "Вы не будете получать письма" in paused.get_content()
    # Three answers a day to one mailbox; what is asked for is done all the same.
    assert here.write("news+leave@lantern.example") == []
    assert status(ada, thursday) == "unsubscribed"
    assert not Intake.objects.exists()


def test_who_leaves_has_left_before_any_mail_is_written(post: Post, ada: Subscriber, thursday: Any) -> None:
    """Answers wait for a relay, and for room among those to others."""
    post.hand_over(message("news+leave@lantern.example", ADA, "", ""), "news+leave@lantern.example")
    processing.process(post.lantern, NOW)
    assert status(ada, thursday) == "unsubscribed" and Intake.objects.count() == 1
    consent.confirm(ada, thursday, now=NOW)
    [answer] = post.work()
    assert "won’t get any more" in answer.get_content()
    assert status(ada, thursday) == "subscribed", "who came back meanwhile stays"


def test_a_yes_to_leaving_has_left_before_any_mail_is_written(post: Post, ada: Subscriber, thursday: Any) -> None:
    [question] = post.write("news+leave@lantern.example", signs=False)
    reply_to = question["Reply-To"].addresses[0].addr_spec
    post.hand_over(message(reply_to, ADA, "", "yes", signs=False), reply_to)
    processing.process(post.lantern, NOW)
    assert status(ada, thursday) == "unsubscribed"


def test_what_fails_as_it_comes_in_is_done_before_it_is_answered(
    post: Post, ada: Subscriber, thursday: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(door, "unsubscribe_from_all", lambda *_who, **_how: 1 / 0)
        post.hand_over(message("news+leave@lantern.example", ADA, "", ""), "news+leave@lantern.example")
        processing.process(post.lantern, NOW)
    assert status(ada, thursday) == "subscribed"
    assert len(post.work()) == 1 and status(ada, thursday) == "unsubscribed"


def test_an_email_that_breaks_whoever_reads_commands_keeps_nobody_from_leaving(
    post: Post, ada: Subscriber, thursday: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = limited_process.work

    def breaks(whose: int, function: Any, raws: Any, *more: Any) -> Any:
        if function is requests.read_all and any(b"breaks" in raw for raw in raws):
            raise limited_process.TooMuch
        return work(whose, function, raws, *more)

    monkeypatch.setattr(limited_process, "work", breaks)
    for subject in ("this breaks it", "leave", "and so breaks this"):
        post.hand_over(message("news@lantern.example", ADA, subject, ""), "news@lantern.example")
    post.work()
    assert status(ada, thursday) == "unsubscribed"


def test_a_copy_of_ones_data_comes_by_mail(post: Post, ada: Subscriber) -> None:
    [answer] = post.write("news+data@lantern.example")
    text = answer.get_content()
    assert ADA in json.dumps(json.loads(text[text.index("{") : text.rindex("}") + 1]))
    assert answer["Auto-Submitted"] == "auto-replied"


def test_help_names_an_address_for_each_wish(post: Post, ada: Subscriber) -> None:
    [answer] = post.write("news+help@lantern.example")
    for word in ("subscribe", "leave", "pause-30", "monthly", "language-en", "data"):
        assert f"news+{word}@lantern.example" in answer.get_content()


def test_an_unsigned_command_is_asked_about_and_a_yes_to_that_does_it(
    post: Post, ada: Subscriber, thursday: Any
) -> None:
    [question] = post.write("news+leave@lantern.example", signs=False)
    assert status(ada, thursday) == "subscribed" and "YES" in question.get_content()
    reply_to = question["Reply-To"].addresses[0].addr_spec
    assert post.write(reply_to, body="I am on holiday until Monday", signs=False) == []
    assert post.write(reply_to, body="yes", signs=False, Auto_Submitted="auto-replied") == []
    assert status(ada, thursday) == "subscribed"
    [left] = post.write(reply_to, body="yes", signs=False)
    assert status(ada, thursday) == "unsubscribed" and "won’t get any more" in left.get_content()


def test_name_servers_that_let_us_wait_cost_five_seconds_in_all(
    post: Post, ada: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, patience = [0.0], list[float]()

    def slow(seconds: float) -> Any:
        patience.append(seconds)
        clock[0] += 3.0
        return lambda name, kind: None

    monkeypatch.setattr(door, "asker", slow)
    monkeypatch.setattr(door.time, "monotonic", lambda: clock[0])
    for _ in range(4):
        post.hand_over(message("news+leave@lantern.example", ADA, "", ""), "news+leave@lantern.example")
    post.work()
    assert patience == [door.ASKING, door.ASKING - 3.0]


def test_a_signature_of_another_domain_is_none(post: Post, ada: Subscriber, thursday: Any) -> None:
    audience.add_subscriber(post.lantern, "eve@b.example", thursday, consent="Said so.", now=NOW)
    [question] = post.write("news+leave@lantern.example", sender="eve@b.example")
    assert "Reply-To" in question


@pytest.mark.parametrize(
    "to", [[], ["news+leave@lantern.example"], ["news@lantern.example", "news+leave@lantern.example"]]
)
def test_a_signature_says_nothing_of_an_address_that_was_added_to_the_message(
    post: Post, ada: Subscriber, thursday: Any, to: list[str]
) -> None:
    raw = message("news@lantern.example", ADA, "A question", "When is the next letter?")
    intake.take(post.lantern, b"Delivered-To: news+leave@lantern.example\r\n" + raw, to, TODAY)
    [question] = post.work()
    assert status(ada, thursday) == "subscribed" and "YES" in question.get_content()


@pytest.mark.parametrize("word", ["leave", "pause", "data", "help", "monthly"])
def test_nobody_hears_anything_who_is_not_here_and_proves_nothing(post: Post, word: str) -> None:
    assert post.write(f"news+{word}@lantern.example", sender="eve@b.example", signs=False) == []
    assert not Intake.objects.exists()


def test_who_proves_a_mailbox_that_is_not_here_is_told_so(post: Post) -> None:
    [answer] = post.write("news+leave@lantern.example")
    assert answer["To"] == ADA and "isn’t subscribed" in answer.get_content()


@pytest.mark.parametrize(
    "headers",
    [{"Auto_Submitted": "auto-generated"}, {"Precedence": "list"}, {"List_Id": "<x.example>"}, {"Return_Path": "<>"}],
)
def test_a_program_or_a_list_is_not_answered(
    post: Post, ada: Subscriber, thursday: Any, headers: dict[str, str]
) -> None:
    assert post.write("news+pause@lantern.example", **headers) == []
    assert preferences.often_of(ada, thursday.id) == ("all", None)


def test_our_own_answer_that_comes_back_is_not_answered(post: Post, ada: Subscriber) -> None:
    [answer] = post.write("news+help@lantern.example")
    post.hand_over(answer.as_bytes(), "news+help@lantern.example")
    assert post.work() == []


def test_the_token_of_an_answer_says_nothing_else_and_ends_after_a_week(
    post: Post, ada: Subscriber, thursday: Any
) -> None:
    old = door.proof(post.lantern, by_mail.Command("leave"), ada.number, NOW - timedelta(days=8))
    assert post.write(door.reply_address(post.lantern, old) or f"news+{old}@lantern.example", body="yes") == []
    token = door.proof(post.lantern, by_mail.Command("pause", "14"), ada.number, NOW)
    post.write(f"news+{token}@lantern.example", body="yes")
    assert status(ada, thursday) == "subscribed" and preferences.often_of(ada, thursday.id)[1] is not None


def test_a_command_is_no_report_and_a_letter_of_a_person_is_no_command(post: Post, ada: Subscriber) -> None:
    post.write("news@lantern.example", subject="Thank you", body="I read every letter.")
    post.write("news+pause@lantern.example")
    assert [row.state for row in IncomingMail.objects.order_by("pk")] == [IncomingMail.UNPROVEN, IncomingMail.READ]
    assert MailReport.objects.count() == 1


def test_who_left_before_the_yes_to_an_older_question_stays_away(post: Post, ada: Subscriber, thursday: Any) -> None:
    [question] = post.write("news+monthly@lantern.example", signs=False)
    consent.unsubscribe_from_all(ada, now=NOW, way="mail")
    post.write(question["Reply-To"].addresses[0].addr_spec, body="yes", signs=False)
    assert status(ada, thursday) == "unsubscribed"


def test_where_two_lists_are_open_the_address_names_the_one(post: Post, thursday: Any) -> None:
    friday = audience.new_list(post.lantern, "the Friday Letter", now=NOW)
    audience.give_form(friday, "friday", now=NOW)
    [answer] = post.write("news+subscribe@lantern.example")
    assert "news+subscribe-friday@lantern.example" in answer.get_content()
    [asked] = post.write("news+subscribe-friday@lantern.example")
    assert "the Friday Letter" in asked["Subject"]


def test_nobody_is_asked_to_reply_to_a_mailbox_that_is_paused(post: Post) -> None:
    row = mailboxes.add(post.lantern, "news", "imaps://news:word@mail.lantern.example", now=NOW)
    assert door.mailbox_of(post.lantern) == "news@lantern.example"
    write_state(row, MailboxState(heard=NOW))
    post.hand_over(message("news@lantern.example", ADA, "", ""), "news@lantern.example")
    mailboxes.pause(row, now=NOW)
    assert door.mailbox_of(post.lantern) == door.reply_address(post.lantern, "token") == ""
    intake.take(post.lantern, b"Subject: Hello\r\n\r\n", ["news@lantern.example"], TODAY + timedelta(days=1))
    assert door.mailbox_of(post.lantern) == "news@lantern.example", "it came in by our own listener"
    mailboxes.resume(row, now=NOW)
    IncomingMail.objects.all().delete()
    assert door.mailbox_of(post.lantern) == "news@lantern.example"
