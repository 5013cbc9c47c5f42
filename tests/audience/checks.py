"""What must hold over all rows, recomputed from the facts."""

from collections import Counter
from datetime import datetime
from typing import Any

from samizdat.audience import consent_records, consent_writer, headcount
from samizdat.audience import sql as audience_sql
from samizdat.audience.models import ListTotal, Subscriber, SubscriberTag, Subscription, TagTotal
from samizdat.core import consent
from samizdat.vault import keyring


def assert_projections_hold(organization: Any, now: datetime) -> None:
    """Every subscription says what consent.may says of its records; every total is the count of its rows."""
    keys = keyring.keys(organization)
    for subscriber in Subscriber.objects.filter(organization=organization):
        known = consent_records.records(record for _, record in audience_sql.consent_of([subscriber.id]))
        reason = consent_writer.suppressed(organization.id, consent_writer.blinds_of(keys, subscriber))
        for row in Subscription.objects.filter(subscriber=subscriber):
            own = consent.may(known, row.list_id, "newsletter", now)
            asked = consent.may(known, row.list_id, "newsletter", now, suppressed=reason)
            assert consent.STATUSES[row.status] == consent.status(own), subscriber.number
            assert row.mail_verdict == consent.code(asked), subscriber.number
            if own.record:
                assert row.since == own.record.day, subscriber.number
    rows = Subscription.objects.filter(list__organization=organization)
    assert headcount.of(organization.id) == Subscriber.objects.filter(organization=organization).count()
    totals = {(row.list_id, row.status): row.count for row in ListTotal.objects.all() if row.count}
    assert totals == Counter(rows.values_list("list_id", "status"))
    tags = {(row.list_id, row.tag_id, row.status): row.count for row in TagTotal.objects.all() if row.count}
    carried = Counter(SubscriberTag.objects.values_list("subscriber_id", "tag_id"))
    counted: Counter[Any] = Counter()
    for subscriber, list_id, status in rows.values_list("subscriber_id", "list_id", "status"):
        counted.update((list_id, tag, status) for who, tag in carried if who == subscriber)
    assert tags == counted
