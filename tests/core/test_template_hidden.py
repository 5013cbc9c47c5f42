"""No letter goes where nobody sees it: into the hidden preview text that a template begins with."""

import pytest

from samizdat.core.content.templates.import_template import ImportedTemplate, take

PADDING = "&zwnj;&nbsp;&#847;&#8199;&shy;" * 200 + "\u200c\u00a0\u034f\u2007" * 200
SHOWN = "<table width='600'><tr><td><div class='t'><p>Hello, short.</p></div></td></tr><tr><td>Foot</td></tr></table>"
OLD = "This week the river rose and we spent the night on the dam with all of our neighbors and their dogs"


def taken(hidden: str, sheet: str = "", shown: str = SHOWN) -> ImportedTemplate:
    page = f"<!DOCTYPE html><html><head><style>{sheet}</style></head><body>{hidden}{shown}</body></html>"
    return take(page.encode())


@pytest.mark.parametrize(
    "style",
    [
        "display:none",
        "display: none !important; mso-hide: all",
        "max-height:0;overflow:hidden",
        "height:0px;overflow:hidden;line-height:1px",
        "max-width:0;overflow:hidden",
        "opacity:0",
        "visibility:hidden",
        "font-size:0",
        "font-size:1px;line-height:1px;color:#ffffff",
        "position:absolute;left:-9999px",
        "position:absolute;clip:rect(0 0 0 0);width:1px;height:1px;overflow:hidden",
        "text-indent:-9999px",
        "transform:scale(0)",
    ],
)
@pytest.mark.parametrize("words", [PADDING, OLD + PADDING])
def test_a_letter_goes_into_what_is_seen(style: str, words: str) -> None:
    for tag in ("div", "td"):
        inner = f"<{tag} style='{style}'>{words}</{tag}>"
        found = taken(f"<table><tr>{inner}</tr></table>" if tag == "td" else inner)
        assert found.sample == "<p>Hello, short.</p>"
        assert found.places == ("text",), "the foot, and nothing that is hidden"
        assert OLD not in found.source
        assert ("{{ preheader }}" in found.source) == (OLD in words)


@pytest.mark.parametrize(
    ("style", "sheet", "body"),
    [
        ("color:#fff", "", ""),
        ("color:#f6f6f6", "", " bgcolor='#f6f6f6'"),
        ("background:#eee;color:rgb(238,238,238)", "", ""),
        ("mso-hide:all", "", ""),
    ],
)
def test_a_letter_goes_into_no_text_of_the_color_of_its_paper(style: str, sheet: str, body: str) -> None:
    page = f"<html><body{body}><div style='{style}'>{OLD}</div>{SHOWN}</body></html>"
    assert take(page.encode()).sample == "<p>Hello, short.</p>"


@pytest.mark.parametrize(
    ("sheet", "attributes"),
    [
        (".pre{display:none}", "class='pre'"),
        ("div.pre , .x{font-size:0 !important}", "class='pre y' style='font-size:14px'"),
        ("#pre{display:none}@media (max-width:480px){.big{display:block}}", "id='pre'"),
        ("<!-- .pre{max-height:0;overflow:hidden} -->", "class='pre'"),
        ("", "hidden"),
    ],
)
def test_what_is_hidden_by_a_sheet_is_hidden(sheet: str, attributes: str) -> None:
    found = taken(f"<div {attributes}>{OLD}</div>", sheet)
    assert (found.sample, OLD in found.source) == ("<p>Hello, short.</p>", False)


def test_several_preview_texts_become_one_that_each_letter_says() -> None:
    hide = "<div style='display:none'>"
    found = taken(f"{hide}{OLD}</div>{hide}{PADDING}</div>{hide}Another one</div>")
    assert found.source.count("{{ preheader }}") == 1
    assert "Another one" not in found.source and PADDING in found.source
    assert [note.values["words"][:9] for note in found.notes if note.code == "note_preview"] == ["This week"]
    named = taken(f"{hide}*|MC_PREVIEW_TEXT|*</div>{hide}{OLD}</div>")
    assert "*|MC_PREVIEW_TEXT|*" in named.source
    assert "{{ preheader }}" not in named.source and OLD not in named.source
    marked = taken(
        f"<div style='display:none' mc:edit='preheader_content'>{OLD}</div>", "",
        "<table><tr><td mc:edit='main'>Hello, short.</td></tr></table>",
    )  # fmt: skip
    assert (marked.sample, marked.places) == ("Hello, short.", ())
    assert "{{ preheader }}" in marked.source
    alone = taken(f"<div style='display:none' mc:edit='body_content'>{OLD}</div>")
    assert alone.sample == "<p>Hello, short.</p>"


def test_what_is_hidden_from_some_alone_stays_as_it_is() -> None:
    phones = taken(
        f"<div class='phone'>{OLD}</div>", ".phone{display:none}@media (max-width:480px){.phone{display:block}}"
    )
    assert phones.sample == "<p>Hello, short.</p>"
    assert OLD in phones.source and phones.places == ("text", "text #2")
    picture = taken(f"<div style='display:none'><img src='https://x.example/a.png' alt='a'>{OLD}</div>")
    assert OLD in picture.source
    later = taken("", "", SHOWN + f"<div style='display:none'>{OLD}</div>")
    assert OLD in later.source


def test_letters_that_have_a_size_of_their_own_are_seen_in_a_cell_of_none() -> None:
    found = take(
        f"<table><tr><td style='font-size:0'><div style='font-size:16px'>{OLD}</div></td></tr></table>".encode()
    )
    assert found.sample == OLD
    assert found.notes[-1].code == "note_guess"


def test_a_page_without_a_word_is_the_letter_as_a_whole() -> None:
    picture = "<table><tr><td><img src='https://x.example/a.png' alt=''></td></tr></table>"
    assert "<img" in taken(f"<div style='display:none'>{PADDING}</div>", "", picture).sample
