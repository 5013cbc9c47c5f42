"""The people of an organization, its settings, and a person's own profile."""

import zoneinfo
from collections.abc import Callable, Mapping
from functools import partial
from zoneinfo import available_timezones

from django.contrib import messages
from django.contrib.auth import login
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override
from msgspec import structs

from samizdat.accounts import (
    actions,
    address_change,
    locking,
    notice_choices,
    pending_changes,
    queries,
    sealed_people,
    sealed_settings,
    sessions,
    sign_out,
)
from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import Organization, PendingChange
from samizdat.core.content.problems import SENTENCES
from samizdat.delivery import domain_ownership
from samizdat.delivery.actions import default_senders
from samizdat.vault import keyring, strict
from samizdat.web import labels
from samizdat.web.base_form import DeskForm, refuse
from samizdat.web.permissions import ADMINS, KEEPERS, address, deed, door, go, personal
from samizdat.web.request import DeskRequest
from samizdat.web.settings.forms.team import (
    ChangeAddressForm,
    ChangePasswordForm,
    DefaultSenderForm,
    InviteForm,
    NoticesForm,
    ProfileForm,
    RoleForm,
    SettingsForm,
)
from samizdat.web.settings.views.auth import gave_password, says
from samizdat.web.settings.views.pending_changes import waits
from samizdat.web.templatetags.desk import moment


@door(see=KEEPERS, do=ADMINS)
def list_members(request: DeskRequest) -> HttpResponse:
    """Who works here; POST invites somebody and shows their link once."""
    form, link, held = InviteForm(request.POST or None), "", False
    if form.is_valid():
        token = actions.invite(request.organization, **form.cleaned_data, by=request.person, now=timezone.now())
        held = actions.is_held(token)
        link = request.build_absolute_uri(reverse("invitation", args=[token]))
        form = InviteForm()
    facts = {
        "members": queries.members(request.organization),
        "invitations": _open_invitations(request.organization),
        "form": form,
        "link": link,
        "held": held,
        "changes": pending_changes.waiting(request.organization).count(),
    }
    return render(request, "web/team.html", facts, status=422 if form.errors else 200)


def _open_invitations(organization: Organization) -> list[dict[str, object]]:
    keys = keyring.keys(organization)
    return [
        {
            "id": row.id,
            "role": labels.role(row.role),
            "note": keys.open(bytes(row.note_sealed), "invitation", "note", row.pk).decode() if row.note_sealed else "",
            "expires": row.expires,
            "waits": pending_changes.is_waiting(organization, "invitation", row.id),
        }
        for row in queries.invitations(organization, timezone.now())
    ]


@deed(ADMINS)
def withdraw_invitation(request: DeskRequest, invitation_id: int) -> HttpResponse:
    invitation = queries.invitations(request.organization, timezone.now()).filter(id=invitation_id).first()
    if invitation is None:
        raise Http404
    actions.withdraw_invitation(invitation, by=request.person, now=timezone.now())
    messages.success(request, _("Link revoked."))
    return go(request, "team")


def _member(request: DeskRequest, person_id: int) -> queries.TeamMember:
    for member in queries.members(request.organization):
        if member.person.id == person_id:
            return member
    raise Http404


@door(see=ADMINS, do=ADMINS)
def show_member(request: DeskRequest, person_id: int) -> HttpResponse:
    """The role of a colleague, and the way to remove them."""
    member = _member(request, person_id)
    form = RoleForm(request.POST or None, initial={"role": member.role})
    if form.is_valid():
        try:
            waiting = actions.give_role(
                member.person, request.organization, form.cleaned_data["role"], by=request.person, now=timezone.now()
            )
        except AccountError as refused:
            refuse(form, "role", refused)
        else:
            _say(request, waiting, _("Role changed."))
            return go(request, "team")
    return render(request, "web/member.html", {"member": member, "form": form}, status=422 if form.errors else 200)


@deed(ADMINS)
def remove_member(request: DeskRequest, person_id: int) -> HttpResponse:
    member = _member(request, person_id)
    try:
        waiting = actions.remove_person(member.person, request.organization, by=request.person, now=timezone.now())
    except AccountError as refused:
        messages.error(request, str(refused))
        return go(request, "member", person_id)
    _say(request, waiting, _("Removed from the team and signed out everywhere."))
    return redirect("/") if member.person.id == request.person.id else go(request, "team")


@deed(ADMINS)
def sign_out_member(request: DeskRequest, person_id: int) -> HttpResponse:
    """Ends all sessions of a person: a stolen one is of no use any more, and their password still is."""
    member = _member(request, person_id)
    try:
        sign_out.sign_out_everywhere(member.person, request.organization, by=request.person, now=timezone.now())
    except AccountError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("%(name)s was signed out everywhere.") % {"name": member.name})
    return redirect("/") if member.person.id == request.person.id else go(request, "member", person_id)


@deed(ADMINS)
def lock_member(request: DeskRequest, person_id: int) -> HttpResponse:
    """At once, and told to all admins; another one undoes it."""
    return _locked(request, person_id, locking.lock, _("%(name)s was locked and signed out everywhere."))


