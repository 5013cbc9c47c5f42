"""A folder that is read by IMAP (RFC 9051): always its first messages, which are taken away after each page."""

import imaplib
import logging
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import batched

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

from samizdat.core.private_networks import Network
from samizdat.incoming.mailboxes import connection
from samizdat.incoming.mailboxes.access_tokens import access_token
from samizdat.incoming.mailboxes.faults import MailboxFault
from samizdat.incoming.mailboxes.sealed import WaitingMessage
from samizdat.incoming.mailboxes.settings import MailboxSettings

# What is sent and received would stand there: passwords, messages.
logging.getLogger("imapclient").setLevel(logging.WARNING)

# Messages that are removed together: some servers look at all files of a folder for each time, which would be 400 times
# for 200,000 messages with 500. And of one command: their numbers fit into 8,000 bytes (RFC 7162, 4).
PAGE, AT_ONCE = 5_000, 500
# Ranges of UIDs in one command: two of ten digits each, with what stands between them.
RANGES = AT_ONCE // 2
# Seconds between two looks, while waiting for news, whether the process is to stop.
SLICE = 5.0
# Answers to a log-in that do not speak of the password (RFC 5530; LIMIT is Yahoo's).
NOT_NOW = ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]")


class Imap4OnSocket(imaplib.IMAP4):
    """On a connection that we opened, and with a limit to what a server may announce, and send for one command."""

    def __init__(self, host: str, port: int, opened: socket.socket) -> None:
        self._opened = opened
        self._messages = self._lines = 0  # Bytes since the last command.
        super().__init__(host, port)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        return self._opened

    def read(self, size: int) -> bytes:
        self._messages += size
        if size > connection.LONGEST or self._messages > connection.MOST_MESSAGES:
            raise MailboxFault("too_long")
        return super().read(size)

    def readline(self) -> bytes:
        line = super().readline()
        self._lines += len(line)
        if self._lines > connection.MOST_LINES:
            raise MailboxFault("too_long")
        return line

    def _command(self, name: str, *args: object) -> bytes:
        self._messages = self._lines = 0
        tag: bytes = super()._command(name, *args)  # type: ignore[misc]
        return tag


class SocketImapClient(IMAPClient):  # type: ignore[misc]
    def __init__(self, settings: MailboxSettings, opened: socket.socket) -> None:
        self._opened = opened
        super().__init__(settings.host, settings.port, ssl=settings.kind.encryption == "implicit")
        self._imap.debug = 0  # IMAPClient sets 5, which writes down each line.

    def _create_IMAP4(self) -> Imap4OnSocket:
        return Imap4OnSocket(self.host, self.port, self._opened)

    def _set_read_timeout(self) -> None:
        self.socket().settimeout(connection.ANSWER)


