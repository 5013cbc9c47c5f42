"""What waits at the desk, settled on the machine: the command line is the host's, and asks nobody."""

from typing import Any

import pytest
from click.testing import CliRunner

from samizdat.accounts import actions, pending_changes
from samizdat.accounts.models import Membership, Organization, PendingChange
from samizdat.cli.__main__ import samizdat
from tests.conftest import NOW, PASSWORD, TODAY

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(lantern: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("samizdat.cli.bootstrap.open_house", lambda **_more: None)

    def call(*words: str) -> Any:
        return CliRunner().invoke(samizdat, [*words], catch_exceptions=False, standalone_mode=False)

    return call


@pytest.fixture
def asked(lantern: Any) -> PendingChange:
    Organization.objects.filter(pk=lantern.pk).update(next_number=5001)
    vera, clara = (
        actions.add_person(f"{name}@lantern.example", name=name, password=PASSWORD, today=TODAY)
        for name in ("Vera", "Clara")
    )
    actions.give_role(vera, lantern, "admin", by=None, now=NOW)
    actions.give_role(clara, lantern, "editor", by=None, now=NOW)
    row = actions.give_role(clara, lantern, "admin", by=vera, now=NOW)
    assert row is not None
    return row


def test_the_host_sees_what_waits_and_approves_it(asked: PendingChange, run: Any) -> None:
    told = run("change", "ls").output
    assert "Clara gets the role: admin" in told and "Vera" in told
    assert "approved, in effect now" in run("change", "approve", str(asked.pk), "--yes").output
    assert Membership.objects.get(person=asked.about).role == "admin"


def test_the_host_stops_it_and_what_is_settled_is_settled(asked: PendingChange, run: Any) -> None:
    assert "stopped" in run("change", "stop", str(asked.pk)).output
    assert not pending_changes.waiting(asked.organization)
    run("change", "approve", str(asked.pk), "--yes")
    assert Membership.objects.get(person=asked.about).role == "editor"
