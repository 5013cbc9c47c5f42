"""Imports: upload, look, start, run, stop; and the direct way of the command line."""

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from msgspec import Struct
from msgspec.structs import replace

from samizdat import plugins
from samizdat.accounts import pending_changes
from samizdat.accounts.models import Organization, Person
from samizdat.audience import bulk_insert, missing_subscribers, removal_limit, sql, suppression_check, tags_and_fields
from samizdat.audience.errors import ImportRefused, ImportTaken, TooManyRemovals, TooManyRows
from samizdat.audience.imports import appeals as appeals_consent
from samizdat.audience.imports import (
    column_memory,
    confirmation,
    failures,
    held,
    ownership,
    planted_addresses,
    run,
    uploads,
)
from samizdat.audience.imports import inspect as opening
from samizdat.audience.imports.documents import (
    COPIED,
    NO_OPTIONS,
    ImportDocument,
    ImportOptions,
    ImportProblem,
    ImportReport,
    RejectedLine,
    read_plan,
    read_report,
    sealed,
)
from samizdat.audience.imports.preview import NONE_TAKEN, ImportPreview, look_at, make_order, refused
from samizdat.audience.imports.reading.parse import SLICE, AskPiece, HandedFile, NoAddresses
from samizdat.audience.imports.reading.subprocess_reader import BadFiles, ReadingBroke
from samizdat.audience.imports.row_errors import sentence_of
from samizdat.audience.imports.run import COUNTS, Clock, ImportProgress, Tell
from samizdat.audience.imports.stretches import STRETCH
from samizdat.audience.imports.writer import ImportWriter, Rejected
from samizdat.audience.list_details import insist_open
from samizdat.audience.models import Import, List, Reject
from samizdat.core.imports import ImportPlan, Problem
from samizdat.events.actions import record
from samizdat.vault import keyring
from samizdat.vault.errors import IndexKeyReplaced
from samizdat.vault.keyring import OrganizationKeys
from samizdat.vault.locks import unlocked

__all__ = [
    "COUNTS", "ImportPreview", "ImportProgress", "add_piece", "begin_upload", "cancel", "change_plan", "direct",
    "finish_upload", "inspect", "left_out", "left_out_of", "look", "options_of", "read_plan", "read_report",
    "reject_rows", "resumable", "run_import", "start", "sweep_uploads",
]  # fmt: skip

type RejectTold = Callable[[str, int, str], None]

# What was said of columns and of words on the command line, as it was written there (importers/reading/answers.py).
type Answers = tuple[Sequence[str], Sequence[str]]
NO_ANSWERS: Answers = ((), ())

RUNNABLE = ("waiting", "running", "stopped")
REJECTS = 500  # that are read at once, to be shown
MOST_ADDED_TAGS = 20  # each is a row for every subscriber of the files


# -- from the command line --------------------------------------------------------------------------------------


def look(
    organization: Organization,
    list: List,
    import_files: Sequence[opening.ImportFile],
    *,
    source: str | None = None,
    status: str | None = None,
    answers: Answers = NO_ANSWERS,
    plan: ImportPlan | None = None,
    options: ImportOptions = NO_OPTIONS,
    now: datetime,
    progress: Tell | None = None,
) -> ImportPreview:
    """What `direct` would do with these files. `status`: for files that do not say one. Errors: ImportRefused."""
    keys, handed, piece = keyring.keys(organization), opening.handed(import_files), opening.pieces_of(import_files)
    problems: Sequence[Problem] = ()
    if plan is None:
        plan, problems = _found(
            organization, keys, handed, piece, source, status or _usual_status(options), answers, options.audience
        )
    return look_at(
        organization, list.id, keys, handed, plan, [*problems], now=now, options=options, piece=piece, tell=progress
    )


def _usual_status(options: ImportOptions) -> str | None:
    """Where only those who are here are updated, a file that says nobody's status needs none."""
    return "subscribed" if options.update_only else None


