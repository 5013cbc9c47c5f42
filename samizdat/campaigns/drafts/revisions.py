"""Drafts as they were: what a merge begins from, what somebody can look at, and what can be brought back.

Every save is kept, sealed. Old ones are thinned out: the newest 50 stay, of those before the last of every ten minutes
for two days, and then the last of every day. Together they take so many bytes at most.
"""

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
from django.db.models.functions import Length

from samizdat import limited_process
from samizdat.accounts.models import Organization, Person
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.models import Campaign, DraftRevision
from samizdat.campaigns.templates import region_names
from samizdat.campaigns.templates.layout_store import arrangement_of
from samizdat.core import consent
from samizdat.core.content.blocks.compare import ComparedPart, beginning, counted, differences, lines
from samizdat.core.content.templates.layout import LayoutChanges
from samizdat.vault import keyring

NEWEST = 50
FINE, FINE_FOR = timedelta(minutes=10), timedelta(days=2)
# Saves of one person with less than this between them are one line of the history.
SITTING = timedelta(minutes=10)
# A hundred lines of history are more than anybody reads.
SHOWN = 100
THINNED_EVERY = 10
# Bytes of the history of one campaign, as they are stored; the newest of them stay in any case.
MOST_BYTES, LEAST = 5_000_000, 10
# Characters of each version that the history compares, and versions that are in memory at once.
COMPARED, AT_ONCE = 100_000, 5


class DraftChoices(msgspec.Struct, frozen=True):
    """What was chosen beside the text: the numbers of list, tag, segment and template …"""

    list: int | None = None
    tag: int | None = None
    segment: int | None = None
    purpose: str = consent.LETTERS
    template: int | None = None
    language: str = ""
    archive_hidden: bool = False


class RevisionText(msgspec.Struct, frozen=True):
    """What is sealed of a version. `places`: what it made of its template; None where that was not kept yet."""

    draft: Draft
    chosen: DraftChoices
    places: LayoutChanges | None = None


@dataclass(frozen=True, slots=True)
class KeptRevision:
    """A version opened."""

    number: int
    at: datetime
    by_id: int | None
    draft: Draft
    chosen: DraftChoices
    places: LayoutChanges | None


@dataclass(frozen=True, slots=True)
class RevisionEntry:
    """A line of the history: the last save of a sitting, and how many words came and went by it."""

    number: int
    at: datetime
    by_id: int | None
    new: int
    gone: int
    is_now: bool
    whole: bool = True  # Not where the texts are too long to be compared to their ends.


def keep(
    campaign: Campaign,
    draft: Draft,
    *,
    number: int,
    by: Person | None,
    at: datetime,
    page: str = "",
    chosen: DraftChoices | None = None,
    places: LayoutChanges | None = None,
) -> None:
    """Writes a version down; call it in the transaction of the save. chosen and places: those of the row, if none are
    given.
    """
    if chosen is None:
        chosen, places = chosen_of(campaign), arrangement_of(campaign)
    row = DraftRevision.objects.create(campaign=campaign, number=number, by=by, at=at, page=page, sealed=b"")
    packed = zlib.compress(msgspec.json.encode(RevisionText(draft, chosen, places)), 6)
    row.sealed = keyring.keys(campaign.organization).seal(packed, "draftversion", "sealed", row.pk)
    row.save(update_fields=["sealed"])
    if number % THINNED_EVERY == 0:
        thin(campaign, at)


def keep_before(campaign: Campaign, version: int) -> None:
    """The version that is about to be saved over, where nobody has kept it: the first one, or one of an old house."""
    if DraftRevision.objects.filter(campaign=campaign, number=version).exists():
        return
    row = Campaign.objects.select_related("organization", "created_by").filter(pk=campaign.pk, version=version).first()
    if row is not None:
        keep(row, draft_of(row), number=version, by=row.created_by, at=row.changed)


def chosen_of(campaign: Campaign) -> DraftChoices:
    return DraftChoices(
        campaign.list_id,
        campaign.tag_id,
        campaign.segment_id,
        consent.PURPOSES[campaign.purpose],
        campaign.template_id,
        campaign.language,
        campaign.archive_hidden,
    )


def version_of(campaign: Campaign, number: int) -> KeptRevision | None:
    row = DraftRevision.objects.filter(campaign=campaign, number=number).first()
    return _opened(campaign, row) if row else None


def _opened(campaign: Campaign, row: DraftRevision) -> KeptRevision:
    packed = keyring.keys(campaign.organization).open(row.sealed, "draftversion", "sealed", row.pk)
    stored = msgspec.json.decode(zlib.decompress(packed), type=RevisionText)
    return KeptRevision(row.number, row.at, row.by_id, stored.draft, stored.chosen, stored.places)


def pages_since(campaign: Campaign, number: int) -> list[tuple[str, int | None]]:
    """(page, person) of every save after this version, the oldest first."""
    rows = DraftRevision.objects.filter(campaign=campaign, number__gt=number).order_by("number")
    return list(rows.values_list("page", "by_id"))


# A page's token ends with the number of its save, as 8 hexadecimal digits.
SERIAL = 8


