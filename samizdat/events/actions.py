"""Writes facts down."""

import hashlib
import json
import os
from datetime import datetime
from typing import Any

from samizdat.core import seal
from samizdat.events.models import Event
from samizdat.vault import house

_INSTANCE = bytes(16)


def record(
    kind: str,
    organisation: Any = None,
    *,
    now: datetime,
    about: int | None = None,
    by: Any = None,
    detail: dict[str, Any] | None = None,
) -> Event:
    """Records that `kind` happened to row `about`. Call it inside the transaction of the change.

    The detail is sealed to the organisation, or to the instance where there is none: it may name people.
    A fresh nonce is in the blob, so equal details have different digests and the log cannot be guessed at.
    """
    blob = _seal(organisation, detail) if detail else b""
    event = Event(kind=kind, about=about, by=by, at=now, detail=blob)
    event.organisation_id = organisation.id if organisation is not None else None
    event.digest = digest(kind, about, now, blob)
    event.save(force_insert=True)
    return event


def digest(kind: str, about: int | None, at: datetime, blob: bytes) -> bytes:
    """SHA-256 over what the chain vouches for: kind, row, time and the sealed detail's own hash."""
    heading = f"{kind}\0{about or 0}\0{at.isoformat()}\0".encode()
    return hashlib.sha256(heading + hashlib.sha256(bytes(blob)).digest()).digest()


def detail_of(event: Event) -> dict[str, Any]:
    """What an event says; empty when it says nothing or its detail was erased."""
    blob = bytes(event.detail)
    if not blob:
        return {}
    if event.organisation_id is None:
        return json.loads(_instance_ring().open(blob, seal.where("event", "detail", _INSTANCE, 0)))
    return json.loads(house.keys(event.organisation).open(blob, "event", "detail", 0))


def _seal(organisation: Any, detail: dict[str, Any]) -> bytes:
    text = json.dumps(detail, ensure_ascii=False, separators=(",", ":")).encode()
    if organisation is None:
        key = seal.Key(1, house.derive("people"))
        return key.seal(text, seal.where("event", "detail", _INSTANCE, 0), os.urandom(12))
    return house.keys(organisation).seal(text, "event", "detail", 0)


def _instance_ring() -> seal.Ring:
    return seal.Ring({1: seal.Key(1, house.derive("people"))})