class ImapSource:
    """A session. Errors of each method: those of connection.faults."""

    def __init__(
        self, settings: MailboxSettings, allowed: tuple[Network, ...] | None, seconds: float = connection.SESSION
    ) -> None:
        self.settings, self._allowed = settings, allowed
        opened = connection.dial(settings, allowed)
        self._deadline = connection.Deadline(opened, seconds)
        self._client: SocketImapClient | None = None
        try:
            opened = connection.encrypt(settings, opened)
            self._client = SocketImapClient(settings, opened)
            self._begin()
        except BaseException:
            self.close()
            opened.close()
            raise

    @property
    def _session(self) -> SocketImapClient:
        assert self._client is not None
        return self._client

    def _begin(self) -> None:
        client, settings = self._session, self.settings
        if settings.kind.encryption == "starttls":
            if not client.has_capability("STARTTLS"):
                raise MailboxFault("no_starttls")
            client.starttls(connection.tls_context(settings))
        connection.check_pinned(settings, client.socket())
        self._log_in()
        try:
            self.waiting = self._left = self._select()
        except IMAPClientError as error:
            raise _unless_gone(error, "no_folder") from None

    def _log_in(self) -> None:
        user, password = self.settings.user, self.settings.password
        if self.settings.client:
            self._show_token()
            return
        try:
            if self._session.has_capability("AUTH=PLAIN"):
                self._session.plain_login(user, password)
            else:
                self._session.login(user, password)
        except UnicodeEncodeError:  # LOGIN has ASCII alone.
            raise MailboxFault("password") from None
        except LoginError as error:
            if str(error).startswith("b'* BYE") or any(word in str(error) for word in NOT_NOW):
                raise MailboxFault("busy") from None
            raise MailboxFault("password") from None

    def _show_token(self) -> None:
        if not self._session.has_capability("AUTH=XOAUTH2"):
            raise MailboxFault("no_oauth")
        token = access_token(self.settings, self._allowed)
        try:
            self._session.oauth2_login(self.settings.user, token)
        except LoginError as error:
            raise MailboxFault("busy" if any(word in str(error) for word in NOT_NOW) else "token") from None

    def _select(self) -> int:
        """How many messages there are."""
        answer = self._session.select_folder(self.settings.folder)
        self._validity = int(answer.get(b"UIDVALIDITY", 0))
        return int(answer[b"EXISTS"])

    def page(self) -> list[WaitingMessage]:
        """The first messages by their UIDs, which rise with their places."""
        # Not before each page: some servers look at all files then.
        self._left = self._left or self._select()
        count = min(self._left, PAGE)
        if not count:
            return []
        rows = [row for places in batched(range(1, count + 1), AT_ONCE) for row in self._sizes(places)]
        return [WaitingMessage(self._validity, uid, size) for uid, size in sorted(rows)]

    def _sizes(self, places: Sequence[int]) -> list[tuple[int, int]]:
        """UID and size of the messages at these places."""
        self._session.use_uid = False
        try:
            answer = self._session.fetch(places, ["UID", "RFC822.SIZE"])
        finally:
            self._session.use_uid = True
        return [(int(row[b"UID"]), int(row[b"RFC822.SIZE"])) for row in answer.values() if b"UID" in row]

    def fetch(self, messages: Sequence[WaitingMessage], most: int) -> Iterator[tuple[WaitingMessage, bytes]]:
        """Of each at most so many bytes. One that is gone meanwhile is left out."""
        # Some servers guess sizes.
        limit = min(most, 2 * max(message.size for message in messages) + 65_536)
        answer = self._session.fetch([message.uid for message in messages], [f"BODY.PEEK[]<0.{limit}>"])
        for message in messages:
            raw = answer.get(message.uid, {}).get(b"BODY[]<0>")
            if raw is not None:
                yield message, raw

    def remove(self, messages: Sequence[WaitingMessage]) -> None:
        """Deleted, or moved to the folder that the settings name."""
        self._left = max(self._left - len(messages), 0)
        for uids in uid_sets([message.uid for message in messages]):
            self._remove(uids)

    def _remove(self, uids: bytes) -> None:
        client = self._session
        if self.settings.move_to and client.has_capability("MOVE"):
            self._into_target(client.move, uids)
            return
        if self.settings.move_to:
            self._into_target(client.copy, uids)
        client.add_flags(uids, [b"\\Deleted"], silent=True)
        if client.has_capability("UIDPLUS"):
            client.uid_expunge(uids)
        else:
            client.expunge()

    def _into_target(self, command: Callable[[bytes, str], object], uids: bytes) -> None:
        target = self.settings.move_to
        try:
            command(uids, target)
        except IMAPClientError as error:
            if isinstance(error, imaplib.IMAP4.abort) or self._session.folder_exists(target):
                raise
            try:
                self._session.create_folder(target)
                command(uids, target)
            except IMAPClientError as refused:
                raise _unless_gone(refused, "no_target") from None

    def wait(self, seconds: float, stops: Callable[[], bool]) -> bool:
        """Until something may have come in, at most so long. False where the server does not tell (IDLE, RFC 2177)."""
        if not self._session.has_capability("IDLE"):
            return False
        # Some servers don't tell of what came in before.
        if any(b"EXISTS" in answer for answer in self._session.noop()[1]):
            return True
        self._session.idle()
        left = seconds
        # After a lost connection each look is empty and takes no time; the command behind them says so.
        while left > 0 and not stops() and not self._session.idle_check(timeout=min(SLICE, left)):
            left -= SLICE
        self._session.idle_done()
        return True

    def places_of(self, header: str, values: Sequence[str]) -> dict[str, str]:
        """Of messages with one of these values in a header: value -> "inbox" or "spam", the folder that is marked or
        named so (RFC 6154). Nothing is changed."""
        client, places = self._session, dict[str, str]()
        spam = client.find_special_folder(b"\\Junk")
        for folder, place in ((self.settings.folder, "inbox"), (spam, "spam")):
            if folder is None:
                continue
            client.select_folder(folder, readonly=True)
            for value in values:
                if value not in places and client.search(["HEADER", header, value]):
                    places[value] = place
        return places

    def close(self) -> None:
        self._deadline.cancel()
        if self._client is not None:
            try:
                self._client.logout()
            except Exception:  # It goes either way.
                with suppress(Exception):
                    self._client.shutdown()


def uid_sets(uids: Iterable[int]) -> list[bytes]:
    """Rising UIDs as sets (RFC 9051, 9: sequence-set) for one command each. A range leads from the first to the last of
    those that follow each other, so it names no message that isn't here."""
    ranges = list[list[int]]()
    for uid in uids:
        if ranges and ranges[-1][1] == uid - 1:
            ranges[-1][1] = uid
        else:
            ranges.append([uid, uid])
    words = (f"{first}:{last}" if last > first else str(first) for first, last in ranges)
    return [",".join(some).encode() for some in batched(words, RANGES)]


def _unless_gone(error: IMAPClientError, code: str) -> Exception:
    return error if isinstance(error, imaplib.IMAP4.abort) else MailboxFault(code)
