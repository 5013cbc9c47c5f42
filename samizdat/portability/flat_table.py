"""One row for each subscriber, for people: CSV, and a workbook (XLSX, ECMA-376).

The workbook is written here and by no library: those that write row by row keep the sheet in a file of their own
meanwhile, in plain, and nothing plain may lie on the disk. Cells are texts, so no formula can be among them.
"""

import csv
import io
import re
from collections.abc import Iterator
from typing import Any, Protocol

from samizdat.audience import sql as audience_sql
from samizdat.audience.models import STATUSES
from samizdat.core import consent
from samizdat.core.crypto import seal
from samizdat.portability import canary, subscribers
from samizdat.portability.selection import SelectedRows
from samizdat.portability.spreadsheet_cells import escaped
from samizdat.portability.zip_stream import PlainWriter, ZipWriter

PAGE = 500
SHEET = 1_048_576  # rows of a sheet, the heading among them
CELL = 32_767  # characters of a cell
# Control characters that XML 1.0 has no way to write.
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_XML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})


class ExportTable(Protocol):
    """What rows are written to."""

    def head(self, cells: list[str]) -> None: ...

    def rows(self, rows: list[list[str]]) -> None: ...

    def end(self) -> None: ...


def write(
    table: ExportTable,
    home: subscribers.ExportContext,
    planted: canary.Canary | None,
    progress: subscribers.ExportProgress,
    list_id: int | None,
    only: SelectedRows | None = None,
) -> dict[str, Any]:
    """Everybody, or everybody who is on one list, or whom `only` holds. How many."""
    table.head(_head(home, list_id))
    count, unwritten = 0, planted
    for page in _pages(home, list_id, only):
        rows = [_row(home, subscriber, list_id) for subscriber in page]
        count += len(rows)
        if unwritten is not None and page[-1].number > unwritten.id:
            at = next(place for place, subscriber in enumerate(page) if subscriber.number > unwritten.id)
            rows.insert(at, _row(home, unwritten.person, list_id))
            unwritten = None
        table.rows(rows)
        progress.on(len(page))
    if unwritten is not None and count:
        table.rows([_row(home, unwritten.person, list_id)])
    table.end()
    return {"subscribers": count}


def _pages(
    home: subscribers.ExportContext, list_id: int | None, only: SelectedRows | None
) -> Iterator[list[subscribers.ExportedSubscriber]]:
    for ids in _all_ids(home) if only is None else only.pages(PAGE):
        page = subscribers.whole(home, ids)
        if list_id is not None:
            page = [subscriber for subscriber in page if any(of[0] == list_id for of in subscriber.lists)]
        if page:
            yield page


def _all_ids(home: subscribers.ExportContext) -> Iterator[list[int]]:
    after = home.start
    while ids := audience_sql.subscribers_after(home.organization.id, after, home.end, PAGE):
        yield ids
        after = ids[-1]


def _lists(home: subscribers.ExportContext, list_id: int | None) -> list[int]:
    return [list_id] if list_id is not None else list(home.lists)


def _head(home: subscribers.ExportContext, list_id: int | None) -> list[str]:
    names = [home.list_names[number] for number in _lists(home, list_id)]
    labels = [field["label"] or field["tag"] for field in home.fields.values()]
    return escaped(
        [
            "Email address",
            *labels,
            "Language",
            *names,
            "Fundraising appeals",
            "Tags",
            "Suppressed",
            "Joined",
            "Consent",
            "Notes",
        ]
    )


def _row(home: subscribers.ExportContext, subscriber: subscribers.ExportedSubscriber, list_id: int | None) -> list[str]:
    statuses = {of[0]: STATUSES[of[1]] for of in subscriber.lists}
    cells = [subscriber.address, *(subscriber.values.get(number, "") for number in home.fields), subscriber.language]
    cells += [statuses.get(of, "") for of in _lists(home, list_id)]
    cells.append(_appeals([subscriber.asking[of] for of in _lists(home, list_id) if of in subscriber.asking]))
    cells.append(", ".join(home.tags[tag] for tag in subscriber.tags if tag in home.tags))
    cells.append(", ".join(reason for reason, _ in subscriber.suppressed))
    cells += [_joined(subscriber), _consent(home, subscriber), subscriber.values.get(seal.NOTES, "")]
    return escaped(cells)


