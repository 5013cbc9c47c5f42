"""Reports that lie, are cut short, or are about somebody else."""

import pytest

from samizdat.core.bounce.reading import read
from tests.core.bounce.messages import ADA, BORIS, RETURNED, WE, complaint, dsn, failed, notice


def test_a_report_without_a_status_is_read_by_its_words() -> None:
    report = read(dsn(f"Final-Recipient: rfc822; {ADA}\nAction: failed\nDiagnostic-Code: smtp; 550 No such user here"))
    assert (report.kind, report.main.recipient, report.main.status) == ("hard", ADA, "5.1.1")


@pytest.mark.parametrize("words", ["550 Unrouteable address", "550 user unknown", "550 <x@y.example>: no such mailbox"])
def test_exim_says_5_0_0_and_means_that_nobody_is_there(words: str) -> None:
    report = read(dsn(failed(ADA, words, "5.0.0")))
    assert (report.kind, report.main.reason, report.main.status) == ("hard", "user_unknown", "5.1.1")


def test_opensmtpd_gives_no_diagnostic_code_in_multipart_mixed() -> None:
    raw = f"""From: Mailer Daemon <MAILER-DAEMON@relay.example>
To: {WE}
Subject: Delivery status notification: error
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="17266723484"

This is a MIME-encapsulated message.

--17266723484
Content-Type: text/plain; charset=us-ascii

    Hi!

    This is the MAILER-DAEMON, please DO NOT REPLY to this email.

    An error has occurred while attempting to deliver a message for
    the following list of recipients:

{ADA}: 550 5.1.1 <{ADA}>: Recipient address rejected: User unknown

    Below is a copy of the original message:

--17266723484
Content-Description: Delivery Report
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example

Final-Recipient: rfc822; {ADA}
Action: failed
Status: 5.0.0

--17266723484
Content-Description: Message headers
Content-Type: text/rfc822-headers

{RETURNED}
--17266723484--
""".encode()
    report = read(raw)
    assert (report.kind, report.main.recipient, report.main.status) == ("hard", ADA, "5.1.1")


def test_a_full_mailbox_with_the_status_of_an_unknown_user_is_soft() -> None:
    assert read(dsn(failed(ADA, "550 5.1.1 mailbox is full", "5.1.1"))).kind == "soft"


def test_an_unknown_user_with_a_temporary_code_is_soft() -> None:
    """Postfix says so while its table of users can't be read."""
    assert read(dsn(failed(ADA, "450 4.1.1 User unknown in local recipient table", "4.1.1"))).kind == "soft"


def test_an_address_that_stands_in_the_text_alone_is_found() -> None:
    report = read(notice(f"I could not deliver your message to <{ADA}>, as there is no such user here: 550 5.1.1\n"))
    assert (report.kind, report.main.recipient) == ("hard", ADA)


def test_a_forwarded_address_is_known_by_the_one_that_we_wrote_to() -> None:
    fields = f"Original-Recipient: rfc822;{ADA}\n{failed('stranger@elsewhere.example')}"
    assert (read(dsn(fields)).main.recipient, read(dsn(fields)).main.also) == (ADA, ("stranger@elsewhere.example",))


def test_an_original_recipient_that_we_did_not_write_to_comes_second() -> None:
    report = read(dsn(f"Original-Recipient: rfc822;alias@relay.example\n{failed(ADA)}"))
    assert (report.main.recipient, report.main.also) == (ADA, ("alias@relay.example",))


def test_an_alias_in_prose_is_known_by_the_one_that_we_wrote_to() -> None:
    text = (
        "   ----- The following addresses had permanent fatal errors -----\n<hidden@inside.example>\n"
        f"    (reason: 550 5.1.1 User unknown)\n    (expanded from: <{ADA}>)\n\n"
        f"   ----- Message header follows -----\n\n{RETURNED}"
    )
    report = read(notice(text, subject="Returned mail: see transcript for details"))
    assert (report.kind, report.main.recipient, report.main.also) == ("hard", ADA, ("hidden@inside.example",))


