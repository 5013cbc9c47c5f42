"""What DNS says about a sender, in sentences."""

import pytest

from samizdat.campaigns.domain import check_domain

WELL = {
    "lantern.example": ["v=spf1 include:relay.example ~all"],
    "s1._domainkey.lantern.example": ["v=DKIM1; k=rsa; p=MIIB"],
    "_dmarc.lantern.example": ["v=DMARC1; p=none"],
}


def states(answers: dict[str, list[str]], name: str = "lantern.example") -> dict[str, str]:
    return {record.name: record.state for record in check_domain(name, lambda asked: answers.get(asked, []))}


def test_a_domain_with_all_three_is_well() -> None:
    assert states(WELL) == {"SPF": "good", "DKIM": "good", "DMARC": "good"}


def test_an_empty_domain_is_told_what_to_add() -> None:
    found = {record.name: record for record in check_domain("lantern.example", lambda _name: [])}
    assert (found["SPF"].state, found["DKIM"].state, found["DMARC"].state) == ("stop", "care", "stop")
    assert "_dmarc.lantern.example" in found["DMARC"].sentence


def test_a_subdomain_falls_under_its_parents_dmarc() -> None:
    assert states({"_dmarc.lantern.example": ["v=DMARC1; p=reject"]}, "news.lantern.example")["DMARC"] == "good"


@pytest.mark.parametrize("spf", [["v=spf1 a", "v=spf1 b"], ["v=spf1 +all"]])
def test_a_broken_spf_record_stops(spf: list[str]) -> None:
    assert states({"lantern.example": spf})["SPF"] == "stop"


def test_without_a_name_server_the_check_says_that_it_could_not_look() -> None:
    assert {record.state for record in check_domain("lantern.example", lambda _name: None)} == {"care"}
