"""An edition: what is written reads back, whoever it goes to, and no value leaves its place."""

import dataclasses
import re
import time
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from quopri import decodestring
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.content.compile import MAX_SUBJECT, CompileProof, InlineImage, compile_letter, quoted_text
from samizdat.core.content.message import CompiledContent, MessageMaker, dumps, loads, make_out, one_line, slot_values
from samizdat.core.content.render import Content, fill
from samizdat.core.fields import in_letter
from tests.core.test_message import NASTY, read_phrase

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
VALUES = {
    "FNAME": "Ada",
    "CITY": "Riga",
    "EMAIL": "ada@example.org",
    "DATE": "Wed, 25 Nov 2026 12:00:00 +0000",
    "MESSAGE_ID": "<aaaabbbb@example.org>",
    "UNSUB_URL": "https://lantern.example/l/" + "ab" * 26,
    "ARCHIVE_URL": "https://lantern.example/archive/214",
    "LEAVE_MAILTO": "mailto:leave@lantern.example?subject=" + "ab" * 26,
}
BODY = """# Was der Fluß nahm

Liebe {{ FNAME | default: "Freundin" }},

größere Schäden. [Lesen](https://example.org/a?who={{ EMAIL | url }}&b=c) oder https://example.org/b.

{% if CITY == "Riga" %}
Wir treffen uns in **Riga**.
{% else %}
Wir treffen uns später.
{% endif %}

.Ein Punkt vorne

From here  on: two  blanks
"""


def content(**changes: Any) -> Content:
    given = {
        "subject": "Was der Fluss nahm",
        "body": BODY,
        "from_name": "Northern Lantern",
        "from_address": "news@lantern.example",
        "organization": "Northern Lantern",
        "list_name": "The Thursday Letter",
        "to_name": "*|FNAME|*",
        "fields": {"FNAME": "", "CITY": ""},
    }
    return Content(**(given | changes))


def compiled(**changes: Any) -> tuple[CompiledContent, CompileProof]:
    proof = compile_letter(content(**changes), now=NOW, boundary="abcdefgh1234")
    assert proof.compiled is not None, [flaw.sentence for flaw in proof.flaws]
    return proof.compiled, proof


def codes(**changes: Any) -> list[str]:
    proof = compile_letter(content(**changes), now=NOW, boundary="abcdefgh1234")
    stops = [flaw for flaw in proof.flaws if flaw.severity == "stop"]
    assert (proof.compiled is None) == bool(stops)
    return [flaw.code for flaw in stops]


def parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    for part in message.walk():
        assert not part.defects
    return message


def body_of(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def check_form(raw: bytes) -> None:
    """What every server may ask of the bytes of a message."""
    lines = raw.split(b"\r\n")
    assert b"\r" not in raw.replace(b"\r\n", b"") and b"\n" not in raw.replace(b"\r\n", b"")
    assert raw.endswith(b"\r\n") and not raw.endswith(b"\r\n\r\n")
    assert all(len(line) <= 998 for line in lines)
    assert not any(line.startswith((b".", b"From ")) for line in lines)
    body = raw.partition(b"\r\n\r\n")[2]
    assert all(len(line) <= 76 for line in body.split(b"\r\n"))
    assert relaxed(body) == body


def relaxed(body: bytes) -> bytes:
    """DKIM's relaxed body canonicalization (RFC 6376 section 3.4.4), written straight from the text."""
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


@pytest.mark.parametrize("name", ["Ada", "", *NASTY])
@pytest.mark.parametrize("city", ["Riga", "Oslo"])
def test_every_part_reads_back_as_it_was_written(name: str, city: str) -> None:
    edition, proof = compiled(subject="Liebe *|FNAME|*, was der Fluß nahm")
    values = VALUES | {"FNAME": name, "CITY": city}
    raw = make_out(edition, values)
    check_form(raw)
    message = parsed(raw)
    assert body_of(message, "plain") == fill(proof.letter.text, values)
    assert body_of(message, "html") == fill(proof.letter.html, values)
    assert ("Wir treffen uns später" in body_of(message, "plain")) == (city == "Oslo")
    assert str(message["Subject"]) == f"Liebe {one_line(in_letter(name))}, was der Fluß nahm"
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]


