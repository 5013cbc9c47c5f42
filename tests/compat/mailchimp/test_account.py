"""Who is let in by which header, and what they are told of the account and of the one list."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from samizdat.accounts import api_keys
from samizdat.api import keys
from tests.compat.mailchimp.conftest import CONSENT, MailchimpProgram
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "publicdb"])


def _basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


def _title(answer: tuple[int, Any]) -> tuple[int, str]:
    status, problem = answer
    assert problem.keys() >= {"type", "title", "status", "detail", "instance"}
    assert problem["status"] == status
    return status, problem["title"]


@pytest.mark.parametrize(
    "header",
    [
        lambda key: _basic(f"anystring:{key}"),
        lambda key: _basic(f"user:{key}-us21"),
        lambda key: _basic(f"{key}-us1:"),
        lambda key: f"Bearer {key}",
        lambda key: f"bearer {key}-samizdat",
        lambda key: f"apikey {key}-us1",
    ],
)
def test_a_key_opens_by_each_header_that_clients_send(program: MailchimpProgram, header: Any) -> None:
    client = replace(program, authorization=header(program.token))
    response = client.call("GET", "/ping")
    assert response["Content-Type"] == "application/json; charset=utf-8"
    assert json.loads(response.content) == {"health_status": "Everything's Chimpy!"}


@pytest.mark.parametrize(
    ("header", "title"),
    [
        ("", "API Key Missing"),
        ("Digest x", "API Key Missing"),
        (_basic("user:" + "0" * 32 + "-us21"), "API Key Invalid"),
        (_basic("user:smz_" + "a" * 40 + "-us1"), "API Key Invalid"),
        ("Basic %%%", "API Key Invalid"),
        (f"Basic {base64.b64encode(bytes([255, 254])).decode()}", "API Key Invalid"),
        ("Bearer", "API Key Invalid"),
        ("Bearer " + "smz_" * 10_000, "API Key Invalid"),
    ],
)
def test_anything_else_is_refused(program: MailchimpProgram, header: str, title: str) -> None:
    response = replace(program, authorization=header).call("GET", "/ping")
    assert response["Content-Type"] == "application/problem+json; charset=utf-8"
    assert _title((response.status_code, json.loads(response.content))) == (401, title)


def test_a_revoked_key_is_refused(program: MailchimpProgram) -> None:
    [view] = api_keys.keys_of(program.organization, NOW)
    api_keys.revoke(program.organization, view.id, now=NOW, by=None)
    assert _title(program.ask("GET", "/ping")) == (401, "API Key Invalid")


def test_a_key_that_is_bound_to_no_list_or_to_two_is_refused(
    program: MailchimpProgram, other_list: MailchimpProgram
) -> None:
    for lists in ([], [program.list, other_list.list]):
        assert _title(program.keyed(lists=lists).ask("GET", "/lists")) == (403, "Forbidden")


def test_the_account_names_the_organization_and_no_person(program: MailchimpProgram) -> None:
    status, account = program.ask("GET", "/")
    assert (status, account["account_name"], account["email"]) == (200, "Northern Lantern", "")
    assert program.ask("GET", "/?fields=account_id") == (200, {"account_id": account["account_id"]})


def test_only_the_list_of_the_key_is_there(
    program: MailchimpProgram, other_list: MailchimpProgram, bell: MailchimpProgram
) -> None:
    status, answer = program.ask("GET", "/lists?count=100&offset=0")
    assert status == 200
    assert (answer["total_items"], [each["name"] for each in answer["lists"]]) == (1, ["Letter"])
    assert program.of_list("GET", "")[1]["stats"]["member_count"] == 0
    assert program.ask("GET", f"/lists/{program.list_id.upper()}/")[0] == 200
    for foreign in (other_list.list_id, bell.list_id, "0", "x"):
        assert _title(program.ask("GET", f"/lists/{foreign}")) == (404, "Resource Not Found")


def test_a_key_with_consent_says_that_nobody_is_asked_twice(program: MailchimpProgram) -> None:
    assert program.of_list("GET", "")[1]["double_optin"] is True
    assert program.keyed(consent=CONSENT).of_list("GET", "")[1]["double_optin"] is False


def test_parts_of_an_answer_are_chosen_and_left_out(program: MailchimpProgram) -> None:
    asked = "/lists?fields=lists.id,lists.stats.member_count,total_items"
    chosen = {"lists": [{"id": program.list_id, "stats": {"member_count": 0}}], "total_items": 1}
    assert program.ask("GET", asked) == (200, chosen)
    assert program.ask("GET", "/lists?fields[0]=total_items&")[1] == {"total_items": 1}
    left = program.ask("GET", "/lists?exclude_fields=lists.stats,lists._links,constraints")[1]
    assert "constraints" not in left
    assert not {"stats", "_links"} & left["lists"][0].keys()
    assert program.ask("GET", "/lists?count=1000000&since=x&nothing[]=1")[0] == 200
    assert program.ask("GET", "/lists?offset=1")[1]["lists"] == []


def test_other_paths_and_methods_are_refused_as_problems(program: MailchimpProgram) -> None:
    assert _title(program.ask("GET", "/automations")) == (404, "Resource Not Found")
    assert _title(program.ask("DELETE", "/ping")) == (405, "Method Not Allowed")
    assert _title(program.ask("POST", "/ping", {}, **{"X-HTTP-Method-Override": "PATCH"})) == (
        405,
        "Method Not Allowed",
    )
    assert program.ask("GET", "//lists//")[0] == 200


@pytest.mark.parametrize(
    ("body", "title"),
    [
        ("{", (400, "JSON Parse Error")),
        (b"\xff", (400, "JSON Parse Error")),
        ("[" * 5_000, (400, "JSON Parse Error")),
        ("[]", (400, "Invalid Resource")),
        ('{"a":' * 1_000 + "1" + "}" * 1_000, None),
        (b'{"a": "' + b"a" * 5_000_000 + b'"}', (413, "Request Entity Too Large")),
    ],
)
def test_what_is_no_json_of_theirs_is_refused(program: MailchimpProgram, body: Any, title: Any) -> None:
    answer = _title(program.ask("POST", "/ping", body))
    assert answer == title or (title is None and answer[0] in (400, 422))


def test_requests_count_with_those_of_our_own_api(program: MailchimpProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "AT_ONCE", 2)
    monkeypatch.setenv("SAMIZDAT_API_RATE", "1")
    monkeypatch.setattr("samizdat.dbclock.ticks", lambda: 1.0)
    assert [program.ask("GET", "/ping")[0] for _ in range(3)] == [200, 200, 429]
    response = program.call("GET", "/ping")
    assert (response["Retry-After"], json.loads(response.content)["title"]) == ("1", "Too Many Requests")


def test_a_locked_organization_answers_nothing(program: MailchimpProgram) -> None:
    from samizdat.vault import locks

    locks.write(program.organization, True, after=0, now=NOW, by_id=None)
    assert _title(program.ask("GET", "/lists")) == (403, "User Disabled")


def test_what_breaks_says_nothing_of_what_was_asked(program: MailchimpProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_words: Any, **_more: Any) -> None:
        raise RuntimeError("ada@reader.example")

    monkeypatch.setattr("samizdat.audience.queries.lists", breaks)
    answer = program.ask("GET", "/lists")
    assert _title(answer) == (500, "Internal Server Error")
    assert "ada" not in json.dumps(answer[1])
