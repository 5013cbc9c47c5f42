"""Every column that the index key makes, and what becomes of it when that key is exchanged (index_rotation.py).

A new one stands here: tests/backup/test_index_rotation.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, QuerySet

from samizdat.accounts.models import Organization
from samizdat.audience.models import Segment, Tag
from samizdat.audience.segments import lookup
from samizdat.audience.tags_and_fields import tag_indices, tag_name
from samizdat.backup.sealed_columns import KeyColumn
from samizdat.campaigns import folders
from samizdat.campaigns.models import Folder
from samizdat.core.crypto.seal import SealError
from samizdat.incoming.conversations import details, take_up
from samizdat.incoming.models import Conversation
from samizdat.vault.errors import RecordBroken
from samizdat.vault.keyring import OrganizationKeys

# Renewed together with each subscriber (audience/index_renewal.py).
WITH_SUBSCRIBERS = {
    "audience.subscriber.email_index",
    "audience.suppression.email_index",
    "audience.dataqualityissue.mark",
}

# Not renewed, and looked up under every key.
LEFT: Mapping[str, str] = {
    "audience.mailquota.mark": "it goes after two days",
    "audience.import.fingerprint": "the files that it is made of are gone",
    "incoming.seenwebhook.digest": "it goes by itself, and nothing here says what it is made of",
    "incoming.awayreply.mark": "it goes after a week",
}

# Made with another key than an organization's index key, or at random.
OTHERS: Mapping[str, str] = {
    "accounts.person.email_hash": "instance key",
    "accounts.attempt.address_hash": "instance key",
    "accounts.invitation.token_hash": "instance key",
    "accounts.apikey.token_hash": "instance key",
    "accounts.idempotentrequest.mark": "instance key",
    "accounts.idempotentrequest.digest": "instance key",
    "accounts.session.key_hash": "instance key",
    "campaigns.sharelink.token_hash": "instance key",
    "delivery.epochrecord.former": "instance key",
    "delivery.location.digest": "instance key",
    "delivery.providerrefusal.digest": "link key",
    "delivery.smtpreply.digest": "link key",
    "audience.consentrecord.digest": "instance key",
    "events.event.digest": "instance key",
    "portability.recipientkey.mark": "instance key",
    "incoming.conversation.thread": "random",
}


@dataclass(frozen=True, slots=True)
class NameColumn(KeyColumn):
    """One by which few rows are found. `blinds`: of a row, as its own sealed words say, the current key's first; none
    where they don't open."""

    blinds: Callable[[OrganizationKeys, Any], list[bytes]]

    def rows(self, organization: Organization) -> QuerySet[Model]:
        return self.model._base_manager.filter(organization=organization).select_related("organization")


def _of_tag(keys: OrganizationKeys, row: Tag) -> list[bytes]:
    return [] if row.removed or not row.name_sealed else tag_indices(keys, tag_name(keys, row))


def _of_segment(keys: OrganizationKeys, row: Segment) -> list[bytes]:
    return [] if row.removed else lookup.name_indices(keys, lookup.name_of(row))


def _of_folder(keys: OrganizationKeys, row: Folder) -> list[bytes]:
    return folders.indices_of(keys, folders.name_of(row.organization, row))


def _of_conversation(_keys: OrganizationKeys, row: Conversation) -> list[bytes]:
    known = details.opened(row)
    return take_up.marks_of(row.organization, known.address, known.subject) if known else []


COLUMNS = (
    NameColumn("audience.tag.name_index", _of_tag),
    NameColumn("audience.segment.name_index", _of_segment),
    NameColumn("campaigns.folder.name_index", _of_folder),
    NameColumn("incoming.conversation.mark", _of_conversation),
)


def blinds_of(column: NameColumn, keys: OrganizationKeys, row: Model) -> list[bytes]:
    """None where its words don't open: somebody else altered it."""
    try:
        return column.blinds(keys, row)
    except (SealError, RecordBroken):
        return []
