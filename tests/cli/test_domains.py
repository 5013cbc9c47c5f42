"""From a domain to signed letters and on to its next keys, by commands alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests import dkim_judge
from tests.cli.conftest import House
from tests.dns_server import NameServer


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    with NameServer() as running:
        yield running


@pytest.fixture(scope="module")
def known(house: House, names: NameServer) -> House:
    house.environment["SAMIZDAT_DNS"] = names.place
    return house


def publish(names: NameServer, document: dict[str, Any]) -> dict[str, str]:
    """Puts every record of a document into the zone."""
    records = {key["record"]["name"]: key["record"]["value"] for key in document["keys"]}
    names.records |= {name: [value] for name, value in records.items()}
    return records


def states(house: House, name: str) -> list[str]:
    return [key["state"] for key in house.say("domain", "records", name)["keys"]]


def letters(house: House, out: Path) -> list[bytes]:
    """A campaign to two readers, sent into a folder."""
    (house.folder / "letter.md").write_text("Hello {{ FNAME }}\n")
    words = (
        "--list",
        "Letter",
        "--subject",
        "News",
        "--from",
        "L <news@letters.lantern.example>",
        "--body",
        "letter.md",
    )
    before = set(out.glob("*.eml"))
    number = str(house.say("campaign", "new", *words)["id"])
    house.say("campaign", "send", number, "--wait")
    return [path.read_bytes() for path in set(out.glob("*.eml")) - before]


def test_a_domain_goes_all_the_way_and_rotates(known: House, names: NameServer) -> None:
    assert "emails are sent unsigned" not in known("doctor").out, "without a route nothing goes out"
    made = known.say("domain", "add", "lantern.example")
    assert [(key["algorithm"], key["state"]) for key in made["keys"]] == [("ed25519", "new"), ("rsa", "new")]
    assert [len(key["record"]["strings"]) for key in made["keys"]] == [1, 2]
    refused = known("domain", "activate", "lantern.example", "--json")
    assert (refused.code, refused.json["error"]) == (1, "not_published")

    records = publish(names, made)
    checked = known.say("domain", "check", "lantern.example")
    assert [(key["state"], key["found"]) for key in checked["keys"]] == [("published", "right")] * 2
    dkim = next(one for one in checked["records"] if one["name"] == "DKIM")
    assert "records of our keys are published" in dkim["sentence"] and "found none" not in dkim["sentence"]
    assert known.say("domain", "activate", "lantern.example")["signs"] is True
    dkim = next(one for one in known.say("domain", "check", "lantern.example")["records"] if one["name"] == "DKIM")
    assert dkim["state"] == "good"

    known.say("list", "new", "Letter")
    for reader in ("ada@reader.example", "boris@reader.example"):
        known.say("subscribers", "add", reader, "--list", "Letter", "--consent", "said so")
    out = known.folder / "out"
    out.mkdir()
    known.say("route", "add", "paper", f"folder://{out}")
    assert "Emails are signed for lantern.example." in known("doctor").out
    sent = letters(known, out)
    assert [dkim_judge.verdicts(letter, records) for letter in sent] == [["pass", "pass"]] * 2

    known.say("route", "edit", "paper", "--signs", "provider")
    assert known.say("route", "ls")["routes"][0]["signs"] == "provider"
    assert [dkim_judge.verdicts(letter, records) for letter in letters(known, out)] == [[], []]
    known.say("route", "edit", "paper", "--signs", "us")

    records |= publish(names, known.say("domain", "rotate", "lantern.example"))
    known.say("domain", "check", "lantern.example")
    known.say("domain", "activate", "lantern.example")
    assert states(known, "lantern.example") == ["active", "active", "retiring", "retiring"]
    assert [dkim_judge.verdicts(letter, records) for letter in letters(known, out)] == [["pass", "pass"]] * 2


def test_the_check_of_a_campaign_says_who_signs(known: House) -> None:
    known.say("list", "new", "Signed")
    (known.folder / "signed.md").write_text("Hello\n")
    words = ("--list", "Signed", "--subject", "S", "--from", "L <a@nobody.example>", "--body", "signed.md")
    number = str(known.say("campaign", "new", *words)["id"])
    checked = known("campaign", "check", number, "--json").json
    assert checked["signing"]["by"] == "nobody" and "Domains" in checked["signing"]["sentence"]
    known.say("domain", "add", "nobody.example", "--algorithm", "ed25519")
    record = next(one for one in known("campaign", "check", number, "--json").json["domain"] if one["name"] == "DKIM")
    assert record["sentence"] == (
        "The keys of nobody.example don’t sign yet. Publish their records, then activate the keys."
    ), "not told to add a key that is there"


def test_a_record_that_went_away_is_missed(known: House, names: NameServer) -> None:
    made = known.say("domain", "add", "gone.example", "--algorithm", "ed25519")
    selector = made["keys"][0]["selector"]
    known.say("domain", "published", "gone.example", selector)
    known.say("domain", "activate", "gone.example", selector)
    names.records["gone.example"] = ["v=spf1 -all"]
    dkim = next(one for one in known.say("domain", "check", "gone.example")["records"] if one["name"] == "DKIM")
    assert dkim["state"] == "stop" and selector in dkim["sentence"]


def test_a_silent_name_server_publishes_nothing(known: House, names: NameServer) -> None:
    known.say("domain", "add", "silent.example", "--algorithm", "ed25519")
    names.broken = True
    try:
        checked = known.say("domain", "check", "silent.example")
    finally:
        names.broken = False
    assert [(key["state"], key["found"]) for key in checked["keys"]] == [("new", "silent")]


def test_a_key_is_brought_along_retired_and_its_domain_removed(known: House) -> None:
    known.say("domain", "add", "moved.example", "--algorithm", "ed25519")
    pem = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    (known.folder / "key.pem").write_bytes(pem)
    made = known.say("domain", "key", "moved.example", "--key-file", "key.pem", "--selector", "k1")
    assert ("k1", "rsa") in [(key["selector"], key["algorithm"]) for key in made["keys"]]
    assert known.say("domain", "retire", "moved.example", "k1")["state"] == "retired"
    assert known.say("domain", "rm", "moved.example")["removed"] is True
    for row in known.say("domain", "ls")["domains"]:
        known.say("domain", "rm", row["domain"])
    (known.folder / "spare").mkdir()
    known.say("route", "add", "spare", f"folder://{known.folder}/spare")
    assert "emails are sent unsigned" in known("doctor").out
    assert known.say("domain", "ls")["domains"] == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("domain", "add", "nonsense"), "bad_domain"),
        (("domain", "records", "unknown.example"), "no_such_domain"),
        (("domain", "retire", "bad.example", "k9"), "no_such_selector"),
        (("domain", "key", "bad.example", "--key-file", "weak.pem"), "bad_key"),
        (("domain", "key", "bad.example", "--key-file", "missing.pem"), "no_such_file"),
        (("domain", "key", "bad.example", "--selector", "a b"), "bad_selector"),
        (("domain", "rotate", "bad.example"), "nothing_to_rotate"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else value,
)
def test_what_cannot_be_is_refused_with_a_sentence(known: House, words: tuple[str, ...], code: str) -> None:
    known("domain", "add", "bad.example", "--algorithm", "ed25519")
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505
    (known.folder / "weak.pem").write_bytes(
        weak.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    refused = known(*words, "--json")
    assert (refused.code, refused.json["error"]) == (1, code)
    assert refused.json["sentence"]


def test_a_new_domain_is_warmed_up_day_by_day(known: House) -> None:
    known.say("domain", "add", "fresh.example", "--algorithm", "ed25519")
    assert known.say("domain", "warm-up", "fresh.example", "50, 100,200")["warm_up"] == "50,100,200"
    refused = known("domain", "warm-up", "fresh.example", "many")
    assert refused.code == 1 and "isn’t a valid plan" in refused.err
    assert known.say("domain", "warm-up", "fresh.example", "none")["warm_up"] == ""
    known.say("domain", "rm", "fresh.example", "--yes")


def test_without_a_house_a_check_still_looks(empty_house: House, names: NameServer) -> None:
    empty_house.environment["SAMIZDAT_DNS"] = names.place
    names.records["plain.example"] = ["v=spf1 ip4:192.0.2.1 ~all"]
    found = {one["name"]: one["state"] for one in empty_house.say("domain", "check", "plain.example")["records"]}
    assert found == {"SPF": "good", "DKIM": "care", "DMARC": "stop"}


def test_what_is_there_already_says_which_command_goes_on(house: House) -> None:
    house.say("domain", "add", "already.example")
    again = house("domain", "add", "already.example")
    assert again.code == 1
    assert "is already added. Show its records: samizdat domain records already.example" in again.err
    house.say("domain", "rm", "already.example", "--yes")
    house.say("route", "add", "our wire", "smtp+plain://127.0.0.1:9", "--untested")
    same = house("route", "edit", "our wire")
    assert "Enter its URL and password again: samizdat route edit 'our wire' --url -" in same.out
    house.say("route", "rm", "our wire", "--yes")


def test_a_campaign_is_stopped_until_its_records_are_there_or_an_admin_allows_it(
    known: House, names: NameServer
) -> None:
    known.say("route", "add", "away", "smtp+plain://127.0.0.1:9")
    known.say("list", "new", "Gate")
    known.say("subscribers", "add", "ada@reader.example", "--list", "Gate", "--consent", "said so")
    (known.folder / "gate.md").write_text("Hello\n")
    words = ("--list", "Gate", "--subject", "S", "--from", "L <a@gate.example>", "--body", "gate.md")
    number = str(known.say("campaign", "new", *words)["id"])
    publish(names, known.say("domain", "add", "gate.example", "--algorithm", "ed25519"))
    known.say("domain", "check", "gate.example")
    known.say("domain", "activate", "gate.example")
    missing = "gate.example has no DMARC record. Add TXT _dmarc.gate.example with the value: v=DMARC1; p=none"
    refused = known("campaign", "check", number, "--json")
    assert refused.json["ready"] is False and missing in refused.json["sentence"]
    refused = known("campaign", "send", number, "--json")
    assert refused.json["error"] == "not_releasable" and missing in refused.json["sentence"]
    records = known.say("domain", "check", "gate.example")["records"]
    (record,) = [row for row in records if row["code"] == "dmarc_missing"]
    assert record["publish"] == {"name": "_dmarc.gate.example", "type": "TXT", "value": "v=DMARC1; p=none"}
    known.say("domain", "allow", "gate.example", "--reason", "The registrar is on strike")
    assert known.say("domain", "check", "gate.example")["allowed"] == "The registrar is on strike"
    known.say("campaign", "send", number)
    assert known.say("domain", "require", "gate.example")["allowed"] is None


def test_all_senders_switch_to_a_spare_domain_and_back(known: House, names: NameServer) -> None:
    for name in ("lost.example", "spare.example"):
        publish(names, known.say("domain", "add", name, "--algorithm", "ed25519"))
        known.say("domain", "check", name)
        known.say("domain", "activate", name)
        known.say("domain", "allow", name, "--reason", "Nothing of it is in the real DNS")
    known.say("organization", "sender", "--from", "L <news@lost.example>")
    assert known("domain", "switch", "spare.example", "--from", "lost.example", "--json").json["error"] == "not_spare"
    assert "In an emergency: samizdat domain switch spare.example" in known("domain", "spare", "spare.example").out
    words = ("domain", "switch", "spare.example", "--from", "lost.example")
    shown = known.say(*words, "--dry-run")
    assert shown["addresses"] == {"news@lost.example": "news@spare.example"}
    assert known(*words, "--json").json["error"] == "not_confirmed"
    switched = known(*words, "--yes")
    assert "Emails come from spare.example now." in switched.out
    assert "To undo it: samizdat domain switch lost.example" in switched.out
    assert known.say("organization", "sender")["email"] == "news@spare.example"
    known.say("domain", "switch", "lost.example", "--from", "spare.example", "--yes")
    assert known.say("organization", "sender")["email"] == "news@lost.example"
    assert known.say("domain", "spare", "spare.example", "--off")["spare"] is False
