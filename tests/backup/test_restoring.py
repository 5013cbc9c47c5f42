"""What a restore refuses, and that nothing is left of it then."""

from collections.abc import Callable
from typing import Any

import msgspec
import pyrage
import pytest
from django.db import connection

from samizdat.accounts.models import Organization
from samizdat.audience.models import Headcount
from samizdat.backup import folder, recipients, restoring, sets
from samizdat.backup.errors import BackupRefused
from samizdat.backup.keys import BackupKeys
from samizdat.backup.writing import WrittenCopy
from samizdat.core.backup import layout
from samizdat.core.backup.rows import naming_key
from samizdat.core.zstd import zstd
from tests.backup.conftest import MemoryPlace

Copied = Callable[..., WrittenCopy]


def fill(place: MemoryPlace, written: WrittenCopy, keys: BackupKeys) -> None:
    key = naming_key(keys.names, [keys.recipient])
    restoring.fill(place, written.copy, recipients.identities(keys.identity), key)


def piece_of(written: WrittenCopy, table: str) -> str:
    (entry,) = [entry for entry in written.copy.manifest.tables if entry.name == table]
    return layout.piece_path(entry.pieces[0].name)


def test_a_database_with_rows_is_left_alone(copied: Copied, place: MemoryPlace, keys: BackupKeys) -> None:
    written = copied()
    with pytest.raises(BackupRefused) as refused:
        fill(place, written, keys)
    assert refused.value.code == "not_empty"
    assert not Organization.objects.get().sending_locked


def test_rows_that_are_gone_are_there_again_and_may_not_send(
    copied: Copied, place: MemoryPlace, keys: BackupKeys, lantern: Any, emptied: Callable[[], None]
) -> None:
    Headcount.objects.create(organization=lantern, delta=3)
    written, uid = copied(), bytes(lantern.uid)
    emptied()
    fill(place, written, keys)
    restored = Organization.objects.get()
    assert (bytes(restored.uid), restored.sending_locked) == (uid, True)
    # The next row gets a number that nobody had.
    assert Headcount.objects.create(organization=restored, delta=1).pk > Headcount.objects.earliest("pk").pk


def test_sqlite_knows_how_many_rows_an_organization_has_after_a_restore(
    copied: Copied, place: MemoryPlace, keys: BackupKeys, emptied: Callable[[], None]
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL counts for itself")

    def known() -> set[tuple[str, str]]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT idx, stat FROM sqlite_stat1")
            return set(cursor.fetchall())

    before, written = known(), copied()
    emptied()
    fill(place, written, keys)
    assert known() == before != set()


def test_a_number_that_was_given_out_before_is_not_given_out_again(
    copied: Copied, place: MemoryPlace, keys: BackupKeys, lantern: Any, emptied: Callable[[], None]
) -> None:
    """Of a row that was deleted: what was sealed for its number must not open elsewhere."""
    gone = Headcount.objects.create(organization=lantern, delta=3)
    number = gone.pk
    gone.delete()
    written = copied()
    emptied()
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM sqlite_sequence WHERE name = 'audience_headcount'"
            if connection.vendor == "sqlite"
            else "SELECT setval(pg_get_serial_sequence('audience_headcount', 'id'), 1, false)"
        )
    fill(place, written, keys)
    assert Headcount.objects.create(organization=Organization.objects.get(), delta=1).pk > number


def test_a_piece_that_somebody_put_in_the_place_of_another_is_refused(
    copied: Copied, place: MemoryPlace, keys: BackupKeys, emptied: Callable[[], None]
) -> None:
    """Whoever knows the public key can encrypt to it."""
    written = copied()
    path = piece_of(written, "accounts_organization")
    identities, key = recipients.identities(keys.identity), naming_key(keys.names, [keys.recipient])
    content = sets.unpacked(place.files[path], identities, path).replace(b"lantern", b"another")
    place.files[path] = pyrage.encrypt(zstd.compress(content), [pyrage.x25519.Recipient.from_str(keys.recipient)])
    emptied()
    with pytest.raises(BackupRefused) as refused:
        restoring.fill(place, written.copy, identities, key)
    assert refused.value.code == "damaged" and path in str(refused.value)
    assert not Organization.objects.exists()


def test_pieces_of_two_installations_do_not_mix(copied: Copied, place: MemoryPlace, keys: BackupKeys) -> None:
    written = copied()
    with pytest.raises(BackupRefused) as refused:
        sets.open_copy(place, written.copy.path, recipients.identities(keys.identity), "00" * 32)
    assert refused.value.code == "other_installation"


def test_more_than_a_piece_can_hold_is_not_unpacked(monkeypatch: pytest.MonkeyPatch, keys: BackupKeys) -> None:
    monkeypatch.setattr(sets, "MOST_UNPACKED", 1 << 20)
    bomb = pyrage.encrypt(zstd.compress(bytes(1 << 24)), [pyrage.x25519.Recipient.from_str(keys.recipient)])
    with pytest.raises(BackupRefused) as refused:
        sets.unpacked(bomb, recipients.identities(keys.identity), "pieces/aa/aa.age")
    assert refused.value.code == "damaged"


@pytest.mark.parametrize("name", ["../data.key", "journals/../../x", "samizdat.sqlite3", "/etc/passwd", "journals//x"])
def test_a_file_of_a_backup_leads_nowhere_else(tmp_path: Any, name: str) -> None:
    with pytest.raises(BackupRefused):
        folder.put_back(tmp_path / "data", [(name, 0, b"content")])
    assert list(tmp_path.iterdir()) == []


def test_files_come_back_with_their_parts_in_place(tmp_path: Any) -> None:
    folder.put_back(tmp_path, [("journals/7.0", 0, b"begin"), ("journals/7.0", 5, b"end"), ("incoming-mail/1", 0, b"")])
    assert (tmp_path / "journals/7.0").read_bytes() == b"beginend"
    assert (tmp_path / "journals/7.0").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "incoming-mail/1").read_bytes() == b""


def test_a_copy_of_a_version_with_other_columns_is_refused(
    copied: Copied, place: MemoryPlace, keys: BackupKeys, emptied: Callable[[], None]
) -> None:
    written = copied()
    emptied()
    entry = written.copy.manifest.tables[0]
    other = msgspec.structs.replace(entry, columns=(*entry.columns, "newer"))
    tables = [other, *written.copy.manifest.tables[1:]]
    changed = written.copy._replace(manifest=msgspec.structs.replace(written.copy.manifest, tables=tables))
    with pytest.raises(BackupRefused) as refused:
        restoring.fill(place, changed, [], b"")
    assert refused.value.code == "older_copy"
