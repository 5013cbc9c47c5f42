"""How many subscribers an organisation has, as a sum: counting a million rows would hold up every page that says it."""

from datetime import datetime

from django.db import transaction
from django.db.models import Count, Sum

from samizdat.audience.models import Headcount

# So many rows of one organisation are a page of the database; then they become one.
ROWS = 200


def add(organisation: int, more: int) -> None:
    """In the transaction that writes or removes the subscribers."""
    if more:
        Headcount.objects.create(organisation_id=organisation, more=more)


def of(organisation: int) -> int:
    return Headcount.objects.filter(organisation=organisation).aggregate(sum=Sum("more"))["sum"] or 0


def fold(now: datetime) -> None:
    """One row in place of many, where there are many. Whoever adds meanwhile waits for nobody."""
    counted = Headcount.objects.values_list("organisation").annotate(rows=Count("id")).filter(rows__gt=ROWS)
    for organisation, _rows in counted.order_by("organisation"):
        with transaction.atomic():
            # Locked, so that two machines never fold the same rows.
            found = dict(
                Headcount.objects.select_for_update().filter(organisation=organisation).values_list("id", "more")
            )
            Headcount.objects.filter(id__in=found).delete()
            add(organisation, sum(found.values()))
