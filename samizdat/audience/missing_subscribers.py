"""Subscribers whose row is gone from the database, or holds nothing that opens, though nobody erased them; or it has an
address that was corrected since, as the log says.

Whoever writes the database would delete the row of somebody who left, and the next file that names them would bring
them back as somebody new. So the sealed words of each no have the keyed index of their address (consent.INDEX). By it
the address goes to the suppression list as an erased one: no file brings it back, they can sign up again themselves.
Looked at by the comparison, and of those with a no before each import, since that one would be too early for it.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial

from django.db import transaction

from samizdat.accounts.models import Organization
from samizdat.audience import address_log, bulk_consent_writer, consent_records, consent_writer, sql, suppression_log
from samizdat.audience.models import NUMBER_MASK, Subscriber, row_id
from samizdat.core import consent
from samizdat.core.crypto import seal
from samizdat.events import queries
from samizdat.events.actions import detail_of, record
from samizdat.events.kinds import EventKind
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

MISSING: EventKind = "subscribers.missing"

PAGE = 2_000
# Numbers of one event; further ones are said by the next comparison.
MOST = 5_000


def look(organization: Organization, now: datetime) -> None:
    """Before an import: of everybody who ever said no, whether they are here and found by their own address. Some 10 us
    for each of them, and 0.1 us for each record of the others."""
    keys, after, end = keyring.keys(organization), row_id(organization.id, 0), row_id(organization.id + 1, 0)
    while ids := sql.who_said_no(after, end, PAGE):
        here = [*consent_writer.indexes_among(organization, keys, ids)]
        misindexed = [id for id, index, text, _mark in here if text is not None and index not in keys.blinds(text)]
        _put_indexes_right(organization, keys, [*misindexed, *sql.of_others(organization.id, ids)])
        unreadable = [id for id, _index, text, _mark in here if text is None]
        report(organization, [*sql.without_row(after, ids[-1]), *unreadable], now)
        after = ids[-1]


def _put_indexes_right(organization: Organization, keys: OrganizationKeys, ids: list[int]) -> None:
    """Of one whose address another row has by now, the comparison keeps it away."""
    with transaction.atomic():
        consent_writer.put_owners_right(organization, ids)
        rows = Subscriber.objects.select_for_update().filter(organization=organization, id__in=ids)
        for row in rows.order_by("id"):
            consent_writer.put_index_right(keys, row)


def report(organization: Organization, ids: Collection[int], now: datetime) -> int:
    """Keeps those of them who said no away, and writes down that they are missing: how many nobody had said yet."""
    new = sorted({id & NUMBER_MASK for id in ids} - _reported(organization))[:MOST] if ids else []
    for some in sql.in_light_slices(new, partial(_rows_of, organization)):
        with transaction.atomic():
            _keep_away(organization, _rows_of(organization, some), now)
            record(MISSING, organization, now=now, detail={"numbers": [*some], "count": len(some)})
    return len(new)


def _rows_of(organization: Organization, numbers: Sequence[int]) -> list[int]:
    return [row_id(organization.id, number) for number in numbers]


def _reported(organization: Organization) -> set[int]:
    events = queries.newest(organization, kinds=[MISSING], limit=1000)
    return {number for event in events for number in detail_of(event).get("numbers", ())}


def _keep_away(organization: Organization, ids: list[int], now: datetime) -> None:
    keys, today = keyring.keys(organization), now.astimezone(UTC).date().isoformat()
    noes = [(id, mark) for id, record, blob in sql.consent_with_words(ids) for mark in _mark(keys, id, record, blob)]
    # Who was corrected since, at the address that they have now as well.
    last = address_log.last_indexes([*{id for id, _mark in noes}])
    marks = {mark for _id, mark in noes} | {(index, keys.index_version) for index in last.values()}
    # Whatever entries seem to be there.
    rows = [(index, version, "erased", today) for index, version in sorted(marks)]
    suppression_log.write(organization, rows, now)
    # A file has brought some of them back already.
    people = sorted(row[1] for row in sql.subscribers_by_blind(organization.id, _indexes(marks)))
    sql.lock_subscribers(people)
    bulk_consent_writer.settle_all(organization, people, now)


def _indexes(marks: Iterable[tuple[bytes, int]]) -> list[bytes]:
    return sorted({index for index, _version in marks})


def _mark(keys: OrganizationKeys, id: int, entry: consent_records.Known, blob: bytes) -> list[tuple[bytes, int]]:
    """The index of their address and the version of its key, of a no that says it."""
    if not blob or entry[2] not in consent_records.NO:
        return []
    try:
        words = seal.unpack(keys.open(blob, *consent_records.RECORD, id & NUMBER_MASK))
    except seal.SealError:
        return []
    version, _blank, index = words.get(consent.INDEX, "").partition(" ")
    return [(bytes.fromhex(index), int(version))] if index else []
