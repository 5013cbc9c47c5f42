"""Mailchimp: audience exports of both generations, whole-account exports, dumps of the old Export API.

The rules come from public importers, vendors' manuals and sample files. The status of a contact stands in the name
of its file and nowhere else; when the name is lost the columns tell most of it.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from samizdat.core.imports import (
    JSON_LINES,
    START,
    STATUSES,
    DetectedFile,
    DetectedFiles,
    ImportBatch,
    ImportColumn,
    ImportPlan,
    Position,
    Problem,
)
from samizdat.importers.reading import labels, slices
from samizdat.importers.reading.detect import column_of, detect_file, new_fields
from samizdat.importers.reading.files import GivenFile
from samizdat.importers.reading.text import TextTable

EXPORT_NAME = re.compile(
    r"(?P<status>subscribed|unsubscribed|cleaned|nonsubscribed)_(?:members|email_audience|email_segment|segment)"
    r"_export_(?P<audience>[0-9a-z]+)(?:\s*\(\d+\)|\s*-\s*\w+)?\.(?:csv|tsv|txt)",
    re.IGNORECASE,
)
WHOLE_ACCOUNT = re.compile(r"(?:^|/)lists/|(?:^|/)members_\d+_[^/]*\.csv$", re.IGNORECASE)
LIST_NUMBER = re.compile(
    r"(?:^|/)(?:members|subscribed|unsubscribed|cleaned|nonsubscribed|transactional)_(?P<audience>\d+)_[^/]*\.csv$",
    re.IGNORECASE,
)
SMS_ONLY = re.compile(r"(?:^|/)sms_only_", re.IGNORECASE)
# "unsubscribed" and "nonsubscribed" contain "subscribed", so the order matters.
NAMED = (
    (re.compile(r"unsubscribed|unsub", re.IGNORECASE), "unsubscribed"),
    (re.compile(r"non[ _-]?subscribed|transactional", re.IGNORECASE), "nonsubscribed"),
    (re.compile(r"cleaned|bounced", re.IGNORECASE), "cleaned"),
    (re.compile(r"pending", re.IGNORECASE), "pending"),
    (re.compile(r"subscribed", re.IGNORECASE), "subscribed"),
    # The folder of a whole account beside those of who left (Mailchimp's help page: "subscribed (members)").
    (re.compile(r"^members/members_\d+_", re.IGNORECASE), "subscribed"),
)
# Label -> what the column becomes, and a code of OUT_BECAUSE for what stays out.
SYSTEM = {
    "EMAIL_TYPE": ("out", "provider"),
    "MEMBER_RATING": ("out", "reading"),
    "OPTIN_TIME": ("opt_in_time", ""),
    "OPTIN_IP": ("out", "ip"),
    "CONFIRM_TIME": ("confirm_time", ""),
    "CONFIRM_IP": ("out", "ip"),
    "LATITUDE": ("out", "ip"),
    "LONGITUDE": ("out", "ip"),
    "GMTOFF": ("out", "ip"),
    "DSTOFF": ("out", "ip"),
    "TIMEZONE": ("out", "ip"),
    "CC": ("out", "ip"),
    "REGION": ("out", "ip"),
    "LAST_CHANGED": ("last_changed", ""),
    "UNSUB_TIME": ("left_time", ""),
    "UNSUB_CAMPAIGN_TITLE": ("out", "provider"),
    "UNSUB_CAMPAIGN_ID": ("out", "provider"),
    "UNSUB_REASON": ("left_reason", ""),
    "UNSUB_REASON_OTHER": ("left_reason", ""),
    "CLEAN_TIME": ("clean_time", ""),
    "CLEAN_CAMPAIGN_TITLE": ("out", "provider"),
    "CLEAN_CAMPAIGN_ID": ("out", "provider"),
    "LEID": ("out", "provider"),
    "EUID": ("out", "provider"),
    "NOTES": ("notes", ""),
    "TAGS": ("tags", ""),
}
KNOWN = frozenset(map(labels.plain, SYSTEM)) - {"notes", "tags"}  # these are the organization's own words
# Any other file may have a column called NOTES or REGION; these names nobody else uses.
FINGERPRINT = frozenset(SYSTEM) - {"EMAIL_TYPE", "TIMEZONE", "CC", "REGION", "LATITUDE", "LONGITUDE", "NOTES", "TAGS"}


class MailchimpImporter:
    """Mailchimp's exports: the zip, its files, or what became of them in a spreadsheet."""

    name = "mailchimp"
    title = "Mailchimp"

    def looks_like(self, name: str, sheet: TextTable) -> bool:
        """Whether a file is one of Mailchimp's contacts, by its name or by its columns."""
        if EXPORT_NAME.fullmatch(PurePosixPath(name).name) or SMS_ONLY.search(name):
            return True
        # No contact was ever exported without its times; two names of the ten leave room for a hand that tidied.
        return len(FINGERPRINT & {label.strip() for label in sheet.heading}) >= 2

    def inspect(self, given: GivenFile, *, thorough: bool = True) -> DetectedFiles:
        """The files of contacts, their columns and statuses. Other files of an account export are passed over."""
        tagger = labels.Tagger()
        files: list[DetectedFile] = []
        problems = list(given.problems)
        for index, member in enumerate(given.members):
            if SMS_ONLY.search(member.name):
                problems.append(Problem("sms_only", member.name, stops=False))
            elif self._is_ours(given, index):
                detected_file, more = detect_file(
                    given, index, lambda sheet: _columns(sheet, tagger), thorough=thorough, known=KNOWN
                )
                problems += more
                if detected_file:
                    files.append(_with_status(detected_file))
        problems += _audiences(files)
        if not files and not any(problem.stops for problem in problems):
            problems += _unread(given) or [Problem("no_files", "")]
        files.sort(key=lambda file: STATUSES.index(file.status or "subscribed"))
        return DetectedFiles(self.name, files, problems)

    def read(
        self, given: GivenFile, plan: ImportPlan, start: Position = START, size: int = 5_000
    ) -> Iterator[ImportBatch]:
        """The rows of a plan, in slices; see `slices.read`."""
        return slices.read(given, plan, start, size)

    def _is_ours(self, given: GivenFile, index: int) -> bool:
        name, sheet = given.members[index].name, given.sheet(index)
        if isinstance(sheet, Problem):
            # Damaged or empty: worth a word only if its name says that people were in it.
            return bool(EXPORT_NAME.fullmatch(PurePosixPath(name).name)) or len(given.members) == 1
        return self.looks_like(name, sheet) or bool(WHOLE_ACCOUNT.search(name)) or len(given.members) == 1


