"""Coming back at the desk: an export of our own format is looked at, opened, brought in, and adds up."""

import base64
import contextlib
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyrage
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from samizdat.accounts import pending_changes
from samizdat.accounts.models import Organization
from samizdat.audience import actions, queries
from samizdat.audience.actions.segments import add_segment
from samizdat.audience.models import ConsentRecord, Import, ImportPiece, Subscriber
from samizdat.audience.segment_conditions.list_status import ListCondition
from samizdat.core.crypto import tokens
from samizdat.portability import actions as exporting
from samizdat.portability import upload
from samizdat.portability.request import ExportRequest
from samizdat.vault import keyring
from samizdat.vault.errors import KeyRefused, VaultError
from samizdat.vault.models import VaultKey
from samizdat.vault.source import InstanceSource
from samizdat.worker.queue import task_wrappers, tasks
from tests.conftest import NOW, TODAY
from tests.portability.test_export import BY_PASSPHRASE
from tests.unchecked import unchecked
from tests.web.conftest import at_the_first_question_about, make_person, signed_in

KEY = pyrage.x25519.Identity.generate()
SECRET = f"# created: today\n# public key: {KEY.to_public()}\n{KEY}\n"


@pytest.fixture
def left(lantern: Any) -> Callable[..., bytes]:
    """What Northern Lantern took along: Ada with a tag, Boris who left, a segment."""
    letter = actions.new_list(lantern, "The Thursday Letter", now=NOW)
    actions.add_subscriber(lantern, "ada@post.example", letter, consent="By form.", now=NOW, tags=["monthly"])
    boris = actions.add_subscriber(lantern, "boris@post.example", letter, consent="By form.", now=NOW)
    actions.unsubscribe(boris, letter, now=NOW)
    add_segment(lantern, "Here", ListCondition(letter.pk), now=NOW)

    def make(*recipients: str) -> bytes:
        out = io.BytesIO()
        wish = ExportRequest("samizdat", recipients, keys=bool(recipients))
        exporting.direct(lantern, wish, out, reason="" if recipients else "We move.", now=lambda: NOW)
        return out.getvalue()

    return make


@pytest.fixture
def harbour(db: Any, vault: Any) -> Any:
    from samizdat.accounts.actions import found_organization

    return found_organization("Harbour Bell", source=vault, today=TODAY)


@pytest.fixture
def vera(harbour: Any) -> Client:
    return signed_in(make_person("Vera", "vera@bell.example", harbour, "admin"))


def at(organization: Any, *words: Any) -> str:
    return "/".join(["", "o", organization.slug, "imports", *map(str, words)])


def dropped(organization: Any, client: Client, data: bytes, name: str = "lantern.zip") -> Import:
    client.post(at(organization, "upload"), {"files": [SimpleUploadedFile(name, data)]})
    row = Import.objects.get()
    tasks.inspect_import.call(row.pk)
    row.refresh_from_db()
    return row


def page(organization: Any, client: Client, row: Import, **answers: str) -> str:
    where = at(organization, row.pk, "")
    return (client.post(where, answers, follow=True) if answers else client.get(where)).content.decode()


def test_it_is_shown_before_anything_is_written_and_what_came_adds_up(
    left: Callable[..., bytes], harbour: Any, vera: Client
) -> None:
    row = dropped(harbour, vera, left())
    assert row.state == "found" and not queries.lists(harbour)
    seen = " ".join(page(harbour, vera, row).split())
    assert "Northern Lantern" in seen and "2 subscribers" in seen and "The Thursday Letter" in seen
    assert (
        "Subscribed: 1, Unsubscribed: 1" in seen
        and "1 segment" in seen
        and "not included: links in old emails stop working" in seen
    )
    page(harbour, vera, row, then="start")
    tasks.run_import.call(row.pk)
    row.refresh_from_db()
    assert row.state == "finished" and not ImportPiece.objects.filter(import_run=row).exists()
    result = page(harbour, vera, row)
    assert "Import finished" in result and "Some statuses differ from the file" not in result
    assert queries.count(harbour, queries.list_named(harbour, "The Thursday Letter"), "subscribed") == 1


def test_a_sealed_one_waits_for_the_key_and_keeps_nothing_of_it(
    left: Callable[..., bytes], harbour: Any, vera: Client
) -> None:
    row = dropped(harbour, vera, left(str(KEY.to_public())), "lantern.zip.age")
    assert "Open with key" in page(harbour, vera, row)
    wrong = str(pyrage.x25519.Identity.generate())
    refused = page(harbour, vera, row, secret=wrong)
    assert "This file is encrypted to another key" in refused and wrong not in refused
    page(harbour, vera, row, secret=SECRET)
    row.refresh_from_db()
    assert row.state == "reading"
    assert "2 subscribers" in page(harbour, vera, upload.inspect(row.pk, now=lambda: NOW))
    page(harbour, vera, row, then="start")
    assert upload.run(row.pk, now=timezone.now).counts["added"] == 2


