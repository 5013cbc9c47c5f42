"""From what somebody wrote to HTML and text: framed, inlined, cleaned, and every tag in its place."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from samizdat.core.content.merge import without
from samizdat.core.content.render import Content, RenderedContent, archive_html, fill, php_date, render, settle
from samizdat.core.content.render.checks import foreign_pictures
from samizdat.core.content.render.renderer import default_template
from samizdat.core.content.theme import DESIGNS, Theme

NOW = datetime(2026, 11, 25, 15, 4, tzinfo=UTC)
VALUES = {
    "FNAME": "Ada",
    "EMAIL": "ada+1@example.org",
    "UNSUB_URL": "https://lantern.example/l/abc",
    "ARCHIVE_URL": "https://lantern.example/a/1?x=1&y=2",
}


def content(body: str, **changes: Any) -> Content:
    given = {
        "subject": "What the river took",
        "preheader": "Three families & one archive",
        "body": body,
        "from_name": "Northern Lantern",
        "from_address": "news@lantern.example",
        "organization": "Northern Lantern",
        "postal_address": "Harbour Street 1\nRiga",
        "list_name": "The Thursday Letter",
        "fields": {"FNAME": "friend", "CITY": "", "LINK": ""},
    }
    return Content(**(given | changes))


def letter(body: str, **changes: Any) -> RenderedContent:
    return render(content(body, **changes), now=NOW)


def page(body: str, values: dict[str, str] | None = None, **changes: Any) -> str:
    return fill(letter(body, **changes).html, VALUES if values is None else values)


def text(body: str, values: dict[str, str] | None = None, **changes: Any) -> str:
    return fill(letter(body, **changes).text, VALUES if values is None else values)


def flaws(body: str, **changes: Any) -> list[tuple[int, str]]:
    return [(flaw.line, flaw.code) for flaw in letter(body, **changes).flaws]


class Reader(HTMLParser):
    """Elements, links and words of a page, and whether its elements close in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("img", "br", "hr", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "title"} & set(self.open):
            self.words += data + " "

    def links(self) -> list[str | None]:
        return [attrs.get("href") for tag, attrs in self.elements if tag == "a"]


BODY = """# The river

Dear {{ FNAME }}, [read on](https://example.org/a?b=c&d=e) or see https://example.org/plain.

![Photographs on a table](https://lantern.example/p.jpg)

- one
- two **strong**

1. first
2. second

> said she

    code line

| a | b |
|---|---|
| 1 | 2 |

---

Bye
"""


@pytest.mark.parametrize("design", DESIGNS)
def test_each_frame_of_ours_is_what_the_house_promises(design: str) -> None:
    source = page(BODY, design=design)
    reader = Reader(source)
    assert reader.open == []
    assert source.startswith('<!doctype html>\n<html lang="en" dir="ltr"')
    articles = [attrs for _, attrs in reader.elements if attrs.get("role") == "article"]
    assert len(articles) == 1
    assert articles[0]["aria-label"] == "What the river took"
    assert (articles[0]["lang"], articles[0]["dir"]) == ("en", "ltr")
    tables = [attrs for tag, attrs in reader.elements if tag == "table" and "cellpadding" in attrs]
    assert tables and all(attrs.get("role") == "presentation" for attrs in tables)
    assert all(attrs.get("alt") for tag, attrs in reader.elements if tag == "img")
    assert "<script" not in source
    assert len(source.encode()) < 100_000
    for words in (
        "Northern Lantern",
        "Harbour Street 1",
        "You’re getting this email because you subscribed to The Thursday Letter",
    ):
        assert words in source
    assert {VALUES["UNSUB_URL"], VALUES["ARCHIVE_URL"]} <= set(reader.links())
    assert flaws(BODY, design=design) == flaws(BODY)


@pytest.mark.parametrize("design", DESIGNS)
def test_each_frame_shows_the_logo_or_the_name_and_every_color_that_was_chosen(design: str) -> None:
    look = Theme(logo="https://lantern.example/m/logo.png", logo_width=120, logo_alt="Lantern", text="#102030")
    source = page(BODY, design=design, look=look)
    assert '<img src="https://lantern.example/m/logo.png" width="120" alt="Lantern"' in source
    assert source.count("Northern Lantern") == 1, "beside the logo the name stands in the footer alone"
    assert page(BODY, design=design).count("Northern Lantern") == 2
    assert "#102030" in source and "{{" not in source