def options_of(tags: Iterable[str], *, update_only: bool = False, appeals: str | None = None) -> ImportOptions:
    """Tags by their names, as they were typed. `appeals`: the words in which their consent covered appeals for money,
    None where it did not. Errors: ImportRefused, for too many tags, and for no words or too many."""
    names = dict.fromkeys(name.strip()[: tags_and_fields.LONGEST_TAG] for name in tags if name.strip())
    if len(names) > MOST_ADDED_TAGS:
        sentence = _("An import can add at most %(most)s tags to everyone. Remove some.")
        raise ImportRefused("too_many_tags", sentence % {"most": MOST_ADDED_TAGS})
    if appeals is not None and update_only:
        sentence = _("An import that only updates subscribers records no consent. Leave out the consent to appeals.")
        raise ImportRefused("appeals_update_only", sentence)
    return ImportOptions(tuple(names), update_only, "" if appeals is None else appeals_consent.checked(appeals))


def direct(
    organization: Organization,
    list: List,
    import_files: Sequence[opening.ImportFile],
    *,
    now: Clock,
    source: str | None = None,
    status: str | None = None,
    answers: Answers = NO_ANSWERS,
    plan: ImportPlan | None = None,
    options: ImportOptions = NO_OPTIONS,
    basis: str = "",
    by: Person | None = None,
    progress: Tell | None = None,
    stop: Callable[[], bool] | None = None,
    rejected: RejectTold | None = None,
    warned: Callable[[str], None] | None = None,
    part_of: Import | None = None,
    approved: held.ApprovedRemovals = held.NONE_APPROVED,
) -> Import:
    """Brings files in. The same files again after a kill: goes on where it was.

    `basis`: why one may write to these people, kept in the words of each consent record. `rejected` is called with
    (file, line, sentence), `warned` with what was assumed about a file, such as its encoding, before anything is
    written. `plan`: of files that we wrote ourselves, in place of looking at them. `part_of`: the import of a whole
    account, and how many removals an admin `approved` for it. Errors: ImportRefused with nothing written, ImportTaken;
    TooManyRemovals, and it goes on where it was once more are approved.
    """
    handed, piece = opening.handed(import_files), opening.pieces_of(import_files)
    insist_open(list)
    status = status or _usual_status(options)
    keys = keyring.keys(organization)
    problems: Sequence[Problem] = ()
    if plan is None:
        plan, problems = _found(organization, keys, handed, piece, source, status, answers, options.audience)
    if warned:
        for problem in problems:
            warned(problem.sentence())
    row = _begun_before(organization, list, import_files, options, now()) or _new(
        organization, list, plan, import_files, basis=basis, by=by, now=now(), left_out=_left_out(problems),
        options=options,
    )  # fmt: skip
    if part_of is not None:
        _join(row, part_of, approved)
    return _run(row, handed, piece, now=now, progress=progress, stop=stop, rejected=rejected)


def _join(row: Import, whole: Import, approved: held.ApprovedRemovals) -> None:
    """Of what was approved it takes part once: gone on with after a kill, it has what it left of it."""
    document = read_plan(row)
    if document.part_of != whole.pk or document.wait != approved.wait:
        _keep(row, "plan", replace(document, part_of=whole.pk, wait=approved.wait, may_remove=approved.n))


