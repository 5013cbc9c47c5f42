"""The demo's inbox shows a caught letter as a mailbox would."""

import zlib
from email.message import EmailMessage

from samizdat.cli.demo.catcher import CaughtMail
from samizdat.cli.demo.inbox import _letter_page


def caught(html: bool) -> CaughtMail:
    letter = EmailMessage()
    letter["Subject"] = "Confirm your subscription"
    letter.set_content("Open this <page>.")
    if html:
        letter.add_alternative("<p>Open this page.</p>", subtype="html")
    return CaughtMail(7, "clara@lantern.example", "ada@lantern.example", zlib.compress(letter.as_bytes()))


def test_a_letter_with_markup_is_shown_in_a_frame_with_its_plain_text_below() -> None:
    page = _letter_page("en", caught(html=True))
    assert '<iframe src="/letter/7/html"' in page
    assert page.index("<iframe") < page.index("Open this &lt;page&gt;.")


def test_a_letter_of_plain_text_alone_has_no_empty_frame() -> None:
    page = _letter_page("en", caught(html=False))
    assert "<iframe" not in page
    assert page.index("Open this &lt;page&gt;.") < page.index("<details>")


def test_a_link_in_plain_text_can_be_pressed() -> None:
    letter = EmailMessage()
    letter["Subject"] = "Confirm your subscription"
    letter.set_content("Press:\n\nhttp://127.0.0.1:8001/c/abc\n")
    page = _letter_page(
        "en", CaughtMail(7, "clara@lantern.example", "ada@lantern.example", zlib.compress(bytes(letter)))
    )
    assert '<a href="http://127.0.0.1:8001/c/abc"' in page
