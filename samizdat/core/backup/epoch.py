"""Which of two living copies of an installation may send (docs/key-formats.md, Epoch record).

Each backup place has a record for every time that somebody released a copy. The highest number may send; where two
different copies have the same one, neither may.
"""

import base64
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

FOLDER = "epoch"
# The newest are enough: a place that hides one among others could as well not have it.
MOST_READ = 20

_VERSION = "samizdat epoch 1"
_RECORD = re.compile(
    rb"samizdat epoch 1\n"
    rb"number (?P<number>[1-9][0-9]{0,7})\n"
    rb"who (?P<mark>[0-9a-f]{16})\n"
    rb"since (?P<since>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)\n"
    rb"mac (?P<mac>[a-z2-7]{52})\n"
)
_NAME = re.compile(rf"{FOLDER}/(?P<number>[0-9]{{8}})-(?P<mark>[0-9a-f]{{16}})")
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class EpochBroken(ValueError):
    """No record, or not signed by this instance's key."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """number: 1 and up; mark: 8 random bytes of who may send; since: to the second, UTC."""

    number: int
    mark: bytes
    since: datetime

    @property
    def name(self) -> str:
        """Of its file, from a place's root."""
        return f"{FOLDER}/{self.number:08d}-{self.mark.hex()}"

    def next(self, mark: bytes, now: datetime) -> "Epoch":
        return Epoch(self.number + 1, mark, now)


def written(epoch: Epoch, key: bytes) -> bytes:
    """The record, signed: HMAC-SHA256 over what stands before."""
    since = epoch.since.astimezone(UTC).strftime(_TIME)
    text = f"{_VERSION}\nnumber {epoch.number}\nwho {epoch.mark.hex()}\nsince {since}\n".encode()
    return text + b"mac " + _mac(key, text) + b"\n"


def read(record: bytes, key: bytes) -> Epoch:
    """Errors: EpochBroken."""
    match = _RECORD.fullmatch(record)
    if not match or not hmac.compare_digest(match["mac"], _mac(key, record[: match.start("mac") - len(b"mac ")])):
        raise EpochBroken
    try:
        since = datetime.strptime(match["since"].decode(), _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise EpochBroken from None
    return Epoch(int(match["number"]), bytes.fromhex(match["mark"].decode()), since)


def as_txt(record: bytes) -> str:
    """The text of a DNS TXT record: the lines of one, with "; " between them."""
    return record.decode().rstrip("\n").replace("\n", "; ")


def from_txt(text: str) -> bytes:
    """b"" of what is none."""
    record = text.replace("; ", "\n").encode() + b"\n"
    return record if _RECORD.fullmatch(record) else b""


def split(records: bytes) -> list[bytes]:
    """Records that stand one behind the other, whoever signed them."""
    return [match[0] for match in _RECORD.finditer(records)]


def name_of(record: bytes) -> str:
    """Epoch.name of what a record says, whoever signed it. Errors: EpochBroken."""
    match = _RECORD.fullmatch(record)
    if not match:
        raise EpochBroken
    return f"{FOLDER}/{int(match['number']):08d}-{match['mark'].decode()}"


def number_of(record: bytes) -> int:
    """What a record says of its number, whoever signed it; 0 of what is none."""
    match = _RECORD.fullmatch(record)
    return int(match["number"]) if match else 0


def _mac(key: bytes, text: bytes) -> bytes:
    return base64.b32encode(hmac.digest(key, text, "sha256")).rstrip(b"=").lower()


def rivals(names: Iterable[str], own: Epoch) -> list[str]:
    """Names of records that may keep `own` from sending, the highest first."""
    matches = (match for match in map(_NAME.fullmatch, names) if match)
    ahead = {match[0] for match in matches if int(match["number"]) >= own.number and match[0] != own.name}
    return sorted(ahead, reverse=True)[:MOST_READ]


def winner(own: Epoch, seen: Iterable[Epoch]) -> Epoch | None:
    """Who keeps `own` from sending: the highest of those above it, or beside it with another mark. None: nobody."""
    ahead = [epoch for epoch in seen if (epoch.number, epoch.mark) != (own.number, own.mark)]
    ahead = [epoch for epoch in ahead if epoch.number >= own.number]
    return max(ahead, key=lambda epoch: (epoch.number, epoch.since), default=None)