def test_fonts_are_those_of_the_design_unless_the_organization_chose_its_own() -> None:
    assert "Georgia" not in page(BODY, design="plain") and "Arial,Helvetica,sans-serif" in page(BODY, design="plain")
    assert "Arial" not in page(BODY) and "Georgia" in page(BODY)
    chosen = page(BODY, design="plain", look=Theme(text_font="tahoma", heading_font="verdana"))
    assert "Tahoma" in chosen and "Verdana" in chosen and "Arial" not in chosen


def test_an_appeal_says_that_its_reader_agreed_to_appeals() -> None:
    assert "The Thursday Letter and agreed to fundraising appeals." in page(BODY, appeal=True)


def test_the_preheader_comes_first_and_is_hidden() -> None:
    body = page(BODY).partition("<body")[2].partition(">")[2]
    assert re.match(r'\s*<div style="display:none[^>]*>Three families &amp; one archive</div>', body)


def test_nothing_is_fetched_but_what_the_letter_names() -> None:
    fetched = re.findall(r"""(?:src|background|url\(|@import)\W*(https?://[^"')\s]+)""", page(BODY))
    assert fetched == ["https://lantern.example/p.jpg"]


@pytest.mark.parametrize("design", DESIGNS)
def test_styles_are_inline_and_style_elements_are_for_phones_and_dark_mode(design: str) -> None:
    source = page(BODY, design=design)
    (style,) = re.findall(r"<style>(.*?)</style>", source, re.DOTALL)
    assert "prefers-color-scheme: dark" in style
    assert "max-width: 480px" in style
    assert len(style) < 8_192
    assert re.search(r'<h1 style="[^"]*font: bold (?:32|30|28)px', source)


def test_russian_letters_have_russian_footers() -> None:
    source = page("Привет", language="ru", list_name="Письмо в четверг")
    assert 'lang="ru"' in source
    assert "Вы получаете это письмо, потому что подписаны на «Письмо в четверг»" in source
    assert ">Отписаться</a>" in source


@pytest.mark.parametrize("design", DESIGNS)
def test_letters_that_run_from_the_right_say_so(design: str) -> None:
    source = page("مرحبا", language="ar", design=design)
    assert '<html lang="ar" dir="rtl"' in source
    assert 'lang="ar" dir="rtl" style="text-align: start"' in source
    # Or the number of the house would stand on the other side of its street.
    assert re.search(r"<bdi>Harbour Street 1<br */?>\s*Riga</bdi>", source)


@pytest.mark.parametrize("design", DESIGNS)
def test_text_has_every_link_and_nearly_every_word_in_short_lines(design: str) -> None:
    made = letter(BODY + "\n\n" + "long words of a paragraph " * 40, design=design)
    source, plain = fill(made.html, VALUES), fill(made.text, VALUES)
    reader = Reader(source)
    for link in reader.links():
        assert link is not None
        assert link in plain
    words = re.findall(r"\w+", reader.words)
    written = set(re.findall(r"\w+", plain))
    assert sum(word in written for word in words) >= 0.95 * len(words)
    assert all(len(line) <= 78 for line in plain.split("\n") if "://" not in line)
    assert plain.endswith("\n")
    assert not plain.endswith("\n\n")


def test_text_of_the_usual_markdown_reads_well() -> None:
    plain = text(BODY)
    assert "The river\n\nDear Ada, read on <https://example.org/a?b=c&d=e> or see\nhttps://example.org/plain." in plain
    assert "[Photographs on a table]" in plain
    assert "- one\n- two strong\n" in plain
    assert "1. first\n2. second\n" in plain
    assert "> said she" in plain


def test_nested_lists_and_long_items_are_indented() -> None:
    plain = text("- one\n  - inner " + "word " * 30 + "\n- two\n\nend")
    assert re.search(r"- one\n  - inner (word ?)+\n    word", plain)
    assert "\n- two\n\nend" in plain


def test_raw_html_in_markdown_is_shown_not_run() -> None:
    source = page("<script>alert(1)</script> <b onclick=x>hi</b>")
    assert "<script" not in source
    assert "&lt;b onclick" in source