@deed(ADMINS)
def unlock_member(request: DeskRequest, person_id: int) -> HttpResponse:
    return _locked(request, person_id, locking.unlock, _("%(name)s can sign in again."))


def _locked(request: DeskRequest, person_id: int, verb: Callable[..., None], done: str) -> HttpResponse:
    member = _member(request, person_id)
    try:
        verb(member.person, request.organization, by=request.person, now=timezone.now())
    except AccountError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, done % {"name": member.name})
    return go(request, "member", person_id)


def needs(request: DeskRequest) -> list[dict[str, str]]:
    """For the first page of admins: who is locked, so that nobody is locked in silence."""
    if request.role != "admin":
        return []
    title, text = (
        _("%(name)s is locked"),
        _("Nothing has been accepted from this account since %(when)s. Any admin can unlock it."),
    )
    return [
        {
            "kind": "care",
            "title": title % {"name": member.name},
            "text": text % {"when": moment(member.locked)},
            "href": address(request.organization, "member", member.person.pk),
            "link": _("Review"),
        }
        for member in queries.members(request.organization)
        if member.locked
    ]


def _say(request: DeskRequest, waiting: PendingChange | None, done: str) -> None:
    if waiting:
        waits(request, waiting)
    else:
        messages.success(request, done)


def _settings_as_kept(organization: Organization) -> dict[str, object]:
    """What leads somewhere comes from its sealed copy, and is empty where that is gone: an admin who saves must not ask
    for what somebody else wrote into the database a moment ago."""
    kept = sealed_settings.leading(organization)
    return {
        name: getattr(kept if name in sealed_settings.GUARDED else organization, name)
        for name in SettingsForm.base_fields
    }


def _refuse_anothers(organization: Organization, answers: Mapping[str, str]) -> None:
    """Errors: AccountError where email is to go to an address, or bounces to a domain, of another organization."""
    kept = sealed_settings.leading(organization)
    bounces, mailbox = answers["return_address"], answers["unsubscribe_mailbox"]
    if bounces and bounces != kept.return_address and domain_ownership.claimed(organization, bounces):
        raise AccountError(_(SENTENCES["return_anothers"]) % {"address": bounces})
    for theirs, before in ((bounces, kept.return_address), (mailbox, kept.unsubscribe_mailbox)):
        if theirs and theirs != before and domain_ownership.is_anothers_mailbox(organization, theirs):
            raise AccountError(_(SENTENCES["mailbox_anothers"]) % {"address": theirs})


@door(see=KEEPERS, do=ADMINS)
def organization_settings(request: DeskRequest) -> HttpResponse:
    organization = request.organization
    form = SettingsForm(request.POST or None, initial=_settings_as_kept(organization))
    if form.is_valid():
        try:
            _refuse_anothers(organization, form.cleaned_data)
            held = actions.change_settings(organization, **form.cleaned_data, by=request.person, now=timezone.now())
        except AccountError as refused:
            refuse(form, None, refused)
        else:
            messages.success(request, _("Saved."))
            for waiting in held:
                waits(request, waiting)
            return go(request, "settings")
    return _settings_page(request, form, _sender_form(organization))


def _sender_form(organization: Organization) -> DefaultSenderForm:
    kept = sealed_settings.leading(organization).default_sender
    return DefaultSenderForm(initial=structs.asdict(kept), prefix="sender")


def _settings_page(request: DeskRequest, form: SettingsForm, sender: DefaultSenderForm) -> HttpResponse:
    facts = {"form": form, "sender": sender, "zones": sorted(available_timezones())}
    return render(request, "web/settings.html", facts, status=422 if form.errors or sender.errors else 200)


@deed(ADMINS)
def default_sender(request: DeskRequest) -> HttpResponse:
    """Of new campaigns to lists that have none of their own."""
    organization, form = request.organization, DefaultSenderForm(request.POST, prefix="sender")
    if form.keep(partial(default_senders.set_for_organization, organization, now=timezone.now(), by=request.person)):
        messages.success(request, _("Saved."))
        return go(request, "settings", anchor="sender")
    return _settings_page(request, SettingsForm(initial=_settings_as_kept(organization)), form)


@personal
def profile(request: DeskRequest) -> HttpResponse:
    person = request.person
    form = ProfileForm(request.POST or None, initial=_as_it_is(request))
    if form.is_valid():
        answers = form.cleaned_data
        person.language, person.theme = answers["language"], answers["theme"]
        person.timezone = answers["timezone"]
        person.name_sealed = sealed_people.seal_text(answers["name"].strip(), "name", person.pk)
        person.save(update_fields=["language", "theme", "timezone", "name_sealed"])
        with override(person.language):
            messages.success(request, _("Saved."))
        response = redirect("profile")
        value = "on" if answers["shortcuts"] else "off"
        response.set_cookie("shortcuts", value, max_age=365 * 86400, httponly=True, samesite="Lax")
        return response
    return _profile_page(request, form)