def test_of_two_recipients_the_one_who_got_it_is_not_marked() -> None:
    alive = f"Final-Recipient: rfc822; {BORIS}\nAction: delivered\nStatus: 2.0.0\n"
    kinds = {event.recipient: event.kind for event in read(dsn(f"{failed(ADA)}\n{alive}")).events}
    assert kinds == {ADA: "hard", BORIS: "none"}


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded", "delayed"])
def test_an_alias_of_which_one_mailbox_lives_is_not_dead(action: str) -> None:
    ours = f"Original-Recipient: rfc822; {ADA}\n"
    dead = f"{ours}{failed('office@inside.example')}"
    alive = f"{ours}Final-Recipient: rfc822; x@inside.example\nAction: {action}\n"
    for fields in (f"{dead}\n{alive}", f"{alive}\n{dead}"):
        report = read(dsn(fields))
        assert (report.kind, len(report.events)) == ("soft" if action == "delayed" else "none", 1)


def test_of_two_recipients_in_prose_the_one_who_got_it_is_not_marked() -> None:
    text = (
        f"   ----- The following addresses had permanent fatal errors -----\n<{ADA}>\n    (reason: 550 No such user)\n"
        f"   ----- The following addresses had successful delivery notifications -----\n<{BORIS}>\n\n"
        "   ----- Transcript of session follows -----\n550 5.1.1 User unknown\n"
    )
    assert [event.recipient for event in read(notice(text, subject="Returned mail")).events] == [ADA]


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded"])
def test_a_receipt_is_no_failure(action: str) -> None:
    assert read(dsn(f"Final-Recipient: rfc822; {ADA}\nAction: {action}\n")).kind == "none"


def test_a_warning_is_soft_and_says_that_it_is_one() -> None:
    report = read(dsn(f"Final-Recipient: rfc822; {ADA}\nAction: delayed\nStatus: 4.4.1\n"))
    assert (report.kind, report.main.reason) == ("soft", "delayed")


def test_a_bounce_of_a_bounce_names_whom_the_outer_one_names() -> None:
    inner = dsn(failed(ADA)).decode()
    assert [event.recipient for event in read(dsn(failed(BORIS), returned=inner)).events] == [BORIS]


def test_what_a_person_forwards_marks_nobody() -> None:
    text = dsn(failed(ADA)).decode()
    report = read(
        notice(f"Look what I got\n\n{text}", sender="Boris <boris@reader.example>", subject="Fwd: Undelivered Mail")
    )
    assert report.kind == "reply"


@pytest.mark.parametrize(
    "more", ["Auto-Submitted: auto-replied\n", "X-Autoreply: yes\n", "Precedence: auto_reply\n", ""]
)
def test_who_is_away_and_speaks_of_550_is_not_marked(more: str) -> None:
    text = "I am away. Messages bounce with 550 5.1.1 user unknown, mailbox full, until May. Ada no longer works here."
    raw = notice(text, sender=f"Ada <{ADA}>", subject="Out of office: News from the north", more=more)
    report = read(raw)
    assert (report.kind, report.main.reason, report.main.recipient) == ("auto-reply", "away", ADA)


def test_a_complaint_that_hides_the_address_keeps_what_identifies_the_email() -> None:
    hidden = RETURNED.replace(f"Ada <{ADA}>", "Undisclosed Recipients")
    report = read(complaint(returned=hidden))
    assert (report.kind, report.main.recipient) == ("complaint", None)
    assert report.hints.message_id == "edition.7@lantern.example"
    assert report.hints.return_path == "b+1234@lantern.example"
    assert "https://lantern.example/leave/tok3n" in report.hints.list_unsubscribe
    assert "b+1234@lantern.example" in report.hints.returned_to


def test_a_complaint_names_its_recipient_by_its_own_field() -> None:
    assert read(complaint(f"Original-Rcpt-To: <{BORIS}>")).main.recipient == BORIS
    assert read(complaint(f"X-HmXmrOriginalRecipient: {BORIS}")).main.recipient == BORIS


@pytest.mark.parametrize(
    ("kind", "means"), [("opt-out", "unsubscribe"), ("not-spam", "none"), ("auth-failure", "none")]
)
def test_not_every_feedback_is_a_complaint(kind: str, means: str) -> None:
    assert read(complaint(kind=kind)).kind == means


