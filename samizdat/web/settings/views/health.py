"""Health: what is wrong with the installation, how urgent it is and what to do, as the worker found it last."""

from dataclasses import dataclass
from functools import partial
from itertools import groupby

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language

from samizdat import dbclock
from samizdat.accounts.models import Organization
from samizdat.health import recovery, reports
from samizdat.health.everything import key_shares
from samizdat.health.findings import Wording
from samizdat.health.looks import found_by
from samizdat.health.reports import OLD, InstallationReport, StoredFinding
from samizdat.health.topics import TOPICS
from samizdat.web import remote_checks
from samizdat.web.permissions import ADMINS, address, door
from samizdat.web.request import DeskRequest

# Code or topic -> the page of the app where it is mended, or seen better.
PAGES = {
    "backup": "backups",
    "campaign": "campaigns",
    "consent": "activity",
    "domain": "domains",
    "keys": "security",
    "mail": "mailboxes",
    "mail.full": "inbox",
    "organization.fenced": "on-hold",
    "pages.no-address": "settings",
    "pages.shared-address": "settings",
    "place": "on-hold",
    "sending": "routes",
    "sending.key-altered": "domains",
    "sending.unsigned": "domains",
    "sending.provider-refuses": "campaigns",
    "sending.bounces-held": "campaigns",
}


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """group, topic: its topic; topic is "" where the subject says the same. page: where to go; "" for nowhere."""

    code: str
    state: str
    group: str
    topic: str
    subject: str
    sentence: str
    commands: list[str]
    page: str


@door(see=ADMINS, do=ADMINS)
def show_health(request: DeskRequest) -> HttpResponse:
    """POST has the worker look again."""
    organization, now = request.organization, dbclock.asked()
    if request.method == "POST":
        return remote_checks.ask(request, "health", organization.pk, address(organization, "health"))
    report = reports.kept(organization)
    shown = [*_live(organization), *_stored(organization, report)] if report else []
    good = sorted((each for each in shown if each.state == "good"), key=lambda each: each.group)
    facts = {
        "report": report,
        "is_altered": report is None and reports.is_altered(organization),
        "red": [each for each in shown if each.state == "red"],
        "amber": [each for each in shown if each.state == "amber"],
        "good": [(topic, list(rows)) for topic, rows in groupby(good, lambda each: each.group)],
        "good_count": len(good),
        "is_old": bool(report and report.at and not now - OLD < report.at <= now),
        "mailed": reports.mailed(organization),
    }
    return render(request, "web/health.html", facts)


def _live(organization: Organization) -> list[ShownFinding]:
    """What no worker may open: key shares; where organizations share the server, of this one's strict key alone."""
    shares_of_it = partial(recovery.strict_shares, organization, dbclock.asked())
    is_shared = Organization.objects.exclude(pk=organization.pk).exists()
    findings = found_by([shares_of_it if is_shared else key_shares])
    return [_shown(organization, finding.code, finding.state, finding.wording()) for finding in findings]


def _stored(organization: Organization, report: InstallationReport) -> list[ShownFinding]:
    return [_shown(organization, row.code, row.state, _wording(row)) for row in report.findings]


def _wording(row: StoredFinding) -> Wording:
    """In the language of the page, if it was known when the worker looked."""
    return row.wordings.get(get_language() or "en") or row.wordings["en"]


def _shown(organization: Organization, code: str, state: str, wording: Wording) -> ShownFinding:
    topic = code.partition(".")[0]
    group = str(TOPICS[topic])
    name = PAGES.get(code) or PAGES.get(topic, "")
    page = address(organization, name) if name and state != "good" else ""
    return ShownFinding(
        code,
        state,
        group,
        "" if group.lower() == wording.subject.lower() else group,
        wording.subject,
        wording.sentence,
        wording.commands,
        page,
    )
