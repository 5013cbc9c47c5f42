"""Once the instance key is replaced, the files of the database have nothing that the former one opens: whoever has it
and takes the disk later reads nothing."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, connections, transaction

from samizdat.vault import destruction, instance_exchange, keyring
from samizdat.vault.actions import prove
from samizdat.vault.models import KeptKey, NextInstanceKey, Proof, VaultKey
from samizdat.vault.source import InstanceSource

NEW, NEWER = bytes(range(50, 82)), bytes(range(100, 132))


@pytest.fixture
def former(
    transactional_db: Any, lantern: Any, vault: InstanceSource, monkeypatch: pytest.MonkeyPatch
) -> Iterator[InstanceSource]:
    # Tests beside this one write on the same server, for longer than the product waits.
    monkeypatch.setattr(destruction, "READERS", 600.0)
    prove(vault)
    yield vault
    keyring.use(vault)


def wrapped() -> set[bytes]:
    return instance_exchange._wrapped()


def stored() -> bytes:
    """The bytes of SQLite's file and log, or of PostgreSQL's tables, as a thief has them."""
    if connection.vendor == "sqlite":
        file = Path(str(connection.settings_dict["NAME"]))
        return b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))
    names = [model._meta.db_table for model in instance_exchange._WRAPPED]
    with connection.cursor() as cursor:
        cursor.execute("SELECT usesuper FROM pg_user WHERE usename = current_user")
        if not cursor.fetchone()[0]:
            pytest.skip("Only a superuser reads PostgreSQL's files.")
        cursor.execute("CHECKPOINT")
        cursor.execute(
            "SELECT pg_read_binary_file(pg_relation_filepath(name::regclass)) FROM unnest(%s::text[]) name", [names]
        )
        return b"".join(bytes(row[0]) for row in cursor.fetchall())


def left(blobs: set[bytes]) -> set[bytes]:
    content = stored()
    return {blob for blob in blobs if blob in content}


def test_nothing_that_it_wrapped_is_left_in_the_files(former: InstanceSource) -> None:
    before = wrapped()
    assert left(before) == before and len(before) > VaultKey.objects.count()
    instance_exchange.exchange(former, NEW, [])
    assert not left(before)


def test_once_it_is_finished_nothing_on_the_disk_opens_the_new_key(former: InstanceSource) -> None:
    instance_exchange.exchange(former, NEW, [])
    pending = {bytes(NextInstanceKey.objects.get().wrapped)}
    signing = {bytes(KeptKey.objects.get(purpose="public pages").wrapped)}
    assert left(pending | signing) == pending | signing
    instance_exchange.finish(InstanceSource(NEW))
    assert not left(pending | signing)


@pytest.fixture
def reader(former: InstanceSource) -> Iterator[Any]:
    """Another session, with a transaction that sees what is there now."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite overwrites what is deleted.")
    other = connection.copy()
    other.set_autocommit(False)
    with other.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT count(*) FROM accounts_organization")
    yield other
    other.close()


def test_on_sqlite_a_reader_is_told_of_and_what_is_left_goes_once_it_has_ended(
    former: InstanceSource, caplog: pytest.LogCaptureFixture
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("Of PostgreSQL below.")
    other = sqlite3.connect(str(connection.settings_dict["NAME"]), isolation_level=None, uri=True)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 20")
    before = wrapped()
    try:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM vault_vaultkey").fetchone()
        instance_exchange.exchange(former, NEW, [])
        assert left(before) and "until samizdat serve stops" in caplog.text
    finally:
        other.close()
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 20000")
    instance_exchange.finish(InstanceSource(NEW))
    assert not left(before)


@pytest.fixture
def writer(former: InstanceSource) -> Iterator[Any]:
    """A session in another database of the server, with a transaction that has written."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's files have nothing to do with each other.")
    other = connections["publicdb"].copy()
    other.set_autocommit(False)
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")
    yield other
    other.close()


@pytest.mark.parametrize("session", ["reader", "writer"])
def test_a_transaction_from_before_is_waited_for(
    former: InstanceSource, session: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a backup. Its rows would be written anew with the others."""
    other = request.getfixturevalue(session)
    before, waited, sleep = wrapped(), [], destruction.time.sleep

    def end(seconds: float) -> None:
        waited.append(seconds)
        other.rollback()
        sleep(seconds)

    monkeypatch.setattr(destruction.time, "sleep", end)
    instance_exchange.exchange(former, NEW, [])
    assert waited and not left(before)


def test_a_table_that_somebody_holds_keeps_the_others_from_nothing(
    former: InstanceSource, reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader.rollback()
    instance_exchange.exchange(former, NEW, [])
    pending = {bytes(NextInstanceKey.objects.get().wrapped)}
    with reader.cursor() as cursor:
        cursor.execute("LOCK TABLE vault_proof IN ACCESS SHARE MODE")
    monkeypatch.setattr(destruction, "_LONGEST_WAIT", "100ms")
    monkeypatch.setattr(destruction, "_wait_for_readers", lambda _tell: None)
    said = list[str]()
    assert instance_exchange.finish(InstanceSource(NEW), said.append)
    assert "couldn't be cleared" in said[0] and not left(pending)


def test_one_that_goes_on_keeps_nobody_waiting(
    former: InstanceSource, reader: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(destruction, "READERS", 0.0)
    monkeypatch.setattr(destruction, "_LONGEST_WAIT", "100ms")
    instance_exchange.exchange(former, NEW, [])
    assert keyring.belongs(InstanceSource(NEW)) is True
    assert "Another transaction is open" in caplog.text


def test_keys_that_were_kept_before_leave_nothing_either(former: InstanceSource) -> None:
    instance_exchange.exchange(former, NEW, [])
    instance_exchange.finish(InstanceSource(NEW))
    kept = {bytes(row.wrapped) for row in KeptKey.objects.all()}
    instance_exchange.exchange(InstanceSource(NEW), NEWER, [])
    assert kept and not left(kept)


def test_what_did_not_open_stays_and_is_not_looked_for(former: InstanceSource, lantern: Any) -> None:
    VaultKey.objects.filter(kind="index").update(wrapped=bytes(60))
    assert instance_exchange.exchange(former, NEW, []) == 1
    assert bytes(lantern.keys.get(kind="index").wrapped) == bytes(60)


def test_that_it_can_not_be_cleared_takes_nothing_back(former: InstanceSource, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_statement: str) -> None:
        raise DatabaseError

    monkeypatch.setattr(destruction, "_run", broken)
    instance_exchange.exchange(former, NEW, [])
    assert keyring.belongs(InstanceSource(NEW)) is True and Proof.objects.count() == 1
    assert instance_exchange.finish(InstanceSource(NEW)) and not instance_exchange.is_pending()


@pytest.mark.parametrize(("session", "meanwhile"), [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")])
def test_the_key_file_is_replaced_after_a_commit_that_the_server_has_written(
    former: InstanceSource, session: str, meanwhile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's commits are.")
    seen = []

    def look() -> Iterator[None]:
        seen.append(setting())
        yield

    def setting() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW synchronous_commit")
            return str(cursor.fetchone()[0])

    with connection.cursor() as cursor:
        cursor.execute(f"SET synchronous_commit = {session}")
    try:
        instance_exchange.exchange(former, NEW, [look])
        monkeypatch.setattr(instance_exchange, "_scrub", lambda *_: None)
        with transaction.atomic():
            instance_exchange.finish(InstanceSource(NEW))
            seen.append(setting())
        assert seen == [meanwhile, meanwhile] and setting() == session
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET synchronous_commit")
