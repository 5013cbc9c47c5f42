"""Blind indices of names are exchanged in the database, without a key; then commands name a tag and a segment."""

from tests.cli.conftest import House

EXCHANGE = """
from samizdat.audience.models import Segment, Tag
for model in (Tag, Segment):
    a, b = model.objects.order_by("id")
    model.objects.filter(pk=a.pk).update(name_index=b"")
    model.objects.filter(pk=b.pk).update(name_index=a.name_index)
    model.objects.filter(pk=a.pk).update(name_index=b.name_index)
"""


def test_a_campaign_goes_to_the_tag_and_the_segment_of_that_name_whatever_index_is_beside_it(house: House) -> None:
    house.say("list", "new", "Letter")
    (house.folder / "people.csv").write_text(
        "email,City\nada@r.example,Riga\n" + "".join(f"r{number}@r.example,Minsk\n" for number in range(3))
    )
    house.say("import", "people.csv", "--list", "Letter", "--status", "subscribed")
    for city, tag in (("Riga", "Board"), ("Minsk", "Everyone")):
        condition = f'{{"field": {{"number": "CITY", "op": "is", "value": "{city}"}}}}'
        house.say("segment", "add", city, "--where", condition)
        house.say("tag", "add", tag, "--segment", city)
    house.django(EXCHANGE)
    (house.folder / "letter.md").write_text("For the board alone.\n")
    (house.folder / "out").mkdir()
    house.say("route", "add", "paper", f"folder://{house.folder}/out")
    words = ("--list", "Letter", "--subject", "News", "--from", "news@lantern.example", "--body", "letter.md")
    for number, chosen in enumerate((("--tag", "Board"), ("--segment", "Riga")), start=1):
        house.say("campaign", "new", *words, *chosen)
        assert house.say("campaign", "send", str(number), "--wait")["accepted"] == 1
    assert house.say("tag", "add", "board", "--segment", "Riga")["changed"] == 0
    assert house.say("tag", "ls")["tags"] == [{"name": "Board", "count": 1}, {"name": "Everyone", "count": 3}]
