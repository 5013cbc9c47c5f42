"""Mailchimp's audience export, as its own files are laid out (what its importers, and ours, read).

One set of files for each list. Who is suppressed is in the file of the cleaned or the unsubscribed, whatever their
subscription says: nobody who reads this zip knows our suppressions, and nobody must write to them.
"""

import csv
import io
import secrets
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from samizdat.audience import sql as audience_sql
from samizdat.audience.models import STATUSES
from samizdat.core import consent
from samizdat.core.crypto import canary as marks
from samizdat.core.crypto import seal
from samizdat.portability import canary, subscribers
from samizdat.portability.selection import SelectedRows
from samizdat.portability.spreadsheet_cells import escaped
from samizdat.portability.zip_stream import ZipWriter

# Pending ones are not in Mailchimp's own exports; ours would lose them otherwise.
FILES = ("subscribed", "unsubscribed", "cleaned", "nonsubscribed", "pending")
STANDARD = {"FNAME": "First Name", "LNAME": "Last Name", "ADDRESS": "Address", "PHONE": "Phone Number",
            "BIRTHDAY": "Birthday"}  # fmt: skip
BLOCKS = {
    "unsubscribed": ("UNSUB_TIME", "UNSUB_CAMPAIGN_TITLE", "UNSUB_CAMPAIGN_ID", "UNSUB_REASON", "UNSUB_REASON_OTHER"),
    "cleaned": ("CLEAN_TIME", "CLEAN_CAMPAIGN_TITLE", "CLEAN_CAMPAIGN_ID"),
}
PAGE = 500

_LEAVING = frozenset(map(consent.KINDS.index, ("withdrawn", "objected", "cleaned")))
_GIVING = frozenset(map(consent.KINDS.index, ("asked", "given", "confirmed")))
_CONFIRMED = consent.KINDS.index("confirmed")


def write(
    box: ZipWriter,
    home: subscribers.ExportContext,
    planted: canary.Canary | None,
    progress: subscribers.ExportProgress,
    lists: list[int],
    only: SelectedRows | None = None,
) -> dict[str, Any]:
    """Counts by list and status of the files; of those alone whom `only` holds."""
    counts: dict[str, dict[str, int]] = {}
    # Without anybody planted any code will do, and Mailchimp's has ten signs.
    code = marks.code(planted.person.address) if planted else secrets.token_hex(5)
    for list_id in lists:
        folder = f"{_safe(home.list_names[list_id])}/" if len(lists) > 1 else ""
        counts[str(list_id)] = by_status = {}
        for status in FILES:
            planted_rows = _planted_rows(planted, list_id, status)
            rows = _pages(home, list_id, status, only)
            first = next(rows, None)
            if first is None and not planted_rows and status in ("pending", "nonsubscribed"):
                continue  # As theirs: what is empty is not there. The three others always are.
            box.begin(f"{folder}{status}_email_audience_export_{code}.csv")
            by_status[status] = _file(box, home, status, list_id, first, rows, planted_rows, progress)
            box.finish()
    return counts


def _safe(name: str) -> str:
    return "".join(sign if sign.isalnum() or sign in " -_" else "_" for sign in name).strip()[:60] or "list"


def _planted_rows(planted: canary.Canary | None, list_id: int, status: str) -> list[subscribers.ExportedSubscriber]:
    """The planted one is subscribed, or what their like was."""
    if planted is None:
        return []
    where = [of for of in planted.person.lists if of[0] == list_id]
    return [planted.person] if where and STATUSES[where[0][1]] == status else []


def _file(
    box: ZipWriter,
    home: subscribers.ExportContext,
    status: str,
    list_id: int,
    first: list[subscribers.ExportedSubscriber] | None,
    rest: Iterator[list[subscribers.ExportedSubscriber]],
    planted_rows: list[subscribers.ExportedSubscriber],
    progress: subscribers.ExportProgress,
) -> int:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_head(home, status))
    count = 0
    for page in chain([first or []], rest):
        count += _page(box, home, status, list_id, page, planted_rows, writer, text)
        planted_rows = []
        progress.on(len(page))
    return count


