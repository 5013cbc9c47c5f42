"""Mailboxes at a real Dovecot are read over TLS: nothing twice, nothing lost, whenever it ends."""

import logging
import socket
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from msgspec import structs

from samizdat.accounts.models import Organization
from samizdat.core.mail import incoming_envelope
from samizdat.incoming import intake
from samizdat.incoming.mailboxes import actions, imap, polling, pop3
from samizdat.incoming.mailboxes.faults import MailboxFault
from samizdat.incoming.mailboxes.sealed import open_settings, open_state
from samizdat.incoming.mailboxes.settings import BadMailbox
from samizdat.incoming.models import IncomingMail, PolledMailbox
from samizdat.worker.mail import mailbox_polls
from tests.incoming.dovecot import Dovecot, certificates, dovecot, why_not
from tests.smtp_server import Certificates

__all__ = ["certificates", "dovecot"]
WHY_NOT = why_not()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
NOW = datetime(2026, 12, 1, 10, tzinfo=UTC)
BOTH = pytest.mark.parametrize("scheme", ["imaps", "pop3s"])


class Killed(BaseException):
    """The process ends here."""


def dies(*_arguments: Any) -> None:
    raise Killed


def hangs_up(source: Any) -> None:
    """As the system does for a process that is gone: no QUIT, no LOGOUT."""
    source._deadline._end()
    source._deadline.cancel()


def message(number: int, words: str = "No such user.") -> bytes:
    return f"From: MAILER-DAEMON@relay.example\r\nSubject: Undelivered {number}\r\n\r\n{words}\r\n".encode()


class Postbox:
    """A mailbox at Dovecot, as it was added here."""

    def __init__(self, organization: Organization, dovecot: Dovecot, certificates: Certificates) -> None:
        self.organization, self.dovecot, self.ca = organization, dovecot, certificates.ca
        self.row: Any = None

    def add(
        self, scheme: str = "imaps", move_to: str = "", options: str = "", password: str | None = None
    ) -> PolledMailbox:
        url = self.dovecot.url(scheme, options or f"ca={self.ca}")
        self.row = actions.add(self.organization, "bounces", url, now=NOW, move_to=move_to, password=password)
        return self.row

    def fill(self, count: int) -> list[bytes]:
        messages = [message(number) for number in range(count)]
        for raw in messages:
            self.dovecot.deliver(raw)
        return messages

    def read(self) -> int:
        with polling.session(open_settings(self.row)) as source:
            return polling.take_in(self.row.pk, source, lambda: NOW, lambda: False)

    def fault(self) -> str:
        with pytest.raises(MailboxFault) as caught:
            self.read()
        assert str(caught.value).endswith(".")
        return caught.value.code

    def taken(self) -> list[bytes]:
        return [intake.opener(row.organization).open(bytes(row.box)).raw for row in IncomingMail.objects.order_by("pk")]


@pytest.fixture
def postbox(lantern: Organization, dovecot: Dovecot, certificates: Certificates) -> Postbox:
    return Postbox(lantern, dovecot, certificates)


@BOTH
def test_what_waits_is_taken_in_and_deleted(postbox: Postbox, scheme: str) -> None:
    messages = postbox.fill(5)
    postbox.add(scheme)
    assert actions.waiting(postbox.row) == 5
    assert postbox.read() == 5
    assert postbox.taken() == messages
    assert postbox.dovecot.messages() == []
    assert postbox.read() == 0


def test_a_copied_installation_leaves_the_mail_to_the_original(postbox: Postbox) -> None:
    postbox.fill(2)
    postbox.add()
    Organization.objects.update(sending_locked=True)
    assert postbox.read() == 0 and len(postbox.dovecot.messages()) == 2
    polls = mailbox_polls.MailboxPolls()
    polls.look()
    assert polls._due == {}
    Organization.objects.update(sending_locked=False)
    assert postbox.read() == 2


