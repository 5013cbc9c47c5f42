"""A mailbox that is still there is read by IMAP: nothing in it is changed, nothing lost or doubled."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samizdat.audience.actions import new_list
from samizdat.audience.errors import ImportRefused
from samizdat.audience.models import Import, ImportPiece
from samizdat.core.evidence.fold import Fold
from samizdat.core.evidence.reading import Rules
from samizdat.incoming.evidence import imap_reading
from samizdat.incoming.evidence import kept as keeping
from samizdat.incoming.evidence.imap import ImapArchive, ReadFolder
from samizdat.incoming.evidence.kept import KeptReading
from samizdat.incoming.mailboxes.faults import MailboxFault
from samizdat.incoming.mailboxes.settings import BadMailbox, read_url
from tests.conftest import NOW
from tests.core.evidence import emails
from tests.imap_server import FakeImapServer
from tests.incoming.dovecot import Dovecot, certificates, dovecot, why_not
from tests.smtp_server import Certificates

__all__ = ["certificates", "dovecot"]
pytestmark = pytest.mark.django_db
RULES = Rules(frozenset({emails.OWN}))
ADA, BORIS, VERA = (f"{name}@reader.example" for name in ("ada", "boris", "vera"))


def crlf(raw: bytes) -> bytes:
    return raw.replace(b"\n", b"\r\n")


def many(count: int) -> list[bytes]:
    return [crlf(emails.mailchimp(f"r{number:03}@reader.example")) for number in range(count)]


@pytest.fixture
def server(certificates: Certificates) -> Iterator[FakeImapServer]:
    folders = {"INBOX": [crlf(emails.mailchimp(ADA)), crlf(emails.mailchimp(BORIS))]}
    folders |= {"Bounces": [crlf(emails.left(BORIS))], "Sent": [crlf(emails.email(emails.OWN, "Letter", "", to=ADA))]}
    with FakeImapServer(certificates.issued("localhost"), folders) as running:
        yield running


def archive(server: Any, certificates: Certificates, *folders: str, wrong: bool = False) -> ImapArchive:
    url = f"imaps://ada%40old.example@localhost:{server.port}/?ca={certificates.ca}"
    return ImapArchive(read_url(url, "wrong" if wrong else "secret", ""), folders, wait=lambda _seconds: None)


@pytest.fixture
def letter(lantern: Any) -> Any:
    return new_list(lantern, "The Letter", now=NOW)


@pytest.fixture
def kept(lantern: Any, letter: Any) -> KeptReading:
    return KeptReading(lantern, letter, RULES, now=lambda: NOW)


def statuses(fold: Fold) -> dict[str, str]:
    return {address.address: address.status for address in fold.addresses(frozenset({emails.SERVER}))}


def test_all_folders_are_read_and_nothing_in_them_is_changed(
    server: FakeImapServer, certificates: Certificates, kept: KeptReading
) -> None:
    fold = Fold()
    assert imap_reading.read(fold, archive(server, certificates), RULES, kept) == 4
    assert statuses(fold) == {ADA: "subscribed", BORIS: "unsubscribed"} and fold.counts.emails == 4
    assert not server.changes
    asked = [command for command in server.commands if "BODY" in command]
    assert asked and all("BODY.PEEK[]<0." in command for command in asked)


def test_folders_can_be_chosen_and_a_wrong_name_shows_those_that_are_there(
    server: FakeImapServer, certificates: Certificates, kept: KeptReading
) -> None:
    fold = Fold()
    assert imap_reading.read(fold, archive(server, certificates, "inbox"), RULES, kept) == 2
    assert statuses(fold)[BORIS] == "subscribed", "its folder of bounces was not chosen"
    with pytest.raises(BadMailbox, match=r"no folder “Bounce”.*Bounces, INBOX, Sent"):
        imap_reading.read(Fold(), archive(server, certificates, "Bounce"), RULES, kept)


def test_of_a_folder_with_copies_of_all_emails_none_is_read_twice(
    server: FakeImapServer, certificates: Certificates, kept: KeptReading
) -> None:
    """As at Gmail."""
    server.folders["All"] = [raw for some in [*server.folders.values()] for raw in some]
    server.folders["Spam"] = [crlf(emails.complaint(ADA))]
    server.flags = {"All": r"\All", "Spam": r"\Junk", "Sent": r"\Sent"}
    fold = Fold()
    assert imap_reading.read(fold, archive(server, certificates), RULES, kept) == 5
    assert statuses(fold) == {ADA: "complained", BORIS: "unsubscribed"}


def test_a_connection_that_breaks_again_and_again_loses_and_doubles_nobody(
    server: FakeImapServer, certificates: Certificates, kept: KeptReading
) -> None:
    server.folders["INBOX"], server.hangs_up_after = many(330), 120
    fold = Fold()
    imap_reading.read(fold, archive(server, certificates, "INBOX"), RULES, kept)
    assert server.connected >= 4 and fold.counts.emails == 330
    assert statuses(fold) == {f"r{number:03}@reader.example": "subscribed" for number in range(330)}


def test_one_that_never_answers_again_is_a_sentence(
    server: FakeImapServer, certificates: Certificates, kept: KeptReading
) -> None:
    server.hangs_up_after = 1
    server.folders["INBOX"] = many(3)
    with pytest.raises(MailboxFault) as fault:
        imap_reading.read(Fold(), archive(server, certificates), RULES, kept)
    assert fault.value.code == "hung_up"
    with pytest.raises(MailboxFault) as fault:
        imap_reading.read(Fold(), archive(server, certificates, wrong=True), RULES, kept)
    assert fault.value.code == "password"


class Killed(BaseException):
    """The process ends here."""


def test_a_run_that_was_killed_goes_on_behind_what_it_had_read(
    server: FakeImapServer,
    certificates: Certificates,
    lantern: Any,
    letter: Any,
    kept: KeptReading,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeping, "MOST_EMAILS", 100)
    server.folders["INBOX"] = many(350)

    def killed(read: int, _emails: int) -> None:
        if read >= 200:
            monkeypatch.setattr(KeptReading, "flush", lambda _self: None)  # As if the power failed.
            raise Killed

    flush = KeptReading.flush
    with pytest.raises(Killed):
        imap_reading.read(Fold(), archive(server, certificates), RULES, kept, killed)
    monkeypatch.setattr(KeptReading, "flush", flush)
    blobs = [bytes(blob) for blob in ImportPiece.objects.values_list("blob", flat=True)]
    assert blobs and not any(b"reader.example" in blob or b"INBOX" in blob for blob in blobs)
    again = KeptReading(lantern, letter, RULES, now=lambda: NOW)
    assert again.emails == 200
    server.fetched, fold = 0, Fold()
    assert imap_reading.read(fold, archive(server, certificates), RULES, again) == 353 - 1
    assert server.fetched == 152 and fold.counts.emails == 352
    assert {f"r{number:03}@reader.example" for number in range(350)} <= statuses(fold).keys()
    other = KeptReading(lantern, letter, Rules(frozenset({"other@lantern.example"})), now=lambda: NOW)
    assert other.emails == 0, "what was read by other rules says nothing by these"
    again.drop()
    assert not Import.objects.filter(source="imap").exists() and not ImportPiece.objects.exists()


def test_a_folder_that_was_made_anew_is_read_from_its_beginning(
    server: FakeImapServer, certificates: Certificates
) -> None:
    known = {"INBOX": ReadFolder("INBOX", 7, 20)}
    assert not [*archive(server, certificates, "INBOX").emails(known)]
    server.validity = 3
    assert len([*archive(server, certificates, "INBOX").emails(known)]) == 2


def test_of_an_email_of_three_gigabytes_only_its_beginning_is_fetched(
    server: FakeImapServer, certificates: Certificates, kept: KeptReading
) -> None:
    server.folders["INBOX"][0] += b"x" * 1_000_000
    server.giant = 1
    fold = Fold()
    imap_reading.read(fold, archive(server, certificates, "INBOX"), RULES, kept)
    assert fold.counts.unreadable == 1 and statuses(fold) == {BORIS: "subscribed"}


def test_where_there_is_no_room_nothing_is_kept_and_the_reading_goes_on(
    server: FakeImapServer, certificates: Certificates, kept: KeptReading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMIZDAT_UPLOADS", "0")
    fold = Fold()
    assert imap_reading.read(fold, archive(server, certificates), RULES, kept) == 4
    assert statuses(fold) == {ADA: "subscribed", BORIS: "unsubscribed"} and not ImportPiece.objects.exists()


def test_what_was_not_kept_is_read_again(
    server: FakeImapServer,
    certificates: Certificates,
    lantern: Any,
    letter: Any,
    kept: KeptReading,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where room came back in the middle, the next run does not begin behind what was kept nowhere."""
    monkeypatch.setattr(keeping, "MOST_EMAILS", 100)
    server.folders["INBOX"] = many(350)
    put, tries = keeping.actions.add_piece, [0]

    def no_room_once(*arguments: Any) -> None:
        tries[0] += 1
        if tries[0] == 2:
            raise ImportRefused("uploads_full", "There is no room.")
        put(*arguments)

    monkeypatch.setattr(keeping.actions, "add_piece", no_room_once)
    imap_reading.read(Fold(), archive(server, certificates), RULES, kept)
    again, fold = KeptReading(lantern, letter, RULES, now=lambda: NOW), Fold()
    assert again.emails == 100
    imap_reading.read(fold, archive(server, certificates), RULES, again)
    assert fold.counts.emails == 352


def test_pop3_is_refused() -> None:
    with pytest.raises(BadMailbox, match="IMAP"):
        ImapArchive(read_url("pop3s://ada@old.example", "secret", ""))


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_a_real_server_keeps_its_emails_as_they_were(
    dovecot: Dovecot, certificates: Certificates, kept: KeptReading
) -> None:
    for raw in (emails.mailchimp(ADA), emails.mailchimp(BORIS), emails.wants_to_leave(BORIS), emails.wrote(VERA)):
        dovecot.deliver(crlf(raw))
    settings = read_url(dovecot.url("imaps", f"ca={certificates.ca}"), None, "")
    fold = Fold()
    imap_reading.read(fold, ImapArchive(settings), RULES, kept)
    assert statuses(fold) == {ADA: "subscribed", BORIS: "unsubscribed", VERA: "wrote"}
    names = [path.name for path in Path(dovecot.folder, "mail").rglob("*P1.host*")]
    assert len(names) == 4 and not any("S" in name.partition(":2,")[2] for name in names)
