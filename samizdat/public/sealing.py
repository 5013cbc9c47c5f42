"""What a reader sends is sealed to her group's public key before it touches anything; this process cannot open it."""

import json
import os
import struct
from typing import Any

from django.utils import timezone

from samizdat.core import seal
from samizdat.gate import actions
from samizdat.gate.models import Place

# Every box is a multiple of this long, so that its length tells nothing of the address in it.
STEP = 512


def drop_in(place: Place, kind: str, mark: bytes | None = None, **words: Any) -> bool:
    """Puts {"kind", "at", ...} into the intake. False: a box of this kind and mark waits there."""
    return actions.drop_in(place, _sealed(place, _said(kind, words)), kind, mark)


def drop_into_slot(place: Place, kind: str, slots: int, **words: Any) -> bool:
    """The same, where no more than so many of a kind may wait. False: so many wait."""
    return actions.drop_into_slot(place, _sealed(place, _said(kind, words)), kind, slots)


def put(place: Place, said: dict[str, Any]) -> None:
    """Puts it in as it is, sealed."""
    actions.drop_in(place, _sealed(place, said), said["kind"])


def _said(kind: str, words: dict[str, Any]) -> dict[str, Any]:
    return {"kind": kind, "at": timezone.now().isoformat(timespec="seconds"), **words}


def _sealed(place: Place, said: dict[str, Any]) -> bytes:
    """Layout: number of the box key (u32), then the box of core/seal."""
    text = json.dumps(said, ensure_ascii=False).encode()
    padded = text.ljust(-(-len(text) // STEP) * STEP)
    box = seal.seal_to(bytes(place.box_key), padded, info(bytes(place.uid)), os.urandom(32), os.urandom(12))
    return struct.pack(">I", place.box_number) + box


def info(uid: bytes) -> bytes:
    """What a box of the intake is for: see core/seal.seal_to."""
    return b"intake\0" + uid
