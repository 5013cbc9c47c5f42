"""Tags as static segments, and who is in them."""

from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience import queries
from tests.compat.mailchimp.conftest import MailchimpProgram, md5
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "publicdb"])

ADA, BELA = "ada@reader.example", "bela@reader.example"


@pytest.fixture
def ada(program: MailchimpProgram) -> Any:
    tags = ["press", "Topics: Water"]
    return audience.add_subscriber(program.organization, ADA, program.list, consent="Yes.", tags=tags, now=NOW)


@pytest.fixture
def bela(program: MailchimpProgram) -> Any:
    return audience.add_subscriber(program.organization, BELA, program.list, consent="Yes.", now=NOW)


def _segment(program: MailchimpProgram, name: str) -> str:
    segments = program.of_list("GET", "/segments")[1]["segments"]
    return f"/segments/{next(each['id'] for each in segments if each['name'] == name)}"


def _members(program: MailchimpProgram, place: str) -> list[str]:
    status, answer = program.of_list("GET", f"{place}/members")
    assert (status, answer["total_items"]) == (200, len(answer["members"]))
    return sorted(member["email_address"] for member in answer["members"])


def test_tags_are_static_segments(program: MailchimpProgram, ada: Any) -> None:
    segments = program.of_list("GET", "/segments?type=static")[1]["segments"]
    assert [(each["name"], each["member_count"]) for each in segments] == [("press", 1), ("Topics: Water", 1)]
    assert program.of_list("GET", f"/segments/{segments[0]['id']}")[1]["name"] == "press"
    assert program.of_list("GET", "/segments?type=saved")[1]["segments"] == []
    assert [tag["name"] for tag in program.of_list("GET", "/tag-search?name=PR")[1]["tags"]] == ["press"]


def test_a_segment_is_created_with_members_changed_and_deleted(program: MailchimpProgram, ada: Any, bela: Any) -> None:
    body = {"name": "volunteers", "static_segment": [ADA, "nobody@reader.example", "no address"]}
    status, segment = program.of_list("POST", "/segments", body)
    assert (status, segment["name"], segment["type"], segment["member_count"]) == (200, "volunteers", "static", 1)
    place = f"/segments/{segment['id']}"
    assert _members(program, place) == [ADA]
    changed = program.of_list("PATCH", place, {"name": "helpers", "static_segment": [BELA]})[1]
    assert (changed["name"], _members(program, place)) == ("helpers", [BELA])
    assert program.of_list("PATCH", place, {"name": "press"})[0] == 400
    assert program.of_list("PATCH", place, {"static_segment": []})[1]["member_count"] == 0
    assert program.of_list("DELETE", place) == (204, None)
    assert program.of_list("GET", place)[0] == 404


def test_members_are_added_and_removed_many_at_once(program: MailchimpProgram, ada: Any, bela: Any) -> None:
    place = _segment(program, "press")
    body = {"members_to_add": [BELA, "nobody@reader.example"], "members_to_remove": [ADA]}
    status, answer = program.of_list("POST", place, body)
    assert (status, answer["total_added"], answer["total_removed"], answer["error_count"]) == (200, 1, 1, 1)
    assert answer["errors"][0]["email_addresses"] == ["nobody@reader.example"]
    assert [tag["name"] for tag in answer["members_added"][0]["tags"]] == ["press"]
    assert _members(program, place) == [BELA]
    assert program.of_list("POST", place, {"members_to_add": [ADA] * 501})[0] == 400
    assert program.of_list("POST", place, {"members_to_add": [1]})[0] == 400


def test_one_member_is_added_and_removed(program: MailchimpProgram, ada: Any, bela: Any) -> None:
    place = _segment(program, "press")
    status, member = program.of_list("POST", f"{place}/members", {"email_address": BELA})
    assert (status, member["email_address"], member["tags_count"]) == (200, BELA, 1)
    assert program.of_list("POST", f"{place}/members", {"email_address": "nobody@reader.example"})[0] == 404
    assert program.of_list("DELETE", f"{place}/members/{md5(ADA)}") == (204, None)
    assert program.of_list("DELETE", f"{place}/members/{md5('nobody@reader.example')}")[0] == 404
    assert _members(program, place) == [BELA]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x" * 101},
        {"name": "press"},
        {"name": "x", "static_segment": "ada"},
        {"name": "x", "static_segment": [], "options": {"match": "any", "conditions": [{"field": "EMAIL"}]}},
        {"name": "Donors", "static_segment": []},
    ],
)
def test_a_segment_that_cannot_be_is_refused(program: MailchimpProgram, ada: Any, body: Any) -> None:
    status, problem = program.of_list("POST", "/segments", body)
    assert (status, problem["title"]) == (400, "Invalid Resource")
    assert len(queries.tags(program.organization)) == 2


def test_no_tag_of_donors_is_given_to_members(program: MailchimpProgram, ada: Any) -> None:
    audience.tags_for(program.organization, ["Donors"])
    place = _segment(program, "Donors")
    assert program.of_list("POST", place, {"members_to_add": [ADA]})[0] == 400
    assert program.of_list("POST", f"{place}/members", {"email_address": ADA})[0] == 400
    assert program.of_list("PATCH", place, {"static_segment": [ADA]})[0] == 400
    assert program.of_list("PATCH", _segment(program, "press"), {"name": "Donors 2026"})[0] == 400
    assert program.of_list("DELETE", place) == (204, None)


def test_a_tag_of_another_lists_people_is_not_changed(
    program: MailchimpProgram, other_list: MailchimpProgram, ada: Any
) -> None:
    audience.add_subscriber(program.organization, BELA, other_list.list, consent="Yes.", tags=["press"], now=NOW)
    place = _segment(program, "press")
    for method, body in (("DELETE", None), ("PATCH", {"name": "papers"}), ("PATCH", {"static_segment": []})):
        assert program.of_list(method, place, body)[0] == 403
    assert _members(program, place) == [ADA]
    assert program.of_list("POST", place, {"members_to_add": [BELA]})[1]["error_count"] == 1
    assert _members(other_list, _segment(other_list, "press")) == [BELA]


def test_a_key_that_may_only_write_learns_of_nobody_by_totals(program: MailchimpProgram, ada: Any) -> None:
    """One tag given to an address would say whether it is here, and so would the total of the list."""
    writer = program.keyed(scopes=("subscribers:write",))
    given = {"tags": [{"name": "zz", "status": "active"}]}
    assert writer.member("POST", "nobody@reader.example", "/tags", given)[0] == 204
    assert writer.of_list("GET", "/tag-search?name=zz")[1]["total_items"] == 1
    assert {each["member_count"] for each in writer.of_list("GET", "/segments")[1]["segments"]} == {0}
    assert writer.of_list("GET", "")[1]["stats"]["member_count"] == 0
    assert writer.ask("GET", "/")[1]["total_subscribers"] == 0
    [category] = writer.of_list("GET", "/interest-categories")[1]["categories"]
    [group] = writer.of_list("GET", f"/interest-categories/{category['id']}/interests")[1]["interests"]
    assert group["subscriber_count"] == "0"
    for method, path, body in (
        ("POST", "/segments", {"name": "x", "static_segment": [ADA]}),
        ("POST", _segment(program, "press"), {"members_to_add": [ADA]}),
        ("GET", f"{_segment(program, 'press')}/members", None),
    ):
        assert writer.of_list(method, path, body)[0] == 403
