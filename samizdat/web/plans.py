"""The plan of an import as a form: each file with its status, each column with what it becomes; and back."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat import plugs
from samizdat.core.consent import STATUSES
from samizdat.importers.base import Plan, Problem
from samizdat.importers.labels import NO, WORD_STATUS, YES, plain
from samizdat.labels import STANDARD, field_label
from samizdat.web import words

TARGETS: tuple[tuple[str, Any], ...] = (
    ("out", lazy("leave out")),
    ("address", lazy("E-mail address")),
    ("name", lazy("Whole name")),
    ("language", lazy("Language")),
    ("tags", lazy("Tags")),
    ("notes", lazy("Notes")),
    ("status", lazy("Status")),
    ("opt_in_time", lazy("Time of sign-up")),
    ("confirm_time", lazy("Time of confirmation")),
    ("left_time", lazy("Time of leaving")),
    ("left_reason", lazy("Reason for leaving")),
    ("clean_time", lazy("Time the address died")),
    ("last_changed", lazy("Time of the last change")),
)
OUT_BECAUSE = {
    "ip": lazy("It was derived from an IP address. We do not keep where somebody was."),
    "reading": lazy("It says how or where somebody read. We do not keep that."),
    "provider": lazy("It only means something inside the service it comes from."),
}

# Words of a status column that the form can be told at one look.
BLANKS = 3
# What a column stands for that somebody calls the status by hand.
COMMON = WORD_STATUS | dict.fromkeys(YES, "subscribed") | dict.fromkeys(NO, "unsubscribed")


@dataclass(slots=True)
class ColumnRow:
    name: str
    label: str
    example: str
    becomes: str
    why: str
    choices: list[tuple[str, str]]
    # Of a status column: (input name, word, status) of the words that are known, those of the example first.
    words: list[tuple[str, str, str]] = field(default_factory=list)
    others: list[tuple[str, str, str]] = field(default_factory=list)
    blanks: list[str] = field(default_factory=list)  # Endings of the inputs for words that are not known yet.
    unknown: bool = False  # The file has words that nobody has explained.


@dataclass(slots=True)
class FileRow:
    number: int
    name: str
    rows: int
    use: bool
    status: str
    asks_status: bool
    columns: list[ColumnRow]


def statuses() -> list[tuple[str, str]]:
    return [(name, words.subscription_state(name)[1]) for name in STATUSES]


def meanings() -> list[tuple[str, str]]:
    """What a word of a status column may stand for."""
    own = [("complained", _("complained, suppressed for every list")), ("", _("says nothing: what the whole file is"))]
    return [*statuses(), *own]


def source_words(source: str) -> str:
    """What was found, as a sentence."""
    if source == "csv":
        return _("A list of people.")
    if source == "addresses":
        return _("Addresses, with or without names.")
    try:
        title = plugs.importer(source).title
    except plugs.NoSuchPlug:
        return ""
    return _("An export of %(service)s.") % {"service": title}


def labels(plan: dict[str, Any]) -> dict[str, str]:
    """Field tag -> what its column is called, of fields that will be made as well."""
    return Plan.from_json(plan).fields()


def dropped(plan: dict[str, Any]) -> list[Problem]:
    """Which columns stay out, and why: said before anything is written."""
    return Plan.from_json(plan).said_out()


def rows(plan: dict[str, Any], report: dict[str, Any], known: list[Any]) -> list[FileRow]:
    """What the form shows. `known`: the organisation's merge fields."""
    examples = report.get("examples") or []
    unknown = {told["file"] for told in report.get("rejects") or [] if told["code"] == "unknown_status"}
    found = []
    for number, file in enumerate(plan["files"]):
        shown = examples[number] if number < len(examples) else []
        columns = [_column(number, file, column, shown, known) for column in file["columns"]]
        for column in columns:
            column.unknown = bool(column.blanks) and file["name"] in unknown
        asks = file["status_source"] != "columns"
        # What was only assumed is asked: whether somebody agreed is not for us to guess.
        status = "" if file["status_source"] == "assumed" else file["status"] or ""
        found.append(FileRow(number, file["name"], file["about_rows"], file["use"], status, asks, columns))
    return found


