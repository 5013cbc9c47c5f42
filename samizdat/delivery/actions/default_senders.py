"""Setting the default sender of an organization or of a list.

It fills in the sender of new campaigns and says nothing to anybody else: mails that ask for a confirmation come from
where service_senders.py says.
"""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts import sealed_settings
from samizdat.accounts.default_sender import DefaultSender
from samizdat.accounts.errors import link_in_name
from samizdat.accounts.models import Organization, Person
from samizdat.audience.actions import lists
from samizdat.audience.models import List
from samizdat.core.content.problems import SENTENCES
from samizdat.core.mail import address
from samizdat.core.mail.names import has_link
from samizdat.delivery import domain_ownership
from samizdat.delivery.errors import SenderRefused
from samizdat.events.actions import record

LONGEST_NAME = 200


def set_for_organization(
    organization: Organization, sender: DefaultSender, *, now: datetime, by: Person | None = None
) -> None:
    """Errors: SenderRefused."""
    sender = checked(organization, sender)
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        sealed_settings.keep_default_sender(organization, sender)
        record("organization.changed", organization, now=now, by=by, detail={"settings": ["default_sender"]})


def set_for_list(list_: List, sender: DefaultSender, *, now: datetime, by: Person | None = None) -> None:
    """Errors: SenderRefused."""
    lists.set_default_sender(list_, checked(list_.organization, sender), now=now, by=by)


def checked(organization: Organization, sender: DefaultSender) -> DefaultSender:
    """In the one form of addresses; empty throughout where there is to be none. Errors: SenderRefused."""
    name = sender.name.strip()
    if has_link(name) or len(name) > LONGEST_NAME or not name.isprintable():
        raise SenderRefused(link_in_name(), "name")
    email = _address(organization, sender.email, "email")
    reply_to = _address(organization, sender.reply_to, "reply_to")
    if not email and (name or reply_to):
        raise SenderRefused(_("Enter a sender address, or leave all fields empty."), "email")
    return DefaultSender(name, email, reply_to)


def _address(organization: Organization, text: str, field: str) -> str:
    if not text.strip():
        return ""
    try:
        known = address.normalize(text)
    except address.BadAddress as bad:
        raise SenderRefused(_(str(bad)), field) from None
    if domain := domain_ownership.claimed(organization, known):
        raise SenderRefused(_(SENTENCES["domain_anothers"]) % {"domain": domain}, field)
    return known
