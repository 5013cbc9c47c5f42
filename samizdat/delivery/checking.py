"""The checks of a letter with what only delivery knows: who signs for it, what went out today, how many it reaches."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from samizdat import wording
from samizdat.campaigns import checks
from samizdat.campaigns.audience import quick_count
from samizdat.campaigns.checks import Looked
from samizdat.campaigns.draft import Draft, draft_of
from samizdat.campaigns.letter import proof_of
from samizdat.campaigns.models import Campaign, is_gathered
from samizdat.core.address import BadAddress, domain, normalise
from samizdat.core.compile import Proof
from samizdat.core.flaws import Flaw
from samizdat.delivery import bounces, signing

# Much more than the letters before: three times the largest of the last ten, and by a few hundred.
LARGER, BY, LAST = 3, 300, 10


def look(campaign: Campaign, now: datetime, draft: Draft | None = None, proof: Proof | None = None) -> Looked:
    """Every check that runs while somebody writes. draft: what is being typed, else what is stored."""
    draft = draft or draft_of(campaign)
    proof = proof or proof_of(campaign, now, draft)
    return checks.look(campaign, draft, proof, now, more=_more(campaign, draft, now))


def _more(campaign: Campaign, draft: Draft, now: datetime) -> Iterator[Flaw]:
    if bounces.elsewhere(campaign.organisation, draft.from_email):
        yield Flaw(0, "bounces_elsewhere", {"address": draft.from_email}, None, "stop", "from")
    if campaign.version_of_id is not None:  # Sender and audience are looked at with the letter.
        yield from _untranslated(campaign, draft)
        return
    yield from _unsigned(campaign.organisation, draft)
    yield from _second_today(campaign, now)
    yield from _large(campaign, now)


def _unsigned(organisation: Any, draft: Draft) -> Iterator[Flaw]:
    try:
        sender = domain(normalise(draft.from_email))
    except BadAddress:
        return  # The letter's own flaw names it already.
    if signing.signature_of(organisation, sender).by in ("nobody", "waiting"):
        yield Flaw(0, "no_signature", {"domain": sender}, None, "care", "from")


def _second_today(campaign: Campaign, now: datetime) -> Iterator[Flaw]:
    """A letter that goes to the same readers today. Those who get a digest get no letter to the whole list by itself,
    and one letter to a few of them is their second; whom a letter did not reach has not had it.
    """
    zone = ZoneInfo(campaign.organisation.timezone)
    begin = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    end = begin + timedelta(days=1)
    others = Campaign.objects.select_related("organisation").filter(list=campaign.list_id, due__gte=begin, due__lt=end)
    others = others.exclude(pk__in=(campaign.pk, campaign.again_id or 0)).exclude(state__in=("draft", "cancelled"))
    if is_gathered(campaign):
        others = others.filter(is_digest=False)
    other = others.filter(frozen__gt=0).order_by("-due").first()
    if other is not None:
        yield Flaw(0, "second_today", {"subject": draft_of(other).subject[:80]}, None, "care", "to")


def _untranslated(campaign: Campaign, draft: Draft) -> Iterator[Flaw]:
    letter = campaign.version_of
    if letter is not None and draft.body == draft_of(letter).body:
        yield Flaw(0, "same_words", {"language": wording.language(letter.language)}, None, "care", "body")


def _large(campaign: Campaign, now: datetime) -> Iterator[Flaw]:
    before = Campaign.objects.filter(organisation=campaign.organisation_id, frozen__gt=0).exclude(pk=campaign.pk)
    most = max(before.order_by("-pk").values_list("frozen", flat=True)[:LAST], default=0)
    size = quick_count(campaign, now) if most else None
    if size is not None and size > max(LARGER * most, most + BY):
        yield Flaw(0, "reach_large", {"now": f"{size:,}", "before": f"{most:,}"}, None, "care", "to")
