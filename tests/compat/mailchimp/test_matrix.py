"""Every operation x every access x own list, another list of the organization, another organization: what is answered
is said here once more, and nothing foreign is shown or changed."""

from typing import Any

import pytest
from django.db import transaction

from samizdat.audience import actions as audience
from samizdat.audience.models import ConsentRecord, Field, Subscriber, SubscriberTag, Subscription, Tag
from samizdat.compat.mailchimp.operations import OPERATIONS
from tests.compat.mailchimp.conftest import CONSENT, MailchimpProgram, md5
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "publicdb"])

ADA, BELA, NEW = "ada@reader.example", "bela@reader.example", "new@reader.example"
KEYS = {
    "read": ("subscribers:read",),
    "write": ("subscribers:write",),
    "both": ("subscribers:read", "subscribers:write"),
    "other": ("campaigns:read", "campaigns:write", "campaigns:send", "webhooks"),
}
EVERYONE = "200 200 200 200"
READERS, WRITERS, BOTH = "200 403 200 403", "403 200 200 403", "403 403 200 403"
# Who may only write finds nobody.
FINDERS = "200 404 200 403"
LIST = "lists/{list_id}"
CATEGORY, SEGMENT, MEMBER = (
    f"{LIST}/interest-categories/{{category}}",
    f"{LIST}/segments/{{segment}}",
    f"{LIST}/members",
)
INTEREST = f"{CATEGORY}/interests/{{interest}}"
# Operation -> statuses of the keys, in their order, at the list of the key; and the body.
ANSWERS: dict[tuple[str, str], tuple[str, Any]] = {
    ("GET", "ping"): (EVERYONE, None),
    ("GET", ""): (EVERYONE, None),
    ("GET", "ecommerce/stores"): (EVERYONE, None),
    ("GET", "lists"): (EVERYONE, None),
    ("GET", "search-members"): (READERS, None),
    ("GET", LIST): (EVERYONE, None),
    ("POST", LIST): (WRITERS, {"members": [{"email_address": NEW, "status": "subscribed"}]}),
    ("GET", f"{LIST}/merge-fields"): (EVERYONE, None),
    ("POST", f"{LIST}/merge-fields"): (WRITERS, {"name": "Town", "type": "text"}),
    ("GET", f"{LIST}/merge-fields/{{merge_id}}"): (EVERYONE, None),
    # There is another list, which shares the fields.
    ("PATCH", f"{LIST}/merge-fields/{{merge_id}}"): ("403 403 403 403", {"name": "Town"}),
    ("DELETE", f"{LIST}/merge-fields/{{merge_id}}"): ("403 403 403 403", None),
    ("GET", f"{LIST}/interest-categories"): (EVERYONE, None),
    ("POST", f"{LIST}/interest-categories"): (WRITERS, {"title": "Regions", "type": "radio"}),
    ("GET", CATEGORY): (EVERYONE, None),
    ("PATCH", CATEGORY): (BOTH, {"title": "Parts"}),
    ("DELETE", CATEGORY): ("403 403 204 403", None),
    ("GET", f"{CATEGORY}/interests"): (EVERYONE, None),
    ("POST", f"{CATEGORY}/interests"): (WRITERS, {"name": "Fire"}),
    ("GET", INTEREST): (EVERYONE, None),
    ("PATCH", INTEREST): (BOTH, {"name": "Fire"}),
    ("DELETE", INTEREST): ("403 403 204 403", None),
    ("GET", f"{LIST}/segments"): (EVERYONE, None),
    ("POST", f"{LIST}/segments"): (BOTH, {"name": "helpers", "static_segment": [ADA]}),
    ("GET", SEGMENT): (EVERYONE, None),
    ("POST", SEGMENT): (BOTH, {"members_to_add": [ADA]}),
    ("PATCH", SEGMENT): (BOTH, {"name": "helpers"}),
    ("DELETE", SEGMENT): ("403 403 204 403", None),
    ("GET", f"{SEGMENT}/members"): (READERS, None),
    ("POST", f"{SEGMENT}/members"): (BOTH, {"email_address": ADA}),
    ("DELETE", f"{SEGMENT}/members/{{member}}"): ("403 403 204 403", None),
    ("GET", f"{LIST}/tag-search"): (EVERYONE, None),
    ("GET", MEMBER): (READERS, None),
    ("POST", MEMBER): (WRITERS, {"email_address": NEW, "status": "subscribed"}),
    ("GET", f"{MEMBER}/{{member}}"): (FINDERS, None),
    ("PUT", f"{MEMBER}/{{member}}"): (WRITERS, {"email_address": ADA, "status_if_new": "subscribed"}),
    ("PATCH", f"{MEMBER}/{{member}}"): (WRITERS, {"status": "subscribed"}),
    ("DELETE", f"{MEMBER}/{{member}}"): ("403 204 204 403", None),
    ("GET", f"{MEMBER}/{{member}}/tags"): (FINDERS, None),
    ("POST", f"{MEMBER}/{{member}}/tags"): ("403 204 204 403", {"tags": [{"name": "press", "status": "inactive"}]}),
}


