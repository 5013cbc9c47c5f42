"""What a screen reader says of a letter, in its order."""

from datetime import UTC, datetime

from samizdat.core.content.render import Content, fill, render
from samizdat.core.content.render.screen_reader import Line, TextBit, aloud


def test_frames_are_silent_and_words_links_pictures_and_lists_are_said_in_their_order() -> None:
    body = "# The river\n\nRead [the *whole* report](https://a.example/r) now.\n\n- one\n- two\n\n> Said\n\n![A boat](https://a.example/b.png)\n"
    content = Content(subject="River", body=body, from_name="L", from_address="l@a.example", preheader="Hidden")
    letter = render(content, now=datetime(2026, 11, 25, tzinfo=UTC))
    lines = aloud(fill(letter.html, {"UNSUB_URL": "https://a.example/u"}))
    assert [line.kind for line in lines[:7]] == ["letter", "heading", "text", "item", "item", "quote", "text"]
    assert lines[0].bits == (TextBit("text", "River"),)
    assert lines[1] == Line("heading", (TextBit("text", "The river"),), 1)
    link = TextBit("link", "the whole report", "https://a.example/r")
    assert lines[2].bits == (TextBit("text", "Read"), link, TextBit("text", "now."))
    assert lines[6].bits == (TextBit("picture", "A boat"),)
    assert all("Hidden" not in bit.text for line in lines for bit in line.bits)
    assert any(bit.url == "https://a.example/u" for line in lines for bit in line.bits)


def test_a_picture_without_a_description_is_called_by_its_file_and_decoration_by_nothing() -> None:
    page = (
        '<p><img src="https://a.example/x/IMG_2041.jpg"><img src="l.png" alt="">'
        '<span role="img" aria-label="A map">no</span></p>'
    )
    [line] = aloud(page)
    assert line.bits == (TextBit("nameless", "IMG_2041.jpg"), TextBit("picture", "A map"))


def test_torn_markup_is_read_to_its_end() -> None:
    said = aloud("<div><table><tr><td>One</b></td><p>Two<a href='https://a.example'>three</p></i> four")
    assert [bit.text for line in said for bit in line.bits] == ["One", "Two", "three", "four"]
