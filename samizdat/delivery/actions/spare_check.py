"""Whether spare domains are still ready: their records are looked up again each day, since on the day when one is
needed there is no time to wait for DNS."""

from collections.abc import Iterator
from datetime import datetime

from samizdat.accounts.models import Organization
from samizdat.core.mail.spf import Ask
from samizdat.delivery import sealed_domains, sending_gate
from samizdat.delivery.models import SendingDomain
from samizdat.delivery.sending_gate import SenderVerdict
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.events.queries import last_about

UNREADY: EventKind = "domain.spare_unready"
READY: EventKind = "domain.spare_ready"


def spares(organization: Organization) -> Iterator[SendingDomain]:
    rows = SendingDomain.objects.select_related("organization").filter(organization=organization)
    return filter(sealed_domains.is_spare, rows.order_by("name"))


def organizations(_now: datetime) -> set[int]:
    """Numbers of those that may keep one: asked often, so nothing is opened for it."""
    return {*SendingDomain.objects.values_list("organization", flat=True).distinct()}


def look(number: int, now: datetime) -> None:
    """Writes down which spare domains of an organization are ready, where that has changed. Takes seconds for each."""
    organization = Organization.objects.get(pk=number)
    for row in spares(organization):
        ready, is_missed = is_ready(row), unready_since(row) is not None
        if ready is not None and ready == is_missed:
            record(READY if ready else UNREADY, organization, now=now, about=row.pk, detail={"domain": row.name})


def is_ready(row: SendingDomain, ask: Ask | None = None) -> bool | None:
    """Whether a campaign could be sent from it now; None where name servers don't say. ask: of sender_domain_check;
    with the same one `missing` asks nobody again."""
    if not sending_gate.applies(row.organization, row.name) or sending_gate.allowed_reason(row.organization, row.name):
        return True
    severities = {finding.severity for finding in sending_gate.findings(_verdicts(row, ask))}
    if "stop" in severities:
        return False
    return None if "unknown" in severities else True


def missing(row: SendingDomain, ask: Ask | None = None) -> list[str]:
    """What has to be published, a sentence each."""
    return sending_gate.stops(_verdicts(row, ask))


def _verdicts(row: SendingDomain, ask: Ask | None) -> list[SenderVerdict]:
    """Of any sender there, as all would be once it is in use."""
    settings = sending_gate.settings_for(row.organization, row.name)
    return sending_gate.verdicts(row.organization, settings, f"news@{row.name}", ask)


def unready_since(row: SendingDomain) -> Event | None:
    """The event by which its records were missed; None where the last look missed none."""
    last = last_about(row.organization, (UNREADY, READY), row.pk)
    return last if last is not None and last.kind == UNREADY else None


def unready(organization: Organization) -> list[tuple[SendingDomain, Event]]:
    """Spare domains that were not ready at the last look."""
    return [(row, event) for row in spares(organization) if (event := unready_since(row)) is not None]
