"""The page Health, for admins: what the worker found last, and what to do."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from samizdat.accounts.actions import found_organization
from samizdat.delivery.models import HealthReport
from samizdat.health import reports
from samizdat.health.findings import Finding
from samizdat.vault import keyring, shares
from tests.conftest import INSTANCE_KEY, TODAY
from tests.web.conftest import House

Desk = Callable[[str], Client]

FINE = Finding("disk.room", "good", "disk", "9 GB free.")
OPEN = Finding("files.open", "red", "data folder", "Fix <it>: %(command)s", {"command": "chmod -R go-rwx '/srv/a b'"})
LATE = Finding("sending.no-route", "amber", "Northern Lantern", "No sending route is working.")


def page(here: House, desk: Desk, rest: str = "health") -> str:
    seen = desk("admin").get(f"/o/{here.organization.slug}/{rest}")
    assert seen.status_code == 200
    return seen.content.decode()


@pytest.mark.parametrize("role", ["editor", "viewer"])
def test_admins_alone_see_it(here: House, desk: Desk, role: str) -> None:
    reports.keep(here.organization, [OPEN], timezone.now())
    client = desk(role)
    assert client.get(f"/o/{here.organization.slug}/health").status_code == 403
    assert client.post(f"/o/{here.organization.slug}/health").status_code == 403
    home = client.get(f"/o/{here.organization.slug}/").content.decode()
    assert "/health" not in home and "serious problem" not in home


def test_before_the_first_look_it_says_when_that_comes(here: House, desk: Desk) -> None:
    text = page(here, desk)
    assert "Nothing checked yet" in text and "ten minutes after the server starts" in text
    assert "Check now" in text and "To fix now" not in text


def test_the_worst_comes_first_with_a_command_or_a_page_and_the_sums_are_those_of_the_lists(
    here: House, desk: Desk
) -> None:
    reports.keep(here.organization, [FINE, LATE, OPEN], timezone.now())
    text = page(here, desk)
    order = [text.index(word) for word in ("Fix &lt;it&gt;", "No sending route is working", "9 GB free")]
    assert order == sorted(order)
    assert text.count('<li id="') == 2 and "Something has to be fixed now" in text
    for word, number in (("To fix now", 1), ("Warnings", 1), ("Fine", 1)):
        assert f"<dt>{word}</dt><dd>{number}</dd>" in text
    assert "<code>chmod -R go-rwx &#x27;/srv/a b&#x27;</code>" in text and "data-copy=" in text
    assert f'href="/o/{here.organization.slug}/routes/"' in text.split("No sending route is working")[1]


@pytest.mark.parametrize("forged", [b"", bytes(80), "cut", "another's"])
def test_a_report_that_was_altered_says_so_and_what_to_do(
    here: House, there: House, desk: Desk, forged: bytes | str
) -> None:
    reports.keep(here.organization, [OPEN], timezone.now())
    reports.keep(there.organization, [FINE], timezone.now())
    mine, other = (HealthReport.objects.get(organization=each.organization).sealed for each in (here, there))
    sealed = {"cut": mine[:-1], "another's": other}[forged] if isinstance(forged, str) else forged
    HealthReport.objects.filter(organization=here.organization).update(sealed=sealed)
    text = page(here, desk)
    assert "The last report was changed in the database" in text and "<code>samizdat doctor</code>" in text
    assert "Nothing checked yet" not in text and "Everything is fine" not in text and "Check now" in text
    assert "The health report was changed in the database" in page(here, desk, "")
    reports.keep(here.organization, [FINE], timezone.now())
    assert "changed in the database" not in page(here, desk) + page(here, desk, "")


def test_where_all_is_well_it_says_what_was_checked(here: House, desk: Desk) -> None:
    reports.keep(here.organization, [FINE], timezone.now())
    text = page(here, desk)
    assert "Everything is fine" in text and "Checked and fine" in text and "9 GB free." in text
    assert "Nothing checked yet" not in text and 'class="todo"' not in text


@pytest.mark.parametrize("hours", [-2, 4])
def test_a_report_that_is_old_or_of_another_time_says_that_no_worker_looks(here: House, desk: Desk, hours: int) -> None:
    reports.keep(here.organization, [FINE], timezone.now() - timedelta(hours=hours))
    assert "no worker has checked since" in page(here, desk)
    reports.keep(here.organization, [FINE], timezone.now())
    assert "no worker has checked since" not in page(here, desk)


def test_the_app_looks_at_nothing_itself(here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "look", pytest.fail)
    monkeypatch.setattr(reports, "LOOKS", (pytest.fail,))
    page(here, desk)
    reports.keep(here.organization, [OPEN], timezone.now())
    assert "Fix &lt;it&gt;" in page(here, desk) and page(here, desk, "")


def test_the_worker_looks_when_it_is_asked_and_the_page_shows_what_it_found(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "LOOKS", (lambda: [OPEN],))
    client = desk("admin")
    wait = client.post(f"/o/{here.organization.slug}/health").headers["Location"]
    assert "/remote-checks/" in wait, "the worker of the tests has answered already"
    assert reports.kept(here.organization) is not None
    assert "Fix &lt;it&gt;" in client.get(wait, follow=True).content.decode()


def test_home_says_in_one_line_that_something_serious_is_wrong_and_nothing_else(here: House, desk: Desk) -> None:
    reports.keep(here.organization, [FINE, LATE], timezone.now())
    assert "serious problem" not in page(here, desk, "")
    reports.keep(here.organization, [OPEN, LATE], timezone.now())
    text = page(here, desk, "")
    assert "1 serious problem to fix now" in text and f'href="/o/{here.organization.slug}/health"' in text
    assert "go-rwx" not in text


def test_it_says_that_an_alarm_was_raised_before_it_was_mailed(here: House, desk: Desk) -> None:
    reports.keep(here.organization, [FINE], timezone.now())
    assert "Last alarm by email" not in page(here, desk)
    reports.keep(here.organization, [OPEN], timezone.now())
    assert "not emailed yet" in page(here, desk)


def test_key_shares_are_looked_at_by_the_page_and_only_where_nobody_shares_the_server(
    here: House, desk: Desk, vault: Any
) -> None:
    details, _words = shares.make(INSTANCE_KEY, 2, 3, TODAY, [])
    shares.remember_new(details, keyring.open_source())
    reports.keep(here.organization, [FINE], timezone.now())
    assert f"The set “{details.first_words}" in page(here, desk)
    found_organization("Harbour Bell", source=vault, today=TODAY)
    assert details.first_words not in page(here, desk)


def test_shares_of_its_strict_key_are_shown_to_one_of_several_organizations_alone(
    here: House, there: House, desk: Desk
) -> None:
    sets = list[shares.SetDetails]()
    for organization in (here.organization, there.organization):
        details, _words = shares.make(INSTANCE_KEY, 2, 3, TODAY, sets, bytes(organization.uid).hex())
        shares.remember_new(details, keyring.open_source())
        sets.append(details)
    reports.keep(here.organization, [FINE], timezone.now())
    text = page(here, desk)
    assert f"The set “{sets[0].first_words}" in text and sets[1].first_words not in text


def test_it_speaks_the_language_of_whoever_reads_it(here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    reports.look(timezone.now())
    here.people["admin"].language = "ru"
    here.people["admin"].save(update_fields=["language"])
    text = page(here, desk)
    assert "Состояние" in text and "Версии" in text and "Проверено, всё в порядке" in text
    assert "Database" not in text
