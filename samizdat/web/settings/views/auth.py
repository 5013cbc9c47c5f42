"""Coming in: sign in and out, the first set-up, an invitation; and the pages that say no."""

import hmac
from collections.abc import Mapping
from datetime import datetime

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import authenticate, login, logout
from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat.accounts import actions, devices, queries, sealed_people
from samizdat.accounts.backend import is_current_password
from samizdat.accounts.errors import (
    AccountError,
    AccountLocked,
    AlreadyHere,
    InvitationGone,
    InvitationWaits,
    PasswordWeak,
)
from samizdat.accounts.models import Person
from samizdat.accounts.password_queues import QueueFull
from samizdat.accounts.queries import name_in
from samizdat.accounts.sealed_settings import leading
from samizdat.accounts.throttle import Throttled
from samizdat.audience import queries as audience
from samizdat.vault import keyring
from samizdat.web import resume_after_sign_in
from samizdat.web.base_form import DeskForm, refuse
from samizdat.web.permissions import address, open_door, personal
from samizdat.web.request import DeskRequest
from samizdat.web.settings import first_run
from samizdat.web.settings.forms.team import AcceptForm, SetUpForm, SignInForm

# The field and parameter that stand in for the cookie of a browser that somebody has signed in with.
DEVICE = devices.COOKIE


@personal
def start(request: DeskRequest) -> HttpResponse:
    """/ : to the only organization, or to the choice."""
    organizations = queries.organizations_of(request.person)
    if len(organizations) == 1:
        return redirect(address(organizations[0], "home"))
    return redirect("organizations")


@personal
def organizations(request: DeskRequest) -> HttpResponse:
    return render(request, "web/organizations.html", {"organizations": queries.organizations_of(request.person)})


@open_door
def sign_in(request: DeskRequest) -> HttpResponse:
    if first_run.is_new():
        return redirect("setup")
    form = SignInForm(request.POST or None)
    onward = request.POST.get("next", request.GET.get("next", ""))
    held = request.POST.get(resume_after_sign_in.HELD, "")
    # By cookie, or by a link that an admin made on the machine.
    device = request.POST.get(DEVICE) or request.GET.get(DEVICE) or request.COOKIES.get(DEVICE, "")
    if form.is_valid():
        try:
            person = authenticate(request, **form.cleaned_data, device=device)
        except Throttled as throttled:
            refuse(form, None, wait(throttled.seconds))
        except QueueFull as crowded:
            refuse(form, None, crowded_for(crowded.seconds))
        except AccountLocked as locked:
            refuse(form, None, locked)
        else:
            if person is not None:
                _keep_language(person)
                login(request, person)
                onto = _typed_before(request, person, held) or redirect(_safe(request, onward))
                return _remembered(onto, person)
            refuse(form, None, _("Wrong email or password. Check both and try again."))
    facts = {
        "form": form,
        "next": onward,
        "held": held,
        "device": request.GET.get(DEVICE, request.POST.get(DEVICE, "")),
    }
    return render(request, "web/sign_in.html", facts, status=200 if not form.errors else 422)


def _keep_language(person: Person) -> None:
    """Of the page on which somebody first signed in, where nobody chose one for them: what they could read there, they
    read from then on. The first admin's organization writes in it, too: its sign-up form and unsubscribe page are there
    before anybody has looked for the setting."""
    if person.language:
        return
    person.language = translation.get_language() or settings.LANGUAGE_CODE
    person.save(update_fields=["language"])
    for organization in queries.organizations_of(person):
        is_new = len(queries.members(organization)) == 1 and not audience.lists(organization)
        if is_new and leading(organization).language != person.language:
            actions.change_settings(organization, by=None, now=timezone.now(), language=person.language)


def _remembered(response: HttpResponse, person: Person) -> HttpResponse:
    """In this browser a person is not kept waiting by what others try elsewhere (accounts/devices.py)."""
    cookie = devices.new(person, timezone.now())
    age = int(devices.LASTS.total_seconds())
    response.set_cookie(DEVICE, cookie, max_age=age, httponly=True, samesite="Lax")
    return response


