"""Taking a file in, from its bytes to a template with its notes."""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from samizdat.core.content import merge
from samizdat.core.content.problems import ContentProblem
from samizdat.core.content.render import cleaning
from samizdat.core.content.render.checks import shown, template_flaws
from samizdat.core.content.render.cleaning import MAX_NESTING
from samizdat.core.content.templates.file_text import decoded, emptied
from samizdat.core.content.templates.notes import Note, TemplateRefused, naming
from samizdat.core.content.templates.regions_by_marks import marked

MAX_FILE = 5 * 1024 * 1024  # bytes as they come in; pictures inside of it are taken out before the next limit
MAX_TEMPLATE = 300_000  # characters, as of an HTML letter


@dataclass(frozen=True, slots=True)
class TagNote:
    """A merge tag of the file, how often it stands there, and what is wrong with it."""

    written: str
    count: int
    flaw: ContentProblem | None = None


@dataclass(frozen=True, slots=True)
class ImportedTemplate:
    """`source` with {{ content }}; `sample`: HTML that stood there; `places`: names of other editable parts."""

    source: str
    sample: str
    places: tuple[str, ...]
    notes: tuple[Note, ...]
    tags: tuple[TagNote, ...]


def take(data: bytes, fields: Iterable[str] = (), unadded: Collection[str] | None = None) -> ImportedTemplate:
    """unadded: addresses of pictures of its zip that were not added, of which notes tell already; None where it came
    without a zip. Errors: TemplateRefused.
    """
    page, notes = _page(data)
    if not re.search(r"<(?:html|body|table|div|p|td)\b", page, re.IGNORECASE):
        raise TemplateRefused("template_no_html")
    tag_notes, page, removed = _accounted(page, frozenset(fields))
    regions = marked(page)
    notes = (*notes, *removed, *regions.notes, *_leading_nowhere(page, unadded))
    return ImportedTemplate(regions.source, regions.sample, regions.places, notes, tag_notes)


def take_letter(data: bytes, fields: Iterable[str] = ()) -> str:
    """The page of a campaign that was written elsewhere, without what no email may hold and without merge tags that
    cannot work here. Errors: TemplateRefused."""
    page, _notes = _page(data)
    _tags, page, _removed = _accounted(page, frozenset(fields))
    return page


def _page(data: bytes) -> tuple[str, tuple[Note, ...]]:
    """Errors: TemplateRefused."""
    if not data:
        raise TemplateRefused("template_empty")
    if len(data) > MAX_FILE:
        raise TemplateRefused("template_file", size=f"{len(data):,}", limit=f"{MAX_FILE:,}")
    text, unread = decoded(data)
    page, gone = emptied(text)
    if len(page) > MAX_TEMPLATE:
        raise TemplateRefused("template_long", size=f"{len(page):,}", limit=f"{MAX_TEMPLATE:,}")
    if cleaning.nesting(page) > MAX_NESTING:
        raise TemplateRefused("template_deep", limit=str(MAX_NESTING))
    return page, (*unread, *gone)


_TAG = re.compile(r"\*\|[^|<>]{0,200}\|\*|\{\{[^{}<>]{0,200}\}\}")


def _leading_nowhere(page: str, unadded: Collection[str] | None) -> list[Note]:
    """What the checks of each campaign in it would say, told when something can be done about the file."""
    flaws = list(template_flaws(page, _TAG))
    pictures = [url for flaw in flaws if flaw.code == "template_picture" and (url := flaw.values["url"])]
    links = [flaw.values["url"] or "#" for flaw in flaws if flaw.code.startswith("link_")]
    if unadded is None:
        missing = naming("note_no_picture", pictures)
    else:
        unadded_urls = {shown(url) for url in unadded}
        missing = naming("note_not_in_zip", [url for url in pictures if url not in unadded_urls])
    return [*missing, *naming("note_links", links)]


def _accounted(page: str, fields: frozenset[str]) -> tuple[tuple[TagNote, ...], str, list[Note]]:
    """Every tag that stands in the page, the page without those that cannot work, and a note about these."""
    flaws = merge.parse(page, fields, place="template").flaws
    tags = [*merge.written(page)]
    counts = Counter(written for written, _start, _end in tags)
    # A flaw says where it is, or at least of which tag it speaks.
    flawed = {flaw.values["tag"]: flaw for flaw in flaws if not flaw.end and "tag" in flaw.values}
    ends = [end for _written, _start, end in tags]
    for flaw in reversed(flaws):
        place = bisect_right(ends, flaw.start)
        while flaw.end and place < len(tags) and tags[place][1] < flaw.end:
            flawed[tags[place][0]] = flaw
            place += 1
    gone = sorted((flaw for flaw in flaws if flaw.fix == "remove"), key=lambda flaw: flaw.start)
    for flaw in reversed(gone):
        page = merge.without(page, flaw)
    names = list(dict.fromkeys(flaw.values.get("tag", "") for flaw in gone))
    tag_notes = tuple(TagNote(written, count, flawed.get(written)) for written, count in counts.items())
    return tag_notes, page, naming("note_tags", names)
