"""Requests say what applies to the case and nothing else, in both languages."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.rescue import requests
from samizdat.core.rescue.case import LOST, ClosedAccount, laws_for
from samizdat.core.rescue.requests import KINDS, Sent

TODAY = date(2026, 12, 2)
# A group in Riga whose Mailchimp account was closed.
RIGA = ClosedAccount(
    "mailchimp",
    date(2026, 11, 30),
    "Northern Lantern",
    country="LV",
    subscribers_in=("LV", "RU"),
    owner_country="LV",
    reason="sanctions",
    account="northern-lantern",
    owner="news@lantern.example",
    reply_to="data@lantern.example",
    signed="A. B.",
)
MOSCOW = replace(RIGA, country="RU", subscribers_in=("RU",), owner_country="RU")
MINSK = replace(MOSCOW, country="BY", subscribers_in=("BY",), owner_country="BY")


def _laws(account: ClosedAccount) -> set[str]:
    return {applied.law.id for applied in laws_for(account)}


def _kinds(account: ClosedAccount) -> list[str]:
    return [kind.id for kind in requests.kinds_for(account)]


def test_a_group_in_the_union_leans_on_the_gdpr_and_the_data_act() -> None:
    assert {"gdpr-processor", "gdpr-access", "data-act", "gl-25", "gl-27"} <= _laws(RIGA)
    assert "dsa-reasons" not in _laws(RIGA), "closed by sanctions, not over content or terms"
    assert _kinds(RIGA) == ["keep", "return", "account", "sanctions", "subscriber", "collective", "complaint"]


def test_a_group_in_russia_at_an_american_provider_has_the_licenses_alone() -> None:
    assert _laws(MOSCOW) == {"gl-25", "gl-27"}
    assert _kinds(MOSCOW) == ["sanctions", "collective"]


def test_a_group_in_belarus_is_not_sent_to_a_license_for_russia() -> None:
    assert _laws(MINSK) == {"us-belarus"}
    text = requests.draft(KINDS["sanctions"], MINSK, TODAY, "en").text
    assert "part 548" in text and "General License" not in text


def test_readers_in_the_union_bring_the_gdpr_to_a_group_outside() -> None:
    [applied] = [
        each for each in laws_for(replace(MOSCOW, subscribers_in=("RU", "DE"))) if each.law.id == "gdpr-processor"
    ]
    assert applied.because == ("subscribers-eea",)


def test_an_owner_in_california_has_45_days() -> None:
    account = replace(MOSCOW, owner_country="US-CA")
    until = requests.deadline(account, Sent("account", date(2026, 12, 1), date(2026, 12, 1)))
    assert until is not None and until.by_law is not None
    assert (until.by_law.id, until.at, until.extendable) == ("ccpa", date(2027, 1, 15), date(2027, 3, 1))


@pytest.mark.parametrize(
    ("country", "law", "until", "words"),
    [
        ("CH", "swiss-access", date(2026, 12, 31), "article 28"),
        ("RS", "serbia-access", date(2026, 12, 31), "article 36"),
        ("BR", "brazil-access", date(2026, 12, 16), "articles 18 and 19"),
    ],
)
def test_an_owner_elsewhere_has_the_law_of_their_country(country: str, law: str, until: date, words: str) -> None:
    account = replace(MOSCOW, owner_country=country)
    due = requests.deadline(account, Sent("account", date(2026, 12, 1), date(2026, 12, 1)))
    assert due is not None and due.by_law is not None and (due.by_law.id, due.at) == (law, until)
    text = requests.draft(KINDS["account"], account, TODAY, "en").text
    assert words in text and "California" not in text


def test_a_month_runs_from_the_day_of_receipt_and_can_be_extended_to_three() -> None:
    sent = Sent("account", date(2026, 11, 30), date(2026, 12, 2))
    until = requests.deadline(RIGA, sent)
    assert until is not None and until.at == date(2027, 1, 4), "2 January is a Saturday"
    longer = requests.deadline(RIGA, replace(sent, extended=True))
    assert longer is not None and longer.at == date(2027, 3, 2) and longer.extendable is None


def test_where_no_law_sets_a_time_the_text_asks_for_a_day_and_says_the_same_number() -> None:
    until = requests.deadline(RIGA, Sent("return", TODAY, TODAY))
    assert until is not None and until.by_law is None and until.at == date(2026, 12, 16)
    assert "within 14 days" in requests.draft(KINDS["return"], RIGA, TODAY, "en").text


def test_a_request_names_what_was_lost_and_the_articles_of_what_applies() -> None:
    text = requests.draft(KINDS["return"], replace(RIGA, lost=("subscribers", "consent")), TODAY, "en").text
    assert "- all subscribers of every audience" in text and "- the proof of consent" in text
    assert "- all templates" not in text
    assert "article 28(3)(g)" in text and "2023/2854" in text
    assert "https://eur-lex.europa.eu/eli/reg/2016/679/oj" in text
    outside = requests.draft(KINDS["return"], replace(RIGA, country="GB", subscribers_in=("GB",)), TODAY, "en").text
    assert "2023/2854" not in outside


def test_the_request_names_the_account_and_no_other_person() -> None:
    text = requests.draft(KINDS["return"], RIGA, TODAY, "ru").text
    assert "northern-lantern" in text and "30 ноября 2026" in text
    assert "news@lantern.example" not in text, "the address of the owner is asked for in the owner's own request alone"
    assert "news@lantern.example" in requests.draft(KINDS["account"], RIGA, TODAY, "ru").text


def test_what_is_not_known_stands_as_a_gap_to_fill_in() -> None:
    drafted = requests.draft(KINDS["account"], replace(RIGA, account="", owner=""), TODAY, "en")
    assert "[write here]" in drafted.title
    assert drafted.gaps == 3, "the account in the title and in the text, and the owner"


@pytest.mark.parametrize(("language", "ask"), [("en", "Please answer"), ("ru", "Прошу ответить")])
def test_who_writes_for_themselves_stands_above_and_a_subscribers_text_names_nobody(language: str, ask: str) -> None:
    account = replace(RIGA, signed="Clara Berg", reply_to="safe@lantern.example")
    own = requests.draft(KINDS["account"], account, TODAY, language).text
    assert own.startswith("Clara Berg\n") and f"{ask} " in own and "safe@lantern.example" in own
    theirs = requests.draft(KINDS["subscriber"], account, TODAY, language)
    assert "Clara" not in theirs.text and "safe@lantern.example" not in theirs.text, "the answer is not for us"
    assert theirs.text.startswith("[") and theirs.gaps >= 3
    ours = requests.draft(KINDS["return"], account, TODAY, language).text
    assert ours.startswith(f"{RIGA.organization}\n")


def test_a_complaint_lists_what_was_sent_and_what_is_enclosed() -> None:
    sent = [Sent("return", date(2026, 11, 30), date(2026, 11, 30), answered=date(2026, 12, 1))]
    account = replace(RIGA, authority="Datu valsts inspekcija")
    text = requests.draft(KINDS["complaint"], account, TODAY, "en", sent, ["screenshot.png, SHA-256 abc"]).text
    assert "- November 30, 2026: Return our data; due: December 14, 2026; answered: December 1, 2026" in text
    assert "- screenshot.png, SHA-256 abc" in text
    assert "To: Datu valsts inspekcija" in text


COUNTRIES = st.sampled_from(["", "LV", "GB", "RU", "BY", "US", "US-CA", "IS", "CH", "RS", "BR", "XX"])


@given(
    st.builds(
        ClosedAccount,
        provider=st.sampled_from(["mailchimp", "Somebody {x} else"]),
        closed=st.dates(date(2000, 1, 1), date(2100, 1, 1)),
        organization=st.text(max_size=30),
        provider_country=COUNTRIES,
        country=COUNTRIES,
        subscribers_in=st.lists(COUNTRIES, max_size=3).map(tuple),
        owner_country=COUNTRIES,
        reason=st.sampled_from(["none", "sanctions", "terms"]),
        lost=st.lists(st.sampled_from(LOST), unique=True).map(tuple),
        account=st.text(max_size=30),
        owner=st.text(max_size=30),
        reply_to=st.text(max_size=30),
        signed=st.text(max_size=30),
    ),
    st.sampled_from(requests.LANGUAGES),
)
def test_every_offered_request_can_be_written(account: ClosedAccount, language: str) -> None:
    for kind in requests.kinds_for(account):
        drafted = requests.draft(kind, account, TODAY, language)
        assert drafted.title and account.closed.strftime("%Y") in drafted.text
        until = requests.deadline(account, Sent(kind.id, TODAY, TODAY))
        assert until is None or until.at > TODAY


@pytest.mark.parametrize("language", requests.LANGUAGES)
def test_every_kind_has_a_label_and_says_when_it_is_of_use(language: str) -> None:
    assert all(requests.label(kind, language) and requests.about(kind, language) for kind in KINDS)
