"""The mailboxes of an organization leave with it, and nobody reads them twice: they come in paused."""

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from samizdat.accounts.sealed_settings import leading
from samizdat.events.models import Event
from samizdat.health import organizations
from samizdat.incoming import intake
from samizdat.incoming.mailboxes import actions as mailboxes
from samizdat.incoming.mailboxes.sealed import open_settings, open_state
from samizdat.incoming.mailboxes.settings import MailboxSettings, read_url
from samizdat.incoming.models import IncomingMail, PolledMailbox
from samizdat.portability.errors import ExportRefused
from samizdat.portability.restore import bring_back
from samizdat.worker.mail.mailbox_polls import MailboxPolls
from tests.conftest import NOW
from tests.delivery.conftest import until
from tests.incoming.dovecot import Dovecot, certificates, dovecot, why_not
from tests.portability.test_setup import altered, another, audience, exported

__all__ = ["audience", "certificates", "dovecot"]
PLACE = "imaps://news%40lantern.example@imap.provider.example:993/Returned"


@pytest.fixture
def row(audience: Any) -> PolledMailbox:
    """At A: what comes back is read there, and moved."""
    return mailboxes.add(audience, "bounces", PLACE, now=NOW, password="rope & lamp", move_to="Read")


def came(organization: Any) -> list[tuple[str, MailboxSettings]]:
    rows = mailboxes.mailboxes(organization)
    return [(row.name, row.settings) for row in rows if row.settings]


def kinds(organization: Any, number: int) -> list[str]:
    rows = Event.objects.filter(organization=organization, about=number, kind__startswith="mailbox.")
    return [*rows.order_by("pk").values_list("kind", flat=True)]


def test_a_mailbox_comes_along_paused(audience: Any, row: PolledMailbox, vault: Any, tmp_path: Path) -> None:
    path, there = exported(audience, tmp_path), another(vault)
    assert bring_back(there, path, now=lambda: NOW)["setup"] == 4
    ((name, settings),) = came(there)
    assert (name, settings.url, settings.password, settings.move_to) == ("bounces", PLACE, "rope & lamp", "Read")
    assert (settings.paused, settings.ours) == ("export", False)
    made = PolledMailbox.objects.get(organization=there)
    assert kinds(there, made.pk) == ["mailbox.added", "mailbox.paused"]
    assert not open_settings(row).paused, "A goes on until somebody pauses it there"


def test_a_sealed_export_shows_no_password(audience: Any, row: PolledMailbox, tmp_path: Path) -> None:
    exported(audience, tmp_path)
    sealed = (tmp_path / "sealed").read_bytes()
    assert b"rope & lamp" not in sealed and b"imap.provider.example" not in sealed


def _older(setup: Any) -> None:
    del setup["mailboxes"]


def _no_url(setup: Any) -> None:
    setup["mailboxes"][0]["url"] = "file:///etc/passwd"


def _no_password(setup: Any) -> None:
    setup["mailboxes"][0]["password"] = ""


def _odd_name(setup: Any) -> None:
    setup["mailboxes"][0]["name"] = "b" * 61


def _moved_in_a_circle(setup: Any) -> None:
    setup["mailboxes"][0]["move_to"] = "Returned"


@pytest.mark.parametrize("change", [_older, _no_url, _no_password, _odd_name, _moved_in_a_circle])
def test_an_export_without_mailboxes_or_with_one_that_cannot_be_still_comes_in(
    audience: Any, row: PolledMailbox, vault: Any, tmp_path: Path, change: Any
) -> None:
    path, there = exported(audience, tmp_path), another(vault)
    altered(path, change)
    bring_back(there, path, now=lambda: NOW)
    assert came(there) == [] and there.routes.count() == 1


def _file_of_the_server(setup: Any) -> None:
    setup["mailboxes"][0]["url"] += "?ca=/etc/samizdat/key"


def test_a_made_up_file_names_no_file_of_this_server(
    audience: Any, row: PolledMailbox, vault: Any, tmp_path: Path
) -> None:
    path, there = exported(audience, tmp_path), another(vault)
    altered(path, _file_of_the_server)
    bring_back(there, path, now=lambda: NOW)
    assert [settings.ca for _name, settings in came(there)] == [""]


def _number(setup: Any) -> None:
    setup["mailboxes"][0]["password"] = 7


def _many(setup: Any) -> None:
    setup["mailboxes"] *= 300


def _no_list(setup: Any) -> None:
    setup["mailboxes"] = {"bounces": PLACE}


@pytest.mark.parametrize("change", [_number, _many, _no_list])
def test_mailboxes_that_no_export_has_are_refused_with_all_else(
    audience: Any, row: PolledMailbox, vault: Any, tmp_path: Path, change: Any
) -> None:
    path, there = exported(audience, tmp_path), another(vault)
    altered(path, change)
    with pytest.raises(ExportRefused):
        bring_back(there, path, now=lambda: NOW)
    assert came(there) == []