@pytest.mark.parametrize(
    "body",
    [
        "<p>x<script>alert(1)</script></p>",
        '<p onclick="alert(1)">x</p>',
        '<a href="javascript:alert(1)">x</a>',
        '<a href="data:text/html,x">x</a>',
        '<iframe src="https://x.org"></iframe>x',
        "<form><input></form>x",
        '<svg onload="x"></svg>x',
        '<p style="background:expression(alert(1))">x</p>',
        "<style>@import 'https://x.org/a.css';</style>x",
        '<link rel="stylesheet" href="https://x.org/a.css">x',
        '<html><head><link rel="stylesheet" href="https://x.org/a.css"></head><body onload="x">x</body></html>',
        '<html><head><base href="https://x.org"></head><body>x</body></html>',
        "<html><head><style>@font-face{src:url(https://x.org)} a{b:url(https://x.org)}</style></head><body>x</body></html>",
        "<!--[if mso]><script>x</script><![endif]-->x",
    ],
)
def test_what_could_run_or_fetch_is_cleaned_away(body: str) -> None:
    for source in (page(body, format="html"), archive_html(content(body, format="html"), now=NOW)):
        inside = re.sub(r"<!--\[if.*?<!\[endif\]-->", "", source, flags=re.DOTALL)
        assert not re.search(
            r"<(?:script|iframe|form|input|svg|link|base)|\son\w+=|javascript:|expression\(|x\.org|data:", inside
        )


@pytest.mark.parametrize(
    "sheet",
    [
        "@media all{.a{background:uurl()rl(https://x.org/1)}}",
        "@media all{.a{background:" + "u" * 9 + "rl()rl(" * 9 + "https://x.org/1)}}",
        r"@media all{.a{background:\75rl(https://x.org/1)}}",
        r".a{background:\000075 \72l(https://x.org/1)}",
        '@media all{.a{background:-webkit-image-set("https://x.org/1" 1x)}}',
        '.a{background:image-set("https://x.org/1" 1x)}',
        r'@\69mport "https://x.org/1";',
        "@media all{.a{background:url(https://x.org/1",
        "@media all{@font-face{src:url(https://x.org/1",
    ],
)
def test_no_spelling_of_a_style_sheet_fetches(sheet: str) -> None:
    body = f'<html><head><style>{sheet}</style></head><body><p class="a">x</p></body></html>'
    assert not re.search(r"(?:url|image-set)\((?!\))|@import|@font-face|\\75|\\69", page(body, format="html"))
    inline = sheet.partition(".a{")[2].rstrip("}")
    if "\\" in inline or "image-set" in inline:
        assert "x.org" not in page(f"<p style='{inline}'>x</p>", format="html")


# --- tags in the chain ---


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("<p>{{ FNAME }}</p>", '<p style="display: block;margin: 0 0 16px;">Jo &lt;3 "&amp;\'</p>'),
        ('<p title="*|FNAME|*">x</p>', 'title="Jo &lt;3 &quot;&amp;&#x27;"'),
        ('<a href="https://x.org/?n=*|FNAME|*&e=1">x</a>', 'href="https://x.org/?n=Jo%20%3C3%20%22%26%27&amp;e=1"'),
        ('<a href="https://x.org/?n=*|URL:FNAME|*">x</a>', 'href="https://x.org/?n=Jo%20%3C3%20%22%26%27"'),
        ('<a href="*|FNAME|*">x</a>', 'href=""'),
        ("<p>*|URL:FNAME|*</p>", "Jo%20%3C3%20%22%26%27"),
        ('<a href="*|UNSUB|*">x</a>', 'href="https://lantern.example/l/abc"'),
        ('<a href="*|ARCHIVE|*">x</a>', 'href="https://lantern.example/a/1?x=1&amp;y=2"'),
        ("<p>*|LIST:COMPANY|*</p>", "A &amp; B &lt;i&gt;"),
        ('<p title="*|LIST:COMPANY|*">x</p>', 'title="A &amp; B &lt;i&gt;"'),
        ("<p>*|LIST:ADDRESS|*</p>", "Harbour Street 1<br>\nRiga"),
        ("<p>*|LIST:ADDRESSLINE|*</p>", "Harbour Street 1, Riga"),
        ("<p>*|CURRENT_YEAR|* *|DATE:d/m/y|*</p>", "2026 25/11/26"),
        ('<a href="mailto:*|EMAIL|*">x</a>', 'href="mailto:ada%2B1%40example.org"'),
        ('<a href="*|UPDATE_PROFILE|*">x</a>', 'href="https://lantern.example/l/abc"'),
    ],
)
def test_each_tag_is_escaped_for_where_it_stands(body: str, shown: str) -> None:
    made = page(body, VALUES | {"FNAME": "Jo <3 \"&'"}, format="html", organization="A & B <i>")
    assert shown in made


def test_a_readers_own_link_may_be_a_link() -> None:
    assert 'href="https://a.org/?b&amp;c"' in page(
        '<a href="{{ LINK }}">x</a>', VALUES | {"LINK": "https://a.org/?b&c"}, format="html"
    )


