"""What may be said of the sums of a letter: presses of its links, answers to its question, replies. None below twenty,
and no click or answer of what few people got. Every door that shows one asks here.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from samizdat import wording
from samizdat.audience import queries as audience
from samizdat.campaigns import contest, counting, languages
from samizdat.campaigns.draft import draft_of
from samizdat.core import totals
from samizdat.core.contest import NAMES
from samizdat.core.totals import FEWEST, Span, is_few, rounded
from samizdat.delivery.actions.contest import parts
from samizdat.delivery.actions.speaking import Spoken, books

# What stands in a file or a table where one to nineteen people are behind a number.
FEW = f"<{FEWEST}"


@dataclass(frozen=True, slots=True)
class Link:
    """version: of the letter that it stands in, "" where there is one. total: rounded. spans: by days; none where few.
    few: the sum is not said, since it is small or few people got that version.
    """

    number: int
    version: str
    url: str
    total: int
    spans: Sequence[Span]
    few: bool

    @property
    def said(self) -> str:
        return FEW if self.few else shown(self.total)


@dataclass(frozen=True, slots=True)
class Question:
    """answers: (answer, how often it was given, rounded, whether that is not said). few: people got that version."""

    place: int
    version: str
    question: str
    answers: Sequence[tuple[str, int, bool]]
    few: bool

    @property
    def total(self) -> int | None:
        """None where one of them is not said: the sum would say it."""
        return None if any(few for _answer, _count, few in self.answers) else sum(one[1] for one in self.answers)


@dataclass(frozen=True, slots=True)
class Heard:
    """Replies that a person has counted (None: nobody has), and complaints, of which nothing tells by which letter they
    came.
    """

    replies: int | None
    complaints: int

    @property
    def few_replies(self) -> bool:
        return is_few(self.replies or 0)

    @property
    def few_complaints(self) -> bool:
        return is_few(self.complaints)


def shown(people: int) -> str:
    """A number as others may have it: none, or enough people not to be somebody."""
    return FEW if is_few(people) else str(people)


def nobody(campaign: Any) -> set[int]:
    """Places of the versions of a letter that went to nobody: of them there is nothing to say."""
    found = parts(campaign)
    if not found:
        return {one.place for one in books(campaign) if not one.people}
    went = {part.version.place if part.version else campaign.test_winner for part in found if part.frozen}
    return {part.version.place for part in found if part.version} - went


def too_few(campaign: Any) -> set[int]:
    """Places of the versions whose clicks and answers are not counted, or that fewer than the floor got by now. What
    became of them is not said, however high the sum is: whoever sends a letter to one reader and presses its link
    twenty times would see the reader's press.
    """
    edition = getattr(campaign, "edition", None)
    counted = totals.load(edition.counted_places) if edition else frozenset()
    return {place for place, many in _reached(campaign).items() if place not in counted or many < totals.FLOOR}


def _reached(campaign: Any) -> dict[int, int]:
    """Place of a version -> how many accepted it."""
    found = parts(campaign)
    if not found:
        spoken = books(campaign)
        if not spoken:
            return {0: campaign.accepted}
        got = {one.place: one.counts.get("accepted", 0) if one.counts else one.people for one in spoken}
        return {place: min(many, campaign.accepted) for place, many in got.items()}
    got = {part.version.place if part.version else campaign.test_winner: 0 for part in found}
    for part in found:
        got[part.version.place if part.version else campaign.test_winner] += part.counts.get("accepted", 0)
    return {place: many for place, many in got.items() if place is not None}


@dataclass(frozen=True, slots=True)
class Group:
    """Versions whose numbers are said as one. counts: by state, together `people`; {} where they were not kept."""

    places: tuple[int, ...]
    name: str
    people: int
    counts: Mapping[str, int]


def groups(found: Any) -> list[Group]:
    """What became of a letter by language; together its books. Languages of fewer than twenty people stand together
    at the end, with the smallest of the others where they were still too few: so no small number is the difference of
    two others. [] where nothing is left to tell apart.
    """
    told = books(found)
    few = [one for one in told if 0 < one.people < FEWEST]
    others = [one for one in told if one not in few]
    for one in sorted(others, key=lambda one: one.people):
        if few and one.people and sum(small.people for small in few) < FEWEST:
            few.append(one)
            others.remove(one)
    made = [_group([one]) for one in others] + ([_group(few)] if few else [])
    return made if sum(bool(one.people) for one in made) > 1 else []


def _group(some: list[Spoken]) -> Group:
    counts: Counter[str] = Counter()
    for one in some:
        counts.update(one.counts)
    names = wording.languages(one.language for one in some)
    return Group(tuple(one.place for one in some), names, sum(one.people for one in some), counts)


def counted(campaign: Any) -> bool:
    """Does the letter keep totals of its links?"""
    return draft_of(campaign).links == "counted"


def links(campaign: Any) -> list[Link]:
    """In the order of the letter, version by version; [] where nothing is counted."""
    if not counted(campaign):
        return []
    nowhere = nobody(campaign)
    found = [one for one in counting.pressed(campaign.edition) if one.place not in nowhere]
    names, quiet = _versions(campaign.edition, {one.place for one in found}), too_few(campaign)
    return [
        Link(
            number,
            names[one.place],
            one.url,
            rounded(one.total),
            totals.spans(one.days) if one.place not in quiet else [],
            is_few(one.total) or one.place in quiet,
        )
        for number, one in enumerate(found, start=1)
    ]


def questions(campaign: Any) -> list[Question]:
    """The question of each version with its answers; [] where none was asked."""
    edition = getattr(campaign, "edition", None)
    found = counting.answers(edition) if edition else []
    if not found:
        return []
    nowhere = nobody(campaign)
    found = [one for one in found if one.place not in nowhere]
    names, quiet = _versions(edition, {one.place for one in found}), too_few(campaign)
    return [
        Question(
            one.place,
            names[one.place],
            one.question,
            [(answer, rounded(count), is_few(count) or one.place in quiet) for answer, count in one.answers],
            one.place in quiet,
        )
        for one in found
    ]


def heard(campaign: Any) -> Heard:
    complaints = audience.stopped_by_reason(campaign.organisation).get("complaint", 0)
    return Heard(contest.replies_of(campaign), complaints)


def _versions(edition: Any, places: set[int]) -> dict[int, str]:
    """What versions of these places are called; "" where there is one."""
    if len(places) < 2:
        return dict.fromkeys(places, "")
    spoken = [wording.language(code) for code in languages.frozen_in(edition.pk)]
    return {place: (spoken or NAMES)[place] for place in places}
