"""When an address counts as dead: after one clear answer, or on three days; never while it accepts anything."""

from datetime import date, timedelta

import pytest

from samizdat.core.mail.outcome import ANSWERS, NUMBERS, answer_class, classify
from samizdat.core.mail.suppression_rules import CLASSES, NO_SUCH_HOST, RULES, AnswerDay, is_dead, is_plausible

FIRST = date(2026, 11, 2)


def heard(*words: str) -> list[AnswerDay]:
    """One campaign a day, in this order; "" stands for a day without one."""
    return [
        AnswerDay(FIRST + timedelta(days=place), word == "accepted", NUMBERS[word])
        for place, word in enumerate(words)
        if word
    ]


@pytest.mark.parametrize(
    ("words", "days"),
    [
        (("no_such_mailbox",), 1),
        (("accepted", "no_such_mailbox"), 1),
        (("no_such_mailbox", "accepted"), 0),
        (("full",), 0),
        (("full", "full"), 0),
        (("full", "full", "full"), 3),
        (("full", "", "inactive", "", "", "unavailable"), 3),
        (("full", "full", "accepted", "full"), 0),
        (("full", "accepted", "full", "full", "full"), 3),
        (("policy", "content", "provider", "expired", "suppressed"), 0),
        (("full", "policy", "full", "content", "full"), 3),
        ((), 0),
    ],
)
def test_one_clear_answer_or_three_days_of_softer_ones_make_an_address_dead(words: tuple[str, ...], days: int) -> None:
    assert is_dead(heard(*words)) == days
    assert is_dead(heard(*words)[::-1]) == days


def test_three_campaigns_of_one_day_are_one_day() -> None:
    assert is_dead([AnswerDay(FIRST, False, NUMBERS["full"])] * 3) == 0


def test_a_day_on_which_it_accepted_another_campaign_does_not_count() -> None:
    known = heard("full", "full", "full")
    assert is_dead([*known, AnswerDay(known[-1].day, True, 0)]) == 0


def test_what_was_said_before_they_came_back_is_forgotten() -> None:
    known = heard("full", "full", "full", "full")
    assert is_dead(known, after=FIRST) == 3
    assert is_dead(known, after=FIRST + timedelta(days=1)) == 0
    assert is_dead(heard("no_such_mailbox"), after=FIRST) == 0


@pytest.mark.parametrize(
    ("bounced", "answered", "plausible"),
    [(1, 1, True), (20, 20, True), (21, 21, False), (21, 209, False), (21, 210, True), (115, 4200, True),
     (420, 4200, True), (421, 4200, False), (1312, 1312, False)],
)  # fmt: skip
def test_more_than_twenty_and_a_tenth_of_a_mailbox_provider_are_not_believed(
    bounced: int, answered: int, plausible: bool
) -> None:
    assert is_plausible(bounced, answered) is plausible


def test_no_answer_about_us_or_the_message_is_among_them() -> None:
    answers = {ANSWERS[number] for number in CLASSES}
    assert answers == set(RULES) - {NO_SUCH_HOST} == {"no_such_mailbox", "unavailable", "full", "inactive"}


def test_a_domain_that_does_not_exist_has_to_last_in_a_session_as_in_a_report() -> None:
    words = classify("rcpt", 550, "5.1.2 Host or domain name not found")
    assert RULES[ANSWERS[answer_class(words)]].days == RULES[NO_SUCH_HOST].days == RULES[NO_SUCH_HOST].reports.campaigns