@given(st.text(alphabet=st.characters(), max_size=200), st.text(alphabet=st.characters(), max_size=30))
def test_no_value_at_all_adds_a_header_a_part_or_a_line(name: str, city: str) -> None:
    edition, _ = EDITION
    raw = EDITION_MAKER(VALUES | {"FNAME": name, "CITY": city})
    check_form(raw)
    message = message_from_bytes(raw, policy=policy.compat32)
    assert message.keys() == HEADERS
    assert len(message.get_payload()) == 2
    assert edition.conditional


EDITION = compiled(
    subject="Liebe *|FNAME|*",
    reply_to="desk@lantern.example",
    list_id="thursday.lantern.example",
    unsubscribe_mailbox=True,
)
EDITION_MAKER = MessageMaker(EDITION[0])
HEADERS = [
    "From", "To", "Reply-To", "Subject", "Date", "Message-ID", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post",
    "Precedence", "X-Auto-Response-Suppress", "MIME-Version", "Content-Type",
]  # fmt: skip


def test_the_headers_are_those_of_a_newsletter() -> None:
    message = parsed(EDITION_MAKER(VALUES))
    assert message.keys() == HEADERS
    assert message["From"] == "Northern Lantern <news@lantern.example>"
    assert message["To"] == "Ada <ada@example.org>"
    assert message["Reply-To"] == "desk@lantern.example"
    assert message["Date"].datetime == NOW
    assert message["Message-ID"] == "<aaaabbbb@example.org>"
    assert message["List-Id"] == "<thursday.lantern.example>"
    assert message["List-Unsubscribe"] == f"<{VALUES['UNSUB_URL']}>, <{VALUES['LEAVE_MAILTO']}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Precedence"] == "bulk"


def test_without_a_leave_mailbox_only_the_web_way_is_offered() -> None:
    edition, _ = compiled()
    assert parsed(make_out(edition, VALUES))["List-Unsubscribe"] == f"<{VALUES['UNSUB_URL']}>"
    assert "LEAVE_MAILTO" not in MessageMaker(edition).needs


def test_a_feedback_id_is_carried() -> None:
    edition, _ = compiled(feedback_id="c12:lantern:news:samizd")
    assert parsed(make_out(edition, VALUES))["Feedback-ID"] == "c12:lantern:news:samizd"


@pytest.mark.parametrize(
    "name", [name for name in NASTY if not re.search(r"[\x00-\x1f\u2028]", name) and len(name) <= 128]
)
def test_a_senders_name_reads_back(name: str) -> None:
    edition, _ = compiled(from_name=name)
    message = parsed(make_out(edition, VALUES))
    (sender,) = message["From"].addresses
    assert sender.addr_spec == "news@lantern.example"
    assert read_phrase(message, "From") == " ".join(one_line(name).split())


@pytest.mark.parametrize(
    "subject",
    [
        "Short",
        "A subject that is rather long for one line, with words enough for three lines of seventy-six characters each.",
        "x" * MAX_SUBJECT,
        "Ж" * MAX_SUBJECT,
        "Was der Fluß nahm",
        "=?utf-8?q?not_an_encoded_word?=",
        "two  blanks",
        "100 % & <b>",
        "👩‍👩‍👧 " * 20,
    ],
)
def test_a_subject_reads_back_and_its_lines_are_short(subject: str) -> None:
    edition, _ = compiled(subject=subject)
    raw = make_out(edition, VALUES)
    assert str(parsed(raw)["Subject"]) == subject.strip()
    head = raw.partition(b"\r\n\r\n")[0]
    assert all(len(line) <= 78 for line in head.split(b"\r\n") if not line.startswith(b"List-Unsubscribe"))


def test_a_subject_may_depend_on_the_reader() -> None:
    edition, _ = compiled(subject="{% if FNAME %}{{ FNAME }}, was{% else %}Was{% endif %} der Fluß nahm")
    for name, subject in (
        ("Ada", "Ada, was der Fluß nahm"),
        ("", "Was der Fluß nahm"),
        ("Ж" * 90, "Ж" * 90 + ", was der Fluß nahm"),
    ):
        raw = make_out(edition, VALUES | {"FNAME": name})
        assert str(parsed(raw)["Subject"]) == subject
        assert all(len(line) <= 76 for line in raw.partition(b"Subject:")[2].partition(b"Date:")[0].split(b"\r\n")[1:])


