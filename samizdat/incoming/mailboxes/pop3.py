"""A mailbox that is read by POP3 (RFC 1939): its first messages, which go when the session ends."""

import poplib
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import batched

from samizdat import plugins
from samizdat.core.mail.incoming_envelope import MessageBeginning
from samizdat.core.private_networks import Network
from samizdat.incoming.mailboxes import connection
from samizdat.incoming.mailboxes.access_tokens import access_token
from samizdat.incoming.mailboxes.faults import MailboxFault
from samizdat.incoming.mailboxes.sealed import REMEMBERED, WaitingMessage
from samizdat.incoming.mailboxes.settings import MailboxSettings

# Messages of one session.
PAGE = REMEMBERED // 2
# Commands that are sent before the first answer is read, where a server takes that (RFC 2449, 6.6). Their 1,500 bytes
# fit into what any connection holds, so neither side waits for the other for ever.
AHEAD = 100
# Bytes that are read at once; some messages have no shorter lines. Lines of what a server says that it can.
PIECE, MOST_CAPABILITIES = 65_536, 100
# Answers to a password that do not speak of it (RFC 2449, RFC 3206).
NOT_NOW = (b"[IN-USE]", b"[LOGIN-DELAY]", b"[SYS/")


class Pop3OnSocket(poplib.POP3):
    """On a connection that we opened."""

    def __init__(self, settings: MailboxSettings, opened: socket.socket) -> None:
        self._opened = opened
        super().__init__(settings.host, settings.port)

    def _create_socket(self, timeout: float) -> socket.socket:
        return self._opened

    def ask(self, command: str) -> list[bytes]:
        """The words of the first line of the answer."""
        words: list[bytes] = self._shortcmd(command).split()  # type: ignore[attr-defined]
        return words

    def ask_all(self, commands: Iterable[str], ahead: int) -> Iterator[list[bytes]]:
        """The same for each, so many of which are sent at once. Of a longer answer the rest is to be read before the
        next one."""
        for some in batched(commands, ahead):
            self.sock.sendall("".join(f"{command}\r\n" for command in some).encode("ascii"))
            for _command in some:
                yield self._getresp().split()  # type: ignore[attr-defined]

    def capabilities(self) -> dict[str, list[str]]:
        """Name -> arguments; none of a server that knows no CAPA (RFC 2449). poplib's own reads on without end."""
        try:
            self.ask("CAPA")
        except poplib.error_proto:
            return {}
        offered = dict[str, list[str]]()
        for _line in range(MOST_CAPABILITIES):
            name, *arguments = self._getline()[0].decode("ascii", "replace").upper().split() or [""]  # type: ignore[attr-defined]
            if name == ".":
                return offered
            offered[name] = arguments
        raise MailboxFault("too_long")

    def pieces(self) -> Iterator[bytes]:
        """The message, without the dots that mark lines: poplib refuses lines of more than 2,048 bytes."""
        starts = True
        while piece := self.file.readline(PIECE):
            if starts and piece in (b".\r\n", b".\n"):
                return
            yield piece[1:] if starts and piece.startswith(b".") else piece
            starts = piece.endswith(b"\n")
        raise EOFError


class Pop3Source:
    """Sessions one after the other: messages are deleted when one ends. Errors: those of connection.faults."""

    def __init__(
        self,
        settings: MailboxSettings,
        allowed: tuple[Network, ...] | None,
        seconds: float = connection.SESSION,
        opening: float = connection.ANSWER,
    ) -> None:
        """opening: seconds for the answers to the password and to STAT."""
        self.settings, self._allowed, self._seconds, self._opening = settings, allowed, seconds, opening
        self._client: Pop3OnSocket | None = None
        self._ahead = 1  # Commands that this server takes at once.
        self._deadline: connection.Deadline | None = None
        self._begin()

    @property
    def _session(self) -> Pop3OnSocket:
        return self._client or self._begin()

    def _begin(self) -> Pop3OnSocket:
        settings = self.settings
        opened = connection.dial(settings, self._allowed)
        self._deadline = connection.Deadline(opened, self._seconds)
        try:
            opened = connection.encrypt(settings, opened)
            client = self._client = Pop3OnSocket(settings, opened)
            if settings.kind.encryption == "starttls":
                self._start_tls(client)
            connection.check_pinned(settings, client.sock)
            client.sock.settimeout(self._opening)
            self._log_in(client)
            self.waiting = client.stat()[0]
            client.sock.settimeout(connection.ANSWER)
            self._ahead = AHEAD if "PIPELINING" in client.capabilities() else 1
        except BaseException:
            self.close()
            opened.close()
            raise
        return client

    def _log_in(self, client: Pop3OnSocket) -> None:
        try:
            if self.settings.client:
                _show_token(client, self.settings, self._allowed)
            else:
                client.user(self.settings.user)
                client.pass_(self.settings.password)
        except poplib.error_proto as error:
            answer = error.args[0] if error.args and isinstance(error.args[0], bytes) else b""
            refused = "token" if self.settings.client else "password"
            raise MailboxFault("busy" if any(word in answer for word in NOT_NOW) else refused) from None

    def _start_tls(self, client: Pop3OnSocket) -> None:
        context = connection.tls_context(self.settings)
        try:
            client.stls(context)
        except poplib.error_proto:
            raise MailboxFault("no_starttls") from None

    def page(self) -> list[WaitingMessage]:
        session = self._session
        places = range(1, min(self.waiting, PAGE) + 1)
        try:
            uidls = [words[2] for words in session.ask_all((f"UIDL {place}" for place in places), self._ahead)]
        except (poplib.error_proto, IndexError):
            raise MailboxFault("no_uidl") from None
        lengths = [int(words[2]) for words in session.ask_all((f"LIST {place}" for place in places), self._ahead)]
        rows = enumerate(zip(uidls, lengths, strict=True), 1)
        return [WaitingMessage(0, place, size, uidl) for place, (uidl, size) in rows]

    def fetch(self, messages: Sequence[WaitingMessage], most: int) -> Iterator[tuple[WaitingMessage, bytes]]:
        """Of each at most so many bytes."""
        session = self._session
        answers = session.ask_all((f"RETR {message.uid}" for message in messages), self._ahead)
        for message, _words in zip(messages, answers, strict=True):
            yield message, MessageBeginning.of(session.pieces(), most).raw

    def remove(self, messages: Sequence[WaitingMessage]) -> None:
        for _words in self._session.ask_all((f"DELE {message.uid}" for message in messages), self._ahead):
            pass
        self._session.quit()
        self.close()

    def wait(self, seconds: float, stops: Callable[[], bool]) -> bool:
        """POP3 tells nobody of new messages."""
        return False

    def close(self) -> None:
        if self._deadline:
            self._deadline.cancel()
        if self._client:
            with suppress(Exception):  # It goes either way.
                self._client.quit()
            self._client.close()
        self._client = self._deadline = None


def _show_token(client: Pop3OnSocket, settings: MailboxSettings, allowed: tuple[Network, ...] | None) -> None:
    """AUTH XOAUTH2 (RFC 5034) in two lines, since Exchange Online takes none that is as long as both together
    (github.com/marlam/mpop/issues/11). A token that is refused is described first, and the answer to that is empty."""
    if "XOAUTH2" not in client.capabilities().get("SASL", ()):
        raise MailboxFault("no_oauth")
    response = plugins.xoauth2_response(settings.user, access_token(settings, allowed))
    client.ask("AUTH XOAUTH2")
    if client.ask(response)[0] != b"+OK":
        client.ask("")
