"""From whom mails come that are no campaign: those that ask for a confirmation or bring a link, and those to the team.

Never from a draft, for anybody who may write can put any sender into one, and never from another organization's domain.
"""

import contextlib
from collections.abc import Iterator

from samizdat import plugins
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience
from samizdat.audience.actions import forms
from samizdat.audience.models import List
from samizdat.campaigns import senders
from samizdat.core.crypto.seal import SealError
from samizdat.core.mail import address
from samizdat.core.mail.return_address import without_token
from samizdat.delivery import domain_ownership
from samizdat.delivery.dkim_keys import oldest_signing_domain
from samizdat.delivery.models import Route
from samizdat.delivery.queries import refuse_held, way_of

# Where nothing but a domain is known.
LOCAL_PART = "samizdat"


def sender_for(list_: List) -> tuple[str, str] | None:
    """(name, address) of mails to those who sign up for a list: its own sender or that of the newest letter that went
    out, else the organization's own."""
    sender = senders.sender_of(list_)
    if sender is not None and not domain_ownership.claimed(list_.organization, sender[1]):
        return sender
    return own_sender(list_.organization)


def own_sender(organization: Organization) -> tuple[str, str] | None:
    """(name, address) of mails to the team, which no single session chooses (threat model, T19): where bounces go, the
    mailbox by which the oldest route signs in, or an address under the oldest domain that signs. All of these wait for
    approval. Where there is none, that of a list or of a sent campaign; drafts count for nothing."""
    name = leading(organization).name
    for mailbox in _own_mailboxes(organization):
        if not domain_ownership.claimed(organization, mailbox, proven=True):
            return name, mailbox
    others = [(name, f"{LOCAL_PART}@{signing}")] if (signing := oldest_signing_domain(organization)) else []
    lists = List.objects.select_related("organization").filter(organization=organization).order_by("id")
    others += filter(None, map(senders.sender_of, lists))
    return next((sender for sender in others if not domain_ownership.claimed(organization, sender[1])), None)


def _own_mailboxes(organization: Organization) -> Iterator[str]:
    if kept := leading(organization).return_address:
        yield without_token(kept)
    routes = Route.objects.select_related("organization").filter(organization=organization)
    for route in routes.exclude(state__in=("waiting", "removed")).order_by("id"):
        if user := _mailbox_of(route):
            yield user


def _mailbox_of(route: Route) -> str:
    """By which it signs in at its server; "" where that is no mailbox, or nobody can read it."""
    with contextlib.suppress(address.BadAddress, plugins.BadRoute, plugins.NoSuchPlug, SealError):
        refuse_held(route)
        return address.normalize(way_of(route).settings.user)
    return ""


def sign_ups_wait(organization: Organization) -> bool:
    """Whether a form is open, and there is nobody yet from whom its mails could come."""
    asked = {next(iter(form.lists), 0) for form in forms.forms_of(organization)}
    rows = List.objects.select_related("organization").filter(organization=organization)
    lists = [row for row in rows if row.id in asked or audience.details_of(row).form_slug]
    return any(sender_for(row) is None for row in lists)