def status_of(name: str, heading: list[str]) -> tuple[str | None, str]:
    """Status of a file and where it is known from: 'name', 'columns', or (None, 'asked')."""
    base = PurePosixPath(name).name
    if exact := EXPORT_NAME.fullmatch(base):
        claimed: str | None = exact["status"].lower()
    else:
        folders = "/".join(PurePosixPath(name).parts[-2:])
        claimed = next((status for pattern, status in NAMED if pattern.search(folders)), None)
    by_columns = _by_columns(heading)
    # A file renamed to "subscribed" whose people have an UNSUB_TIME holds people who left.
    if by_columns and by_columns != claimed:
        return by_columns, "columns"
    return (claimed, "name") if claimed else (None, "asked")


def _by_columns(heading: list[str]) -> str | None:
    labels_seen = {label.strip() for label in heading}
    if {"UNSUB_TIME", "CLEAN_TIME"} <= labels_seen:
        return None  # several files put together by hand: each row tells, or we ask
    if "CLEAN_TIME" in labels_seen:
        return "cleaned"
    return "unsubscribed" if "UNSUB_TIME" in labels_seen else None


def _with_status(file: DetectedFile) -> DetectedFile:
    file.status, file.status_source = status_of(file.name, [column.label for column in file.columns])
    if file.says_everything and file.status_source == "asked":
        file.status_source = "columns"
    if match := EXPORT_NAME.search(file.name) or LIST_NUMBER.search(file.name):
        file.audience = match["audience"]
    return file


def _columns(sheet: TextTable, tagger: labels.Tagger) -> list[ImportColumn]:
    """What each column becomes. The first is the address whatever it is called; system columns go by name, the
    last of a name if an audience field is called the same; groups are told by their cells."""
    system = {label.strip(): index for index, label in enumerate(sheet.heading) if label.strip() in SYSTEM}
    targets: dict[int, tuple[str, str]] = {index: SYSTEM[label] for label, index in system.items()}
    targets[0] = ("address", "")
    rest = [index for index in range(len(sheet.heading)) if index not in targets]
    for index in rest:
        if special := _special(sheet, index):
            targets[index] = (special, "")
    fields = new_fields(sheet, (index for index in rest if index not in targets), tagger)
    targets |= {index: (target, "") for index, target in fields.items()}
    return [column_of(sheet, index, *targets[index]) for index in range(len(sheet.heading))]


def _special(sheet: TextTable, index: int) -> str:
    """A group or language among the audience fields; "" for a plain field."""
    label = sheet.heading[index].strip()
    if labels.plain(label) in labels.LANGUAGE and "language" not in map(str.lower, sheet.heading[:index]):
        return "language"
    cells = sheet.cells(index)
    return f"group:{label}" if label and not labels.standard_field(label) and _are_groups(cells) else ""


def _are_groups(cells: list[str]) -> bool:
    """Interest groups come in few names, often several in a cell and in other company in another cell. That tells
    them from free text with commas ("Court Diary, Ltd"), however often it is repeated."""
    several = {tuple(map(str.strip, re.split(r"(?<!\\),", cell))) for cell in cells}
    parts = Counter(part for cell in several for part in set(cell))
    together = {part for cell in several if len(cell) > 1 for part in cell}
    if not together or "" in parts or len(parts) > 60:
        return False
    return sum(1 for part in together if parts[part] > 1) * 2 >= len(together)


def _audiences(files: list[DetectedFile]) -> list[Problem]:
    names = sorted({file.audience for file in files if file.audience})
    if len(names) < 2:
        return []
    values = {"count": len(names), "names": ", ".join(names[:5])}
    return [Problem("several_audiences", "", values, stops=False)]


def _unread(given: GivenFile) -> list[Problem]:
    problems = []
    for index, member in enumerate(given.members[:20]):
        sheet = given.sheet(index)
        if isinstance(sheet, Problem):
            problems.append(sheet)
        elif sheet.delimiter != JSON_LINES:
            problems.append(Problem("no_address_column", member.name))
    return problems
