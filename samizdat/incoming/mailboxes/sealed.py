"""What is sealed of a mailbox: where it is, by which password, and how far it is read."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import Struct, structs

from samizdat.incoming.mailboxes.settings import MailboxSettings
from samizdat.incoming.models import PolledMailbox
from samizdat.vault import keyring

# Of POP3 so many messages are remembered; no more than half of them are read before they are removed.
REMEMBERED = 400


class WaitingMessage(Struct, frozen=True):
    """A message at its source. By IMAP: UIDVALIDITY and UID. By POP3: its place now and its UIDL."""

    validity: int
    uid: int
    size: int
    uidl: bytes = b""

    @property
    def mark(self) -> str:
        return hashlib.sha256(self.uidl).hexdigest()[:32]


class MailboxState(Struct, frozen=True, omit_defaults=True):
    """`heard`: when a session last went well; `fault`: a code of faults.SENTENCES, of the last one that did not.

    validity, last_uid: what is taken in of an IMAP folder. marks: of the last messages taken in by POP3.
    """

    heard: datetime | None = None
    fault: str = ""
    failed: datetime | None = None
    failures: int = 0  # In a row.
    taken: int = 0
    validity: int = 0
    last_uid: int = 0
    marks: tuple[str, ...] = ()

    def knows(self, message: WaitingMessage) -> bool:
        """Whether it is taken in."""
        if message.uidl:
            return message.mark in self.marks
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
    return keys.open_json(row.settings_sealed, "mailbox", "settings", row.pk, MailboxSettings)


def seal_state(row: PolledMailbox, state: MailboxState) -> bytes:
    return keyring.keys(row.organization).seal_json(state, "mailbox", "state", row.pk)


def open_state(row: PolledMailbox) -> MailboxState:
    """Errors: SealError, RecordBroken."""
    return keyring.keys(row.organization).open_json(row.state_sealed, "mailbox", "state", row.pk, MailboxState)


def sizes(messages: Iterable[WaitingMessage]) -> int:
    return sum(message.size for message in messages)