def _found(
    organization: Organization, keys: OrganizationKeys, handed: Sequence[HandedFile], piece: AskPiece | None,
    source: str | None, status: str | None, answers: Answers, audience: str | None,
) -> tuple[ImportPlan, list[Problem]]:  # fmt: skip
    """The plan for what was given, and all that should be said before it is followed. Errors: ImportRefused."""
    detection = opening.found_in(handed, source, piece, thorough=True)
    plan = detection.plan() if audience is None else detection.plan().of_audience(audience)
    remembered = column_memory.recall(organization, keys, plan)
    opening.answer(plan, *answers)
    if status:
        plan = plan.with_status(status)
    counted = [] if audience is None else plan.answer_as_likely()
    try:
        opening.insist(plan, detection.problems)
        opening.insist_on_status(plan)  # Nobody looks before it is written, so what we would only guess is asked.
    except ImportRefused as refusal:
        refusal.plan = plan
        raise
    problems = [*detection.problems, *remembered, *counted, *plan.said_out()]
    if audience is not None:  # Whoever imports one audience knows the others, and what else is in the file.
        problems = [problem for problem in problems if problem.code != "several_audiences" and not left_out([problem])]
    return plan, problems


def _begun_before(
    organization: Organization, list: List, import_files: Sequence[opening.ImportFile], options: ImportOptions,
    now: datetime,
) -> Import | None:  # fmt: skip
    """An import of the same files that was killed or stopped. Errors: ImportTaken when it is still going on."""
    marks = _fingerprints(organization, list, import_files, options)
    rows = Import.objects.filter(organization=organization, list=list, fingerprint__in=marks, state__in=RUNNABLE)
    for row in rows.order_by("-id"):
        if ownership.is_alive(row, now):
            raise ImportTaken
        return row
    return None


def _fingerprints(
    organization: Organization, list: List, import_files: Sequence[opening.ImportFile], options: ImportOptions
) -> list[bytes]:
    """Under every index key, the current one first."""
    keys = keyring.keys(organization)
    return opening.fingerprints((keys.index[version] for version in keys.versions), list.id, import_files, options)


def _new(
    organization: Organization, list: List, plan: ImportPlan, import_files: Sequence[opening.ImportFile], *, basis: str,
    by: Person | None, now: datetime, left_out: Sequence[ImportProblem], options: ImportOptions,
) -> Import:  # fmt: skip
    with transaction.atomic():
        row = Import.objects.create(
            organization=organization,
            list=list,
            state="running",
            source=plan.source,
            fingerprint=_fingerprints(organization, list, import_files, options)[0],
            counts=dict.fromkeys(COUNTS, 0),
            rows_total=sum(file.about_rows for file in plan.in_order()),
            by=by,
            created=now,
        )
        names = [
            import_file.name
            if isinstance(import_file, opening.HeldUpload | opening.UploadedFile)
            else Path(import_file).name
            for import_file in import_files
        ]
        kept = ImportDocument(names, plan.without_examples(), basis, plan.source, [*left_out], options=options)
        _keep(row, "plan", kept)
    return row


# -- from the browser -------------------------------------------------------------------------------------------


def begin_upload(organization: Organization, list: List | None, *, now: datetime, by: Person | None) -> Import:
    """A place for the pieces of files. Without a list it can only be an export of our own format. Errors:
    ImportRefused, where too much waits already."""
    if uploads.is_full(organization):
        raise _too_much_waits()
    return Import.objects.create(
        organization=organization,
        list=list,
        state="uploading",
        source="",
        fingerprint=os.urandom(32),
        counts=dict.fromkeys(COUNTS, 0),
        by=by,
        created=now,
    )


def _too_much_waits() -> ImportRefused:
    return ImportRefused(
        "uploads_full",
        _("Your organization has too many unfinished uploads. Import or cancel them, then upload this one again."),
    )


# Asked for so many pieces: counting all of them takes a millisecond.
ROOM_ASKED_EVERY = 16


def add_piece(row: Import, file: int, number: int, data: bytes) -> None:
    """Piece `number` (from 0) of file `file` (from 0): uploads.PIECE bytes, the last one what is left. Errors:
    ImportRefused, where too much waits already."""
    if number % ROOM_ASKED_EVERY == 0 and not uploads.has_room(row.organization):
        raise _too_much_waits()
    if not 0 < len(data) <= uploads.PIECE:
        raise ImportRefused("bad_piece", _("A part of an upload can have at most 1 MB. Choose the file again."))
    if Import.objects.filter(id=row.id, state="uploading").exists():
        uploads.put(keyring.keys(row.organization), row, file, number, data)


