"""Seed mailboxes at the desk: added where we can log in, tested by a message, removed; and what they said last."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from samizdat.accounts.actions import found_organization
from samizdat.delivery import actions as delivery
from samizdat.delivery.actions import remote_checks
from samizdat.delivery.models import RemoteCheck, Route
from samizdat.events.models import Event
from samizdat.incoming.mailboxes.faults import MailboxFault
from samizdat.incoming.mailboxes.settings import MailboxSettings
from samizdat.incoming.models import SeedCopy, SeedMailbox
from samizdat.incoming.seeds import mailboxes, seed_checks
from tests.conftest import NOW, TODAY
from tests.incoming.dovecot import Dovecot, why_not
from tests.smtp_server import Certificates, ScriptedServer
from tests.web.conftest import House

Desk = Callable[[str], Client]
WHY_NOT = why_not()
with_dovecot = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
SECRET = "a very secret pass word"
SEED = "lantern.seed@gmail.example"
TYPED = {"provider": "gmail", "scheme": "imaps", "host": "imap.gmail.com", "user": SEED, "password": SECRET} | {
    "name": "Gmail",
    "address": SEED,
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
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def dovecot(tmp_path: Path) -> Iterator[Dovecot]:
    with tempfile.TemporaryDirectory(prefix="dovecot-") as folder:
        running = Dovecot(Path(folder), Certificates(tmp_path).issued("localhost"))
        try:
            yield running
        finally:
            running.end()


def _seeded(here: House, dovecot: Dovecot, tmp_path: Path) -> SeedMailbox:
    return mailboxes.add(here.organization, "Gmail", SEED, dovecot.url("imaps", f"ca={tmp_path / 'ca.pem'}"), now=NOW)


def _by_route(here: House, server: ScriptedServer) -> None:
    Route.objects.filter(organization=here.organization).update(state="paused")
    delivery.add_route(here.organization, "main relay", server.url, now=NOW)


def test_a_page_without_any_teaches_why_to_have_one(here: House, desk: Desk) -> None:
    SeedMailbox.objects.all().delete()
    page = desk("admin").get(_to(here, "seeds")).content.decode()
    assert "No seed mailboxes yet" in page and "put it into spam" in page
    assert f'href="{_to(here, "handbook", "sending")}#seed-mailboxes"' in page
    assert "Folder for email that was read" not in page and "POP3 with STARTTLS" not in page
    assert f'href="{_to(here, "seeds")}"' in page, "it has its place in the menu"


def test_a_seed_mailbox_is_added_only_where_we_can_log_in(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_settings: MailboxSettings, _seconds: float) -> None:
        raise MailboxFault("password")

    monkeypatch.setattr(seed_checks.polling, "session", refuse)
    before = SeedMailbox.objects.count()
    page = _answered(here, desk("admin"), _to(here, "seeds"), TYPED).content.decode()
    assert SeedMailbox.objects.count() == before
    assert SEED in page and SECRET not in page, "what was typed comes back without the password"
    assert SECRET.encode() not in b"".join(bytes(row.asked_sealed) for row in RemoteCheck.objects.all())


@with_dovecot
@pytest.mark.parametrize(("folder", "words"), [("", "is in the inbox"), (".Junk", "is in the spam folder")])
def test_a_test_says_where_a_message_arrives(
    here: House, desk: Desk, server: ScriptedServer, dovecot: Dovecot, tmp_path: Path, folder: str, words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    _by_route(here, server)
    for part in ("", "cur", "new", "tmp"):
        spam = dovecot.folder / "mail" / ".Junk" / part
        spam.mkdir()
        spam.chmod(0o777)

    def arrive(_seconds: float) -> None:
        dovecot.deliver(server.messages[-1].content, folder.lstrip(".") or "INBOX")

    monkeypatch.setattr(seed_checks, "wait", arrive)
    row = _seeded(here, dovecot, tmp_path)
    page = _answered(here, desk("admin"), _to(here, "test-seed", row.pk), {}).content.decode()
    assert words in page and "main relay" in page
    assert [caught.recipient for caught in server.messages] == [SEED]


@with_dovecot
def test_a_test_that_never_arrives_is_given_up(
    here: House, desk: Desk, server: ScriptedServer, dovecot: Dovecot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(seed_checks, "wait", waited.append)
    monkeypatch.setattr(seed_checks, "LOOKS", 3)
    _by_route(here, server)
    row = _seeded(here, dovecot, tmp_path)
    page = _answered(here, desk("admin"), _to(here, "test-seed", row.pk), {}).content.decode()
    assert "hasn’t arrived yet" in page and len(waited) == 2
    server.on("rcpt", "550 5.7.1 not you")
    page = _answered(here, desk("admin"), _to(here, "test-seed", row.pk), {}).content.decode()
    assert "The test message was not sent" in page and "not you" in page


def test_the_last_campaign_is_shown_by_route_and_leads_to_its_report(here: House, desk: Desk) -> None:
    url = "imaps://seed:secret@imap.gmail.com"
    row = mailboxes.add(here.organization, "at Gmail", SEED, url, now=NOW)
    facts = {"organization": here.organization, "campaign": here.sent, "route": here.route, "seed": row}
    SeedCopy.objects.create(**facts, state=SeedCopy.SPAM, mark="ab", at=NOW)
    page = " ".join(desk("viewer").get(_to(here, "seeds")).content.decode().split())
    assert f'<a href="{_to(here, "report", here.sent.pk)}">The winter list</a>' in page
    assert '<span class="state stop">spam</span>' in page and SEED in page and "secret" not in page
    assert "Save and test" not in page and _to(here, "remove-seed", row.pk) not in page, "a viewer only looks"


def test_a_seed_mailbox_is_removed_with_what_it_says(here: House, desk: Desk) -> None:
    row = mailboxes.add(here.organization, "at Gmail", SEED, "imaps://seed:secret@imap.gmail.com", now=NOW)
    page = _to(here, "remove-seed", row.pk)
    assert "what it says of earlier campaigns" in desk("admin").get(page).content.decode()
    assert "at Gmail” was removed" in desk("admin").post(page, follow=True).content.decode()
    assert not SeedMailbox.objects.filter(pk=row.pk).exists()
    assert Event.objects.filter(kind="seed.removed", by=here.people["admin"]).count() == 1
    assert desk("admin").get(page).status_code == 404


def test_a_seed_mailbox_of_others_is_nowhere(here: House, desk: Desk, vault: Any) -> None:
    aurora = found_organization("Aurora", source=vault, today=TODAY)
    theirs = mailboxes.add(aurora, "at Gmail", SEED, "imaps://seed:secret@imap.gmail.com", now=NOW)
    assert desk("admin").post(_to(here, "test-seed", theirs.pk)).status_code == 404
    assert desk("admin").post(_to(here, "remove-seed", theirs.pk)).status_code == 404
    assert SeedMailbox.objects.filter(pk=theirs.pk).exists()
    assert SEED not in desk("admin").get(_to(here, "seeds")).content.decode()
