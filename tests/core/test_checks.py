"""The pure checks: what they find, what they leave alone, and where it was written."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samizdat.core.content.checks import (
    Readability,
    TextPositions,
    contrast,
    dates,
    donation,
    links,
    look,
    width,
    words,
)
from samizdat.core.content.checks.first_words import PLACEHOLDERS
from samizdat.core.content.phrases import PhraseTable
from samizdat.core.content.render import Content, fill, render

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)  # A Wednesday.


def reading(text: str = "", html: str = "", **changes: Any) -> Readability:
    where = changes.pop("where", TextPositions(text or html, "markdown"))
    return Readability(subject=changes.pop("subject", "News"), html=html, text=text, links=changes.pop("links", ()),
                   where=where, now=NOW, **changes)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Come on Thursday, 26 November.", None),
        ("Come on Friday, 26 November.", "date_weekday"),
        ("Come on Fri 26 Nov 2026!", "date_weekday"),
        ("Sunday the 29th of November", None),
        ("November 26, 2026 (Friday)", "date_weekday"),
        ("We meet on 27.11.2026, Friday", None),
        ("Встреча в четверг, 26 ноября", None),
        ("Встреча в пятницу 26 ноября", "date_weekday"),
        ("26 ноября (пт)", "date_weekday"),
        ("26 ноября 2026 года, в четверг", None),
        ("Ждём 27.11.2026 (сб)", "date_weekday"),
        ("on 31 November", "date_none"),
        ("30 февраля", "date_none"),
        ("29 February", None),
        ("Monday, 4 January", None),  # Of next year: the nearest one.
        ("until 5 December 2025", "date_year"),
        ("born on 5 December 1975", None),
        ("on 12 March 2025 the court said", None),
        ("on 5 December 2062", "date_far"),
        ("© 2025 Northern Lantern", "year_old"),
        ("© 2019–2025", None),
        ("© 2026", None),
        ("may 12 people come, mar 3 of them", None),
        ("Room 26, Nov. edition 7.11.3", None),
        ("sat in 12 May rallies", None),
    ],
)
def test_days_that_cannot_be_right_are_found(text: str, found: str | None) -> None:
    assert [flaw.code for flaw in dates.look(reading(text))] == ([found] if found else [])


def test_a_wrong_weekday_is_told_in_the_language_it_was_written_in() -> None:
    where = TextPositions("Первая строка\n\nЖдём в **субботу**, 26 ноября!", "markdown")
    (flaw,) = dates.look(reading("Первая строка\n\nЖдём в субботу, 26 ноября!", where=where))
    assert flaw.line == 3
    assert flaw.values == {"date": "субботу, 26 ноября", "day": "четверг", "whole": "26 ноября 2026"}
    (flaw,) = dates.look(reading("", subject="Friday, 26 November: the river"))
    assert (flaw.place, flaw.values["day"]) == ("subject", "Thursday")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://lantern.us1.list-manage.com/track/click?u=1", "link_counter"),
        ("https://bit.ly/3x", "link_short"),
        ("https://www.google.com/url?q=https%3A%2F%2Fa.example", "link_short"),
        ("https://paper.example/a?fbclid=IwAR0&b=1", "link_person"),
        ("https://paper.example/a?mc_eid=1", "link_person"),
        ("https://paper.example/a?utm_source=letter&utm_medium=mail", "link_letter"),
        ("https://www.meduza.io/a", "link_blocked"),
        ("https://paper.example/utm_source", None),
        ("https://www.lantern.example/a?utm_source=x", None),
        ("https://[broken/", None),
    ],
)
def test_links_that_tell_on_readers_or_do_not_open_are_found(url: str, code: str | None) -> None:
    blocked = frozenset(links.BLOCKED["ru"])
    look_at = reading(f"one\n[x]({url})", links=(url,), blocked=blocked, own=frozenset({"lantern.example"}))
    found = list(links.look(look_at))
    assert [(flaw.code, flaw.line) for flaw in found] == ([(code, 2)] if code else [])


def test_a_pasted_list_of_hosts_is_read() -> None:
    assert links.clean_hosts("https://www.Meduza.io/news, svoboda.org\nслово.рф what?!") == (
        ["meduza.io", "svoboda.org", "xn--b1arjbl.xn--p1ai"], ["what?!"],
    )  # fmt: skip


GIVE = "https://boosty.to/lantern"


@pytest.mark.parametrize(
    ("text", "url", "hostile_state", "found"),
    [
        ("Help us.", GIVE, "ru", ("donation_unwarned", "stop")),
        ("Help us.", GIVE, "", ("donation_no_word", "care")),
        ("Help us. Do not give from a Russian bank card.", GIVE, "ru", None),
        ("Помогите. Если вы в России, не переводите деньги с российской карты!", GIVE, "ru", None),
        ("Help. Our lawyers say: look out.", "https://a.example/donate", "ru", None),
        ("Read us.", "https://a.example/read", "ru", None),
    ],
)
def test_a_letter_that_asks_for_money_warns_whom_a_gift_can_harm(
    text: str, url: str, hostile_state: str, found: tuple[str, str] | None
) -> None:
    asked = reading(text, links=(url,), hostile_state=hostile_state, warnings=("our lawyers  say:\nlook out.",))
    assert [(flaw.code, flaw.severity) for flaw in donation.look(asked)] == ([found] if found else [])
    block = [flaw.code for flaw in donation.look(replace(asked, links=(), donation=True))]
    assert block == (
        [] if found is None and "Read" not in text else ["donation_unwarned" if hostile_state else "donation_no_word"]
    )


def test_a_letter_that_asks_those_for_money_who_did_not_agree_to_that_is_worth_a_look() -> None:
    asked = reading(
        "Help us. Do not give from a Russian bank card.", links=(GIVE,), hostile_state="ru", to_unasked=True
    )
    assert [(flaw.code, flaw.severity) for flaw in donation.look(asked)] == [("donation_to_all", "care")]
    assert not [*donation.look(replace(asked, links=()))]


def test_an_appeal_without_a_warning_is_told_the_words_in_its_language() -> None:
    (flaw,) = donation.look(reading("Допоможіть нам.", links=(GIVE,), hostile_state="ru", language="uk"))
    words = PhraseTable("uk")["block.warning"]
    assert words in flaw.sentence
    assert not [*donation.look(reading(f"Допоможіть. {words}", links=(GIVE,), hostile_state="ru", warnings=(words,)))]


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<p style="color:#777">pale</p>', [("pale", "4.5")]),
        ('<p style="color:#767676">enough</p>', []),
        ('<p style="font-size:24px;color:#949494">large</p>', []),
        ('<td bgcolor="#000000"><font color="navy">dark</font></td>', [("dark", "1.3")]),
        ('<div style="background:url(x.png)"><p style="color:#fff">on a picture</p></div>', []),
        ('<div style="background-color:#1b1f3b"><a href="x">a link</a></div>', [("a link", "1.7")]),
        ('<div style="display:none;color:#fff">hidden</div><p>after</p>', []),
        ('<p style="color:rgb(255, 255, 255)">white</p>', [("white", "1.0")]),
        (
            '<td style="font-size:0px"><p style="font-size:17px;color:#fff">as in our frame</p>',
            [("as in our frame", "1.0")],
        ),
        ('<td style="font-size:0px;color:#fff">of no size<p style="font-size:0">nor this</p>', []),
    ],
)
def test_pale_text_is_found(html: str, found: list[tuple[str, str]]) -> None:
    flaws = contrast.look(reading(html=html))
    assert [(flaw.values["text"], flaw.values["ratio"]) for flaw in flaws] == found


def test_what_was_pasted_without_its_ends_is_gone_through_once() -> None:
    torn = "<b>" * 20_000 + "</i>" * 20_000 + '<p style="color:#fff">white</p>'  # Thirty seconds, were it each time.
    [flaw] = contrast.look(reading(html=torn))
    assert flaw.values["text"] == "white"


def test_what_a_letter_to_begin_with_asks_its_writer_for_is_found_in_every_one_of_them() -> None:
    folder = files("samizdat.core").joinpath("templates/starters")
    written = {one.name: one.read_text(encoding="utf-8") for one in folder.iterdir() if one.name.endswith(".json")}
    for name, body in written.items():
        found = [flaw for flaw in words.look(reading(where=TextPositions(body, "blocks"))) if flaw.place == "block"]
        assert len(found) >= 3, name
    assert [one for one in PLACEHOLDERS if not any(one in " ".join(body.split()) for body in written.values())] == []


def test_trials_and_what_was_left_over_are_found() -> None:
    found = words.look(reading("Lorem ipsum dolor\n\nthe latest contest [link]", subject="Тест: письмо"))
    assert [(flaw.code, flaw.place, flaw.line) for flaw in found] == [
        ("subject_trial", "subject", 1), ("left_over", "body", 1), ("left_over", "body", 3),
    ]  # fmt: skip
    assert not [*words.look(reading("A protest against the latest tests", subject="Протест и контекст"))]


def test_our_own_letters_have_nothing_to_find() -> None:
    for language in ("en", "ru"):
        content = Content(subject="The river", body="# Hello\n\nSome **text**, [a page](https://a.example).",
                          from_name="L", from_address="a@l.example", language=language, website="https://l.example",
                          list_name="News", organization="Lantern", postal_address="Quay 1")  # fmt: skip
        letter = render(content, now=NOW)
        values = {"UNSUB_URL": "https://l.example/u/1"}
        seen = reading(fill(letter.text, values), fill(letter.html, values), links=letter.links)
        assert look(seen) == ()


def test_a_place_in_a_letter_of_blocks_is_the_number_of_its_block() -> None:
    body = {"type": "doc", "content": [
        {"type": "paragraph", "content": [{"type": "text", "text": "one"}]},
        {"type": "columns", "content": [{"type": "column", "content": [{"type": "paragraph", "content": [
            {"type": "text", "text": "Friday, "},
            {"type": "text", "text": "26 November", "marks": [{"type": "bold"}]}]}]}]},
        {"type": "button", "attrs": {"text": "Go", "link": "https://bit.ly/x"}},
    ]}  # fmt: skip
    where = TextPositions(json.dumps(body), "blocks")
    text = "one\n\nFriday, 26 November\n\nGo <https://bit.ly/x>"
    found = look(reading(text, links=("https://bit.ly/x",), where=where))
    assert [(flaw.code, flaw.place, flaw.line) for flaw in found] == [
        ("date_weekday", "block", 2), ("link_short", "block", 3),
    ]  # fmt: skip
    assert TextPositions("{not json", "blocks").place_of("x") == ("letter", 0)


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=300), st.text(max_size=300), st.lists(st.text(max_size=60), max_size=3))
def test_no_letter_breaks_a_check(text: str, html: str, urls: list[str]) -> None:
    look(reading(text, html, links=tuple(urls), where=TextPositions(html, "blocks")))


RULE = "<style>@media only screen and (max-width: 480px) { table[class=w], .img { width: 100% !important } }</style>"


@pytest.mark.parametrize(
    ("page", "pixels"),
    [
        ('<table width="600"><tr><td>x</td></tr></table>', 600),
        ('<div style="width:640px"><img width="700" src="x"></div>', 700),
        ('<table width="100%" style="max-width:600px"><tr><td width="600"><img style="max-width:100%" width="600">', 0),
        (f'{RULE}<table class="w" width="600"><tr><td><img class="img" width="600"></td></tr></table>', 0),
        (f'{RULE}<table class="v" width="600"><tr><td>x</td></tr></table>', 600),
        ('<!--[if mso]><table width="600"><![endif]--><div style="max-width:600px">x</div>', 0),
        ('<table width="320"><tr><td>x</td></tr></table>', 0),
        ("<!--" * 60_000, 0),
    ],
)
def test_a_letter_that_is_as_wide_on_every_screen_is_told_from_one_that_adapts(page: str, pixels: int) -> None:
    assert width.fixed_width(page) == pixels
    assert [flaw.severity for flaw in width.look(reading(html=page))] == ["note"] * bool(pixels)
