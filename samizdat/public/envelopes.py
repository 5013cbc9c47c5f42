"""What a reader sends is sealed to their group's public key before it touches anything; this process cannot open it."""

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from django.utils import timezone

from samizdat.core.crypto import seal
from samizdat.public import tokens
from samizdat.publicdb import actions, intake_boxes
from samizdat.publicdb.intake_boxes import STEP, info
from samizdat.publicdb.models import Site
from samizdat.vault.errors import VaultError

# Seconds until the supervisor is asked again for a key that is known.
ASK_AGAIN = 60.0


class Boxes:
    """The key that each organization's boxes are sealed to, as the supervisor tells it. Never out of the public
    database: whoever writes that database, by a trigger of their own even as they please, would put theirs there and
    read every sign-up.
    """

    def __init__(self, ask: Callable[[bytes], tuple[int, bytes]]) -> None:
        self._ask = ask
        self._known: dict[bytes, tuple[float, tuple[int, bytes]]] = {}
        self._lock = threading.Lock()

    def of(self, uid: bytes) -> tuple[int, bytes]:
        """(number, public key). Errors: VaultError where nobody knows one."""
        at, known = self._known.get(uid, (0.0, None))
        if known is None:
            return self._asked(uid)
        # While somebody asks, or nobody answers, the one that is known is good: whoever leaves does not wait for it.
        if time.monotonic() - at > ASK_AGAIN and self._lock.acquire(blocking=False):
            try:
                self._known[uid] = time.monotonic(), known
                return self._asked(uid)
            except VaultError:
                return known
            finally:
                self._lock.release()
        return known

    def _asked(self, uid: bytes) -> tuple[int, bytes]:
        known = self._ask(uid)
        self._known[uid] = time.monotonic(), known
        return known


def _from_supervisor(uid: bytes) -> tuple[int, bytes]:
    return tokens.asked().box_key(uid)


boxes = Boxes(_from_supervisor)


def drop_in(place: Site, kind: str, mark: bytes | None = None, **words: object) -> bool:
    """Puts {"kind", "at", ...} into the intake. False: a box of this kind and mark waits there."""
    return actions.drop_in(place, _sealed(place, _said(kind, words)), kind, mark)


def drop_into_slot(place: Site, kind: str, slots: range, **words: object) -> bool:
    """The same, where no more of a kind may wait than have a slot. False: so many wait."""
    return actions.drop_into_slot(place, _sealed(place, _said(kind, words)), kind, slots)


def put(place: Site, payload: dict[str, Any], size: int) -> None:
    """Puts it in as it is, sealed, filled up to so many bytes."""
    actions.drop_in(place, _sealed(place, payload, size), payload["kind"])


def seal_nothing(**words: object) -> None:
    """The work of drop_in() and nothing else, so that nobody learns by the time it takes that nothing is kept."""
    text = json.dumps(words).encode()
    seal.seal_to(_NOBODY, text.ljust(-(-len(text) // STEP) * STEP), info(b""), os.urandom(32), os.urandom(12))


# Whose private half nobody keeps.
_NOBODY = seal.public_key(os.urandom(32))


def _said(kind: str, words: Mapping[str, object]) -> dict[str, object]:
    return {"kind": kind, "at": timezone.now().isoformat(timespec="seconds"), **words}


def _sealed(place: Site, payload: dict[str, object], size: int = STEP) -> bytes:
    uid = bytes(place.uid)
    return intake_boxes.sealed(*boxes.of(uid), uid, payload, size)
