"""The check of a campaign on the command line says all that the page says."""

from datetime import date, timedelta

from tests.cli.conftest import House


def test_the_check_prints_every_finding_and_accepts_one(house: House) -> None:
    house.say("list", "new", "Checked")
    # A day to come, since dates are read as of today, with the weekday after its own.
    day = date.today() + timedelta(days=20)
    wrong = f"Come on {day + timedelta(days=1):%A}, {day.day} {day:%B %Y}"
    (house.folder / "checked.md").write_text(f"{wrong}: [x](https://bit.ly/a)\n")
    words = ("--list", "Checked", "--subject", "Test", "--from", "L <a@l.example>", "--body", "checked.md")
    number = str(house.say("campaign", "new", *words)["id"])
    checked = house("campaign", "check", number, "--json").json
    found = {flaw["code"]: flaw for flaw in checked["flaws"]}
    assert {"date_weekday", "link_short", "subject_trial", "no_signature"} <= {*found}
    assert (found["link_short"]["place"], found["link_short"]["line"]) == ("body", 1)
    assert {*checked["spelling"]} == {"dictionaries", "install"}
    key = found["link_short"]["key"]
    again = house("campaign", "check", number, "--accept", key, "--json").json
    assert [flaw["code"] for flaw in again["flaws"] if flaw["accepted"]] == ["link_short"]
    told = house("campaign", "check", number).out
    assert f"[{found['date_weekday']['key']}]" in told and f"{day.day} {day:%B %Y} is a {day:%A}" in told
    assert key not in told and "good  body, line 1: The link to bit.ly" in told
