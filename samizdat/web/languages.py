"""A letter's languages, as its pages show them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat import wording
from samizdat.audience.segments.errors import SegmentBroken
from samizdat.campaigns import checks, languages
from samizdat.campaigns.draft import draft_of
from samizdat.campaigns.letter import proof_of
from samizdat.core.languages import MOST
from samizdat.core.languages import normal as normalised
from samizdat.delivery.sums import Group, groups
from samizdat.delivery.whom import shares
from samizdat.web.filtering import every_language
from samizdat.web.words import BOOKS


@dataclass(frozen=True, slots=True)
class Tab:
    """A version to go to. kind: good, or stop where something keeps it from going out; word: the same in words."""

    number: int
    name: str
    is_fallback: bool
    here: bool
    kind: str = "good"
    word: str = ""


def tabs(found: Any, now: datetime) -> list[Tab]:
    """The letter, then its other languages by their names; [] where it has one. 20 ms each: every one is compiled."""
    whole = languages.whole(found)
    others = languages.versions(whole)
    return [_tab(one, found, now) for one in [whole, *languages.in_order(others)]] if others else []


def _tab(one: Any, found: Any, now: datetime) -> Tab:
    kind, word = _state(one, now)
    return Tab(one.pk, wording.language(one.language), one.version_of_id is None, one.pk == found.pk, kind, word)


def _state(one: Any, now: datetime) -> tuple[str, str]:
    draft, proof = draft_of(one), proof_of(one, now)
    codes = [flaw.code for flaw in (*proof.flaws, *checks.stops(one, draft, proof, now)) if flaw.severity == "stop"]
    if not codes:
        return "good", _("ready to go")
    if {"subject_empty", "body_empty"} & set(codes):
        return "stop", _("not written yet")
    return "stop", ngettext("%(n)s flaw stops it", "%(n)s flaws stop it", len(codes)) % {"n": len(codes)}


def offered(found: Any) -> list[tuple[str, str]]:
    """(code, name) of languages that can be added; [] where no version may be."""
    whole = languages.whole(found)
    there = {normalised(whole.language), *whole.languages.values_list("language", flat=True)}
    if whole.test_share or whole.is_digest or whole.state != "draft" or len(there) >= MOST:
        return []
    return [(code, name) for code, name in every_language() if code not in there]


def who_gets_which(found: Any, now: datetime) -> list[dict[str, Any]]:
    """For the send page: each version and how many get it now."""
    try:
        told = shares(found, now)
    except SegmentBroken:
        return []
    return [
        {"number": one.version.pk, "name": wording.language(one.version.language), "people": one.people}
        | ({"otherwise": one.otherwise, "is_fallback": True} if place == 0 else {})
        for place, one in enumerate(told)
    ]


def went(found: Any) -> dict[str, Any] | None:
    """For the report: each version, its subject, what became of it and where it is read; None where one went."""
    rows = list(found.edition.variants.exclude(language="").order_by("place"))
    if not rows:
        return None
    drafts = {one.language: draft_of(one).subject for one in languages.versions(found)}
    spoken = [
        (0, found.language, draft_of(found).subject),
        *((row.place, row.language, drafts[row.language]) for row in rows),
    ]
    made = groups(found)
    alone = {one.places[0]: one for one in made if len(one.places) == 1}
    states = [(name, str(word)) for name, word, _note in BOOKS if any(one.counts.get(name) for one in made)]

    def numbers(one: Group) -> dict[str, Any]:
        return {"people": one.people, "counts": [(head, one.counts.get(state, 0)) for state, head in states]}

    return {
        "heads": [head for _state, head in states],
        "rows": [
            {
                "name": wording.language(code),
                "subject": subject,
                "slug": languages.slug_of(found.edition, code if place else ""),
            }
            | (numbers(alone[place]) if place in alone else {})
            for place, code, subject in spoken
        ],
        "few": next(({"name": one.name} | numbers(one) for one in made if len(one.places) > 1), None),
        "totals": [(head, sum(one.counts.get(state, 0) for one in made)) for state, head in states],
    }
