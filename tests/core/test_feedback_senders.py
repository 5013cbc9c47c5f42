"""Which complaints are surely those of a mailbox provider."""

import pytest

from samizdat.core.mail.feedback_senders import ADDRESSES, is_theirs, read


@pytest.mark.parametrize(
    ("sender", "domains", "is_proven"),
    [
        ("feedback@arf.mail.yahoo.com", ["arf.mail.yahoo.com"], True),
        ("feedback@arf.mail.yahoo.com", ["elsewhere.example", "yahoo.com"], True),
        ("feedback@arf.mail.yahoo.com", ["hoo.com", "elsewhere.example"], False),
        ("feedback@arf.mail.yahoo.com", ["mail.arf.mail.yahoo.com"], False),
        ("feedback@arf.mail.yahoo.com", [], False),
        ("eve@yahoo.com", ["yahoo.com"], False),
        ("feedbackloop@fbl.cox.net", ["app.returnpath.net"], True),
        ("staff@hotmail.com", ["hotmail.com"], True),
        ("fbl@corp.mail.ru", ["corp.mail.ru"], True),
    ],
)
def test_the_address_of_a_loop_and_the_signature_of_its_domain(
    sender: str, domains: list[str], is_proven: bool
) -> None:
    assert is_theirs(sender, domains) is is_proven


@pytest.mark.parametrize(
    "header",
    [
        b"eve@yahoo.com",
        b'"feedback@arf.mail.yahoo.com" <eve@yahoo.com>',
        b"feedback@arf.mail.yahoo.com, eve@yahoo.com",
        b"=?utf-8?q?feedback=40arf.mail.yahoo.com?= <eve@yahoo.com>",
    ],
)
def test_a_name_that_reads_like_the_address_of_a_loop_is_none(header: bytes) -> None:
    assert read(b"From: " + header + b"\r\nSubject: complaint\r\n\r\nSpam\r\n") is None


def test_addresses_are_compared_as_they_are_written_here() -> None:
    origin = read(b"From: Feedback <FEEDBACK@arf.mail.yahoo.com>\r\n\r\n")
    assert origin is not None and origin.sender == "feedback@arf.mail.yahoo.com"
    assert all(address == address.lower() for address in ADDRESSES)
