"""Subscribers who complained, many at once: each leaves every list and gets no more mail."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from django.db import transaction

from samizdat.accounts.models import Organization
from samizdat.audience import bulk_consent_writer, bulk_insert, consent_records, consent_writer, sql, suppression_log
from samizdat.audience.actions.consent import lists_to_leave
from samizdat.audience.consent_writer import ConsentFactRow
from samizdat.audience.errors import NoSuchSubscriber
from samizdat.core import consent
from samizdat.core.mail import address as addresses
from samizdat.events.actions import record_each
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

REASON, WAY = "complaint", "mail"


def suppress_complained(organization: Organization, ids: Iterable[int], *, now: datetime) -> None:
    """What unsubscribe_from_all() and suppress() do to one, for each of these subscribers, by row. Errors:
    NoSuchSubscriber, RowsAltered, SealError where that fails for one of them."""
    keys, ids = keyring.keys(organization), sorted({*ids})
    with transaction.atomic():
        if sql.hold_subscribers(organization.id, ids) != ids:
            raise NoSuchSubscriber("A subscriber is not here any more. Look the address up again.")
        leaving = _Leaving(organization, keys, ids, now)
        leaving.write()
        suppressed = _suppress(organization, keys, ids, now)
        leaving.settle(suppressed)
        record_each("subscriber.left", organization, leaving.details(), now=now)
        record_each("subscriber.suppressed", organization, {id: {"reason": REASON} for id in suppressed}, now=now)


class _Leaving:
    """Every list of theirs is left: what is on record about them is read once."""

    def __init__(self, organization: Organization, keys: OrganizationKeys, ids: Sequence[int], now: datetime) -> None:
        self._organization, self._keys, self._now = organization, keys, now
        indexes = consent_writer.indexes_among(organization, keys, ids)
        self._texts = {id: text for id, _index, text, _is_marked in indexes}
        self._blinds = {id: [index] if text is None else keys.blinds(text) for id, index, text, _is_marked in indexes}
        rows: dict[int, list[consent_records.Digested]] = {id: [] for id in ids}
        for row in sql.digested_consent_of(ids):
            rows[row[0]].append(row)
        self._known = {id: consent_records.GenuineConsent(own) for id, own in rows.items()}
        self._statuses = {
            id: {list_: self._known[id].standing(list_.id, consent.LETTERS, now) for list_ in lists}
            for id, lists in lists_to_leave(rows).items()
        }

    def write(self) -> None:
        """A record of each list, but where that is recorded already."""
        moment = self._now.astimezone(UTC)
        days = consent_writer.day_of([*self._statuses], moment.date(), agrees=False)
        rows = []
        for id in self._statuses:
            known, day = self._known[id], days[id].isoformat()
            facts = consent_writer.unrecorded(known, self._facts(id), day, self._now)
            rows += consent_writer.record_rows(self._keys, id, facts, moment, day, self._texts.get(id))
        bulk_insert.insert_consent(rows)

    def _facts(self, id: int) -> Iterator[ConsentFactRow]:
        for list_, status in self._statuses[id].items():
            if status != "nonsubscribed":
                yield ConsentFactRow("withdrawn", WAY, list_, {consent.REASON: REASON})

    def settle(self, suppressed: Collection[int]) -> None:
        """Also of those who had nothing to leave, by which no list grows or shrinks."""
        lists = {id: [fact.list.id for fact in self._facts(id) if fact.list] for id in self._statuses}
        left = {id: own for id, own in lists.items() if own}
        others, way = sorted({*suppressed} - left.keys()), consent.WAYS.index(WAY)
        bulk_consent_writer.settle_all(self._organization, sorted(left), self._now, self._blinds, left, way)
        bulk_consent_writer.settle_all(self._organization, others, self._now, self._blinds)

    def details(self) -> Mapping[int, Mapping[str, object]]:
        """Of the event that they left, for those who were on a list or asked about one."""
        held: dict[int, list[int]] = defaultdict(list)
        for id, statuses in self._statuses.items():
            for list_, status in statuses.items():
                if status in ("pending", "subscribed"):
                    held[id].append(list_.id)
        return {id: {"lists": lists, "way": WAY} for id, lists in held.items()}


def _suppress(organization: Organization, keys: OrganizationKeys, ids: Sequence[int], now: datetime) -> list[int]:
    """Puts them on the list; those of whom that was not written down today already."""
    keys = keyring.held_for_index(keys)
    texts, today = consent_writer.addresses_of(organization, keys, ids), now.astimezone(UTC).date().isoformat()
    blinds = {id: keys.blinds(addresses.comparable(text)) for id, text in texts.items()}
    listed = sql.suppressions_by_blind(organization.id, [blind for own in blinds.values() for blind in own])
    there = {bytes(blind) for blind, why in listed if why == REASON}
    asked = [blind for own in blinds.values() if not there.isdisjoint(own) for blind in own]
    logged = suppression_log.logged_today(organization, now, asked) if asked else set()
    new = [id for id, own in blinds.items() if not any((blind, REASON) in logged for blind in own)]
    rows = {row for id in new for row in suppression_log.entries(keys, texts[id], REASON, today)}
    # In the order of hashes, as of addresses that are pasted (suppressions._suppress_slice).
    suppression_log.write(organization, sorted(rows), now)
    return sorted(new)
