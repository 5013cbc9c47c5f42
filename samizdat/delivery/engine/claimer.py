"""Claims chunks, asks consent for every slice, keeps an eye on campaigns and routes. A thread of its own.

Its database connection is the one that holds this sender's lock on PostgreSQL, and every slice is read over it: when
the connection is gone, nothing more is fed (design.md, 6.3).
"""

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import Any

from django.db import DatabaseError, connections

from samizdat import dbclock, wakeups
from samizdat.accounts.models import Organization
from samizdat.audience import condition_values
from samizdat.audience.models import NUMBER_MASK, row_id
from samizdat.campaigns import release_log
from samizdat.campaigns.models import WELCOME, Campaign, Edition
from samizdat.core.crypto import seal
from samizdat.core.mail import ledger, outcome, rate
from samizdat.core.mail.ledger import JournalNews
from samizdat.delivery import (
    clock_jumps,
    copied_installation,
    database_changes,
    sealed_chunks,
    sql,
)
from samizdat.delivery.actions import copied_installation as fencing
from samizdat.delivery.actions import due, rate_budgets, route_refusals, route_tokens, routes, wait_reasons
from samizdat.delivery.engine import locks, recovery, rewound_database
from samizdat.delivery.engine.batches import SLICE, SUPPRESSED, Claim, MessageBatch
from samizdat.delivery.engine.edition_loader import LoadedEdition, open_edition, route_infos
from samizdat.delivery.engine.heartbeat import Heartbeat
from samizdat.delivery.engine.organization_queue import OrganizationQueue
from samizdat.delivery.engine.rate_limiter import RateLimiter
from samizdat.delivery.engine.results import SendResult
from samizdat.delivery.engine.route_rejections import WatchedReplies
from samizdat.delivery.engine.sender_context import ReplyQuestion, SenderContext
from samizdat.delivery.models import Worker
from samizdat.delivery.sealed_chunks import ConditionMasks
from samizdat.delivery.sending_row import FIELDS, SendingRow
from samizdat.publicdb import actions as publicdb
from samizdat.vault import keyring
from samizdat.vault.errors import KeyRefused, KeyServiceStopped, KeyServiceUnreachable, OrganizationLocked, VaultError
from samizdat.vault.locks import numbers as locked_ones
from samizdat.vault.locks import unlocked

log = logging.getLogger("samizdat.sender")

# Seconds between two looks at campaigns, routes and the clock. While no campaign sends or waits, each second is asked
# whether anything was written or is due, and else there is a look after so many.
TICK, QUIET = 0.5, 60.0
# Of a look around, for second tries and for cancelled campaigns: this thread feeds every organization.
ASIDE = 0.1
# Results that are not in the database yet; above this nothing new is fed.
MOST_BACKLOG = 6000
# Where a chunk is gone in a tenth of a second, two are claimed at a time: what a power cut leaves in doubt is still no
# more than what goes out in a quarter of one (design.md, 6.2 and 6.8).
AT_SPEED, CHUNKS_AT_SPEED = 5000.0, 2
# Seconds without a route that takes messages after which claimed chunks are given back: a power cut would leave
# all of them in doubt.
HOLD_CLAIMS = 30.0
# Seconds; an edition and its keys are dropped when nothing of it was sent for so long (design.md, section 7).
IDLE = 60.0
# Bytes of opened editions, as they were compiled, that nothing is sent of, and of those that an organization has chunks
# of at a time: 300 campaigns with pictures inside whose quiet hours end together were 600 MB.
OPENED_BYTES = 16 << 20

# Seconds; so old a look at the intake is made anew before anybody is fed. Less than rate.UNTAKEN_SEEN.
LOOK_AGAIN = 1.0

# Seconds of each look around for walking logs, of all organizations together.
WALKED = 0.25
NOT_WALKED = release_log.ReleaseStanding(goes=False, finished=False)

# Chunks that are read where somebody is tried again, before all of them are.
NEWEST = 1000

_UNMAKEABLE = outcome.NUMBERS["unmakeable"]


