"""Bringing readers in: choose files, look at what was found, bring in, result."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from itertools import chain
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from msgspec.structs import asdict

from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import actions, queries
from samizdat.audience.actions import mailed_words
from samizdat.audience.actions.ask_once import waiting_to_be_asked
from samizdat.audience.errors import AudienceError, NoName
from samizdat.audience.imports import held
from samizdat.audience.imports.documents import ImportProblem, ImportReport, Sample
from samizdat.audience.imports.row_errors import sentence_of
from samizdat.audience.models import Import, List, Reject
from samizdat.audience.queries.lists import ListView
from samizdat.core.imports import ImportPlan
from samizdat.incoming.evidence import proposal
from samizdat.labels import field_label
from samizdat.portability import upload as arriving
from samizdat.portability.account import documents as account_documents
from samizdat.portability.account import upload as account_upload
from samizdat.web import labels, params, read_limits
from samizdat.web.audience.forms.audience import ListForm
from samizdat.web.base_form import sentences
from samizdat.web.csv_lines import csv_lines
from samizdat.web.exports.views import restores
from samizdat.web.imports import accounts, plans
from samizdat.web.permissions import EVERYONE, WRITERS, View, deed, door, go
from samizdat.web.request import DeskRequest
from samizdat.web.settings.views.pending_changes import tell_waiting
from samizdat.web.uploads import PIECE, PieceUploadHandler

LARGEST = 500 * 1024 * 1024
MOST_FILES = 20
LISTED = 50
GOING = ("uploading", "reading", "waiting", "running")


@door(see=EVERYONE)
def imports(request: DeskRequest) -> HttpResponse:
    """The first step, and what was brought in before."""
    return _imports_page(request, ListForm(initial={"name": leading(request.organization).name}))


def _imports_page(request: DeskRequest, form: ListForm) -> HttpResponse:
    """form: of the list that the first import creates."""
    facts = {
        "lists": queries.lists(request.organization),
        "form": form,
        "services": plans.services(),
        "earlier": [*_earlier(request)],
    }
    return render(request, "web/imports/choose.html", facts, status=422 if form.is_bound else 200)


def _earlier(request: DeskRequest) -> Iterator[tuple[Import, str]]:
    """The newest ones with the names of their files. A whole account is one; its page leads to its parts. Each plan
    weighs up to some hundred kilobytes: few are held at a time."""
    rows = queries.imports(request.organization).select_related("organization").defer("report_sealed")[:LISTED]
    for row in rows.iterator(chunk_size=5):
        plan = actions.read_plan(row)
        del row.plan_sealed
        if not plan.part_of:
            yield row, plans.called(row.source, plan.names)


def takes_pieces(view: View) -> View:
    """Seals each piece the moment it comes in. The check against forgery reads the form, so it comes after."""
    checked = csrf_protect(view)

    def taking(request: DeskRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        lists = queries.lists(request.organization)
        # Which list it goes into is asked on the next page. An export of our own format brings its lists along.
        first = _likely(request.organization, lists) if lists else None
        try:
            started = actions.begin_upload(request.organization, first, now=timezone.now(), by=request.person)
        except AudienceError as refused:
            return _refused(request, str(refused))

        def take(file: int, piece: int, data: bytes) -> None:
            actions.add_piece(started, file, piece, data)

        handler = PieceUploadHandler(request, take=take, limit=LARGEST)
        request.upload_handlers = [handler]
        response = checked(request, *args, started=started, handler=handler, **kwargs)
        if not getattr(response, "upload_taken", False):
            actions.cancel(started, now=timezone.now(), by=request.person)
        return response

    return csrf_exempt(taking)


def _refused(request: DeskRequest, sentence: str) -> HttpResponse:
    messages.error(request, sentence)
    if "name" in request.POST:  # of a new list: it stays in the form
        return _imports_page(request, ListForm(request.POST))
    return go(request, "imports")


def _likely(organization: Organization, lists: list[ListView]) -> List:
    """Where the last ones were brought in, else the first."""
    before = queries.imports(organization).filter(state="finished").values_list("list_id", flat=True).first()
    here = {list_view.id for list_view in lists}
    return queries.list_by_id(organization, before if before is not None and before in here else lists[0].id)


@deed(WRITERS)
@takes_pieces
def upload(request: DeskRequest, started: Any, handler: PieceUploadHandler) -> HttpResponse:
    files, form, refusal = request.FILES.getlist("files"), ListForm(request.POST), ""
    if handler.refusal:
        refusal = handler.refusal
    elif handler.too_large:
        refusal = _("The files are larger than 500 MB together. Import them on the server with `samizdat import`.")
    elif not files:
        refusal = _("Choose a file first.")
    elif len(files) > MOST_FILES:
        refusal = _("Too many files at once. Put them into one ZIP file.")
    elif not (needs_list := not _claimed(request, started, len(files)) and started.list_id is None):
        refusal = too_fast(request)
    elif "name" not in request.POST:
        refusal = _("This isn’t an export in Samizdat format. Choose the file above, with a name for its list.")
    elif not form.is_valid():
        refusal = sentences(form)
    else:
        refusal = too_fast(request)
    if not refusal:
        try:
            with transaction.atomic():
                if needs_list:
                    into_new_list(request, started, form.cleaned_data["name"])
                actions.finish_upload(started, [file.name or "" for file in files], now=timezone.now())
        except AudienceError as refused:
            refusal = str(refused)
    if refusal:
        return _refused(request, refusal)
    response = go(request, "import", started.pk)
    response.upload_taken = True  # type: ignore[attr-defined]
    return response


def _claimed(request: DeskRequest, started: Import, files: int) -> bool:
    """Whether it brings its own lists: an export of our own format, or of a whole account, which an admin imports."""
    return arriving.claim(started, files) or (request.role == "admin" and account_upload.claim(started, files))


def into_new_list(request: DeskRequest, started: Import, name: str) -> None:
    """The first list of an organization comes with its first import. Errors: AudienceError."""
    mailing_list = _new_list(request, name)
    started.list = mailing_list
    started.save(update_fields=["list"])


def _new_list(request: DeskRequest, name: str) -> List:
    """Errors: AudienceError."""
    mailing_list = actions.new_list(request.organization, name, now=timezone.now(), by=request.person)
    tell_waiting(request, mailed_words.CHANGE, mailing_list.id)
    return mailing_list


def too_fast(request: DeskRequest) -> str:
    """What a file brings in tells who of it was here, as looking addresses up does: so it is counted alike. What is
    wrong, if somebody does it too often."""
    try:
        read_limits.count(request)
    except read_limits.TooFast as fast:
        return read_limits.sentence(fast.seconds)
    return ""


@deed(WRITERS)
def paste(request: DeskRequest) -> HttpResponse:
    """Addresses out of a box: sealed like a file, and looked at like one."""
    text, lists = request.POST.get("pasted", "").strip(), queries.lists(request.organization)
    if not text or not lists:
        messages.error(request, _("Paste some addresses first."))
        return go(request, "imports")
    read_limits.count(request)
    first = _likely(request.organization, lists)
    data = text.encode("utf-8", "replace")
    try:
        started = actions.begin_upload(request.organization, first, now=timezone.now(), by=request.person)
        for number, at in enumerate(range(0, len(data), PIECE)):
            actions.add_piece(started, 0, number, data[at : at + PIECE])
        actions.finish_upload(started, [_("pasted.txt")], now=timezone.now())
    except AudienceError as refused:
        return _refused(request, str(refused))
    return go(request, "import", started.pk)


def _import(request: DeskRequest, import_id: int) -> Import:
    row = queries.import_by_id(request.organization, import_id)
    if row is None:
        raise Http404
    return row


@door(see=EVERYONE, do=WRITERS)
def one_import(request: DeskRequest, import_id: int) -> HttpResponse:
    """The page of an import, by how far it is. POST: the changed plan, to look again or to bring in."""
    row = _import(request, import_id)
    ours = row.source == arriving.SOURCE
    is_account = row.source in account_documents.SOURCES
    if request.method == "POST":
        if is_account:
            return accounts.decide(request, row)
        return restores.decide(request, row) if ours else _decide(request, row)
    if row.state in GOING:
        return render(request, "web/imports/running.html", _progress_facts(row))
    if ours or is_account:
        return restores.page(request, row) if ours else accounts.page(request, row)
    if row.state == "found":
        return render(request, "web/imports/found.html", _found_facts(request, row))
    return render(request, "web/imports/result.html", _result_facts(request, row))


def _decide(request: DeskRequest, row: Import) -> HttpResponse:
    plan = actions.read_plan(row).plan
    if row.state != "found" or not plan:
        return go(request, "import", row.pk)
    changed, basis = plans.read(plan, request.POST), request.POST.get("basis", "").strip()[:1000]
    try:
        options = actions.options_of(
            request.POST.get("tags", "").split(","),
            update_only="update-only" in request.POST,
            appeals=accounts.appeals(request),
        )
        unseen, before = plans.has_unseen_words(changed), row.list_id
        with transaction.atomic():  # A list that is created here goes again where the rest is refused.
            chosen = _chosen(request)
            actions.change_plan(row, changed, list=chosen, basis=basis, options=options)
        other = chosen is not None and chosen.id != before
        is_sure = request.POST.get("then") == "start"
        stale = not actions.read_plan(row).is_shown
        if not is_sure or other or unseen or stale:
            read_limits.count(request)
            actions.look_again(row, now=timezone.now(), by=request.person)
            if is_sure and other:
                # Who has left, or is new, is another number there than the one that stood on the button.
                sentence = _("You chose another list, so the numbers changed. Check them, then import.")
                messages.warning(request, sentence)
            elif is_sure and stale:
                sentence = _("You changed what is imported, so the numbers changed. Check them, then import.")
                messages.warning(request, sentence)
        else:
            _start(request, row)
    except AudienceError as refused:
        messages.error(request, str(refused))
        row.refresh_from_db()
        if row.state == "found":
            return _found_again(request, row, changed, basis)
    return go(request, "import", row.pk)


def _found_again(request: DeskRequest, row: Import, changed: ImportPlan, basis: str) -> HttpResponse:
    """The page of a form that was refused, as it was filled in. Its columns are kept with the plan where it takes them:
    the next answer names their words by their places in it."""
    update_only = "update-only" in request.POST
    with suppress(AudienceError):
        actions.change_plan(row, changed, basis=basis, options=actions.options_of((), update_only=update_only))
    typed = {
        "basis": basis,
        "tags": request.POST.get("tags", ""),
        "update_only": update_only,
        "chosen": params.number(request.POST.get("list", "")) or row.list_id,
        "is_new": request.POST.get("list") == "new",
        "new_list": request.POST.get("new-list", ""),
    }
    facts = _found_facts(request, row) | typed | accounts.typed_appeals(request)
    return render(request, "web/imports/found.html", facts, status=422)


def _chosen(request: DeskRequest) -> List | None:
    """The list in the form, which may be a new one; None: as before. Errors: AudienceError."""
    if request.POST.get("list") == "new":
        form = ListForm({"name": request.POST.get("new-list", "")})
        if not form.is_valid():
            raise NoName(sentences(form))
        return _new_list(request, form.cleaned_data["name"])
    try:
        return queries.list_by_id(request.organization, params.number(request.POST.get("list", "")) or 0)
    except AudienceError:
        return None


def _start(request: DeskRequest, row: Import) -> None:
    actions.start(row, now=timezone.now(), by=request.person)
    tell_waiting(request, held.CHANGE, row.pk)


def _found_facts(request: DeskRequest, row: Import) -> dict[str, object]:
    """Only what the files say: not who is here already, who left or who had their data erased. Whoever has a thousand
    suspects would halve them until they know, whatever is hidden of a few, and nothing is written by a look."""
    report, details = actions.read_report(row), actions.read_plan(row)
    fields, plan = queries.fields(request.organization), details.plan
    counts = {"rows": (report.counts or {}).get("rows", 0)} | report.file_counts
    assert plan is not None
    labels = plan.fields() | {entry.tag: entry.label for entry in fields}
    update_only = details.options.update_only
    files = plans.rows(plan, report, fields, update_only=update_only)
    lists = queries.lists(request.organization)
    guessed = any(file.use and file.asks_status and not file.status for file in files)
    return {
        "row": row,
        "names": plans.called(row.source, details.names),
        "report": report,
        "samples": [_sample(entry, labels) for entry in report.samples],
        "counts": counts,
        "sums": _found_rows(counts, guessed, update_only),
        "tags": ", ".join(details.options.tags),
        "update_only": update_only,
        "files": files,
        "statuses": plans.statuses(),
        "meanings": plans.meanings(),
        "source": plans.source_words(row.source),
        "lists": lists,
        "list_name": next((list_view.name for list_view in lists if list_view.id == row.list_id), ""),
        "basis": details.basis,
        "chosen": row.list_id,
        "appeals": details.options.appeals,
        "is_appeals": bool(details.options.appeals),
        "is_fixed": details.is_fixed,
        "planted": report.planted,
        "questions": [_said(entry) for entry in report.questions],
        "problems": [_said(entry) for entry in report.problems],
        "dropped": _dropped(plan, report),
        "rejects": [{"line": line.line, "file": line.file, "sentence": _said(line)} for line in report.rejects],
        "coming": counts["rows"] - counts.get("rejected", 0),
        "more_rejects": counts.get("rejected", 0) - len(report.rejects),
    }


def _dropped(plan: ImportPlan | None, report: ImportReport) -> list[str]:
    """Which columns stay out, and why: before it is brought in, and beside the result."""
    dropped = plans.dropped(plan, report) if plan else []
    return [sentence_of(problem.code, dict(problem.values)) for problem in dropped]


def _said(problem: ImportProblem) -> str:
    """A sentence of the report in the language of whoever looks; it was written in the worker's."""
    try:
        return sentence_of(problem.code, {"file": problem.file, **problem.values})
    except KeyError:  # What it would need was not kept: the line's own content never is.
        return problem.sentence


