"""What a webhook says of an event: numbers, and the address of a subscriber where that was asked for.

It is put together when it is sent, from what is here then: nothing lies ready for it, and of whoever had their data
erased meanwhile nothing but the number is left to be said.
"""

from datetime import datetime
from typing import NamedTuple

from samizdat.accounts.models import Organization
from samizdat.audience.models import NUMBER_MASK
from samizdat.audience.queries.subscriber_records import records
from samizdat.campaigns.models import Campaign
from samizdat.core.event_webhooks import event_type, lists_of
from samizdat.events.actions import detail_of, is_genuine, moment_of
from samizdat.events.models import Event
from samizdat.portability.webhooks.records import EventWebhookSettings

_ERASED = "subscriber.erased"
# Kind of the log -> what changed many; all others are bulk actions.
_CAUSES = {"subscribers.imported": "import", "subscribers.batch_written": "batch"}


class WebhookPayload(NamedTuple):
    type: str
    at: datetime
    data: dict[str, object]


def payload_of(event: Event, settings: EventWebhookSettings) -> WebhookPayload | None:
    """None where this webhook is not told of it, and of an event that somebody without keys wrote."""
    if event.organization is None or not is_genuine(event):
        return None
    detail = detail_of(event)
    type = event_type(event.kind, detail)
    if type not in settings.events:
        return None
    data = _data(event, event.organization, type, detail, settings)
    return None if data is None else WebhookPayload(type, moment_of(event), data)


def _data(
    event: Event,
    organization: Organization,
    type: str,
    detail: dict[str, object],
    settings: EventWebhookSettings,
) -> dict[str, object] | None:
    if type == _ERASED:
        return _of_erased(event, detail)
    if type.startswith("subscriber."):
        return _of_subscriber(event, organization, detail, settings)
    if type.startswith("campaign."):
        return _of_campaign(event, organization, settings)
    return _of_many(event, detail, settings)


def _of_erased(event: Event, detail: dict[str, object]) -> dict[str, object] | None:
    """Each webhook is told, whichever lists it is bound to: nobody knows any more on which they were."""
    several = detail.get("numbers")
    if event.kind == "subscribers.erased":
        return {"numbers": several} if several else None
    return None if event.about is None else {"numbers": [event.about & NUMBER_MASK]}


def _of_subscriber(
    event: Event, organization: Organization, detail: dict[str, object], settings: EventWebhookSettings
) -> dict[str, object] | None:
    if event.about is None:
        return None
    number = event.about & NUMBER_MASK
    here = records(organization, [number], settings.lists or None)
    named = [list_ for list_ in lists_of(detail) if not settings.lists or list_ in settings.lists]
    if settings.lists and not (named if lists_of(detail) else here):
        return None
    data: dict[str, object] = {"number": number, "lists": named or [row.list_id for each in here for row in each.lists]}
    if settings.addresses:
        data["email"] = here[0].address if here else None
    return data


def _of_campaign(event: Event, organization: Organization, settings: EventWebhookSettings) -> dict[str, object] | None:
    rows = Campaign.objects.filter(organization=organization, pk=event.about or 0)
    list_ = rows.values_list("list", flat=True).first()
    if list_ is None or (settings.lists and list_ not in settings.lists):
        return None
    return {"number": event.about, "list": list_}


def _of_many(event: Event, detail: dict[str, object], settings: EventWebhookSettings) -> dict[str, object] | None:
    """That many were changed, so that a program reads them again. A bulk action names no list."""
    lists = lists_of(detail)
    shown = [list_ for list_ in lists if not settings.lists or list_ in settings.lists]
    return None if lists and not shown else {"cause": _CAUSES.get(event.kind, "bulk"), "lists": shown}