def test_by_starttls_as_well(postbox: Postbox) -> None:
    messages = postbox.fill(2)
    postbox.add("imap")
    assert postbox.read() == 2
    assert postbox.taken() == messages


def test_read_mail_is_moved_to_a_folder_that_is_created(postbox: Postbox) -> None:
    messages = postbox.fill(3)
    postbox.add(move_to="Read")
    postbox.read()
    assert postbox.dovecot.messages() == []
    assert postbox.dovecot.messages("Read") == messages


@BOTH
def test_killed_between_taking_in_and_deleting_nothing_is_read_twice(
    postbox: Postbox, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = postbox.fill(5)
    postbox.add(scheme)
    source = imap.ImapSource if scheme == "imaps" else pop3.Pop3Source
    with monkeypatch.context() as patched:
        patched.setattr(source, "remove", dies)
        patched.setattr(source, "close", hangs_up)
        with pytest.raises(Killed):
            postbox.read()
    assert len(postbox.dovecot.messages()) == 5 and postbox.taken() == messages
    postbox.dovecot.deliver(message(5))
    assert postbox.read() == 1
    assert postbox.taken() == [*messages, message(5)]
    assert postbox.dovecot.messages() == []


@BOTH
def test_killed_inside_a_fetch_nothing_is_lost_and_nothing_is_read_twice(
    postbox: Postbox, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = postbox.fill(5)
    postbox.add(scheme)
    monkeypatch.setattr(polling, "BATCH", 2)
    protocol = imap.Imap4OnSocket if scheme == "imaps" else pop3.Pop3OnSocket
    source = imap.ImapSource if scheme == "imaps" else pop3.Pop3Source
    name = "read" if scheme == "imaps" else "pieces"
    original, calls = getattr(protocol, name), iter(range(100))

    def dies_in_the_third(self: Any, *arguments: Any) -> Any:
        if next(calls) == 3:
            raise Killed
        return original(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(protocol, name, dies_in_the_third)
        patched.setattr(source, "close", hangs_up)
        with pytest.raises(Killed):
            postbox.read()
    assert postbox.taken() == messages[:2]
    assert len(postbox.dovecot.messages()) == 5
    assert postbox.read() == 3
    assert postbox.taken() == messages
    assert postbox.dovecot.messages() == []


def test_a_mailbox_that_is_changed_goes_on_where_it_was(postbox: Postbox, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = postbox.fill(5)
    postbox.add()
    with monkeypatch.context() as patched:
        patched.setattr(imap.ImapSource, "remove", dies)
        with pytest.raises(Killed):
            postbox.read()
    postbox.row = actions.edit(postbox.row, now=NOW, name="returned", move_to="Read")
    postbox.dovecot.deliver(message(5))
    assert postbox.read() == 1
    assert postbox.taken() == [*messages, message(5)] == postbox.dovecot.messages("Read")
    assert postbox.dovecot.messages() == []
    assert [row.name for row in actions.mailboxes(postbox.organization)] == ["returned"]


@BOTH
def test_another_password_is_given_to_a_mailbox_that_is_there(postbox: Postbox, scheme: str) -> None:
    postbox.fill(1)
    postbox.add(scheme, password="not-the-secret")
    assert postbox.fault() == "password"
    postbox.row = actions.edit(postbox.row, now=NOW, password="secret")
    assert postbox.read() == 1


def test_another_folder_of_the_same_host_needs_no_password_again(postbox: Postbox) -> None:
    postbox.add()
    url = postbox.dovecot.url("imaps", f"ca={postbox.ca}", "Nowhere").replace(":secret", "")
    postbox.row = actions.edit(postbox.row, now=NOW, url=url)
    assert postbox.fault() == "no_folder"


def test_another_host_never_gets_the_password_that_is_kept(postbox: Postbox) -> None:
    postbox.add()
    with pytest.raises(BadMailbox, match="password"):
        actions.edit(postbox.row, now=NOW, url="imaps://bounces%40lantern.example@imap.elsewhere.example/INBOX")
    row = PolledMailbox.objects.select_related("organization").get()
    assert open_settings(row).host == "localhost"


def test_by_pop3_nothing_is_moved(postbox: Postbox) -> None:
    postbox.add("pop3s")
    with pytest.raises(BadMailbox, match="POP3 knows no folders"):
        actions.edit(postbox.row, now=NOW, move_to="Read")


def test_nothing_is_deleted_by_settings_that_are_no_more(postbox: Postbox) -> None:
    """A session may have begun before somebody changed them."""
    messages = postbox.fill(2)
    with polling.session(open_settings(postbox.add())) as source:
        postbox.row = actions.edit(postbox.row, now=NOW, move_to="Read")
        assert polling.take_in(postbox.row.pk, source, lambda: NOW, lambda: False) == 0
    assert postbox.dovecot.messages() == messages
    assert postbox.read() == 2 and postbox.dovecot.messages("Read") == messages


@BOTH
def test_two_processes_that_read_a_mailbox_at_once_take_in_each_message_once(postbox: Postbox, scheme: str) -> None:
    messages = postbox.fill(3)
    row = postbox.add(scheme)
    with polling.session(open_settings(row)) as source:
        fetched = [*source.fetch(source.page(), incoming_envelope.MOST)]
        assert [polling._take(row.pk, fetched, NOW), polling._take(row.pk, fetched, NOW)] == [3, 0]
    assert postbox.taken() == messages


@BOTH
def test_of_a_message_without_end_no_more_is_held_than_is_kept(postbox: Postbox, scheme: str) -> None:
    postbox.dovecot.deliver(message(1, "y" * 100_000))
    with polling.session(open_settings(postbox.add(scheme))) as source:
        assert [len(raw) for _message, raw in source.fetch(source.page(), 70_000)] == [70_000]


@BOTH
def test_a_message_without_end_is_taken_in_by_its_beginning(
    postbox: Postbox, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming_envelope, "MOST", 70_000)
    long = message(1, "\r\n..x" + "y" * 100_000)
    postbox.dovecot.deliver(long)
    postbox.add(scheme)
    assert postbox.read() == 1
    [row] = IncomingMail.objects.all()
    envelope = intake.opener(row.organization).open(bytes(row.box))
    assert (envelope.raw, envelope.size) == (long[:70_000], len(long))
    assert postbox.dovecot.messages() == []


@BOTH
def test_a_wrong_password_is_a_sentence_and_tried_less_and_less_often(
    postbox: Postbox, scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    postbox.add(scheme, password="not-the-secret")
    assert postbox.fault() == "password"
    caplog.set_level(logging.DEBUG)
    pauses = [mailbox_polls.read(postbox.row.pk, False) for _ in range(4)]
    assert pauses == [900, 1800, 3600, 3600]
    [row] = actions.mailboxes(postbox.organization)
    assert row.state is not None and (row.state.fault, row.state.failures) == ("password", 4)
    assert "not-the-secret" not in caplog.text and "lantern.example" not in caplog.text


def test_a_changed_certificate_gets_no_password(postbox: Postbox, certificates: Certificates) -> None:
    postbox.add(options=f"fingerprint={postbox.dovecot.certificate.fingerprint}")
    assert postbox.read() == 0
    postbox.dovecot.end()
    postbox.dovecot.certificate = certificates.self_signed("localhost")
    postbox.dovecot.start()
    assert postbox.fault() == "fingerprint"
    assert mailbox_polls.read(postbox.row.pk, False) == 60


def test_a_certificate_that_nobody_vouches_for_gets_no_password(postbox: Postbox) -> None:
    postbox.add(options="ca=")
    assert postbox.fault() == "certificate"


@pytest.mark.parametrize("days", [-365, 365])
def test_a_clock_that_is_a_year_off_is_a_sentence(postbox: Postbox, certificates: Certificates, days: int) -> None:
    """As seen from a clock that is right: the certificate is a year too old, or too new."""
    postbox.dovecot.end()
    postbox.dovecot.certificate = certificates._make("localhost", certificates.name, certificates.key, days)
    postbox.dovecot.start()
    postbox.add()
    assert postbox.fault() == "clock"


def test_a_host_that_is_away_is_tried_again(postbox: Postbox) -> None:
    postbox.fill(1)
    postbox.add()
    postbox.dovecot.end()
    assert mailbox_polls.read(postbox.row.pk, False) == 60
    postbox.dovecot.start()
    assert mailbox_polls.read(postbox.row.pk, False) == mailbox_polls.AGAIN
    [row] = actions.mailboxes(postbox.organization)
    assert row.state is not None and (row.state.fault, row.state.failures, row.state.taken) == ("", 0, 1)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (socket.EAI_AGAIN, "no_names"),  # Name servers that don't answer.
        (socket.EAI_FAIL, "no_names"),  # They answer that they failed.
        (socket.EAI_NONAME, "no_such_host"),
    ],
)
def test_after_an_hour_without_names_a_mailbox_is_read_within_five_minutes(
    postbox: Postbox, monkeypatch: pytest.MonkeyPatch, error: int, code: str
) -> None:
    messages = postbox.fill(2)
    row = postbox.add()

    def unknown(*_host: Any, **_more: Any) -> Any:
        raise socket.gaierror(error, "no answer")

    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", unknown)
        pauses = [mailbox_polls.read(row.pk, False) for _ in range(15)]
        assert pauses == [60, 120, 240] + 12 * [mailbox_polls.AGAIN] and sum(pauses) > 3600
    [shown] = actions.mailboxes(postbox.organization)
    assert shown.state is not None and shown.state.fault == code
    assert mailbox_polls.read(row.pk, False) == mailbox_polls.AGAIN
    assert postbox.taken() == messages


def test_a_name_that_leads_to_another_server_gives_it_no_password(
    postbox: Postbox, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever answers there has a certificate that is good, for a name of their own."""
    messages = postbox.fill(1)
    postbox.add()
    dovecot, rightful = postbox.dovecot, postbox.dovecot.certificate
    dovecot.end()
    dovecot.certificate = certificates.issued("elsewhere.example")
    dovecot.start()
    logged_in: list[str] = []
    monkeypatch.setattr(imap.ImapSource, "_log_in", lambda _self: logged_in.append("here"))
    assert postbox.fault() == "certificate" and logged_in == []
    monkeypatch.undo()
    dovecot.end()
    dovecot.certificate = rightful
    dovecot.start()
    assert postbox.read() == 1 and postbox.taken() == messages


def test_a_name_that_leads_inside_is_not_followed_for_an_admin_of_the_app(
    postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = structs.replace(open_settings(postbox.add()), ours=False, host="imap.provider.example")
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 993)) for address in ("203.0.113.9", "10.0.0.5")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_host, **_more: answer)
    with pytest.raises(MailboxFault) as caught, polling.session(settings):
        pass
    assert caught.value.code == "inside"


def test_a_folder_that_is_not_there_is_a_sentence(postbox: Postbox) -> None:
    url = postbox.dovecot.url("imaps", f"ca={postbox.ca}", "Nowhere")
    postbox.row = actions.add(postbox.organization, "bounces", url, now=NOW)
    assert postbox.fault() == "no_folder"


def test_two_thousand_messages_come_in_pages(postbox: Postbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap, "PAGE", 700)
    monkeypatch.setattr(imap, "AT_ONCE", 300)
    messages = postbox.fill(2_000)
    postbox.add()
    with polling.session(open_settings(postbox.row)) as source:
        assert len(source.page()) == imap.PAGE
    assert postbox.read() == 2_000
    assert postbox.taken() == messages
    assert postbox.dovecot.messages() == []
    assert len(open_state(PolledMailbox.objects.get()).marks) == 0


def test_messages_between_which_others_are_gone_are_removed_alone(
    postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ranges of UIDs lead from a message to the one that follows it, and some commands are needed for all."""
    monkeypatch.setattr(imap, "RANGES", 2)
    messages = postbox.fill(12)
    with polling.session(open_settings(postbox.add())) as source:
        page = source.page()
        source.remove([page[at] for at in (0, 1, 2, 4, 6, 7, 9, 11)])
    assert postbox.dovecot.messages() == [messages[at] for at in (3, 5, 8, 10)]
    assert imap.uid_sets([1, 2, 3, 5, 7, 8, 10, 12]) == [b"1:3,5", b"7:8,10", b"12"]
    assert postbox.read() == 4


@BOTH
def test_a_session_that_has_to_end_within_a_page_leaves_the_rest_to_the_next(
    postbox: Postbox, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "BATCH", 2)
    messages = postbox.fill(5)
    row = postbox.add(scheme)
    with polling.session(open_settings(row)) as source:
        assert polling.take_in(row.pk, source, lambda: NOW, lambda: IncomingMail.objects.exists()) == 2
    assert postbox.dovecot.messages() == messages
    assert postbox.read() == 3 and postbox.taken() == messages
    assert postbox.dovecot.messages() == []


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL keeps pages in a process of its own")
def test_what_comes_in_is_written_with_little_memory(postbox: Postbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each mailbox is read in a thread of its own, whose connection keeps pages of its own."""

    def pages() -> list[int]:
        with connection.cursor() as cursor:
            rows = [cursor.execute(f"PRAGMA {name}").fetchone() for name in ("cache_size", "mmap_size")]
        return [row[0] if row else 0 for row in rows]

    postbox.fill(1)
    postbox.add()
    before, meanwhile, remove = pages(), list[list[int]](), imap.ImapSource.remove
    monkeypatch.setattr(imap.ImapSource, "remove", lambda *given: (meanwhile.append(pages()), remove(*given)))
    assert postbox.read() == 1
    assert meanwhile == [[-2_048, 0]] and pages() == before


@pytest.mark.parametrize("offered", [{"PIPELINING": [], "UIDL": []}, {"UIDL": []}])
def test_by_pop3_they_come_in_sessions(
    postbox: Postbox, offered: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pop3.Pop3OnSocket, "capabilities", lambda _session: offered)
    monkeypatch.setattr(pop3, "PAGE", 200)
    messages = postbox.fill(2 * pop3.PAGE + 50)
    postbox.add("pop3s")
    assert postbox.read() == len(messages)
    assert postbox.taken() == messages
    assert postbox.dovecot.messages() == []


def test_new_mail_is_told_of_while_the_session_is_open(postbox: Postbox) -> None:
    postbox.add()
    with polling.session(open_settings(postbox.row)) as source:
        polling.take_in(postbox.row.pk, source, lambda: NOW, lambda: False)
        postbox.dovecot.deliver(message(1))
        assert source.wait(60, lambda: False)
        assert polling.take_in(postbox.row.pk, source, lambda: NOW, lambda: False) == 1


def test_no_table_has_a_message_an_address_or_a_password_in_the_open(postbox: Postbox) -> None:
    postbox.fill(2)
    postbox.add()
    postbox.read()
    held = b"".join(bytes(row.settings_sealed) + bytes(row.state_sealed) for row in PolledMailbox.objects.all())
    held += b"".join(bytes(row.box) for row in IncomingMail.objects.all())
    for text in (b"secret", b"bounces@", b"localhost", b"Undelivered", b"No such user"):
        assert text not in held


def test_a_host_inside_is_not_asked_for_an_admin_of_the_app(postbox: Postbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMIZDAT_INNER_NETWORKS", "")
    postbox.add()
    settings = structs.replace(open_settings(postbox.row), ours=False)
    with pytest.raises(MailboxFault) as caught, polling.session(settings):
        pass
    assert caught.value.code == "inside"
