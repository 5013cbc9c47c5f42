"""Our own format: docs/export-format.md says what stands where."""

import csv
import io
import json
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import batched
from typing import Any

from msgspec import to_builtins

from samizdat.accounts import sealed_settings
from samizdat.accounts.models import Organization
from samizdat.accounts.public_site import host_of
from samizdat.audience import sql as audience_sql
from samizdat.audience.models import NUMBER_MASK, STATUSES, Field
from samizdat.audience.queries import details_of
from samizdat.core import consent
from samizdat.core.crypto import canary as marks
from samizdat.core.crypto import seal
from samizdat.core.mail import address as addresses
from samizdat.portability import canary, subscribers
from samizdat.portability.canary_alarms import with_planted
from samizdat.portability.own_format import CONSENT, MANIFEST, SUBSCRIBERS
from samizdat.portability.spreadsheet_cells import escaped
from samizdat.portability.zip_stream import ZipWriter

FORMAT = "samizdat-export"
# 1: the audience alone. 2: what base.py says goes along. 3: what belongs to letters, their results, digests. 4: the
# growth of lists as rows; letters, and what belongs to them, many to a file. 5: conversations of the inbox.
VERSION = 5

SUBSCRIPTIONS = "subscriptions.csv"
SUPPRESSIONS = "suppressions.csv"
PLANTED = "planted.json"
# The newest ones go along: those of 13 years, where somebody exports every day.
MOST_PLANTED = 5_000

SUBSCRIPTION_HEAD = ("number", "list", "status", "since")
CONSENT_HEAD = (
    "number", "list", "kind", "purpose", "way", "day", "at", "asked_at", "source", "wording", "reason", "letter", "more"
)  # fmt: skip
SUPPRESSION_HEAD = ("number", "reason", "day", "key", "blind")
SUBSCRIBER_HEAD = ("number", "address", "language", "joined", "tags", "notes", "more")

# Sealed words of a consent record, in the order of CONSENT_HEAD.
WORDS = (consent.AT, consent.ASKED_AT, consent.SOURCE, consent.WORDING, consent.REASON, consent.LETTER)
# The index of an address stays here: elsewhere there is another key.
_WORDS = frozenset((*WORDS, consent.INDEX))


def write(
    box: ZipWriter,
    home: subscribers.ExportContext,
    planted: canary.Canary | None,
    progress: subscribers.ExportProgress,
    *,
    now: datetime,
    version: str,
    keys: bool,
    extras: Callable[[subscribers.ExportContext], dict[str, Any]],
    parts: Iterable[Any] = (),
) -> dict[str, Any]:
    """Writes everything; gives back the counts of the manifest. `parts`: base.Part each."""
    for name, value in _tables(home, keys).items():
        box.add_json(name, value)
    counts: dict[str, Any] = {}
    for name, value in extras(home).items():
        box.add_json(name, value)
        counts[name.removesuffix(".json")] = len(value)
    for part in parts:
        counts[part.name] = part.give(home, box)
    seen = subscribers.ExportedNumbers()
    counts["subscribers"], counts["tagged"] = _subscribers(box, home, planted, progress, seen)
    counts["subscriptions"] = _subscriptions(box, home, planted, progress, seen)
    counts["consent"] = _consent(box, home, planted, progress, seen)
    counts["suppressions"] = _suppressions(box, home, seen, keys)
    counts |= {"lists": len(home.lists), "tags": len(home.tags), "fields": len(home.fields)}
    box.add_json(MANIFEST, _manifest(box, home, planted, counts, now=now, version=version))
    return counts


def _manifest(
    box: ZipWriter,
    home: subscribers.ExportContext,
    planted: canary.Canary | None,
    counts: Mapping[str, object],
    *,
    now: datetime,
    version: str,
) -> dict[str, object]:
    organization = home.organization
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "made": now.astimezone(UTC).isoformat(timespec="seconds"),
        "made_by": f"samizdat {version}",
        "organization": {
            "name": sealed_settings.leading(organization).name,
            "language": sealed_settings.leading(organization).language,
            "timezone": organization.timezone,
        },
        "counts": counts,
        "files": {
            member.name: {"bytes": member.bytes, "rows": member.rows, "sha256": member.sha256} for member in box.members
        },
    }
    if planted is not None:
        salt = secrets.token_hex(16)
        manifest["left_out"] = {"salt": salt, "sha256": marks.mark(addresses.comparable(planted.person.address), salt)}
    return manifest