def _sample(sample: Sample, labels: dict[str, str]) -> dict[str, Any]:
    """A row as it will be, with its day as a day and its fields by their names."""
    values = sample.values.items()
    fields = [(field_label(tag, labels.get(tag, "")), value) for tag, value in values if tag != "EMAIL" and value]
    try:
        since = date.fromisoformat(sample.since)
    except ValueError:
        since = None
    return {**asdict(sample), "since": since, "fields": fields}


def _found_rows(counts: dict[str, int], guessed: bool, update_only: bool) -> list[labels.LabelRow]:
    """`guessed`: somebody still has to choose the status of a file; it is counted as subscribed until then."""
    notes = (
        _update_notes()
        if update_only
        else {
            "subscribed": _("get your emails only with the status Subscribed below")
            if guessed
            else _("will get your emails"),
            "pending": _("unconfirmed; won’t be emailed"),
            "unsubscribed": _("kept; won’t be emailed"),
            "cleaned": _("address bounced; stays on the suppression list"),
            "nonsubscribed": _("no consent; imported but won’t be emailed"),
        }
    )
    rows = [
        labels.LabelRow(labels.subscription_state(name)[1], counts.get(name, 0), note)
        for name, note in notes.items()
        if counts.get(name) or name == "subscribed"
    ]
    if counts.get("rejected"):
        rows.append(labels.LabelRow(_("rejected"), counts["rejected"], _("no readable address"), red=True))
    return rows