def finish_upload(row: Import, names: Sequence[str], *, now: datetime) -> Import:
    """All pieces are here: the import may be inspected. Errors: ImportRefused when one is missing."""
    if not names or not uploads.complete(row, len(names)):
        sentence = _("A file is empty, or part of the upload didn’t arrive. Choose the files again.")
        raise ImportRefused("upload_torn", sentence)
    moved = Import.objects.filter(id=row.id, state="uploading").update(state="reading")
    if moved:
        with transaction.atomic():
            _keep(row, "plan", ImportDocument([Path(name).name for name in names]))
            record("subscribers.import.uploaded", row.organization, about=row.id, by=row.by, now=now)
    row.refresh_from_db()
    return row


def inspect(import_id: int, *, now: Clock, progress: Tell | None = None) -> Import:
    """Looks at an upload: what it is, what each column becomes, what bringing it in would do. Writes only that.

    After change_plan() it looks again by the changed plan. What cannot be read becomes state 'failed' and `problem`.
    """
    row = ownership.take(import_id, ("reading", "found"), now())
    keys = keyring.keys(row.organization)
    piece = partial(uploads.get, keys, row)
    try:
        import_files = _import_files(row)
        document = read_plan(row)
        detection = opening.found_in(import_files, document.source, piece, thorough=True)
        plan, problems = detection.plan(), detection.problems
        if document.plan:
            plan = document.plan
            opening.show_again(plan, detection.files)
        else:
            problems = [*problems, *column_memory.recall(row.organization, keys, plan)]
        problems = [*problems, *(Problem(of.code, of.file, of.values, stops=False) for of in document.notes)]
        seen = _seen(row, keys, import_files, replace(document, plan=plan), problems, now(), piece, progress)
    except ImportRefused as refusal:
        return fail(row, refusal, now())
    except BaseException:
        _let_go(row)
        raise
    with transaction.atomic():
        left_out = _left_out(detection.problems)
        looked = replace(
            document, plan=plan.without_examples(), left_out=left_out, go=0, is_shown=True, shown_list=row.list_id,
            look=(look := secrets.token_hex(8)),
        )  # fmt: skip
        _keep(row, "plan", looked)
        turned_up = planted_addresses.raise_alarms(row, seen.planted, now())
        _keep(row, "report", _report(seen, turned_up, look))
        total = sum(file.about_rows for file in plan.in_order())
        Import.objects.filter(id=row.id, owner=row.owner).update(
            state="found", owner="", source=plan.source, rows_total=total, tries=0
        )
    row.refresh_from_db()
    return row


def _seen(
    row: Import, keys: OrganizationKeys, import_files: list[HandedFile], document: ImportDocument,
    problems: list[Problem], now: datetime, piece: AskPiece, progress: Tell | None,
) -> ImportPreview:  # fmt: skip
    """What bringing it in would do. Where no row could come in, the reason, and the columns to say otherwise."""
    plan = document.plan_to_read
    assert row.list_id is not None and plan is not None
    try:
        return look_at(
            row.organization, row.list_id, keys, import_files, plan, problems, now=now, options=document.options,
            piece=piece, tell=progress,
        )  # fmt: skip
    except ImportRefused as refusal:
        if refusal.plan is None:
            raise
        return ImportPreview(plan.source, plan, problems, plan.questions(), refusal=refusal)


