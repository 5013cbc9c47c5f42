"""Merge fields, as programs read, create, change and delete them."""

from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience import queries
from tests.compat.mailchimp.conftest import MailchimpProgram
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "publicdb"])

CITY = {"tag": "CITY", "name": "City", "type": "text"}


@pytest.fixture
def ada(program: MailchimpProgram) -> Any:
    audience.add_field(program.organization, "FNAME", "First name", now=NOW)
    return audience.add_subscriber(
        program.organization, "ada@reader.example", program.list, consent="Yes.", values={"FNAME": "Ada"}, now=NOW
    )


def test_merge_fields_are_listed(program: MailchimpProgram, ada: Any) -> None:
    status, answer = program.of_list("GET", "/merge-fields?count=100")
    assert (status, answer["total_items"]) == (200, 1)
    [field] = answer["merge_fields"]
    assert (field["tag"], field["name"], field["type"], field["required"]) == ("FNAME", "First name", "text", False)
    assert program.of_list("GET", f"/merge-fields/{field['merge_id']}")[1]["tag"] == "FNAME"
    assert program.of_list("GET", "/merge-fields/0")[0] == 404


def test_a_field_is_created_changed_and_deleted(program: MailchimpProgram) -> None:
    options = {"choices": ["Riga", "Tbilisi"]}
    body = {"name": "City", "type": "dropdown", "required": True, "default_value": "there", "options": options}
    status, field = program.of_list("POST", "/merge-fields", body)
    assert (status, field["tag"], field["type"], field["required"]) == (200, "MMERGE1", "dropdown", True)
    assert (field["options"]["choices"], field["default_value"]) == (["Riga", "Tbilisi"], "there")
    place = f"/merge-fields/{field['merge_id']}"
    status, changed = program.of_list("PATCH", place, {"name": "Town", "tag": "town", "required": False})
    assert (status, changed["tag"], changed["name"], changed["required"]) == (200, "TOWN", "Town", False)
    assert (changed["options"]["choices"], changed["default_value"]) == (["Riga", "Tbilisi"], "there")
    assert program.of_list("DELETE", place) == (204, None)
    assert program.of_list("DELETE", place)[0] == 404
    assert program.of_list("GET", "/merge-fields")[1]["total_items"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"type": "text"}, "name"),
        ({"name": "City"}, "type"),
        ({"name": "City", "type": "colour"}, "type"),
        ({"name": "City", "type": "text", "tag": "a b"}, "tag"),
        ({"name": "City", "type": "text", "tag": "UNSUB"}, "tag"),
        ({"name": "City", "type": "dropdown", "options": {"choices": []}}, "options.choices"),
        ({"name": "City", "type": "dropdown", "options": "Riga"}, "options.choices"),
    ],
)
def test_a_field_that_cannot_be_is_refused_with_its_place(program: MailchimpProgram, body: Any, field: str) -> None:
    status, problem = program.of_list("POST", "/merge-fields", body)
    assert (status, problem["title"], problem["errors"][0]["field"]) == (400, "Invalid Resource", field)


def test_a_tag_is_taken_once(program: MailchimpProgram, ada: Any) -> None:
    status, problem = program.of_list("POST", "/merge-fields", CITY | {"tag": "FNAME"})
    assert (status, problem["errors"][0]["field"]) == (400, "tag")
    city = program.of_list("POST", "/merge-fields", CITY)[1]
    assert program.of_list("PATCH", f"/merge-fields/{city['merge_id']}", {"tag": "FNAME"})[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        {"tag": "DONATION", "name": "Donation", "type": "number"},
        {"tag": "X1", "name": "Last gift amount", "type": "text"},
        {"tag": "DONOR", "name": "Status", "type": "text"},
        {"tag": "X2", "name": "Kind", "type": "dropdown", "options": {"choices": ["Monthly donor", "Other"]}},
    ],
)
def test_fields_about_gifts_are_refused_with_a_sentence(program: MailchimpProgram, body: Any) -> None:
    status, problem = program.of_list("POST", "/merge-fields", body)
    assert (status, problem["title"]) == (400, "Invalid Resource")
    assert "donated" in problem["detail"]
    city = program.of_list("POST", "/merge-fields", CITY)[1]
    changed = {name: value for name, value in body.items() if name != "type"}
    assert program.of_list("PATCH", f"/merge-fields/{city['merge_id']}", changed)[0] == 400
    assert [view.tag for view in queries.fields(program.organization)] == ["CITY"]


def test_a_field_with_values_is_deleted_by_nobody(program: MailchimpProgram, ada: Any) -> None:
    [field] = program.of_list("GET", "/merge-fields")[1]["merge_fields"]
    status, problem = program.of_list("DELETE", f"/merge-fields/{field['merge_id']}")
    assert (status, problem["title"]) == (403, "Forbidden")
    assert queries.values_of(ada)["FNAME"] == "Ada"


def test_fields_of_several_lists_are_created_alone(program: MailchimpProgram, other_list: MailchimpProgram) -> None:
    status, field = program.of_list("POST", "/merge-fields", CITY | {"required": True})
    assert (status, field["required"]) == (200, False)
    for method in ("PATCH", "DELETE"):
        assert program.of_list(method, f"/merge-fields/{field['merge_id']}", {"name": "Town"})[0] == 403
    assert program.of_list("GET", f"/merge-fields/{field['merge_id']}")[1]["name"] == "City"


def test_a_key_that_may_only_write_deletes_none(program: MailchimpProgram) -> None:
    """By whether one with a value is refused it would learn who is here."""
    writer = program.keyed(scopes=("subscribers:write",))
    field = writer.of_list("POST", "/merge-fields", CITY)[1]
    assert writer.of_list("DELETE", f"/merge-fields/{field['merge_id']}")[0] == 403


def test_a_field_of_an_email_on_its_way_stays(program: MailchimpProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    from samizdat.audience.errors import FieldRefused

    def refuse(_organization: Any, tag: str) -> None:
        raise FieldRefused("field_said", f"A campaign says {tag}.", "tag")

    monkeypatch.setattr("samizdat.compat.mailchimp.merge_fields.refuse_while_said", refuse)
    field = program.of_list("POST", "/merge-fields", CITY)[1]
    place = f"/merge-fields/{field['merge_id']}"
    assert program.of_list("PATCH", place, {"tag": "TOWN"})[0] == 400
    assert program.of_list("DELETE", place)[0] == 400
    assert program.of_list("PATCH", place, {"name": "Town"})[0] == 200
