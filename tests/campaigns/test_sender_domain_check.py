"""What DNS says about a sender, in sentences."""

from dataclasses import dataclass

import pytest

from samizdat.campaigns.sender_domain_check import check_domain, look_up_txt
from samizdat.core.mail.sender_check import NO_SELECTOR, SELECTORS
from samizdat.core.mail.spf import Ask
from tests.dns_server import NameServer

WELL = {
    "relay.example": ["v=spf1 ip4:192.0.2.0/24 -all"],
    "lantern.example": ["v=spf1 include:relay.example ~all"],
    "s1._domainkey.lantern.example": ["v=DKIM1; k=rsa; p=MIIB"],
    "_dmarc.lantern.example": ["v=DMARC1; p=none; rua=mailto:dmarc@lantern.example"],
}


def asking(answers: dict[str, list[str]]) -> Ask:
    """TXT records alone; every host that SPF names has an address."""
    return lambda name, kind: ["192.0.2.1"] if kind == "A" else answers.get(name, []) if kind == "TXT" else []


def states(answers: dict[str, list[str]], name: str = "lantern.example") -> dict[str, str]:
    return {record.name: record.state for record in check_domain(name, asking(answers))}


def test_a_domain_with_all_three_is_well() -> None:
    assert states(WELL) == {"SPF": "good", "DKIM": "good", "DMARC": "good"}


def test_an_empty_domain_is_told_what_to_add() -> None:
    found = {record.name: record for record in check_domain("lantern.example", lambda _name, _kind: [])}
    assert (found["SPF"].state, found["DKIM"].state, found["DMARC"].state) == ("stop", "stop", "stop")
    assert "_dmarc.lantern.example" in found["DMARC"].sentence


def test_a_subdomain_falls_under_its_parents_dmarc() -> None:
    assert states({"_dmarc.lantern.example": ["v=DMARC1; p=reject"]}, "news.lantern.example")["DMARC"] == "good"


def test_a_wildcard_is_no_key_of_a_provider() -> None:
    everywhere = {f"{selector}._domainkey.lantern.example": ["v=DKIM1; p=MIIB"] for selector in SELECTORS}
    assert states(WELL | everywhere)["DKIM"] == "good"
    everywhere |= {f"{NO_SELECTOR}._domainkey.lantern.example": ["v=DKIM1; p=MIIB"]}
    assert states(WELL | everywhere)["DKIM"] == "care"


@pytest.mark.parametrize("spf", [["v=spf1 a", "v=spf1 b"], ["v=spf1 +all"]])
def test_a_broken_spf_record_stops(spf: list[str]) -> None:
    assert states({"lantern.example": spf})["SPF"] == "stop"


@dataclass(frozen=True)
class Key:
    selector: str
    algorithm: str = "ed25519"
    public: str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

    @property
    def name(self) -> str:
        return f"{self.selector}._domainkey.lantern.example"

    @property
    def text(self) -> str:
        return f"v=DKIM1; k={self.algorithm}; p={self.public}"


OURS = [Key("one"), Key("two")]


@pytest.mark.parametrize(
    ("published", "state"),
    [
        ({key.name: [key.text] for key in OURS}, "good"),
        ({OURS[0].name: [OURS[0].text]}, "care"),
        ({OURS[0].name: [OURS[0].text], OURS[1].name: ["v=DKIM1; k=ed25519; p=AAAA"]}, "care"),
        ({OURS[0].name: [OURS[0].text], OURS[1].name: ["v=DKIM1; p="]}, "care"),
        ({}, "stop"),
    ],
    ids=["both there", "one missing", "another key", "revoked", "nothing"],
)
def test_where_we_sign_one_of_our_records_has_to_be_right(published: dict[str, list[str]], state: str) -> None:
    found = check_domain("lantern.example", asking(WELL | published), OURS)
    dkim = {record.state for record in found if record.name == "DKIM"}
    assert (state in dkim, "stop" in dkim) == (True, state == "stop")


def test_of_a_record_that_nobody_could_look_up_nothing_bad_is_said() -> None:
    found = check_domain(
        "lantern.example", lambda name, kind: None if "_domainkey" in name else asking(WELL)(name, kind), OURS
    )
    assert {record.state for record in found if record.name == "DKIM"} == {"care"}


def test_a_key_in_two_strings_is_read_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a real name server sends it, by the resolver that the check uses."""
    with NameServer() as names:
        names.records["k._domainkey.lantern.example"] = ["v=DKIM1; k=rsa; p=" + "A" * 400]
        monkeypatch.setenv("SAMIZDAT_DNS", names.place)
        assert look_up_txt("k._domainkey.lantern.example") == ["v=DKIM1; k=rsa; p=" + "A" * 400]
        assert look_up_txt("nobody.example") == []
        names.broken = True
        assert look_up_txt("k._domainkey.lantern.example") is None


def test_without_a_name_server_the_check_says_that_it_could_not_look() -> None:
    assert "stop" not in {record.state for record in check_domain("lantern.example", lambda _name, _kind: None)}


def test_a_timeout_at_the_dmarc_record_is_no_missing_record() -> None:
    found = check_domain("lantern.example", lambda name, _kind: None if name.startswith("_dmarc.") else [])
    assert (found[2].name, found[2].state) == ("DMARC", "care")


def test_keys_that_wait_are_to_be_published_and_not_added_once_more() -> None:
    found = {
        one.name: one for one in check_domain("lantern.example", lambda _name, _kind: [], waiting="lantern.example")
    }
    assert found["DKIM"].sentence == (
        "The keys of lantern.example don’t sign yet. Publish their records, then activate the keys."
    )