@personal
def change_address(request: DeskRequest) -> HttpResponse:
    """Asks for another address of one's own, with the password; the link that confirms it goes to the new one."""
    form = ChangeAddressForm(request.POST or None, prefix="a")
    if form.is_valid():
        email, given = form.cleaned_data["email"], form.cleaned_data["old"]
        if gave_password(request, form, "old"):
            origin = request.build_absolute_uri("/")
            try:
                address_change.ask(request.person, email, given, origin=origin, now=timezone.now())
            except AccountError as refused:
                refuse(form, "email", refused)
            else:
                sentence = _("We’re sending a link to %(address)s. Open it within 24 hours to confirm the address.")
                messages.success(request, sentence % {"address": email})
                return redirect("profile")
    if request.method == "GET":
        return redirect("profile")
    return _profile_page(request, address_form=form)


@personal
def confirm_address(request: DeskRequest, token: str) -> HttpResponse:
    """By the link that was mailed. POST alone changes anything: servers open what they find in mails."""
    now, form = timezone.now(), DeskForm({} if request.method == "POST" else None)
    try:
        _row, details = address_change.opened(request.person, token, now)
        if request.method == "POST":
            address_change.confirm(request.person, token, now=now)
            request.session.flush()
            messages.success(request, _("Address changed. Sign in with the new one."))
            return redirect("sign-in")
    except AccountError as refused:
        return says(request, _("Address not changed"), str(refused), 422, reverse("profile"), _("Back to profile"))
    return render(request, "web/confirm_address.html", {"form": form, "email": details.email})


@personal
def end_sessions(request: DeskRequest) -> HttpResponse:
    """One other session of one's own, or all of them."""
    if request.method == "POST":
        mark, current = request.POST.get("session", ""), str(request.session.session_key)
        if sign_out.end_own(request.person, current, mark, timezone.now()):
            messages.success(request, _("Signed out there.") if mark else _("Signed out everywhere else."))
        else:
            messages.info(request, _("That session had ended already."))
    return redirect("profile")


@personal
def choose_notices(request: DeskRequest) -> HttpResponse:
    form = NoticesForm(request.POST or None, prefix="n")
    if request.method == "POST" and form.is_valid():
        notice_choices.choose(request.person, form.wanted)
        request.person.save(update_fields=["notices_sealed"])
        messages.success(request, _("Saved."))
    return redirect("profile")


@personal
def password(request: DeskRequest) -> HttpResponse:
    """Every other session of this person ends with the old password."""
    form = ChangePasswordForm(request.POST or None, prefix="p")
    if form.is_valid():
        person, answers = request.person, form.cleaned_data
        if gave_password(request, form, "old"):
            try:
                actions.set_password(person, answers["password"])
            except AccountError as refused:
                refuse(form, "password", refused)
            else:
                request.session.flush()
                login(request, person, "samizdat.accounts.backend.BlindIndexBackend")
                messages.success(request, _("Password changed. You’ve been signed out everywhere else."))
                return redirect("profile")
    if request.method == "GET":
        return redirect("profile")
    return _profile_page(request, change=form)


def _as_it_is(request: DeskRequest) -> dict[str, object]:
    person, kept = request.person, request.COOKIES.get("shortcuts") != "off"
    return {
        "name": sealed_people.name_of(person),
        "language": person.language,
        "timezone": person.timezone,
        "theme": person.theme,
        "shortcuts": kept,
    }


def _profile_page(
    request: DeskRequest,
    form: ProfileForm | None = None,
    change: ChangePasswordForm | None = None,
    address_form: ChangeAddressForm | None = None,
) -> HttpResponse:
    """The forms that were sent as they were, the others fresh. Times are in the person's own zone, else in that of an
    organization of theirs."""
    form = form or ProfileForm(initial=_as_it_is(request))
    change, address_form = change or ChangePasswordForm(prefix="p"), address_form or ChangeAddressForm(prefix="a")
    facts = {
        "form": form,
        "change": change,
        "address": address_form,
        "notices": _notices(request),
        "sessions": sessions.of_person(request.person, str(request.session.session_key)),
        "email": sealed_people.email_of(request.person),
        "strict": _strict_organizations(request),
        "zones": sorted(available_timezones()),
    }
    wrong = form.errors or change.errors or address_form.errors
    zones = [request.person.timezone, *(row.timezone for row in queries.organizations_of(request.person)), "UTC"]
    with timezone.override(zoneinfo.ZoneInfo(next(filter(None, zones)))):
        return render(request, "web/profile.html", facts, status=422 if wrong else 200)


def _strict_organizations(request: DeskRequest) -> list[Organization]:
    """Those that their passphrase unlocks."""
    numbers = strict.unlocked_by(request.person.pk)
    return [row for row in queries.organizations_of(request.person) if row.pk in numbers]


def _notices(request: DeskRequest) -> NoticesForm:
    off = notice_choices.unwanted(request.person)
    return NoticesForm(prefix="n", initial={topic: topic not in off for topic in notice_choices.TOPICS})


@personal
def keyboard(request: DeskRequest) -> HttpResponse:
    return render(request, "web/keyboard.html")
