"""The question of a letter: looking counts nothing, one press of the page's button counts one, and nobody is known."""

import re
from typing import Any

import pytest
from django.test import Client

from samizdat.core.crypto import tokens
from samizdat.public import clicks, form_tokens, poll_answers
from samizdat.publicdb import actions
from tests.public.conftest import KEY, UID
from tests.public.test_clicks import opened
from tests.public.test_pages import LIMIT

pytestmark = pytest.mark.django_db

CODE = tokens.make(KEY, "answer", 4, 1)


@pytest.fixture
def tally(lantern_place: bytes, monkeypatch: pytest.MonkeyPatch) -> clicks.ClickTally:
    said = {"question": "Продолжать по четвергам?", "answer": "Да <всегда>", "language": "ru"}
    actions.publish_targets(UID, {CODE: said}, tokens.target_key(KEY))
    found = clicks.ClickTally(later=lambda _seconds, _deed: None)
    monkeypatch.setattr(clicks, "tally", found)
    monkeypatch.setattr(poll_answers, "purses", form_tokens.RateBudgets())
    return found


def stamp_of(answer: Any) -> str:
    found = re.search(r'name="stamp" value="([a-z2-7]{39})"', answer.content.decode())
    assert found is not None
    return found[1]


def counted(tally: clicks.ClickTally) -> int:
    tally.flush()
    return sum(said["counts"].get(CODE, 0) for said in opened())


def test_looking_counts_nothing_and_the_button_counts_one(reader: Client, tally: clicks.ClickTally) -> None:
    for ask in (reader.head, reader.get):
        shown: Any = ask(f"/q/{CODE}")
        assert shown.status_code == 200 and len(shown.content) < LIMIT and not shown.cookies
    assert counted(tally) == 0
    text = shown.content.decode()
    assert (
        "Продолжать по четвергам?" in text
        and "Да &lt;всегда&gt;" in text
        and "We only count how many times each answer is given: not who gave it" in text
    )
    thanks: Any = reader.post(f"/q/{CODE}", {"stamp": stamp_of(shown)})
    assert thanks.status_code == 200 and not thanks.cookies and "Thank you" in thanks.content.decode()
    assert counted(tally) == 1


def test_a_press_needs_a_stamp_of_this_page_that_is_good_once(
    reader: Client, tally: clicks.ClickTally, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp = stamp_of(reader.get(f"/q/{CODE}"))
    reader.post(f"/q/{CODE}", {"stamp": stamp})
    for wrong in ({}, {"stamp": stamp}, {"stamp": "a" * 39}):
        again: Any = reader.post(f"/q/{CODE}", wrong)
        assert stamp_of(again) and "Thank you" not in again.content.decode()
    assert counted(tally) == 1
    # A purse for each question keeps a program from stuffing, whoever it says that it is.
    monkeypatch.setattr(poll_answers, "ANSWERS", (0.0, 1.0))
    monkeypatch.setattr(poll_answers, "purses", form_tokens.RateBudgets())
    full = [reader.post(f"/q/{CODE}", {"stamp": stamp_of(reader.get(f"/q/{CODE}"))}).status_code for _ in range(3)]
    assert full == [200, 503, 503] and counted(tally) == 2


@pytest.mark.usefixtures("tally")
def test_a_link_is_no_answer_and_an_answer_no_link(reader: Client) -> None:
    assert reader.get(f"/l/{CODE}").status_code == 404
    actions.publish_targets(
        UID, {tokens.make(KEY, "click", 4, 0): {"to": "https://paper.example/"}}, tokens.target_key(KEY)
    )
    assert reader.get(f"/q/{tokens.make(KEY, 'click', 4, 0)}").status_code == 404
    trial: Any = reader.get("/q/")
    assert "test email" in trial.content.decode()
