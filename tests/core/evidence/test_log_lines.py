"""Logs in which each line says who signed up or left, in its own way."""

import pytest

from samizdat.core.evidence.fold import RowEvidence
from samizdat.core.evidence.log_lines import read_lines

ACCESS = '203.0.113.9 - - [10/Mar/2019:13:55:36 +0300] "{request} HTTP/1.1" {answer} 12 "-" "Mozilla/5.0"'


def _said(line: str, *, signs_up: bool = False) -> list[tuple[str, str, str]]:
    return [(row.address, row.status, row.last) for row in read_lines([line], signs_up=signs_up)]


@pytest.mark.parametrize(
    ("request_line", "answer", "status"),
    [
        ("GET /subscribe?email=ada%40example.org", 200, "subscribed"),
        ("POST /newsletter/?e=ada%40example.org&ok=1", 302, "subscribed"),
        ("GET /unsubscribe?email=ada%40example.org", 200, "unsubscribed"),
        ("GET /contact?email=ada%40example.org", 200, "wrote"),
    ],
)
def test_a_request_says_it_by_its_path(request_line: str, answer: int, status: str) -> None:
    line = ACCESS.format(request=request_line, answer=answer)
    assert _said(line, signs_up=True) == [("ada@example.org", status, "2019-03-10")]


def test_a_request_that_was_refused_says_nothing() -> None:
    assert _said(ACCESS.format(request="GET /subscribe?email=ada%40example.org", answer=422)) == []


@pytest.mark.parametrize("line", ["2019-03-02 10:00 ada@example.org", "[02.03.2019] new entry: <ada@example.org>"])
def test_a_line_with_a_day_and_one_address_is_a_yes_where_the_form_was_there_for_it(line: str) -> None:
    assert _said(line, signs_up=True) == [("ada@example.org", "subscribed", "2019-03-02")]
    assert _said(line) == [("ada@example.org", "wrote", "2019-03-02")]


@pytest.mark.parametrize(
    "line",
    ["ada@example.org", "2019-03-02 ada@example.org boris@example.org", "2019-02-31 ada@example.org", "\x00\xff", ""],
)
def test_a_line_without_a_day_or_with_several_addresses_says_nothing(line: str) -> None:
    assert _said(line, signs_up=True) == []


def test_nothing_else_of_a_line_is_kept() -> None:
    line = ACCESS.format(request="GET /subscribe?email=ada%40example.org&name=Ada", answer=200)
    assert [*read_lines([line], signs_up=True)] == [
        RowEvidence("ada@example.org", "subscribed", "2019-03-10", "2019-03-10")
    ]
