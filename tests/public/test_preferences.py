"""The preference centre as readers and programs see it (T10, T12, T15)."""

import json
import os
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from samizdat.audience.actions.forms import dated
from samizdat.core.crypto import tokens
from samizdat.public import style
from samizdat.publicdb import actions
from samizdat.publicdb.models import Intake
from tests.public.conftest import KEY, OLD_KEY, OTHER_KEY, OTHER_UID, UID, publish
from tests.public.test_pages import FORM, LIMIT, everything, opened, token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lantern_place")]

WHOLE = {"do": "save", "often": "all", "language": "en"}
SHEET = {"list": 3, "status": "subscribed", "often": "monthly", "until": "", "language": "ru", "wishes": "t"}


def preferences(number: int = 9) -> str:
    return f"/p/{token('preferences', 4, number)}"


def lay_out(secret: str, **words: Any) -> None:
    now = datetime.now(UTC)
    actions.lay_out(UID, secret, json.dumps(words), hours=1, now=now, nonce=os.urandom(12))


def shown(reader: Client, **words: Any) -> Any:
    """The page of settings, as it is after the press that asks for it."""
    where = reader.post(preferences(), {"do": "show"})["Location"]
    lay_out(token("preferences") + where.partition("s=")[2], **(SHEET | {"topics": []} | words))
    return reader.get(where)


def test_no_get_or_head_asks_for_anything(reader: Client) -> None:
    mailed = tokens.make(KEY, "erase", 1, 9)
    actions.set_token_state(mailed, "asked-erase")
    before = everything()
    for path in (preferences(), f"{preferences()}?s={'a' * 26}", f"{preferences()}?do=show", f"/e/{mailed}"):
        assert reader.get(path).status_code == 200
        assert reader.head(path).status_code == 200
    assert everything() == before


def test_the_settings_are_shown_after_one_press_to_who_pressed(reader: Client) -> None:
    page = reader.get(preferences()).content.decode()
    assert "Manage preferences" in page and 'name="often"' not in page
    asked = reader.post(preferences(), {"do": "show"})
    assert asked.status_code == 303
    (said,) = opened()
    assert (said["kind"], said["token"], len(said["secret"])) == ("show", token("preferences"), 26)
    waits = reader.get(asked["Location"])
    assert "Loading your preferences" in waits.content.decode() and waits["Refresh"].startswith("2; url=/p/")
    lay_out(token("preferences") + said["secret"], **SHEET, topics=[[5, "Books", True]])
    page = reader.get(asked["Location"]).content.decode()
    assert re.search(r'value="monthly" id="f2" checked', page)
    assert re.search(r'name="topic" value="5" id="t1"\s+checked', page)
    assert re.search(r'value="ru" lang="ru" selected', page)
    assert "Loading your preferences" in reader.get(f"{preferences(8)}?s={said['secret']}").content.decode(), (
        "another's token"
    )


def test_the_pages_speak_as_the_link_asks_or_as_the_reader_chose(reader: Client) -> None:
    asked = reader.post(f"{preferences()}?ru", {"do": "show"})
    assert 'lang="ru"' in reader.get(asked["Location"]).content.decode()
    assert re.search(r"&(amp;)?n=1&(amp;)?ru", reader.get(asked["Location"]).content.decode())
    page = shown(reader, language="ru").content.decode()
    assert '<html lang="ru"' in page and f'action="{preferences()}?ru"' in page
    assert '<html lang="ru"' in reader.post(preferences(), WHOLE | {"language": "ru"}).content.decode()
    assert '<html lang="en"' in reader.post(f"{preferences()}?en", WHOLE | {"language": "ru"}).content.decode()
    mailed = tokens.make(KEY, "erase", 1, 9)
    actions.set_token_state(mailed, "asked-erase")
    page = reader.get(f"/e/{mailed}?ru").content.decode()
    assert '<html lang="ru"' in page and f'action="/e/{mailed}?ru"' in page


def test_a_digest_is_offered_where_the_list_makes_one(reader: Client) -> None:
    assert 'value="digest"' not in shown(reader).content.decode()
    page = shown(reader, gathers=True, often="digest").content.decode()
    assert 'value="digest" id="f4" checked' in page
    opened()
    saved = reader.post(preferences(), WHOLE | {"often": "digest"}).content.decode()
    assert (
        "Until the next digest is made, emails still arrive one by one, so that you miss none and get none twice"
        in saved
    )
    assert opened()[-1]["often"] == "digest"


