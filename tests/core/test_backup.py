"""Pieces and manifests of a backup as bytes."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.backup import age_identity, layout, manifest, rows
from samizdat.core.backup.manifest import Group, Manifest, PieceEntry, TableEntry
from samizdat.core.crypto import signature

SEED = bytes(range(32))
VALUES = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
)


@given(st.integers(1, 5).flatmap(lambda width: st.lists(st.tuples(*[VALUES] * width))))
def test_rows_come_back_as_they_were(written: list[rows.Row]) -> None:
    columns = [f"column{place}" for place in range(len(written[0]) if written else 1)]
    read = rows.decode(rows.encode("audience_list", columns, written))
    assert (read.table, list(read.columns), read.rows) == ("audience_list", columns, written)


@given(st.binary())
def test_what_is_no_piece_is_refused_and_nothing_else(content: bytes) -> None:
    try:
        read = rows.decode(content)
    except rows.PieceBroken:
        return
    assert all(len(row) == len(read.columns) for row in read.rows)


def test_a_row_that_is_shorter_than_its_heading_is_refused() -> None:
    with pytest.raises(rows.PieceBroken):
        rows.decode(rows.encode("audience_list", ["id", "name"], [(1,)]))


def test_a_piece_for_other_keys_has_another_name() -> None:
    ours, theirs = (rows.naming_key(SEED, keys) for keys in (["age1a"], ["age1a", "age1b"]))
    assert rows.name(ours, b"content") == rows.name(rows.naming_key(SEED, ["age1a"]), b"content")
    assert rows.name(ours, b"content") != rows.name(theirs, b"content")
    assert rows.naming_key(SEED, ["age1b", "age1a"]) == theirs


@given(st.binary(min_size=32, max_size=32))
def test_a_secret_key_is_written_as_age_reads_it(secret: bytes) -> None:
    text = age_identity.identity(secret)
    read = pyrage.x25519.Identity.from_str(text)
    assert str(read) == text
    public = X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
    assert str(read.to_public()).startswith("age1") and len(public) == 32


def made(**other: Any) -> Manifest:
    table = TableEntry("audience_list", "default", ("id",), [Group([PieceEntry("ab" * 32, 3, 500)])], last=7)
    values: dict[str, Any] = {
        "format": 1,
        "time": "2026-11-25T12:00:00+00:00",
        "kind": "full",
        "version": "0.1.0",
        "engine": "sqlite",
        "installation": signature.public_key(SEED).hex(),
        "epoch": 0,
        "recipients": [],
        "key": "",
        "migrations": ["audience.0001_initial"],
        "tables": [table],
        "totals": {"audience_list": 3},
    }
    return Manifest(**{**values, **other})


def test_a_manifest_comes_back_as_it_was_signed() -> None:
    text = manifest.signed(made(), SEED)
    assert manifest.read(text) == made()
    assert text.count(b"\n") == 3 and text.startswith(b"samizdat backup 1\n")


@given(st.data())
def test_a_manifest_with_any_other_byte_is_refused(data: st.DataObject) -> None:
    text = bytearray(manifest.signed(made(), SEED))
    text[data.draw(st.integers(0, len(text) - 2))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(manifest.ManifestBroken):
        manifest.read(bytes(text))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[: len(text) // 2],
        lambda text: b"",
        lambda text: text.replace(b"\n", b"", 1),
        lambda _text: manifest.signed(made(totals={"audience_list": 4}), SEED),
        lambda _text: manifest.signed(made(), bytes(32)),
    ],
    ids=["cut", "empty", "two lines", "other totals", "signed by somebody else"],
)
def test_a_manifest_that_nobody_wrote_so_is_refused(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(manifest.ManifestBroken):
        manifest.read(change(manifest.signed(made(), SEED)))


def test_a_manifest_of_a_newer_format_says_so() -> None:
    with pytest.raises(manifest.NewerFormat):
        manifest.read(manifest.signed(made(), SEED).replace(b"backup 1", b"backup 2", 1))


def test_names_at_a_place_lead_back_to_what_they_name() -> None:
    time = datetime(2026, 12, 1, 2, 0, tzinfo=UTC)
    path = layout.set_path(time, "1a2b3c4d5e6f")
    assert path == "sets/20261201t020000-1a2b3c4d.age" and layout.set_time(path) == time
    assert layout.piece_name(layout.piece_path("ab" * 32)) == "ab" * 32
    assert layout.set_time("sets/other.age") is None and layout.piece_name("pieces/readme.txt") is None


def test_a_fingerprint_is_read_aloud_in_four_groups() -> None:
    print_of = manifest.fingerprint(made().installation)
    assert [len(group) for group in print_of.split()] == [4, 4, 4, 4]
    assert print_of != manifest.fingerprint(signature.public_key(bytes(32)).hex())