def test_markdown_links_may_hold_tags() -> None:
    made = letter("[leave]({{ unsubscribe }}) [who](https://x.org/{{ EMAIL }})")
    assert 'href="https://x.org/ada%2B1%40example.org"' in fill(made.html, VALUES)
    assert "leave <https://lantern.example/l/abc> who <https://x.org/ada%2B1%40example.org>" in fill(
        made.text, VALUES
    ).replace("\n", " ")


def test_defaults_come_from_the_tag_or_the_field() -> None:
    assert "Dear friend," in text("Dear {{ FNAME }},", {})
    assert "Dear reader," in text('Dear {{ FNAME | default: "reader" }},', {})


def test_a_condition_between_paragraphs_leaves_no_gap() -> None:
    body = "One\n\n{% if CITY %}\nTwo\n{% endif %}\n\nThree"
    assert "One\n\nThree" in text(body)
    assert "One\n\nTwo\n\nThree" in text(body, VALUES | {"CITY": "Riga"})
    assert "Two" not in page(body)


def test_a_condition_within_a_line() -> None:
    body = "Dear {% if FNAME == 'Ada' %}Countess{% else %}friend{% endif %}, hello"
    assert "Dear Countess, hello" in text(body)
    assert "Dear friend, hello" in text(body, {})


def test_conditions_around_table_rows_stay_around_them() -> None:
    body = "<table><tr><td>a</td></tr>*|IF:CITY|*<tr><td>b</td></tr>*|END:IF|*<tr><td>c</td></tr></table>"
    assert letter(body, format="html").flaws == ()
    for city, cells in (("", ["a", "c"]), ("Riga", ["a", "b", "c"])):
        source = page(body, VALUES | {"CITY": city}, format="html")
        assert Reader(source).open == []
        assert re.findall(r"<td[^>]*>(\w)</td>", source) == cells


def test_conditions_inside_of_an_attribute() -> None:
    body = '<a href="https://x.org/*|IF:CITY|*a*|ELSE:|*b*|END:IF|*">x</a>'
    assert "https://x.org/b" in page(body, format="html")
    assert "https://x.org/a" in page(body, VALUES | {"CITY": "Riga"}, format="html")
    assert "<https://x.org/b>" in text(body, format="html")


def test_what_looks_like_our_tokens_is_text() -> None:
    assert "zq0x0q and zq1x1q" in text("zq0x0q and zq1x1q {{ FNAME }}")
    assert "zq" not in page("&#122;q0x0q &#122;q0x99999q {{ FNAME }}", format="html").replace("zq0x0q", "").replace(
        "zq0x99999q", ""
    )


def test_odd_characters_survive_the_mjml_engine() -> None:
    template = default_template().replace(
        "{{ content }}", '<img src="https://x.org/a.png" alt="a \\ b 👩‍👩‍👧 e\u0301 {{ organization }}">{{ content }}'
    )
    assert 'alt="a \\ b 👩‍👩‍👧 e\u0301 A &quot;B&quot;"' in page("x", template=template, organization='A "B"')


# --- whole documents ---


DOCUMENT = """<!DOCTYPE html><html lang="de"><head><title>*|MC:SUBJECT|*</title>
<style>p { color: red } @media (max-width: 480px) { p { color: blue !important } }</style></head>
<body bgcolor="#eeeeee" class="b"><!-- *|IF:MC_PREVIEW_TEXT|* -->
<span style="display:none">*|MC_PREVIEW_TEXT|*</span><!-- *|END:IF|* -->
<!-- *|IFNOT:ARCHIVE_PAGE|* --><a href="*|ARCHIVE|*">view</a><!-- *|END:IF|* -->
<!--[if mso]><table><tr><td><![endif]--><p>Hi *|FNAME|*</p><!--[if mso]></td></tr></table><![endif]-->
<p>*|LIST:DESCRIPTION|* <a href="*|UNSUB|*">leave</a> *|IF:REWARDS|* *|END:IF|*</p></body></html>"""


def test_a_pasted_document_keeps_its_own_frame() -> None:
    made = letter(DOCUMENT, format="html")
    assert [flaw.code for flaw in made.flaws] == ["names_reader"]
    source = fill(made.html, VALUES)
    assert Reader(source).open == []
    assert 'bgcolor="#eeeeee"' in source
    assert '<p style="color: red;">Hi Ada</p>' in source
    assert "color: blue !important" in source
    assert "<!--[if mso]><table><tr><td><![endif]-->" in source
    assert source.count("lantern.example/l/abc") == 1
    assert "You’re getting this email because you subscribed" in source
    assert source.count("Three families") == 1
    assert "Northern Lantern" not in source
    assert 'role="article"' in source


