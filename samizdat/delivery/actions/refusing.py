"""A mailbox provider that refuses us is put off in that campaign: nobody is marked, what is for it waits until it is
lifted by a person or by a test that it accepts. Guarded, so that every sender may call it at any time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from samizdat.campaigns.models import Campaign, Edition
from samizdat.core import pace, refusals, seal
from samizdat.core.address import PROVIDERS
from samizdat.core.outcome import Deferred, Refused
from samizdat.delivery.models import Chunk, ProviderRefusal, Retry
from samizdat.delivery.queries import provider_of
from samizdat.events.actions import record
from samizdat.vault import house

# So long after it was lifted, senders may still put off what they had in hand.
AFTERMATH = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Seen:
    """Who is put off, and whose "no such mailbox" is believed, by edition: words of core/address.mailbox_provider."""

    put_off: Mapping[int, frozenset[str]] = field(default_factory=dict)
    believed: Mapping[int, frozenset[str]] = field(default_factory=dict)
    lifted: Mapping[int, datetime] = field(default_factory=dict)  # When the newest of them was lifted.


NOBODY = Seen()


def put_off(edition: int, provider: str, said: Deferred | Refused, count: int, now: datetime) -> None:
    """From now on nothing of this edition goes to this provider. Told once, however many senders find it."""
    row = Edition.objects.select_related("organisation", "campaign").get(pk=edition)
    keys, digest = house.keys(row.organisation), digest_of(row.organisation, provider)
    place = PROVIDERS.index(provider) if provider in PROVIDERS else 0
    reason = refusals.reason(said)
    domain = b"" if place else keys.seal(provider.encode(), "provider_refusal", "domain", edition)
    answer = keys.seal(f"{said.code} {said.text}".encode(), "provider_refusal", "answer", edition)
    facts = {
        "provider": place,
        "domain_sealed": domain,
        "reason": reason,
        "answer_sealed": answer,
        "count": count,
        "since": now,
    }
    with transaction.atomic():
        found, new = ProviderRefusal.objects.get_or_create(edition=row, digest=digest, defaults=facts)
        if not new and not ProviderRefusal.objects.filter(pk=found.pk, lifted__isnull=False).update(
            lifted=None, **facts
        ):
            return
        detail = {"provider": provider, "count": count, "reason": reason}
        record("campaign.provider_refuses", row.organisation, now=now, about=row.campaign_id, detail=detail)


def digest_of(organisation: Any, provider: str) -> bytes:
    link = house.keys(organisation).link
    assert link is not None
    return seal.blind(seal.derive(link.secret, "provider refusals"), provider)


def of_editions(organisation: int, editions: list[int]) -> Seen:
    """A question that finds nothing, nearly always."""
    rows = list(ProviderRefusal.objects.filter(edition__in=editions).select_related("edition__organisation"))
    if not rows:
        return NOBODY
    keys = house.keys(rows[0].edition.organisation)
    put_off: dict[int, frozenset[str]] = {}
    believed: dict[int, frozenset[str]] = {}
    lifted: dict[int, datetime] = {}
    for row in rows:
        provider = provider_of(row, keys)
        if row.lifted is None:
            put_off[row.edition_id] = put_off.get(row.edition_id, frozenset()) | {provider}
            continue
        lifted[row.edition_id] = max(row.lifted, lifted.get(row.edition_id, row.lifted))
        if row.reason == "mailbox":
            believed[row.edition_id] = believed.get(row.edition_id, frozenset()) | {provider}
    return Seen(put_off, believed, lifted)


def anybody_else(edition: int, now: datetime) -> bool:
    """Is a chunk to be had of it?"""
    ready = Chunk.objects.filter(edition=edition, state=Chunk.READY)
    return ready.filter(Q(not_before=None) | Q(not_before__lte=now)).exists()


def nobody_else(edition: int) -> bool:
    """Does only what was put off wait?"""
    at_work = Chunk.objects.filter(edition=edition, state__in=(Chunk.READY, Chunk.CLAIMED))
    again = Retry.objects.filter(edition=edition).exclude(chunk=None, due=pace.LATER)
    return not at_work.exists() and not again.exists()


def let_go(editions: list[int], seen: Seen, now: datetime) -> None:
    """What nothing holds any more is due: also what a sender had in hand while it was lifted."""
    for edition in editions:
        recent = edition in seen.lifted and now - seen.lifted[edition] < AFTERMATH
        if edition not in seen.put_off or recent:
            _release(edition, now)


def _release(edition: int, now: datetime) -> int:
    """Their four days begin anew: waiting for us is no try of theirs."""
    held = Retry.objects.filter(edition=edition, chunk=None, due=pace.LATER)
    # Asked twice a second: an UPDATE that finds nothing would still take SQLite's one lock.
    return held.update(due=now, first=now) if held.exists() else 0


def lift(campaign: Campaign, *, now: datetime, by: Any = None, provider: str = "") -> int:
    """The provider, or all that were put off in this campaign, is tried again. How many providers."""
    with transaction.atomic():
        rows = ProviderRefusal.objects.filter(edition__campaign=campaign, lifted=None).select_related("edition")
        if provider:
            rows = rows.filter(digest=digest_of(campaign.organisation, provider))
        editions = set(rows.values_list("edition", flat=True))
        count = rows.update(lifted=now)
        for edition in editions:
            _release(edition, now)
        if count:
            waiting = Campaign.objects.filter(pk=campaign.pk, state="waiting", reason="provider")
            waiting.update(state="sending", reason="", waits_until=None, changed=now)
            detail = {"count": count}
            record("campaign.provider_lifted", campaign.organisation, now=now, by=by, about=campaign.pk, detail=detail)
    return count


def accepts_again(organisation: Any, address: str, *, now: datetime, by: Any = None) -> None:
    """A test went to this address and was accepted: campaigns go on to its provider."""
    provider = refusals.of(address)
    rows = ProviderRefusal.objects.filter(
        edition__organisation=organisation, digest=digest_of(organisation, provider), lifted=None
    )
    for campaign in Campaign.objects.select_related("organisation").filter(edition__in=rows.values("edition")):
        lift(campaign, now=now, by=by, provider=provider)
