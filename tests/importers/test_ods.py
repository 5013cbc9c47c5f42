"""ODS: every kind of cell as LibreOffice writes it, several sheets, repeated cells, and what must not unfold."""

import io
import zipfile
from contextlib import suppress
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samizdat.core.imports import ImportFailed
from samizdat.importers.reading import ods
from tests.importers.helping import inspect, named, read, zipped

KIND = "application/vnd.oasis.opendocument.spreadsheet"
HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?><office:document-content '
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"><office:body><office:spreadsheet>'
)
TAIL = "</office:spreadsheet></office:body></office:document-content>"
REST = '<table:table-row table:number-rows-repeated="1048570"><table:table-cell table:number-columns-repeated="16384"/>'
REST += "</table:table-row>"


def text(value: str, more: str = "") -> str:
    paragraphs = "".join(f"<text:p>{escape(line)}</text:p>" for line in value.split("\n"))
    return f'<table:table-cell office:value-type="string"{more}>{paragraphs}</table:table-cell>'


def valued(kind: str, value: str, shown: str = "") -> str:
    name = f"office:{kind}-value" if kind in {"date", "boolean"} else "office:value"
    cell = f'<table:table-cell office:value-type="{kind}" {name}="{value}">'
    return f"{cell}<text:p>{shown}</text:p></table:table-cell>"


def row(*cells: str, times: int = 1) -> str:
    repeated = f' table:number-rows-repeated="{times}"' if times > 1 else ""
    made = [cell if cell.startswith("<") else text(cell) if cell else "<table:table-cell/>" for cell in cells]
    return f"<table:table-row{repeated}>{''.join(made)}</table:table-row>"


def sheet(title: str, *rows: str) -> str:
    return f"<table:table table:name={quoteattr(title)}>{''.join(rows)}{REST}</table:table>"


def book(*sheets: str, head: str = HEAD, kind: str = KIND, **more: bytes) -> bytes:
    files = {"mimetype": kind.encode(), "content.xml": (head + "".join(sheets) + TAIL).encode()}
    return zipped(files | {name.replace("__", "/"): content for name, content in more.items()})


PEOPLE = (
    row("E-mail", "First name", "Date added", "House", "Tags", "Newsletter"),
    row("ada@x.org", "Ада", valued("date", "2023-04-05T06:07:08", "05.04.23"), valued("float", "12", "12,00"),
        "press, vip", valued("boolean", "true", "WAHR")),
    row(""),
    row("boris@x.org", "Two\nlines", valued("date", "2023-04-05", "5. April"), valued("float", "1.5", "1,50"), "",
        valued("boolean", "false", "FALSCH")),
    row("nobody"),
)  # fmt: skip


def rows_of(*rows: str) -> list[list[str]]:
    content = zipfile.ZipFile(io.BytesIO(book(sheet("A", *rows))))
    return list(ods._of_sheet("x.ods", content.open("content.xml"), 0))


def test_every_kind_of_cell_becomes_the_text_that_is_meant() -> None:
    whole = read(named("people.ods", book(sheet("People", *PEOPLE))))
    ada, boris = whole.incoming[:2]
    assert (ada.address, ada.opt_in_time, ada.tags, ada.status) == (
        "ada@x.org", "2023-04-05T06:07:08Z", ("press", "vip"), "subscribed",
    )  # fmt: skip
    assert (boris.status, boris.opt_in_time) == ("unsubscribed", "2023-04-05T00:00:00Z")
    assert whole.fields(0) == {"FNAME": "Ада", "HOUSE": "12"}
    assert whole.fields(1) == {"FNAME": "Two\nlines", "HOUSE": "1.5"}


def test_a_row_is_named_by_its_number_in_the_sheet() -> None:
    whole = read(named("people.ods", book(sheet("People", *PEOPLE))))
    assert [person.line for person in whole.incoming] == [2, 4, 5]


def test_sheets_with_people_come_in_by_their_names_and_the_others_are_left_out() -> None:
    content = book(
        sheet("Fair", row("email"), row("a@x.org")),
        sheet("Empty"),
        sheet("Prices", row("Thing", "Price"), row("Bread", valued("currency", "2", "2,00 €"))),
        sheet("отписались", row("email"), row("b@x.org")),
    )
    whole = read(named("people.ods", content), status="subscribed")
    assert {file.name for file in whole.found.files} == {"people.ods/Fair", "people.ods/отписались"}
    assert {person.address: person.status for person in whole.incoming} == {
        "a@x.org": "subscribed", "b@x.org": "unsubscribed",
    }  # fmt: skip
    assert ("no_people_sheet", "people.ods/Prices") in [(one.code, one.file) for one in whole.found.problems]


def test_a_service_is_known_in_its_workbook_and_in_a_zip() -> None:
    content = book(sheet("A", row("email", "can2_subscription_status"), row("ann@x.org", "bouncing")))
    for name, given_content in (("a.ods", content), ("a.zip", zipped({"a.ods": content}))):
        whole = read(named(name, given_content))
        assert (whole.found.source, whole.counts) == ("actionnetwork", {"cleaned": 1})


def test_donations_in_the_currency_of_a_cell_stay_out() -> None:
    content = book(sheet("A", row("email", "Zuletzt"), row("ann@x.org", valued("currency", "25", "25,00 €"))))
    assert inspect(named("a.ods", content)).plan().left_out() == {"donations": ["Zuletzt"]}


