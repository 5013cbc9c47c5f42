"""A deed upon many readers: chosen, counted, done, and undone for a day."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat import dbclock
from samizdat.accounts.queries import name_in
from samizdat.audience import actions, queries
from samizdat.audience.actions import bulk
from samizdat.audience.errors import AudienceError
from samizdat.audience.filters import Filter
from samizdat.audience.models import BulkAction
from samizdat.web import params
from samizdat.web.audience import subscriber_filters
from samizdat.web.audience.field_types import DEEDS
from samizdat.web.audience.forms.bulk import FORMS, BulkActionForm, WordForm
from samizdat.web.permissions import EVERYONE, WRITERS, deed, door, go
from samizdat.web.request import DeskRequest
from samizdat.web.settings.views.pending_changes import tell_waiting
from samizdat.web.templatetags.desk import count

# Seconds that a page works by itself before the worker goes on with it.
AT_ONCE = 0.4
# Rows that can be ticked: those of some pages, so that a forged form is no work of an hour.
MOST_TICKED = 1_000
NEWEST = 10


def whom_of(request: DeskRequest, data: QueryDict) -> tuple[subscriber_filters.RequestedFilter, list[int]]:
    """Those who were ticked, or the filters. `data` is what a form or an address brings."""
    organization = request.organization
    asked = subscriber_filters.read(data, queries.lists(organization, archived=True), queries.tags(organization))
    return asked, ticked(data) if data.get("whom") == "ticked" else []


def ticked(data: QueryDict) -> list[int]:
    """The numbers of the rows that a form of the list brings."""
    parsed_numbers = {params.number(text, digits=12) for text in data.getlist("n")[:MOST_TICKED]}
    return sorted(number for number in parsed_numbers if number is not None)


def filter_of(data: QueryDict, asked: subscriber_filters.RequestedFilter, numbers: list[int]) -> Filter:
    """Nobody ticked is nobody, not everybody: no row has the number 0."""
    return Filter(numbers=tuple(numbers) or (0,)) if data.get("whom") == "ticked" else asked.filter


def _facts(request: DeskRequest, data: QueryDict, **forms: Any) -> dict[str, object]:
    asked, numbers = whom_of(request, data)
    ticked = data.get("whom") == "ticked"
    lists, tags = queries.lists(request.organization, archived=True), queries.tags(request.organization)
    many, following = len(numbers), None
    if not ticked:
        many, following = queries.count_filtered(request.organization, asked.filter, seconds=1.0)
    forms_by_name = {name: forms.get(name) or form(lists=lists, tags=tags) for name, form in FORMS.items()}
    return {
        "asked": asked,
        "numbers": numbers,
        "ticked": ticked,
        "found": many,
        "more": following is not None,
        "forms": forms_by_name,
        "known_tags": tags[:300],
        "wrong": next((form for form in forms_by_name.values() if form.is_bound and form.errors), None),
    }


@door(see=WRITERS, do=WRITERS)
def bulk_work(request: DeskRequest) -> HttpResponse:
    """What can be done to them. POST of the list brings who was ticked; with a deed it counts whom that would change
    and asks; with `sure` it does it."""
    if request.method == "GET":
        return render(request, "web/audience/bulk.html", _facts(request, request.GET))
    name = request.POST.get("deed", "")
    if not name and request.POST.get("whom") == "ticked":
        return _chosen(request)
    if name not in FORMS:
        raise Http404
    if whom_of(request, request.POST)[0].unknown:
        # Left out it would mean everybody: a list or tag of the page that was open is gone meanwhile.
        messages.error(request, _("One of these filters no longer works. Check who matches, then choose again."))
        return go(request, "subscribers")
    lists, tags = queries.lists(request.organization, archived=True), queries.tags(request.organization)
    form = FORMS[name](request.POST, lists=lists, tags=tags)
    if not form.is_valid():
        return render(request, "web/audience/bulk.html", _facts(request, request.POST, **{name: form}), status=422)
    word = WordForm(request.POST if request.POST.get("sure") else None)
    sure = bool(request.POST.get("sure")) and (name != bulk.ERASE or word.is_valid())
    try:
        plan = _plan(request, name, form.cleaned_data, sure)
    except AudienceError as refused:
        form.add_error(None, str(refused))
        return render(request, "web/audience/bulk.html", _facts(request, request.POST, **{name: form}), status=422)
    if sure and not _as_counted(request, plan):
        messages.error(request, _("More subscribers would change now than were counted. Check the number again."))
        sure = False
    return _begin(request, plan) if sure else _ask(request, plan, form, word)


def _chosen(request: DeskRequest) -> HttpResponse:
    """From the list, whose form is posted since it shows addresses as well: on to the page that can be reloaded."""
    asked, numbers = whom_of(request, request.POST)
    pairs = [*asked.parts.items(), ("whom", "ticked"), *(("n", str(number)) for number in numbers)]
    return go(request, "bulk", query=urlencode(pairs))


def _as_counted(request: DeskRequest, plan: bulk.BulkPlan) -> bool:
    """Whether it changes no more than the page said that somebody is sure about."""
    most = params.number(request.POST.get("counted", "")) or 0
    return bulk.count(request.organization, plan)[1] <= most


def _plan(request: DeskRequest, name: str, answers: dict[str, Any], sure: bool) -> bulk.BulkPlan:
    """A tag that is not there yet is made only when somebody is sure. Errors: ImportRefused, for too many tags."""
    asked, numbers = whom_of(request, request.POST)
    whom = filter_of(request.POST, asked, numbers)
    tag = answers.get("tag")
    if name == bulk.TAG:
        named = queries.tag_named(request.organization, answers["name"])
        new_tags = None if named or not sure else actions.tags_for(request.organization, [answers["name"]])
        tag = named.id if named else new_tags[answers["name"]] if new_tags else 0
    return bulk.BulkPlan(
        name, whom, tag=tag, list=answers.get("list"), to=answers.get("to"), words=answers.get("words", "")
    )


def _ask(request: DeskRequest, plan: bulk.BulkPlan, form: BulkActionForm, word: WordForm) -> HttpResponse:
    fit, changed = bulk.count(request.organization, plan)
    asked, numbers = whom_of(request, request.POST)
    facts = {
        "deed": plan.action,
        "question": _question(request, plan, changed),
        "fit": fit,
        "changed": changed,
        "rest": fit - changed,
        "form": form,
        "word": word,
        "asked": asked,
        "numbers": numbers,
        "ticked": request.POST.get("whom") == "ticked",
        "undoable": plan.action != bulk.ERASE,
        "waits": bulk.needs_approval(
            request.organization, changed, now=dbclock.asked(), by=request.person, action=plan.action
        ),
    }
    return render(request, "web/audience/bulk_confirm.html", facts, status=422 if word.errors else 200)


def _question(request: DeskRequest, plan: bulk.BulkPlan, many: int) -> str:
    lists = {list_view.id: list_view.name for list_view in queries.lists(request.organization, archived=True)}
    values = {
        "n": count(many),
        "tag": dict(queries.tags(request.organization)).get(plan.tag or 0, request.POST.get("do-name", "")),
        "list": lists.get(plan.list or 0, ""),
        "to": lists.get(plan.to or 0, ""),
    }
    sentences = {
        bulk.TAG: ngettext("Add tag “%(tag)s” to %(n)s subscriber?", "Add tag “%(tag)s” to %(n)s subscribers?", many),
        bulk.UNTAG: ngettext(
            "Remove tag “%(tag)s” from %(n)s subscriber?", "Remove tag “%(tag)s” from %(n)s subscribers?", many
        ),
        bulk.MOVE: ngettext(
            "Move %(n)s subscriber from “%(list)s” to “%(to)s”?",
            "Move %(n)s subscribers from “%(list)s” to “%(to)s”?",
            many,
        ),
        bulk.REMOVE: ngettext(
            "Remove %(n)s subscriber from “%(list)s”?", "Remove %(n)s subscribers from “%(list)s”?", many
        ),
        bulk.ERASE: ngettext(
            "Erase personal data of %(n)s subscriber?", "Erase personal data of %(n)s subscribers?", many
        ),
    }
    return sentences[plan.action] % values


def _begin(request: DeskRequest, plan: bulk.BulkPlan) -> HttpResponse:
    try:
        work = bulk.begin(request.organization, plan, now=dbclock.asked(), by=request.person)
    except AudienceError as refused:
        messages.error(request, str(refused))
        return go(request, "subscribers")
    bulk.run(work.id, timezone.now, seconds=AT_ONCE)
    if change := bulk.CHANGES.get(work.action):
        tell_waiting(request, change, work.id)
    return go(request, "bulk-action", work.id)


def _work(request: DeskRequest, number: int) -> BulkAction:
    rows = BulkAction.objects.select_related("organization", "by")
    bulk_action = rows.filter(organization=request.organization, id=number).first()
    if bulk_action is None:
        raise Http404
    return bulk_action


@door(see=EVERYONE)
def show_bulk_action(request: DeskRequest, work_id: int) -> HttpResponse:
    """How far it is; live while it goes on."""
    work = _work(request, work_id)
    plan = bulk.plan_of(work)
    facts = {
        "work": work,
        "title": DEEDS[work.action],
        "going": work.state in ("running", "undoing"),
        "done": work.changed if work.state == "running" else work.undone,
        "whole": work.expected if work.state == "running" else work.changed,
        "by": name_in(request.organization, work.by),
        "may_undo": bulk.may_undo(work, timezone.now()),
        "until": work.begun + bulk.UNDO,
        "about": _question(request, plan, work.expected).rstrip("?"),
    }
    return render(request, "web/audience/bulk_action.html", facts)


@door(see=EVERYONE)
def list_bulk_actions(request: DeskRequest) -> HttpResponse:
    """The newest, and which of them can be undone."""
    now = timezone.now()
    rows = BulkAction.objects.select_related("organization", "by").filter(organization=request.organization)
    works = [
        {
            "work": work,
            "title": DEEDS[work.action],
            "by": name_in(request.organization, work.by),
            "may_undo": bulk.may_undo(work, now),
        }
        for work in rows.order_by("-id")[:NEWEST]
    ]
    return render(request, "web/audience/bulk_actions.html", {"works": works})


@deed(WRITERS)
def undo_bulk_action(request: DeskRequest, work_id: int) -> HttpResponse:
    work = _work(request, work_id)
    try:
        bulk.undo(work, now=timezone.now(), by=request.person)
    except AudienceError as refused:
        messages.error(request, str(refused))
    else:
        bulk.run(work.id, timezone.now, seconds=AT_ONCE)
    return go(request, "bulk-action", work_id)


@deed(WRITERS)
def stop_bulk_action(request: DeskRequest, work_id: int) -> HttpResponse:
    if bulk.stop(_work(request, work_id), now=timezone.now(), by=request.person):
        messages.success(request, _("Stopped. Changes already made are kept."))
    return go(request, "bulk-action", work_id)
