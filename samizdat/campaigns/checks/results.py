"""What is kept with a draft about its checks: what was accepted, which links answered, how many values are empty.

Sealed like the draft itself: it says what the letter says.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from samizdat.accounts.models import Person
from samizdat.campaigns.models import Campaign, CheckResult
from samizdat.core.content.problems import ContentProblem
from samizdat.events.actions import record
from samizdat.vault import keyring
from samizdat.vault.sealed_json import open_json, seal_json

# Values that change without the flaw becoming another one.
_PASSING = frozenset({"count", "of", "now", "before", "ratio", "size", "near"})


@dataclass(slots=True)
class StoredChecks:
    """links: address -> (verdict, detail, when as ISO). empties: campaigns/checks/missing_values.State as a
    document."""

    accepted: set[str] = field(default_factory=set)
    links: dict[str, list[str]] = field(default_factory=dict)
    empties: dict[str, Any] = field(default_factory=dict)


def key_of(flaw: ContentProblem) -> str:
    """What an acceptance holds on to: the same finding again, wherever in the letter it stands by then."""
    values = {name: value for name, value in flaw.values.items() if name not in _PASSING}
    text = json.dumps([flaw.code, sorted(values.items())], ensure_ascii=True)
    return hashlib.blake2s(text.encode(), digest_size=9).hexdigest()


def kept(campaign: Campaign) -> StoredChecks:
    row = CheckResult.objects.filter(pk=campaign.pk).first()
    return _opened(campaign, row) if row else StoredChecks()


def _opened(campaign: Campaign, row: CheckResult) -> StoredChecks:
    payload = open_json(keyring.keys(campaign.organization), row.sealed, "checked", "sealed", campaign.pk) or {}
    return StoredChecks(set(payload.get("accepted", ())), payload.get("links", {}), payload.get("empties", {}))


def change(campaign: Campaign, how: Callable[[StoredChecks], None], now: datetime) -> StoredChecks:
    """Changes what is kept, whoever else does it at this moment."""
    with transaction.atomic():
        CheckResult.objects.get_or_create(pk=campaign.pk, defaults={"sealed": b"", "changed": now})
        row = CheckResult.objects.select_for_update().get(pk=campaign.pk)
        known = _opened(campaign, row) if row.sealed else StoredChecks()
        how(known)
        document = {"accepted": sorted(known.accepted), "links": known.links, "empties": known.empties}
        row.sealed = seal_json(keyring.keys(campaign.organization), document, "checked", "sealed", campaign.pk)
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
