"""Which versions of a letter enough people get for its clicks and answers to be counted (core/totals)."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.audience.models import SUBSCRIBED, Subscription, row_id
from samizdat.campaigns import edition_details
from samizdat.campaigns.ab_test import BadTest
from samizdat.campaigns.models import Campaign, Edition
from samizdat.core import ab_test, totals
from samizdat.core.mail.ledger import unpack_numbers
from samizdat.delivery.models import Chunk


def settle_what_counts(campaign: Campaign, edition: Edition, now: datetime) -> None:
    """Seals with the edition which versions reach the floor. After its chunks are written, before anything leaves.

    Errors: BadTest where clicks are to decide and one of the versions does not reach it.
    """
    counted = _reaching(campaign, edition, now)
    versions = len(ab_test.load(edition.marks))
    if campaign.test_share and campaign.ab_metric == "clicks" and not counted >= set(range(versions)):
        sentence = _(
            "Clicks are counted only if at least %(floor)s people who have been subscribed for %(days)s days get "
            "each version, and one version has fewer. Make the test larger, or choose another way to decide the "
            "winner."
        )
        raise BadTest(sentence % {"floor": totals.FLOOR, "days": totals.SETTLED_DAYS}, "way")
    if counted:
        with transaction.atomic():
            edition_details.change(edition, counted_places=totals.dump(counted))


def _reaching(campaign: Campaign, edition: Edition, now: datetime) -> frozenset[int]:
    """Reads no further than to the floor of each version: two chunks of five hundred for most letters."""
    latest = now.astimezone(UTC).date() - timedelta(days=totals.SETTLED_DAYS)
    settled = Subscription.objects.filter(list=campaign.list_id, status=SUBSCRIBED, since__lte=latest)
    counts = defaultdict[int, int](int)
    owed = Chunk.objects.filter(edition=edition, retry=False).exclude(variant=ab_test.REST).order_by("position")
    for variant in owed.order_by("variant").values_list("variant", flat=True).distinct():
        for packed in owed.filter(variant=variant).values_list("numbers", flat=True).iterator(10):
            rows = [row_id(campaign.organization_id, number) for number in unpack_numbers(bytes(packed))]
            counts[variant] += settled.filter(subscriber__in=rows).count()
            if counts[variant] >= totals.FLOOR:
                break
    return frozenset(place for place, many in counts.items() if many >= totals.FLOOR)
