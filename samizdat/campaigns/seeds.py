"""The seed list: mailboxes of the organisation's own at several providers, to which tests go by one tick. Sealed."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import SeedList
from samizdat.core.address import BadAddress, normalise
from samizdat.events.actions import record
from samizdat.vault import house
from samizdat.vault.sealed import open_json, seal_json

# Tests leave at once and past every limit of pace, so they stay few.
MOST = 20


class BadSeeds(CampaignError):
    code = "bad_seeds"


def seeds(organisation: Any) -> list[str]:
    """Addresses, in the order they were written."""
    row = SeedList.objects.filter(organisation=organisation).first()
    return list(open_json(house.keys(organisation), row.sealed, "seeds", "addresses", organisation.pk)) if row else []


def keep(organisation: Any, addresses: Iterable[str], *, now: datetime, by: Any) -> list[str]:
    """The list from now on, each address once. Errors: BadSeeds, which names the line that is wrong."""
    found: dict[str, str] = {}
    for number, line in enumerate(addresses, start=1):
        if not line.strip():
            continue
        try:
            address = normalise(line)
        except BadAddress as bad:
            text = _("Line %(line)s: %(why)s")
            raise BadSeeds(text % {"line": number, "why": _(str(bad))}) from None
        found.setdefault(address.casefold(), address)
    if len(found) > MOST:
        raise BadSeeds(_("At most %(n)s addresses: tests leave at once, whatever the pace.") % {"n": MOST})
    blob = seal_json(house.keys(organisation), list(found.values()), "seeds", "addresses", organisation.pk)
    with transaction.atomic():
        SeedList.objects.update_or_create(organisation=organisation, defaults={"sealed": blob})
        record("seeds.changed", organisation, now=now, by=by, detail={"count": len(found)})
    return list(found.values())
