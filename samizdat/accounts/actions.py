"""Organisations are founded, people are added, invited, given roles, and leave."""

import os
import re
import secrets
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from django.conf import settings as ours
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from samizdat.accounts import backend, changes, grants, people, signing_out, throttle
from samizdat.accounts.errors import (
    AccountError,
    AlreadyHere,
    InvitationGone,
    InvitationWaits,
    LastAdmin,
    NameTaken,
    PasswordWeak,
)
from samizdat.accounts.models import ROLES, Invitation, Membership, Organisation, PendingChange, Person, Session
from samizdat.core import address, pace, reach, seal
from samizdat.events.actions import record
from samizdat.gate.actions import is_here
from samizdat.vault import house
from samizdat.vault.actions import make_keys
from samizdat.vault.source import Source

INVITATION_DAYS = 7

# What an admin may change under Settings, and nothing else through that door.
SETTINGS = (
    "name",
    "language",
    "timezone",
    "quiet_hours",
    "public_url",
    "desk_url",
    "content_url",
    "postal_address",
    "return_address",
    "leave_mailbox",
    "feared",
    "second_person",
    "accent",
)


_WEB = URLValidator(schemes=["http", "https"])


def found_organisation(
    name: str, *, source: Source, today: date, now: datetime | None = None, **settings: str
) -> Organisation:
    """A new organisation with keys of its own. Settings as in SETTINGS. Errors: NameTaken, AccountError."""
    slug = slugify(name) or _latin(name)
    if Organisation.objects.filter(slug=slug).exists():
        raise NameTaken(_("There is an organisation called %(name)s already. Choose another name.") % {"name": name})
    check_settings({"name": name})
    check_settings(settings)
    with transaction.atomic():
        organisation = Organisation.objects.create(
            uid=os.urandom(16), slug=slug, name=name.strip(), created=today, **settings
        )
        make_keys(organisation, source, today)
        grants.keep_settings(organisation, grants.GUARDED)
        # The gate learns of it by this event, whichever door founded it.
        record("organisation.founded", organisation, now=now or timezone.now())
    return organisation


def _latin(name: str) -> str:
    """A slug for a name without Latin letters: the first free one of organisation-2, organisation-3 …"""
    taken = set(Organisation.objects.values_list("slug", flat=True))
    return next(slug for number in range(1, 10_000) if (slug := f"organisation-{number}") not in taken)


def change_settings(
    organisation: Organisation, *, by: Person | None, now: datetime, approved: bool = False, **settings: Any
) -> list[PendingChange]:
    """Writes only the settings named, but those that one person may not change alone, which wait (changes.py).
    Errors: AccountError with what to put there."""
    check_settings(settings)
    with transaction.atomic():
        _check_host(organisation, str(settings.get("public_url") or ""))
        waiting = [] if approved else _held_settings(organisation, settings, by, now)
        for name, value in settings.items():
            setattr(organisation, name, value)
        if settings:
            organisation.save(update_fields=list(settings))
            grants.keep_settings(organisation, settings)
            record("organisation.changed", organisation, now=now, by=by, detail={"settings": sorted(settings)})
    return waiting


def _held_settings(organisation: Organisation, settings: dict[str, Any], by: Any, now: datetime) -> list[PendingChange]:
    """Takes out of `settings` what has to wait."""
    if not changes.held(organisation, by):
        return []
    wanted = {name: settings.pop(name) for name in [*settings] if _is_guarded(organisation, name, settings[name])}
    return [
        changes.ask(organisation, "setting", {"name": name, "to": value}, now=now, by=by)
        for name, value in wanted.items()
    ]


def _is_guarded(organisation: Organisation, name: str, value: Any) -> bool:
    before = getattr(organisation, name)
    if name == "second_person":
        return bool(before and not value)
    # No letter has gone out yet that begins its links with the first address of the public pages.
    return name in grants.LEADING and value != before and not (name == "public_url" and not before)


