"""Who exactly gets a letter, and who does not, counted by reason: an addition that comes out right."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Min, Sum

from samizdat.audience import headcount, recipients_sql
from samizdat.audience import sql as audience_sql
from samizdat.audience.models import (
    CLEANED,
    NONSUBSCRIBED,
    PENDING,
    UNSUBSCRIBED,
    ListTotal,
    Subscription,
    TagTotal,
)
from samizdat.audience.segments.campaign_audience import STOPPED, verdicts
from samizdat.audience.segments.errors import SegmentBroken
from samizdat.audience.segments.members import MemberReader
from samizdat.campaigns import translations as campaigns
from samizdat.campaigns.audience import reader_of
from samizdat.campaigns.models import Campaign
from samizdat.core import consent, languages
from samizdat.delivery import sql
from samizdat.delivery.actions.digest_rounds import aside_of
from samizdat.delivery.actions.recipients import spoken, waits

# What a status says of whoever is not subscribed.
_STATUSES = {
    PENDING: "pending",
    UNSUBSCRIBED: "unsubscribed",
    CLEANED: "cleaned",
    NONSUBSCRIBED: "nonsubscribed",
}


@dataclass(frozen=True, slots=True)
class RecipientsBreakdown:
    """`known` less the sum of `without` is `may`. Everybody who does not get it stands under the first reason that
    holds, in the order of `without`: not_listed, untagged, the statuses, unasked (an appeal goes to those who agreed to
    appeals too), outside (of the segment), the verdicts of
    consent.REASONS, stopped (suppressed this moment), what recipients.waits says,
    reached (by the letter that this one goes after), singly (not among those whom a digest gathers for).

    back: when the first of those who pause is written to again. broken: why its segment does not work, as a sentence.
    """

    known: int
    without: dict[str, int]
    may: int
    back: date | None = None
    broken: str = ""

    @property
    def waiting(self) -> int:
        """Who would get it, but for what recipients.waits says."""
        return self.without.get("digest", 0) + self.without.get("monthly", 0)


def whom(campaign: Campaign, now: datetime, when: datetime | None = None) -> RecipientsBreakdown:
    """Counted now, for a letter that leaves at `when`. It asks what a release asks: the same statuses, verdicts,
    suppressions and segment, so that what is frozen at this instant is `may`.

    A segment that asks for what is sealed takes 3 us a subscriber of the list.
    """
    if not campaign.has_audience:
        return RecipientsBreakdown(0, {}, 0)
    known = headcount.of(campaign.organization_id)
    without = _by_status(campaign, known)
    subscribed = known - sum(without.values())
    try:
        reader = reader_of(campaign, now)
    except SegmentBroken as broken:
        return RecipientsBreakdown(known, _some(without | {"outside": subscribed}), 0, broken=str(broken))
    if campaign.is_appeal:
        asked = audience_sql.count_asking(campaign.list_id, campaign.tag_id)
        without["unasked"], subscribed = subscribed - asked, asked
    without |= _by_verdict(campaign, subscribed, reader, when or now)
    if campaign.resend_of is not None:
        of = campaign.organization_id, campaign.list_id, campaign.resend_of.edition.pk
        may = sql.count_unreached(*of, campaign.is_appeal)
        without["reached"] = known - sum(without.values()) - may
    if campaign.is_digest:
        where = campaign.organization_id, campaign.list_id
        may = sum(len(recipients_sql.release_among(*where, rows, suppressions=True)) for rows in aside_of(campaign))
        without["singly"] = known - sum(without.values()) - may
    back = Subscription.objects.filter(list=campaign.list_id, paused__isnull=False, mail_verdict=consent.PAUSED)
    return RecipientsBreakdown(
        known,
        _some(without),
        known - sum(without.values()),
        back.aggregate(first=Min("paused"))["first"] if without.get("paused") else None,
    )


@dataclass(frozen=True, slots=True)
class RecipientShare:
    """A version and how many get it; of the fallback also how many of them for want of one in their language."""

    version: Campaign
    people: int
    otherwise: int = 0


def shares(campaign: Campaign, now: datetime, when: datetime | None = None) -> list[RecipientShare]:
    """As a release at this moment divides its readers among the languages, for a letter that leaves at `when`; the
    fallback first. [] where there is one version. Errors: SegmentBroken.
    """
    others = campaigns.versions(campaign)
    if not others:
        return []
    versions = [languages.normal(campaign.language), *(version.language for version in others)]
    counts: Counter[int | None] = Counter()
    for language, count in spoken(campaign, now, when or now).items():
        counts[languages.place_of(language, versions)] += count
    fallback = RecipientShare(campaign, counts[0] + counts[None], counts[None])
    return [fallback, *(RecipientShare(version, counts[place]) for place, version in enumerate(others, start=1))]


def _some(without: dict[str, int]) -> dict[str, int]:
    return {reason: count for reason, count in without.items() if count}


def _by_status(campaign: Campaign, known: int) -> dict[str, int]:
    """Who is not on the list, has not its tag, or is not subscribed."""
    listed = _counts(ListTotal.objects.filter(list=campaign.list_id))
    without = {"not_listed": known - sum(listed.values())}
    if campaign.tag_id is not None:
        tagged = _counts(TagTotal.objects.filter(list=campaign.list_id, tag=campaign.tag_id))
        without["untagged"] = sum(listed.values()) - sum(tagged.values())
        listed = tagged
    return without | {word: listed.get(status, 0) for status, word in _STATUSES.items()}


def _counts(totals: object) -> dict[int, int]:
    return dict(totals.values_list("status").annotate(sum=Sum("count")))  # type: ignore[attr-defined]


def _by_verdict(campaign: Campaign, subscribed: int, reader: MemberReader | None, when: datetime) -> dict[str, int]:
    counts = verdicts(campaign.list, campaign.tag, reader, campaign.is_appeal)
    without = {"outside": subscribed - sum(counts.values())}
    asked: dict[int, str] = {}
    for (code, often), count in sorted(counts.items(), reverse=True):
        if code != consent.YES:
            reason = "stopped" if code == STOPPED else consent.REASONS[code]
        else:
            reason = asked.setdefault(often, waits(campaign, often, when))
        if not reason:
            continue
        without[reason] = without.get(reason, 0) + count
    return without
