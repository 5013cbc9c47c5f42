"""A bounce that our own token proves stops mail to a dead address; nothing else does."""

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any, NoReturn

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from samizdat.accounts.actions import change_settings
from samizdat.accounts.models import Organization
from samizdat.audience import actions as audience
from samizdat.audience.actions import lift
from samizdat.audience.errors import RowsAltered
from samizdat.audience.models import row_id
from samizdat.campaigns.models import Campaign
from samizdat.cli.campaign.status import status_of
from samizdat.core.bounce.reading import read
from samizdat.core.bounce.report import KINDS
from samizdat.core.crypto.tokens import TOKEN_CHARACTERS
from samizdat.core.mail.incoming_envelope import MOST
from samizdat.core.mail.suppression_rules import FLOOR
from samizdat.delivery.actions.bounces import believe
from samizdat.delivery.queries import RETURNED, held_bounces, suppression_cause
from samizdat.events.actions import record
from samizdat.events.models import Event
from samizdat.incoming import follow_up, held_reports, intake, processing, queries, report_details
from samizdat.incoming.follow_up import ReadReport
from samizdat.incoming.models import IncomingMail, MailReport
from samizdat.worker.schedule.event_handlers import follow
from tests.delivery.conftest import House
from tests.incoming.conftest import YEAR, Incoming, bounce, complaint, full, now


def test_who_is_dead_after_one_campaign_is_not_written_to_in_the_next(house: House, incoming: Incoming) -> None:
    readers = house.people(40)
    sent = incoming.send()
    dead = readers[::4]
    for address in dead:
        incoming.come_back(sent[address])
    assert incoming.read() == len(dead)
    assert incoming.suppressed() == {f"bounce {address}" for address in dead}
    assert set(incoming.send()) == set(readers) - set(dead)


def test_a_bounce_to_a_domain_that_is_all_ours_is_believed(house: House, incoming: Incoming) -> None:
    change_settings(house.organization, by=None, now=now(), return_address="@bounces.lantern.example")
    [ada] = house.people(1)
    incoming.come_back(incoming.send()[ada])
    incoming.read()
    assert incoming.suppressed() == {f"bounce {ada}"}


def test_a_bounce_that_returns_a_large_message_counts_though_its_end_is_not_kept(
    house: House, incoming: Incoming
) -> None:
    [ada] = house.people(1)
    sent = incoming.send()[ada]
    returned = b"--b1\r\nContent-Type: message/rfc822\r\n\r\nSubject: News\r\n\r\n" + b"x" * (12 << 20)
    incoming.take(bounce(sent.sender, ada).replace(b"--b1--", returned + b"\r\n--b1--"), sent.sender)
    [mail] = IncomingMail.objects.all()
    assert len(intake.opener(house.organization).open(bytes(mail.box)).raw) == MOST
    incoming.read()
    assert incoming.suppressed() == {f"bounce {ada}"}


def test_a_subscriber_page_says_why_in_words(house: House, incoming: Incoming) -> None:
    [ada] = house.people(1)
    incoming.come_back(incoming.send()[ada])
    incoming.read()
    cause = suppression_cause(house.organization, row_id(house.organization.id, house.number(ada)))
    assert cause is not None
    assert (cause.answer, cause.reply, cause.subject) == ("no_such_mailbox", "550 5.1.1", "News")


def test_a_bounce_counts_once_however_often_it_comes(house: House, incoming: Incoming) -> None:
    [ada] = house.people(1)
    sent = incoming.send()
    for _ in range(3):
        incoming.come_back(sent[ada])
    incoming.read()
    assert incoming.suppressed() == {f"bounce {ada}"}
    assert incoming.read() == 0
    assert Event.objects.filter(kind="subscriber.suppressed").count() == 1


