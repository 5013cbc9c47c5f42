"""The page *Backups*: how each place is, a backup or a test now, and places that are kept only if they work."""

import contextlib
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest
from django.test import Client

from samizdat import dbclock
from samizdat.accounts.actions import give_role
from samizdat.backup import kept_places
from samizdat.backup.restore_test import records
from samizdat.backup.restore_test.running import RestoreTestResult
from samizdat.core.backup.manifest import CHANGES, FULL
from samizdat.delivery import backup_places, backup_progress
from samizdat.delivery.backup_places import CopyDetails, KeptPlace, PlaceDetails, PlaceState
from samizdat.delivery.models import BackupPlace
from samizdat.events.models import Event
from samizdat.vault import keyring
from tests.conftest import NOW, PASSWORD
from tests.places.openssh import SshServer, needs_sshd, openssh
from tests.places.s3_servers import FakeS3
from tests.web.conftest import House, signed_in

Desk = Callable[[str], Client]
HOUR = timedelta(hours=1)


@pytest.fixture
def here(here: House) -> House:
    """Without the place that it has."""
    BackupPlace.objects.all().delete()
    return here


def page(here: House, rest: str = "") -> str:
    return f"/o/{here.organization.slug}/backups/{rest}"


def text(client: Client, here: House, rest: str = "") -> str:
    seen = client.get(page(here, rest))
    assert seen.status_code == 200
    return re.sub(r"\s+", " ", seen.content.decode())


def place(folder: Path, **facts: Any) -> KeptPlace:
    folder.mkdir(exist_ok=True)
    return kept_places.add(PlaceDetails(url=folder.as_uri(), added=dbclock.asked(), **facts))


def copied(kept: KeptPlace, ago: timedelta, kind: str = FULL, **facts: Any) -> None:
    made = dbclock.asked() - ago
    backup_places.note_copy(
        kept.number, CopyDetails(f"sets/{made:%H%M%S}.age", made, kind, 312_000_000, 20_000, **facts)
    )


def age_key() -> str:
    return str(pyrage.x25519.Identity.generate().to_public())


def test_without_a_place_it_says_why_and_what_to_do_first(here: House, desk: Desk) -> None:
    shown = text(desk("admin"), here)
    assert "No backups yet" in shown and "First, add a place below" in shown
    assert "samizdat backup place add /mnt/backup/samizdat" in shown
    home = desk("admin").get(f"/o/{here.organization.slug}/").content.decode()
    assert "no backups yet" in home and page(here) in home


def test_each_place_shows_how_it_is(here: House, desk: Desk, tmp_path: Path) -> None:
    kept = place(tmp_path / "disk", monthly=1, days=20, bytes_per_second=2_500_000)
    copied(kept, 30 * HOUR)
    copied(kept, 6 * HOUR, CHANGES)
    backup_progress.note_tail(kept.number, dbclock.asked())
    result = RestoreTestResult(copy="sets/1.age", opened=True, seconds=41.2, facts={"rows": 21_566})
    records.note(kept.details.url, result, dbclock.asked())
    shown = text(desk("admin"), here)
    assert "Up to date" in shown and "297.5" in shown and "changes only" in shown
    assert "written within seconds" in shown
    assert "21,566 rows restored in 41 s" in shown
    assert "7 days, 4 weeks, 1 month; none older than 20 days" in shown and "(2 there now)" in shown
    assert "2.5 MB per second" in shown and "the key file" in shown
    assert "One place isn’t enough" in shown


def test_what_is_wrong_is_said_with_what_to_do(here: House, desk: Desk, tmp_path: Path) -> None:
    late, fails, broken = (place(tmp_path / name) for name in ("late", "fails", "broken"))
    copied(late, timedelta(days=2))
    copied(fails, HOUR)
    error = {"code": "full", "values": {"place": "the disk"}, "error": "the disk is full."}
    backup_places.set_state(fails.number, PlaceState(failures=3, undeleted=2, **error))
    backup_progress.note_tail_failing(fails.number, dbclock.asked())
    records.note(fails.details.url, RestoreTestResult(code="missing_pieces", what="pieces/ab"), dbclock.asked())
    BackupPlace.objects.filter(pk=broken.number).update(wrapped=bytes(60))
    shown = text(desk("admin"), here)
    assert "The nightly backup wasn’t made" in shown
    assert "the disk is full. Free some space there, then try again." in shown
    assert "2 old backups couldn’t be deleted" in shown
    assert "Changes since the newest backup can’t be written there" in shown
    assert "pieces/ab is missing or cut short" in shown
    assert "Remove it and add it again" in shown
    admin = desk("admin")
    admin.post("/profile", {"name": "Vera", "language": "ru", "theme": "dark"})
    assert "Освободите его и повторите попытку" in text(admin, here)


