"""Sign-up forms: what they ask, what they take, and what keeps programs away (T3, T12)."""

import hashlib
import json
import re
import time
from typing import Any

import pytest
from django.test import Client

from samizdat.core import jurisdictions, pagination
from samizdat.public import form_tokens, signup, style
from samizdat.publicdb import actions
from samizdat.publicdb.models import Intake, Site
from tests.public.conftest import OTHER_UID, UID, publish, sign_up, stamp_of
from tests.public.test_pages import LIMIT, opened

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lantern_place")]

DETAILS: dict[str, Any] = {
    "intro": "What we write.",
    "thanks": "Welcome aboard!",
    "lists": [[3, "Thursday"], [4, "Friday"]],
    "topics": [[7, "Books"]],
    "fields": [
        {"number": 16, "label": "First name", "kind": "text", "choices": [], "required": True},
        {"number": 17, "label": "City", "kind": "choice", "choices": ["Riga", "Vilnius"], "required": False},
        {"number": 18, "label": "Born", "kind": "date", "choices": [], "required": False},
    ],
}
ADA = {"email": "ada@example.org"}
WHOLE = ADA | {"list": "4", "v16": "Ada", "v17": "Riga", "topic": "7"}


@pytest.fixture
def form() -> None:
    words = {"name": "Our letters", "purpose": "I want these letters.", "language": "en"}
    actions.publish_form(UID, "ours", list=1 << 32 | 5 << 4, details=json.dumps(DETAILS), **words)