def change_plan(
    row: Import, plan: ImportPlan, *, basis: str = "", list: List | None = None, options: ImportOptions = NO_OPTIONS
) -> None:
    """Other columns, statuses, list or options than were found; inspect() again shows what that does. Errors:
    ImportRefused."""
    try:
        changed = plan.checked()
        changed.ask_again()
    except ValueError as wrong:
        raise ImportRefused("bad_plan", str(wrong)) from wrong
    with transaction.atomic():
        if Import.objects.select_for_update().get(pk=row.pk).state == "held":
            raise ImportRefused("changed", _("This import is waiting for an admin. Stop it first, then change it."))
        before, plan = read_plan(row), changed.without_examples()
        if before.is_fixed and before.plan is not None:
            plan = _fixed(before.plan, plan)
        is_shown = before.is_shown and before.plan is not None and plan.shapes == before.plan.shapes
        is_shown = is_shown and options.update_only == before.options.update_only
        document = replace(before, plan=plan, basis=basis, go=0, asked=0, is_shown=is_shown, options=options)
        _keep(row, "plan", document if list is None else replace(document, shown_list=list.id))
        if list is not None:
            Import.objects.filter(id=row.id, state__in=("reading", "found")).update(list=list)
            row.list = list


def _fixed(plan: ImportPlan, asked: ImportPlan) -> ImportPlan:
    """The same plan, of which only what files are used is chosen."""
    used = {file.member for file in asked.files if file.use}
    return ImportPlan(plan.source, [replace(file, use=file.member in used) for file in plan.files])


def look_again(row: Import, *, now: datetime, by: Person | None) -> Import:
    """The plan was changed: the worker shall inspect once more."""
    with transaction.atomic():
        if Import.objects.filter(id=row.id, state="found").update(state="reading", tries=0):
            record("subscribers.import.uploaded", row.organization, about=row.id, by=by, now=now)
    row.refresh_from_db()
    return row


def start(row: Import, *, now: datetime, by: Person | None) -> Import:
    """What was found shall be brought in; the worker does it. Where it takes many off lists, once an admin has approved
    it. Errors: ImportRefused while a question is open."""
    document = read_plan(row)
    plan = document.plan_to_read
    if not plan:
        raise ImportRefused("not_read", _("The files haven’t been read yet. Wait a moment."))
    opening.insist(plan)
    opening.insist_on_status(plan)
    if row.list is not None:
        insist_open(row.list)
    # What is left of one that was stopped is counted where it is written.
    many = rows = 0
    if not any(document.place):
        report = read_report(row)
        # An older report of the same import, that of a smaller look, may have been put back into its row.
        if not document.is_shown or report.look != document.look:
            raise ImportRefused("changed", _("You chose other files, so the numbers changed. Check them, then import."))
        many = report.taken_off
        # Where a question was open, or no row came in by the columns of the look: as many as the files have lines.
        rows = plan.lines if report.counts is None else report.counts.get("rows", 0)
        document = replace(document, may_bring=rows if held.counts_rows(row.organization, by) else None)
    with transaction.atomic():
        is_held = held.tells_too_much(row.organization, rows, by) or (
            many > 0 and removal_limit.is_over(row.organization, many, now=now, by=by)
        )
        state = "held" if is_held else "waiting"
        if Import.objects.filter(id=row.id, state__in=("found", "stopped")).update(state=state, by=by, tries=0):
            if is_held:
                held.ask(row, document, many, now=now, by=by, rows=rows)
            else:
                confirmation.start(row, document, now=now, by=by)
    row.refresh_from_db()
    return row


def cancel(row: Import, *, now: datetime, by: Person | None) -> Import:
    """Before it runs: as if it had never been uploaded. While it runs: it stops after its slice, what is in stays."""
    with transaction.atomic():
        pending_changes.stop_about(row.organization, held.CHANGE, row.pk, now=now, by=by)
        held.let_go(row)
        if Import.objects.filter(id=row.id, state__in=("uploading", "reading", "found", "waiting")).update(
            state="failed", problem="cancelled", report_sealed=b""
        ):
            uploads.drop(row)
        else:
            Import.objects.filter(id=row.id, state="running").update(problem="stop_asked")
        record("subscribers.import.cancelled", row.organization, about=row.id, by=by, now=now)
    row.refresh_from_db()
    return row


