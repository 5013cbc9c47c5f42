"""What is sealed of an import: how its files are read, and what reading them found."""

from contextlib import suppress
from typing import Any

from msgspec import Struct

from samizdat.audience.models import Import
from samizdat.core.crypto.seal import SealBroken
from samizdat.core.imports import ImportPlan
from samizdat.vault import keyring
from samizdat.vault.errors import RecordBroken

# Imports of what lies here already (portability/account_copies): they need no files.
COPIED = "standing-copy"


class ImportProblem(Struct, frozen=True):
    """A sentence of SENTENCES, to be said in the language of whoever looks; `sentence` as the worker said it."""

    code: str = ""
    file: str = ""
    values: dict[str, str] = {}
    sentence: str = ""


class RejectedLine(ImportProblem, frozen=True):
    """Without what its sentence may need: the line's own content is never kept."""

    line: int = 0


class Sample(Struct, frozen=True):
    """A row as it will be. Its values are a person's data: shown to who brings them in, stored sealed if at all."""

    initial: str
    status: str
    since: str
    language: str
    tags: tuple[str, ...]
    values: dict[str, str]


class ImportReport(Struct, frozen=True):
    """What inspect() found, until the import has run. `counts`: None while a question is open. `file_counts`: as of
    ImportPreview, as `taken_off`. `examples` and `seen`: of each file its columns'. `planted`: numbers of exports.
    `failed`: why nothing came in. `look`: as of the document."""

    look: str = ""
    counts: dict[str, int] | None = None
    file_counts: dict[str, int] = {}
    taken_off: int = 0
    samples: list[Sample] = []
    problems: list[ImportProblem] = []
    questions: list[ImportProblem] = []
    rejects: list[RejectedLine] = []
    examples: list[list[str]] = []
    seen: list[list[dict[str, tuple[str, int]]]] = []
    planted: list[int] = []
    failed: ImportProblem = ImportProblem()


class ImportOptions(Struct, frozen=True, omit_defaults=True):
    """What is asked of an import besides its columns. `tags`: for everybody in it. `update_only`: whoever is not on the
    list is skipped, and of what a file says about consent only a no counts. `appeals`: the words in which their consent
    covered appeals for money, "" where it did not (imports/appeals.py). `audience`: of whose files alone it is, as
    DetectedFile.audience; None: of all."""

    tags: tuple[str, ...] = ()
    update_only: bool = False
    appeals: str = ""
    audience: str | None = None


NO_OPTIONS = ImportOptions()


class MailboxRules(Struct, frozen=True):
    """Of an upload of mailboxes and tables. `own`: the group's addresses, or @ and a domain; `senders`: its domains
    that send notices. `form_signups`: whoever is in the log of a form subscribed by it."""

    own: list[str]
    senders: list[str] = []
    form_signups: bool = False


class AccountRules(Struct, frozen=True, omit_defaults=True):
    """Of an import of a whole account. `lists`: key of an audience -> name of its list. `listed`: sent campaigns stand
    in the public archive. `copy`: the standing copy that it is of, 0 for an export. `people_only`: nothing else.
    `keep_deleted`: who was deleted at the service comes in as they were before that. `keep_unticked`: who was
    subscribed and ticked none of what they were asked to agree to comes in as subscribed."""

    lists: dict[str, str] = {}
    listed: bool = False
    copy: int = 0
    people_only: bool = False
    keep_deleted: bool = False
    keep_unticked: bool = False


class ImportDocument(Struct, frozen=True, omit_defaults=True):
    """`plan`: None until the files were read. `source`: an importer, where somebody said which. `basis`: why one may
    write to them. `left_out`: what of the export is not subscribers. `cut`: rows of a slice and of a stretch; kept for
    good, since its place is told in slices, and an upgrade between a kill and the going on may cut differently. `go`:
    the event of its start, 0 before; `is_shown`: the report is about these files; `look`: drawn by each look, in both;
    `shown_list`: the list that it was looked through for (confirmation.py). `place`: file of the export in reading
    order, rows of it that are stored, and slices of the stretch after them. In the open, whoever writes the database
    without keys would have it pass over the files of those who left. `newest_record`: of consent, when it began: who
    came on a list by this import has newer ones. `index_key`: the number of the index key by which its rows are put in
    order. `asked`: how many it would take off lists, while it waits for an
    admin (held.py), and `wait`: drawn then; `may_remove`: how many of those who were agreed to it has not come to
    yet; `may_bring`: how many of the rows that were counted or agreed to, None where nobody has to agree to any.
    `mailboxes`: of an upload that is not rows yet (incoming/evidence/uploaded.py); `notes`: what reading
    those came across. `is_fixed`: we wrote its files ourselves, and nobody says otherwise what they mean. `account`: of
    one of a whole account, whose subscribers come in by imports of their own; `part_of`: of those, which one it is."""

    names: list[str] = []
    plan: ImportPlan | None = None
    basis: str = ""
    source: str | None = None
    left_out: list[ImportProblem] = []
    cut: tuple[int, int] | None = None
    go: int = 0
    is_shown: bool = False
    look: str = ""
    wait: str = ""
    index_key: int = 0
    shown_list: int | None = None
    place: tuple[int, int, int] = (0, 0, 0)
    newest_record: int | None = None
    asked: int = 0
    may_remove: int = 0
    may_bring: int | None = None
    options: ImportOptions = NO_OPTIONS
    mailboxes: MailboxRules | None = None
    notes: list[ImportProblem] = []
    is_fixed: bool = False
    account: AccountRules | None = None
    part_of: int = 0

    @property
    def plan_to_read(self) -> ImportPlan | None:
        """Its plan; where only those who are here are updated, a file that says nobody's status needs none."""
        return self.plan.with_status("subscribed") if self.plan and self.options.update_only else self.plan


def read_report(row: Import) -> ImportReport:
    return open_document(row, "report", ImportReport)


def read_plan(row: Import) -> ImportDocument:
    return open_document(row, "plan", ImportDocument)


def is_part(row: Import) -> bool:
    """Whether it is one of those by which a whole account comes in."""
    with suppress(SealBroken, RecordBroken):
        return bool(read_plan(row).part_of)
    return False


def open_document[T](row: Import, column: str, type: type[T]) -> T:
    blob: bytes = getattr(row, f"{column}_sealed")
    return keyring.keys(row.organization).open_json(blob, "import", column, row.pk, type)


def sealed(row: Import, column: str, value: Struct) -> dict[str, Any]:
    """Column -> what it shall hold."""
    return {f"{column}_sealed": keyring.keys(row.organization).seal_json(value, "import", column, row.pk)}
