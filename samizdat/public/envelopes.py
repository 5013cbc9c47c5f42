"""What a reader sends is sealed to their group's public key before it touches anything; this process cannot open it."""

import json
import os
from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from samizdat.core.crypto import seal
from samizdat.public import tokens
from samizdat.publicdb import actions, intake_boxes
from samizdat.publicdb.intake_boxes import STEP, info
from samizdat.publicdb.models import Site
from samizdat.vault.box_keys import BoxKeys


def _from_supervisor(uid: bytes) -> tuple[int, bytes]:
    return tokens.asked().box_key(uid)


boxes = BoxKeys(_from_supervisor)


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
