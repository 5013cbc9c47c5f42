"""What belongs to letters and has rows of its own: lists of rows, many letters to a file. It comes in after the
letters, some rows a transaction.
"""

import re
from collections.abc import Iterator
from typing import Any

from django.db import transaction

from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign
from samizdat.portability.errors import ExportRefused
from samizdat.portability.parts import base
from samizdat.portability.parts.campaigns.campaigns import NUMBER, CampaignsPart, give, going_along
from samizdat.portability.parts.campaigns.media import insist_on_room
from samizdat.portability.read import OpenedExport, altered, too_many_of_campaign
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.value_limits import whole
from samizdat.portability.zip_stream import ZipWriter

# What is written in one transaction, as rows of ROW count: on SQLite everybody else waits for its end. A letter counts
# for itself besides: it is fetched, and some parts open and seal what they have of it.
SLICE, ROW, LETTER = 300, 1, 50
_NUMBER = re.compile(r"[0-9]{1,18}")

type Rows = list[tuple[int, list[Any]]]  # number of a letter there, and some of its rows


class CampaignExtrasPart:
    """A part (base.Part) whose rows are told, understood and made by what is derived from it."""

    name = ""  # Of the folder too.
    most = 1  # Rows of a letter.
    weight = ROW

    def rows(self, home: ExportContext, letter: Campaign) -> Iterator[dict[str, object]]:
        """What a letter has, as plain values."""
        raise NotImplementedError

    def read(self, payload: dict[str, Any]) -> Any:
        """A row of a file understood; None for one that this house has no place for. Errors: KeyError, TypeError,
        ValueError, AttributeError, CampaignError."""
        raise NotImplementedError

    def make(self, letter: Campaign, rows: list[Any], places: base.Places) -> None:
        """Rows that read() gave, into a letter of this house; in a transaction."""
        raise NotImplementedError

    def pieces(self, row: Any) -> list[Any]:
        """A row that read() gave in pieces, each of which make() takes: where one may be thousands of ours."""
        return [row]

    def give(self, home: ExportContext, box: ZipWriter) -> int:
        rows = ({"letter": letter.pk} | row for letter in going_along(home) for row in self.rows(home, letter))
        return give(box, self.name, rows)

    def check(self, opened: OpenedExport) -> int:
        return sum(len(rows) for _file, letters in self._files(opened) for rows in letters.values())

    def take(self, opened: OpenedExport, places: base.Places) -> int:
        for file, letters in self._files(opened):
            if places.here(self.name, file) is None:
                self._take_file(file, letters, places)
        return sum(places.all(self.name).values())

    def _take_file(self, file: str, letters: dict[int, list[Any]], places: base.Places) -> None:
        """From where a killed import stopped."""
        here = {number: rows for number, rows in letters.items() if places.here(CampaignsPart.name, number) is not None}
        for at, portion in enumerate(self._portions(here)):
            if places.here(self.name, f"{file}/{at}") is not None:
                continue
            with transaction.atomic():
                for number, rows in portion:
                    pk = places.here(CampaignsPart.name, number)
                    letter = Campaign.objects.select_related("organization", "edition").get(pk=pk)
                    self.make(letter, rows, places)
                places.put(self.name, f"{file}/{at}", 0)
        with transaction.atomic():
            places.put(self.name, file, sum(row is not None for rows in here.values() for row in rows))
            insist_on_room(places.organization)

    def _portions(self, letters: dict[int, list[Any]]) -> Iterator[Rows]:
        """What is written together: rows of each letter in their order."""
        portion: Rows = []
        weight = 0
        for number, rows in letters.items():
            for piece in (piece for row in rows if row is not None for piece in self.pieces(row)):
                if weight >= SLICE:
                    yield portion
                    portion, weight = [], 0
                if not portion or portion[-1][0] != number:
                    portion.append((number, []))
                    weight += LETTER
                portion[-1][1].append(piece)
                weight += self.weight
        if portion:
            yield portion

    def _files(self, opened: OpenedExport) -> Iterator[tuple[str, dict[int, list[Any]]]]:
        """(file, number of a letter there -> its rows), file by file, letters in the order of their numbers. Errors:
        ExportRefused, also for a letter with more rows than one can have here."""
        folder, last, count = f"{self.name}/", 0, 0
        for name in sorted(opened.members(folder), key=lambda path: (*map(int, _NUMBER.findall(path)), path)):
            try:
                file = name.removeprefix(folder).removesuffix(".json")
                letters: dict[int, list[Any]] = {}
                for payload in opened.table(name):
                    # The third version of the format had a file a letter.
                    number = whole(payload["letter"], NUMBER) if "letter" in payload else int(file.partition("-")[0])
                    if number < last:
                        raise ValueError
                    last, count = number, count + 1 if number == last else 1
                    if count > self.most:
                        raise too_many_of_campaign(name, self.most)
                    letters.setdefault(number, []).append(self.read(payload))
            except ExportRefused:
                raise
            except (KeyError, TypeError, ValueError, AttributeError, CampaignError) as wrong:
                raise altered(name) from wrong
            yield file, letters
