"""A test of versions on its way: running -> decided -> done. The rest is chunks that may not be claimed before it is
decided, as after a first wave; who decides is the clock at its time, or a person before.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from samizdat.accounts.models import Person
from samizdat.campaigns import ab_test as campaigns
from samizdat.campaigns import sealed_clicks
from samizdat.campaigns.ab_test import Version
from samizdat.campaigns.models import Campaign, Variant
from samizdat.core import ab_test, totals
from samizdat.core.mail.ledger import STATES, State
from samizdat.delivery import clock_jumps
from samizdat.delivery.actions import copied_installation
from samizdat.delivery.errors import WrongState
from samizdat.delivery.models import Chunk, Retry, VariantTotal
from samizdat.delivery.sending_row import SendingRow
from samizdat.events.actions import detail_of, record
from samizdat.events.kinds import EventKind
from samizdat.events.queries import last_about

DECIDED: EventKind = "campaign.test_decided"


@dataclass(frozen=True, slots=True)
class TestGroup:
    """What became of one version, or of the rest (version None): frozen is the sum of the counts by state."""

    version: Version | None
    frozen: int
    counts: dict[str, int]


def parts(campaign: Campaign) -> list[TestGroup]:
    """Every version with its books, and the rest; together they are the books of the campaign. [] for no test."""
    if not campaign.test_state:
        return []
    by_version = totals_by_version(campaign)
    groups: list[TestGroup] = []
    for version in campaigns.versions(campaign):
        counts = by_version.get(version.place, {})
        groups.append(TestGroup(version, sum(counts.values()), counts))
    rest = by_version.get(ab_test.REST, {})
    return [*groups, TestGroup(None, sum(rest.values()), rest)]


def totals_by_version(campaign: Campaign) -> dict[int, dict[str, int]]:
    """Version (or core/ab_test.REST) -> state -> how many, of those that are not nought."""
    by_version: dict[int, dict[str, int]] = {}
    for row in VariantTotal.objects.filter(edition__campaign=campaign, count__gt=0):
        by_version.setdefault(row.variant, {})[STATES[row.state]] = row.count
    chunks = Chunk.objects.filter(edition__campaign=campaign, retry=False, remaining__gt=0)
    for variant, left in chunks.values_list("variant").annotate(sum=Sum("remaining")):
        by_version.setdefault(variant, {})[STATES[State.PENDING]] = left
    return by_version


def winner_of(campaign: Campaign) -> int:
    """The version that wins by the numbers as they stand; clicks are rounded as the report shows them, since who wins
    stands in the open."""
    presses = {place: totals.shown(count) for place, count in campaigns.presses_of(campaign).items()}
    scores = {
        version.place: ab_test.VersionScore(
            part.counts.get("accepted", 0), version.replies, version.left, presses.get(version.place, 0)
        )
        for part in parts(campaign)
        if (version := part.version) is not None
    }
    return ab_test.winner(scores, campaigns.decided_by(campaign)[0])


def choose(campaign: Campaign, place: int, *, now: datetime, by: Person | None = None) -> Campaign:
    """A person has seen enough: the rest gets this version at once. Errors: Fenced, WrongState."""
    copied_installation.refuse_sending(campaign.organization, now)
    if not Variant.objects.filter(campaign=campaign, variant_no=place).exists():
        raise WrongState(_("This version doesn’t exist."))
    if not _decide(campaign, place, now, by):
        raise WrongState(_("The winner is already decided, or the campaign isn’t being sent."))
    campaign.refresh_from_db()
    return campaign


def _decide(campaign: Campaign, place: int, now: datetime, by: Person | None = None) -> bool:
    """The winner is on record before the first of the rest may be claimed; a kill after that changes nothing of it. A
    test is decided once, whatever its row says later."""
    with transaction.atomic():
        rows = Campaign.objects.filter(pk=campaign.pk, test_state="running", state__in=("sending", "waiting", "paused"))
        before = _decided(campaign)
        mine = rows.update(test_state="decided", test_winner=place if before is None else before, changed=now)
        if mine and before is None:
            sealed_clicks.decide(campaign.edition, place, campaigns.presses_of(campaign))
            way = campaigns.decided_by(campaign)[0] if by is None else "hand"
            detail = {"version": ab_test.NAMES[place], "by": way, "edition": campaign.edition.pk}
            record(DECIDED, campaign.organization, now=now, by=by, about=campaign.pk, detail=detail)
    return bool(mine) and before is None


def _decided(campaign: Campaign) -> int | None:
    """Which version won the test of this edition, as the log says; None where it was not decided yet."""
    event = last_about(campaign.organization, (DECIDED,), campaign.pk)
    detail = detail_of(event) if event else {}
    return ab_test.NAMES.index(detail["version"]) if detail.get("edition") == campaign.edition.pk else None


def waits_for(row: SendingRow, now: datetime) -> tuple[bool, datetime | None, bool]:
    """(does the test hold the rest, and nothing else is left to do; until when; may the rest be opened).

    At its time the winner is taken from the numbers, whatever is still being tried again.
    """
    if row["test_state"] == "decided":
        return False, None, True
    if row["test_state"] != "running":
        return False, None, False
    ready = Chunk.objects.filter(edition=row["edition__id"], state__in=(Chunk.READY, Chunk.CLAIMED))
    if ready.exclude(variant=ab_test.REST, retry=False).exists():
        return False, None, False
    by_hand = row["ab_metric"] == "hand"
    over = not by_hand and row["test_at"] is not None and now >= row["test_at"]
    # A winner is for good, and a clock that was set forward by mistake would take it from the first few answers.
    settled = clock_jumps.patient_until(now) if over else None
    if over and settled is None:
        campaign = Campaign.objects.select_related("organization").get(pk=row["id"])
        if campaigns.decided_by(campaign)[0] == "hand":
            return True, None, False
        _decide(campaign, winner_of(campaign), now)
        return False, None, Campaign.objects.filter(pk=row["id"], test_state="decided").exists()
    if Retry.objects.filter(edition=row["edition__id"]).exists():
        return False, None, False
    # Decided by hand nothing goes on by itself, at whatever time: a page must not promise it.
    return True, None if by_hand else settled or row["test_at"], False