def test_a_box_for_appeals_stands_as_it_is_and_only_what_the_reader_touched_is_sent(reader: Client) -> None:
    assert "asks" not in shown(reader).content.decode() and "asks" not in shown(reader, appeals=None).content.decode()
    for on, checked in ((True, " checked"), (False, "")):
        page = shown(reader, appeals={"on": on, "words": "Ask <me>."}).content.decode()
        assert re.search(rf'name="asks" value="1" id="m"{checked}>\s*<label for="m">\s*Ask &lt;me&gt;\.', page)
        assert f'name="asking" value="{"yes" if on else "no"}"' in page
    said = {
        "untouched": "",
        "kept": "",
        "ticked": "We’re sending an email to the address that gets our emails",
        "taken back": "You won’t get fundraising appeals anymore",
    }
    posted: list[dict[str, str]] = [
        *({"asking": "no"}, {"asking": "yes", "asks": "1"}),
        *({"asking": "no", "asks": "1"}, {"asking": "yes"}),
    ]
    before = len(opened())
    for words, sentence in zip(posted, said.values(), strict=True):
        page = reader.post(preferences(), WHOLE | words).content.decode()
        assert sentence in page and ("appeals" in page.lower()) == bool(sentence)
    sent = opened()[before:]
    # The first three say the same of their settings, so that waits once.
    assert [(one["kind"], one.get("appeals", one.get("what"))) for one in sent] == [
        *(("prefer", ""), ("ask", "asks"), ("prefer", "no")),
    ]
    assert reader.post(preferences(), WHOLE | {"asking": ["yes", "no"]}).status_code == 422


def test_a_language_that_the_house_does_not_take_stays_unless_the_reader_chooses_another(reader: Client) -> None:
    page = shown(reader, language="es-419").content.decode()
    assert re.search(r'<option value=""[^>]* selected>Español \(es-419\)<', page)
    opened()
    assert "Saved" in reader.post(preferences(), WHOLE | {"language": ""}).content.decode()
    assert opened()[-1]["language"] == ""


def test_the_reader_chooses_among_the_languages_that_letters_are_said_in(reader: Client) -> None:
    page = shown(reader, language="uk").content.decode()
    assert re.search(r'<option value="uk" lang="uk" selected>Українська<', page) and page.count(" selected>") == 2
    for code, name in (("ka", "ქართული"), ("fa", "فارسی"), ("kk", "Қазақша"), ("de", "Deutsch")):
        assert f'<option value="{code}" lang="{code}">{name}</option>' in page
    assert re.search(r'<option value="sw"[^>]* selected>Kiswahili<', shown(reader, language="sw").content.decode())
    opened()
    reader.post(preferences(), WHOLE | {"language": "ka"})
    assert opened()[-1]["language"] == "ka"


def test_a_page_that_waits_gives_up_with_a_sentence(reader: Client) -> None:
    page = reader.get(f"{preferences()}?s={'a' * 26}&n=15")
    assert "Refresh" not in page and "We couldn’t load your preferences right now" in page.content.decode()


def test_what_the_reader_chose_is_sealed_and_said_back(reader: Client) -> None:
    day = (datetime.now(UTC) + timedelta(days=40)).date().isoformat()
    words = {
        "do": "save",
        "often": "pause",
        "until": day,
        "language": "ru",
        "discreet": "1",
        "topic": ["5", "7"],
        "topics": "5,6,7,",
    }
    page = reader.post(preferences(), words).content.decode()
    assert "You won’t get" in page and "reveal nothing" in page
    (said,) = opened()
    assert {name: said[name] for name in ("kind", "often", "until", "wishes", "topics", "offered", "language")} == {
        "kind": "prefer",
        "often": "pause",
        "until": day,
        "wishes": "d",
        "topics": [5, 7],
        "offered": [5, 6, 7],
        "language": "ru",
    }


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"do": "everything"},
        {"do": "save"},
        {"do": "save", "often": "never"},
        {"do": "save", "often": "pause"},
        {"do": "save", "often": "pause", "until": "tomorrow"},
        {"do": "save", "often": "pause", "until": "2020-01-01"},
        {"do": "save", "often": "pause", "until": "9999-12-31"},
        {"do": "save", "often": ["all", "weekly"]},
        WHOLE | {"often": ["monthly", "all"]},
        {"do": ["erase", "data"]},
        WHOLE | {"language": "zz<"},
    ],
)
def test_half_a_form_changes_nothing_and_says_so(reader: Client, words: dict[str, Any]) -> None:
    answer = reader.post(preferences(), words)
    assert answer.status_code == 422 and "nothing was changed" in answer.content.decode()
    assert not Intake.objects.exists()


