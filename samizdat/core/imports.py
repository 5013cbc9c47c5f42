"""What importers and the rest tell each other: what was found, what shall become of it, and what comes in.

Values alone, so that both sides know them by type and neither knows the other. What an importer must be able to do is
in importers/base.py, what apps may ask of importers in plugins.py.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct, ValidationError, convert, structs, to_builtins

from samizdat.core.fields import STANDARD_FIELDS

# Strongest first. Files are read in this order, so that whoever left is known as gone before any file can
# name them as subscribed (formats/mailchimp.md: the strongest suppression wins within one audience).
STATUSES = ("cleaned", "unsubscribed", "nonsubscribed", "pending", "subscribed")
SUPPRESSING = frozenset({"cleaned", "unsubscribed"})
# Who called a letter spam has left, and their address is suppressed for every list. Only a row can say it.
COMPLAINED = "complained"
# What a word of a status column may stand for. "": nothing of its own, so what was said of the whole file.
MEANINGS = (*STATUSES, COMPLAINED, "")
# Of a tag or a group: it stays out.
LEFT_OUT = "out"
# Of a word that a person still has to explain. Nothing comes in while one is left.
UNSAID = "?"
# Words that stand for no word: an empty cell, and every text that is not named.
EMPTY, OTHERS = "", "*"

DELIMITERS = (",", ";", "\t", "|")
JSON_LINES = "json"
ADDRESS_LIST = "addresses"  # names and addresses as people write them into a letter's "To"

# What a person may choose for a file when our guess is wrong.
ENCODINGS = (
    "utf-8",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "cp1251",
    "cp1252",
    "latin-1",
    "cp1250",
    "koi8-r",
    "cp866",
)

# `Column.form` where cells that look like formulas begin with an apostrophe, where they are JSON, and where tags are
# parted as address books do.
GUARDED, DOCUMENT, LISTED = "guarded", "json", "listed"

# What a column may become, besides "field:<TAG>" and "group:<Category>".
TIMES = frozenset({"opt_in_time", "confirm_time", "left_time", "clean_time", "last_changed"})
TARGETS = TIMES | {"address", "name", "tags", "language", "notes", "status", "left_reason", "out"}
FIELD_TAG = re.compile(r"[A-Z][A-Z0-9_]{0,9}")

# Why a column stays out unless somebody asks for it. Code -> sentence.
OUT_BECAUSE = {
    "ip": "Derived from an IP address. We don’t store locations.",
    "reading": "Shows how or where emails were opened. We don’t store that.",
    "provider": "Only has a meaning inside the service it comes from.",
    "donations": "Shows who donated. This can get people prosecuted, so it isn’t imported.",
    "members": "Shows who is a member. This can get people prosecuted, so it isn’t imported.",
    "elsewhere": "About another channel, such as phone or SMS, not email.",
    "watched": "About open and click tracking, which Samizdat doesn’t do.",
    "posting": "About posting to a discussion list, not about getting email.",
    "unneeded": "Not needed to send email. Match it with a field if you need it.",
}
# Of these, columns that nobody brings in at the desk and that no earlier choice brings back.
PRIVATE = frozenset({"donations", "members"})
# What counts towards the status of a row where it has words: a tag or a note may say that somebody left.
# What is written beside an address in its own cell may as well.
WORDED = ("status", "address", "tags", "notes", "left_reason", "name", "field:FNAME", "field:LNAME")


def is_worded(target: str) -> bool:
    return target in WORDED or target.startswith("group:")


def holds_several(target: str) -> bool:
    """Whether a cell may hold several values, of which one can stay out."""
    return target == "tags" or target.startswith("group:")


def _any_of(words: Iterable[str], *patterns: str) -> Meta:
    return Meta(pattern=rf"\A(?:{'|'.join([*map(re.escape, words), *patterns])})\Z")


# What a plan may say; it may have passed through a browser.
type Count = Annotated[int, Meta(ge=0)]
type Status = Annotated[str, _any_of(STATUSES)]
type Meaning = Annotated[str, _any_of((*MEANINGS, LEFT_OUT, UNSAID))]
type Target = Annotated[str, _any_of(TARGETS, f"field:{FIELD_TAG.pattern}", r"group:(?s:.*)\S(?s:.*)")]
type Asks = Annotated[str, _any_of(("", "label", "cells", "givers"))]
type Encoding = Annotated[str, _any_of(ENCODINGS)]
type Delimiter = Annotated[str, _any_of((*DELIMITERS, JSON_LINES, ADDRESS_LIST))]

# Code -> what happened, then what to do. One table for problems of files and complaints about lines.
SENTENCES = {
    # a line
    "columns": "This line has {has} columns, but the heading has {wants}. Check for a stray line break.",
    "open_quote": "This line opens a quotation mark that is never closed. Close it in the file and import it again.",
    "cell_too_long": "A cell in this line is longer than {limit} characters. Shorten it and import the file again.",
    "many_tags": "This subscriber would have more than {limit} tags. Check that the right column is used for tags, or "
    "remove some of them.",
    "much_text": "This subscriber would have more than {limit} KB of text. Shorten this line, or import fewer columns.",
    "line_too_long": "This line is longer than {limit} characters. Check for missing line breaks.",
    "nul": "This line contains NUL bytes, so part of it is damaged. Write it again and import the file again.",
    "encoding": "This line isn’t in {encoding} like the rest. Save the file as UTF-8 and import it again.",
    "commented": "This line begins with # or //, so it was skipped. Remove that sign to import the address.",
    "not_json": "This line isn’t a JSON list like the rest. Write it again or remove it.",
    "unknown_status": "We don’t know the status “{word}”. Say what it means under Match columns, then check the "
    "file again.",
    # a file
    "mailbox_none": "{file} holds no emails. Give an mbox file, a Maildir folder, a folder of .eml files, or the zip "
    "of Google Takeout.",
    "mailbox_outlook": "{file} is a mailbox of Outlook. Convert it with readpst, then give what readpst wrote.",
    "mailbox_foreign": "Of {received} emails, {ours} went to an address of your group: this is somebody else’s "
    "mailbox, or an address is missing. Name all addresses of your group and upload it again.",
    "mailbox_own": "Mailboxes are told apart by the addresses of your group. Name each of them, and upload again.",
    "mailbox_nothing": "These files prove nothing about anybody: no sign-ups, unsubscribes or bounces. Give other "
    "mailboxes or tables.",
    "mailbox_server": "It can’t be told which mail server took these emails, so no notice counts as a sign-up. Use "
    "`samizdat rescue mailbox` with --server.",
    "mailbox_unclear": "Notices of services that aren’t understood: {count}. `samizdat rescue mailbox` can be told "
    "what they mean.",
    "mailbox_unreadable": "Emails that are damaged or too large, and were skipped: {count}.",
    "mailbox_came_back": "Unsubscribed, then subscribed again: {count}. They stay unsubscribed; ask them yourself.",
    "table_givers": "{file} lists gifts or payments, so it wasn’t read: giving is no consent, and a list of donors can "
    "put people on trial.",
    "own_table": "{file} is a table that Samizdat exports for people to read; it would import everyone who "
    "unsubscribed as a subscriber. Export again in the “samizdat” format and import that file.",
    "missing": "{file} can’t be found. Check the name.",
    "unreadable": "{file} can’t be read ({reason}). Check that you have permission to read it.",
    "empty": "{file} is empty. Download it again.",
    "no_files": "None of these files contains subscribers. Choose the zip or the CSV files as you got them.",
    "no_rows": "{file} has a heading but no rows, so there’s nothing to import.",
    "torn_zip": "{file} is damaged: part of the zip is missing. Download it again.",
    "no_account": "{file} isn’t the export of a whole Mailchimp account. Import subscribers with samizdat import.",
    "account_files": "{file} contains more than {limit} files. Unpack it, delete its folders granular_activity and "
    "aggregate_activity, and import the folder with samizdat import-account.",
    "several_accounts": "{file} contains exports of several accounts ({names}). Import them one by one.",
    "locked_zip": "{file} is password-protected. Unpack it first and choose the files in it.",
    "strange_zip": "{file} is packed in a way we can’t read. Unpack it and choose the files in it.",
    "zip_bomb": "{file} unpacks to more data than any export would contain. Unpack it and choose only the CSV "
    "files in it.",
    "too_many": "{file} contains more than {limit} files. Choose only the CSV files with subscribers.",
    "long_name": "{file} contains a file whose name is longer than {limit} characters. Unpack it and choose only "
    "the CSV files.",
    "too_deep": "{file} is a zip in a zip in a zip. Unpack it and choose the innermost one.",
    "too_large": "This is more than {limit} GB. Split it into smaller files and import them one by one.",
    "macros": "{file} contains macros. They are ignored; only the cells are read.",
    "outside_links": "{file} takes cells from other files. We never open those; we read what was last shown.",
    "torn_workbook": "{file} can’t be read as a spreadsheet. Save it as “CSV UTF-8” and choose that file.",
    "locked_book": "{file} is password-protected. Save it without a password and choose it again.",
    "formulas": "{file}: cell {cell} is a formula, and its result isn’t in the file. Open the spreadsheet in Excel "
    "or LibreOffice, save it and import it again, or save it as “CSV UTF-8”.",
    "large_workbook": "{file} is too large to be read as a spreadsheet. Save it as “CSV UTF-8” and choose that file.",
    "no_people_sheet": "{file} contains no email addresses and was left out.",
    "too_many_columns": "{file} has more than {limit} columns, more than any list of people has. Check what "
    "separates its columns, or remove the ones you don’t need.",
    "many_columns": "{file} and the other files have more than {limit} columns together. "
    "Import fewer files at once, or delete columns that you don’t need.",
    "costs_too_much": "{file} takes more time or memory to read than a list of its size should. Save it as “CSV "
    "UTF-8” and choose that file.",
    "wide_document": "{file} has too many people and too many columns for a file of this kind. Import the list as CSV.",
    "large_document": "{file} is larger than {limit} MB, too large for a file of this kind. Import the list as CSV.",
    "torn_document": "{file} is cut off or damaged. Download it again.",
    "pickle": "{file} is Mailman’s internal storage, which can run code when it’s opened. Run `list_members -f "
    "LIST` and import what it prints.",
    "reading_files": "{count} files show who got or opened which email. They were left out; we don’t keep that.",
    "left_campaigns": "Left out: past campaigns ({count}). Those of a whole Mailchimp account are imported by "
    "`samizdat import-account`. Otherwise, keep the file.",
    "left_templates": "Left out: templates ({count}). Import each under Templates, or with `samizdat template import`.",
    "left_images": "Left out: images ({count}). Add the ones you need under Media.",
    "left_other": "Left out: other files ({count}): {names}.",
    "other_people": "{file} contains addresses, but isn’t from the same service as the others. It was left out: "
    "import it separately.",
    "lists_unsaid": "{file} doesn’t say who unsubscribed from which list: listmonk doesn’t export that. Export "
    "only the people subscribed to one list, or say what their status is.",
    "mautic_unsaid": "{file} doesn’t say who must not be contacted: Mautic doesn’t export that. Import a report with "
    "“DNC preferences” too, or say what their status is.",
    "out_ip": "Left out: {labels}. It was derived from an IP address. We don’t store where people were.",
    "out_reading": "Left out: {labels}. It shows how or where people read. We don’t store it.",
    "out_provider": "Left out: {labels}. It only has a meaning in the service it comes from.",
    "out_donations": "Left out: {labels}. It shows who gave money, which can put people on trial. Samizdat doesn’t "
    "store it with subscribers.",
    "out_members": "Left out: {labels}. It shows who is a member, which can put people on trial. Samizdat doesn’t "
    "store it with subscribers.",
    "out_elsewhere": "Left out: {labels}. It’s about another channel, such as phone or SMS.",
    "out_watched": "Left out: {labels}. It’s about tracking who opens emails, which Samizdat doesn’t do.",
    "out_posting": "Left out: {labels}. It’s about posting to a discussion list, not about getting email.",
    "out_unneeded": "Left out: {labels}. Sending email doesn’t need it. If you do, match it with a field.",
    "address_book": "{file} is an address book. Being in it isn’t consent: import only people who asked for your "
    "emails.",
    "remembered": "The columns of {file} are matched as you chose last time.",
    "other_packing": "{file} is packed, but not as a zip. Unpack it and choose the files in it.",
    "spreadsheet": "{file} is a kind of spreadsheet that we can’t read. Save it as “CSV UTF-8” and choose that file.",
    "web_page": "{file} is a web page, maybe a sign-in page. Download the export again.",
    "own_export": "{file} is a Samizdat export. Import it separately, into an organization that never had subscribers.",
    "sealed_file": "{file} is encrypted with age. Import it separately, with the key or passphrase, or decrypt it "
    "first.",
    "not_text": "{file} isn’t a text file with rows. Choose the zip or the CSV files as you got them.",
    "no_address_column": "No column of {file} contains email addresses. Is it a list of subscribers? Choose "
    "another file.",
    "sms_only": "{file} contains phone numbers without email addresses. It was left out.",
    "assumed_encoding": "{file} doesn’t say which encoding it uses; we assume {encoding}. Check the names before "
    "you import it.",
    "mixed_encodings": "{file} is partly in UTF-8 and partly in {encoding}, so some names would turn into "
    "gibberish. Make a separate file of each part, or save all of it as UTF-8.",
    "short_numbers": "A spreadsheet program shortened the numbers under “{label}” (such as {example}). Use the "
    "original file if you still have it.",
    "unread_times": "The times under “{label}” (such as {example}) can’t be read and stay empty. To keep them, "
    "save them as 2026-11-25 18:00:00.",
    "several_audiences": "These files are from {count} audiences ({names}). Leave out the ones that belong to "
    "another list.",
    # a plan
    "ask_name": "The name of {file} suggests that these people unsubscribed, but it may mean something else. "
    "Choose their status, or rename the file if they’re subscribed.",
    "ask_status": "{file} doesn’t say whether these people are subscribed. Choose their status.",
    "leaving_line": "{file}, line {line}: “{text}” suggests that people unsubscribed, but no column says so. Put "
    "them into a separate file and import it as unsubscribed.",
    "ask_columns": "{file}: some columns may say who must not be emailed: {labels}. Say what each of them means.",
    "ask_givers": "{file}: some words show who donates or pays: {labels}. They’re left out unless you choose "
    "otherwise.",
    "counted_words": "{file}: some words say that people must not be emailed, and count as that: {labels}.",
    "ask_words": "{file}: say what these words mean in the column “{label}”: {words}.",
    "ask_address": "Say which column of {file} is the email address.",
    "two_columns": "Two columns of {file} are both matched to {target}. Change one of them.",
    "nothing_used": "Every file is left out. Choose at least one.",
}


class ImportFailed(ValueError):
    """A surprise that ends the reading: a torn zip, a plan that does not fit. `str()` says what to do."""

    def __init__(self, code: str, **values: object) -> None:
        self.code = code
        self.values = values
        super().__init__(SENTENCES[code].format(**values))


class BadPlan(ValueError):
    """A plan that came back from outside and cannot be one of ours. `str()` says which part."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a file that a person should know. `stops` tells that nothing of the file can come in."""

    code: str
    file: str
    values: Mapping[str, object] = field(default_factory=dict)
    stops: bool = True

    def sentence(self) -> str:
        return SENTENCES[self.code].format(**{"file": self.file, **self.values})


