"""How many events were read: a history has no end, so whatever a press or an email asks of one reads few of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from django.db import connection

from samizdat.accounts.models import Organization
from samizdat.events.models import Event


@contextmanager
def events_read(only_locked: bool = False) -> Iterator[list[str]]:
    """Kinds of the events that are read meanwhile; `only_locked`: inside of transactions alone, while which nobody else
    writes on SQLite."""
    read: list[str] = []
    around = len(connection.atomic_blocks)

    def from_db(model: type[Event], *arguments: Any, **named: Any) -> Event:
        event = super(Event, model).from_db(*arguments, **named)
        if not only_locked or len(connection.atomic_blocks) > around:
            read.append(event.kind)
        return event

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Event, "from_db", classmethod(from_db), raising=False)
        yield read


def long_history(organization: Organization, kind: str, about: int | None, at: datetime, doublings: int) -> int:
    """Two to the power of so many events, that another program wrote; how many there are."""
    columns = "organization_id, kind, about, at, detail, digest, handled"
    Event.objects.create(
        organization=organization, kind=kind, about=about, at=at, detail=b"x" * 60, digest=bytes(32), handled=True
    )
    whose = "about IS NULL" if about is None else f"about = {about:d}"
    with connection.cursor() as cursor:
        for _ in range(doublings):
            sql = f"INSERT INTO events_event ({columns}) SELECT {columns} FROM events_event WHERE kind = %s AND {whose}"
            cursor.execute(sql, [kind])
    return 2**doublings
