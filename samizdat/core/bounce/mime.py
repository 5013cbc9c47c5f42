"""Takes a message apart, within limits. The standard library's parser makes objects of every part of a returned message
and takes 1 ms for a small one; this reads what a report is in, and nothing behind it.

Text is Latin-1 until somebody asks for a part's text: one character a byte, whatever is in it.
"""

import binascii
import html
import re
from dataclasses import dataclass, field
from itertools import batched

# Bytes of a message: real ones that come back with all attachments have up to 30 MB. The report stands before the
# returned message, so no more than the first bytes are read.
MOST_BYTES, BYTES_READ = 40_000_000, 400_000
MOST_PARTS, MOST_DEPTH, MOST_HEADER, MOST_LINES = 100, 12, 200_000, 2_000
# Parts with those of what came back, which we do not take apart.
MOST_TYPES = 300
TEXT_READ = 60_000


class Unreadable(ValueError):
    """It is larger, or has more parts or levels, than any real report. The text names which."""


@dataclass(slots=True)
class Part:
    """`headers`: lower-case name -> first value, unfolded, Latin-1. `kind`: the type, as "text/plain"."""

    headers: dict[str, str]
    body: str
    kind: str = "text/plain"
    parameters: dict[str, str] = field(default_factory=dict)
    parts: list["Part"] = field(default_factory=list)

    def get(self, name: str) -> str:
        return self.headers.get(name, "")

    @property
    def text(self) -> str:
        """Its words, decoded; of HTML what a person would read."""
        return plain(self.source) if self.kind == "text/html" else self.source

    @property
    def source(self) -> str:
        """Decoded, HTML as it is."""
        encoding, charset = self.get("content-transfer-encoding"), self.parameters.get("charset", "")
        return _decoded(self.body[:TEXT_READ], encoding, charset)

    @property
    def data(self) -> bytes:
        """What a file of it would hold."""
        return _data(self.body, self.get("content-transfer-encoding"))

    @property
    def size(self) -> int:
        """Bytes of `data`, without decoding it."""
        if self.get("content-transfer-encoding").strip().lower() != "base64":
            return len(self.data)
        return (len(self.body) - sum(map(self.body.count, "\n ="))) * 3 // 4


def leaves(part: Part) -> list[Part]:
    """The parts that hold something, in the order in which they stand."""
    if not part.parts:
        return [part]
    return [leaf for inner in part.parts for leaf in leaves(inner)]


def split(raw: bytes, size: int | None = None, most: int = BYTES_READ) -> Part:
    """The message in parts. `size`: of the message where `raw` is no more than its beginning; `most`: bytes that are
    read. Errors: Unreadable."""
    if (len(raw) if size is None else size) > MOST_BYTES:
        raise Unreadable("bytes")
    raw = raw[:most]
    if raw.lower().count(b"\ncontent-type:") > MOST_TYPES:
        raise Unreadable("parts")
    raw = raw.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\0", b"")
    text = raw.decode("latin-1")
    return _part(text.lstrip("\n"), [0], 0, "text/plain")


def _part(text: str, count: list[int], depth: int, default: str) -> Part:
    count[0] += 1
    if count[0] > MOST_PARTS:
        raise Unreadable("parts")
    if depth > MOST_DEPTH:
        raise Unreadable("levels")
    headers, body = headers_of(text)
    written = headers.get("content-type", "")
    kind, parameters = content_type(written) if written else (default, {})
    part = Part(headers, body, kind, parameters)
    if kind.startswith("multipart/"):
        boundary = parameters.get("boundary", "")
        if not boundary or "--" + boundary not in body:
            boundary = _guessed(body)
        if boundary:
            inner = "message/rfc822" if kind == "multipart/digest" else "text/plain"
            part.parts = [_part(piece, count, depth + 1, inner) for piece in _pieces(body, boundary)]
    elif kind in ("message/rfc822", "message/global", "message/news") and not depth:
        part.parts = [_part(body, count, depth + 1, "text/plain")]
    return part


_GUESS = re.compile(r"^--([^\s]{5,70})$", re.MULTILINE)


def _guessed(body: str) -> str:
    match = _GUESS.search(body[:3000])
    return match[1] if match else ""