@pytest.mark.usefixtures("form")
class TestFormsOfTheirOwn:
    def test_what_was_typed_is_sealed_and_nothing_else_is(self, reader: Client) -> None:
        answer = sign_up(reader, WHOLE | {"v99": "x", "admin": "1", "list": ["4", "5"], "topic": ["7", "8"]}, "ours")
        assert "Check your inbox" in answer.content.decode()
        (said,) = opened()
        assert {name: said[name] for name in ("list", "lists", "values", "topics", "wording")} == {
            "list": str(1 << 32 | 5 << 4),
            "lists": [4],
            "values": {"16": "Ada", "17": "Riga"},
            "topics": [7],
            "wording": "I want these letters.",
        }

    def test_a_box_of_its_own_asks_for_appeals_and_is_never_ticked_beforehand(self, reader: Client) -> None:
        words = {"name": "Our letters", "purpose": "I want these letters.", "language": "en"}
        details = json.dumps(DETAILS | {"appeals": "Ask me <too>."})
        actions.publish_form(UID, "ours", list=1 << 32 | 5 << 4, details=details, **words)
        box = r'<input type="checkbox" name="appeals" value="1" id="a">\s*<label for="a">\s*Ask me &lt;too&gt;\.\s*<'
        assert re.search(box, reader.get("/f/ours").content.decode())
        assert "appeals" not in reader.get("/f/thursday").content.decode()
        again = reader.post("/f/ours", WHOLE | {"appeals": "1"}).content.decode()
        assert 'id="a" checked' in again, "what they ticked on another site's page"
        for ticked in ({}, {"appeals": "1"}):
            page = sign_up(reader, WHOLE | ticked, "ours").content.decode()
            assert ("its fundraising appeals" in page) == bool(ticked)
        sign_up(reader, ADA | {"appeals": "1"})
        assert [one.get("appeals") for one in opened()] == [None, "Ask me <too>.", None]

    def test_the_form_of_a_petition_says_that_it_is_signed(self, reader: Client) -> None:
        from samizdat.core.crypto import tokens
        from tests.public.conftest import KEY

        words = {"name": "Petition to Mailchimp", "purpose": "I sign.", "language": "en"}
        details = DETAILS | {"lists": DETAILS["lists"][:1], "signs": True}
        actions.publish_form(UID, "ours", list=1 << 32 | 5 << 4, details=json.dumps(details), **words)
        page = reader.get("/f/ours").content.decode()
        assert "Sign the petition" in page and "ubscrib" not in page
        asked = sign_up(reader, ADA | {"v16": "Ada", "topic": "7"}, "ours").content.decode()
        assert "Petition to Mailchimp" in asked and "ubscrib" not in asked and len(opened()) == 1
        confirm = tokens.make(KEY, "confirm", 1 << 32 | 5 << 4 | 1, 9)
        actions.set_token_state(confirm, "pending")
        pages = [reader.get(f"/c/{confirm}"), reader.post(f"/c/{confirm}")]
        actions.set_token_state(confirm, "confirmed")
        for answer in (*pages, reader.get(f"/c/{confirm}")):
            assert "Petition to Mailchimp" in answer.content.decode()
            assert "ubscribed to" not in answer.content.decode()

    def test_the_form_of_a_list_may_have_that_box_and_says_the_rest_as_before(self, reader: Client) -> None:
        words = {"name": "Thursday", "purpose": "One story a week.", "language": "en"}
        actions.publish_form(UID, "thursday", list=3, details=json.dumps({"appeals": "Ask me."}), **words)
        page = reader.get("/f/thursday").content.decode()
        assert "One story a week." in page and "By pressing the button, I subscribe to Thursday." in page
        sign_up(reader, ADA | {"appeals": "1"})
        assert [(one["list"], one["appeals"]) for one in opened()] == [("3", "Ask me.")] and "lists" not in opened()[0]

    def test_the_page_of_a_link_says_that_it_confirms_appeals_as_well(self, reader: Client) -> None:
        from samizdat.core.crypto import tokens
        from tests.public.conftest import KEY

        for number, (state, both) in enumerate((("pending", False), ("pending-asks", True))):
            confirm = tokens.make(KEY, "confirm", 3, number)
            actions.set_token_state(confirm, state)
            assert (
                "The box for fundraising appeals was checked too" in reader.get(f"/c/{confirm}").content.decode()
            ) == both
            assert ("and its fundraising appeals" in reader.post(f"/c/{confirm}").content.decode()) == both

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"list": []}, "Choose at least one."),
            ({"list": "9"}, "Choose at least one."),
            ({"v16": ""}, "Fill in this field."),
            ({"v17": "Paris"}, "This can’t be used here"),
            ({"v18": "yesterday"}, "This can’t be used here"),
            ({"v16": "x" * 1001}, "This can’t be used here"),
            ({"v16": ["Ada", "Eva"]}, "This can’t be used here"),
            ({"email": ["a@example.org", "b@example.org"]}, "This isn’t a valid email address"),
            ({"email": []}, "This isn’t a valid email address"),
        ],
    )
    def test_what_does_not_fit_is_said_beside_it_and_nothing_typed_is_lost(
        self, reader: Client, change: dict[str, Any], sentence: str
    ) -> None:
        answer = sign_up(reader, WHOLE | change, "ours")
        page = answer.content.decode()
        assert answer.status_code == 422 and sentence in page
        assert 'value="7" id="t7" checked' in page
        assert not Intake.objects.exists()

    def test_that_no_name_is_needed_is_said_where_nothing_is(self, reader: Client) -> None:
        assert "You don’t have to give your name" not in reader.get("/f/ours").content.decode()
        asked = DETAILS | {"fields": [one | {"required": False} for one in DETAILS["fields"]]}
        words = {"name": "Our letters", "purpose": "I want these letters.", "language": "en"}
        actions.publish_form(UID, "ours", list=1 << 32 | 5 << 4, details=json.dumps(asked), **words)
        assert "You don’t have to give your name" in reader.get("/f/ours").content.decode()

    def test_its_thanks_are_read_by_who_confirmed(self, reader: Client) -> None:
        from samizdat.core.crypto import tokens
        from tests.public.conftest import KEY

        confirm = tokens.make(KEY, "confirm", 1 << 32 | 5 << 4 | 1, 9)
        assert "Our letters" in reader.get(f"/c/{confirm}").content.decode()
        assert "Welcome aboard!" in reader.post(f"/c/{confirm}").content.decode()

    def test_its_longest_page_is_small(self, reader: Client) -> None:
        long = "Ж" * 120
        details = DETAILS | {
            "intro": "Ы" * 5000,
            "appeals": "Э" * 400,
            "lists": [[n, long] for n in range(4)],
            "topics": [[n, long] for n in range(8)],
            "fields": [DETAILS["fields"][0] | {"number": n, "label": long} for n in range(4)],
        }
        words = {"name": "П" * 100, "purpose": "Ж" * 600, "language": "en"}
        actions.publish_form(UID, "ours", list=1 << 32 | 5 << 4, details=json.dumps(details), **words)
        page = reader.post("/f/ours", {"email": "x"})
        whole = len(page.content) + len(style.sheet("#b3261e").encode()) + len(reader.get("/work.js").content)
        assert whole <= LIMIT, whole

    @pytest.mark.parametrize("letters", [10, 25])
    def test_all_choices_that_the_house_lets_a_reader_pick_fit_on_the_page(self, reader: Client, letters: int) -> None:
        publish(name="С" * 200, mailbox=f"{'leave' * 12}@{'long.' * 37}example", hostile_state="ru")
        choices = {n: [f"{i}{'Ж' * letters}" for i in range(20 * (n - 15))] for n in (16, 17, 18)}
        title, words, names, appeals = "П" * 30, "Ж" * 200, ["Л" * 40] * 2, "Э" * 100
        written = pagination.written((title, title, words, appeals), names, ["Ж" * 40] * 3, choices)
        assert written and written != {*choices}
        fields = [
            {
                "number": n,
                "label": "Ж" * 40,
                "kind": "choice",
                "choices": some,
                "required": False,
                "written": n in written,
            }
            for n, some in choices.items()
        ]
        details = {"lists": [[n, name] for n, name in enumerate(names)], "topics": [], "fields": fields}
        details["appeals"] = appeals
        form = {"list": 5, "name": title, "purpose": words, "language": "ru"}
        actions.publish_form(UID, "long", details=json.dumps(details), **form)
        values = ADA | {"appeals": "1"} | {f"v{n}": choices[n][-1].lower() for n in choices}
        answers = [sign_up(reader, values | change, "long") for change in ({}, {"list": "1", "email": "ada@mail.ru"})]
        more = len(style.sheet("#b3261e").encode()) + len(reader.get("/work.js").content)
        for answer in (reader.get("/f/long"), *answers):
            page = answer.content.decode()
            assert len(answer.content) + more <= LIMIT
            assert page.count("<option") == sum(1 + len(some) for n, some in choices.items() if n not in written)
        assert sign_up(reader, values | {"list": "1"}, "long").status_code == 200
        assert opened()[-1]["values"] == {str(n): some[-1] for n, some in choices.items()}


