"""She wants no mail, from no list: an objection (GDPR, article 21(2) and (3)). It is absolute and needs no reason."""

from datetime import UTC, datetime

from samizdat.accounts.models import Organization, Person
from samizdat.audience import consent_writer, removal_limit
from samizdat.audience.actions.suppressions import keep_suppression, suppress
from samizdat.audience.consent_writer import ConsentFactRow
from samizdat.audience.models import Subscriber, Suppression
from samizdat.core import consent
from samizdat.core.mail import address as addresses
from samizdat.events.actions import record
from samizdat.vault import keyring


def object_to_mail(
    organization: Organization,
    *,
    subscriber: Subscriber | None = None,
    address: str | None = None,
    reason: str = "",
    now: datetime,
    by: Person | None = None,
) -> bool:
    """Nothing is written to her any more, for any purpose; only her own confirmation takes it back.

    A record for each purpose, and a suppression that outlives her row. `reason`: her words, sealed. False when she had
    objected already. An address that is nobody's is suppressed all the same. Errors: BadAddress, NoSuchSubscriber,
    TooManyRemovals.
    """
    keys = keyring.keys(organization)
    with removal_limit.told(organization, now=now, by=by):
        if subscriber is not None:
            row: Subscriber | None = consent_writer.lock(subscriber)
        else:
            assert address is not None
            row = consent_writer.find(organization, keys, addresses.normalize(address), lock=True)
        if row is None:
            return suppress(organization, "objected", address=address, now=now, by=by)
        blinds = keys.blinds(addresses.comparable(consent_writer.address_of(keys, row)))
        known = Suppression.objects.filter(organization=organization, email_index__in=blinds, reason="objected")
        if known.exists():
            return False
        removal_limit.check(organization, [row.id], now=now, by=by)
        keep_suppression(organization, keys, blinds[0], "objected", now.astimezone(UTC).date())
        words = {consent.REASON: reason.strip()} if reason.strip() else {}
        facts = [ConsentFactRow("objected", "desk", None, words, purpose) for purpose in consent.PURPOSES]
        consent_writer.write(row, facts, now)
        record("subscriber.objected", organization, about=row.id, by=by, now=now)
    return True
