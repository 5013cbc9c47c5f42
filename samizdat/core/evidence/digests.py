"""Digests of mailing lists: many emails in one, as parts (multipart/digest, RFC 2046) or as text (RFC 1153)."""

import re

from samizdat.core.bounce import mime

# Emails of one digest, and bytes in which it says that it is one.
MOST_EMAILS, MOST_LOOKED = 500, 60_000
_INNER = re.compile(r"^content-type:\s{0,9}multipart/digest\b[^\n]{0,500}(?:\n[ \t][^\n]{0,500}){0,5}", re.I | re.M)
# RFC 1153: 70 hyphens behind the list of subjects, 30 between two emails, each with headers of its own.
_LIST_ENDS = re.compile(r"\n-{70}\n\n?")
_BETWEEN = re.compile(r"\n-{30}\n\n?")
_BEGINS = re.compile(r"\s{0,9}[A-Za-z][A-Za-z-]{1,40}:")


def emails_in(raw: bytes) -> list[bytes]:
    """The emails of a digest, at most MOST_EMAILS of them; none of any other email."""
    if b"digest" not in raw[:MOST_LOOKED].lower():
        return []
    raw = raw[: mime.BYTES_READ].replace(b"\r\n", b"\n").replace(b"\0", b"")
    try:
        headers, body = mime.headers_of(raw.decode("latin-1").lstrip("\n"))
    except mime.Unreadable:
        return []
    written = headers.get("content-type", "")
    kind, parameters = mime.content_type(written)
    if kind == "multipart/digest":
        pieces = _pieces(body, parameters.get("boundary", ""))
    elif kind == "multipart/mixed" and (inner := _INNER.search(body)) is not None:
        _kind, parameters = mime.content_type(inner[0].partition(":")[2].replace("\n", " ").strip())
        pieces = _pieces(body, parameters.get("boundary", ""))
    elif kind == "text/plain" and "digest" in headers.get("subject", "").lower():
        pieces = _of_text(body)
    else:
        return []
    return [piece.encode("latin-1") for piece in pieces[:MOST_EMAILS]]


def _pieces(body: str, boundary: str) -> list[str]:
    if not boundary:
        return []
    pieces = []
    for piece in ("\n" + body).split(f"\n--{boundary}", MOST_EMAILS + 1)[1:]:
        if piece.startswith("--"):
            break
        line, _, rest = piece.partition("\n")
        if not line.strip():
            pieces.append(_message(rest))
    return pieces


def _message(part: str) -> str:
    """Without the headers of the part, where it has any of its own."""
    if part.startswith("\n"):
        return part.lstrip("\n")
    headers, _, message = part.partition("\n\n")
    is_of_part = all(line.lower().startswith(("content-", " ", "\t")) for line in headers.split("\n"))
    return message if is_of_part else part


def _of_text(body: str) -> list[str]:
    begun = _LIST_ENDS.split(body, 1)
    pieces = _BETWEEN.split(begun[1]) if len(begun) == 2 else []
    return [piece.lstrip("\n") for piece in pieces if _BEGINS.match(piece)]
