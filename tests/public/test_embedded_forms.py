"""Mailchimp's embedded forms, sent here from other sites."""

import json
import re
from typing import Any

import pytest
from django.test import Client

from samizdat.core import jurisdictions
from samizdat.public import embedded_forms
from samizdat.publicdb import actions
from samizdat.publicdb.models import Intake
from tests.public.conftest import OTHER_UID, UID, publish
from tests.public.test_pages import opened

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lantern_place")]

ACCOUNT, LIST = UID.hex()[:25], f"{3:010x}"
OWN = 1 << 32 | 5 << 4
ADA = "ada@example.org"
FIELDS: list[dict[str, Any]] = [
    {"number": 16, "tag": "FNAME", "label": "First name", "kind": "text", "choices": [], "required": True},
    {"number": 17, "tag": "ADDRESS", "label": "Address", "kind": "text", "choices": [], "required": False},
    {"number": 18, "tag": "BORN", "label": "Born", "kind": "date", "choices": [], "required": False},
    {"number": 19, "tag": "BIRTHDAY", "label": "Birthday", "kind": "text", "choices": [], "required": False},
]


@pytest.fixture
def own_form() -> str:
    """The id of a form with fields of its own."""
    details = {"intro": "", "thanks": "", "lists": [[3, "Thursday"]], "topics": [], "fields": FIELDS}
    words = {"name": "Our letters", "purpose": "I want these letters.", "language": "en"}
    actions.publish_form(UID, "ours", list=OWN, details=json.dumps(details), **words)
    return f"{OWN:010x}"


def _post(reader: Client, words: dict[str, Any], query: str = f"u={ACCOUNT}&id={LIST}") -> Any:
    return reader.post(f"/subscribe/post?{query}", words)


def _json(reader: Client, words: dict[str, Any], id: str = LIST, **more: str) -> Any:
    return reader.get("/subscribe/post-json", {"u": ACCOUNT, "id": id} | words | more)


def test_a_form_of_another_site_asks_by_email(reader: Client) -> None:
    sent = {"EMAIL": f" {ADA.upper()} ", "FNAME": "Ada", f"b_{ACCOUNT}_{LIST}": "", "subscribe": "Subscribe"}
    answer = _post(reader, sent)
    assert answer.status_code == 200 and "Check your inbox" in answer.content.decode()
    [said] = opened()
    assert (said["kind"], said["address"].lower(), said["list"]) == ("signup", ADA, "3")
    assert said["wording"] == "One story a week."


@pytest.mark.parametrize(
    "query",
    [
        f"u={ACCOUNT}&amp;id={LIST}",
        f"id={LIST.upper()}",
        f"u={ACCOUNT}&id={LIST}&f_id=00112233aa",
        # Mailchimp's own: there is one form alone.
        "u=0123456789abcdef012345678&id=a1b2c3d4e5",
        "",
    ],
)
def test_a_form_is_named_as_sites_name_it(reader: Client, query: str) -> None:
    assert _post(reader, {"EMAIL": ADA}, query).status_code == 200
    assert opened()[0]["list"] == "3"


def test_an_unknown_id_means_none_of_several_forms(reader: Client, own_form: str) -> None:
    for query in ("u=0123456789abcdef012345678&id=a1b2c3d4e5", f"u={OTHER_UID.hex()[:25]}&id={LIST}", "id=x"):
        assert _post(reader, {"EMAIL": ADA}, query).status_code == 404
    assert not Intake.objects.exists()


def test_the_form_of_another_organization_is_not_here(reader: Client) -> None:
    publish(OTHER_UID, host="bell.example", name="Harbour Bell")
    actions.publish_form(OTHER_UID, "bell", list=9, name="Bell", purpose="Bells.", language="en")
    actions.publish_form(OTHER_UID, "tide", list=10, name="Tide", purpose="Tides.", language="en")
    for id in (9, 3):
        path = f"/subscribe/post?u={OTHER_UID.hex()[:25]}&id={id:010x}"
        status = reader.post(path, {"EMAIL": ADA}, headers={"host": "bell.example"}).status_code
        assert status == (200 if id == 9 else 404)


