"""The plan of an import as a form: each file with its status, each column with what it becomes; and back."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from msgspec.structs import replace

from samizdat import plugins
from samizdat.audience.imports.documents import ImportReport
from samizdat.audience.queries import FieldView
from samizdat.core.consent import STATUSES
from samizdat.core.imports import (
    EMPTY,
    OTHERS,
    PRIVATE,
    UNSAID,
    DetectedFile,
    ImportColumn,
    ImportPlan,
    Problem,
    holds_several,
    is_worded,
)
from samizdat.importers.reading.sentences import word_of
from samizdat.labels import STANDARD, field_label
from samizdat.web import labels as words

TARGETS: tuple[tuple[str, Any], ...] = (
    ("out", lazy("Don’t import")),
    ("address", lazy("Email address")),
    ("name", lazy("Full name")),
    ("language", lazy("Language")),
    ("tags", lazy("Tags")),
    ("notes", lazy("Notes")),
    ("status", lazy("Status")),
    ("opt_in_time", lazy("Time of sign-up")),
    ("confirm_time", lazy("Time of confirmation")),
    ("left_time", lazy("Unsubscribe time")),
    ("left_reason", lazy("Unsubscribe reason")),
    ("clean_time", lazy("Bounce time")),
    ("last_changed", lazy("Time of the last change")),
)
OUT_BECAUSE = {
    "ip": lazy("Derived from an IP address. We don’t store locations."),
    "reading": lazy("Shows how or where emails were opened. We don’t store that."),
    "provider": lazy("Only has a meaning inside the service it comes from."),
    "donations": lazy("Shows who donated. This can get people prosecuted, so it isn’t imported."),
    "members": lazy("Shows who is a member. This can get people prosecuted, so it isn’t imported."),
    "elsewhere": lazy("About another channel, such as phone or SMS, not email."),
    "watched": lazy("About open and click tracking, which Samizdat doesn’t do."),
    "posting": lazy("About posting to a discussion list, not about getting email."),
    "unneeded": lazy("Not needed to send email. Match it with a field if you need it."),
}
# Of importers that are no table of a service.
WHERE_ELSE = {"mailchimp": "Audience → All contacts → Export audience"}
ASKS = {
    "label": lazy("This may show who must not be emailed. Choose what it means."),
    "cells": lazy("Some cells say that people unsubscribed. Choose what each value means."),
    "givers": lazy("Some values show who donates or pays. They aren’t imported unless you choose otherwise."),
}

# Words of a status column that the form can be told at one look.
BLANKS = 3


@dataclass(slots=True)
class ColumnRow:
    name: str
    label: str
    example: str
    becomes: str
    why: str
    choices: list[tuple[str, str]]
    asks: str = ""  # Why somebody has to say what it means.
    # Where it tells a status: the words that are in the file, those first that nobody explained, then all others.
    words: list["WordRow"] = field(default_factory=list)
    others: list["WordRow"] = field(default_factory=list)
    blanks: list[str] = field(default_factory=list)  # Endings of the inputs for words that are not known yet.
    unknown: bool = False  # The file has words that nobody has explained.


@dataclass(slots=True)
class WordRow:
    name: str  # of the input
    word: str
    means: str  # a status, "" for nothing, "out", UNSAID
    rows: int | None = None
    plain: bool = False  # Nothing of the file: its empty cells, or all other texts.
    can_stay_out: bool = False  # A tag or a group, one of several in a cell.


@dataclass(slots=True)
class FileRow:
    number: int
    name: str
    rows: int
    use: bool
    status: str
    asks_status: bool
    columns: list[ColumnRow]
    title: str = ""
    hint: str = ""


# The files of a proposal (incoming/evidence/proposal.py) to somebody who has never seen their names.
PROPOSED = {
    "evidence.csv": (
        lazy("People of whom emails prove something"),
        lazy("Subscribed, unsubscribed, bounced, or complained. Only those who are subscribed get your emails."),
    ),
    "left-out.csv": (
        lazy("People without a proven sign-up"),
        lazy("They would be imported without consent, so that you can ask them once. They don’t get your emails."),
    ),
}


def statuses() -> list[tuple[str, str]]:
    return [(name, words.subscription_state(name)[1]) for name in STATUSES]


def meanings() -> list[tuple[str, str]]:
    """What a word of a status column may stand for."""
    own = [("complained", _("marked as spam; suppressed on every list")), ("", _("says nothing about email"))]
    return [*statuses(), *own]


def services() -> list[tuple[str, str]]:
    """Title of each service whose exports are known, and its menus on the way to the export."""
    known = [
        (plug.title, getattr(plug, "where", "") or WHERE_ELSE.get(name, ""))
        for name, plug in plugins.importers().items()
        if plug.title
    ]
    return sorted(known, key=lambda service: service[0].casefold())


def source_words(source: str) -> str:
    """What was found, as a sentence."""
    if source == "csv":
        return _("A list of subscribers.")
    if source == "addresses":
        return _("Addresses, with or without names.")
    if source == "vcard":
        return _("An address book (vCard).")
    if source == "evidence":
        return _("What old mailboxes and tables prove, address by address.")
    try:
        title = plugins.importer(source).title
    except plugins.NoSuchPlug:
        return ""
    return _("An export from %(service)s.") % {"service": title}


def dropped(plan: ImportPlan, report: ImportReport) -> list[Problem]:
    """Which columns and words stay out, and why: said before anything is written, words as the file writes them."""
    _show(plan, report)
    return plan.said_out()


def _show(plan: ImportPlan, report: ImportReport) -> None:
    """A plan that was kept gets the examples of its columns, which are kept with the report."""
    for file, examples, seen in zip(plan.files, report.examples, report.seen, strict=False):
        for column, example, held in zip(file.columns, examples, seen, strict=False):
            column.example, column.seen = example, held


def rows(plan: ImportPlan, report: ImportReport, known: list[FieldView], *, update_only: bool = False) -> list[FileRow]:
    """What the form shows. `known`: the organization's merge fields."""
    _show(plan, report)
    unknown = {reject.file for reject in report.rejects if reject.code == "unknown_status"}
    file_rows = []
    for number, file in enumerate(plan.files):
        columns = [_column(number, file, column, known) for column in file.columns]
        for column in columns:
            column.unknown = bool(column.blanks) and file.name in unknown
        # Those that somebody has to explain stand first.
        columns.sort(key=lambda column: not (column.asks or any(word.means == UNSAID for word in column.words)))
        asks = file.status_source != "columns" and not (update_only and file.status_source == "assumed")
        # What was only assumed is asked: whether somebody agreed is not for us to guess.
        status = "" if file.status_source == "assumed" else file.status or ""
        title, hint = PROPOSED.get(file.name, (file.name, "")) if plan.source == "evidence" else (file.name, "")
        file_rows.append(
            FileRow(number, file.name, file.about_rows, file.use, status, asks, columns, str(title), str(hint))
        )
    return file_rows


