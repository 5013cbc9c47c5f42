"""Imports."""

from django.db.models import QuerySet

from samizdat.accounts.models import Organization
from samizdat.audience.models import Import


def imports(organization: Organization) -> QuerySet[Import]:
    """Newest first, without those that were given up before anything was brought in."""
    rows = Import.objects.filter(organization=organization).exclude(state="failed", problem="cancelled")
    return rows.order_by("-id")


def import_by_id(organization: Organization, number: int) -> Import | None:
    return Import.objects.filter(organization=organization, id=number).first()