def test_fields_come_along_by_their_tags(reader: Client, own_form: str) -> None:
    sent = {
        "EMAIL": ADA,
        "FNAME": "Ada",
        "ADDRESS[addr1]": "1 Main St",
        "ADDRESS[city]": "Riga",
        "BORN[month]": "2",
        "BORN[day]": "29",
        "BORN[year]": "1980",
        "BIRTHDAY[month]": "02",
        "BIRTHDAY[day]": "29",
        "MMERGE9": "x",
        "appeals": "1",
    }
    assert json.loads(_json(reader, sent, own_form).content)["result"] == "success"
    [said] = opened()
    values = {"16": "Ada", "17": "1 Main St  Riga", "18": "1980-02-29", "19": "02/29"}
    assert (said["lists"], said["values"], said.get("appeals")) == ([3], values, None)


def test_a_script_is_answered_by_its_function(reader: Client) -> None:
    for callback in ("jQuery190_123", "mc.form.done", "$"):
        answer = _json(reader, {"EMAIL": ADA}, c=callback)
        assert answer["Content-Type"] == "text/javascript; charset=utf-8"
        said = re.fullmatch(rf"/\*\*/{re.escape(callback)}\((.*)\)", answer.content.decode())
        assert said is not None and json.loads(said[1])["result"] == "success"
    assert "Almost finished" in json.loads(_json(reader, {"EMAIL": ADA}).content)["msg"]


@pytest.mark.parametrize(
    "callback",
    ["alert(1)//", "a b", "1a", "a.", ".a", "a..b", "a;b", "a\n", "<script>", "x" * 81, "a.b.c.d.e", "ö", "a[0]"],
)
def test_no_script_of_anybody_stands_before_the_answer(reader: Client, callback: str) -> None:
    answer = _json(reader, {"EMAIL": ADA}, c=callback)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/json; charset=utf-8")
    assert callback not in answer.content.decode()
    assert not Intake.objects.exists()


def test_what_is_wrong_is_said_with_the_place_of_its_field(reader: Client, own_form: str) -> None:
    for sent, place in (({}, "0"), ({"EMAIL": "ada"}, "0"), ({"EMAIL": ADA}, "1")):
        said = json.loads(_json(reader, sent, own_form).content)
        assert (said["result"], said["msg"].split(" - ")[0]) == ("error", place)
    wrong = {"EMAIL": ADA, "FNAME": "Ada", "BORN": "never"}
    assert json.loads(_json(reader, wrong, own_form).content)["msg"].startswith("3 - ")
    page = _post(reader, {"EMAIL": "a<b>c"}, f"id={own_form}")
    assert page.status_code == 422 and 'action="/f/ours"' in page.content.decode()
    assert "<b>" not in page.content.decode()
    assert not Intake.objects.exists()


def test_who_fills_in_the_hidden_field_gets_the_same_answer_and_is_not_kept(reader: Client) -> None:
    honest = _post(reader, {"EMAIL": ADA})
    Intake.objects.all().delete()
    program = {"EMAIL": ADA, "b_0011_2233": "http://spam.example"}
    assert _post(reader, program).content == honest.content
    assert json.loads(_json(reader, program).content)["result"] == "success"
    assert not Intake.objects.exists()


def test_a_flood_keeps_our_own_forms_open(reader: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.public.conftest import sign_up

    monkeypatch.setattr(embedded_forms, "ONE", (0.0001, 2.0))
    answers = [json.loads(_json(reader, {"EMAIL": f"a{n}@example.org"}).content)["result"] for n in range(3)]
    assert answers == ["success", "success", "error"]
    assert _post(reader, {"EMAIL": ADA}).status_code == 503
    assert "Check your inbox" in sign_up(reader, {"email": ADA}).content.decode()


def test_a_mailbox_that_a_state_can_read_is_not_taken_unasked(reader: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(hostile_state="ru")
    monkeypatch.setattr(jurisdictions, "within", lambda state, domain: (state, domain) == ("ru", "mail.ru"))
    assert json.loads(_json(reader, {"EMAIL": "ada@mail.ru"}).content)["result"] == "error"
    page = _post(reader, {"EMAIL": "ada@mail.ru"})
    assert page.status_code == 200 and "Before we email this address" in page.content.decode()
    assert not Intake.objects.exists()
    assert json.loads(_json(reader, {"EMAIL": ADA}).content)["result"] == "success"


def test_links_to_the_page_of_a_list_lead_to_its_form(reader: Client) -> None:
    for path in ("/subscribe", "/subscribe/post"):
        answer = reader.get(f"{path}?u={ACCOUNT}&id={LIST}")
        assert (answer.status_code, answer["Location"]) == (302, "/f/thursday")
    assert reader.post("/subscribe/post-json", {"EMAIL": ADA}).status_code == 405
