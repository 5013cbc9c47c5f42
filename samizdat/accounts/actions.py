"""Organizations are founded, people are added, invited, given roles, and leave."""

import os
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
from msgspec import Struct

from samizdat.accounts import (
    backend,
    invitations,
    memberships,
    pending_changes,
    sealed_people,
    sealed_settings,
    sign_out,
    throttle,
)
from samizdat.accounts.errors import (
    AccountError,
    AlreadyHere,
    InvitationGone,
    InvitationWaits,
    LastAdmin,
    NameTaken,
    PasswordWeak,
    link_in_name,
)
from samizdat.accounts.memberships import people_at
from samizdat.accounts.models import COLOR, ROLES, Invitation, Membership, Organization, PendingChange, Person, Session
from samizdat.accounts.public_site import host_of, is_proven
from samizdat.core import jurisdictions
from samizdat.core.crypto import seal
from samizdat.core.mail import address, rate, return_address
from samizdat.core.mail.names import has_link
from samizdat.events.actions import record
from samizdat.publicdb.actions import is_here
from samizdat.vault import keyring
from samizdat.vault.actions import make_keys
from samizdat.vault.source import KeySource

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
    "unsubscribe_mailbox",
    "hostile_state",
    "requires_approval",
    "accent",
)


_WEB = URLValidator(schemes=["http", "https"])


class InvitationDetails(Struct, frozen=True):
    """What is sealed of an invitation that waits. token: the hash that stands in the row, in hex."""

    role: str
    note: str
    token: str
    expires: datetime


class SettingDetails(Struct, frozen=True):
    name: str
    to: str | bool


def found_organization(
    name: str, *, source: KeySource, today: date, now: datetime | None = None, **settings: str
) -> Organization:
    """A new organization with keys of its own. Settings as in SETTINGS. Errors: NameTaken, AccountError."""
    slug = slugify(name) or _latin(name)
    if Organization.objects.filter(slug=slug).exists():
        raise NameTaken(_("An organization called “%(name)s” already exists. Choose another name.") % {"name": name})
    check_settings({"name": name})
    check_settings(settings)
    with transaction.atomic():
        organization = Organization.objects.create(
            uid=os.urandom(16), slug=slug, name=name.strip(), created=today, **settings
        )
        make_keys(organization, source, today)
        guarded = {name: getattr(organization, name) for name in sealed_settings.GUARDED}
        sealed_settings.keep_settings(organization, guarded)
        sealed_settings.begin_counts(organization)
        # The public database learns of it by this event, whichever door founded it.
        record("organization.created", organization, now=now or timezone.now())
    return organization


def _latin(name: str) -> str:
    """A slug for a name without Latin letters: the first free one of organization-2, organization-3 …"""
    taken = set(Organization.objects.values_list("slug", flat=True))
    return next(slug for number in range(1, 10_000) if (slug := f"organization-{number}") not in taken)


def change_settings(
    organization: Organization, *, by: Person | None, now: datetime, approved: bool = False, **settings: str | bool
) -> list[PendingChange]:
    """Writes only the settings named, but those that one person may not change alone, which wait (changes.py).
    Errors: AccountError with what to put there."""
    check_settings(settings)
    with transaction.atomic():
        _check_host(organization, str(settings.get("public_url") or ""), by)
        waiting = [] if approved else _held_settings(organization, settings, by, now)
        for name, value in settings.items():
            setattr(organization, name, value)
        if settings:
            organization.save(update_fields=list(settings))
            alone = by is None or not pending_changes.held(organization, by)
            sealed_settings.keep_settings(organization, settings, trusts_row=alone)
            record("organization.changed", organization, now=now, by=by, detail={"settings": sorted(settings)})
    return waiting


def _held_settings(
    organization: Organization, settings: dict[str, str | bool], by: Person | None, now: datetime
) -> list[PendingChange]:
    """Takes out of `settings` what has to wait."""
    if not pending_changes.held(organization, by):
        return []
    kept = sealed_settings.leading(organization)
    wanted = {name: settings.pop(name) for name in [*settings] if _is_guarded(kept, name, settings[name])}
    return [
        pending_changes.ask(organization, "setting", SettingDetails(name, value), now=now, by=by)
        for name, value in wanted.items()
    ]


def _is_guarded(kept: sealed_settings.Leading, name: str, value: object) -> bool:
    """kept: the sealed copy; in the row somebody who writes the database could have put what they ask for next."""
    if name == "requires_approval":
        return kept.requires_approval and not value
    if name == "name":
        # Mails that ask for a confirmation say it to anybody (audience/actions/mailed_words.py).
        return kept.requires_approval and value != kept.name
    if name not in sealed_settings.LEADING:
        return False
    if not kept.known:
        return True
    # No letter has gone out yet that begins its links with the first address of the public pages.
    return value != getattr(kept, name) and not (name == "public_url" and not kept.public_url)