def test_fields_too_many_or_enormous_are_cut_or_passed_over(reader: Client) -> None:
    reader.post(preferences(), WHOLE | {"language": "x" * 9000, "topic": ["9" * 400, "1"] * 200, "admin": "1"})
    reader.post(preferences(), WHOLE | {f"f{n}": "1" for n in range(500)})
    for said in opened():
        assert said["kind"] == "prefer"
        assert len(said.get("language", "")) <= 8 and "admin" not in said
        assert max(said.get("topics", ()), default=0) < 10


@pytest.mark.parametrize("do", ["data", "erase"])
def test_a_readers_data_and_its_end_go_by_their_mailbox(reader: Client, do: str) -> None:
    page = reader.post(preferences(), {"do": do}).content.decode()
    assert "Check your inbox" in page
    assert (opened()[0]["kind"], opened()[0]["what"]) == ("ask", do)


def test_another_mailbox_is_an_address_or_a_sentence(reader: Client) -> None:
    wrong = reader.post(preferences(), {"do": "move", "email": "ada@"})
    assert wrong.status_code == 422 and "This isn’t a valid email address" in wrong.content.decode()
    twice = reader.post(preferences(), {"do": "move", "email": ["ada@new.example", "eve@new.example"]})
    assert twice.status_code == 422 and "This isn’t a valid email address" in twice.content.decode()
    reader.post(preferences(), {"do": "move", "email": "Ada@New.example"})
    assert [(said["kind"], said["address"]) for said in opened()] == [("move", "Ada@new.example")]


def test_the_link_of_a_test_letter_shows_all_pages_and_changes_nothing(reader: Client) -> None:
    path = f"/p/{token('test')}"
    assert 'name="often"' in reader.get(path).content.decode()
    for words in (WHOLE, {"do": "show"}, {"do": "data"}, {"do": "erase"}, {"do": "move", "email": "a@b.example"}):
        assert reader.post(path, words).status_code in (200, 303)
    assert not Intake.objects.exists()


@pytest.mark.parametrize(
    "bad",
    ["x", "a" * 52, token("preferences")[:-1], token("preferences")[:-2] + "aa", token("confirm"), token("return")],
)
def test_a_token_that_is_cut_or_altered_or_for_something_else_is_one_sentence(reader: Client, bad: str) -> None:
    for answer in (reader.get(f"/p/{bad}"), reader.post(f"/p/{bad}", WHOLE)):
        assert answer.status_code == 404 and "Copy the whole link" in answer.content.decode()
    assert not Intake.objects.exists()


def test_another_groups_token_never_works_on_this_groups_host(reader: Client) -> None:
    publish(host="lantern.example")
    publish(OTHER_UID, host="harbour.example", name="Harbour")
    foreign = tokens.make(OTHER_KEY, "preferences", 4, 9)
    assert reader.post(f"/p/{foreign}", WHOLE, headers={"host": "lantern.example"}).status_code == 404
    assert reader.get(preferences(), headers={"host": "harbour.example"}).status_code == 404
    assert not Intake.objects.exists()


def test_who_knows_no_token_changes_nothing_from_another_site(reader: Client) -> None:
    """No cookie stands for anybody, so there is nothing that another site's form could borrow."""
    answer = reader.post("/p/", WHOLE, headers={"origin": "https://evil.example"})
    assert answer.status_code == 404 and not Intake.objects.exists()


