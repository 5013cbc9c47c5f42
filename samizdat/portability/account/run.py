"""The whole export of an account: what is in it, and bringing it in."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec.structs import replace

from samizdat.accounts.models import Organization, Person
from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.errors import ImportRefused, ImportTaken, NoSuchList
from samizdat.audience.imports import actions as imports
from samizdat.audience.imports import ownership, uploads
from samizdat.audience.imports.documents import ImportOptions, sealed
from samizdat.audience.imports.inspect import (
    HeldUpload,
    ImportFile,
    UploadedFile,
    fingerprints,
    handed,
    pieces_of,
)
from samizdat.audience.imports.reading.subprocess_reader import AccountReader, BadFiles, ReadingBroke
from samizdat.audience.models import Import, List
from samizdat.core.account_export import AccountAudience, AccountContents
from samizdat.portability.account.documents import SOURCE, AccountDocument, AccountReport, FoundAudience
from samizdat.portability.account.writer import KINDS, AccountImportTotals, AccountWriter
from samizdat.portability.parts.base import Places
from samizdat.vault import keyring

PEOPLE = "mailchimp"  # The importer of its subscribers.
MOST_REFUSED = 200  # things that could not be read, of which the page tells

type Clock = Callable[[], datetime]
type Tell = Callable[[int, int], None]


@dataclass(slots=True)
class AudiencePlan:
    """An audience, and the list that its subscribers go into; `is_new`: it is made then. `statuses`: as the files have
    them. `import_id`: the import of its subscribers, once they are in."""

    audience: AccountAudience
    list_name: str
    is_new: bool
    counts: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    import_id: int = 0
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class AccountPlan:
    """What an export holds and where it goes."""

    contents: AccountContents
    audiences: list[AudiencePlan]


class ImportStopped(Exception):
    """Somebody asked for it to stop; it can go on."""


@contextmanager
def reading(file: ImportFile) -> Iterator[AccountReader]:
    """Errors: ImportRefused, with a sentence about the file."""
    try:
        with AccountReader(handed([file])[0], pieces_of([file])) as reader:
            yield reader
    except BadFiles as bad:
        raise ImportRefused(bad.code, str(bad), bad.values) from bad
    except ReadingBroke as broke:
        raise ImportRefused(
            "reading_broke",
            "The process that reads the files ended by itself. Free some memory, then import the same file again: "
            "it goes on where it was.",
        ) from broke


def plan_of(organization: Organization, file: ImportFile, names: Mapping[str, str], usual: str = "") -> AccountPlan:
    """names: of lists, by the key or the name of an audience; usual: of the list for all others, "" for one that is
    called like the audience. Errors: ImportRefused."""
    with reading(file) as reader:
        contents = reader.contents()
    audiences = []
    for held in contents.audiences:
        name = names.get(held.key) or names.get(held.name) or usual or held.name or "Mailchimp"
        audiences.append(AudiencePlan(held, name, _list(organization, name) is None))
    return AccountPlan(contents, audiences)


def look(
    organization: Organization, file: ImportFile, plan: AccountPlan, *, options: ImportOptions, now: datetime
) -> None:
    """Fills in what would become of the subscribers; writes nothing. Errors: ImportRefused."""
    for held in plan.audiences:
        to = _list(organization, held.list_name) or List(id=0, organization=organization)
        mine = replace(options, audience=held.audience.key)
        seen = imports.look(organization, to, [file], source=PEOPLE, options=mine, now=now)
        held.counts, held.statuses = dict(seen.counts or {}), seen.file_counts
        held.warnings = [problem.sentence() for problem in seen.problems]


def bring(
    organization: Organization,
    file: ImportFile,
    plan: AccountPlan,
    *,
    options: ImportOptions,
    basis: str,
    listed: bool,
    now: Clock,
    by: Person | None = None,
    tell: Tell | None = None,
    stop: Callable[[], bool] | None = None,
    row: Import | None = None,
) -> AccountImportTotals:
    """Subscribers of every audience into their lists, then all the rest. The same file again after a kill: goes on
    where it was. row: the import that it is, where there is one. Errors: ImportRefused, ImportTaken, ImportStopped,
    CampaignError where there is no room."""
    row = row or _row(organization, file, now(), by)
    try:
        lists = _bring_people(row, file, plan, options, basis, now, by, tell, stop)
        if stop and stop():
            raise ImportStopped
        with reading(file) as reader:
            contents = reader.contents()
            whole = contents.images + contents.templates + contents.drafts + contents.sent
            writer = AccountWriter(row, lists, next(iter(lists.values())), listed=listed, now=now(), by=by)
            for done, item in enumerate(reader.items(), start=1):
                if stop and stop():
                    raise ImportStopped
                writer.take(item)
                if tell:
                    tell(done, whole)
    except BaseException as ended:
        _let_go(row, ended)
        raise
    _finish(row, plan, writer, now())
    return writer.totals


def _bring_people(
    row: Import,
    file: ImportFile,
    plan: AccountPlan,
    options: ImportOptions,
    basis: str,
    now: Clock,
    by: Person | None,
    tell: Tell | None,
    stop: Callable[[], bool] | None,
) -> dict[str, List]:
    """Each audience is an import of its own, which `row` knows once it is in: it is not read again after a kill. The
    lists, by the name of the audience; at least one."""
    organization, lists = row.organization, dict[str, List]()
    places = Places(row, now(), by, {}, {}).load()
    for held in plan.audiences:
        to = _list(organization, held.list_name) or audience.new_list(organization, held.list_name, now=now(), by=by)
        lists[held.audience.name] = to
        mine = replace(options, audience=held.audience.key)
        key = f"{held.audience.key} {to.pk} {mine.appeals}"
        run = Import.objects.filter(organization=organization, pk=places.here("people", key) or 0).first()
        if run is None:
            run = imports.direct(
                organization, to, [file], now=now, source=PEOPLE, options=mine, basis=basis, by=by, stop=stop,
                warned=held.warnings.append, progress=(lambda _state: tell(0, 0)) if tell else None,
            )  # fmt: skip
            _insist_on_whole(run, now())
            places.put("people", key, run.pk)
        held.counts, held.import_id = dict(run.counts), run.pk
    if not lists:
        name = "Mailchimp"
        lists[""] = _list(organization, name) or audience.new_list(organization, name, now=now(), by=by)
    return lists


def _let_go(row: Import, ended: BaseException) -> None:
    """Of one that was refused before anything came in nothing is left."""
    if isinstance(ended, ImportRefused) and not row.places.exists() and not row.pieces.exists():
        Import.objects.filter(pk=row.pk, owner=row.owner).delete()
    else:
        Import.objects.filter(pk=row.pk, owner=row.owner).update(owner="", state="stopped")


def _insist_on_whole(run: Import, now: datetime) -> None:
    """Errors: ImportStopped; ImportRefused where it would take more people off lists than somebody may alone."""
    if run.state == "stopped":
        raise ImportStopped
    if run.state == "held":
        imports.cancel(run, now=now, by=run.by)
        raise ImportRefused(
            "many_removed",
            _(
                "The export would unsubscribe or suppress more subscribers than one person may in a day. Import its "
                "files of subscribers by themselves: an admin then approves that."
            ),
        )


def _list(organization: Organization, name: str) -> List | None:
    try:
        return queries.list_named(organization, name)
    except NoSuchList:
        return None


def _row(organization: Organization, file: ImportFile, now: datetime, by: Person | None) -> Import:
    """Of an import of the same file that was killed, else a new one. Errors: ImportTaken."""
    keys = keyring.keys(organization)
    marks = fingerprints((keys.index[version] for version in keys.versions), 0, [file])
    rows = Import.objects.filter(organization=organization, fingerprint__in=marks, state__in=imports.RUNNABLE)
    row = rows.filter(source=SOURCE).order_by("-id").first()
    if row is None:
        name = file.name if isinstance(file, HeldUpload | UploadedFile) else Path(file).name
        with transaction.atomic():
            row = Import.objects.create(
                organization=organization, list=None, state="running", source=SOURCE, fingerprint=marks[0],
                counts={}, by=by, created=now, started=now,
            )  # fmt: skip
            Import.objects.filter(pk=row.pk).update(**sealed(row, "plan", AccountDocument([name])))
    elif ownership.is_alive(row, now):
        raise ImportTaken
    row = ownership.take(row.pk, imports.RUNNABLE, now)
    Import.objects.filter(pk=row.pk).update(state="running")
    row.refresh_from_db()
    return row


def _finish(row: Import, plan: AccountPlan, writer: AccountWriter, now: datetime) -> None:
    totals = writer.totals
    counts = {kind: totals.added[kind] for kind in KINDS} | {f"{kind}_here": totals.here[kind] for kind in KINDS}
    report = AccountReport(
        contents=plan.contents,
        audiences=[
            FoundAudience(held.audience.key, held.list_name, held.counts.get("rows", 0), import_id=held.import_id)
            for held in plan.audiences
        ],
        refused=totals.refused[:MOST_REFUSED],
        elsewhere=totals.elsewhere,
    )
    with transaction.atomic():
        done = {"state": "finished", "owner": "", "problem": "", "finished": now, "counts": counts}
        if not Import.objects.filter(pk=row.pk, owner=row.owner).update(**done, **sealed(row, "report", report)):
            raise ImportTaken
        uploads.drop(row)
        writer.finish()
