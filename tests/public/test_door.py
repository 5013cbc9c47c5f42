"""How much is let in: one box for each thing that a link says, purses by link, and an hour's mails of sign-ups."""

import base64
from typing import Any

import pytest
from django.test import Client

from samizdat.core.crypto import tokens
from samizdat.public import door
from samizdat.publicdb.models import Intake
from tests.public.conftest import KEY, sign_up
from tests.public.test_pages import FORM, ONE_CLICK, opened, token

pytestmark = pytest.mark.django_db


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    from samizdat.public import form_tokens

    found = Clock()
    monkeypatch.setattr(door, "purses", form_tokens.RateBudgets(found))
    monkeypatch.setattr(door, "memory", door.RateMemory(found))
    return found


def kinds() -> list[str]:
    return [str(said["kind"]) for said in opened()]


def test_a_link_that_is_pressed_again_and_again_leaves_one_box(lantern_place: bytes, reader: Client) -> None:
    for _ in range(10):
        assert reader.post(f"/u/{token()}", ONE_CLICK, FORM).status_code == 200
    assert kinds() == ["leave"]
    (row,) = Intake.objects.all()
    assert row.kind == "leave" and len(bytes(row.mark)) == 16


def test_once_it_was_taken_up_the_same_press_is_a_new_one(lantern_place: bytes, reader: Client) -> None:
    reader.post(f"/u/{token()}")
    Intake.objects.all().delete()
    reader.post(f"/u/{token()}")
    assert kinds() == ["leave"]


def test_who_leaves_comes_back_and_leaves_has_left(lantern_place: bytes, reader: Client) -> None:
    for path in ("", "/back", "", ""):
        reader.post(f"/u/{token()}{path}")
    assert kinds() == ["leave", "back", "leave"]


def test_settings_that_were_changed_twice_are_both_taken_and_the_same_ones_once(
    lantern_place: bytes, reader: Client
) -> None:
    for often in ("monthly", "digest", "digest", "monthly"):
        answer = reader.post(f"/p/{token('preferences')}", {"do": "save", "often": often})
        assert answer.status_code == 200
    assert [said["often"] for said in opened()] == ["monthly", "digest", "monthly"]


def test_who_asks_twice_to_see_the_settings_is_led_to_what_the_first_press_asked_for(
    lantern_place: bytes, reader: Client
) -> None:
    first, second = (reader.post(f"/p/{token('preferences')}", {"do": "show"}) for _ in range(2))
    assert first["Location"] == second["Location"]
    assert opened()[0]["secret"] in first["Location"] and len(kinds()) == 1
    Intake.objects.all().delete()
    assert reader.post(f"/p/{token('preferences')}", {"do": "show"})["Location"] != first["Location"]


@pytest.mark.parametrize("do", ["save", "show", "data", "erase", "move"])
def test_a_program_with_one_link_empties_its_own_purse_and_nobody_elses(
    lantern_place: bytes, reader: Client, clock: Clock, do: str
) -> None:
    words = {"do": do, "often": "all", "email": "new@example.org"}
    answers = [reader.post(f"/p/{token('preferences')}", words).status_code for _ in range(30)]
    assert 503 in answers and 503 not in answers[:5]
    full = reader.post(f"/p/{token('preferences')}", words)
    assert full["Retry-After"] == "60" and "Try again in a minute" in full.content.decode()
    other = tokens.make(KEY, "preferences", 4, 8)
    assert reader.post(f"/p/{other}", words).status_code in (200, 303)
    assert reader.post(f"/u/{token()}", ONE_CLICK, FORM).status_code == 200
    clock.now += 61
    assert reader.post(f"/p/{token('preferences')}", words).status_code in (200, 303)


@pytest.mark.parametrize("path", ["", "/back"])
def test_leaving_and_coming_back_have_purses_too(lantern_place: bytes, reader: Client, clock: Clock, path: str) -> None:
    answers = [reader.post(f"/u/{token()}{path}").status_code for _ in range(int(door.ONE[1]) + 1)]
    assert answers[-2:] == [200, 503]
    assert reader.post(f"/u/{tokens.make(KEY, 'leave', 4, 8)}{path}").status_code == 200


def test_a_link_to_confirm_with_made_up_ends_is_one_link(lantern_place: bytes, reader: Client, clock: Clock) -> None:
    """The proof at its end is the house's to read: anybody who signed up once could make any number of them."""
    mailed = base64.b32decode(f"{token('confirm', 3)}====".upper())
    ends = (number.to_bytes(12) for number in range(40))
    made_up = [base64.b32encode(mailed[:-12] + end).decode().rstrip("=").lower() for end in ends]
    answers = [reader.post(f"/c/{one}").status_code for one in made_up]
    assert answers.count(200) == int(door.ONE[1]) and answers[-1] == 503


def test_no_more_sign_ups_wait_than_an_organization_mails_in_an_hour(
    lantern_place: bytes, reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMIZDAT_CONFIRMATIONS", "3")
    answers: list[Any] = [sign_up(reader, {"email": f"reader{number}@example.org"}) for number in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 503]
    assert "Nothing was stored" in answers[-1].content.decode()
    Intake.objects.first().delete()  # type: ignore[union-attr]
    assert sign_up(reader, {"email": "ada@example.org"}).status_code == 200
    assert kinds() == ["signup"] * 3