class TestMailedLinks:
    def test_what_the_house_did_not_mail_is_not_here(self, reader: Client) -> None:
        for kind, purpose in (("e", "erase"), ("n", "move"), ("d", "data")):
            for answer in (
                reader.get(f"/{kind}/{tokens.make(KEY, purpose, 1, 9)}"),
                reader.post(f"/{kind}/{'a' * 52}"),
            ):
                assert answer.status_code == 404
        assert not Intake.objects.exists()

    @pytest.mark.parametrize(("kind", "purpose"), [("e", "erase"), ("n", "move")])
    def test_one_press_sends_it_to_the_house(self, reader: Client, kind: str, purpose: str) -> None:
        mailed = tokens.make(KEY, purpose, 1, 9)
        actions.set_token_state(mailed, f"asked-{purpose}")
        assert "<button" in reader.get(f"/{kind}/{mailed}").content.decode()
        assert "<button" not in reader.post(f"/{kind}/{mailed}").content.decode()
        assert (opened()[0]["kind"], opened()[0]["purpose"], opened()[0]["token"]) == ("proven", purpose, mailed)

    def test_a_link_that_asks_about_appeals_is_over_after_its_week_as_those_of_sign_ups_are(
        self, reader: Client
    ) -> None:
        today = timezone.now().date()
        links = [tokens.make(KEY, "asks", dated(3, today - timedelta(days=ago)), 9) for ago in (8, 9)]
        for mailed in links:
            actions.set_token_state(mailed, "pending-asks")
        assert [reader.get(f"/g/{mailed}").status_code for mailed in links] == [200, 404]
        assert [reader.post(f"/g/{mailed}").status_code for mailed in links] == [200, 404]
        assert [said["token"] for said in opened()] == links[:1]

    def test_a_link_for_one_thing_is_none_for_another(self, reader: Client) -> None:
        mailed = tokens.make(KEY, "data", 1, 9)
        actions.set_token_state(mailed, "asked-data")
        lay_out(mailed)
        assert {reader.post(f"/{kind}/{mailed}").status_code for kind in "eno"} == {404}
        assert {reader.get(f"/{kind}/{mailed}").status_code for kind in "eno"} == {404}
        assert not Intake.objects.exists()

    def test_a_readers_data_is_one_file_for_who_has_the_mail(self, reader: Client) -> None:
        mailed = tokens.make(KEY, "data", 1, 9)
        actions.set_token_state(mailed, "asked-data")
        lay_out(mailed, address="ada@example.org")
        page = reader.get(f"/d/{mailed}").content.decode()
        assert "Download file" in page and "ada@" not in page
        answer = reader.post(f"/d/{mailed}", "x=1", FORM)
        assert answer["Content-Type"].startswith("application/json")
        assert json.loads(answer.content) == {"address": "ada@example.org"}
        assert "attachment" in answer["Content-Disposition"] and answer["Cache-Control"] == "no-store"
        assert not Intake.objects.exists(), "that they fetched it is kept nowhere"


def test_every_page_is_small_and_asks_nobody_else_for_anything(reader: Client) -> None:
    publish(name="С" * 200, mailbox=f"{'leave' * 12}@{'long.' * 37}example")
    actions.publish_letter(UID, 4, list_name="П" * 200, language="en")
    for number in range(10):
        actions.publish_form(UID, f"{number:040}", list=50 + number, name="Ж" * 200, purpose="", language="en")
    mailed = tokens.make(KEY, "erase", 1, 9)
    actions.set_token_state(mailed, "asked-erase")
    pages = {
        "closed": reader.get(preferences()),
        "settings": shown(reader, topics=[[2**62 + n, "Ы" * 200, True] for n in range(40)], language="sr-latn"),
        "in Russian": shown(reader, topics=[[2**62 + n, "Ы" * 200, True] for n in range(40)], language="ru"),
        "asked": shown(
            reader,
            topics=[[2**62 + n, "Ы" * 200, True] for n in range(40)],
            language="ru",
            appeals={"on": True, "words": "Э" * 400},
        ),
        "left": shown(reader, status="unsubscribed", until="2027-01-01"),
        "gone": shown(reader, gone=True),
        "saved": reader.post(preferences(), WHOLE | {"text": "1", "discreet": "1"}),
        "moved": reader.post(preferences(), {"do": "move", "email": "x" * 900}),
        "mailed": reader.post(preferences(), {"do": "erase"}),
        "erase": reader.get(f"/e/{mailed}"),
    }
    sheet = len(style.sheet("#b3261e").encode())
    for name, page in pages.items():
        text = page.content.decode()
        assert len(page.content) + sheet <= LIMIT, name
        assert not re.search(r"<script|<style|style=|<img|\bon\w+=|https?://|samizdat", text, re.IGNORECASE), name
        assert text.count("<h1") == 1 and not page.cookies


def test_a_link_from_before_a_move_offers_leaving_and_mails_about_their_data_alone(reader: Client) -> None:
    link = tokens.make(OLD_KEY, "preferences", 4, 9)
    for seen in (reader.get(f"/p/{link}"), reader.post(f"/p/{link}", {"do": "show"})):
        text = seen.content.decode()
        assert "use the link in a newer email" in text and "Manage preferences" not in text
        assert "Unsubscribe" in text and "Get a copy of my data" in text
    assert "Resubscribe" not in reader.post(f"/u/{link}/back").content.decode()
    assert not Intake.objects.exists()
    assert "Resubscribe" not in reader.post(f"/u/{link}").content.decode()
    assert Intake.objects.count() == 1
