"""What belongs to letters and has rows of its own: lists of rows, many letters to a file. It comes in after the
letters, a file a transaction.
"""

from collections.abc import Iterator
from typing import Any

from django.db import transaction

from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign
from samizdat.portability.parts import base
from samizdat.portability.parts.campaigns.campaigns import NUMBER, CampaignsPart, give, going_along
from samizdat.portability.parts.campaigns.media import insist_on_room
from samizdat.portability.read import OpenedExport, altered
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.value_limits import whole
from samizdat.portability.zip_stream import ZipWriter


class CampaignExtrasPart:
    """A part (base.Part) whose rows are told, understood and made by what is derived from it."""

    name = ""  # Of the folder too.

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

    def give(self, home: ExportContext, box: ZipWriter) -> int:
        rows = ({"letter": letter.pk} | row for letter in going_along(home) for row in self.rows(home, letter))
        return give(box, self.name, rows)

    def check(self, opened: OpenedExport) -> int:
        return sum(len(rows) for _file, letters in self._files(opened) for rows in letters.values())

    def take(self, opened: OpenedExport, places: base.Places) -> int:
        for file, letters in self._files(opened):
            if places.here(self.name, file) is not None:
                continue  # A killed import has written it.
            with transaction.atomic():
                count = sum(self._take(number, rows, places) for number, rows in letters.items())
                places.put(self.name, file, count)
                insist_on_room(places.organization)
        return sum(places.all(self.name).values())

    def _take(self, number: int, rows: list[object], places: base.Places) -> int:
        here = places.here(CampaignsPart.name, number)
        mine = [row for row in rows if row is not None]
        if here is None or not mine:
            return 0  # Its letter did not come.
        self.make(Campaign.objects.select_related("organization", "edition").get(pk=here), mine, places)
        return len(mine)

    def _files(self, opened: OpenedExport) -> Iterator[tuple[str, dict[int, list[object]]]]:
        """(file, number of a letter there -> its rows), file by file. Errors: ExportRefused."""
        folder = f"{self.name}/"
        for name in sorted(opened.members(folder), key=lambda path: (len(path), path)):
            try:
                file = name.removeprefix(folder).removesuffix(".json")
                letters: dict[int, list[Any]] = {}
                for payload in opened.table(name):
                    # The third version of the format had a file a letter.
                    number = whole(payload["letter"], NUMBER) if "letter" in payload else int(file.partition("-")[0])
                    letters.setdefault(number, []).append(self.read(payload))
            except (KeyError, TypeError, ValueError, AttributeError, CampaignError) as wrong:
                raise altered(name) from wrong
            yield file, letters
