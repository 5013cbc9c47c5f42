"""The archive as a folder that can be put anywhere."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from samizdat.cli.archive import write
from samizdat.publicdb import actions, queries
from samizdat.publicdb.models import Page
from tests.public.conftest import OTHER_UID, UID, publish

pytestmark = pytest.mark.django_db

LETTER = (
    '<h1>River</h1><p>See <a href="https://harbour.example/x">this</a></p>'
    '<img src="https://lantern.example/m/boat.png" alt="A boat"><img src="https://other.example/m/odd.png" alt="Odd">'
)


def _published(slug: str, edition: int, uid: bytes = UID, language: str = "en") -> None:
    told: dict[str, Any] = {"slug": slug, "title": f"<{slug}>", "html": LETTER, "day": date(2026, 11, edition)}
    told["own"] = "https://lantern.example"
    actions.publish_letter(uid, edition, list_name="L", language=language, **told)


def test_no_page_of_one_organization_is_written_into_the_archive_of_another(tmp_path: Path) -> None:
    """Whoever writes the public database names pages as they like."""
    publish()
    _published("river", 4)
    Page.objects.update(slug="../bell/index")
    (tmp_path / "bell").mkdir()
    (tmp_path / "bell" / "index.html").write_text("theirs")
    write(queries.place(UID), tmp_path / "lantern")
    assert (tmp_path / "bell" / "index.html").read_text() == "theirs"
    Page.objects.update(listed=False)
    write(queries.place(UID), tmp_path / "lantern")
    assert (tmp_path / "bell" / "index.html").read_text() == "theirs"


def test_what_the_database_says_of_pages_is_text_in_the_archive_and_no_markup(tmp_path: Path) -> None:
    publish()
    _published("river", 4)
    Page.objects.update(slug='"><script src=//evil.io></script>')
    write(queries.place(UID), tmp_path / "lantern")
    assert "<script" not in (tmp_path / "lantern" / "index.html").read_text()


def test_the_archive_is_a_folder_whose_links_need_no_server(tmp_path: Path) -> None:
    publish()
    publish(OTHER_UID, host="bell.example", name="Harbour Bell")
    _published("river", 4)
    _published("sea", 5, language="ru")
    _published("theirs", 6, OTHER_UID)
    told: dict[str, Any] = {"title": "Реки", "html": LETTER, "day": date(2026, 11, 4), "spoken": "he", "version": 1}
    actions.publish_letter(UID, 4, list_name="L", language="en", slug="river-he", **told)
    actions.publish_picture(UID, "boat", "png", b"PNG")
    few = LETTER.replace("boat", "crew")
    actions.publish_letter(
        UID, 7, list_name="L", language="en", slug="few", title="Few", html=few, day=date(2026, 11, 7), listed=False
    )
    actions.publish_picture(UID, "crew", "png", b"PNG")
    place, folder = queries.place(UID), tmp_path / "archive"
    assert write(place, folder) == (2, 1)
    names = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert names == {"index.html", "feed.xml", "style.css", "river.html", "river-he.html", "sea.html", "m/boat.png"}
    page, index = (folder / "river.html").read_text(), (folder / "index.html").read_text()
    assert "<h1>&lt;river&gt;</h1>" in page and '<img src="m/boat.png" alt="A boat"' in page
    assert "https://other.example/m/odd.png" in page and "4 November 2026" in page
    assert '<html lang="ru"' in (folder / "sea.html").read_text()
    assert '<html lang="he" dir="rtl"' in (folder / "river-he.html").read_text() and 'href="river-he.html"' in page
    assert "river-he" not in index
    assert index.index("sea.html") < index.index("river.html") and "theirs" not in index
    assert 'href="river.html"' in (folder / "feed.xml").read_text()
    actions.withdraw_picture(UID, "boat")
    assert write(place, folder) == (2, 0)
    assert not (folder / "m" / "boat.png").exists()
    (folder / "theirs.html").write_text("laid beside ours")
    actions.list_letter(4, False)
    assert write(place, folder) == (1, 0), "taken out of the archive, in both languages"
    assert {file.name for file in folder.glob("*.html")} == {"index.html", "sea.html", "theirs.html"}
    other = queries.place(OTHER_UID)
    for taken in (tmp_path, folder):
        with pytest.raises(FileExistsError):
            write(other, taken)