# -- names and keys ---------------------------------------------------------------------------------------------


def _tables(home: subscribers.ExportContext, keys: bool) -> dict[str, object]:
    tables: dict[str, Any] = {
        "lists.json": [
            {
                "number": row.id,
                "name": home.list_names[row.id],
                "form": (details := to_builtins(details_of(row))).pop("form_slug"),
                "created": row.created,
                "details": {name: value for name, value in details.items() if name != "agreed"},
                "digest": {"when": row.digest_when, "round": row.digest_round},
            }
            for row in home.lists.values()
        ],
        "tags.json": [{"number": number, "name": name} for number, name in home.tags.items()],
        "fields.json": [{"number": number, **field} for number, field in home.fields.items()],
    }
    if keys:
        tables["keys.json"] = {
            "links": [{"number": key.number, "secret": key.secret.hex()} for key in home.keys.links.values()],
            "index": [{"number": number, "secret": secret.hex()} for number, secret in home.keys.index.items()],
            "hosts": _hosts(home.organization)[: sealed_settings.MOST_BROUGHT],
        }
        tables[PLANTED] = [
            {
                "export": row.pk,
                "made": row.created.astimezone(UTC).isoformat(timespec="seconds"),
                "format": row.format,
                "plain": row.plain,
                "key": details.index_version,
                "blind": details.blind.hex(),
            }
            for row, details in deque(with_planted(home.organization), MOST_PLANTED)
        ]
    return tables


# -- rows -------------------------------------------------------------------------------------------------------


