"""The stop list: addresses that are never written to, why, put there and taken off by hand or from a file."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat.audience import actions, queries
from samizdat.audience.actions.suppressions import GIVEN, SuppressionResult, suppress_many
from samizdat.audience.errors import AudienceError, TooManyRemovals
from samizdat.web import read_limits
from samizdat.web.audience.field_types import STOPPED
from samizdat.web.audience.forms.suppressions import LARGEST, LiftForm, StopLookForm, SuppressForm
from samizdat.web.permissions import EVERYONE, WRITERS, deed, door, go
from samizdat.web.request import DeskRequest
from samizdat.web.settings.views.pending_changes import waits
from samizdat.web.templatetags.desk import count
from samizdat.web.uploads import MemoryUploadHandler, handler_of, takes_files

PAGE = 50
# Lines that a message names, of those that hold no address.
NAMED = 10
# Of fewer new addresses it is not said how many are here: a few strangers around one address would ask for that one.
A_GROUP = 20


@door(see=EVERYONE, do=WRITERS)
def show_suppressions(request: DeskRequest) -> HttpResponse:
    """Counts and the newest lines. POST looks one whole address up: it stands in no URL."""
    form, result = StopLookForm(request.POST or None, prefix="look"), None
    if form.is_valid():
        result = _reasons(request, form.cleaned_data["address"])
    return _page(request, form, result, SuppressForm(), LiftForm())


def _reasons(request: DeskRequest, address: str) -> dict[str, object]:
    """Why nothing is written to it. Errors: TooFast."""
    read_limits.count(request)
    reasons = queries.reasons_of(request.organization, address)
    return {"address": address, "reasons": [(reason, reason in GIVEN) for reason in reasons]}


def _page(request: DeskRequest, look: StopLookForm, result: object, add: SuppressForm, lift: LiftForm) -> HttpResponse:
    organization = request.organization
    reason = request.GET.get("reason", "") if request.GET.get("reason", "") in STOPPED else ""
    before = request.GET.get("before", "")
    page = int(before) if before.isascii() and before.isdigit() and len(before) < 15 else None
    rows = queries.stopped(organization, reason, page, PAGE + 1)
    counts = queries.stopped_by_reason(organization)
    facts = {
        "look": look,
        "found": result,
        "add": add,
        "lift": lift,
        "rows": rows[:PAGE],
        "before": rows[PAGE - 1].id if len(rows) > PAGE else None,
        "reason": reason,
        "counts": counts,
        "total": sum(counts.values()),
    }
    bad = any(form.is_bound and form.errors for form in (look, add, lift))
    return render(request, "web/audience/suppressions.html", facts, status=422 if bad else 200)


@deed(WRITERS)
@takes_files(lambda request: MemoryUploadHandler(request, limit=LARGEST))
def add_suppressions(request: DeskRequest) -> HttpResponse:
    """Puts pasted addresses, and those of a file, on the stop list. It tells who of them is here, as looking them up
    does: so it is counted alike. Errors: TooFast."""
    form = SuppressForm(request.POST, request.FILES)
    if handler_of(request, MemoryUploadHandler).too_large:
        form.add_error("file", _("The file is larger than 8 MB. Split it into several files."))
    if form.is_valid():
        read_limits.count(request)
        try:
            taken = suppress_many(
                request.organization,
                form.text(),
                form.cleaned_data["reason"],
                now=timezone.now(),
                by=request.person,
            )
        except AudienceError as refused:
            if isinstance(refused, TooManyRemovals):
                read_limits.spend(request, refused.many)  # It tells that so many are here.
            form.add_error("addresses", str(refused))
        else:
            read_limits.spend(request, taken.subscribers + taken.known)
            if taken.waits:
                waits(request, taken.waits)
            else:
                _say(request, taken)
            return go(request, "suppressions")
    return _page(request, StopLookForm(prefix="look"), None, form, LiftForm())


def _say(request: DeskRequest, taken: SuppressionResult) -> None:
    """Of a few addresses, how many stood there before says who of them complained, or bounced."""
    all_of_them = taken.added + taken.known
    added = ngettext(
        "%(n)s address added to the suppression list.", "%(n)s addresses added to the suppression list.", taken.added
    )
    text = added % {"n": count(taken.added)}
    if all_of_them < A_GROUP:
        there = ngettext(
            "%(n)s address is on the suppression list.", "%(n)s addresses are on the suppression list.", all_of_them
        )
        text = there % {"n": count(all_of_them)}
    if taken.added >= A_GROUP:
        text += " " + _("Subscribers among them: %(here)s.") % {"here": count(taken.subscribers)}
    if taken.known and all_of_them >= A_GROUP:
        stood = ngettext("%(n)s was already there.", "%(n)s were already there.", taken.known)
        text += " " + stood % {"n": count(taken.known)}
    messages.success(request, text)
    if taken.refused:
        lines = ", ".join(count(line) for line, _code in taken.refused[:NAMED])
        wrong = ngettext(
            "%(n)s line has no address and was skipped (line %(lines)s).",
            "%(n)s lines have no address and were skipped (lines %(lines)s).",
            len(taken.refused),
        )
        more = lines + (" …" if len(taken.refused) > NAMED else "")
        messages.warning(request, wrong % {"n": count(len(taken.refused)), "lines": more})


@deed(WRITERS)
def lift_suppression(request: DeskRequest) -> HttpResponse:
    """Takes one address off, for one reason, and keeps why."""
    form = LiftForm(request.POST)
    if not form.is_valid():
        address = form.cleaned_data.get("address")
        result = _reasons(request, address) if address else None
        return _page(request, StopLookForm(prefix="look"), result, SuppressForm(), form)
    answers = form.cleaned_data
    read_limits.count(request)  # It tells whether the address stood there, as a look does.
    try:
        lifted = actions.lift(
            request.organization,
            answers["reason"],
            address=answers["address"],
            now=timezone.now(),
            by=request.person,
            words=answers["why"],
        )
    except TooManyRemovals as refused:
        messages.error(request, str(refused))
        return go(request, "suppressions")
    if lifted:
        messages.success(request, _("Address removed from the suppression list."))
    else:
        messages.warning(request, _("The address wasn’t on the suppression list for that reason. Search for it again."))
    return go(request, "suppressions")
