"""Many members in one request: the good come in, and the bad are named."""

import pytest

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
