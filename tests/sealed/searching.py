"""Looks for words in bytes as somebody with a copied disk would: in every spelling, and inside what can be unpacked.

    found = Searcher(["kittiwake", "Чайка"]).hits(data)      ["kittiwake in base64", ...]

A word is found as it stands, in other cases, backwards, in UTF-16 and UTF-32, in Cyrillic code pages, as JSON, HTML,
percent and quoted-printable escapes, in Punycode, in hexadecimal, in base64 and base32 at every alignment; and all of
that again inside of zlib, gzip, zip and zstd stretches that begin anywhere, and inside of what base64 or hexadecimal
hides.
"""

import base64
import json
import quopri
import re
import shutil
import sqlite3
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from samizdat.core.zstd import zstd

if TYPE_CHECKING:
    from tests.worker.conftest import Instance

# Stretches inside of stretches: a zip in a base64 attachment in a sealed-looking blob is three deep.
DEPTH = 3
# Bytes taken out of one stretch: enough for a letter, and random bytes that look like a beginning end sooner.
MOST = 4 * 1024 * 1024
_LEAST = 6  # Shorter outputs hold no word.

_ZLIB = re.compile(rb"\x78[\x01\x5e\x9c\xda]")
_GZIP = re.compile(rb"\x1f\x8b\x08")
_ZIP = re.compile(rb"PK\x03\x04")
_ZSTD = re.compile(rb"\x28\xb5\x2f\xfd")
_BASE64, _HEX = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-", b"0123456789abcdefABCDEF"
# Most of a journal and much of a database was never written to.
_EMPTY = re.compile(rb"\0{17,}")
_URLSAFE = bytes.maketrans(b"-_", b"+/")


