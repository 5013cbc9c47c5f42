"""What letters say by themselves, in every language that has words."""

import re
from datetime import datetime

import pytest

from samizdat.core.content.phrases import NEXT, PhraseTable, has_words, known, language_for, spoken
from samizdat.core.content.render import fill, render
from samizdat.core.dates import hour, moment, php_date, usual
from samizdat.core.languages import direction
from tests.core.test_render import NOW, content

HOLE = re.compile(r"%\(\w+\)s")
EVENT = datetime(2026, 11, 25, 19, 0)
BLOCKS = """{"type": "doc", "content": [
  {"type": "donation", "attrs": {"title": "T", "link": "https://a.example/"}},
  {"type": "event", "attrs": {"title": "E", "start": "2026-11-25T19:00", "end": "2026-11-25T20:30",
                              "link": "https://b.example/"}}]}"""


@pytest.mark.once
@pytest.mark.parametrize("language", known())
def test_a_language_says_all_words_with_the_same_holes(language: str) -> None:
    ours, theirs = spoken("en"), spoken(language)
    assert theirs.words.keys() == ours.words.keys()
    for name, text in theirs.words.items():
        assert sorted(HOLE.findall(text)) == sorted(HOLE.findall(ours.words[name])) and "%" not in HOLE.sub("", text)
        assert text == " ".join(text.split(" ")).strip() and "\n" not in text
    assert [len(theirs.months), len(theirs.short_months), len(theirs.days), len(theirs.short_days)] == [12, 12, 7, 7]
    assert len(set(theirs.months)) == 12 and len(set(theirs.days)) == 7 and len(theirs.digits) in (0, 10)
    year = "2026".translate(str.maketrans("0123456789", theirs.digits or "0123456789"))
    assert year in php_date(usual(language), EVENT, language)


@pytest.mark.once
@pytest.mark.parametrize(
    ("letter", "said"),
    [("ru", "ru"), ("PT_br", "en"), ("de-AT", "de"), ("ky", "ru"), ("prs", "fa"), ("ur", "en"), ("", "en")],
)
def test_words_are_those_of_the_language_of_its_base_or_of_what_its_readers_read_next(letter: str, said: str) -> None:
    assert language_for(letter) == said
    assert has_words(letter) == (said != "en")


@pytest.mark.once
def test_nobody_is_sent_on_to_a_language_without_words() -> None:
    assert set(NEXT.values()) <= set(known()) and not set(NEXT) & set(known())


@pytest.mark.once
def test_an_event_says_its_time_as_its_language_does() -> None:
    assert moment(EVENT, "uk") == "середа, 25 листопада 2026, 19:00"
    assert moment(EVENT, "es") == "miércoles, 25 de noviembre de 2026, 19:00"
    assert moment(EVENT, "fa") == "چهارشنبه ۲۵ نوامبر ۲۰۲۶، ساعت ۱۹:۰۰" and hour(EVENT, "fa") == "۱۹:۰۰"
    # In digits alone it may stand in an address.
    assert php_date("Y-m-d", EVENT, "fa") == "2026-11-25"


@pytest.mark.once
@pytest.mark.parametrize("language", ["ar", "he", "uk", "kk"])
def test_a_letter_says_its_own_words_in_its_language(language: str) -> None:
    made = render(content(BLOCKS, format="blocks", language=language, list_name="Reka"), now=NOW)
    page, text = fill(made.html, {}), fill(made.text, {})
    for name in ("block.warning", "block.give", "block.details", "frame.unread", "frame.leave", "frame.browser"):
        said = spoken(language).words[name]
        assert said in page.replace("&#x27;", "'") and said in text.replace("\n", " "), name
    assert "<span lang" not in page and "Unsubscribe" not in page + text


@pytest.mark.once
def test_words_of_another_language_stand_the_right_way_round() -> None:
    page = fill(render(content(BLOCKS, format="blocks", language="ur", list_name="Reka"), now=NOW).html, {})
    for name in ("block.warning", "block.details", "frame.leave"):
        assert f'<span lang="en" dir="ltr">{spoken("en").words[name]}</span>' in page
    assert f'<span lang="en" dir="ltr">{moment(EVENT, "en")}' in page
    kyrgyz = fill(render(content("x", language="ky"), now=NOW).html, {})
    assert '<span lang="ru" dir="ltr">Отписаться</span>' in kyrgyz


@pytest.mark.once
def test_what_an_organization_wrote_for_all_letters_runs_its_own_way() -> None:
    told = {"list_description": "You signed up at our stand.", "language": "fa"}
    assert '<span dir="ltr">You signed up at our stand.</span>' in fill(render(content("x", **told), now=NOW).html, {})
    same = fill(render(content("x", list_description="Вы подписались.", language="uk"), now=NOW).html, {})
    assert "<p>Вы подписались.</p>" in re.sub(r'<p style="[^"]*">', "<p>", same)


@pytest.mark.once
def test_words_of_the_house_go_before_ours() -> None:
    words = PhraseTable("uk", {"frame.less": "Писати рідше"})
    assert words["frame.less"] == "Писати рідше" and words["frame.leave"] == "Відписатися"
    assert direction("he") == "rtl" and words.html("frame.less") == "Писати рідше"
