"""Settings, API, Webhooks: a secret is shown once, a test is a press away, and what an endpoint says stays text."""

import re
from typing import Any

from django.test import Client
from msgspec.structs import replace

from samizdat.accounts import pending_changes
from samizdat.portability.models import EventWebhook, EventWebhookMessage
from samizdat.portability.webhooks import actions
from samizdat.portability.webhooks.records import WebhookTry, progress_of, put_progress, settings_of
from tests.conftest import NOW
from tests.web.conftest import House, signed_in


def _page(house: House) -> str:
    return f"/o/{house.organization.slug}/api/webhooks/"


def _one(house: House) -> str:
    return f"{_page(house)}{house.event_webhook}/"


def _add(client: Client, house: House, **more: Any) -> Any:
    answers = {"url": "https://shop.example/new?key=s3cret", "events": ["subscriber.added"], "lists": [house.list.pk]}
    return client.post(_page(house), answers | more)


def test_a_secret_is_shown_once_and_the_webhook_waits(here: House) -> None:
    client = signed_in(here.people["admin"])
    page = _add(client, here).content.decode()
    [secret] = re.findall(r"whsec_[\w+/]+=", page)
    assert "Waiting for approval" in page and "s3cret" not in page
    again = client.get(_page(here)).content.decode()
    assert secret not in again and "shop.example/new" in again
    row = EventWebhook.objects.latest("pk")
    assert settings_of(row).by == here.people["admin"].pk and not settings_of(row).addresses
    [change] = pending_changes.waiting(here.organization).filter(kind=actions.CHANGE)
    pending_changes.approve(change, now=NOW, by=None)
    assert "Working" in client.get(f"{_page(here)}{row.pk}/").content.decode()


def test_what_makes_no_sense_is_asked_again(here: House) -> None:
    client = signed_in(here.people["admin"])
    before = EventWebhook.objects.count()
    for wrong in ({"url": "http://shop.example/"}, {"url": ""}, {"events": []}, {"events": ["x"]}, {"lists": [4711]}):
        assert _add(client, here, **wrong).status_code == 422, wrong
    assert EventWebhook.objects.count() == before


def test_a_test_waits_for_the_worker(here: House) -> None:
    client = signed_in(here.people["admin"])
    assert client.post(f"{_one(here)}test").status_code == 302
    assert EventWebhookMessage.objects.filter(webhook=here.event_webhook).count() == 1


def test_another_secret_is_shown_once(here: House) -> None:
    client = signed_in(here.people["admin"])
    [secret] = re.findall(r"whsec_[\w+/]+=", client.post(_one(here)).content.decode())
    assert settings_of(EventWebhook.objects.get(pk=here.event_webhook)).secret == secret
    page = client.get(_one(here)).content.decode()
    assert secret not in page and "The secret before this one works until" in page


def test_what_an_endpoint_says_stays_text(here: House) -> None:
    row = EventWebhook.objects.select_related("organization").get(pk=here.event_webhook)
    bad = WebhookTry(NOW, "subscriber.added", 500, "status", 41, words="<script>alert(1)</script>")
    put_progress(row, replace(progress_of(row), tries=[bad], failures=1, failing_since=NOW))
    page = signed_in(here.people["admin"]).get(_one(here)).content.decode()
    assert "<script>alert(1)" not in page and "&lt;script&gt;alert(1)" in page and "Failing since" in page


def test_one_that_was_switched_off_is_switched_on_and_one_is_removed(here: House) -> None:
    row = EventWebhook.objects.select_related("organization").get(pk=here.event_webhook)
    put_progress(row, replace(progress_of(row), disabled=NOW, reason="failing"))
    client = signed_in(here.people["admin"])
    assert "Switch on again" in client.get(_one(here)).content.decode()
    assert client.post(f"{_one(here)}enable").status_code == 302
    assert progress_of(EventWebhook.objects.select_related("organization").get(pk=row.pk)).disabled is None
    assert client.post(f"{_one(here)}remove").status_code == 302
    for path in ("", "test", "enable", "remove"):
        assert client.post(f"{_one(here)}{path}").status_code == 404