class TestStamps:
    def test_a_post_without_a_stamp_of_ours_takes_one_press_more(self, reader: Client) -> None:
        """Another site's page has none; neither has a program that posts blindly."""
        answer = reader.post("/f/thursday", ADA, headers={"origin": "https://elsewhere.example"})
        page = answer.content.decode()
        assert answer.status_code == 200 and "Press the button once more" in page and 'value="ada@example.org"' in page
        assert not Intake.objects.exists()
        reader.post("/f/thursday", ADA | {"stamp": stamp_of(answer)})
        assert opened()[0]["address"] == "ada@example.org"

    @pytest.mark.parametrize(
        "change", [lambda s: "", lambda s: s[:-1], lambda s: ("b" if s[0] != "b" else "c") + s[1:]]
    )
    def test_a_stamp_that_is_cut_or_altered_is_none(self, reader: Client, change: Any) -> None:
        stamp = stamp_of(reader.get("/f/thursday"))
        assert (
            "Press the button once more" in reader.post("/f/thursday", ADA | {"stamp": change(stamp)}).content.decode()
        )

    def test_a_stamp_is_for_one_form_and_one_use(self, reader: Client) -> None:
        actions.publish_form(UID, "friday", list=4, name="Friday", purpose="", language="en")
        stamp = stamp_of(reader.get("/f/friday"))
        assert "Press the button once more" in reader.post("/f/thursday", ADA | {"stamp": stamp}).content.decode()
        assert "Check your inbox" in reader.post("/f/friday", ADA | {"stamp": stamp}).content.decode()
        assert "Press the button once more" in reader.post("/f/friday", ADA | {"stamp": stamp}).content.decode()
        assert Intake.objects.count() == 1

    def test_a_stamp_written_otherwise_is_not_another_one(self, reader: Client) -> None:
        stamp = stamp_of(reader.get("/f/thursday"))
        letters = "abcdefghijklmnopqrstuvwxyz234567"
        spare = stamp[:-1] + letters[letters.index(stamp[-1]) + 1]  # The last character has bits that say nothing.
        for text in (stamp.upper(), spare):
            assert "Press the button once more" in reader.post("/f/thursday", ADA | {"stamp": text}).content.decode()
        assert "Check your inbox" in reader.post("/f/thursday", ADA | {"stamp": stamp}).content.decode()
        assert Intake.objects.count() == 1

    def test_another_groups_stamp_is_none(self, reader: Client) -> None:
        publish(OTHER_UID, host="harbour.example", name="Harbour")
        actions.publish_form(OTHER_UID, "bell", list=3, name="Bell", purpose="", language="en")
        stamp = stamp_of(reader.get("/f/bell", headers={"host": "harbour.example"}))
        assert "Press the button once more" in reader.post("/f/thursday", ADA | {"stamp": stamp}).content.decode()

    @pytest.mark.parametrize(
        ("seconds", "fits"), [(1, False), (70, True), (86_000, True), (86_500, False), (-60, False)]
    )
    def test_nobody_types_that_quickly_and_yesterdays_page_is_old(
        self, reader: Client, monkeypatch: pytest.MonkeyPatch, seconds: int, fits: bool
    ) -> None:
        monkeypatch.setattr(form_tokens, "YOUNGEST", 60)  # So long no machine takes for a press.
        place = Site.objects.get(uid=UID)
        made = form_tokens.make(signup._secrets(place)[0], "thursday", time.time() - seconds, bytes(8))
        reader.post("/f/thursday", ADA | {"stamp": made})
        assert Intake.objects.exists() == fits

    def test_the_page_that_asks_for_one_press_more_takes_it_at_once(
        self, reader: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(form_tokens, "YOUNGEST", 2)
        again = reader.post("/f/thursday", ADA)
        assert "Check your inbox" in reader.post("/f/thursday", ADA | {"stamp": stamp_of(again)}).content.decode()


class TestPurses:
    def test_work_is_what_the_script_finds(self) -> None:
        stamp = "abcdefghijklmnopqrstuvwxyz234567abcdefg"
        number = next(n for n in range(1 << 22) if hashlib.sha256(f"{stamp}.{n}".encode()).hexdigest()[:4] == "0000")
        assert number == 153_915, "as public/work.js found it under node"
        assert form_tokens.worked(stamp, str(number)) and not form_tokens.worked(stamp, str(number + 1))
        assert not any(form_tokens.worked(stamp, odd) for odd in ("", "-1", "x", "9" * 13, "٣"))

    def test_a_purse_fills_again(self) -> None:
        now = [0.0]
        purses = form_tokens.RateBudgets(lambda: now[0])
        taken = [purses.take(("form", 0.5, 2), ("all", 1.0, 3)) for _ in range(4)]
        assert taken == [True, True, False, False]
        now[0] = 2.0
        assert [purses.take(("form", 0.5, 2), ("all", 1.0, 3)) for _ in range(2)] == [True, False]

    def test_a_flood_without_work_leaves_room_for_those_with_it(
        self, reader: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(signup, "UNWORKED", (0.0, 3.0))
        monkeypatch.setattr(form_tokens, "BITS", 4)
        answers = [sign_up(reader, {"email": f"r{n}@example.org"}).status_code for n in range(6)]
        assert answers == [200, 200, 200, 503, 503, 503]
        assert Intake.objects.count() == 3
        stamp = stamp_of(reader.get("/f/thursday"))
        work = next(str(n) for n in range(1000) if form_tokens.worked(stamp, str(n)))
        assert reader.post("/f/thursday", ADA | {"stamp": stamp, "work": work}).status_code == 200
        assert Intake.objects.count() == 4

    def test_who_is_sent_away_by_a_flood_may_press_again(self, reader: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(signup, "UNWORKED", (0.0, 0.0))
        full = sign_up(reader, ADA)
        assert (
            "Too many people are signing up right now" in full.content.decode()
            and 'value="ada@example.org"' in full.content.decode()
        )
        monkeypatch.setattr(signup, "UNWORKED", (1.0, 9.0))
        monkeypatch.setattr(signup, "purses", form_tokens.RateBudgets())
        assert "Check your inbox" in reader.post("/f/thursday", ADA | {"stamp": stamp_of(full)}).content.decode()


class TestWarning:
    def test_a_mailbox_within_reach_is_warned_of_once_before_anything_is_stored(self, reader: Client) -> None:
        publish(hostile_state="ru")
        assert "Mail.ru, Yandex, Rambler" in reader.get("/f/thursday").content.decode()
        warned = sign_up(reader, {"email": "ada@yandex.ru"})
        assert "Before we email this address" in warned.content.decode() and not Intake.objects.exists()
        again = {"email": "ada@yandex.ru", "sure": "ada@yandex.ru", "stamp": stamp_of(warned)}
        assert "Check your inbox" in reader.post("/f/thursday", again).content.decode()

    def test_where_no_state_is_chosen_nobody_is_warned(self, reader: Client) -> None:
        page = reader.get("/f/thursday").content.decode()
        assert "mailbox" not in page.lower() and "state" not in page
        assert "Check your inbox" in sign_up(reader, {"email": "ada@yandex.ru"}).content.decode()

    def test_another_address_is_looked_at_anew(self, reader: Client) -> None:
        publish(hostile_state="ru")
        answer = sign_up(reader, {"email": "ada@mail.ru", "sure": "ada@yandex.ru"})
        assert "Before we email this address" in answer.content.decode()
        assert "Check your inbox" in sign_up(reader, ADA).content.decode()

    @pytest.mark.parametrize(
        ("state", "host", "expected"),
        [
            ("ru", "mail.ru", True),
            ("ru", "ya.ru", True),
            ("ru", "yandex.com", True),
            ("ru", "lantern.ru", True),
            ("ru", "xn--80aaxitdbjk.xn--p1ai", True),
            ("ru", "gmail.com", False),
            ("by", "tut.by", True),
            ("by", "lantern.ru", False),
            ("", "mail.ru", False),
            ("xx", "mail.ru", False),
        ],
    )
    def test_what_lies_within_reach(self, state: str, host: str, expected: bool) -> None:
        assert jurisdictions.within(state, host) is expected


def test_the_script_may_run_on_the_form_and_nowhere_else(reader: Client) -> None:
    assert "script-src 'self'" in reader.get("/f/thursday")["Content-Security-Policy"]
    for path in ("/", "/a/", "/nowhere"):
        assert "script" not in reader.get(path)["Content-Security-Policy"]
    source = reader.get("/work.js").content.decode()
    assert not re.search(r"fetch|XMLHttp|cookie|Storage|navigator|https?:", source)


def test_too_many_fields_are_one_sentence(reader: Client) -> None:
    answer = reader.post("/f/thursday", {f"f{n}": "x" for n in range(2000)} | ADA)
    assert answer.status_code in (200, 400, 422) and not Intake.objects.exists()


@pytest.mark.parametrize("spelling", ["utf-7", "utf-16", "nonsense"])
def test_a_form_in_another_spelling_than_ours_is_a_form_without_fields(reader: Client, spelling: str) -> None:
    kind = f"application/x-www-form-urlencoded; charset={spelling}"
    assert reader.generic("POST", "/f/thursday", b"email=ada%40example.org", kind).status_code in (200, 422)
    assert not Intake.objects.exists()
