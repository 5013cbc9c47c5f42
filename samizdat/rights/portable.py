"""Retention rules in an export of our own format."""

from typing import Any

from django.db import transaction

from samizdat.audience.exporting import besides
from samizdat.audience.exporting.packing import Zip
from samizdat.audience.exporting.people import House
from samizdat.audience.exporting.reading import Opened, altered
from samizdat.audience.exporting.values import whole
from samizdat.audience.models import List
from samizdat.rights.actions import retaining
from samizdat.rights.errors import RightsError
from samizdat.rights.models import Retention

FILE = "keeping.json"


class Keeping:
    """`list` by number, `left_days`, `delivery_months`."""

    name = "keeping"

    def give(self, home: House, box: Zip) -> int:
        rows = Retention.objects.filter(list__in=list(home.lists)).order_by("list")
        told = [
            {"list": row.list_id, "left_days": row.left_days, "delivery_months": row.delivery_months} for row in rows
        ]
        box.add_json(FILE, told)
        return len(told)

    def check(self, opened: Opened) -> int:
        return len(_rules(opened))

    def take(self, opened: Opened, places: besides.Places) -> int:
        for number, rules in _rules(opened).items():
            if places.here(self.name, number) is not None:
                continue
            here = List.objects.select_related("organisation").get(id=places.lists[number])
            with transaction.atomic():
                try:
                    retaining.retain(here, rules, now=places.now, by=places.by)
                except RightsError:
                    continue  # A rule of a house whose limits were others.
                places.put(self.name, number, here.id)
        return len(places.all(self.name))


def _rules(opened: Opened) -> dict[int, retaining.Rules]:
    """By the list's number in the file. Errors: ExportRefused."""
    lists = {row["number"] for row in opened.lists}
    try:
        found = {}
        for told in opened.table(FILE) or ():
            found[whole(told["list"])] = retaining.Rules(_days(told["left_days"]), _days(told["delivery_months"]))
        if not lists.issuperset(found):
            raise ValueError
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise altered(FILE) from wrong
    return found


def _days(told: Any) -> int | None:
    return None if told is None else whole(told, 100_000, 1)
