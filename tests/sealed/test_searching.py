"""The searcher is believed because it finds: an address is planted in every form, and between pages of a database."""

import gzip
import io
import json
import random
import shutil
import sqlite3
import zipfile
import zlib
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path

import pytest

from samizdat.core.zstd import zstd
from tests.sealed import living
from tests.sealed.living import LOCAL, address
from tests.sealed.searching import Searcher, files, sqlite_values

WORD = address(77)


def _zip(plain: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as box:
        box.writestr("members.csv", plain)
    return out.getvalue()


def _row(words: str) -> bytes:
    return f"1,{words},Riga\n".encode()


HIDDEN: dict[str, bytes] = {
    "plain": WORD.encode(),
    "upper case": WORD.upper().encode(),
    "UTF-16, little": WORD.encode("utf-16-le"),
    "UTF-16, big": WORD.encode("utf-16-be"),
    "UTF-16, upper case": WORD.upper().encode("utf-16-le"),
    **{f"base64, {skipped} before": b64encode(b"x" * skipped + WORD.encode() + b"yz") for skipped in range(3)},
    **{f"base64 for addresses, {n} before": urlsafe_b64encode(b"?" * n + WORD.encode()) for n in range(3)},
    "reverse": WORD[::-1].encode(),
    "percent": "".join(f"%{byte:02X}" for byte in WORD.encode()).encode(),
    "quoted-printable": "".join(f"={byte:02X}" for byte in WORD.encode()).encode(),
    "HTML": "".join(f"&#{byte};" for byte in WORD.encode()).encode(),
    "hex": WORD.encode().hex().encode(),
    "hex, upper case": WORD.encode().hex().upper().encode(),
    "zlib": zlib.compress(_row(WORD) * 3),
    "zlib, stored": zlib.compress(_row(WORD), 0),
    "gzip": gzip.compress(_row(WORD)),
    "zip": _zip(_row(WORD)),
    "zstd": zstd.compress(_row(WORD) * 3),
    "zlib in base64": b64encode(b"q" + zlib.compress(_row(WORD))),
    "zip in zstd": zstd.compress(_zip(_row(WORD))),
    "base64 in zlib": zlib.compress(b64encode(_row(WORD))),
    "UTF-16 in zlib": zlib.compress(WORD.encode("utf-16-le")),
    "torn zlib": zlib.compress(random.Random(1).randbytes(3000) + _row(WORD) + random.Random(2).randbytes(9000))[:6000],
}


@pytest.mark.parametrize("how", HIDDEN)
def test_the_search_finds_an_address_however_it_is_hidden(how: str) -> None:
    noise = random.Random(how)
    held = noise.randbytes(5000) + HIDDEN[how] + noise.randbytes(5000)
    assert any(hit.startswith(LOCAL) for hit in Searcher([LOCAL]).hits(held))
    assert Searcher([LOCAL]).hits(noise.randbytes(200_000)) == []


@pytest.mark.parametrize(
    "form", ["utf-8", "cp1251", "koi8-r", "utf-16-le", "JSON", "Punycode", "lower case", "upper case"]
)
def test_the_search_finds_a_russian_name_however_it_is_written(form: str) -> None:
    name = living.LAST
    written = {
        "JSON": json.dumps(name).encode(),
        "Punycode": name.lower().encode("idna"),
        "lower case": name.lower().encode(),
        "upper case": name.upper().encode(),
    }.get(form) or name.encode(form)
    assert Searcher([name]).hits(b"\0\1" + written + b"\2\3")


def test_the_search_finds_what_overflow_pages_cut_to_pieces(tmp_path: Path) -> None:
    """Random bytes around it fill many pages; the bare file shows nothing, the values do."""
    path = tmp_path / "planted.sqlite3"
    noise = random.Random(3)
    packed = zlib.compress(noise.randbytes(30_000).hex().encode() + _row(WORD) * 2)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (blob)")
        connection.execute("INSERT INTO t VALUES (?)", [packed])
    connection.close()
    assert Searcher([LOCAL]).hits(path.read_bytes()) == []
    assert Searcher([LOCAL]).hits(b"\n".join(sqlite_values(path)))


def test_the_search_finds_what_stands_in_the_log_alone(tmp_path: Path) -> None:
    """What was written and not carried over to the database file before the power went."""
    path, copy = tmp_path / "live.sqlite3", tmp_path / "copy.sqlite3"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE t (text)")
    connection.execute("INSERT INTO t VALUES (?)", [WORD])
    connection.commit()
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    connection.close()
    assert Searcher([LOCAL]).hits(files(tmp_path)[f"{copy}-wal"])
    assert Searcher([LOCAL]).hits(b"\n".join(sqlite_values(copy)))