class OfTheWorker:
    """What the key server gives the worker: nothing is wrapped for it."""

    def __init__(self, source: InstanceSource) -> None:
        self.unwrap, self.derive = source.unwrap, source.derive

    def wrap(self, label: str, secret: bytes) -> bytes:
        raise KeyRefused


def test_keys_of_links_come_along_though_the_worker_may_wrap_none(
    left: Callable[..., bytes], lantern: Any, harbour: Any, vera: Client, vault: Any
) -> None:
    row = dropped(harbour, vera, left(str(KEY.to_public())), "lantern.zip.age")
    page(harbour, vera, row, secret=SECRET)
    upload.inspect(row.pk, now=timezone.now)
    page(harbour, vera, row, then="start")
    keyring.use(OfTheWorker(vault))
    tasks.run_import.call(row.pk)
    keyring.use(vault)
    row.refresh_from_db()
    assert row.state == "finished"
    key, ada = keyring.keys(lantern).link, queries.subscriber_at(harbour, "ada@post.example")
    assert key is not None and ada is not None
    in_an_old_letter = tokens.make(key, "leave", 5, ada.number)
    assert tokens.read(keyring.keys(harbour).links, "leave", in_an_old_letter).number == ada.number


def test_no_key_is_wrapped_for_another_organization_whose_uid_the_row_had_for_a_moment(
    left: Callable[..., bytes], lantern: Any, harbour: Any, vera: Client
) -> None:
    """Whoever has the file knows its keys; with one of them in it Northern Lantern's links would be theirs."""
    from samizdat.accounts.models import Organization
    from samizdat.vault.models import VaultKey

    def give(organization: Any, uid: bytes) -> None:
        Organization.objects.filter(pk=organization.pk).update(uid=uid)

    row = dropped(harbour, vera, left(str(KEY.to_public())), "lantern.zip.age")
    page(harbour, vera, row, secret=SECRET)
    upload.inspect(row.pk, now=timezone.now)
    known, ours, theirs = keyring.keys(lantern).link, bytes(harbour.uid), bytes(lantern.uid)
    VaultKey.objects.filter(organization=lantern, kind="link").delete()  # The file is of another house.
    vera.raise_request_exception = False

    def exchange() -> None:
        give(lantern, bytes(16))
        give(harbour, theirs)

    with at_the_first_question_about("audience_import", exchange):
        answer = vera.post(at(harbour, row.pk, ""), {"then": "start"})
    give(harbour, ours)
    give(lantern, theirs)
    with contextlib.suppress(VaultError):
        tasks.run_import.call(row.pk)
    VaultKey.objects.filter(kind="link", number=known.number).update(organization=lantern)
    keyring.forget_idle(-1)
    assert answer.status_code == 500
    with contextlib.suppress(VaultError):
        assert known.number not in keyring.keys(lantern).links


