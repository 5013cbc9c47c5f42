"""A mailbox that a provider still keeps, read by IMAP (RFC 9051) folder by folder, and left as it is.

Folders are opened by EXAMINE and emails fetched by BODY.PEEK, so nothing is marked as read, moved or deleted. A
connection that breaks is opened again, and the reading goes on behind the last email.
"""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import batched

from django.utils.translation import gettext as _
from msgspec import Struct

from samizdat.core.mail_archive import MOST_BYTES, ArchivedMessage
from samizdat.core.private_networks import Network
from samizdat.incoming.mailboxes import connection
from samizdat.incoming.mailboxes.faults import MailboxFault
from samizdat.incoming.mailboxes.imap import AT_ONCE, ImapSource
from samizdat.incoming.mailboxes.sealed import WaitingMessage
from samizdat.incoming.mailboxes.settings import BadMailbox, MailboxSettings

# Emails of one command, each of MOST_BYTES at most: they fit into connection.MOST_MESSAGES whatever their sizes are.
FETCHED = 50
MOST_FOLDERS = 1_000
# What may pass by itself, how often it is tried without any email coming, and seconds before the second try.
PASSING = frozenset({"hung_up", "silent", "no_connection", "no_names", "busy", "tls"})
TRIES, WAIT = 5, 2.0
# Folders without emails of their own (RFC 9051, 7.3.1), and with a copy of all others' (RFC 6154). Beside the latter
# there are emails only in these.
HOLLOW, ALL, BESIDE_ALL = {b"\\noselect", b"\\nonexistent"}, b"\\all", {b"\\all", b"\\junk", b"\\trash"}


class ReadFolder(Struct, frozen=True, array_like=True):
    """How far a folder was read: its emails up to this UID."""

    folder: str
    validity: int
    uid: int


class ReadOnlySource(ImapSource):
    """A session that changes nothing."""

    def _select(self) -> int:
        return self.examine(self.settings.folder)

    def examine(self, folder: str) -> int:
        """How many emails are in it."""
        answer = self._session.select_folder(folder, readonly=True)
        self._validity = int(answer.get(b"UIDVALIDITY", 0))
        return int(answer[b"EXISTS"])

    def folders(self) -> list[tuple[str, frozenset[bytes]]]:
        """(name, flags in small letters) of those that may hold emails."""
        answer = self._session.list_folders()[:MOST_FOLDERS]
        named = [(str(name), frozenset(flag.lower() for flag in flags)) for flags, _delimiter, name in answer]
        return [(name, flags) for name, flags in named if not flags & HOLLOW]

    def listed(self, count: int) -> list[WaitingMessage]:
        """Those of the folder that is open, by rising UID."""
        rows = [row for places in batched(range(1, count + 1), AT_ONCE) for row in self._sizes(places)]
        return [WaitingMessage(self._validity, uid, size) for uid, size in sorted(rows)]


class ImapArchive:
    """`folders`: those to read; none for all. `allowed`: inner networks that it may lead to; None: everything."""

    def __init__(
        self,
        settings: MailboxSettings,
        folders: Sequence[str] = (),
        allowed: tuple[Network, ...] | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        if settings.kind.protocol != "imap":
            raise BadMailbox(_("Old emails are read by IMAP. Write imaps://user@mail.example/INBOX."))
        self.settings, self._chosen, self._allowed, self._wait = settings, folders, allowed, wait
        self._source: ReadOnlySource | None = None

    @property
    def account(self) -> str:
        return f"{self.settings.user}@{self.settings.host}"

    def emails(self, known: Mapping[str, ReadFolder]) -> Generator[tuple[ReadFolder, ArchivedMessage]]:
        """Each with the place behind it; known: where to go on, by folder. Errors: MailboxFault, BadMailbox."""
        try:
            for folder in self._folders():
                yield from self._of_folder(folder, known.get(folder))
        finally:
            self._close()

    def _folders(self) -> list[str]:
        there = self._trying(lambda: dict(self._session().folders()))
        names = {name.lower() if name.lower() == "inbox" else name: name for name in there}
        if self._chosen:
            keys = [name.lower() if name.lower() == "inbox" else name for name in self._chosen]
            missing = [name for name, key in zip(self._chosen, keys, strict=True) if key not in names]
            if missing:
                text = _("There’s no folder “%(name)s” in this mailbox. Choose one of these: %(names)s.")
                raise BadMailbox(text % {"name": missing[0], "names": ", ".join(sorted(there))})
            return [names[key] for key in dict.fromkeys(keys)]
        if any(ALL in flags for flags in there.values()):
            return [name for name, flags in there.items() if flags & BESIDE_ALL]
        return [*there]

    def _of_folder(self, folder: str, reached: ReadFolder | None) -> Iterator[tuple[ReadFolder, ArchivedMessage]]:
        tries = 0
        while True:
            try:
                for place, message in self._rest(folder, reached):
                    reached, tries = place, 0
                    yield place, message
                return
            except MailboxFault as fault:
                tries += 1
                self._again(fault, tries)

    def _rest(self, folder: str, reached: ReadFolder | None) -> Iterator[tuple[ReadFolder, ArchivedMessage]]:
        with connection.faults():
            source = self._session()
            listed = source.listed(source.examine(folder))
        if reached is not None:
            listed = [message for message in listed if _is_behind(message, reached)]
        for some in batched(listed, FETCHED):
            with connection.faults():
                fetched = [*source.fetch(some, MOST_BYTES)]
            for message, raw in fetched:
                place = ReadFolder(folder, message.validity, message.uid)
                yield place, ArchivedMessage(raw, max(message.size, len(raw)))

    def _trying[T](self, ask: Callable[[], T]) -> T:
        tries = 0
        while True:
            try:
                with connection.faults():
                    return ask()
            except MailboxFault as fault:
                tries += 1
                self._again(fault, tries)

    def _again(self, fault: MailboxFault, tries: int) -> None:
        """Waits for what may pass. Errors: the fault."""
        self._close()
        if fault.code not in PASSING or tries >= TRIES:
            raise fault
        self._wait(WAIT**tries)

    def _session(self) -> ReadOnlySource:
        if self._source is None:
            self._source = ReadOnlySource(self.settings, self._allowed)
        return self._source

    def _close(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None


def _is_behind(message: WaitingMessage, reached: ReadFolder) -> bool:
    """Of a folder that was made anew every email is."""
    return message.validity != reached.validity or message.uid > reached.uid
