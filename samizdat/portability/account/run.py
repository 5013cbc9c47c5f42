"""Brings in all that an account at another service holds: its subscribers, then its letters."""

from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.utils.translation import override
from msgspec.structs import replace

from samizdat.accounts.models import Organization, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import actions as audience
from samizdat.audience import queries, removal_limit
from samizdat.audience.errors import ImportRefused, ImportTaken, NoSuchList, TooManyRemovals
from samizdat.audience.imports import actions as imports
from samizdat.audience.imports import ownership, uploads
from samizdat.audience.imports.documents import AccountRules, ImportDocument, read_plan, sealed
from samizdat.audience.imports.held import ApprovedRemovals
from samizdat.audience.imports.inspect import ImportFile, fingerprints
from samizdat.audience.imports.run import ImportProgress
from samizdat.audience.models import Import, List
from samizdat.portability.account.documents import AccountReport, FoundAudience
from samizdat.portability.account.source import AccountSource, PeoplePart
from samizdat.portability.account.writer import KINDS, AccountImportTotals, AccountWriter, BroughtPeople
from samizdat.portability.parts.base import Places
from samizdat.vault import keyring

MOST_REFUSED = 200  # things that could not be read, of which the page tells

type Clock = Callable[[], datetime]
# Rows of subscribers; of all else, how much is done and how much there is.
type Tell = Callable[[int, int, int], object]


class ImportStopped(Exception):
    """Somebody asked for it to stop; it can go on."""


def bring(
    row: Import,
    source: AccountSource,
    *,
    now: Clock,
    tell: Tell | None = None,
    stop: Callable[[], bool] | None = None,
) -> AccountImportTotals:
    """Subscribers of every audience into their lists, then all the rest. The same row again after a kill: goes on where
    it was. Errors: ImportRefused, ImportTaken, ImportStopped; TooManyRemovals, with how many more somebody has to
    approve; CampaignError where there is no room."""
    with override(leading(row.organization).language):
        bringing = _Bringing(row, source, now, tell or (lambda *_counts: None), stop or (lambda: False))
        try:
            totals = bringing.people()
            if not _rules(row).people_only:
                bringing.letters(totals)
        except BaseException as ended:
            _let_go(row, ended)
            raise
        _finish(row, source, totals, now())
    return totals


class _Bringing:
    def __init__(self, row: Import, source: AccountSource, now: Clock, tell: Tell, stop: Callable[[], bool]) -> None:
        self._row, self._source, self._now, self._tell, self._stop = row, source, now, tell, stop
        self._places = Places(row, now(), row.by, {}, {}).load()
        self._lists: dict[str, List] = {}
        self._rows = 0

    def people(self) -> AccountImportTotals:
        """Each part is an import of its own, which the row knows once it is in: it is not read again after a kill."""
        totals = AccountImportTotals()
        for part in self._source.parts():
            if self._stop():
                raise ImportStopped
            to = self._list(part.list_name)
            self._lists[part.audience] = to
            warnings: list[str] = []
            run = self._brought(part, to) or self._bring(part, to, warnings)
            self._rows += run.counts.get("rows", 0)
            totals.people.append(BroughtPeople(part.audience, part.list_name, to, dict(run.counts), run.pk, warnings))
        return totals

    def letters(self, totals: AccountImportTotals) -> None:
        contents = self._source.contents()
        whole = contents.images + contents.templates + contents.drafts + contents.sent
        if not whole:
            return
        usual = next(iter(self._lists.values()), None) or self._list(self._source.service)
        writer = AccountWriter(self._row, self._lists, usual, service=self._source.service, now=self._now(),
                               listed=_rules(self._row).listed, totals=totals)  # fmt: skip
        for done, item in enumerate(self._source.items(), start=1):
            if self._stop():
                raise ImportStopped
            writer.take(item)
            self._tell(self._rows, done, whole)
        totals.refused += self._source.left

    def _list(self, name: str) -> List:
        organization = self._row.organization
        return list_called(organization, name) or audience.new_list(
            organization, name, now=self._now(), by=self._row.by
        )

    def _key(self, part: PeoplePart, to: List) -> str:
        return f"{part.key} {to.pk} {part.options.appeals}"

    def _brought(self, part: PeoplePart, to: List) -> Import | None:
        number = self._places.here("people", self._key(part, to)) or 0
        return Import.objects.filter(organization=self._row.organization, pk=number).first()

    def _bring(self, part: PeoplePart, to: List, warnings: list[str]) -> Import:
        document = read_plan(self._row)

        def report(progress: ImportProgress) -> None:
            self._tell(self._rows + progress.rows, 0, 0)

        try:
            run = imports.direct(
                self._row.organization, to, [part.file], now=self._now, source=part.importer, plan=part.plan,
                options=part.options, basis=document.basis or self._source.basis, by=self._row.by, stop=self._stop,
                warned=warnings.append, progress=report, part_of=self._row,
                approved=ApprovedRemovals(document.may_remove, document.wait),
            )  # fmt: skip
        except TooManyRemovals:
            raise TooManyRemovals(removal_limit.ALONE_A_DAY, self._count_removals()) from None
        if run.state == "stopped":
            raise ImportStopped
        self._keep(replace(document, may_remove=imports.read_plan(run).may_remove))
        self._places.put("people", self._key(part, to), run.pk)
        return run

    def _keep(self, document: ImportDocument) -> None:
        columns = sealed(self._row, "plan", document)
        Import.objects.filter(pk=self._row.pk).update(**columns)
        self._row.plan_sealed = columns["plan_sealed"]

    def _count_removals(self) -> int:
        """How many are taken off lists by what is not in yet: all of it is asked for at once."""
        organization, many = self._row.organization, 0
        for part in self._source.parts():
            to = list_called(organization, part.list_name) or List(id=0, organization=organization)
            if self._brought(part, to) is None:
                many += imports.look(
                    organization, to, [part.file], source=part.importer, plan=part.plan, options=part.options,
                    now=self._now(),
                ).taken_off  # fmt: skip
        return max(many, 1)