def _update_notes() -> dict[str, str]:
    """Of those on the list alone; who that is, is not said here."""
    kept = _("updated if on the list; keep the status they have")
    return {
        "subscribed": kept,
        "pending": kept,
        "unsubscribed": _("unsubscribed if on the list"),
        "cleaned": _("suppressed if on the list: the address bounced"),
        "nonsubscribed": kept,
    }


def _progress_facts(row: Import) -> dict[str, object]:
    done = row.counts.get("rows", 0)
    whole = max(row.rows_total or 0, done)
    seconds = (timezone.now() - row.started).total_seconds() if row.started else 0.0
    # By rows where their number is known: the reading is ahead of what is committed.
    share = done / whole if whole else row.bytes_read / row.bytes_total if row.bytes_total else 0.0
    left = round(seconds / share - seconds) if 0.01 < share <= 1 and seconds else None
    return {
        "row": row,
        "names": plans.called(row.source, actions.read_plan(row).names),
        "done": done,
        "whole": whole,
        "speed": round(done / seconds) if seconds >= 1 else None,
        "left": max(left, 1) if left is not None else None,
        "per_mille": round(share * 1000),
        "stopping": row.problem == "stop_asked",
    }


@door(see=EVERYONE)
def progress(request: DeskRequest, import_id: int) -> HttpResponse:
    """The live part of the page; once there is something else to see it has the page loaded again."""
    row = _import(request, import_id)
    if row.state not in GOING:
        response = HttpResponse()
        response.headers["HX-Refresh"] = "true"
        return response
    return render(request, "web/imports/progress.html", _progress_facts(row))


