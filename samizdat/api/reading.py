"""That a program reads addresses is in the log."""

from datetime import timedelta

from django.utils import timezone

from samizdat.accounts import api_keys
from samizdat.accounts.models import ApiKey
from samizdat.events.actions import record
from samizdat.events.queries import was_said

# It is recorded so often.
READING = timedelta(hours=1)


def note_reading(key: ApiKey) -> None:
    now = timezone.now()
    if not was_said(key.organization, "subscribers.read_by_program", now - READING, about=key.pk):
        detail = {"name": api_keys.name_of(key)}
        record("subscribers.read_by_program", key.organization, now=now, by=key.by, about=key.pk, detail=detail)
