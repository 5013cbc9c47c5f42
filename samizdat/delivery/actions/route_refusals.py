"""A mailbox provider that refuses us is put off in that campaign: nobody is marked, what is for it waits until it is
lifted by a person or by a test that it accepts. Guarded, so that every sender may call it at any time.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from django.db import transaction
from django.db.models import Q, QuerySet

from samizdat import db
from samizdat.accounts.models import Organization, Person
from samizdat.campaigns.models import Campaign, Edition, large, large_of_edition
from samizdat.core.crypto import seal
from samizdat.core.mail import refusals, retry_schedule
from samizdat.core.mail.address import PROVIDERS
from samizdat.core.mail.outcome import Deferred, Refused
from samizdat.delivery.models import Chunk, HeldRefusals, ProviderRefusal, Retry, Worker
from samizdat.delivery.queries import provider_of, refusal_column
from samizdat.events.actions import record
from samizdat.vault import keyring

# So long after it was lifted, senders may still put off what they had in hand.
AFTERMATH = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class SeenRefusals:
    """Who is put off, and whose "no such mailbox" is believed, by edition: words of
    core/mail/address.mailbox_provider."""

    put_off: Mapping[int, frozenset[str]] = field(default_factory=dict)
    believed: Mapping[int, frozenset[str]] = field(default_factory=dict)
    lifted: Mapping[int, datetime] = field(default_factory=dict)  # When the newest of them was lifted.


NOBODY = SeenRefusals()


def put_off(edition: int, provider: str, reply: Deferred | Refused, count: int, now: datetime) -> None:
    """From now on nothing of this edition goes to this provider. Told once, however many senders find it."""
    row = Edition.objects.select_related("organization", "campaign").get(pk=edition)
    keys, digest = keyring.keys(row.organization), digest_of(row.organization, provider)
    place = PROVIDERS.index(provider) if provider in PROVIDERS else 0
    reason = refusals.reason(reply)
    domain = (
        b"" if place else keys.seal(provider.encode(), "provider_refusal", refusal_column("domain", digest), edition)
    )
    answer = keys.seal(
        f"{reply.code} {reply.text}".encode(), "provider_refusal", refusal_column("answer", digest), edition
    )
    facts = {
        "provider": place,
        "domain_sealed": domain,
        "reason": reason,
        "answer_sealed": answer,
        "count": count,
        "since": now,
    }
    with transaction.atomic():
        refusal, new = ProviderRefusal.objects.get_or_create(edition=row, digest=digest, defaults=facts)
        if not new and not ProviderRefusal.objects.filter(pk=refusal.pk, lifted__isnull=False).update(
            lifted=None, **facts
        ):
            return
        detail = {"provider": provider, "count": count, "reason": reason}
        record("campaign.provider_blocks", row.organization, now=now, about=row.campaign_id, detail=detail)


def digest_of(organization: Organization, provider: str) -> bytes:
    return digests(organization)(provider)


def digests(organization: Organization) -> Callable[[str], bytes]:
    link = keyring.keys(organization).link
    assert link is not None
    secret = seal.derive(link.secret, "provider refusals")
    return lru_cache(1000)(lambda text: seal.blind(secret, text))


# --- several senders: what each of them holds is counted together ---


@dataclass(frozen=True, slots=True)
class HeldReplies:
    """A group of core/mail/refusals in the hands of one sender."""

    provider: str
    words: str  # core/mail/outcome.like
    count: int
    limit: int


@dataclass(frozen=True, slots=True)
class MergedRefusals:
    """What the other senders know. put_off: (provider, words, how many of all). accepted: providers. settles: nobody
    has anything else of the campaign to send, so what is still held is decided."""

    put_off: Sequence[tuple[str, str, int]] = ()
    accepted: frozenset[str] = frozenset()
    settles: bool = False


def others_of(worker: int) -> bool:
    """Are there other senders? Never with SQLite."""
    return not db.on_sqlite() and Worker.objects.filter(role="sender", ended=None).exclude(pk=worker).exists()


def count_together(edition: int, worker: int, held: Sequence[HeldReplies], *, settles: bool) -> MergedRefusals:
    """Says what this sender holds of an edition, and hears what all of them hold.

    What one of them decided is in the table of refusals before its rows go, so those are read last: two senders with
    nineteen each both find thirty-eight, or the second one finds the provider put off.
    """
    row = Edition.objects.select_related("organization").get(pk=edition)
    digest = digests(row.organization)
    keyed = {digest(f"{entry.provider}\n{entry.words}"): entry for entry in held}
    mine = HeldRefusals.objects.filter(edition=edition, worker=worker)
    mine.exclude(group__in=keyed).delete()
    if not keyed:
        return MergedRefusals()
    HeldRefusals.objects.bulk_create(
        [
            HeldRefusals(
                edition=row,
                worker_id=worker,
                provider=digest(entry.provider),
                group=group,
                count=entry.count,
                settles=settles,
            )
            for group, entry in sorted(keyed.items())
        ],
        update_conflicts=True,
        unique_fields=["edition", "group", "worker"],
        update_fields=["count", "settles"],
    )
    at_work = set(
        Chunk.objects.filter(edition=edition, state=Chunk.CLAIMED)
        .exclude(worker=worker)
        .values_list("worker", flat=True)
    )
    rows = list(HeldRefusals.objects.filter(edition=edition, worker__ended=None))
    refused = {bytes(entry) for entry in _put_off_in(edition).values_list("digest", flat=True)}
    sums: Counter[bytes] = Counter()
    for entry in rows:
        sums[bytes(entry.group)] += 0 if entry.accepted else entry.count
    put_off = [
        (entry.provider, entry.words, sums[group])
        for group, entry in keyed.items()
        if sums[group] >= entry.limit or digest(entry.provider) in refused
    ]
    own = {bytes(entry.group) for entry in rows if entry.worker_id == worker and entry.accepted}
    mine.filter(group__in=own).delete()
    accepted = frozenset(entry.provider for group, entry in keyed.items() if group in own)
    ready = {entry.worker_id for entry in rows if entry.settles}
    return MergedRefusals(put_off, accepted, settles and not put_off and not accepted and at_work <= ready)


def _put_off_in(edition: int) -> QuerySet[ProviderRefusal]:
    return ProviderRefusal.objects.filter(edition=edition, lifted=None)


def held_elsewhere(editions: list[int], worker: int) -> dict[int, frozenset[bytes]]:
    """By edition: digests of mailbox providers whose refusals other senders hold."""
    rows = HeldRefusals.objects.filter(edition__in=editions, worker__ended=None, accepted=False)
    by_edition: dict[int, frozenset[bytes]] = {}
    for edition, provider in rows.exclude(worker=worker).values_list("edition", "provider"):
        by_edition[edition] = by_edition.get(edition, frozenset()) | {bytes(provider)}
    return by_edition


def accepted_elsewhere(edition: int, provider: bytes, worker: int) -> None:
    """One of ours was accepted there: what the others hold was their readers' own. One row after the other, so that
    two senders do not wait for each other."""
    rows = HeldRefusals.objects.filter(edition=edition, provider=provider).exclude(worker=worker)
    for number in list(rows.values_list("pk", flat=True)):
        HeldRefusals.objects.filter(pk=number).update(accepted=True)


def of_editions(organization: int, editions: list[int]) -> SeenRefusals:
    """A question that finds nothing, nearly always."""
    refusals_seen = ProviderRefusal.objects.filter(edition__in=editions)
    if not refusals_seen.exists():
        return NOBODY
    rows = list(refusals_seen.select_related("edition__organization").defer(*large_of_edition("edition__")))
    if not rows:
        return NOBODY  # Deleted in this moment.
    keys = keyring.keys(rows[0].edition.organization)
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
    return SeenRefusals(put_off, believed, lifted)


def anybody_else(edition: int, now: datetime) -> bool:
    """Is a chunk to be had of it?"""
    ready = Chunk.objects.filter(edition=edition, state=Chunk.READY)
    return ready.filter(Q(not_before=None) | Q(not_before__lte=now)).exists()


def nobody_else(edition: int) -> bool:
    """Does only what was put off wait?"""
    at_work = Chunk.objects.filter(edition=edition, state__in=(Chunk.READY, Chunk.CLAIMED))
    again = Retry.objects.filter(edition=edition).exclude(chunk=None, due=retry_schedule.LATER)
    return not at_work.exists() and not again.exists()


def let_go(editions: list[int], seen: SeenRefusals, now: datetime) -> None:
    """What nothing holds any more is due: also what a sender had in hand while it was lifted."""
    for edition in editions:
        recent = edition in seen.lifted and now - seen.lifted[edition] < AFTERMATH
        if edition not in seen.put_off or recent:
            _release(edition, now)


def _release(edition: int, now: datetime) -> int:
    """Their four days begin anew: waiting for us is no try of theirs."""
    held = Retry.objects.filter(edition=edition, chunk=None, due=retry_schedule.LATER)
    # Asked twice a second: an UPDATE that finds nothing would still take SQLite's one lock.
    return held.update(due=now, first=now) if held.exists() else 0


def lift(campaign: Campaign, *, now: datetime, by: Person | None = None, provider: str = "") -> int:
    """The provider, or all that were put off in this campaign, is tried again. How many providers."""
    with transaction.atomic():
        rows = ProviderRefusal.objects.filter(edition__campaign=campaign, lifted=None)
        if provider:
            rows = rows.filter(digest=digest_of(campaign.organization, provider))
        editions = set(rows.values_list("edition", flat=True))
        count = rows.update(lifted=now)
        for edition in editions:
            _release(edition, now)
        if count:
            waiting = Campaign.objects.filter(pk=campaign.pk, state="waiting", reason="provider")
            waiting.update(state="sending", reason="", waits_until=None, changed=now)
            detail = {"count": count}
            record("campaign.provider_retried", campaign.organization, now=now, by=by, about=campaign.pk, detail=detail)
    return count


def accepts_again(organization: Organization, address: str, *, now: datetime, by: Person | None = None) -> None:
    """A test went to this address and was accepted: campaigns go on to its provider."""
    provider = refusals.of(address)
    rows = ProviderRefusal.objects.filter(
        edition__organization=organization, digest=digest_of(organization, provider), lifted=None
    )
    campaigns = Campaign.objects.select_related("organization").filter(edition__in=rows.values("edition"))
    for campaign in campaigns.defer(*large()):
        lift(campaign, now=now, by=by, provider=provider)
