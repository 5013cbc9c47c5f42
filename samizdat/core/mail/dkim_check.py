"""Whether a message that came in was signed by a domain (RFC 6376, RFC 8463), strictly: what a signature leaves open
proves nothing here."""

import base64
import binascii
import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from samizdat.core.mail.dkim import relaxed_body, relaxed_field

# Signatures of a message that are looked at: providers add one or two.
MOST = 4
# What has to be signed, so that nobody reuses a signature under other words, for other recipients or years later. Each
# is there once: of several a signature means the last, and whoever reads a message the first.
NEEDED = frozenset({"from", "to", "subject", "date"})
# The same where it is there.
NAMED = frozenset({"cc"})
LEAST_BITS = 1024  # RFC 8301, 3.2.
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9])?")
_B = re.compile(rb"(?i)((?:^|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")
_LONE = re.compile(rb"(?<!\r)\n")
_FIELD = re.compile(rb"[!-9;-~]{1,80}[ \t]*:[^\r]*(?:\r\n[ \t][^\r]*)*")
# What programs read in different ways: one may see a line there where another sees none.
_UNCLEAR = re.compile(rb"\r(?!\n)|\0")

type Field = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class DkimSignature:
    """Of a domain, by the key in this DNS record. Nothing is proven by it."""

    domain: str
    record: str


def signatures(raw: bytes) -> tuple[DkimSignature, ...]:
    """Those that may prove something, in their order."""
    fields, _body = _taken_apart(raw)
    usable = [tags for _place, tags in _usable(fields)]
    return tuple(DkimSignature(tags["d"].lower(), _record(tags)) for tags in usable)


def signed_by(raw: bytes, records: Mapping[str, Sequence[str]], now: int) -> tuple[str, ...]:
    """Domains whose signatures hold. records: TXT by name; now: seconds since 1970."""
    fields, body = _taken_apart(raw)
    return tuple(
        tags["d"].lower()
        for place, tags in _usable(fields)
        if len(texts := records.get(_record(tags), ())) == 1 and _holds(place, tags, fields, body, _tags(texts[0]), now)
    )


def signed_by_all(raws: Sequence[bytes], records: Mapping[str, Sequence[str]], now: int) -> tuple[tuple[str, ...], ...]:
    return tuple(signed_by(raw, records, now) for raw in raws)


def _taken_apart(raw: bytes) -> tuple[list[Field], bytes]:
    """(name, whole field without its last CRLF), and the body; CRLF everywhere, since a pipe may have taken it away. No
    field where any of it is unclear."""
    head, _gap, body = _LONE.sub(b"\r\n", raw).partition(b"\r\n\r\n")
    if head.startswith(b"From "):  # Of a pipe or an mbox file.
        head = head.partition(b"\r\n")[2]
    fields = re.split(rb"\r\n(?![ \t])", head)
    if _UNCLEAR.search(raw) or not all(map(_FIELD.fullmatch, fields)):
        return [], body
    return [(field.partition(b":")[0].strip().lower().decode("latin-1"), field) for field in fields], body


def _usable(fields: Sequence[Field]) -> list[tuple[int, dict[str, str]]]:
    """Place and tags of signatures over all that counts."""
    counts = Counter(name for name, _field in fields)
    if any(counts[name] != 1 for name in NEEDED) or any(counts[name] > 1 for name in NAMED):
        return []
    needed = NEEDED | {name for name in NAMED if counts[name]}
    places = [place for place, (name, _field) in enumerate(fields) if name == "dkim-signature"][:MOST]
    tagged = [(place, _tags(fields[place][1].partition(b":")[2].decode("latin-1"))) for place in places]
    return [(place, tags) for place, tags in tagged if _is_strict(tags, needed)]


def _is_strict(tags: Mapping[str, str], needed: Set[str]) -> bool:
    signed = {name.lower() for name in tags.get("h", "").split(":")}
    names = tags.get("d", "").lower(), tags.get("s", "").lower()
    return (
        tags.get("v") == "1"
        and "l" not in tags
        and signed >= needed
        and all(_NAME.fullmatch(name) for name in names)
        and tags.get("c", "simple/simple").partition("/")[0] in ("simple", "relaxed")
    )


def _record(tags: Mapping[str, str]) -> str:
    return f"{tags['s']}._domainkey.{tags['d']}".lower()


def _tags(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(";")]
    return {name.strip(): re.sub(r"\s+", "", value) for name, equals, value in pairs if equals}


def _holds(
    place: int, tags: Mapping[str, str], fields: Sequence[Field], body: bytes, key: Mapping[str, str], now: int
) -> bool:
    of_fields, _slash, of_body = tags.get("c", "simple/simple").partition("/")
    if tags.get("x", "").isdecimal() and int(tags["x"]) < now:
        return False
    canonical = relaxed_body(body) if of_body == "relaxed" else _simple_body(body)
    digest = base64.b64encode(hashlib.sha256(canonical).digest()).decode()
    if not hmac.compare_digest(digest, tags.get("bh", "")):
        return False
    data = _signed_data(place, tags["h"].lower().split(":"), fields, relaxed=of_fields == "relaxed")
    return _verifies(tags, key, data)


def _simple_body(body: bytes) -> bytes:
    return body.rstrip(b"\r\n") + b"\r\n"


def _signed_data(place: int, names: Sequence[str], fields: Sequence[Field], *, relaxed: bool) -> bytes:
    """5.4.2: of each name the last field that is not used up; one that is not there counts as nothing."""
    left: dict[str, list[bytes]] = {}
    for at, (name, field) in enumerate(fields):
        if at != place:
            left.setdefault(name, []).append(field)
    chosen = [left[name].pop() for name in names if left.get(name)]
    own = fields[place][1].partition(b":")
    chosen.append(own[0] + b":" + _B.sub(rb"\1", own[2]))
    return b"\r\n".join(relaxed_field(field) if relaxed else field for field in chosen)


def _verifies(tags: Mapping[str, str], key: Mapping[str, str], data: bytes) -> bool:
    kind = key.get("k", "rsa")
    is_testing = "y" in key.get("t", "").split(":")
    if key.get("v", "DKIM1") != "DKIM1" or is_testing or tags.get("a") != f"{kind}-sha256":
        return False
    if "sha256" not in key.get("h", "sha256").split(":") or not {"*", "email"} & {*key.get("s", "*").split(":")}:
        return False
    try:
        public = base64.b64decode(key.get("p", ""), validate=True)
        signature = base64.b64decode(tags.get("b", ""), validate=True)
        if kind == "ed25519":
            ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, hashlib.sha256(data).digest())
            return True
        loaded = serialization.load_der_public_key(public)
        if not isinstance(loaded, rsa.RSAPublicKey) or loaded.key_size < LEAST_BITS:
            return False
        loaded.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError, TypeError, binascii.Error):
        return False
    return True
