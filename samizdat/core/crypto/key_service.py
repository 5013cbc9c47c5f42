"""The key service: the file that pairs a server with it, what the two say to each other, its state and its log.

For ever as docs/key-formats.md has them. Which state gives keys is decided here; files and sockets are elsewhere
(samizdat/keyservice, vault/sources/key_service.py).
"""

import hashlib
import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from msgspec import Struct

PAIRING = "samizdat key service 1"
STATE = "samizdat key service state 1"

# Bytes: of a question or an answer, of a pairing file, of a record of an epoch.
MOST_SAID, MOST_PAIRING, MOST_RECORD = 65536, 32768, 512
# Seconds that an answer counts; of what a service may say of it.
LEASE, SHORTEST, LONGEST = 60, 2, 3600
DAYS = 30
PORT = 8470

type Why = Literal["", "stopped", "not_confirmed", "removed", "no_key"]


class KeyServiceBroken(ValueError):
    """A file or an answer that isn't what we write."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """What a server knows of a service. certificate: SHA-256 of the service's own, in hex. pem: the server's
    certificate and key, and the certificate of the service's authority."""

    fingerprint: str
    server: str
    host: str
    port: int
    certificate: str
    pem: str

    @property
    def text(self) -> str:
        return (
            f"{PAIRING}\ninstallation {self.fingerprint}\nserver {self.server}\n"
            f"address {address_text(self.host, self.port)}\ncertificate {self.certificate}\n{self.pem}"
        )

    @property
    def authority(self) -> str:
        """The last certificate of the file."""
        certificates: list[str] = _CERTIFICATES.findall(self.pem)
        return certificates[-1]

    @classmethod
    def parsed(cls, text: str) -> "Pairing":
        """Errors: KeyServiceBroken."""
        match = _PAIRING.fullmatch(text.replace("\r\n", "\n").strip() + "\n")
        if match is None or len(_CERTIFICATES.findall(match["pem"])) != 2 or "PRIVATE KEY" not in match["pem"]:
            raise KeyServiceBroken("not a pairing file")
        host, port = address_in(match["address"])
        return cls(match["fingerprint"], match["server"], host, port, match["certificate"], match["pem"])