def test_hotmails_older_form_is_a_complaint() -> None:
    raw = f"""From: staff@hotmail.com
To: {WE}
Subject: complaint about message from 192.0.2.7
X-HmXmrOriginalRecipient: {ADA}
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=edge

--edge
Content-Type: message/rfc822

{RETURNED}
--edge--
""".encode()
    assert (read(raw).kind, read(raw).main.recipient) == ("complaint", ADA)


def test_a_bounce_of_somebody_elses_message_has_nothing_of_ours_in_it() -> None:
    returned = "From: other@elsewhere.example\nTo: x@y.example\nMessage-ID: <a@elsewhere.example>\n\nBuy\n"
    report = read(dsn(failed("x@y.example"), returned=returned))
    assert report.hints.message_id == "a@elsewhere.example"


RUSSIAN = f"Это письмо создано автоматически.\n\nНе может быть доставлено:\n\n  {ADA}\n    пользователь не найден\n"
GERMAN = f"Ihre Nachricht konnte nicht zugestellt werden:\n\n<{ADA}>: Postfach ist voll\n"
JAPANESE = f"次のあて先へのメッセージはエラーのため送信できませんでした。\n\n<{ADA}>:\nユーザが存在しません\n"


@pytest.mark.parametrize(
    ("text", "charset", "kind"),
    [
        (RUSSIAN, "koi8-r", "hard"),
        (RUSSIAN, "utf-8", "hard"),
        (RUSSIAN, "windows-1251", "hard"),
        (GERMAN, "iso-8859-1", "soft"),
        (JAPANESE, "iso-2022-jp", "hard"),
        (JAPANESE, "shift_jis", "hard"),
    ],
)
def test_failures_are_read_in_other_languages_and_character_sets(text: str, charset: str, kind: str) -> None:
    head = f"From: MAILER-DAEMON@relay.example\nTo: {WE}\nSubject: =?utf-8?b?0J7RiNC40LHQutCw?=\n"
    raw = head.encode() + f"MIME-Version: 1.0\nContent-Type: text/plain; charset={charset}\n\n".encode()
    report = read(raw + text.encode(charset))
    assert (report.kind, report.main.recipient) == (kind, ADA)


def test_nul_bytes_and_lines_of_old_macs_are_passed_over() -> None:
    raw = dsn(failed(ADA))
    assert read(raw.replace(b"\n", b"\r\0")).main.recipient == ADA
    assert read(raw.replace(b"\n", b"\r\r\n")).main.recipient == ADA


def test_a_report_in_base64_is_read() -> None:
    import base64

    body = base64.encodebytes(f"Reporting-MTA: dns; relay.example\n\n{failed(ADA)}".encode()).decode()
    raw = (
        dsn("X")
        .decode()
        .replace(
            "Content-Type: message/delivery-status\n\nReporting-MTA: dns; relay.example\n\nX",
            f"Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n{body}",
        )
    )
    assert read(raw.encode()).main.recipient == ADA


@pytest.mark.parametrize(
    "field", [f"utf-8; {ADA}", f"rfc/822; <{ADA}>", f" rfc822 ;{ADA} (Ada)", "rfc822; ada+40reader.example"]
)
def test_odd_fields_name_the_recipient_all_the_same(field: str) -> None:
    assert read(dsn(f"Final-Recipient : {field}\nAction: failed\nStatus: 5.1.1\n")).main.recipient == ADA


def test_an_address_beyond_ascii_is_read() -> None:
    report = read(dsn(failed(r"x").replace("rfc822; x", r"utf-8; \x{430}\x{434}\x{430}@\x{43f}.example")))
    assert report.main.recipient == "ада@п.example"


def test_a_challenge_is_answered_by_nobody_and_marks_nobody() -> None:
    text = "550 Your server requires confirmation. Visit http://provider.example/whitelist to confirm this mail server."
    assert read(dsn(failed(ADA, text, "5.7.1"))).kind == "none"