def _check_host(organization: Organization, url: str, by: Person | None) -> None:
    """A group's host shows its pages alone: another group of the house must not put its forms there, nor where links of
    letters that are out lead to. What another group had before goes to whoever proves that the domain is theirs, or
    gets it from the command line (by: None). Names of this machine are everybody's. Errors: AccountError."""
    host = urlsplit(url).hostname
    if host is None or host == host_of(organization) or is_here(host):
        return
    # All of them, in one order: of two that take one host at once, the second waits and is told.
    rows = Organization.objects.select_for_update(no_key=True).order_by("pk")
    others = [row for row in rows if row.pk != organization.pk]
    # Whoever writes the database spoils another group's copy for an instant: then its hosts are nobody's.
    if by is not None and not all(kept.known for _number, kept in sealed_settings.of_others(organization)):
        raise AccountError(
            _("Another organization’s settings can’t be read. Ask the server’s administrator to repair them first.")
        )
    if any(host == host_of(row) for row in others) or (
        by is not None
        and any(_is_kept(host, row, organization) for row in others)
        and not is_proven(organization, host)
    ):
        sentence = _(
            "%(host)s is already in use. Choose another name. If it’s yours, add its domain under Domains, add the "
            "record at your DNS provider, press Check and try again."
        )
        raise AccountError(sentence % {"host": host})


def _is_kept(host: str, other: Organization, organization: Organization) -> bool:
    """From this organization. What only a file says that the other one had, which anybody can make up, is not kept from
    whoever had it here."""
    return host in sealed_settings.hosts(other) or (
        host in sealed_settings.brought_hosts(other) and host not in sealed_settings.hosts(organization)
    )


def check_settings(settings: dict[str, Any]) -> None:
    """Looks at what somebody wants written, and takes slashes from the ends of addresses. Errors: AccountError."""
    unknown = set(settings) - set(SETTINGS)
    if unknown:
        raise AccountError(f"There is no setting called {', '.join(sorted(unknown))}.")
    name = settings.get("name")
    if name is not None and not (name.strip() and name.strip().isprintable() and len(name) <= 200):
        raise AccountError(_("An organization name has one line of at most 200 characters."))
    if name is not None and has_link(name):
        raise AccountError(link_in_name())
    if settings.get("language", "en") not in dict(ours.LANGUAGES):
        raise AccountError(_("Choose one of the languages in the list."))
    zone = settings.get("timezone")
    if zone is not None and zone not in available_timezones():
        raise AccountError(_("There is no time zone called %(zone)s. Enter one like Europe/Riga.") % {"zone": zone})
    if settings.get("hostile_state") and settings["hostile_state"] not in jurisdictions.REACH:
        raise AccountError(_("Choose one of the states in the list, or none."))
    if "quiet_hours" in settings:
        settings["quiet_hours"] = _quiet_hours(settings["quiet_hours"])
    for name in ("public_url", "desk_url", "content_url"):
        if settings.get(name):
            settings[name] = _web_address(settings[name])
    if settings.get("return_address"):
        settings["return_address"] = check_return_address(settings["return_address"])
    if settings.get("unsubscribe_mailbox"):
        settings["unsubscribe_mailbox"] = _mailbox(settings["unsubscribe_mailbox"])
    if settings.get("postal_address"):
        settings["postal_address"] = _postal(settings["postal_address"])
    if "accent" in settings:
        settings["accent"] = _color(settings["accent"])


def _web_address(url: str) -> str:
    here = ("http://127.0.0.1", "http://localhost")  # Of a test on this machine.
    try:
        url = _in_ascii(url)
        _WEB(url)
        good = len(url) <= 200 and url.startswith(("https://", *here))
    except (ValidationError, ValueError, address.BadAddress):
        good = False
    if not good:
        raise AccountError(_("%(url)s isn’t a web address. Start it with https://.") % {"url": url})
    return url.rstrip("/")


def _in_ascii(url: str) -> str:
    """With the host as browsers ask for it. Errors: ValueError, BadAddress."""
    parts = urlsplit(url)
    if parts.hostname is None or parts.hostname.isascii():
        return url
    port = f":{parts.port}" if parts.port else ""
    return parts._replace(netloc=address.a_labels(parts.hostname) + port).geturl()


def check_return_address(text: str) -> str:
    """In its one form: an address, or @domain for all of a domain. Errors: AccountError."""
    if not text.strip().startswith("@"):
        return _mailbox(text)
    try:
        whole = return_address.normalized(text)
    except address.BadAddress as bad:
        raise AccountError(f"{text}: {_(str(bad))}") from bad
    if address.provider(whole[1:]):
        raise AccountError(
            _("%(domain)s is a mailbox provider, so its mail isn’t all yours. Enter the address of one mailbox.")
            % {"domain": whole[1:]}
        )
    return whole


