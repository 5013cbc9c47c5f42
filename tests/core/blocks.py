"""Letters of blocks for tests: every block once, and random documents of the schema."""

import json
from typing import Any

from hypothesis import strategies as st

from samizdat.core.content.render import Content
from samizdat.core.content.theme import ThemePicture


def text(words: str, *marks: Any) -> dict[str, Any]:
    made = [{"type": mark} if isinstance(mark, str) else mark for mark in marks]
    return {"type": "text", "text": words, **({"marks": made} if made else {})}


def link(url: str) -> dict[str, Any]:
    return {"type": "link", "attrs": {"href": url}}


def colored(color: str) -> dict[str, Any]:
    return {"type": "color", "attrs": {"color": color}}


_FULL = {"link": link, "color": lambda _url: colored("#cc0000")}


def paragraph(*inline: Any) -> dict[str, Any]:
    return {"type": "paragraph", "content": [text(one) if isinstance(one, str) else one for one in inline]}


def heading(words: str, level: int = 1) -> dict[str, Any]:
    return {"type": "heading", "attrs": {"level": level}, "content": [text(words)]}


def item(*inside: Any) -> dict[str, Any]:
    return {"type": "listItem", "content": list(inside)}


def document(*blocks: Any) -> dict[str, Any]:
    return {"type": "doc", "attrs": {"version": 1}, "content": list(blocks)}


PICTURE = "0123456789abcdef01234567"


def atom(kind: str, **attrs: Any) -> dict[str, Any]:
    return {"type": kind, "attrs": attrs}


EVERY_BLOCK = document(
    heading("What the river took & <gave>"),
    paragraph(
        'Dear {{ FNAME | default: "friend" }}, the ', text("water", "bold"), " came ",
        text("at four", link("https://a.example/x?y=1&z=2"), "italic"), {"type": "hardBreak"}, "in the morning.",
    ),
    {
        "type": "columns",
        "content": [
            {"type": "column", "content": [paragraph("Left side"), atom("picture", src=PICTURE, alt='A "wet" table'),
                                           paragraph("Afterwards")]},
            {"type": "column", "content": [heading("Right side", 2), atom("button", text="Go", link="https://c.example")]},
        ],
    },
    {"type": "bulletList", "content": [item(paragraph("one")), item(paragraph("two"), {
        "type": "orderedList", "attrs": {"start": 3}, "content": [item(paragraph("three"))]})]},
    {"type": "blockquote", "content": [paragraph("quoted")]},
    {"type": "divider"},
    atom("picture", src="https://lantern.example/p.png", alt="A drying archive", link="https://b.example/", width=300),
    atom("button", text="Read the whole story", link="{{ website }}/all", align="center"),
    {"type": "callout", "attrs": {"tone": "warn"}, "content": [paragraph("Careful with ", text("this", "bold"))]},
    atom("social", links=[{"network": "Telegram", "url": "https://t.me/x"},
                          {"network": "", "url": "https://m.example/@x"}]),
    atom("donation", title="Help dry the rest", text="Paper and fans", link="https://give.example/",
         amounts=["10 €", "20 €"]),
    atom("event", title="Evening of letters", start="2026-12-04T19:00", end="2026-12-04T21:00", place="Library",
         link="https://e.example/", about="We write."),
    atom("question", question="Shall we meet on Thursdays?", answers=["Yes, always", "No", ""]),
    atom("video", src=PICTURE, alt="Still of the river", link="https://v.example/"),
    atom("html", source="<b>raw</b> <!-- *|IF:FNAME|* --><i>named</i><!-- *|END:IF|* --></td></table>"),
    {"type": "footer", "content": [paragraph("Printed at home")]},
)  # fmt: skip


def content(made: Any = EVERY_BLOCK, **more: Any) -> Content:
    return Content(
        subject="What the river took",
        body=made if isinstance(made, str) else json.dumps(made),
        from_name="Northern Lantern",
        from_address="letter@lantern.example",
        format="blocks",
        website="https://lantern.example",
        organization="Northern Lantern",
        fields={"FNAME": "", "CITY": ""},
        pictures={PICTURE: ThemePicture(f"https://lantern.example/m/{PICTURE}.jpeg", 800, 500)},
        answers=tuple(f"https://lantern.example/q/{number}" for number in range(6)),
        **more,
    )


# --- random documents ---

