"""What the worker found when it last looked, kept for the page Health of each organization, and what its admins are
mailed of it: what became serious, once, and once that it is over."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy, override
from msgspec import Struct

from samizdat.accounts.models import Organization
from samizdat.core.crypto.seal import KeyMissing, SealBroken
from samizdat.delivery.models import HealthReport
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.events.models import FollowUp
from samizdat.events.queries import last
from samizdat.health import installation
from samizdat.health.everything import LOOKS, key_shares
from samizdat.health.findings import Finding, Wording
from samizdat.health.looks import FAILED, found_by
from samizdat.vault import keyring
from samizdat.vault.errors import RecordBroken
from samizdat.vault.locks import unlocked

SERIOUS: EventKind = "installation.serious_problems"
OVER: EventKind = "installation.problems_over"
# What takes long, or looks at every row, has a step of the worker for itself, which records what it finds. A worker may
# not open what is remembered of key shares: the page looks at them itself.
LEFT_OUT = frozenset((installation.indexes, key_shares))
# Admins are mailed these in other words, or are shown them where they set up the organization.
TOLD_ELSEWHERE = frozenset(
    (
        "backup.place-fails",
        "backup.place-late",
        "backup.test-failed",
        "copy.refused",
        "pages.no-address",
        "sending.provider-refuses",
    )
)
# How urgent a finding is; the worst first.
STATES = ("red", "amber", "good")
# The page asks for a new look once it is that old.
OLD = timedelta(hours=3)

_looking = threading.Lock()


class StoredFinding(Struct, frozen=True):
    """wordings: by language."""

    code: str
    state: str
    wordings: dict[str, Wording]


class InstallationReport(Struct, frozen=True, omit_defaults=True):
    """serious: codes and subjects of red findings that admins know of. alarms: how many times they were told."""

    at: datetime | None = None
    findings: list[StoredFinding] = []
    serious: list[tuple[str, str]] = []
    alarms: int = 0

    def count(self, state: str) -> int:
        return sum(finding.state == state for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Mailed:
    """The last alarm: when it was raised, to how many admins it was mailed, and when to the last of them."""

    raised: datetime
    admins: int
    at: datetime | None


def look(now: datetime) -> None:
    """At everything but what takes long, for all organizations that are unlocked. Takes seconds: other people's servers
    are asked."""
    with _looking:
        findings = list(found_by(each for each in LOOKS if each not in LEFT_OUT))
        organizations = list(Organization.objects.filter(unlocked()).order_by("pk"))
        is_alone = Organization.objects.count() == 1
        for organization in organizations:
            keep(organization, _of(organization, findings, is_alone), now)


def due(now: datetime, every: timedelta) -> bool:
    """Whether an organization that is unlocked has no report that is so young. One of a clock that ran ahead is old."""
    young = HealthReport.objects.filter(at__gt=now - every, at__lte=now)
    return Organization.objects.filter(unlocked()).exclude(pk__in=young.values("organization")).exists()


def kept(organization: Organization) -> InstallationReport | None:
    """The last report; None where there is none, or somebody without keys wrote it."""
    try:
        return _opened(organization)
    except (RecordBroken, SealBroken, KeyMissing):
        return None


def is_altered(organization: Organization) -> bool:
    """Whether there is a report that somebody without keys wrote or changed."""
    try:
        _opened(organization)
    except (RecordBroken, SealBroken, KeyMissing):
        return True
    return False


def _opened(organization: Organization) -> InstallationReport | None:
    """Errors: RecordBroken, SealBroken, KeyMissing."""
    row = HealthReport.objects.filter(organization=organization).first()
    if row is None:
        return None
    if not row.sealed:
        raise RecordBroken("The health report is empty, as none is that we write. Check again.")
    keys = keyring.keys(organization)
    return keys.open_json(row.sealed, "healthreport", "sealed", organization.pk, InstallationReport)


def keep(organization: Organization, findings: Sequence[Finding], now: datetime) -> InstallationReport:
    """Records what became serious since the last report, and what is serious no more."""
    with transaction.atomic():
        list(HealthReport.objects.select_for_update().filter(organization=organization))
        before = kept(organization) or InstallationReport()
        red = {_mark(each) for each in findings if each.state == "red" and each.code not in TOLD_ELSEWHERE}
        known = {(code, subject) for code, subject in before.serious}
        new, over = red - known, known - red
        if any(each.code == FAILED for each in findings):
            over = set()  # Nobody looked, perhaps.
        alarms = before.alarms
        for kind, marks in ((SERIOUS, new), (OVER, over)):
            if marks:
                alarms += 1
                detail = {"topics": sorted({code.partition(".")[0] for code, _subject in marks}), "count": len(marks)}
                record(kind, organization, now=now, about=alarms, detail=detail)
        report = InstallationReport(now, [_stored(each) for each in findings], sorted((known - over) | new), alarms)
        sealed = keyring.keys(organization).seal_json(report, "healthreport", "sealed", organization.pk)
        HealthReport.objects.update_or_create(organization=organization, defaults={"at": now, "sealed": sealed})
    return report


def mailed(organization: Organization) -> Mailed | None:
    """None where there was no alarm yet."""
    event = last(organization, SERIOUS)
    if event is None:
        return None
    mails = FollowUp.objects.filter(event=event, name__startswith="mail to ").order_by("at")
    times = list(mails.values_list("at", flat=True))
    return Mailed(event.at, len(times), times[-1] if times else None)


def _mark(finding: Finding) -> tuple[str, str]:
    return finding.code, finding.subject


def _stored(finding: Finding) -> StoredFinding:
    wordings = {}
    for language, _name in settings.LANGUAGES:
        with override(language):
            wordings[language] = finding.wording()
    return StoredFinding(finding.code, finding.state, wordings)


def _of(organization: Organization, findings: Sequence[Finding], is_alone: bool) -> list[Finding]:
    """What its admins are told. Where several organizations share a server, what is found of the server itself is for
    whoever runs it: they are told how much there is."""
    own = [each for each in findings if each.organization == organization.pk]
    shared = [each for each in findings if each.organization is None]
    if is_alone:
        return [*shared, *own]
    return [_summed(shared), *own]


def _summed(shared: Sequence[Finding]) -> Finding:
    reds = sum(each.state == "red" for each in shared)
    ambers = sum(each.state == "amber" for each in shared)
    values = {"reds": reds, "ambers": ambers, "command": "samizdat doctor"}
    about = _("server")
    if not reds and not ambers:
        return Finding("server.well", "good", about, _("Nothing is wrong with the server that you share."))
    sentence: Promise = ngettext_lazy(
        "%(reds)s problem of the server that you share has to be fixed now, warnings: %(ambers)s. The "
        "server’s admin sees them with %(command)s.",
        "%(reds)s problems of the server that you share have to be fixed now, warnings: %(ambers)s. The "
        "server’s admin sees them with %(command)s.",
        reds,
    )
    if not reds:
        sentence = _(
            "Warnings about the server that you share: %(ambers)s. The server’s admin sees them with %(command)s."
        )
    return Finding("server.trouble", "red" if reds else "amber", about, sentence, values)
