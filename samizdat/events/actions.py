"""Writes facts down."""

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from django.db import transaction

from samizdat.core.crypto import seal
from samizdat.db import next_ids
from samizdat.events import sql
from samizdat.events.kinds import SENTENCES, EventKind, UnknownKind
from samizdat.events.models import Event
from samizdat.vault import keyring

_INSTANCE = bytes(16)

# Of these a dump may tell the day only: their rows point at people, and an exact time beside a mail provider's own
# log would name them (design.md, section 4). The time itself is in the sealed detail.
OF_PEOPLE = "subscriber."
OF_CROWDS = frozenset({"subscribers.left", "subscribers.returned", "subscribers.fewer", "subscribers.erased"}) | {
    "subscribers.erased_by_program",
    "subscribers.redirected",
    "suppressions.written",
    "suppressions.deleted",
    "conversation.answered",
    "conversation.assigned",
    "conversation.deleted",
    "conversation.done",
    "conversation.file_opened",
    "conversation.opened",
    "conversation.reopened",
    "conversations.listed",
}
_AT = "at"


class Actor(Protocol):
    """A person, whose model stands above us."""

    @property
    def id(self) -> int: ...


def record(
    kind: EventKind,
    organization: keyring.HasKeys | None = None,
    *,
    now: datetime,
    about: int | None = None,
    by: Actor | None = None,
    detail: Mapping[str, object] | None = None,
) -> Event:
    """Records that `kind` happened to row `about`. Call it inside the transaction of the change. Errors: UnknownKind.

    The detail is sealed to the organization, or to the instance where there is none: it may name people.
    A fresh nonce is in the blob, so equal details have different digests and the log cannot be guessed at.
    Of events about people `at` is the day alone; moment_of() gives the time.
    """
    if kind not in SENTENCES:
        raise UnknownKind(kind)
    at = readable_time(kind, now)
    if is_of_people(kind):
        detail = {**(detail or {}), _AT: now.astimezone(UTC).isoformat()}
    event = Event(kind=kind, about=about, by_id=by.id if by else None, at=at)
    event.organization_id = organization.id if organization is not None else None
    # Nobody may link it into the chain before its detail is there, which is sealed under the number of its row, and its
    # digest, which is of that number as well.
    with transaction.atomic(savepoint=False):
        event.save(force_insert=True)
        if detail:
            event.detail = _seal(organization, detail, event.pk)
        event.digest = digest(event, is_new=True)
        event.save(update_fields=["detail", "digest"] if detail else ["digest"])
    return event


def record_each(
    kind: EventKind,
    organization: keyring.HasKeys,
    details: Mapping[int, Mapping[str, object]],
    *,
    now: datetime,
    by: Actor | None = None,
) -> None:
    """Records that `kind` happened to each of these subscribers, by row, in few statements. Call it inside the
    transaction of the change."""
    assert is_of_people(kind)
    at, moment = readable_time(kind, now), now.astimezone(UTC).isoformat()
    with transaction.atomic(savepoint=False):
        rows, who = [], by.id if by else None
        for number, (about, detail) in zip(next_ids(Event._meta.db_table, len(details)), details.items(), strict=True):
            blob = _seal(organization, {**detail, _AT: moment}, number)
            hashed = hashlib.sha256(blob).hexdigest()
            mark = digest_of(number, organization.id, kind, about, who, at=at, detail=hashed, is_new=True)
            rows.append((number, organization.id, kind, about, who, blob, mark))
        sql.insert_events(at, rows)


def is_of_people(kind: str) -> bool:
    """Whether events of this kind point at subscribers, so that only their day may be readable."""
    return kind.startswith(OF_PEOPLE) or kind in OF_CROWDS


def whole_day(moment: datetime) -> datetime:
    """Midnight (UTC) of its day."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def readable_time(kind: str, moment: datetime) -> datetime:
    """What may stand in the clear of a moment at which something of this kind happened."""
    return whole_day(moment) if is_of_people(kind) else moment


def moment_of(event: Event) -> datetime:
    """When it happened, exactly: from the sealed detail where the column tells the day alone. Once the detail was
    erased, nobody knows more than the day."""
    timestamp = detail_of(event).get(_AT) if is_of_people(event.kind) else None
    return datetime.fromisoformat(timestamp) if timestamp else event.at


def digest(event: Event, *, is_new: bool = False) -> bytes:
    """What the chain vouches for: its number, whose, kind, row, by whom, time and the sealed detail's own hash, under a
    key of the instance, so that whoever writes the database makes no event, changes none unseen and has none twice."""
    facts = event.pk, event.organization_id, event.kind, event.about, event.by_id
    return digest_of(*facts, at=event.at, detail=hashlib.sha256(event.detail).hexdigest(), is_new=is_new)


def digest_of(*facts: object, at: datetime, detail: str, is_new: bool = False) -> bytes:
    """facts: number, organization, kind, about and by; detail: the hash of what is sealed, in hex. What is new is made
    with the present key, whatever number the database gives it."""
    text = json.dumps([*facts, at.astimezone(UTC).isoformat(), detail])
    number = facts[0]
    key = keyring.derive("log")
    if isinstance(number, int) and not is_new:
        key = keyring.key_of_row("log", number)
    return seal.keyed_hash(key, text)


def is_genuine(event: Event) -> bool:
    """Whether we wrote it as it stands. Nothing may follow from one that we did not."""
    try:
        return hmac.compare_digest(digest(event), bytes(event.digest))
    except TypeError:
        return False  # SQLite: values of another type than we write.


def detail_of(event: Event) -> dict[str, Any]:
    """What an event says; empty when it says nothing or its detail was erased."""
    blob = bytes(event.detail)
    if not blob:
        return {}
    if event.organization is None:
        text = keyring.ring("events").open(blob, seal.where("event", "detail", _INSTANCE, event.pk))
    else:
        text = keyring.keys(event.organization).open(blob, "event", "detail", event.pk)
    detail: dict[str, Any] = json.loads(text)
    return detail


def _seal(organization: keyring.HasKeys | None, detail: Mapping[str, object], number: int) -> bytes:
    text = json.dumps(detail, ensure_ascii=False, separators=(",", ":")).encode()
    if organization is None:
        return keyring.sealing("events").seal(text, seal.where("event", "detail", _INSTANCE, number), os.urandom(12))
    return keyring.keys(organization).seal(text, "event", "detail", number)
