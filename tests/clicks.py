"""Clicks and answers of a campaign that enough people got."""

from collections.abc import Iterable
from datetime import date

from django.db import transaction

from samizdat.campaigns import sealed_clicks
from samizdat.campaigns.models import Campaign


def clicked(
    campaign: Campaign, clicks: Iterable[tuple[int, int, date, int]] = (), answers: Iterable[tuple[int, int, int]] = ()
) -> None:
    """(version, link, day, count) and (version, answer, count)."""
    with transaction.atomic():
        sealed_clicks.put(campaign.edition, [*clicks], [*answers])
