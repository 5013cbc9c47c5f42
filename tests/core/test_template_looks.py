"""A template of somebody else looks as it came, once a letter is made of it: in Chromium, narrow and wide."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from samizdat.core.content.blocks import dumps
from samizdat.core.content.blocks.styles import PLAIN
from samizdat.core.content.render import Content, fill, render
from samizdat.core.content.templates.blocks import read
from samizdat.core.content.templates.import_template import take
from samizdat.core.content.templates.layout import LayoutChanges, arranged
from tests.browser import different, opened, pictured, started, texts

pytestmark = pytest.mark.browser

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ODD = Path(__file__).parents[1] / "payloads/odd-templates"
WIDTHS = (390, 1280)
LONG = "Hello readers, this is the long part of this letter, with more than a few words so that it is taken."
BODY = f"""<table class="box" width="300"><tr><td class="big">{LONG}</td></tr></table>
<div class="col" id="foot"><p class="p">Foot</p><a href="https://x.example/">a link</a></div>"""


def page(sheet: str, body: str = BODY, head: str = "") -> str:
    return f"<!DOCTYPE html><html><head><title>x</title>{head}<style>{sheet}</style></head><body>{body}</body></html>"


PHONE = "@media (max-width:480px)"
ODD_ONES = {
    "an import in quotes with ; in it": page(
        f'@import "https://f.example/css2?a:1;2&b"; .col{{color:#c00}} {PHONE}{{.col{{background:#00c}}}}'
    ),
    "an import behind a charset": page("@charset 'utf-8';@import url('https://f.example/a;b');.big{color:#c00}"),
    "fonts from elsewhere": page(
        "@font-face{font-family:x;src:url(https://f.example/x;y.woff2) format('woff2')} .big{font-size:30px}"
    ),
    "a sheet that some hide from old browsers": page(
        f"<!--/*--><![CDATA[/*><!--*/ .big{{color:#c00}} {PHONE}{{.big{{font-size:40px}}}} /*]]>*/-->"
    ),
    "a comment with a bracket": page(".big{color:#c00} /* } .col{color:#0c0} */ .col{font-size:30px}"),
    "signs of rules in a text": page(".col::before{content:'};{'} .big{font-size:30px}"),
    "media before what it would change": page(f"{PHONE}{{.box{{width:100%}}}} .box{{width:250px}}"),
    "media with more names": page(f".box{{width:250px}} {PHONE}{{table.box{{width:100%}}}}"),
    "media against a style attribute": page(
        f".col{{width:200px}} {PHONE}{{.col{{width:90%}}}}",
        f"<div class='col' style='width:150px;background:#eee'>{LONG}</div>"
        "<div class='col' style='background:#eee'>Foot</div>",
    ),
    "media that were important against important rules": page(
        f".box{{width:250px !important}} {PHONE}{{.box{{width:100% !important}}}}"
    ),
    "important rules against media": page(f".box{{width:250px !important}} {PHONE}{{.box{{width:100%}}}}"),
    "important media that the next ones must not beat": page(
        f".box{{width:200px}} {PHONE}{{.box{{width:300px !important}} table.box{{width:100%}}}}"
    ),
    "media inside of media": page(
        f".box{{width:250px}} @media screen{{{PHONE}{{.box{{width:100%}}}}}} @media print{{.box{{width:10px}}}}"
    ),
    "supports": page(".box{width:250px} @supports (display:grid){.box{width:340px}}"),
    "mobile first": page(".col{width:90%;background:#ddd} @media (min-width:600px){.col{width:200px}}"),
    "dark": page(".big{color:#222} @media (prefers-color-scheme:dark){body{background:#111} .big{color:#eee}}"),
    "long and short names": page(
        f".col{{padding:20px;padding-left:60px}} #foot{{padding-top:0}} p{{margin:0 0 30px}} "
        f"{PHONE}{{.col{{padding:5px}}}}"
    ),
    "short after long": page("p{padding-left:90px} .p{padding:3px} div p{background:#eee;background-color:#ddd}"),
    "a background that loses to its color": page("#foot{background-color:#fcc} .col{background:#ccf}"),
    "a style element in the body": page(
        "", f"<style>.big{{color:#c00}} {PHONE}{{.big{{font-size:40px}}}}</style>{BODY}"
    ),
    "a style element for phones": page(
        ".big{font-size:12px}",
        f"<style media='screen and (max-width:480px)'>.big{{font-size:40px}}</style>{BODY}"
    ),
    "what only Outlook reads": page(
        ".big{color:#c00}",
        head="<!--[if mso]><style>.big{font-size:50px}</style><![endif]--><!--[if !mso]><!--><style>"
        f".col{{font-size:30px}} {PHONE}{{.col{{font-size:20px}}}}</style><!--<![endif]-->"
    ),
    "the page itself": page(
        "html{background:#eee} body{margin:0;background:#fff;max-width:300px} :root{font-size:20px}"
    ),
    "a block that never ends": page(f".big{{color:#c00}} {PHONE}{{.box{{width:100%}} .col{{font-size:30px"),
    "names that nobody knows": page(".big{color:#c00;*zoom:1;_height:1px;width:12qq} .col:frobnicate{color:#0c0}"),
    "selectors by place and attribute": page(
        "td:first-child{color:#c00} [class~=col]{font-size:20px} .box + div > p:not(.q){color:#00c}"
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def windows() -> Iterator[tuple[Any, Any]]:
    """For a template as it came, and for the letter."""
    with started() as browser, opened(browser, "") as one, opened(browser, "") as other:
        yield one, other


def letter(came: str, words: str = "", *, in_blocks: bool = False) -> str:
    """What goes out to a reader, with what stood in the template, or with other words."""
    taken = take(came.encode(), ["FNAME"])
    begun = read(taken.sample) if in_blocks else None
    content = Content(
        subject="News",
        from_name="Northern Lantern",
        from_address="letter@lantern.example",
        organization="Northern Lantern",
        preheader="In the list of mails",
        body=dumps(begun.document) if begun else words or taken.sample,
        format="blocks" if begun else "html",
        dress=begun.dress if begun else PLAIN,
        template=arranged(taken.source, LayoutChanges()),
    )
    return fill(render(content, now=NOW).html, {"UNSUB_URL": "https://u.example/leave"})


def without_our_footer(tab: Any) -> None:
    """The way out that every letter gets, which no template has as it came."""
    tab.evaluate("document.querySelectorAll('a[href*=\"u.example\"]').forEach(one => one.parentElement.remove())")


def odd_templates() -> list[Any]:
    files = [pytest.param(file.read_text(), id=file.stem) for file in sorted(ODD.glob("*.html"))]
    return [*files, *(pytest.param(came, id=name) for name, came in ODD_ONES.items())]


@pytest.mark.parametrize("came", odd_templates())
def test_a_template_looks_as_it_came_and_what_is_written_into_it_is_seen(windows: tuple[Any, Any], came: str) -> None:
    one, other = windows
    came = re.sub(r"\*\|MC_PREVIEW_TEXT\|\*", "In the list of mails", came)
    scheme = "dark" if "scheme:dark" in came else "light"
    show(one, came, scheme)
    show(other, letter(came), scheme)
    there = {width: texts(resized(one, width)) for width in WIDTHS}
    for width in WIDTHS:
        assert texts(resized(other, width)) == there[width], width
        assert different(pictured(resized(one, width)), pictured(other)) == 0, width
    show(other, letter(came, in_blocks=True), scheme)
    for width in WIDTHS:
        assert texts(resized(other, width)) == there[width], f"in blocks, {width}"
    show(other, letter(came, "The bridge is open again."), scheme)
    for width in WIDTHS:
        box = {words: (x, y) for words, x, y, _width, _height in texts(resized(other, width))}
        words = [words for words, *_box in there[width] if not words.startswith("Hello")]
        assert sorted(box) == sorted({*words, "The bridge is open again."}), "nothing else went or came"
        _first, x, _y, *_size = next(box for box in there[width] if box[0].startswith("Hello"))
        assert abs(box["The bridge is open again."][0] - x) <= 1, "it begins at the same side"


def show(tab: Any, page: str, scheme: str) -> None:
    tab.emulate_media(color_scheme=scheme)
    tab.set_content(page)
    without_our_footer(tab)


def resized(tab: Any, width: int) -> Any:
    tab.set_viewport_size({"width": width, "height": 500})
    return tab
