"""Named reads of the log. Details stay sealed here; events.actions.detail_of opens one."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Q

from samizdat.events.models import Event


def newest(organisation: Any, limit: int = 20, kinds: Iterable[str] = (), before: int | None = None) -> list[Event]:
    """The newest events, of these kinds or of all; `before` pages on by number."""
    wanted = Q(organisation=organisation)
    if kinds:
        wanted &= Q(kind__in=list(kinds))
    if before is not None:
        wanted &= Q(id__lt=before)
    return list(Event.objects.select_related("organisation", "by").filter(wanted).order_by("-id")[:limit])


def about(organisation: Any, kind_begins: str, number: int, limit: int = 50) -> list[Event]:
    """What happened to one row, the newest first: about(organisation, "campaign.", 14)."""
    rows = Event.objects.select_related("organisation", "by").filter(
        organisation=organisation, kind__startswith=kind_begins, about=number
    )
    return list(rows.order_by("-id")[:limit])


def last(organisation: Any, kind: str) -> Event | None:
    """The newest event of one kind."""
    rows = Event.objects.select_related("organisation", "by").filter(organisation=organisation, kind=kind)
    return rows.order_by("-id").first()


def unhandled(limit: int = 200) -> list[Event]:
    """Events that worker/after.py has not followed up yet, the oldest first."""
    return list(Event.objects.select_related("organisation").filter(handled=False).order_by("id")[:limit])
