"""A campaign that is on its way, as every sender reads it twice a second."""

from datetime import datetime
from typing import TypedDict


class SendingRow(TypedDict):
    """Columns of a campaign that is sending or waiting."""

    id: int
    organization_id: int
    edition__id: int
    edition__message_id_domain: str
    state: str
    reason: str
    waits_until: datetime | None
    quiet_hours: str
    canary_state: str
    canary_until: datetime | None
    canary_hold: int
    canary_stop: float
    pending: int
    deferred: int
    accepted: int
    refused: int
    welcome: int
    test_state: str
    ab_metric: str
    test_at: datetime | None
    organization__quiet_hours: str
    organization__timezone: str


FIELDS = tuple(SendingRow.__annotations__)
