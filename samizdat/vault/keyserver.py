"""The supervisor's side and the children's side of asking for keys.

One JSON object a line each way, and keys behind it as they are (key_line.py). Over the pair of sockets a child is born
with, its role decides what it gets; over the socket in the data folder (0600, same user) commands get what the desk
gets, once they have shown the secret that lies beside it. A process of ours that reads strangers' files is of the same
user and can read no file there.
"""

import base64
import contextlib
import hmac
import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import connections

from samizdat import processes
from samizdat.core.crypto import signature
from samizdat.core.crypto.wipe import wipe
from samizdat.core.webhook_delivery import MOST_BOX
from samizdat.publicdb.actions import SLOT_TRIES, take_in
from samizdat.publicdb.intake_limits import InboxFull, Room
from samizdat.vault.errors import (
    KeyRefused,
    KeyServiceStopped,
    KeyServiceUnreachable,
    KeyWrong,
    OrganizationLocked,
    VaultError,
)
from samizdat.vault.key_line import FOLLOW, KeyLine
from samizdat.vault.purposes import of_role
from samizdat.vault.socket_source import SECRET_NAME, SOCKET_NAME, pack, short
from samizdat.vault.source import InstanceSource, KeySource

# Bytes of a question; the longest of ours has some hundreds. Of a box for the intake, in base64.
MOST_ASKED, MOST_HANDED_IN = 4096, MOST_BOX * 4 // 3 + 4096

# Which kinds of keys, and which derived ones, each role may have (design.md, section 7).
ROLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "desk": (
        ("data", "index", "link", "box", "proof", "shares"),
        of_role("desk"),
    ),
    "worker": (
        ("data", "index", "link", "box", "proof"),
        of_role("worker"),
    ),
    "sender": (("data", "link", "proof"), of_role("sender")),
    "public": ((), ()),
    "lmtp": ((), ()),
    "smtp": ((), ()),
}
# Those that take mail in, and those that seal what comes from outside.
LISTENERS = ("lmtp", "smtp")
SEALING = ("public", *LISTENERS)
# Among the processes that do not run: a key service that can't be reached, while another one can.
KEY_SERVICE = "key service"
# What is asked by those words is no key.
_ABOUT_PROCESSES = {"troubles", "last_lock"}


