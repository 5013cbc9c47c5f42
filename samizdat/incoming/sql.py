"""The raw SQL of what comes in, by the hundred messages."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

from samizdat.db import among, binary_portions, fetch_numbers, fetch_rows, insert_rows, number_list, on_sqlite

_MAIL = {"organization_id": "int8", "received": "date", "state": "int2", "size": "int4", "box": "bytea"}
_REPORT = {
    "id": "int8", "organization_id": "int8", "mail": "int8", "position": "int2", "edition_id": "int8", "number": "int8",
    "kind": "int2", "day": "date", "details_sealed": "bytea",
}  # fmt: skip


class ReportRow(NamedTuple):
    """A MailReport, in the order of _REPORT."""

    id: int
    organization: int
    mail: int
    position: int
    edition: int | None
    number: int | None
    kind: int
    day: date | str
    details_sealed: bytes


def insert_mail(organization: int, received: date, state: int, boxes: Iterable[bytes]) -> None:
    insert_rows("incoming_incomingmail", _MAIL, ((organization, received, state, len(box), box) for box in boxes))


def boxes_of(numbers: Sequence[int], state: int) -> Iterator[tuple[int, bytes]]:
    """(id, box) of those of these messages that have this state, in the order in which they came."""
    sql = f"SELECT id, box FROM incoming_incomingmail WHERE {among('id')} AND state = %s ORDER BY id"
    for rows in binary_portions(sql, [number_list(numbers), state]):
        for id, box in rows:
            yield id, bytes(box)


def report_day(day: date) -> date | str:
    """For ReportRow.day: what the database takes as it is."""
    return day.isoformat() if on_sqlite() else day


def insert_reports(rows: Iterable[ReportRow]) -> None:
    insert_rows("incoming_mailreport", _REPORT, rows)


def oldest_mail(organization: int, state: int, most: int) -> list[tuple[int, int]]:
    """(number, size) of the oldest messages of this state."""
    where = "WHERE organization_id = %s AND state = %s ORDER BY id LIMIT %s"
    return fetch_rows(f"SELECT id, size FROM incoming_incomingmail {where}", [organization, state, most])


def reported_mail(numbers: Sequence[int]) -> list[int]:
    """Those of these messages of which there are reports."""
    sql = f"SELECT DISTINCT mail FROM incoming_mailreport WHERE {among('mail')}"
    return fetch_numbers(sql, [number_list(numbers)])


def claim_mail(numbers: Sequence[int], state: int, claimed: int) -> list[int]:
    """Those of these messages that still had this state, which is `claimed` now."""
    change = "UPDATE incoming_incomingmail SET state = %s WHERE"
    if on_sqlite():
        sql = f"{change} {among('id')} AND state = %s RETURNING id"
    else:
        # An array, since PostgreSQL may ask a subquery that locks rows more than once; in the order of all who lock.
        sql = f"""{change} id = ANY(ARRAY(
            SELECT id FROM incoming_incomingmail WHERE {among("id")} AND state = %s ORDER BY id FOR UPDATE
        )) RETURNING id"""
    return sorted(fetch_numbers(sql, [claimed, number_list(numbers), state]))


def count_reports(edition: int, kind: int) -> int:
    """How many there are of this kind, by the index alone."""
    [count] = fetch_numbers(
        "SELECT COUNT(*) FROM incoming_mailreport WHERE edition_id = %s AND kind = %s", [edition, kind]
    )
    return count


def newest_reports(
    organization: int, numbers: Sequence[int], since: date, most: int
) -> Iterator[tuple[int, int, int | None, bytes]]:
    """(id, number, edition, details_sealed) of the newest reports about each of these subscribers after that day, the
    newest first."""
    sql = f"""SELECT id, number, edition_id, details_sealed FROM (
            SELECT id, number, edition_id, details_sealed,
                row_number() OVER (PARTITION BY number ORDER BY id DESC) AS place
            FROM incoming_mailreport WHERE organization_id = %s AND {among("number")} AND day > %s
        ) AS newest WHERE place <= %s ORDER BY id DESC"""
    for rows in binary_portions(sql, [organization, number_list(numbers), since, most]):
        for id, number, edition, blob in rows:
            yield id, number, edition, bytes(blob)