class RowError(NamedTuple):
    """A rejected line. Holds no content of the line beyond what `values` needs for the sentence."""

    line: int
    file: str
    code: str
    values: dict[str, object]

    def sentence(self) -> str:
        return SENTENCES[self.code].format(**{"file": self.file, **self.values})


class IncomingRow(NamedTuple):
    """One row as it comes in. A named tuple: at a million rows its making costs a third of a dataclass's.

    `fields` has one text for each tag of `Plan.layout()`, "" where the file has nothing.
    Times are `YYYY-MM-DDTHH:MM:SSZ` (UTC) or "". `groups` are (category, name) pairs.
    """

    line: int
    address: str
    status: str
    fields: tuple[str, ...]
    tags: tuple[str, ...]
    groups: tuple[tuple[str, str], ...]
    language: str
    opt_in_time: str
    confirm_time: str
    left_time: str
    left_reason: str
    changed_time: str
    notes: str


class ImportColumn(Struct):
    """A column of a file and what it becomes. `example` is a person's data: shown, never stored."""

    index: Count
    label: str
    example: str = ""
    becomes: Target = "out"
    why: str = ""  # a code of OUT_BECAUSE
    form: str = ""  # GUARDED, DOCUMENT, or of dates "mdy" or "dmy": what is first where the cells do not tell
    words: dict[str, Meaning] = {}  # where it tells a status: word -> one of MEANINGS, or UNSAID
    # Why a person must say what it means: "label", "cells", "givers"; "" when nobody has to, or somebody did.
    asks: Asks = ""
    # Word -> as the file writes it, and in how many rows. A person's data like `example`: shown, never stored.
    seen: dict[str, tuple[str, int]] = {}

    @property
    def says_no(self) -> bool:
        """Whether it may say of somebody that they must not be written to."""
        words = {word for word, meaning in self.words.items() if meaning != LEFT_OUT} - {OTHERS}
        return bool(words) or self.asks in {"label", "cells"} or self.becomes in {"left_time", "clean_time"}

    @property
    def is_explained(self) -> bool:
        """Whether each of its words has a meaning, said or likely."""
        return UNSAID not in self.words.values()

    def stays_out(self) -> list[str]:
        """The words of it that stay out, as the file writes them."""
        out = [word for word, meaning in self.words.items() if meaning == LEFT_OUT and is_worded(self.becomes)]
        return [self.seen.get(word, (word, 0))[0] for word in out]


