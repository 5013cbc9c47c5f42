"""The checklist before a release says what is so now."""

from collections.abc import Callable

from django.test import Client
from django.urls import reverse

from samizdat.accounts import pending_changes
from samizdat.accounts.actions import SettingDetails, change_settings
from samizdat.delivery import actions as delivery
from samizdat.delivery.actions import route_webhooks
from samizdat.delivery.models import Route, RouteWebhook, SendingDomain
from samizdat.delivery.sealed_webhooks import WebhookState, seal_state
from samizdat.incoming import intake
from tests.conftest import NOW
from tests.web.conftest import House

Desk = Callable[[str], Client]


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def test_only_routes_that_live_are_said_to_live(here: House, desk: Desk) -> None:
    address = _to(here, "send", here.campaign.pk)
    second = delivery.add_route(here.organization, "second", "smtp+plain://127.0.0.1:1", now=NOW)
    assert "In this order: own-server, second." in desk("editor").get(address).content.decode()
    Route.objects.filter(pk=second.pk).update(reason="no_connection")
    tried = desk("editor").get(address).content.decode()
    assert "Working: own-server. The others aren’t working or are being retried" in tried
    assert "In this order" not in tried
    Route.objects.filter(pk=here.route.pk).update(state="throttled", reason="busy")
    resting = desk("editor").get(address).content.decode()
    assert "Being retried: own-server, second." in resting
    assert "btn final" in resting


def test_a_domain_whose_keys_wait_is_named_with_what_to_do(here: House, desk: Desk) -> None:
    address = _to(here, "send", here.campaign.pk)
    row = SendingDomain.objects.get(name="lantern.example")
    page = desk("admin").get(address).content.decode()
    assert "lantern.example has keys that don’t sign yet. Publish their records" in page
    assert f'href="{_to(here, "sending-domain", row.pk)}"' in page
    assert _to(here, "sending-domain", row.pk) not in desk("editor").get(address).content.decode()
    row.delete()
    page = desk("admin").get(address).content.decode()
    assert "Add it under Domains (admins only)" in page


def test_a_missing_dkim_signature_is_warned_of_once(here: House, desk: Desk) -> None:
    page = desk("editor").get(reverse("send", args=[here.organization.slug, here.campaign.pk])).content.decode()
    assert "Not signed with DKIM" in page and "aren’t signed with DKIM, so large" not in page


def test_bounces_are_processed_once_mail_has_come_in(here: House, desk: Desk) -> None:
    change_settings(here.organization, by=None, now=NOW, return_address="back@lantern.example")
    address = _to(here, "send", here.campaign.pk)
    page = desk("editor").get(address).content.decode()
    assert "No bounces have come in yet" in page and "Bounces are processed" not in page
    intake.take(
        here.organization, b"Subject: Undelivered\r\n\r\nNo such user.\r\n", ["back@lantern.example"], NOW.date()
    )
    page = desk("editor").get(address).content.decode()
    assert "Bounces are processed" in page and "No bounces have come in yet" not in page


def test_bounces_are_processed_once_each_routes_webhook_was_heard(here: House, desk: Desk) -> None:
    address = _to(here, "send", here.campaign.pk)
    for route in here.organization.routes.exclude(state="removed"):
        assert "Bounces go to the sender’s mailbox" in desk("admin").get(address).content.decode()
        route_webhooks.set_webhook(route, "postmark", now=NOW)
    assert "No bounces have come in yet" in desk("admin").get(address).content.decode()
    for row in RouteWebhook.objects.select_related("route__organization"):
        row.state_sealed = seal_state(row, WebhookState(heard=NOW))
        row.save(update_fields=["state_sealed"])
    assert "Bounces are processed" in desk("admin").get(address).content.decode()


def test_a_bounce_address_that_waits_for_approval_is_no_missing_one(here: House, desk: Desk) -> None:
    asked = SettingDetails("return_address", "back@lantern.example")
    pending_changes.ask(here.organization, "setting", asked, now=NOW, by=here.people["admin"])
    page = desk("admin").get(_to(here, "send", here.campaign.pk)).content.decode()
    assert "The bounce address waits for approval" in page and _to(here, "mailboxes") in page
