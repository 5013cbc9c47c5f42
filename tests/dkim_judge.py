"""A second verifier of DKIM signatures, written from RFC 6376 and RFC 8463 and from nothing of ours: slow and literal.

Beside it judges dkimpy, which many receivers use. Both take the records from a dictionary in place of name servers.
"""

import base64
import hashlib
from collections.abc import Mapping

import dkim
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

Records = Mapping[str, str]


def verdicts(message: bytes, records: Records) -> list[str]:
    """For each DKIM-Signature from the top: "pass", or what is wrong with it."""
    fields, body = taken_apart(message)
    return [
        _verdict(place, fields, body, records)
        for place, (name, _) in enumerate(fields)
        if name.lower() == b"dkim-signature"
    ]


def dkimpy_says(message: bytes, records: Records) -> list[bool]:
    """dkimpy's word on each DKIM-Signature from the top."""

    def look_up(name: bytes, timeout: int = 5) -> bytes:
        return records.get(name.decode().rstrip("."), "").encode()

    count = sum(name.lower() == b"dkim-signature" for name, _ in taken_apart(message)[0])
    return [bool(dkim.DKIM(message).verify(place, dnsfunc=look_up)) for place in range(count)]


def taken_apart(message: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Fields as (name, everything between colon and CRLF), folds kept, and the body."""
    fields: list[tuple[bytes, bytes]] = []
    rest = message
    while True:
        line, crlf, rest = rest.partition(b"\r\n")
        assert crlf, "a message has an empty line"
        if not line:
            return fields, rest
        if line[:1] in b" \t":
            name, value = fields.pop()
            fields.append((name, value + b"\r\n" + line))
        else:
            name, colon, value = line.partition(b":")
            assert colon and name, "a field has a name"
            fields.append((name, value))


def _verdict(place: int, fields: list[tuple[bytes, bytes]], body: bytes, records: Records) -> str:
    tags = _tags(fields[place][1].decode())
    if missing := {"v", "a", "b", "bh", "d", "h", "s"} - tags.keys():
        return f"without {sorted(missing)}"
    if tags["v"] != "1" or tags.get("c") != "relaxed/relaxed" or "l" in tags:
        return "not of the kind we send"
    if base64.b64encode(hashlib.sha256(relaxed_body(body)).digest()).decode() != tags["bh"]:
        return "body hash"
    names = [name.strip().lower().encode() for name in tags["h"].split(":")]
    if b"from" not in names:
        return "From is not signed"
    left = fields[:place] + fields[place + 1 :]
    data = b""
    for wanted in names:  # 5.4.2: the last one that is not used up; one that is not there counts as nothing
        found = [index for index, (name, _) in enumerate(left) if name.strip().lower() == wanted]
        if found:
            data += relaxed_field(*left.pop(found[-1])) + b"\r\n"
    data += relaxed_field(fields[place][0], _without_b(fields[place][1]))
    record = records.get(f"{tags['s']}._domainkey.{tags['d']}")
    return _checked(tags, data, record) if record else "no record"


def _checked(tags: dict[str, str], data: bytes, record: str) -> str:
    key = _tags(record)
    kind = key.get("k", "rsa")
    if tags["a"] != f"{kind}-sha256":
        return "another algorithm"
    public, signature = base64.b64decode(key["p"], validate=True), base64.b64decode(tags["b"], validate=True)
    try:
        if kind == "ed25519":
            ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, hashlib.sha256(data).digest())
        else:
            loaded = serialization.load_der_public_key(public)
            assert isinstance(loaded, rsa.RSAPublicKey)
            loaded.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return "signature"
    return "pass"


def _tags(text: str) -> dict[str, str]:
    """3.2: tag=value; folding white space around and, in base64, within a value counts for nothing."""
    tags = {}
    for part in text.split(";"):
        if part.strip():
            name, _, value = part.partition("=")
            assert name.strip() not in tags, "a tag stands once"
            tags[name.strip()] = "".join(value.split()) if name.strip() in ("b", "bh", "p", "h") else value.strip()
    return tags


def _without_b(value: bytes) -> bytes:
    """3.5: the value of b= taken away, everything around it kept."""
    parts = value.split(b";")
    return b";".join(
        part.partition(b"=")[0] + b"=" if part.partition(b"=")[0].strip() == b"b" else part for part in parts
    )


def relaxed_field(name: bytes, value: bytes) -> bytes:
    """3.4.2, step by step."""
    unfolded = value.replace(b"\r\n", b"")
    return name.lower().strip(b" \t") + b":" + _single_blanks(unfolded).strip(b" ")


def relaxed_body(body: bytes) -> bytes:
    """3.4.4, step by step."""
    lines = body.split(b"\r\n")
    ended = lines[-1] == b""
    if ended:
        lines.pop()
    lines = [_single_blanks(line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def _single_blanks(text: bytes) -> bytes:
    kept = bytearray()
    for byte in text:
        blank = byte in b" \t"
        if not (blank and kept.endswith(b" ")):
            kept.append(0x20 if blank else byte)
    return bytes(kept)