_KINDS = "(?:CERTIFICATE|PRIVATE KEY)"
_PEM = rf"-----BEGIN {_KINDS}-----\n[A-Za-z0-9+/=\n]+-----END {_KINDS}-----\n"
_CERTIFICATES = re.compile(r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n")
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_PAIRING = re.compile(
    rf"{PAIRING}\ninstallation (?P<fingerprint>[a-z2-7]{{5}}-[a-z2-7]{{5}})\nserver (?P<server>{NAME.pattern})\n"
    rf"address (?P<address>[^ \n]{{1,300}})\ncertificate (?P<certificate>[0-9a-f]{{64}})\n(?P<pem>(?:{_PEM}){{3}})"
)


def address_in(text: str) -> tuple[str, int]:
    """(host, port) of host:port or [host]:port; without a port, PORT. Errors: KeyServiceBroken."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?", text)
    if match is None or not 0 < int(match[2] or PORT) < 65536:
        raise KeyServiceBroken("not an address")
    return match[1].strip("[]"), int(match[2] or PORT)


def address_text(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# -- what is said ------------------------------------------------------------------------------------------------------


class KeyRequest(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """key: whether the key itself is asked for, as at each start; else it is only whether it may still be used. start:
    8 random bytes in hex, of this start of the server. name, record: of an epoch."""

    installation: str
    start: str
    key: bool = False
    name: str = ""
    record: str = ""


class KeyAnswer(Struct, frozen=True, omit_defaults=True):
    """given: whether the key may be used, for so many `seconds` from the question on. why: it may not. key: in base32.
    stops: how often it was stopped so far, so that none is missed by a server that asked before and after. names,
    record: of epochs."""

    given: bool
    why: Why = ""
    seconds: float = 0
    key: str = ""
    stops: int = 0
    names: list[str] = []
    record: str = ""


def decoded[T](data: bytes, type: type[T]) -> T:
    """Errors: KeyServiceBroken."""
    if len(data) > MOST_SAID:
        raise KeyServiceBroken("too long")
    try:
        return msgspec.json.decode(data, type=type)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise KeyServiceBroken("not what we say") from error


# -- its state ---------------------------------------------------------------------------------------------------------


class KnownClient(Struct, frozen=True):
    """A server that is given the key, or a person who may open the page. certificate: SHA-256 in hex. networks: from
    where it may ask; none: from anywhere."""

    name: str
    certificate: str
    added: datetime
    networks: list[str] = []


class ServiceState(Struct, frozen=True):
    """why: it gives no key; since: when that was, or when it was started. confirmed: when somebody last said that they
    are there, which they do every `days`; 0: nobody has to. seen: the latest moment it knows of, so that a clock that
    is set back makes nothing last longer. entries, head: of its log. stops: how often it was stopped."""

    format: str
    installation: str
    address: str
    why: Why
    since: datetime
    confirmed: datetime
    seen: datetime
    days: int = DAYS
    seconds: float = LEASE
    servers: list[KnownClient] = []
    people: list[KnownClient] = []
    entries: int = 0
    head: str = ""
    stops: int = 0

    def clock(self, now: datetime) -> datetime:
        return max(now, self.seen)

    def confirm_until(self) -> datetime | None:
        return self.confirmed + timedelta(days=self.days) if self.days else None

    def is_overdue(self, now: datetime) -> bool:
        until = self.confirm_until()
        return until is not None and self.clock(now) >= until

    def why_not(self, now: datetime) -> Why:
        """Why no key is given; "": it is."""
        return self.why or ("not_confirmed" if self.is_overdue(now) else "")


def state_in(data: bytes) -> ServiceState:
    """Errors: KeyServiceBroken."""
    state = decoded(data, ServiceState)
    if state.format != STATE or not SHORTEST <= state.seconds <= LONGEST or not 0 <= state.days <= 3650:
        raise KeyServiceBroken("not a state")
    if any(moment.tzinfo is None for moment in (state.since, state.confirmed, state.seen)):
        raise KeyServiceBroken("not a state")
    return state


def may_ask(known: KnownClient, address: str) -> bool:
    """From where it asks."""
    if not known.networks:
        return True
    asked = ipaddress.ip_address(address.partition("%")[0])
    asked = getattr(asked, "ipv4_mapped", None) or asked
    return any(asked in ipaddress.ip_network(network) for network in known.networks)


# -- its log -----------------------------------------------------------------------------------------------------------

_HASHED = b',"hash":"'
FIRST = "0" * 64


class LogEntry(Struct, frozen=True):
    """A line of the log. before: the hash of the line before it."""

    number: int
    at: datetime
    kind: str
    about: str
    before: str
    hash: str = ""


def line_of(entry: LogEntry) -> bytes:
    """As it is written, with its hash: SHA-256 of all that stands before `,"hash":`."""
    document = {name: getattr(entry, name) for name in ("number", "at", "kind", "about", "before")}
    text = msgspec.json.encode(document)[:-1]
    return text + _HASHED + hashlib.sha256(text).hexdigest().encode() + b'"}\n'


class LogAltered(Exception):
    """line: the first one that isn't as it was written; 0: the last ones are missing."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def entries_in(data: bytes, entries: int, head: str) -> list[LogEntry]:
    """All entries. A last line that was only written in part is left out. entries, head: what the state knows, which
    is written after the log. Errors: LogAltered."""
    read, before = list[LogEntry](), FIRST
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        text, mark, _rest = line.rpartition(_HASHED)
        try:
            entry = msgspec.json.decode(line, type=LogEntry)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise LogAltered(number) from None
        computed = hashlib.sha256(text).hexdigest()
        if not mark or (entry.number, entry.before, entry.hash) != (number, before, computed):
            raise LogAltered(number)
        if line + b"\n" != text + _HASHED + computed.encode() + b'"}\n' or (number == entries and computed != head):
            raise LogAltered(number)
        read.append(entry)
        before = computed
    if len(read) < entries:
        raise LogAltered(0)
    return read
