"""Lists and their sign-up forms."""

import secrets
from functools import partial

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from msgspec import structs

from samizdat import dbclock
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import actions, queries
from samizdat.audience.actions import archive_lists, bulk, mailed_words
from samizdat.audience.actions.digests import set_digest
from samizdat.audience.actions.fundraising_consent import put_words, words_for
from samizdat.audience.errors import AudienceError, FormRefused, ListArchived
from samizdat.audience.models import List
from samizdat.audience.queries.lists import ListView
from samizdat.delivery import complaint_stop, service_senders
from samizdat.delivery.actions import default_senders, digests, list_archive
from samizdat.privacy.models import Retention
from samizdat.web.audience.forms.audience import AppealsForm, DeleteListForm, DigestForm, FormForm, ListForm
from samizdat.web.audience.views.bulk import AT_ONCE
from samizdat.web.base_form import refuse, sentences
from samizdat.web.delivery.views import welcome
from samizdat.web.permissions import ADMINS, EVERYONE, WRITERS, deed, door, go
from samizdat.web.request import DeskRequest
from samizdat.web.settings.forms.team import DefaultSenderForm
from samizdat.web.settings.reminders import NO_SENDER, of_forms
from samizdat.web.settings.views.pending_changes import tell_waiting


@door(see=EVERYONE, do=WRITERS)
def lists(request: DeskRequest) -> HttpResponse:
    """Every list with its numbers; POST makes one."""
    form = ListForm(request.POST or None)
    if form.is_valid():
        try:
            mailing_list = actions.new_list(
                request.organization, form.cleaned_data["name"], now=timezone.now(), by=request.person
            )
        except AudienceError as refused:
            refuse(form, "name", refused)
        else:
            messages.success(request, _("List created."))
            tell_waiting(request, mailed_words.CHANGE, mailing_list.id)
            return go(request, "lists")
    waiting = of_forms(request) if request.role in WRITERS else []
    every = queries.lists(request.organization, archived=True)
    facts = {
        "lists": [view for view in every if not view.archived],
        "archived": [view for view in every if view.archived],
        "form": form,
        "waiting": waiting,
    }
    return render(request, "web/audience/lists.html", facts, status=422 if form.errors else 200)


def _list(request: DeskRequest, list_id: int) -> List:
    try:
        mailing_list = queries.list_by_id(request.organization, list_id)
    except AudienceError:
        raise Http404 from None
    if queries.details_of(mailing_list).deleted:
        raise Http404
    return mailing_list


@door(see=EVERYONE, do=WRITERS)
def one_list(request: DeskRequest, list_id: int) -> HttpResponse:
    """Its name, and its sign-up form."""
    mailing_list = _list(request, list_id)
    form = ListForm(request.POST or None, initial={"name": queries.name_of(mailing_list)})
    if form.is_valid():
        try:
            actions.rename_list(mailing_list, form.cleaned_data["name"], now=timezone.now(), by=request.person)
        except AudienceError as refused:
            refuse(form, "name", refused)
        else:
            messages.success(request, _("Saved."))
            tell_waiting(request, mailed_words.CHANGE, list_id)
            return go(request, "list", list_id)
    return _list_page(request, mailing_list, form, _unchanged(mailing_list)[1])


@deed(WRITERS)
def sign_up_form(request: DeskRequest, list_id: int) -> HttpResponse:
    """Switches the public form on with the words readers agree to, or off."""
    mailing_list = _list(request, list_id)
    if request.POST.get("off"):
        _set_form(request, mailing_list, slug="", wording=None)
        messages.success(request, _("Form unpublished. Anyone with its address sees that it’s closed."))
        return go(request, "list", list_id)
    form = FormForm(request.POST, prefix="form")
    if not form.is_valid():
        return _list_page(request, mailing_list, _unchanged(mailing_list)[0], form)
    was_on = queries.details_of(mailing_list).form_slug
    # The address stays: it stands on other people's pages by now.
    slug = was_on or secrets.token_hex(5)
    try:
        _set_form(request, mailing_list, slug=slug, wording=form.cleaned_data["wording"])
    except (FormRefused, ListArchived) as refused:
        refuse(form, "wording", refused)
        return _list_page(request, mailing_list, _unchanged(mailing_list)[0], form)
    messages.success(request, _("Saved.") if was_on else _("Form published."))
    return go(request, "list", list_id)


@deed(WRITERS)
def default_sender(request: DeskRequest, list_id: int) -> HttpResponse:
    """Of new campaigns to this list."""
    mailing_list, form = _list(request, list_id), DefaultSenderForm(request.POST, prefix="sender")
    if form.keep(partial(default_senders.set_for_list, mailing_list, now=timezone.now(), by=request.person)):
        messages.success(request, _("Saved."))
        return go(request, "list", list_id, anchor="sender")
    return _list_page(request, mailing_list, *_unchanged(mailing_list), form)


@deed(WRITERS)
def digest(request: DeskRequest, list_id: int) -> HttpResponse:
    """On which days letters are gathered for those who want a digest."""
    mailing_list = _list(request, list_id)
    form = DigestForm(request.POST, prefix="digest")
    if not form.is_valid():
        messages.error(request, sentences(form))
        return go(request, "list", list_id)
    set_digest(mailing_list, form.cleaned_data["when"], now=timezone.now(), by=request.person)
    messages.success(request, _("Saved."))
    return go(request, "list", list_id)


