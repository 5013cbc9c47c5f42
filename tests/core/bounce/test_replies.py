"""Mail of people, and of their machines."""

import pytest

from samizdat.core.bounce.reading import read
from tests.core.bounce.messages import ADA, notice


@pytest.mark.parametrize(
    "subject", ["unsubscribe", "Re: Unsubscribe!", "STOP", "Отпишите меня", "стоп", "Abmelden", "配信停止"]
)
def test_a_subject_that_says_nothing_but_leave_unsubscribes(subject: str) -> None:
    report = read(f"From: Ada <{ADA}>\nTo: letter@lantern.example\nSubject: {subject}\n\n".encode())
    assert (report.kind, report.main.recipient) == ("unsubscribe", ADA)


def test_a_first_line_that_says_nothing_but_leave_unsubscribes() -> None:
    raw = f"From: {ADA}\nSubject: Re: News from the north\n\nотпишите меня\n\n> Dear Ada\n"
    assert read(raw.encode()).kind == "unsubscribe"


def test_who_asks_how_to_leave_is_answered_by_people() -> None:
    raw = f"From: {ADA}\nSubject: How do I stop getting these twice?\n\nI don't want to unsubscribe.\n"
    assert read(raw.encode()).kind == "reply"


def test_a_reply_that_quotes_a_quota_is_a_reply() -> None:
    raw = f"From: {ADA}\nSubject: Re: News\n\nMy mailbox was full (552 5.2.2 over quota), please send it again.\n"
    assert read(raw.encode()).kind == "reply"


@pytest.mark.parametrize(
    "subject",
    [
        *(
            "Automatic reply: News",
            "Abwesenheitsnotiz",
            "Автоответ: я в отпуске",
            "自動返信",
            "Réponse automatique : News",
        ),
        *("Automatiskt svar: News", "Otomatik Yanıt: News", "Αυτόματη απάντηση: News", "자동 회신: News", "رد تلقائي"),
    ],
)
def test_an_automatic_reply_is_known_by_its_subject(subject: str) -> None:
    assert read(notice("I am away until May.", sender=ADA, subject=subject)).kind == "auto-reply"


def test_a_challenge_is_known() -> None:
    text = "This account is protected by SpamArrest. Click the link below to be added to my approved list: https://x.example/"
    report = read(notice(text, sender=ADA, subject="Re: News (verification)"))
    assert (report.kind, report.main.reason) == ("auto-reply", "challenge")


def test_a_receipt_of_reading_is_no_reply() -> None:
    raw = """From: ada@reader.example
Subject: Read: News
Content-Type: multipart/report; report-type=disposition-notification; boundary=edge

--edge

Your message was read.
--edge
Content-Type: message/disposition-notification

Final-Recipient: rfc822; ada@reader.example
Disposition: manual-action/MDN-sent-manually; displayed

--edge--
"""
    assert read(raw.encode()).kind == "none"


def test_a_dmarc_report_is_no_reply() -> None:
    raw = """From: noreply-dmarc@provider.example
Subject: Report domain: lantern.example Submitter: provider.example
Content-Type: application/zip; name=report.zip
Content-Transfer-Encoding: base64

UEsDBA==
"""
    assert read(raw.encode()).kind == "none"


@pytest.mark.parametrize(
    "name", [b'"grace@a.example"', b"=?utf-8?q?grace=40a=2Eexample?=", b"=?utf-8?q?=3Cgrace=40a=2Eexample=3E?="]
)
def test_an_answer_goes_to_the_address_and_not_to_one_in_the_name(name: bytes) -> None:
    report = read(b"From: " + name + b" <ada@reader.example>\r\nSubject: Re: Spring\r\n\r\nThank you\r\n")
    assert report.content is not None and report.content.sender == "ada@reader.example"