def is_of(page: str, since: Iterable[tuple[str, int | None]]) -> bool:
    """Whether all of these saves came from the same page."""
    return bool(page) and all(other_page[:-SERIAL] == page[:-SERIAL] for other_page, _person in since)


def are_own(since: Iterable[tuple[str, int | None]], by: Person | None) -> bool:
    """Whether this very person made all of these saves, in other tabs."""
    return by is not None and all(person == by.pk for _page, person in since)


def is_late(page: str, since: Iterable[tuple[str, int | None]]) -> bool:
    """Whether a newer save of the same page is among these: what a page sends while it is left may overtake what it
    sent before.
    """
    return bool(page) and any(
        other_page[:-SERIAL] == page[:-SERIAL] and other_page > page for other_page, _person in since
    )


# -- looking back --


def entries(campaign: Campaign) -> list[RevisionEntry]:
    """The newest first; what came and went is told against the line below."""
    # Which ones are shown is told by their times; of several hundred versions these alone are fetched whole.
    rows = list(DraftRevision.objects.filter(campaign=campaign).defer("sealed").order_by("number"))
    ends = [row.pk for row, after in pairwise([*rows, None]) if row and (after is None or _apart(row, after))]
    shown = [row for row in rows if row.pk in set(ends[-SHOWN:])]
    texts, cut = list[list[str]](), list[bool]()
    sealed_rows = DraftRevision.objects.filter(pk__in=ends[-SHOWN:]).order_by("number")
    for row in sealed_rows.iterator(chunk_size=AT_ONCE):
        kept = _opened(campaign, row)
        written = text_of(kept.draft, kept.places)
        texts.append(beginning(written, COMPARED))
        cut.append(len(texts[-1]) < len(written))
    history: list[RevisionEntry] = []
    parts_of_each = compared(campaign.organization, list(pairwise([*texts[:1], *texts])))
    for row, parts, is_cut in zip(shown, parts_of_each, cut, strict=True):
        counts, whole = counted(parts), not is_cut and all(part.kind != "rest" for part in parts)
        history.append(
            RevisionEntry(row.number, row.at, row.by_id, counts.new, counts.gone, row.number == campaign.version, whole)
        )
    return history[::-1]


def _apart(row: DraftRevision, after: DraftRevision) -> bool:
    return row.by_id != after.by_id or after.at - row.at > SITTING


def changes(kept: KeptRevision, campaign: Campaign) -> list[ComparedPart]:
    """What is different in a draft since a version of it, in its subject and text; in the parts of its template:
    region_diff.places.
    """
    (parts,) = compared(campaign.organization, [(text_of(kept.draft), text_of(draft_of(campaign)))])
    return parts


def compared(
    organization: Organization, pairs: Sequence[tuple[Sequence[str], Sequence[str]]]
) -> list[list[ComparedPart]]:
    """What is different in these texts, within bounds (limited_process.py): a viewer's look holds no thread of the
    desk."""
    try:
        return limited_process.work(organization.pk, differences, pairs)
    except limited_process.TooMuch:
        return [[ComparedPart("rest", "")] for _pair in pairs]


def is_same(kept: KeptRevision, campaign: Campaign) -> bool:
    return kept.draft == draft_of(campaign) and kept.places in (None, arrangement_of(campaign))


def text_of(draft: Draft, places: LayoutChanges | None = None) -> list[str]:
    """Everything that somebody wrote, line by line."""
    if draft.format == "blocks":
        body = lines(json.loads(draft.body)) if draft.body else []
    else:
        body = [line for line in draft.body.split("\n") if line.strip()]
    written = [region_names.words_of(words.html) for _key, words in sorted(places.texts.items())] if places else []
    return [draft.subject, draft.preheader, *body, *filter(None, written)]


# -- thinning out --


def kept(rows: Iterable[tuple[int, datetime]], now: datetime) -> set[int]:
    """Numbers that stay, of (number, time) in any order."""
    newest_first = sorted(rows, reverse=True)
    stay = {number for number, _at in newest_first[:NEWEST]}
    seen: set[Any] = set()
    for number, at in newest_first:
        slot: Any = at.date() if now - at > FINE_FOR else (at - datetime.min.replace(tzinfo=at.tzinfo)) // FINE
        if slot not in seen:
            seen.add(slot)
            stay.add(number)
    return stay


def thin(campaign: Campaign, now: datetime) -> int:
    """Deletes what need not stay; how many versions."""
    rows = DraftRevision.objects.filter(campaign=campaign).order_by("-number")
    sizes = {number: (at, size) for number, at, size in rows.values_list("number", "at", Length("sealed"))}
    stay = kept([(number, at) for number, (at, _size) in sizes.items()], now)
    room = MOST_BYTES
    for place, number in enumerate(sorted(stay, reverse=True)):
        room -= sizes[number][1]
        if room < 0 and place >= LEAST:
            stay.discard(number)
    gone = sizes.keys() - stay
    if gone:
        DraftRevision.objects.filter(campaign=campaign, number__in=gone).delete()
    return len(gone)