class DetectedFile(Struct):
    """One file of subscribers. `member` is its place among the members of what was given."""

    name: str
    member: Count
    status: Status | None
    status_source: str  # 'name', 'columns', 'asked' or 'assumed'; 'hinted': by a name that may mean something else
    encoding: Encoding
    delimiter: Delimiter  # one character, JSON_LINES or ADDRESS_LIST
    columns: list[ImportColumn]
    size: Count = 0  # bytes, unpacked
    skip: Count = 1  # records before the first row: heading, Excel's "sep=;"
    about_rows: Count = 0  # line breaks counted, so an upper bound where cells hold line breaks
    audience: str = ""
    use: bool = True

    def __post_init__(self) -> None:
        if [column.index for column in self.columns] != list(range(len(self.columns))):
            raise ValueError("the columns are not those of the file")

    @property
    def says_everything(self) -> bool:
        """Whether a column tells the status of every row, whatever is said of the file."""
        return any(
            column.becomes == "status" and column.words and not {"", UNSAID} & set(column.words.values())
            for column in self.columns
        )

    @property
    def says_no(self) -> bool:
        """Whether a column may say of somebody that they must not be written to."""
        return any(column.says_no for column in self.columns)

    @property
    def is_gone(self) -> bool:
        """Whether nobody in it can become subscribed, whatever its columns say: Mailchimp's file of who left."""
        return self.status in SUPPRESSING and self.status_source != "assumed"

    def column(self, target: str) -> ImportColumn | None:
        return next((column for column in self.columns if column.becomes == target), None)


