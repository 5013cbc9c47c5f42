"""Replaces the instance key (vault/instance_exchange.py): what each app makes anew, and what is told to others."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain

from samizdat.accounts import renewals as accounts
from samizdat.accounts.models import Organization
from samizdat.campaigns.archive import share_links
from samizdat.delivery.actions import key_destruction
from samizdat.events.actions import record
from samizdat.portability import permits, recipient_keys
from samizdat.publicdb import signed_rows
from samizdat.vault import instance_exchange, locks, strict
from samizdat.vault.instance_exchange import Marks, Renewal
from samizdat.vault.source import InstanceSource

# Of purposes with the rules ANEW and SEALED (vault/purposes.py). In this order: a MAC that counts another column comes
# behind what seals that one anew.
BY_PURPOSE: Mapping[str, tuple[Renewal, ...]] = {
    "people": (accounts.people, accounts.address_changes),
    "people hashes": (accounts.people,),
    "grants": (
        accounts.memberships,
        accounts.invitations,
        accounts.pending_changes,
        share_links.renew,
        permits.renew,
    ),
    "recipient keys": (recipient_keys.renew,),
    "key locks": (locks.renew, key_destruction.renew),
    "strict people": (strict.renew,),
    "public pages": (signed_rows.renew,),
}
# Of what ends: it opens nothing any more, and is in nobody's way.
ENDED: tuple[Renewal, ...] = (accounts.signing_in,)

RENEWALS: tuple[Renewal, ...] = (*dict.fromkeys(chain.from_iterable(BY_PURPOSE.values())), *ENDED)


def marks() -> Marks:
    """purpose -> the highest row that the present key checks."""
    return {}


def exchange(former: InstanceSource, new_key: bytes, now: datetime) -> int:
    """How many keys of organizations didn't open and stay as they are. Whoever else has keys has ended. Errors:
    VaultError; then nothing has changed."""

    def recorded() -> Iterator[None]:
        yield
        for organization in Organization.objects.order_by("pk"):
            record("keys.rotated", organization, now=now)

    return instance_exchange.exchange(former, new_key, [*RENEWALS, recorded], marks)
