"""A box of the intake: what a reader sent, sealed to their organization's public key before it is laid there."""

import json
import os
import struct
from collections.abc import Mapping

from samizdat.core.crypto import seal

# Every box is a multiple of this long, so that its length tells nothing of the address in it.
STEP = 512


def info(uid: bytes) -> bytes:
    """What it is for: see core/crypto/seal.seal_to."""
    return b"intake\0" + uid


def sealed(number: int, key: bytes, uid: bytes, payload: Mapping[str, object], size: int = STEP) -> bytes:
    """Layout: number of the box key (u32), then the box of core/crypto/seal. key: its public half. uid: of the
    organization. size: bytes of which the text becomes a multiple."""
    text = json.dumps(payload, ensure_ascii=False).encode()
    padded = text.ljust(-(-len(text) // size) * size)
    return struct.pack(">I", number) + seal.seal_to(key, padded, info(uid), os.urandom(32), os.urandom(12))
