"""The requests of plug-ins, in the order in which they send them: a form of Mailchimp for WordPress, Mailchimp's own
plug-ins for WordPress and for WooCommerce."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.models import Subscriber
from samizdat.publicdb.actions import publish_place
from tests.compat.mailchimp.conftest import CONSENT, MailchimpProgram, md5
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "publicdb"])

ADA = "ada@reader.example"


def _with_header(program: MailchimpProgram, user: str) -> MailchimpProgram:
    """As plug-ins send the key: any user name, and another data center than the key was created for."""
    encoded = base64.b64encode(f"{user}:{program.token}-us21".encode()).decode()
    return replace(program, authorization=f"Basic {encoded}")


@pytest.fixture
def agreed(program: MailchimpProgram) -> MailchimpProgram:
    audience.add_field(program.organization, "FNAME", "First name", now=NOW)
    audience.tags_for(program.organization, ["Topics: Water"])
    return _with_header(program.keyed(consent=CONSENT), "mc4wp")


def _subscribe(program: MailchimpProgram, body: dict[str, Any]) -> tuple[int, Any]:
    """As a form of MC4WP does it, step by step."""
    status, member = program.member("GET", ADA)
    if status == 404:
        answer = program.of_list("POST", "/members", body)
    else:
        if member["status"] != "subscribed" and body["status"] == "pending":
            assert program.member("PATCH", ADA, "", {"status": "unsubscribed"})[0] == 200
        answer = program.member("PATCH", ADA, "", {name: body[name] for name in body if name != "tags"})
    if answer[0] == 200 and body.get("tags"):
        tags = [{"name": name, "status": "active"} for name in body["tags"]]
        assert program.member("POST", ADA, "/tags", {"tags": tags})[0] in (204, 404)
    return answer


def test_a_form_of_mc4wp_finds_its_list_and_subscribes(agreed: MailchimpProgram) -> None:
    assert agreed.ask("GET", "/?fields=account_id")[0] == 200
    asked = "total_items,lists.id,lists.name,lists.web_id,lists.stats.member_count,lists.marketing_permissions"
    [list_] = agreed.ask("GET", f"/lists?count=10&offset=0&fields={asked}")[1]["lists"]
    assert list_.keys() == {"id", "name", "web_id", "stats", "marketing_permissions"}
    assert agreed.of_list("GET", "/merge-fields?count=100")[1]["merge_fields"][0]["tag"] == "FNAME"
    [category] = agreed.of_list("GET", "/interest-categories?count=100&fields=categories.id,categories.title")[1][
        "categories"
    ]
    [group] = agreed.of_list("GET", f"/interest-categories/{category['id']}/interests?count=100")[1]["interests"]
    assert agreed.of_list("GET", "/members?count=1&fields=members.marketing_permissions")[0] == 200

    body = {
        "email_address": ADA,
        "status": "subscribed",
        "merge_fields": {"FNAME": "Ada", "GONE": "x"},
        "interests": {group["id"]: True},
        "email_type": "html",
        "ip_signup": "192.0.2.7",
        "language": "ka",
        "tags": ["from the site"],
    }
    status, member = _subscribe(agreed, body)
    assert (status, member["status"], member["merge_fields"]) == (200, "subscribed", {"FNAME": "Ada"})
    status, member = _subscribe(agreed, body | {"merge_fields": {"FNAME": "Ada L."}})
    assert (status, member["merge_fields"]["FNAME"], member["interests"]) == (200, "Ada L.", {group["id"]: True})
    assert (member["ip_signup"], member["ip_opt"]) == ("", "")
    assert {tag["name"] for tag in agreed.member("GET", ADA, "/tags")[1]["tags"]} == {"from the site", "Topics: Water"}


def test_a_form_of_mc4wp_with_double_opt_in_asks_who_left(agreed: MailchimpProgram) -> None:
    ada = audience.add_subscriber(agreed.organization, ADA, agreed.list, consent="Yes.", now=NOW)
    audience.unsubscribe(ada, agreed.list, now=NOW)
    audience.give_form(agreed.list, "letter", now=NOW)
    publish_place(bytes(agreed.organization.uid), host="", name="L", language="en", accent="#b3261e")
    assert (
        _subscribe(agreed, {"email_address": ADA, "status": "subscribed"})[1]["title"] == "Member In Compliance State"
    )
    status, member = _subscribe(agreed, {"email_address": ADA, "status": "pending", "tags": ["site"]})
    assert (status, member["status"]) == (200, "pending")
    assert agreed.member("GET", ADA)[1]["status"] == "unsubscribed"


def test_the_plug_in_of_mailchimp_for_wordpress_subscribes(agreed: MailchimpProgram) -> None:
    """Its bodies are JSON that is called a form, and 200 alone is success."""
    plugin = replace(agreed, authorization=f"apikey {agreed.token}-us1")
    for path in ("/", "/lists?count=100"):
        assert plugin.ask("GET", path)[0] == 200
    for path in ("/merge-fields?count=80", "/interest-categories?count=60"):
        assert plugin.of_list("GET", path)[0] == 200
    assert plugin.member("GET", ADA, "?fields=status")[0] == 404
    body = json.dumps({"email_address": ADA, "status": "subscribed", "merge_fields": {"FNAME": "Ada"}})
    path = f"/lists/{plugin.list_id}/members/{md5(ADA)}?skip_merge_validation=true"
    response = plugin.call("PUT", path, body, **{"Content-Type": "application/x-www-form-urlencoded"})
    assert (response.status_code, json.loads(response.content)["status"]) == (200, "subscribed")
    assert plugin.member("GET", ADA, "?fields=status")[1] == {"status": "subscribed"}


def test_a_shop_subscribes_who_ticked_and_sends_no_orders(agreed: MailchimpProgram) -> None:
    shop = _with_header(agreed, "mailchimp_woocommerce")
    assert shop.ask("GET", "/ping")[0] == 200
    assert shop.ask("GET", "/lists")[0] == 200
    assert shop.ask("GET", "/ecommerce/stores?count=50") == (200, {"stores": [], "total_items": 0, "_links": []})
    assert shop.ask("GET", "/ecommerce/stores/s1")[1]["title"] == "Resource Not Found"
    store = {"id": "s1", "list_id": shop.list_id, "name": "Shop", "currency_code": "EUR"}
    for method, path, body in (
        ("POST", "/ecommerce/stores", store),
        ("PATCH", "/ecommerce/stores/s1", store),
        ("POST", "/ecommerce/stores/s1/orders", {"id": "7", "customer": {"email_address": ADA}, "order_total": 30}),
        ("PUT", "/ecommerce/stores/s1/customers/1", {"email_address": ADA, "opt_in_status": True, "total_spent": 30}),
        ("POST", "/ecommerce/stores/s1/carts", {"id": "8", "customer": {"email_address": ADA}}),
        ("DELETE", "/ecommerce/stores/s1", None),
    ):
        status, problem = shop.ask(method, path, body)
        assert (status, problem["title"], "keeps no orders" in problem["detail"]) == (403, "Forbidden", True)
    assert not Subscriber.objects.exists()
    body = {"email_address": ADA, "status_if_new": "subscribed", "merge_fields": {"FNAME": "Ada"}}
    assert shop.member("PUT", ADA, "", body)[1]["status"] == "subscribed"


def test_a_customer_who_ticked_nothing_is_kept_by_nobody(agreed: MailchimpProgram) -> None:
    """A shop calls them transactional; who is here already stays as they are."""
    body = {"email_address": ADA, "status_if_new": "transactional", "merge_fields": {"FNAME": "Ada"}}
    status, problem = agreed.member("PUT", ADA, "", body)
    assert (status, problem["title"]) == (400, "Invalid Resource")
    assert not Subscriber.objects.exists()
    ada = audience.add_subscriber(agreed.organization, ADA, agreed.list, consent="Yes.", now=NOW)
    status, member = agreed.member("PUT", ADA, "", body)
    ada.refresh_from_db()
    assert (status, member["status"], queries.values_of(ada)["FNAME"]) == (200, "subscribed", "Ada")


def test_a_hash_in_upper_case_names_the_same_member(agreed: MailchimpProgram) -> None:
    audience.add_subscriber(agreed.organization, ADA, agreed.list, consent="Yes.", now=NOW)
    assert agreed.of_list("GET", f"/members/{md5(ADA).upper()}")[1]["email_address"] == ADA
    assert agreed.of_list("PUT", f"/members/{md5(ADA).upper()}", {"email_address": ADA, "language": "ru"})[0] == 200
