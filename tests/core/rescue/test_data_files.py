"""The data files that anybody can correct: each line has what a reader needs to check it."""

import re
import tomllib
from datetime import date
from importlib.resources import files
from string import Formatter
from urllib.parse import urlsplit

import pytest

from samizdat.core.rescue import deadlines, parties, requests
from samizdat.core.rescue.case import EEA, LOST, ClosedAccount, facts_of
from samizdat.core.rescue.laws import LAW_OF, LAWS, Law

ROOT = files("samizdat.core.rescue")
CLOSED = date(2026, 11, 30)
# Facts come true in these accounts together.
ACCOUNTS = [
    ClosedAccount("mailchimp", CLOSED, "N", country=country, subscribers_in=("LV", "GB"), owner_country=owner,
            provider_country=provider, reason=reason)
    for country in ("LV", "GB", "RU", "BY", "IS")
    for owner in ("LV", "GB", "US-CA", "CH", "RS", "BR")
    for provider in ("US", "LV", "GB")
    for reason in ("sanctions", "terms")
]  # fmt: skip
FACTS = frozenset().union(*map(facts_of, ACCOUNTS))


def _is_address(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" and "." in parts.netloc


@pytest.mark.parametrize("law", LAWS.values(), ids=lambda law: law.id)
def test_a_law_says_in_both_languages_what_it_gives_and_where_it_stands(law: Law) -> None:
    assert set(law.name) == set(law.says) == {"en", "ru"}
    assert all(law.name.values()) and all(law.says.values())
    assert _is_address(law.source)
    assert law.read <= LAW_OF
    assert law.checked == "documented" or re.fullmatch(r"[A-Z]{2} \d{4}-\d\d-\d\d", law.checked)
    assert law.applies and all(set(condition) <= FACTS for condition in law.applies)
    assert law.period is None or law.period.rule in deadlines.RULES


@pytest.mark.parametrize("provider", parties.PROVIDERS.values(), ids=lambda provider: provider.id)
def test_what_a_provider_did_has_a_day_and_a_source(provider: parties.Provider) -> None:
    assert re.fullmatch(r"[a-z0-9-]+", provider.id)
    assert provider.name and provider.company and re.fullmatch(r"[A-Z]{2}", provider.country)
    assert provider.lines, "a provider without a line says nothing"
    assert [line.day for line in provider.lines] == sorted(line.day for line in provider.lines)
    for line in provider.lines:
        assert re.fullmatch(r"(19|20)\d\d(-\d\d(-\d\d)?)?", line.day)
        assert line.did in parties.DEEDS
        assert line.says["en"] and line.says["ru"]
        assert _is_address(line.source)
        assert line.day <= line.read.isoformat()


@pytest.mark.parametrize("authority", parties.AUTHORITIES.values(), ids=lambda authority: authority.country)
def test_an_authority_has_a_site_and_holidays_that_can_be_read(authority: parties.Authority) -> None:
    assert authority.country in EEA | {"GB"}
    assert authority.name and _is_address(authority.site)
    days = deadlines.holidays_of(authority.holidays, [2026])
    assert len(days) == len(authority.holidays)
    assert date(2026, 1, 1) in days and date(2026, 12, 25) in days


@pytest.mark.parametrize("name", ["laws.toml", "providers.toml", "authorities.toml"])
def test_a_file_has_no_key_that_nothing_reads(name: str) -> None:
    known = {
        "law": {"id", "name", "says", "applies", "source", "read", "checked", "period"},
        "provider": {"id", "name", "company", "country", "line"},
        "authority": {"country", "name", "site", "holidays"},
    }
    whole = tomllib.loads(ROOT.joinpath(name).read_text(encoding="utf-8"))
    for table, rows in whole.items():
        if isinstance(rows, list):
            assert all(set(row) <= known[table] for row in rows)
    lines = [line for row in whole.get("provider", ()) for line in row["line"]]
    assert all(set(line) == {"day", "did", "en", "ru", "source", "read"} for line in lines)


def test_both_languages_have_the_same_texts_under_the_same_laws() -> None:
    english, russian = (
        tomllib.loads(ROOT.joinpath(f"requests/{code}.toml").read_text(encoding="utf-8")) for code in ("en", "ru")
    )
    assert set(english) == set(russian)
    assert set(english["lost"]) == set(russian["lost"]) == set(LOST)
    for kind in requests.KINDS:
        ours, theirs = english[kind]["text"], russian[kind]["text"]
        assert [(row.get("law"), row.get("insert")) for row in ours] == [
            (row.get("law"), row.get("insert")) for row in theirs
        ]
        assert all(law in LAWS for row in ours for law in row.get("law", ()))
        for one_language, other in zip(ours, theirs, strict=True):
            assert _placeholders(one_language["say"]) == _placeholders(other["say"])


def _placeholders(text: str) -> set[str]:
    return {name for _text, name, _format, _conversion in Formatter().parse(text) if name}
