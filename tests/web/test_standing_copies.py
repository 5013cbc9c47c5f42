"""The page *Standing copies*: what would be lost if an account elsewhere were closed now."""

import html
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import pytest
from django.test import Client

from samizdat import dbclock, plugins
from samizdat.audience import queries
from samizdat.audience.imports import actions as imports
from samizdat.audience.models import Import
from samizdat.delivery.actions import remote_checks
from samizdat.delivery.models import RemoteCheck
from samizdat.portability.account import upload
from samizdat.portability.account_copies import actions, copying
from samizdat.portability.models import AccountCopy
from tests.fakes.mailchimp_account import CLOSE, KEY, FakeAccount, MailchimpServer
from tests.web.conftest import House

Desk = Callable[[str], Client]


@pytest.fixture
def fake() -> Iterator[MailchimpServer]:
    with MailchimpServer(FakeAccount()) as server:
        yield server


def text(client: Client, here: House) -> str:
    seen = client.get(f"/o/{here.organization.slug}/standing-copies/")
    assert seen.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", seen.content.decode()))


def added(here: House, fake: MailchimpServer) -> AccountCopy:
    return actions.add(here.organization, "mailchimp", KEY, now=dbclock.asked(), endpoint=fake.endpoint)


def run(row: AccountCopy) -> None:
    copying.run(row.pk, now=dbclock.asked, sleep=lambda _seconds: None)


def test_without_a_copy_it_says_what_it_is_for_and_how_to_begin(here: House, desk: Desk) -> None:
    shown = text(desk("admin"), here)
    assert "No account is being copied" in shown and "create an API key there" in shown and "Brevo" in shown


