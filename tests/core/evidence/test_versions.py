"""Old tables: when they were written, and who is missing in a later version."""

import pytest

from samizdat.core.evidence.versions import UNKNOWN, DatedTable, DayRange, missing_in_later, written_in


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("list-2019.csv", "2019-01-01", "2019-12-31"),
        ("list_2020-02.xlsx", "2020-02-01", "2020-02-29"),
        ("20190314 база.csv", "2019-03-14", "2019-03-14"),
        ("14.03.2019.ods", "2019-03-14", "2019-03-14"),
        ("book.xlsx/2021", "2021-01-01", "2021-12-31"),
        ("2019-02-31.csv", "2019-02-01", "2019-02-28"),
        ("2019-13.csv", "2019-01-01", "2019-12-31"),
        ("subscribers.csv", "", ""),
        ("120190.csv", "", ""),
        ("1999.csv", "", ""),
    ],
)
def test_the_name_of_a_file_says_when_it_was_written(name: str, first: str, last: str) -> None:
    assert written_in(name) == DayRange(first, last)


def _missing(*tables: DatedTable, yes: dict[str, str] | None = None) -> dict[str, str]:
    said = yes or {}
    return {key: table.name for key, table in missing_in_later(tables, lambda key: said.get(key, ""))}


def _table(year: int, people: str) -> DatedTable:
    return DatedTable(str(year), written_in(str(year)), set(people))


def test_who_is_missing_in_a_later_version_may_have_left() -> None:
    assert _missing(_table(2019, "abc"), _table(2021, "abd")) == {"c": "2021"}
    assert _missing(_table(2021, "abd"), _table(2019, "abc")) == {"c": "2021"}


def test_another_list_is_no_later_version() -> None:
    assert _missing(_table(2019, "abcd"), _table(2021, "axyz")) == {}


def test_who_is_there_again_or_agreed_later_is_not_missing() -> None:
    assert _missing(_table(2019, "abc"), _table(2020, "ab"), _table(2021, "abc")) == {}
    assert _missing(_table(2019, "abc"), _table(2020, "ab"), yes={"c": "2021-03-02"}) == {}
    assert _missing(_table(2019, "abc"), _table(2020, "ab"), yes={"c": "2020-03-02"}) == {"c": "2020"}


def test_a_table_without_a_date_is_no_version() -> None:
    assert _missing(_table(2019, "abc"), DatedTable("list", UNKNOWN, set("ab"))) == {}
