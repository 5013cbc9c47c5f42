"""The stop list."""

from dataclasses import dataclass
from datetime import date

from django.db.models import Count

from samizdat.accounts.models import Organization
from samizdat.audience import consent_records, consent_writer, sql, suppression_log
from samizdat.audience.models import NUMBER_MASK, SUPPRESSION_REASONS, Suppression
from samizdat.core.mail import address as addresses
from samizdat.vault import keyring


def suppression_of(organization: Organization, address: str) -> str | None:
    """The foremost reason for which an address is suppressed, whoever has it, or the mailbox that it most likely leads
    to: ada+news@ where ada@ said no, and the other way round. Errors: BadAddress."""
    keys, normalized = keyring.keys(organization), addresses.normalize(address)
    spelled = {addresses.comparable(normalized), addresses.root(normalized)}
    indexes = [blind for text in sorted(spelled) for blind in keys.blinds(text)]
    indexes += suppression_log.root_indexes(keys, normalized)
    rows = Suppression.objects.filter(organization=organization, email_index__in=indexes)
    reasons = rows.values_list("reason", flat=True)
    return consent_records.foremost(reason.removeprefix(suppression_log.ROOT) for reason in reasons)


@dataclass(frozen=True, slots=True)
class SuppressionRow:
    """A line of the stop list: the address itself is not known, only whether a subscriber has it."""

    id: int
    reason: str
    day: date
    number: int | None


def stopped_by_reason(organization: Organization) -> dict[str, int]:
    """How many addresses are on the stop list, by reason; one may have several."""
    rows = Suppression.objects.filter(organization=organization).values("reason").annotate(many=Count("id"))
    counts = {row["reason"]: row["many"] for row in rows}
    return {reason: counts[reason] for reason in SUPPRESSION_REASONS if reason in counts}


def stopped(
    organization: Organization, reason: str = "", before: int | None = None, limit: int = 50
) -> list[SuppressionRow]:
    """The newest lines; `before` pages on by their number."""
    rows = Suppression.objects.filter(organization=organization).order_by("-id")
    rows = rows.filter(reason__in=[reason] if reason else SUPPRESSION_REASONS)
    if before is not None:
        rows = rows.filter(id__lt=before)
    suppressions = list(rows[:limit])
    here = sql.subscribers_by_blind(organization.id, [bytes(row.email_index) for row in suppressions])
    known = consent_writer.blinds_among(organization, keyring.keys(organization), [row[1] for row in here])
    whose = {blind: id & NUMBER_MASK for id, _index, blinds in known for blind in blinds}
    return [SuppressionRow(row.id, row.reason, row.day, whose.get(bytes(row.email_index))) for row in suppressions]


def reasons_of(organization: Organization, address: str) -> list[str]:
    """All reasons for which an address is on the stop list. Errors: BadAddress."""
    blinds = keyring.keys(organization).blinds(addresses.comparable(addresses.normalize(address)))
    rows = Suppression.objects.filter(organization=organization, email_index__in=blinds)
    reasons = set(rows.values_list("reason", flat=True))
    return [reason for reason in SUPPRESSION_REASONS if reason in reasons]