@pytest.fixture
def here_is(fake: MailchimpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service is asked at our own server."""
    monkeypatch.setattr(actions, "add", partial(actions.add, endpoint=fake.endpoint))


def typed(client: Client, here: House, key: str) -> str:
    """What the page says once the worker has asked the service with this key."""
    where = f"/o/{here.organization.slug}/standing-copies/"
    client.post(where, {"service": "mailchimp", "key": key})
    question = RemoteCheck.objects.get()
    assert key.encode() not in bytes(question.asked_sealed)
    remote_checks.answer_all(here.organization.pk, dbclock.asked)
    seen = client.get(f"/o/{here.organization.slug}/remote-checks/{question.pk}", follow=True)
    assert not RemoteCheck.objects.exists(), "it held the key"
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html.unescape(seen.content.decode())))


@pytest.mark.usefixtures("no_worker", "here_is")
def test_an_account_is_added_by_its_key(here: House, desk: Desk) -> None:
    client = desk("admin")
    seen = typed(client, here, KEY)
    assert "Lantern is added: 100 contacts" in seen and "being copied for the first time" in seen and KEY not in seen
    assert "This account is already being copied" in typed(client, here, KEY)
    assert AccountCopy.objects.count() == 1


@pytest.mark.usefixtures("no_worker", "here_is")
def test_a_key_that_is_none_or_is_refused_gets_a_sentence(here: House, desk: Desk, fake: MailchimpServer) -> None:
    client = desk("admin")
    assert "This isn’t an API key of Mailchimp" in typed(client, here, "password")
    fake.account.close()
    assert "has closed or blocked this account" in typed(client, here, KEY)
    assert not AccountCopy.objects.exists()


def test_before_the_first_run_everything_would_be_lost_and_afterwards_what_nobody_can_copy(
    here: House, desk: Desk, fake: MailchimpServer
) -> None:
    row = added(here, fake)
    shown = text(desk("admin"), here)
    assert "Lantern at Mailchimp being copied for the first time" in shown and "Contacts 100 0 100" in shown
    run(row)
    shown = text(desk("admin"), here)
    assert "up to date" in shown and "Contacts 100 100 0" in shown and "Campaigns 5 5 0" in shown
    assert "Never copied: surveys, sign-up forms, the design of templates" in shown
    assert "Automations 1 0 1" in shown and "Landing pages 2 0 2" in shown
    assert "Create lists from this copy" in shown and row.pk


def test_a_refusal_and_a_copy_that_is_old_are_said(
    here: House, desk: Desk, fake: MailchimpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = added(here, fake)
    run(row)
    fake.on(CLOSE)
    with pytest.raises(plugins.ServiceRefused):
        run(row)
    home = html.unescape(desk("admin").get(f"/o/{here.organization.slug}/").content.decode())
    assert "Mailchimp no longer lets Samizdat into “Lantern”" in home and "Open standing copies" in home
    assert "no longer lets" not in desk("editor").get(f"/o/{here.organization.slug}/").content.decode()
    shown = text(desk("admin"), here)
    assert "access refused" in shown and "has closed or blocked this account" in shown
    fake.account.open_again()
    run(row)
    later = dbclock.asked() + timedelta(days=3)
    monkeypatch.setattr(dbclock, "asked", lambda: later)
    assert "not copied since" in text(desk("admin"), here)


def test_a_record_that_does_not_open_breaks_no_page(here: House, desk: Desk, fake: MailchimpServer) -> None:
    added(here, fake)
    AccountCopy.objects.update(settings_sealed=b"\4" + bytes(60))
    assert "Ask your server admin to remove this copy" in text(desk("admin"), here)


def test_who_was_deleted_there_is_counted_and_kept_as_they_were_only_if_asked(
    here: House, desk: Desk, fake: MailchimpServer
) -> None:
    row, client, each = added(here, fake), desk("admin"), fake.account.lists[0]
    run(row)
    assert "was deleted at" not in text(client, here) and "were deleted at" not in text(client, here)
    numbers = [number for number in each.numbers if each.status(number) == "subscribed" and number != 1][:12]
    for number in numbers:
        each.delete(number)
    run(row)
    assert "12 contacts were deleted at Mailchimp since they were copied" in text(client, here)
    client.post(f"/o/{here.organization.slug}/standing-copies/{row.pk}/import")
    importing = Import.objects.get(organization=here.organization, source="standing-copy")
    where = f"/o/{here.organization.slug}/imports/{importing.pk}/"
    assert "Keep 12 contacts that were deleted at Mailchimp as they were" in client.get(where).content.decode()
    client.post(where, {f"list-{each.id}": "Court diary", "keep-deleted": "1"})
    assert upload.run(importing.pk, now=dbclock.now).state == "finished"
    (of,) = queries.card(queries.subscriber_at(here.organization, each.address(numbers[0])), dbclock.now()).lists
    assert of.status == "subscribed"


def test_who_ticked_no_marketing_permission_is_counted_and_subscribed_only_if_asked(
    here: House, desk: Desk, fake: MailchimpServer
) -> None:
    row, client, each = added(here, fake), desk("admin"), fake.account.lists[0]
    number = next(number for number in each.numbers if each.status(number) == "subscribed" and number != 1)
    asked = [{"marketing_permission_id": "1f0a", "text": "Email", "enabled": False}]
    fake.account.change(each, number, marketing_permissions=asked)
    run(row)
    client.post(f"/o/{here.organization.slug}/standing-copies/{row.pk}/import")
    importing = Import.objects.get(organization=here.organization, source="standing-copy")
    where = f"/o/{here.organization.slug}/imports/{importing.pk}/"
    assert "Subscribe 1 contact that ticked no marketing permission" in client.get(where).content.decode()
    client.post(where, {f"list-{each.id}": "Court diary", "keep-unticked": "1"})
    assert upload.run(importing.pk, now=dbclock.now).state == "finished"
    (of,) = queries.card(queries.subscriber_at(here.organization, each.address(number)), dbclock.now()).lists
    assert of.status == "subscribed"


def test_only_admins_see_it(here: House, desk: Desk) -> None:
    assert desk("editor").get(f"/o/{here.organization.slug}/standing-copies/").status_code in (302, 403, 404)


def test_one_press_shows_what_comes_and_another_one_brings_it(here: House, desk: Desk, fake: MailchimpServer) -> None:
    row, client = added(here, fake), desk("admin")
    where = f"/o/{here.organization.slug}/standing-copies/{row.pk}/import"
    assert "Nobody has been copied yet" in client.post(where, follow=True).content.decode()
    run(row)
    page = html.unescape(client.post(where, follow=True).content.decode())
    for words in ("The standing copy of your account at Mailchimp", "100 rows", "3 sent campaigns", "2 drafts"):
        assert words in page, words
    assert "landing pages" in page, "what stays out is named"
    importing = Import.objects.get(organization=here.organization, source="standing-copy")
    each = fake.account.lists[0]
    client.post(f"/o/{here.organization.slug}/imports/{importing.pk}/", {f"list-{each.id}": "Court diary"})
    assert importing.pk in imports.resumable(dbclock.asked()), "the worker takes it, though there are no files"
    assert upload.run(importing.pk, now=dbclock.now).state == "finished"
    page = html.unescape(client.get(f"/o/{here.organization.slug}/imports/{importing.pk}/").content.decode())
    assert "Import finished" in page and "Court diary" in page and "3 sent campaigns" in page
    assert queries.count(here.organization, queries.list_named(here.organization, "Court diary"), "subscribed") > 50


def test_one_whose_copy_was_removed_says_so(here: House, desk: Desk, fake: MailchimpServer) -> None:
    row, client = added(here, fake), desk("admin")
    run(row)
    client.post(f"/o/{here.organization.slug}/standing-copies/{row.pk}/import")
    importing = Import.objects.get(organization=here.organization, source="standing-copy")
    client.post(f"/o/{here.organization.slug}/imports/{importing.pk}/", {})
    actions.remove(row, now=dbclock.asked())
    assert upload.run(importing.pk, now=dbclock.now).state == "failed"
    page = client.get(f"/o/{here.organization.slug}/imports/{importing.pk}/").content.decode()
    assert "This standing copy was removed" in page
