"""What a person wrote in a reply: their own words, what they quote, a wish to leave, and files that came along."""

import base64

import msgspec
import pytest

from samizdat.core.bounce import reading, reply_content
from samizdat.core.bounce.report import ReplyContent

QUOTED = "> What the river took.\n> To unsubscribe, follow this link."


def mail(body: str, subject: str = "Re: What the river took", headers: str = "", kind: str = "text/plain") -> bytes:
    text = f"""From: "Ada" <ada@reader.example>
To: letter@lantern.example
Subject: {subject}
Message-ID: <one@reader.example>
In-Reply-To: <two@lantern.example>
References: <zero@lantern.example> <two@lantern.example>
{headers}MIME-Version: 1.0
Content-Type: {kind}; charset=utf-8

{body}
"""
    return text.replace("\n", "\r\n").encode()


def content_of(raw: bytes) -> ReplyContent:
    content = reading.read(raw).content
    assert content is not None
    return content


@pytest.mark.parametrize("charset", ["utf-7", "unicode_escape", "raw_unicode_escape"])
def test_half_a_character_is_none(charset: str) -> None:
    """Nothing can keep one."""
    word = f"=?{charset}?q?+2AA-?="
    head = f"Content-Disposition: inline; filename*={charset}''%5Cud800+2AA-.txt\n"
    raw = mail("+2AA- \\ud800", word, head).replace(b"charset=utf-8", f"charset={charset}".encode())
    assert msgspec.json.encode(content_of(raw.replace(b'"Ada"', word.encode())))


def test_a_reply_says_who_wrote_and_what_it_answers() -> None:
    content = content_of(mail("How can I get the boxes to you?"))
    assert (content.sender_name, content.sender) == ("Ada", "ada@reader.example")
    assert (content.subject, content.words) == ("Re: What the river took", "How can I get the boxes to you?")
    assert content.message_id == "one@reader.example"
    assert content.references == ("zero@lantern.example", "two@lantern.example")


@pytest.mark.parametrize(
    "above",
    [
        "On Thu, 26 Nov 2026 at 10:00, Northern Lantern <letter@lantern.example> wrote:",
        "On Thursday, 26 November 2026 at 10:00, Northern Lantern\n<letter@lantern.example> wrote:",
        "чт, 26 нояб. 2026 г. в 10:00, Северный фонарь <letter@lantern.example>:",
        "26.11.2026, 10:00, «Северный фонарь» <letter@lantern.example>:",
        "Am 26.11.2026 um 10:00 schrieb Northern Lantern:",
        "-----Original Message-----\nFrom: Northern Lantern",
        "-------- Исходное сообщение --------",
        "________________________________\nFrom: Northern Lantern <letter@lantern.example>\nSent: Thursday",
        "От: Северный фонарь <letter@lantern.example>\nОтправлено: 26 ноября",
    ],
)
def test_what_is_quoted_is_folded_away(above: str) -> None:
    words, quoted = reply_content.folded(f"We have 40 in the school.\n\nVera\n\n{above}\n{QUOTED}\n")
    assert words == "We have 40 in the school.\n\nVera"
    assert quoted.startswith(above.splitlines()[0]) and "What the river took" in quoted


def test_an_answer_below_the_quotation_is_their_own() -> None:
    words, quoted = reply_content.folded(f"On 26 Nov 2026, Lantern wrote:\n{QUOTED}\n\nThank you.\n")
    assert words == "Thank you." and quoted.endswith("link.")


def test_an_answer_between_the_lines_is_shown_whole() -> None:
    text = "> Where is the cat?\nOn the roof.\n> And the dog?\nHere."
    assert reply_content.folded(text) == (text, "")


def test_html_is_read_as_text() -> None:
    content = content_of(mail("<p>Thank <b>you</b></p><script>alert(1)</script>", kind="text/html"))
    assert content.words == "Thank you"


def test_words_below_the_styles_of_outlook_are_their_own() -> None:
    page = "<html><head><style>p {color: red}</style ></head><body><p>Where is the cat?</p></body></html>"
    content = content_of(mail(page, kind="text/html"))
    assert (content.words, content.quoted) == ("Where is the cat?", "")