def _pieces(body: str, boundary: str) -> list[str]:
    pieces = ("\n" + body).split("\n--" + boundary, MOST_PARTS + 1)
    if len(pieces) > MOST_PARTS:
        raise Unreadable("parts")
    kept = []
    for piece in pieces[1:]:
        if piece.startswith("--"):
            break
        line, _, rest = piece.partition("\n")
        if not line.strip():
            kept.append(rest)
    return kept


_HEADER = re.compile(r"([!-9;-~]{1,80})[ \t]*:[ \t]*(.*)")


def headers_of(text: str) -> tuple[dict[str, str], str]:
    """(headers, body). A line that is none ends them as a blank one does: some servers forget that."""
    end = text.find("\n\n", 0, MOST_HEADER)
    if end > 0:
        headers = _well_formed(text[:end])
        if headers is not None:
            return headers, text[end + 2 :]
    return _line_by_line(text)


_LINES = re.compile(r"^([!-9;-~]{1,80})[ \t]*:[ \t]*(.*)$", re.MULTILINE)


def _well_formed(block: str) -> dict[str, str] | None:
    """Of headers as they should be; None of others."""
    if block.startswith("From "):
        block = block.partition("\n")[2]
    block = block.replace("\n\t", " ").replace("\n ", " ")
    lines = _LINES.findall(block)
    if len(lines) != block.count("\n") + 1 or len(lines) > MOST_LINES:
        return None
    lines.reverse()  # Of several the first counts.
    return {name.lower(): value.rstrip() for name, value in lines}


def _line_by_line(text: str) -> tuple[dict[str, str], str]:
    headers: dict[str, str] = {}
    name, at, size = "", 0, len(text)
    for _ in range(MOST_LINES):
        end = text.find("\n", at)
        end = size if end < 0 else end
        line = text[at:end]
        if not line.strip():
            if line and headers and end < size and text[end + 1 : end + 2] in (" ", "\t"):
                at = end + 1  # A folded header with an empty line of blanks in it.
                continue
            return headers, text[end + 1 :]
        if line[0] in " \t":
            if name:
                headers[name] += " " + line.strip()
        elif (match := _HEADER.match(line)) is not None:
            name = match[1].lower()
            if name in headers:
                name = ""
            else:
                headers[name] = match[2].rstrip()
        elif name and headers[name].endswith(";"):
            headers[name] += " " + line.strip()
        elif not line.startswith(("From ", ">From ")):
            return headers, text[at:]
        at = end + 1
        if at >= size:
            return headers, ""
        if at > MOST_HEADER:
            break
    raise Unreadable("header")


_PARAMETER = re.compile(r';\s*([\w*-]{1,40})\s*=\s*(?:"([^"]{0,200})"|([^\s;"]{1,200}))')


def content_type(written: str) -> tuple[str, dict[str, str]]:
    kind = written.partition(";")[0].strip().lower()
    if " " in kind:
        kind = kind.split(" ", 1)[0]
    match = _PARAMETER.findall(written[:2000]) if ";" in written else []
    return kind or "text/plain", {name.lower().rstrip("*"): quoted or bare for name, quoted, bare in match}


# Python has codecs that are no character sets, and slow ones.
_CHARSET = re.compile(
    r"(us-)?ascii|utf-?(7|8|16)(-?[bl]e)?|(x-)?(windows-?|cp)\d{3,4}|iso-?(8859-\d{1,2}|2022-(jp(-\w)?|kr))(-\w)?|latin-?\d|"
    r"koi8-?[rut]|(x-)?s(hift)?[_-]?jis|ms932|(x-)?euc-?(jp|kr|tw|cn)|gb(2312|k|18030)|big5(-hkscs)?|tis-620|mac[-_]?\w{1,12}|"
    r"ks_c_5601-1987|viscii",
    re.IGNORECASE,
)


def _decoded(body: str, encoding: str, charset: str) -> str:
    return in_charset(_data(body, encoding), charset)


def _data(body: str, encoding: str) -> bytes:
    encoding = encoding.strip().lower()
    data = body.encode("latin-1", "replace")
    if encoding == "base64":
        return unbase64(data)
    return binascii.a2b_qp(data) if encoding == "quoted-printable" else data


