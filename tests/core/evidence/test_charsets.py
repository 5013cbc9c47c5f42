"""Emails that name the wrong character set: no address in them is lost, and nothing breaks."""

import base64

import pytest

from samizdat.core.bounce.mime import in_charset
from samizdat.core.evidence.reading import MailClaim, Rules, read
from tests.core.evidence import emails

ADA = "ada@reader.example"
RULES = Rules(frozenset({emails.OWN}))
LABELS = [
    "utf-16",
    "utf-16le",
    "utf-7",
    "us-ascii",
    "utf-8",
    "koi8-r",
    "windows-1251",
    "iso-2022-jp",
    "nonsense",
    "gb2312",
    "",
]


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("text", [f"Эл. почта: {ADA}".encode(), f"Эл. почта: {ADA}".encode("cp1251"), ADA.encode()])
def test_an_address_is_read_whatever_its_label_says(label: str, text: bytes) -> None:
    assert ADA in in_charset(text, label)


@pytest.mark.parametrize("label", ["utf-16", "us-ascii", "utf-7", "nonsense", ""])
def test_text_in_utf_8_under_a_wrong_label_is_read_as_it_is(label: str) -> None:
    assert in_charset(f"Эл. почта: {ADA}".encode(), label) == f"Эл. почта: {ADA}"


def test_what_its_label_says_is_believed_where_it_can_be() -> None:
    for label in ("utf-16", "utf-16le", "koi8-r", "windows-1251", "gb18030", "utf-7"):
        assert in_charset(f"Привет\n{ADA}".encode(label), label) == f"Привет\n{ADA}"


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("encoding", ["8bit", "base64"])
def test_a_notice_under_any_label_says_the_same(label: str, encoding: str) -> None:
    text = f"Email Address: {ADA}\nИмя: Ада"
    body = base64.encodebytes(text.encode()).decode() if encoding == "base64" else text
    more = f'Content-Type: text/plain; charset="{label}"\nContent-Transfer-Encoding: {encoding}\n'
    results = "dkim=pass header.d=mailchimp.com"
    raw = emails.email("no-reply@mailchimp.com", "Letter: New Subscriber", body, results=results, more=more)
    assert read(raw, RULES).claims == (MailClaim("yes", ADA),)
