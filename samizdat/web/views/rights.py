"""Rights of readers and duties of the house: keeping, papers, one reader's file, correction and objection."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.errors import AudienceError
from samizdat.core.address import BadAddress
from samizdat.rights import access, actions, keeping, papers
from samizdat.rights.errors import RightsError
from samizdat.rights.settings import facts_of
from samizdat.web import watched
from samizdat.web.doors import ADMINS, EVERYONE, WRITERS, deed, door, go
from samizdat.web.forms.base import refuse
from samizdat.web.forms.rights import CorrectForm, KeepingForm, ObjectForm

PAPERS = {"record": papers.record_of_processing, "notice": papers.privacy_notice}


@door(see=EVERYONE)
def overview(request: Any) -> HttpResponse:
    """What the house keeps for how long, list by list, and the ways on from there."""
    rules = [*zip(queries.lists(request.organisation), facts_of(request.organisation).lists, strict=True)]
    return render(request, "web/rights/overview.html", {"rules": rules, **_fixed()})


def _fixed() -> dict[str, Any]:
    return {
        "backup_days": keeping.BACKUP_DAYS,
        "unconfirmed_days": keeping.UNCONFIRMED_DAYS,
        "upload_hours": keeping.UPLOAD_HOURS,
    }


def _list(request: Any, list_id: int) -> Any:
    try:
        return queries.list_by_id(request.organisation, list_id)
    except AudienceError:
        raise Http404 from None


# -- keeping ----------------------------------------------------------------------------------------------------


@door(see=EVERYONE, do=ADMINS)
def list_keeping(request: Any, list_id: int) -> HttpResponse:
    """How long a list keeps things. The first POST shows what would go; the second, with `on`, switches it on."""
    found, now = _list(request, list_id), timezone.now()
    standing = actions.rules_of(found)
    asked = {"left_days": standing.left_days, "delivery_months": standing.delivery_months}
    form = KeepingForm(request.POST or None, initial=asked)
    going = None
    if form.is_valid():
        rules = actions.Rules(form.cleaned_data["left_days"], form.cleaned_data["delivery_months"])
        if request.POST.get("on"):
            try:
                actions.retain(found, rules, now=now, by=request.person)
            except RightsError as refused:
                refuse(form, None, refused)
            else:
                messages.success(request, _("Saved. It is carried out each night, beginning with the next."))
                return go(request, "list-keeping", list_id)
        else:
            going = actions.preview(found, rules, now)
    page = {"list": found, "name": queries.name_of(found), "form": form, "going": going, "rules": standing, **_fixed()}
    return render(request, "web/rights/keeping.html", page, status=422 if form.errors else 200)


# -- papers -----------------------------------------------------------------------------------------------------


@door(see=EVERYONE)
def paper(request: Any, which: str) -> HttpResponse:
    """One paper in one language: to read, to copy, to keep."""
    language = _language(request)
    drafted = PAPERS[which](facts_of(request.organisation), timezone.localdate(), language)
    page = {"paper": drafted, "file": f"{which}-file", "language": language, "text": papers.as_text(drafted)}
    return render(request, "web/rights/paper.html", page)


@door(see=EVERYONE)
def paper_file(request: Any, which: str) -> HttpResponse:
    """The same as a Markdown file."""
    language = _language(request)
    drafted = PAPERS[which](facts_of(request.organisation), timezone.localdate(), language)
    return _file(papers.as_text(drafted), f"{which}-{language}.md", "text/markdown")


def _language(request: Any) -> str:
    asked = request.GET.get("language") or (get_language() or "en")[:2]
    return asked if asked in papers.LANGUAGES else "en"


def _file(text: str, name: str, kind: str) -> HttpResponse:
    response = HttpResponse(text, content_type=f"{kind}; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


# -- one reader -------------------------------------------------------------------------------------------------


def _numbered(request: Any, number: int) -> Any:
    found = queries.subscriber_numbered(request.organisation, number)
    if found is None:
        raise Http404
    return found


@door(see=WRITERS, do=WRITERS)
def reader(request: Any, number: int) -> HttpResponse:
    """What one reader may ask for. POST corrects her address."""
    found, now = watched.subscriber(request, number), timezone.now()
    card = queries.card(found, now)
    form = CorrectForm(request.POST or None, initial={"address": card.address})
    if form.is_valid():
        try:
            audience.correct_address(found, form.cleaned_data["address"], now=now, by=request.person)
        except (AudienceError, BadAddress) as refused:
            refuse(form, "address", refused)
        else:
            messages.success(request, _("Corrected."))
            return go(request, "reader-rights", number)
    page = {
        "card": card,
        "form": form,
        "objection": ObjectForm(prefix="o"),
        "gone": keeping.gone_from_backups(timezone.localdate()),
        **_fixed(),
    }
    return render(request, "web/rights/reader.html", page, status=422 if form.errors else 200)


@deed(WRITERS)
def reader_file(request: Any, number: int) -> HttpResponse:
    """Her file, as JSON or as a page; by POST, since it is written to the log."""
    found = _numbered(request, number)
    watched.show(request, [number])
    document = access.access_file(found, now=timezone.now(), by=request.person)
    name = f"subscriber-{number}"
    if request.POST.get("form") == "html":
        return _file(access.as_html(document, access.language_for(found)), f"{name}.html", "text/html")
    return _file(access.as_json(document), f"{name}.json", "application/json")


@deed(WRITERS)
def reader_objects(request: Any, number: int) -> HttpResponse:
    """She wants no mail at all."""
    found, now = _numbered(request, number), timezone.now()
    form = ObjectForm(request.POST, prefix="o")
    reason = form.cleaned_data["reason"] if form.is_valid() else ""
    audience.object_to_mail(request.organisation, subscriber=found, reason=reason, now=now, by=request.person)
    messages.success(request, _("Nothing is written to her any more."))
    return go(request, "subscriber", number)
