"""How many subscribers an organization has, as a sum: counting a million rows would hold up every page that says it."""

from datetime import datetime

from django.db import transaction
from django.db.models import Count, Sum

from samizdat.audience.models import Headcount

# So many rows of one organization are a page of the database; then they become one.
ROWS = 200


def add(organization: int, more: int) -> None:
    """In the transaction that writes or removes the subscribers."""
    if more:
        Headcount.objects.create(organization_id=organization, delta=more)


def of(organization: int) -> int:
    return Headcount.objects.filter(organization=organization).aggregate(sum=Sum("delta"))["sum"] or 0


def fold(now: datetime) -> None:
    """One row in place of many, where there are many. Whoever adds meanwhile waits for nobody."""
    counted = Headcount.objects.values_list("organization").annotate(rows=Count("id")).filter(rows__gt=ROWS)
    for organization, _rows in counted.order_by("organization"):
        with transaction.atomic():
            # Locked, so that two machines never fold the same rows.
            counts = dict(
                Headcount.objects.select_for_update().filter(organization=organization).values_list("id", "delta")
            )
            Headcount.objects.filter(id__in=counts).delete()
            add(organization, sum(counts.values()))