def called(source: str, names: Sequence[str]) -> str:
    """What the files of an import are called where they stand together."""
    return _("Old mailboxes") if source == "evidence" else ", ".join(names)


def _column(number: int, file: DetectedFile, column: ImportColumn, known: list[FieldView]) -> ColumnRow:
    place, held = column.index, column.seen
    word_rows = _words(f"w-{number}-{place}", column) if is_worded(column.becomes) else []
    return ColumnRow(
        name=f"c-{number}-{place}",
        label=column.label or _("column %(n)s") % {"n": place + 1},
        example=_example(column),
        becomes=column.becomes,
        why=str(OUT_BECAUSE.get(column.why, "")),
        choices=_choices(column, known),
        asks="" if file.is_gone else str(ASKS.get(column.asks, "")),
        words=[row for word, row in word_rows if word in held or word == OTHERS],
        others=[row for word, row in word_rows if word not in held and word != OTHERS],
        blanks=[f"{number}-{place}-{at}" for at in range(BLANKS)] if word_rows else [],
    )


def _words(prefix: str, column: ImportColumn) -> list[tuple[str, WordRow]]:
    word_rows = []
    for at, (word, means) in enumerate(sorted(column.words.items())):
        written, number = column.seen.get(word, (word, None))
        shown = {EMPTY: _("Empty cells"), OTHERS: _("All other values")}.get(word, written)
        plain = word in {EMPTY, OTHERS}
        several = holds_several(column.becomes) and not plain
        word_rows.append((word, WordRow(f"{prefix}-{at}", shown, means, number, plain=plain, can_stay_out=several)))
    return sorted(word_rows, key=lambda pair: (pair[1].means != UNSAID, -(pair[1].rows or 0)))


