"""Members by the calls that plug-ins make: nobody comes onto the list who isn't known to have agreed, nobody comes back
who left, and a key that may only write learns of nobody."""

from typing import Any

import pytest
from django.utils import timezone

from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.models import Subscriber
from samizdat.events.models import Event
from samizdat.publicdb.actions import publish_place
from samizdat.publicdb.models import Intake
from tests.compat.mailchimp.conftest import CONSENT, MailchimpProgram, md5
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "publicdb"])

ADA, BORIS = "ada@reader.example", "Boris@reader.example"


@pytest.fixture
def ada(program: MailchimpProgram) -> Any:
    """On the list, whose form is open."""
    audience.add_field(program.organization, "FNAME", "First name", now=NOW)
    audience.give_form(program.list, "letter", now=NOW)
    publish_place(bytes(program.organization.uid), host="", name="L", language="en", accent="#b3261e")
    return audience.add_subscriber(
        program.organization, ADA, program.list, consent="At the fair.", values={"FNAME": "Ada"}, now=NOW
    )


def _status(program: MailchimpProgram, address: str) -> str:
    subscriber = queries.subscriber_at(program.organization, address)
    assert subscriber is not None
    return queries.card(subscriber, timezone.now()).lists[0].status


def _asked() -> int:
    return Intake.objects.filter(kind="signup").count()


def test_a_member_is_named_by_the_md5_of_their_address(program: MailchimpProgram, ada: Any) -> None:
    status, member = program.member("GET", "ADA@reader.example")
    assert status == 200
    assert (member["id"], member["email_address"], member["status"]) == (md5(ADA), ADA, "subscribed")
    assert (member["merge_fields"], member["full_name"]) == ({"FNAME": "Ada"}, "Ada")
    assert member["ip_opt"] == ""
    for name in (md5(ADA).upper(), "ada%40reader.example", member["contact_id"]):
        assert program.of_list("GET", f"/members/{name}")[1]["id"] == md5(ADA), name
    for name in (md5("nobody@reader.example"), "nobody%40reader.example", "x", "0" * 32, "f" * 10_000):
        assert program.of_list("GET", f"/members/{name}")[0] == 404, name
    assert program.of_list("GET", f"/members/{md5(ADA)}?fields=status")[1] == {"status": "subscribed"}
    assert Event.objects.filter(kind="subscribers.read_by_program").count() == 1


def test_an_address_in_other_letters_is_named_as_its_owner_writes_it(program: MailchimpProgram, ada: Any) -> None:
    audience.add_subscriber(program.organization, "ada@пример.example", program.list, consent="Yes.", now=NOW)
    for spelled in ("ada@пример.example", "ada@xn--e1afmkfd.example"):
        assert program.member("GET", spelled)[0] == 200


def test_who_is_new_is_asked_by_email(program: MailchimpProgram, ada: Any) -> None:
    body = {"email_address": BORIS, "status": "subscribed", "merge_fields": {"FNAME": "Boris"}, "ip_signup": "10.0.0.1"}
    status, member = program.of_list("POST", "/members", body)
    assert (status, member["status"], member["id"]) == (200, "pending", md5(BORIS))
    assert member["merge_fields"] == {"FNAME": "Boris"}
    assert _asked() == 1
    assert program.member("GET", BORIS)[0] == 404


def test_who_agreed_on_the_website_is_subscribed_with_the_words_of_the_key(program: MailchimpProgram, ada: Any) -> None:
    shop = program.keyed(consent=CONSENT)
    body = {"email_address": BORIS, "status_if_new": "subscribed", "merge_fields": {"FNAME": "Boris"}, "language": "ru"}
    status, member = shop.member("PUT", BORIS, body=body | {"tags": ["press"]})
    assert (status, member["status"], member["language"]) == (200, "subscribed", "ru")
    assert [tag["name"] for tag in member["tags"]] == ["press"]
    subscriber = queries.subscriber_at(program.organization, BORIS)
    assert subscriber is not None
    [entry] = queries.card(subscriber, timezone.now()).timeline
    assert (entry.kind, entry.way, entry.wording) == ("given", "api", CONSENT)
    assert _asked() == 0
    assert shop.member("PUT", BORIS, body={**body, "status_if_new": "pending"})[1]["status"] == "subscribed"
    assert shop.of_list("POST", "/members", {"email_address": "p@reader.example", "status": "pending"})[0] == 200
    assert _asked() == 1


def test_the_same_again_changes_nothing(program: MailchimpProgram, ada: Any) -> None:
    program.member("GET", ADA)
    before = Event.objects.count()
    body = {"email_address": ADA, "status_if_new": "pending", "merge_fields": {"FNAME": "Ada", "UNKNOWN": "x"}}
    assert program.member("PUT", ADA, body=body)[1]["status"] == "subscribed"
    assert Event.objects.count() == before
    assert program.member("PATCH", ADA, body={"merge_fields": {"FNAME": ""}})[1]["merge_fields"] == {"FNAME": ""}


