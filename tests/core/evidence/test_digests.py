"""Digests of mailing lists: each email in one says what it says alone, and proves nothing."""

import pytest

from samizdat.core.evidence.digests import MOST_EMAILS, emails_in
from samizdat.core.evidence.fold import Fold
from samizdat.core.evidence.reading import MailClaim, Rules, read
from tests.core.evidence import emails

ADA, BORIS, VERA = (f"{name}@reader.example" for name in ("ada", "boris", "vera"))
RULES = Rules(frozenset({emails.OWN}))
INNER = (emails.wrote(ADA).decode(), emails.wants_to_leave(BORIS).decode(), emails.mailchimp(VERA).decode())


def _digest(kind: str, text: str) -> bytes:
    more = f"MIME-Version: 1.0\nContent-Type: {kind}\n"
    return emails.email("list-request@lists.example", "List Digest, Vol 3, Issue 7", text, more=more)


def _parts(*inner: str, head: str = "\n") -> str:
    return "".join(f"--d\n{head}{message}\n" for message in inner) + "--d--\n"


MIME = _digest('multipart/digest; boundary="d"', _parts(*INNER))
WITH_HEADERS = _digest("multipart/digest; boundary=d", _parts(*INNER, head="Content-Type: message/rfc822\n\n"))
MAILMAN = _digest(
    "multipart/mixed; boundary=m",
    '--m\nContent-Type: text/plain\n\nSend to the list\n--m\nContent-Type: multipart/digest;\n boundary="d"\n\n'
    + _parts(*INNER)
    + "--m\nContent-Type: text/plain\n\n_____\n--m--\n",
)
TEXT = _digest(
    "text/plain; charset=utf-8",
    "Today's Topics:\n\n   1. Re: Letter\n\n" + "-" * 70 + "\n\n" + f"\n{'-' * 30}\n\n".join(INNER)
    + f"\n{'-' * 30}\n\nEnd of List Digest, Vol 3\n****",
)  # fmt: skip


@pytest.mark.parametrize("raw", [MIME, WITH_HEADERS, MAILMAN, TEXT, MIME.replace(b"\n", b"\r\n")])
def test_each_email_of_a_digest_says_what_it_says_alone(raw: bytes) -> None:
    evidence = read(raw, RULES)
    assert set(evidence.claims) == {MailClaim("wrote", ADA), MailClaim("left", BORIS), MailClaim("yes", VERA)}
    assert (evidence.day, evidence.ours, evidence.unreadable) == ("2022-01-03", True, False)


def test_a_notice_in_a_digest_proves_no_yes() -> None:
    fold = Fold()
    fold.add(read(MIME.replace(b"spf=none", b"dkim=pass header.d=mailchimp.com", 1), RULES))
    known = {address.address: address.status for address in fold.addresses(frozenset({emails.SERVER}))}
    assert known == {ADA: "wrote", BORIS: "unsubscribed", VERA: "unproven"}


def test_a_long_digest_is_read_to_its_end() -> None:
    many = [emails.wrote(f"reader{number}@x.example").decode() for number in range(150)]
    evidence = read(_digest("multipart/digest; boundary=d", _parts(*many)), RULES)
    assert len(evidence.claims) == 150
    assert (
        len(emails_in(_digest("multipart/digest; boundary=d", _parts(*["From: a@b.example\n\nx"] * 900))))
        == MOST_EMAILS
    )


@pytest.mark.parametrize(
    "raw", [b"", b"digest", emails.wrote(ADA), emails.email(ADA, "Your digest", "-" * 70), b"\n" * 99]
)
def test_other_emails_are_no_digests(raw: bytes) -> None:
    assert emails_in(raw) == []


def test_a_damaged_digest_breaks_nothing() -> None:
    for end in range(0, len(MAILMAN), 97):
        read(MAILMAN[:end], RULES)
        read(TEXT[:end], RULES)
