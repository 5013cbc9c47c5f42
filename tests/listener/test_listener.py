"""Mail that servers hand over: sealed and on the disk before they hear yes, and nothing is answered about addresses."""

import datetime
import logging
import smtplib
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from samizdat import mail_spool, modes
from samizdat.core.crypto import tokens
from samizdat.core.mail import incoming_envelope
from samizdat.core.mail.incoming_envelope import MOST_RECEIVED
from samizdat.listener import server, sessions
from samizdat.listener.mailboxes import AddressBook
from samizdat.listener.sessions import ReceivedContent
from tests.listener.conftest import LANTERN, OTHER, PUBLIC, ROWS, Door, start

CODE = tokens.make(tokens.LinkKey(2, b"x" * 32), "return", 5, 6)
OURS = tokens.make(tokens.LinkKey(1, b"x" * 32), "return", 5, 6)


def test_a_message_is_kept_sealed_with_who_sent_it_and_to_whom(door: Door) -> None:
    door.send("bounces@lantern.example", b"Subject: hi\r\n\r\n.. and a dot\r\n")
    [(uid, letter)] = door.kept()
    assert (uid, letter.to) == (LANTERN, ("bounces@lantern.example",))
    assert letter.raw == b"Return-Path: <ada@a.example>\r\nSubject: hi\r\n\r\n.. and a dot\r\n"
    [file] = door.folder.iterdir()
    assert b"ada" not in file.read_bytes() and b"bounces" not in file.read_bytes()


def test_a_bounce_has_no_sender(door: Door) -> None:
    door.send("bounces@lantern.example", sender="")
    assert door.kept()[0][1].raw.startswith(b"Return-Path: <>\r\n")


@pytest.mark.parametrize(
    "address",
    [
        "bounces@lantern.example",
        "Bounces+leave@LANTERN.example",
        f"news+{CODE}@lantern.example",
        f"{CODE}@all.lantern.example",
        "leave@all.lantern.example",
    ],
)
def test_any_address_of_the_form_of_ours_is_taken(door: Door, address: str) -> None:
    door.send(address)
    assert door.kept()[0][0] == LANTERN


@pytest.mark.parametrize(
    "address",
    [
        "ada@lantern.example",
        "bounces@elsewhere.example",
        "bounces",
        f"{CODE}@lantern.example",
        "x%bounces@lantern.example",
    ],
)
def test_an_address_of_no_form_of_ours_is_refused_and_nothing_is_passed_on(door: Door, address: str) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        door.send(address)
    [(code, _words)] = refused.value.recipients.values()
    assert code == 550 and door.kept() == []


def test_one_message_to_two_organizations_is_kept_for_each(door: Door) -> None:
    door.send(["bounces@lantern.example", "news@lantern.example", "back@other.example"])
    assert {uid: letter.to for uid, letter in door.kept()} == {
        LANTERN: ("bounces@lantern.example", "news@lantern.example"),
        OTHER: ("back@other.example",),
    }


def test_of_an_address_that_two_share_the_code_says_whose_it_is() -> None:
    shared = [row | {"addresses": ["bounces@shared.example"]} for row in ROWS]
    mailboxes = AddressBook(lambda: shared)
    mailboxes.refresh()
    assert mailboxes.owner("bounces@shared.example") == LANTERN
    assert mailboxes.owner(f"bounces+{CODE}@shared.example") == OTHER
    assert mailboxes.owner(f"bounces+x{CODE[1:]}@shared.example") == LANTERN


def test_who_has_an_address_gets_its_mail_before_who_has_all_of_the_domain() -> None:
    whole = [ROWS[0] | {"addresses": ["@shared.example"]}, ROWS[1] | {"addresses": ["news@shared.example"]}]
    mailboxes = AddressBook(lambda: whole)
    mailboxes.refresh()
    assert mailboxes.owner("news+leave@shared.example") == OTHER
    assert mailboxes.owner("bounces@shared.example") == LANTERN


