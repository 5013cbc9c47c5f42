"""Results without spying: a report as a file, letters side by side, the search over past letters."""

import csv
import io
from typing import Any

import pytest

from samizdat.campaigns import queries
from samizdat.campaigns.models import Campaign
from tests.conftest import NOW
from tests.web.conftest import House, make_campaign
from tests.web.test_sending import Desk, _to, quiet_names  # noqa: F401 - a fixture


def _sent(here: House, subject: str, accepted: int, refused: int, left: int) -> int:
    number = make_campaign(here, subject).pk
    told = {"accepted": accepted, "refused": refused, "left_by_letter": left}
    Campaign.objects.filter(pk=number).update(state="finished", released=NOW, frozen=accepted + refused, **told)
    return number


def _cells(answer: Any) -> list[list[str]]:
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    text: str = answer.content.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def test_letters_stand_side_by_side_and_small_numbers_are_not_said(here: House, desk: Desk) -> None:
    flood, frost = _sent(here, "Flood", 2000, 19, 40), _sent(here, "=Frost()", 1000, 0, 7)
    few = _sent(here, "To a few", 19, 0, 1)
    page = desk("viewer").get(_to(here, "compare"))
    rates = {row["campaign"].pk: row["rate"] for row in page.context["rows"]}
    assert rates == {flood: 20.0, frost: None} and few not in page.context["chosen"]
    text = page.content.decode()
    assert "2,000" in text and text.count("too few to say") == 2 and "To a few" not in text
    _heads, *rows = _cells(desk("viewer").get(_to(here, "compare") + "?as=csv"))
    assert [row[1:2] + row[4:6] + row[9:] for row in rows] == [
        ["'=Frost()", "1000", "0", "<20"],
        ["Flood", "2000", "<20", "40"],
    ]
    chosen = desk("viewer").get(_to(here, "compare") + f"?c={flood}&c={few}&c=x")
    assert [row["campaign"].pk for row in chosen.context["rows"]] == [flood]


def test_a_report_is_had_as_a_file_without_small_numbers(here: House, desk: Desk) -> None:
    number = _sent(here, "Flood", 2000, 19, 40)
    rows = _cells(desk("viewer").get(_to(here, "report-file", number)))
    assert ["letter", "accepted", "2000"] in rows and ["letter", "refused", "<20"] in rows
    assert ["letter", "left by the letter", "40"] in rows
    Campaign.objects.filter(pk=number).update(left_by_letter=3)
    assert "Left by this letter: fewer than 20" in desk("viewer").get(_to(here, "live", number)).content.decode()


def test_past_letters_are_found_by_words_of_their_subject(here: House, there: House, desk: Desk) -> None:
    _sent(here, "The flood of the Düna", 100, 0, 0)
    make_campaign(here, "What a FLOOD leaves")
    make_campaign(there, "Their flood")
    client, address = desk("viewer"), _to(here, "campaigns")

    def found(query: str) -> list[str]:
        return [row.subject for row, _names in client.get(address + query).context["rows"]]

    assert found("?q=flood") == ["What a FLOOD leaves", "The flood of the Düna"]
    assert found("?q=d%C3%BC+flood&show=finished") == ["The flood of the Düna"]
    assert found("?q=lood") == []
    assert "No subject here has these words." in client.get(address + "?q=lood").content.decode()


def test_a_search_through_many_letters_can_go_further_back(here: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "LOOKED_THROUGH", 1)
    make_campaign(here, "Newest")
    rows, further = queries.searched(here.organisation, "river")
    while further and not rows:
        rows, further = queries.searched(here.organisation, "river", before=further)
    assert [row.subject for row in rows] == ["What the river took"]