def _result_facts(request: DeskRequest, row: Import) -> dict[str, Any]:
    """How those who were here stand is not said: a file that says less of them than they said themselves would ask for
    it again and again."""
    erased = Reject.objects.filter(import_run=row, code="erased").count()
    counts = dict(row.counts or {})
    if row.by_id == request.person.pk:
        read_limits.learn(request, "import", row.pk, counts.get("here", 0) + erased)
    counts["unchanged"] = counts.get("unchanged", 0) + erased
    counts["rejected"] = counts.get("rejected", 0) - erased
    rows = [labels.LabelRow(word, counts.get(name, 0)) for name, word in (
        ("added", _("added")), ("updated", _("updated")), ("unchanged", _("unchanged")),
        ("skipped", _("skipped: not on the list")), ("rejected", _("rejected"))
    ) if counts.get(name) or name != "skipped"]  # fmt: skip
    seconds = (row.finished - row.started).total_seconds() if row.finished and row.started else None
    sentence = _said(actions.read_report(row).failed) if row.state == "failed" else ""
    return {
        "row": row,
        "names": plans.called(row.source, actions.read_plan(row).names),
        "sums": rows,
        "rows": counts.get("rows", 0),
        "came": counts.get("rows", 0) - counts.get("rejected", 0) - counts.get("skipped", 0),
        "update_only": actions.read_plan(row).options.update_only,
        "appeals": actions.read_plan(row).options.appeals,
        "counts": counts,
        "seconds": max(1, round(seconds)) if seconds is not None else None,
        "problem": sentence,
        "dropped": _dropped(actions.read_plan(row).plan, ImportReport()),
        "left_out": [_said(problem) for problem in actions.read_plan(row).left_out],
        "list_name": queries.name_of(row.list) if row.list else "",
        "to_ask": _to_ask(row),
    }


