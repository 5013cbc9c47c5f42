"""Presses of links by days and answers to questions, as far as they may be said (core/totals)."""

from collections.abc import Iterator, Sequence
from typing import Any

from samizdat.campaigns import sealed_clicks
from samizdat.campaigns.edition_details import counted_versions
from samizdat.campaigns.models import Campaign
from samizdat.core import languages, totals
from samizdat.core.click_sums import DAYS, ClickSums
from samizdat.core.content.blocks.schema import MAX_ANSWERS
from samizdat.core.content.render.counted_links import MOST
from samizdat.portability.parts import base
from samizdat.portability.parts.campaigns.campaigns import edition_of
from samizdat.portability.parts.campaigns.extras import CampaignExtrasPart
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.value_limits import day, whole

SMALL = (1 << 15) - 1


class _Sums(CampaignExtrasPart):
    """Sums of the versions whose sums a report says. Only what it says leaves the house."""

    numbers: tuple[str, ...]  # Columns that are small whole numbers.
    days: tuple[str, ...] = ()

    def rows(self, home: ExportContext, letter: Campaign) -> Iterator[dict[str, object]]:
        edition = edition_of(letter)
        if edition is None or letter.accepted < totals.FLOOR or not (sums := sealed_clicks.sums_of(edition)):
            return
        places = counted_versions(edition) & sealed_clicks.places_reached(edition) & {*sums.versions}
        for place in sorted(places):
            yield from self.entries(letter, sums, place)

    def entries(self, letter: Campaign, sums: ClickSums, place: int) -> Iterator[dict[str, object]]:
        raise NotImplementedError

    def read(self, payload: dict[str, Any]) -> dict[str, Any]:
        row: dict[str, Any] = {name: whole(payload[name], SMALL) for name in self.numbers}
        return row | {name: day(payload[name]) for name in self.days} | {"count": whole(payload["count"])}


class Clicks(_Sums):
    """How often a link was pressed: `place` of the version, `link`, `day` (the last of a span), `count`."""

    name, numbers, days = "clicks", ("place", "link"), ("day",)
    most = MOST * DAYS

    def entries(self, letter: Campaign, sums: ClickSums, place: int) -> Iterator[dict[str, object]]:
        for link in range(sums.versions[place][0]):
            days = sums.days_of(place, link)
            if (total := sum(days.values())) < totals.FEWEST:
                continue
            # Too few for a day to be said: all of them stand at the day of the release.
            whole_sum = [(None, (letter.released or letter.created).date(), totals.rounded(total))]
            for _first, last, count in totals.spans(days) or whole_sum:
                yield {"place": place, "link": link, "day": last.isoformat(), "count": count}

    def make(self, letter: Campaign, rows: Sequence[dict[str, Any]], places: base.Places) -> None:
        if edition := edition_of(letter):
            sealed_clicks.put(edition, clicks=[(row["place"], row["link"], row["day"], row["count"]) for row in rows])


class Answers(_Sums):
    """How often an answer was given: `place` of the version, `answer`, `count`."""

    name, numbers = "answers", ("place", "answer")
    most = languages.MOST * MAX_ANSWERS

    def entries(self, letter: Campaign, sums: ClickSums, place: int) -> Iterator[dict[str, object]]:
        for answer in range(sums.versions[place][1]):
            if (count := sums.answers.get((place, answer), 0)) >= totals.FEWEST:
                yield {"place": place, "answer": answer, "count": totals.rounded(count)}

    def make(self, letter: Campaign, rows: Sequence[dict[str, Any]], places: base.Places) -> None:
        if edition := edition_of(letter):
            sealed_clicks.put(edition, answers=[(row["place"], row["answer"], row["count"]) for row in rows])