def test_a_pasted_document_without_a_way_out_gets_one_for_everybody() -> None:
    for inside in ("", "*|IF:CITY|*<a href='*|UNSUB|*'>out</a>*|END:IF|*"):
        made = letter(f"<html><body><p>Hi</p>{inside}</body></html>", format="html")
        assert ">Unsubscribe</a></div>" in fill(made.html, {"UNSUB_URL": "https://x.org/l"})
        assert "Unsubscribe <https://x.org/l>" in fill(made.text, {"UNSUB_URL": "https://x.org/l"})


def test_a_pasted_document_without_a_place_for_the_preheader_gets_it_in_front() -> None:
    source = page("<html><body><p>Hi</p></body></html>", format="html")
    assert source.index("Three families") < source.index("Hi")


def test_a_template_of_the_house_takes_the_letter_in() -> None:
    words = "OURS {{ content }} <a href='{{ unsubscribe }}'>out</a>"
    column = f"<mj-column><mj-text>{words}</mj-text></mj-column>"
    template = f"<mjml><mj-body><mj-section>{column}</mj-section></mj-body></mjml>"
    source = page("Hello **you**", template=template)
    assert "OURS" in source
    assert "<strong>you</strong>" in source
    assert "Northern Lantern" not in source
    framed = page("Hello", template="<html><body>FRAME {{ content }}</body></html>")
    assert "FRAME" in framed
    assert ">Unsubscribe</a>" in framed


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ("<mjml><mj-body>{{ content }}", "mjml_broken"),
        ("<mjml><mj-body><mj-include path='/etc/passwd' />{{ content }}</mj-body></mjml>", "mjml_include"),
        ("<html><body>no place</body></html>", "template_no_content"),
        ("<html><body>{{ content }} *|NOBODY|*</body></html>", "tag_unknown"),
    ],
)
def test_a_template_that_does_not_work_says_so(template: str, code: str) -> None:
    found = [flaw for flaw in letter("x", template=template).flaws if flaw.severity == "stop"]
    assert (found[0].code, found[0].place) == (code, "template")


TEMPLATES = Path(__file__).parents[3] / "shared" / "data" / "mailchimp" / "templates-ccbysa"


def test_real_mailchimp_templates_go_through_after_the_button_was_pressed() -> None:
    if not TEMPLATES.is_dir():
        pytest.skip("../shared/data is not here: the real templates may not be copied into the repository")
    for path in sorted(TEMPLATES.glob("*.html")):
        body = path.read_text()
        while fixable := [flaw for flaw in letter(body, format="html").flaws if flaw.fix]:
            body = without(body, fixable[0])
        made = letter(body, format="html")
        assert [flaw for flaw in made.flaws if flaw.severity == "stop"] == []
        source, plain = fill(made.html, VALUES), fill(made.text, VALUES)
        assert "*|" not in source + plain
        assert "|*" not in source + plain
        assert VALUES["UNSUB_URL"] in source
        assert VALUES["UNSUB_URL"] in plain
        assert "mc:edit" not in source


# --- checks ---


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("a\n\nb [x](http://x.org)", (3, "link_http")),
        ("a [x]()", (1, "link_empty")),
        ("a\nb\n[x](about.html)", (3, "link_relative")),
        ("[x](ftp://x.org)", (1, "link_scheme")),
        ("a\n\n[x](javascript:alert(1))", (3, "link_scheme")),
        ("a\n[x](JAVA&#x53;cript:alert)", (2, "link_scheme")),
        ("a\nb [x][1]\n\n[1]: vbscript:x", (2, "link_scheme")),
        ("<file:///etc/passwd>", (1, "link_scheme")),
        ("[x](data:text/html,x)", (1, "link_scheme")),
        ("a\n\n![](https://x.org/a.png)", (3, "image_no_alt")),
        ("![x](http://x.org/a.png)", (1, "image_http")),
        ("a\n{{ FNAME }}", (2, "names_reader")),
        ("{{ EMAIL }}", (1, "names_reader")),
        ("a\n[join]({{ signup }})", (2, "tag_no_form")),
    ],
)
def test_checks_of_markdown_name_the_line(body: str, found: tuple[int, str]) -> None:
    assert found in flaws(body)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("<p>\n<a href='http://x.org'>x</a></p>", (2, "link_http")),
        ("\n\n<a href='#'>x</a>", (3, "link_empty")),
        ("<img src='https://x.org/a.png'>", (1, "image_no_alt")),
        ("<img src='https://x.org/a.png' alt='x' width='1' height='1'>", (1, "image_counter")),
        ("<img src='data:image/png;base64,AAAA' alt='x'>", (1, "image_inline")),
        ("\n<img src='https://x.org/a.png?e=*|EMAIL|*' alt='x'>", (2, "image_per_reader")),
        ("\n<table background='https://x.org/*|FNAME|*'><tr><td>x</td></tr></table>", (2, "image_per_reader")),
        ("\n<p style='color:*|FNAME|*'>x</p>", (2, "tag_in_style")),
        ("<p>*|IF:CITY|*<b title='*|END:IF|*'>x</b></p>", (1, "if_broken")),
        ("<div>" * 300 + "x", (1, "body_deep")),
        ("<table><tr><td>" * 300 + "x", (1, "body_deep")),
        ("<p>" + "x" * 110_000 + "</p>", (1, "html_big")),
    ],
)
def test_checks_of_html_name_the_line(body: str, found: tuple[int, str]) -> None:
    assert found in flaws(body, format="html")


