"""The stop list."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count

from samizdat import dialect
from samizdat.audience import settling
from samizdat.audience.models import NUMBER_MASK, SUPPRESSION_REASONS, Suppression
from samizdat.core import address as addresses
from samizdat.vault import house


def suppression_of(organisation: Any, address: str) -> str | None:
    """The foremost reason for which an address is suppressed, whoever has it. Errors: BadAddress."""
    blinds = house.keys(organisation).blinds(addresses.comparable(addresses.normalise(address)))
    return settling.suppressed(organisation.id, blinds)


@dataclass(frozen=True, slots=True)
class Stopped:
    """A line of the stop list: the address itself is not known, only whether a subscriber has it."""

    id: int
    reason: str
    day: date
    number: int | None


def stopped_by_reason(organisation: Any) -> dict[str, int]:
    """How many addresses are on the stop list, by reason; one may have several."""
    rows = Suppression.objects.filter(organisation=organisation).values("reason").annotate(many=Count("id"))
    found = {row["reason"]: row["many"] for row in rows}
    return {reason: found[reason] for reason in SUPPRESSION_REASONS if reason in found}


def stopped(organisation: Any, reason: str = "", before: int | None = None, limit: int = 50) -> list[Stopped]:
    """The newest lines; `before` pages on by their number."""
    rows = Suppression.objects.filter(organisation=organisation).order_by("-id")
    if reason:
        rows = rows.filter(reason=reason)
    if before is not None:
        rows = rows.filter(id__lt=before)
    found = list(rows[:limit])
    here = dialect.subscribers_by_blind(organisation.id, [bytes(row.blind) for row in found])
    whose = {bytes(blind): id & NUMBER_MASK for blind, id, _blob, _language in here}
    return [Stopped(row.id, row.reason, row.day, whose.get(bytes(row.blind))) for row in found]


def reasons_of(organisation: Any, address: str) -> list[str]:
    """All reasons for which an address is on the stop list. Errors: BadAddress."""
    blinds = house.keys(organisation).blinds(addresses.comparable(addresses.normalise(address)))
    rows = Suppression.objects.filter(organisation=organisation, blind__in=blinds)
    found = set(rows.values_list("reason", flat=True))
    return [reason for reason in SUPPRESSION_REASONS if reason in found]