def _to_ask(row: Import) -> int:
    """Of a list rebuilt from mailboxes: who has no proven sign-up and was not asked yet."""
    if row.source != proposal.SOURCE or row.list is None:
        return 0
    return waiting_to_be_asked(row.list, proposal.ASK_TAG, now=timezone.now())[0]


@deed(WRITERS)
def cancel_import(request: DeskRequest, import_id: int) -> HttpResponse:
    """Before it runs: as if it had never been uploaded. While it runs: it stops, and what is in stays."""
    row = actions.cancel(_import(request, import_id), now=timezone.now(), by=request.person)
    if row.state in GOING:
        messages.success(request, _("The import stops after the current rows."))
        return go(request, "import", import_id)
    messages.success(request, _("Import deleted. Nothing changed."))
    return go(request, "imports")


@deed(WRITERS)
def resume_import(request: DeskRequest, import_id: int) -> HttpResponse:
    """A stopped import goes on where it was."""
    row = _import(request, import_id)
    if row.source == arriving.SOURCE:
        return restores.go_on(request, row)
    if row.source in account_documents.SOURCES:
        return accounts.decide(request, row)
    try:
        _start(request, row)
    except AudienceError as refused:
        messages.error(request, str(refused))
    return go(request, "import", import_id)


@door(see=WRITERS)
def rejected(request: DeskRequest, import_id: int) -> StreamingHttpResponse:
    """The lines that were not taken, as CSV: file, line, reason."""
    row = _import(request, import_id)
    response = StreamingHttpResponse(_rejected_lines(row), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="rejected-{row.pk}.csv"'
    return response


def _rejected_lines(row: Import) -> Iterator[str]:
    rejects = (
        [harmless(file), line, harmless(sentence)] for file, line, sentence in actions.reject_rows(row, erased=False)
    )
    return csv_lines(chain([[_("File"), _("Line"), _("Reason")]], rejects))


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula (threat model, T24)."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else text