def run_import(
    import_id: int, *, now: Clock, stop: Callable[[], bool] | None = None, progress: Tell | None = None
) -> Import:
    """Brings an upload in, or goes on with one. Errors: ImportTaken; what is wrong with the files becomes `problem`."""
    row = Import.objects.get(id=import_id)
    piece = partial(uploads.get, keyring.keys(row.organization), row)

    def stopped() -> bool:
        return bool(stop and stop()) or Import.objects.filter(id=import_id, problem="stop_asked").exists()

    try:
        return _run(row, None, piece, now=now, progress=progress, stop=stopped)
    except ImportRefused:
        row.refresh_from_db()
        return row


def resumable(now: datetime) -> list[int]:
    """Uploads that nobody is at: to be run. The command line's own imports wait for the same command."""
    has_all = Q(pieces__isnull=False) | Q(source=COPIED)
    rows = Import.objects.filter(has_all, unlocked("organization__"), state__in=("waiting", "running")).distinct()
    return [row.id for row in rows if not ownership.is_alive(row, now)]


def inspectable(now: datetime) -> list[int]:
    """Uploads that are complete and that nobody looks at: to be inspected."""
    return [
        row.id
        for row in Import.objects.filter(unlocked("organization__"), state="reading")
        if not ownership.is_alive(row, now)
    ]


def sweep_uploads(now: datetime) -> int:
    """Removes uploads older than 24 hours; how many there were."""
    return uploads.drop_old(now)


def reject_rows(row: Import, *, erased: bool = True) -> Iterator[tuple[str, int, str]]:
    """(file, line, sentence) of every rejected row, in the order of reading. erased: also of who had their data erased,
    which says that they were here."""
    plan = read_plan(row).plan
    names = [file.name for file in plan.in_order()] if plan else []
    # Some at a time, each by a question of its own: what is asked for next may come in another thread.
    last, rows = 0, Reject.objects.filter(import_run=row).order_by("id")
    rows = rows if erased else rows.exclude(code="erased")
    while some := [*rows.filter(id__gt=last)[:REJECTS]]:
        for reject in some:
            name = names[reject.file_no] if reject.file_no < len(names) else ""
            yield name, reject.line, sentence_of(reject.code, reject.values)
        last = some[-1].pk


# -- both -------------------------------------------------------------------------------------------------------


def _run(
    row: Import,
    paths: list[HandedFile] | None,
    piece: AskPiece | None,
    *,
    now: Clock,
    progress: Tell | None,
    stop: Callable[[], bool] | None,
    rejected: RejectTold | None = None,
) -> Import:
    row = ownership.take(row.id, RUNNABLE, now())
    if paths is None and not confirmation.holds(row):
        confirmation.refuse(row)
        return row
    try:
        Import.objects.filter(id=row.id, state__in=("waiting", "stopped")).update(state="running", problem="")
        if row.started is None:
            row.started = now()
            Import.objects.filter(id=row.id).update(started=row.started)
        if _bring(row, paths, piece, now, progress, stop, rejected):
            _finish(row, now())
            bulk_insert.learn_sizes()
        else:
            Import.objects.filter(id=row.id, owner=row.owner).update(state="stopped", owner="", problem="")
    except (NoAddresses, BadFiles) as wrong:
        refusal = refused(wrong)
        fail(row, refusal, now())
        raise refusal from wrong
    except TooManyRemovals as over:
        if paths is not None:  # Nobody could begin it again but whoever has its files.
            Import.objects.filter(id=row.id, owner=row.owner).update(state="stopped", owner="", problem="")
            raise
        _hold(row, over.many, paths, piece, now())
    except TooManyRows:
        _hold(row, 0, paths, piece, now())
    except ReadingBroke as broke:
        _let_go(row)
        raise ImportRefused(
            "reading_broke",
            "The process that reads the files ended by itself. Free some memory, then import the same files again: "
            "it goes on where it was.",
        ) from broke
    except IndexKeyReplaced as replaced:
        _let_go(row)
        raise ImportRefused(
            "key_replaced",
            "The key that finds addresses was replaced meanwhile. Import the same files again: it goes on where "
            "it was.",
        ) from replaced
    except BaseException:
        _let_go(row)
        raise
    row.refresh_from_db()
    return row