def test_a_relay_that_calls_everybody_dead_is_believed_only_by_an_admin(house: House, incoming: Incoming) -> None:
    readers = house.people(FLOOR + 12)
    sent = incoming.send()
    for address in readers[:FLOOR]:
        incoming.come_back(sent[address])
    incoming.read()
    incoming.come_back(sent[readers[FLOOR]])
    incoming.read()
    assert incoming.suppressed() == {f"bounce {address}" for address in readers[:FLOOR]}
    campaign = Campaign.objects.get()
    [held] = held_bounces(campaign)
    assert (held.word, held.count, held.answered) == (RETURNED, FLOOR + 1, FLOOR + 12)
    assert "came back because their addresses don’t exist" in status_of(campaign)["held_bounces"][0]["sentence"]  # type: ignore[index]
    assert believe(campaign, now=now()) == FLOOR + 1
    follow(now())
    assert incoming.suppressed() == {f"bounce {address}" for address in readers[: FLOOR + 1]}
    assert held_bounces(campaign) == []
    incoming.come_back(sent[readers[-2]])
    incoming.read()
    assert f"bounce {readers[-2]}" in incoming.suppressed() and held_bounces(campaign) == []


def test_who_bounces_twice_is_one_of_those_who_are_believed(house: House, incoming: Incoming) -> None:
    readers = house.people(FLOOR)
    sent = incoming.send()
    for address in (*readers, *readers):
        incoming.come_back(sent[address])
    incoming.read()
    assert incoming.suppressed() == {f"bounce {address}" for address in readers}
    assert held_bounces(Campaign.objects.get()) == []


def test_who_came_back_before_an_admin_said_yes_is_written_to(house: House, incoming: Incoming) -> None:
    readers = house.people(FLOOR + 1)
    sent = incoming.send()
    for address in readers:
        incoming.come_back(sent[address])
    incoming.read()
    number = row_id(house.organization.id, house.number(readers[0]))
    record("subscriber.confirmed", house.organization, now=now(), about=number)
    believe(Campaign.objects.get(), now=now())
    follow(now())
    assert incoming.suppressed() == {f"bounce {address}" for address in readers[1:]}


def test_what_was_held_is_suppressed_once_it_is_few_of_all(house: House, incoming: Incoming) -> None:
    readers = house.people(FLOOR + 2)
    sent = incoming.send()
    for address in readers[: FLOOR + 1]:
        incoming.come_back(sent[address])
    incoming.read()
    assert incoming.suppressed() == set()
    Campaign.objects.update(accepted=1000, frozen=1000)
    incoming.come_back(sent[readers[-1]])
    incoming.read()
    assert held_bounces(Campaign.objects.get()) == []
    follow(now())
    assert incoming.suppressed() == {f"bounce {address}" for address in readers}