def spellings(word: str | bytes) -> dict[bytes, str]:
    """Byte patterns -> the name of the form. `bytes` are a key: its raw bytes, hexadecimal and base64."""
    if isinstance(word, bytes):
        return {word: "raw", **_encoded(word)}
    found: dict[bytes, str] = {}
    for text in dict.fromkeys((word, word.lower(), word.upper(), word.title())):
        for form, plain in _written(text).items():
            found.setdefault(plain, form)
        for plain in (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be")):
            found |= {pattern: name for pattern, name in _encoded(plain).items() if pattern not in found}
    return found


def _written(text: str) -> dict[str, bytes]:
    forms = {
        "plain": text.encode(),
        "UTF-16, little": text.encode("utf-16-le"),
        "UTF-16, big": text.encode("utf-16-be"),
        "UTF-32, little": text.encode("utf-32-le"),
        "UTF-32, big": text.encode("utf-32-be"),
        "reverse": text[::-1].encode(),
        "reverse UTF-16": text[::-1].encode("utf-16-le"),
        "HTML": "".join(f"&#{ord(sign)};" for sign in text).encode(),
        "HTML, hexadecimal": "".join(f"&#x{ord(sign):x};" for sign in text).encode(),
        # Every sign of it, as some programs write them that quote more than they need to.
        "all percent": "".join(f"%{byte:02X}" for byte in text.encode()).encode(),
        "all percent, small": "".join(f"%{byte:02x}" for byte in text.encode()).encode(),
        "all quoted-printable": "".join(f"={byte:02X}" for byte in text.encode()).encode(),
        "all JSON": "".join(f"\\u{ord(sign):04x}" for sign in text).encode(),
    }
    if not text.isascii():
        forms["Punycode"] = text.encode("punycode")
        forms |= {page: text.encode(page, "replace") for page in ("cp1251", "koi8-r", "iso8859-5")}
        forms["JSON"] = json.dumps(text)[1:-1].encode()
        forms["percent"] = quote(text).encode()
        forms["quoted-printable"] = quopri.encodestring(text.encode()).rstrip(b"=\n").replace(b"=\n", b"")
    return forms


def _encoded(plain: bytes) -> dict[bytes, str]:
    forms = {plain.hex().encode(): "hex", plain.hex().upper().encode(): "hex"}
    for skipped in range(3):
        # What stands before and after the word changes the first and last letters of its spelling: left out.
        whole = base64.b64encode(bytes(skipped) + plain)
        inner = whole[-(-skipped * 8 // 6) : (skipped + len(plain)) * 8 // 6]
        forms[inner] = "base64"
        forms[inner.translate(bytes.maketrans(b"+/", b"-_"))] = "base64"
    for skipped in range(5):
        whole = base64.b32encode(bytes(skipped) + plain)
        inner = whole[-(-skipped * 8 // 5) : (skipped + len(plain)) * 8 // 5]
        forms[inner] = forms[inner.lower()] = "base32"
    return forms


class Searcher:
    """Words and keys that must not be anywhere."""

    def __init__(self, words: Iterable[str | bytes]) -> None:
        self._patterns: dict[bytes, str] = {}
        for word in words:
            name = word if isinstance(word, str) else "a key"
            for pattern, form in spellings(word).items():
                assert len(pattern) > 6, (word, pattern)  # Shorter ones are met by chance.
                self._patterns.setdefault(pattern, f"{name} in {form}")
        self._by_piece: dict[int, list[bytes]] = {}
        for pattern in self._patterns:
            self._by_piece.setdefault(int.from_bytes(pattern[2:6], sys.byteorder), []).append(pattern)
        self._pieces = frozenset(self._by_piece)

    def hits(self, held: bytes) -> list[str]:
        return sorted(set(self._hits(_EMPTY.sub(bytes(16), held), DEPTH, "")))

    def _hits(self, held: bytes, depth: int, inside: str) -> Iterator[str]:
        for pattern in self._patterns_that_may_be_in(held):
            if pattern in held:
                yield self._patterns[pattern] + inside
        if depth:
            for how, content in unpacked(held):
                yield from self._hits(content, depth - 1, f" inside {how}{inside}")

    def _patterns_that_may_be_in(self, held: bytes) -> Iterator[bytes]:
        """Those of which four bytes are: to look for 1,700 patterns in each megabyte takes nine times as long."""
        view = memoryview(held)
        for skipped in range(4):
            end = skipped + max(len(held) - skipped, 0) // 4 * 4
            for piece in self._pieces.intersection(view[skipped:end].cast("I")):
                yield from self._by_piece[piece]


def unpacked(held: bytes) -> Iterator[tuple[str, bytes]]:
    """(how, content) of whatever can be unpacked from any place on."""
    for how, begin, bits in (("zlib", _ZLIB, 15), ("gzip", _GZIP, 31)):
        for match in begin.finditer(held):
            yield from _worth(how, _inflated(held, match.start(), bits))
    for match in _ZIP.finditer(held):
        at = match.start()
        if at + 30 <= len(held):
            name, extra = struct.unpack_from("<HH", held, at + 26)
            yield from _worth("zip", _inflated(held, at + 30 + name + extra, -15))
    for match in _ZSTD.finditer(held):
        yield from _worth("zstd", _unzstd(held, match.start()))
    for found in _runs(held, _BASE64, 24):
        run = found.translate(_URLSAFE)
        for skipped in range(4):
            part = run[skipped : skipped + (len(run) - skipped) // 4 * 4]
            yield from _worth("base64", base64.b64decode(part))
    for run in _runs(held, _HEX, 32):
        for skipped in range(2):
            part = run[skipped:]
            yield from _worth("hex", bytes.fromhex(part[: len(part) // 2 * 2].decode()))


def _runs(held: bytes, signs: bytes, least: int) -> Iterator[bytes]:
    """Stretches of these signs alone, as long as that. Ten times as fast as a regular expression."""
    marks = held.translate(bytes(byte in signs for byte in range(256)))
    wanted, end = b"\1" * least, 0
    while (start := marks.find(wanted, end)) >= 0:
        end = marks.find(b"\0", start)
        end = len(held) if end < 0 else end
        yield held[start:end]


def _worth(how: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    if len(content) >= _LEAST:
        yield how, content


def _inflated(held: bytes, at: int, bits: int) -> bytes:
    """What comes out until it breaks off: a torn stretch gives its beginning."""
    machine, parts, length = zlib.decompressobj(bits), [], 0
    step = 32
    while at < len(held) and not machine.eof and length < MOST:
        try:
            part = machine.decompress(held[at : at + step])
        except zlib.error:
            break
        parts.append(part)
        length += len(part)
        at, step = at + step, min(step * 2, 4096)
    return b"".join(parts)


def _unzstd(held: bytes, at: int) -> bytes:
    machine, parts, length = zstd.ZstdDecompressor(), [], 0
    while at < len(held) and not machine.eof and length < MOST:
        try:
            part = machine.decompress(held[at : at + 4096])
        except zstd.ZstdError:
            break
        parts.append(part)
        length += len(part)
        at += 4096
    return b"".join(parts)


# -- what there is to search ------------------------------------------------------------------------------------


def files(*folders: Path) -> dict[str, bytes]:
    """Every file below these folders, byte by byte."""
    return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def sqlite_values(copy: Path) -> list[bytes]:
    """Every value of every table of a copied database, its log taken in: whole again where pages cut it to pieces."""
    found: list[bytes] = []
    connection = sqlite3.connect(copy)
    connection.text_factory = bytes
    try:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in names:
            for row in connection.execute(f'SELECT * FROM "{name.decode()}"'):
                found += [_as_bytes(value) for value in row if value is not None]
    finally:
        connection.close()
    return found


def postgresql_values(url: str) -> list[bytes]:
    """The same of a PostgreSQL database, bytes as they are."""
    import psycopg

    found: list[bytes] = []
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table in tables:
            for row in connection.execute(f'SELECT * FROM "{schema}"."{table}"').fetchall():
                found += [_as_bytes(value) for value in row if value is not None]
        # Values that no table shows.
        found += [row[0] for row in connection.execute("SELECT data FROM pg_largeobject").fetchall()]
    return found


def _as_bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    return json.dumps(value, ensure_ascii=False).encode() if isinstance(value, dict | list) else str(value).encode()


def taken(instance: "Instance", temporary: Path, copy: Path) -> tuple[dict[str, bytes], list[bytes]]:
    """Files as they lie there; then the values of a copy, since to open a database is to change it."""
    held = files(instance.folder, temporary)
    held["streams"] = instance.log.read_bytes()
    shutil.copytree(instance.folder, copy / "data", ignore=shutil.ignore_patterns("*.sock"))
    values = [value for path in sorted(copy.rglob("*.sqlite3")) for value in sqlite_values(path)]
    url = instance.environment.get("DATABASE_URL")
    if url:
        values += postgresql_values(url)
    held["values of all tables"] = b"\n".join(values)
    return held, values
