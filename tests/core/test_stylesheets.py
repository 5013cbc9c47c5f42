"""Style sheets are read as browsers read them, and what is written into elements changes nobody's victory."""

import re
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from samizdat.core.content.render import Content, inlining, render
from samizdat.core.content.render.inlining import inlined
from samizdat.core.content.render.stylesheet import declarations, read, selectors, specificity, without_fetched

NOW = datetime(2026, 11, 25, 18, tzinfo=UTC)
FACTS: dict[str, Any] = {"subject": "x", "from_name": "x", "from_address": "a@example.org"}
OURS = re.compile(r"zq0x(\d+)q")


@pytest.mark.parametrize(
    ("sheet", "found"),
    [
        ("a{b:c}d{e:f}", ["a", "d"]),
        ("@import url(https://x.example/a;b?c{d}e);a{b:c}", ["@import url(https://x.example/a;b?c{d}e)", "a"]),
        ("@import url( 'x;y' ) screen;a{b:c}", ["@import url( 'x;y' ) screen", "a"]),
        ('@import "x;\\";y";a{b:c}', ['@import "x;\\";y"', "a"]),
        ("@charset 'utf-8';a{b:c}", ["@charset 'utf-8'", "a"]),
        ("<!-- a{b:c} --> d{e:f} -->", ["a", "d"]),
        ("<!--/*--><![CDATA[/*><!--*/a{b:c}/*]]>*/-->", ["a"]),
        ("/* a{ } */b{c:d} /* never ends {", ["b"]),
        ('a{b:\'}\'}c{d:"{\\"}"}e{f:g}', ["a", "c", "e"]),
        ("a{b:'no end\n}c{d:e}", ["a", "c"]),
        ("@media (x:y){a{b:c}}d{e:f}", ["@media (x:y)", "d"]),
        ("@media x{a{b:c}", ["@media x"]),
        ("a{b:c", ["a"]),
        ("a,b", []),
        ("a[b='}{,']{c:d}", ["a[b='}{,']"]),
        ("@font-face{src:url(a;b}c)}d{e:f}", ["@font-face", "d"]),
        ("}a{b:c}", ["}a"]),
        ("a/* b */.c{d:e}", ["a.c"]),
    ],
)
def test_a_sheet_is_cut_where_browsers_cut_it(sheet: str, found: list[str]) -> None:
    assert [one.prelude for one in read(sheet)] == found


def test_declarations_are_cut_where_browsers_cut_them() -> None:
    told = declarations("a:b; C : url(x;y) ! IMPORTANT;d:'e;f';*g:h;no;--Own:x;i:;j:k/* ; */l")
    assert [(one.name, one.value, one.important) for one in told] == [
        ("a", "b", False), ("c", "url(x;y)", True), ("d", "'e;f'", False), ("--Own", "x", False), ("j", "kl", False),
    ]  # fmt: skip
    assert selectors("a , b:not(c,d), [e=','] f") == ("a", "b:not(c,d)", "[e=','] f")


@pytest.mark.parametrize(
    ("selector", "counts"),
    [
        ("a", (0, 0, 1)), ("*", (0, 0, 0)), (".a.b", (0, 2, 0)), ("#a b", (1, 0, 1)), ("a:hover::before", (0, 1, 2)),
        ("[a='#b.c']", (0, 1, 0)), ("a:not(.b)", (0, 1, 1)), ("a:nth-child(2n)", (0, 1, 1)), ("a:after", (0, 0, 2)),
    ],
)  # fmt: skip
def test_a_selector_counts_as_much_as_in_a_browser(selector: str, counts: tuple[int, int, int]) -> None:
    assert specificity(selector) == counts


@given(st.text(alphabet="a{}();:'\"\\/*<!->@ \n[],.#", max_size=60))
def test_no_sheet_is_too_odd_to_be_read(sheet: str) -> None:
    end = 0
    for one in read(sheet):
        assert end <= one.start < one.end <= len(sheet)
        end = one.end
    assert without_fetched(sheet) == (sheet, 0) or "@" in sheet
    inlined(f"<html><head><style>{sheet}</style></head><body><p class='a'>x</p></body></html>", OURS)