# What has been used against mail programs and pages; none of it may ever be markup.
VECTORS = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "<svg/onload=alert(1)>", "</td></table><b>",
    "' onmouseover='alert(1)", "<!-- --><style>*{x:expression(alert(1))}</style>", "&lt;script&gt;", "]]><x>",
    "<iframe src=//evil.example>", "\\u003cscript\\u003e", "<mj-raw>", "</mj-text>", "zq0x0q", "zq0xf0q", "\\\"\\'",
)  # fmt: skip
_WORDS = st.sampled_from(
    ["Anna", "вода", "نهر", "two words", "a  b", "{{ FNAME }}", "*|FNAME|*", "50%}", "1 < 2 & 3", "*not bold*", "# 1.",
     "—", *VECTORS]
)  # fmt: skip
_URL = st.sampled_from(
    ["https://a.example/x?y=1&z=2", "https://b.example/{{ FNAME }}", "mailto:a@b.example", "{{ unsubscribe }}",
     "https://c.example/\"'><b>", "https://d.example/(x)"]
)  # fmt: skip
_TEXT = st.builds(
    lambda words, marks, url: text(words, *(_FULL[mark](url) if mark in _FULL else mark for mark in sorted(marks))),
    _WORDS,
    st.sets(st.sampled_from(["bold", "italic", "link", "color"])),
    _URL,
)
_INLINE = st.lists(st.one_of(_TEXT, st.just({"type": "hardBreak"})), max_size=4)
_PARAGRAPH = st.builds(lambda inline: {"type": "paragraph", "content": inline}, _INLINE)
_HEADING = st.builds(
    lambda level, inline: {"type": "heading", "attrs": {"level": level}, "content": inline}, st.integers(1, 6), _INLINE
)


def _list(rest: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    items = st.lists(st.builds(lambda first, rest: item(first, *rest), _PARAGRAPH, rest),
                     min_size=1, max_size=3)  # fmt: skip
    return st.one_of(
        st.builds(lambda content: {"type": "bulletList", "content": content}, items),
        st.builds(lambda n, content: {"type": "orderedList", "attrs": {"start": n}, "content": content},
                  st.integers(1, 9), items),
    )  # fmt: skip


_LIST = _list(st.lists(_list(st.just([])), max_size=1))
_SRC = st.sampled_from([PICTURE, "https://lantern.example/p.png"])
_ATOM = st.one_of(
    st.builds(lambda s, a, d, u: atom("picture", src=s, alt=a, decorative=d, link=u), _SRC, _WORDS, st.booleans(),
              _URL),
    st.builds(lambda t, u, a: atom("button", text=t, link=u, align=a), _WORDS, _URL,
              st.sampled_from(["start", "center"])),
    st.just({"type": "divider"}),
    st.builds(lambda n, u: atom("social", links=[{"network": n, "url": u}]), _WORDS, _URL),
    st.builds(lambda t, u, a: atom("donation", title=t, text=t, link=u, label=t, amounts=a), _WORDS, _URL,
              st.lists(_WORDS, max_size=2)),
    st.builds(lambda t, u: atom("event", title=t, start="2026-12-04T19:00", place=t, link=u, about=t), _WORDS, _URL),
    st.builds(lambda t, a: atom("question", question=t, answers=a), _WORDS, st.lists(_WORDS, max_size=6)),
    st.builds(lambda s, u, a: atom("video", src=s, link=u, alt=a), _SRC, _URL, _WORDS),
    st.builds(lambda words: atom("html", source=f"<p>{words}</p>"), _WORDS),
)  # fmt: skip
_QUOTE = st.builds(
    lambda inside: {"type": "blockquote", "content": inside}, st.lists(_PARAGRAPH, min_size=1, max_size=2)
)
_CALLOUT = st.builds(
    lambda tone, inside: {"type": "callout", "attrs": {"tone": tone}, "content": inside},
    st.sampled_from(["note", "warn", "good"]), st.lists(st.one_of(_PARAGRAPH, _LIST), min_size=1, max_size=2),
)  # fmt: skip
_BLOCK = st.one_of(_PARAGRAPH, _HEADING, _LIST, _ATOM, _QUOTE, _CALLOUT)
_COLUMNS = st.builds(
    lambda columns: {"type": "columns", "content": [{"type": "column", "content": one} for one in columns]},
    st.lists(st.lists(_BLOCK, max_size=2), min_size=2, max_size=3),
)
_FOOTER = st.builds(lambda inside: [{"type": "footer", "content": [inside]}], _PARAGRAPH)

documents = st.builds(
    lambda blocks, footer: document(*blocks, *footer),
    st.lists(st.one_of(_BLOCK, _COLUMNS), max_size=5),
    st.one_of(st.just([]), _FOOTER),
)
