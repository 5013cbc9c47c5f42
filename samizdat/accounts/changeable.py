"""Changes of accounts that wait (changes.py): roles, removals, invitations and settings; what they are in words."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.accounts import actions, grants, people
from samizdat.accounts.changes import Kind
from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import Invitation, Organisation, PendingChange, Person

ROLES = {"admin": lazy("admin"), "editor": lazy("editor"), "viewer": lazy("viewer")}
SETTINGS = {
    "public_url": lazy("Address of the public pages"),
    "desk_url": lazy("Address of the desk"),
    "content_url": lazy("Address of previews and pictures"),
    "return_address": lazy("Where bounces go"),
    "leave_mailbox": lazy("Mailbox for leaving by mail"),
}


def _person(row: PendingChange) -> Person:
    found = Person.objects.filter(pk=row.about or 0).first()
    if found is None:
        raise AccountError(_("This person is not here any more."))
    return found


def _named(organisation: Organisation, number: Any) -> str:
    found = Person.objects.filter(pk=number, memberships__organisation=organisation).first()
    return people.name_of(found) if found else _("Somebody")


def _say_role(row: PendingChange, told: dict[str, Any]) -> str:
    facts = {"name": _named(row.organisation, row.about), "role": ROLES[told["role"]]}
    return _("%(name)s gets the role: %(role)s") % facts


def _do_role(row: PendingChange, told: dict[str, Any], now: datetime) -> None:
    actions.give_role(_person(row), row.organisation, told["role"], by=row.by, now=now, approved=True)


def _say_removal(row: PendingChange, _told: dict[str, Any]) -> str:
    return _("%(name)s is removed and signed out everywhere") % {"name": _named(row.organisation, row.about)}


def _do_removal(row: PendingChange, _told: dict[str, Any], now: datetime) -> None:
    actions.remove_person(_person(row), row.organisation, by=row.by, now=now, approved=True)


def _say_invitation(_row: PendingChange, told: dict[str, Any]) -> str:
    return _("Somebody new comes in as %(role)s: %(note)s") % {"role": ROLES[told["role"]], "note": told["note"]}


def _do_invitation(row: PendingChange, told: dict[str, Any], _now: datetime) -> None:
    found = Invitation.objects.filter(pk=row.about or 0, organisation=row.organisation, used=False).first()
    if found is None or (found.role, bytes(found.token_hash).hex()) != (told["role"], told["token"]):
        raise AccountError(_("This invitation is not here any more. Invite them again."))
    grants.open_invitation(found)


def _undo_invitation(row: PendingChange, _now: datetime) -> None:
    Invitation.objects.filter(pk=row.about or 0, organisation=row.organisation, used=False).update(used=True)


def _say_setting(row: PendingChange, told: dict[str, Any]) -> str:
    name = told["name"]
    if name == "second_person":
        return _("Campaigns are sent without the approval of a second person")
    facts = {"setting": SETTINGS[name], "before": getattr(row.organisation, name) or "–", "after": told["to"] or "–"}
    return _("%(setting)s: %(after)s instead of %(before)s") % facts


def _do_setting(row: PendingChange, told: dict[str, Any], now: datetime) -> None:
    actions.change_settings(row.organisation, by=row.by, now=now, approved=True, **{told["name"]: told["to"]})


KINDS = {
    "role": Kind(_say_role, _do_role),
    "removal": Kind(_say_removal, _do_removal),
    "invitation": Kind(_say_invitation, _do_invitation, _undo_invitation),
    "setting": Kind(_say_setting, _do_setting),
}
