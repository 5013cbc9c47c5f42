"""Which planted addresses the house knows. Imports ask this, so it leans on nothing but the table."""

from typing import Any

from samizdat.audience.exporting.models import Export


def planted_in(organisation: Any, blinds: list[bytes]) -> Export | None:
    """The export that an address was planted in."""
    rows = Export.objects.select_related("by", "organisation").filter(organisation=organisation, planted__in=blinds)
    return rows.order_by("-id").first()


def planted_in_exports(organisation: Any) -> frozenset[bytes]:
    """Blind indices of all addresses that the house ever planted: an import of its own file takes none of them."""
    rows = Export.objects.filter(organisation=organisation).exclude(planted=b"")
    return frozenset(bytes(blind) for blind in rows.values_list("planted", flat=True))
