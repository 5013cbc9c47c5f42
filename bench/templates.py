"""Foreign templates beside what becomes of them, in Chromium: `./run bench templates FOLDER` of HTML files.

Each file as it came, with its merge tags filled in by hand, beside a letter that begins with it (as HTML, and with all
of it opened and saved in blocks); at 600 and 390 px.
Without a folder: our own letters to begin with and a letter of every block, light and dark, at 320 to 600 px, by axe.
"""

import json
import re
import sys
from datetime import UTC, datetime
from importlib.resources import files as files_of
from pathlib import Path
from typing import Any

from PIL import Image

from samizdat.core.content.blocks import dumps, to_html
from samizdat.core.content.render import Content, fill, render
from samizdat.core.content.templates.blocks import read
from samizdat.core.content.templates.import_template import ImportedTemplate, take
from samizdat.core.content.templates.layout import LayoutChanges, Region, WrittenRegion, arranged, parts_of, walk
from tests.browser import different, opened, pictured, started, violations
from tests.core.blocks import EVERY_BLOCK, content

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
WIDTHS = (600, 390)
MOST = 1.0  # per cent of the points that may differ visibly
VALUES = {
    "MC:SUBJECT": "News",
    "CURRENT_YEAR": "2026",
    "LIST:COMPANY": "Northern Lantern",
    "LIST:DESCRIPTION": "You get this because you signed up.",
    "HTML:LIST_ADDRESS_HTML": "Street 1, Riga",
    "ARCHIVE": "#",
    "UNSUB": "#",
    "UPDATE_PROFILE": "#",
}


def by_hand(taken: ImportedTemplate) -> str:
    page = arranged(taken.source, LayoutChanges()).replace("{{ content }}", taken.sample)
    page = re.sub(r"<!--\s*(\*\|[^|]*\|\*)\s*-->", r"\1", page)
    page = re.sub(r"\*\|IF:REWARDS\|\*.*?\*\|END:IF\|\*", "", page, flags=re.DOTALL)
    return re.sub(r"\*\|([^|]*)\|\*", lambda tag: VALUES.get(tag[1], ""), page)


def as_letter(taken: ImportedTemplate) -> str:
    return _letter(body=taken.sample, format="html", template=arranged(taken.source, LayoutChanges()))


def in_blocks(taken: ImportedTemplate) -> str:
    """As a letter that begins with it, after every place was opened in blocks and saved as it was."""
    own = LayoutChanges()
    for key, part in walk(parts_of(taken.source), own):
        if isinstance(part, Region) and (found := read(part.usual)):
            own = own.written(key, WrittenRegion(to_html(found.document, dress=found.dress)))
    begun = read(taken.sample)
    if begun is None:
        return _letter(body=taken.sample, format="html", template=arranged(taken.source, own))
    body = dumps(begun.document)
    return _letter(body=body, format="blocks", dress=begun.dress, template=arranged(taken.source, own))


def _letter(**made: Any) -> str:
    content = Content(
        subject="News",
        from_name="Northern Lantern",
        from_address="letter@lantern.example",
        organization="Northern Lantern",
        list_description=VALUES["LIST:DESCRIPTION"],
        postal_address="Street 1, Riga",
        **made,
    )
    own = dict.fromkeys(("UNSUB_URL", "ARCHIVE_URL", "PREFERENCES_URL"), "#")
    return fill(render(content, now=NOW).html, own)


def shot(browser: Any, page: str, width: int) -> Image.Image:
    with opened(browser, page, width) as tab:
        return pictured(tab)


def ours() -> int:
    """How many of our own letters have something that axe finds, or are wider than a small phone."""
    folder = files_of("samizdat.core").joinpath("templates/starters")
    letters = {file.name: json.loads(file.read_text()) for file in sorted(folder.iterdir(), key=lambda one: one.name)}
    wrong = 0
    with started() as browser:
        for name, made in {**letters, "every block": EVERY_BLOCK}.items():
            letter = content(made, language=name.split(".")[1] if "." in name else "en")
            page = fill(
                render(letter, now=NOW).html, dict.fromkeys(("UNSUB_URL", "PREFERENCES_URL"), "https://u.example/")
            )
            for scheme, width in (("light", 320), ("light", 600), ("dark", 320)):
                with opened(browser, page, width, scheme) as tab:
                    # A letter has no <main>: the mail program's page around it does.
                    found = {
                        rule: at for rule, at in violations(tab).items() if rule not in ("landmark-one-main", "region")
                    }
                    wide = tab.evaluate("document.documentElement.scrollWidth")
                wrong += bool(found) or wide > width
                size = len(page.encode()) / 1024
                print(f"{name:16} {scheme:5} {width:4} px  {size:5.1f} KB  {wide:4} wide  {found or 'well'}")
    return wrong


def main() -> int:
    if len(sys.argv) == 1:
        return int(ours() > 0)
    files = sorted(Path(sys.argv[1]).glob("*.html")) if len(sys.argv) > 1 else []
    if not files:
        print("Usage: ./run bench templates FOLDER with .html files", file=sys.stderr)
        return 2
    worst = 0.0
    with started() as browser:
        for file in files:
            taken = take(file.read_bytes(), ["FNAME", "LNAME"])
            pages = by_hand(taken), as_letter(taken), in_blocks(taken)
            for width in WIDTHS:
                came, letter, blocks = (shot(browser, page, width) for page in pages)
                differs, in_them = different(came, letter), different(came, blocks)
                worst = max(worst, differs, in_them)
                size = f"{letter.width}x{letter.height}"
                said = f"{differs:5.2f} % differ, in blocks {in_them:5.2f} %"
                print(f"{file.name:42} {width:4} px  {said}  {size}{'' if max(differs, in_them) <= MOST else '  !'}")
                if "--keep" in sys.argv:
                    for name, image in (("came", came), ("letter", letter), ("blocks", blocks)):
                        image.save(f"{file.stem}-{width}-{name}.png")
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main())
