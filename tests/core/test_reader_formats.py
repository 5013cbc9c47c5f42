"""Text alone, and discreet: made from any edition, readable by anybody's parser, signed like the others."""

from email import message_from_bytes, policy

import pytest

from samizdat.core.content import reader_formats
from samizdat.core.content.message import CompiledContent, MessageMaker
from samizdat.core.mail.dkim import relaxed_body
from tests.core.test_compile import VALUES, compiled

SUBJECTS = (
    "Was der Fluss nahm",
    "Что унесла река",
    "For {{ FNAME }}",
    "{% if CITY == 'Riga' %}Riga{% else %}x{% endif %} now",
)


def made(edition: CompiledContent, wishes: str) -> tuple[bytes, object]:
    raw = MessageMaker(reader_formats.variant(edition, wishes, "Письмо"))(VALUES)
    return raw, message_from_bytes(raw, policy=policy.default)


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("wishes", reader_formats.WISHES)
def test_every_variant_reads_as_the_letter_does(subject: str, wishes: str) -> None:
    edition, _ = compiled(subject=subject, from_name="Северный фонарь, газета")
    _, usual = made(edition, "")
    raw, mail = made(edition, wishes)
    text = usual.get_body(("plain",)).get_content()
    assert mail.get_body(("plain",)).get_content().rstrip() == text.rstrip()
    assert not mail.defects
    if "t" in wishes:
        assert mail.get_content_type() == "text/plain" and b"text/html" not in raw
    else:
        assert mail.get_body(("html",)).get_content() == usual.get_body(("html",)).get_content()
    if "d" in wishes:
        assert mail["subject"] == "Письмо" and mail["from"] == "news@lantern.example"
    else:
        assert (mail["subject"], mail["from"]) == (usual["subject"], usual["from"])
    for name in ("To", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post"):
        assert mail[name] == usual[name]


@pytest.mark.parametrize("wishes", reader_formats.WISHES)
def test_the_body_of_a_variant_is_hashed_as_it_stands(wishes: str) -> None:
    raw, _ = made(compiled()[0], wishes)
    body = raw.partition(b"\r\n\r\n")[2]
    assert relaxed_body(body) == body


def test_wishes_of_a_newer_house_are_passed_over() -> None:
    assert reader_formats.known("xdt") == "td"
