"""The log as a file, with its chain: JSON, a line each. Whoever has it can tell later whether it was changed: here by
the keys of the instance, elsewhere by the public key that stands at the page (docs/privacy.md).

    {"samizdat_log": 1, "organization": …, "length": …, "made": …}
    {"position": 1, "table": "E", "number": …, "kind": …, "about": …, "by": …, "at": …, "detail": …, "digest": …,
     "link": …}
    {"position": 2, "table": "C", "digest": …, "link": …}
    {"sha256": …, "signature": …}

`table` as in every link (events/chain.py): E for events. `detail` is the hash of what is sealed. Of a consent record
(C) there is its place in the chain alone.
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from samizdat.core.crypto import signature
from samizdat.events import chain
from samizdat.events.actions import digest_of
from samizdat.events.models import ChainHead, Event
from samizdat.vault import keyring
from samizdat.vault.keyring import HasKeys

VERSION = 1
# Rows that are read at once; and no line of ours is longer.
SLICE, LINE = 1000, 2000
_EVENTS = "events_event"
# A signature of a log is none of anything else.
_ABOUT = b"log\0"


def public_key() -> str:
    """What checks the signatures of this installation's logs: 64 hexadecimal digits."""
    return signature.public_key(_seed()).hex()


def _seed() -> bytes:
    return keyring.derive("log files")


def lines(organization: HasKeys, now: datetime) -> Iterator[str]:
    """The whole log as far as it is chained, each line with its end."""
    head = ChainHead.objects.filter(organization_id=organization.id).first()
    length, seen = head.position if head else 0, hashlib.sha256()
    first = {"samizdat_log": VERSION, "organization": organization.id, "length": length, "made": now.isoformat()}
    for document in (first, *_entries(organization, length)):
        line = _line(document)
        seen.update(line.encode())
        yield line
    mark = signature.sign(_seed(), _ABOUT + seen.digest())
    yield _line({"sha256": seen.hexdigest(), "signature": mark.hex()})


def _line(document: dict[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":")) + "\n"


def _entries(organization: HasKeys, length: int) -> Iterator[dict[str, Any]]:
    after = 0
    while rows := chain.stretch(organization, after, length, SLICE):
        events = Event.objects.in_bulk([number for _at, table, number, *_rest in rows if table == _EVENTS])
        for at, table, number, digest, link in rows:
            facts = _facts(events[number]) if table == _EVENTS else {}
            place = {"position": at, "table": chain.TABLES[table].decode()}
            yield {**place, **facts, "digest": digest.hex(), "link": link.hex()}
        after = rows[-1][0]


def _facts(event: Event) -> dict[str, Any]:
    return {
        "number": event.pk,
        "kind": event.kind,
        "about": event.about,
        "by": event.by_id,
        "at": event.at.isoformat(),
        "detail": hashlib.sha256(event.detail).hexdigest(),
    }


@dataclass(frozen=True, slots=True)
class FileVerdict:
    """Whether a file is as it was written here. `broken_at`: the first line that is not, from 1 on; `reason` one of
    "line", "organization", "digest", "link", "signature" and "end". `link`: of the last position."""

    whole: bool
    length: int
    broken_at: int = 0
    reason: str = ""
    link: bytes = b""


def check(organization: HasKeys, text: Iterable[str]) -> FileVerdict:
    """By the keys of the instance alone: what stands in the database is not asked."""
    check = _FileCheck(organization)
    for number, line in enumerate(text, 1):
        document = _read(line)
        if document is not None and "signature" in document:
            reason = check.end(document)
            return FileVerdict(not reason, check.position, number if reason else 0, reason, check.link)
        if reason := check.line(line, document):
            return FileVerdict(False, check.position, number, reason)
    return FileVerdict(False, check.position, 0, "end")


class _FileCheck:
    """How far a file was read. Of each line: "" or what is wrong with it."""

    def __init__(self, organization: HasKeys) -> None:
        self._organization = organization
        self._checks = {byte.decode(): chain.link_check(table) for table, byte in chain.TABLES.items()}
        self._seen = hashlib.sha256()
        self._promised: object = None
        self.position, self.link = 0, bytes(32)

    def line(self, line: str, document: dict[str, Any] | None) -> str:
        if document is None:
            return "line"
        self._seen.update(line.encode())
        if self._promised is None:
            self._promised = document.get("length", 0)
            ours = document.get("samizdat_log") == VERSION and document.get("organization") == self._organization.id
            return "" if ours else "organization"
        try:
            return self._entry(document)
        except (KeyError, TypeError, ValueError, struct.error):
            return "line"

    def _entry(self, document: dict[str, Any]) -> str:
        digest, stored = bytes.fromhex(document["digest"]), bytes.fromhex(document["link"])
        if document["table"] == "E" and digest != _digest(self._organization, document):
            return "digest"
        self.position = int(document["position"])
        if not self._checks[document["table"]](self.link, self.position, digest, stored):
            return "link"
        self.link = stored
        return ""

    def end(self, document: dict[str, Any]) -> str:
        if not _is_signed(document, self._seen.digest()):
            return "signature"
        return "" if self.position == self._promised else "end"


def _read(line: str) -> dict[str, Any] | None:
    try:
        document = json.loads(line) if len(line) <= LINE else None
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _digest(organization: HasKeys, entry: dict[str, Any]) -> bytes:
    at = datetime.fromisoformat(entry["at"])
    facts = entry["number"], organization.id, entry["kind"], entry["about"], entry["by"]
    return digest_of(*facts, at=at, detail=entry["detail"])


def _is_signed(document: dict[str, Any], digest: bytes) -> bool:
    try:
        mark = bytes.fromhex(document["signature"])
    except (TypeError, ValueError):
        return False
    seeds = [_seed(), *(former.key for former in keyring.former("log files"))]
    return any(signature.is_signed(signature.public_key(seed), _ABOUT + digest, mark) for seed in seeds)
