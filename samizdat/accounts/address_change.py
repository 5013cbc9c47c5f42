"""Somebody gets another address: asked for with the password, confirmed by a link that is mailed to the new one.

The password is stretched with a salt of the address (passwords.py), so what will be compared is made while it is known,
and sealed. A change of the password meanwhile ends the request: whoever learns of it at the present address can do so.
"""

import hashlib
import hmac
from datetime import datetime, timedelta

import msgspec
from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts import memberships, passwords, sealed_people
from samizdat.accounts.errors import AccountError, AlreadyHere
from samizdat.accounts.memberships import people_at
from samizdat.accounts.models import AddressChange, Organization, Person, Session
from samizdat.core.crypto import seal
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.vault import keyring

LASTS = timedelta(days=1)
# Between two requests: each is a mail to an address that somebody typed.
PAUSE = timedelta(minutes=10)
CHANGED: EventKind = "person.address_changed"
_SEALED = "new address"


class AddressDetails(msgspec.Struct, frozen=True):
    """email: the new one; before: the present one; stretched: the password with a salt of the new one; held: the hash
    of what is kept of the password; origin: where the app is, as whoever asked reached it."""

    email: str
    before: str
    stretched: str
    held: str
    origin: str
    at: datetime


def ask(person: Person, email: str, password: str, *, origin: str, now: datetime) -> None:
    """password: theirs, as it was proven a moment ago. Errors: AccountError."""
    index = sealed_people.index_of(email)
    if sealed_people.has_address(person, email):
        raise AccountError(_("This is your address already."))
    open_change = AddressChange.objects.filter(person=person).first()
    if open_change is not None and (last := details_of(open_change)) and now - last.at < PAUSE:
        raise AccountError(_("You asked for this a few minutes ago. Wait ten minutes, then try again."))
    stretched = passwords.stretched(index, password)
    _refuse_taken(person, index)
    details = AddressDetails(
        email.strip(), sealed_people.email_of(person), stretched, _held(person), origin.rstrip("/"), now
    )
    fresh: dict[str, object] = {"details_sealed": seal_details(details, person.pk)}
    fresh |= {"asked": False, "noticed": False, "confirmed": False}
    AddressChange.objects.update_or_create(person=person, defaults=fresh)


def confirm(person: Person, token: str, *, now: datetime) -> None:
    """The new address counts, and all sessions of this person are over. Errors: AccountError."""
    with transaction.atomic():
        row, details = opened(person, token, now)
        index = sealed_people.index_of(details.email)
        for member in memberships.valid(person=person):  # Of two who take one address at once, the second waits.
            Organization.objects.select_for_update(no_key=True).get(pk=member.organization_id)
        _refuse_taken(person, index)
        if _is_anothers(person, index, details.stretched):
            raise AccountError(
                _("Another account at this address has the same password. Change your password, then try again.")
            )
        person.email_hash = sealed_people.hash_of(index, person.pk)
        person.password = passwords.bound(person.pk, details.stretched)
        person.email_sealed = sealed_people.seal_text(details.email, "email", person.pk)
        person.save(update_fields=["email_hash", "email_sealed", "password"])
        Session.objects.filter(person=person).delete()
        AddressChange.objects.filter(pk=row.pk).update(confirmed=True)
        for member in memberships.valid(person=person):
            record(CHANGED, member.organization, now=now, by=person, about=person.pk)


def opened(person: Person, token: str, now: datetime) -> tuple[AddressChange, AddressDetails]:
    """What a link confirms. Errors: AccountError."""
    row = AddressChange.objects.filter(person=person, confirmed=False).first()
    details = details_of(row) if row else None
    if row is None or details is None or not hmac.compare_digest(token_of(row).encode(), token.encode()):
        raise AccountError(_("This link belongs to another account, was used, or a newer one was sent."))
    if now - details.at > LASTS or details.held != _held(person):
        sentence = _("This link is older than a day, or your password was changed since. Enter the new address again.")
        raise AccountError(sentence)
    return row, details


def seal_details(details: AddressDetails, person: int) -> bytes:
    return sealed_people.seal_text(msgspec.json.encode(details).decode(), _SEALED, person)


def details_of(row: AddressChange) -> AddressDetails | None:
    """None of what we did not seal for this person."""
    try:
        text = sealed_people.open_text(row.details_sealed, _SEALED, row.person_id)
        return msgspec.json.decode(text, type=AddressDetails)
    except (seal.SealError, msgspec.DecodeError):
        return None


def token_of(row: AddressChange) -> str:
    """What stands in the link; of this request alone."""
    return seal.keyed_hash(keyring.derive("address links"), f"{row.person_id} {bytes(row.details_sealed).hex()}").hex()


def _held(person: Person) -> str:
    return hashlib.sha256(person.password.encode()).hexdigest()


def _refuse_taken(person: Person, index: bytes) -> None:
    """In one organization an address is one person. Errors: AlreadyHere."""
    for member in memberships.valid(person=person):
        if any(other.person_id != person.pk for other in memberships.members_at(index, member.organization)):
            raise AlreadyHere(_("A teammate with this address already exists. Enter another address."))


def _is_anothers(person: Person, index: bytes, stretched: str) -> bool:
    """Whether another account at the address has this password, too: nobody could tell which of them signs in. Asked of
    whoever has the mailbox alone, since it says whether a password is somebody's."""
    others = people_at(index).filter(is_active=True).exclude(pk=person.pk)
    return any(other.holds(stretched) for other in others)
