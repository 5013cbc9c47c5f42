"""`samizdat rescue case`: from a closed account to requests, deadlines, evidence and a complaint."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

TODAY = datetime.now(UTC).date()
NEW = ("rescue", "case", "new", "--provider", "Mailchimp", "--closed", f"{TODAY - timedelta(days=2)}")
RIGA = ("--country", "LV", "--owner-country", "lv", "--subscribers-in", "LV", "--reason", "sanctions")


@pytest.fixture
def number(house: Any) -> str:
    return str(house.say(*NEW, *RIGA, "--account", "lantern", "--owner", "-", feed="clara@lantern.example\n")["id"])


def test_a_new_case_says_which_laws_apply_and_what_to_do_first(house: Any, number: str) -> None:
    shown = house.say("rescue", "case", "show", number)
    assert (shown["provider"], shown["authority"]) == ("mailchimp", "Datu valsts inspekcija")
    assert {"gdpr-processor", "gdpr-access", "gl-25"} <= {law["id"] for law in shown["laws"]}
    assert [kind["kind"] for kind in shown["can_ask"]][:2] == ["keep", "return"]
    said = house(*NEW, *RIGA)
    assert "rescue case request" in said.out and "keep" in said.out
    assert "not legal advice" in house("rescue", "case", "show", number).out


def test_what_is_known_later_is_set_and_the_rest_stays(house: Any, number: str) -> None:
    house.say("rescue", "case", "set", number, "--signed", "-", "--country", "DE", feed="Clara\n")
    shown = house.say("rescue", "case", "show", number)
    assert shown["authority"].startswith("Bundesbeauftragte"), "of the new country, since nobody named one"
    text = house.say("rescue", "case", "request", number, "account")["text"]
    assert "Clara" in text and "clara@lantern.example" in text and "lantern" in text
    house.say("rescue", "case", "set", number, "--authority", "Datu valsts inspekcija", "--closed", f"{TODAY}")
    again = house.say("rescue", "case", "set", number, "--country", "EE")
    assert (again["authority"], again["closed"]) == ("Datu valsts inspekcija", f"{TODAY}")


def test_where_no_law_applies_the_command_says_so_and_names_help(house: Any) -> None:
    said = house(*NEW, "--country", "RU", "--provider-country", "RU")
    assert said.code == 0 and "No law that Samizdat knows applies" in said.out and "accessnow.org" in said.out
    number = str(house.say("rescue", "case", "ls")["cases"][0]["id"])
    refused = house("rescue", "case", "request", number, "return")
    assert refused.code == 1 and "No law" in refused.err


def test_a_request_is_printed_or_written_for_its_owner_alone(house: Any, number: str, tmp_path: Path) -> None:
    printed = house("rescue", "case", "request", number, "account", "--language", "ru")
    assert "clara@lantern.example" in printed.out and "статье 15 GDPR" in printed.out
    assert "to fill in" in printed.err
    path = tmp_path / "return.txt"
    house.say("rescue", "case", "request", number, "return", "--to", str(path))
    assert "article 28(3)(g)" in path.read_text() and path.stat().st_mode & 0o777 == 0o600
    again = house("rescue", "case", "request", number, "return", "--to", str(path))
    assert again.code == 1 and "Traceback" not in again.err, "no file is written over"


def test_what_was_sent_has_a_deadline_until_it_is_answered(house: Any, number: str) -> None:
    sent = house.say("rescue", "case", "sent", number, "return")["sent"]
    assert [(each["kind"], each["due"], each["law"]) for each in sent] == [
        ("return", f"{TODAY + timedelta(days=14)}", None)
    ]
    house.say("rescue", "case", "sent", number, "account", "--day", f"{TODAY - timedelta(days=1)}")
    longer = house.say("rescue", "case", "answered", number, "2", "--extended")["sent"][1]
    assert longer["extended"] and longer["due"] > f"{TODAY + timedelta(days=80)}" and longer["law"] == "gdpr-access"
    assert house.say("rescue", "case", "answered", number, "1")["sent"][0]["answered"] == f"{TODAY}"
    assert house("rescue", "case", "answered", number, "9").code == 1
    assert house("rescue", "case", "sent", number, "return", "--day", "2999-01-01").code == 1


def test_evidence_comes_back_as_it_was_added(house: Any, number: str, tmp_path: Path) -> None:
    (tmp_path / "notice.png").write_bytes(content := bytes(range(256)) * 9)
    added = house.say("rescue", "case", "evidence", number, str(tmp_path / "notice.png"), "--words", "The notice")
    house.say("rescue", "case", "fetch", number, "1", "--to", str(tmp_path / "back.png"))
    assert (tmp_path / "back.png").read_bytes() == content
    text = house.say("rescue", "case", "request", number, "complaint")["text"]
    assert added["evidence"][0]["sha256"] in text
    assert house("rescue", "case", "fetch", number, "2", "--to", str(tmp_path / "x")).code == 1
    assert house("rescue", "case", "evidence", number, str(tmp_path / "nothing.png")).code == 1


def test_a_finished_case_is_kept(house: Any, number: str) -> None:
    house.say("rescue", "case", "finish", number)
    [row] = [row for row in house.say("rescue", "case", "ls")["cases"] if str(row["id"]) == number]
    assert row["finished"] == f"{TODAY}"
    assert house("rescue", "case", "show", "4711").code == 1


def test_a_country_is_two_letters(house: Any) -> None:
    assert house(*NEW, "--country", "Latvia").code == 2


def test_what_providers_did_is_printed_with_its_sources(house: Any) -> None:
    said = house("rescue", "case", "providers")
    assert "Mailchimp" in said.out and "https://www.accessnow.org/" in said.out
