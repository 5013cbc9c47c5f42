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


def drop_in(place: Place, kind: str, **words: Any) -> None:
    """Puts {"kind", "at", ...} into the intake."""
    put(place, {"kind": kind, "at": timezone.now().isoformat(timespec="seconds"), **words})


def put(place: Place, said: dict[str, Any]) -> None:
    """Puts it in as it is, sealed. Layout: number of the box key (u32), then the box of core/seal."""
    text = json.dumps(said, ensure_ascii=False).encode()
    padded = text.ljust(-(-len(text) // STEP) * STEP)
    box = seal.seal_to(bytes(place.box_key), padded, info(bytes(place.uid)), os.urandom(32), os.urandom(12))
    actions.drop_in(place, struct.pack(">I", place.box_number) + box)


def info(uid: bytes) -> bytes:
    """What a box of the intake is for: see core/seal.seal_to."""
    return b"intake\0" + uid
