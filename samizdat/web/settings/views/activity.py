"""The activity log: who did what, for admins, and as a file."""

from collections.abc import Iterator

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.accounts import queries as accounts
from samizdat.accounts.models import Organization
from samizdat.events import log_breaks, log_file, queries
from samizdat.events.actions import is_genuine, is_of_people, record
from samizdat.events.kinds import SENTENCES
from samizdat.portability.spreadsheet_cells import escaped
from samizdat.web import params
from samizdat.web.csv_lines import csv_lines
from samizdat.web.permissions import ADMINS, deed, door
from samizdat.web.request import DeskRequest
from samizdat.web.settings import activity as shown
from samizdat.web.settings.activity import AskedLog, LogLines

PAGE = 50


@door(see=ADMINS)
def activity(request: DeskRequest) -> HttpResponse:
    organization = request.organization
    asked = shown.read(request.GET, organization)
    before = params.number(request.GET.get("before", ""))
    events = list(queries.log(organization, asked.filter, before)[: PAGE + 1])
    altered = queries.last(organization, log_breaks.ALTERED)
    facts = {
        "lines": LogLines(organization, events[:PAGE]).lines(),
        "asked": asked,
        "areas": [(area, name, asked.values.get("area") == area) for area, (name, _starts) in shown.AREAS.items()],
        "people": _people(organization, asked),
        "following": asked.query(before=str(events[PAGE - 1].pk)) if len(events) > PAGE else "",
        "newest": asked.query() if before else "",
        "altered": altered if altered and altered.at > timezone.now() - log_breaks.SHOWN else None,
        "key": log_file.public_key(),
    }
    return render(request, "web/activity.html", facts)


def _people(organization: Organization, asked: AskedLog) -> list[tuple[str, str, bool]]:
    offered = [(str(member.person.pk), member.name) for member in accounts.members(organization)]
    offered.append((shown.NOBODY, _("Samizdat and subscribers")))
    return [(value, name, asked.values.get("by") == value) for value, name in offered]


@deed(ADMINS)
def activity_file(request: DeskRequest) -> StreamingHttpResponse:
    """As CSV, what the filters show; or the whole log with its chain, which is proof (events/log_file.py)."""
    organization, now = request.organization, timezone.now()
    proof = request.POST.get("as") == "proof"
    record("log.exported", organization, now=now, by=request.person, detail={"proof": proof})
    day = timezone.localdate(now).isoformat()
    if proof:
        response = StreamingHttpResponse(log_file.lines(organization, now), content_type="application/jsonl")
        name = f"activity-log-{day}.jsonl"
    else:
        rows = _rows(organization, shown.read(request.POST, organization))
        response = StreamingHttpResponse(csv_lines(map(escaped, rows)), content_type="text/csv; charset=utf-8")
        name = f"activity-log-{day}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _rows(organization: Organization, asked: AskedLog) -> Iterator[list[str]]:
    """Texts are of the language that the page has now: a stream is sent when it is another one's."""
    sentences = {str(kind): str(sentence) for kind, sentence in SENTENCES.items()}
    heads = [
        _("Position"),
        _("Time"),
        _("Teammate"),
        _("What happened"),
        _("Kind"),
        _("Number"),
        _("Digest"),
        _("Chain"),
    ]
    changed = _("This entry was changed in the database, or Samizdat didn’t write it.")
    names = LogLines(organization, ())

    def rows() -> Iterator[list[str]]:
        yield heads
        for event in queries.whole_log(organization, asked.filter):
            genuine = is_genuine(event)
            at = event.at.date().isoformat() if is_of_people(event.kind) else event.at.isoformat(timespec="seconds")
            text = sentences.get(event.kind, event.kind) if genuine else changed
            by, about = names.name(event.by) if genuine else "", "" if event.about is None else str(event.about)
            link = bytes(event.link or b"").hex()
            yield [str(event.position or ""), at, by, text, event.kind, about, bytes(event.digest).hex(), link]

    return rows()