def test_who_is_here_is_not_created_twice(program: MailchimpProgram, ada: Any) -> None:
    status, problem = program.of_list("POST", "/members", {"email_address": ADA, "status": "subscribed"})
    assert (status, problem["title"]) == (400, "Member Exists")
    assert problem["detail"] == f"{ADA} is already a list member. Use PUT to insert or update list members."


def test_who_left_comes_back_by_confirming_alone(program: MailchimpProgram, ada: Any) -> None:
    shop = program.keyed(consent=CONSENT)
    assert shop.member("PATCH", ADA, body={"status": "unsubscribed"})[1]["status"] == "unsubscribed"
    assert shop.member("PATCH", ADA, body={"status": "unsubscribed"})[0] == 200
    for method in ("PUT", "PATCH"):
        status, problem = shop.member(method, ADA, body={"email_address": ADA, "status": "subscribed"})
        assert (status, problem["title"]) == (400, "Member In Compliance State")
    assert _asked() == 0
    assert shop.member("PATCH", ADA, body={"status": "pending"})[1]["status"] == "pending"
    assert _asked() == 1
    assert _status(program, ADA) == "unsubscribed"


def test_an_erased_or_suppressed_address_stays_so(program: MailchimpProgram, ada: Any) -> None:
    shop = program.keyed(consent=CONSENT)
    audience.erase(program.organization, subscriber=ada, now=NOW)
    status, problem = shop.of_list("POST", "/members", {"email_address": ADA, "status": "subscribed"})
    assert (status, problem["title"]) == (400, "Forgotten Email Not Subscribed")
    audience.suppress(program.organization, "bounce", address="bounced@reader.example", now=NOW)
    body = {"email_address": "bounced@reader.example", "status": "subscribed"}
    assert shop.of_list("POST", "/members", body)[1]["title"] == "Member In Compliance State"
    assert not Subscriber.objects.exists()


def test_an_archived_member_is_unsubscribed_once(program: MailchimpProgram, ada: Any) -> None:
    assert program.member("DELETE", ADA) == (204, None)
    assert _status(program, ADA) == "unsubscribed"
    assert program.member("DELETE", ADA)[0] == 405
    assert program.member("DELETE", BORIS)[0] == 404


def test_tags_are_added_and_taken_away(program: MailchimpProgram, ada: Any) -> None:
    body = {"tags": [{"name": "press", "status": "active"}, {"name": "local", "status": "active"}]}
    assert program.member("POST", ADA, "/tags", body) == (204, None)
    program.member("POST", ADA, "/tags", {"tags": [{"name": "Press", "status": "inactive"}], "is_syncing": True})
    status, answer = program.member("GET", ADA, "/tags")
    assert (status, answer["total_items"], [tag["name"] for tag in answer["tags"]]) == (200, 1, ["local"])
    assert program.member("POST", BORIS, "/tags", body)[0] == 404


def test_pages_go_through_all_once_and_filters_hold(program: MailchimpProgram, ada: Any) -> None:
    for number in range(25):
        audience.add_subscriber(
            program.organization,
            f"r{number}@reader.example",
            program.list,
            consent="Yes.",
            tags=["Topics: Water"],
            now=NOW,
        )
    audience.unsubscribe(ada, program.list, now=NOW)
    seen = []
    for offset in range(0, 40, 10):
        status, page = program.of_list("GET", f"/members?count=10&offset={offset}&since_last_changed=2020-01-01")
        assert (status, page["total_items"]) == (200, 26)
        seen += [member["email_address"] for member in page["members"]]
    assert len(seen) == len(set(seen)) == 26
    left = program.of_list("GET", "/members?status=unsubscribed&count=1000000")[1]
    assert [member["email_address"] for member in left["members"]] == [ADA]
    assert program.of_list("GET", "/members?status=pending,gone")[1]["total_items"] == 0
    assert program.of_list("GET", "/members?since_timestamp_opt=2090-01-01T00:00:00Z")[1]["total_items"] == 0
    [interest] = [id for id, _yes in seen_interests(program)]
    path = f"/members?interest_category_id=x&interest_ids={interest}&interest_match=all&count=50"
    assert program.of_list("GET", path)[1]["total_items"] == 25


def seen_interests(program: MailchimpProgram) -> Any:
    return program.member("GET", ADA)[1]["interests"].items()


def test_a_page_has_at_most_1000(program: MailchimpProgram) -> None:
    from django.http import QueryDict

    from samizdat.compat.mailchimp.calls import MailchimpCall

    def page(query: str) -> tuple[int, int]:
        call = MailchimpCall(None, None, frozenset(), QueryDict(query), {}, "", NOW)  # type: ignore[arg-type]
        return call.page

    assert page("count=1000000&offset=3") == (3, 1000)
    assert page("count=x&offset=-1") == (0, 10)