def _appeals(verdicts: list[int]) -> str:
    """Whether they agreed to be asked for money, on one list at least; empty where they have said nothing of it."""
    return "yes" if consent.YES in verdicts else "no" if verdicts else ""


def _joined(subscriber: subscribers.ExportedSubscriber) -> str:
    """The first day that anything tells of: readable of an import is its own day alone."""
    days = [record[5].get(consent.AT, "")[:10] for record in subscriber.records]
    return min([day for day in days if day], default=subscriber.joined)


def _consent(home: subscribers.ExportContext, subscriber: subscribers.ExportedSubscriber) -> str:
    """Their log in words: `2021-03-04 given by form, The Weekly: I want the letter | …`."""
    entries = []
    for list_id, kind, purpose, way, day, words in subscriber.records:
        text = f"{words.get(consent.AT, '') or day} {consent.KINDS[kind]} by {consent.WAYS[way]}"
        text += f", {home.list_names[list_id]}" if list_id in home.list_names else ""
        text += f", {consent.PURPOSES[purpose]}" if purpose else ""
        why = [words.get(word, "") for word in (consent.WORDING, consent.REASON, consent.SOURCE)]
        entries.append(": ".join([text, *["; ".join(filter(None, why))] * any(why)]))
    return " | ".join(entries)


class CsvTable:
    """RFC 4180 with the mark that tells spreadsheets that it is UTF-8."""

    def __init__(self, box: ZipWriter | PlainWriter, name: str) -> None:
        self._box = box
        self._text = io.StringIO()
        self._writer = csv.writer(self._text)
        box.begin(name)

    def head(self, cells: list[str]) -> None:
        self._text.write("\ufeff")
        self._writer.writerow(cells)

    def rows(self, rows: list[list[str]]) -> None:
        self._writer.writerows(rows)
        self._put(len(rows))

    def end(self) -> None:
        self._put(0)
        self._box.finish()

    def _put(self, rows: int) -> None:
        self._box.write(self._text.getvalue().encode(), rows)
        self._text.seek(0)
        self._text.truncate()


class XlsxTable:
    """A workbook; beyond a million rows it goes on in a second sheet with the same heading."""

    def __init__(self, box: ZipWriter) -> None:
        self._box = box
        self._heading: list[str] = []
        self._sheets = self._used = 0

    def head(self, cells: list[str]) -> None:
        self._heading = cells
        self._new_sheet()

    def rows(self, rows: list[list[str]]) -> None:
        while rows:
            room = SHEET - self._used
            part, rows = rows[:room], rows[room:]
            self._put(part)
            if rows:
                self._end_sheet()
                self._new_sheet()

    def end(self) -> None:
        self._end_sheet()
        for name, text in _parts(self._sheets).items():
            self._box.add(name, text.encode())

    def _new_sheet(self) -> None:
        self._sheets += 1
        self._used = 0
        self._box.begin(f"xl/worksheets/sheet{self._sheets}.xml")
        self._box.write(f'{_XML_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
        self._put([self._heading])

    def _end_sheet(self) -> None:
        self._box.write(b"</sheetData></worksheet>")
        self._box.finish()

    def _put(self, rows: list[list[str]]) -> None:
        self._used += len(rows)
        self._box.write("".join([_row_of_sheet(row) for row in rows]).encode(), len(rows))


def _row_of_sheet(row: list[str]) -> str:
    return f"<row>{''.join([_cell(cell) if cell else '<c/>' for cell in row])}</row>"


def _cell(text: str) -> str:
    text = _NO_XML.sub("", text[:CELL]).translate(_XML)
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


_XML_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SPREADSHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def _parts(sheets: int) -> dict[str, str]:
    """What a workbook has beside its sheets (ECMA-376, part 1, 12.1)."""
    numbers = range(1, sheets + 1)
    kinds = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_SPREADSHEET}.worksheet+xml"/>'
        for n in numbers
    )
    listed = "".join(f'<sheet name="Subscribers {n}" sheetId="{n}" r:id="rId{n}"/>' for n in numbers)
    related = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in numbers
    )
    relations = f'{_XML_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">'
    return {
        "[Content_Types].xml": f'{_XML_HEAD}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_SPREADSHEET}.sheet.main+xml"/>{kinds}</Types>',
        "_rels/.rels": f'{relations}<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
        "</Relationships>",
        "xl/workbook.xml": f'{_XML_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets>'
        "</workbook>",
        "xl/_rels/workbook.xml.rels": f"{relations}{related}</Relationships>",
    }