def _typed_before(request: DeskRequest, person: Person, held: str) -> HttpResponse | None:
    """What they typed while they were signed out, if anything came along with the sign-in and it is their own."""
    if not held:
        return None
    request.person = person
    translation.activate(person.language)
    offered = resume_after_sign_in.after_sign_in(request, person, held)
    if offered is None:
        sentence = _("The text entered earlier belongs to another account or is older than a day. It isn’t shown here.")
        messages.warning(request, sentence)
    return offered


def gave_password(request: DeskRequest, form: DeskForm, field: str) -> bool:
    """Whether they gave their present password there; what is wrong stands at that field."""
    try:
        right = is_current_password(request.person, form.cleaned_data[field], str(request.session.session_key))
    except Throttled as throttled:
        refuse(form, field, wait(throttled.seconds))
        return False
    except QueueFull as crowded:
        refuse(form, field, crowded_for(crowded.seconds))
        return False
    if not right:
        refuse(form, field, _("Wrong password."))
    return right


def crowded_for(seconds: int) -> str:
    return ngettext(
        "Too many people are signing in right now. Wait %(n)s second, then try again.",
        "Too many people are signing in right now. Wait %(n)s seconds, then try again.",
        seconds,
    ) % {"n": seconds}


def wait(seconds: int) -> str:
    """How long exactly, never less than it is: who comes back too early meets the same sentence again."""
    if seconds < 60:
        return ngettext(
            "Too many wrong passwords for this address. Wait %(n)s second, then try again.",
            "Too many wrong passwords for this address. Wait %(n)s seconds, then try again.",
            seconds,
        ) % {"n": seconds}
    minutes = -(-seconds // 60)
    return ngettext(
        "Too many wrong passwords for this address. Wait %(n)s minute, then try again.",
        "Too many wrong passwords for this address. Wait %(n)s minutes, then try again.",
        minutes,
    ) % {"n": minutes}


def _safe(request: DeskRequest, onward: str) -> str:
    allowed = url_has_allowed_host_and_scheme(onward, {request.get_host()}, require_https=request.is_secure())
    return onward if onward and allowed else "/"


@open_door
def sign_out(request: DeskRequest) -> HttpResponse:
    """By POST alone: a picture in a letter must not sign anybody out."""
    if request.method == "POST":
        logout(request)
    return redirect("sign-in")


@open_door
def language(request: DeskRequest) -> HttpResponse:
    """For somebody who has not signed in; a person's own language stands in their profile."""
    response = redirect(_safe(request, request.POST.get("next", "")))
    chosen = request.POST.get("language", "")
    if request.method == "POST" and chosen in dict(settings.LANGUAGES):
        response.set_cookie(settings.LANGUAGE_COOKIE_NAME, chosen, httponly=True, samesite="Lax")
    return response


@open_door
def set_up(request: DeskRequest) -> HttpResponse:
    if not first_run.is_new():
        return redirect("sign-in")
    form = SetUpForm(request.POST or None, initial={"language": translation.get_language()})
    if form.is_valid():
        person = _begin(form)
        if person is not None:
            login(request, person, "samizdat.accounts.backend.BlindIndexBackend")
            return _remembered(redirect("/"), person)
    return render(request, "web/setup.html", {"form": form}, status=422 if form.errors else 200)


def _begin(form: SetUpForm) -> Person | None:
    """The organization and its first admin; None when the form was refused."""
    answers, now = form.cleaned_data, timezone.now()
    if not hmac.compare_digest(answers["code"].strip().lower().encode(), first_run.code().encode()):
        refuse(form, "code", _("Wrong set-up code. Copy it from the terminal."))
        return None
    try:
        with transaction.atomic():
            organization = actions.found_organization(
                answers["organization"],
                source=keyring.open_source(),
                today=now.date(),
                language=answers["language"],
            )
            person = actions.add_person(
                answers["email"],
                name=answers["name"],
                password=answers["password"],
                language=answers["language"],
                today=now.date(),
            )
            actions.give_role(person, organization, "admin", by=None, now=now)
    except AccountError as refused:
        refuse(form, "password" if isinstance(refused, PasswordWeak) else "organization", refused)
        return None
    return person


@open_door
def invitation(request: DeskRequest, token: str) -> HttpResponse:
    now = timezone.now()
    try:
        invitation = actions.invitation_of(token, now)
    except InvitationWaits as waits:
        return says(request, _("Invitation waiting for approval"), str(waits), 403, reverse("sign-in"), _("Sign in"))
    except InvitationGone as gone:
        return says(request, _("This link has expired"), str(gone), 404, reverse("sign-in"), _("Sign in"))
    form, come_in = (_form_to_join, _join) if request.person else (_form_to_accept, _accept)
    invited = form(request)
    if invited.is_valid():
        try:
            return come_in(request, token, invited.cleaned_data, now)
        except Throttled as throttled:
            refuse(invited, None, wait(throttled.seconds))
        except QueueFull as crowded:
            refuse(invited, None, crowded_for(crowded.seconds))
        except AccountError as refused:
            at = {PasswordWeak: "password", AlreadyHere: "email"}.get(type(refused))
            refuse(invited, at if at in invited.fields else None, refused)
    by = name_in(invitation.organization, invitation.by)
    facts = {
        "form": invited,
        "organization": invitation.organization,
        "role": invitation.role,
        "by": by,
        "token": token,
    }
    if request.person:
        facts["email"] = sealed_people.email_of(request.person)
    return render(request, "web/invitation.html", facts, status=422 if invited.errors else 200)


def _form_to_join(request: DeskRequest) -> DeskForm:
    return DeskForm({} if request.method == "POST" else None)


def _form_to_accept(request: DeskRequest) -> DeskForm:
    return AcceptForm(request.POST or None, initial={"language": translation.get_language()})


def _join(request: DeskRequest, token: str, _answers: Mapping[str, object], now: datetime) -> HttpResponse:
    return redirect(address(actions.join(token, request.person, now=now), "home"))


def _accept(request: DeskRequest, token: str, answers: Mapping[str, str], now: datetime) -> HttpResponse:
    person, organization = actions.accept(token, **answers, now=now)
    login(request, person, "samizdat.accounts.backend.BlindIndexBackend")
    return _remembered(redirect(address(organization, "home")), person)


def says(request: DeskRequest, title: str, sentence: str, status: int, href: str = "/", link: str = "") -> HttpResponse:
    """A page with one sentence and the way on."""
    if getattr(request, "person", None) is None:
        href, link = reverse("sign-in"), _("Sign in")
    facts = {"title": title, "sentence": sentence, "href": href, "link": link or _("Go to Home")}
    return render(request, "web/message.html", facts, status=status)


def not_found(request: DeskRequest, exception: object = None) -> HttpResponse:
    return says(request, _("Page not found"), _("It may have been removed, or the address has a typo."), 404)


def forbidden(request: DeskRequest, exception: object = None) -> HttpResponse:
    sentence = _("Your role doesn’t allow this. Ask an admin of your organization.")
    if getattr(request, "person", None) is None:
        sentence = _("You’ve been signed out. Nothing was changed. Sign in and try again.")
    return says(request, _("You don’t have access"), sentence, 403)


def bad_request(request: DeskRequest, exception: object = None) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        sentence = _(
            "A page can hold 4 MB of text. Go back in your browser: your text is still there. Remove what takes up "
            "the space, usually an image inside the text, and save again."
        )
        return says(request, _("Too much text at once"), sentence, 413)
    return says(request, _("We couldn’t read that"), _("Go back, reload the page and try again."), 400)


def broken(request: DeskRequest) -> HttpResponse:
    sentence = _(
        "Something went wrong on the server. Nothing was changed. Try again; if it happens twice, ask your admin."
    )
    try:
        return says(request, _("Something went wrong"), sentence, 500)
    except Exception:  # The page itself asks the database for the session; it may be what is broken.
        return HttpResponse(f"<!doctype html><title>Samizdat</title><h1>{sentence}</h1>", status=500)


def csrf_failure(request: DeskRequest, reason: str = "") -> HttpResponse:
    """Also what a page gets that stood open while somebody signed in in another tab: they are offered what they
    typed."""
    if offered := resume_after_sign_in.answer(request):
        return offered
    sentence = _("The page was open for too long. Nothing was changed. Reload it and try again.")
    return says(request, _("This page has expired"), sentence, 403)
