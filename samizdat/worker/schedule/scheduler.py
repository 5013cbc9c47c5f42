"""The clock: one function that finds what is due or orphaned, and does it or rings for it.

Everything here may happen twice or on two machines at once; what must be true is guarded where it stands.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import DatabaseError, transaction

from samizdat import db, dbclock
from samizdat.accounts import api_keys, api_requests, database_catalog, forged_rows, pending_changes
from samizdat.accounts.models import Attempt, Invitation, Session
from samizdat.audience import actions as audience
from samizdat.audience import data_quality, headcount
from samizdat.audience.actions import bulk
from samizdat.audience.actions.mail_quota import forget_mailed
from samizdat.audience.actions.preferences import end_pauses
from samizdat.campaigns.drafts import presence
from samizdat.delivery import actions as delivery
from samizdat.delivery import clock_jumps, database_progress
from samizdat.delivery.actions import (
    bounces,
    digests,
    domains,
    due,
    provider_status,
    remote_checks,
    route_tokens,
    welcome,
)
from samizdat.delivery.models import SchedulerStep
from samizdat.events import chain
from samizdat.incoming import domain_reports, mail_space, processing, spooled
from samizdat.incoming import webhooks as incoming_webhooks
from samizdat.incoming.conversations import actions as conversations
from samizdat.logs import where_it_broke
from samizdat.portability import actions as exporting
from samizdat.portability import approval
from samizdat.privacy import actions as rights
from samizdat.publicdb import actions as publicdb
from samizdat.vault.errors import OrganizationLocked
from samizdat.worker.inbox import clicks, lock_mail, preferences, reconsent, webhooks
from samizdat.worker.mail import mailbox_polls, organization_rounds
from samizdat.worker.publishing import closed, compare, fundraisers, publish, repair, rescue_cases, unsigned
from samizdat.worker.queue import enqueue, sender_slots, tasks
from samizdat.worker.reading_time import reading_time
from samizdat.worker.schedule import (
    backups,
    consistency_check,
    destroy_keys,
    epoch_look,
    event_handlers,
    expire_signups,
    health,
    index_check,
    log_check,
    retention,
)
from samizdat.worker.stopping import stopping

log = logging.getLogger("samizdat.worker")

# Seconds of one round in which incoming mail is read; then other steps have their turn. Beside a campaign it is less:
# of 1,000 messages a second some 10 come back, and in one second of ten some 1,000 are read.
READING, READING_BESIDE_A_SEND = 3.0, 1.0

# Slices of the hash chain in one round: 100,000 rows, so that a million consent records are linked in two minutes.
CHAIN_SLICES = 20

# Seconds between two notes that a step went through.
NOTED = 60.0

# Seconds of one round in which values of removed fields are taken off the disk, or readable ones brought up to date.
CLEARING = 2.0

# Seconds of one round in which addresses are looked through for typos and doubles: a million in half an hour.
LOOKING = 0.3

Deed = Callable[[datetime], object]


def imports(now: datetime) -> None:
    """Uploads to look through, imports that wait, and those whose worker is gone."""
    for number in audience.inspectable(now):
        enqueue.ring(tasks.inspect_import, number)
    for number in audience.resumable(now):
        enqueue.ring(tasks.run_import, number)


def renewals(now: datetime) -> None:
    """Lists whose consent is counted, asked again or moved out."""
    for number in rights.working(now):
        enqueue.ring(tasks.renew, number)


def exports(now: datetime) -> None:
    """Exports that somebody waits for, and those whose worker is gone."""
    for number in exporting.waiting(now):
        enqueue.ring(tasks.run_export, number)


class SchedulerRound:
    """When this process looked at what is held, by a clock that nobody can set, and how long each had waited then."""

    def __init__(self) -> None:
        self.at: float | None = None
        self.exports: pending_changes.Seen = {}
        self.changes: pending_changes.Seen = {}
        self.missed: pending_changes.Missed = {}


_looked = SchedulerRound()


def held(now: datetime, looked: SchedulerRound | None = None) -> None:
    """Exports and changes that wait for another admin, or for a day."""
    mine, at = looked or _looked, dbclock.ticks()
    passed = timedelta(seconds=at - mine.at if mine.at is not None else 0)
    mine.at = at
    pending_changes.note_readers()
    approval.wait(now, passed, mine.exports)
    pending_changes.wait(now, passed, mine.changes, mine.missed, LOOKING)


def bulk_work(now: datetime) -> None:
    """What is done to many at once, begun at the desk or left by a worker that is gone."""
    for number in bulk.open_works():
        enqueue.ring(tasks.run_bulk_work, number)


def follow(now: datetime) -> None:
    """A flood of events is followed up in one go, unless the process is to stop."""
    while not stopping.is_set() and event_handlers.follow(now) >= event_handlers.MANY:
        continue


def set_aside(now: datetime) -> None:
    due.owe_set_aside(CLEARING)


def bounced(now: datetime) -> None:
    bounces.suppress_dead(now, CLEARING, stopping.is_set)


def late_welcomes(now: datetime) -> None:
    welcome.drop_late(now, CLEARING)


def second_tries(now: datetime) -> None:
    delivery.retry_due(now, CLEARING)


def forged(now: datetime) -> None:
    forged_rows.watch(now, is_old=database_progress.missing() is not None)


def incoming_mail(now: datetime) -> None:
    """Organizations in turn, a batch each, so that a flood at one of them keeps no other and no campaign waiting."""
    spooled.take_in(now.date(), _over())
    over = _over()
    with db.bulk_reading():
        while waiting := processing.waiting():
            for organization in waiting:
                if over():
                    return
                processing.process(organization, now, lock_mail.lock)


def room_for_mail(now: datetime) -> None:
    mail_space.make_room(now, _over())


def _over() -> Callable[[], bool]:
    """Whether reading has to stop: after its time, or with the process."""
    is_left = reading_time(READING, READING_BESIDE_A_SEND)
    return lambda: stopping.is_set() or not is_left()


def polled_mailboxes(now: datetime) -> None:
    mailbox_polls.polls.look()


def seed_mailboxes(now: datetime) -> None:
    organization_rounds.seeds.look(now)


def listed_bounces(now: datetime) -> None:
    organization_rounds.bounces.look(now)


def standing_copies(now: datetime) -> None:
    organization_rounds.account_looks.look(now)
    organization_rounds.account_copies.look(now)


def event_webhooks(now: datetime) -> None:
    organization_rounds.event_webhooks.look(now)


def spare_domains(now: datetime) -> None:
    organization_rounds.spares.look(now)


def removed_fields(now: datetime) -> None:
    audience.clear_removed(now, CLEARING, stopping.is_set)


def removed_tags(now: datetime) -> None:
    audience.clear_removed_tags(CLEARING, stopping.is_set)


def readable_fields(now: datetime) -> None:
    audience.follow_readable(now, CLEARING, stopping.is_set)


def odd_addresses(now: datetime) -> None:
    data_quality.scan(now, LOOKING, stopping.is_set)


def link_chain(now: datetime) -> None:
    log_check.put_back(now)
    for _ in range(CHAIN_SLICES):
        if stopping.is_set() or chain.append() == 0:
            break
    log_check.look_at_newest(now)


def expired(now: datetime) -> None:
    """Sessions, invitations, API keys and answers, failed sign-ins and who was writing, that have had their time, and
    steps of an earlier version, which `doctor` would wait for."""
    presence.forget(now)
    Session.objects.filter(expires__lt=now).delete()
    Invitation.objects.filter(expires__lt=now - timedelta(days=30)).delete()
    api_keys.forget(now)
    api_requests.forget(now)
    Attempt.objects.filter(not_before__lt=now - timedelta(days=1)).delete()
    SchedulerStep.objects.exclude(name__in=[*LOCKS, *FIRST, *QUICK, *SLOW, SIGNUPS]).delete()


def bells(now: datetime) -> None:
    if enqueue.embedded():
        enqueue.forget_finished(now - timedelta(days=1))


# Before everything else, and in a loop of its own: who has left gets nothing more, however much else there is to do.
FIRST: dict[str, Deed] = {
    "what readers sent": preferences.take_everything,
}

# In a loop of its own as well.
LOCKS: dict[str, Deed] = {"codes that lock an organization": lock_mail.look}

# What `doctor` calls the loop of worker/processes/background.run_signups.
SIGNUPS = "mail to new readers"

# Every second: somebody waits for these.
QUICK: dict[str, Deed] = {
    "the public database's file": repair.look,
    "what follows": follow,
    "imports": imports,
    "exports": exports,
    "renewals of consent": renewals,
    "who wants to stay": reconsent.take,
    "presses of links": clicks.take,
    "what providers deliver": webhooks.take,
    "bulk work": bulk_work,
    "senders": sender_slots.place,
}

# Every ten seconds.
SLOW: dict[str, Deed] = {
    "which copy may send": epoch_look.look,
    "backups that are due": backups.look,
    "addresses that bounced": bounced,  # Before the next campaign begins, which would try them again.
    "campaigns that are due": delivery.start_due,
    "readers who were set aside": set_aside,
    "campaigns from domains of others": due.pause_from_others,
    "digests": digests.make_due,
    "welcome emails that wait too long": late_welcomes,
    "second tries": second_tries,
    "how accounts stand at their providers": provider_status.ask_standings,
    "refresh tokens of routes": lambda _now: route_tokens.keep_renewed(),  # Of mail that the worker itself sends.
    "mailboxes": polled_mailboxes,
    "seed mailboxes": seed_mailboxes,
    "bounces that providers list": listed_bounces,
    "records of spare domains": spare_domains,
    "standing copies": standing_copies,
    "webhooks": event_webhooks,
    "room for incoming mail": room_for_mail,
    "incoming mail": incoming_mail,
    "organizations for the public database": publish.missing_places,
    "pages of organizations without keys": closed.look,
    "what the public pages show": compare.compare,
    "what nobody here has published": unsigned.throw_out,  # Before the letters, which miss it then.
    "roles that were written by other means": forged,
    "what the database runs by itself": database_catalog.watch,
    "whether each index has all rows": index_check.look,
    "what doctor finds": health.look,
    "letters for the archive": publish.missing_letters,
    "pictures of campaigns that are about to begin": publish.due_pictures,
    "who signed petitions": rescue_cases.signatures,
    "sums of fundraisers": fundraisers.sums,
    "uploads": audience.sweep_uploads,
    "keys that are to be destroyed": destroy_keys.look,
    "what waits for an approval": held,
    "exports that nobody fetched": exporting.sweep,
    "undoing that is over": bulk.forget_pieces,
    "values of removed fields": removed_fields,
    "removed tags": removed_tags,
    "readable values of fields": readable_fields,
    "typos and doubles": odd_addresses,
    "the hash chain": link_chain,
    "whether the log is whole": log_check.look,
    "what has expired": expired,
    "incoming mail that has had its time": processing.forget,
    "conversations that have had their time": conversations.forget,
    "receivers' reports that have had their time": domain_reports.forget,
    "what providers delivered long ago": incoming_webhooks.forget,
    "questions that nobody came back for": remote_checks.forget,
    "keys whose overlap is over": domains.retire_due,
    "headcounts": headcount.fold,
    "old bells": bells,
    "pauses that are over": end_pauses,  # Before the comparison, which would find them wrong.
    "sheets that have lain out their time": publicdb.sweep_sheets,
    "what was mailed on days that are over": forget_mailed,
    "the nightly comparison": consistency_check.compare,
    "sign-ups that nobody confirmed": expire_signups.forget,
    "what is kept no longer": retention.keep_no_longer,
}


# What these do cannot be taken back, and a clock that was set would have them do it to all: not in the hour after.
PATIENT = frozenset(
    (
        "keys that are to be destroyed",
        "digests",
        "welcome emails that wait too long",
        "uploads",
        "exports that nobody fetched",
        "undoing that is over",
        "what has expired",
        "incoming mail that has had its time",
        "conversations that have had their time",
        "receivers' reports that have had their time",
        "what providers delivered long ago",
        "questions that nobody came back for",
        "keys whose overlap is over",
        "pauses that are over",
        "sheets that have lain out their time",
        "what was mailed on days that are over",
        "sign-ups that nobody confirmed",
        "what is kept no longer",
    )
)

# These compare what the database has with what it should have, or clear away. While nobody writes anything they are
# done every two minutes; `doctor` waits five (monitoring.OVERDUE). Each does all of it in one go: a step that goes on
# with some of it each time is none of these.
UNHURRIED = frozenset(
    (
        "what the public pages show",
        "records of spare domains",
        "roles that were written by other means",
        "what the database runs by itself",
        "uploads",
        "exports that nobody fetched",
        "undoing that is over",
        "what has expired",
        "questions that nobody came back for",
        "keys whose overlap is over",
        "old bells",
        "sheets that have lain out their time",
    )
)
UNHURRIED_SECONDS = 120.0


class SlowRounds:
    """The slow rounds of one loop. `written`: was anything written since the round before?"""

    def __init__(self) -> None:
        self._all_at = float("-inf")  # When all steps last went through.

    def tick(self, now: datetime, written: bool) -> None:
        began = time.monotonic()
        everything = written or began - self._all_at >= UNHURRIED_SECONDS
        steps = SLOW if everything else {name: step for name, step in SLOW.items() if name not in UNHURRIED}
        failed = tick(now, steps)
        if failed:  # Those that are broken are done in each round until they go through.
            self._all_at = float("-inf")
        elif everything:
            self._all_at = began


def tick(now: datetime, steps: dict[str, Deed] | None = None) -> list[str]:
    """Goes through all steps once; returns the names of those that failed. One that fails keeps no other waiting."""
    failed: dict[str, str] = {}
    done = []
    for name, step in (LOCKS | FIRST | QUICK | SLOW if steps is None else steps).items():
        if stopping.is_set():
            break
        try:
            at = now if steps is None else dbclock.now()
            if name in PATIENT and clock_jumps.patient(at):
                continue
            step(at)
        except OrganizationLocked:
            done.append(name)  # As far as it goes; the rest of it waits until that organization is unlocked.
        except Exception as error:
            failed[name] = where_it_broke(error)
            repair.suspect(error)
            log.error("The clock could not see to %s: %s", name, failed[name])
        else:
            done.append(name)
    remember(done, failed)
    return list(failed)


# What was last written down of a step: where it broke ("" nowhere), and when, on our monotonic clock.
_written: dict[str, tuple[str, float]] = {}


def remember(done: list[str], failed: dict[str, str]) -> None:
    """For `samizdat doctor`: when a step last went through, and what broke. What is new at once, the same a minute
    later."""
    known = dict.fromkeys(done, "") | failed
    news = {name: why for name, why in known.items() if _is_news(name, why)}
    if not news:
        return
    now = dbclock.now()
    try:
        with transaction.atomic():
            _write("done", [SchedulerStep(name=name, done=now) for name, why in news.items() if not why])
            _write("failed", [SchedulerStep(name=name, failed=now, why=why[:200]) for name, why in news.items() if why])
    except DatabaseError as error:  # A note about the work is not the work.
        log.error("The clock could not write down what it did: %s", where_it_broke(error))
        return
    _written.update({name: (why, time.monotonic()) for name, why in news.items()})


def _write(what: str, steps: list[SchedulerStep]) -> None:
    SchedulerStep.objects.bulk_create(steps, update_conflicts=True, unique_fields=["name"], update_fields=[what, "why"])


def _is_news(name: str, why: str) -> bool:
    before, at = _written.get(name, ("", -NOTED))
    return before != why or time.monotonic() - at >= NOTED