def words_of(shown: str) -> list[str]:
    """How each place is, beside its name."""
    return re.findall(r'</h2> <span class="state [a-z]+">([^<]+)</span>', shown)


def test_a_place_whose_newest_backup_failed_its_test_is_not_up_to_date(here: House, desk: Desk, tmp_path: Path) -> None:
    kept, admin = place(tmp_path / "disk"), desk("admin")
    copied(kept, 2 * HOUR)
    (tested,) = backup_places.copies(kept.number)
    failed = RestoreTestResult(code="damaged", what="pieces/01/01.age", copy=tested.path)
    records.note(kept.details.url, failed, dbclock.asked())
    assert words_of(text(admin, here)) == ["Restore test failed"]
    copied(kept, HOUR)
    assert words_of(text(admin, here)) == ["Not tested yet"]
    passed = RestoreTestResult(copy=backup_places.copies(kept.number)[0].path, opened=True, facts={"rows": 1})
    records.note(kept.details.url, passed, dbclock.asked())
    assert words_of(text(admin, here)) == ["Up to date"]


@pytest.mark.parametrize(
    ("keys", "options"),
    [
        ((), {"--key-file data.key"}),
        ((False,), {"--key-file data.key"}),
        ((True,), {"--identity identity.txt"}),
        ((True, False), {"--key-file data.key", "--identity identity.txt"}),
    ],
)
def test_the_restore_step_names_what_opens_the_backups(
    here: House, desk: Desk, tmp_path: Path, keys: tuple[bool, ...], options: set[str]
) -> None:
    for number, with_age_key in enumerate(keys):
        facts = {"recipients": [age_key()], "key": "key"} if with_age_key else {}
        place(tmp_path / str(number), **facts)
    shown = text(desk("admin"), here)
    assert set(re.findall(r"samizdat restore sftp://… ([^<]+)<", shown)) == options


