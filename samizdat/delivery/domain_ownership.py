"""Whose domain an address is at: campaigns and bounces go by addresses of the organization, and by none that is at a
domain of another organization of this installation.

Bounces name readers, so admins alone say where they go, and never whoever writes From. RFC 5321 wants an address that
takes them; DMARC lets SPF count where that is at the domain of From (RFC 9989, 4.4.2).

A key that was found in the domain's DNS proves whose it is, and so does whoever runs the server. Two who proved it both
have it. Without a proof, a host of public pages or a domain that is signed for counts against those alone who never
finished a letter from there: anybody may write a host into a form, or say that a record is published, and that stops
nobody who was here first.
"""

import contextlib
from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from samizdat.accounts import sealed_settings
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import Leading
from samizdat.campaigns.edition_details import opened
from samizdat.campaigns.models import Edition, EditionVariant
from samizdat.campaigns.opened import OpenedCampaign
from samizdat.campaigns.queries import AT_ONCE
from samizdat.campaigns.release_log import standing
from samizdat.core.content.problems import SENTENCES
from samizdat.core.crypto.seal import SealError
from samizdat.core.mail.address import BadAddress, domain, is_at_or_below, normalize, provider
from samizdat.core.mail.return_address import without_token
from samizdat.delivery import database_progress, dkim_keys
from samizdat.delivery.errors import NotReleasable
from samizdat.events.actions import is_genuine
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.events.queries import about
from samizdat.vault import keyring

_RELEASED: EventKind = "campaign.released"
# By which an organization may have come to a domain or a host.
_CLAIMING: tuple[EventKind, ...] = (
    "organization.created",
    "organization.changed",
    "domain.added",
    "domain.key_published",
    "domain.key_activated",
)
# Letters of one's own that are looked at for a sender.
LOOKED_AT = 20


def envelope_sender(organization: Organization, settings: Leading, sender: str) -> str:
    """The address that admins set, else From at a domain that is theirs: of the public pages, or one that we sign for.
    "" where it would be neither: the null reverse-path, to which nothing comes back. sender: From, normalized."""
    if settings.return_address or _is_own(organization, settings.public_url, domain(sender)):
        return without_token(settings.return_address) or sender
    return ""


def _is_own(organization: Organization, public_url: str, name: str) -> bool:
    host = urlsplit(public_url).hostname or ""
    if host == "localhost" or host.startswith("127."):
        return True  # To try things out: no reader elsewhere can open its pages.
    # letters.lantern.example is of whoever has lantern.example; of example alone nobody is.
    beside = "." in name and "." in host and (is_at_or_below(host, name) or is_at_or_below(name, host))
    return beside or bool(dkim_keys.signing_domain(organization, name))


def check_senders(opened: OpenedCampaign) -> None:
    """Errors: NotReleasable where bounces of one of its versions would go to an address that no admin set, or where
    they, or its sender, are at a domain that another organization here has."""
    organization, settings = opened.campaign.organization, opened.settings
    for sender in dict.fromkeys(version.draft.from_email for version in opened.versions):
        if not envelope_sender(organization, settings, normalize(sender)):
            raise NotReleasable(_(SENTENCES["bounces_elsewhere"]) % {"address": sender})
        for code, values in problems(organization, settings, sender):
            raise NotReleasable(_(SENTENCES[code]) % values)


def bounces_elsewhere(organization: Organization, settings: Leading, sender: str) -> bool:
    """Whether bounces of a letter from this address, as it was typed, have no place."""
    try:
        return not envelope_sender(organization, settings, normalize(sender))
    except BadAddress:
        return False  # The letter's own flaw names it already.