def _mailbox(text: str) -> str:
    """An address that each message adds a token to."""
    try:
        mailbox = address.normalize(text)
    except address.BadAddress as bad:
        raise AccountError(f"{text}: {_(str(bad))}") from bad
    if not return_address.is_short_enough(mailbox):
        raise AccountError(
            _(
                "%(address)s is too long: every message adds a code of 53 characters before the @, and mail servers "
                "accept 64. Use an address with at most %(count)s characters before the @, like bounces@example.org."
            )
            % {"address": mailbox, "count": return_address.LONGEST_OWN}
        )
    return mailbox


def _postal(text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    if len(text) > 400 or not all(line.isprintable() for line in lines):
        raise AccountError(_("A postal address can have at most 400 characters, without control characters."))
    return "\n".join(lines).strip()


def _color(text: str) -> str:
    if not COLOR.fullmatch(text):
        raise AccountError(_("Enter the color as # and six digits, like #b3261e."))
    return text.lower()


def _quiet_hours(text: str) -> str:
    try:
        quiet = rate.parse_quiet(text)
    except rate.BadRate as bad:
        raise AccountError(_(bad.sentence).format(**bad.values)) from bad
    if quiet is not None and quiet.zone and quiet.zone not in available_timezones():
        raise AccountError(
            _("There is no time zone called %(zone)s. Enter one like Europe/Riga.") % {"zone": quiet.zone}
        )
    return str(quiet) if quiet else ""


def add_person(email: str, *, name: str = "", password: str | None = None, language: str = "en", today: date) -> Person:
    """Someone who may sign in. Errors: BadAddress, AlreadyHere, PasswordWeak."""
    if people_at(sealed_people.index_of(email)).exists():
        raise AlreadyHere(_("A teammate with this address already exists. Change their role instead."))
    return _new_person(email, name, password, language, today)


def _new_person(email: str, name: str, password: str | None, language: str, today: date) -> Person:
    person = Person(language=language, created=today)
    person.email_hash = sealed_people.hash_of(sealed_people.index_of(email), person.pk)
    person.set_unusable_password()
    if password is not None:
        check_password(password, person)
    with transaction.atomic():
        person.save()  # What is sealed or hashed is bound to its number.
        person.email_sealed = sealed_people.seal_text(email.strip(), "email", person.pk)
        person.name_sealed = sealed_people.seal_text(name.strip(), "name", person.pk)
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
    throttle.forget_all(sealed_people.index_of_person(person))


def give_role(
    person: Person,
    organization: Organization,
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
        before = next(iter(memberships.valid(person=person, organization=organization)), None)
        if before is not None and before.role == role:
            return None  # Told again it would make a new admin of an old one, whose approval does not count.
        if role != "admin":
            _keep_an_admin(organization, person, by)
        needs = _raises(before.role if before else "", role) or pending_changes.may_be_admin(person, organization, now)
        if needs and by != person and not approved and pending_changes.held(organization, by):
            assert by is not None
            return pending_changes.ask(organization, "role", role, about=person.id, now=now, by=by)
        memberships.give(person, organization, role, now)
        pending_changes.count_role(organization)
        record("person.role_changed", organization, now=now, by=by, about=person.id, detail={"role": role})
    return None


def _raises(before: str, role: str) -> bool:
    """Whether a person may do more afterwards. A new viewer may do nothing at all."""
    return ROLES.index(role) < (ROLES.index(before) if before else ROLES.index("viewer"))


def remove_person(
    person: Person, organization: Organization, *, by: Person | None, now: datetime, approved: bool = False
) -> PendingChange | None:
    """Ends a membership and its sessions at once; that of another admin waits (changes.py). Errors: LastAdmin."""
    with transaction.atomic():
        _keep_an_admin(organization, person, by)
        is_admin = pending_changes.may_be_admin(person, organization, now)
        if is_admin and by != person and not approved and pending_changes.held(organization, by):
            assert by is not None
            return pending_changes.ask(organization, "removal", None, about=person.id, now=now, by=by)
        sign_out.end_sessions(person, organization, now)
        Membership.objects.filter(person=person, organization=organization).delete()
        # A role that was asked for before would bring them back tomorrow.
        pending_changes.stop_about(organization, "role", person.id, now=now, by=by)
        record("person.removed", organization, now=now, by=by, about=person.id)
    return None


def _keep_an_admin(organization: Organization, leaving: Person, by: Person | None) -> None:
    if [row.person for row in memberships.valid(organization=organization, role="admin", locked=None)] == [leaving]:
        if by == leaving:
            raise LastAdmin(_("You are the only admin. Make a teammate an admin first."))
        raise LastAdmin(_("This is the only admin. Make another teammate an admin first."))


def invite(organization: Organization, role: str, *, note: str, by: Person | None, now: datetime) -> str:
    """The token of a link that lets one person in, once, within seven days. Only its keyed hash is kept. A link for
    somebody who may change something opens once that is approved (changes.py)."""
    if role not in ROLES:
        raise AccountError(f"There is no role called {role}. Use one of: {', '.join(ROLES)}.")
    token, until = secrets.token_urlsafe(32), now + timedelta(days=INVITATION_DAYS)
    with transaction.atomic():
        invitation = Invitation.objects.create(
            organization=organization, token_hash=_hashes(token)[0], role=role, by=by, expires=until
        )
        invitation.note_sealed = keyring.keys(organization).seal(note.encode(), "invitation", "note", invitation.pk)
        invitation.save(update_fields=["note_sealed"])
        record("person.invited", organization, now=now, by=by, about=invitation.id, detail={"role": role})
        if _raises("", role) and pending_changes.held(organization, by):
            assert by is not None
            details = InvitationDetails(role, note, _hashes(token)[0].hex(), until)
            pending_changes.ask(organization, "invitation", details, about=invitation.id, now=now, by=by)
        else:
            invitations.sign(invitation)
    return token


def accept(
    token: str, *, email: str, name: str, password: str, language: str = "en", now: datetime
) -> tuple[Person, Organization]:
    """Turns an invitation into a role of whoever has an account by this address and password, or of a new account.

    What comes of it does not tell whether the address has an account in another organization: it is counted like a try
    to sign in, and with any other password there is an account more at the address (docs/team.md).
    Errors: InvitationGone, BadAddress, AlreadyHere, PasswordWeak, Throttled, Crowded."""
    invitation_of(token, now)
    check_password(password)
    # Outside of the transaction: what is counted stays so when the rest is refused.
    known = backend.owner(sealed_people.index_of(email), password, now)
    with transaction.atomic():
        invitation = _use(token, now)
        _refuse_member(invitation.organization, sealed_people.index_of(email))
        person = known or _new_person(email, name, password, language, now.date())
        _let_in(person, invitation, now)
    return person, invitation.organization


def join(token: str, person: Person, *, now: datetime) -> Organization:
    """Turns an invitation into a role of somebody who is signed in. Errors: InvitationGone, AlreadyHere."""
    with transaction.atomic():
        invitation = _use(token, now)
        _refuse_member(invitation.organization, sealed_people.index_of_person(person))
        _let_in(person, invitation, now)
    return invitation.organization


def _let_in(person: Person, invitation: Invitation, now: datetime) -> None:
    give_role(person, invitation.organization, invitation.role, by=invitation.by, now=now, approved=True)


def _use(token: str, now: datetime) -> Invitation:
    invitation = invitation_of(token, now)
    if not invitations.end(invitation.organization, invitation.pk, now):
        raise InvitationGone(_gone())
    return invitation


def _refuse_member(organization: Organization, index: bytes) -> None:
    """In one organization an address is one person: the command line finds them by it. Errors: AlreadyHere."""
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)  # Of two at once, the second waits.
    if memberships.members_at(index, organization):
        raise AlreadyHere(_("This organization already has a teammate with this address. Sign in instead."))


def invitation_of(token: str, now: datetime) -> Invitation:
    """The open invitation of a link whose maker is an admin still. Errors: InvitationGone, InvitationWaits."""
    invitation = Invitation.objects.select_related("organization", "by").filter(token_hash__in=_hashes(token)).first()
    if invitation is None or invitation.used or invitation.expires < now:
        raise InvitationGone(_gone())
    if pending_changes.is_waiting(invitation.organization, "invitation", invitation.id):
        raise InvitationWaits(_("This invitation is waiting for an admin’s approval. Try again in a day."))
    maker, organization = invitation.by, invitation.organization
    if not invitations.is_valid(invitation) or (maker and not memberships.has_role(maker, organization, ("admin",))):
        raise InvitationGone(_gone())
    return invitation


def is_held(token: str) -> bool:
    """Whether the link of this token opens nothing before somebody has approved it."""
    invitation = Invitation.objects.select_related("organization").get(token_hash__in=_hashes(token))
    return pending_changes.is_waiting(invitation.organization, "invitation", invitation.id)


def _hashes(token: str) -> list[bytes]:
    """Under the present instance key, and under each former one."""
    keys = [keyring.derive("invitations"), *(former.key for former in keyring.former("invitations"))]
    return [seal.keyed_hash(key, token) for key in keys]


def withdraw_invitation(invitation: Invitation, *, by: Person | None, now: datetime) -> None:
    with transaction.atomic():
        invitations.end(invitation.organization, invitation.pk, now)
        pending_changes.stop_about(invitation.organization, "invitation", invitation.id, now=now, by=by)


def _gone() -> str:
    return _("This invitation was used, withdrawn, or is more than seven days old. Ask for a new one.")
