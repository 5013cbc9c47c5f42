"""`samizdat keys destroy` while everything runs: what is left on the disk, and what the pages say."""

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from samizdat.delivery.actions import key_locks
from samizdat.publicdb.models import Intake, Site
from samizdat.vault import keyring
from tests import warm
from tests.conftest import NOW
from tests.worker.conftest import ROOT, Instance, say, until
from tests.worker.test_key_locks import CLI, tick
from tests.worker.test_unsubscribes import edition as edition  # The fixture.
from tests.worker.test_unsubscribes import people, token

WRAPPED = (
    "from samizdat.vault.models import VaultKey; "
    "print(json.dumps([bytes(row.wrapped).hex() for row in VaultKey.objects.all()]))"
)
SLUG = "from samizdat.accounts.models import Organization; print(json.dumps(Organization.objects.get().slug))"


@pytest.mark.django_db
def test_the_worker_goes_on_beside_an_organization_without_keys(
    lantern: Any, thursday: Any, edition: Any, caplog: pytest.LogCaptureFixture
) -> None:
    (ada,) = people(lantern, thursday, 1)
    say(lantern, "leave", token=token(lantern, ada, edition.id), purpose="leave", way="one-click")
    assert key_locks.destroy(lantern, by=None, now=NOW) is not None
    keyring.drop([(lantern.pk, bytes(lantern.uid))])
    with caplog.at_level(logging.WARNING):
        assert tick() == []
    assert not caplog.records, [record.getMessage() for record in caplog.records]
    assert not Intake.objects.exists() and Site.objects.get().closed
    assert tick() == [] and Site.objects.get().closed


def on_the_disk(folder: Path, secrets: list[bytes]) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(secret in path.read_bytes() for secret in secrets)]


def test_the_keys_are_gone_from_the_disk_and_the_public_pages_say_sorry(peopled: Instance) -> None:
    secrets = [bytes.fromhex(text) for text in peopled.python(WRAPPED)]
    slug = peopled.python(SLUG)
    on_files = not os.environ.get("DATABASE_URL")
    assert bool(on_the_disk(peopled.folder, secrets)) is on_files
    peopled.start()
    page = f"/u/{peopled.made['token']}"
    until(lambda: peopled.ask(page)[0] == 200)
    before = peopled.children()
    refused = warm.run([*CLI, "keys", "destroy", slug, "--yes-destroy", "other"], env=peopled.environment, cwd=ROOT)
    assert refused.returncode == 1 and "Nothing was destroyed" in refused.stderr
    done = json.loads(peopled.run(*CLI, "keys", "destroy", slug, "--yes-destroy", slug, "--json"))
    assert done["erased"] is on_files
    assert on_the_disk(peopled.folder, secrets) == []
    until(lambda: peopled.children().get("public", before["public"]) != before["public"])
    until(lambda: _status(peopled, page) in (404, 410))
    until(lambda: "Sorry" in _text(peopled, "/"))
    assert _status(peopled, page) == 410
    assert peopled.ask(page, b"List-Unsubscribe=One-Click")[0] == 410
    refused = warm.run([*CLI, "keys", "unlock", "--yes"], env=peopled.environment, cwd=ROOT)
    assert refused.returncode == 1 and "destroyed" in refused.stderr
    assert "broke" not in peopled.log.read_text() and "Traceback" not in peopled.log.read_text()
    doctor = warm.run([*CLI, "doctor", "--json"], env=peopled.environment, cwd=ROOT)
    assert "Traceback" not in doctor.stderr and "doesn’t open" not in doctor.stdout


def _status(instance: Instance, page: str) -> int:
    try:
        return instance.ask(page)[0]
    except OSError:
        return 0


def _text(instance: Instance, page: str) -> str:
    try:
        return instance.ask(page)[1].decode()
    except OSError:
        return ""
