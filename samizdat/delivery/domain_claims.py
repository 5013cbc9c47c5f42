"""Whether a domain is another organization's of this installation: nobody writes in its name, and no bounces go there.

A key that was found in the domain's DNS proves whose it is, and so does whoever runs the server. Two who proved it both
have it. Without a proof, a host of public pages or a domain that is signed for counts against those alone who never
finished a letter from there: anybody may write a host into a form, or say that a record is published, and that stops
nobody who was here first.
"""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import reduce
from operator import or_
from urllib.parse import urlsplit

from django.db.models import Q

from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.campaigns.edition_details import opened
from samizdat.campaigns.models import Edition
from samizdat.campaigns.release_log import standing
from samizdat.core.crypto.seal import SealError
from samizdat.core.mail.address import BadAddress, domain, normalize, provider
from samizdat.delivery import dkim_keys
from samizdat.delivery.models import SendingDomain
from samizdat.vault import keyring
from samizdat.vault.errors import VaultError

# Letters of one's own that are looked at for a sender.
LOOKED_AT = 20


def problems(organization: Organization, sender: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Codes and values of problems of a letter from this address, as it was typed."""
    if name := claimed(organization, sender):
        yield "domain_anothers", {"domain": name}
    # Without a proof only the form asks, once: who was first is not known later.
    if claimed(organization, bounces := leading(organization).return_address, proven=True):
        yield "return_anothers", {"address": bounces}


def claimed(organization: Organization, address: str, *, proven: bool = False) -> str:
    """The domain of an address where it, or one above it, is another organization's, else "". proven: only where that
    was proved."""
    try:
        name = domain(normalize(address))
    except BadAddress:
        return ""
    return name if _is_anothers(organization, name, proven) else ""


def _is_anothers(organization: Organization, name: str, proven: bool) -> bool:
    above = dkim_keys.at_or_above(name)
    if proves(organization, name):
        return False
    others = [row for row in dkim_keys.named(above) if row.organization_id != organization.pk]
    if _any(dkim_keys.is_proven, others):
        return True
    if proven or provider(name):
        return False  # At a large provider anybody may have a mailbox.
    is_claimed = _any(dkim_keys.signs, others) or _has_host(organization, above)
    return is_claimed and not _wrote_from(organization, name)


def proves(organization: Organization, name: str) -> bool:
    """Whether it showed that this domain, or one above it, is its own."""
    rows = dkim_keys.named(dkim_keys.at_or_above(name))
    return _any(dkim_keys.is_proven, [row for row in rows if row.organization_id == organization.pk])


def _any(holds: Callable[[SendingDomain], bool], rows: Iterable[SendingDomain]) -> bool:
    """What doesn't open claims nothing: whoever spoils another organization's rows stops no letter by that."""
    for row in rows:
        with contextlib.suppress(SealError, VaultError):
            if holds(row):
                return True
    return False


def _has_host(organization: Organization, names: Collection[str]) -> bool:
    """Whether public pages of another organization stand at one of these names, by their sealed address. Keys of those
    alone are asked for whose row says so: a page of one organization opens nothing of another."""
    rows = Organization.objects.exclude(pk=organization.pk)
    for row in rows.filter(reduce(or_, (Q(public_url__icontains=name) for name in names), Q(pk=None))):
        with contextlib.suppress(VaultError):
            if urlsplit(leading(row).public_url).hostname in names:
                return True
    return False


def _wrote_from(organization: Organization, name: str) -> bool:
    """Whether a letter from this domain is over, and the log says so."""
    rows = Edition.objects.select_related("organization").filter(
        organization=organization, campaign__state="finished", campaign__version_of=None
    )
    keys = keyring.keys(organization)
    for edition in rows.order_by("-created")[:LOOKED_AT]:
        with contextlib.suppress(SealError, BadAddress):
            sender = domain(normalize(opened(keys, edition).from_email))
            if sender == name and standing(edition).finished:
                return True
    return False
