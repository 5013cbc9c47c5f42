"""What a backup holds, and what is written of it again."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyrage
import pytest
from django.db import connection

from samizdat import mail_spool
from samizdat.audience.models import Headcount, Subscriber, row_id
from samizdat.backup import recipients, sets
from samizdat.backup.errors import BackupRefused
from samizdat.backup.keys import BackupKeys
from samizdat.backup.writing import WrittenCopy
from samizdat.campaigns.models import Campaign
from samizdat.core.backup import layout, manifest
from samizdat.delivery import epochs
from samizdat.delivery.engine import journal
from samizdat.delivery.engine.locks import FileLock
from samizdat.delivery.models import Delivery
from samizdat.incoming.models import IncomingMail
from samizdat.options import data_folder
from samizdat.portability.errors import ExportRefused
from samizdat.vault import keyring
from samizdat.vault.sources.key_file import text_of
from tests.backup.conftest import MemoryPlace, names_of, rows_of
from tests.conftest import INSTANCE_KEY, NOW, TODAY

Copied = Callable[..., WrittenCopy]


def subscriber(lantern: Any, number: int, sealed: bytes = b"sealed") -> Subscriber:
    return Subscriber.objects.create(
        id=row_id(lantern.id, number), organization=lantern, sealed=sealed, email_index=os.urandom(16), joined=TODAY
    )


def test_each_row_is_in_the_copy_as_it_is_in_the_database(
    copied: Copied, place: MemoryPlace, lantern: Any, keys: BackupKeys
) -> None:
    ada, boris = subscriber(lantern, 7, b"\0ada"), subscriber(lantern, 20_000)
    written = copied(jobs=2)
    rows = rows_of(place, written, "audience_subscriber", keys)
    columns = next(entry.columns for entry in written.copy.manifest.tables if entry.name == "audience_subscriber")
    assert [dict(zip(columns, row, strict=True))["id"] for row in rows] == [ada.pk, boris.pk]
    first = dict(zip(columns, rows[0], strict=True))
    assert (first["sealed"], first["joined"], first["email_index"]) == (b"\0ada", "2026-11-25", ada.email_index)
    assert len(names_of(written, "audience_subscriber")) == 2
    assert written.copy.manifest.totals["accounts_organization"] == 1


def test_a_second_copy_writes_nothing_but_its_manifest(copied: Copied, place: MemoryPlace) -> None:
    first = copied()
    place.writes.clear()
    second = copied(now=NOW + timedelta(days=1))
    assert place.writes == [layout.base_path(second.copy.path), second.copy.path] and second.written == 0
    assert second.pieces == first.pieces and second.copy.path > first.copy.path


def test_a_new_row_changes_one_piece_of_its_table(copied: Copied, lantern: Any) -> None:
    for number in (1, 9000, 18_000, 27_000):
        subscriber(lantern, number)
    before = names_of(copied(), "audience_subscriber")
    subscriber(lantern, 9001)
    after = names_of(copied(), "audience_subscriber")
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True, True]


def test_a_table_without_fixed_numbers_is_cut_by_its_keys(copied: Copied, lantern: Any) -> None:
    """A new row in the middle leaves what comes before and after it as it is."""
    rows = [Headcount(id=number, organization=lantern, delta=1) for number in range(1, 5000)]
    Headcount.objects.bulk_create(row for row in rows if row.id != 2500)
    before = names_of(copied(), "audience_headcount")
    rows[2499].save(force_insert=True)
    after = names_of(copied(), "audience_headcount")
    assert len(before) == 5
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, True, False, True, True]


def test_a_heavy_row_has_a_piece_of_its_own(copied: Copied, lantern: Any, place: MemoryPlace, keys: BackupKeys) -> None:
    boxes = [os.urandom(5 << 20) for _ in range(3)]
    for box in boxes:
        IncomingMail.objects.create(organization=lantern, received=NOW, state=0, size=len(box), box=box)
    written = copied()
    assert len(names_of(written, "incoming_incomingmail")) == 3
    assert [row for row in rows_of(place, written, "incoming_incomingmail", keys) if boxes[2] in row]


def test_a_copy_that_was_stopped_goes_on(copied: Copied, place: MemoryPlace, lantern: Any) -> None:
    subscriber(lantern, 1)
    write = place.write

    def stop(name: str, data: bytes) -> None:
        if len(place.writes) == 3:
            raise KeyboardInterrupt
        write(name, data)

    place.write = stop  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        copied()
    assert sets.paths(place) == []
    place.write = write  # type: ignore[method-assign]
    there = set(place.files)
    copied()
    assert not there & set(place.writes[3:])


def test_pieces_that_were_cut_short_are_written_again(copied: Copied, place: MemoryPlace, keys: BackupKeys) -> None:
    written = copied()
    path = layout.piece_path(written.copy.manifest.pieces[0].name)
    place.files[path] = place.files[path][:-1]
    again = copied(now=NOW + timedelta(hours=1))
    assert again.written == 1
    assert sets.missing_pieces(again.copy.manifest, sets.piece_sizes(place)) == []


def test_a_piece_that_a_restore_test_found_damaged_is_written_again(copied: Copied, place: MemoryPlace) -> None:
    harmed, whole = (layout.piece_path(piece.name) for piece in copied().copy.manifest.pieces[:2])
    content = place.files[harmed]
    place.files[harmed] = bytes([content[0] ^ 1]) + content[1:]
    place.writes.clear()
    copied(now=NOW + timedelta(hours=1), doubted=[harmed, whole, "pieces/00/gone.age"])
    assert harmed in place.writes and whole not in place.writes
    assert place.files[harmed][0] == content[0], "age files begin alike"


@pytest.fixture
def finished(lantern: Any) -> Any:
    """A campaign that is over, with three deliveries of which one is unsure; its edition."""
    from samizdat.audience.actions import new_list
    from samizdat.campaigns.models import Edition

    news = new_list(lantern, "News", now=NOW)
    campaign = Campaign.objects.create(
        organization=lantern, list=news, draft_sealed=b"", created=NOW, changed=NOW, state="finished",
        frozen=3, accepted=2, unsure=1,
    )  # fmt: skip
    edition = Edition.objects.create(
        id=4711, campaign=campaign, organization=lantern, compiled_sealed=b"", details_sealed=b"", link_key=1,
        message_id_domain="lantern.example", archive_slug="x", created=NOW,
    )  # fmt: skip
    Delivery.objects.bulk_create(
        Delivery(edition=edition, number=number, state=state, answer=1, day=TODAY)
        for number, state in ((1, 2), (2, 2), (3, 4))
    )
    return edition


def test_a_finished_campaign_is_not_read_again_for_the_changes_of_a_night(
    copied: Copied, finished: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = copied()
    assert full.copy.manifest.totals["delivery_delivery"] == 3
    Delivery.objects.filter(edition=finished).delete()  # Nobody would do so past the books.
    night = copied(kind=manifest.CHANGES, now=NOW + timedelta(days=1))
    assert night.copy.manifest.totals["delivery_delivery"] == 3 and night.copy.manifest.kind == manifest.CHANGES
    assert names_of(night, "delivery_delivery") == names_of(full, "delivery_delivery")
    assert copied(now=NOW + timedelta(days=7)).copy.manifest.totals["delivery_delivery"] == 0


@pytest.mark.parametrize(
    "books", [{"accepted": 3, "unsure": 0}, {"state": "sending"}, {"state": "waiting", "deferred": 1, "accepted": 1}]
)
def test_a_campaign_whose_books_have_changed_is_read_again(
    copied: Copied, finished: Any, books: dict[str, Any]
) -> None:
    copied()
    Delivery.objects.filter(edition=finished, number=3).delete()
    Campaign.objects.filter(pk=finished.campaign_id).update(**books)
    night = copied(kind=manifest.CHANGES, now=NOW + timedelta(days=1))
    assert night.copy.manifest.totals["delivery_delivery"] == 2


def test_a_copy_is_made_while_no_key_of_an_organization_can_be_had(
    copied: Copied, lantern: Any, vault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_what: object) -> bytes:
        raise AssertionError("a backup opens nothing")

    subscriber(lantern, 1)
    keyring.use(vault)
    monkeypatch.setattr(type(vault), "unwrap", locked)
    assert copied().copy.manifest.totals["audience_subscriber"] == 1


def test_with_recipients_nothing_but_their_keys_opens_a_piece_and_the_key_file_goes_along(
    copied: Copied, place: MemoryPlace, keys: BackupKeys
) -> None:
    offline = pyrage.x25519.Identity.generate()
    written = copied(to=[str(offline.to_public())])
    ours = recipients.identities(keys.identity)
    path = layout.piece_path(written.copy.manifest.pieces[0].name)
    with pytest.raises(BackupRefused) as refused:
        sets.unpacked(place.files[path], ours, path)
    assert refused.value.code == "other_key"
    assert sets.unpacked(place.files[path], [offline], path)
    # The installation finds out which pieces it needs, and nothing else.
    opened = sets.open_copy(place, written.copy.path, ours)
    assert opened.manifest.recipients == [str(offline.to_public())]
    with pytest.raises(BackupRefused):
        sets.key_text(opened, ours)
    assert sets.key_text(opened, [offline]) == text_of(INSTANCE_KEY).encode()


def test_for_other_recipients_everything_is_written_again(copied: Copied) -> None:
    first = copied()
    second = copied(to=[str(pyrage.x25519.Identity.generate().to_public())], kind=manifest.CHANGES)
    assert second.written == second.pieces == first.pieces


@pytest.mark.parametrize("text", ["AGE-SECRET-KEY-1QQQ", "age1nobody", "hello"])
def test_what_is_no_public_key_is_refused_before_anything_is_written(
    copied: Copied, place: MemoryPlace, text: str
) -> None:
    with pytest.raises(ExportRefused):
        copied(to=[text])
    assert not place.files


def test_files_of_the_data_folder_go_along(copied: Copied, place: MemoryPlace, keys: BackupKeys) -> None:
    mail_spool.folder().mkdir(exist_ok=True)
    mail = mail_spool.folder() / "00000000000000000001-aa"
    mail.write_bytes(b"u" * 16 + b"box")
    page = journal.folder() / "7.0"
    page.write_bytes(b"journal" * 1_000_000)
    old = journal.kept_folder() / "3.0"
    old.write_bytes(b"old")
    os.utime(old, (1, 1))
    try:
        written = copied()
    finally:
        for path in (mail, page, old):
            path.unlink()
    assert rows_of(place, written, "spool", keys) == [("incoming-mail/00000000000000000001-aa", 0, b"u" * 16 + b"box")]
    parts = {row[:2]: row[2] for row in rows_of(place, written, "journals", keys)}
    assert [place[0] for place in parts if str(place[0]).startswith("journals/kept")] == []
    assert b"".join(data for (name, _at), data in sorted(parts.items()) if name == "journals/7.0") == b"journal" * 10**6  # type: ignore[misc]


def test_two_backups_at_a_time_are_refused(copied: Copied) -> None:
    lock = FileLock(data_folder() / "backup.lock")
    assert lock.take()
    try:
        with pytest.raises(BackupRefused) as refused:
            copied()
        assert refused.value.code == "backup_runs"
    finally:
        lock.release()


def test_what_is_committed_while_a_copy_is_written_is_not_in_it(
    copied: Copied, place: MemoryPlace, lantern: Any
) -> None:
    write, before = place.write, Headcount.objects.count()

    def add(name: str, data: bytes) -> None:
        Headcount.objects.create(organization=lantern, delta=1)
        connection.close()  # Of this thread.
        write(name, data)

    place.write = add  # type: ignore[method-assign]
    written = copied(jobs=2)
    assert written.copy.manifest.totals["audience_headcount"] == before
    assert Headcount.objects.count() > before


def test_the_epoch_of_the_installation_stands_in_the_manifest(copied: Copied) -> None:
    epochs.take_over(NOW)
    assert copied().copy.manifest.epoch == epochs.standing(NOW).own.number == 2
