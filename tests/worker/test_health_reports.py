"""What the worker found is kept for the page of each organization, and admins are mailed of what became serious: once,
and once that it is over."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from samizdat.accounts.actions import found_organization
from samizdat.accounts.models import Organization
from samizdat.delivery.actions import add_route
from samizdat.delivery.models import HealthReport
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.health import reports
from samizdat.health.findings import Finding
from samizdat.health.looks import FAILED
from samizdat.health.reports import OVER, SERIOUS
from samizdat.worker.schedule import admin_alerts, health
from tests.conftest import NOW, TODAY
from tests.web.conftest import make_person
from tests.worker.test_preferences import mails

pytestmark = pytest.mark.django_db

FINE = Finding("disk.room", "good", "disk", "9 GB free.")
OPEN = Finding("files.open", "red", "data folder", "Anybody can read %(folder)s.", {"folder": "/srv/data"})
LATE = Finding("work.step-overdue", "red", "scheduled jobs", "It hangs.")


def said(organization: Organization) -> list[tuple[str, list[str]]]:
    events = Event.objects.select_related("organization").filter(organization=organization, kind__in=(SERIOUS, OVER))
    return [(event.kind, detail_of(event)["topics"]) for event in events.order_by("pk")]


def later(hours: int) -> datetime:
    return NOW + timedelta(hours=hours)


def test_what_became_serious_is_said_once_and_once_that_it_is_over_and_again_when_it_comes_back(lantern: Any) -> None:
    looks: Sequence[Sequence[Finding]] = [[FINE], [OPEN], [OPEN, FINE], [OPEN, LATE], [LATE], [LATE, OPEN], []]
    for hours, found in enumerate(looks):
        reports.keep(lantern, found, later(hours))
    assert said(lantern) == [
        (SERIOUS, ["files"]),
        (SERIOUS, ["work"]),
        (OVER, ["files"]),
        (SERIOUS, ["files"]),
        (OVER, ["files", "work"]),
    ]


def test_what_could_not_be_looked_at_is_not_over(lantern: Any) -> None:
    broken = Finding(FAILED, "amber", "checks", "It couldn't be checked.")
    for hours, found in enumerate([[OPEN], [broken], [OPEN], [FINE]]):
        reports.keep(lantern, found, later(hours))
    assert said(lantern) == [(SERIOUS, ["files"]), (OVER, ["files"])]


@pytest.mark.parametrize("code", sorted(reports.TOLD_ELSEWHERE))
def test_what_has_an_alarm_of_its_own_or_belongs_to_the_first_steps_is_no_second_one(lantern: Any, code: str) -> None:
    report = reports.keep(lantern, [Finding(code, "red", "something", "It is so.")], NOW)
    assert said(lantern) == [] and report.count("red") == 1


def test_every_admin_is_mailed_once_and_the_page_says_so_and_no_place_on_the_disk_goes_out(
    lantern: Any, thursday: Any, tmp_path: Path
) -> None:
    for name in ("clara", "eva"):
        make_person(name, f"{name}@lantern.example", lantern, "admin")
    make_person("dmitri", "dmitri@lantern.example", lantern, "editor")
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)

    def mail(hours: int) -> int:
        admin_alerts._later.clear()
        return admin_alerts.take(later(hours) + timedelta(minutes=1))

    assert reports.mailed(lantern) is None
    reports.keep(lantern, [OPEN], later(1))
    mailed = reports.mailed(lantern)
    assert mailed is not None and (mailed.admins, mailed.at) == (0, None)
    assert [mail(1), mail(1)] == [2, 0]
    mailed = reports.mailed(lantern)
    assert mailed is not None and mailed.admins == 2 and mailed.at is not None
    text = " ".join(mails(tmp_path)["eva@lantern.example"].split())
    assert "Data folder" in text and "Open Health" in text and "/srv/data" not in text
    for hours, found, count in ((2, [OPEN], 0), (3, [FINE], 2), (4, [FINE], 0), (5, [OPEN], 2), (6, [OPEN], 0)):
        reports.keep(lantern, found, later(hours))
        assert mail(hours) == count, hours
    assert "dmitri@lantern.example" not in mails(tmp_path)


def test_a_report_that_somebody_without_keys_wrote_counts_as_none(lantern: Any) -> None:
    reports.keep(lantern, [OPEN], NOW)
    HealthReport.objects.update(sealed=bytes(80))
    assert reports.kept(lantern) is None


def test_organizations_that_share_a_server_are_told_of_themselves_and_how_much_is_wrong_with_it(
    lantern: Any, vault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bell = found_organization("Harbour Bell", source=vault, today=TODAY)
    of_bell = Finding("sending.one-route", "amber", bell.name, "One route is working.", organization=bell.pk)
    monkeypatch.setattr(reports, "LOOKS", (lambda: [OPEN, LATE, FINE, of_bell],))
    reports.look(NOW)
    for organization, codes in ((lantern, ["server.trouble"]), (bell, ["server.trouble", "sending.one-route"])):
        report = reports.kept(organization)
        assert report is not None and [found.code for found in report.findings] == codes
        assert "/srv/data" not in str(report) and "2 problems" in report.findings[0].wordings["en"].sentence
    monkeypatch.setattr(reports, "LOOKS", (lambda: [FINE],))
    reports.look(later(1))
    report = reports.kept(bell)
    assert report is not None and [found.code for found in report.findings] == ["server.well"]


def test_a_report_is_due_after_an_hour_and_after_one_of_a_clock_that_ran_ahead(lantern: Any) -> None:
    hour = timedelta(hours=1)
    assert reports.due(NOW, hour)
    reports.keep(lantern, [FINE], NOW)
    assert not reports.due(NOW + timedelta(minutes=59), hour)
    assert reports.due(NOW + hour, hour)
    assert reports.due(NOW - timedelta(days=1), hour)


def test_everything_that_doctor_looks_at_is_kept_in_both_languages(lantern: Any) -> None:
    """Without a worker, a public address or a route."""
    reports.look(NOW)
    report = reports.kept(lantern)
    assert report is not None
    codes = {found.code for found in report.findings}
    assert {"sending.no-route", "version.running", "work.no-worker", "consent.whole"} <= codes
    by_code = {found.code: found for found in report.findings}
    assert "Ни один маршрут не работает" in by_code["sending.no-route"].wordings["ru"].sentence
    assert by_code["sending.no-route"].wordings["en"].commands == ["samizdat route add NAME -"]


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    times: list[datetime] = []
    monkeypatch.setattr(reports, "look", times.append)
    monkeypatch.setattr(health, "_thread", None)
    monkeypatch.setattr(health, "_last", float("-inf"))
    return times


def test_a_start_has_some_minutes_before_the_first_look(
    lantern: Any, looked: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health.threading, "Thread", _Now)
    monkeypatch.setattr(health, "_began", health.time.monotonic())
    health.look(NOW)
    assert looked == []
    monkeypatch.setattr(health, "_began", float("-inf"))
    health.look(NOW)
    health.look(NOW)
    assert len(looked) == 1, "not asked again in the same minute"


class _Now:
    """A thread that is over as soon as it has begun."""

    def __init__(self, target: Any, **_facts: object) -> None:
        self.start, self.is_alive = target, lambda: False
