"""Likely typos and doubles: found in the background, shown to a person, corrected only where nobody was written to."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from samizdat.audience import data_quality, queries
from samizdat.audience.actions import add_subscriber, direct, erase
from samizdat.audience.models import DataQualityIssue, DataQualityScan, Subscriber
from samizdat.core.mail.ledger import STATES
from samizdat.delivery.models import Delivery
from samizdat.worker.schedule import event_handlers
from tests.audience.conftest import later
from tests.conftest import NOW
from tests.web.conftest import House

Desk = Callable[[str], Client]


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


@pytest.fixture
def add(here: House) -> Callable[[str], Any]:
    return lambda address: add_subscriber(here.organization, address, here.list, consent="yes", now=NOW)


def scan(at: Any = NOW) -> None:
    assert data_quality.scan(at, 9)


def test_typos_and_doubles_are_found_and_shown(here: House, add: Any, desk: Desk) -> None:
    typo, dotted, plain = add("eve@gmial.com"), add("o.l.ga+news@gmail.com"), add("olga@gmail.com")
    twin, other = add("pavel+1@outlook.com"), add("pavel+2@outlook.com")
    add("alone+tag@outlook.com")
    scan()
    assert [(row.number, row.better) for row in data_quality.newest(here.organization, "typo")] == [
        (typo.number, "eve@gmail.com")
    ]
    doubles = {row.number: row.other for row in data_quality.newest(here.organization, "double")}
    assert doubles == {dotted.number: plain.number, twin.number: other.number, other.number: twin.number}
    assert "eve@<wbr>gmail" in desk("editor").get(_to(here, "data-quality")).content.decode()
    page = desk("viewer").get(_to(here, "data-quality")).content.decode()
    assert "eve@" not in page and "address hidden" in page and "<form" not in page.partition("<main")[2]
    shown = desk("editor").get(_to(here, "data-quality") + "?kind=double").content.decode()
    assert "o<wbr>.l<wbr>.ga+news@" in shown and "?kind=typo" in shown
    stored = repr([*DataQualityIssue.objects.values()])
    assert "gmail" not in stored and "olga" not in stored


def test_one_who_comes_later_is_paired_with_who_is_here(here: House, add: Any) -> None:
    dotted = add("o.lga@gmail.com")
    scan()
    assert data_quality.count(here.organization) == {"typo": 0, "double": 0}
    plain = add("olga@gmail.com")
    scan()
    assert data_quality.count(here.organization)["double"] == 0  # Once a day.
    scan(later(1))
    assert [(row.number, row.other) for row in data_quality.newest(here.organization, "double")] == [
        (dotted.number, plain.number)
    ]


@pytest.mark.parametrize("before", [[], ["olga@gmail.com"]])
def test_an_import_is_looked_through_on_its_own_day(here: House, add: Any, before: list[str], tmp_path: Path) -> None:
    if not before:
        Subscriber.objects.all().delete()
    for address in before:
        add(address)
    scan()
    path = tmp_path / "people.csv"
    path.write_text("email\neve@gmial.com\n")
    direct(here.organization, here.list, [path], status="subscribed", now=lambda: NOW)
    while event_handlers.follow(NOW):
        pass
    scan()
    assert data_quality.count(here.organization)["typo"] == 1


def test_an_organization_without_subscribers_is_not_done_for_the_day(here: House, add: Any) -> None:
    Subscriber.objects.all().delete()
    scan()
    add("eve@gmial.com")
    scan()
    assert data_quality.count(here.organization)["typo"] == 1


def test_the_look_goes_on_where_it_was_stopped(here: House, add: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_quality, "SLICE", 2)
    for place in range(5):
        add(f"r{place}@gmial.com")
    assert not data_quality.scan(NOW, 0)
    assert DataQualityScan.objects.get().looked
    scan()
    assert data_quality.count(here.organization)["typo"] == 5 and DataQualityScan.objects.get().looked == 0


def test_the_look_writes_beside_nobody_but_those_of_its_slice(
    here: House, add: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """60,000 addresses of one form were 75 s of one transaction once their common form came in."""
    monkeypatch.setattr(data_quality, "SLICE", 5)
    for place in range(20):
        add(f"vic+{place}@gmail.com")
    scan()
    base = add("vic@gmail.com")
    paired, day_is_over = [0], False
    while not day_is_over:
        day_is_over = data_quality.scan(later(1), 0)
        paired.append(DataQualityIssue.objects.filter(duplicate_of=base.id).count())
    assert paired[-1] == 20 and all(after - before <= 5 for before, after in pairwise(paired))


def test_few_addresses_of_one_form_are_kept(here: House, add: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each slice would read, and who erases their pair would write, as many as somebody imported."""
    monkeypatch.setattr(data_quality, "MOST_ALIKE", 4)
    people = sorted([add(f"vic+{place}@gmail.com") for place in range(9)], key=lambda person: person.number)
    twin, other = add("pavel+1@outlook.com"), add("pavel+2@outlook.com")
    for day in range(2):
        scan(later(day))
        shown = {row.number for row in data_quality.newest(here.organization, "double")}
        assert shown == {*(person.number for person in people[:4]), twin.number, other.number}
    erase(here.organization, subscriber=people[0], now=NOW)
    scan(later(2))
    assert data_quality.count(here.organization)["double"] == 6  # Another takes the place.


def test_a_typo_is_corrected_where_nobody_was_written_to(here: House, add: Any, desk: Desk) -> None:
    eve, boris = add("eve@gmial.com"), add("boris@gmial.com")
    scan()
    row = Delivery(
        edition=here.sent.edition, number=boris.number, state=STATES.index("accepted"), answer=0, day=NOW.date()
    )
    row.save(force_insert=True)
    client = desk("editor")
    client.post(_to(here, "correct-typo", eve.number))
    assert queries.address_of(Subscriber.objects.get(id=eve.id)) == "eve@gmail.com"
    told = client.post(_to(here, "correct-typo", boris.number), follow=True).content.decode()
    assert "Ask the subscriber before you change it" in told
    assert queries.address_of(Subscriber.objects.get(id=boris.id)) == "boris@gmial.com"
    assert data_quality.count(here.organization)["typo"] == 1


def test_what_was_left_as_it_is_is_not_shown_again(here: House, add: Any, desk: Desk) -> None:
    eve = add("eve@gmial.com")
    scan()
    client, page = desk("editor"), _to(here, "accept-address", eve.number)
    assert client.post(page, {"kind": "color"}).status_code == 404
    client.post(page, {"kind": "typo"})
    scan(later(1))
    assert data_quality.newest(here.organization, "typo") == []


def test_whoever_is_erased_is_no_oddity(here: House, add: Any) -> None:
    dotted, plain = add("o.lga@gmail.com"), add("olga@gmail.com")
    scan()
    erase(here.organization, subscriber=plain, now=NOW)
    assert (
        data_quality.newest(here.organization, "double") == []
        and not DataQualityIssue.objects.exclude(duplicate_of=None).exists()
    )
    erase(here.organization, subscriber=dotted, now=NOW)
    assert not DataQualityIssue.objects.exists()
