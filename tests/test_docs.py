"""The handbook says what the code does: printed pages are fresh, and every plug and option has its words."""

import re
from pathlib import Path

import pytest

from samizdat import plugins
from samizdat.core.segment import registry
from samizdat.options import OPTIONS
from scripts.docs import PAGES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
HANDBOOK = "\n".join(page.read_text() for page in DOCS.glob("*.md"))


@pytest.mark.parametrize("name", PAGES)
def test_a_printed_page_is_what_the_code_says(name: str) -> None:
    assert (DOCS / name).read_text() == PAGES[name](), "Run: .venv/bin/python scripts/docs.py"


@pytest.mark.parametrize("scheme", sorted(plugins.transports()))
def test_every_way_out_is_in_the_handbook(scheme: str) -> None:
    assert f"{scheme}://" in HANDBOOK


@pytest.mark.parametrize("scheme", sorted(plugins.places()))
def test_every_kind_of_backup_place_has_a_url_to_copy(scheme: str) -> None:
    assert f"\n```\n{scheme}:" in (DOCS / "backup-places.md").read_text()


@pytest.mark.parametrize("source", sorted(plugins.importers()))
def test_every_source_of_an_import_is_in_the_handbook(source: str) -> None:
    title = plugins.importer(source).title.partition(" (")[0]
    assert (title or source).lower() in HANDBOOK.lower()


@pytest.mark.parametrize("source", sorted(plugins.importers()))
def test_where_a_service_exports_is_in_the_handbook(source: str) -> None:
    title = plugins.importer(source).title.partition(" (")[0]
    _before, _heading, after = (DOCS / "import.md").read_text().partition("## How to export from each service")
    assert not title or f"\n| {title} " in after


@pytest.mark.parametrize("condition", sorted(registry.by_name()))
def test_every_condition_of_a_segment_is_in_the_handbook(condition: str) -> None:
    rows = (DOCS / "segments.md").read_text()
    assert f'| `{{"{condition}": ' in rows


@pytest.mark.parametrize("option", [option.name for option in OPTIONS])
def test_an_option_that_is_read_stands_in_the_table_and_the_table_is_read(option: str) -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "samizdat").rglob("*.py"))
    assert sources.count(f'"{option}"') >= 2


def test_no_option_is_read_past_the_table() -> None:
    known = {option.name for option in OPTIONS}
    # Handed from the supervisor to its children, and from ./run to the command; nobody sets them.
    inner = {"SAMIZDAT_KEYS_FD", "SAMIZDAT_PULSE_FD", "SAMIZDAT_COMMAND"}
    used = set()
    for path in (ROOT / "samizdat").rglob("*.py"):
        used |= set(re.findall(r'"(SAMIZDAT_[A-Z_]+)"', path.read_text()))
    assert used - inner <= known, used - inner - known


def test_nobody_is_promised_a_log_that_no_page_shows() -> None:
    # Once the desk has a page of events, it may be named: then this test goes.
    promise = re.compile(
        r"log\s+that\s+your|organi[sz]ation(?:’|'|&#x27;)s\s+log|(?:written\s+to|stands?\s+in|kept\s+in)\s+the\s+log\b|"
        r"журнал\w*,?\s+(?:который\s+могут|вашей)"
    )
    shown = [*DOCS.glob("*.md"), *(ROOT / "samizdat").rglob("*.html"), *(ROOT / "samizdat").rglob("*.po")]
    forms = [path for path in (ROOT / "samizdat" / "web").rglob("*.py") if "forms" in (path.stem, path.parent.name)]
    assert len(forms) > 5
    shown += forms
    assert [f"{page.name}: {found[0]}" for page in shown for found in promise.finditer(page.read_text())] == []
