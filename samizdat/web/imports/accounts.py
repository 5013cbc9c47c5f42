"""The whole export of an account at the desk: what is in it, where it goes, and what became of it.

Its address is that of an import; views.py hands it over.
"""

from collections.abc import Mapping

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat.audience.errors import AudienceError, ImportRefused
from samizdat.audience.imports import actions as imports
from samizdat.audience.imports.documents import read_plan
from samizdat.audience.models import STATUSES, Import
from samizdat.portability.account import upload
from samizdat.portability.account.documents import COPY, AccountReport, read_report
from samizdat.portability.account.words import left_sentence
from samizdat.portability.account.writer import KINDS
from samizdat.web import labels
from samizdat.web.permissions import go
from samizdat.web.request import DeskRequest
from samizdat.web.templatetags.desk import count


def page(request: DeskRequest, row: Import, *, is_refused: bool = False) -> HttpResponse:
    """What is in it, or what became of it. is_refused: the form that was sent is shown as it was filled in."""
    report = read_report(row)
    facts = {"row": row, "names": ", ".join(read_plan(row).names), "report": report, "may": request.role == "admin"}
    facts["is_copy"] = row.source == COPY
    if row.state == "found" and report.contents is not None:
        facts |= _found(report, request.POST) | typed_appeals(request)
        facts |= {"basis": request.POST.get("basis", ""), "listed": "listed" in request.POST}
        facts |= {"keep_deleted": "keep-deleted" in request.POST, "keep_unticked": "keep-unticked" in request.POST}
        return render(request, "web/imports/account_found.html", facts, status=422 if is_refused else 200)
    return render(request, "web/imports/account_result.html", facts | _result(row, report))


def decide(request: DeskRequest, row: Import) -> HttpResponse:
    """It shall come in, or a stopped one goes on."""
    if request.role != "admin":
        messages.error(request, _("Only an admin can import a whole account."))
        return go(request, "import", row.pk)
    try:
        upload.start(
            row,
            lists={name[5:]: str(text) for name, text in request.POST.items() if name.startswith("list-")},
            basis=request.POST.get("basis", ""),
            options=imports.options_of((), appeals=appeals(request)),
            listed="listed" in request.POST,
            keep_deleted="keep-deleted" in request.POST,
            keep_unticked="keep-unticked" in request.POST,
            now=timezone.now(),
            by=request.person,
        )
    except AudienceError as refused:
        messages.error(request, str(refused))
        row.refresh_from_db()
        if row.state == "found":
            return page(request, row, is_refused=True)
    return go(request, "import", row.pk)


def appeals(request: DeskRequest) -> str | None:
    """The words about appeals, where the box above them is ticked. Errors: AudienceError for words without it."""
    words = request.POST.get("appeals-words", "")
    if "appeals" in request.POST:
        return words
    if words.strip():
        sentence = _("Tick “The consent also covered fundraising appeals”, or remove the words below it.")
        raise ImportRefused("appeals_words", sentence)
    return None


def typed_appeals(request: DeskRequest) -> dict[str, object]:
    """The same, as they were filled in."""
    return {"appeals": request.POST.get("appeals-words", ""), "is_appeals": "appeals" in request.POST}


def _found(report: AccountReport, typed: Mapping[str, str]) -> dict[str, object]:
    """typed: the form, where it was sent."""
    contents = report.contents
    assert contents is not None
    names = {held.key: held.name for held in contents.audiences}
    return {
        "audiences": [
            {
                "key": held.key,
                "name": names.get(held.key) or _("Subscribers"),
                "list_name": typed.get(f"list-{held.key}", held.list_name),
                "rows": held.rows,
                "statuses": _statuses(held.statuses),
            }
            for held in report.audiences
        ],
        "also": _also({"draft": contents.drafts, "sent": contents.sent, "template": contents.templates,
                       "image": contents.images}),
        "left": _left(report),
        "deleted": sum(held.deleted for held in report.audiences),
        "unticked": sum(held.unticked for held in report.audiences),
    }  # fmt: skip


def _left(report: AccountReport) -> list[str]:
    return [left_sentence(left) for left in report.contents.left] if report.contents else []


def _statuses(held: dict[str, int]) -> list[labels.LabelRow]:
    return [labels.LabelRow(labels.subscription_state(name)[1], held[name]) for name in STATUSES if held.get(name)]


def _also(many: dict[str, int]) -> list[str]:
    """Things of an account in words."""
    entries = (
        (many["sent"], ngettext("%(n)s sent campaign", "%(n)s sent campaigns", many["sent"])),
        (many["draft"], ngettext("%(n)s draft", "%(n)s drafts", many["draft"])),
        (many["template"], ngettext("%(n)s template", "%(n)s templates", many["template"])),
        (many["image"], ngettext("%(n)s image", "%(n)s images", many["image"])),
    )
    return [sentence % {"n": count(number)} for number, sentence in entries if number]


def _result(row: Import, report: AccountReport) -> dict[str, object]:
    counts = row.counts or {}
    return {
        "audiences": report.audiences,
        "left": _left(report),
        "added": _also({kind: counts.get(kind, 0) for kind in KINDS}),
        "here": _also({kind: counts.get(f"{kind}_here", 0) for kind in KINDS}),
        "problem": report.sentence if row.state == "failed" else "",
        "has_file": row.source == COPY or row.pieces.exists(),
    }
