"""The key that goes along with a backup for recipients is the one of the database in it, also while a replacement of
the instance key isn't finished."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest

from samizdat.backup import kept_places, sets, writing
from samizdat.backup.errors import BackupRefused
from samizdat.backup.keys import backup_keys
from samizdat.backup.sets import Copy, ReadablePlace
from samizdat.delivery.backup_places import PlaceDetails
from samizdat.vault import instance_exchange, keyring
from samizdat.vault.actions import prove
from samizdat.vault.source import InstanceSource
from samizdat.vault.sources.key_file import key_in, text_of
from tests.backup.conftest import MemoryPlace
from tests.conftest import INSTANCE_KEY, NOW

NEW = bytes(range(50, 82))
IDENTITY = pyrage.x25519.Identity.generate()
TO = [str(IDENTITY.to_public())]


@pytest.fixture
def key_file(
    vault: InstanceSource, transactional_db: Any, lantern: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    path = tmp_path / "data.key"
    monkeypatch.setenv("SAMIZDAT_KEY_FILE", str(path))
    write(path, INSTANCE_KEY)
    prove(vault)
    yield path
    keyring.use(vault)


def write(path: Path, key: bytes) -> None:
    path.write_text(text_of(key))
    path.chmod(0o600)


def key_along(place: ReadablePlace, copy: Copy) -> InstanceSource:
    """Of a copy that this key signed."""
    opened = sets.open_copy(place, copy.path, [IDENTITY])
    source = InstanceSource(key_in(sets.key_text(opened, [IDENTITY]).decode(), "backup"))
    assert opened.manifest.installation == backup_keys(source.derive).installation
    return source


@pytest.mark.parametrize("is_pending", [False, True])
def test_to_a_named_folder(key_file: Path, place: MemoryPlace, is_pending: bool) -> None:
    if is_pending:
        instance_exchange.exchange(InstanceSource(INSTANCE_KEY), NEW, [])
    written = writing.write_copy(place, databases=["default", "publicdb"], now=NOW, to=TO, jobs=1)
    assert keyring.belongs(key_along(place, written.copy)) is True


def test_to_a_place_that_was_added_meanwhile(key_file: Path, tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    instance_exchange.exchange(InstanceSource(INSTANCE_KEY), NEW, [])
    kept = kept_places.add(PlaceDetails(url=(tmp_path / "place").as_uri(), recipients=TO, added=NOW))
    written = kept_places.back_up(kept, databases=["default", "publicdb"], now=NOW, jobs=1)
    with kept_places.opened(kept.details) as place:
        assert keyring.belongs(key_along(place, written.copy)) is True


@pytest.mark.parametrize("write_copy", [True, False])
def test_another_key_is_refused_before_anything_is_written(
    key_file: Path, place: MemoryPlace, tmp_path: Path, write_copy: bool
) -> None:
    write(key_file, NEW)

    def add() -> None:
        (tmp_path / "place").mkdir()
        kept_places.add(PlaceDetails(url=(tmp_path / "place").as_uri(), recipients=TO, added=NOW))

    def back_up() -> None:
        writing.write_copy(place, databases=["default", "publicdb"], now=NOW, to=TO, jobs=1)

    act: Callable[[], None] = back_up if write_copy else add
    with pytest.raises(BackupRefused) as refused:
        act()
    assert refused.value.code == "key_along"
    assert not place.writes
