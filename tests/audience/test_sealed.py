"""A copied disk names nobody: the bytes of the database searched for addresses, and for who was erased."""

import base64
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from samizdat.audience import actions, queries
from samizdat.audience import sql as audience_sql
from samizdat.audience.imports import uploads
from samizdat.audience.models import ConsentRecord, Subscriber
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(transaction=True)


def on_disk() -> dict[str, bytes]:
    """The files of the house (SQLite), or what a dump would hold of every table (PostgreSQL)."""
    if connection.vendor == "sqlite":
        folder = Path(str(connection.settings_dict["NAME"])).parent
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with connection.cursor() as cursor:
        found = {}
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT CAST(t AS text) FROM "{table}" t')
            found[table] = "\n".join(row[0] for row in cursor.fetchall()).encode()
    return found


def spellings(word: str) -> set[bytes]:
    """Plain, in other case, as hex, and as base64 wherever in a group of three it begins."""
    plain = {word.encode(), word.upper().encode(), word.lower().encode()}
    coded = set()
    for text in plain:
        coded |= {text.hex().encode(), text.hex().upper().encode()}
        for shift in range(3):
            # The first and last characters depend on what stands around.
            coded.add(base64.b64encode(b"\0" * shift + text)[4:-4])
    return plain | coded


def unpacked(data: bytes) -> bytes:
    """Everything in it that is a zlib stream, unpacked."""
    found = b""
    for start in (b"\x78\x01", b"\x78\x9c", b"\x78\xda"):
        at = data.find(start)
        while at >= 0:
            with suppress(zlib.error):
                found += zlib.decompressobj().decompress(data[at : at + (2 << 20)])
            at = data.find(start, at + 1)
    return found


def assert_nowhere(words: list[str]) -> None:
    for name, data in on_disk().items():
        whole = data + unpacked(data)
        for word in words:
            for spelling in spellings(word):
                assert spelling not in whole, (name, word, spelling)


def test_no_file_names_anybody_after_an_import(lantern: Any, letter: Any, bring: Any, real: Any, export: Any) -> None:
    row = actions.begin_upload(lantern, letter, now=NOW, by=None)
    data = export("subscribed", "uploaded@secret-garden.example,Uploaded Person").read_bytes()
    actions.add_piece(row, 0, 0, data)
    actions.finish_upload(row, ["readers.csv"], now=NOW)
    actions.inspect(row.id, now=lambda: NOW)
    bring(*real, export("subscribed", "ada.lovelace@post.example,Adelaide", "ada-lovelace.post.example,Unreadable"))
    actions.add_subscriber(lantern, "boris@post.example", letter, consent="Whispered", tags=["Resistance"], now=NOW)
    actions.suppress(lantern, "manual", address="dmitri@post.example", now=NOW)
    if connection.vendor == "sqlite":
        # Also what has been moved from the log into the database itself.
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
    people = [f"{kind}{number}@example.com" for kind in "suc" for number in range(1, 6)]
    words = ["ada.lovelace", "Adelaide", "ada-lovelace", "boris@post", "Whispered", "Resistance", "dmitri@post"]
    assert_nowhere(
        [*people, *words, "secret-garden", "Uploaded Person", "Thursday Letter", "Editors", "Another Company"]
    )


def test_a_key_of_another_house_opens_nothing_and_finds_nobody(
    lantern: Any, letter: Any, bring: Any, real: Any
) -> None:
    from samizdat.core.crypto import seal

    bring(*real)
    row = Subscriber.objects.first()
    assert row is not None
    with pytest.raises(seal.SealBroken):
        seal.KeyRing({1: seal.Key(1, bytes(32))}).bound("subscriber", "sealed", bytes(lantern.uid)).open(
            bytes(row.sealed), row.number
        )
    assert seal.blind(bytes(32), "s1@example.com") not in [bytes(row.email_index) for row in Subscriber.objects.all()]


def test_who_is_erased_leaves_no_trace_in_the_files(lantern: Any, letter: Any, bring: Any, real: Any) -> None:
    bring(*real)
    s1 = queries.subscriber_at(lantern, "s1@example.com")
    assert s1 is not None
    held = [bytes(s1.sealed)] + [bytes(row.sealed) for row in ConsentRecord.objects.filter(subscriber=s1)]
    marks = [blob[3:40] if connection.vendor == "sqlite" else blob[3:40].hex().encode() for blob in held]
    if connection.vendor == "sqlite":
        assert all(any(mark in data for data in on_disk().values()) for mark in marks)
    actions.erase(lantern, subscriber=s1, now=NOW)
    for name, data in on_disk().items():
        for mark in marks:
            assert mark not in data, name
    if connection.vendor == "sqlite":
        wal = Path(f"{connection.settings_dict['NAME']}-wal")
        assert not wal.exists() or wal.stat().st_size == 0
    assert audience_sql.sweep_after_erasing()


def test_pieces_of_an_upload_belong_to_their_place(lantern: Any, letter: Any) -> None:
    from samizdat.core.crypto import seal
    from samizdat.vault import keyring

    row = actions.begin_upload(lantern, letter, now=NOW, by=None)
    keys = keyring.keys(lantern)
    uploads.put(keys, row, 0, 0, b"first")
    uploads.put(keys, row, 0, 1, b"second")
    row.pieces.filter(number=0).update(blob=row.pieces.get(number=1).blob)
    with pytest.raises(seal.SealBroken):
        uploads.get(keys, row, 0, 0)