@pytest.mark.parametrize(
    "sheet",
    ["[" * 200_000, "a[[[[{b:c}" * 20_000, "a{b:url(" * 30_000, "a{" * 100_000, "@media x{" * 30_000, "/*" * 100_000,
     "".join(f"*:not(.a{number}){{b:c}}" for number in range(3_000)) + "</style>" + "<b>x</b>" * 3_000 + "<style>"],
    ids=["brackets", "rules of brackets", "addresses", "blocks", "groups", "comments", "rules of everything"],
)  # fmt: skip
def test_a_sheet_that_was_made_to_hurt_is_read_in_a_moment(sheet: str) -> None:
    """Not in minutes, as when what is never closed is looked for from each place."""
    try:
        page, _kept = inlined(f"<html><head><style>{sheet}</style></head><body><p>x</p></body></html>", OURS)
    except inlining.TooManyStyles:
        assert "b{b:c}" in sheet or ":not(" in sheet
    else:
        assert "<p" in page


@pytest.mark.parametrize(
    ("sheet", "body"),
    [
        ("".join(f"*>p{{a{n}:b}}" for n in range(2_000)), "<p>x" * 2_400),
        ("".join(f"p:nth-child(n+{n}){{a:b}}" for n in range(1_500)), "<p>x" * 3_000),
        ("@media screen{" + "".join(f"p{{a{n}:b}}" for n in range(700)) + "}", "<p>x" * 7_000),
        ("".join(f"p.a{n}{{a:b}}" for n in range(5_000)), "<p>x" * 9_000),
    ],
    ids=["one selector", "many selectors", "for phones", "nothing meant"],
)
def test_more_rules_for_more_elements_than_any_page_has_are_not_written_into_it(sheet: str, body: str) -> None:
    with pytest.raises(inlining.TooManyStyles):
        inlined(f"<html><head><style>{sheet}</style></head><body>{body}</body></html>", OURS)
    letter = render(
        Content(body=f"<html><head><style>{sheet}</style></head><body>{body}</body></html>", format="html", **FACTS),
        now=NOW,
    )
    assert "css_many" in {flaw.code for flaw in letter.flaws}


def test_selectors_asked_in_groups_mean_the_same_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    sheet = "".join(
        f"p.a{n % 7}, td:nth-child({n % 5 + 1}) p, a{n}:hover {{ color: c{n}; margin-left: {n}px }}" for n in range(200)
    )
    rows = "".join(f"<tr><td><p class=a{n % 9} style='top:{n}px'>x</p><td><i>y</i><td><p>z</p></tr>" for n in range(30))
    page = f"<html><head><style>{sheet}</style></head><body><table>{rows}</table></body></html>"
    whole = inlined(page, OURS)
    monkeypatch.setattr(inlining, "AT_ONCE", 0)
    assert inlined(page, OURS) == whole


def test_a_rule_for_a_pointer_that_won_goes_on_winning_however_many_there_are() -> None:
    """As when each was compared with each: a thousand of them took seconds."""
    sheet = "a{color:red}" + "".join(f"a:hover{{color:c{n}}}" for n in range(4_000)) + "a:hover{color:blue!important}"
    _page, kept = inlined(f"<html><head><style>{sheet}</style></head><body><a>x</a></body></html>", OURS)
    assert kept.count("!important") == 4_001


pieces = st.sampled_from(["/* } ; { */", "'};{'", '"}{;"', "url(a;b{c}d)", "url('a;b')", "(;)", "[=';']", "x", " "])
rules = st.builds(
    lambda prelude, block: (prelude, block),
    st.lists(pieces, max_size=3).map("".join).map(lambda said: f".a{said}".strip()),
    st.lists(pieces, max_size=3).map("".join),
)
imports = st.sampled_from(["@import url(x;y);", "@import 'x;y';", "@font-face{src:url(x;y)}", '@charset "x";'])
between = st.sampled_from(["", " ", "/* a{ */", "<!--", "-->", "\n"])


@given(st.lists(st.tuples(between, rules | imports), max_size=6))
def test_every_rule_of_a_sheet_is_found_whatever_stands_around_it(parts: list[Any]) -> None:
    said = [(air, part if isinstance(part, str) else f"{part[0]}{{{part[1]}}}") for air, part in parts]
    found = read("".join(air + text for air, text in said))
    assert len(found) == len(parts)
    assert [one.block for one in found if not one.keyword] == [
        part[1] for _air, part in parts if isinstance(part, tuple)
    ]
    left, gone = without_fetched("".join(air + text for air, text in said))
    assert gone == sum(text.startswith(("@import", "@font")) for _air, text in said)
    assert left == "".join(air + ("" if text.startswith("@") else text) for air, text in said)


# --- the cascade ---

