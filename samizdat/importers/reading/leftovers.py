"""What of an export is not subscribers: past campaigns, templates, images. It stays out, and is named with its number.

A file is told by its path: services change their folders from year to year, so by words in it and not by exact names.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePosixPath

from samizdat.core.imports import DetectedFiles, Problem
from samizdat.importers.reading.files import GivenFile
from samizdat.importers.reading.text import TextTable
from samizdat.importers.services import generic

# Kind -> the code of its sentence, in the order in which they are said.
KINDS = {
    "campaigns": "left_campaigns",
    "templates": "left_templates",
    "images": "left_images",
    "activity": "reading_files",
    "other": "left_other",
}
NAMES_SHOWN = 5

_IMAGE = re.compile(r"\.(?:png|jpe?g|gif|webp|svg|bmp|tiff?|ico|heic|avif)$")
_ACTIVITY = re.compile(
    r"(?:^|/)(?:granular|aggregate)_activity/|(?:^|/)(?:geo_data|events|clicks|opens)/|\.(?:opens|delivers|clicks)\.csv$|"
    r"(?:^|/)(?:opens|clicks|deliveries|recipients|events|email_activity)\.(?:csv|json)$"
)
_TEMPLATE = re.compile(
    r"(?:^|/)[^/]*templates?[^/]*/[^/]+\.(?:html?|mjml|txt|json)$|(?:^|/)[^/]*template[^/]*\.(?:html?|mjml)$"
)
_CAMPAIGN = re.compile(
    r"(?:^|/)(?:campaigns?_content|campaigns?|posts|emails|newsletters?|broadcasts|issues|letters|archive)/[^/]+"
    r"\.(?:html?|txt|md|json|eml|xml)$|"
    r"(?:^|/)(?:campaigns?|posts|emails|newsletters?|broadcasts|issues|reports)(?:[ _.-][^/]*)?\.(?:csv|json|xml)$|"
    r"(?:^|/)[^/]+\.(?:html?|mjml|eml)$"
)
# What a person may be told to leave out when it cannot be read, where the path says that nobody stands in it.
_UNREAD = frozenset({"no_address_column", "empty", "not_text", "no_people_sheet"})


def kind_of(path: str) -> str:
    """One of KINDS, by the path of a file in the export."""
    path = path.lower()
    for kind, known in (
        ("images", _IMAGE), ("activity", _ACTIVITY), ("templates", _TEMPLATE), ("campaigns", _CAMPAIGN)
    ):  # fmt: skip
        if known.search(path):
            return kind
    return "other"


def named(given: GivenFile, detected_files: DetectedFiles) -> DetectedFiles:
    """The same, where everything that stays out is said: by kind and number, and people of elsewhere by their file."""
    taken = {file.name for file in detected_files.files}
    problems = [problem for problem in detected_files.problems if not (taken and _is_harmless(problem))]
    mentioned_files = taken | {problem.file for problem in problems}
    left, people = [*given.others], []
    for index, member in enumerate(given.members):
        if member.name in mentioned_files or _book_of(member.name) in mentioned_files:
            continue
        sheet = given.sheet(index)
        if kind_of(member.name) == "other" and isinstance(sheet, TextTable) and generic.holds_addresses(sheet):
            people.append(Problem("other_people", member.name, stops=False))
        else:
            left.append(member.name)
    return replace(detected_files, problems=[*problems, *people, *(_sentences(left) if taken else ())])


def _is_harmless(problem: Problem) -> bool:
    """A file that is about campaigns cannot be read for people; and the importer's own count of such files."""
    if problem.code == "reading_files":
        return True
    return problem.code in _UNREAD and kind_of(problem.file) not in {"other", "images"}


def _book_of(name: str) -> str:
    return name.partition("/")[0]


def counts(paths: Iterable[str]) -> dict[str, int]:
    """Kind -> how many there are. A campaign is often two files (HTML and text) and a line of a list of campaigns."""
    by_kind: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for path in paths:
        by_kind[kind_of(path)].append(path)
    lists = [path for path in by_kind["campaigns"] if PurePosixPath(path).suffix.lower() in {".csv", ".json", ".xml"}]
    bodies = {str(PurePosixPath(path).with_suffix("")) for path in by_kind["campaigns"] if path not in lists}
    counts_by_kind = {kind: len(names) for kind, names in by_kind.items()}
    return counts_by_kind | {"campaigns": len(bodies) or len(lists)}


def _sentences(paths: list[str]) -> list[Problem]:
    others = [PurePosixPath(path).name for path in paths if kind_of(path) == "other"]
    shown = ", ".join(others[:NAMES_SHOWN]) + (" …" if len(others) > NAMES_SHOWN else "")
    return [
        Problem(KINDS[kind], "", {"count": count} | ({"names": shown} if kind == "other" else {}), stops=False)
        for kind, count in counts(paths).items()
        if count
    ]


def of_problems(problems: Iterable[Problem]) -> dict[str, int]:
    """Kind -> how many stay out, as the problems of an import say."""
    kinds = {code: kind for kind, code in KINDS.items()}
    return {kinds[problem.code]: int(str(problem.values["count"])) for problem in problems if problem.code in kinds}
