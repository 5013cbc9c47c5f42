"""Whom a letter goes to: by pages, in their order, without those who get it gathered or read one letter a month."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from samizdat.accounts.sealed_settings import Leading
from samizdat.audience import recipients_sql
from samizdat.audience.models import AGAIN, DIGEST, MONTHLY, NUMBER_MASK, List, Suppression, row_id
from samizdat.audience.segments import campaign_audience as segmented
from samizdat.audience.segments.members import MemberReader
from samizdat.campaigns.audience import reader_of
from samizdat.campaigns.models import Campaign
from samizdat.core.content import digest
from samizdat.core.mail.ledger import CHUNK
from samizdat.delivery import sql
from samizdat.delivery.actions import digest_rounds
from samizdat.delivery.actions.rate_budgets import left_of_warm_up
from samizdat.delivery.models import Route, SendingDomain
from samizdat.delivery.sealed_chunks import OwedNumbers

# So many of the newest are put first for a warm-up: all of them are in memory for a moment.
MOST_NEWEST = 100_000
# Ten chunks a transaction: about 20 ms, far below the 200 ms that a writer on SQLite may keep the others waiting.
PAGE = 10 * CHUNK


# (subscriber row, frequency, digest turn)
type Seldom = Sequence[tuple[int, int, int]]


def who_waits(campaign: Campaign, when: datetime, seldom: Seldom | None = None) -> frozenset[int]:
    """Row ids of readers who get this letter, leaving at `when`, gathered in a digest, or who want one letter a month
    and it is not that one.

    That one is the first of the month, in the organization's zone, which goes to the whole list: whoever reads little
    should not get what was meant for a few. `seldom`: seldom_on, where that was read already.
    """
    seldom = seldom_on(campaign) if seldom is None else seldom
    if not seldom:
        return frozenset()
    monthly, gathered = bool(waits(campaign, MONTHLY, when)), campaign.is_gathered
    round = List.objects.values_list("digest_round", flat=True).get(id=campaign.list_id)
    return frozenset(
        row
        for row, often, turn in seldom
        if (monthly and often == MONTHLY) or (gathered and digest.in_digest(often, turn, round))
    )


def seldom_on(campaign: Campaign) -> Seldom:
    """Of its list, who does not want every letter by itself."""
    return [] if campaign.has_own_recipients else recipients_sql.seldom_of(campaign.list_id)


def stands_in_digest(campaign: Campaign, settings: Leading) -> bool:
    """Does anybody get this letter in the digest that is gathered now? Without public pages no digest is made."""
    if not campaign.is_gathered or not settings.public_url:
        return False
    round = List.objects.values_list("digest_round", flat=True).get(id=campaign.list_id)
    return bool(recipients_sql.digest_page(campaign.organization_id, campaign.list_id, round, 0, 1, suppressions=True))


def waits(campaign: Campaign, often: int, when: datetime) -> str:
    """Why this letter, leaving at `when`, is none of those that somebody with this frequency gets by itself: "digest",
    "monthly". "" where it is one of them.
    """
    if campaign.has_own_recipients:
        return ""  # It was theirs and did not come, or goes to whom it was made for.
    if often in (DIGEST, AGAIN) and campaign.is_gathered:
        return "digest"
    to_all = campaign.is_gathered and _first_of_month(campaign, when)
    return "monthly" if often == MONTHLY and not to_all else ""


def _first_of_month(campaign: Campaign, when: datetime) -> bool:
    there = when.astimezone(ZoneInfo(campaign.organization.timezone))
    begin = there.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    others = Campaign.objects.filter(
        list=campaign.list_id, tag=None, segment=None, not_before__gte=begin, not_before__lte=when
    )
    others = others.filter(is_digest=False, resend_of=None, purpose=0, welcome=0)
    return not others.exclude(pk=campaign.pk).exclude(state__in=("draft", "cancelled")).exists()


def warming(organization: int, domain: str, now: datetime) -> int:
    """How many at the most go by routes or from a domain that are being warmed up: so many of the newest come first."""
    routes = Route.objects.filter(organization=organization, state__in=("live", "throttled")).exclude(warm_up="")
    domains = SendingDomain.objects.filter(organization=organization, name=domain).exclude(warm_up="")
    left = sum(left_of_warm_up(route, now) for route in routes.select_related("organization"))
    left += sum(left_of_warm_up(row, now) for row in domains.select_related("organization"))
    return min(MOST_NEWEST, left)


def pages(campaign: Campaign, reader: MemberReader | None, newest: int = 0) -> Iterator[list[int]]:
    """Subscriber numbers by key pages, so that no reading transaction stays open. The `newest` come first: whoever
    agreed last is least likely to be gone, and a new sender is judged by how many of its first letters bounce. reader:
    its segment.
    """
    suppressions = Suppression.objects.filter(organization=campaign.organization_id).exists()
    if not campaign.has_audience:
        return
    if campaign.is_digest:
        yield from _of_digest(campaign, suppressions)
        return
    if campaign.resend_of is not None:
        yield from _unreached(campaign, suppressions)
        return
    if campaign.segment_id is not None:
        assert reader is not None
        where = campaign.list_id, campaign.tag_id, reader, PAGE, suppressions, newest
        yield from segmented.numbers(*where, appeal=campaign.is_appeal)
        return
    yield from _of_list(campaign, newest, suppressions)


def meant_by(campaign: Campaign, now: datetime) -> list[int]:
    """Number of each who would get this letter now. Errors: SegmentBroken."""
    return [number for page in pages(campaign, reader_of(campaign, now)) for number in page]


def _of_list(campaign: Campaign, newest: int, suppressions: bool) -> Iterator[list[int]]:
    where = campaign.organization_id, campaign.list_id, campaign.tag_id
    first: list[int] = []
    if newest:
        first = recipients_sql.release_newest(*where, newest, suppressions, campaign.is_appeal)
        for at in range(0, len(first), PAGE):
            yield [row & NUMBER_MASK for row in first[at : at + PAGE]]
    known = set(first)
    after = 0
    while True:
        rows = sql.release_page(*where, after, PAGE, suppressions, appeal=campaign.is_appeal)
        if not rows:
            return
        if fresh := [row & NUMBER_MASK for row in rows if row not in known]:
            yield fresh
        after = rows[-1]


def spoken(campaign: Campaign, now: datetime, when: datetime) -> Counter[str]:
    """Language -> how many of those who get this letter, leaving at `when`, have it. Errors: SegmentBroken."""
    seldom = who_waits(campaign, when)
    if campaign.segment_id is None and not campaign.has_own_recipients:
        where = campaign.organization_id, campaign.list_id, campaign.tag_id
        counts = Counter(recipients_sql.count_languages(*where, True, None, campaign.is_appeal))
        counts.subtract(
            recipients_sql.count_languages(*where, True, list(seldom), campaign.is_appeal) if seldom else {}
        )
        return counts
    counts, known = Counter[str](), 0
    for page in pages(campaign, reader_of(campaign, now)):
        rows = [row for number in page if (row := row_id(campaign.organization_id, number)) not in seldom]
        counts.update(language for _row, language in recipients_sql.languages_of(rows))
        known += len(rows)
    counts[""] = known - counts.total()
    return counts


def _unreached(campaign: Campaign, suppressions: bool) -> Iterator[list[int]]:
    """Those whom another letter did not reach, as far as they may still be written to."""
    assert campaign.resend_of is not None
    after, edition = 0, campaign.resend_of.edition
    where = campaign.organization_id, campaign.list_id, None
    owed = OwedNumbers(edition, whole=False)  # Deliveries stand in the open: to nobody else for that.
    while rows := sql.release_page(*where, after, PAGE, suppressions, edition.pk, campaign.is_appeal):
        yield owed.among(row & NUMBER_MASK for row in rows)
        after = rows[-1]


def _of_digest(campaign: Campaign, suppressions: bool) -> Iterator[list[int]]:
    """Those for whom letters were gathered, as far as they may still be written to."""
    where = campaign.organization_id, campaign.list_id
    for rows in digest_rounds.aside_of(campaign):
        yield [row & NUMBER_MASK for row in recipients_sql.release_among(*where, rows, suppressions)]
