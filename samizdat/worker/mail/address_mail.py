"""Mails about a new address of somebody on the team: the link to the new one, the notice to the present one."""

import hashlib
import time
from datetime import datetime
from urllib.parse import urlsplit

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from samizdat.accounts import address_change, memberships
from samizdat.accounts.address_change import AddressDetails
from samizdat.accounts.models import AddressChange, Organization, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.core.mail.outcome import Deferred, Outcome
from samizdat.delivery import service_senders
from samizdat.worker.mail import service_mail

STATES = ("live", "throttled", "paused")
# Seconds until what no route took is tried again.
WAIT = 60.0
_later: dict[int, float] = {}


def waiting(now: datetime) -> set[int]:
    """Organizations by whose routes such a mail is to go. What is over is taken away."""
    organizations = set()
    for row in AddressChange.objects.select_related("person"):
        details = address_change.details_of(row)
        is_done = row.asked and row.noticed and row.confirmed
        if details is None or is_done or now - details.at > address_change.LASTS:
            row.delete()
        elif not (row.asked and row.noticed) and time.monotonic() >= _later.get(row.pk, 0.0):
            organization = _organization(row.person)
            organizations |= {organization.pk} if organization else set()
    return organizations


def take(now: datetime, organization: int) -> int:
    """How many mails went out."""
    mailed = 0
    for row in AddressChange.objects.select_related("person").exclude(asked=True, noticed=True):
        here, details = _organization(row.person), address_change.details_of(row)
        if here is None or details is None or here.pk != organization or time.monotonic() < _later.get(row.pk, 0.0):
            continue
        for column, to in (("asked", details.email), ("noticed", details.before)):
            if getattr(row, column):
                continue
            if isinstance(_mail(here, row, details, column, to, now), Deferred):
                _later[row.pk] = time.monotonic() + WAIT
                break
            # Of a request that took its place meanwhile nothing is out yet.
            AddressChange.objects.filter(pk=row.pk, details_sealed=row.details_sealed).update(**{column: True})
            mailed += 1
    return mailed


def _organization(person: Person) -> Organization | None:
    """Of those they work for the first that has a sender."""
    rows = sorted(memberships.valid(person=person, locked=None), key=lambda row: row.organization_id)
    return next((row.organization for row in rows if service_senders.own_sender(row.organization)), None)


def _mail(
    here: Organization, row: AddressChange, details: AddressDetails, column: str, to: str, now: datetime
) -> Outcome:
    sender = service_senders.own_sender(here)
    assert sender is not None
    with override(row.person.language or leading(here).language):
        subject, text = _link(here, row, details) if column == "asked" else _notice()
    mark = hashlib.sha256(bytes(row.details_sealed) + column.encode()).hexdigest()[:32]
    local = not service_mail.leads_out(here)
    return service_mail.send(here, sender, to, subject, text, now, STATES, local, mark)


def _link(here: Organization, row: AddressChange, details: AddressDetails) -> tuple[str, str]:
    known = leading(here).desk_url.rstrip("/")
    link = (known if urlsplit(known).netloc else details.origin) + reverse(
        "confirm-address", args=[address_change.token_of(row)]
    )
    paragraphs = [
        _("To use this address for your account from now on, open this link within 24 hours and sign in:"),
        link,
        _("If you didn’t ask for it, ignore this email. Nothing changes."),
    ]
    return _("Confirm your new email address"), "\n\n".join(paragraphs) + "\n"


def _notice() -> tuple[str, str]:
    paragraphs = [
        _(
            "Someone who is signed in to your account asked to replace this email address, and gave your password. "
            "Once the new address is confirmed, you sign in with that."
        ),
        _(
            "If it wasn’t you, change your password now: then the new address can’t be confirmed. If you can’t sign in "
            "any more, ask an admin of your team to lock your account."
        ),
    ]
    return _("Your email address is being changed"), "\n\n".join(paragraphs) + "\n"
