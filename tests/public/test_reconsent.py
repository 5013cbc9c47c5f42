"""The page of a letter that asks again: looking says nothing, one press says yes."""

from typing import Any

import pytest
from django.test import Client

from samizdat.core.crypto import tokens
from samizdat.publicdb.models import Intake
from tests.public.conftest import NEW_KEY, OLD_KEY
from tests.public.test_pages import LIMIT, opened, token

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("lantern_place")
def test_looking_at_the_link_says_nothing_and_one_press_is_the_answer(reader: Client) -> None:
    for ask in (reader.get, reader.head):
        seen: Any = ask(f"/y/{token('stay')}")
        assert seen.status_code == 200 and len(seen.content) < LIMIT
    assert not Intake.objects.exists()
    shown = reader.get(f"/y/{token('stay')}").content.decode()
    assert "Yes, I want to keep getting “the Thursday Letter”." in shown
    answer = reader.post(f"/y/{token('stay')}")
    assert answer.status_code == 200 and not answer.cookies
    [said] = opened()
    assert (said["kind"], said["token"], said["purpose"]) == ("stay", token("stay"), "stay")


@pytest.mark.usefixtures("lantern_place")
def test_a_link_from_before_a_move_takes_an_answer_as_long_as_it_is_believed(reader: Client) -> None:
    answers = [reader.post(f"/y/{tokens.make(key, 'stay', 4, 9)}").status_code for key in (NEW_KEY, OLD_KEY)]
    assert answers == [200, 404] and len(opened()) == 1


@pytest.mark.usefixtures("lantern_place")
def test_a_test_letter_shows_the_page_and_a_made_up_token_none(reader: Client) -> None:
    assert "test email" in reader.post(f"/y/{token('test', 0, 0)}").content.decode()
    unknown = token("stay", 77)
    for wrong in ("a" * 52, token("stay")[:-1], unknown, token(), token("confirm"), token("return")):
        assert reader.post(f"/y/{wrong}").status_code == 404
    assert not Intake.objects.exists()