@pytest.mark.parametrize(("name", "place"), [("bounces", "pop3s://news@pop.bell.example"), ("replies", PLACE)])
def test_one_that_is_there_already_stays_as_it_is(
    audience: Any, row: PolledMailbox, vault: Any, tmp_path: Path, name: str, place: str
) -> None:
    """By its name, or the same mailbox by another."""
    path, there = exported(audience, tmp_path), another(vault)
    mine = open_settings(mailboxes.add(there, name, place, now=NOW, password="mine"))
    bring_back(there, path, now=lambda: NOW)
    assert came(there) == [(name, mine)]


@pytest.mark.parametrize(
    "url",
    [
        PLACE,
        "imap+plain://ada@[::1]:1143/INBOX",
        "pop3s://b%40nn%2Fe%3F@pop.lantern.example:995",
        "imaps://ada@imap.lantern.example:993/Post%20%26%20more%2FN%C3%A4heres?client=7&tenant=lantern&token_url=https%3A%2F%2Flantern.example%2Ft%3Fa%26b",
        f"imaps://ada@imap.lantern.example:993/INBOX?fingerprint={'ab' * 32}",
    ],
)
def test_settings_say_the_url_that_they_were_read_from(url: str) -> None:
    settings = read_url(url, "rope", "")
    assert settings.url == url and read_url(settings.url, "rope", "") == settings


def test_pausing_is_told_once(lantern: Any) -> None:
    row = mailboxes.add(lantern, "bounces", PLACE, now=NOW, password="rope")
    for turn in (mailboxes.resume, mailboxes.pause, mailboxes.pause, mailboxes.resume, mailboxes.resume):
        turn(row, now=NOW)
    assert kinds(lantern, row.pk) == ["mailbox.added", "mailbox.paused", "mailbox.resumed"]


def test_a_change_leaves_it_paused_also_when_it_was_typed_before(lantern: Any) -> None:
    row = mailboxes.add(lantern, "bounces", PLACE, now=NOW, password="rope")
    typed = open_settings(row)
    mailboxes.pause(row, now=NOW)
    mailboxes.change(row, "bounces", typed, now=NOW, by=None)
    mailboxes.edit(PolledMailbox.objects.get(pk=row.pk), now=NOW, url=PLACE.replace("provider", "other"), password="x")
    kept = open_settings(PolledMailbox.objects.get(pk=row.pk))
    assert (kept.host, kept.paused) == ("imap.other.example", "admin")


def found(organization: Any) -> list[tuple[str, str]]:
    return [(found.code, found.state) for found in organizations._mailboxes(organization)]


def test_health_says_what_came_with_an_export_and_how_to_resume_it(
    audience: Any, row: PolledMailbox, vault: Any, tmp_path: Path
) -> None:
    path, there = exported(audience, tmp_path), another(vault)
    bring_back(there, path, now=lambda: NOW)
    (finding,) = organizations._mailboxes(there)
    assert (finding.code, finding.state) == ("mail.mailbox-waits", "amber")
    assert "two servers must not read one mailbox" in finding.sentence
    assert "samizdat mail resume bounces" in finding.sentence
    mailboxes.pause(row, now=NOW)
    assert found(audience) == [("mail.mailbox-paused", "good")], "whoever pauses one knows of it"


def rounds(polls: MailboxPolls) -> None:
    """Whatever is due is read to its end; both mailboxes come in turn."""
    for _look in range(3):
        polls.look()
        until(lambda: not polls._running)


def logins(dovecot: Dovecot) -> int:
    return (dovecot.folder / "log").read_text().count("imap-login: Info: Logged in")


@pytest.mark.skipif(bool(why_not()), reason=why_not())
@pytest.mark.django_db(transaction=True)
def test_b_touches_no_mailbox_of_a_until_it_is_resumed(
    audience: Any, vault: Any, tmp_path: Path, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An organization moves, with a real mailbox that both servers could read."""
    monkeypatch.setenv("SAMIZDAT_INNER_NETWORKS", "127.0.0.1")
    url = dovecot.url("imaps", f"fingerprint={dovecot.certificate.fingerprint}")
    mine = mailboxes.add(audience, "bounces", url, now=NOW)
    path, there = exported(audience, tmp_path), another(vault)
    bring_back(there, path, now=lambda: NOW)
    theirs = PolledMailbox.objects.select_related("organization").get(organization=there)
    assert leading(there).name == "Harbor Bell"

    mailboxes.pause(mine, now=NOW)
    dovecot.deliver(b"Subject: Undelivered\r\n\r\nNo such user.\r\n")
    polls = MailboxPolls(most=1)  # With more mailboxes than that, none is kept open to hear of news.
    rounds(polls)
    assert len(dovecot.messages()) == 1 and not IncomingMail.objects.exists()
    assert logins(dovecot) == 0, "while both are paused, nobody connects"

    mailboxes.resume(theirs, now=timezone.now())
    rounds(polls)
    (mail,) = IncomingMail.objects.all()
    assert mail.organization == there and intake.opener(there).open(bytes(mail.box)).raw.startswith(b"Subject: Und")
    assert dovecot.messages() == [] and open_state(PolledMailbox.objects.get(pk=theirs.pk)).taken == 1
    assert logins(dovecot) == 1 and not open_state(PolledMailbox.objects.get(pk=mine.pk)).heard