def _hold(
    row: Import, least: int, paths: list[HandedFile] | None, piece: AskPiece | None, now: datetime
) -> None:  # fmt: skip
    """More leave lists, or more rows come, than were counted when it began, or others were taken off since: what is
    left of it waits for an admin. Those whom it took off before are not counted again."""
    document, keys = read_plan(row), keyring.keys(row.organization)
    plan = document.plan_to_read
    assert plan is not None and row.list_id is not None
    try:
        files = paths if paths is not None else _import_files(row)
        look = look_at(
            row.organization, row.list_id, keys, files, plan, [], now=now, options=document.options, piece=piece
        )
    except BaseException:
        _let_go(row)
        raise
    with transaction.atomic():
        if Import.objects.filter(id=row.id, owner=row.owner).update(state="held", owner="", problem=""):
            rows = (look.counts or {}).get("rows", 0)
            held.ask(row, document, max(least, look.taken_off), now=now, by=row.by, rows=rows, always=True)


def _begun(row: Import, document: ImportDocument, index_key: int) -> ImportDocument:
    """With how this import is cut into slices from its beginning to its end, and what was known when it began. Under
    another index key a stretch has another order, so it is brought in from its beginning."""
    kept = document
    if document.cut is None:
        document = replace(document, cut=(SLICE, STRETCH), newest_record=sql.newest_record())
    if document.index_key != index_key:
        place = (*document.place[:2], 0) if document.index_key else document.place
        document = replace(document, index_key=index_key, place=place)
    if document != kept:
        _keep(row, "plan", document)
    return document


def _bring(
    row: Import,
    paths: list[HandedFile] | None,
    piece: AskPiece | None,
    now: Clock,
    progress: Tell | None,
    stop: Callable[[], bool] | None,
    rejected: RejectTold | None,
) -> bool:
    keys = keyring.keys(row.organization)
    document = _begun(row, read_plan(row), keys.index_version)
    plan = document.plan_to_read
    assert plan is not None and document.cut is not None
    with transaction.atomic():
        fields = tags_and_fields.fields_for(row.organization, keys, plan.fields())
    # The day of the import is that of its beginning, so that one gone on with after midnight says the same.
    assert row.started is not None and row.list_id is not None
    begun = row.started
    today = begun.astimezone(UTC).date().isoformat()
    import_files = paths if paths is not None else _import_files(row)
    order = make_order(plan, import_files, fields, today, document.basis, document.place)
    order.size, stretch = document.cut
    suppression_check.look(row.organization, now())
    missing_subscribers.look(row.organization, now())
    store = ImportWriter(
        row.organization, row.list_id, keys, begun, newest_record=document.newest_record, options=document.options
    )
    own_process = opening.needs_a_process(plan, import_files, piece)
    with run.slices(order, keys, piece, own_process=own_process, stretch=stretch) as slices:
        whole = run.bring(
            row,
            store,
            slices,
            now=now,
            about=row.rows_total or 0,
            stop=stop,
            tell=progress,
            tell_reject=partial(_tell_reject, rejected) if rejected else None,
        )
    planted_addresses.raise_alarms(row, store.planted, now())
    return whole


def _tell_reject(rejected: RejectTold, file: str, reject: Rejected) -> None:
    line, code, values = reject
    rejected(file, line, sentence_of(code, values))


def _import_files(row: Import) -> list[HandedFile]:
    names = read_plan(row).names
    return [
        (names[file], uploads.PIECE, size) for file, size in uploads.sizes(keyring.keys(row.organization), row).items()
    ]