def test_a_forbidden_address_is_not_in_the_page_even_as_text() -> None:
    source = page("[x](javascript:alert(1)) ![y](javascript:alert(1))")
    assert "javascript" not in source


@pytest.mark.parametrize(
    ("body", "form", "line"),
    [
        ("a\n\n![x](https://x.org/a.png)", "markdown", 3),
        ("a\n![x](http://x.org/a.png)", "markdown", 2),
        ("<p>a</p>\n<img src=https://x.org/a.png alt=x>", "html", 2),
        ("<p>a</p>\n<img src='//x.org/a.png' alt=x>", "html", 2),
        ("\n<table background='https://x.org/a.png'><tr><td>x</td></tr></table>", "html", 2),
        ("\n<p style=\"background: url('https://x.org/a.png')\">x</p>", "html", 2),
        ("\n<!--[if mso]><v:fill src='https://x.org/a.png'/><![endif]-->x", "html", 2),
    ],
)
def test_a_picture_of_a_foreign_host_is_named_with_its_host_and_stops_nothing(body: str, form: Any, line: int) -> None:
    made = letter(body, format=form, website="https://lantern.example")
    found = [(flaw.line, flaw.values["host"], flaw.severity) for flaw in made.flaws if flaw.code == "image_foreign"]
    assert found == [(line, "x.org", "care")]


def test_each_foreign_host_is_named_once_and_the_template_is_looked_at_too() -> None:
    template = "<html><body>\n<img src='https://y.org/b.png' alt=''>{{ content }}{{ unsubscribe }}</body></html>"
    body = "![x](https://x.org/a.png)\n\n![x](https://x.org/b.png)\n\n![x](https://lantern.example/m/ab.png)"
    made = letter(body, template=template, website="https://lantern.example")
    assert [(flaw.place, flaw.line, flaw.values["host"]) for flaw in made.flaws if flaw.code == "image_foreign"] == [
        ("body", 1, "x.org"),
        ("template", 2, "y.org"),
    ]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "cid:logo", "picture.png"])
def test_a_picture_that_no_mail_program_can_fetch_is_a_flaw(url: str) -> None:
    assert (2, "image_nowhere") in flaws(f"a\n![x]({url})")
    assert (2, "image_nowhere") in flaws(f"<p>a</p>\n<img src='{url}' alt='x'>", format="html")