def _example(column: ImportColumn) -> str:
    """What tells the column and no person: addresses of both kinds stay out of the page, and what somebody gave."""
    if column.why == "ip" or column.why in PRIVATE:
        return _("not shown") if column.example else ""
    return _("an address") if column.becomes == "address" or "@" in column.example else column.example[:60]


def _choices(column: ImportColumn, known: list[FieldView]) -> list[tuple[str, str]]:
    if column.why in PRIVATE:
        return [("out", str(dict(TARGETS)["out"]))]  # Nobody brings in by accident what can put people in court.
    fields = {
        f"field:{tag}": _("%(label)s (%(tag)s)") % {"label": label, "tag": tag} for tag, label in STANDARD.items()
    }
    for merge_field in known:
        label = field_label(merge_field.tag, merge_field.label)
        fields[f"field:{merge_field.tag}"] = _("%(label)s (%(tag)s)") % {"label": label, "tag": merge_field.tag}
    chosen = column.becomes
    own = chosen if chosen.startswith("field:") else f"field:{tag_for(column.label, column.index)}"
    if own not in fields:
        new_field = {"tag": own[6:], "label": column.label[:40]}
        same = tag_for(new_field["label"], 0) == new_field["tag"] == new_field["label"].upper()
        fields[own] = (
            _("a new encrypted field, %(tag)s") if same else _("a new encrypted field, %(label)s (%(tag)s)")
        ) % new_field
    plain = [(name, str(word)) for name, word in TARGETS]
    if chosen not in fields and chosen not in dict(plain):
        fields[chosen] = chosen.partition(":")[2] or chosen
    return [*plain, *fields.items()]


def tag_for(label: str, place: int) -> str:
    """A field tag made from a heading: `Favorite book` is FAVOURITEB; one without Latin letters is named by place."""
    tag = re.sub(r"[^A-Z0-9]", "", label.upper())[:10]
    return tag if re.fullmatch(r"[A-Z][A-Z0-9_]{0,9}", tag) else f"FIELD{place + 1}"


def read(plan: ImportPlan, asked: Mapping[str, str]) -> ImportPlan:
    """The plan with what was chosen in the form; the rest stays. What no plan can be is refused by change_plan."""
    files = []
    for number, file in enumerate(plan.files):
        columns = [_read_column(number, column, asked) for column in file.columns]
        status = asked.get(f"s-{number}", file.status or "")
        source = "asked" if asked.get(f"s-{number}") else file.status_source
        use = f"u-{number}" in asked
        files.append(replace(file, columns=columns, status=status or None, status_source=source, use=use))
    return ImportPlan(plan.source, files)


def has_unseen_words(plan: ImportPlan) -> bool:
    """Whether a column was made the status of which nobody has seen the words yet."""
    return any(column.becomes == "status" and not column.words for file in plan.files for column in file.columns)


def _read_column(number: int, column: ImportColumn, asked: Mapping[str, str]) -> ImportColumn:
    place = column.index
    word_statuses = {
        word: asked.get(f"w-{number}-{place}-{at}", status)
        for at, (word, status) in enumerate(sorted(column.words.items()))
    }
    for at in range(BLANKS):
        word, status = word_of(asked.get(f"n-{number}-{place}-{at}", "")), asked.get(f"m-{number}-{place}-{at}", "")
        if word and status:
            word_statuses[word] = status
    name = f"c-{number}-{place}"
    becomes = asked.get(name, column.becomes) if column.why not in PRIVATE else "out"
    # Whoever sends the form has seen what each column would mean, and says so.
    asks = "" if name in asked else column.asks
    return replace(column, becomes=becomes, asks=asks, words=word_statuses if is_worded(becomes) else {})
