"""What belongs to letters and has rows of its own: FOLDER/NUMBER.json each, a list of rows, in files that follow on it
where it is long. It comes in after the letters, a file a transaction.
"""

import json
from collections.abc import Iterator
from typing import Any

from django.db import transaction

from samizdat.audience.exporting import besides
from samizdat.audience.exporting.packing import Zip
from samizdat.audience.exporting.people import House
from samizdat.audience.exporting.reading import Opened, altered
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.portable.letters import Letters, going_along

# Characters of a file's rows, from which on the next file begins: the reader takes 64 MB of one.
LONG = 8 << 20


class Belongings:
    """A part (besides.Part) whose rows are told, understood and made by what is derived from it."""

    name = ""  # Of the folder too.

    def rows(self, home: House, letter: Campaign) -> Iterator[dict[str, Any]]:
        """What a letter has, as plain values."""
        raise NotImplementedError

    def read(self, told: dict[str, Any]) -> Any:
        """A row of a file understood; None for one that this house has no place for. Errors: KeyError, TypeError,
        ValueError, AttributeError, CampaignError."""
        raise NotImplementedError

    def make(self, letter: Campaign, rows: list[Any], places: besides.Places) -> None:
        """Rows that read() gave, into a letter of this house; in a transaction."""
        raise NotImplementedError

    def give(self, home: House, box: Zip) -> int:
        count = 0
        for letter in going_along(home):
            for place, rows in enumerate(_cut(self.rows(home, letter))):
                more = f"-{place + 1}" if place else ""
                box.add_json(f"{self.name}/{letter.pk}{more}.json", rows)
                count += len(rows)
        return count

    def check(self, opened: Opened) -> int:
        return sum(len(rows) for _file, _letter, rows in self._files(opened))

    def take(self, opened: Opened, places: besides.Places) -> int:
        for file, number, rows in self._files(opened):
            here = places.here(Letters.name, number)
            if here is None or places.here(self.name, file) is not None:
                continue  # Its letter did not come, or a killed import has written it.
            letter = Campaign.objects.select_related("organisation", "edition").get(pk=here)
            mine = [row for row in rows if row is not None]
            with transaction.atomic():
                self.make(letter, mine, places)
                places.put(self.name, file, len(mine))
        return sum(places.all(self.name).values())

    def _files(self, opened: Opened) -> Iterator[tuple[str, int, list[Any]]]:
        """(file, number of the letter there, rows), file by file. Errors: ExportRefused."""
        folder = f"{self.name}/"
        for name in sorted(opened.members(folder), key=lambda one: (len(one), one)):
            try:
                file = name.removeprefix(folder).removesuffix(".json")
                yield file, int(file.partition("-")[0]), [self.read(told) for told in opened.table(name)]
            except (KeyError, TypeError, ValueError, AttributeError, CampaignError) as wrong:
                raise altered(name) from wrong


def _cut(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    held: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        held.append(row)
        size += len(json.dumps(row, ensure_ascii=False))
        if size > LONG:
            yield held
            held, size = [], 0
    if held:
        yield held