def test_what_was_known_of_addresses_stays_while_nobody_answers() -> None:
    answers, now = [ROWS, [], None], [0.0]
    mailboxes = AddressBook(lambda: answers[0] if answers[0] is not None else 1 / 0, lambda: now[0])  # type: ignore[arg-type, return-value]
    mailboxes.refresh()
    now[0] = 61.0
    answers[0] = None
    mailboxes.refresh()
    assert mailboxes.owner("back@other.example") == OTHER
    now[0] += 6.0
    answers[0] = []
    mailboxes.refresh()
    assert mailboxes.owner("back@other.example") is None


def test_sessions_that_begin_together_wait_until_our_addresses_are_known() -> None:
    asked, answer = threading.Event(), threading.Event()

    def ask() -> list[dict[str, Any]]:
        asked.set()
        assert answer.wait(30)
        return ROWS

    mailboxes = AddressBook(ask)

    def owner() -> bytes | None:
        mailboxes.refresh()
        return mailboxes.owner("bounces@lantern.example")

    with ThreadPoolExecutor(2) as sessions_at_once:
        first = sessions_at_once.submit(owner)
        assert asked.wait(30)
        second = sessions_at_once.submit(owner)
        threading.Timer(0.1, answer.set).start()
        assert (first.result(30), second.result(30)) == (LANTERN, LANTERN)


def test_an_address_that_was_just_entered_is_known_after_seconds() -> None:
    rows, now = [ROWS[:1]], [0.0]
    mailboxes = AddressBook(lambda: rows[0], lambda: now[0])
    mailboxes.refresh()
    rows[0], now[0] = ROWS, 6.0
    mailboxes.refresh()
    assert mailboxes.owner("back@other.example") is None
    mailboxes.refresh(unknown=True)
    assert mailboxes.owner("back@other.example") == OTHER


