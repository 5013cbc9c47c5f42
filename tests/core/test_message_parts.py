"""A message taken apart is the message that was put together, by the word of Python's own parser."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.content.compile import InlineImage, compile_letter
from samizdat.core.content.message import make_out
from samizdat.core.mail.message_parts import message_id, parts_of
from tests.core.test_compile import EDITION_MAKER, NOW, VALUES, body_of, compiled, content, parsed
from tests.core.test_message import NASTY, read_phrase


@pytest.mark.parametrize("name", ["Ada", "", *NASTY])
def test_texts_names_and_subject_read_back(name: str) -> None:
    edition, _ = compiled(subject="Liebe *|FNAME|*, was der Fluß nahm")
    raw = make_out(edition, VALUES | {"FNAME": name})
    parts, message = parts_of(raw), parsed(raw)
    assert parts.text.rstrip("\n") == body_of(message, "plain").rstrip("\n")
    assert parts.html.rstrip("\n") == body_of(message, "html").rstrip("\n")
    assert parts.subject == str(message["Subject"])
    [sender] = message["From"].addresses
    assert parts.sender == (sender.display_name, sender.addr_spec)
    assert parts.to_name == read_phrase(message)


def test_the_headers_of_a_newsletter_stay_and_those_that_a_provider_writes_go() -> None:
    parts = parts_of(b"DKIM-Signature: v=1; a=x;\r\n b=y\r\n" + EDITION_MAKER(VALUES))
    assert parts.headers == [
        ("Message-ID", "<aaaabbbb@example.org>"),
        ("List-Id", "<thursday.lantern.example>"),
        ("List-Unsubscribe", f"<{VALUES['UNSUB_URL']}>, <{VALUES['LEAVE_MAILTO']}>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("Precedence", "bulk"),
        ("X-Auto-Response-Suppress", "All"),
    ]
    assert parts.reply_to == ("", "desk@lantern.example")


def test_a_picture_that_travels_in_the_message_reads_back() -> None:
    url, data = "https://lantern.example/m/00ff00ff00ff.png", b"\x89PNG" + bytes(range(256))
    image = InlineImage(url, "00ff00ff00ff@lantern.example", "png", data)
    proof = compile_letter(
        content(body=f"Hello\n\n![River]({url})"), now=NOW, boundary="abcdefgh1234", carries=lambda _urls: [image]
    )
    assert proof.compiled is not None
    parts = parts_of(make_out(proof.compiled, VALUES))
    [picture] = parts.pictures
    assert base64.b64decode(picture.content, validate=True) == data
    assert (picture.type, picture.name, picture.cid) == ("image/png", "picture-1.png", "00ff00ff00ff@lantern.example")
    assert 'src="cid:00ff00ff00ff@lantern.example"' in parts.html
    assert "PNG" not in parts.text and "--=_" not in parts.text + parts.html


def test_a_message_id_is_that_of_the_head_and_of_no_text() -> None:
    assert message_id(EDITION_MAKER(VALUES)) == "aaaabbbb@example.org"
    assert message_id(b"Subject: x\r\n\r\nMessage-ID: <forged@evil.example>\r\n") == ""
    assert message_id(b"Message-ID: <far@away.example>") == ""


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_whatever_it_is_there_is_an_answer(raw: bytes) -> None:
    parts_of(b'Content-Type: multipart/alternative; boundary="b"\r\n\r\n--b\r\n' + raw)
    parts_of(raw)
    message_id(raw)
