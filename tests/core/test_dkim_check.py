"""Which domains signed a message that came in. dkimpy signs in the ways that providers do."""

import base64
from collections.abc import Mapping

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from samizdat.core.mail import dkim as own
from samizdat.core.mail.dkim_check import DkimSignature, signatures, signed_by

NOW = 1_780_000_000
KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)
PUBLIC = base64.b64encode(
    KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
).decode()
RECORD = {"s1._domainkey.a.example": [f"v=DKIM1; k=rsa; p={PUBLIC}"]}
HEADERS = [b"From", b"To", b"Subject", b"Date"]
LETTER = (
    b"From: Ada <ada@a.example>\r\nTo: news+leave@lantern.example\r\nSubject:  leave  me\r\n alone\r\n"
    b"Date: Mon, 30 Nov 2026 10:00:00 +0000\r\n\r\nHello  there \r\n\r\n\r\n"
)


def signed(
    letter: bytes = LETTER, how: str = "relaxed/relaxed", headers: list[bytes] = HEADERS, **more: object
) -> bytes:
    ways = tuple(way.encode() for way in how.split("/"))
    stamp = dkim.sign(letter, b"s1", b"a.example", PEM, canonicalize=ways, include_headers=headers, **more)
    return bytes(stamp + letter)


@pytest.mark.parametrize("how", ["relaxed/relaxed", "simple/simple", "relaxed/simple", "simple/relaxed"])
@pytest.mark.parametrize("body", [b"Hello  there \r\n\r\n\r\n", b"", b"\r\n", b"no end"])
def test_a_signature_holds_in_each_canonical_form(how: str, body: bytes) -> None:
    raw = signed(LETTER.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + body, how)
    assert signatures(raw) == (DkimSignature("a.example", "s1._domainkey.a.example"),)
    assert signed_by(raw, RECORD, NOW) == ("a.example",)


def test_a_signature_holds_whatever_stands_above_it_and_without_carriage_returns() -> None:
    raw = b"Return-Path: <ada@a.example>\r\nReceived: from mx\r\n" + signed()
    assert signed_by(raw, RECORD, NOW) == ("a.example",)
    assert signed_by(raw.replace(b"\r\n", b"\n"), RECORD, NOW) == ("a.example",)


def test_our_own_signature_with_an_ed25519_key_holds() -> None:
    private = own.read_private(PEM)
    raw = own.sign(LETTER, [own.SigningKey("a.example", "s1", private)])
    assert signed_by(raw, RECORD, NOW) == ("a.example",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Hello", b"Hullo"),
        (b"Ada <ada@", b"Eve <eve@"),
        (b"alone", b"now"),
        (b"news+leave@", b"news+pause@"),
        (b"10:00:00", b"11:00:00"),
        (b"From: Ada", b"From: Eve <eve@a.example>\r\nFrom: Ada"),
    ],
)
def test_a_changed_message_is_signed_by_nobody(old: bytes, new: bytes) -> None:
    raw = signed()
    assert old in raw
    assert signed_by(raw.replace(old, new), RECORD, NOW) == ()


FOREIGN = (
    b"From: Ada <ada@a.example>\r\nTo: eve@b.example\r\nSubject: Lunch?\r\n"
    b"Date: Mon, 30 Nov 2026 10:00:00 +0000\r\n\r\nHi\r\n"
)


@pytest.mark.parametrize(
    "above",
    [
        b"To: news+leave@lantern.example\r\n",
        b"Cc: news+leave@lantern.example\r\n",
        b"Subject: leave\r\n",
        b"Date: Tue, 01 Dec 2026 10:00:00 +0000\r\n",
        b"Fro\0m: grace@a.example\r\n",
        b"X-A: b\r\r\nFrom: grace@a.example\r\n",
        b"no field\r\n",
    ],
)
def test_nobody_puts_other_fields_above_what_is_signed(above: bytes) -> None:
    assert signed_by(above + signed(FOREIGN), RECORD, NOW) == ()


def test_what_one_program_reads_as_a_field_and_another_as_text_is_signed_by_nobody() -> None:
    head, _gap, body = signed(LETTER + b"From: grace@a.example\r\n\r\n").partition(b"\r\n\r\n")
    stamp, _from, rest = head.partition(b"From: ")
    sender, _end, others = rest.partition(b"\r\n")
    raw = b"From : " + sender + b"\r\n" + stamp + others + b"\r\r\n" + body
    assert signed_by(raw, RECORD, NOW) == ()


def test_the_line_that_a_pipe_writes_above_a_message_changes_nothing() -> None:
    assert signed_by(b"From ada@a.example Mon Nov 30 10:00:00 2026\n" + signed(), RECORD, NOW) == ("a.example",)


def test_a_signature_that_leaves_something_open_proves_nothing() -> None:
    assert signed_by(signed(length=True), RECORD, NOW) == (), "anything may follow"
    assert signed_by(signed(headers=[b"From", b"Subject", b"Date"]), RECORD, NOW) == (), "to anybody"
    assert signed_by(signed(headers=[b"From", b"To", b"Date"]), RECORD, NOW) == (), "with other words"


@pytest.mark.parametrize(
    "records",
    [
        {},
        {"s1._domainkey.a.example": []},
        {"s1._domainkey.a.example": ["v=DKIM1; p="]},
        {"s1._domainkey.a.example": [f"v=DKIM1; t=y; p={PUBLIC}"]},
        {"s1._domainkey.a.example": [f"v=DKIM1; s=other; p={PUBLIC}"]},
        {"s1._domainkey.a.example": [f"v=DKIM1; k=ed25519; p={PUBLIC}"]},
        {"s1._domainkey.a.example": [f"v=DKIM1; p={PUBLIC}", f"v=DKIM1; p={PUBLIC}"]},
        {"s1._domainkey.b.example": [f"v=DKIM1; p={PUBLIC}"]},
    ],
)
def test_a_key_that_is_not_there_not_for_this_or_on_trial_proves_nothing(records: Mapping[str, list[str]]) -> None:
    assert signed_by(signed(), records, NOW) == ()


def test_an_expired_signature_proves_nothing() -> None:
    raw = own.sign(LETTER, [own.SigningKey("a.example", "s1", own.read_private(PEM))])
    assert signed_by(raw.replace(b"v=1;", b"v=1; x=%d;" % (NOW - 1), 1), RECORD, NOW) == ()
