"""The checks of a letter with what only delivery knows: who signs for it, what went out today, how many it reaches."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from samizdat import formatting
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience
from samizdat.campaigns import checks
from samizdat.campaigns.checks import CheckedContent
from samizdat.campaigns.content import proof_of
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.models import Campaign
from samizdat.core.content.compile import CompileProof
from samizdat.core.content.problems import ContentProblem
from samizdat.core.mail.address import BadAddress, domain, normalize
from samizdat.delivery import dkim_keys, domain_ownership
from samizdat.delivery.audience_size import quick_count

# Much more than the letters before: three times the largest of the last ten, and by a few hundred.
LARGER, BY, LAST = 3, 300, 10


def look(
    campaign: Campaign,
    now: datetime,
    draft: Draft | None = None,
    proof: CompileProof | None = None,
    *,
    counted: bool = True,
) -> CheckedContent:
    """Every check that runs while somebody writes. draft: what is being typed, else what is stored. counted: how many
    get it may be told."""
    draft = draft or draft_of(campaign)
    proof = proof or proof_of(campaign, now, draft)
    return checks.look(campaign, draft, proof, now, more=_more(campaign, draft, now, counted))


def _more(campaign: Campaign, draft: Draft, now: datetime, counted: bool) -> Iterator[ContentProblem]:
    settings = leading(campaign.organization)
    if domain_ownership.bounces_elsewhere(campaign.organization, settings, draft.from_email):
        yield ContentProblem(0, "bounces_elsewhere", {"address": draft.from_email}, None, "stop", "from")
    for code, values in domain_ownership.problems(campaign.organization, settings, draft.from_email):
        yield ContentProblem(0, code, values, None, "stop", "from")
    if campaign.version_of_id is not None:  # Sender and audience are looked at with the letter.
        yield from _untranslated(campaign, draft)
        return
    if audience.details_of(campaign.list).archived:
        yield ContentProblem(0, "list_archived", {"list": audience.name_of(campaign.list)}, None, "stop", "to")
    yield from _unsigned(campaign.organization, draft)
    if not campaign.has_audience:
        return
    yield from _second_today(campaign, now)
    if counted:
        yield from _large(campaign, now)


def _unsigned(organization: Organization, draft: Draft) -> Iterator[ContentProblem]:
    try:
        sender = domain(normalize(draft.from_email))
    except BadAddress:
        return  # The letter's own flaw names it already.
    if dkim_keys.signature_of(organization, sender).by in ("nobody", "waiting"):
        yield ContentProblem(0, "no_signature", {"domain": sender}, None, "care", "from")


def _second_today(campaign: Campaign, now: datetime) -> Iterator[ContentProblem]:
    """A letter that goes to the same readers today. Those who get a digest get no letter to the whole list by itself,
    and one letter to a few of them is their second; whom a letter did not reach has not had it.
    """
    zone = ZoneInfo(campaign.organization.timezone)
    begin = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    end = begin + timedelta(days=1)
    others = Campaign.objects.select_related("organization").filter(
        list=campaign.list_id, not_before__gte=begin, not_before__lt=end
    )
    others = (
        others.filter(welcome=0)
        .exclude(pk__in=(campaign.pk, campaign.resend_of_id or 0))
        .exclude(state__in=("draft", "cancelled"))
    )
    if campaign.is_gathered:
        others = others.filter(is_digest=False)
    other = others.filter(frozen__gt=0).order_by("-not_before").first()
    if other is not None:
        yield ContentProblem(0, "second_today", {"subject": draft_of(other).subject[:80]}, None, "care", "to")


def _untranslated(campaign: Campaign, draft: Draft) -> Iterator[ContentProblem]:
    letter = campaign.version_of
    if letter is not None and draft.body == draft_of(letter).body:
        yield ContentProblem(0, "same_words", {"language": formatting.language(letter.language)}, None, "care", "body")


def _large(campaign: Campaign, now: datetime) -> Iterator[ContentProblem]:
    before = Campaign.objects.filter(organization=campaign.organization_id, frozen__gt=0, welcome=0)
    before = before.exclude(pk=campaign.pk)
    most = max(before.order_by("-pk").values_list("frozen", flat=True)[:LAST], default=0)
    size = quick_count(campaign, now) if most else None
    if size is not None and size > max(LARGER * most, most + BY):
        yield ContentProblem(0, "reach_large", {"now": f"{size:,}", "before": f"{most:,}"}, None, "care", "to")
