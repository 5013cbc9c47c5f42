"""What of an export is not subscribers is said by kind and number, and nobody is passed over without a word."""

import pytest

from samizdat.core.imports import DetectedFiles
from samizdat.importers.base import choose
from samizdat.importers.reading import leftovers
from samizdat.importers.reading.files import open_given
from tests.importers.helping import IMPORTERS, csv_bytes, named, row, zipped

OPENED = b"Email,Timestamp\nada@reader.example,2021-05-19 18:00\n"
# As Mailchimp packs a whole account: people, campaigns, templates, images, and who did what.
ACCOUNT = {
    "101/lists/members/members_7_Letter.csv": csv_bytes([row("ada@reader.example", "Ada")]),
    "101/lists/unsubscribed/members_7_Letter.csv": csv_bytes([row("boris@reader.example", "Boris")]),
    "101/campaigns.csv": b'Title,Subject,Send Date,Unique Id\nMay,News,"May 19, 2019 06:00 pm",1\n',
    "101/campaigns_content/1_may.html": b"<p>News</p>",
    "101/campaigns_content/1_may.txt": b"News",
    "101/campaigns_content/2_june.html": b"<p>More</p>",
    "101/templates/basic.html": b"<div mc:edit='main'></div>",
    "101/gallery/logo.PNG": b"\x89PNG",
    "101/gallery/team photo.jpeg": b"\xff\xd8",
    "101/gallery/report.pdf": b"%PDF",
    "101/granular_activity/opens/1_may.csv": OPENED,
    "101/aggregate_activity/opened/may.csv": OPENED,
    "__MACOSX/._logo.PNG": b"",
    "101/.DS_Store": b"",
}
SUBSTACK = b"email,active_subscription,expiry,email_disabled,created_at\nada@reader.example,false,,false,2021-05-19\n"


def look(files: dict[str, bytes]) -> DetectedFiles:
    with open_given([named("export.zip", zipped(files))]) as given:
        return leftovers.named(given, choose(given, IMPORTERS).inspect(given))


def test_a_whole_account_names_its_campaigns_templates_and_images() -> None:
    found = look(ACCOUNT)
    assert len(found.files) == 2
    assert leftovers.of_problems(found.problems) == {
        "campaigns": 2, "templates": 1, "images": 2, "activity": 2, "other": 1,
    }  # fmt: skip
    said = " ".join(problem.sentence() for problem in found.problems)
    assert "past campaigns (2)" in said
    assert "templates (1)" in said and "`samizdat template import`" in said
    assert "images (2)" in said and "Add the ones you need under Media" in said
    assert "other files (1): report.pdf" in said
    assert "DS_Store" not in said
    assert not any(problem.stops for problem in found.problems)


def test_a_service_names_what_it_leaves_out_by_the_same_words() -> None:
    files = {"email_list.letter.csv": SUBSTACK, "posts.csv": b"post_id,title\n1,News\n", "posts/1.news.html": b"<p>"}
    found = look(files | {"posts/1.opens.csv": OPENED, "posts/1.delivers.csv": OPENED})
    assert leftovers.of_problems(found.problems) == {"campaigns": 1, "activity": 2}


def test_a_list_of_campaigns_beside_a_list_of_people_stops_nothing() -> None:
    found = look({"people.csv": b"email\nada@reader.example\n", "campaigns.csv": b"title,sent\nNews,2021-05-19\n"})
    assert [file.name for file in found.files] == ["people.csv"]
    assert leftovers.of_problems(found.problems) == {"campaigns": 1}
    assert not any(problem.stops for problem in found.problems)


@pytest.mark.parametrize("name", ["unsubscribed.csv", "left.csv", "people-2.csv"])
def test_a_list_without_an_address_column_still_stops_everything(name: str) -> None:
    found = look({"people.csv": b"email\nada@reader.example\n", name: b"name\nBoris\n"})
    assert any(problem.stops and problem.file == name for problem in found.problems)


def test_people_beside_mailchimps_own_files_are_named_by_their_file() -> None:
    found = look(ACCOUNT | {"101/fair.csv": b"email\nvera@reader.example\n"})
    assert ("other_people", "101/fair.csv") in [(problem.code, problem.file) for problem in found.problems]


def test_files_without_anything_besides_say_nothing() -> None:
    people = {name: content for name, content in ACCOUNT.items() if "/lists/" in name}
    assert leftovers.of_problems(look(people).problems) == {}