class Position(NamedTuple):
    """Where reading stands: file = place in `Plan.in_order()`, row = rows of it that are done with."""

    file: int = 0
    row: int = 0


START = Position()


@dataclass(frozen=True, slots=True)
class ImportBatch:
    """A slice of one file. After it is stored together with `after`, a killed import goes on there."""

    file: int
    name: str
    incoming: list[IncomingRow]
    complaints: list[RowError]
    after: Position
    bytes_read: int
    bytes_total: int

    @property
    def rows(self) -> int:
        return len(self.incoming) + len(self.complaints)


class ImportPlan(Struct):
    """What each column of each file becomes, and the status of each file. Changed by a person, then read by."""

    source: str
    files: list[DetectedFile]

    def in_order(self) -> list[DetectedFile]:
        """The files that are used, the strongest suppression first."""
        used = [file for file in self.files if file.use]
        return sorted(used, key=lambda file: STATUSES.index(file.status or "subscribed"))

    def layout(self) -> tuple[str, ...]:
        """The field tags of all files: the layout of `Incoming.fields`."""
        return tuple(self.fields())

    def fields(self) -> dict[str, str]:
        """Field tag -> the label of the column that it comes from, in order of appearance."""
        labels_by_tag: dict[str, str] = {}
        for column in (column for file in self.files if file.use for column in file.columns):
            for tag in _tags_of(column.becomes):
                labels_by_tag.setdefault(tag, STANDARD_FIELDS.get(tag, column.label))
        return labels_by_tag

    def left_out(self) -> dict[str, list[str]]:
        """A code of OUT_BECAUSE -> the labels of the columns that stay out for it, each once."""
        labels_by_reason: dict[str, dict[str, None]] = {}
        for column in (column for file in self.files if file.use for column in file.columns):
            if column.becomes == "out" and column.why:
                labels_by_reason.setdefault(column.why, {})[column.label] = None
            for word in column.stays_out():
                labels_by_reason.setdefault("donations", {})[f"{column.label}: {word}"] = None
        return {why: list(labels_by_reason[why]) for why in OUT_BECAUSE if why in labels_by_reason}

    def said_out(self) -> list["Problem"]:
        """The same as sentences: what will be dropped is said before."""
        return [
            Problem(f"out_{why}", "", {"labels": ", ".join(labels)}, stops=False)
            for why, labels in self.left_out().items()
        ]

    def ask_again(self) -> None:
        """After columns were changed: where none tells the status of every row any more, it is only assumed."""
        for file in self.files:
            if file.status is None and file.says_everything and file.status_source != "hinted":
                file.status_source = "columns"
            if file.status_source == "columns" and not file.says_everything and file.status not in SUPPRESSING:
                file.status_source = "assumed"
            elif file.status_source == "assumed" and file.says_everything:
                file.status_source = "columns"

    def of_audience(self, audience: str) -> "ImportPlan":
        """The same plan with the files of one audience alone."""
        files = [structs.replace(file, use=file.use and file.audience == audience) for file in self.files]
        return ImportPlan(self.source, files)

    def answer_as_likely(self) -> list["Problem"]:
        """For whom nobody asks about columns: words that show who gives stay out, and those that say that somebody left
        count as that. What they were taken for, to be said; `questions` has what can't be known."""
        counted: list[Problem] = []
        for file in (file for file in self.files if file.use):
            asking = [column for column in file.columns if column.asks in ("givers", "cells") and column.is_explained]
            for column in asking:
                column.asks = ""
            if labels := [each for column in asking if (each := _with_words_gone(column))]:
                counted.append(Problem("counted_words", file.name, {"labels": ", ".join(labels)}, stops=False))
        return counted

    def with_status(self, status: str) -> "ImportPlan":
        """The same plan, where every file that does not say its status gets this one. Our own guess gives way."""
        files = [
            file
            if (file.status and file.status_source != "assumed")
            or (file.status_source == "hinted" and status == "subscribed")
            else structs.replace(file, status=status, status_source="asked")
            for file in self.files
        ]
        return ImportPlan(self.source, files)

    def questions(self) -> list[Problem]:
        """What must be answered before this plan can be read; empty when it is ready."""
        used = self.in_order()
        if not used:
            return [Problem("nothing_used", "")]
        return [problem for file in used for problem in _questions(file)]

    @property
    def shapes(self) -> list[tuple[int, str, str, int, int, int | None]]:
        """Which of its files come in, and how each is cut into rows. Not its status, which is often said last: whoever
        writes the rows counts them once more."""
        used = [(file, file.column("address")) for file in self.files if file.use]
        return [
            (file.member, file.encoding, file.delimiter, file.skip, len(file.columns), column.index if column else None)
            for file, column in used
        ]

    @property
    def lines(self) -> int:
        """Of all files that come in: no fewer than rows, and more where cells hold line breaks."""
        return sum(file.about_rows for file in self.files if file.use)

    def without_examples(self) -> "ImportPlan":
        """As it may be stored. Labels are the organization's own words."""

        def bare(column: ImportColumn) -> ImportColumn:
            return structs.replace(column, example="", seen={})

        files = [structs.replace(file, columns=[bare(column) for column in file.columns]) for file in self.files]
        return ImportPlan(self.source, files)

    def checked(self) -> "ImportPlan":
        """The same, if it can be one of ours. Errors: BadPlan."""
        return self.read(to_builtins(self))

    @classmethod
    def read(cls, plain: object) -> "ImportPlan":
        """Errors: BadPlan, for what is no plan."""
        try:
            return convert(plain, cls)
        except ValidationError as wrong:
            raise BadPlan("The plan of the import is none of ours. Read the file again.") from wrong