class KeyServer:
    """Answers children and commands. `reader_links()` gives the public process its leave keys, `box_key()` the key that
    it seals to for one organization; it gets no other but what checks the rows of the public database. `has_to_send()`
    says of which organizations a sender gets keys; `troubles()` tells commands which processes do not run, and why;
    `mailboxes()` tells a listener for mail which addresses are ours; of organizations that are locked nobody gets a
    key, and `last_lock()` tells commands how far the last one is. `checks()` gives what checks rows of the public
    database. `refuses()` says why nobody gets any key at all, as long as the key service gives none. `exchange(True)`
    ends whoever has keys, since a command replaces the instance key; `exchange(False)` starts them again, once it is
    done or gone."""

    def __init__(
        self,
        source: KeySource,
        reader_links: Callable[[], list[dict[str, object]]],
        box_key: Callable[[bytes], tuple[int, bytes]],
        has_to_send: Callable[[int, bytes], bool],
        troubles: Callable[[], dict[str, str]] = dict,
        mailboxes: Callable[[], list[dict[str, object]]] = list,
        is_locked: Callable[[int, bytes], bool] = lambda _number, _uid: False,
        last_lock: Callable[[], dict[str, object]] = dict,
        checks: Callable[[], bytes] | None = None,
        refuses: Callable[[], VaultError | None] = lambda: None,
        exchange: Callable[[bool], object] | None = None,
    ) -> None:
        self._source = source
        self._reader_links, self._box_key, self._has_to_send = reader_links, box_key, has_to_send
        self._troubles, self._mailboxes, self._is_locked = troubles, mailboxes, is_locked
        self._last_lock, self._room, self._refuses = last_lock, Room(), refuses
        self._exchange, self._exchanger = exchange, 0  # The thread that talks with the command.
        self._checks = checks or (lambda: signature.public_key(source.derive("public pages")))

    def serve(self, connection: socket.socket, role: str) -> None:
        threading.Thread(target=self._talk, args=(connection, role), daemon=True).start()

    def listen(self, folder: Path) -> None:
        path = folder / SOCKET_NAME
        stop_listening(folder)
        secret = os.urandom(32).hex().encode() + b"\n"
        with open(os.open(folder / SECRET_NAME, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(secret)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Bound under a private umask: between bind and chmod nobody else may connect.
        before = os.umask(0o177)
        try:
            listener.bind(short(path))
        finally:
            os.umask(before)
        listener.listen(16)
        threading.Thread(target=self._accept, args=(listener, secret), daemon=True).start()

    def _accept(self, listener: socket.socket, secret: bytes) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection, "desk", secret), daemon=True).start()

    def _talk(self, connection: socket.socket, role: str, secret: bytes = b"") -> None:
        """secret: what has to be said first of all."""
        if role in SEALING:
            processes.come_behind()
        # Whoever is killed while we answer is as gone as who hangs up: Ctrl-C in a command is no trouble of ours.
        with contextlib.suppress(ConnectionError), contextlib.closing(KeyLine(connection)) as line:
            if secret and not hmac.compare_digest(line.line(len(secret)), secret):
                return
            # A child that was taken may send gigabytes without an end of line, or stop in the middle of one.
            most = MOST_HANDED_IN if role == "public" else MOST_ASKED
            try:
                while (question := line.line(most)).endswith(b"\n"):
                    answer = self._answer(question, role, line.key)
                    key = answer.pop("key") if isinstance(answer.get("key"), bytes) else None
                    try:
                        line.send(answer, key)
                    finally:
                        wipe(key or b"")
            finally:
                self._end_exchange()
                connections.close_all()  # Of this thread.

    def _answer(self, line: bytes, role: str, behind: Callable[[int], bytes] = bytes) -> dict[str, Any]:
        """A key in it as bytes that nobody else has. behind(count): the key that came behind the question. Keys that
        pass through here are written over: after a lock nobody has them, and we go on."""
        kinds, purposes = ROLES[role]
        given = b""
        try:
            ask = json.loads(line)
            given = behind(ask.get(FOLLOW, 0))
            if role not in SEALING and not ask.keys() & _ABOUT_PROCESSES and (refusal := self._refuses()):
                raise refusal
            if "unwrap" in ask and self._may_have(role, str(ask["label"])):
                return {"key": self._source.unwrap(ask["label"], base64.b64decode(ask["unwrap"]))}
            if "wrap" in ask and role == "desk" and str(ask["wrap"]).split(":")[0] in kinds:
                return {"wrapped": pack(self._wrap(ask, given))}
            if "hold" in ask and role == "desk" and isinstance(self._source, InstanceSource):
                self._source.hold(given, float(ask["seconds"]), ask["hold"], base64.b64decode(ask["opens"]))
                return {"held": True}
            if "left" in ask and role == "desk" and isinstance(self._source, InstanceSource):
                return {"seconds": self._source.seconds_left(ask["left"])}
            if ask.get("derive") in purposes:
                return {"key": self._source.derive(ask["derive"])}
            if "links" in ask and role == "public":
                return {"links": self._reader_links()}
            if "checks" in ask and role == "public":
                return {"key": pack(self._checks())}
            if "mailboxes" in ask and role in LISTENERS:
                return {"mailboxes": self._mailboxes()}
            if "seal_to" in ask and role in SEALING:
                number, key = self._box_key(bytes.fromhex(ask["seal_to"]))
                return {"number": number, "key": pack(key)}
            if "box" in ask and role == "public":
                return {"in": self._hand_in(ask)}
            if "troubles" in ask and role == "desk":
                return {"troubles": self._troubles()}
            if "exchange" in ask and role == "desk" and self._exchange:
                self._begin_exchange() if ask["exchange"] else self._end_exchange()
                return {"exchange": ask["exchange"]}
            if "last_lock" in ask and role == "desk":
                return {"last_lock": self._last_lock()}
            return {"error": f"The {role} process may not have this key."}
        except (OrganizationLocked, KeyServiceStopped, KeyServiceUnreachable, KeyWrong) as error:
            return {"error": str(error), "code": error.code}
        except (VaultError, InboxFull) as error:
            return {"error": str(error)}
        except Exception as error:  # A broken question must not take the supervisor down.
            return {"error": f"The key server did not understand the question ({type(error).__name__})."}
        finally:
            wipe(given)

    def _begin_exchange(self) -> None:
        """Errors: VaultError, also where another command has begun one."""
        if self._exchanger or self._exchange is None:
            raise KeyRefused("The instance key is being replaced already. Wait for the other command.")
        self._exchanger = threading.get_ident()
        try:
            self._exchange(True)
        except BaseException:
            self._exchanger = 0
            raise

    def _end_exchange(self) -> None:
        if self._exchange is not None and self._exchanger == threading.get_ident():
            self._exchanger = 0
            self._exchange(False)

    def _wrap(self, ask: dict[str, Any], secret: bytes) -> bytes:
        """`outer`: where somebody turns off that an organization is strict."""
        if ask.get("outer") and isinstance(self._source, InstanceSource):
            return self._source.wrap_outer(ask["wrap"], secret)
        return self._source.wrap(ask["wrap"], secret)

    def _hand_in(self, ask: dict[str, Any]) -> bool:
        """On SQLite nobody but us keeps the public process from rewriting what it may write, so it may only read the
        public database. Errors: InboxFull, and any of what its tables do not take."""
        if connections["publicdb"].vendor != "sqlite":
            raise KeyRefused("On PostgreSQL the public process has a role of its own.")
        # Each is a statement.
        marks = [base64.b64decode(mark) if mark is not None else None for mark in ask["marks"][:SLOT_TRIES]]
        place, box, kind = bytes.fromhex(ask["place"]), base64.b64decode(ask["box"]), str(ask["kind"])
        self._room.take(place, kind, len(box))
        return take_in(place, box, kind, *marks)

    def _may_have(self, role: str, label: str) -> bool:
        kind, _colon, rest = label.partition(":")
        if kind == "kept":  # Of a former instance key: whoever may have that of the present one.
            return rest.rsplit(" ", 2)[0] in ROLES[role][1]
        return kind in ROLES[role][0] and self._may_open(role, label)

    def _may_open(self, role: str, label: str) -> bool:
        """The label names kind, number and organization of a key, which opens under it alone. Errors:
        OrganizationLocked."""
        words = label.split(":")[2:]
        if not words:
            return True
        owner = int(words[0]), bytes.fromhex(words[1])
        if self._is_locked(*owner):
            raise OrganizationLocked
        return role != "sender" or self._has_to_send(*owner)


def stop_listening(folder: Path) -> None:
    """What is left there by whoever served before."""
    for name in (SOCKET_NAME, SECRET_NAME):
        with contextlib.suppress(FileNotFoundError):
            (folder / name).unlink()
