"""A letter's languages, as its pages show them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat import formatting
from samizdat.audience.segments.errors import SegmentBroken
from samizdat.campaigns import checks, translations
from samizdat.campaigns.checks.organization_rules import rules_of
from samizdat.campaigns.content import compile_version, open_version
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.edition_details import slug_of
from samizdat.campaigns.models import Campaign
from samizdat.core.languages import MOST
from samizdat.core.languages import normal as normalized
from samizdat.delivery.click_stats import VersionGroup, groups
from samizdat.delivery.recipients_breakdown import shares
from samizdat.web.audience.subscriber_filters import every_language
from samizdat.web.labels import BOOKS


@dataclass(frozen=True, slots=True)
class LanguageTab:
    """A version to go to. kind: good, or stop where something keeps it from going out; word: the same in words."""

    number: int
    name: str
    is_fallback: bool
    here: bool
    kind: str = "good"
    word: str = ""


def tabs(campaign: Campaign, now: datetime) -> list[LanguageTab]:
    """The letter, then its other languages by their names; [] where it has one. 20 ms each: every one is compiled."""
    whole = translations.whole(campaign)
    others = translations.versions(whole)
    return [_tab(version, campaign, now) for version in [whole, *translations.in_order(others)]] if others else []


def _tab(version: Campaign, campaign: Campaign, now: datetime) -> LanguageTab:
    kind, word = _state(version, now)
    return LanguageTab(
        version.pk,
        formatting.language(version.language),
        version.version_of_id is None,
        version.pk == campaign.pk,
        kind,
        word,
    )


def _state(row: Campaign, now: datetime) -> tuple[str, str]:
    version = open_version(row, draft_of(row))
    proof = compile_version(version, now)
    stopping = checks.stops(version, proof, now, rules_of(row.organization))
    codes = [flaw.code for flaw in (*proof.flaws, *stopping) if flaw.severity == "stop"]
    if not codes:
        return "good", _("ready to send")
    if {"subject_empty", "body_empty", "body_sample"} & set(codes):
        return "stop", _("not written yet")
    return "stop", ngettext("%(n)s problem to fix", "%(n)s problems to fix", len(codes)) % {"n": len(codes)}


def offered(campaign: Campaign) -> list[tuple[str, str]]:
    """(code, name) of languages that can be added; [] where no version may be."""
    whole = translations.whole(campaign)
    there = {normalized(whole.language), *whole.languages.values_list("language", flat=True)}
    if whole.test_share or whole.is_digest or whole.state != "draft" or len(there) >= MOST:
        return []
    return [(code, name) for code, name in every_language() if code not in there]


def who_gets_which(campaign: Campaign, now: datetime) -> list[dict[str, object]]:
    """For the send page: each version and how many get it now."""
    try:
        language_shares = shares(campaign, now)
    except SegmentBroken:
        return []
    return [
        {"number": share.version.pk, "name": formatting.language(share.version.language), "people": share.people}
        | ({"otherwise": share.otherwise, "is_fallback": True} if place == 0 else {})
        for place, share in enumerate(language_shares)
    ]


def went(campaign: Campaign) -> dict[str, Any] | None:
    """For the report: each version, its subject, what became of it and where it is read; None where one went."""
    rows = list(campaign.edition.variants.exclude(language="").order_by("variant_no"))
    if not rows:
        return None
    drafts = {entry.language: draft_of(entry).subject for entry in translations.versions(campaign)}
    spoken = [
        (0, campaign.language, draft_of(campaign).subject),
        *((row.variant_no, row.language, drafts[row.language]) for row in rows),
    ]
    language_groups = groups(campaign)
    alone = {entry.places[0]: entry for entry in language_groups if len(entry.places) == 1}
    states = [
        (name, str(word)) for name, word, _note in BOOKS if any(entry.counts.get(name) for entry in language_groups)
    ]

    def numbers(entry: VersionGroup) -> dict[str, Any]:
        return {"people": entry.people, "counts": [(head, entry.counts.get(state, 0)) for state, head in states]}

    return {
        "heads": [head for _state, head in states],
        "rows": [
            {
                "name": formatting.language(code),
                "subject": subject,
                "slug": slug_of(campaign.edition, code if place else ""),
            }
            | (numbers(alone[place]) if place in alone else {})
            for place, code, subject in spoken
        ],
        "few": next(
            ({"name": entry.name} | numbers(entry) for entry in language_groups if len(entry.places) > 1), None
        ),
        "totals": [(head, sum(entry.counts.get(state, 0) for entry in language_groups)) for state, head in states],
    }