def _check_host(organisation: Organisation, url: str) -> None:
    """A group's host shows its pages alone: another group of the house must not put its forms there. Names of this
    machine are everybody's. Errors: AccountError."""
    host = urlsplit(url).hostname
    if host is None or host == urlsplit(organisation.public_url).hostname or is_here(host):
        return
    # All of them, in one order: of two that take one host at once, the second waits and is told.
    rows = Organisation.objects.select_for_update(no_key=True).order_by("pk").values_list("pk", "public_url")
    others = [other for pk, other in rows if pk != organisation.pk]
    if host in {urlsplit(other).hostname for other in others}:
        raise AccountError(_("%(host)s is in use already. Choose a name of your own.") % {"host": host})


def check_settings(settings: dict[str, Any]) -> None:
    """Looks at what somebody wants written, and takes slashes from the ends of addresses. Errors: AccountError."""
    unknown = set(settings) - set(SETTINGS)
    if unknown:
        raise AccountError(f"There is no setting called {', '.join(sorted(unknown))}.")
    name = settings.get("name")
    if name is not None and not (name.strip() and name.strip().isprintable() and len(name) <= 200):
        raise AccountError(_("An organisation needs a name of one line, at most 200 characters."))
    if settings.get("language", "en") not in dict(ours.LANGUAGES):
        raise AccountError(_("Choose one of the languages that are offered."))
    zone = settings.get("timezone")
    if zone is not None and zone not in available_timezones():
        raise AccountError(_("There is no time zone called %(zone)s. Write one like Europe/Riga.") % {"zone": zone})
    if settings.get("feared") and settings["feared"] not in reach.REACH:
        raise AccountError(_("Choose one of the states that are offered, or none."))
    if "quiet_hours" in settings:
        settings["quiet_hours"] = _quiet_hours(settings["quiet_hours"])
    for name in ("public_url", "desk_url", "content_url"):
        if settings.get(name):
            settings[name] = _web_address(settings[name])
    for name in ("return_address", "leave_mailbox"):
        if settings.get(name):
            settings[name] = _mailbox(settings[name])
    if settings.get("postal_address"):
        settings["postal_address"] = _postal(settings["postal_address"])
    if "accent" in settings:
        settings["accent"] = _colour(settings["accent"])


def _web_address(url: str) -> str:
    here = ("http://127.0.0.1", "http://localhost")  # Of a test on this machine.
    try:
        _WEB(url)
        good = len(url) <= 200 and url.startswith(("https://", *here))
    except ValidationError:
        good = False
    if not good:
        raise AccountError(_("%(url)s is no web address. Write it with https:// in front.") % {"url": url})
    return url.rstrip("/")


def _mailbox(text: str) -> str:
    try:
        return address.normalise(text)
    except address.BadAddress as bad:
        raise AccountError(f"{text}: {_(str(bad))}") from bad