def test_repeated_cells_and_rows_stand_as_often_as_they_are_meant() -> None:
    blank = '<table:table-cell table:number-columns-repeated="2"/>'
    twice = text("x", ' table:number-columns-repeated="2"')
    assert rows_of(row("a", blank, "b", twice), row("", times=2), row("c", times=3)) == [
        ["a", "", "", "b", "x", "x"], [], [], *[["c", "", "", "", "", ""]] * 3,
    ]  # fmt: skip


def test_blanks_breaks_links_and_what_stands_beside_a_text_are_told_apart() -> None:
    cell = (
        '<table:table-cell office:value-type="string"><office:annotation><text:p>note</text:p></office:annotation>'
        "<draw:frame><draw:text-box><text:p>drawn</text:p></draw:text-box></draw:frame>"
        '<text:p>a<text:s text:c="2"/>b<text:tab/>c<text:line-break/>'
        "<text:a>d</text:a></text:p>\n<text:p>e</text:p>"
        "<table:table><table:table-row><table:table-cell><text:p>inner</text:p></table:table-cell></table:table-row>"
        "</table:table></table:table-cell>"
    )
    assert rows_of(row(cell)) == [["a  b\tc\nd\ne"]]


def test_deleted_cells_of_recorded_changes_are_no_people() -> None:
    old = "<table:tracked-changes><table:deletion><table:table>" + row("email") + row("old@x.org")
    old += "</table:table></table:deletion></table:tracked-changes>"
    content = book(old, sheet("A", row("email"), row("ann@x.org")))
    assert read(named("a.ods", content), status="subscribed").addresses == ["ann@x.org"]


def test_a_formula_without_its_result_stops_the_import_and_is_named() -> None:
    cell = '<table:table-cell table:formula="of:=[.A1]"/>'
    content = book(sheet("A", row("email", "Status"), row("ann@x.org", "x"), row("bob@x.org", cell)))
    assert "cell B3 is a formula" in inspect(named("a.ods", content)).sentence()
    cell = text("unsubscribed", ' table:formula="of:=1"')
    content = book(sheet("A", row("email", "Status"), row("bob@x.org", cell)))
    assert read(named("a.ods", content)).counts == {"unsubscribed": 1}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (book(sheet("A", row("email")), head='<!DOCTYPE x [<!ENTITY a "b">]>' + HEAD.partition("?>")[2]),
         "torn_workbook"),
        (book(sheet("A", row("email")), head=HEAD.replace("UTF-8", "UTF-7")), "torn_workbook"),
        (zipped({"mimetype": KIND.encode(), "content.xml": (HEAD + TAIL).encode("utf-16")}), "torn_workbook"),
        (zipped({"mimetype": KIND.encode(), "content.xml": (HEAD + "<table:table>").encode()}), "torn_workbook"),
        (zipped({"mimetype": KIND.encode(), "content.xml": b"\x00\x01garbage"}), "torn_workbook"),
        (book(), "empty"),
        (book(sheet("A")), "empty"),
        (book(META__x=b"", **{"META-INF__manifest.xml": b"<manifest:encryption-data/>"}), "locked_book"),
        (book(sheet("A", row("email", times=20_000))), "large_workbook"),
        (book(sheet("A", *[row(f"r{n}@x.org", times=9_999) for n in range(120)])), "large_workbook"),
        (book(sheet("A", row('<table:table-cell table:number-columns-repeated="2000" office:value-type="string">'
                             "<text:p>x</text:p></table:table-cell>"))), "too_many_columns"),
        (zipped({"mimetype": b"application/vnd.oasis.opendocument.text", "content.xml": b"<a/>"}), "spreadsheet"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_sentence(content: bytes, code: str) -> None:
    found = inspect(named("x.ods", content))
    assert found.files == [] and [problem.code for problem in found.problems if problem.stops] == [code]


def test_an_ods_that_unfolds_to_more_than_its_size_is_a_bomb() -> None:
    content = book(sheet("A", row("email"), row("a" * (20 << 20))))
    assert [problem.code for problem in inspect(named("x.ods", content)).problems] == ["zip_bomb"]


def test_macros_are_skipped_and_said() -> None:
    content = book(sheet("A", row("email"), row("a@x.org")), Basic__script=b"Sub Main")
    found = inspect(named("x.ods", content))
    assert "macros" in [problem.code for problem in found.problems] and len(found.files) == 1


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs"]), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=5))
def test_texts_come_back_as_they_were_written(table: list[list[str]]) -> None:
    width = len(table[0])
    assert rows_of(*[row(*map(text, cells)) for cells in table]) == [
        cells + [""] * (width - len(cells)) for cells in table
    ]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 400), st.binary(max_size=30))
def test_whatever_is_spoilt_becomes_rows_or_one_failure(at: int, spoilt: bytes) -> None:
    content = (HEAD + sheet("A", *PEOPLE) + TAIL).encode()
    content = content[: len(content) - at * 5] + spoilt + content[len(content) - at * 5 + len(spoilt) :]
    with suppress(ImportFailed):
        assert all(isinstance(cells, list) for cells in ods._of_sheet("x.ods", io.BytesIO(content), 0))
