"""Which links of a letter may be counted, and what becomes of their addresses in both parts."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samizdat.core.content.render import Content, RenderedContent, fill, render
from samizdat.core.content.render.cleaning import VOID
from samizdat.core.content.render.content import Piece
from samizdat.core.content.render.counted_links import countable, direct, location, through

pytestmark = pytest.mark.once

OWN = "https://lantern.example"
NOW = datetime(2026, 11, 26, tzinfo=UTC)


def letter(body: str, format: str = "markdown") -> RenderedContent:
    content = Content(
        subject="News", body=body, format=format, from_name="Lantern", from_address="news@lantern.example",  # type: ignore[arg-type]
        website=OWN, archive_url=f"{OWN}/a/news", fields={"FNAME": ""},
    )  # fmt: skip
    return render(content, now=NOW)


def said(pieces: tuple[Piece, ...]) -> str:
    return "".join(piece if isinstance(piece, str) else "{}" for piece in pieces)


LINK = '<a href="https://paper.example/only">Read</a>'
ONE = "{% if FNAME != 'Ada' %}<b>&nbsp;</b>{% endif %}"


@pytest.mark.parametrize(
    ("rule", "body"),
    [
        ("b + a", f"<div>{ONE}{LINK}</div>"),
        ("b ~ div a", f"<section>{ONE}<div>{LINK}</div></section>"),
        ("a:nth-child(2)", f"<div>{ONE}{LINK}</div>"),
        ("i:empty + a", f"<div><i>{{{{ FNAME }}}}</i>{LINK}</div>"),
        ("p[title=Ada] a", f'<p title="{{{{ FNAME }}}}">{LINK}</p>'),
        ("img[ALT = Ada] + a", f'<p><img alt="{{{{ FNAME }}}}" src="{OWN}/m/aa.png">{LINK}</p>'),
    ],
)
def test_a_link_is_not_counted_that_a_style_sheet_can_hide_from_one_reader(rule: str, body: str) -> None:
    sheet = f"<style>@media (min-width:1px){{{rule}{{display:none!important}}}}</style>"
    page = f"<html><head>{sheet}</head><body>{body}</body></html>"
    assert countable(letter(page, "html"), OWN) == ()
    same = re.sub(r"{%.*?%}|{{.*?}}", "", page).replace(":empty", "")
    assert countable(letter(same, "html"), OWN) == ("https://paper.example/only",), "for all readers alike"


def test_what_templates_write_for_phones_keeps_no_link_from_being_counted() -> None:
    rules = (
        "a[x-apple-data-detectors]{color:inherit} [class~=wide]{width:100%} @media (max-width:600px){.wide{width:9px}}"
    )
    page = f"<html><head><style>{rules}</style></head><body><p>{{{{ FNAME }}}} {ONE} {LINK}</p></body></html>"
    assert countable(letter(page, "html"), OWN) == ("https://paper.example/only",)


@pytest.mark.parametrize(
    ("body", "counted", "why"),
    [
        ("[Read](https://paper.example/a?b=1&c=2)", "https://paper.example/a?b=1&c=2", ""),
        ("[Read](http://paper.example/)", "http://paper.example/", ""),
        ("[Read](https://paper.example/?for={{ FNAME | url }})", "", "reader"),
        ("[paper.example/a](https://paper.example/a)", "", "words"),
        ("See <https://paper.example/a>.", "", "words"),
        ('{% if FNAME == "Ada" %}[Read](https://paper.example/a){% endif %}', "", "condition"),
        ("{% if FNAME %}Hello{% endif %} [Read](https://paper.example/a)", "https://paper.example/a", ""),
        ('[{% if FNAME == "Ada" %}Read{% endif %}](https://paper.example/a)', "", "condition"),
        ("[{{ FNAME }}](https://paper.example/a)", "", "condition"),
        ("[Read](https://ada:secret@paper.example/)", "", "odd"),
        ("[Read](http://10.0.0.1/)", "", "odd"),
        ("[Write](mailto:ada@paper.example)", "", ""),
        ("[Call](tel:+37120000000)", "", ""),
        (f"[Our forms]({OWN}/f/thursday)", "", ""),
        ("[Leave]({{ unsubscribe }}) [Choose]({{ preferences }}) [Browser](*|ARCHIVE|*)", "", ""),
    ],
)
def test_a_link_is_counted_or_it_is_said_why_not(body: str, counted: str, why: str) -> None:
    found = letter(body)
    assert countable(found, OWN) == ((counted,) if counted else ())
    assert [one.why for one in direct(found, OWN)] == ([why] if why else [])


def test_both_parts_lead_through_the_public_host_and_nothing_else_changes() -> None:
    body = (
        '<p><a class="x" href="https://paper.example/a?b=1&amp;c=2" title="a > b">Read <b>this</b></a>, '
        '<a href="https://paper.example/a?b=1&amp;c=2"><img src="https://lantern.example/m/aa.png" alt="Sea"></a>, '
        '<a href="https://paper.example/a">https://paper.example/a</a></p>'
    )
    before = letter(body, "html")
    to = {url: f"{OWN}/l/{place}" for place, url in enumerate(countable(before, OWN))}
    assert list(to) == ["https://paper.example/a?b=1&c=2"]
    after = through(before, OWN, to)
    assert said(after.html) == said(before.html).replace("https://paper.example/a?b=1&amp;c=2", f"{OWN}/l/0")
    text = said(after.text)
    assert f"Read this <{OWN}/l/0>" in text.replace("\n", " ") and f"[Sea] <{OWN}/l/0>" in text.replace("\n", " ")
    assert "https://paper.example/a\n" in text and "c=2" not in text
    assert after.links == before.links


HIDDEN = '<div style="display:none">'
HALVES = [
    f"{{% if FNAME != 'Ada' %}}{HIDDEN}{{% endif %}}HERE{{% if FNAME != 'Ada' %}}</div>{{% endif %}}",
    f"{{% if FNAME == 'Ada' %}}<p>{{% else %}}{HIDDEN}<p>{{% endif %}}HERE</p></div>",
    "<p {% if FNAME != 'Ada' %}style='display:none'{% endif %}>HERE</p>",
    "<p class=\"{% if FNAME == 'Ada' %}shown{% endif %}\">HERE</p>",
    '<p class="{{ FNAME }}">HERE</p>',
    '<p hidden="{{ FNAME }}" height="{{ FNAME }}">HERE</p>',
]


@pytest.mark.parametrize("half", HALVES)
def test_a_link_that_half_an_element_shows_to_some_readers_alone_is_not_counted(half: str) -> None:
    found = letter(half.replace("HERE", '<a href="https://paper.example/only">Read</a>'), "html")
    stops = [flaw.code for flaw in found.flaws if flaw.severity == "stop"]
    assert stops or not countable(found, OWN) or _seen(found, "Ada") == _seen(found, "Boris")


@pytest.mark.parametrize("half", [*HALVES, "<p>{% if FNAME == 'Ada' %}HERE{% else %}{% endif %}</p>"])
def test_no_host_sees_by_a_picture_which_reader_opens_the_letter(half: str) -> None:
    found = letter(half.replace("HERE", '<img alt="a" src="https://thief.example/a.png">'), "html")
    stops = [flaw.code for flaw in found.flaws if flaw.severity == "stop"]
    assert stops or _fetched(found, "Ada") == _fetched(found, "Boris") != []
    own = letter(half.replace("HERE", f'<img alt="a" src="{OWN}/m/aa.png">'), "html")
    assert "image_condition" not in [flaw.code for flaw in own.flaws]


def test_an_address_of_a_picture_that_a_condition_makes_is_one_for_each_reader() -> None:
    found = letter("<img alt='a' src=\"https://thief.example/{% if FNAME %}a{% else %}b{% endif %}.png\">", "html")
    assert "image_per_reader" in [flaw.code for flaw in found.flaws]


# --- whatever is written ---


class _Page(HTMLParser):
    """What a reader sees and a mail program fetches: addresses of links with words, of pictures, not what is hidden."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.hidden: list[bool] = []
        self.link, self.links, self.pictures = "", list[str](), list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        told = dict(attrs)
        hides = any(self.hidden[-1:]) or "display:none" in (told.get("style") or "").replace(" ", "")
        if tag not in VOID:
            self.hidden.append(hides)
        if tag == "a":
            self.link = "" if hides else told.get("href") or ""
        elif tag == "img":
            self.pictures.append(told.get("src") or "")

    def handle_endtag(self, tag: str) -> None:
        if self.hidden:
            self.hidden.pop()
        if tag == "a":
            self.link = ""

    def handle_data(self, data: str) -> None:
        if self.link and data.strip():
            self.links.append(self.link)
            self.link = ""


