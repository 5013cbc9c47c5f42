"""The whole export of an account: what is in it, and bringing it in."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.utils.translation import gettext as _
from msgspec.structs import replace

from samizdat.accounts.models import Organization, Person
from samizdat.audience.errors import ImportRefused
from samizdat.audience.imports import actions as imports
from samizdat.audience.imports.documents import AccountRules, ImportDocument, ImportOptions
from samizdat.audience.imports.inspect import HeldUpload, ImportFile, UploadedFile, handed, pieces_of
from samizdat.audience.imports.reading.subprocess_reader import AccountReader, BadFiles, ReadingBroke
from samizdat.audience.models import Import, List
from samizdat.core.account_export import AccountAudience, AccountContents, AccountItem
from samizdat.portability.account import run
from samizdat.portability.account.documents import SOURCE, read_report
from samizdat.portability.account.source import PeoplePart
from samizdat.portability.account.writer import AccountImportTotals

PEOPLE = "mailchimp"  # The importer of its subscribers.
EARLIER = 20  # Finished imports that are asked whose account they were of; each report is opened.


@dataclass(slots=True)
class AudiencePlan:
    """An audience, and the list that its subscribers go into; `is_new`: it is made then. `statuses`: as the files have
    them."""

    audience: AccountAudience
    list_name: str
    is_new: bool
    counts: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class AccountPlan:
    """What an export holds and where it goes."""

    contents: AccountContents
    audiences: list[AudiencePlan]


class ExportedAccount:
    """An AccountSource."""

    service, basis = "Mailchimp", ""

    def __init__(self, file: ImportFile, plan: AccountPlan, options: ImportOptions) -> None:
        self._file, self._plan, self._options = file, plan, options
        self.left: list[tuple[str, str]] = []

    def contents(self) -> AccountContents:
        return self._plan.contents

    def parts(self) -> Iterator[PeoplePart]:
        for held in self._plan.audiences:
            options = replace(self._options, audience=held.audience.key)
            yield PeoplePart(held.audience.key, held.audience.name, held.list_name, self._file, PEOPLE, options)

    def note(self, totals: AccountImportTotals, now: datetime, by: Person | None) -> None:
        pass

    def items(self) -> Iterator[AccountItem]:
        with reading(self._file) as reader:
            reader.contents()
            yield from reader.items()


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


@contextmanager
def _answerable() -> Iterator[None]:
    """Of a whole account nobody says what a column means, so who has to is told where. Errors: ImportRefused."""
    try:
        yield
    except ImportRefused as refused:
        if not refused.code.startswith("ask_"):
            raise
        sentence = _(
            "%(sentence)s Unpack the export and import the files in `lists` by themselves: there you can say it."
        )
        raise ImportRefused(refused.code, sentence % {"sentence": str(refused)}, refused.values) from refused


def plan_of(organization: Organization, file: ImportFile, names: Mapping[str, str], usual: str = "") -> AccountPlan:
    """names: of lists, by the key or the name of an audience; usual: of the list for all others, "" for one that is
    called like the audience. Errors: ImportRefused."""
    with reading(file) as reader:
        contents = reader.contents()
    audiences = []
    for held in contents.audiences:
        name = names.get(held.key) or names.get(held.name) or usual or held.name or "Mailchimp"
        is_new = run.list_called(organization, name) is None
        warnings = [] if is_new else _of_another_account(organization, contents.account, name)
        audiences.append(AudiencePlan(held, name, is_new, warnings=warnings))
    return AccountPlan(contents, audiences)


def _of_another_account(organization: Organization, account: str, name: str) -> list[str]:
    """A warning, where the last export that came into the list was of another account than this one."""
    rows = Import.objects.filter(organization=organization, source=SOURCE, state="finished").order_by("-id")
    for row in rows[:EARLIER]:
        report = read_report(row)
        known = report.contents.account if report.contents else ""
        if known and any(held.list_name == name for held in report.audiences):
            sentence = _("This export is of another account than the one whose subscribers are in “%(name)s”. If its "
                         "subscribers didn’t agree to this list, choose another list name.")  # fmt: skip
            return [sentence % {"name": name}] if account and account != known else []
    return []


def look(
    organization: Organization, file: ImportFile, plan: AccountPlan, *, options: ImportOptions, now: datetime
) -> None:
    """Fills in what would become of the subscribers; writes nothing. Errors: ImportRefused."""
    for held in plan.audiences:
        to = run.list_called(organization, held.list_name) or List(id=0, organization=organization)
        mine = replace(options, audience=held.audience.key)
        with _answerable():
            seen = imports.look(organization, to, [file], source=PEOPLE, options=mine, now=now)
        held.counts, held.statuses = dict(seen.counts or {}), seen.file_counts
        held.warnings += [problem.sentence() for problem in seen.problems]


def bring(
    organization: Organization,
    file: ImportFile,
    plan: AccountPlan,
    *,
    options: ImportOptions,
    basis: str,
    listed: bool,
    now: Callable[[], datetime],
    by: Person | None = None,
    tell: run.Tell | None = None,
    stop: Callable[[], bool] | None = None,
) -> AccountImportTotals:
    """The same file again after a kill: goes on where it was. Errors: as of run.bring; ImportTaken."""
    name = file.name if isinstance(file, HeldUpload | UploadedFile) else Path(file).name
    document = ImportDocument([name], basis=basis, account=AccountRules(listed=listed))
    row = run.begun(organization, SOURCE, file, document, now=now(), by=by)
    with _answerable():
        totals = run.bring(row, ExportedAccount(file, plan, options), now=now, tell=tell, stop=stop)
    for held, people in zip(plan.audiences, totals.people, strict=True):
        held.counts = dict(people.counts)
        held.warnings += people.warnings
    return totals
