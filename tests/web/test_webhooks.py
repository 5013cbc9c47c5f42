"""The webhook of a route in the app: where it is entered at the provider, and what was heard of it."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from samizdat import plugins
from samizdat.delivery.actions import route_webhooks
from samizdat.delivery.models import RouteWebhook
from samizdat.events.models import Event
from samizdat.transports.webhooks import SENTENCES
from samizdat.web import labels
from tests.conftest import NOW
from tests.web.conftest import House

Desk = Callable[[str], Client]
SECRET = "a signing key of Mailgun"


def _to(here: House, name: str = "route-webhook") -> str:
    return reverse(name, args=[here.organization.slug, here.route.pk])


def test_an_admin_sets_a_webhook_up_and_copies_its_address(here: House, desk: Desk) -> None:
    client, page = desk("admin"), _to(here)
    assert page in client.get(reverse("edit-route", args=[here.organization.slug, here.route.pk])).content.decode()
    client.post(page, {"provider": "mailgun", "secret": SECRET})
    shown = client.get(page).content.decode()
    view = route_webhooks.webhook_of(here.route)
    assert view is not None and view.has_secret and "/in/" in view.address
    for words in (view.address, escape(view.steps), "nothing yet"):
        assert words in shown
    assert SECRET not in shown
    assert SECRET.encode() not in bytes(RouteWebhook.objects.get().settings_sealed)
    assert Event.objects.filter(kind="route.webhook_set").count() == 1


def test_a_secret_stays_where_none_is_entered_and_goes_with_the_provider(here: House, desk: Desk) -> None:
    client, page = desk("admin"), _to(here)
    client.post(page, {"provider": "mailgun", "secret": SECRET})
    client.post(page, {"provider": "mailgun", "secret": ""})
    row = RouteWebhook.objects.select_related("route__organization").get()
    settings = route_webhooks.open_settings(row)
    assert settings.key == SECRET
    client.post(page, {"provider": "sendgrid"})
    assert "until you enter the webhook secret" in client.get(page).content.decode()


def test_a_provider_that_signs_nothing_logs_in_by_a_password_of_ours(here: House, desk: Desk) -> None:
    client, page = desk("admin"), _to(here)
    client.post(page, {"provider": "postmark"})
    view = route_webhooks.webhook_of(here.route)
    assert view is not None and len(urlsplit(view.address).password or "") > 20
    assert 'name="secret"' not in client.get(page).content.decode()


def test_a_refused_delivery_is_shown_with_what_to_do(here: House, desk: Desk) -> None:
    route_webhooks.set_webhook(here.route, "mailgun", secret=SECRET, now=NOW)
    row = RouteWebhook.objects.select_related("route__organization").get()
    state = route_webhooks.state_of(row).with_refusals(NOW, "wrong_signature", {"provider": "Mailgun"}, 3)
    route_webhooks.note(row, state)
    shown = desk("admin").get(_to(here)).content.decode()
    assert "The signature of the webhook delivery is wrong. Copy the webhook secret from Mailgun again." in shown
    for code in SENTENCES:
        refused = plugins.WebhookRefused(code, provider="Mailgun", most="16")
        state = state.with_refusals(NOW, code, dict(refused.values), 1)
        assert labels.webhook_refusal(state) == refused.sentence


def test_a_removed_webhook_and_a_removed_route_leave_no_secret(here: House, desk: Desk) -> None:
    client = desk("admin")
    route_webhooks.set_webhook(here.route, "mailgun", secret=SECRET, now=NOW)
    client.post(_to(here, "remove-webhook"))
    assert not RouteWebhook.objects.exists()
    assert "has no webhook" in client.post(_to(here, "remove-webhook"), follow=True).content.decode()
    route_webhooks.set_webhook(here.route, "mailgun", secret=SECRET, now=NOW)
    client.post(_to(here, "remove-route"))
    assert not RouteWebhook.objects.exists()
    assert client.get(_to(here)).status_code == 404


def test_a_server_that_no_webhook_can_reach_fetches_bounces(here: House, desk: Desk) -> None:
    from samizdat.delivery.actions import change_route

    client, page = desk("admin"), _to(here)
    client.post(page, {"provider": "mailgun", "secret": SECRET})
    assert 'name="fetches"' not in client.get(page).content.decode()
    change_route(here.route, url="mailgun://KEY@lantern.example?region=eu", now=NOW)
    shown = client.get(page).content.decode()
    assert 'name="fetches"' in shown and "A sending key may not." in shown
    client.post(page, {"provider": "mailgun", "fetches": "on"})
    shown = client.get(page).content.decode()
    view = route_webhooks.webhook_of(here.route)
    assert view is not None and view.fetches and view.address not in shown
    assert "Nothing fetched yet" in shown
    client.post(page, {"provider": "mailgun"})
    assert view.address in client.get(page).content.decode()


def test_a_provider_that_nobody_knows_is_refused(here: House, desk: Desk) -> None:
    assert desk("admin").post(_to(here), {"provider": "elsewhere"}).status_code == 422
    assert not RouteWebhook.objects.exists()


def test_the_provider_is_suggested_by_where_the_route_leads(here: House) -> None:
    from samizdat.delivery.actions import add_route

    for number, (url, provider) in enumerate(
        [
            ("smtp://u:p@smtp-broadcasts.postmarkapp.com:587", "postmark"),
            ("smtp://u:p@email-smtp.eu-central-1.amazonaws.com:587", "amazon_ses"),
            ("mailgun://KEY@lantern.example?region=eu", "mailgun"),
            ("smtp://u:p@mail.lantern.example:587", ""),
        ]
    ):
        assert route_webhooks.suggested(add_route(here.organization, f"r{number}", url, now=NOW)) == provider


def test_an_editor_sees_no_webhook(here: House, desk: Desk) -> None:
    for role in ("editor", "viewer"):
        assert desk(role).get(_to(here)).status_code in (403, 404)