@deed(WRITERS)
def appeals(request: DeskRequest, list_id: int) -> HttpResponse:
    """With which words readers are asked for a yes to appeals for money, on its sign-up form and in their settings."""
    mailing_list = _list(request, list_id)
    form = AppealsForm(request.POST, prefix="appeals")
    if not form.is_valid():
        messages.error(request, sentences(form))
        return go(request, "list", list_id)
    try:
        put_words(mailing_list, form.cleaned_data["words"], now=timezone.now(), by=request.person)
    except FormRefused as refused:
        messages.error(request, str(refused))
        return go(request, "list", list_id)
    messages.success(request, _("Saved."))
    tell_waiting(request, mailed_words.CHANGE, list_id)
    return go(request, "list", list_id)


@deed(WRITERS)
def archive(request: DeskRequest, list_id: int) -> HttpResponse:
    """Nobody joins it any more, and no campaign goes to it."""
    try:
        list_archive.archive(_list(request, list_id), now=timezone.now(), by=request.person)
    except AudienceError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("List archived. You can restore it at any time."))
    return go(request, "list", list_id)


@deed(WRITERS)
def restore(request: DeskRequest, list_id: int) -> HttpResponse:
    """In use again, with its sign-up page if it had one."""
    try:
        archive_lists.bring_back(_list(request, list_id), now=timezone.now(), by=request.person)
    except AudienceError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("List restored."))
    return go(request, "list", list_id)


@door(see=ADMINS, do=ADMINS)
def delete(request: DeskRequest, list_id: int) -> HttpResponse:
    """What is lost, and who stays without a list; POST with its name deletes it."""
    mailing_list = _list(request, list_id)
    if not queries.details_of(mailing_list).archived:
        return go(request, "list", list_id)
    form = DeleteListForm(request.POST or None)
    if form.is_valid():
        try:
            work = list_archive.delete(mailing_list, form.cleaned_data["name"], now=dbclock.asked(), by=request.person)
        except AudienceError as refused:
            refuse(form, "name", refused)
        else:
            if work is None:
                messages.success(request, _("List deleted."))
                return go(request, "lists")
            bulk.run(work.id, timezone.now, seconds=AT_ONCE)
            tell_waiting(request, bulk.CHANGES[bulk.REMOVE], work.id)
            return go(request, "bulk-action", work.id)
    people = archive_lists.people_of(mailing_list)
    facts = {
        "view": _view(request, mailing_list),
        "form": form,
        "people": people,
        "campaigns": list_archive.campaigns_to(mailing_list),
        "forms": archive_lists.forms_with(mailing_list),
        "waits": bulk.needs_approval(
            request.organization, people.on, now=dbclock.asked(), by=request.person, action=bulk.REMOVE
        ),
        "left_days": Retention.objects.filter(list=mailing_list).values_list("left_days", flat=True).first(),
    }
    return render(request, "web/audience/delete_list.html", facts, status=422 if form.errors else 200)


def _view(request: DeskRequest, mailing_list: List) -> ListView:
    return next(view for view in queries.lists(request.organization, archived=True) if view.id == mailing_list.id)


def _unchanged(mailing_list: List) -> tuple[ListForm, FormForm]:
    """The name and the form as they are."""
    form = ListForm(initial={"name": queries.name_of(mailing_list)})
    return form, FormForm(prefix="form", initial={"wording": _wording(mailing_list)})


def _wording(mailing_list: List) -> str:
    """What readers agree to; for a form that was never on, words to begin with."""
    name = queries.name_of(mailing_list)
    offered = _("I want to get “%(list)s” by email. I can unsubscribe at any time.") % {"list": name}
    return queries.details_of(mailing_list).purpose or offered


def _set_form(request: DeskRequest, mailing_list: List, *, slug: str, wording: str | None) -> None:
    """The form's address and its words; the change of the words comes last, for the public database follows that
    event."""
    now, details = timezone.now(), queries.details_of(mailing_list)
    with transaction.atomic():
        actions.give_form(mailing_list, slug, now=now, by=request.person)
        if wording is not None:
            details = structs.replace(details, purpose=wording)
        actions.change_list(mailing_list, details, now=now, by=request.person)


def _list_page(
    request: DeskRequest,
    mailing_list: List,
    form: ListForm,
    sign_up: FormForm,
    sender: DefaultSenderForm | None = None,
) -> HttpResponse:
    view = _view(request, mailing_list)
    base = leading(request.organization).public_url
    address = f"{base}/f/{view.form_slug}" if base and view.form_slug else ""
    kept = queries.details_of(mailing_list)
    sender = sender or DefaultSenderForm(prefix="sender", initial=structs.asdict(kept.default_sender))
    facts = {
        "list": mailing_list,
        "view": view,
        "form": form,
        "sign_up": sign_up,
        "sender": sender,
        "address": address,
        **_gathering(mailing_list),
        **welcome.facts(mailing_list),
        "stopped": complaint_stop.stopped(request.organization, mailing_list.pk) is not None,
        "stopped_report": complaint_stop.report_of(request.organization, mailing_list.pk),
    }
    facts["appeals"] = AppealsForm(prefix="appeals", initial={"words": kept.appeals})
    facts["asks"] = bool(words_for(mailing_list))
    facts["remark"] = NO_SENDER if view.form_slug and service_senders.sender_for(mailing_list) is None else ""
    wrong = form.errors or sign_up.errors or sender.errors
    return render(request, "web/audience/list.html", facts, status=422 if wrong else 200)


def _gathering(mailing_list: List) -> dict[str, object]:
    """What the page says of its digest: for how many, and when the next one is made."""
    waits = digests.waits_for(mailing_list)
    return {
        "digest": DigestForm(initial={"when": mailing_list.digest_when}, prefix="digest"),
        "gatherers": digests.how_many(mailing_list),
        "next_digest": None if waits else mailing_list.digest_due,
        "digest_waits": waits,
    }
