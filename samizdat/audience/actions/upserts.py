"""Subscribers that another program brings, one or many at a time: who is new comes onto a list, who is here gets other
values, and nobody who left comes back by it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization, Person
from samizdat.audience import consent_writer, tags_and_fields, value_limit
from samizdat.audience.actions.subscribers import add_subscriber, add_tags, change_values
from samizdat.audience.errors import AddressErased
from samizdat.audience.imports.reading.parse import NEW, ReaderOrder, ReadRow, ReadSlice
from samizdat.audience.imports.row_errors import sentence_of
from samizdat.audience.imports.stretches import in_order
from samizdat.audience.imports.writer import ImportWriter
from samizdat.audience.limits import HEAVIEST_SUBSCRIBER
from samizdat.audience.list_details import insist_open
from samizdat.audience.models import STATUSES, SUBSCRIBED, List, Subscriber
from samizdat.core import consent as consents
from samizdat.core.crypto import seal
from samizdat.core.mail import address as addresses
from samizdat.events.actions import record
from samizdat.vault import keyring
from samizdat.vault.errors import IndexKeyReplaced

# Of one call: a transaction that keeps nobody waiting.
MOST = 1_000
TRIES = 3
TWICE = "twice"
# left: they unsubscribed, or their address is gone. suppressed: nobody writes to this address.
type UpsertOutcome = Literal["added", "updated", "unchanged", "left", "suppressed"]


class UpsertResult(NamedTuple):
    """subscriber: None where nothing but a mark is kept of them."""

    outcome: UpsertOutcome
    subscriber: Subscriber | None


class UpsertRow(NamedTuple):
    """fields: tag -> text."""

    address: str
    fields: Mapping[str, str]
    tags: Sequence[str]
    language: str


@dataclass(frozen=True, slots=True)
class BatchResult:
    """counts: added, updated, unchanged, left, rejected. rejects: (place in the batch, code, sentence)."""

    counts: dict[str, int]
    rejects: list[tuple[int, str, str]]


def upsert(
    organization: Organization,
    address: str,
    list: List,
    *,
    consent: str,
    now: datetime,
    by: Person | None = None,
    values: Mapping[str, str] | None = None,
    tags: Iterable[str] = (),
    language: str = "",
) -> UpsertResult:
    """One who has agreed, in the words of `consent`. Of somebody who left, or whose address is suppressed, nothing is
    changed. Errors: BadAddress, AddressErased, ListArchived, TooManyRecords, TooManyTags, TooMuchText."""
    insist_open(list)
    keys, mail = keyring.keys(organization), addresses.normalize(address)
    values = {tag: text for tag, text in (values or {}).items() if text}
    with transaction.atomic():
        row = consent_writer.find(organization, keys, mail, lock=True)
        reason = consent_writer.suppressed(organization.id, keys.blinds(addresses.comparable(mail)))
        if reason == "erased":
            raise AddressErased
        if reason is not None:
            return UpsertResult("suppressed", row)
        standing = consent_writer.standing(row, list, now) if row is not None else ""
        if row is not None and standing == STATUSES[SUBSCRIBED]:
            return UpsertResult(_change(row, values, tags, language, now, by), row)
        if row is not None and standing in ("unsubscribed", "cleaned"):
            return UpsertResult("left", row)
        row = add_subscriber(
            organization,
            mail,
            list,
            consent=consent,
            way="api",
            values=values,
            tags=tags,
            language=language,
            now=now,
            by=by,
        )
    return UpsertResult("added", row)


def _change(
    row: Subscriber, values: Mapping[str, str], tags: Iterable[str], language: str, now: datetime, by: Person | None
) -> UpsertOutcome:
    keys = keyring.keys(row.organization)
    numbers = tags_and_fields.fields_for(row.organization, keys, {tag: tag for tag in values}) if values else {}
    held = consent_writer.values_of(keys, row)
    other = {tag: text for tag, text in values.items() if held.get(numbers[tag], "") != text}
    spoken = language[:8] if language and language[:8] != row.language else None
    if other or spoken is not None:
        change_values(row, other, now=now, by=by, language=spoken)
    wanted = tags_and_fields.tags_for(row.organization, keys, tags) if tags else {}
    missing = [name for name, number in wanted.items() if number not in consent_writer.tags_of(row)]
    if missing:
        add_tags(row, missing, now=now, by=by)
    return "updated" if other or spoken is not None or missing else "unchanged"


def upsert_many(
    organization: Organization,
    list: List,
    rows: Sequence[UpsertRow],
    *,
    consent: str,
    source: str,
    now: datetime,
    by: Person | None = None,
) -> BatchResult:
    """As upsert(), of at most MOST at once and as an import writes them: who is suppressed comes onto the list and gets
    no mail. `source`: who says so, as it is kept with each record. A row that cannot come in is told, and stops no
    other. Errors: ListArchived, ImportRefused for too many tags."""
    insist_open(list)
    rows = rows[:MOST]
    for tries in range(1, TRIES + 1):
        try:
            with transaction.atomic():
                result = _write(organization, list, rows, consent, source, now, by)
                detail = {"list": list.id, **result.counts}
                record("subscribers.batch_written", organization, now=now, by=by, detail=detail)
            return result
        except (IntegrityError, IndexKeyReplaced):  # Somebody signed up with one of them in this moment: look again.
            if tries == TRIES:
                raise
    raise AssertionError


def _write(
    organization: Organization,
    list: List,
    rows: Sequence[UpsertRow],
    consent: str,
    source: str,
    now: datetime,
    by: Person | None,
) -> BatchResult:
    keys = keyring.keys(organization)
    tags = {tag for row in rows for tag in row.fields}
    fields = tags_and_fields.fields_for(organization, keys, {tag: tag for tag in tags})
    today = now.astimezone(UTC).date().isoformat()
    words = {consents.AT: f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", consents.SOURCE: source}
    fact = consents.KINDS.index("given"), today, True, seal.pack({**words, consents.WORDING: consent})
    read = ReadSlice(0, source, (0, len(rows), 0), 0, 0)
    seen: set[str] = set()
    for place, row in enumerate(rows):
        try:
            mail = addresses.normalize(row.address)
            plain = seal.pack({fields[tag]: text for tag, text in row.fields.items()} | {seal.ADDRESS: mail})
        except (addresses.BadAddress, seal.NotSealable) as bad:
            read.rejects.append((place, bad.code, {}))
            continue
        if len(plain) > HEAVIEST_SUBSCRIBER:
            read.rejects.append((place, "much_text", {"limit": HEAVIEST_SUBSCRIBER >> 10}))
        elif (compared := addresses.comparable(mail)) in seen:
            read.rejects.append((place, TWICE, {}))
        else:
            seen.add(compared)
            given = ReadRow(plain, SUBSCRIBED, row.language[:8], today, tuple(row.tags), (fact,), place, NEW)
            read.rows.append(given)
    order = ReaderOrder("api", [], {}, fields, today, consent)
    writer = ImportWriter(organization, list.id, keys, now)
    counts: Counter[str] = Counter()
    rejects = []
    for import_slice in in_order([read], keys, order):
        more, refused = writer.slice(import_slice)
        counts.update(more)
        rejects += refused
        value_limit.note(organization, len(writer.overwritten), about=list.id, now=now, by=by)
    summary = {name: counts[name] for name in ("added", "updated", "unchanged", "rejected")}
    left = {"left": counts["kept_left"]}
    return BatchResult(summary | left, [(place, code, _sentence(code, values)) for place, code, values in rejects])


def _sentence(code: str, values: dict[str, object]) -> str:
    return _("This address is in the batch twice. Send it once.") if code == TWICE else sentence_of(code, values)
