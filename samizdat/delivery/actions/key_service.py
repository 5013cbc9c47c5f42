"""What the organizations are told when a key service gives no key any more (docs/key-service.md): if it was stopped,
they are locked, and only one of their admins or the person who has the server unlocks them."""

import logging
from datetime import datetime

from django.db import DatabaseError, transaction

from samizdat.accounts.models import Organization
from samizdat.delivery.actions import key_locks
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.logs import where_it_broke
from samizdat.vault.errors import VaultError

UNREACHABLE: EventKind = "keys.service_unreachable"
BACK: EventKind = "keys.service_back"

log = logging.getLogger("samizdat.worker")


def lock_all(now: datetime) -> None:
    """Somebody stopped the key service, or nobody confirmed there. Errors: DatabaseError."""
    for organization in Organization.objects.order_by("pk"):
        try:
            key_locks.lock_by_service(organization, now=now)
        except (VaultError, DatabaseError) as error:
            log.error("Organization %d could not be locked: %s", organization.pk, where_it_broke(error))


def note(kind: EventKind, now: datetime) -> None:
    """In the log of each organization. Errors: DatabaseError."""
    for organization in Organization.objects.order_by("pk"):
        try:
            with transaction.atomic():
                record(kind, organization, now=now)
        except VaultError as error:
            log.error("Organization %d has no event of the key service: %s", organization.pk, where_it_broke(error))
