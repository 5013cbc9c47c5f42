"""Numbers, days and states as people read them."""

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.template import Context, Template
from django.utils import translation

from samizdat import formatting
from samizdat.audience.models import STATUSES
from samizdat.campaigns.models import STATES
from samizdat.core import consent
from samizdat.core.mail import outcome
from samizdat.core.mail.address import PROVIDERS
from samizdat.web import labels
from samizdat.web.templatetags import desk

AT = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "number", "text"),
    [
        ("en", 17_938, "17,938"),
        ("en", 4206, "4,206"),
        ("ru", 17_938, "17\u00a0938"),
        ("ru", 4206, "4\u00a0206"),
        ("ru", 1_000_000, "1\u00a0000\u00a0000"),
        ("en", 0, "0"),
    ],
)
def test_a_number_is_written_as_the_language_writes_it(language: str, number: int, text: str) -> None:
    with translation.override(language):
        assert desk.count(number) == text


def test_numbers_in_a_sentence_are_written_as_the_language_writes_them() -> None:
    told = {"size": "4,206", "limit": 998, "name": "1,2 and 3", "has": 12_000, "known": True}
    with translation.override("ru"):
        found = formatting.regrouped(told)
    assert found == {"size": "4\u00a0206", "limit": "998", "name": "1,2 and 3", "has": "12\u00a0000", "known": True}


def test_days_and_moments() -> None:
    with translation.override("en"):
        assert desk.day(date(2026, 11, 26)) == "26 November 2026"
        assert desk.moment(AT) == "Thu 26 Nov, 08:00"
    with translation.override("ru"):
        assert desk.day(date(2026, 11, 26)) == "26 ноября 2026"
        assert desk.shortday(date(2026, 11, 6)) == "06.11.2026"
    assert desk.moment(None) == ""


def test_a_sealed_address_shows_one_letter_and_a_bar_of_one_length() -> None:
    short, long = desk.sealed("a@b.example"), desk.sealed("a-very-long-name@b.example")
    assert short == long


def test_what_people_wrote_is_never_markup() -> None:
    page = Template("{% state 'good' name %}{% sealed name %}").render(Context({"name": "<script>"}))
    assert "<script>" not in page


def test_every_code_has_a_word() -> None:
    assert set(labels.CAMPAIGN_STATES) == {*STATES, "taken_back", "waits", "provider", "on_hold", "welcome"}
    assert set(labels.SUBSCRIPTION_STATES) == set(STATUSES)
    assert set(labels.PROVIDERS) >= set(PROVIDERS)
    assert set(labels.VERDICTS) >= set(consent.REASONS) - {"yes"}
    assert set(labels.CONSENT_KINDS) == set(consent.KINDS)
    assert set(labels.CONSENT_WAYS) == set(consent.WAYS)
    assert set(labels.ANSWERS) >= set(outcome.ANSWERS) - {"accepted"}


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ("10/s", ["10 per second"]),
        ("0.5/s", ["0.5 per second"]),
        ("330/m,20000/d", ["330 per minute", "20,000 per day"]),
        ("5000/h", ["5,000 per hour"]),
        ("", []),
    ],
)
def test_limits_are_said_in_words(limits: str, words: list[str]) -> None:
    assert desk.limit_words(limits) == words


def test_every_event_of_a_campaign_has_its_words() -> None:
    source = Path(__file__).parents[2] / "samizdat"
    kinds = set()
    for folder in ("backup", "campaigns", "delivery", "health", "incoming", "worker"):
        for path in (source / folder).rglob("*.py"):
            # Not in brackets: there stand names of what a letter says (core/content/phrases).
            kinds |= set(re.findall(r'(?<!\[)"((?:campaign|digest|installation)\.[a-z_]+)"', path.read_text()))
    assert kinds
    assert kinds == set(labels.EVENTS)


def test_an_address_breaks_at_its_signs_and_stays_harmless() -> None:
    assert desk.breakable("a.b@<i>.example") == "<bdi>a<wbr>.b@<wbr>&lt;i&gt;<wbr>.example</bdi>"
