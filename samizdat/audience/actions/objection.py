"""A reader wants no mail, from no list: an objection (GDPR, article 21(2) and (3)). It is absolute and needs no reason.

A colleague writes it down for them. Where they said no such thing, admins take it back within a week, two of them or
one after a day (accounts/pending_changes.py): a stolen session would end the list for good otherwise, or by lifting it
mail who does not want any.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from samizdat.accounts import pending_changes
from samizdat.accounts.models import Organization, Person
from samizdat.audience import consent_writer, removal_limit, suppression_log
from samizdat.audience.actions.suppressions import keep_suppression, suppress
from samizdat.audience.consent_writer import ConsentFactRow
from samizdat.audience.errors import AudienceError, TooManyRecords
from samizdat.audience.models import Subscriber, Suppression
from samizdat.core import consent
from samizdat.core.mail import address as addresses
from samizdat.events import queries as events
from samizdat.events.actions import record
from samizdat.vault import keyring

CHANGE = "objection"
LIFTED_WITHIN = timedelta(days=7)


def object_to_mail(
    organization: Organization,
    *,
    subscriber: Subscriber | None = None,
    address: str | None = None,
    reason: str = "",
    now: datetime,
    by: Person | None = None,
) -> bool:
    """Nothing is written to them any more, for any purpose; only their own confirmation takes it back.

    A record for each purpose, and a suppression that outlives their row. `reason`: their words, sealed. False when they
    had objected already, by their records; then it is recorded once more (once a day). An address that is nobody's is
    suppressed all the same. Errors: BadAddress, NoSuchSubscriber, TooManyRemovals.
    """
    keys = keyring.keys(organization)
    with removal_limit.limited(organization, now=now, by=by):
        if subscriber is not None:
            row: Subscriber | None = consent_writer.lock(subscriber)
        else:
            assert address is not None
            row = consent_writer.find(organization, keys, addresses.normalize(address), lock=True)
        if row is None:
            return suppress(organization, "objected", address=address, now=now, by=by)
        text = consent_writer.address_of(keys, row)
        blinds = keys.blinds(addresses.comparable(text))
        known = consent_writer.genuine(row)
        had_objected = known.has_objected()
        if not had_objected:
            removal_limit.check(organization, [row.id], now=now, by=by)
        logged = suppression_log.logged_today(organization, now, blinds)
        if not _objections(row).exists() or "objected" not in {why for _, why in logged}:
            keep_suppression(organization, keys, text, "objected", now)
        words = {consent.REASON: reason.strip()} if reason.strip() else {}
        facts = [ConsentFactRow("objected", "desk", None, words, purpose) for purpose in consent.PURPOSES]
        consent_writer.write(row, facts, now, known=known)
        if not had_objected:  # Or a colleague would make an old one theirs, and lift it (is_liftable).
            record("subscriber.objected", organization, about=row.id, by=by, now=now)
    return not had_objected


def is_liftable(subscriber: Subscriber, now: datetime) -> bool:
    """Whether a colleague wrote it down within a week, as the log says, and it stands."""
    event = events.about(subscriber.organization, "subscriber.objected", subscriber.id)
    is_new = event is not None and event.by_id is not None and now < event.at + LIFTED_WITHIN
    return is_new and _objections(subscriber).exists()


def ask_to_lift(subscriber: Subscriber, *, now: datetime, by: Person | None) -> bool:
    """Whether it is lifted at once; else it waits for another admin, or a day. Errors: AudienceError."""
    if not is_liftable(subscriber, now):
        raise _too_late()
    if pending_changes.held(subscriber.organization, by):
        pending_changes.ask(subscriber.organization, CHANGE, None, about=subscriber.id, now=now, by=by)
        return False
    lift_objection(subscriber, now=now, by=by)
    return True


def lift_objection(subscriber: Subscriber, *, now: datetime, by: Person | None) -> None:
    """What stood before stands again. Errors: AudienceError, NoSuchSubscriber."""
    with transaction.atomic():
        row = consent_writer.lock(subscriber)
        if not is_liftable(row, now):
            raise _too_late()
        if consent_writer.is_full(row):
            raise TooManyRecords
        keys = keyring.keys(row.organization)
        entries = suppression_log.of_address(row.organization, keys, consent_writer.address_of(keys, row))
        objections = entries.filter(reason__in=suppression_log.with_roots(["objected"]))
        suppression_log.delete(row.organization, objections, now)
        facts = [ConsentFactRow("undone", "desk", None, purpose=purpose) for purpose in consent.PURPOSES]
        consent_writer.write(row, facts, now)
        record("subscriber.unsuppressed", row.organization, about=row.id, by=by, now=now, detail={"reason": "objected"})


def _too_late() -> AudienceError:
    return AudienceError(_("An objection that a teammate recorded can be withdrawn only within a week."))


def _objections(subscriber: Subscriber) -> QuerySet[Suppression]:
    blinds = consent_writer.blinds_of(keyring.keys(subscriber.organization), subscriber)
    rows = Suppression.objects.filter(organization=subscriber.organization_id, email_index__in=blinds)
    return rows.filter(reason="objected")
