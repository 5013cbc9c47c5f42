"""An export of our own format at the desk: what is in it, the key that opens it, bringing it in, and what became of it.

Its address is that of an import; imports/views.py hands it over.
"""

from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat.audience import actions
from samizdat.audience.models import STATUSES, Import
from samizdat.portability import upload
from samizdat.portability.errors import ExportRefused
from samizdat.portability.parts.setup import mailboxes_wait
from samizdat.portability.restore.documents import RestoreReport, read_report, team_to_invite
from samizdat.web import labels
from samizdat.web.base_form import refuse
from samizdat.web.exports.forms import SecretForm
from samizdat.web.permissions import go
from samizdat.web.request import DeskRequest
from samizdat.web.templatetags.desk import count


def page(request: DeskRequest, row: Import) -> HttpResponse:
    """What is in it, or what became of it."""
    if row.state == "found":
        return _found(request, row, SecretForm())
    return render(request, "web/imports/returned.html", _result(row))


def decide(request: DeskRequest, row: Import) -> HttpResponse:
    """The secret that opens it, or that it shall come in."""
    if request.role != "admin":
        messages.error(
            request, _("Only an admin can import this: it may contain link keys and all data about everyone.")
        )
    elif row.state == "found" and read_report(row).sealed:
        form = SecretForm(request.POST)
        if not form.is_valid():
            return _found(request, row, form)
        try:
            upload.unseal(row, form.cleaned_data["secret"], now=timezone.now(), by=request.person)
        except ExportRefused as refused:
            refuse(form, "secret", refused)
            return _found(request, row, form)
    else:
        return go_on(request, row)
    return go(request, "import", row.pk)


def go_on(request: DeskRequest, row: Import) -> HttpResponse:
    """It begins, or a stopped one goes on where it was."""
    if request.role == "admin":
        try:
            upload.start(row, now=timezone.now(), by=request.person)
        except ExportRefused as refused:
            messages.error(request, str(refused))
    return go(request, "import", row.pk)


def _names(row: Import) -> str:
    return ", ".join(actions.read_plan(row).names)


def _found(request: DeskRequest, row: Import, form: SecretForm) -> HttpResponse:
    report = read_report(row)
    facts = {"row": row, "names": _names(row), "report": report, "form": form, "may": request.role == "admin"}
    if report.counts is not None:
        facts |= {
            "made": _moment(report.made_at),
            "counts": report.counts,
            "lists": [(of.name, _statuses(of.statuses)) for of in report.lists],
            "also": _also(report),
        }
    return render(request, "web/imports/returning.html", facts, status=422 if form.errors else 200)


def _moment(text: str) -> datetime | None:
    """When it was made, as far as the file can be understood: a stranger may have written it."""
    try:
        timestamp = datetime.fromisoformat(text)
    except ValueError:
        return None
    return timestamp if timestamp.tzinfo else None


def _statuses(held: dict[str, int]) -> list[labels.LabelRow]:
    return [labels.LabelRow(labels.subscription_state(name)[1], held[name]) for name in STATUSES if held.get(name)]


