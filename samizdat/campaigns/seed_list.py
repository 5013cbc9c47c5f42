"""The seed list: mailboxes of the organization's own at several providers, to which tests go by one tick. Sealed."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization, Person
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import SeedList
from samizdat.core.mail.address import BadAddress, normalize
from samizdat.events.actions import record
from samizdat.vault import keyring

# Tests leave at once and past every limit of pace, so they stay few.
MOST = 20


class BadSeeds(CampaignError):
    code = "bad_seeds"


def seeds(organization: Organization) -> list[str]:
    """Addresses, in the order they were written."""
    row = SeedList.objects.filter(organization=organization).first()
    keys = keyring.keys(organization)
    return keys.open_json(row.sealed, "seeds", "addresses", organization.pk, list[str]) if row else []


def keep(organization: Organization, addresses: Iterable[str], *, now: datetime, by: Person | None) -> list[str]:
    """The list from now on, each address once. Errors: BadSeeds, which names the line that is wrong."""
    unique_addresses: dict[str, str] = {}
    for number, line in enumerate(addresses, start=1):
        if not line.strip():
            continue
        try:
            address = normalize(line)
        except BadAddress as bad:
            text = _("Line %(line)s: %(why)s")
            raise BadSeeds(text % {"line": number, "why": _(str(bad))}) from None
        unique_addresses.setdefault(address.casefold(), address)
    if len(unique_addresses) > MOST:
        raise BadSeeds(_("At most %(n)s addresses: tests are sent at once, without rate limits.") % {"n": MOST})
    blob = keyring.keys(organization).seal_json(list(unique_addresses.values()), "seeds", "addresses", organization.pk)
    with transaction.atomic():
        SeedList.objects.update_or_create(organization=organization, defaults={"sealed": blob})
        record("seed_list.changed", organization, now=now, by=by, detail={"count": len(unique_addresses)})
    return list(unique_addresses.values())
