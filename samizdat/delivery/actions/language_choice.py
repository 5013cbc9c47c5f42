"""Which version of a letter a reader gets: at the release, and whenever they are tried again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from samizdat.campaigns.ab_test import marks_of
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.translations import frozen_in, people_by_place
from samizdat.core import ab_test
from samizdat.core.mail.ledger import unpack_numbers
from samizdat.delivery.actions.ab_test import totals_by_version
from samizdat.delivery.models import Chunk


@dataclass(frozen=True, slots=True)
class LanguageTotals:
    """The books of one version. counts: by state, together `people`; {} where they were not kept by version."""

    place: int
    language: str
    people: int
    counts: Mapping[str, int]


def books(campaign: Campaign) -> list[LanguageTotals]:
    """Each version with its books, the fallback first; together they are those of the campaign. [] for one version."""
    edition = getattr(campaign, "edition", None)  # A draft has none.
    if edition is None or not (spoken := frozen_in(edition.pk)):
        return []
    people, totals = people_by_place(edition, campaign.frozen), totals_by_version(campaign)
    # A letter of before they were kept by version has but a part of them.
    whole = all(sum(totals.get(place, {}).values()) == people.get(place, 0) for place in range(len(spoken)))
    return [
        LanguageTotals(place, language, people.get(place, 0), totals.get(place, {}) if whole else {})
        for place, language in enumerate(spoken)
    ]


def of_one_version(edition: int, numbers: list[int]) -> tuple[int, list[int]]:
    """The version that the first of them was frozen for, and all of them with that one: a chunk is of one version."""
    spoken, marks = frozen_in(edition), marks_of(edition)
    if spoken:
        version = _frozen_for(edition, numbers)
    elif marks:
        version = {number: ab_test.group(edition, number, marks) for number in numbers}
    else:
        return 0, numbers
    first = version[numbers[0]]
    return first, [number for number in numbers if version[number] == first]


def _frozen_for(edition: int, numbers: Sequence[int]) -> dict[int, int]:
    """Number -> place of the version in whose chunk somebody was frozen, whatever language they have by now: a second
    try is the same message. 30 us a chunk."""
    wanted = frozenset(numbers)
    places = dict.fromkeys(numbers, 0)
    chunks = Chunk.objects.filter(edition=edition, retry=False, variant__gt=0).values_list("variant", "numbers")
    for variant, packed in chunks.iterator(100):
        places.update(dict.fromkeys(wanted.intersection(unpack_numbers(bytes(packed))), variant))
    return places
