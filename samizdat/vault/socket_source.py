"""Asking the supervisor for keys (vault/keyserver.py), as its children and commands do. Without Django: the listener
for mail has none."""

import base64
import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

from samizdat.vault.errors import KeyRefused, KeyServiceStopped, KeyServiceUnreachable, KeyWrong, OrganizationLocked
from samizdat.vault.key_line import FOLLOW, KeyLine

SOCKET_NAME, SECRET_NAME = "keys.sock", "keys.secret"
FD_VARIABLE = "SAMIZDAT_KEYS_FD"


def pack(data: bytes) -> str:
    return base64.b64encode(data).decode()


def short(path: Path) -> str:
    """Unix socket names end at 108 bytes; a deep data folder is reached through its own descriptor instead."""
    text = str(path)
    if len(text.encode()) < 100:
        return text
    return f"/proc/self/fd/{os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)}/{path.name}"


class SocketSource:
    """A source that asks the supervisor."""

    def __init__(self, connection: socket.socket) -> None:
        self._line = KeyLine(connection)
        self._lock = threading.Lock()

    @classmethod
    def inherited(cls) -> "SocketSource | None":
        number = os.environ.get(FD_VARIABLE)
        return cls(socket.socket(fileno=int(number))) if number else None

    @classmethod
    def running(cls, folder: Path) -> "SocketSource | None":
        path = folder / SOCKET_NAME
        if not path.exists():
            return None
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            secret = (folder / SECRET_NAME).read_bytes()
            connection.connect(short(path))
            connection.sendall(secret)
        except OSError:
            return None  # Left by a supervisor that was killed: the command opens the key file itself.
        return cls(connection)

    def _ask(self, question: dict[str, object], key: bytes | None = None) -> dict[str, Any]:
        """The answer; the key behind it under "key"."""
        with self._lock:
            try:
                self._line.send(question, key)
                answer: dict[str, Any] = json.loads(self._line.line() or "{}")
                if FOLLOW in answer:
                    answer["key"] = self._line.key(answer[FOLLOW])
            except (OSError, EOFError, ValueError):
                answer = {}
        if answer.get("code") == OrganizationLocked.code:
            raise OrganizationLocked(answer["error"])
        # Whoever gets none waits; one that does not open was altered.
        for why in (KeyServiceStopped, KeyServiceUnreachable, KeyWrong):
            if answer.get("code") == why.code:
                raise why(answer["error"])
        if "error" in answer or not answer:
            raise KeyRefused(answer.get("error") or "The supervisor is gone. Start `samizdat serve` again.")
        return answer

    def unwrap(self, label: str, wrapped: bytes | memoryview) -> bytes:
        key: bytes = self._ask({"unwrap": pack(bytes(wrapped)), "label": label})["key"]
        return key

    def derive(self, purpose: str) -> bytes:
        key: bytes = self._ask({"derive": purpose})["key"]
        return key

    def wrap(self, label: str, secret: bytes) -> bytes:
        return base64.b64decode(self._ask({"wrap": label}, secret)["wrapped"])

    def wrap_outer(self, label: str, inner: bytes) -> bytes:
        """Under the instance key alone, also where the organization is strict."""
        return base64.b64decode(self._ask({"wrap": label, "outer": True}, inner)["wrapped"])

    def hold(self, strict_key: bytes, seconds: float, label: str, wrapped: bytes) -> None:
        """Unlocks a strict organization for so long, as InstanceSource does."""
        self._ask({"hold": label, "seconds": seconds, "opens": pack(wrapped)}, strict_key)

    def seconds_left(self, label: str) -> float:
        """Until a strict organization locks by itself, as of InstanceSource."""
        return float(self._ask({"left": label})["seconds"])

    def links(self) -> list[dict[str, Any]]:
        """For the public process: [{"organization": hex uid, "number": …, "keys": {purpose: base64}}]."""
        links: list[dict[str, Any]] = self._ask({"links": True})["links"]
        return links

    def mailboxes(self) -> list[dict[str, Any]]:
        """For a listener: [{"organization": hex uid, "addresses": [...], "keys": numbers of link keys, "most",
        "most_of_strangers": bytes of a message}]."""
        mailboxes: list[dict[str, Any]] = self._ask({"mailboxes": True})["mailboxes"]
        return mailboxes

    def checking_key(self) -> bytes:
        """For the public process: what checks the rows of the public database (publicdb/signed_rows.py)."""
        return base64.b64decode(self._ask({"checks": True})["key"])

    def troubles(self) -> dict[str, str]:
        """For commands: role -> why its process does not run."""
        troubles: dict[str, str] = self._ask({"troubles": True})["troubles"]
        return troubles

    def last_lock(self) -> dict[str, object]:
        """For commands: "ending", roles of processes that may have keys of an organization that was locked; "seconds",
        how long the last ones of them took, None before any did."""
        state: dict[str, object] = self._ask({"last_lock": True})["last_lock"]
        return state

    def exchange(self, begins: bool) -> None:
        """For the command that replaces the instance key: when this returns, no process of `serve` has a key; and at
        the end they start again, with the new one. They also do once we are gone. Errors: KeyRefused."""
        self._ask({"exchange": begins})

    def box_key(self, uid: bytes) -> tuple[int, bytes]:
        """For whoever takes things in: (number, X25519 public key) of what it seals to. Errors: KeyRefused."""
        reply = self._ask({"seal_to": uid.hex()})
        return int(reply["number"]), base64.b64decode(reply["key"])

    def hand_in(self, uid: bytes, box: bytes, kind: str, *marks: bytes | None) -> bool:
        """For the public process: as publicdb.actions.take_in."""
        packed = [pack(mark) if mark is not None else None for mark in marks]
        return bool(self._ask({"box": pack(box), "place": uid.hex(), "kind": kind, "marks": packed})["in"])
