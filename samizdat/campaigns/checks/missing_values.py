"""How many of those who get a letter, or this version of it, have no value for a field that it says: counted off the
page, in pieces.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from msgspec.structs import replace

from samizdat.audience import missing_values
from samizdat.audience import queries as audience
from samizdat.audience.queries import FieldView
from samizdat.audience.segments.errors import SegmentBroken
from samizdat.campaigns.audience import reader_of, speaks, spoken_in
from samizdat.campaigns.checks.results import MissingValuesCount, StoredChecks, change
from samizdat.campaigns.models import Campaign
from samizdat.core.content.checks import TextPositions
from samizdat.core.content.message import ValueSlot, says_field
from samizdat.core.content.problems import ContentProblem
from samizdat.core.content.render import RenderedContent

# Seconds of one piece: short beside a page, long enough that a million is through in twenty.
PIECE = 0.4
# A count says how it was at its time; a list moves by a few a day.
GOOD_FOR = 6 * 3600


def defaults_of(letter: RenderedContent) -> dict[str, str]:
    """Field -> what stands there for whoever has none, for each field that the letter itself says."""
    defaults: dict[str, str] = {}
    for piece in (*letter.subject, *letter.html):
        if isinstance(piece, ValueSlot) and piece.kind != "mark":
            field = piece.name.partition("|")[0]
            if field not in defaults or not piece.default:
                defaults[field] = piece.default
    return {field: default for field, default in defaults.items() if field in letter.fields}


def state(known: StoredChecks, campaign: Campaign, fields: Mapping[str, int], now: datetime) -> MissingValuesCount:
    """The count that is kept, when it is of this audience and these fields and not old; else a new one that begins."""
    mark = [
        campaign.list_id,
        campaign.tag_id,
        campaign.segment_id,
        [[tag, number] for tag, number in sorted(fields.items())],
        *spoken_in(campaign),
    ]
    tally = known.empties
    if tally.mark == mark and now.timestamp() - tally.begun < GOOD_FOR:
        return tally
    return MissingValuesCount(mark, now.timestamp(), done=not fields)


def views_of(campaign: Campaign, letter: RenderedContent) -> list[FieldView]:
    """The organization's fields that the letter says."""
    tags = defaults_of(letter)
    return [view for view in audience.fields(campaign.organization) if view.tag in tags] if tags else []


def _numbers(views: Iterable[FieldView]) -> dict[str, int]:
    return {view.tag: view.number for view in views}


def count_on(
    campaign: Campaign, letter: RenderedContent, known: StoredChecks, now: datetime, seconds: float | None = PIECE
) -> StoredChecks:
    """One piece of the count, kept with the draft; None of seconds: to the end."""
    fields = _numbers(views_of(campaign, letter))
    tally = state(known, campaign, fields, now)
    if tally.done:
        return known
    try:
        reader = reader_of(campaign, now)
    except SegmentBroken:
        return known
    numbers = list(fields.values())
    page = missing_values.look(
        campaign.list,
        campaign.tag,
        reader,
        numbers,
        after=tally.after,
        seconds=seconds,
        speaks=speaks(*spoken_in(campaign)),
    )
    counts = {tag: tally.counts.get(tag, 0) + page.empty[number] for tag, number in fields.items()}
    unfit = {tag: tally.unfit.get(tag, 0) + page.unfit[number] for tag, number in fields.items()}
    is_last, after = page.following is None, page.following or 0
    tally = replace(tally, of=tally.of + page.of, counts=counts, unfit=unfit, after=after, done=is_last)
    return change(campaign, lambda known: setattr(known, "empties", tally), now)


def finished(known: StoredChecks, campaign: Campaign, views: Iterable[FieldView], now: datetime) -> bool:
    return state(known, campaign, _numbers(views), now).done


def flaws(
    known: StoredChecks,
    campaign: Campaign,
    letter: RenderedContent,
    views: Iterable[FieldView],
    where: TextPositions,
    now: datetime,
) -> Iterator[ContentProblem]:
    """Lines for each field that somebody has no value for, or one that no letter says, once the count is through.
    views: of views_of."""
    labels = {view.tag: view.label or view.tag for view in views}
    tally = state(known, campaign, _numbers(views), now)
    if not tally.done:
        return
    slots = (piece for piece in (*letter.subject, *letter.html) if isinstance(piece, ValueSlot))
    read = {slot.name.partition("|")[0] for slot in slots if says_field(slot)}
    for tag, default in defaults_of(letter).items():
        empty, unfit = tally.counts.get(tag, 0), tally.unfit.get(tag, 0) if tag in read else 0
        if not empty and not unfit:
            continue
        place, line = where.place_of(f"{{{{ {tag}", f"{{{{{tag}", f"*|{tag}|", tag)
        values = {"count": f"{empty:,}", "of": f"{tally.of:,}", "field": labels.get(tag, tag)}
        if unfit:
            yield ContentProblem(line, "unfit_values", values | {"count": f"{unfit:,}"}, None, "care", place)
        if not empty:
            continue
        if default:
            yield ContentProblem(line, "empty_values", values | {"default": default}, None, "note", place)
        else:
            hint = f'{{{{ {tag} | default: "…" }}}}'
            yield ContentProblem(line, "empty_nothing", values | {"hint": hint}, None, "care", place)
