"""The nightly comparison: what a subscription says of itself, and what its records say."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from samizdat import dialect
from samizdat.audience import facts, settling
from samizdat.audience.models import NUMBER_MASK, Subscriber, row_id
from samizdat.vault import house

PAGE = 2_000


@dataclass(slots=True)
class Checked:
    """How many subscribers were looked at, and the numbers of those whose status or verdict was not what it is."""

    subscribers: int = 0
    wrong: list[int] = field(default_factory=list)


def check_projections(organisation: Any, now: datetime) -> Checked:
    """Compares every subscription with its records, in key pages. Reads only; settle_again() puts right."""
    checked, after = Checked(), 0
    more: int | None = after
    while more is not None:
        page, more = check_page(organisation, after, now)
        checked.subscribers += page.subscribers
        checked.wrong += page.wrong
        after = more or after
    return checked


def check_page(organisation: Any, after: int, now: datetime) -> tuple[Checked, int | None]:
    """One page of the comparison: subscribers whose number follows `after`, and the number to go on from; None at the
    end."""
    ids = dialect.subscribers_after(row_id(organisation.id, after), row_id(organisation.id + 1, 0), PAGE)
    wrong = _wrong(organisation, ids, now)
    if wrong:
        # Somebody may have left between two of the queries; who is wrong is so at a second look.
        wrong = _wrong(organisation, wrong, now)
    checked = Checked(len(ids), [id & NUMBER_MASK for id in wrong])
    return checked, ids[-1] & NUMBER_MASK if len(ids) == PAGE else None


def _wrong(organisation: Any, ids: list[int], now: datetime) -> list[int]:
    known: dict[int, list[facts.Known]] = {id: [] for id in ids}
    for id, record in dialect.consent_of(ids):
        known[id].append(record)
    reasons = _suppressed(organisation, ids)
    logs = {id: facts.records(held) for id, held in known.items()}
    return sorted(
        {
            id
            for id, list_id, status, may in dialect.subscriptions_of(ids)
            if facts.verdict_of(logs[id], list_id, now, reasons.get(id))[:2] != (status, may)
        }
    )


def _suppressed(organisation: Any, ids: list[int]) -> dict[int, str | None]:
    keys = house.keys(organisation)
    whose = {blind: row.id for row in Subscriber.objects.filter(id__in=ids) for blind in settling.blinds_of(keys, row)}
    found: dict[int, list[str]] = {}
    for blind, reason in dialect.suppressions_by_blind(organisation.id, list(whose)):
        found.setdefault(whose[bytes(blind)], []).append(reason)
    return {id: facts.foremost(reasons) for id, reasons in found.items()}