def test_while_nothing_is_known_of_addresses_no_mail_is_refused_for_good() -> None:
    mailboxes = AddressBook(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    for _session in range(2):
        with pytest.raises(ZeroDivisionError):
            mailboxes.refresh()


def test_nothing_is_answered_about_addresses(door: Door) -> None:
    with door.talk() as session:
        session.ehlo()
        assert set(session.esmtp_features) == {"size", "8bitmime", "smtputf8", "enhancedstatuscodes"}
        assert session.esmtp_features["size"] == str(MOST_RECEIVED)
        for command in ("VRFY bounces@lantern.example", "EXPN news", "AUTH PLAIN AGEAYg=="):
            assert session.docmd(command)[0] == 502
        session.mail("ada@a.example")
        known = session.rcpt(f"bounces+{CODE}@lantern.example")
        assert known == session.rcpt("bounces+nobody@lantern.example")


def test_the_key_that_messages_are_sealed_to_is_not_asked_for_anew_for_each(tmp_path: Path) -> None:
    asked: list[bytes] = []

    def box_key(uid: bytes) -> tuple[int, bytes]:
        asked.append(uid)
        return 7, PUBLIC

    for door in start(Door(tmp_path), "smtp", box_key=box_key):
        for _message in range(3):
            door.send(["bounces@lantern.example", "back@other.example"])
        assert len(door.kept()) == 6
    assert sorted(asked) == [LANTERN, OTHER]


def test_lmtp_answers_for_each_recipient(lmtp_door: Door) -> None:
    with smtplib.LMTP("127.0.0.1", lmtp_door.port) as session:
        session.ehlo()
        session.mail("")
        for address in ("bounces@lantern.example", "back@other.example"):
            session.rcpt(address)
        assert session.data(b"Subject: hi\r\n\r\nHello\r\n")[0] == 250
        assert session.getreply()[0] == 250
    assert len(lmtp_door.kept()) == 2


def test_a_full_folder_is_said_before_the_message_is_sent(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    door.send("bounces@lantern.example")
    monkeypatch.setattr(mail_spool, "MOST", 1)
    monkeypatch.setattr(mail_spool, "COUNTED", -1.0)
    with pytest.raises(smtplib.SMTPSenderRefused) as refused:
        door.send("bounces@lantern.example")
    assert refused.value.smtp_code == 452


def test_an_organization_without_room_hears_it_later_and_no_other_waits(tmp_path: Path) -> None:
    rows = [ROWS[0] | {"most": 500, "most_of_strangers": 100}, ROWS[1]]
    text = b"Subject: hi\r\n\r\n" + b"Hello\r\n" * 40
    for door in start(Door(tmp_path), "smtp", rows=rows):
        with pytest.raises(smtplib.SMTPRecipientsRefused) as declared:
            door.send("bounces@lantern.example", text)
        assert declared.value.recipients["bounces@lantern.example"][1].startswith(b"4.3.1")
        with door.talk() as session:
            session.ehlo()
            session.mail("ada@a.example")  # Without its size.
            assert session.rcpt("bounces@lantern.example")[0] == 250
            assert session.data(text) == (452, b"4.3.1 Too much mail waits here, try again later")
        door.send(f"bounces+{OURS}@lantern.example", text)
        door.send("bounces@lantern.example")
        door.send("back@other.example", text)
        assert [uid for uid, _envelope in door.kept()] == [LANTERN, LANTERN, OTHER]


def test_a_disk_that_takes_nothing_is_a_fault_for_later(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(modes, "sync_folder", broken)
    with caplog.at_level(logging.DEBUG), pytest.raises(smtplib.SMTPDataError) as refused:
        door.send("bounces@lantern.example")
    assert refused.value.smtp_code == 451
    assert "OSError" in caplog.text and "lantern.example" not in caplog.text and "127.0.0.1" not in caplog.text


def test_a_message_that_is_too_long_is_refused_by_what_it_announces_and_by_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_RECEIVED", 10_000)
    for door in start(Door(tmp_path), "smtp"):
        with door.talk() as session:
            session.ehlo()
            assert session.docmd("MAIL", "FROM:<ada@a.example> SIZE=10001")[0] == 552
            session.mail("ada@a.example")
            session.rcpt("bounces@lantern.example")
            assert session.data(b"a line of a message\r\n" * 1000)[0] == 552
        assert door.kept() == []


def test_who_stops_in_the_middle_of_a_message_leaves_nothing(door: Door) -> None:
    with door.talk() as session:
        session.helo()
        session.mail("ada@a.example")
        session.rcpt("bounces@lantern.example")
        assert session.docmd("DATA")[0] == 354
        assert session.sock is not None
        session.sock.sendall(b"Subject: half of it\r\n")
        session.sock.shutdown(socket.SHUT_RDWR)
        session.close()
    door.send("news@lantern.example")
    assert [letter.to for _uid, letter in door.kept()] == [("news@lantern.example",)]


def test_more_connections_than_there_is_room_for_hear_so(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "CONNECTIONS", 2)
    with door.talk(), door.talk():
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            door.talk()
        assert refused.value.smtp_code == 421


@pytest.mark.parametrize("piece", [b"\r\n", b"a" * 1000, b"a line of a message\r\n"])
def test_of_a_long_message_no_more_is_held_than_its_beginning(piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST", 10_000)
    content = ReceivedContent(b"Return-Path: <>")
    assert all(content.take(piece) is None for _ in range(20_000))
    assert len(content.message.raw) == 10_000
    assert content.message.raw.startswith(b"Return-Path: <>\r\n" + piece)


def test_a_large_bounce_is_kept_by_its_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sessions, incoming_envelope):
        monkeypatch.setattr(module, "MOST", 10_000)
    bounce = b"Subject: Undelivered\r\n\r\n" + b"y" * 600_000 + b"\r\n" + b"a line of what came back\r\n" * 5_000
    whole = b"Return-Path: <>\r\n" + bounce
    rows = [row | {"most_of_strangers": 20_000} for row in ROWS]
    for door in start(Door(tmp_path), "smtp", rows=rows):
        door.send("bounces@lantern.example", bounce, sender="")
        [(_uid, letter)] = door.kept()
        assert (letter.raw, letter.size) == (whole[:10_000], len(whole))


def test_dots_are_as_they_were_written_however_the_bytes_come() -> None:
    sent = b"..\r\na.\r\nb.\r\n...c\r\n\r\n..\rd\r\n\n.\n\r\n.\r\nRSET\r\n"
    for length in range(1, len(sent)):
        content, behind = ReceivedContent(b"Return-Path: <>"), b""
        for at in range(0, len(sent), length):
            if (rest := content.take(sent[at : at + length])) is not None:
                behind = rest + sent[at + length :]
                break
        assert content.message.raw == b"Return-Path: <>\r\n.\r\na.\r\nb.\r\n..c\r\n\r\n.\rd\r\n\n.\n\r\n", length
        assert behind == b"RSET\r\n", length


def test_a_message_without_a_byte_ends_all_the_same() -> None:
    content = ReceivedContent(b"Return-Path: <>")
    assert content.take(b".\r\n") == b"" and content.message.raw == b"Return-Path: <>\r\n"


def test_a_command_that_comes_with_the_end_of_a_message_is_answered(door: Door) -> None:
    with door.talk() as session:
        session.helo()
        for _message in range(2):
            session.mail("ada@a.example")
            session.rcpt("bounces@lantern.example")
            assert session.docmd("DATA")[0] == 354
            session.send(b"Subject: hi\r\n\r\nHello\r\n.\r\nNOOP\r\n")
            assert [session.getreply()[0], session.getreply()[0]] == [250, 250]
    assert len(door.kept()) == 2


@pytest.mark.parametrize("piece", [b"x", b"\r\n"])
def test_a_message_without_end_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: bytes) -> None:
    monkeypatch.setattr(server, "MOST_RECEIVED", 1_000_000)
    for door in start(Door(tmp_path), "smtp"):
        with door.talk() as session:
            session.ehlo()
            session.mail("ada@a.example")
            session.rcpt("bounces@lantern.example")
            assert session.docmd("DATA")[0] == 354
            with pytest.raises((OSError, smtplib.SMTPException)):
                session.send(piece * (50 << 20))
            session.close()
        assert door.kept() == []


def test_one_address_elsewhere_has_a_share_of_the_room() -> None:
    room = sessions.SessionRoom()
    assert [room.enter("192.0.2.1") for _ in range(sessions.OF_ONE_ADDRESS + 1)][-2:] == [True, False]
    assert room.enter("192.0.2.2") and room.enter("")
    room.leave("192.0.2.1")
    assert room.enter("192.0.2.1")


def test_what_comes_faster_than_mail_is_taken_in_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = [0.0, 0.01, 0.0]
    pace = SimpleNamespace(take=lambda _now: waits.pop(0))
    monkeypatch.setattr(sessions, "Bucket", lambda _at_once, _a_second: pace)
    for door in start(Door(tmp_path), "smtp"):
        for _message in range(2):
            door.send("bounces@lantern.example")
        assert len(door.kept()) == 2
    assert waits == []


def test_more_recipients_than_a_hundred_wait_for_another_message(door: Door) -> None:
    with door.talk() as session:
        session.ehlo()
        session.mail("ada@a.example")
        answers = [session.rcpt(f"bounces+{number}@lantern.example")[0] for number in range(101)]
    assert answers == [250] * 100 + [452]


def test_who_has_nothing_but_noise_to_say_is_sent_away(door: Door) -> None:
    with door.talk() as session:
        session.helo()
        answers = [session.docmd("NOOP")[0] for _ in range(101)]
    assert answers == [250] * 100 + [421]


def test_with_a_certificate_a_session_goes_on_encrypted(tmp_path: Path) -> None:
    certificate = tmp_path / "mail.pem"
    certificate.write_bytes(own_certificate())
    (tmp_path / "spool").mkdir()
    for door in start(Door(tmp_path / "spool"), "smtp", str(certificate)):
        with door.talk() as session:
            context = ssl.create_default_context(cafile=str(certificate))
            context.check_hostname = False
            session.starttls(context=context)
            session.sendmail("ada@a.example", "bounces@lantern.example", b"Subject: hi\r\n\r\nHello\r\n")
        assert len(door.kept()) == 1


def own_certificate() -> bytes:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*plain) + certificate.public_bytes(serialization.Encoding.PEM)
