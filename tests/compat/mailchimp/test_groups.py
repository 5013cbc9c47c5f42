"""Groups and their categories, which are tags."""

from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience import queries
from tests.compat.mailchimp.conftest import MailchimpProgram
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "publicdb"])

TOPICS = {"title": "Topics", "type": "checkboxes"}


@pytest.fixture
def ada(program: MailchimpProgram) -> Any:
    tags = ["press", "Topics: Water"]
    return audience.add_subscriber(
        program.organization, "ada@reader.example", program.list, consent="Yes.", tags=tags, now=NOW
    )


def _names(program: MailchimpProgram) -> list[str]:
    return [name for _number, name in queries.tags(program.organization)]


def test_groups_are_tags_with_their_category(program: MailchimpProgram, ada: Any) -> None:
    [category] = program.of_list("GET", "/interest-categories?count=100")[1]["categories"]
    assert category["title"] == "Topics"
    [interest] = program.of_list("GET", f"/interest-categories/{category['id']}/interests")[1]["interests"]
    assert (interest["name"], interest["subscriber_count"]) == ("Water", "1")
    assert program.of_list("GET", f"/interest-categories/{category['id']}/interests/{interest['id']}")[1] == interest
    assert program.member("GET", "ada@reader.example")[1]["interests"] == {interest["id"]: True}
    assert program.of_list("GET", "/interest-categories/0/interests")[0] == 404
    assert program.of_list("GET", f"/interest-categories/{category['id']}/interests/0")[0] == 404


def test_a_category_and_its_groups_are_created_renamed_and_deleted(program: MailchimpProgram, ada: Any) -> None:
    status, category = program.of_list("POST", "/interest-categories", TOPICS | {"title": "Regions"})
    assert (status, category["title"], category["type"]) == (200, "Regions", "checkboxes")
    place = f"/interest-categories/{category['id']}"
    status, interest = program.of_list("POST", f"{place}/interests", {"name": "North"})
    assert (status, interest["name"], interest["subscriber_count"]) == (200, "North", "0")
    body = {"interests": {interest["id"]: True}}
    assert program.member("PATCH", "ada@reader.example", "", body)[1]["interests"][interest["id"]] is True

    status, renamed = program.of_list("PATCH", f"{place}/interests/{interest['id']}", {"name": "Far north"})
    assert (status, renamed["id"], renamed["name"]) == (200, interest["id"], "Far north")
    status, category = program.of_list("PATCH", place, {"title": "Parts"})
    assert (status, category["title"]) == (200, "Parts")
    place = f"/interest-categories/{category['id']}"
    assert "Parts: Far north" in program.member("GET", "ada@reader.example", "/tags")[1]["tags"][0]["name"]

    assert program.of_list("DELETE", f"{place}/interests/{interest['id']}") == (204, None)
    assert program.of_list("GET", f"{place}/interests")[1]["total_items"] == 0
    assert program.of_list("DELETE", place) == (204, None)
    assert program.of_list("GET", place)[0] == 404
    assert _names(program) == ["press", "Topics: Water"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"type": "checkboxes"}, "title"),
        ({"title": "Topics: more", "type": "checkboxes"}, "title"),
        ({"title": "x" * 100, "type": "checkboxes"}, "title"),
        ({"title": "Regions"}, "type"),
        ({"title": "Regions", "type": "square"}, "type"),
        ({"title": "topics", "type": "radio"}, "title"),
    ],
)
def test_a_category_that_cannot_be_is_refused(program: MailchimpProgram, ada: Any, body: Any, field: str) -> None:
    status, problem = program.of_list("POST", "/interest-categories", body)
    assert (status, problem["errors"][0]["field"]) == (400, field)


def test_a_group_is_there_once(program: MailchimpProgram, ada: Any) -> None:
    [category] = program.of_list("GET", "/interest-categories")[1]["categories"]
    place = f"/interest-categories/{category['id']}/interests"
    assert program.of_list("POST", place, {"name": "water"})[0] == 400
    assert program.of_list("POST", place, {})[0] == 400
    assert program.of_list("POST", place, {"name": "x" * 100})[0] == 400
    fire = program.of_list("POST", place, {"name": "Fire"})[1]
    assert program.of_list("PATCH", f"{place}/{fire['id']}", {"name": "WATER"})[0] == 400
    assert program.of_list("PATCH", f"{place}/{fire['id']}", {"name": "FIRE"})[1]["name"] == "FIRE"
    other = program.of_list("POST", "/interest-categories", TOPICS | {"title": "Regions"})[1]
    assert program.of_list("PATCH", f"/interest-categories/{other['id']}", {"title": "Topics"})[0] == 400


def test_groups_of_donors_are_refused_with_a_sentence(program: MailchimpProgram, ada: Any) -> None:
    status, problem = program.of_list("POST", "/interest-categories", TOPICS | {"title": "Donors"})
    assert (status, "donated" in problem["detail"]) == (400, True)
    [category] = program.of_list("GET", "/interest-categories")[1]["categories"]
    place = f"/interest-categories/{category['id']}"
    assert program.of_list("POST", f"{place}/interests", {"name": "Monthly donors"})[0] == 400
    assert program.of_list("PATCH", place, {"title": "Donors"})[0] == 400
    [water] = program.of_list("GET", f"{place}/interests")[1]["interests"]
    assert program.of_list("PATCH", f"{place}/interests/{water['id']}", {"name": "Donors"})[0] == 400
    assert _names(program) == ["press", "Topics: Water"]


def test_groups_of_another_lists_people_stay(program: MailchimpProgram, other_list: MailchimpProgram, ada: Any) -> None:
    audience.add_subscriber(
        program.organization, "b@reader.example", other_list.list, consent="Yes.", tags=["Topics: Water"], now=NOW
    )
    [category] = program.of_list("GET", "/interest-categories")[1]["categories"]
    place = f"/interest-categories/{category['id']}"
    [water] = program.of_list("GET", f"{place}/interests")[1]["interests"]
    for method, below, body in (
        ("PATCH", "", {"title": "Parts"}),
        ("DELETE", "", None),
        ("PATCH", f"/interests/{water['id']}", {"name": "Fire"}),
        ("DELETE", f"/interests/{water['id']}", None),
    ):
        assert program.of_list(method, f"{place}{below}", body)[0] == 403, (method, below)
    assert _names(program) == ["press", "Topics: Water"]