def _names(program: MailchimpProgram, address: str, tag: str) -> dict[str, str]:
    """What stands in the braces of a path, of somebody on this program's list."""
    fields, tags = [audience.add_field(program.organization, "CITY", "City", now=NOW)], [tag, f"{tag}: Water"]
    audience.add_subscriber(program.organization, address, program.list, consent="Yes.", tags=tags, now=NOW)
    categories = program.of_list("GET", "/interest-categories")[1]["categories"]
    category = next(each["id"] for each in categories if each["title"] == tag)
    [interest] = program.of_list("GET", f"/interest-categories/{category}/interests")[1]["interests"]
    number = audience.tags_for(program.organization, [tag])[tag]
    return {
        "list_id": program.list_id,
        "merge_id": str(fields[0]),
        "category": category,
        "interest": interest["id"],
        "segment": str(number),
        "member": md5(address),
    }


@pytest.fixture
def own(program: MailchimpProgram, other_list: MailchimpProgram) -> dict[str, str]:
    audience.add_subscriber(program.organization, "x@reader.example", other_list.list, consent="Yes.", now=NOW)
    return _names(program, ADA, "press")


@pytest.fixture
def foreign(bell: MailchimpProgram) -> dict[str, str]:
    # So that no number of theirs is one of ours.
    audience.add_field(bell.organization, "FIRST", "First", now=NOW)
    return _names(bell, BELA, "papers")


def _rows() -> list[Any]:
    tables = (Subscriber, Subscription, SubscriberTag, ConsentRecord, Field)
    counts = [table.objects.count() for table in tables]
    return [*counts, *Tag.objects.filter(removed=False).order_by("pk").values_list("pk", "name_index")]


def _path(path: str, names: dict[str, str]) -> str:
    return f"/{path.format_map(names)}?query={ADA}"


def test_the_table_names_every_operation() -> None:
    assert {(each.method, each.path) for each in OPERATIONS} == ANSWERS.keys()


@pytest.mark.parametrize(("method", "path"), ANSWERS)
def test_each_access_does_what_it_may_at_its_own_list(
    program: MailchimpProgram, own: dict[str, str], method: str, path: str
) -> None:
    statuses, body = ANSWERS[method, path]
    for scopes, status in zip(KEYS.values(), statuses.split(), strict=True):
        with transaction.atomic():
            answer = program.keyed(scopes=scopes, consent=CONSENT).ask(method, _path(path, own), body)
            transaction.set_rollback(True)
        assert answer[0] == int(status), (scopes, answer)


@pytest.mark.parametrize(("method", "path"), [each for each in ANSWERS if "{list_id}" in each[1]])
def test_nothing_foreign_is_shown_or_changed(
    program: MailchimpProgram,
    other_list: MailchimpProgram,
    own: dict[str, str],
    foreign: dict[str, str],
    method: str,
    path: str,
) -> None:
    statuses, body = ANSWERS[method, path]
    places = [own | {"list_id": other_list.list_id}, own | {"list_id": foreign["list_id"]}, foreign]
    # With our list, each of their numbers alone. PUT adds whoever isn't here, and members of a key are by address.
    places += [
        own | {name: foreign[name]}
        for name in ("merge_id", "category", "interest", "segment", "member")
        if f"{{{name}}}" in path and not (method == "PUT" and name == "member") and own[name] != foreign[name]
    ]
    before = _rows()
    for scopes, status in zip(KEYS.values(), statuses.split(), strict=True):
        key = program.keyed(scopes=scopes, consent=CONSENT)
        for names in places:
            answer = key.ask(method, _path(path, names), body)
            if names["member"] == foreign["member"] and names["list_id"] == program.list_id and "write" in scopes[0]:
                continue  # A key that may only write gets the same answer for everybody; rows are looked at below.
            assert answer[0] in (403, 404), (scopes, names, answer)
            assert status == "403" or answer[0] == 404, (scopes, names, answer)
            assert "papers" not in str(answer) and BELA not in str(answer)
    assert _rows() == before
