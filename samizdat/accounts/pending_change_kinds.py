"""Changes of accounts that wait (changes.py): roles, removals, invitations and settings; what they are in words."""

from datetime import datetime
from types import NoneType

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.accounts import actions, api_keys, invitations, pending_changes, sealed_settings
from samizdat.accounts.actions import InvitationDetails, SettingDetails
from samizdat.accounts.api_keys import PendingKey
from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import ApiKey, Invitation, Organization, PendingChange, Person
from samizdat.accounts.pending_changes import ChangeKind
from samizdat.accounts.queries import name_in

ROLES = {"admin": lazy("admin"), "editor": lazy("editor"), "viewer": lazy("viewer")}
SETTINGS = {
    "name": lazy("Organization name"),
    "public_url": lazy("Address of the public pages"),
    "desk_url": lazy("Samizdat address"),
    "content_url": lazy("Address of previews and images"),
    "return_address": lazy("Bounce address"),
    "unsubscribe_mailbox": lazy("Unsubscribe-by-email address"),
}


def _person(row: PendingChange) -> Person:
    person = Person.objects.filter(pk=row.about or 0).first()
    if person is None:
        raise AccountError(_("This teammate no longer exists."))
    return person


def _named(organization: Organization, number: int | None) -> str:
    return name_in(organization, Person.objects.filter(pk=number or 0).first()) or _("Someone")


def _say_role(row: PendingChange, role: str) -> str:
    facts = {"name": _named(row.organization, row.about), "role": ROLES[role]}
    return _("%(name)s gets the role: %(role)s") % facts


def _do_role(row: PendingChange, role: str, now: datetime) -> None:
    actions.give_role(_person(row), row.organization, role, by=row.by, now=now, approved=True)


def _say_removal(row: PendingChange, _details: object) -> str:
    return _("%(name)s is removed from the team and signed out everywhere") % {
        "name": _named(row.organization, row.about)
    }


def _do_removal(row: PendingChange, _details: object, now: datetime) -> None:
    actions.remove_person(_person(row), row.organization, by=row.by, now=now, approved=True)


def _say_invitation(_row: PendingChange, details: InvitationDetails) -> str:
    return _("A new teammate joins as %(role)s: %(note)s") % {"role": ROLES[details.role], "note": details.note}


def _do_invitation(row: PendingChange, details: InvitationDetails, _now: datetime) -> None:
    invitation = Invitation.objects.filter(pk=row.about or 0, organization=row.organization, used=False).first()
    if invitation is None or _facts_of(invitation) != (details.role, details.token, details.expires):
        raise AccountError(_("This invitation no longer exists. Invite them again."))
    invitations.sign(invitation)


def _facts_of(invitation: Invitation) -> tuple[str, str, datetime]:
    return invitation.role, bytes(invitation.token_hash).hex(), invitation.expires


def _undo_invitation(row: PendingChange, now: datetime) -> None:
    invitations.end(row.organization, row.about or 0, now)


def _say_api_key(_row: PendingChange, details: PendingKey) -> str:
    facts = {"name": details.name, "scopes": details.scopes.replace(" ", ", ")}
    if details.consent:
        sentence = _("An API key starts to work: %(name)s (%(scopes)s). Who it adds has agreed to: %(consent)s")
        return sentence % (facts | {"consent": details.consent})
    return _("An API key starts to work: %(name)s (%(scopes)s)") % facts


def _do_api_key(row: PendingChange, details: PendingKey, _now: datetime) -> None:
    key = ApiKey.objects.filter(pk=row.about or 0, organization=row.organization, revoked=None).first()
    wanted = details.scopes, details.lists, details.token, details.expires
    if key is None or (key.scopes, key.lists, bytes(key.token_hash).hex(), key.expires) != wanted:
        raise AccountError(_("This API key no longer exists. Create another one."))
    api_keys.sign(key)


def _undo_api_key(row: PendingChange, now: datetime) -> None:
    api_keys.end(row.organization, row.about or 0, now)


def _say_setting(row: PendingChange, details: SettingDetails) -> str:
    name = details.name
    if name == "requires_approval":
        return _("Campaigns are sent without approval")
    before = getattr(sealed_settings.leading(row.organization), name) or "–"
    facts = {"setting": SETTINGS[name], "before": before, "after": details.to or "–"}
    return _("%(setting)s: %(after)s instead of %(before)s") % facts


def _do_setting(row: PendingChange, details: SettingDetails, now: datetime) -> None:
    actions.change_settings(row.organization, by=row.by, now=now, approved=True, **{details.name: details.to})


def waiting_setting(organization: Organization, name: str) -> tuple[str, PendingChange] | None:
    """What one of SETTINGS is to become, and the newest change that waits for an approval of it."""
    for row in pending_changes.waiting(organization).filter(kind="setting").reverse():
        details = pending_changes.details_of(row, SettingDetails)
        if details.name == name:
            return str(details.to), row
    return None


KINDS = {
    "role": ChangeKind(str, _say_role, _do_role),
    "removal": ChangeKind(NoneType, _say_removal, _do_removal),
    "invitation": ChangeKind(InvitationDetails, _say_invitation, _do_invitation, _undo_invitation),
    "api_key": ChangeKind(PendingKey, _say_api_key, _do_api_key, _undo_api_key),
    "setting": ChangeKind(SettingDetails, _say_setting, _do_setting),
}
