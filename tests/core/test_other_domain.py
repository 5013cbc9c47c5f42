"""Addresses move from one domain to another and back, and none at a third one does."""

import pytest

from samizdat.core.mail.other_domain import after_switch, at_other_domain, current, former

OLD, NEW = "lantern.example", "lantern.test"


@pytest.mark.parametrize(
    ("address", "there"),
    [
        ("news@lantern.example", "news@lantern.test"),
        ("News@Lantern.Example", "News@lantern.test"),
        ("news@letters.lantern.example", "news@letters.lantern.test"),
        ("@bounces.lantern.example", "@bounces.lantern.test"),
        ("news@blue-lantern.example", "news@blue-lantern.example"),
        ("news@lantern.example.net", "news@lantern.example.net"),
        ("no address", "no address"),
        ("", ""),
    ],
)
def test_what_is_at_or_below_the_old_domain_is_at_the_new_one(address: str, there: str) -> None:
    assert at_other_domain(address, OLD, NEW) == there


def test_a_second_switch_leads_both_old_domains_to_the_newest() -> None:
    switched = after_switch(after_switch({}, "a.example", "b.example"), "b.example", "c.example")
    assert switched == {"a.example": "c.example", "b.example": "c.example"}
    assert current("news@a.example", switched) == current("news@b.example", switched) == "news@c.example"
    assert former("@c.example", switched) == ["@a.example", "@b.example"]


def test_a_switch_back_leaves_nothing_of_the_first() -> None:
    switched = after_switch(after_switch({}, OLD, NEW), NEW, OLD)
    assert switched == {NEW: OLD}
    assert current("news@lantern.example", switched) == "news@lantern.example"