class _CsvWriter:
    """Rows of CSV as bytes: RFC 4180, UTF-8."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        self._writer = csv.writer(self._text)

    def of(self, rows: Iterable[Iterable[Any]]) -> bytes:
        self._writer.writerows(rows)
        data = self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        return data


def _hosts(organization: Organization) -> list[str]:
    """Of its public pages: now, before, and as its own exports brought them."""
    known = [
        host_of(organization),
        *sorted(sealed_settings.hosts(organization)),
        *sealed_settings.brought_hosts(organization),
    ]
    return [*dict.fromkeys(filter(None, known))]


def _begun(box: ZipWriter, name: str, head: Iterable[str]) -> _CsvWriter:
    lines = _CsvWriter()
    box.begin(name)
    box.write(lines.of([head]))
    return lines


def write_rows(box: ZipWriter, name: str, head: Iterable[str], rows: Iterable[Iterable[object]]) -> int:
    """A member of rows, of which a few are held at a time; how many they were."""
    lines, count = _begun(box, name, head), 0
    for some in batched(rows, subscribers.PAGE):
        box.write(lines.of(some), len(some))
        count += len(some)
    box.finish()
    return count


def _more(held: dict[int, str], known: frozenset[int]) -> str:
    """What this version has no column for, by number: a newer house put it there, and it must not be lost."""
    rest = {number: text for number, text in held.items() if number not in known}
    return json.dumps(rest, ensure_ascii=False) if rest else ""


def _subscribers(
    box: ZipWriter,
    home: subscribers.ExportContext,
    planted: canary.Canary | None,
    progress: subscribers.ExportProgress,
    seen: subscribers.ExportedNumbers,
) -> tuple[int, int]:
    fields = list(home.fields)
    head = (*SUBSCRIBER_HEAD, *(home.fields[number]["tag"] for number in fields))
    lines = _begun(box, SUBSCRIBERS, head)
    known = frozenset({seal.ADDRESS, seal.NOTES, *fields})
    # Values of a removed field wait to be taken off the disk: they belong to nobody's file.
    removed = _removed_fields(home)
    count = tagged = 0
    for page in subscribers.pages(home):
        ids = [row[0] for row in page]
        tags = _tags(home, ids)
        tagged += sum(map(len, tags.values()))
        rows = []
        for id, blob, language, joined in page:
            number = id & NUMBER_MASK
            held = seal.unpack(home.open(blob, number))
            rows.append(_subscriber(number, held, language, joined, tags.get(id, ()), fields, known, removed))
        box.write(lines.of(_among(rows, planted, seen, _planted_row(planted, fields, known))), len(rows))
        seen.add(ids)
        count += len(rows)
        progress.on(len(rows))
    if planted is not None and not seen.pages:
        planted = None
    if planted is not None and planted.id > (seen.pages[-1][-1] & NUMBER_MASK):
        box.write(lines.of(_planted_row(planted, fields, known)))
    box.finish()
    return count, tagged


def _subscriber(
    number: int,
    held: dict[int, str],
    language: str,
    joined: str,
    tags: Iterable[int],
    fields: list[int],
    known: frozenset[int],
    removed: frozenset[int],
) -> list[object]:
    get = held.get
    more = "" if held.keys() <= known else _more(held, known | removed)
    row = [get(seal.ADDRESS, ""), language, joined, " ".join(map(str, tags)), get(seal.NOTES, ""), more]
    row += [get(field, "") for field in fields]
    return [number, *escaped(row)]


def _removed_fields(home: subscribers.ExportContext) -> frozenset[int]:
    rows = Field.objects.filter(organization=home.organization).exclude(removed=None)
    return frozenset(rows.values_list("number", flat=True))


def _tags(home: subscribers.ExportContext, ids: list[int]) -> dict[int, list[int]]:
    by_subscriber: dict[int, list[int]] = {}
    for id, tag in audience_sql.tags_between(ids[0] - 1, ids[-1]):
        if tag not in home.tags:
            continue  # Removed, and not yet taken from everybody.
        by_subscriber.setdefault(id, []).append(tag)
    return by_subscriber


def _planted_row(planted: canary.Canary | None, fields: list[int], known: frozenset[int]) -> list[list[object]]:
    if planted is None:
        return []
    person = planted.person
    held = {**person.values, seal.ADDRESS: person.address}
    return [_subscriber(person.number, held, person.language, person.joined, person.tags, fields, known, frozenset())]


def _among(
    rows: list[list[Any]],
    planted: canary.Canary | None,
    seen: subscribers.ExportedNumbers,
    planted_rows: list[list[Any]],
) -> list[list[Any]]:
    """The rows of a page with the planted one in the place of their number."""
    if planted is None:
        return rows
    before = seen.pages[-1][-1] & NUMBER_MASK if seen.pages else -1
    if not before < planted.id < rows[-1][0]:
        return rows
    at = next(place for place, row in enumerate(rows) if row[0] > planted.id)
    return [*rows[:at], *planted_rows, *rows[at:]]


def _placed(
    spans: Iterator[tuple[int, int, set[int]]], planted: canary.Canary | None
) -> Iterator[tuple[int, int, set[int], bool, bool]]:
    """The pages again, each with whether the planted one comes within it or, at the last, behind it."""
    held = list(spans)
    for place, (after, last, ids) in enumerate(held):
        here = planted is not None and (after & NUMBER_MASK) < planted.id
        inside = here and planted is not None and planted.id < (last & NUMBER_MASK)
        behind = here and not inside and place == len(held) - 1
        yield after, last, ids, inside, behind


def _subscriptions(
    box: ZipWriter,
    home: subscribers.ExportContext,
    planted: canary.Canary | None,
    progress: subscribers.ExportProgress,
    seen: subscribers.ExportedNumbers,
) -> dict[str, dict[str, int]]:
    """Counts by list and status."""
    wishes = subscribers.WISHES
    lines = _begun(box, SUBSCRIPTIONS, (*SUBSCRIPTION_HEAD, *wishes))
    counts = {str(number): dict.fromkeys(STATUSES, 0) for number in home.lists}
    planted_rows = (
        [[planted.id, of[0], STATUSES[of[1]], of[2], *of[3:]] for of in planted.person.lists] if planted else []
    )
    for after, last, ids, inside, behind in _placed(seen.spans(home.start), planted):
        rows: list[list[Any]] = []
        for id, list_id, status, since, *rest in audience_sql.subscriptions_between(after, last, wishes):
            if id in ids and list_id in home.lists:
                chosen = [wish or "" for wish in rest]
                rows.append([id & NUMBER_MASK, list_id, STATUSES[status], since, *chosen])
                counts[str(list_id)][STATUSES[status]] += 1
        box.write(lines.of(_with(rows, planted_rows, inside, behind)), len(rows))
        progress.on(len(ids))
    box.finish()
    return counts


def _with(rows: list[list[Any]], planted_rows: list[list[Any]], inside: bool, behind: bool) -> list[list[Any]]:
    if inside and planted_rows:
        at = next((place for place, row in enumerate(rows) if row[0] > planted_rows[0][0]), len(rows))
        return [*rows[:at], *planted_rows, *rows[at:]]
    return [*rows, *planted_rows] if behind else rows


def _consent(
    box: ZipWriter,
    home: subscribers.ExportContext,
    planted: canary.Canary | None,
    progress: subscribers.ExportProgress,
    seen: subscribers.ExportedNumbers,
) -> int:
    lines = _begun(box, CONSENT, CONSENT_HEAD)
    kinds, purposes, ways = consent.KINDS, consent.PURPOSES, consent.WAYS
    open_record, unpack = home.open_record, seal.unpack
    planted_rows = [_record(planted.id, *record) for record in planted.person.records] if planted else []
    count = 0
    for after, last, ids, inside, behind in _placed(seen.spans(home.start), planted):
        rows: list[list[Any]] = []
        for id, list_id, kind, purpose, way, day, blob in audience_sql.consent_between(after, last):
            if id not in ids:
                continue
            number = id & NUMBER_MASK
            get = (words := unpack(open_record(blob, number)) if blob else {}).get
            more = "" if words.keys() <= _WORDS else _more(words, _WORDS)
            cells = [get(word, "") for word in WORDS]
            rows.append([number, list_id, kinds[kind], purposes[purpose], ways[way], day, *escaped(cells), more])
        count += len(rows)
        box.write(lines.of(_with(rows, planted_rows, inside, behind)), len(rows))
        progress.on(len(ids))
    box.finish()
    return count


def _record(
    number: int, list_id: int | None, kind: int, purpose: int, way: int, day: str, words: dict[int, str]
) -> list[object]:
    cells = escaped([words.get(word, "") for word in WORDS])
    heading = [number, list_id, consent.KINDS[kind], consent.PURPOSES[purpose], consent.WAYS[way], day]
    return [*heading, *cells, _more(words, _WORDS)]


def _suppressions(
    box: ZipWriter, home: subscribers.ExportContext, seen: subscribers.ExportedNumbers, keys: bool
) -> dict[str, int]:
    """Suppressed subscribers by number. Addresses that no subscriber has are known by blind index alone: those go
    along only where the key of the index does, since nobody could find them otherwise."""
    lines = _begun(box, SUPPRESSIONS, SUPPRESSION_HEAD)
    counts = {"of_subscribers": 0, "of_others": 0, "left_behind": 0}
    after = 0
    while page := audience_sql.suppressions_page(home.organization.id, after, subscribers.PAGE):
        rows = []
        for row, blind, version, reason, day, subscriber in page:
            if subscriber is not None and seen.has(subscriber):
                rows.append([subscriber & NUMBER_MASK, reason, day, "", ""])
                counts["of_subscribers"] += 1
            elif keys:
                rows.append(["", reason, day, version, bytes(blind).hex()])
                counts["of_others"] += 1
            else:
                counts["left_behind"] += 1
            after = row
        box.write(lines.of(rows), len(rows))
    box.finish()
    return counts
