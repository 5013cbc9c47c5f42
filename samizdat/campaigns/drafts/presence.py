"""Who has a draft open at this moment. Nothing but the name is told, and a minute later nothing is left of it."""

from datetime import datetime, timedelta
from typing import Any

from samizdat.accounts.models import Person
from samizdat.campaigns.models import Campaign, EditorPresence

STAYS = timedelta(minutes=1)


def here(campaign: Campaign, person: Person, now: datetime) -> None:
    EditorPresence.objects.update_or_create(campaign=campaign, person=person, defaults={"until": now + STAYS})


def others(campaign: Campaign, person: Person, now: datetime) -> list[Any]:
    """Everybody else who has it open, in the order of their coming."""
    rows = EditorPresence.objects.filter(campaign=campaign, until__gt=now).exclude(person=person)
    return [row.person for row in rows.select_related("person").order_by("id")]


def forget(now: datetime) -> None:
    """For the clock: minutes that are over."""
    EditorPresence.objects.filter(until__lte=now).delete()