def test_a_yes_that_breaks_off_is_followed_once_again(
    house: House, incoming: Incoming, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = house.people(FLOOR + 1)
    sent = incoming.send()
    for address in readers:
        incoming.come_back(sent[address])
    incoming.read()
    believe(Campaign.objects.get(), now=now())
    monkeypatch.setattr(held_reports, "SLICE", 8)
    write, calls = follow_up.follow, count()

    def killed_in_the_second(*args: Any) -> None:
        write(*args)
        if next(calls) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(follow_up, "follow", killed_in_the_second)
    with pytest.raises(KeyboardInterrupt):
        follow(now())
    assert len(incoming.suppressed()) == 8
    follow(now())
    assert incoming.suppressed() == {f"bounce {address}" for address in readers}
    assert Event.objects.filter(kind="subscriber.suppressed").count() == len(readers)


def test_who_came_back_is_not_given_up_for_what_bounced_before(house: House, incoming: Incoming) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    incoming.come_back(caught)
    incoming.read()
    lift(house.organization, "bounce", address=ada, now=now() + timedelta(days=1))
    incoming.come_back(caught, full)
    incoming.read(timedelta(days=2))
    assert incoming.suppressed() == set()
    incoming.come_back(caught)
    incoming.read(timedelta(days=3))
    assert incoming.suppressed() == {f"bounce {ada}"}


def test_a_full_mailbox_is_given_up_after_five_bounces_over_three_campaigns(house: House, incoming: Incoming) -> None:
    [ada] = house.people(1)
    for campaign in range(3):
        caught = incoming.send()[ada]
        for day in (2 * campaign, 2 * campaign + 1)[: 5 - 2 * campaign]:
            assert incoming.suppressed() == set()
            incoming.come_back(caught, full)
            incoming.read(timedelta(days=day))
    assert incoming.suppressed() == {f"bounce {ada}"}


def test_a_full_mailbox_of_one_campaign_stays_whatever_comes_back(house: House, incoming: Incoming) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    for day in range(9):
        incoming.come_back(caught, full)
        incoming.read(timedelta(days=day))
    assert incoming.suppressed() == set()


def forged(caught_sender: str) -> str:
    """With one letter of the token changed."""
    at = caught_sender.index("+") + TOKEN_CHARACTERS // 2
    return caught_sender[:at] + ("a" if caught_sender[at] != "a" else "b") + caught_sender[at + 1 :]


def test_a_forged_return_address_changes_nothing(house: House, incoming: Incoming) -> None:
    [ada] = house.people(1)
    sender = forged(incoming.send()[ada].sender)
    incoming.take(bounce(sender, ada), sender)
    assert incoming.read() == 1
    assert incoming.suppressed() == set()
    assert queries.heard(house.organization, now()).unmatched == 1


@pytest.mark.parametrize("to", ["bounces@lantern.example", "bounces+news@lantern.example", ""])
def test_a_bounce_that_only_names_the_address_changes_nothing(house: House, incoming: Incoming, to: str) -> None:
    [ada] = house.people(1)
    incoming.send()
    incoming.take(bounce(to, ada), to)
    incoming.read()
    assert incoming.suppressed() == set()


def test_a_bounce_of_a_month_ago_changes_nothing(house: House, incoming: Incoming) -> None:
    [ada] = house.people(1)
    incoming.come_back(incoming.send()[ada])
    incoming.read(timedelta(days=31))
    assert incoming.suppressed() == set()


def test_a_refusal_that_speaks_of_us_marks_nobody(house: House, incoming: Incoming) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    words = "550 5.7.26 This mail has been blocked because the sender is unauthenticated."
    incoming.take(bounce(caught.sender, ada, words, "5.7.26"), caught.sender)
    incoming.read()
    assert incoming.suppressed() == set()
    [row] = MailReport.objects.select_related("organization")
    details = report_details.details_of(row)
    assert details is not None and details.fault == "route"


WITHOUT_STATUS = {
    "Russian": ("koi8-r", "Не может быть доставлено:\r\n\r\n  {}\r\n    пользователь не найден\r\n"),
    "Japanese": (
        "iso-2022-jp",
        "メッセージはエラーのため送信できませんでした。\r\n\r\n<{}>:\r\nユーザが存在しません\r\n",
    ),
    "German": ("iso-8859-1", "Ihre Nachricht wurde nicht zugestellt.\r\n\r\n<{}>: Empfänger unbekannt\r\n"),
}


def in_prose(
    to: str, text: str, charset: str = "utf-8", subject: str = "Mail delivery failed", more: str = ""
) -> bytes:
    """As servers write it that know nothing of RFC 3464: the address stands in the text alone."""
    head = f"Return-Path: <>\r\nFrom: MAILER-DAEMON@relay.example\r\nTo: {to}\r\nSubject: {subject}\r\n{more}"
    return f"{head}MIME-Version: 1.0\r\nContent-Type: text/plain; charset={charset}\r\n\r\n".encode() + text.encode(
        charset
    )


@pytest.mark.parametrize("language", WITHOUT_STATUS)
def test_a_bounce_without_a_status_in_another_language_is_believed(
    house: House, incoming: Incoming, language: str
) -> None:
    ada, boris = house.people(2)
    sent, (charset, text) = incoming.send(), WITHOUT_STATUS[language]
    incoming.take(in_prose(sent[ada].sender, text.format(ada), charset), sent[ada].sender)
    incoming.read()
    assert incoming.suppressed() == {f"bounce {ada}"}
    assert set(incoming.send()) == {boris}


def test_a_bounce_of_other_peoples_mail_marks_nobody_and_is_counted(house: House, incoming: Incoming) -> None:
    """It names a subscriber of ours, but no email that we sent."""
    [ada] = house.people(1)
    incoming.send()
    theirs = b"From: a@b.example\r\nMessage-ID: <x@b.example>\r\n\r\nBuy\r\n"
    returned = b"--b1\r\nContent-Type: message/rfc822\r\n\r\n" + theirs + b"--b1--"
    incoming.take(bounce("letter@lantern.example", ada).replace(b"--b1--", returned), "letter@lantern.example")
    incoming.read()
    assert incoming.suppressed() == set()
    heard = queries.heard(house.organization, now())
    assert (heard.waiting, heard.unreadable, heard.unmatched) == (0, 0, 1)


@pytest.mark.parametrize("to", ["return address", "reply address"])
def test_who_is_away_and_writes_550_is_written_to(house: House, incoming: Incoming, to: str) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    address = caught.sender if to == "return address" else "letter@lantern.example"
    text = "I am out of the office, room 550 5.1.1, until Monday. User unknown to the night porter.\r\n"
    raw = in_prose(address, text, subject="Out of office: News", more="Auto-Submitted: auto-replied\r\n")
    incoming.take(raw.replace(b"MAILER-DAEMON@relay.example", ada.encode()), address)
    incoming.read()
    assert incoming.suppressed() == set()
    assert set(incoming.send()) == {ada}


def test_a_warning_of_a_delay_marks_nobody(house: House, incoming: Incoming) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    incoming.take(bounce(caught.sender, ada, "451 4.4.1 No answer from host", "4.4.1"), caught.sender)
    incoming.read()
    assert incoming.suppressed() == set()


def test_of_two_recipients_the_one_that_lives_is_written_to(house: House, incoming: Incoming) -> None:
    ada, boris = house.people(2)
    caught = incoming.send()[ada]
    also = f"Action: failed\r\nStatus: 5.1.1\r\n\r\nFinal-Recipient: rfc822; {boris}\r\n".encode()
    report = bounce(caught.sender, "alias@elsewhere.example").replace(
        b"Action: failed\r\n", also + b"Action: failed\r\n"
    )
    incoming.take(report, caught.sender)
    incoming.read()
    assert incoming.suppressed() == set()


def test_an_alias_of_which_one_mailbox_lives_is_written_to(house: House, incoming: Incoming) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    ours = f"Original-Recipient: rfc822; {ada}\r\nFinal-Recipient: rfc822; ".encode()
    also = ours + b"office@inside.example\r\nAction: delivered\r\nStatus: 2.0.0\r\n\r\n" + ours
    incoming.take(bounce(caught.sender, ada).replace(b"Final-Recipient: rfc822; ", also), caught.sender)
    incoming.read()
    assert incoming.suppressed() == set()


def test_a_bounce_of_a_bounce_says_nothing_about_whom_the_first_was_about(house: House, incoming: Incoming) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    incoming.take(bounce(caught.sender, caught.sender), caught.sender)
    incoming.read()
    assert incoming.suppressed() == set()
    assert queries.heard(house.organization, now()).unmatched == 1


def test_what_breaks_the_reader_is_set_aside_and_holds_up_nobody(
    house: House, incoming: Incoming, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samizdat import limited_process
    from samizdat.core.bounce import reading

    ada, boris = house.people(2)
    sent = incoming.send()

    def breaks(_whose: int, _function: object, raws: list[bytes], sizes: list[int]) -> object:
        if any(b"breaks" in raw for raw in raws):
            raise limited_process.HelperBroke("ValueError")
        return reading.read_all(raws, sizes)

    monkeypatch.setattr(limited_process, "work", breaks)
    incoming.take(b"Subject: this breaks it\r\n\r\n", sent[ada].sender)
    incoming.come_back(sent[boris])
    incoming.read()
    assert incoming.suppressed() == {f"bounce {boris}"}
    assert queries.heard(house.organization, now()).unreadable == 1


def test_while_no_helper_works_messages_wait(house: House, incoming: Incoming, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is short, or the program is replaced while it runs."""
    from samizdat import limited_process

    [ada] = house.people(1)
    incoming.come_back(incoming.send()[ada])

    def breaks(*_arguments: object) -> object:
        raise limited_process.HelperBroke("MemoryError")

    with monkeypatch.context() as patched:
        patched.setattr(limited_process, "work", breaks)
        with pytest.raises(limited_process.HelperBroke):
            incoming.read()
    assert queries.heard(house.organization, now()).waiting == 1
    incoming.read()
    assert incoming.suppressed() == {f"bounce {ada}"}


def test_a_message_that_cannot_be_followed_up_holds_up_nobody(
    house: House, incoming: Incoming, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = house.people(5)
    sent = incoming.send()
    write = follow_up.write

    def altered(organization: Organization, reports: Sequence[ReadReport], at: datetime) -> None:
        if any(report.message and report.message.subscriber.number == house.number(readers[2]) for report in reports):
            raise RowsAltered("What was sealed is of a row that isn't here.")
        write(organization, reports, at)

    monkeypatch.setattr(follow_up, "write", altered)
    for address in readers:
        incoming.come_back(sent[address])
    assert incoming.read() == 5
    assert incoming.suppressed() == {f"bounce {address}" for address in readers if address != readers[2]}
    assert queries.heard(house.organization, now()).unreadable == 1 and MailReport.objects.count() == 4


STEPS: list[tuple[object, str]] = [
    (processing, "_read"),
    (processing, "_claimed"),
    (processing, "_matched"),
    (follow_up, "write"),
    (follow_up, "follow"),
    (follow_up, "_history"),
    (audience, "suppress_complained"),
    (audience, "suppress_bounced"),
]


@pytest.mark.parametrize(("module", "step"), STEPS, ids=[step for _module, step in STEPS])
def test_a_worker_that_is_killed_behind_a_step_counts_everybody_once(
    house: House, incoming: Incoming, monkeypatch: pytest.MonkeyPatch, module: object, step: str
) -> None:
    ada, boris, vera, zoe = house.people(4)
    sent = incoming.send()
    for address in (ada, boris, ada):
        incoming.come_back(sent[address])
    incoming.take(complaint(sent[vera].content), "bounces@lantern.example")
    work = getattr(module, step)

    def killed_behind(*args: object, **more: object) -> NoReturn:
        work(*args, **more)
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(module, step, killed_behind)
        with pytest.raises(KeyboardInterrupt):
            incoming.read()
    assert not MailReport.objects.exists() and incoming.suppressed() == set()
    assert incoming.read() == 4
    assert MailReport.objects.count() == 4
    assert incoming.suppressed() == {f"bounce {ada}", f"bounce {boris}", f"complaint {vera}"}
    assert Event.objects.filter(kind="subscriber.suppressed").count() == 3
    assert set(incoming.send()) == {zoe}


def test_what_another_worker_took_up_meanwhile_is_not_taken_up_again(house: House, incoming: Incoming) -> None:
    [ada] = house.people(1)
    incoming.come_back(incoming.send()[ada])
    rows = [*IncomingMail.objects.all()]
    incoming.read()
    envelope = intake.opener(house.organization).open(bytes(rows[0].box))
    with transaction.atomic():
        processing._take_up(house.organization, [processing.ReadMail(rows[0].pk, envelope, read(envelope.raw))], now())
    assert MailReport.objects.count() == 1


def test_a_message_that_somebody_has_wait_again_counts_once(house: House, incoming: Incoming) -> None:
    [ada] = house.people(1)
    incoming.come_back(incoming.send()[ada], full)
    incoming.read()
    IncomingMail.objects.update(state=IncomingMail.WAITING)
    incoming.read()
    assert MailReport.objects.count() == 1


def test_of_a_message_full_of_tokens_the_first_few_are_tried(house: House, incoming: Incoming) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    forgeries = [f"bounces+{letter * TOKEN_CHARACTERS}@lantern.example" for letter in "bcdefghijklm"]
    incoming.take(bounce(", ".join([*forgeries, caught.sender]), ada))
    incoming.read()
    assert incoming.suppressed() == set()


def test_raw_mail_is_gone_after_thirty_days_and_who_bounced_stays_known(house: House, incoming: Incoming) -> None:
    [ada] = house.people(1)
    incoming.come_back(incoming.send()[ada])
    incoming.take(bounce("bounces@lantern.example", "stranger@elsewhere.example"), "bounces@lantern.example")
    incoming.read()
    processing.forget(now() + timedelta(days=29))
    assert (IncomingMail.objects.count(), MailReport.objects.count()) == (2, 2)
    processing.forget(now() + timedelta(days=32))
    assert (IncomingMail.objects.count(), MailReport.objects.count()) == (0, 1)


@pytest.mark.skipif(bool(os.environ.get("DATABASE_URL")), reason="PostgreSQL reads a table of one page whole")
def test_to_find_what_has_had_its_time_nobody_reads_all_reports(house: House) -> None:
    with CaptureQueriesContext(connection) as asked:
        processing.forget(now())
    [query] = [row["sql"] for row in asked if row["sql"].startswith("SELECT") and "incoming_mailreport" in row["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {query}")
        plan = " ".join(str(row[3]) for row in cursor.fetchall())
    assert "mail_report_of_strangers (edition_id=? AND day<?)" in plan


def test_a_clock_that_is_set_a_year_ahead_makes_no_bounce_too_old(
    house: House, incoming: Incoming, set_a_year_ahead: Callable[[], None]
) -> None:
    """Not for an hour, in which somebody may see it: a bounce comes once."""
    ada, boris = house.people(2)
    sent = incoming.send()
    set_a_year_ahead()
    incoming.come_back(sent[ada])
    incoming.read(YEAR + timedelta(minutes=50))
    assert incoming.suppressed() == {f"bounce {ada}"}
    incoming.come_back(sent[boris])
    incoming.read(YEAR + timedelta(minutes=70))
    assert incoming.suppressed() == {f"bounce {ada}"}


HALVES = {
    "a reply": """From: a@b.example
Subject: =?utf-7?q?+2AA-?=
Content-Type: text/plain; charset=utf-7

+2AA-
""",
    "Amazon": r"""From: a@b.example
X-Amz-Sns-Message-Id: 1

{"notificationType": "Bounce", "bounce": {"bounceType": "Permanent", "bouncedRecipients": [
{"emailAddress": "x@y.example", "diagnosticCode": "550 \ud800"}]}}
""",
}


@pytest.mark.parametrize("which", HALVES)
def test_half_a_character_in_an_email_keeps_no_other_waiting(house: House, incoming: Incoming, which: str) -> None:
    """Anyone can send one, and nothing can keep it: it was read again for ever, and nothing behind it."""
    [ada] = house.people(1)
    incoming.take(HALVES[which].encode(), "bounces@lantern.example")
    incoming.come_back(incoming.send()[ada])
    incoming.read()
    assert incoming.suppressed() == {f"bounce {ada}"}
    assert not IncomingMail.objects.filter(state=IncomingMail.WAITING).exists()


def test_a_report_under_another_number_counts_for_nobody(house: House, incoming: Incoming) -> None:
    [ada] = house.people(1)
    incoming.come_back(incoming.send()[ada], full)
    incoming.read()
    MailReport.objects.update(number=7)
    assert report_details.details_of(MailReport.objects.select_related("organization").get()) is None
    assert KINDS[MailReport.objects.get().kind] == "soft"


def test_who_complains_leaves_every_list_and_gets_no_mail(house: House, incoming: Incoming) -> None:
    from samizdat.audience.models import Subscription

    ada, boris = house.people(2)
    caught = incoming.send()[ada]
    incoming.take(complaint(caught.content), "bounces@lantern.example")
    incoming.server.messages.clear()
    incoming.read()
    assert incoming.suppressed() == {f"complaint {ada}"}
    assert Subscription.objects.get(subscriber=row_id(house.organization.id, house.number(ada))).status != 1
    assert set(incoming.send()) == {boris}


def test_a_request_to_unsubscribe_that_a_provider_passes_on_leaves_that_list(house: House, incoming: Incoming) -> None:
    ada, boris = house.people(2)
    caught = incoming.send()[ada]
    incoming.take(complaint(caught.content, "opt-out"), "bounces@lantern.example")
    incoming.read()
    assert incoming.suppressed() == set()
    assert set(incoming.send()) == {boris}


def test_of_large_messages_few_are_opened_at_once(
    house: House, incoming: Incoming, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "BATCH_BYTES", 4_000)
    for number in range(5):
        incoming.take(f"From: eve{number}@b.example\r\nSubject: Hello\r\n\r\n".encode() + b"x" * 1_500)
    incoming.take(b"From: eve@b.example\r\nSubject: Hello\r\n\r\n" + b"x" * 5_000)
    taken_up = [*iter(lambda: processing.process(house.organization, now()), 0)]
    assert taken_up == [2, 2, 1, 1], "one that is larger is opened alone"
    assert not processing.waiting()