def list_called(organization: Organization, name: str) -> List | None:
    try:
        return queries.list_named(organization, name)
    except NoSuchList:
        return None


def begun(
    organization: Organization, source: str, mark: ImportFile, document: ImportDocument, *, now: datetime,
    by: Person | None,
) -> Import:  # fmt: skip
    """An import that was killed, of what has the same mark, else a new one; taken by this process. Errors:
    ImportTaken."""
    keys = keyring.keys(organization)
    marks = fingerprints((keys.index[version] for version in keys.versions), 0, [mark])
    rows = Import.objects.filter(organization=organization, fingerprint__in=marks, state__in=imports.RUNNABLE)
    row = rows.filter(source=source).order_by("-id").first()
    if row is None:
        with transaction.atomic():
            row = Import.objects.create(
                organization=organization, list=None, state="running", source=source, fingerprint=marks[0],
                counts={}, by=by, created=now, started=now,
            )  # fmt: skip
            Import.objects.filter(pk=row.pk).update(**sealed(row, "plan", document))
    elif ownership.is_alive(row, now):
        raise ImportTaken
    row = ownership.take(row.pk, imports.RUNNABLE, now)
    Import.objects.filter(pk=row.pk).update(state="running")
    row.refresh_from_db()
    return row


def _rules(row: Import) -> AccountRules:
    return read_plan(row).account or AccountRules()


def _let_go(row: Import, ended: BaseException) -> None:
    """Of one that was refused before anything came in nothing is left."""
    if isinstance(ended, ImportRefused) and not row.places.exists() and not row.pieces.exists():
        Import.objects.filter(pk=row.pk, owner=row.owner).delete()
    else:
        Import.objects.filter(pk=row.pk, owner=row.owner).update(owner="", state="stopped")


def _finish(row: Import, source: AccountSource, totals: AccountImportTotals, now: datetime) -> None:
    counts = {kind: totals.added[kind] for kind in KINDS} | {f"{kind}_here": totals.here[kind] for kind in KINDS}
    counts["rows"] = sum(people.counts.get("rows", 0) for people in totals.people)
    report = AccountReport(
        contents=source.contents(),
        audiences=[
            FoundAudience(people.key, people.list_name, people.counts.get("rows", 0), import_id=people.import_id)
            for people in totals.people
        ],
        refused=totals.refused[:MOST_REFUSED],
        elsewhere=totals.elsewhere,
        service=source.service,
    )
    with transaction.atomic():
        done = {"state": "finished", "owner": "", "problem": "", "finished": now, "counts": counts}
        if not Import.objects.filter(pk=row.pk, owner=row.owner).update(**done, **sealed(row, "report", report)):
            raise ImportTaken
        uploads.drop(row)
        totals.finish(row, now)
        source.note(totals, now, row.by)