@pytest.mark.parametrize(
    "words",
    [
        "550 5.7.1 Client host blocked using zen.spamhaus.org",
        "550 5.7.26 This mail is unauthenticated: DMARC",
        "550 5.7.25 no PTR record for your address",
        "554 5.7.1 Relay access denied",
        "421 4.7.0 Too many connections from your host",
    ],
)
def test_what_is_about_us_is_not_the_recipients_fault(words: str) -> None:
    report = read(dsn(failed(ADA, words, "5.0.0")))
    assert (report.kind, report.main.fault) == ("soft", "route")


@pytest.mark.parametrize(
    "words",
    [
        "553 5.1.8 Domain of this address does not exist",
        "550 5.1.7 unknown user",
        "550 Sender domain does not exist",
        "550 sorry, your envelope sender could not be found here",
        "550 Your domain lantern.example does not exist",
        "554 Your server has no reverse name, unknown host",
        "511 sorry, can't find a valid MX for sender domain",
        "553 Relaying disallowed. Invalid Domain - reader.example",
        "550 Too many invalid recipients",
        "550 Absenderdomain existiert nicht",
        "550 домен отправителя не существует",
        "550 发件人域名不存在",
    ],
)
def test_what_is_unknown_of_us_marks_no_recipient(words: str) -> None:
    main = read(dsn(failed(ADA, words, "5.0.0"))).main
    assert (main.kind, main.fault) == ("soft", "route")


def test_a_server_that_takes_no_mail_says_521_and_one_that_blocks_us_too() -> None:
    assert read(dsn(failed(ADA, "521 5.3.2 System not accepting network messages", "5.3.2"))).kind == "hard"
    assert read(dsn(failed(ADA, "550 5.3.2 System not accepting network messages", "5.3.2"))).kind == "soft"
    blocks = read(dsn(failed(ADA, "521 5.2.1 : (CON:B1) https://postmaster.relay.example/codes", "5.2.1"))).main
    assert (blocks.kind, blocks.fault) == ("soft", "route")


def test_a_shop_that_could_not_deliver_a_parcel_is_no_bounce() -> None:
    text = "Dear customer,\nyour parcel could not be delivered to the address: 12 Long Street. Call us.\n"
    assert read(notice(text, sender="Parcels <no-reply@parcels.example>", subject="Your parcel")).kind == "reply"


def test_mail_from_nobody_says_so() -> None:
    assert read(dsn(failed(ADA))).sender_is_null
    assert not read(b"From: ada@reader.example\n\nHello").sender_is_null


@pytest.mark.parametrize("raw", [b"", b"\n\n\n", b"\0\0", b"\xff\xfe\xfd", b":", b"From: \n\n", b"--\n--\n--"])
def test_what_is_no_message_harms_nothing(raw: bytes) -> None:
    assert read(raw).kind not in ("hard", "complaint")


@pytest.mark.parametrize("subject", ["Delivery Status Notification (Failure)", "Undeliverable mail?"])
def test_a_person_who_asks_about_a_bounce_marks_nobody(subject: str) -> None:
    quoted = f"> A message could not be delivered to one or more of its recipients\n> <{BORIS}>: 550 user unknown\n"
    raw = f"From: Ada <{ADA}>\nTo: {WE}\nSubject: {subject}\n\nWhat is this?\n\n{quoted}"
    assert read(raw.encode()).kind == "reply"


def test_a_server_that_names_nobody_is_not_understood() -> None:
    raw = notice("The mailbox full warnings of last week are over.", sender="System Administrator <it@reader.example>")
    assert (read(raw).kind, read(raw).main.reason) == ("none", "unclear")


@pytest.mark.parametrize("subject", ["Successful Mail Delivery Report", "Delivery Status Notification (Success)"])
def test_a_receipt_in_prose_is_no_failure(subject: str) -> None:
    text = (
        f"Your message was successfully delivered to the destinations listed below.\n\n<{ADA}>: delivery via mx: 250\n"
    )
    report = read(notice(text, subject=subject))
    assert (report.kind, report.main.reason) == ("none", "delivered")


def test_whom_to_ask_for_help_is_no_recipient() -> None:
    text = f"Your message could not be delivered.\n\n<{ADA}>: 550 unknown\n\nantispam@reader.example can unblock you.\n"
    assert [event.recipient for event in read(notice(text)).events] == [ADA]