@pytest.mark.parametrize("piece", ["<!--", "<!--[if", "@font-face{", "@import", "url( ", "src= ", "src=//x ", " "])
def test_looking_for_hosts_takes_time_in_step_with_the_text(piece: str) -> None:
    source = "src=" + piece * (300_000 // len(piece))
    assert len(list(foreign_pictures(source, True, frozenset(), re.compile("zq")))) <= 1


def test_an_ordinary_letter_has_no_flaw() -> None:
    assert flaws(BODY.replace("{{ FNAME }}", "friend"), website="https://lantern.example") == []


def test_every_flaw_has_a_whole_sentence() -> None:
    for body in ("[x](http://x.org) [y](ftp://a) ![](x) {{ FNAME }}", "*|FORWARD|* {{ a"):
        for flaw in letter(body).flaws:
            assert "%(" not in flaw.sentence
            assert flaw.sentence.endswith(".")


# --- preview and web copy ---


@pytest.mark.parametrize("design", DESIGNS)
def test_images_off_shows_what_pictures_show(design: str) -> None:
    source = fill(render(content(BODY, design=design), now=NOW, images=False).html, VALUES)
    assert "<img" not in source
    assert 'role="img" aria-label="Photographs on a table"' in source
    assert ">Photographs on a table</span>" in source


@pytest.mark.parametrize("design", DESIGNS)
def test_light_and_dark_are_settled_by_the_server(design: str) -> None:
    source = page(BODY, design=design)
    dark, light = settle(source, "dark"), settle(source, "light")
    for settled in (dark, light):
        assert "prefers-color-scheme" not in settled
        assert "max-width: 480px" in settled
        assert settled.count("{") == settled.count("}")
    assert re.search(r"\.desk \{ background: #1(?:41519|c1e24) !important; \}", dark)
    assert "#141519" not in light and "#1c1e24" not in light
    assert '<meta name="color-scheme" content="dark">' in dark
    assert "color-scheme: light;" in light


def test_the_web_copy_holds_nothing_about_a_reader() -> None:
    body = (
        "Dear {{ FNAME }}, {{ EMAIL }}{% if CITY %} in your city{% endif %}. [leave]({{ unsubscribe }})"
        " *|IF:ARCHIVE_PAGE|*On the web.*|END:IF|*"
    )
    source = archive_html(
        content(body, neutral_url="https://lantern.example/", signup_url="https://lantern.example/join"), now=NOW
    )
    assert Reader(source).open == []
    assert "Dear friend, ." in source
    assert "On the web." in source
    assert "your city" not in source
    assert 'href="https://lantern.example/"' in source
    assert 'href="https://lantern.example/join"' in source
    assert "You’re getting this email because you subscribed" not in source
    assert "<main>" in source
    assert "[if mso" not in source


def test_an_archive_address_known_beforehand_is_the_same_for_everybody() -> None:
    made = letter("x", archive_url="https://lantern.example/issues/214")
    assert not any(getattr(piece, "name", "") == "ARCHIVE_URL" for piece in (*made.html, *made.text))
    assert "https://lantern.example/issues/214" in fill(made.text, {})


@pytest.mark.parametrize(
    ("letters", "language", "shown"),
    [
        ("F j, Y", "en", "November 25, 2026"),
        ("j F Y", "ru", "25 ноября 2026"),
        ("l, jS M y", "en", "Wednesday, 25th Nov 26"),
        ("d/m/y H:i", "en", "25/11/26 15:04"),
        ("g:i A", "en", "3:04 PM"),
        (r"\Y\e\a\r Y", "en", "Year 2026"),
    ],
)
def test_dates_by_phps_letters(letters: str, language: str, shown: str) -> None:
    assert php_date(letters, NOW, language) == shown


@pytest.mark.parametrize(
    ("link", "code"),
    [
        ('<a href="https://x.us1.list-manage.com/unsubscribe?u=1">go</a>', "link_leaves"),
        ('<a href="https://x.us1.list-manage.com/profile?u=1">Update your settings</a>', "link_leaves"),
        (
            '<a href="https://u1.ct.sendgrid.net/ls/click?x=1"><img alt="Unsubscribe" src="https://x.org/a.png"></a>',
            "link_leaves",
        ),
        ('<a href="https://x.us1.list-manage.com/track/click?u=1">Read on</a>', ""),
        ('<a href="https://news.example/?unsubscribe=1">go</a>', "link_may_leave"),
        ('<a href="https://news.example/x">Se désabonner</a>', "link_may_leave"),
        ('<a href="https://news.example/x">Read the terms before you unsubscribe from an operator of yours</a>', ""),
        ('<a href="mailto:unsubscribe@old.example">go</a>', "link_may_leave"),
        ('<a href="mailto:x@old.example?subject=Unsubscribe">go</a>', "link_may_leave"),
        ('<a href="[unsubscribe]">go</a>', "link_leaves"),
        ('<a href="%unsubscribe_url%">go</a>', "link_leaves"),
        ('<a href="{$unsubscribe}">go</a>', "link_leaves"),
        ('<a href="<%asm_group_unsubscribe_raw_url%>">go</a>', "link_leaves"),
        ('<a href="#">Unsubscribe</a>', "link_leaves"),
        ('<a href="#">Отписаться</a>', "link_leaves"),
        ('<a href="leave.html">Abmelden</a>', "link_leaves"),
        ('<a href="*|UNSUB|*">Unsubscribe</a>', ""),
        ('<a href="{{ unsubscribe }}">Unsubscribe</a>', ""),
        ('<a href="#">go</a>', "link_empty"),
        ('<a href="">go</a>', "link_empty"),
        ('<a href="#!">go</a>', "link_empty"),
        ('<a href="mailto:">go</a>', "link_empty"),
        ('<a href="javascript:void(0)">go</a>', "link_empty"),
        ('<a href="https://www.example.com/">go</a>', "link_placeholder"),
        ('<a href="https://yourwebsite.com">go</a>', "link_placeholder"),
        ('<a href="https://www.facebook.com/">go</a>', "link_placeholder"),
        ('<a href="https://www.facebook.com/northernlantern">go</a>', ""),
        ('<a href="page.html">go</a>', "link_relative"),
        ('<a href="#below">go</a>', ""),
        ('<img src="images/a.png" alt="A">', "template_picture"),
        ('<img src="https://x.org/a.png" alt="A">', ""),
    ],
)
def test_what_leads_nowhere_or_leaves_another_list_is_named_in_text_and_template(link: str, code: str) -> None:
    template = f"<html><body><p>{{{{ content }}}}</p>\n<p>{link} {link}</p></body></html>"
    named = {"link_leaves", "link_may_leave", "link_empty", "link_placeholder", "link_relative", "template_picture"}
    told = [flaw for flaw in letter("Hello", template=template).flaws if flaw.code in named | {"tag_unread"}]
    assert [(flaw.code, flaw.place, flaw.line) for flaw in told] == ([(code, "template", 2)] if code else [])
    in_text = {flaw.code for flaw in letter(f"<p>Hello {link}</p>", format="html").flaws} & {*named, "image_nowhere"}
    assert in_text == ({code.replace("template_picture", "image_nowhere")} if code else set())
    assert all(flaw.severity == ("stop" if code in ("link_leaves", "link_relative") else "care") for flaw in told)


def test_more_brackets_in_a_paragraph_than_anybody_writes_stop_the_letter_before_they_are_parsed() -> None:
    facts = {"subject": "x", "from_name": "x", "from_address": "a@example.org"}
    knotted = render(Content(body="![" * 10_000, **facts), now=NOW)  # type: ignore[arg-type]
    assert [flaw.code for flaw in knotted.flaws if flaw.severity == "stop"] == ["letter_slow"]
    table = "| a |\n|---|\n" + "| [b](https://post.example/) |\n" * 900
    assert not [flaw for flaw in render(Content(body=table, **facts), now=NOW).flaws if flaw.code == "letter_slow"]  # type: ignore[arg-type]


def test_a_tag_that_is_opened_again_and_again_is_looked_at_once_each() -> None:
    from samizdat.core.content.render.locate import without_open_tags

    assert without_open_tags("<p>a</p>" + "<a " * 20_000) == "<p>a</p>"
    assert without_open_tags('<p title="<b">a</p><a <i') == '<p title="<b">a</p>'
    assert without_open_tags('x <a title="<b>">') == 'x <a title="<b>">'


@pytest.mark.parametrize("where", ["body", "template"])
def test_a_link_that_takes_a_readers_address_or_their_unsubscribe_link_elsewhere_is_named(where: str) -> None:
    """A template that somebody got for nothing may have them, and whoever sends it does not look."""

    def found(link: str) -> list[str]:
        source = f'<p>Hello.</p><p><a href="{link}">View online</a></p>'
        if where == "template":
            source = f"<html><body>{{{{ content }}}}{source}<a href='*|UNSUB|*'>Unsubscribe</a></body></html>"
            made = letter("Hello.", template=source, website="https://lantern.example")
        else:
            made = letter(source, format="html", website="https://lantern.example")
        return [f"{flaw.severity} {flaw.code}" for flaw in made.flaws if flaw.code.startswith("link_takes")]

    assert found("https://evil.example/?u=*|UNSUB|*") == ["stop link_takes_link"]
    assert found("//evil.example/?u=*|UPDATE_PROFILE|*") == ["stop link_takes_link"]
    assert found("https://survey.example/?e=*|EMAIL|*&amp;n=*|FNAME|*") == ["care link_takes_value"] * 2
    for fine in "*|UNSUB|*", "*|ARCHIVE|*", "https://lantern.example/join?e=*|EMAIL|*", "https://survey.example/":
        assert found(fine) == [], fine


def test_an_address_that_only_stands_far_before_a_tag_takes_nothing_along() -> None:
    """Whatever is 2,000 characters before it, and however long the address is that does."""
    for more in range(25):
        far = "https://t.co/ " * 150 + "y" * more
        made = letter(f"<p>{far} *|UPDATE_PROFILE|* <a href='*|UNSUB|*'>Leave</a></p>", format="html")
        assert not [flaw for flaw in made.flaws if flaw.code.startswith("link_takes")]
    long = letter(f'<p><a href="https://evil.example/?{"y" * 3_000}&amp;u=*|UNSUB|*">News</a></p>', format="html")
    assert [flaw.code for flaw in long.flaws if flaw.code.startswith("link_takes")] == ["link_takes_link"]