def test_one_that_breaks_again_and_again_stops_says_so_and_goes_on_when_asked(
    left: Callable[..., bytes], harbour: Any, vera: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = dropped(harbour, vera, left())
    page(harbour, vera, row, then="start")
    with monkeypatch.context() as broken:
        broken.setattr("samizdat.portability.restore.bring_upload", lambda *_a, **_k: 1 / 0)
        while row.pk in actions.resumable(timezone.now()):
            with pytest.raises(task_wrappers.TaskFailed):
                tasks.run_import.call(row.pk)
    row.refresh_from_db()
    assert row.state == "stopped" and "The import stopped five times at the same place for an unknown reason" in page(
        harbour, vera, row
    )
    page(harbour, vera, row, then="start")
    tasks.run_import.call(row.pk)
    row.refresh_from_db()
    assert (row.state, row.problem) == ("finished", "")


def test_nothing_that_is_sealed_is_a_damaged_file(harbour: Any, vera: Client) -> None:
    row = dropped(harbour, vera, pyrage.encrypt(b"", [KEY.to_public()]), "lantern.zip.age")
    assert "This export is damaged or incomplete" in page(harbour, vera, row, secret=SECRET)


def test_one_that_is_sealed_by_a_passphrase_asks_for_that(harbour: Any, vera: Client) -> None:
    row = dropped(harbour, vera, base64.b64decode(BY_PASSPHRASE), "lantern.zip.age")
    assert "Open with passphrase" in page(harbour, vera, row)
    assert "This passphrase doesn’t open the file, or the file is damaged" in page(
        harbour, vera, row, secret="four words of his"
    )
    page(harbour, vera, row, secret="four words of hers\r\n")
    assert "This export is damaged or incomplete" in page(harbour, vera, upload.inspect(row.pk, now=lambda: NOW))


def test_a_sealed_file_of_another_layout_is_looked_at_like_any_file(lantern: Any, left: Callable[..., bytes]) -> None:
    zoya, out = signed_in(make_person("Zoya", "zoya@lantern.example", lantern, "admin")), io.BytesIO()
    left()
    exporting.direct(lantern, ExportRequest("mailchimp", (str(KEY.to_public()),)), out, now=lambda: NOW)
    row = dropped(lantern, zoya, out.getvalue(), "lantern-mailchimp.zip.age")
    page(lantern, zoya, row, secret=SECRET)
    row = actions.inspect(row.pk, now=lambda: NOW)
    assert row.state == "found", actions.read_report(row)
    assert actions.read_report(row).counts["here"] == 2


def test_an_editor_may_drop_it_and_an_admin_decides(left: Callable[..., bytes], harbour: Any) -> None:
    clara = signed_in(make_person("Clara", "clara@bell.example", harbour, "editor"))
    row = dropped(harbour, clara, left())
    assert "Only an admin can import this: it may contain link keys and all data about everyone" in page(
        harbour, clara, row, then="start"
    )
    row.refresh_from_db()
    assert row.state == "found"


def test_a_house_with_people_says_so_before_anybody_presses(
    left: Callable[..., bytes], lantern: Any, vera: Client
) -> None:
    zoya = signed_in(make_person("Zoya", "zoya@lantern.example", lantern, "admin"))
    row = dropped(lantern, zoya, left())
    assert "never had a subscriber" in page(lantern, zoya, row)
    assert "never had a subscriber" in page(lantern, zoya, row, then="start")


def test_no_keys_come_into_a_house_whose_people_somebody_hides_in_the_database(
    left: Callable[..., bytes], lantern: Any, harbour: Any, vera: Client
) -> None:
    """Else one admin's session and the right to write the database are enough for everybody's links: where exports
    take two admins, an import of one's own making took one."""
    export = left(str(KEY.to_public()))
    people = actions.new_list(harbour, "Bell", now=NOW)
    actions.add_subscriber(harbour, "vlad@post.example", people, consent="By form.", now=NOW)
    pending_changes.note_readers()  # Which the worker does every few seconds.
    with unchecked("audience_subscriber", "subscriber_is_of_number"):
        for rows in (Subscriber, ConsentRecord):
            rows.objects.filter(organization=harbour).update(organization=lantern)
    Organization.objects.filter(pk=harbour.pk).update(next_number=1)
    row = dropped(harbour, vera, export, "lantern.zip.age")
    page(harbour, vera, row, secret=SECRET)
    assert "never had a subscriber" in page(harbour, vera, upload.inspect(row.pk, now=lambda: NOW))
    assert "never had a subscriber" in page(harbour, vera, row, then="start")
    before = set(keyring.keys(harbour).links)
    Import.objects.filter(pk=row.pk).update(state="waiting")  # Somebody presses in the database.
    tasks.run_import.call(row.pk)
    keyring.look_again(harbour)
    assert set(keyring.keys(harbour).links) == before
    assert not VaultKey.objects.filter(organization=harbour, current=False).exists()
    row.refresh_from_db()
    assert row.state == "found"


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda data: data[:-200], "This export is damaged or incomplete"),
        (
            lambda data: data.replace(b"subscribers.csv", b"subscribers.cvs"),
            "in this export was changed after it was written",
        ),
        (lambda data: b"PK\3\4 something else", "This isn’t an export in Samizdat format"),
    ],
)
def test_a_spoilt_one_is_one_sentence_and_leaves_nothing(
    left: Callable[..., bytes], harbour: Any, vera: Client, spoil: Any, sentence: str
) -> None:
    row = dropped(harbour, vera, spoil(left()))
    assert sentence in page(harbour, vera, row) + vera.get(at(harbour, "")).content.decode()
    assert not queries.lists(harbour) and not ImportPiece.objects.exists()


def test_what_stopped_goes_on_also_when_the_file_has_to_be_given_again(
    left: Callable[..., bytes], harbour: Any, vera: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samizdat.portability.restore.subscribers.SLICE", 1)
    data = left()
    row = dropped(harbour, vera, data)
    page(harbour, vera, row, then="start")
    upload.run(row.pk, now=timezone.now, stop=lambda: True)
    row.refresh_from_db()
    assert row.state == "stopped" and queries.count(harbour) == 1
    assert "Import stopped" in page(harbour, vera, row)
    actions.sweep_uploads(timezone.now() + timedelta(days=365))
    vera.post(at(harbour, "upload"), {"files": [SimpleUploadedFile("again.zip", data)]})
    again = upload.inspect(Import.objects.latest("pk").pk, now=timezone.now)
    page(harbour, vera, again, then="start")
    done = upload.run(again.pk, now=timezone.now)
    assert done.state == "finished" and done.counts["added"] == 2 and queries.count(harbour) == 2
