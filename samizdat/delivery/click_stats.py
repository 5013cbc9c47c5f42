"""What may be said of the sums of a letter: presses of its links, answers to its question, replies. None below twenty,
and no click or answer of what few people got. Every door that shows one asks here.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from samizdat import formatting
from samizdat.audience import queries as audience
from samizdat.campaigns import ab_test, counted_links, sealed_clicks, translations
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.edition_details import counted_versions
from samizdat.campaigns.models import Campaign, Edition
from samizdat.core import totals
from samizdat.core.ab_test import NAMES
from samizdat.core.totals import FEWEST, Span, is_few, rounded
from samizdat.delivery.actions.ab_test import parts
from samizdat.delivery.actions.language_choice import LanguageTotals, books

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
    def shown_total(self) -> str:
        return FEW if self.few else shown(self.total)


@dataclass(frozen=True, slots=True)
class PollResult:
    """answers: (answer, how often it was given, rounded, whether that is not said). few: people got that version."""

    place: int
    version: str
    question: str
    answers: Sequence[tuple[str, int, bool]]
    few: bool

    @property
    def total(self) -> int | None:
        """None where one of them is not said: the sum would say it."""
        return None if any(few for _answer, _count, few in self.answers) else sum(answer[1] for answer in self.answers)


@dataclass(frozen=True, slots=True)
class PollCounts:
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


def nobody(campaign: Campaign) -> set[int]:
    """Places of the versions of a letter that went to nobody: of them there is nothing to say."""
    test_groups = parts(campaign)
    if not test_groups:
        return {row.place for row in books(campaign) if not row.people}
    went = {part.version.place if part.version else campaign.test_winner for part in test_groups if part.frozen}
    return {part.version.place for part in test_groups if part.version} - went


def too_few(campaign: Campaign) -> set[int]:
    """Places of the versions whose clicks and answers are not counted, or that fewer than the floor got by now: by the
    books, and by what the sender has sealed, since the books stand in the open. What became of them is not said,
    however high the sum is: whoever sends a letter to one reader and presses its link twenty times would see the
    reader's press.
    """
    edition = getattr(campaign, "edition", None)
    counted = counted_versions(edition) & sealed_clicks.places_reached(edition) if edition else frozenset()
    return {place for place, many in _reached(campaign).items() if place not in counted or many < totals.FLOOR}


def _reached(campaign: Campaign) -> dict[int, int]:
    """Place of a version -> how many accepted it."""
    test_groups = parts(campaign)
    if not test_groups:
        spoken = books(campaign)
        if not spoken:
            return {0: campaign.accepted}
        got = {row.place: row.counts.get("accepted", 0) if row.counts else row.people for row in spoken}
        return {place: min(many, campaign.accepted) for place, many in got.items()}
    groups: Counter[int | None] = Counter()
    for part in test_groups:
        groups[part.version.place if part.version else campaign.test_winner] += part.counts.get("accepted", 0)
    return {place: many for place, many in groups.items() if place is not None}


@dataclass(frozen=True, slots=True)
class VersionGroup:
    """Versions whose numbers are said as one. counts: by state, together `people`; {} where they were not kept."""

    places: tuple[int, ...]
    name: str
    people: int
    counts: Mapping[str, int]


def groups(campaign: Campaign) -> list[VersionGroup]:
    """What became of a letter by language; together its books. Languages of fewer than twenty people stand together
    at the end, with the smallest of the others where they were still too few: so no small number is the difference of
    two others. [] where nothing is left to tell apart.
    """
    rows = books(campaign)
    few = [row for row in rows if 0 < row.people < FEWEST]
    others = [row for row in rows if row not in few]
    for row in sorted(others, key=lambda row: row.people):
        if few and row.people and sum(small.people for small in few) < FEWEST:
            few.append(row)
            others.remove(row)
    link_groups = [_group([row]) for row in others] + ([_group(few)] if few else [])
    return link_groups if sum(bool(row.people) for row in link_groups) > 1 else []


def _group(some: list[LanguageTotals]) -> VersionGroup:
    counts: Counter[str] = Counter()
    for row in some:
        counts.update(row.counts)
    names = formatting.languages(row.language for row in some)
    return VersionGroup(tuple(row.place for row in some), names, sum(row.people for row in some), counts)


def counted(campaign: Campaign) -> bool:
    """Does the letter keep totals of its links?"""
    return draft_of(campaign).links == "counted"


def links(campaign: Campaign) -> list[Link]:
    """In the order of the letter, version by version; [] where nothing is counted."""
    if not counted(campaign):
        return []
    nowhere = nobody(campaign)
    presses = [press for press in counted_links.pressed(campaign.edition) if press.place not in nowhere]
    names, quiet = _versions(campaign.edition, {press.place for press in presses}), too_few(campaign)
    return [
        Link(
            number,
            names[press.place],
            press.url,
            rounded(press.total),
            totals.spans(press.days) if press.place not in quiet else [],
            is_few(press.total) or press.place in quiet,
        )
        for number, press in enumerate(presses, start=1)
    ]


def questions(campaign: Campaign) -> list[PollResult]:
    """The question of each version with its answers; [] where none was asked."""
    edition = getattr(campaign, "edition", None)
    polls = counted_links.answers(edition) if edition else []
    if not polls:
        return []
    nowhere = nobody(campaign)
    polls = [poll for poll in polls if poll.place not in nowhere]
    names, quiet = _versions(edition, {poll.place for poll in polls}), too_few(campaign)
    return [
        PollResult(
            poll.place,
            names[poll.place],
            poll.question,
            [(answer, rounded(count), is_few(count) or poll.place in quiet) for answer, count in poll.answers],
            poll.place in quiet,
        )
        for poll in polls
    ]


def heard(campaign: Campaign) -> PollCounts:
    complaints = audience.stopped_by_reason(campaign.organization).get("complaint", 0)
    return PollCounts(ab_test.replies_of(campaign), complaints)


def _versions(edition: Edition | None, places: set[int]) -> dict[int, str]:
    """What versions of these places are called; "" where there is one."""
    if edition is None or len(places) < 2:
        return dict.fromkeys(places, "")
    spoken = [formatting.language(code) for code in translations.frozen_in(edition.pk)]
    return {place: (spoken or NAMES)[place] for place in places}
