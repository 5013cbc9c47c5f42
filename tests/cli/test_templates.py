"""Templates on the command line: taken in, listed, and begun with."""

import zipfile

from tests.cli.conftest import House
from tests.web.conftest import png

SENDER = "Northern Lantern <letter@lantern.example>"
PAGE = (
    "<table><tr><td mc:edit='head'>Head</td></tr>"
    "<tr><td mc:edit='body'>Dear *|FNAME|* <script>x</script></td></tr></table>"
)


def test_a_template_comes_in_and_letters_begin_with_it(house: House) -> None:
    (house.folder / "Winter.html").write_text(PAGE)
    told = house.say("template", "import", "Winter.html")
    assert told["tags"] == [{"tag": "*|FNAME|*", "count": 1, "flaw": ""}]
    assert told["places"] == ["head"]
    assert any("<script>" in note for note in told["notes"])
    names = [row["name"] for row in house.say("template", "ls")["templates"]]
    assert names == ["letter", "digest", "appeal", "event", "alert", "Winter"]
    house.say("list", "new", "Letter")
    words = ("campaign", "new", "--list", "Letter", "--subject", "News", "--from", SENDER)
    assert house.say(*words, "--template", "Winter")["id"]
    assert "--template letter" in house(*words).err


def test_a_template_without_merge_tags_prints_no_heading_for_them(house: House) -> None:
    (house.folder / "Bare.html").write_text(PAGE.replace("*|FNAME|*", "all"))
    told = house("template", "import", "Bare.html")
    assert told.code == 0 and "imported" in told.out and "Merge tags" not in told.out


def test_a_template_is_renamed_and_removed(house: House) -> None:
    (house.folder / "Spring.html").write_text(PAGE)
    number = house.say("template", "import", "Spring.html")["id"]
    house.say("list", "new", "Readers")
    words = ("campaign", "new", "--list", "Readers", "--subject", "News", "--from", SENDER, "--template")
    assert house.say("template", "rename", "Spring", "Summer") == {"id": number, "name": "Summer"}
    draft = house.say(*words, "Summer")["id"]
    other = house.say("template", "import", "Spring.html", "--name", "Summer")["id"]
    for asked, code in (("Spring", "no_such_template"), ("Summer", "several_templates")):
        assert code in house("template", "rm", asked, "--json").out
    assert house("template", "rename", str(other), " ", "--json").code == 1
    assert "--yes" in house("template", "rm", str(number)).err, "nothing is removed unasked"
    assert house.say("template", "rm", str(number)) == {"id": number, "removed": True, "drafts": [draft]}
    assert house.say("template", "rm", "Summer")["id"] == other


def test_a_campaign_begins_with_a_template_by_its_number_or_is_refused(house: House) -> None:
    (house.folder / "Autumn.html").write_text(PAGE.replace("Head", "The head of autumn"))
    number = house.say("template", "import", "Autumn.html", "--name", "Autumn")["id"]
    house.say("template", "import", "Autumn.html", "--name", "Empty")
    house.say("list", "new", "Numbers")
    (house.folder / "words.md").write_text("The bridge is open again.")
    words = ("campaign", "new", "--list", "Numbers", "--subject", "News", "--from", SENDER)
    for asked in (str(number), "Autumn"):
        for body in ((), ("--body", "words.md")):
            assert house.say(*words, *body, "--template", asked)["id"]
    assert len(house.say("template", "rm", str(number))["drafts"]) == 4, "each stands in its design"
    for asked in ("77777", "Spring", "٧"):
        refused = house(*words, "--body", "words.md", "--template", asked, "--json")
        assert refused.code == 1 and "no_such_template" in refused.out
    house.say("template", "import", "Autumn.html", "--name", "Empty")
    refused = house(*words, "--template", "Empty", "--json")
    assert "several_templates" in refused.out


def test_a_template_comes_in_as_a_zip_with_its_pictures(house: House) -> None:
    with zipfile.ZipFile(house.folder / "Stripo.zip", "w") as box:
        box.writestr("index.html", PAGE.replace("Head", "<img src='images/a.png' alt='A' width='40' height='40'>"))
        box.writestr("images/a.png", png())
    told = house.say("template", "import", "Stripo.zip")
    assert told["pictures"] == 1
    assert any("Media" in note for note in told["notes"])
    (house.folder / "Torn.zip").write_bytes(b"PK\3\4 and no more")
    assert "damaged" in house("template", "import", "Torn.zip").err


def test_a_zip_that_is_none_or_leads_elsewhere_is_told_apart(house: House) -> None:
    with zipfile.ZipFile(house.folder / "evil.zip", "w") as box:
        box.writestr("../../evil.html", PAGE)
    for name, content in (("text.zip", b"Dear all"), ("empty.zip", b"")):
        (house.folder / name).write_bytes(content)
    assert "leads out of the zip file. Zip the page" in house("template", "import", "evil.zip").err
    assert "The file name ends in .zip, but the file isn’t a zip file" in house("template", "import", "text.zip").err
    assert "The file is empty. Export or download" in house("template", "import", "empty.zip").err
