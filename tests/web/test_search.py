"""Part of a name or an address, and the addresses of a page: shown to who may, counted, and written to the log."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from samizdat.audience import actions, read_limits, text_search
from samizdat.audience.models import Subscriber
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.web.audience.views import subscriber_list
from tests.conftest import NOW
from tests.web.conftest import House

Desk = Callable[[str], Client]


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock by which addresses are counted; it goes when told."""
    at = [1000.0]
    monkeypatch.setattr("samizdat.audience.read_limits.dbclock.ticks", lambda: at[0])
    read_limits.forget()
    return at


def _to(here: House, name: str = "subscribers", *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def _text(answer: Any) -> str:
    return " ".join(answer.content.decode().replace("<wbr>", "").split())


def _people(here: House, many: int) -> list[Subscriber]:
    return [
        actions.add_subscriber(here.organization, f"one{n}@reader.example", here.list, consent="yes", now=NOW)
        for n in range(many)
    ]


def test_part_of_an_address_finds_a_subscriber_and_shows_them(here: House, desk: Desk) -> None:
    answer = desk("editor").post(_to(here), {"q": "DA@lantern"})
    assert answer.status_code == 200
    assert "ada@lantern.example" in _text(answer) and "1 match." in _text(answer)
    assert _to(here, "subscriber", here.ada.number) in answer.content.decode()


def test_part_of_a_name_finds_them_too(here: House, desk: Desk) -> None:
    actions.change_values(here.ada, {"FNAME": "Агата"}, now=NOW)
    assert "ada@lantern.example" in _text(desk("editor").post(_to(here), {"q": "агат"}))


def test_whom_nobody_finds_the_page_says_what_to_do(here: House, desk: Desk) -> None:
    text = _text(desk("editor").post(_to(here), {"q": "nobody@"}))
    assert "No name or address contains this." in text and "reader.example" not in text


@pytest.mark.parametrize("typed", ["%", "'", '"', "🌻", "<b>x</b>", "\u202ename", "ß" * 254])
def test_whatever_is_typed_is_answered_and_kept(here: House, desk: Desk, typed: str) -> None:
    answer = desk("editor").post(_to(here), {"q": typed})
    assert answer.status_code == 200
    assert answer.context["form"]["q"].value() == typed
    assert "<b>x</b>" not in answer.content.decode()


def test_half_a_letter_in_a_search_finds_nobody(here: House, desk: Desk) -> None:
    form = "application/x-www-form-urlencoded"
    assert desk("editor").post(_to(here), b"q=%ED%A0%BD", content_type=form).status_code == 200


@pytest.mark.parametrize("typed", ["x" * 300, "", "a\0b"])
def test_what_cannot_be_searched_for_is_refused_with_a_sentence(here: House, desk: Desk, typed: str) -> None:
    answer = desk("editor").post(_to(here), {"q": typed})
    assert answer.status_code == 422
    assert "Search by name or address" in answer.content.decode()


def test_a_search_is_in_the_log_without_what_was_searched_for(here: House, desk: Desk) -> None:
    desk("editor").post(_to(here), {"q": "ada@lant"})
    event = Event.objects.get(kind="subscribers.searched")
    assert event.by == here.people["editor"] and detail_of(event) == {}
    shown = Event.objects.get(kind="subscribers.addresses_shown")
    assert detail_of(shown) == {"numbers": [here.ada.number]}
    assert "ada@lant" not in repr(list(Event.objects.values()))


def test_no_more_than_twenty_are_shown_or_counted(here: House, desk: Desk) -> None:
    _people(here, 25)
    answer = desk("editor").post(_to(here), {"q": "reader.example"})
    assert _text(answer).count("@reader.example") == 20 and "More than 20 matches" in _text(answer)
    (shown,) = Event.objects.filter(kind="subscribers.addresses_shown")
    assert len(detail_of(shown)["numbers"]) == 20


def test_searching_is_no_way_around_the_pace_of_reading(here: House, desk: Desk, still: list[float]) -> None:
    _people(here, 300)
    clara, seen = desk("editor"), set()
    for n in range(200):
        answer = clara.post(_to(here), {"q": f"one{n}@"})
        if answer.status_code == 429:
            break
        seen.add(n)
        still[0] += 2
    assert len(seen) <= read_limits.IN_A_ROW, "each search and each hit is one"
    assert Event.objects.filter(kind=read_limits.ALARM).count() == 1


def test_searches_that_find_many_stop_after_as_many_as_somebody_may_open_in_a_row(here: House, desk: Desk) -> None:
    _people(here, 300)
    clara, shown = desk("editor"), set()
    for start in range(10, 30):
        answer = clara.post(_to(here), {"q": f"one{start}"})
        if answer.status_code == 429:
            break
        shown |= {row.number for row in answer.context["search"].rows}
    assert len(shown) <= read_limits.IN_A_ROW


def test_a_viewer_neither_searches_nor_sees_addresses(here: House, desk: Desk) -> None:
    dmitri = desk("viewer")
    page = dmitri.get(_to(here)).content.decode()
    assert "Show addresses" not in page and 'name="q"' not in page
    assert dmitri.post(_to(here), {"q": "ada"}).status_code == 403
    assert dmitri.post(_to(here), {"show": "1"}).status_code == 403
    assert not Event.objects.filter(kind__in=("subscribers.searched", "subscribers.addresses_shown")).exists()


def test_another_organization_is_not_searched(here: House, there: House, desk: Desk) -> None:
    actions.add_subscriber(there.organization, "zoe@harbour.example", there.list, consent="yes", now=NOW)
    assert "zoe@harbour" not in _text(desk("editor").post(_to(here), {"q": "harbour"}))


def test_a_long_search_goes_on_by_itself_and_only_as_this_person_with_these_words(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    _people(here, 9)
    monkeypatch.setattr(text_search, "PAGE", 2)
    monkeypatch.setattr(subscriber_list, "LOOKING", 0.0)
    clara, hits, looks = desk("editor"), set(), 0
    answer = clara.post(_to(here), {"q": "one"})
    first = answer.context["search"].on
    while on := answer.context["search"].on:
        answer, looks = clara.post(_to(here), {"q": "one", "on": on}, headers={"HX-Request": "true"}), looks + 1
        assert "<html" not in answer.content.decode()
    hits = {row.address for row in answer.context["search"].rows}
    assert looks > 2 and hits == {f"one{n}@reader.example" for n in range(9)}
    assert Event.objects.filter(kind="subscribers.searched").count() == 1, "it was one search"
    for other, typed in ((clara, "two"), (desk("admin"), "one")):
        other.post(_to(here), {"q": typed, "on": first})
    clara.post(_to(here), {"q": "one", "on": first[:-2] + "xx"})
    assert Event.objects.filter(kind="subscribers.searched").count() == 4


def test_a_search_that_is_stopped_for_the_pace_says_so_where_it_stands(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    _people(here, 9)
    monkeypatch.setattr(text_search, "PAGE", 2)
    monkeypatch.setattr(subscriber_list, "LOOKING", 0.0)
    clara = desk("editor")
    on = clara.post(_to(here), {"q": "one"}).context["search"].on
    while not read_limits.import_rows(here.organization, here.people["editor"], 30):
        pass
    while not read_limits._take((here.organization.pk, here.people["editor"].pk), 0, 0.0) and _drain(here):
        pass
    monkeypatch.setattr(subscriber_list, "LOOKING", 60.0)
    answer = clara.post(_to(here), {"q": "one", "on": on}, headers={"HX-Request": "true"})
    assert answer.status_code == 200 and "You opened more subscribers than anyone can read" in answer.content.decode()


def _drain(here: House) -> bool:
    """Whether somebody could still be opened in a row."""
    return read_limits.import_rows(here.organization, here.people["editor"], 1)


def test_show_addresses_shows_this_page_and_no_other(here: House, desk: Desk) -> None:
    _people(here, 60)
    clara = desk("editor")
    shown = clara.post(_to(here), {"show": "1"})
    rows = shown.context["page"].rows
    assert len(rows) == 50 and all("@reader.example" in row.address or "lantern" in row.address for row in rows)
    assert "Hide addresses" in shown.content.decode()
    following = clara.get(_to(here) + shown.context["following"])
    assert "one" not in {row.address[:3] for row in following.context["page"].rows}
    (event,) = Event.objects.filter(kind="subscribers.addresses_shown")
    assert event.by == here.people["editor"] and detail_of(event)["numbers"] == sorted(row.number for row in rows)


def test_showing_and_hiding_addresses_keeps_the_rows_that_were_selected(here: House, desk: Desk) -> None:
    first, second, _third = _people(here, 3)
    clara, rows = desk("editor"), [str(first.number), str(second.number)]
    for press, seen in (("show", True), ("hide", False)):
        answer = clara.post(_to(here) + "?status=subscribed", {press: "1", "n": rows, "status": "subscribed"})
        assert ("one0@reader.example" in _text(answer)) is seen
        assert _selected(answer) == set(rows)
    assert _selected(clara.get(_to(here) + "?status=subscribed")) == set(), "of this page alone"
    (event,) = Event.objects.filter(kind="subscribers.addresses_shown")
    assert event.about is None


def _selected(answer: Any) -> set[str]:
    return set(re.findall(r'name="n" value="(\d+)"\s+checked', answer.content.decode()))


def test_what_is_selected_goes_to_a_page_that_can_be_loaded_again(here: House, desk: Desk) -> None:
    clara = desk("editor")
    form = {"whom": "ticked", "n": [str(here.ada.number), "x"], "list": str(here.list.id), "csrfmiddlewaretoken": "x"}
    answer = clara.post(_to(here, "bulk"), form)
    assert answer.headers["Location"] == f"{_to(here, 'bulk')}?list={here.list.id}&whom=ticked&n={here.ada.number}"
    assert "1 subscriber selected." in _text(clara.get(answer.headers["Location"]))
    assert desk("viewer").post(_to(here, "bulk"), form).status_code == 403


def test_the_same_page_is_shown_again_for_nothing(here: House, desk: Desk) -> None:
    clara = desk("editor")
    assert [clara.post(_to(here), {"show": "1"}).status_code for _again in range(9)] == [200] * 9
    assert Event.objects.filter(kind="subscribers.addresses_shown").count() == 1


def test_page_after_page_is_shown_no_faster_than_anybody_reads(here: House, desk: Desk, still: list[float]) -> None:
    _people(here, 260)
    clara, seen, query = desk("editor"), 0, ""
    while (answer := clara.post(_to(here) + query, {"show": "1"})).status_code == 200 and answer.context["following"]:
        seen, query = seen + len(answer.context["page"].rows), answer.context["following"]
    assert answer.status_code == 429 and seen <= read_limits.IN_A_ROW
    still[0] += 900
    assert clara.post(_to(here) + query, {"show": "1"}).status_code == 200, "as many as in a quarter of an hour"
    assert clara.get(_to(here, "subscriber", here.ada.number)).status_code in (200, 429)


def test_who_saw_the_addresses_counts_in_a_breach(here: House, desk: Desk) -> None:
    from samizdat.privacy.breach_register import AffectedFilter, affected

    desk("editor").post(_to(here), {"show": "1"})
    desk("editor").get(_to(here, "subscriber", here.ada.number))
    asked = AffectedFilter(kind="account", person=here.people["editor"].pk, noticed=NOW)
    assert (
        affected(here.organization, asked).readers == Subscriber.objects.filter(organization=here.organization).count()
    )


def test_addresses_and_names_are_sorted_on_a_page_that_shows_them_and_on_no_other(here: House, desk: Desk) -> None:
    for address, name in (("zoe@reader.example", "Anna"), ("Alf@reader.example", ""), ("mia@reader.example", "Олег")):
        person = actions.add_subscriber(here.organization, address, here.list, consent="yes", now=NOW)
        actions.change_values(person, {"FNAME": name}, now=NOW)
    clara = desk("editor")
    shown = clara.post(_to(here), {"show": "address"})
    rows = [row.address for row in shown.context["page"].rows]
    assert rows == sorted(rows, key=str.casefold) and rows[0].startswith(("ada@", "Alf@"))
    assert '<th scope="col" aria-sort="ascending">Subscriber' in shown.content.decode()
    names = [row.name for row in clara.post(_to(here), {"show": "name"}).context["page"].rows]
    assert names[:3] == ["Ada", "Anna", "Олег"] and not any(names[3:])
    for sort in ("address", "name", "-address"):
        page = clara.get(_to(here), {"sort": sort})
        assert page.context["asked"].sort == "", "their order tells of addresses that nobody was shown"