SELECTORS = [".a", ".b", ".a.b", "p", "p.a", "#c", "*", ".a:hover"]
PROPERTIES = ["margin", "margin-left", "margin-top", "color"]
declared = st.tuples(st.sampled_from(PROPERTIES), st.booleans())
cascades = st.lists(st.tuples(st.booleans(), st.sampled_from(SELECTORS), declared), min_size=1, max_size=6)
ELEMENTS = ["<p class='a'", "<p class='a b'", "<i class='b'", "<p id='c' class='a'", "<i"]


@settings(max_examples=150)
@given(cascades, st.lists(st.none() | declared, min_size=5, max_size=5))
def test_whoever_won_in_the_page_as_it_came_wins_in_the_letter(sheet: list[Any], own: list[Any]) -> None:
    """In a phone and outside, with and without a pointer above it."""
    ranked = [
        (specificity(selector), number, media, selector, *said) for number, (media, selector, said) in enumerate(sheet)
    ]
    stays = [one for one in ranked if one[2] or ":" in one[3]]
    # An important rule that stays and is weaker than one that is made important, or than an important one that is
    # written into elements, has no place between them.
    # Nor has one that sets four things, of which some win and some lose.
    short = any(one[4] == "margin" for one in ranked) or any(one and one[0] == "margin" for one in own)
    assume(not (short and (any(one[5] for one in ranked) or len(stays) > 1)))
    # Nor has a style attribute that stands between the two.
    assume(not (any(own) and {True, False} <= {one[5] for one in stays}))
    bases = [one for one in ranked if one not in stays]
    assume(not any(one[5] and base[5] and one[:2] < base[:2] for one, base in product(stays, bases)))
    assume(not any(weak[5] and not strong[5] and weak[:2] < strong[:2] for weak, strong in product(stays, stays)))
    source = ""
    for number, (media, selector, (name, important)) in enumerate(sheet):
        rule = f"{selector}{{{name}:{number}px{' !important' if important else ''}}}"
        source += f"@media phone{{{rule}}}" if media else rule
    attributes = [f" style='{name}:{99 - at}px'" if one and (name := one[0]) else "" for at, one in enumerate(own)]
    body = "".join(f"{start}{style}>x</{start[1]}>" for start, style in zip(ELEMENTS, attributes, strict=True))
    page, kept = inlined(f"<html><head><style>{source}</style></head><body>{body}</body></html>", OURS)
    written = re.findall(r"<[pi](?: [^<>]*)?>", page[page.index("<body") :])
    for at, start in enumerate(ELEMENTS):
        style = re.search(r'style="([^"]*)"', written[at])
        for phone, pointed in product((False, True), (False, True)):
            before = winners(source, re.sub("^ style='|'$", "", attributes[at]), start, phone, pointed)
            after = winners(kept, style[1] if style else "", start, phone, pointed)
            assert after == before, (source, written[at], kept)


def winners(sheet: str, style: str, start: str, phone: bool, pointed: bool) -> dict[str, str]:
    """Property -> value, by the rules of the cascade and nothing else."""
    entries: list[Any] = []
    flat = [(one, False) for one in read(sheet) if not one.keyword]
    flat += [(inner, True) for one in read(sheet) if one.keyword for inner in read(one.block or "")]
    order = {id(one): number for number, one in enumerate(sorted(flat, key=lambda each: where(sheet, each[0].block)))}
    for pair in flat:
        one, in_media = pair
        for selector in selectors(one.prelude):
            if (in_media and not phone) or (":hover" in selector and not pointed):
                continue
            if is_meant(selector.replace(":hover", ""), start):
                place = order[id(pair)]
                entries += [
                    (said.important, specificity(selector), place, said) for said in declarations(one.block or "")
                ]
    entries += [(said.important, (9, 9, 9), 0, said) for said in declarations(style)]
    found: dict[str, str] = {}
    for *_rank, said in sorted(entries, key=lambda entry: entry[:3]):
        names = [f"margin-{side}" for side in ("left", "top", "right")] if said.name == "margin" else [said.name]
        found |= dict.fromkeys(names, said.value)
    return found


def where(sheet: str, block: str | None) -> int:
    return sheet.find(f"{{{block}}}")


def is_meant(selector: str, start: str) -> bool:
    names = re.findall(r"[.#]?[\w*]+", selector)
    worn = re.search(r"class='([^']*)'", start)
    classes = {f".{name}" for name in worn[1].split()} if worn else set()
    return all(name in {"*", start[1], *classes, *(["#c"] if "id=" in start else [])} for name in names)
