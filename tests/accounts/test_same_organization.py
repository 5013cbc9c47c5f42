"""What one organization wrote is opened for no other one, whatever the database says where a row leads."""

from typing import Any

import pytest
from django.apps import apps

from samizdat.accounts import actions as accounts
from samizdat.accounts.actions import found_organization
from samizdat.accounts.models import Membership
from samizdat.accounts.queries import name_in
from samizdat.accounts.same_organization import ForwardOneWithin, ForwardWithin, is_between_ours
from samizdat.audience import actions as audience
from samizdat.campaigns import ab_test
from samizdat.campaigns import actions as campaigns
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.models import Campaign, Variant
from samizdat.core.crypto.seal import SealBroken
from samizdat.delivery import actions as delivery
from samizdat.events.actions import record
from samizdat.events.models import Event
from tests.conftest import NOW, PASSWORD, TODAY

# Beside the row that they are a part of, these lead to one of which nothing sealed is opened by them.
OPENS_NOTHING = {
    "audience.tagtotal.tag": "a sum by its number",
    "audience.readablevalue.field": "asked by its number, in a segment",
    "delivery.delivery.route": "the route's name, which stands in the open",
    "delivery.routetotal.route": "the route's name",
    "delivery.minutetotal.route": "the route's name",
    "delivery.smtpreply.route": "the route's name; the answer is sealed to the edition",
    "delivery.retry.chunk": "numbers of subscribers, of the same edition",
}
NOBODYS = {"accounts.organization", "accounts.person", "delivery.worker"}


def test_every_way_from_one_row_to_another_asks_whose_it_is() -> None:
    open_ways = set()
    for model in apps.get_models():
        ways = [field for field in model._meta.fields if field.related_model and _is_of_ours(field.related_model)]
        guarded = {field.name for field in ways if is_between_ours(model, field)}
        for field in ways:
            descriptor = model.__dict__[field.name]
            assert isinstance(descriptor, ForwardWithin | ForwardOneWithin) == (field.name in guarded)
        if hasattr(model, "organization_id"):
            assert guarded == {field.name for field in ways}
        else:  # The first one says whose it is.
            open_ways |= {f"{model._meta.label_lower}.{field.name}" for field in ways[1:] if field.name not in guarded}
    assert open_ways == OPENS_NOTHING.keys()


def _is_of_ours(model: Any) -> bool:
    ours = model.__module__.startswith("samizdat.") and model._meta.app_label != "publicdb"
    return ours and model._meta.label_lower not in NOBODYS


@pytest.fixture
def two(lantern: Any, vault: Any) -> dict[str, Campaign]:
    """A draft of each of two organizations, by the name."""
    bell = found_organization("Harbour Bell", source=vault, today=TODAY, public_url="https://bell.example")
    drafts = {}
    for name, organization in (("lantern", lantern), ("bell", bell)):
        list_ = audience.new_list(organization, f"Readers of {name}", now=NOW)
        audience.add_subscriber(organization, f"ada@{name}.example", list_, consent="yes", now=NOW)
        draft = Draft(subject=f"Of {name}", from_name=name, from_email=f"news@{name}.example", body="Secret.")
        drafts[name] = campaigns.create(organization, list_, draft, by=None, now=NOW)
    return drafts


@pytest.mark.django_db
def test_a_draft_of_another_organization_is_no_version_of_a_letter(two: dict[str, Campaign]) -> None:
    Variant.objects.create(campaign=two["bell"], variant_no=0)
    Variant.objects.create(campaign=two["bell"], variant_no=1)
    Variant.objects.filter(variant_no=1).update(letter=two["lantern"])
    with pytest.raises(SealBroken):
        ab_test.versions(Campaign.objects.get(pk=two["bell"].pk))


@pytest.mark.django_db
@pytest.mark.parametrize("column", ["list", "version_of", "resend_of"])
def test_a_letter_led_to_what_another_organization_wrote_is_not_released(two: dict[str, Campaign], column: str) -> None:
    theirs = two["lantern"].list if column == "list" else two["lantern"]
    Campaign.objects.filter(pk=two["bell"].pk).update(**{column: theirs})
    row = Campaign.objects.get(pk=two["bell"].pk)
    with pytest.raises(SealBroken):
        getattr(row, column)
    with pytest.raises(Exception, match=r"\.") as refused:
        delivery.release(row, now=NOW)
    assert not isinstance(refused.value, AttributeError)
    assert Campaign.objects.get(pk=row.pk).state == "draft"


@pytest.mark.django_db
def test_a_person_of_another_organization_has_no_name_here(lantern: Any, vault: Any) -> None:
    bell = found_organization("Harbour Bell", source=vault, today=TODAY, public_url="https://bell.example")
    vera, boris = (
        accounts.add_person(f"{name}@lantern.example", name=name, password=PASSWORD, today=TODAY)
        for name in ("Vera", "Boris")
    )
    for person in (vera, boris):
        accounts.give_role(person, lantern, "admin", by=None, now=NOW)
    Membership.objects.create(person=vera, organization=bell, role="viewer", created=TODAY, mac=bytes(32))
    Event.objects.create(organization=bell, kind="list.changed", by=vera, at=NOW, digest=bytes(32))
    assert name_in(lantern, vera) == "Vera"
    assert name_in(bell, vera) == name_in(bell, None) == ""
    record("list.changed", lantern, now=NOW, by=boris)
    accounts.remove_person(boris, lantern, by=None, now=NOW)
    assert name_in(lantern, boris) == "Boris", "what they did here stays theirs"
