"""Takes up the answers of readers who were asked again whether they want to go on getting a list."""

from datetime import datetime

from django.db import transaction

from samizdat.campaigns.models import Edition
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.gate import actions as gate
from samizdat.rights.actions import heard, stay
from samizdat.worker.boxes import Said, each, in_batches
from samizdat.worker.intake import SLICE, all_proven


def take(now: datetime) -> int:
    """How many answers were taken up; whether a question is still open is rights/actions/renewing.py's to say."""
    return in_batches(now, ("stay",), _take_up)


def _take_up(said: list[Said], now: datetime) -> int:
    for organisation in dict.fromkeys(one.organisation.id for one in said):
        mine = [one for one in said if one.organisation.id == organisation]
        for at in range(0, len(mine), SLICE):
            each(_take, mine[at : at + SLICE], now)
    return len(said)


def _take(said: list[Said], now: datetime) -> None:
    proven = all_proven(said, ("stay",))
    rows = Edition.objects.select_related("campaign__list", "campaign__organisation")
    editions = {one.edition for one in proven}
    letters = {row.id: row.campaign for row in rows.filter(organisation=said[0].organisation, id__in=editions)}
    with transaction.atomic():
        for one in proven:
            stay(one.said.organisation, letters.get(one.edition), one.subscriber, now=now)
    gate.done_with(one.row for one in said)


def back(event: Event, now: datetime) -> None:
    """Somebody took her leaving back: an answer too, where she is being asked."""
    if event.about and (list_ := detail_of(event).get("list")):
        heard(list_, event.about)
