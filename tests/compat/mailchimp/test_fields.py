"""What plug-ins read before they map their forms, and the search for a person."""

from typing import Any

import pytest

from samizdat.audience import actions as audience
from tests.compat.mailchimp.conftest import MailchimpProgram
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "publicdb"])


@pytest.fixture
def ada(program: MailchimpProgram) -> Any:
    audience.add_field(program.organization, "FNAME", "First name", now=NOW)
    tags = ["press", "Topics: Water"]
    return audience.add_subscriber(
        program.organization, "ada@reader.example", program.list, consent="Yes.", tags=tags, now=NOW
    )


def test_merge_fields_are_listed(program: MailchimpProgram, ada: Any) -> None:
    status, answer = program.of_list("GET", "/merge-fields?count=100")
    assert (status, answer["total_items"]) == (200, 1)
    [field] = answer["merge_fields"]
    assert (field["tag"], field["name"], field["type"], field["required"]) == ("FNAME", "First name", "text", False)
    assert program.of_list("GET", f"/merge-fields/{field['merge_id']}")[1]["tag"] == "FNAME"
    assert program.of_list("GET", "/merge-fields/0")[0] == 404


def test_groups_are_tags_with_their_category(program: MailchimpProgram, ada: Any) -> None:
    [category] = program.of_list("GET", "/interest-categories?count=100")[1]["categories"]
    assert category["title"] == "Topics"
    [interest] = program.of_list("GET", f"/interest-categories/{category['id']}/interests")[1]["interests"]
    assert (interest["name"], interest["subscriber_count"]) == ("Water", "1")
    assert program.member("GET", "ada@reader.example")[1]["interests"] == {interest["id"]: True}
    assert program.of_list("GET", "/interest-categories/0/interests")[0] == 404


def test_tags_are_static_segments(program: MailchimpProgram, ada: Any) -> None:
    segments = program.of_list("GET", "/segments?type=static")[1]["segments"]
    assert [(each["name"], each["member_count"]) for each in segments] == [("press", 1), ("Topics: Water", 1)]
    assert program.of_list("GET", f"/segments/{segments[0]['id']}")[1]["name"] == "press"
    assert program.of_list("GET", "/segments?type=saved")[1]["segments"] == []
    assert [tag["name"] for tag in program.of_list("GET", "/tag-search?name=PR")[1]["tags"]] == ["press"]


def test_a_person_is_found_by_the_whole_address_alone(program: MailchimpProgram, ada: Any) -> None:
    for query, total in (("ada@reader.example", 1), ("ada", 0), ("reader.example", 0), ("b@reader.example", 0)):
        status, answer = program.ask("GET", f"/search-members?query={query}")
        assert (status, answer["exact_matches"]["total_items"]) == (200, total)


def test_nothing_of_another_organization_is_listed(program: MailchimpProgram, ada: Any, bell: MailchimpProgram) -> None:
    for path in ("/merge-fields", "/interest-categories", "/segments", "/tag-search"):
        assert bell.of_list("GET", path)[0] == 200
        assert "press" not in str(bell.of_list("GET", path)) and "FNAME" not in str(bell.of_list("GET", path))
        assert bell.ask("GET", f"/lists/{program.list_id}{path}")[0] == 404
    assert bell.ask("GET", "/search-members?query=ada@reader.example")[1]["exact_matches"]["total_items"] == 0