def _column(number: int, file: dict[str, Any], column: dict[str, Any], shown: list[str], known: list[Any]) -> ColumnRow:
    place = column["index"]
    example = shown[place] if place < len(shown) else ""
    told = []
    if column["becomes"] == "status":
        told = [(f"w-{number}-{place}-{at}", *said) for at, said in enumerate(sorted(column["words"].items()))]
    return ColumnRow(
        name=f"c-{number}-{place}",
        label=column["label"] or _("column %(n)s") % {"n": place + 1},
        example=_example(column, example),
        becomes=column["becomes"],
        why=str(OUT_BECAUSE.get(column["why"], "")),
        choices=_choices(column, known),
        words=[said for said in told if said[1] == plain(example)],
        others=[said for said in told if said[1] != plain(example)],
        blanks=[f"{number}-{place}-{at}" for at in range(BLANKS)] if column["becomes"] == "status" else [],
    )


def _example(column: dict[str, Any], example: str) -> str:
    """What tells the column and no person: addresses of both kinds stay out of the page."""
    if column["why"] == "ip":
        return _("not shown") if example else ""
    return _("an address") if column["becomes"] == "address" or "@" in example else example[:60]


def _choices(column: dict[str, Any], known: list[Any]) -> list[tuple[str, str]]:
    fields = {
        f"field:{tag}": _("%(label)s (%(tag)s)") % {"label": label, "tag": tag} for tag, label in STANDARD.items()
    }
    for found in known:
        label = field_label(found.tag, found.label)
        fields[f"field:{found.tag}"] = _("%(label)s (%(tag)s)") % {"label": label, "tag": found.tag}
    chosen = column["becomes"]
    own = chosen if chosen.startswith("field:") else f"field:{tag_for(column['label'], column['index'])}"
    if own not in fields:
        told = {"tag": own[6:], "label": column["label"][:40]}
        same = tag_for(told["label"], 0) == told["tag"] == told["label"].upper()
        fields[own] = (
            _("a new sealed field, %(tag)s") if same else _("a new sealed field, %(label)s (%(tag)s)")
        ) % told
    plain = [(name, str(word)) for name, word in TARGETS]
    if chosen not in fields and chosen not in dict(plain):
        fields[chosen] = chosen.partition(":")[2] or chosen
    return [*plain, *fields.items()]


def tag_for(label: str, place: int) -> str:
    """A field tag made from a heading: `Favourite book` is FAVOURITEB; one without Latin letters is named by place."""
    tag = re.sub(r"[^A-Z0-9]", "", label.upper())[:10]
    return tag if re.fullmatch(r"[A-Z][A-Z0-9_]{0,9}", tag) else f"FIELD{place + 1}"


def read(plan: dict[str, Any], asked: Mapping[str, str]) -> dict[str, Any]:
    """The plan with what was chosen in the form; the rest stays. What no plan can be is refused by change_plan."""
    files = []
    for number, file in enumerate(plan["files"]):
        columns = [_read_column(number, column, asked) for column in file["columns"]]
        status = asked.get(f"s-{number}", file["status"] or "")
        source = "asked" if f"s-{number}" in asked else file["status_source"]
        use = f"u-{number}" in asked
        files.append({**file, "columns": columns, "status": status or None, "status_source": source, "use": use})
    return {**plan, "files": files}


def _read_column(number: int, column: dict[str, Any], asked: Mapping[str, str]) -> dict[str, Any]:
    place = column["index"]
    told = {
        word: asked.get(f"w-{number}-{place}-{at}", status)
        for at, (word, status) in enumerate(sorted(column["words"].items()))
    }
    for at in range(BLANKS):
        word, status = plain(asked.get(f"n-{number}-{place}-{at}", "")), asked.get(f"m-{number}-{place}-{at}", "")
        if word and status:
            told[word] = status
    becomes = asked.get(f"c-{number}-{place}", column["becomes"])
    return {**column, "becomes": becomes, "words": told or (dict(COMMON) if becomes == "status" else {})}