def _postal(text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    if len(text) > 400 or not all(line.isprintable() for line in lines):
        raise AccountError(_("A postal address has at most 400 characters, without control characters."))
    return "\n".join(lines).strip()


def _colour(text: str) -> str:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise AccountError(_("Write the colour as # and six digits, like #b3261e."))
    return text.lower()


def _quiet_hours(text: str) -> str:
    try:
        quiet = pace.parse_quiet(text)
    except pace.BadRate as bad:
        raise AccountError(_(bad.sentence).format(**bad.values)) from bad
    if quiet is not None and quiet.zone and quiet.zone not in available_timezones():
        raise AccountError(
            _("There is no time zone called %(zone)s. Write one like Europe/Riga.") % {"zone": quiet.zone}
        )
    return str(quiet) if quiet else ""


def add_person(email: str, *, name: str = "", password: str | None = None, language: str = "en", today: date) -> Person:
    """Someone who may sign in. Errors: BadAddress, AlreadyHere, PasswordWeak."""
    index = people.index_of(email)
    if Person.objects.filter(email_index=index).exists():
        raise AlreadyHere(_("Somebody with this address is here already. Give her a role instead."))
    return _new_person(email, name, password, language, today)


def _new_person(email: str, name: str, password: str | None, language: str, today: date) -> Person:
    person = Person(email_index=people.index_of(email), language=language, created=today)
    person.set_unusable_password()
    if password is not None:
        check_password(password, person)
    with transaction.atomic():
        person.save()  # What is sealed or hashed is bound to its number.
        person.email_sealed = people.seal_text(email.strip(), "email", person.pk)
        person.name_sealed = people.seal_text(name.strip(), "name", person.pk)
        if password is not None:
            person.set_password(password)
        person.save()
    return person


def check_password(password: str, person: Person | None = None) -> None:
    """Errors: PasswordWeak."""
    try:
        validate_password(password, person)
    except ValidationError as weak:
        raise PasswordWeak(" ".join(weak.messages)) from None


def set_password(person: Person, password: str) -> None:
    """Errors: PasswordWeak. Every other session of theirs ends, since the session hash changes with the password."""
    check_password(password, person)
    person.set_password(password)
    person.save(update_fields=["password"])
    Session.objects.filter(person=person).delete()


def reset_password(person: Person, password: str) -> None:
    """By whoever has the machine: nobody waits any more, whoever tried the old one. Errors: PasswordWeak."""
    set_password(person, password)
    throttle.forget_all(bytes(person.email_index))


def give_role(
    person: Person,
    organisation: Organisation,
    role: str,
    *,
    by: Person | None,
    now: datetime,
    approved: bool = False,
) -> PendingChange | None:
    """Adds a person or changes their role; what one admin may not do alone waits (changes.py). Errors: LastAdmin,
    AccountError."""
    if role not in ROLES:
        raise AccountError(f"There is no role called {role}. Use one of: {', '.join(ROLES)}.")
    with transaction.atomic():
        before = next(iter(grants.memberships(person=person, organisation=organisation)), None)
        if before is not None and before.role == role:
            return None  # Told again it would make a new admin of an old one, whose approval does not count.
        if role != "admin":
            _keep_an_admin(organisation, person, by)
        needs = _raises(before.role if before else "", role) or (before is not None and before.role == "admin")
        if needs and by != person and not approved and changes.held(organisation, by):
            assert by is not None
            return changes.ask(organisation, "role", {"role": role}, about=person.id, now=now, by=by)
        grants.give(person, organisation, role, now)
        record("person.role", organisation, now=now, by=by, about=person.id, detail={"role": role})
    return None


def _raises(before: str, role: str) -> bool:
    """Whether a person may do more afterwards. A new viewer may do nothing at all."""
    return ROLES.index(role) < (ROLES.index(before) if before else ROLES.index("viewer"))


def remove_person(
    person: Person, organisation: Organisation, *, by: Person | None, now: datetime, approved: bool = False
) -> PendingChange | None:
    """Ends a membership and its sessions at once; that of another admin waits (changes.py). Errors: LastAdmin."""
    with transaction.atomic():
        _keep_an_admin(organisation, person, by)
        is_admin = grants.memberships(person=person, organisation=organisation, role="admin")
        if is_admin and by != person and not approved and changes.held(organisation, by):
            assert by is not None
            return changes.ask(organisation, "removal", {}, about=person.id, now=now, by=by)
        signing_out.end_sessions(person, organisation, now)
        Membership.objects.filter(person=person, organisation=organisation).delete()
        # A role that was asked for before would bring them back tomorrow.
        changes.stop_about(organisation, "role", person.id, now=now, by=by)
        record("person.removed", organisation, now=now, by=by, about=person.id)
    return None


def _keep_an_admin(organisation: Organisation, leaving: Person, by: Person | None) -> None:
    if [row.person for row in grants.memberships(organisation=organisation, role="admin", locked=None)] == [leaving]:
        if by == leaving:
            raise LastAdmin(_("You are the only admin. Make somebody else an admin first."))
        raise LastAdmin(_("She is the only admin. Make somebody else an admin first."))


def invite(organisation: Organisation, role: str, *, note: str, by: Person | None, now: datetime) -> str:
    """The token of a link that lets one person in, once, within seven days. Only its keyed hash is kept. A link for
    somebody who may change something opens once that is approved (changes.py)."""
    if role not in ROLES:
        raise AccountError(f"There is no role called {role}. Use one of: {', '.join(ROLES)}.")
    token, until = secrets.token_urlsafe(32), now + timedelta(days=INVITATION_DAYS)
    with transaction.atomic():
        invitation = Invitation.objects.create(
            organisation=organisation, token_hash=_hash(token), role=role, by=by, expires=until
        )
        invitation.note_sealed = house.keys(organisation).seal(note.encode(), "invitation", "note", invitation.pk)
        invitation.save(update_fields=["note_sealed"])
        record("person.invited", organisation, now=now, by=by, about=invitation.id, detail={"role": role})
        if _raises("", role) and changes.held(organisation, by):
            assert by is not None
            told = {"role": role, "note": note, "token": _hash(token).hex()}
            changes.ask(organisation, "invitation", told, about=invitation.id, now=now, by=by)
        else:
            grants.open_invitation(invitation)
    return token


def accept(
    token: str, *, email: str, name: str, password: str, language: str = "en", now: datetime
) -> tuple[Person, Organisation]:
    """Turns an invitation into a role of whoever has an account by this address and password, or of a new account.

    What comes of it does not tell whether the address has an account in another organization: it is counted like a try
    to sign in, and with any other password there is an account more at the address (docs/team.md).
    Errors: InvitationGone, BadAddress, AlreadyHere, PasswordWeak, Throttled, Crowded."""
    invitation_of(token, now)
    check_password(password)
    # Outside of the transaction: what is counted stays so when the rest is refused.
    known = backend.owner(people.index_of(email), password, now)
    with transaction.atomic():
        invitation = _use(token, now)
        _refuse_member(invitation.organisation, people.index_of(email))
        person = known or _new_person(email, name, password, language, now.date())
        _let_in(person, invitation, now)
    return person, invitation.organisation


def join(token: str, person: Person, *, now: datetime) -> Organisation:
    """Turns an invitation into a role of somebody who is signed in. Errors: InvitationGone, AlreadyHere."""
    with transaction.atomic():
        invitation = _use(token, now)
        _refuse_member(invitation.organisation, bytes(person.email_index))
        _let_in(person, invitation, now)
    return invitation.organisation


def _let_in(person: Person, invitation: Invitation, now: datetime) -> None:
    give_role(person, invitation.organisation, invitation.role, by=invitation.by, now=now, approved=True)


def _use(token: str, now: datetime) -> Invitation:
    invitation = invitation_of(token, now)
    # The row is the lock: of two who press at once one finds it used.
    if not Invitation.objects.filter(id=invitation.id, used=False).update(used=True, mac=b""):
        raise InvitationGone(_gone())
    return invitation


def _refuse_member(organisation: Organisation, index: bytes) -> None:
    """In one organization an address is one person: the command line finds them by it. Errors: AlreadyHere."""
    Organisation.objects.select_for_update(no_key=True).get(pk=organisation.pk)  # Of two at once, the second waits.
    if grants.memberships(organisation=organisation, person__email_index=index):
        raise AlreadyHere(_("Somebody with this address is in this organization already. Sign in instead."))


def invitation_of(token: str, now: datetime) -> Invitation:
    """The open invitation of a link. Errors: InvitationGone, InvitationWaits."""
    found = Invitation.objects.select_related("organisation", "by").filter(token_hash=_hash(token)).first()
    if found is None or found.used or found.expires < now:
        raise InvitationGone(_gone())
    if changes.is_waiting(found.organisation, "invitation", found.id):
        raise InvitationWaits(_("This invitation waits for the approval of an admin. Try again in a day."))
    if not grants.opens(found):
        raise InvitationGone(_gone())
    return found


def is_held(token: str) -> bool:
    """Whether the link of this token opens nothing before somebody has approved it."""
    found = Invitation.objects.select_related("organisation").get(token_hash=_hash(token))
    return changes.is_waiting(found.organisation, "invitation", found.id)


def _hash(token: str) -> bytes:
    return seal.keyed_hash(house.derive("invitations"), token)


def withdraw_invitation(invitation: Invitation, *, by: Person | None, now: datetime) -> None:
    with transaction.atomic():
        Invitation.objects.filter(id=invitation.id, used=False).update(used=True)
        changes.stop_about(invitation.organisation, "invitation", invitation.id, now=now, by=by)


def _gone() -> str:
    return _("This invitation was used or is older than seven days. Ask for a new one.")
