"""Where mail goes that cannot be delivered. It names readers, so admins alone say where, and never whoever writes From.

RFC 5321 wants an address that takes it; DMARC lets SPF count where that is at the domain of From (RFC 7489, 3.1.2).
"""

from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import Leading
from samizdat.campaigns.opened import OpenedCampaign
from samizdat.core.content.problems import SENTENCES
from samizdat.core.mail.address import BadAddress, domain, normalize
from samizdat.delivery import dkim_keys, domain_claims
from samizdat.delivery.errors import NotReleasable


def envelope_sender(organization: Organization, settings: Leading, sender: str) -> str:
    """The address that admins set, else From at a domain that is theirs: of the public pages, or one that we sign for.
    "" where it would be neither: the null reverse-path, to which nothing comes back. sender: From, normalized."""
    if settings.return_address or _is_own(organization, settings.public_url, domain(sender)):
        return settings.return_address or sender
    return ""


def _is_own(organization: Organization, public_url: str, name: str) -> bool:
    host = urlsplit(public_url).hostname or ""
    if host == "localhost" or host.startswith("127."):
        return True  # To try things out: no reader elsewhere can open its pages.
    # letters.lantern.example is of whoever has lantern.example; of example alone nobody is.
    beside = "." in name and "." in host and (f".{host}".endswith(f".{name}") or f".{name}".endswith(f".{host}"))
    return beside or bool(dkim_keys.signing_domain(organization, name))


def refuse_elsewhere(opened: OpenedCampaign) -> None:
    """Errors: NotReleasable where bounces of one of its versions would go to an address that no admin set, or where
    they, or its sender, are at a domain that another organization here has."""
    organization, settings = opened.campaign.organization, opened.settings
    for sender in dict.fromkeys(version.draft.from_email for version in opened.versions):
        if not envelope_sender(organization, settings, normalize(sender)):
            raise NotReleasable(_(SENTENCES["bounces_elsewhere"]) % {"address": sender})
        for code, values in domain_claims.problems(organization, settings, sender):
            raise NotReleasable(_(SENTENCES[code]) % values)


def elsewhere(organization: Organization, settings: Leading, sender: str) -> bool:
    """Whether bounces of a letter from this address, as it was typed, have no place."""
    try:
        return not envelope_sender(organization, settings, normalize(sender))
    except BadAddress:
        return False  # The letter's own flaw names it already.
