"""A MAC is of one row: under another number it fits none, so nobody undoes what was noted by the number of a row."""

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.db.models import Model

from samizdat.accounts import actions, api_keys, invitations, memberships, pending_changes
from samizdat.accounts.models import ApiKey, Invitation, Membership, Organization, PendingChange
from samizdat.audience import consent_records
from samizdat.audience.actions import add_subscriber, erase, new_list
from samizdat.audience.models import ConsentRecord
from samizdat.campaigns.actions import create
from samizdat.campaigns.archive import share_links
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.models import ShareLink
from samizdat.delivery.actions import key_destruction, key_locks
from samizdat.events import chain
from samizdat.events.models import ChainHead
from samizdat.portability import actions as exporting
from samizdat.portability import permits
from samizdat.portability.models import Export
from samizdat.portability.request import ExportRequest
from samizdat.vault import locks, strict
from samizdat.vault.models import KeyDestruction, KeyLock, StrictKey
from tests.conftest import NOW, PASSWORD, TODAY

pytestmark = pytest.mark.django_db


def _was_emptied(record: ConsentRecord) -> bool:
    known = record.pk, record.list_id, record.kind, record.purpose, record.channel, record.day.isoformat()
    row = record.subscriber_id, known, record.organization_id, bytes(record.sealed), bytes(record.digest)
    return consent_records.is_ours_emptied(row, bytes(record.mac or b""))


# Whether a row of each model that has a MAC counts. A new one fails here until it is among them.
HOLDS: dict[type[Model], Callable[[Any], bool]] = {
    Membership: memberships.is_valid,
    Invitation: invitations.is_valid,
    ApiKey: api_keys.is_valid,
    PendingChange: pending_changes._fits,
    ShareLink: lambda link: share_links._holds(link, NOW),
    Export: permits.is_ours,
    ChainHead: chain._is_ours,
    ConsentRecord: _was_emptied,
    KeyDestruction: lambda row: key_destruction.is_ours(row, bytes(Organization.objects.get().uid)),
    StrictKey: lambda row: strict.is_ours(row, Organization.objects.get()),
    KeyLock: lambda row: locks.is_ours(row, bytes(Organization.objects.get().uid)),
}


def _with_mac() -> set[type[Model]]:
    models = apps.get_models()
    return {model for model in models if any("mac" in field.name.split("_") for field in model._meta.fields)}


@pytest.fixture
def rows(lantern: Any) -> dict[type[Model], Any]:
    """One of each that counts."""
    vera = actions.add_person("vera@lantern.example", name="Vera", password=PASSWORD, today=TODAY)
    actions.give_role(vera, lantern, "admin", by=None, now=NOW)
    letter = new_list(lantern, "Letter", now=NOW)
    actions.invite(lantern, "viewer", note="for Olga", by=vera, now=NOW)
    api_keys.add(lantern, "Website", ["subscribers:read"], now=NOW, by=vera)
    draft = Draft(subject="River", from_email="a@lantern.example", body="Hello")
    share_links.share(create(lantern, letter, draft, by=None, now=NOW), "For Pavel", now=NOW, by=None)
    exporting.ask(lantern, ExportRequest("csv"), reason="For the move.", now=NOW, by=None)
    pending_changes.ask(lantern, "removal", None, about=vera.pk, now=NOW, by=vera)
    erase(lantern, subscriber=add_subscriber(lantern, "ada@post.example", letter, consent="Yes.", now=NOW), now=NOW)
    key_locks.lock(lantern, by=None, now=NOW)
    key_locks.unlock(lantern, by=None, now=NOW)
    key_destruction._keep(KeyDestruction(organization=lantern, number=1, hours=24, asked=NOW, by=vera))
    strict.prepare(lantern, vera.pk, "six words of Vera, rivers", TODAY)
    while chain.append():
        continue
    return {model: model._default_manager.order_by("pk")[0] for model in _with_mac()}


def test_a_row_under_another_number_fits_no_mac(rows: dict[type[Model], Any]) -> None:
    assert set(rows) == set(HOLDS)
    for model, row in rows.items():
        assert HOLDS[model](row), model
        row.pk += 1000
        if model is ChainHead:  # Its number is that of its organization.
            assert row.organization_id == row.pk
        assert not HOLDS[model](row), f"{model.__name__} counts under another number."


def test_a_row_has_its_number_before_its_mac(lantern: Any) -> None:
    with pytest.raises(ValueError, match="number"):
        memberships.is_valid(Membership(organization=lantern, person_id=1, role="admin"))
