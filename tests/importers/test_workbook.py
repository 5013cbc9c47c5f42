"""Workbooks: every kind of cell, several sheets, and what must not be opened or unfold."""

import io
import re
import zipfile
from datetime import date, datetime
from typing import Any

import pytest
from openpyxl import Workbook

from tests.importers.helping import inspect, named, read, zipped


def book(sheets: dict[str, list[list[Any]]]) -> bytes:
    made = Workbook(write_only=True)
    for title, rows in sheets.items():
        sheet = made.create_sheet(title)
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def with_parts(content: bytes, **parts: bytes) -> bytes:
    """The same book with more in it; a name in `parts` has "_" for "/"."""
    out = io.BytesIO(content)
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as box:
        for name, data in parts.items():
            box.writestr(name.replace("__", "/").replace("_dot_", "."), data)
    return out.getvalue()


PEOPLE = [
    ["E-mail", "First name", "Date added", "House", "Tags", "Newsletter"],
    ["ada@x.org", "Ада", datetime(2023, 4, 5, 6, 7, 8), 12.0, "press, vip", True],
    [],
    ["boris@x.org", "Two\nlines", date(2023, 4, 5), 1.5, None, False],
    ["nobody"],
]


def test_every_kind_of_cell_becomes_the_text_that_is_meant():
    whole = read(named("people.xlsx", book({"People": PEOPLE})))
    ada, boris = whole.incoming[:2]
    assert (ada.address, ada.opt_in_time, ada.tags, ada.status) == (
        "ada@x.org", "2023-04-05T06:07:08Z", ("press", "vip"), "subscribed",
    )  # fmt: skip
    assert (boris.status, boris.opt_in_time) == ("unsubscribed", "2023-04-05T00:00:00Z")
    assert whole.fields(0) == {"FNAME": "Ада", "HOUSE": "12"}
    assert whole.fields(1) == {"FNAME": "Two\nlines", "HOUSE": "1.5"}


def test_a_row_is_named_by_its_number_in_the_sheet():
    whole = read(named("people.xlsx", book({"People": PEOPLE})))
    assert [person.line for person in whole.incoming] == [2, 4, 5]


def test_sheets_with_people_come_in_by_their_names_and_the_others_are_left_out():
    sheets = {
        "Active": [["email"], ["ada@x.org"]],
        "Unsubscribed": [["email"], ["boris@x.org"]],
        "Costs": [["what", "how much"], ["stamps", 12]],
        "Empty": [],
    }
    whole = read(named("all.xlsx", book(sheets)), status="subscribed")
    assert whole.counts == {"subscribed": 1, "unsubscribed": 1}
    assert [(problem.code, problem.file) for problem in whole.found.problems] == [("no_people_sheet", "all.xlsx/Costs")]
    assert not whole.found.problems[0].stops


def test_a_service_is_known_in_a_workbook_and_in_a_zip_too():
    content = book({"Sheet": [["email", "subscribed_to_emails"], ["ada@x.org", True], ["boris@x.org", False]]})
    for thing in (named("g.xlsx", content), named("g.zip", zipped({"a/g.xlsx": content}))):
        whole = read(thing)
        assert (whole.found.source, whole.counts) == ("ghost", {"subscribed": 1, "unsubscribed": 1})


def test_macros_and_links_are_passed_over_and_said():
    content = with_parts(
        book({"People": PEOPLE}), xl__vbaProject_dot_bin=b"\xd0\xcf", xl__externalLinks__externalLink1_dot_xml=b"<a/>"
    )
    whole = read(named("people.xlsm", content))
    assert whole.problems == ["macros", "outside_links"]
    assert not any(problem.stops for problem in whole.found.problems)
    assert len(whole.incoming) == 3


def _changed(content: bytes, name: str, change: Any) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as box, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for entry in box.infolist():
            data = box.read(entry)
            made.writestr(entry.filename, change(data) if entry.filename == name else data)
    return out.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


def formulas(cell: bytes, settings: bytes = b"") -> bytes:
    """A list whose status is computed, as its cell stands in the file."""
    content = book({"People": [["email", "Status"], ["ada@x.org", "=IF(1>0,C2,D2)"]]})
    content = _changed(content, SHEET, lambda data: re.sub(rb'<c r="B2".*?</c>', lambda _found: cell, data))
    return _changed(content, "xl/workbook.xml", lambda data: re.sub(rb"<calcPr[^>]*/>", settings, data))


@pytest.mark.parametrize(
    ("cell", "settings"),
    [
        (b'<c r="B2"><f>C2</f><v></v></c>', b""),
        (b'<c r="B2"><f>C2</f><v/></c>', b""),
        (b'<c r="B2"><f>C2</f></c>', b""),
        (b'<c r="B2" s="1"><f t="shared" si="0"/></c>', b""),
        (b'<c r="B2"><f>C2</f><v>0</v></c>', b'<calcPr calcId="124519" fullCalcOnLoad="1"/>'),
    ],
)
def test_a_status_that_a_formula_has_not_computed_stops_the_import(cell: bytes, settings: bytes):
    found = inspect(named("people.xlsx", formulas(cell, settings)))
    [problem] = [one for one in found.problems if one.stops]
    assert problem.sentence() == (
        "people.xlsx: cell B2 is a formula, and its result isn’t in the file. Open the spreadsheet in Excel or "
        "LibreOffice, save it and import it again, or save it as “CSV UTF-8”."
    )
    assert found.files == []


