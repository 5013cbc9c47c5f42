"""A message of ours taken apart, for providers whose interface takes texts and pictures and no message.

Only what core/content/compile writes is read: a text, or a text and HTML, the latter with the pictures that it shows.
Such a provider writes the message anew, so no signature of ours holds.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import decode_header
from email.utils import parseaddr

# The provider writes these itself, or they speak of the form that the message had.
_OURS = frozenset(
    ["from", "to", "reply-to", "subject", "date", "mime-version", "content-type", "content-transfer-encoding",
     "dkim-signature"]
)  # fmt: skip
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_BOUNDARY = re.compile(r'boundary="([^"]+)"')
_FILE = re.compile(r'filename="([^"]+)"')


@dataclass(frozen=True, slots=True)
class InlinePicture:
    """`content`: base64 without line ends. `cid`: without brackets."""

    name: str
    type: str
    content: str
    cid: str


@dataclass(slots=True)
class MessageParts:
    """`sender`, `reply_to`: (name, address), the address "" where there is none. `headers`: the others, as they are
    written, on one line."""

    sender: tuple[str, str] = ("", "")
    reply_to: tuple[str, str] = ("", "")
    to_name: str = ""
    subject: str = ""
    text: str = ""
    html: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    pictures: list[InlinePicture] = field(default_factory=list)


def parts_of(content: bytes) -> MessageParts:
    """content: a compiled message, with CRLF."""
    head, body = _split(content)
    names = {name.lower(): value for name, value in reversed(head)}
    parts = MessageParts(
        sender=_mailbox(names.get("from", "")),
        reply_to=_mailbox(names.get("reply-to", "")),
        to_name=_mailbox(names.get("to", ""))[0],
        subject=_decoded(names.get("subject", "")),
        headers=[(name, value) for name, value in head if name.lower() not in _OURS],
    )
    for part, data in _leaves(names, body):
        _take(parts, part, data)
    return parts


def message_id(content: bytes) -> str:
    """Without brackets; "" where there is none. A head of more than 16 kB is none of ours."""
    head = content[: content.find(b"\r\n\r\n", 0, 16_384) + 2]
    match = re.search(rb"(?im)^message-id:\s*<([^<>\s]{1,200})>", head)
    return match[1].decode("ascii", "replace") if match else ""


def _take(parts: MessageParts, part: dict[str, str], data: bytes) -> None:
    kind = part.get("content-type", "text/plain").partition(";")[0].strip().lower()
    if kind.startswith("image/"):
        name = _FILE.search(part.get("content-disposition", ""))
        picture = data if "base64" in part.get("content-transfer-encoding", "") else base64.b64encode(data)
        coded = picture.translate(None, b"\r\n").decode("ascii", "replace")
        parts.pictures.append(
            InlinePicture(name[1] if name else "picture", kind, coded, part.get("content-id", "").strip("<> "))
        )
    elif kind == "text/html":
        parts.html += _text(part, data)
    else:
        parts.text += _text(part, data)


def _leaves(names: dict[str, str], body: bytes) -> Iterator[tuple[dict[str, str], bytes]]:
    """The parts that hold something, in their order."""
    boundary = _BOUNDARY.search(names.get("content-type", ""))
    if not names.get("content-type", "").lower().startswith("multipart/") or boundary is None:
        yield names, body
        return
    # What stands before the first boundary and behind the last is no part (RFC 2046, 5.1.1).
    for piece in (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode())[1:]:
        if piece.startswith(b"--"):
            return
        head, data = _split(piece.partition(b"\r\n")[2])
        yield from _leaves({name.lower(): value for name, value in head}, data)


def _split(content: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """Header fields, on one line each, and the body."""
    head, _, body = content.partition(b"\r\n\r\n")
    lines = _FOLD.sub(b"", head).split(b"\r\n")
    fields = [line.decode("utf-8", "replace").partition(":") for line in lines if b":" in line[:100]]
    return [(name.strip(), value.strip()) for name, _colon, value in fields], body


def _text(part: dict[str, str], data: bytes) -> str:
    encoding = part.get("content-transfer-encoding", "").lower()
    if encoding == "quoted-printable":
        data = binascii.a2b_qp(data)
    elif encoding == "base64":
        data = base64.b64decode(data)
    return data.decode("utf-8", "replace").replace("\r\n", "\n")


def _mailbox(value: str) -> tuple[str, str]:
    name, address = parseaddr(value)
    return _decoded(name), address


def _decoded(value: str) -> str:
    """Encoded words (RFC 2047) as text."""
    try:
        pieces = decode_header(value)
        return "".join(
            piece if isinstance(piece, str) else piece.decode(charset or "utf-8", "replace")
            for piece, charset in pieces
        )
    except (HeaderParseError, LookupError, ValueError):
        return value