def _also(report: RestoreReport) -> list[str]:
    """What comes along beside the people, in words."""
    also, counts = report.also, report.counts or {}
    entries = (
        (counts["consent"], ngettext("%(n)s consent record", "%(n)s consent records", counts["consent"])),
        (also["fields"], ngettext("%(n)s field", "%(n)s fields", also["fields"])),
        (also["tags"], ngettext("%(n)s tag", "%(n)s tags", also["tags"])),
        (also["segments"], ngettext("%(n)s segment", "%(n)s segments", also["segments"])),
        (also.get("forms", 0), ngettext("%(n)s sign-up form", "%(n)s sign-up forms", also.get("forms", 0))),
        (counts.get("letters", 0), ngettext("%(n)s campaign", "%(n)s campaigns", counts.get("letters", 0))),
        (
            counts.get("history", 0),
            ngettext("%(n)s earlier draft version", "%(n)s earlier draft versions", counts.get("history", 0)),
        ),
        (counts.get("comments", 0), ngettext("%(n)s comment", "%(n)s comments", counts.get("comments", 0))),
        (counts.get("corrections", 0), ngettext("%(n)s correction", "%(n)s corrections", counts.get("corrections", 0))),
        (
            counts.get("tests", 0),
            ngettext("%(n)s A/B test", "%(n)s A/B tests", counts.get("tests", 0)),
        ),
        (
            counts.get("results", 0),
            ngettext("results of %(n)s campaign", "results of %(n)s campaigns", counts.get("results", 0)),
        ),
        (
            counts.get("conversations", 0),
            ngettext("%(n)s conversation", "%(n)s conversations", counts.get("conversations", 0)),
        ),
        (
            counts.get("cases", 0),
            ngettext("%(n)s case about a closed account", "%(n)s cases about closed accounts", counts.get("cases", 0)),
        ),
        (
            counts.get("fundraisers", 0),
            ngettext("%(n)s fundraiser", "%(n)s fundraisers", counts.get("fundraisers", 0)),
        ),
        (
            counts.get("setup", 0),
            ngettext(
                "%(n)s route, sending domain, mailbox or team member",
                "%(n)s routes, sending domains, mailboxes and team members",
                counts.get("setup", 0),
            ),
        ),
        (counts.get("pictures", 0), ngettext("%(n)s image", "%(n)s images", counts.get("pictures", 0))),
        (counts.get("templates", 0), ngettext("%(n)s template", "%(n)s templates", counts.get("templates", 0))),
        (counts.get("keeping", 0), ngettext("%(n)s retention rule", "%(n)s retention rules", counts.get("keeping", 0))),
        (also["wordings"], ngettext("%(n)s consent wording", "%(n)s consent wordings", also["wordings"])),
        (
            counts["suppressed"],
            ngettext("%(n)s suppressed subscriber", "%(n)s suppressed subscribers", counts["suppressed"]),
        ),
        (
            counts["others_suppressed"],
            ngettext(
                "%(n)s suppressed address without a subscriber",
                "%(n)s suppressed addresses without a subscriber",
                counts["others_suppressed"],
            ),
        ),
    )
    return [sentence % {"n": count(many)} for many, sentence in entries if many]


def _result(row: Import) -> dict[str, object]:
    counts, report = row.counts or {}, read_report(row)
    rows = counts.get("rows", 0)
    whole = row.rows_total or rows
    sums = [
        labels.LabelRow(_("added"), counts.get("added", 0)),
        labels.LabelRow(_("unchanged"), counts.get("unchanged", 0)),
    ]
    if whole > rows:
        sums.append(labels.LabelRow(_("weren’t imported"), whole - rows))
    statuses = _statuses(counts)
    report_counts = report.counts or {}
    seconds = (row.finished - row.started).total_seconds() if row.finished and row.started else None
    return {
        "row": row,
        "names": _names(row),
        "counts": counts,
        "sums": sums,
        "whole": whole,
        "statuses": statuses,
        "standings": sum(status.count for status in statuses),
        "others": [name for name in STATUSES if report_counts and report_counts.get(name, 0) != counts.get(name, 0)],
        "stayed": max(0, report.also.get("segments", 0) - counts.get("segments", 0)) if row.state == "finished" else 0,
        "forms_stayed": max(0, report.also.get("forms", 0) - counts.get("forms", 0)) if row.state == "finished" else 0,
        "seconds": max(1, round(seconds)) if seconds is not None else None,
        "problem": report.sentence if row.state == "failed" else "",
        "has_setup": row.state == "finished" and bool(counts.get("setup")),
        "mailboxes_wait": mailboxes_wait(row.organization),
        "team": team_to_invite(row) if row.state == "finished" and counts.get("setup") else [],
        "nothing_new": bool(rows) and counts.get("unchanged") == rows,
    }