def problems(organization: Organization, settings: Leading, sender: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Codes and values of problems of a letter from this address, as it was typed."""
    if name := claimed(organization, sender):
        yield "domain_anothers", {"domain": name}
    # Without a proof only the form asks, once: who was first is not known later.
    if claimed(organization, settings.return_address, proven=True):
        yield "return_anothers", {"address": settings.return_address}


def claimed(organization: Organization, address: str, *, proven: bool = False) -> str:
    """The domain of an address, or of @domain, where it or one above it is another organization's, else "". proven:
    only where that was proved."""
    try:
        name = domain(normalize(without_token(address)))
    except BadAddress:
        return ""
    return name if _is_anothers(organization, name, proven) else ""


def is_anothers_mailbox(organization: Organization, address: str) -> bool:
    """Whether mail to this address, or to @domain, is another organization's: by its domain, or since it goes to them
    already, who then would not get their subscribers' replies. Whoever proved the domain decides. Two may share an
    address where whoever runs the server enters it."""
    if claimed(organization, address):
        return True
    if proves(organization, domain(normalize(without_token(address)))):
        return False
    taken = [mailbox for _number, kept in sealed_settings.of_others(organization) for mailbox in kept.mailboxes]
    return any(_overlap(address, mailbox) for mailbox in taken)


def _overlap(address: str, other: str) -> bool:
    """Whether some mail would go to both. @domain has all of its domain."""
    (local, _at, host), (other_local, _at, other_host) = (text.casefold().rpartition("@") for text in (address, other))
    return host == other_host and (local == other_local or not local or not other_local)


def _is_anothers(organization: Organization, name: str, proven: bool) -> bool:
    above = {*dkim_keys.at_or_above(name)}
    if proves(organization, name):
        return False
    others = [kept for _number, kept in sealed_settings.of_others(organization)]
    if any(kept.claims.get(claim) for kept in others for claim in above):
        return True
    if proven or provider(name):
        return False  # At a large provider anybody may have a mailbox.
    is_claimed = _is_unknown(organization) or any(_claims(kept, above) for kept in others)
    return is_claimed and not _wrote_from(organization, name)


def _claims(kept: Leading, names: Collection[str]) -> bool:
    """Whether an organization signs for one of these, or has its public pages there; one whose settings don't open may
    have any."""
    has_host = urlsplit(kept.public_url).hostname in names
    return not kept.known or has_host or not kept.claims.keys().isdisjoint(names)


def _is_unknown(organization: Organization) -> bool:
    """Whether an organization is gone of which the note outside of the database knows."""
    there = Organization.objects.values_list("pk", flat=True)
    return not database_progress.organizations() <= {organization.pk, *there}


def claimed_before_release(edition: Edition) -> str:
    """The domain it is from, where that was another organization's already when it was released, else "".

    Errors: VaultError, SealError. Only what is known now counts, and no claim that came after the release."""
    release = about(edition.organization, _RELEASED, edition.campaign_id)
    keys, organization = keyring.keys(edition.organization), edition.organization
    others = sealed_settings.of_others(organization)
    versions: list[Edition | EditionVariant] = [
        edition,
        *EditionVariant.objects.filter(edition=edition).defer("compiled_sealed"),
    ]
    for version in versions:
        name = domain(normalize(opened(keys, version).from_email))
        above = {*dkim_keys.at_or_above(name)}
        claims = [number for number, kept in others if kept.known and _claims(kept, above)]
        is_old = any(release and not _claimed_since(number, release.id) for number in claims)
        if is_old and _is_anothers(organization, name, proven=False):
            return name
    return ""


def _claimed_since(organization: int, event: int) -> bool:
    rows = Event.objects.filter(organization=organization, kind__in=_CLAIMING, id__gt=event)
    return any(map(is_genuine, rows.order_by("-id")[:LOOKED_AT]))


def proves(organization: Organization, name: str) -> bool:
    """Whether it showed that this domain, or one above it, is its own."""
    rows = dkim_keys.named(dkim_keys.at_or_above(name))
    return any(dkim_keys.is_proven(row) for row in rows if row.organization_id == organization.pk)


def _wrote_from(organization: Organization, name: str) -> bool:
    """Whether a letter from this domain is over, and the log says so."""
    rows = Edition.objects.select_related("organization").filter(
        organization=organization, campaign__state="finished", campaign__version_of=None
    )
    keys = keyring.keys(organization)
    rows = rows.defer("compiled_sealed").order_by("-created")[:LOOKED_AT]
    for edition in rows.iterator(chunk_size=AT_ONCE):
        with contextlib.suppress(SealError, BadAddress):
            sender = domain(normalize(opened(keys, edition).from_email))
            if sender == name and standing(edition).finished:
                return True
    return False
