"""Which planted addresses the house knows. Imports ask this, so it leans on nothing but the table."""

from typing import Any

from samizdat.portability.models import Export


def planted_in(organization: Any, blinds: list[bytes]) -> Export | None:
    """The export that an address was planted in."""
    rows = Export.objects.select_related("by", "organization").filter(organization=organization, planted__in=blinds)
    return rows.order_by("-id").first()


def planted_in_exports(organization: Any) -> frozenset[bytes]:
    """Blind indices of all addresses that the house ever planted: an import of its own file takes none of them."""
    rows = Export.objects.filter(organization=organization).exclude(planted=b"")
    return frozenset(bytes(blind) for blind in rows.values_list("planted", flat=True))
