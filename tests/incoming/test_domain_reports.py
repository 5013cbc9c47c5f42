"""Reports of receivers about our domains are taken in with other mail, summed by source, and change nothing."""

import gzip
import json
from datetime import UTC, datetime, timedelta

import pytest

from samizdat import limited_process
from samizdat.delivery.actions import domains
from samizdat.incoming import domain_reports, intake, processing, queries
from samizdat.incoming.domain_reports import SourceSum
from samizdat.incoming.models import ReceiverReport
from tests.core.test_domain_reports import TLS, feedback, mailed, record
from tests.delivery.conftest import House

NOW = datetime.fromtimestamp(1796100000, UTC)
STRANGER = record("203.0.113.9", 7, "fail", "fail", "")
REPORT = mailed(gzip.compress(feedback(record(), STRANGER)), "application/gzip", "a!lantern.example!1!2.xml.gz")


@pytest.fixture(autouse=True)
def lantern(house: House) -> None:
    domains.add_domain(house.organization, "lantern.example", now=NOW, algorithms=("ed25519",))


def _comes_in(house: House, *messages: bytes) -> None:
    for raw in messages:
        intake.take(house.organization, raw, ("reports@lantern.example",), NOW.date())
    processing.process(house.organization, NOW)


def test_who_sends_as_a_domain_is_summed_by_source(house: House) -> None:
    other = REPORT.replace(b"a!lantern", b"b!lantern")
    _comes_in(house, REPORT, other, mailed(json.dumps(TLS).encode(), "application/tlsrpt+json", "a.json"))
    sums = domain_reports.sums(house.organization, "lantern.example", NOW)
    assert sums.sources == (SourceSum("lantern.example", 40, 0), SourceSum("203.0.113.0/24", 0, 7))
    assert (sums.reports, sums.reporters, sums.tls["success"]) == (2, ("Example Inc.", "google.com"), 5326)


def test_a_report_about_another_domain_is_dropped(house: House) -> None:
    foreign = gzip.compress(feedback(record()).replace(b"lantern.example", b"elsewhere.example"))
    _comes_in(house, mailed(foreign, "application/gzip", "a!elsewhere.example!1!2.xml.gz"))
    assert not ReceiverReport.objects.exists()


def test_a_report_that_is_a_bomb_is_counted_as_unreadable(house: House) -> None:
    bombs = [
        gzip.compress(b"<feedback>" + b" " * 20_000_001),
        b'<!DOCTYPE f [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + feedback(record()),
        gzip.compress(feedback(record()))[:-60],
    ]
    _comes_in(house, *(mailed(bomb, "application/gzip", "a!lantern.example!1!2.xml.gz") for bomb in bombs), REPORT)
    assert ReceiverReport.objects.count() == 1
    assert queries.heard(house.organization, NOW).unreadable == 3


def test_while_no_helper_works_reports_wait(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(_organization: int, _function: object, *_given: object) -> None:
        raise limited_process.TooMuch

    with monkeypatch.context() as patched:
        patched.setattr(domain_reports.limited_process, "work", busy)
        with pytest.raises(limited_process.TooMuch):
            _comes_in(house, REPORT)
    _comes_in(house)
    assert ReceiverReport.objects.count() == 1


def test_one_day_takes_no_more_than_so_many_reports(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain_reports, "MOST_A_DAY", 2)
    for n in range(4):
        numbered = gzip.compress(feedback(record()).replace(b"1234567890", b"%d" % n))
        _comes_in(house, mailed(numbered, "application/gzip", "a!lantern.example!1!2.xml.gz"))
    assert ReceiverReport.objects.count() == 2


def test_reports_go_after_ninety_days_and_old_ones_are_not_taken(house: House) -> None:
    _comes_in(house, REPORT)
    assert domain_reports.forget(NOW + domain_reports.KEPT - timedelta(days=1)) == 0
    assert domain_reports.forget(NOW + domain_reports.KEPT + timedelta(days=2)) == 1
    past = gzip.compress(feedback(record()).replace(b"1795996800", b"1700000000"))
    _comes_in(house, mailed(past, "application/gzip", "a!lantern.example!1!2.xml.gz"))
    assert not ReceiverReport.objects.exists()


def test_a_row_that_was_altered_counts_for_nothing(house: House) -> None:
    _comes_in(house, REPORT)
    ReceiverReport.objects.update(day=NOW.date())
    assert domain_reports.sums(house.organization, "lantern.example", NOW).reports == 0
