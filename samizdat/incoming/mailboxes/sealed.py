"""What is sealed of a mailbox: where it is, by which password, and how far it is read."""

import hashlib
from collections.abc import Iterable, Sequence, Set
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from msgspec import Struct, structs

from samizdat.incoming.mailboxes.settings import MailboxSettings
from samizdat.incoming.models import PolledMailbox
from samizdat.vault import keyring
from samizdat.vault.errors import RecordBroken

# Of POP3 so many messages are remembered; no more than half of them are read before they are removed.
REMEMBERED = 2_000
# After that a test message has not arrived.
PATIENCE = timedelta(minutes=10)


class WaitingMessage(Struct, frozen=True):
    """A message at its source. By IMAP: UIDVALIDITY and UID. By POP3: its place now and its UIDL."""

    validity: int
    uid: int
    size: int
    uidl: bytes = b""

    @property
    def mark(self) -> str:
        return hashlib.sha256(self.uidl).hexdigest()[:32]


class RoundTrip(Struct, frozen=True, omit_defaults=True):
    """A test message to a return address (without its token), which comes back through this mailbox.

    by: number of the admin who wants bounces to go there as soon as it came back. failed: why it was not sent, in
    words. rejected: when a bounce of it came in instead.
    """

    address: str
    sent: datetime
    by: int = 0
    failed: str = ""
    returned: datetime | None = None
    rejected: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether it may still come back soon."""
        return not (self.failed or self.returned or self.rejected) and now - self.sent < PATIENCE


class MailboxState(Struct, frozen=True, omit_defaults=True):
    """`heard`: when a session last went well; `fault`: a code of faults.SENTENCES, of the last one that did not.

    validity, last_uid: what is taken in of an IMAP folder. marks: of the last messages taken in by POP3. trip: the last
    test message.
    """

    heard: datetime | None = None
    fault: str = ""
    failed: datetime | None = None
    failures: int = 0  # In a row.
    taken: int = 0
    validity: int = 0
    last_uid: int = 0
    marks: tuple[str, ...] = ()
    trip: RoundTrip | None = None

    def awaits(self, now: datetime) -> bool:
        return self.trip is not None and self.trip.is_open(now)

    def unknown(self, messages: Sequence[WaitingMessage]) -> list[WaitingMessage]:
        """Those that are not taken in."""
        marks = {*self.marks}
        return [message for message in messages if not self._knows(message, marks)]

    def _knows(self, message: WaitingMessage, marks: Set[str]) -> bool:
        if message.uidl:
            return message.mark in marks
        return message.validity == self.validity and message.uid <= self.last_uid

    def with_taken(self, messages: Sequence[WaitingMessage]) -> "MailboxState":
        """messages: in the order in which they wait, at least one."""
        last = messages[-1]
        counted = structs.replace(self, taken=self.taken + len(messages))
        if last.uidl:
            marks = (*self.marks, *(message.mark for message in messages))
            return structs.replace(counted, marks=marks[-REMEMBERED:])
        return structs.replace(counted, validity=last.validity, last_uid=last.uid)

    def went_well(self, now: datetime) -> "MailboxState":
        return structs.replace(self, heard=now, fault="", failed=None, failures=0)

    def went_wrong(self, code: str, now: datetime) -> "MailboxState":
        return structs.replace(self, fault=code, failed=now, failures=self.failures + 1)


def seal_settings(row: PolledMailbox, settings: MailboxSettings) -> bytes:
    return keyring.keys(row.organization).seal_json(settings, "mailbox", "settings", row.pk)


def open_settings(row: PolledMailbox) -> MailboxSettings:
    """Errors: SealError, RecordBroken."""
    keys = keyring.keys(row.organization)
    settings = keys.open_json(row.settings_sealed, "mailbox", "settings", row.pk, MailboxSettings)
    if not settings.host:
        raise RecordBroken(_("Its settings can’t be decrypted. Remove it and add it again."))
    return settings


def write_state(row: PolledMailbox, state: MailboxState) -> None:
    row.state_sealed = keyring.keys(row.organization).seal_json(state, "mailbox", "state", row.pk)
    row.save(update_fields=["state_sealed"])


def open_state(row: PolledMailbox) -> MailboxState:
    """Errors: SealError, RecordBroken."""
    return keyring.keys(row.organization).open_json(row.state_sealed, "mailbox", "state", row.pk, MailboxState)


def sizes(messages: Iterable[WaitingMessage]) -> int:
    return sum(message.size for message in messages)
