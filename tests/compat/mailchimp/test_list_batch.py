"""Many members in one request: the good come in, and the bad are named."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from samizdat.audience import actions as audience
from tests.compat.mailchimp.conftest import CONSENT, MailchimpProgram
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "publicdb"])


def test_a_batch_brings_the_good_and_names_the_bad(program: MailchimpProgram) -> None:
    audience.add_subscriber(program.organization, "ada@reader.example", program.list, consent="Yes.", now=NOW)
    shop = program.keyed(consent=CONSENT)
    new = {"email_address": "b@reader.example", "status": "subscribed"}
    rows = [new, {"email_address": "ada@reader.example", "status": "subscribed"}, {"email_address": "no"}, "x", {}]
    status, answer = shop.of_list("POST", "", {"members": rows})
    assert status == 200
    assert (answer["total_created"], answer["total_updated"], answer["error_count"]) == (1, 0, 4)
    assert [error["error_code"] for error in answer["errors"]] == ["ERROR_CONTACT_EXISTS", *["ERROR_GENERIC"] * 3]
    again = shop.of_list("POST", "", {"members": rows, "update_existing": True})[1]
    assert (again["total_created"], again["total_updated"], again["error_count"]) == (0, 2, 3)


def test_more_than_500_are_refused(program: MailchimpProgram) -> None:
    for members in ([{}] * 501, None, {"a": 1}):
        assert program.of_list("POST", "", {"members": members})[0] == 400


def _reads_of_all_tags(program: MailchimpProgram, names: list[str]) -> int:
    members = [{"email_address": f"{name}@reader.example", "status": "subscribed", "tags": ["press"]} for name in names]
    with CaptureQueriesContext(connection) as queries:
        answer = program.of_list("POST", "", {"members": members})[1]
    assert [member["tags"][0]["name"] for member in answer["new_members"]] == ["press"] * len(names)
    texts = [query["sql"] for query in queries if 'FROM "audience_tag" WHERE' in query["sql"]]
    return sum("COUNT(" not in text and " IN (" not in text for text in texts)


def test_all_tags_are_read_once_a_batch_and_again_for_a_new_one(program: MailchimpProgram) -> None:
    shop = program.keyed(consent=CONSENT)
    assert _reads_of_all_tags(shop, ["ada", "boris", "vera"]) == 2
    assert _reads_of_all_tags(shop, ["clara", "dmitri", "eve"]) == 1