def test_a_subject_with_tags_stands_in_title_label_and_text_with_its_conditions() -> None:
    edition, proof = compiled(
        subject="{% if FNAME %}Hi {{ FNAME }}{% endif %} & co", body="See {{ subject }} or *|MC:SUBJECT|*."
    )
    page = body_of(parsed(make_out(edition, VALUES | {"FNAME": '<"b">'})), "html")
    assert '<title>Hi &lt;"b"&gt; &amp; co</title>' in page
    assert 'aria-label="Hi &lt;&quot;b&quot;&gt; &amp; co"' in page
    assert 'See Hi <"b"> & co or Hi <"b"> & co.' in fill(proof.letter.text, VALUES | {"FNAME": '<"b">'})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"subject": ""}, "subject_empty"),
        ({"subject": " \t"}, "subject_empty"),
        ({"subject": "x" * 3_000}, "subject_long"),
        ({"subject": "Hello\r\nBcc: all@example.org"}, "subject_lines"),
        ({"subject": "Hello\x00"}, "subject_lines"),
        ({"subject": "*|NOBODY|*"}, "tag_unknown"),
        ({"from_name": "Ada\nBcc: x@y.org"}, "name_lines"),
        ({"from_name": "x" * 200}, "name_long"),
        ({"from_address": ""}, "from_empty"),
        ({"from_address": "ada"}, "from_bad"),
        ({"from_address": "a@b.org\r\nBcc: c@d.org"}, "from_bad"),
        ({"from_address": "a@b.org\n"}, "from_bad"),
        ({"from_address": "аня@example.org"}, "from_bad"),
        ({"reply_to": "a@b.org, c@d.org"}, "reply_bad"),
        ({"list_id": "a\r\nb.c"}, "list_id_bad"),
        ({"feedback_id": "a:b:c:d:e"}, "feedback_bad"),
        ({"body": ""}, "body_empty"),
        ({"body": "<p>\n <b></b> </p>", "format": "html"}, "body_empty"),
        ({"body": "*|FNAME"}, "tag_endless"),
        ({"body": "*|FORWARD|*"}, "tag_forward"),
        ({"body": "x" * 600_000}, "body_long"),
    ],
)
def test_what_must_not_go_out_is_stopped_with_a_sentence(changes: dict[str, Any], code: str) -> None:
    assert code in codes(**changes)


@pytest.mark.parametrize(
    "name",
    [
        "from_name",
        "subject",
        "preheader",
        "organization",
        "list_name",
        "postal_address",
        "list_description",
        "body",
        "reply_to",
        "to_name",
        "list_id",
        "feedback_id",
        "website",
        "archive_url",
        "language",
    ],
)
@pytest.mark.parametrize(
    "text",
    [
        "x\r\nBcc: all@example.org\r\n\r\nhi",
        "\ud83d",
        "\x00",
        "x\u2028Bcc: y",
        "\x85X: y",
        "<script>alert(1)</script>",
        '"><script>alert(1)</script>',
    ],
)
def test_nothing_that_is_written_adds_a_header_or_a_script(name: str, text: str) -> None:
    proof = compile_letter(content(**{name: text}), now=NOW, boundary="abcdefgh1234")
    if proof.compiled is None:
        return
    raw = make_out(proof.compiled, VALUES)
    check_form(raw)
    message = parsed(raw)
    assert "Bcc" not in message
    assert "X" not in message
    assert "<script" not in body_of(message, "html")


def test_two_messages_of_one_edition_differ_only_in_declared_slots() -> None:
    edition, _ = compiled(body="Liebe {{ FNAME }},\n\n[weg]({{ unsubscribe }})\n" * 5)
    maker = MessageMaker(edition)
    contents = set()
    for name in NASTY:
        values = VALUES | {"FNAME": name, "UNSUB_URL": f"https://x.org/{len(name)}"}
        found = slot_values(edition, maker(values))
        assert found is not None
        contents.add(found)
    assert len(contents) > 30


def test_an_edition_survives_being_kept() -> None:
    edition, _ = EDITION
    assert make_out(loads(dumps(edition)), VALUES) == EDITION_MAKER(VALUES)


def test_the_same_letter_compiles_to_the_same_bytes() -> None:
    assert dumps(compiled()[0]) == dumps(compiled()[0])


def test_a_boundary_that_could_do_harm_is_refused() -> None:
    for boundary in ("", "short", "a" * 61, 'abcdefgh"', "abcdefgh\r\n"):
        with pytest.raises(ValueError, match="boundary"):
            compile_letter(content(), now=NOW, boundary=boundary)