@dataclass(frozen=True, slots=True)
class DetectedFiles:
    """What an importer saw, before anything is written."""

    source: str
    files: list[DetectedFile]
    problems: list[Problem]

    def plan(self) -> ImportPlan:
        return ImportPlan(self.source, self.files)

    def sentence(self) -> str:
        """Why nothing can come in, when `files` is empty."""
        stopping = [problem for problem in self.problems if problem.stops]
        return (stopping or [Problem("no_files", "")])[0].sentence()


def _tags_of(target: str) -> tuple[str, ...]:
    if target == "name":
        return ("FNAME", "LNAME")
    return (target.removeprefix("field:"),) if target.startswith("field:") else ()


def _questions(file: DetectedFile) -> Iterator[Problem]:
    if not file.is_gone:
        yield from _about_columns(file)
    if file.status is None and file.status_source == "hinted":
        yield Problem("ask_name", file.name)
    elif file.status is None and not file.says_everything:
        yield Problem("ask_status", file.name)
    if file.column("address") is None:
        yield Problem("ask_address", file.name)
    # Several columns may add tags, status words, reasons and notes; everything else has room for one.
    once = [c.becomes for c in file.columns if c.becomes not in {"out", "tags", "status", "left_reason", "notes"}]
    targets = [tag for target in once for tag in (_tags_of(target) or (target,))]
    for target in sorted({target for target in targets if targets.count(target) > 1}):
        yield Problem("two_columns", file.name, {"target": target})


