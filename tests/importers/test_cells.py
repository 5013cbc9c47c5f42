"""What stands inside a cell, and that what was written in Mailchimp's way is read back the same."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.importers.reading import cells, labels
from samizdat.importers.reading.times import order_of, when

words = st.text(min_size=1, max_size=20).map(str.strip).filter(bool)
# A name that ends in a backslash cannot be told from an escaped comma in Mailchimp's own writing.
group_names = words.filter(lambda name: "\\" not in name and not name.startswith(",") and not name.endswith(","))
clean = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])


@given(st.lists(st.text(clean, min_size=1, max_size=20).map(str.strip).filter(bool), unique=True, max_size=6))
def test_tags_written_as_csv_in_a_cell_come_back(names: list[str]):
    cell = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    out = io.StringIO()
    csv.writer(out).writerow(["a@example.org", cell])
    read_back = next(csv.reader(io.StringIO(out.getvalue(), newline="")))[1]
    assert cells.tags(read_back) == tuple(names)


@given(st.lists(group_names, unique=True, max_size=6), st.sampled_from([", ", ","]))
def test_groups_with_commas_in_their_names_come_back(names: list[str], joint: str):
    cell = joint.join(name.replace(",", "\\,") for name in names)
    assert cells.groups(cell) == tuple(names)


@given(st.text(max_size=60))
def test_any_cell_can_be_tags_groups_a_name_or_a_time(cell: str):
    assert all(tag.strip() == tag and tag for tag in cells.tags(cell) + cells.groups(cell))
    assert len(cells.names(cell)) == 2
    assert when(cell) == "" or len(when(cell)) == 20


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("", ()),
        ("Editors", ("Editors",)),
        ("Editors, Readers", ("Editors", "Readers")),
        ('"Tag A","Tag B"', ("Tag A", "Tag B")),
        ('"Tag A", "Tag, B"', ("Tag A", "Tag, B")),
        ('"A","A"', ("A",)),
        ("one\ntwo", ("one", "two")),
    ],
)
def test_tags(cell: str, tags: tuple[str, ...]):
    assert cells.tags(cell) == tags


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("Anna Berg", ("Anna", "Berg")),
        ("Anna Maria  Berg", ("Anna", "Maria Berg")),
        ("Berg, Anna Maria", ("Anna Maria", "Berg")),
        ("Анна", ("Анна", "")),
        ("", ("", "")),
    ],
)
def test_full_names(cell: str, name: tuple[str, str]):
    assert cells.names(cell) == name


@pytest.mark.parametrize(
    ("cell", "phone"),
    [("'+12155550100", "+12155550100"), (" 0123 ", "0123"), ("'t Hooft", "'t Hooft"), ("''1", "''1")],
)
def test_the_guard_of_a_number_goes_and_other_apostrophes_stay(cell: str, phone: str):
    assert cells.phone(cell) == phone


@pytest.mark.parametrize(
    ("text", "order", "iso"),
    [
        ("2018-02-05 19:28:23", "", "2018-02-05T19:28:23Z"),
        ("2018-02-05T19:28:23", "", "2018-02-05T19:28:23Z"),
        ("2023-03-24 10:23:10 UTC", "", "2023-03-24T10:23:10Z"),
        ("2021-02-04 07:55:20 +0200", "", "2021-02-04T05:55:20Z"),
        ("2018-08-27T15:06:27.713Z", "", "2018-08-27T15:06:27Z"),
        ("2018-02-05", "", "2018-02-05T00:00:00Z"),
        ("2018/02/05 19:28", "", "2018-02-05T19:28:00Z"),
        ("2/5/18 7:28 PM", "", "2018-02-05T19:28:00Z"),
        ("2/5/2018 12:01:02 AM", "", "2018-02-05T00:01:02Z"),
        ("2/5/18 19:28", "dmy", "2018-05-02T19:28:00Z"),
        ("5.2.2018", "mdy", "2018-02-05T00:00:00Z"),
        ("May 19, 2019 06:00 pm", "", "2019-05-19T18:00:00Z"),
        ("19 May 2019", "", "2019-05-19T00:00:00Z"),
        ("2019/03/02 1:00:00 AM GMT+3", "", "2019-03-01T22:00:00Z"),
        ("02.03.2019 23:00:00 GMT-5:30", "", "2019-03-03T04:30:00Z"),
        ("GMT+3", "", ""),
        ("0001-01-01 00:00 GMT+3", "", ""),
        ("0000-00-00 00:00:00", "", ""),
        ("2018-02-30 19:28:23", "", ""),
        ("2018-W06-1 19:28:23", "", "2018-02-05T19:28:23Z"),
        ("13/13/13", "", ""),
        ("43136.81", "", ""),
        ("20180205", "", ""),
        ("never", "", ""),
        ("9999-12-31 23:59:59 -0800", "", ""),
    ],
)
def test_times(text: str, order: str, iso: str):
    assert when(text, order) == iso


@pytest.mark.parametrize(
    ("column", "order"),
    [
        (["1/2/20", "13/2/20"], "dmy"),
        (["1/2/20", "1/13/20"], "mdy"),
        (["1/2/20"], "mdy"),
        (["2020-01-02"], ""),
        (["25/12"], "dmy"),
    ],
)
def test_the_order_of_day_and_month_is_read_from_the_column(column: list[str], order: str):
    assert order_of(column) == order


def test_a_new_field_gets_a_short_tag_of_its_own():
    tagger = labels.Tagger()
    wished = [("ZIP Code", 0), ("Откуда узнали", 0), ("Name", 0), ("Name", 1), ("ქალაქი", 0), ("მისამართი", 0)]
    tags = [tagger.tag(*wish) for wish in [*wished, ("Date", 0), ("1st visit", 0), ("zip code", 0)]]
    assert tags == ["ZIPCODE", "OTKUDAUZNA", "NAME", "NAME2", "FIELD", "FIELD2", "DATE2", "STVISIT", "ZIPCODE"]


@given(st.lists(st.text(max_size=15), max_size=40))
def test_no_two_columns_share_a_tag_and_none_is_longer_than_ten(heading: list[str]):
    tagger = labels.Tagger()
    tags = [tagger.tag(*pair) for pair in zip(heading, labels.occurrences(heading), strict=True)]
    assert len(set(tags)) == len(tags)
    assert all(len(tag) <= 10 and tag.isascii() and tag[0].isalpha() for tag in tags)


def test_labels_are_compared_without_case_accents_and_signs():
    assert labels.standard_field("  PRÉNOM ") == "FNAME"
    assert labels.standard_field("Имя") == "FNAME"
    assert labels.plain("E-Mail Adresse") in labels.ADDRESS
    assert labels.status_of("Not confirmed") == "pending"