def test_that_the_newest_one_needs_the_former_key_file_is_said_until_another_is_made(
    here: House, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With age keys the key of then is in it."""
    admin, sentence = desk("admin"), "The newest backup opens with the former key file alone. Press “Back up now”."
    alone, with_keys = place(tmp_path / "alone"), place(tmp_path / "keys", recipients=[age_key()], key="key")
    copied(alone, 2 * HOUR)
    copied(with_keys, 2 * HOUR, recipients=with_keys.details.recipients)
    assert sentence not in text(admin, here)
    monkeypatch.setattr(keyring, "instance_number", lambda: 2)
    assert text(admin, here).count(sentence) == 1
    copied(alone, HOUR, key=2)
    assert sentence not in text(admin, here)


def test_a_backup_and_a_test_are_asked_of_the_worker_and_their_progress_is_seen(
    here: House, desk: Desk, tmp_path: Path
) -> None:
    kept, admin = place(tmp_path / "disk"), desk("admin")
    copied(kept, HOUR)
    for action in ("back-up", "test"):
        assert admin.post(page(here, f"{kept.number}/{action}")).status_code == 302
    assert backup_progress.asked() == [(kept.number, "backup"), (kept.number, "test")]
    shown = text(admin, here)
    assert "A backup begins in a moment" in shown and 'hx-trigger="every' in shown
    now = dbclock.asked()
    backup_progress.begin(kept.number, "backup", 20_000, now)
    backup_progress.go_on(kept.number, 12_300, 20_000, now)
    assert "Backing up: 12,300 of about 20,000 rows." in text(admin, here)
    backup_progress.end(kept.number, "backup")
    backup_progress.begin(kept.number, "test", 20_000, now)
    assert "Testing whether it restores." in text(admin, here)
    backup_progress.end(kept.number, "test")
    assert 'hx-trigger="every' not in text(admin, here)


def test_a_worker_that_does_not_begin_is_said(here: House, desk: Desk, tmp_path: Path) -> None:
    kept = place(tmp_path / "disk")
    backup_progress.ask(kept.number, "backup", dbclock.asked() - timedelta(minutes=6))
    assert "The worker hasn’t begun" in text(desk("admin"), here)


def test_how_long_backups_are_kept_is_changed_with_the_password(here: House, desk: Desk, tmp_path: Path) -> None:
    kept, admin = place(tmp_path / "disk"), desk("admin")
    there = page(here, f"{kept.number}/edit")
    told = {"daily": "3", "weekly": "2", "monthly": "1", "days": "21", "speed": "1.5"}
    assert admin.post(there, told | {"password": "wrong"}).status_code == 422
    assert admin.post(there, told | {"days": "31", "password": PASSWORD}).status_code == 422
    assert admin.post(there, told | {"password": PASSWORD}).status_code == 302
    changed = backup_places.get(kept.number)
    assert changed is not None
    details = changed.details
    assert (details.daily, details.weekly, details.monthly, details.days) == (3, 2, 1, 21)
    assert details.bytes_per_second == 1_500_000 and details.url == kept.details.url
    assert 'value="1.5"' in text(admin, here, f"{kept.number}/edit")
    assert Event.objects.filter(kind=kept_places.CHANGED, by=here.people["admin"]).count() == 1


def test_a_place_is_removed_with_the_password_and_its_backups_stay(here: House, desk: Desk, tmp_path: Path) -> None:
    kept, admin = place(tmp_path / "disk"), desk("admin")
    (tmp_path / "disk" / "sets").mkdir()
    there = page(here, f"{kept.number}/remove")
    assert "delete them within 30 days" in text(admin, here, f"{kept.number}/remove")
    assert admin.post(there, {"password": "wrong"}).status_code == 422
    assert admin.post(there, {"password": PASSWORD}).status_code == 302
    assert backup_places.numbers() == [] and (tmp_path / "disk" / "sets").exists()
    assert Event.objects.filter(kind=kept_places.REMOVED).count() == 1


def test_a_broken_one_can_be_removed_and_nothing_else(here: House, desk: Desk, tmp_path: Path) -> None:
    kept, admin = place(tmp_path / "disk"), desk("admin")
    BackupPlace.objects.update(wrapped=bytes(60))
    assert admin.get(page(here, f"{kept.number}/edit")).status_code == 404
    assert admin.post(page(here, f"{kept.number}/back-up")).status_code == 404
    assert admin.post(page(here, f"{kept.number}/remove"), {"password": PASSWORD}).status_code == 302


def test_who_is_not_admin_of_every_organization_sees_and_does_nothing(
    here: House, there: House, tmp_path: Path
) -> None:
    """A place is for all organizations, so an admin of one of them may neither know nor change it."""
    kept, admin = place(tmp_path / "disk"), signed_in(here.people["admin"])
    backup_places.remove(there.backup_place)
    shown = text(admin, here)
    assert "Your server admin takes care of backups" in shown and "disk" not in shown
    assert page(here) not in admin.get(f"/o/{here.organization.slug}/").content.decode()
    for rest in ("add/sftp", f"{kept.number}/edit", f"{kept.number}/remove"):
        assert admin.get(page(here, rest)).status_code == 404
    for rest in ("add/sftp", f"{kept.number}/remove", f"{kept.number}/back-up", f"{kept.number}/test"):
        assert admin.post(page(here, rest), {"password": PASSWORD}).status_code == 404
    assert backup_places.numbers() == [kept.number] and backup_progress.asked() == []
    give_role(here.people["admin"], there.organization, "admin", by=None, now=NOW)
    assert "Up to date" in text(admin, here) or "No backup yet" in text(admin, here)


KEPT = {"daily": "7", "weekly": "4", "monthly": "0", "days": "30", "speed": "", "opens_with": "", "password": PASSWORD}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    monkeypatch.setenv("SAMIZDAT_INNER_NETWORKS", "127.0.0.1")
    with openssh(tmp_path / "sshd") as running:
        yield running


def of_server(server: SshServer, folder: Path, **more: str) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    told = {"host": "127.0.0.1", "port": str(server.port), "user": server.user, "path": str(folder)}
    return {**KEPT, **told, "secret": "", "private_key": server.private_key, "host_key": "", **more}


@needs_sshd
def test_a_server_is_added_once_its_fingerprint_was_compared(
    here: House, desk: Desk, server: SshServer, tmp_path: Path
) -> None:
    admin, told = desk("admin"), of_server(server, tmp_path / "there")
    asked = admin.post(page(here, "add/sftp"), told, follow=True)
    shown = asked.content.decode()
    assert "This server isn’t known yet" in shown and f'value="{server.fingerprint}"' in shown
    assert server.private_key.splitlines()[1] not in shown and PASSWORD not in shown
    assert backup_places.numbers() == []
    added = admin.post(page(here, "add/sftp"), told | {"host_key": server.fingerprint}, follow=True)
    assert "It works and was added" in added.content.decode()
    (kept,) = backup_places.all_places()
    assert isinstance(kept, KeptPlace) and kept.details.public_only
    assert kept.details.secret == server.private_key.strip() + "\n"
    assert server.private_key.splitlines()[1] not in text(admin, here)
    assert Event.objects.filter(kind=kept_places.ADDED, by=here.people["admin"]).count() == 1


@needs_sshd
def test_a_place_that_does_not_work_is_not_kept_and_the_page_says_why(
    here: House, desk: Desk, server: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, known = desk("admin"), {"host_key": server.fingerprint}
    told = of_server(server, tmp_path / "there", **known)
    nowhere = admin.post(page(here, "add/sftp"), told | {"path": "/nowhere"}, follow=True).content.decode()
    assert "Connect or mount the disk, or create the folder" in nowhere and 'value="/nowhere"' in nowhere
    both = admin.post(page(here, "add/sftp"), told | {"secret": "x"})
    assert both.status_code == 422 and "Enter the password or the private key." in both.content.decode()
    assert admin.post(page(here, "add/sftp"), told | {"password": "wrong"}).status_code == 422
    monkeypatch.delenv("SAMIZDAT_INNER_NETWORKS")
    inside = admin.post(page(here, "add/sftp"), told, follow=True).content.decode()
    assert "leads to an address in this server’s own network" in inside.replace("&#x27;", "’").replace("'", "’")
    assert backup_places.numbers() == []
    assert admin.get(page(here, "add/folder")).status_code == 404, "on the server alone"


def test_a_bucket_is_added_with_the_age_keys_of_another_place(
    here: House, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New keys are named on the server: whoever has a session of an admin would give the key file to themselves."""
    monkeypatch.setenv("SAMIZDAT_INNER_NETWORKS", "127.0.0.1")
    offline = pyrage.x25519.Identity.generate()
    first = place(tmp_path / "disk", recipients=[str(offline.to_public())], key="for them")
    with contextlib.ExitStack() as cleaning:
        bucket = FakeS3.start(tmp_path, cleaning)
        access, endpoint = re.findall(r"s3://([^@]+)@.*endpoint=([^&]+)", bucket.url)[0]
        told = {"endpoint": endpoint, "region": "us-east-1", "bucket": re.findall(r"@([^/?]+)", bucket.url)[0]}
        told |= {"path": "lantern", "access_key": access, "secret": bucket.secret}
        shown = text(desk("admin"), here, "add/s3")
        assert str(offline.to_public())[:16] in shown
        forged = desk("admin").post(page(here, "add/s3"), {**KEPT, **told, "opens_with": "age1mine"})
        assert forged.status_code == 422
        desk("admin").post(page(here, "add/s3"), {**KEPT, **told, "opens_with": "1", "monthly": "2"})
        kept = backup_places.all_places()[1]
        assert isinstance(kept, KeptPlace), backup_places.all_places()
        assert kept.details.recipients == first.details.recipients and kept.details.key == first.details.key
        assert kept.details.monthly == 2
        with kept_places.opened(kept.details) as opened:
            assert kept_places.try_place(opened)
