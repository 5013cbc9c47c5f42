"""Health says which program that listens takes nothing, and what to do."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from samizdat.accounts import actions as accounts
from samizdat.health import webhooks
from samizdat.portability.models import EventWebhook
from samizdat.portability.webhooks import actions
from samizdat.portability.webhooks.records import progress_of, put_progress, put_settings, settings_of
from tests.conftest import NOW, PASSWORD, TODAY

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(lantern: Any) -> EventWebhook:
    _secret, added = actions.add(lantern, "https://hooks.example/x?key=77", ["subscriber.added"], now=NOW, by=None)
    return added


def seen(organization: Any) -> tuple[str, str, str]:
    (each,) = webhooks.of_organization(organization, NOW)
    return each.code, each.state, each.sentence


def test_without_a_webhook_nothing_is_said(lantern: Any) -> None:
    assert not list(webhooks.of_organization(lantern, NOW))


def test_one_that_works_and_one_that_fails_are_told_apart(lantern: Any, row: EventWebhook) -> None:
    code, state, sentence = seen(lantern)
    assert (code, state) == ("webhook.works", "good") and "77" not in sentence, "a query may hold a password"
    put_progress(row, replace(progress_of(row), failures=3, failing_since=NOW - timedelta(hours=3)))
    code, state, sentence = seen(lantern)
    assert (code, state) == ("webhook.failing", "amber") and f"samizdat webhook log {row.pk}" in sentence


def test_one_that_was_switched_off_names_the_command_that_switches_it_on(lantern: Any, row: EventWebhook) -> None:
    put_progress(row, replace(progress_of(row), disabled=NOW, reason="gone"))
    code, state, sentence = seen(lantern)
    assert (code, state) == ("webhook.disabled", "amber") and f"samizdat webhook enable {row.pk}" in sentence


def test_one_of_an_admin_who_left_has_to_be_added_again(lantern: Any, row: EventWebhook) -> None:
    vera = accounts.add_person("vera@lantern.example", name="Vera", password=PASSWORD, today=TODAY)
    put_settings(row, replace(settings_of(row), by=vera.pk))
    assert seen(lantern)[:2] == ("webhook.ended", "amber")


def test_one_that_somebody_else_wrote_is_broken(lantern: Any, row: EventWebhook) -> None:
    EventWebhook.objects.update(settings_sealed=b"\4" + bytes(60))
    assert seen(lantern)[:2] == ("webhook.broken", "red")
