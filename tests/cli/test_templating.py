"""Templates on the command line: taken in, listed, and begun with."""

from tests.cli.conftest import House

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
