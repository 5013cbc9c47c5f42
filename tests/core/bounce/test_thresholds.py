"""When an address is no longer written to."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.bounce.reasons import BY_NAME
from samizdat.core.bounce.thresholds import SENTENCES, THRESHOLDS, Counted, suppression

TODAY = date(2026, 12, 1)


def soft(days_ago: int, campaign: int, reason: str = "mailbox_full") -> Counted:
    return Counted("soft", "recipient", reason, TODAY - timedelta(days_ago), campaign)


def hard(days_ago: int = 0) -> Counted:
    return Counted("hard", "recipient", "user_unknown", TODAY - timedelta(days_ago), 1)


def test_a_mailbox_that_does_not_exist_is_believed_once() -> None:
    assert suppression([hard()], TODAY) == "hard"


def test_five_soft_ones_in_15_days_over_three_campaigns_are_enough() -> None:
    reports = [soft(0, 1), soft(3, 1), soft(5, 2), soft(9, 3), soft(14, 3)]
    assert suppression(reports, TODAY) == "soft"
    assert suppression(reports[:4], TODAY) is None


def test_five_soft_ones_of_two_campaigns_are_not_enough() -> None:
    assert suppression([soft(n, n % 2) for n in range(5)], TODAY) is None


def test_soft_ones_that_are_older_are_forgotten() -> None:
    assert suppression([soft(n * 4, n) for n in range(6)], TODAY) is None


def test_a_complaint_is_the_gravest() -> None:
    assert suppression([hard(), Counted("complaint", "recipient", "abuse", TODAY)], TODAY) == "complaint"


def test_every_suppression_has_a_sentence() -> None:
    assert set(SENTENCES) == {"complaint", *THRESHOLDS}


def no_host(days_ago: int, campaign: int) -> Counted:
    return Counted("hard", "recipient", "host_unknown", TODAY - timedelta(days_ago), campaign)


def test_a_domain_that_does_not_exist_is_believed_after_three_campaigns() -> None:
    reports = [no_host(0, 1), no_host(30, 2), no_host(60, 3)]
    assert suppression(reports, TODAY) == "host"
    assert suppression(reports[:2], TODAY) is None
    assert suppression([no_host(day, 1) for day in range(5)], TODAY) is None


counted = st.builds(
    Counted,
    st.sampled_from(["hard", "soft", "auto-reply", "reply", "none", "unsubscribe"]),
    st.sampled_from(["recipient", "message", "route", None]),
    st.sampled_from([*BY_NAME, "delayed", "away"]),
    st.dates(date(2026, 10, 1), date(2027, 12, 31)),
    st.integers(1, 5),
)


@given(st.lists(counted, max_size=40))
def test_nothing_but_the_recipients_own_fault_suppresses(reports: list[Counted]) -> None:
    others = [one for one in reports if one.fault != "recipient" or one.reason == "delayed"]
    assert suppression(others, TODAY) is None


@given(st.lists(counted, max_size=40))
def test_the_same_report_twice_counts_once_in_any_order(reports: list[Counted]) -> None:
    assert suppression(reports, TODAY) == suppression([*reversed(reports), *reports], TODAY)


@given(st.lists(counted, max_size=40), counted)
def test_one_report_more_never_makes_an_address_good_again(reports: list[Counted], more: Counted) -> None:
    if suppression(reports, TODAY) is not None:
        assert suppression([*reports, more], TODAY) is not None


@given(st.lists(counted, max_size=40))
def test_a_clock_that_is_ahead_suppresses_nobody(reports: list[Counted]) -> None:
    assert suppression([one for one in reports if one.day > TODAY], TODAY) is None
