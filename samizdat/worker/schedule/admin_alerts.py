"""Mails to the admins about what may not be overlooked: a file of readers that anybody can open, or that is sealed to
a new key, a change that waits for approval, a route that was paused or removed, subscribers read one after the other
(threat model, T19), many tests to other people's addresses, a mailbox provider that refuses a campaign, one that says
of too many subscribers that they have no mailbox, copies to seed mailboxes that are in spam or did not arrive, and
serious problems that the page Health shows.

The desk says it on everybody's first page, and has another admin agree; but who does not come to the desk for a week
does not see that. The mail says only that there was such an export: what is in it, why, and who it was stand at the
desk. So do the provider's words, and its name where it is a small one, for that points at people.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from samizdat.accounts import memberships, pending_changes, sealed_people
from samizdat.accounts.locking import LOCKED
from samizdat.accounts.models import Organization, PendingChange, Person
from samizdat.accounts.pending_changes import ASKED
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import read_limits, removal_limit, value_limit
from samizdat.audience.actions import signup_alarm
from samizdat.backup.kept_places import ADDED as PLACE_ADDED
from samizdat.backup.kept_places import REMOVED as PLACE_REMOVED
from samizdat.backup.restore_test.records import FAILED as BACKUP_FAILED
from samizdat.campaigns.models import large_of_edition
from samizdat.core.mail.address import PROVIDERS
from samizdat.core.mail.outcome import Accepted, Deferred, Outcome
from samizdat.core.mail.refusals import NAMES
from samizdat.delivery import service_senders
from samizdat.delivery.actions import key_destruction, key_locks, outside_tests
from samizdat.delivery.actions.key_service import UNREACHABLE
from samizdat.delivery.complaint_stop import STOPPED
from samizdat.delivery.models import ProviderRefusal, Route
from samizdat.delivery.queries import HELD_BOUNCES
from samizdat.events.actions import detail_of, readable_time
from samizdat.events.models import Event, FollowUp
from samizdat.health.reports import OVER, SERIOUS
from samizdat.health.topics import TOPICS
from samizdat.incoming import complaints
from samizdat.incoming.seeds.copies import NOT_ARRIVING
from samizdat.portability import approval
from samizdat.portability.account_copies.copying import REFUSED as ACCOUNT_REFUSED
from samizdat.portability.models import Export
from samizdat.portability.permits import EXPORTED
from samizdat.portability.webhooks.actions import DISABLED as WEBHOOK_DISABLED
from samizdat.vault.locks import unlocked
from samizdat.worker.mail import service_mail
from samizdat.worker.schedule.backups import LATE as BACKUPS_LATE

# What could not be mailed by then stands at the desk alone; a change that waits does so until somebody was told.
GIVE_UP = timedelta(days=1)
# Also by routes that carry no campaign now: whoever asks with a stolen session would have paused them before.
STATES = ("live", "throttled", "paused")
# By these an admin can keep such mails from the others, too.
ROUTES = ("route.paused", "route.removed")
# Seconds until what no route took is tried again.
WAIT = 60.0
# And what the server of a mailbox put off, or refused.
FULL, REFUSED = 600.0, 3 * 3600.0
# Kind and number of a row -> when it is looked at again; never again where everybody was told. With the number of an
# admin behind it: when their mailbox is tried again.
_later: dict[tuple[str | int, ...], float] = {}


def take(now: datetime, organization: int | None = None) -> int:
    """Mails to the admins what they were not mailed yet, of all organizations or of one; how many mails went out."""
    return sum(_tell(alert, now) for alert in _due(now) if organization in (None, alert.organization.pk))


def waiting(now: datetime) -> set[int]:
    """Organizations whose admins are to be mailed something."""
    return {alert.organization.pk for alert in _due(now)}


def _due(now: datetime) -> list["_AdminAlert"]:
    since = now - GIVE_UP
    events = Event.objects.select_related("organization").filter(unlocked("organization__"))
    rows = Export.objects.select_related("organization", "by").filter(unlocked("organization__"))
    rows = rows.filter(Q(created__gt=since) | Q(state="held"))
    exports = rows.filter(Q(plain=True) | Q(state="held") | Q(released_at__isnull=False))
    waiting = PendingChange.objects.select_related("organization", "by").filter(unlocked("organization__"))
    asked = waiting.filter(Q(created__gt=since) | Q(state="waiting"))
    alarms = events.filter(kind=read_limits.ALARM, at__gt=since)
    locks = events.filter(kind=LOCKED, at__gt=since)
    turned = events.filter(kind__in=ROUTES, at__gt=since, by__isnull=False)
    refused = ProviderRefusal.objects.select_related("edition__organization").filter(since__gt=since, lifted=None)
    refused = refused.filter(unlocked("edition__organization__")).defer(*large_of_edition("edition__"))
    alerts = [_told_of_export(row) for row in exports if _is_due(_of(row))]
    alerts += [_told_of_refusal(row) for row in refused if _is_due(_of(row))]
    alerts += [_told_of_change(row) for row in asked if _is_due(_of(row))]
    alerts += [_told_of_reading(event) for event in alarms if _is_due(_of(event))]
    tests = events.filter(kind=outside_tests.ALARM, at__gt=since)
    alerts += [_told_of_tests(event) for event in tests if _is_due(_of(event))]
    removals = events.filter(kind=removal_limit.ALARM, at__gt=since)
    alerts += [_told_of_removals(event) for event in removals if _is_due(_of(event))]
    values = events.filter(kind=value_limit.ALARM, at__gt=since)
    alerts += [_told_of_values(event) for event in values if _is_due(_of(event))]
    crowds = events.filter(kind=signup_alarm.ALARM, at__gt=since)
    alerts += [_told_of_signups(event) for event in crowds if _is_due(_of(event))]
    bounced = events.filter(kind=HELD_BOUNCES, at__gt=since)
    alerts += [_told_of_bounces(event) for event in bounced if _is_due(_of(event))]
    lost = events.filter(kind=NOT_ARRIVING, at__gt=since)
    alerts += [_told_of_lost_copies(event) for event in lost if _is_due(_of(event))]
    spam = events.filter(kind__in=(complaints.ALARM, STOPPED), at__gt=since)
    alerts += [_told_of_complaints(event) for event in spam if _is_due(_of(event))]
    alerts += [_told_of_lock(event) for event in locks if _is_due(_of(event))]
    kinds = (key_locks.LOCKED, key_locks.UNLOCKED, key_locks.CODES_CREATED, UNREACHABLE)
    of_keys = events.filter(kind__in=kinds, at__gt=since)
    steps = events.filter(kind__in=_DESTRUCTION, at__gt=since)
    of_health = events.filter(kind__in=(SERIOUS, OVER), at__gt=since)
    alerts += [_told_of_health(event) for event in of_health if _is_due(_of(event))]
    of_backups = events.filter(kind__in=(BACKUPS_LATE, BACKUP_FAILED, PLACE_ADDED, PLACE_REMOVED), at__gt=since)
    alerts += [_told_of_backups(event) for event in of_backups if _is_due(_of(event))]
    elsewhere = events.filter(kind=ACCOUNT_REFUSED, at__gt=since)
    alerts += [_told_of_account(event) for event in elsewhere if _is_due(_of(event))]
    deaf = events.filter(kind=WEBHOOK_DISABLED, at__gt=since)
    alerts += [_told_of_webhook(event) for event in deaf if _is_due(_of(event))]
    alerts += [_told_of_destruction(event) for event in steps if _is_due(_of(event))]
    alerts += [_told_of_keys(event) for event in of_keys if _is_due(_of(event))]
    alerts += [_told_of_route(event) for event in turned if _is_due(_of(event))]
    return alerts


class _AdminAlert(NamedTuple):
    """What the admins of an organization are told. subject and text: made in the language of each."""

    mark: tuple[str, int]
    organization: Any
    kind: str  # Of its event.
    about: int | None  # As its event has it.
    subject: Callable[[], str]
    text: Callable[[], str]
    notice: Callable[[Person, datetime], None] | None = None  # Once a server accepted a mail to that admin.
    # While nobody else knows: admins whose mailboxes take none. They are tried again until one of them was told.
    refuse: Callable[[list[Person], datetime], None] | None = None
    states: tuple[str, ...] = STATES


def _of(row: Export | ProviderRefusal | PendingChange | Event) -> tuple[str, int]:
    return type(row).__name__, row.pk


def _is_due(mark: tuple[str | int, ...]) -> bool:
    return time.monotonic() >= _later.get(mark, 0.0)


def _told_of_export(row: Export) -> _AdminAlert:
    organization = row.organization
    return _AdminAlert(
        _of(row),
        organization,
        EXPORTED,
        row.pk,
        lambda: (
            (_("Unencrypted export requested: %(name)s") if row.plain else _("Encrypted export requested: %(name)s"))
            % named(organization)
        ),
        lambda: _export_text(organization, row.plain),
        lambda person, now: approval.notice(row, person, now, by_mail=True),
        (lambda refused, now: approval.refuse(row, refused, now)) if _is_news(row, "held") else None,
    )


def _told_of_change(row: PendingChange) -> _AdminAlert:
    organization = row.organization
    return _AdminAlert(
        _of(row),
        organization,
        ASKED,
        row.pk,
        lambda: (
            (
                _("Change waiting for approval: %(name)s")
                if row.state == "waiting"
                else _("Change completed or stopped: %(name)s")
            )
            % named(organization)
        ),
        lambda: _change_text(organization, row.state == "waiting"),
        lambda person, now: pending_changes.notice(row, person, now, by_mail=True),
        (lambda refused, now: pending_changes.refuse(row, refused, now)) if _is_news(row, "waiting") else None,
    )


def _is_news(row: Export | PendingChange, waits: str) -> bool:
    return row.state == waits and row.noticed is None


def _told_of_event(event: Event, subject: Callable[[], str], text: Callable[[Any], str]) -> _AdminAlert:
    """subject: in the language of who reads it, with %(name)s for the organization."""
    organization: Any = event.organization
    name = named(organization)
    return _AdminAlert(
        _of(event), organization, event.kind, event.about, lambda: subject() % name, lambda: text(organization)
    )


def _told_of_reading(event: Event) -> _AdminAlert:
    return _told_of_event(event, lambda: _("Unusually many subscribers viewed: %(name)s"), _reading_text)


def _told_of_tests(event: Event) -> _AdminAlert:
    return _told_of_event(event, lambda: _("Unusually many tests to outside addresses: %(name)s"), _tests_text)


def _told_of_removals(event: Event) -> _AdminAlert:
    return _told_of_event(event, lambda: _("Unusually many people removed from lists: %(name)s"), _removals_text)


def _told_of_values(event: Event) -> _AdminAlert:
    return _told_of_event(event, lambda: _("Many subscribers’ data changed: %(name)s"), _values_text)


def _told_of_signups(event: Event) -> _AdminAlert:
    if signup_alarm.is_about_data(event):
        return _told_of_event(event, lambda: _("Unusually many data requests: %(name)s"), _data_requests_text)
    return _told_of_event(event, lambda: _("Unusually many sign-ups: %(name)s"), _signups_text)


def _told_of_lock(event: Event) -> _AdminAlert:
    return _told_of_event(event, lambda: _("Account locked: %(name)s"), _lock_text)


def _told_of_keys(event: Event) -> _AdminAlert:
    """Of a lock as well once it is over: until then nobody has the keys of its routes."""
    if event.kind == key_locks.CODES_CREATED:
        return _told_of_event(event, lambda: _("New codes that lock the organization: %(name)s"), _codes_text)
    if event.kind == UNREACHABLE:
        return _told_of_event(event, lambda: _("The key service wasn’t reachable: %(name)s"), _unreachable_text)
    if event.kind == key_locks.LOCKED:
        by_service = Event.objects.filter(organization=event.organization, kind=key_locks.BY_SERVICE, about=event.about)
        text = _service_text if by_service.exists() else _locked_text
        return _told_of_event(event, lambda: _("The organization was locked: %(name)s"), text)
    return _told_of_event(event, lambda: _("The organization was unlocked: %(name)s"), _unlocked_text)


def _told_of_destruction(event: Event) -> _AdminAlert:
    return _told_of_event(event, lambda: _("Destroying the keys: %(name)s"), _DESTRUCTION[event.kind])


def _told_of_backups(event: Event) -> _AdminAlert:
    if event.kind == BACKUPS_LATE:
        return _told_of_event(event, lambda: _("Backups don’t work: %(name)s"), _late_text)
    if event.kind == PLACE_ADDED:
        return _told_of_event(event, lambda: _("Backup place added: %(name)s"), _place_added_text)
    if event.kind == PLACE_REMOVED:
        return _told_of_event(event, lambda: _("Backup place removed: %(name)s"), _place_removed_text)
    return _told_of_event(event, lambda: _("A backup failed its restore test: %(name)s"), _unrestored_text)


def _told_of_account(event: Event) -> _AdminAlert:
    return _told_of_event(event, lambda: _("Act now: an account of %(name)s may be closed"), _account_text)


def _told_of_webhook(event: Event) -> _AdminAlert:
    number = event.about or 0
    return _told_of_event(
        event,
        lambda: _("A webhook was switched off: %(name)s"),
        lambda organization: _webhook_text(organization, number),
    )


def _told_of_health(event: Event) -> _AdminAlert:
    topics = [str(topic) for topic in detail_of(event).get("topics", ())]
    if event.kind == SERIOUS:
        return _told_of_event(
            event,
            lambda: _("Fix this now: %(name)s"),
            lambda organization: _serious_text(organization, topics),
        )
    return _told_of_event(
        event, lambda: _("Fixed: problems of %(name)s"), lambda organization: _over_text(organization, topics)
    )


def _told_of_route(event: Event) -> _AdminAlert:
    return _told_of_event(event, lambda: _("Route paused or removed: %(name)s"), _route_text)


def _told_of_bounces(event: Event) -> _AdminAlert:
    number = event.about or 0
    return _told_of_event(
        event,
        lambda: _("Unusually many nonexistent mailboxes: %(name)s"),
        lambda organization: _bounces_text(organization, number),
    )


def _told_of_lost_copies(event: Event) -> _AdminAlert:
    number, detail = event.about or 0, detail_of(event)
    return _told_of_event(
        event,
        lambda: _("Emails may not arrive: %(name)s"),
        lambda organization: _lost_copies_text(organization, number, detail),
    )


def _told_of_complaints(event: Event) -> _AdminAlert:
    number, is_stopped = event.about or 0, event.kind == STOPPED
    return _told_of_event(
        event,
        lambda: _("Many spam reports: %(name)s"),
        lambda organization: _complaints_text(organization, number, is_stopped),
    )


def _told_of_refusal(row: ProviderRefusal) -> _AdminAlert:
    organization, campaign = row.edition.organization, row.edition.campaign_id
    return _AdminAlert(
        _of(row),
        organization,
        "campaign.provider_blocks",
        campaign,
        lambda: _("A mailbox provider is rejecting your emails: %(name)s") % named(organization),
        lambda: _refusal_text(organization, campaign, NAMES.get(PROVIDERS[row.provider], "")),
        states=("live",),
    )


def _tell(alert: _AdminAlert, now: datetime) -> int:
    event = (
        Event.objects.filter(organization=alert.organization, kind=alert.kind, about=alert.about).order_by("pk").last()
    )
    members = memberships.valid(organization=alert.organization, role="admin", person__is_active=True)
    known = set(FollowUp.objects.filter(event=event).values_list("name", flat=True))
    waiting = [member.person for member in members if mark_of(member.person) not in known]
    _later[alert.mark] = time.monotonic() + WAIT if waiting else float("inf")
    sender, leads_out = service_senders.own_sender(alert.organization), service_mail.leads_out(alert.organization)
    if event is None or sender is None:
        return 0
    mailed, refused = 0, []
    for person in waiting:
        if not _is_due((*alert.mark, person.pk)):
            refused.append(person)
            continue
        outcome = _mail(alert, sender, person, now, not leads_out, message_mark(event, person))
        if isinstance(outcome, Deferred) and outcome.scope in service_mail.NOT_THE_RECIPIENT:
            break
        if isinstance(outcome, Deferred) or (alert.refuse and not isinstance(outcome, Accepted)):
            refused.append(person)
            _later[*alert.mark, person.pk] = time.monotonic() + (FULL if isinstance(outcome, Deferred) else REFUSED)
            continue  # A mailbox that is full keeps no other admin from being told.
        if alert.notice and leads_out and isinstance(outcome, Accepted):
            alert.notice(person, now)
        at = readable_time(alert.kind, now)
        FollowUp.objects.get_or_create(event=event, name=mark_of(person), defaults={"at": at})
        mailed += 1
    if alert.refuse and leads_out:
        alert.refuse(refused, now)
    return mailed


def mark_of(person: Person) -> str:
    return f"mail to {person.pk}"


def message_mark(event: Event, person: Person) -> str:
    """Of the Message-ID: killed once a server took it, the same mail goes again, and mailboxes show it once."""
    return hashlib.sha256(bytes(event.digest) + str(person.pk).encode()).hexdigest()[:32]


def _mail(
    alert: _AdminAlert, sender: tuple[str, str], person: Person, now: datetime, local: bool, mark: str
) -> Outcome:
    organization, to = alert.organization, sealed_people.email_of(person)
    with override(person.language or leading(organization).language):
        subject, text = alert.subject(), alert.text()
    return service_mail.send(organization, sender, to, subject, text, now, alert.states, local, mark)


def named(organization: Organization) -> dict[str, str]:
    """Nobody knows the name while the copy of the settings is gone, of which such a mail may tell."""
    return {"name": leading(organization).name or _("your organization")}


def where(organization: Organization, page: str, *numbers: int) -> list[str]:
    """The address of a page of the app, where the organization has told which one it is."""
    desk = leading(organization).desk_url.rstrip("/")
    return [desk + reverse(page, args=[organization.slug, *numbers])] if desk else []


def _export_text(organization: Organization, plain: bool) -> str:
    first = (
        _("Someone requested an unencrypted file with the subscribers of %(name)s. Anyone with the file can read it.")
        if plain
        else _(
            "Someone requested a file with the subscribers of %(name)s, encrypted with a passphrase or to a key that "
            "hasn’t been approved yet."
        )
    )
    paragraphs = [
        first % named(organization),
        _(
            "To see who requested it, when and why, open Exports in Samizdat. You can stop it there until the file "
            "is created."
        ),
        *where(organization, "exports"),
        _("If none of you asked for it, change the passwords of everyone who can export."),
    ]
    return "\n\n".join(paragraphs) + "\n"


def _change_text(organization: Organization, waits: bool) -> str:
    paragraphs = [
        _("A team member of %(name)s requested a change that could be abused with one stolen password.")
        % named(organization),
        _("To see the change and who requested it, open Team in Samizdat. Any admin can stop it there.")
        if waits
        else _("To see the change and who requested it, open Team in Samizdat."),
        *where(organization, "pending-changes"),
        _("If no one approves or stops it, it takes effect after a day. If it was requested from your account but "
          "not by you, stop it and change your password.")
        if waits
        else _("It’s no longer pending; the result is shown there. If it was requested from your account but not "
               "by you, change your password and tell the other admins."),
    ]  # fmt: skip
    return "\n\n".join(paragraphs) + "\n"


def _reading_text(organization: Organization) -> str:
    what = _(
        "A team member of %(name)s opened more subscribers in a short time than anyone could read. They can’t "
        "open more for now."
    )
    return _limit_text(organization, what)


def _tests_text(organization: Organization) -> str:
    what = _(
        "A team member of %(name)s tried to send more test emails to outside addresses than the daily limit "
        "allows. No more are sent for now."
    )
    return _limit_text(organization, what)


def _removals_text(organization: Organization) -> str:
    what = _(
        "A team member of %(name)s tried to remove more people from lists than your team can in a day without "
        "approval. No more are removed for now."
    )
    return _limit_text(organization, what)


def _values_text(organization: Organization) -> str:
    what = _(
        "A team member of %(name)s changed the field values of more than 20 subscribers in a day. These values "
        "appear in emails, and nobody approves them."
    )
    return _limit_text(organization, what)


def _limit_text(organization: Organization, what: str) -> str:
    """Of somebody who came to a limit."""
    todo = _(
        "To see who it is, open Home in Samizdat. Ask them. If it wasn’t them, sign them out everywhere under "
        "Team, and have them change their password."
    )
    return _alarm_text(organization, what, todo, "team")


def _signups_text(organization: Organization) -> str:
    what = _(
        "Within an hour, many more addresses than usual were entered in the sign-up forms of %(name)s. Each was "
        "sent an email."
    )
    todo = _(
        "If you don’t know why, someone may be entering other people’s addresses. Check the names of your forms "
        "and lists, and unpublish the form for a few hours."
    )
    return _alarm_text(organization, what, todo, "lists")


def _data_requests_text(organization: Organization) -> str:
    what = _(
        "Within an hour, many more subscribers of %(name)s than usual asked for their data or its erasure. Each was "
        "sent an email with a link."
    )
    todo = _(
        "If you don’t know why, someone may be asking in their name, and may control the server of your public "
        "pages. Ask your server admin to check it. Without the link, nobody gets or erases anything."
    )
    return _alarm_text(organization, what, todo, "lists")


def _alarm_text(organization: Organization, what: str, todo: str, page: str) -> str:
    """What happened, what to do, and on which page."""
    return "\n\n".join([what % named(organization), todo, *where(organization, page)]) + "\n"


def _locked_text(organization: Organization) -> str:
    first = _("%(name)s was locked in an emergency: everyone was signed out, and nothing was sent.")
    return "\n\n".join([first % named(organization), *_who_it_was(organization)]) + "\n"


def destroyed(organization: Organization, person: Person) -> tuple[str, str]:
    """As `locked_by_mail`."""
    with override(person.language or leading(organization).language):
        name = named(organization)
        first = _("The keys of %(name)s were destroyed. Nobody can read its data again, and nothing is sent.")
        last = _("Delete backups and exports from before, if nobody may read those either.")
        return _("Keys destroyed: %(name)s") % name, f"{first % name}\n\n{last}\n"


def _requested_text(organization: Organization) -> str:
    first = _(
        "An admin of %(name)s requested the destruction of its keys. It happens only after a second admin has "
        "confirmed it, and after a waiting time."
    )
    return _destruction_text(organization, first)


def _confirmed_text(organization: Organization) -> str:
    first = _(
        "A second admin confirmed the destruction of the keys of %(name)s. It happens at the end of the waiting time. "
        "Until then, any admin can cancel it."
    )
    return _destruction_text(organization, first)


def _destruction_text(organization: Organization, first: str) -> str:
    last = _("If you didn’t expect this, cancel it there and change the passwords of all admins.")
    return "\n\n".join([first % named(organization), *where(organization, "destroy-keys"), last]) + "\n"


def _kept_text(organization: Organization) -> str:
    first = _("The destruction of the keys of %(name)s was cancelled. The keys stay.")
    return "\n\n".join([first % named(organization), *_who_it_was(organization)]) + "\n"


_DESTRUCTION: dict[str, Callable[[Any], str]] = {
    key_destruction.ASKED: _requested_text,
    key_destruction.CONFIRMED: _confirmed_text,
    key_destruction.CANCELLED: _kept_text,
}


def locked_by_mail(organization: Organization, person: Person) -> tuple[str, str]:
    """Subject and text for an admin, in their language."""
    with override(person.language or leading(organization).language):
        name = named(organization)
        first = _("An email with a code from paper locked %(name)s. Everyone was signed out, and nothing is sent.")
        last = _("To unlock it, sign in and enter your password, or run on the server: samizdat keys unlock")
        return _("The organization was locked: %(name)s") % name, f"{first % name}\n\n{last}\n"


def _codes_text(organization: Organization) -> str:
    first = _("New codes were created that lock %(name)s by email. Those on older paper no longer work.")
    last = _("If none of you created them, change the passwords of all admins and create new ones.")
    return "\n\n".join([first % named(organization), *_who_it_was(organization), last]) + "\n"


def _unlocked_text(organization: Organization) -> str:
    first = _("%(name)s was unlocked. Its team can sign in again, and campaigns go on.")
    last = _("If none of you unlocked it, lock it again and change the passwords of all admins.")
    return "\n\n".join([first % named(organization), *_who_it_was(organization), last]) + "\n"


def _service_text(organization: Organization) -> str:
    first = _(
        "%(name)s was locked because someone stopped the key service, removed this server there, or didn’t confirm in "
        "time. Everyone was signed out, and nothing was sent."
    )
    return "\n\n".join([first % named(organization), *_who_it_was(organization)]) + "\n"


def _unreachable_text(organization: Organization) -> str:
    first = _(
        "For a while, the server of %(name)s could reach no key service. The app and sending paused, and then "
        "continued by themselves."
    )
    return "\n\n".join([first % named(organization), *_who_it_was(organization)]) + "\n"


def _who_it_was(organization: Organization) -> list[str]:
    return [_("Activity says who it was, and when."), *where(organization, "activity")]


def _late_text(organization: Organization) -> str:
    first = _(
        "No new backup of the installation of %(name)s reaches one of its backup places. If the server is lost now, "
        "everything since the last backup is lost with it."
    )
    last = _("Ask your server admin to run: samizdat doctor. It says which place it is and what to do.")
    return "\n\n".join([first % named(organization), last]) + "\n"


def _serious_text(organization: Organization, topics: list[str]) -> str:
    first = _("Something serious is wrong with the installation of %(name)s and has to be fixed now: %(topics)s.")
    last = _(
        "Open Health in Samizdat: it says what is wrong and what to do. The same problem is not mailed again, and you "
        "get one more email once it’s fixed."
    )
    paragraphs = [first % (named(organization) | _topics(topics)), last, *where(organization, "health")]
    return "\n\n".join(paragraphs) + "\n"


def _over_text(organization: Organization, topics: list[str]) -> str:
    first = _("Problems with the installation of %(name)s that you were emailed about are fixed: %(topics)s.")
    last = _("Health in Samizdat says whether anything else is left to do.")
    paragraphs = [first % (named(organization) | _topics(topics)), last, *where(organization, "health")]
    return "\n\n".join(paragraphs) + "\n"


def _topics(topics: list[str]) -> dict[str, str]:
    """No sentence of a finding goes out: those say where keys lie and what is open."""
    return {"topics": ", ".join(str(TOPICS[topic]) for topic in topics if topic in TOPICS)}


def _unrestored_text(organization: Organization) -> str:
    first = _("The newest backup of the installation of %(name)s couldn’t be restored in this week’s test.")
    last = _("Ask your server admin to run: samizdat backup test. It says what’s wrong and what to do.")
    return "\n\n".join([first % named(organization), last]) + "\n"


def _account_text(organization: Organization) -> str:
    first = _(
        "A newsletter service that %(name)s uses no longer lets Samizdat copy the account there. It may have been "
        "closed."
    )
    last = _(
        "If none of you deleted the API key, sign in there now and download what you can. What was copied until now "
        "is here, and becomes lists within minutes: open Import and export, Standing copies, and press “Create lists "
        "from this copy”. Or ask your server admin to run: samizdat standing-copy restore"
    )
    return "\n\n".join([first % named(organization), last]) + "\n"


def _webhook_text(organization: Organization, number: int) -> str:
    paragraphs = [
        _("A webhook of %(name)s was switched off: its address took nothing for three days, or said that it’s gone.")
        % named(organization),
        _(
            "Nothing is lost. Once the program there works again, open the webhook in Samizdat and press “Switch on "
            "again”: everything that happened meanwhile is sent."
        ),
        *where(organization, "event-webhook", number),
        _("If nobody needs it any more, remove it there."),
    ]
    return "\n\n".join(paragraphs) + "\n"


def _place_added_text(organization: Organization) -> str:
    first = _("A backup place of the installation of %(name)s was added. Encrypted backups now also go there.")
    return _place_text(organization, first)


def _place_removed_text(organization: Organization) -> str:
    first = _("A backup place of the installation of %(name)s was removed. Nothing is backed up there any more.")
    return _place_text(organization, first)


def _place_text(organization: Organization, first: str) -> str:
    last = _("If none of you did it, change the passwords of all admins and ask your server admin to undo it.")
    return "\n\n".join([first % named(organization), *_who_it_was(organization), last]) + "\n"


def _lock_text(organization: Organization) -> str:
    paragraphs = [
        _("Someone locked an account of the %(name)s team. It’s blocked, and campaigns it sent or scheduled are "
          "paused.") % named(organization),
        _("To see whose account it is, open Team in Samizdat. Any other admin can unlock it there."),
        *where(organization, "team"),
    ]  # fmt: skip
    return "\n\n".join(paragraphs) + "\n"


def _route_text(organization: Organization) -> str:
    paragraphs = [
        _("Someone paused or removed a sending route of %(name)s.")
        % named(organization),
        _("To see which route and who did it, open Sending in Samizdat. If it wasn’t one of you, sign that account "
          "out everywhere under Team."),
        *where(organization, "routes"),
    ]  # fmt: skip
    return "\n\n".join(paragraphs) + "\n"


def _bounces_text(organization: Organization, campaign: int) -> str:
    paragraphs = [
        _("A mailbox provider or sending route says of unusually many recipients of campaign No. %(number)s that their "
          "mailboxes don’t exist.") % {"number": campaign},
        _("That may be an error on their side, so nobody there was suppressed. The campaign report says who it is and "
          "how many. If it’s true, choose “Suppress these addresses” there."),
        *where(organization, "report", campaign),
    ]  # fmt: skip
    return "\n\n".join(paragraphs) + "\n"


def _lost_copies_text(organization: Organization, campaign: int, detail: Mapping[str, Any]) -> str:
    route = Route.objects.filter(organization=organization, pk=detail.get("route", 0)).first()
    facts = {"copies": 0, "spam": 0, "missing": 0, **detail, "number": campaign, "route": route.name if route else "–"}
    paragraphs = [
        _("Campaign No. %(number)s, sending route “%(route)s”: of %(copies)s copies to your seed mailboxes, %(spam)s "
          "went to spam and %(missing)s didn’t arrive.") % facts,
        _("What arrives there is what subscribers at these providers get. The campaign report shows which mailboxes "
          "these are. Check the records of your domain, or pause this route and send through another one."),
        *where(organization, "report", campaign),
    ]  # fmt: skip
    return "\n\n".join(paragraphs) + "\n"


def _complaints_text(organization: Organization, number: int, is_stopped: bool) -> str:
    paragraphs = [
        _("Unusually many subscribers of list No. %(number)s reported its emails as spam in the last seven days.")
        % {"number": number},
        _("Sending to this list stopped, before mailbox providers reject all your emails. Find out why they did it; "
          "then resume the list in the report of its last campaign.")
        if is_stopped
        else _("If it goes on, mailbox providers put your emails in the spam folder, and sending to this list stops. "
               "Find out why: who was added, what they expected, how they can unsubscribe."),
        *where(organization, "campaigns"),
    ]  # fmt: skip
    return "\n\n".join(paragraphs) + "\n"


def _refusal_text(organization: Organization, campaign: int, provider: str) -> str:
    first = _("%(provider)s is rejecting emails of campaign No. %(number)s, many with the same response.")
    paragraphs = [
        first % {"provider": provider or _("A mailbox provider"), "number": campaign},
        _("No one was marked as bounced. Emails to this mailbox provider are waiting; the others are being sent."),
        _("The campaign report says what’s missing. When it’s fixed, choose “Try again” there."),
        *where(organization, "report", campaign),
    ]
    return "\n\n".join(paragraphs) + "\n"
