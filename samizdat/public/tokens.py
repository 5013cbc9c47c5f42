"""Reads the tokens in the links of letters, with reading keys that the supervisor hands out.

The keys read; what they read is proven again by the worker, so a process that is taken can at most make somebody
leave, and much leaving raises an alarm (worker/inbox/unsubscribes.py). The key for confirming tells what a token says
and proves nothing, so a process that is taken cannot say yes for anybody.
"""

import base64
import contextlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils import timezone

from samizdat.core.crypto import tokens
from samizdat.vault.errors import KeyRefused

if TYPE_CHECKING:
    from samizdat.vault.socket_source import SocketSource

# Those by which somebody leaves. Return addresses and Message-IDs are not among them.
WAYS_OUT = ("leave", "preferences", "test")
# Seconds between two questions for keys that are not known: a made-up token must not load the supervisor.
ASK_AGAIN = 5.0

Ask = Callable[[], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """Whose token it is and what it says; who holds it may do that one thing. only_leaves: by a former key, which the
    house believes in nothing else."""

    uid: bytes
    purpose: str
    edition: int
    text: str
    only_leaves: bool = False


class ProvenLink(NamedTuple):
    """Whose link it is, and of which of their readers; for fair turns, and kept no longer than a request."""

    uid: bytes
    reader: int
    text: str


class OwnedKeys(NamedTuple):
    """Of one link key: whose it is, and what reads by purpose. until: the last day on which it serves more than
    leaving, where it came along with an export."""

    uid: bytes
    keys: dict[str, bytes]
    until: date | None = None

    @property
    def only_leaves(self) -> bool:
        return self.until is not None and timezone.now().date() > self.until


class TokenReader:
    """Keys of all organizations, asked for when a token names one that is not known."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._keys: dict[int, OwnedKeys] = {}
        self._asked = float("-inf")
        self._lock = threading.Lock()

    def read(self, text: str, *purposes: str) -> TokenHolder:
        """The first purpose that the token is for. Errors: tokens.BadToken."""
        number = tokens.key_number(text)
        uid, keys, _until = owned = self._of(number)
        for purpose in purposes:
            try:
                token = tokens.read_with({number: keys[purpose]}, text)
            except tokens.BadToken:
                continue
            return TokenHolder(uid, purpose, token.edition, tokens.spelled(text), owned.only_leaves)
        raise tokens.BadToken("tag")

    def proven(self, text: str, *purposes: str) -> ProvenLink | None:
        """None where it is none of ours, or where its key is not here. Asks nobody, so it takes some microseconds."""
        with contextlib.suppress(tokens.BadToken):
            number = tokens.key_number(text)
            uid, keys, _until = self._keys.get(number, OwnedKeys(b"", {}))
            for purpose in purposes:
                with contextlib.suppress(tokens.BadToken):
                    token = tokens.read_with({number: keys[purpose]} if purpose in keys else {}, text)
                    return ProvenLink(uid, token.number, tokens.spelled(text))
        return None

    def may_ask_about(self, text: str) -> bool:
        """Whether its key is not here and may be by now."""
        try:
            is_new = tokens.key_number(text) not in self._keys
        except tokens.BadToken:
            return False
        return is_new and time.monotonic() - self._asked >= ASK_AGAIN

    def ask_again(self) -> None:
        self._fetch()

    def glimpse(self, text: str, purpose: str) -> TokenHolder:
        """What a token says that only the house can prove. Errors: tokens.BadToken, also for what no token says."""
        number = tokens.key_number(text)
        uid, keys, _until = owned = self._of(number)
        if owned.only_leaves:
            raise tokens.BadToken("unknown_key")
        token = tokens.look_with({number: keys[purpose]}, text)
        # Of the 128 bits 32 are nought in all that we make (audience/actions/forms.dated): of what was cut or made up
        # next to nothing comes this far.
        if token.number >> 40 or token.edition >> 56:
            raise tokens.BadToken("tag")
        return TokenHolder(uid, purpose, token.edition, tokens.spelled(text))

    def target_key(self, code: str) -> bytes:
        """What opens where the link of this code leads. Errors: BadToken."""
        return self._of(tokens.key_number(code)).keys["target"]

    def owner(self, text: str) -> bytes:
        """Whose key a token names. Nothing is proven: for tokens that only the house can read. Errors: BadToken."""
        return self._of(tokens.key_number(text)).uid

    def secrets(self, uid: bytes) -> list[bytes]:
        """Secrets of an organization for stamps, which all its public processes share: one for each link key of its
        own, the one with the highest number first. Empty where the supervisor knows none."""
        if not any(owned.uid == uid for owned in self._keys.values()):
            self._fetch()
        numbered = [
            (number, owned.keys["leave"])
            for number, owned in self._keys.items()
            if owned.uid == uid and owned.until is None
        ]
        return [hmac.digest(key, b"samizdat\0stamp", "sha256") for _number, key in sorted(numbered, reverse=True)]

    def _of(self, number: int) -> OwnedKeys:
        if number not in self._keys:
            self._fetch()
        if number not in self._keys:
            raise tokens.BadToken("unknown_key")
        return self._keys[number]

    def _fetch(self) -> None:
        with self._lock:
            if time.monotonic() - self._asked < ASK_AGAIN:
                return
            self._asked = time.monotonic()
            self._keys = {
                row["number"]: OwnedKeys(
                    bytes.fromhex(row["organization"]),
                    {purpose: base64.b64decode(key) for purpose, key in row["keys"].items()},
                    date.fromisoformat(row["until"]) if row.get("until") else None,
                )
                for row in self._ask()
            }


# Where no key is known, as in a house without a supervisor: stamps of this process only.
_own = secrets.token_bytes(32)


def stamp_secrets(uid: bytes) -> list[bytes]:
    """Secrets for the stamps of an organization's forms; the first one makes new stamps."""
    return reader.secrets(uid) or [_own]


def supervisor() -> "SocketSource | None":
    """Whom we ask; None in a house without one."""
    from samizdat.vault.socket_source import SocketSource

    global _source
    if _source is None:
        _source = SocketSource.inherited()
    return _source


def asked() -> "SocketSource":
    """The supervisor. Errors: KeyRefused in a house without one."""
    source = supervisor()
    if source is None:
        raise KeyRefused("The public pages need `samizdat serve`, which tells them keys.")
    return source


def _from_supervisor() -> list[dict[str, object]]:
    source = supervisor()
    return source.links() if source else []


_source: "SocketSource | None" = None
reader = TokenReader(_from_supervisor)