def _page(
    box: ZipWriter,
    home: subscribers.ExportContext,
    status: str,
    list_id: int,
    page: list[subscribers.ExportedSubscriber],
    planted_rows: list[subscribers.ExportedSubscriber],
    writer: Any,
    text: io.StringIO,
) -> int:
    # In the middle of a page, so that they are neither the first nor the last of the file.
    half = len(page) // 2
    writer.writerows(
        _row(home, status, list_id, subscriber) for subscriber in [*page[:half], *planted_rows, *page[half:]]
    )
    box.write(text.getvalue().encode(), len(page) + len(planted_rows))
    text.seek(0)
    text.truncate()
    return len(page)


def file_of(status: int, may: int) -> str:
    """In which file somebody stands, by the status of their subscription and the verdict beside it."""
    reason = consent.REASONS[may]
    if not reason.startswith("suppressed:"):
        return STATUSES[status]
    if STATUSES[status] == "cleaned" or reason == "suppressed:bounce":
        return "cleaned"
    return "unsubscribed"


def _pages(
    home: subscribers.ExportContext, list_id: int, wanted: str, only: SelectedRows | None
) -> Iterator[list[subscribers.ExportedSubscriber]]:
    """Those of a file. Each status is walked through along its index; most have nobody for most files."""
    own = STATUSES.index(wanted)
    from_others = wanted in ("cleaned", "unsubscribed")
    for status in range(len(STATUSES)) if from_others else (own,):
        after = 0
        while rows := audience_sql.subscribed_after(list_id, status, after, PAGE):
            ids = [id for id, may in rows if file_of(status, may) == wanted]
            if only is not None:
                ids = [id for id in ids if only.has(id)]
            if ids and (page := subscribers.whole(home, ids)):
                yield page
            after = rows[-1][0]


def _head(home: subscribers.ExportContext, status: str) -> list[str]:
    labels = [STANDARD.get(field["tag"], field["label"]) for field in home.fields.values()]
    times = ["OPTIN_TIME", "CONFIRM_TIME"]
    block = BLOCKS.get(status, ("LAST_CHANGED",))
    return ["Email Address", *labels, "Language", *times, *block, "NOTES", "TAGS"]


def _row(
    home: subscribers.ExportContext, status: str, list_id: int, subscriber: subscribers.ExportedSubscriber
) -> Iterable[str]:
    mine = [record for record in subscriber.records if record[0] in (list_id, None)]
    agreed = [record for record in mine if record[1] in _GIVING]
    confirmed = [record for record in agreed if record[1] == _CONFIRMED]
    left = [record for record in mine if record[1] in _LEAVING]
    asked = confirmed[0][5].get(consent.ASKED_AT, "") if confirmed else ""
    cells = [subscriber.address, *(subscriber.values.get(number, "") for number in home.fields), subscriber.language]
    cells += [_time(asked or _at(agreed[:1])), _time(_at(confirmed[:1]))]
    cells += _block(status, subscriber, left, mine)
    return escaped([*cells, subscriber.values.get(seal.NOTES, ""), _tag_cell(home, subscriber.tags)])


def _block(status: str, subscriber: subscribers.ExportedSubscriber, left: list[Any], mine: list[Any]) -> list[str]:
    when = _at(left[-1:]) or (subscriber.suppressed[0][1] if subscriber.suppressed else subscriber.joined)
    if status == "unsubscribed":
        reason = left[-1][5].get(consent.REASON, "") if left else ""
        suppressed = "SPAM" if any(word == "complaint" for word, _ in subscriber.suppressed) else "N/A"
        return [_time(when), "", "", "OTHER" if reason else suppressed, reason]
    if status == "cleaned":
        return [_time(when), "", ""]
    return [_time(_at(mine[-1:]) or subscriber.joined)]


def _at(records: Sequence[Any]) -> str:
    """The exact moment that was told, or the day."""
    return records[0][5].get(consent.AT, "") or records[0][4] if records else ""


def _time(moment: str) -> str:
    """`2020-01-31T10:00:00Z` as they write it."""
    if len(moment) == 10:
        return f"{moment} 00:00:00"
    return moment.replace("T", " ").removesuffix("Z")[:19]


def _tag_cell(home: subscribers.ExportContext, tags: list[int]) -> str:
    """`"Tag A","Tag B"`: a line of CSV in a cell."""
    return ",".join('"' + home.tags[tag].replace('"', '""') + '"' for tag in tags if tag in home.tags)
