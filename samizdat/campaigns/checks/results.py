"""What is kept with a draft about its checks: what was accepted, which links answered, how many values are empty.

Sealed like the draft itself: it says what the letter says.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction
from msgspec import Struct

from samizdat.accounts.models import Person
from samizdat.campaigns.models import Campaign, CheckResult
from samizdat.core.content.problems import ContentProblem
from samizdat.events.actions import record
from samizdat.vault import keyring

# Values that change without the flaw becoming another one.
_PASSING = frozenset({"count", "of", "now", "before", "ratio", "size", "near"})


class LinkVerdict(Struct, frozen=True, array_like=True):
    """What asking for a link came to, and when."""

    verdict: str
    detail: str
    at: datetime
    size: int


class MissingValuesCount(Struct, frozen=True):
    """How far the count of empty values is (campaigns/checks/missing_values). `mark`: of what audience and fields it
    is; `after`: the subscriber it has come to."""

    mark: list[Any] = []
    begun: float = 0
    after: int = 0
    of: int = 0
    counts: dict[str, int] = {}
    unfit: dict[str, int] = {}
    done: bool = False


class StoredChecks(Struct):
    """links: by address."""

    accepted: set[str] = set()
    links: dict[str, LinkVerdict] = {}
    empties: MissingValuesCount = MissingValuesCount()


def key_of(flaw: ContentProblem) -> str:
    """What an acceptance holds on to: the same finding again, wherever in the letter it stands by then."""
    values = {name: value for name, value in flaw.values.items() if name not in _PASSING}
    text = json.dumps([flaw.code, sorted(values.items())], ensure_ascii=True)
    return hashlib.blake2s(text.encode(), digest_size=9).hexdigest()


def kept(campaign: Campaign) -> StoredChecks:
    row = CheckResult.objects.filter(pk=campaign.pk).first()
    return _opened(campaign, row) if row else StoredChecks()


def _opened(campaign: Campaign, row: CheckResult) -> StoredChecks:
    return keyring.keys(campaign.organization).open_json(row.sealed, "checked", "sealed", campaign.pk, StoredChecks)


def change(campaign: Campaign, how: Callable[[StoredChecks], None], now: datetime) -> StoredChecks:
    """Changes what is kept, whoever else does it at this moment."""
    with transaction.atomic():
        CheckResult.objects.get_or_create(pk=campaign.pk, defaults={"sealed": b"", "changed": now})
        row = CheckResult.objects.select_for_update().get(pk=campaign.pk)
        known = _opened(campaign, row)
        how(known)
        row.sealed = keyring.keys(campaign.organization).seal_json(known, "checked", "sealed", campaign.pk)
        row.changed = now
        row.save(update_fields=["sealed", "changed"])
    return known


def accept(campaign: Campaign, key: str, *, by: Person | None, now: datetime, back: bool = False) -> None:
    """Somebody has looked at a finding and it may stay as it is in this letter; `back` takes that back."""

    def changed(known: StoredChecks) -> None:
        (known.accepted.discard if back else known.accepted.add)(key[:40])
        # A letter has some twenty findings; whoever sends more keys than that is not a page of ours.
        known.accepted = set(sorted(known.accepted)[:500])

    with transaction.atomic():
        change(campaign, changed, now)
        detail = {"back": back}
        record("campaign.check_accepted", campaign.organization, now=now, by=by, about=campaign.pk, detail=detail)