def _finish(row: Import, now: datetime) -> None:
    with transaction.atomic():
        mine = Import.objects.filter(id=row.id, owner=row.owner).update(
            state="finished", owner="", problem="", finished=now, report_sealed=b""
        )
        if not mine:
            raise ImportTaken
        uploads.drop(row)
        row.refresh_from_db()
        detail = {"counts": row.counts, "source": row.source, "list": row.list_id}
        if read_plan(row).options.appeals:
            detail["appeals"] = True
        record("subscribers.imported", row.organization, about=row.id, by=row.by, now=now, detail=detail)


def fail(row: Import, refusal: ImportRefused, now: datetime) -> Import:
    """Nothing was begun: only the reason stays. What was brought in before a file turned out torn stays as well."""
    if refusal.code == NONE_TAKEN and row.pieces.exists():
        # Perhaps a column means something else: it is looked at once more, and its columns can be changed.
        Import.objects.filter(id=row.id, owner=row.owner).update(state="reading", owner="")
        row.refresh_from_db()
        return row
    row.refresh_from_db(fields=["plan_sealed"])
    fresh = not any(read_plan(row).place) and not row.pieces.exists()
    with transaction.atomic():
        if fresh and Import.objects.filter(id=row.id, owner=row.owner).delete()[0]:
            return row
        uploads.drop(row)
        Import.objects.filter(id=row.id, owner=row.owner).update(
            state="failed", owner="", problem=refusal.code[:40], report_sealed=b""
        )
        failures.ended(row, failures.FAILED, now)
        values = {name: str(value) for name, value in refusal.values.items()}
        failed = ImportProblem(refusal.code, values.get("file", ""), values, str(refusal))
        _keep(row, "report", ImportReport(failed=failed))
    row.refresh_from_db()
    return row


def _let_go(row: Import) -> None:
    # Whatever ended the run may keep us from writing this too; a dead owner is noticed all the same.
    with suppress(DatabaseError):
        Import.objects.filter(id=row.id, owner=row.owner).update(owner="")


def _keep(row: Import, column: str, value: Struct) -> None:
    columns = sealed(row, column, value)
    Import.objects.filter(id=row.id).update(**columns)
    setattr(row, f"{column}_sealed", columns[f"{column}_sealed"])


def _report(seen: ImportPreview, planted: list[int], look: str) -> ImportReport:
    return ImportReport(
        look=look,
        counts=seen.counts,
        file_counts=seen.file_counts,
        taken_off=seen.taken_off,
        samples=seen.samples,
        problems=[_problem(problem) for problem in seen.problems],
        questions=[*map(_problem, seen.questions), *map(_refusal, filter(None, [seen.refusal]))],
        rejects=[
            RejectedLine(code, file, sentence=sentence_of(code, values), line=line)
            for file, line, code, values in seen.rejects
        ],
        examples=[[column.example for column in file.columns] for file in seen.plan.files],
        seen=[[column.seen for column in file.columns] for file in seen.plan.files],
        planted=planted,
    )


def _left_out(problems: Sequence[Problem]) -> list[ImportProblem]:
    """What of an export is not subscribers, to be said once more beside the result."""
    return [_problem(problem) for problem in problems if left_out([problem])]


def left_out(problems: Sequence[Problem]) -> dict[str, int]:
    """How many past campaigns, templates, images and other files stay out: kind -> number."""
    return plugins.count_leftovers(problems)


def left_out_of(row: Import) -> dict[str, int]:
    """The same of an import that was read."""
    return left_out([Problem(entry.code, "", entry.values) for entry in read_plan(row).left_out])


def _refusal(refusal: ImportRefused) -> ImportProblem:
    return ImportProblem(refusal.code, sentence=str(refusal))


def _problem(problem: Problem) -> ImportProblem:
    values = {name: str(value) for name, value in problem.values.items()}
    return ImportProblem(problem.code, problem.file, values, problem.sentence())
