"""Takes up the answers of readers who were asked again whether they want to go on getting a list."""

from datetime import UTC, datetime

from django.db import transaction

from samizdat.campaigns.models import Edition, large, large_of_edition
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.privacy.actions import heard, stay
from samizdat.publicdb import actions as publicdb
from samizdat.worker.inbox.inbox import SLICE, OpenedEnvelope, each, in_batches
from samizdat.worker.inbox.unsubscribes import all_proven


def take(now: datetime) -> int:
    """How many answers were taken up; whether a question is still open is privacy/actions/reconsent.py's to say."""
    return in_batches(now, ("stay",), _take_up)


def _take_up(envelopes: list[OpenedEnvelope], now: datetime) -> int:
    for organization in dict.fromkeys(envelope.organization.id for envelope in envelopes):
        mine = [envelope for envelope in envelopes if envelope.organization.id == organization]
        for at in range(0, len(mine), SLICE):
            each(_take, mine[at : at + SLICE], now)
    return len(envelopes)


def _take(envelopes: list[OpenedEnvelope], now: datetime) -> None:
    proven = all_proven(envelopes, ("stay",), now.astimezone(UTC).date())
    rows = Edition.objects.select_related("campaign__list", "campaign__organization")
    rows = rows.defer(*large_of_edition(), *large("campaign__"))
    editions = {item.edition for item in proven}
    letters = {row.id: row.campaign for row in rows.filter(organization=envelopes[0].organization, id__in=editions)}
    with transaction.atomic():
        for item in proven:
            letter = letters.get(item.edition)
            # Of the list that the email was sealed for: its campaign's column may have been led to another.
            if letter is not None and item.lists == (letter.list,):
                stay(item.envelope.organization, letter, item.subscriber, now=now)
    publicdb.done_with(item.row for item in envelopes)


def back(event: Event, now: datetime) -> None:
    """Somebody took their leaving back: an answer too, where they are being asked."""
    if event.about and (list_ := detail_of(event).get("list")):
        heard(list_, event.about)