def test_the_boundary_cannot_be_forged_by_a_value() -> None:
    message = parsed(EDITION_MAKER(VALUES | {"FNAME": "--=_abcdefgh1234--\r\n\r\n--=_abcdefgh1234"}))
    assert len(list(message.iter_parts())) == 2


@given(st.text(max_size=400))
def test_static_text_is_a_fixed_point_of_dkim_and_decodes_to_itself(text: str) -> None:
    text = text.replace("\r", "")
    coded = quoted_text(text)
    assert decodestring(coded.replace(b"=\r\n", b"=\n").replace(b"\r\n", b"\n")).decode() == text
    lines = coded.split(b"\r\n")
    assert all(len(line) <= 76 and not line.startswith((b".", b"--", b"From ")) for line in lines)
    # What follows is a slot or a line of ours, so the empty lines at the end are not the end of the body.
    assert relaxed(coded + b"x\r\n") == coded + b"x\r\n"


def test_a_name_beside_the_address_can_come_from_several_fields() -> None:
    edition, _ = compiled(to_name="*|FNAME|* *|CITY|*")
    assert parsed(make_out(edition, VALUES))["To"] == "Ada Riga <ada@example.org>"
    assert parsed(make_out(edition, VALUES | {"FNAME": "", "CITY": ""}))["To"] == "ada@example.org"


def test_fields_and_links_are_told() -> None:
    edition, _ = compiled()
    assert edition.fields == ("CITY", "FNAME")
    assert "https://example.org/b" in edition.links


def test_a_message_of_the_usual_size_is_made_in_microseconds() -> None:
    """The budget is 10 us (bench measures it); here only a factor is watched, the machine may be busy."""
    paragraph = "Die Überschwemmung kam um vier Uhr früh, und bis Mittag war die untere Straße verschwunden. " * 4
    body = "Liebe {{ FNAME }},\n\n" + f"{paragraph} [mehr](https://example.org/a)\n\n" * 20
    edition, _ = compiled(body=body)
    maker = MessageMaker(edition)
    assert len(maker(VALUES)) > 25_000
    rounds = []
    for _ in range(5):
        started = time.process_time()
        for _ in range(200):
            maker(VALUES)
        rounds.append((time.process_time() - started) / 200)
    assert min(rounds) < 100e-6


def test_content_is_a_value() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        content().subject = "x"  # type: ignore[misc]


@pytest.mark.parametrize(("language", "said"), [("en", "on 23 May"), ("ru", "on 23 мая"), ("fr", "on 23 mai")])
def test_a_day_of_a_reader_is_said_in_the_language_of_the_letter(language: str, said: str) -> None:
    body = '{% if BORN %}on {{ BORN | date: "j F" }}{% endif %}, {{ BORN | date: "Y" | default: "once" }}.'
    edition, proof = compiled(body=body, language=language, fields={"BORN": ""}, to_name="")
    maker = MessageMaker(loads(dumps(edition)))
    assert "BORN" in maker.needs and edition.fields == ("BORN",)
    born = VALUES | {"BORN": "1984-05-23"}
    assert body_of(parsed(maker(born)), "plain").count(f"\n{said}, 1984.\n")
    assert fill(proof.letter.text, born).count(f"\n{said}, 1984.\n")
    assert body_of(parsed(maker(VALUES | {"BORN": "05/23"})), "plain").count(f"\n{said}, 05/23.\n")
    assert body_of(parsed(maker(VALUES)), "plain").count("\n, once.\n")


def test_what_is_no_kind_of_a_picture_is_not_written_into_the_message() -> None:
    url = "https://lantern.example/m/00ff00ff00ff.png"
    evil = "png\r\nContent-Type: text/html\r\n\r\nDonate to evil.example"

    def raw(kind: str) -> bytes:
        image = InlineImage(url, "00ff00ff00ff@lantern.example", kind, b"\x89PNG")
        proof = compile_letter(
            content(body=f"Hello\n\n![River]({url})"), now=NOW, boundary="abcdefgh1234", carries=lambda _urls: [image]
        )
        assert proof.compiled is not None
        return b"".join(part for part in proof.compiled.parts if isinstance(part, bytes))

    assert b"Content-Type: image/png\r\n" in raw("png")
    assert b"evil.example" not in raw(evil) and b"cid:" not in raw(evil)