def _page(found: RenderedContent, pieces: tuple[Piece, ...], name: str) -> _Page:
    own = dict.fromkeys(("UNSUB_URL", "PREFERENCES_URL", "ARCHIVE_URL"), f"{OWN}/own")
    return _Page(fill(pieces, {**own, "FNAME": name}))


def _led(found: RenderedContent) -> RenderedContent:
    return through(found, OWN, {url: f"{OWN}/l/{at}" for at, url in enumerate(countable(found, OWN))})


def _seen(found: RenderedContent, name: str) -> list[str]:
    return [url for url in _page(found, _led(found).html, name).links if url.startswith(f"{OWN}/l/")]


def _fetched(found: RenderedContent, name: str) -> list[str]:
    return [url for url in _page(found, found.html, name).pictures if "thief" in url]


_TEXTS = st.sampled_from(["words ", "{{ FNAME }} ", '{{ FNAME | default: "you" }} ', "<br>", " & "])
_HREFS = st.sampled_from(["a", "b", "?x={{ FNAME | url }}", "{% if FNAME == 'Ada' %}a{% endif %}"])
_OPENED = st.sampled_from(["<div>", HIDDEN, "<b>", "</div>", "</b>", "<p>", "</p>", "<!--", "<td>", "</table>"])


def _larger(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    inside = st.lists(parts | _OPENED, max_size=3).map("".join)
    return st.one_of(
        st.builds("<p>{}</p>".format, inside),
        st.builds(f"{HIDDEN}{{}}</div>".format, inside),
        st.builds('<a href="https://thief.example/{}">{}</a>'.format, _HREFS, inside),
        st.builds("{{% if FNAME == 'Ada' %}}{}{{% endif %}}".format, inside),
        st.builds(
            "{{% if FNAME != 'Ada' %}}{}{{% elif FNAME %}}{}{{% else %}}{}{{% endif %}}".format, inside, inside, inside
        ),
        st.builds("<p {}>{}</p>".format, st.sampled_from(["title='{{ FNAME }}'", "class='{{ FNAME }}'"]), inside),
    )


_LINKS = st.builds('<a href="https://thief.example/{}">go</a>'.format, _HREFS)
_PICTURES = st.just('<img alt="a" src="https://thief.example/p.png">')
BODIES = st.lists(st.recursive(_TEXTS | _LINKS | _PICTURES, _larger, max_leaves=6), min_size=1, max_size=4).map("".join)


@settings(max_examples=200, deadline=None)
@given(BODIES, st.sampled_from(["", "Boris", "Vera"]))
def test_whoever_reads_has_the_same_counted_links_and_fetches_the_same_from_elsewhere(body: str, other: str) -> None:
    found = letter(f"<p>letter</p>{body}", "html")
    if any(flaw.severity == "stop" for flaw in found.flaws):
        return
    assert _seen(found, "Ada") == _seen(found, other)
    assert _fetched(found, "Ada") == _fetched(found, other)
    texts = [fill(_led(found).text, {"FNAME": name}) for name in ("Ada", other)]
    assert len({tuple(re.findall(r"/l/[0-9]+", text)) for text in texts}) == 1


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://müll.example/путь?a=б#c", "https://xn--mll-hoa.example/%D0%BF%D1%83%D1%82%D1%8C?a=%D0%B1#c"),
        ("https://paper.example:8443/a%20b?x[]=1", "https://paper.example:8443/a%20b?x[]=1"),
        ("https://paper.example/\nSet-Cookie: a", None),
        ("javascript:alert(1)", None),
        ("https://[x/", None),
        ("https://paper.example/" + "a" * 2000, None),
    ],
)
def test_a_redirect_leads_to_plain_addresses_alone(url: str, told: str | None) -> None:
    assert location(url) == told
