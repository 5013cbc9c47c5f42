"""Rights of readers and duties of the house: keeping, papers, one reader's file, correction and objection."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.actions import objection
from samizdat.audience.errors import AudienceError
from samizdat.audience.models import List, Subscriber
from samizdat.core.mail.address import BadAddress
from samizdat.privacy import actions, legal_documents, retention_rules, subject_access
from samizdat.privacy.errors import PrivacyError
from samizdat.privacy.settings import facts_of
from samizdat.web import read_limits
from samizdat.web.base_form import refuse
from samizdat.web.permissions import ADMINS, EVERYONE, WRITERS, deed, door, go
from samizdat.web.privacy.forms.privacy import CorrectForm, ObjectForm, RetentionForm
from samizdat.web.request import DeskRequest
from samizdat.web.settings.views.pending_changes import tell_waiting, waits

PAPERS = {"processing-record": legal_documents.record_of_processing, "privacy-notice": legal_documents.privacy_notice}


@door(see=EVERYONE)
def overview(request: DeskRequest) -> HttpResponse:
    """What the house keeps for how long, list by list, and the ways on from there."""
    rules = [
        *zip(queries.lists(request.organization, archived=True), facts_of(request.organization).lists, strict=True)
    ]
    return render(request, "web/privacy/overview.html", {"rules": rules, **_fixed()})


def _fixed() -> dict[str, object]:
    return {
        "backup_days": retention_rules.BACKUP_DAYS,
        "unconfirmed_days": retention_rules.UNCONFIRMED_DAYS,
        "upload_hours": retention_rules.UPLOAD_HOURS,
    }


def _list(request: DeskRequest, list_id: int) -> List:
    try:
        return queries.list_by_id(request.organization, list_id)
    except AudienceError:
        raise Http404 from None


# -- keeping ----------------------------------------------------------------------------------------------------


@door(see=EVERYONE, do=ADMINS)
def list_retention(request: DeskRequest, list_id: int) -> HttpResponse:
    """How long a list keeps things. The first POST shows what would go; the second, with `on`, switches it on."""
    mailing_list, now = _list(request, list_id), timezone.now()
    standing = actions.rules_of(mailing_list)
    asked = {"left_days": standing.left_days, "delivery_months": standing.delivery_months}
    form = RetentionForm(request.POST or None, initial=asked)
    going, held = None, False
    if form.is_valid():
        rules = actions.RetentionRules(form.cleaned_data["left_days"], form.cleaned_data["delivery_months"])
        if request.POST.get("on"):
            try:
                change = actions.retain(mailing_list, rules, now=now, by=request.person)
            except PrivacyError as refused:
                refuse(form, None, refused)
            else:
                if change is not None:
                    waits(request, change)
                    return go(request, "list-retention", list_id)
                messages.success(request, _("Saved. Applied every night, starting tonight."))
                return go(request, "list-retention", list_id)
        else:
            going = actions.preview(mailing_list, rules, now)
            held = actions.needs_approval(mailing_list, rules, request.person)
    page = {
        "list": mailing_list,
        "name": queries.name_of(mailing_list),
        "form": form,
        "going": going,
        "held": held,
        "rules": standing,
        **_fixed(),
    }
    return render(request, "web/privacy/retention.html", page, status=422 if form.errors else 200)


# -- papers -----------------------------------------------------------------------------------------------------


@door(see=EVERYONE)
def show_document(request: DeskRequest, which: str) -> HttpResponse:
    """One paper in one language: to read, to copy, to keep."""
    language = _language(request)
    drafted = PAPERS[which](facts_of(request.organization), timezone.localdate(), language)
    page = {"paper": drafted, "file": f"{which}-file", "language": language, "text": legal_documents.as_text(drafted)}
    return render(request, "web/privacy/document.html", page)


@door(see=EVERYONE)
def document_file(request: DeskRequest, which: str) -> HttpResponse:
    """The same as a Markdown file."""
    language = _language(request)
    drafted = PAPERS[which](facts_of(request.organization), timezone.localdate(), language)
    return _file(legal_documents.as_text(drafted), f"{which}-{language}.md", "text/markdown")


def _language(request: DeskRequest) -> str:
    asked = request.GET.get("language") or (get_language() or "en")[:2]
    return asked if asked in legal_documents.LANGUAGES else "en"


def _file(text: str, name: str, kind: str) -> HttpResponse:
    response = HttpResponse(text, content_type=f"{kind}; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


# -- one reader -------------------------------------------------------------------------------------------------


def _numbered(request: DeskRequest, number: int) -> Subscriber:
    subscriber = queries.subscriber_numbered(request.organization, number)
    if subscriber is None:
        raise Http404
    return subscriber


@door(see=WRITERS, do=WRITERS)
def subscriber_privacy(request: DeskRequest, number: int) -> HttpResponse:
    """What one reader may ask for. POST corrects their address."""
    subscriber, now = read_limits.subscriber(request, number), timezone.now()
    card = queries.card(subscriber, now)
    form = CorrectForm(request.POST or None, initial={"address": card.address})
    if form.is_valid():
        read_limits.count(request)  # It tells whether somebody else has that address.
        try:
            audience.correct_address(subscriber, form.cleaned_data["address"], now=now, by=request.person)
        except (AudienceError, BadAddress) as refused:
            refuse(form, "address", refused)
        else:
            messages.success(request, _("Corrected."))
            return go(request, "subscriber-privacy", number)
    page = {
        "card": card,
        "form": form,
        "objection": ObjectForm(prefix="o"),
        "may_lift": request.role == "admin" and objection.is_liftable(subscriber, now),
        "gone": retention_rules.gone_from_backups(timezone.localdate()),
        **_fixed(),
    }
    return render(request, "web/privacy/subscriber.html", page, status=422 if form.errors else 200)


@deed(WRITERS)
def subscriber_data(request: DeskRequest, number: int) -> HttpResponse:
    """Their file, as JSON or as a page; by POST, since it is written to the log."""
    subscriber = _numbered(request, number)
    read_limits.show(request, [number])
    document = subject_access.access_file(subscriber, now=timezone.now(), by=request.person)
    name = f"subscriber-{number}"
    if request.POST.get("form") == "html":
        return _file(
            subject_access.as_html(document, subject_access.language_for(subscriber)), f"{name}.html", "text/html"
        )
    return _file(subject_access.as_json(document), f"{name}.json", "application/json")


@deed(WRITERS)
def record_objection(request: DeskRequest, number: int) -> HttpResponse:
    """The reader wants no mail at all."""
    subscriber, now = _numbered(request, number), timezone.now()
    form = ObjectForm(request.POST, prefix="o")
    reason = form.cleaned_data["reason"] if form.is_valid() else ""
    try:
        audience.object_to_mail(request.organization, subscriber=subscriber, reason=reason, now=now, by=request.person)
    except AudienceError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("They won’t get any more emails."))
    return go(request, "subscriber", number)


@deed(ADMINS)
def lift_objection(request: DeskRequest, number: int) -> HttpResponse:
    """The subscriber said no such thing."""
    subscriber = _numbered(request, number)
    try:
        is_lifted = objection.ask_to_lift(subscriber, now=timezone.now(), by=request.person)
    except AudienceError as refused:
        messages.error(request, str(refused))
    else:
        tell_waiting(request, objection.CHANGE, subscriber.id)
        if is_lifted:
            messages.success(request, _("Objection withdrawn."))
    return go(request, "subscriber-privacy", number)
