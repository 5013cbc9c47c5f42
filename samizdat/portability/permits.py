"""Whether an export may be made, by a MAC (accounts/grants.py): whoever writes the database without keys cannot have
one made that waits for its approval, nor shorten its day."""

from typing import Any

from samizdat.accounts import grants
from samizdat.portability.models import Export


def permit(row: Export) -> bytes:
    """What is kept beside a row in its state, held or to be made."""
    return grants.mac(*_facts(row))


def is_ours(row: Export) -> bool:
    return grants.fits(row.mac, *_facts(row))


def _facts(row: Export) -> tuple[Any, ...]:
    waits = (row.created, float(row.waited_seconds)) if row.state == "held" else ()
    noticed = ("noticed", row.noticed) if waits and row.noticed else ()
    refused = ("refused", row.refused, row.tried) if waits and row.refused else ()
    facts = row.pk, row.format, row.plain, row.by_id, row.details_sealed
    return "export held" if waits else "export", bytes(row.organization.uid), *facts, *waits, *noticed, *refused
