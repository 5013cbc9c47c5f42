"""Mailboxes at the desk: added where we can log in, proven by a test message that comes back, changed, removed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from msgspec import structs

from samizdat.accounts import pending_changes
from samizdat.accounts.actions import SettingDetails, change_settings
from samizdat.accounts.sealed_settings import leading
from samizdat.delivery import actions as delivery
from samizdat.delivery.actions import remote_checks, route_webhooks
from samizdat.delivery.models import RemoteCheck
from samizdat.delivery.sealed_webhooks import WebhookState
from samizdat.events.models import Event
from samizdat.incoming import intake, processing
from samizdat.incoming.mailboxes import actions, round_trips
from samizdat.incoming.mailboxes.faults import MailboxFault
from samizdat.incoming.mailboxes.providers import PROVIDERS
from samizdat.incoming.mailboxes.sealed import RoundTrip, open_settings, open_state, seal_settings, write_state
from samizdat.incoming.mailboxes.settings import MailboxSettings
from samizdat.incoming.models import MailReport, PolledMailbox
from samizdat.web import mailbox_words
from samizdat.web.delivery.forms.mailboxes import MailboxForm
from samizdat.worker.mail import mailbox_polls
from tests.conftest import NOW
from tests.delivery.conftest import server
from tests.incoming.conftest import bounce
from tests.incoming.dovecot import Dovecot, certificates, dovecot, why_not
from tests.smtp_server import ScriptedServer
from tests.web.conftest import House

__all__ = ["certificates", "dovecot", "server"]
Desk = Callable[[str], Client]
SECRET = "a very secret pass word"
TYPED = {
    "provider": "other",
    "scheme": "imaps",
    "host": "imap.provider.example",
    "user": "bounces@lantern.example",
    "password": SECRET,
    "name": "Returned",
    "after": "move",
    "move_to": "Read",
    "address": "bounces@lantern.example",
    "uses": "on",
}


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def _answered(here: House, client: Client, page: str, typed: dict[str, Any]) -> Any:
    """The page that is shown once the worker has asked."""
    asked = client.post(page, typed)
    assert asked.status_code == 302 and "/remote-checks/" in asked.headers["Location"], asked.content.decode()
    remote_checks.answer_all(here.organization.pk, timezone.now)
    return client.get(asked.headers["Location"], follow=True)


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> list[MailboxSettings]:
    """Logging in goes well; with which settings."""
    tried: list[MailboxSettings] = []
    monkeypatch.setattr(actions, "waiting_at", lambda settings: tried.append(settings) or 7)
    return tried


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_settings: MailboxSettings) -> int:
        raise MailboxFault("password")

    monkeypatch.setattr(actions, "waiting_at", refuse)


def _row(name: str = "Returned") -> PolledMailbox:
    return PolledMailbox.objects.select_related("organization").get(name=name)


def test_what_was_typed_is_kept_once_we_could_log_in(here: House, desk: Desk, logins: list[MailboxSettings]) -> None:
    client, page = desk("admin"), _to(here, "mailboxes")
    shown = _answered(here, client, page, TYPED).content.decode()
    settings = open_settings(_row())
    assert logins == [settings]
    assert (settings.host, settings.port, settings.user) == ("imap.provider.example", 993, "bounces@lantern.example")
    assert (settings.password, settings.folder, settings.move_to) == (SECRET, "INBOX", "Read")
    assert not settings.ours, "what is typed at the desk leads to no inner address"
    assert "Returned: we can log in. Messages waiting there: 7." in shown
    assert "imap.provider.example" in shown and SECRET not in shown
    assert Event.objects.filter(kind="mailbox.added", about=_row().pk, by=here.people["admin"]).count() == 1


def test_where_we_cannot_log_in_nothing_is_kept_and_all_but_the_password_stands_there(
    here: House, desk: Desk, refused: None
) -> None:
    answer = _answered(here, desk("admin"), _to(here, "mailboxes"), TYPED)
    form, text = answer.context["form"], answer.content.decode()
    assert not PolledMailbox.objects.filter(name="Returned").exists()
    assert "rejects the user name or password" in text and SECRET not in text
    stands = {name: form[name].value() for name in TYPED if name not in ("password", "uses")}
    assert stands == {name: TYPED[name] for name in stands} and form["uses"].value() is True


def test_a_mailbox_is_changed_and_its_password_stays(here: House, desk: Desk, logins: list[MailboxSettings]) -> None:
    client, page = desk("admin"), _to(here, "edit-mailbox", here.mailbox)
    form = client.get(page).context["form"]
    assert form["host"].value() == f"imap.{here.domain}" and not form["password"].value()
    typed = {name: form[name].value() or "" for name in form.fields} | {"name": "Bounces", "folder": "Returned"}
    row = PolledMailbox.objects.select_related("organization").get(pk=here.mailbox)
    write_state(row, structs.replace(open_state(row), validity=3, last_uid=40, fault="password"))
    _answered(here, client, page, typed)
    row = _row("Bounces")
    assert (open_settings(row).folder, open_settings(row).password) == ("Returned", "secret")
    assert open_state(row).last_uid == 0, "numbers of another folder say nothing of this one"
    assert open_state(row).fault == "" and open_state(row).heard
    assert Event.objects.filter(kind="mailbox.changed", about=row.pk).exists()


def test_the_saved_password_is_sent_to_no_other_server(here: House, desk: Desk) -> None:
    client, page = desk("admin"), _to(here, "edit-mailbox", here.mailbox)
    form = client.get(page).context["form"]
    typed = {name: form[name].value() or "" for name in form.fields} | {"host": "imap.evil.example"}
    answer = client.post(page, typed)
    assert answer.status_code == 422 and "Enter the password" in answer.content.decode()
    assert not RemoteCheck.objects.filter(kind="mailbox").exists()


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"host": "imaps://imap.example/"}, "Enter only the host name"),
        ({"scheme": "pop3s"}, "POP3 knows no folders"),
        ({"move_to": ""}, "Enter the folder that read email goes to"),
        ({"move_to": "INBOX"}, "can’t be moved to the folder it is read from"),
        ({"password": ""}, "Enter the password"),
        ({"name": "bounces"}, "already exists"),
        ({"address": "bounces-of-the-lantern@lantern.example"}, "is too long"),
        ({"address": "@gmail.com"}, "gmail.com is a mailbox provider"),
        ({"fingerprint": "12:34"}, "64 hexadecimal digits"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field(here: House, desk: Desk, typed: dict[str, str], sentence: str) -> None:
    answer = desk("admin").post(_to(here, "mailboxes"), TYPED | typed)
    assert answer.status_code == 422 and sentence in answer.content.decode()
    assert answer.context["form"]["user"].value() == TYPED["user"] and SECRET not in answer.content.decode()


def test_bounces_go_to_no_domain_of_another_organization(here: House, there: House, desk: Desk) -> None:
    answer = desk("admin").post(_to(here, "mailboxes"), TYPED | {"address": "@news.bell.example"})
    assert answer.status_code == 422 and "another organization" in answer.content.decode()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_fills_in_its_server(here: House, desk: Desk, provider: str) -> None:
    typed = TYPED | {"provider": provider, "host": "imap.gmail.com", "choose": "1", "after": "delete"}
    for scheme in ("imaps", "pop3s"):
        answer = desk("admin").post(_to(here, "mailboxes"), typed | {"scheme": scheme})
        form, row = answer.context["form"], PROVIDERS[provider]
        assert answer.status_code == 200 and SECRET not in answer.content.decode()
        assert form["host"].value() == (row.pop3 or row.imap if scheme == "pop3s" else row.imap)
        assert (form["user"].value(), form["name"].value()) == (TYPED["user"], "Returned")
        assert str(row.help) in answer.content.decode()


def test_another_server_has_no_host_of_the_provider_before() -> None:
    chosen = MailboxForm(TYPED | {"host": "imap.gmail.com", "choose": "1"})
    assert chosen["host"].value() == ""
    own = MailboxForm(TYPED | {"choose": "1"})
    assert own["host"].value() == "imap.provider.example"


@pytest.mark.parametrize(
    ("trip", "sentence"),
    [
        ({"returned": NOW + timedelta(seconds=12)}, "A test message came back after 12 s."),
        ({"returned": NOW + timedelta(minutes=7)}, "A test message came back after 7 min."),
        ({"failed": "No route."}, "The test message was not sent: No route."),
        ({"rejected": NOW}, "addresses with a plus, such as back+code@lantern.example, aren’t delivered"),
        ({"rejected": NOW, "address": "@b.example"}, "not all email to @b.example is delivered"),
        ({}, "didn’t arrive within 10 minutes"),
        ({"address": "@b.example"}, "Check that all email to @b.example comes to this mailbox"),
    ],
)
def test_what_became_of_a_test_message_is_a_sentence(
    here: House, desk: Desk, trip: dict[str, Any], sentence: str
) -> None:
    row = PolledMailbox.objects.select_related("organization").get(pk=here.mailbox)
    gone = RoundTrip(**{"address": "back@lantern.example", "sent": NOW} | trip)
    write_state(row, structs.replace(open_state(row), trip=gone))
    for role in ("admin", "viewer"):
        page = desk(role).get(_to(here, "mailboxes")).content.decode()
        assert sentence in page and "every 2s" not in page


def test_the_page_asks_again_while_a_test_message_is_on_its_way(here: House, desk: Desk) -> None:
    row = PolledMailbox.objects.select_related("organization").get(pk=here.mailbox)
    round_trips._change(
        row.pk, here.organization, lambda state: structs.replace(state, trip=RoundTrip("a@b.example", timezone.now()))
    )
    page = desk("admin").get(_to(here, "mailboxes")).content.decode()
    assert "on its way to a@b.example" in page and 'hx-trigger="every 2s"' in page


def test_what_is_wrong_and_what_to_do_stands_beside_a_mailbox(here: House, desk: Desk) -> None:
    row = PolledMailbox.objects.select_related("organization").get(pk=here.mailbox)
    write_state(row, structs.replace(open_state(row), fault="password", failed=NOW))
    page = desk("viewer").get(_to(here, "mailboxes")).content.decode()
    assert "Not working" in page and "rejects the user name or password" in page
    PolledMailbox.objects.update(settings_sealed=b"")
    page = desk("admin").get(_to(here, "mailboxes")).content.decode()
    assert "can’t be decrypted" in page


def test_a_mailbox_is_removed_with_its_password(here: House, desk: Desk) -> None:
    client, page = desk("admin"), _to(here, "remove-mailbox", here.mailbox)
    assert "Remove “bounces”?" in client.get(page).content.decode()
    assert "was removed" in client.post(page, follow=True).content.decode()
    assert not PolledMailbox.objects.filter(pk=here.mailbox).exists()
    assert Event.objects.filter(kind="mailbox.removed", about=here.mailbox, by=here.people["admin"]).exists()


def test_a_paused_mailbox_says_so_and_is_resumed_by_a_button(here: House, desk: Desk) -> None:
    client, page = desk("admin"), _to(here, "mailboxes")
    shown = client.post(_to(here, "pause-mailbox", here.mailbox), follow=True).content.decode()
    assert "isn’t read until you resume it" in shown and "Paused" in shown
    assert _to(here, "resume-mailbox", here.mailbox) in shown and "Not read yet" not in shown
    assert _to(here, "resume-mailbox", here.mailbox) not in desk("viewer").get(page).content.decode()
    shown = client.post(_to(here, "resume-mailbox", here.mailbox), follow=True).content.decode()
    assert "is read again" in shown and _to(here, "pause-mailbox", here.mailbox) in shown
    rows = Event.objects.filter(about=here.mailbox, by=here.people["admin"], kind__startswith="mailbox.")
    kinds = rows.exclude(kind="mailbox.added").order_by("pk").values_list("kind", flat=True)
    assert [*kinds] == ["mailbox.paused", "mailbox.resumed"]


def test_one_that_came_with_an_export_says_when_to_resume_it(here: House, desk: Desk) -> None:
    row = PolledMailbox.objects.select_related("organization").get(pk=here.mailbox)
    row.settings_sealed = seal_settings(row, structs.replace(open_settings(row), paused="export"))
    row.save()
    for role in ("admin", "viewer"):
        assert "two servers must not read one mailbox" in desk(role).get(_to(here, "mailboxes")).content.decode()


def test_a_paused_mailbox_is_tried_without_a_test_message(
    here: House, desk: Desk, logins: list[MailboxSettings]
) -> None:
    client = desk("admin")
    client.post(_to(here, "pause-mailbox", here.mailbox))
    change_settings(here.organization, by=None, now=NOW, return_address="back@lantern.example")
    shown = _answered(here, client, _to(here, "test-mailbox", here.mailbox), {}).content.decode()
    assert "we can log in" in shown and "Paused" in shown and len(logins) == 1
    assert open_state(PolledMailbox.objects.select_related("organization").get(pk=here.mailbox)).trip is None


def test_one_that_cannot_be_decrypted_is_neither_paused_nor_resumed(here: House, desk: Desk) -> None:
    PolledMailbox.objects.update(settings_sealed=b"")
    for name in ("pause-mailbox", "resume-mailbox"):
        shown = desk("admin").post(_to(here, name, here.mailbox), follow=True).content.decode()
        assert "can’t be decrypted" in shown


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_a_mailbox_at_a_real_server_is_added_proven_and_gets_the_bounces(
    here: House, desk: Desk, dovecot: Dovecot, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMIZDAT_INNER_NETWORKS", "127.0.0.1")
    here.organization.routes.update(state="paused")
    delivery.add_route(here.organization, "relay", f"smtp+plain://127.0.0.1:{server.port}", now=NOW, by=None)
    client, page = desk("admin"), _to(here, "mailboxes")
    where = {"host": "localhost", "port": str(dovecot.ports["imaps"]), "after": "delete", "move_to": ""}
    trust = {"password": "secret", "fingerprint": dovecot.certificate.fingerprint}
    shown = _answered(here, client, page, TYPED | where | trust).content.decode()
    assert "on its way to bounces@lantern.example" in shown
    [caught] = server.messages
    dovecot.deliver(caught.content)
    assert mailbox_polls.read(_row().pk, keeps_open=False) == mailbox_polls.AGAIN
    processing.process(here.organization, timezone.now())
    shown = client.get(page).content.decode()
    assert "A test message came back after" in shown and dovecot.messages() == []
    assert "bounces@lantern.example" in client.get(_to(here, "pending-changes")).content.decode()
    assert leading(here.organization).return_address == "", "with subscribers another admin has to agree"


def test_a_bounce_address_that_waits_for_approval_says_so(here: House, desk: Desk) -> None:
    asked = SettingDetails("return_address", "bounces@lantern.example")
    pending_changes.ask(here.organization, "setting", asked, now=NOW, by=here.people["admin"])
    page = desk("viewer").get(_to(here, "mailboxes")).content.decode()
    assert "Waiting for approval" in page and "Bounces will go to bounces@lantern.example" in page
    assert _to(here, "pending-changes") in page and "No bounce address is set" not in page


def test_a_bounce_address_that_no_mailbox_has_proven_says_what_to_do(here: House, desk: Desk) -> None:
    change_settings(here.organization, by=None, now=NOW, return_address="bounces@lantern.example")
    page = desk("viewer").get(_to(here, "mailboxes")).content.decode()
    assert "No test message has come back from this address through a mailbox here." in page


def test_each_route_has_its_webhook_beside_the_mailboxes(here: House, desk: Desk) -> None:
    hook = reverse("route-webhook", args=[here.organization.slug, here.route.pk])
    page = desk("admin").get(_to(here, "mailboxes")).content.decode()
    assert "Not set up" in page and hook in page
    route_webhooks.set_webhook(here.route, "mailgun", now=NOW)
    assert "Its secret is missing" in desk("admin").get(_to(here, "mailboxes")).content.decode()
    view = route_webhooks.webhook_of(here.route)
    assert view is not None
    [fetched] = mailbox_words.webhooks([(here.route, replace(view, fetches=True))])
    assert fetched.words == "Nothing has come in yet", "what is fetched is signed by nobody"
    route_webhooks.set_webhook(here.route, "mailgun", secret=SECRET, now=NOW)
    page = desk("viewer").get(_to(here, "mailboxes")).content.decode()
    assert "Nothing has come in yet" in page
    assert hook not in page, "its address has a password in it, and is for admins"


def test_what_came_in_is_counted_also_what_changed_nothing(here: House, desk: Desk) -> None:
    now = timezone.now()
    MailReport.objects.all().delete()
    page = desk("admin").get(_to(here, "mailboxes")).content.decode()
    assert "What came in" not in page
    for raw in (
        bounce("bounces@lantern.example", "ada@reader.example"),
        b"From: a@a.example\n\nHello\n",
        b"A: b\n" * 3000,
    ):
        intake.take(here.organization, raw, ("bounces@lantern.example",), now.date())
    processing.process(here.organization, now)
    page = " ".join(desk("admin").get(_to(here, "mailboxes")).content.decode().split())
    assert "<dt>Bounced later: address doesn’t exist</dt> <dd> 1 </dd>" in page
    assert "<dt>Replies</dt> <dd> fewer than 20 </dd>" in page
    assert "Of these, not about any email of ours that can be proven: 2." in page
    assert "Emails that couldn’t be read: 1." in page


def test_a_delivery_that_counted_makes_up_for_one_that_changed_nothing() -> None:
    refused = WebhookState(refusal="too_old", refused=NOW, refusals=1)
    heard = refused.with_events(NOW + timedelta(hours=1), 1, 0)
    assert [state.is_refused for state in (WebhookState(), refused, heard)] == [False, True, False]
    assert heard.with_refusals(NOW + timedelta(hours=2), "too_old", {}, 1).is_refused
