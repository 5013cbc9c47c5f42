"""Retention rules in an export of our own format."""

from datetime import timedelta

from django.db import transaction

from samizdat.audience.models import List
from samizdat.portability.parts import base
from samizdat.portability.read import OpenedExport, altered
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.value_limits import whole
from samizdat.portability.zip_stream import ZipWriter
from samizdat.privacy.actions import retention
from samizdat.privacy.errors import PrivacyError
from samizdat.privacy.models import Retention

FILE = "keeping.json"


class RetentionPart:
    """`list` by number, `left_days`, `delivery_months`."""

    name = "keeping"

    def give(self, home: ExportContext, box: ZipWriter) -> int:
        rows = Retention.objects.filter(list__in=list(home.lists)).order_by("list")
        entries = [
            {"list": row.list_id, "left_days": row.left_days, "delivery_months": row.delivery_months} for row in rows
        ]
        box.add_json(FILE, entries)
        return len(entries)

    def check(self, opened: OpenedExport) -> int:
        return len(_rules(opened))

    def take(self, opened: OpenedExport, places: base.Places) -> int:
        for number, rules in _rules(opened).items():
            if places.here(self.name, number) is not None:
                continue
            here = List.objects.select_related("organization").get(id=places.lists[number])
            # One that was here before keeps its own rules until another admin has approved these.
            came_along = here.created >= (places.now - timedelta(days=1)).date()
            with transaction.atomic():
                try:
                    retention.retain(here, rules, now=places.now, by=places.by, approved=came_along)
                except PrivacyError:
                    continue  # A rule of a house whose limits were others.
                places.put(self.name, number, here.id)
        return len(places.all(self.name))


def _rules(opened: OpenedExport) -> dict[int, retention.RetentionRules]:
    """By the list's number in the file. Errors: ExportRefused."""
    lists = {row["number"] for row in opened.lists}
    entries = opened.table(FILE) or ()
    try:
        rules = {}
        for entry in entries:
            rules[whole(entry["list"])] = retention.RetentionRules(
                _days(entry["left_days"]), _days(entry["delivery_months"])
            )
        if not lists.issuperset(rules):
            raise ValueError
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise altered(FILE) from wrong
    return rules


def _days(value: object) -> int | None:
    return None if value is None else whole(value, 100_000, 1)