@pytest.mark.parametrize(
    ("cell", "counts"),
    [
        (b'<c r="B2" t="str"><f>C2</f><v>unsubscribed</v></c>', {"unsubscribed": 1}),
        (b'<c r="B2" t="str"><f>C2</f><v></v></c>', {"subscribed": 1}),
    ],
)
def test_a_formula_counts_as_what_it_last_showed(cell: bytes, counts: dict[str, int]):
    assert read(named("p.xlsx", formulas(cell)), status="subscribed").counts == counts


def test_a_formula_without_a_result_is_found_wherever_it_stands_in_a_large_sheet():
    rows = [["email", "Status"], *([f"a{n}@x.org", "=" + "A1&" * 400 + "A1"] for n in range(300))]
    content = book({"People": rows})
    shown = _changed(content, SHEET, lambda data: data.replace(b"<v></v>", b"<v>1</v>").replace(b"<v />", b"<v>1</v>"))
    plain = _changed(shown, "xl/workbook.xml", lambda data: re.sub(rb"<calcPr[^>]*/>", b"", data))
    assert len(inspect(named("p.xlsx", plain)).files) == 1
    for row in (2, 147, 218, 219, 220, 301):
        cell = rb'(<c r="B%d".*?</f>)<v>1</v>' % row
        spoilt = _changed(plain, SHEET, lambda data, cell=cell: re.sub(cell, rb"\1", data))
        [problem] = [one for one in inspect(named("p.xlsx", spoilt)).problems if one.stops]
        assert (problem.code, problem.values["cell"]) == ("formulas", f"B{row}")


@pytest.mark.parametrize(
    ("part", "change", "code"),
    [
        (SHEET, lambda data: data + b"0" * (40 << 20), "zip_bomb"),
        (SHEET, lambda data: b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + data, "torn_workbook"),
        (SHEET, lambda data: data[: len(data) // 2], "torn_workbook"),
        (SHEET, lambda data: data.replace(b'<row r="2"', b'<row r="999999999"'), "torn_workbook"),
        (SHEET, lambda data: data.replace(b'r="F1"', b'r="XFD1"'), "too_many_columns"),
        ("[Content_Types].xml", lambda data: b"<a/>", "torn_workbook"),
        ("xl/workbook.xml", lambda data: b"", "torn_workbook"),
        ("xl/styles.xml", lambda data: b"\0", "torn_workbook"),
    ],
)
def test_a_spoilt_workbook_is_one_sentence(part: str, change: Any, code: str):
    content = _changed(book({"People": PEOPLE}), part, change)
    found = inspect(named("people.xlsx", content))
    assert found.files == []
    assert [problem.code for problem in found.problems if problem.stops] == [code]


LAUGHS = b"<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]>"


@pytest.mark.parametrize(
    "spoilt",
    [
        b"<?xml version='1.0'?>" + b"<!--" + b" " * 300_000 + b"-->" + LAUGHS + b"<sst/>",
        b"<?xml version='1.0'?>\n\n<?note x?>" + LAUGHS + b"<x:sst xmlns:x='y'/>",
        ("<?xml version='1.0' encoding='UTF-16'?>" + LAUGHS.decode() + "<sst/>").encode("utf-16"),
        (LAUGHS.decode() + "<sst/>").encode("utf-16-le"),
        b"<?xml version='1.0' encoding='cp037'?>" + LAUGHS + b"<sst/>",
    ],
)
def test_entities_are_refused_wherever_they_hide_and_however_they_are_written(spoilt: bytes):
    content = _changed(book({"People": PEOPLE}), "xl/styles.xml", lambda _data: spoilt)
    [problem] = [one for one in inspect(named("people.xlsx", content)).problems if one.stops]
    assert problem.code == "torn_workbook"
    # A part under another name is read as well, where the book says so.
    content = with_parts(book({"People": PEOPLE}), xl__other_dot_dat=spoilt)
    [problem] = [one for one in inspect(named("people.xlsx", content)).problems if one.stops]
    assert problem.code == "torn_workbook"


@pytest.mark.parametrize("one", [b"<si><t/></si>", b"<x:si><x:t/></x:si>", b"<si />"])
def test_a_table_of_texts_without_end_is_refused_under_any_prefix(one: bytes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("samizdat.importers.reading.workbook.TEXTS", 1_000)
    table = b"<x:sst xmlns:x='y'>" + one * 1_001 + b"</x:sst>"
    content = with_parts(book({"People": PEOPLE}), xl__texts_dot_xml=table)
    [problem] = [one for one in inspect(named("people.xlsx", content)).problems if one.stops]
    assert problem.code == "large_workbook"


def test_a_torn_workbook_is_one_sentence_wherever_it_was_torn():
    content = book({"People": PEOPLE})
    for keep in range(1, len(content), 97):
        assert inspect(named("people.xlsx", content[:keep])).files == []


def test_a_sheet_with_a_spoilt_byte_is_known_before_anything_is_read():
    rows = [["email"], *([f"a{n}@x.org"] for n in range(3_000))]
    content = bytearray(book({"People": rows}))
    with zipfile.ZipFile(io.BytesIO(content)) as box:
        entry = box.getinfo(SHEET)
        content[entry.header_offset + entry.compress_size - 40] ^= 0xFF
    found = inspect(named("p.xlsx", bytes(content)))
    assert found.files == [] and found.problems[0].code in {"torn_zip", "torn_workbook"}
    assert inspect(named("p.xlsx", book({"People": rows}))).files[0].about_rows == 3_000


def test_ten_thousand_columns_are_refused():
    content = book({"People": [["email", *range(9_999)], ["ada@x.org"]]})
    assert [problem.code for problem in inspect(named("p.xlsx", content)).problems] == ["too_many_columns"]
