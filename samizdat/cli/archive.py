"""archive: the public archive as a folder of plain files that any web server, stick or mirror can carry."""

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, say
from samizdat.core.languages import direction

if TYPE_CHECKING:
    from samizdat.publicdb.models import Site

# The look of the public pages in short; no font, no script, no address but those in letters.
STYLE = """:root { color-scheme: light dark; }
body { margin: 0 auto; padding: 1rem; max-width: 38rem; font: 1.0625rem/1.6 Georgia, serif; overflow-wrap: break-word; }
h1, h2, h3, .day { font-family: "Courier New", monospace; line-height: 1.25; }
header { border-block-end: 3px solid %s; margin-block-end: 2rem; }
li { margin-block-end: .75rem; }
img { max-width: 100%%; height: auto; }
"""


@click.command()
@click.argument("folder", type=click.Path())
@common
def archive(folder: str) -> None:
    """Write the public archive into FOLDER: pages, images and a feed, with links that work without a server.

    FOLDER is new or empty, or has an earlier archive, which is updated.
    """
    bootstrap.open_house()
    from samizdat.publicdb import queries

    organization = bootstrap.organization()
    place = queries.place(bytes(organization.uid))
    if place is None:
        raise CommandFailed("The archive has not been published yet. Start samizdat serve once.", "no_archive")
    try:
        letters, pictures = write(place, Path(folder))
    except FileExistsError:
        raise CommandFailed(f"{folder} has other files in it. Name a new folder.", "not_empty") from None
    except OSError:
        raise CommandFailed(f"Can't write to {folder}. Check its name and permissions.", "no_folder") from None
    say(
        {"folder": folder, "letters": letters, "pictures": pictures},
        f"{folder} has {letters} emails and {pictures} images. Open index.html.",
    )


def write(place: "Site", root: Path) -> tuple[int, int]:
    """How many letters and pictures are in the folder now. Errors: FileExistsError for a folder of something else."""
    from samizdat.publicdb import queries

    if root.exists() and not (root.is_dir() and (_is_ours(place, root) or not any(root.iterdir()))):
        raise FileExistsError(root)
    written: set[str] = set()
    for name, data in _files(place):
        if not _is_inside(root, name):
            continue  # Who writes the public database names pages as they like.
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
        written.add(name)
    # Pictures can be taken back, and letters out of the archive. A page that somebody laid beside ours is theirs.
    for old in (*root.glob("m/*"), *(root / f"{slug}.html" for slug in queries.unlisted(place))):
        name = old.relative_to(root).as_posix() if old.is_relative_to(root) else ""
        if name and _is_inside(root, name) and name not in written:
            old.unlink(missing_ok=True)
    return _letters_of(place), sum(name.startswith("m/") for name in written)


def _is_inside(root: Path, name: str) -> bool:
    return (root / name).resolve().is_relative_to(root.resolve())


def _letters_of(place: "Site") -> int:
    from samizdat.publicdb import queries

    return queries.count_letters(place)


def _is_ours(place: "Site", root: Path) -> bool:
    from samizdat.publicdb.feed import id_of

    feed = root / "feed.xml"
    return feed.is_file() and f"<id>{id_of(place)}</id>".encode() in feed.read_bytes()


def _files(place: "Site") -> Iterator[tuple[str, bytes]]:
    """Name in the folder and bytes of each file. The index comes last: what it leads to is there."""
    from django.utils.translation import override

    from samizdat import formatting
    from samizdat.publicdb import feed, queries, safe_html

    pictures, shown = queries.picture_names(place), set[tuple[str, str]]()
    rows: list[tuple[str, str, Any, Any]] = []
    yield "style.css", (STYLE % place.accent).encode()
    for page in queries.all_letters(place):
        name = queries.letter_name(place, page.edition)
        language = page.language or (name.language if name else place.language)
        if not page.version:
            rows.append((page.slug, page.title, page.day, page.corrected))
        with override(language):
            day, mended = formatting.shaped(page.day, "day"), formatting.shaped(page.corrected, "day")
            text = _with_pictures("\n".join(page.html.split(safe_html.BREAK)), pictures, shown)
            others = _others(queries.other_languages(page))
            yield f"{page.slug}.html", _letter(place.name, language, page.title, day, mended, others + text)
    # Those of letters that stand here: the others are of tests, and of letters to a few.
    for slug, kind in sorted(shown):
        picture = queries.picture_of(place, slug)
        if picture is not None:
            yield f"m/{slug}.{kind}", bytes(picture.data)
    with override(place.language):
        listed = [(slug, title, formatting.shaped(day, "day")) for slug, title, day, _mended in rows]
        yield "feed.xml", feed.feed(place, rows, "{}.html", "index.html", "feed.xml").encode()
        yield "index.html", _index(place.name, place.language, listed)


def _with_pictures(text: str, pictures: set[tuple[str, str]], shown: set[tuple[str, str]]) -> str:
    """Pictures of ours, and links to them, lead to their files beside the page; those go into `shown`."""

    def local(match: re.Match[str]) -> str:
        if (match[2], match[3]) not in pictures:
            return match[0]
        shown.add((match[2], match[3]))
        return f'{match[1]}="m/{match[2]}.{match[3]}"'

    return re.sub(r'(href|src)="(?:https?://[^"/]+)?/m/([a-z0-9_-]+)\.([a-z]+)"', local, text)


def _others(letters: list[tuple[str, str]]) -> str:
    """Where the same letter is in its other languages."""
    from samizdat import formatting

    links = [
        f'<a href="{escape(slug)}.html" hreflang="{escape(code)}">{escape(formatting.own_name(code))}</a>'
        for slug, code in letters
    ]
    return f'<p class="day">{" · ".join(links)}</p>\n' if links else ""


def _letter(owner: str, language: str, title: str, day: str, mended: str, text: str) -> bytes:
    """`text` is the markup of publicdb/safe_html.py."""
    from django.utils.translation import gettext as _

    note = _("Corrected on %(day)s. The email that was sent is unchanged.") % {"day": mended} if mended else ""
    note_html = f'<p class="day">{escape(note)}</p>\n' if note else ""
    body = f'<article><p class="day">{escape(day)}</p>\n<h1>{escape(title)}</h1>\n{note_html}{text}</article>'
    return _page(owner, language, title, body)


def _index(owner: str, language: str, letters: list[tuple[str, str, str]]) -> bytes:
    from django.utils.translation import gettext as _

    rows = "\n".join(
        f'<li><span class="day">{escape(day)}</span><br><a href="{escape(slug)}.html">{escape(title)}</a></li>'
        for slug, title, day in letters
    )
    return _page(owner, language, _("Archive"), f"<h1>{escape(_('Archive'))}</h1>\n<ul>\n{rows}\n</ul>")


def _page(owner: str, language: str, title: str, body: str) -> bytes:
    return (
        f'<!doctype html>\n<html lang="{escape(language)}" dir="{direction(language)}">\n<head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)} · {escape(owner)}</title>\n"
        '<link rel="stylesheet" href="style.css">\n'
        '<link rel="alternate" type="application/atom+xml" href="feed.xml"></head>\n<body>\n'
        f'<header><p><a href="index.html">{escape(owner)}</a></p></header>\n<main>\n{body}\n</main>\n</body>\n</html>\n'
    ).encode()