def _about_columns(file: DetectedFile) -> Iterator[Problem]:
    if asking := [column.label for column in file.columns if column.asks and column.asks != "givers"]:
        yield Problem("ask_columns", file.name, {"labels": ", ".join(asking)})
    if giving := [column for column in file.columns if column.asks == "givers"]:
        yield Problem("ask_givers", file.name, {"labels": ", ".join(map(_with_words_out, giving))})
    for column in file.columns:
        needs_meanings = is_worded(column.becomes)
        words = [word for word, meaning in column.words.items() if meaning == UNSAID]
        if needs_meanings and not column.asks and (words or (column.becomes == "status" and not column.words)):
            shown = ", ".join(column.seen.get(word, (word, 0))[0] for word in words[:10])
            yield Problem("ask_words", file.name, {"label": column.label, "words": shown or OTHERS})


def _with_words_out(column: ImportColumn) -> str:
    words = column.stays_out()[:5]
    return f"{column.label} ({', '.join(words)})" if words else column.label


def _with_words_gone(column: ImportColumn) -> str:
    """ "" where none of its words is a no. Tags are named; a note is a person's data."""
    gone = [word for word, meaning in column.words.items() if word != OTHERS and meaning not in ("", LEFT_OUT)]
    shown = ", ".join(column.seen.get(word, (word, 0))[0] for word in gone[:5])
    if not gone:
        return ""
    return f"{column.label} ({shown})" if holds_several(column.becomes) else column.label
