"""What an import would do, before anything is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _
from msgspec import to_builtins

from samizdat.accounts.models import Organization
from samizdat.audience import tags_and_fields
from samizdat.audience.errors import ImportRefused
from samizdat.audience.imports import inspect, run
from samizdat.audience.imports.documents import NO_OPTIONS, ImportOptions, Sample
from samizdat.audience.imports.reading.parse import (
    AskPiece,
    HandedFile,
    NoAddresses,
    ReaderOrder,
)
from samizdat.audience.imports.reading.subprocess_reader import BadFiles
from samizdat.audience.imports.row_errors import sentence_of
from samizdat.audience.imports.stretches import ImportSlice, ParsedRow
from samizdat.audience.imports.writer import ImportWriter
from samizdat.audience.models import STATUSES
from samizdat.core.crypto import seal
from samizdat.core.imports import ImportPlan, Problem
from samizdat.vault.keyring import OrganizationKeys

SAMPLES = 10
SAMPLES_A_FILE = 4
REJECTS_SHOWN = 20

NONE_TAKEN = "no_address_rows"
NO_ADDRESSES = (
    "No row of these files holds an e-mail address, so nothing was brought in. "
    "Check that they are lists of subscribers, or say which column is the address."
)


@dataclass(slots=True)
class ImportPreview:
    """What was found. `counts` as run.COUNTS; None while `questions` are open, because nothing can be read yet.
    `file_counts`: statuses, rejected rows and those who come twice as the files have them, whoever is here or was
    erased. `taken_off`: how many leave lists by it."""

    source: str
    plan: ImportPlan
    problems: list[Problem]
    questions: list[Problem]
    counts: dict[str, int] | None = None
    file_counts: dict[str, int] = field(default_factory=dict)
    taken_off: int = 0
    samples: list[Sample] = field(default_factory=list)
    rejects: list[tuple[str, int, str, dict[str, Any]]] = field(default_factory=list)  # (file, line, code, values)
    refusal: ImportRefused | None = None  # why not one row could come in
    planted: set[bytes] = field(default_factory=set)  # blind indices of addresses that this house had planted


def make_order(
    plan: ImportPlan,
    import_files: Sequence[HandedFile],
    fields: dict[str, int],
    today: str,
    basis: str = "",
    start: tuple[int, int, int] = (0, 0, 0),
) -> ReaderOrder:
    return ReaderOrder(
        source=plan.source,
        import_files=list(import_files),
        plan=to_builtins(plan.without_examples()),
        fields=fields,
        today=today,
        basis=basis,
        start=start,
    )


def look_at(
    organization: Organization,
    list_id: int,
    keys: OrganizationKeys,
    import_files: Sequence[HandedFile],
    plan: ImportPlan,
    problems: list[Problem],
    *,
    now: datetime,
    options: ImportOptions = NO_OPTIONS,
    piece: AskPiece | None = None,
    tell: run.Tell | None = None,
) -> ImportPreview:
    """Reads everything, writes nothing. Errors: ImportRefused."""
    look = ImportPreview(plan.source, plan, problems, plan.questions())
    if look.questions:
        return look
    fields = _numbers(organization, keys, plan)
    order = make_order(plan, import_files, fields, now.astimezone(UTC).date().isoformat())
    store = ImportWriter(organization, list_id, keys, now, writes=False, options=options)
    about = sum(file.about_rows for file in plan.in_order())
    shown = _Samples(fields)
    try:
        own_process = inspect.needs_a_process(plan, import_files, piece)
        with run.slices(order, keys, piece, own_process=own_process) as slices:
            for slice, (counts, rejects) in run.dry(store, slices, about, tell):
                look.counts = counts
                shown.take(slice)
                room = max(0, REJECTS_SHOWN - len(look.rejects))
                # A look that writes nothing doesn't say in which lines they are who had their data erased.
                own = [reject for reject in rejects if reject[1] != "erased"]
                look.rejects += [(slice.name, *reject) for reject in own[:room]]
    except (NoAddresses, BadFiles) as wrong:
        refusal = refused(wrong)
        refusal.plan = plan  # The columns can still be said otherwise.
        raise refusal from wrong
    look.samples, look.planted, look.file_counts = shown.chosen(), store.planted, dict(store.file_counts)
    look.taken_off = len(store.taken_off)
    return look


def refused(wrong: NoAddresses | BadFiles) -> ImportRefused:
    if isinstance(wrong, BadFiles):
        return ImportRefused(wrong.code, str(wrong), wrong.values)
    if wrong.first is None:
        return ImportRefused(NONE_TAKEN, NO_ADDRESSES)
    file, line, code, values = wrong.first
    details = {"file": file, "line": line, "reason": sentence_of(code, {"file": file, **values})}
    sentence = _("{file}, line {line}: {reason} No row could be imported, so nothing was changed.")
    return ImportRefused(NONE_TAKEN, sentence.format(**details), details)


def _numbers(organization: Organization, keys: OrganizationKeys, plan: ImportPlan) -> dict[str, int]:
    """Field numbers for a look: those that are there, and invented ones for those that would be made."""
    known = {tag: number for tag, (number, *_rest) in tags_and_fields.all_fields(organization, keys).items()}
    free = max([seal.FIRST_FIELD - 1, *known.values()]) + 1
    missing = [tag for tag in plan.layout() if tag not in known]
    tags_and_fields.insist_on_room(len(known), len(missing))
    known |= {tag: number for number, tag in enumerate(missing, start=free)}
    return {tag: known[tag] for tag in plan.layout()}


class _Samples:
    """Ten rows to show: some of every file, the first of each."""

    def __init__(self, fields: dict[str, int]) -> None:
        self._tags = {number: tag for tag, number in fields.items()}
        self._files: dict[int, list[Sample]] = {}

    def take(self, import_slice: ImportSlice) -> None:
        held = self._files.setdefault(import_slice.file, [])
        held += [self._sample(ParsedRow._make(row)) for row in import_slice.rows[: SAMPLES - len(held)]]

    def chosen(self) -> list[Sample]:
        first = [sample for held in self._files.values() for sample in held[:SAMPLES_A_FILE]]
        rest = [sample for held in self._files.values() for sample in held[SAMPLES_A_FILE:]]
        return (first + rest)[:SAMPLES]

    def _sample(self, row: ParsedRow) -> Sample:
        values = seal.unpack(row.plain)
        return Sample(
            initial=values[seal.ADDRESS][:1],
            status=STATUSES[row.status],
            since=row.facts[-1][1] if row.facts else row.joined,
            language=row.language,
            tags=row.tags,
            values={self._tags[number]: text for number, text in values.items() if number in self._tags},
        )