def unbase64(data: bytes) -> bytes:
    """What is before and between it is passed over, as RFC 2045 says, and a cut end lost."""
    data = bytes(re.sub(rb"[^A-Za-z0-9+/]", b"", data.partition(b"=")[0]))
    data = data[: len(data) // 4 * 4 + (len(data) % 4 if len(data) % 4 > 1 else 0)]
    try:
        return binascii.a2b_base64(data + b"=" * (-len(data) % 4))
    except binascii.Error:
        return b""


# Those of which Python reads anything as something, so that a wrong label would turn an address into other signs.
_WIDE = re.compile(r"utf-?(?:16|7)", re.IGNORECASE)


def in_charset(data: bytes, charset: str) -> str:
    """Decoded; what names no character set, or the wrong one, is guessed."""
    if data.isascii() and b"\x1b" not in data and not _WIDE.match(charset):
        return data.decode("ascii")
    if b"\x1b$" in data:
        charset = "iso-2022-jp"
    elif _WIDE.match(charset):
        if _CHARSET.fullmatch(charset) and _is_wide(data, charset):
            return storable(data.decode(charset, "replace"))
        charset = "utf-8"
    known = _CHARSET.fullmatch(charset) is not None
    for name in (charset, "utf-8") if known else ("utf-8",):
        try:
            return storable(data.decode(name))
        except (LookupError, UnicodeError):
            continue
    if known and not charset.lower().startswith(("utf", "us-ascii", "ascii")):
        try:
            return storable(data.decode(charset, "replace"))
        except LookupError:
            pass
    return data.decode("cp1252", "replace")


def _is_wide(data: bytes, charset: str) -> bool:
    """Whether text can be what its label says: in UTF-16 each line break holds a zero, and UTF-7 has 7 bits."""
    return data.isascii() if "7" in charset else b"\0" in data


def storable(text: str) -> str:
    """Without halves of characters: UTF-7 and JSON can write one, and nothing can keep it."""
    return text.encode("utf-8", "replace").decode()


_WORD = re.compile(r"=\?([^\s?*]{1,40})(?:\*[^\s?]{0,20})?\?([bqBQ])\?([^\s?]{0,2000})\?=(?:\s++(?==\?))?")


def decoded(header: str) -> str:
    """A header with its encoded words (RFC 2047) read. A field of a part that was read is text already."""
    if "=?" in header:
        return _WORD.sub(_word, header[:4000]).strip()
    if header.isascii():
        return header
    try:
        return in_charset(header.encode("latin-1"), "utf-8")
    except UnicodeEncodeError:
        return header


def _word(match: re.Match[str]) -> str:
    data = match[3].encode("latin-1", "replace")
    data = unbase64(data) if match[2] in "bB" else binascii.a2b_qp(data, header=True)
    return in_charset(data, match[1])


_BREAK = re.compile(r"<(?:br|p|/p|div|/div|li|tr|/tr|h\d|hr|pre|/pre)\b[^<>]{0,500}>", re.IGNORECASE)
_HIDDEN = re.compile(r"<(style|script|title|head)\b[^<>]{0,500}>[^<]{0,20000}</\1\s{0,9}>", re.IGNORECASE)
_TAG = re.compile(r"<[/!a-zA-Z][^<>@]{0,2000}>|<a\b[^<>]{0,2000}>")


def plain(page: str) -> str:
    page = _HIDDEN.sub(" ", page.replace("\n", " ")) if "<pre" not in page.lower() else page
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", page))).replace("\xa0", " ")


_QUOTE = re.compile(r"<(/?)blockquote\b[^<>]{0,2000}>", re.IGNORECASE)


def plain_with_quotes(page: str) -> str:
    """The same, with a > before each line of what it quotes, as in plain text."""
    text, *others = _QUOTE.split(page)
    depth, pieces = 0, [plain(text)]
    for slash, text in batched(others, 2):
        depth = max(0, depth - 1) if slash else depth + 1
        lines = plain(text).strip().split("\n")
        pieces += [f"> {line.strip()}" if depth else line for line in lines] if any(lines) else []
    return "\n".join(pieces)
