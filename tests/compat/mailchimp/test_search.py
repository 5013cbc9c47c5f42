"""The search for a person, and that nothing of another organization is listed."""

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
