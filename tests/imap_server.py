"""An IMAP server on loopback, over TLS, that has what a test puts into it and notes what it is asked (RFC 9051).

    with FakeImapServer(certificate, {"INBOX": [raw, …]}) as server:
        url = f"imaps://ada%40old.example@localhost:{server.port}?ca={certificates.ca}"

It knows what a reader that changes nothing needs. Whatever would change something is refused and noted in `changes`.
`hangs_up_after`: emails of each connection, then it ends in the middle of an answer; 0 for never. `flags` of a folder
stand in its listing. The password is `secret`. `giant`: the number of the email in INBOX that says it has 3 GB.
"""

import re
import socket
import ssl
import threading
from contextlib import suppress
from typing import BinaryIO, Self

from tests.smtp_server import Certificate

CHANGING = ("SELECT", "STORE", "EXPUNGE", "MOVE", "COPY", "APPEND", "DELETE", "CREATE", "RENAME", "CLOSE")
GIANT = 3 << 30


class FakeImapServer:
    def __init__(
        self, certificate: Certificate, folders: dict[str, list[bytes]], flags: dict[str, str] | None = None
    ) -> None:
        self.folders, self.flags = folders, flags or {}
        self.hangs_up_after, self.giant, self.validity = 0, 0, 7
        self.commands: list[str] = []
        self.changes: list[str] = []
        self.connected = self.fetched = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.file, certificate.key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                plain, _peer = self._listener.accept()
                threading.Thread(target=self._talk, args=(plain,), daemon=True).start()

    def _talk(self, plain: socket.socket) -> None:
        with suppress(OSError), self._context.wrap_socket(plain, server_side=True) as connection:
            self.connected += 1
            with connection.makefile("rwb") as stream:
                _Session(self, stream).run()


class HungUp(OSError):
    """The connection ends in the middle of an answer."""


class _Session:
    def __init__(self, server: FakeImapServer, stream: BinaryIO) -> None:
        self.server, self.stream, self.sent = server, stream, 0
        self.folder: list[bytes] = []

    def say(self, line: bytes) -> None:
        self.stream.write(line)
        self.stream.flush()

    def run(self) -> None:
        self.say(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")
        while line := self.stream.readline():
            tag, _blank, command = line.decode().strip().partition(" ")
            self.server.commands.append(command)
            word, _blank, rest = command.partition(" ")
            if word == "UID":
                word, _blank, rest = rest.partition(" ")
            if word in CHANGING:
                self.server.changes.append(command)
            answer = getattr(self, f"_{word.lower()}", None)
            result = answer(rest) if answer else "BAD unknown"
            self.say(f"{tag} {result}\r\n".encode())
            if word == "LOGOUT":
                return

    def _capability(self, _rest: str) -> str:
        self.say(b"* CAPABILITY IMAP4rev1\r\n")
        return "OK done"

    def _login(self, rest: str) -> str:
        return "OK in" if rest.endswith('"secret"') else "NO [AUTHENTICATIONFAILED] no"

    def _authenticate(self, _rest: str) -> str:
        return "BAD log in by LOGIN"

    def _noop(self, _rest: str) -> str:
        return "OK done"

    def _logout(self, _rest: str) -> str:
        self.say(b"* BYE\r\n")
        return "OK bye"

    def _list(self, _rest: str) -> str:
        for name in self.server.folders:
            self.say(f'* LIST ({self.server.flags.get(name, "")}) "/" "{name}"\r\n'.encode())
        return "OK done"

    def _examine(self, rest: str) -> str:
        name = rest.strip('"')
        if name not in self.server.folders:
            return "NO there is none"
        self.folder = self.server.folders[name]
        validity = self.server.validity
        self.say(f"* {len(self.folder)} EXISTS\r\n* OK [UIDVALIDITY {validity}] valid\r\n".encode())
        return "OK [READ-ONLY] done"

    def _fetch(self, rest: str) -> str:
        """UIDs are places times ten."""
        numbers, _blank, what = rest.partition(" ")
        by_uid = "BODY" in what
        limit = re.search(r"<0\.(\d+)>", what)
        for number in _expanded(numbers):
            place = number // 10 if by_uid else number
            if not 1 <= place <= len(self.folder):
                continue
            raw, uid = self.folder[place - 1], place * 10
            is_giant = place == self.server.giant and self.folder is self.server.folders.get("INBOX")
            if limit is None:
                size = GIANT if is_giant else len(raw)
                self.say(f"* {place} FETCH (UID {uid} RFC822.SIZE {size})\r\n".encode())
                continue
            part = raw[: int(limit[1])]
            head = f"* {place} FETCH (UID {uid} BODY[]<0> {{{len(part)}}}\r\n".encode()
            self.server.fetched += 1
            self.sent += 1
            if self.server.hangs_up_after and self.sent > self.server.hangs_up_after:
                self.say(head + part[: len(part) // 2])
                raise HungUp
            self.say(head + part + b")\r\n")
        return "OK done"


def _expanded(numbers: str) -> list[int]:
    expanded = []
    for part in numbers.split(","):
        first, _colon, last = part.partition(":")
        expanded += range(int(first), int(last or first) + 1)
    return expanded