def test_what_html_quotes_is_folded_like_plain_text() -> None:
    page = "<p>On the roof.</p><blockquote>Where is<br>the cat?<blockquote>News</blockquote></blockquote><p>Ada</p>"
    content = content_of(mail(page, kind="text/html"))
    assert (content.words, content.quoted) == ("On the roof.\nAda", "> Where is\n> the cat?\n> News")


@pytest.mark.parametrize(
    ("words", "subject"),
    [
        ("stop", "Re: News"),
        ("Стоп.", ""),
        ("Отпишите меня, пожалуйста", "Re: Новости"),
        ("Please stop sending me this, I have asked twice already.", "stop"),
        ("Bitte abmelden", ""),
        ("Пожалуйста, не присылайте мне больше ничего.", "Re: Новости"),
        ("", "unsubscribe me now"),
        ("Je souhaite me désabonner de cette liste", ""),
    ],
)
def test_a_short_wish_to_leave_is_seen(words: str, subject: str) -> None:
    assert reply_content.wants_to_leave(words, subject)


@pytest.mark.parametrize(
    ("words", "subject"),
    [
        ("Thank you! And the cat?", "Re: A short one"),
        ("The trains stop at the bridge; I will leave the boxes there.", "Re: What the river took"),
        ("Don't unsubscribe me! " + "I have read you since 2019. " * 10, "Re: News"),
    ],
)
def test_other_letters_are_no_wish_to_leave(words: str, subject: str) -> None:
    assert not reply_content.wants_to_leave(words, subject)


def test_the_unsubscribe_link_that_they_quote_is_no_wish_of_theirs() -> None:
    assert not content_of(mail(f"Thank you.\n\nOn 26 Nov 2026, Lantern wrote:\n{QUOTED}")).wants_to_leave


def with_files(*parts: str) -> bytes:
    body = "".join(f"--b\n{part}\n" for part in ("Content-Type: text/plain\n\nSee the file.", *parts))
    return mail(f"{body}--b--", kind='multipart/mixed; boundary="b"')


def file(name: str, data: bytes, kind: str = "application/pdf") -> str:
    encoded = base64.encodebytes(data).decode()
    return (
        f"Content-Type: {kind}\nContent-Disposition: attachment; {name}\nContent-Transfer-Encoding: base64\n\n{encoded}"
    )


def test_files_are_listed_by_name_and_size_and_opened_by_their_place() -> None:
    data = bytes(range(256)) * 3000
    raw = with_files(
        file('filename="map.pdf"', b"a map"),
        file("filename*=utf-8''%D0%BA%D0%BE%D1%82.jpg", data, "image/jpeg"),
    )
    content = content_of(raw)
    assert content.words == "See the file."
    assert [(one.name, one.size) for one in content.attachments] == [("map.pdf", 5), ("кот.jpg", len(data))]
    assert [reply_content.attachment(raw, one.place) for one in content.attachments] == [b"a map", data]
    assert reply_content.attachment(raw, 99) == b""


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ('filename="../../etc/passwd"', "passwd"),
        ('filename="C:\\\\.bashrc"', "bashrc"),
        ("filename*=utf-8''gpj.%E2%80%AEexe", "gpj.exe"),
        ('filename=""', "file-1"),
    ],
)
def test_a_file_name_leads_nowhere_and_hides_nothing(written: str, shown: str) -> None:
    assert content_of(with_files(file(written, b"x"))).attachments[0].name == shown


@pytest.mark.parametrize(
    "header",
    ["Auto-Submitted: auto-replied", "Precedence: bulk", "List-Id: <l.example>", "Return-Path: <>", "X-Autoreply: yes"],
)
def test_a_program_answers_no_program_and_no_list(header: str) -> None:
    """RFC 3834, 2."""
    content = reading.read(mail("Hello", headers=f"{header}\n")).content
    assert content is None or not content.may_be_answered


def test_a_program_may_answer_a_person() -> None:
    assert content_of(mail("Hello")).may_be_answered


def test_what_a_program_wrote_is_read_only_where_somebody_looks() -> None:
    raw = mail("Back on Monday.", "Out of office", "Auto-Submitted: auto-replied\n")
    assert reading.read(raw).content is None
    [content, nothing] = reading.contents(
        [raw, b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 10_000]
    )
    assert content is not None and (content.sender, content.words) == ("ada@reader.example", "Back on Monday.")
    assert nothing is None