class Claimer:
    """Runs in its own thread."""

    def __init__(
        self, sender: SenderContext, turns: Callable[[], bool], add_lane: Callable[[OrganizationQueue], None]
    ) -> None:
        """turns: does the event loop turn? add_lane: called there with each new one."""
        self._sender = sender
        self._inbox = sender.claimer
        self._add_lane = add_lane
        self._without_key: set[int] = set()  # Editions of which that was said.
        self.ready = threading.Event()
        self.finish = threading.Event()
        self.limiter = RateLimiter(sender)
        self.pulse = Heartbeat("sender", turns)
        self._wanting: dict[int, OrganizationQueue] = {}
        self._lanes: dict[int, OrganizationQueue] = {}
        self._claims: dict[int, list[Claim]] = {}
        self._editions: dict[int, list[int]] = {}
        self._domain_of: dict[int, str] = {}  # By edition: that of its sender.
        self._opened: dict[tuple[int, int], tuple[LoadedEdition, float]] = {}  # By edition and version.
        self._standings: dict[int, tuple[int, release_log.ReleaseStanding]] = {}  # By edition, as of which event.
        self._owed: dict[int, sealed_chunks.OwedNumbers] = {}  # By edition, where somebody is tried again.
        self._known_routes: dict[int, object] = {}
        self._lively: dict[int, float] = {}
        self._next_tick = 0.0
        self._next_forgetting = 0.0
        self._changes = database_changes.DatabaseChanges(QUIET)
        self._due: datetime | None = None  # When a campaign or route is, while none sends or waits.
        self._booking = (
            False  # Is there a cancelled campaign that is not booked yet, or one whose readers are not all owed?
        )
        self.at_work = True  # Is there a campaign that sends or waits?
        self._domains: dict[tuple[int, str], rate_budgets.WarmUp] = {}
        self._domain_back: dict[int, int] = {}  # Drawn for a domain, and not sent: given back with the next draw.
        self._idle: set[int] = set()  # Editions that had no chunk ready when they were asked last.
        self._watched: dict[int, dict[int, frozenset[bytes]]] = {}  # By organization, as its lane has them.
        self._known_refusing: dict[int, object] = {}
        self._fresh: set[tuple[int, tuple[int, ...]]] = set()  # Keys that were looked at since the last look around.
        self._untaken = rate.IntakeBacklog[int]()
        self._looked = 0.0
        self._thread = threading.Thread(target=self._run, name="claimer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    # -- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._begin()
            while not self.finish.is_set():
                self._work()
                self._inbox.wake.wait(max(0.0, self._next_tick - time.monotonic()))
                self._inbox.wake.clear()
            self._wind_up()
        except Exception as error:
            log.exception("The sender stops feeding (%s).", type(error).__name__)
            self._sender.fail(error)
            self._abandon()
        finally:
            self.ready.set()
            self.pulse.end()
            connections.close_all()

    def _begin(self) -> None:
        """A worker row, its lock, and whatever the one before left behind. In this order: the row comes first."""
        locks.check_sessions()
        fencing.look(self._sender.clock())
        self._guard = copied_installation.CopyGuard()
        self._sender.worker = worker = self.pulse.begin("worker")
        self._look_at_clock()
        rewound_database.catch_up(self._sender.clock())
        recovery.recover_dead(self._sender.clock(), mine=worker.pk)
        rewound_database.wait_for_others(self._sender.stop.is_set)
        self._sender.begin_records(worker)
        self.ready.set()

    def _work(self) -> None:
        self.pulse.move()
        self._take_back()
        self.limiter.work()
        self._write_condemned()
        self._write_put_off()
        route_tokens.keep_renewed()
        if time.monotonic() >= self._next_tick:
            self._next_tick = time.monotonic() + (TICK if self.at_work or self._booking else wakeups.until_next())
            self._drop_idle()
            if self._changes.has_news() or self.at_work or self._booking or self._is_due():
                self._tick()
        while self._inbox.wanted:
            organization = self._inbox.wanted.popleft()
            self._wanting[organization] = self._lanes[organization]
        self._feed()
        self._close_claims()

    # -- slices -----------------------------------------------------------------------------------------------------

    def _feed(self) -> None:
        for lane in list(self._wanting.values()):
            # What came before, a long log or the slice of another organization, may have taken longer than a look is
            # good for.
            if time.monotonic() - self._looked > LOOK_AGAIN:
                self._look_at_intake()
            self._serve(lane)

    def _serve(self, lane: OrganizationQueue) -> None:
        sender = self._sender
        # A full disk: what may not be written in the journal may not be sent.
        if lane.active is None or sender.closing or sender.journal.full or sender.recorder.backlog > MOST_BACKLOG:
            return
        if self._untaken.age(lane.organization, time.monotonic()) > rate.UNTAKEN:
            return  # Somebody may have left whose leaving is not known here.
        piece = self._next_slice(lane)
        if piece is not None:
            del self._wanting[lane.organization]
            self._sender.call(lane.receive, piece)

    def _next_slice(self, lane: OrganizationQueue) -> MessageBatch | None:
        claims = self._claims.setdefault(lane.organization, [])
        while True:
            claim = self._turn(lane, claims)
            if claim is None:
                return None
            most = self._of_its_domain(claim, lane.appetite)
            if not most:
                self._close(lane, claim.opened.edition)
                self._editions[lane.organization].remove(claim.opened.edition)  # Until the next look around.
                continue
            piece = self._slice(claim, most)
            if piece is None:
                self._not_sent(claim, most)
                self._let_go(lane, claim.opened.edition)
            elif piece.rows:
                if not any(claim.rest for claim in claims):
                    self._turn(lane, claims)  # One chunk ahead, so that the route does not wait for it.
                return piece

    def _of_its_domain(self, claim: Claim, most: int) -> int:
        """How many of a slice may go today from the domain of its sender, when that is being warmed up."""
        domain = self._domains.get((claim.opened.organization, claim.opened.domain))
        if domain is None:
            return most
        back = self._domain_back.pop(domain.id, 0)
        return rate_budgets.draw_for_domain(domain, min(most, SLICE, len(claim.rest)), back, self._sender.clock())

    def _not_sent(self, claim: Claim, count: int) -> None:
        """So many of what was drawn for its domain go back to that domain's day."""
        domain = self._domains.get((claim.opened.organization, claim.opened.domain))
        if domain is not None:
            self._domain_back[domain.id] = self._domain_back.get(domain.id, 0) + count

    def _turn(self, lane: OrganizationQueue, claims: list[Claim]) -> Claim | None:
        """Campaigns take turns, slice by slice: the one that waited longest and has something to send."""
        turns = self._editions.get(lane.organization, [])
        claims = [claim for claim in claims if lane.wants(claim.opened.domain)]
        mine = {claim.opened.edition for claim in claims if claim.rest}
        for edition in list(turns):
            if not lane.wants(self._domain_of[edition]):
                continue
            claim = next((claim for claim in claims if claim.rest and claim.opened.edition == edition), None)
            if claim is None and (edition not in self._idle or not mine):
                claim = self._claim(lane, edition)
                if claim is None:
                    self._idle.add(edition)
            if claim is not None:
                if edition in turns:
                    turns.remove(edition)
                    turns.append(edition)
                return claim
        return next((claim for claim in claims if claim.rest), None)

    def _slice(self, claim: Claim, most: int) -> MessageBatch | None:
        """The next few of a chunk whom we may write to at this moment. Whoever may not be is booked as suppressed.

        None: the campaign does not go on, and they are owed by the chunk as before.
        """
        numbers = [claim.rest.popleft() for _ in range(min(most, len(claim.rest)))]
        claim.untouched -= min(len(numbers), claim.untouched)
        opened = claim.opened
        checked = time.monotonic()
        assert self._sender.worker is not None
        rows = [row_id(opened.organization, number) for number in numbers]
        mark = claim.chunk, self._sender.worker.pk, claim.size, claim.untouched
        # A second try reaches them by itself, as the first one did, whatever they chose since.
        round = -1 if claim.retry else opened.round
        fed = sql.feed(*mark, opened.edition, opened.organization, opened.list_id, opened.appeal, round, rows)
        if not fed.ours:
            # Taken from us, since the others took us for dead: nothing of it goes out here.
            claim.closing = True
            claim.rest.clear()
            return MessageBatch(claim, [], checked)
        if not fed.goes_on:
            return None
        allowed = {row & NUMBER_MASK: (row & NUMBER_MASK, blob, by, index) for row, blob, by, index in fed.people}
        for number in numbers:
            if number not in allowed:
                self._book(claim, number, JournalNews.SUPPRESSED, SUPPRESSED, 0)
        claim.sliced += len(allowed)
        # In the order of the chunk: in a warm-up the newest come first.
        people = [allowed[number] for number in numbers if number in allowed]
        masks = [(number, claim.masks.by_number.get(number, 0)) for number, *_rest in people] if opened.compared else []
        groups = {number: condition_values.values(mask, opened.compared) for number, mask in masks if mask}
        return MessageBatch(claim, people, checked, groups=groups)

    def _book(self, claim: Claim, number: int, news: JournalNews, answer: int, provider: int) -> None:
        self._sender.recorder.tell(
            SendResult(claim.opened.edition, claim.chunk, number, news, answer, provider=provider, retry=claim.retry)
        )

    # -- claims -----------------------------------------------------------------------------------------------------

    def _claim(self, lane: OrganizationQueue, edition: int) -> Claim | None:
        """A chunk of one campaign; None when it has none that is ready, or others are placed at it."""
        assert self._sender.worker is not None
        if not self._sender.placed(edition):
            return None
        self._guard.check()
        if not self._has_room(lane, edition):
            return None
        if self._open(edition) is None:
            self._editions[lane.organization].remove(edition)
            return None
        most = CHUNKS_AT_SPEED if lane.rate > AT_SPEED else 1
        rows = sql.claim_chunks(edition, self._sender.worker.pk, self._sender.clock(), most)
        claims = [self._open_claim(lane, edition, row) for row in rows]
        return next((claim for claim in claims if claim is not None), None)

    def _has_room(self, lane: OrganizationQueue, edition: int) -> bool:
        """Or do the organization's other campaigns, of which we have chunks, weigh enough?"""
        claims = self._claims.get(lane.organization, [])
        opened = {id(claim.opened): claim.opened for claim in claims if lane.wants(claim.opened.domain)}.values()
        return sum(other.size for other in opened if other.edition != edition) < OPENED_BYTES

    def _open_claim(self, lane: OrganizationQueue, edition: int, chunk: sql.TakenChunk) -> Claim | None:
        opened = self._open(edition, chunk.variant)
        owed = self._owed_in(opened, chunk) if opened is not None else None
        if opened is None or owed is None:  # Paused: the chunk is given back.
            assert self._sender.worker is not None
            sql.close_chunks([chunk.id], self._sender.worker.pk)
            return None
        numbers, masks = owed
        if chunk.retry or chunk.reported:
            numbers = sql.unanswered(edition, chunk.id, chunk.retry, numbers)
        claim = Claim(chunk.id, chunk.retry, opened, deque(numbers), masks, len(chunk.numbers) // 8, len(numbers))
        self._claims[lane.organization].append(claim)
        return claim

    def _owed_in(self, opened: LoadedEdition, chunk: sql.TakenChunk) -> tuple[list[int], ConditionMasks] | None:
        """Those in it whom the edition was released to, and their masks. None: it was altered, so its campaign is
        paused."""
        try:
            if chunk.retry:
                return self._known_in(opened, chunk)
            masks = sealed_chunks.masks_in(opened.chunks, chunk)
            if self._standings[opened.edition][1].finished:
                raise seal.SealBroken()
            numbers = ledger.unpack_numbers(chunk.numbers)
            if len(masks) != len(numbers) * sealed_chunks.width(len(opened.compared)):
                raise seal.SealBroken()  # What the edition asks for is an older copy.
            return list(numbers), ConditionMasks.unpacked(numbers, masks)
        except seal.SealBroken:
            self._pause_altered(opened.edition, "A chunk")
            return None

    def _known_in(self, opened: LoadedEdition, chunk: sql.TakenChunk) -> tuple[list[int], ConditionMasks]:
        """Nobody is tried again whom no chunk of first tries holds. Errors: SealBroken."""
        numbers = ledger.unpack_numbers(chunk.numbers)
        owed = self._owed.get(opened.edition)
        # A welcome email has a chunk for each reader, and more of them all the time: what was read before, the newest,
        # and only then all of them.
        for newest in (NEWEST, None):
            if owed is None or len(owed.among(numbers)) < len(numbers):
                edition = Edition.objects.select_related("organization").get(pk=opened.edition)
                owed = sealed_chunks.OwedNumbers(edition, whole=True, newest=newest)
        assert owed is not None
        self._owed[opened.edition] = owed
        known = owed.among(numbers)
        if len(known) < len(numbers):
            log.error("Later tries of edition %d were added in the database by other means: dropped.", opened.edition)
            sql.drop_retries(opened.edition, sorted({*numbers} - {*known}))
        return known, owed.masks_of(known)

    def _pause_altered(self, edition: int, what: str) -> None:
        log.error("%s of edition %d was altered in the database by other means. Its campaign is paused.", what, edition)
        due.pause_unreadable(edition, self._sender.clock())

    def _wait_for_key(self, edition: int, error: KeyRefused) -> None:
        """Asked again at the next look around, and said once."""
        if edition not in self._without_key:
            log.error("A key that edition %d needs was refused, so its campaign waits: %s", edition, error)
        self._without_key.add(edition)

    def _open(self, edition: int, variant: int = 0) -> LoadedEdition | None:
        """An edition is opened once for its signing keys. One that does not open is paused, and the others go on."""
        entry = self._opened.get((edition, variant))
        try:
            is_kept = entry is not None and self._is_fresh(entry[0])
            opened = entry[0] if entry and is_kept else open_edition(edition, variant)
        except Edition.DoesNotExist:
            return None  # Paused and taken back since the last look around.
        except (OrganizationLocked, KeyServiceStopped, KeyServiceUnreachable):
            return None  # Since then, too.
        except KeyRefused as error:
            self._wait_for_key(edition, error)
            return None
        except (VaultError, seal.SealError, ValueError, LookupError) as error:
            log.error("An edition cannot be opened (%s). Its campaign is paused.", type(error).__name__)
            due.pause_unreadable(edition, self._sender.clock())
            return None
        self._opened[edition, variant] = opened, time.monotonic()
        if not is_kept:
            self._drop_large(opened)
        return opened

    def _drop_large(self, but: LoadedEdition) -> None:
        """Of those that nothing is sent of, the one that was used longest ago first, until the rest isn't too large."""
        used = {id(claim.opened) for claims in self._claims.values() for claim in claims} | {id(but)}
        free = [(last, key) for key, (opened, last) in self._opened.items() if id(opened) not in used]
        size = sum(self._opened[key][0].size for _last, key in free)
        for _last, key in sorted(free):
            if size <= OPENED_BYTES:
                return
            size -= self._opened.pop(key)[0].size

    def _is_fresh(self, opened: LoadedEdition) -> bool:
        """Asked once between two looks around: chunks are claimed many times a second."""
        key = opened.edition, opened.signers
        if key not in self._fresh and opened.is_fresh():
            self._fresh.add(key)
        return key in self._fresh

    def _take_back(self) -> None:
        while self._inbox.returned:
            claim, number = self._inbox.returned.popleft()
            claim.sliced -= 1
            self._not_sent(claim, 1)
            if not claim.closing:
                claim.rest.append(number)

    def _let_go(self, lane: OrganizationQueue, edition: int | None = None) -> None:
        """Give chunks back: of one edition, or all of them. What is in flight is finished first."""
        self._close(lane, edition)
        if edition is not None:
            self._sender.call(lane.drop, edition)
        else:
            self._sender.call(lane.give_all_back)

    def _close(self, lane: OrganizationQueue, edition: int | None = None) -> None:
        """Feed nothing more of these chunks. What the routes already have still goes."""
        for claim in self._claims.get(lane.organization, []):
            if edition is None or claim.opened.edition == edition:
                claim.closing = True
                claim.rest.clear()

    def _is_going(self, organization: int, edition: int) -> bool:
        """Does a route have messages of it, drawn from its domain's day, that have no answer yet?"""
        claims = self._claims.get(organization, [])
        return any(claim.sliced > claim.resolved for claim in claims if claim.opened.edition == edition)

    def _close_claims(self) -> None:
        for claims in self._claims.values():
            for claim in [claim for claim in claims if not claim.rest and claim.resolved == claim.sliced]:
                claims.remove(claim)
                self._sender.recorder.close_chunk(claim.chunk)

    # -- the look around --------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._look_at_clock()
        now = self._sender.clock()
        self._idle.clear()
        self._fresh.clear()
        due.start_due(now)
        are_all_owed = due.owe_set_aside(ASIDE)
        due.retry_due(now, ASIDE)
        self._booking = not (due.finish_cancelled(now, ASIDE) and are_all_owed)
        routes.wake_due(now)
        forgets = time.monotonic() >= self._next_forgetting
        recovery.recover_dead(now, mine=self._sender.worker.pk if self._sender.worker else None, forgets=forgets)
        if forgets:
            self._next_forgetting = time.monotonic() + QUIET
        self._settle(now)
        self._look_at_intake()
        self._look_at_campaigns(now)
        self._due = None if self.at_work else due.next_due(now)
        if not self._sender.recorder.alive:
            raise RuntimeError("The recorder has stopped.")

    def _is_due(self) -> bool:
        return self._due is not None and self._sender.clock() >= self._due

    def _look_at_clock(self) -> None:
        """Was it set? What routes remember of it is read anew."""
        dbclock.sync()
        if clock_jumps.look(self._sender.clock(), dbclock.ticks()):
            self.limiter.forget()
            for lane in self._lanes.values():
                self._sender.call(lane.forget_slowed)

    def _look_at_intake(self) -> None:
        """Has what readers sent been taken up? Where it has not, what was fed goes back as well."""
        now = self._looked = time.monotonic()
        try:
            by_uid = publicdb.untaken()
        except DatabaseError:
            if connections["publicdb"].vendor == "sqlite":
                return  # The worker makes its file anew. Meanwhile the last look grows old, and nothing is fed.
            raise
        rows = Organization.objects.values_list("uid", "pk") if by_uid else ()
        self._untaken.look({pk: by_uid[bytes(uid)] for uid, pk in rows if bytes(uid) in by_uid}, now)
        for organization, lane in self._lanes.items():
            if self._untaken.age(organization, now) > rate.UNTAKEN:
                self._sender.call(lane.take_back)

    def _look_at_campaigns(self, now: datetime) -> None:
        every: Collection[Any] = Campaign.objects.filter(
            unlocked("organization__"),
            state__in=("sending", "waiting"),
            organization__sending_locked=False,
            edition__isnull=False,
        ).values(*FIELDS)
        # A welcome email that nobody waits for asks nothing of us until somebody confirms.
        idle = [row for row in every if row["welcome"] == WELCOME and not row["pending"] + row["deferred"]]
        rows = [row for row in every if row not in idle] if idle else every
        self.at_work = bool(rows)
        self._look_at_log(rows, idle)
        by_organization: dict[int, list[SendingRow]] = {}
        for row in rows:
            by_organization.setdefault(row["organization_id"], []).append(row)
        for organization in by_organization.keys() - self._lanes.keys():
            self._lanes[organization] = OrganizationQueue(organization, self._sender, self.limiter)
            self._sender.call(self._add_lane, self._lanes[organization])
        locked = {*locked_ones()}
        for organization, lane in self._lanes.items():
            if organization in locked:
                self._shut(organization, lane)
                continue
            try:
                self._look_at_lane(organization, lane, by_organization.get(organization, []), now)
            except (OrganizationLocked, KeyServiceStopped):  # Since we looked.
                self._shut(organization, lane)

    def _shut(self, organization: int, lane: OrganizationQueue) -> None:
        """It was locked: what is in flight is answered, and nothing of it is kept here."""
        self._let_go(lane)
        self._editions[organization] = []
        self._known_routes[organization] = None
        self._sender.call(lane.set_routes, [])
        self._opened = {key: entry for key, entry in self._opened.items() if entry[0].organization != organization}

    def _look_at_log(self, rows: Collection[Any], idle: Collection[Any]) -> None:
        """Was each of them released, and neither stopped nor taken back? Asked again when the log has news of one. Of
        `idle`, which come back with each who confirms, what is known is kept until then."""
        newest = release_log.newest([row["id"] for row in chain(rows, idle)])
        before, self._standings = self._standings, {}
        for row in idle:
            known = before.get(row["edition__id"])
            if known and known[0] == newest.get(row["id"], 0):
                self._standings[row["edition__id"]] = known
        asked: dict[int, list[tuple[int, int]]] = defaultdict(list)  # Organization -> (edition, event)
        for row in rows:
            edition, event = row["edition__id"], newest.get(row["id"], 0)
            known = before.get(edition)
            if known and known[0] == event:
                self._standings[edition] = known
            else:
                asked[row["organization_id"]].append((edition, event))
        for organization, editions in asked.items():
            self._look_at_log_of(organization, editions, WALKED / len(asked))
        for row in rows:
            standing = self._standings[row["edition__id"]][1]
            if not standing.goes and standing is not NOT_WALKED:
                self._pause_altered(row["edition__id"], "The release")

    def _look_at_log_of(self, organization: int, asked: Sequence[tuple[int, int]], seconds: float) -> None:
        """A long log is walked in portions: until it's through its campaigns wait, and nobody else does."""
        until = time.monotonic() + seconds
        rows = Edition.objects.select_related("organization").only("campaign_id", "organization")
        editions = rows.in_bulk([edition for edition, _event in asked])
        # What was released first is asked for first: its walk passes the releases of the others.
        for edition, event in sorted(asked, key=itemgetter(1)):
            standing: release_log.ReleaseStanding | None = None
            try:
                left = until - time.monotonic()
                if left > 0:
                    standing = release_log.standing_in_whole_log(editions[edition], left)
            except (OrganizationLocked, KeyServiceStopped, KeyServiceUnreachable):
                pass  # Since we looked.
            except KeyRefused as error:  # Nothing was altered as far as anybody knows.
                self._wait_for_key(edition, error)
            except (VaultError, seal.SealError, KeyError):  # Nobody can say it now.
                standing = release_log.ReleaseStanding(goes=False, finished=False)
            # Asked again in the next look around.
            self._standings[edition] = (-1, NOT_WALKED) if standing is None else (event, standing)

    def _look_at_lane(
        self, organization: int, lane: OrganizationQueue, campaigns: list[SendingRow], now: datetime
    ) -> None:
        infos = route_infos(organization)
        if self._known_routes.get(organization) != infos:
            self._known_routes[organization] = infos
            self._sender.call(lane.set_routes, infos)
        living = [info for info in infos if info.state in ("live", "throttled")]
        domains = rate_budgets.warming(organization, now)
        self._domains = {key: domain for key, domain in self._domains.items() if key[0] != organization}
        self._domains |= {(organization, name): domain for name, domain in domains.items()}
        editions = [row["edition__id"] for row in campaigns]
        held_back = self._look_at_refusing(organization, lane, editions, now)
        sending = []
        for row in campaigns:
            if not self._standings[row["edition__id"]][1].goes:
                continue
            if not (row["pending"] or row["deferred"]) and due.finish_if_done(row["id"], now):
                continue

            name = row["edition__message_id_domain"]
            self._domain_of[row["edition__id"]] = name
            no_way = "" if any(name not in info.barred for info in living) else "barred" if living else "no_route"

            def spent(row: SendingRow = row, name: str = name) -> wait_reasons.WaitReason | None:
                domain = domains.get(name)
                used_up = domain is not None and domain.until is not None and not self._domain_back.get(domain.id)
                if domain and used_up and not self._is_going(organization, row["edition__id"]):
                    return wait_reasons.WaitReason("warm_up", domain.until)
                asks = lane.way_for(name) is None or row["reason"] in ("limit", "warm_up")
                return wait_reasons.all_spent(organization, now, name) if asks else None

            untaken = not no_way and self._untaken.age(organization, time.monotonic()) > rate.UNTAKEN_SAID
            hold = wait_reasons.WaitReason("untaken") if untaken else wait_reasons.hold_of(row, no_way, spent, now)
            if hold is None and row["edition__id"] in held_back and route_refusals.nobody_else(row["edition__id"]):
                hold = wait_reasons.WaitReason("provider")
            if due.wait_or_go_on(row, hold, now):
                sending.append(row["edition__id"])
        turns = [edition for edition in self._editions.get(organization, []) if edition in sending]
        self._editions[organization] = turns + [edition for edition in sending if edition not in turns]
        held = {claim.opened.edition: claim.opened.domain for claim in self._claims.get(organization, [])}
        for edition, name in held.items():
            if edition not in sending or (lane.barring and lane.way_for(name) is None):
                self._let_go(lane, edition)
        self.limiter.tick(lane, bool(sending), now)
        self._mind_standstill(organization, lane)

    def _mind_standstill(self, organization: int, lane: OrganizationQueue) -> None:
        """No route takes anything for a while: give the chunks back."""
        if lane.active is not None or not self._claims.get(organization):
            self._lively[organization] = time.monotonic()
        patience = HOLD_CLAIMS if lane.alive else TICK
        if time.monotonic() - self._lively.get(organization, 0.0) > patience:
            self._let_go(lane)

    def _write_condemned(self) -> None:
        while self._inbox.condemned:
            organization, route, verdict, domains = self._inbox.condemned.popleft()
            routes.condemn(route, verdict, self._sender.clock(), domains)
            self._known_routes.pop(organization, None)
            self._sender.call(self._lanes[organization].confirmed, route, domains)
            self._next_tick = 0.0
        while self._inbox.recovered:
            routes.clear_reason(self._inbox.recovered.popleft())
        while self._inbox.must_wait:
            routes.wait_from_now_on(self._inbox.must_wait.popleft(), self._sender.clock())

    def _write_put_off(self) -> None:
        while self._inbox.deferred_providers:
            organization, what = self._inbox.deferred_providers.popleft()
            route_refusals.put_off(what.edition, what.provider, what.reply, what.alike, self._sender.clock())
            self._sender.call(self._lanes[organization].refusing.written, what.edition, what.provider)
            self._next_tick = 0.0

    def _settle(self, now: datetime) -> None:
        """Where nobody else of a campaign is to be sent anything, what waits to be understood is decided."""
        assert self._sender.worker is not None
        mine = self._sender.worker.pk
        others = bool(self._inbox.asked or self._inbox.accepted) and route_refusals.others_of(mine)
        while self._inbox.accepted:
            route_refusals.accepted_elsewhere(*self._inbox.accepted.popleft(), mine)
        while self._inbox.asked:
            organization, what = self._inbox.asked.popleft()
            lane = self._lanes[organization]
            self._write_put_off()  # Before our rows go: whoever misses them has to find what came of them.
            settles = what.settles and self._has_nothing_else(lane, what, now)
            if not others:
                together = route_refusals.MergedRefusals(settles=settles)
            else:
                together = route_refusals.count_together(what.edition, mine, what.held, settles=settles)
            for provider in together.accepted:
                self._sender.call(lane.refusing.believe, what.edition, provider)
            for provider, words, count in together.put_off:
                self._sender.call(lane.refusing.put_off_together, what.edition, provider, words, count)
            if together.settles and what.waiting:
                self._sender.call(lane.refusing.settle, what.edition)

    def _has_nothing_else(self, lane: OrganizationQueue, what: ReplyQuestion, now: datetime) -> bool:
        claims = [claim for claim in self._claims.get(lane.organization, []) if claim.opened.edition == what.edition]
        unanswered = sum(claim.sliced - claim.resolved + len(claim.rest) for claim in claims)
        return (
            unanswered == what.waiting
            and not self._inbox.returned
            and not route_refusals.anybody_else(what.edition, now)
        )

    def _look_at_refusing(
        self, organization: int, lane: OrganizationQueue, editions: list[int], now: datetime
    ) -> set[int]:
        """Editions of which some mailbox provider is put off."""
        seen = route_refusals.of_editions(organization, editions)
        if self._known_refusing.get(organization, route_refusals.NOBODY) != seen:
            self._known_refusing[organization] = seen
            self._sender.call(lane.refusing.set_put_off, dict(seen.put_off), seen.believed)
        route_refusals.let_go(editions, seen, now)
        self._watch_others(organization, lane, editions)
        return set(seen.put_off)

    def _watch_others(self, organization: int, lane: OrganizationQueue, editions: list[int]) -> None:
        """Whose refusals do other senders hold? What such a provider accepts from here is news to them."""
        assert self._sender.worker is not None
        mine = self._sender.worker.pk
        by_edition = route_refusals.held_elsewhere(editions, mine) if route_refusals.others_of(mine) else {}
        if self._watched.get(organization, {}) != by_edition:
            self._watched[organization] = by_edition
            digest = route_refusals.digests(Organization.objects.get(pk=organization)) if by_edition else None
            self._sender.call(lane.refusing.watch, WatchedReplies(dict(by_edition), digest) if digest else None)

    def _drop_idle(self) -> None:
        now = time.monotonic()
        used = {claim.opened.edition for claims in self._claims.values() for claim in claims}
        opened_editions = {edition for edition, _variant in self._opened}
        self._owed = {edition: owed for edition, owed in self._owed.items() if edition in opened_editions}
        for key, (opened, last) in list(self._opened.items()):
            if opened.edition in used:
                self._opened[key] = opened, now
            elif now - last > IDLE:
                del self._opened[key]
        keyring.forget_idle(IDLE)

    # -- the end ----------------------------------------------------------------------------------------------------

    def _wind_up(self) -> None:
        """Everything in flight has been told. Give back what is ours, write down what came, and say goodbye."""
        self._take_back()
        self._write_condemned()
        self._write_put_off()
        self.limiter.end()
        for domain in self._domains.values():
            if back := self._domain_back.pop(domain.id, 0):
                rate_budgets.draw_for_domain(domain, 0, back, self._sender.clock())
        for claims in self._claims.values():
            for claim in claims:
                self._sender.recorder.close_chunk(claim.chunk)
        clean = self._sender.recorder.stop(patience=2.0)
        if clean and self._sender.worker is not None:
            now = self._sender.clock()
            self.pulse.end()  # A heartbeat that was due now would find itself taken for dead.
            Worker.objects.filter(pk=self._sender.worker.pk).update(ended=now)
            self._finish_campaigns(now)
        self._sender.journal.close(keep=not clean)

    def _abandon(self) -> None:
        """Something is wrong, mostly the database. What is in flight is finished; the journal has what it became of.

        The worker stays as if it had died: whoever comes next recovers it.
        """
        self.ready.set()
        if hasattr(self._sender, "recorder"):
            self.finish.wait()
            self._sender.recorder.stop(patience=2.0)
            self._sender.journal.close(keep=True)

    def _finish_campaigns(self, now: datetime) -> None:
        for campaign in Campaign.objects.filter(state="sending", pending=0, deferred=0).values_list("id", flat=True):
            due.finish_if_done(campaign, now)