def test_groups_are_chosen_by_their_ids(program: MailchimpProgram, ada: Any) -> None:
    audience.add_tags(ada, ["Topics: Water", "Topics: Air"], now=NOW)
    interests = program.member("GET", ADA)[1]["interests"]
    assert list(interests.values()) == [True, True]
    first, second = interests
    member = program.member("PATCH", ADA, body={"interests": {first: False}})[1]
    assert member["interests"] == {first: False, second: True}
    assert program.member("PATCH", ADA, body={"interests": {"ffffffffff": True}})[0] == 400


def test_a_required_field_is_missed_unless_the_client_says_otherwise(program: MailchimpProgram, ada: Any) -> None:
    from samizdat.audience.actions import FieldShape

    audience.add_field(program.organization, "CITY", "City", now=NOW, shape=FieldShape(required=True))
    body = {"email_address": BORIS, "status": "pending"}
    status, problem = program.of_list("POST", "/members", body)
    assert (status, problem["errors"]) == (400, [{"field": "CITY", "message": "Please enter a value"}])
    assert program.of_list("POST", "/members?skip_merge_validation=true", body)[0] == 200


def test_a_key_that_only_writes_learns_of_nobody(program: MailchimpProgram, ada: Any) -> None:
    writer = program.keyed(scopes=("subscribers:write",))

    def seen(address: str) -> list[Any]:
        put = {"email_address": address, "status_if_new": "subscribed"}
        calls = [
            writer.member("GET", address),
            writer.member("PUT", address, body=put),
            writer.of_list("POST", "/members", {"email_address": address, "status": "subscribed"}),
            writer.member("PATCH", address, body={"status": "unsubscribed"}),
            writer.member("PUT", address, body=put | {"status": "subscribed"}),
            writer.member("GET", address, "/tags"),
            writer.member("POST", address, "/tags", {"tags": [{"name": "press", "status": "active"}]}),
            writer.member("DELETE", address),
        ]
        untelling = ("instance", "id", "email_address")
        return [(status, {k: v for k, v in (body or {}).items() if k not in untelling}) for status, body in calls]

    assert seen(ADA) == seen("nobody@reader.example")
    assert writer.of_list("GET", "/members")[0] == 403
    assert _status(program, ADA) == "unsubscribed"


def test_a_key_that_only_reads_changes_nothing(program: MailchimpProgram, ada: Any) -> None:
    reader = program.keyed(scopes=("subscribers:read",))
    for method in ("PUT", "PATCH", "DELETE"):
        assert reader.member(method, ADA, body={"status": "unsubscribed"})[0] == 403
    assert _status(program, ADA) == "subscribed"


def test_another_list_or_organization_is_out_of_reach(
    program: MailchimpProgram, ada: Any, other_list: MailchimpProgram, bell: MailchimpProgram
) -> None:
    for foreign in (other_list, bell):
        assert foreign.member("GET", ADA)[0] == 404
        assert foreign.member("DELETE", ADA)[0] == 404
        assert foreign.of_list("GET", "/members")[1]["total_items"] == 0
        for path in ("", "/members", f"/members/{md5(ADA)}", f"/members/{md5(ADA)}/tags"):
            assert foreign.ask("GET", f"/lists/{program.list_id}{path}")[0] == 404
    assert _status(program, ADA) == "subscribed"


@pytest.mark.parametrize(
    "change",
    [
        {"email_address": "no address"},
        {"email_address": ""},
        {"email_address": None},
        {"email_address": {"a": 1}},
        {"status": "gone"},
        {"status": "cleaned"},
        {"status": "transactional"},
        {"status": "unsubscribed"},
        {"merge_fields": "FNAME"},
        {"merge_fields": {"LASTGIFT": "100"}},
        {"merge_fields": {"DONATED": "100"}},
        {"merge_fields": {"FNAME": "a" * 20_000}},
        {"interests": ["x"]},
        {"tags": ["Monthly donor"]},
        {"tags": "press"},
        {"tags": [{"name": ""}]},
        {"tags": ["a"] * 201},
    ],
)
def test_what_cannot_come_in_is_refused_with_a_sentence(
    program: MailchimpProgram, ada: Any, change: dict[str, Any]
) -> None:
    audience.add_field(program.organization, "LASTGIFT", "Last gift", now=NOW)
    body = {"email_address": "new@reader.example", "status": "subscribed"} | change
    status, problem = program.keyed(consent=CONSENT).of_list("POST", "/members", body)
    assert (status, problem["title"]) == (400, "Invalid Resource")
    assert problem["detail"].endswith(".")
    assert Subscriber.objects.count() == 1


def test_an_address_is_not_changed_by_a_program(program: MailchimpProgram, ada: Any) -> None:
    assert program.member("PATCH", ADA, body={"email_address": BORIS})[0] == 400
    assert program.member("GET", ADA)[0] == 200
