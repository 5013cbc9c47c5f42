"""Drafts as they were: what a merge begins from, what somebody can look at, and what can be brought back.

Every save is kept, sealed. Old ones are thinned out: the newest 50 stay, of those before the last of every ten minutes
for two days, and then the last of every day.
"""

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from samizdat import bounded
from samizdat.campaigns import calling
from samizdat.campaigns.arrangement import arrangement_of
from samizdat.campaigns.draft import Draft, draft_of
from samizdat.campaigns.models import Campaign, DraftVersion
from samizdat.core import consent
from samizdat.core.document.words import Part, counted, differences, lines
from samizdat.core.templating import Arrangement
from samizdat.vault import house

NEWEST = 50
FINE, FINE_FOR = timedelta(minutes=10), timedelta(days=2)
# Saves of one person with less than this between them are one line of the history.
SITTING = timedelta(minutes=10)
# A hundred lines of history are more than anybody reads.
SHOWN = 100
THINNED_EVERY = 10


@dataclass(frozen=True, slots=True)
class Kept:
    """A version opened: the draft, the numbers of list, tag, segment, template, the language and `unlisted` beside it,
    and what the letter made of its template; None where that was not kept yet.
    """

    number: int
    at: datetime
    by_id: int | None
    draft: Draft
    chosen: Mapping[str, Any]
    places: Arrangement | None = None


@dataclass(frozen=True, slots=True)
class Entry:
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
    by: Any,
    at: datetime,
    page: str = "",
    chosen: Mapping[str, Any] | None = None,
    places: Arrangement | None = None,
) -> None:
    """Writes a version down; call it in the transaction of the save. chosen and places: those of the row, if none are
    given.
    """
    if chosen is None:
        chosen, places = chosen_of(campaign), arrangement_of(campaign)
    row = DraftVersion.objects.create(campaign=campaign, number=number, by=by, at=at, page=page, sealed=b"")
    kept = {"draft": asdict(draft), "chosen": chosen, "places": places.document() if places is not None else None}
    packed = json.dumps(kept, ensure_ascii=False)
    row.sealed = house.keys(campaign.organisation).seal(
        zlib.compress(packed.encode(), 6), "draftversion", "sealed", row.pk
    )
    row.save(update_fields=["sealed"])
    if number % THINNED_EVERY == 0:
        thin(campaign, at)


def keep_before(campaign: Campaign, version: int) -> None:
    """The version that is about to be saved over, where nobody has kept it: the first one, or one of an old house."""
    if DraftVersion.objects.filter(campaign=campaign, number=version).exists():
        return
    row = Campaign.objects.select_related("organisation", "created_by").filter(pk=campaign.pk, version=version).first()
    if row is not None:
        keep(row, draft_of(row), number=version, by=row.created_by, at=row.changed)


def chosen_of(campaign: Campaign) -> dict[str, Any]:
    return {
        "list": campaign.list_id,
        "tag": campaign.tag_id,
        "segment": campaign.segment_id,
        "purpose": consent.PURPOSES[campaign.purpose],
        "template": campaign.template_id,
        "language": campaign.language,
        "unlisted": campaign.unlisted,
    }


def version_of(campaign: Campaign, number: int) -> Kept | None:
    row = DraftVersion.objects.filter(campaign=campaign, number=number).first()
    return _opened(campaign, row) if row else None


def _opened(campaign: Campaign, row: DraftVersion) -> Kept:
    packed = house.keys(campaign.organisation).open(row.sealed, "draftversion", "sealed", row.pk)
    stored = json.loads(zlib.decompress(packed))
    places = Arrangement.read(stored["places"]) if stored.get("places") is not None else None
    return Kept(row.number, row.at, row.by_id, Draft(**stored["draft"]), stored["chosen"], places)


def pages_since(campaign: Campaign, number: int) -> list[tuple[str, int | None]]:
    """(page, person) of every save after this version, the oldest first."""
    rows = DraftVersion.objects.filter(campaign=campaign, number__gt=number).order_by("number")
    return list(rows.values_list("page", "by_id"))


# A page's token ends with the number of its save, as 8 hexadecimal digits.
SERIAL = 8


def is_of(page: str, since: Iterable[tuple[str, int | None]]) -> bool:
    """Whether all of these saves came from the same page."""
    return bool(page) and all(one[:-SERIAL] == page[:-SERIAL] for one, _person in since)


def are_own(since: Iterable[tuple[str, int | None]], by: Any) -> bool:
    """Whether this very person made all of these saves, in other tabs."""
    return by is not None and all(person == by.pk for _page, person in since)


def is_late(page: str, since: Iterable[tuple[str, int | None]]) -> bool:
    """Whether a newer save of the same page is among these: what a page sends while it is left may overtake what it
    sent before.
    """
    return bool(page) and any(one[:-SERIAL] == page[:-SERIAL] and one > page for one, _person in since)


# -- looking back --


def entries(campaign: Campaign) -> list[Entry]:
    """The newest first; what came and went is told against the line below."""
    # Which ones are shown is told by their times; of several hundred versions these alone are fetched whole.
    rows = list(DraftVersion.objects.filter(campaign=campaign).defer("sealed").order_by("number"))
    ends = [row.pk for row, after in pairwise([*rows, None]) if row and (after is None or _apart(row, after))]
    shown = list(DraftVersion.objects.filter(pk__in=ends[-SHOWN:]).order_by("number"))
    opened = [_opened(campaign, row) for row in shown]
    texts = [text_of(kept.draft, kept.places) for kept in opened]
    found: list[Entry] = []
    for row, parts in zip(shown, compared(campaign.organisation, list(pairwise([*texts[:1], *texts]))), strict=True):
        told, whole = counted(parts), all(part.kind != "rest" for part in parts)
        found.append(Entry(row.number, row.at, row.by_id, told.new, told.gone, row.number == campaign.version, whole))
    return found[::-1]


def _apart(row: DraftVersion, after: DraftVersion) -> bool:
    return row.by_id != after.by_id or after.at - row.at > SITTING


def changes(kept: Kept, campaign: Campaign) -> list[Part]:
    """What is different in a draft since a version of it, in its subject and text; in the parts of its template:
    comparing.places.
    """
    (parts,) = compared(campaign.organisation, [(text_of(kept.draft), text_of(draft_of(campaign)))])
    return parts


def compared(organisation: Any, pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> list[list[Part]]:
    """What is different in these texts, within bounds (bounded.py): a viewer's look holds no thread of the desk."""
    try:
        return bounded.work(organisation.pk, differences, pairs)
    except bounded.TooMuch:
        return [[Part("rest", "")] for _pair in pairs]


def is_same(kept: Kept, campaign: Campaign) -> bool:
    return kept.draft == draft_of(campaign) and kept.places in (None, arrangement_of(campaign))


def text_of(draft: Draft, places: Arrangement | None = None) -> list[str]:
    """Everything that somebody wrote, line by line."""
    if draft.format == "blocks":
        body = lines(json.loads(draft.body)) if draft.body else []
    else:
        body = [line for line in draft.body.split("\n") if line.strip()]
    written = [calling.words_of(words.html) for _key, words in sorted(places.texts.items())] if places else []
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
    rows = list(DraftVersion.objects.filter(campaign=campaign).values_list("number", "at"))
    gone = {number for number, _at in rows} - kept(rows, now)
    if gone:
        DraftVersion.objects.filter(campaign=campaign, number__in=gone).delete()
    return len(gone)
