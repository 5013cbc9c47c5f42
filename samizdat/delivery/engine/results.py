"""Writes down what became of messages: rows, counters and totals in one transaction, harmless when repeated."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypedDict

from django.db import IntegrityError, transaction

from samizdat.campaigns import sealed_clicks
from samizdat.campaigns.ab_test import marks_of
from samizdat.campaigns.models import Campaign, Edition
from samizdat.campaigns.queries import is_welcome
from samizdat.campaigns.translations import frozen_in
from samizdat.core import ab_test
from samizdat.core.crypto import seal
from samizdat.core.mail import outcome, retry_schedule
from samizdat.core.mail.ledger import STATES, IllegalMove, JournalNews, State, changes, step
from samizdat.delivery import clock_jumps, sql
from samizdat.delivery.models import Chunk, Retry, Worker
from samizdat.delivery.queries import answer_column
from samizdat.events.actions import record
from samizdat.vault import keyring
from samizdat.vault.errors import OrganizationLocked, VaultError

log = logging.getLogger("samizdat.delivery")

# As `wait` of what is put off: its mailbox provider refuses us, so it waits until a person lifts that.
HELD = -1


class TriedRow(TypedDict):
    """What is kept of a message that waits for another try."""

    number: int
    tries: int
    first: datetime
    chunk_id: int


class SendResult(NamedTuple):
    """What was heard of one message. `route` None: no server was asked. `wait`: seconds the server named."""

    edition: int
    chunk: int
    number: int
    news: JournalNews
    answer: int = 0
    code: int = 0
    route: int | None = None
    provider: int = 0
    retry: bool = False
    wait: int = 0
    text: str = ""
    crashed: bool = False  # In doubt because the sender died: tried again by the campaign's policy however often.
    held: bool = False  # In doubt for good: only a person settles it.
    put_off: bool = False  # No try: it waits for its mailbox provider, `wait` seconds; HELD: till it is lifted.


@dataclass(slots=True)
class _Account:
    """What one batch of one edition does to the totals."""

    moves: Counter[tuple[State, State]] = field(default_factory=Counter)
    left: dict[int, int] = field(default_factory=dict)
    routes: dict[int, list[int]] = field(default_factory=dict)  # accepted, refused, deferred, unsure
    minutes: dict[int, list[int]] = field(default_factory=dict)  # accepted, refused
    providers: dict[tuple[int, int], int] = field(default_factory=dict)
    again: list[tuple[int, int, datetime, datetime]] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)
    edition: int = 0
    # Of a letter in versions what became of each is counted as well. marks: of a test. spoken: chunk -> the version in
    # one of its languages; a chunk is of one version, and who is tried again gets the version frozen for them.
    marks: tuple[int, ...] = ()
    spoken: Mapping[int, int] = field(default_factory=dict)
    variants: Counter[tuple[int, int]] = field(default_factory=Counter)

    # Whom each version reached, while that is still noted (campaigns/sealed_clicks.py).
    reached: dict[int, list[int]] | None = None

    def vary(self, result: SendResult, old: State, new: State) -> None:
        if old == new or not (self.marks or self.spoken or self.reached is not None):
            return
        number, marks = result.number, self.marks
        variant = ab_test.group(self.edition, number, marks) if marks else self.spoken.get(result.chunk, 0)
        if self.reached is not None and new == State.ACCEPTED:
            self.reached.setdefault(variant, []).append(number)
        if not (marks or self.spoken):
            return
        self.variants[variant, int(new)] += 1
        if old != State.PENDING:
            self.variants[variant, int(old)] -= 1

    def accept(self, chunk: int, route: int | None, provider: int, count: int) -> None:
        """So many first tries that were accepted."""
        self.moves[State.PENDING, State.ACCEPTED] += count
        self.left[chunk] = self.left.get(chunk, 0) + count
        self.providers[provider, State.ACCEPTED] = self.providers.get((provider, State.ACCEPTED), 0) + count
        if route is not None:
            self.routes.setdefault(route, [0, 0, 0, 0])[0] += count
            self.minutes.setdefault(route, [0, 0])[0] += count

    def move(self, result: SendResult, old: State, new: State, old_route: int | None = None) -> None:
        self.moves[old, new] += 1
        self.vary(result, old, new)
        if old == State.PENDING:
            self.left[result.chunk] = self.left.get(result.chunk, 0) + 1
        if old != new:
            if old != State.PENDING:
                self._provider(result.provider, old, -1)
            self._provider(result.provider, new, 1)
        self._route(result, old, new, old_route)

    def _provider(self, provider: int, state: State, count: int) -> None:
        key = provider, int(state)
        self.providers[key] = self.providers.get(key, 0) + count

    def _route(self, result: SendResult, old: State, new: State, old_route: int | None) -> None:
        if old_route is not None and old != new and old in _ROUTE_COLUMN:
            self.routes.setdefault(old_route, [0, 0, 0, 0])[_ROUTE_COLUMN[old]] -= 1
        if result.route is None:
            return
        totals = self.routes.setdefault(result.route, [0, 0, 0, 0])
        if result.news == JournalNews.DEFERRED:
            totals[2] += 1
        if old != new and new in _ROUTE_COLUMN:
            totals[_ROUTE_COLUMN[new]] += 1
            if new != State.UNSURE:
                self.minutes.setdefault(result.route, [0, 0])[_ROUTE_COLUMN[new]] += 1


# Columns of RouteTotal that say how many people stand there now. `deferred` counts times, so it is not among them.
_ROUTE_COLUMN = {State.ACCEPTED: 0, State.REFUSED: 1, State.UNSURE: 3}

_UNTOUCHED = (State.PENDING, State.SUPPRESSED, State.CANCELLED)

# By plain numbers: an enumeration's own hash is a Python function.
_FIRST_STATE = {int(news): int(step(State.PENDING, news)) for news in JournalNews if news != JournalNews.EXPIRED}
_EXPIRED = outcome.NUMBERS["expired"]


class DatabaseRewound(RuntimeError):
    """The database knows less of this sender than it did: it was restored, or another server has taken over."""


def write(results: Sequence[SendResult], now: datetime, counted: tuple[int, int] | None = None) -> None:
    """Book results. One result a number; repeats of old ones change nothing. counted: a worker, and which of its groups
    this is, counted in the same transaction. Errors: WentBack.

    First as if nothing had been heard before of those who are tried for the first time, as nearly always; when that
    turns out wrong, all of it once more with a look at what is known.
    """
    by_edition: dict[int, list[SendResult]] = {}
    for result in results:
        by_edition.setdefault(result.edition, []).append(result)
    try:
        _write(by_edition, now, counted, trusting=True)
    except IntegrityError:
        _write(by_edition, now, counted, trusting=False)


def _write(
    by_edition: dict[int, list[SendResult]], now: datetime, counted: tuple[int, int] | None, trusting: bool
) -> None:
    with transaction.atomic():
        if counted is not None:
            worker, number = counted
            # Twice the same one, where the answer to its commit was lost.
            row = Worker.objects.filter(pk=worker, written__in=(number - 1, number))
            if not row.update(written=number):
                raise DatabaseRewound("The database has forgotten what it was told.")
        for edition, group in by_edition.items():
            _write_edition(edition, group, now, trusting)


def _write_edition(edition: int, results: list[SendResult], now: datetime, trusting: bool) -> None:
    account = _Account(edition=edition, marks=marks_of(edition), spoken=_spoken(edition, results))
    account.reached = None if edition in _reached else {}
    fresh = [result for result in results if trusting and not result.retry]
    known = [result for result in results if not trusting or result.retry]
    resend = _resends(edition) if any(result.news == JournalNews.UNSURE for result in results) else False
    if fresh:
        _insert(edition, fresh, now)
        _begin_all(account, fresh, now, resend)
    if known:
        _move_known(edition, known, account, now, resend)
    _begin_letter(edition, account, now)
    _store(edition, account, now)
    _store_answers(edition, results)
    _note_reached(edition, account)


# Editions of which nobody more is noted, as far as this process knows: enough people got them, or nothing is counted.
_reached: set[int] = set()


def _note_reached(edition: int, account: _Account) -> None:
    """Before clicks of a version are shown, so many people really got it. Last, and cheap once they did."""
    if not account.reached:
        return
    try:
        if not sealed_clicks.note_reached(edition, account.reached):
            _reached.add(edition)
    except VaultError as error:
        log.warning("Who got campaign edition %d is not noted now (%s).", edition, type(error).__name__)


# Editions of which somebody got something, as far as this process knows: asked no more.
_begun: set[int] = set()


def _begin_letter(edition: int, account: _Account, now: datetime) -> None:
    """Of the first message of a letter that is more than owed there is an event: its web copy becomes public by it."""
    if edition in _begun or all(new in _UNTOUCHED for _old, new in account.moves):
        return
    # Held, so that of two senders the second sees what the first has written.
    campaign = Campaign.objects.select_for_update(of=("self",)).select_related("organization").get(edition=edition)
    if campaign.is_untouched:
        record("campaign.first_sent", campaign.organization, now=now, about=campaign.pk)
    else:
        _begun.add(edition)


def _spoken(edition: int, results: list[SendResult]) -> dict[int, int]:
    """Chunk -> its version, for a letter in several languages; else nothing."""
    if not frozen_in(edition):
        return {}
    chunks = {result.chunk for result in results}
    return dict(Chunk.objects.filter(pk__in=chunks).values_list("pk", "variant"))


def _resends(edition: int) -> bool:
    """Is somebody in doubt written to again?"""
    return Campaign.objects.values_list("unsure_policy", flat=True).get(edition=edition) == "resend"


def _insert(edition: int, results: list[SendResult], now: datetime) -> None:
    """Errors: IntegrityError when one has a delivery."""
    fates: dict[sql.Fate, list[int]] = {}
    for result in results:
        fate = _FIRST_STATE[result.news], result.answer, result.code, result.route
        fates.setdefault(fate, []).append(result.number)
    sql.insert_deliveries(edition, fates, now.date())


def _begin_all(account: _Account, results: list[SendResult], now: datetime, resend: bool) -> None:
    """The first thing heard of many. Accepted ones, nearly all there are, are counted in groups."""
    taken: dict[tuple[int, int | None, int], int] = {}
    for result in results:
        if result.news == JournalNews.ACCEPTED:
            key = result.chunk, result.route, result.provider
            taken[key] = taken.get(key, 0) + 1
            account.vary(result, State.PENDING, State.ACCEPTED)
        else:
            _begin(account, result, now, resend)
    for (chunk, route, provider), count in taken.items():
        account.accept(chunk, route, provider, count)


def _begin(account: _Account, result: SendResult, now: datetime, resend: bool) -> None:
    """The first thing heard of this message."""
    new = State(_FIRST_STATE[result.news])
    account.move(result, State.PENDING, new)
    if new == State.DEFERRED:
        tries = 0 if result.put_off else 1
        account.again.append((result.number, tries, now, _next(result, tries, now)))
    elif new == State.UNSURE and resend and not result.held:
        account.again.append((result.number, 1, now, now))


def _next(result: SendResult, tries: int, now: datetime) -> datetime:
    if result.put_off:
        return retry_schedule.LATER if result.wait == HELD else now + timedelta(seconds=result.wait)
    return due(tries, now, result.wait)


def due(tries: int, now: datetime, wait: int) -> datetime:
    """When to try again: by our own table, or later where the server named a time."""
    return max(retry_schedule.next_try(tries, now), now + timedelta(seconds=wait))


def _move_known(edition: int, results: list[SendResult], account: _Account, now: datetime, resend: bool) -> None:
    """The careful way: some have a delivery, so each move is looked up in the one table."""
    numbers = [result.number for result in results]
    known = sql.known_deliveries(edition, numbers)
    tries = {
        row["number"]: row
        for row in Retry.objects.filter(edition=edition, number__in=numbers).values(
            "number", "tries", "first", "chunk_id"
        )
    }
    missing = [result for result in results if result.number not in known]
    if missing:
        _insert(edition, missing, now)
        for result in missing:
            _begin(account, result, now, resend)
    rows = []
    for result in results:
        if result.number in known:
            state, route = known[result.number]
            row = _move_one(result, State(state), route, tries.get(result.number), account, now, resend)
            if row:
                rows.append(row)
    sql.move_deliveries(edition, rows, now.date())


# What a message is told by an earlier chunk changes nothing once it is in another one or settled. These are facts
# about the message itself and count whenever they are heard.
_FACTS = (JournalNews.ACCEPTED, JournalNews.REFUSED)


def _move_one(
    result: SendResult,
    old: State,
    old_route: int | None,
    tried: TriedRow | None,
    account: _Account,
    now: datetime,
    resend: bool,
) -> tuple[int, int, int, int | None, int] | None:
    here = tried is not None and tried["chunk_id"] == result.chunk
    if result.news not in _FACTS and not here and not result.held:
        return None
    news, answer = result.news, result.answer
    old_enough = tried and not result.put_off and retry_schedule.expired(tried["first"], now)
    if news == JournalNews.DEFERRED and old_enough and not clock_jumps.patient(now):
        news, answer = JournalNews.EXPIRED, _EXPIRED
    try:
        new = step(old, news)
    except IllegalMove:
        return None
    repeated = new == old and news != JournalNews.DEFERRED
    if not repeated:
        account.move(result._replace(news=news), old, new, old_route)
    _settle_try(result, news, old, new, tried, account, now, resend)
    if repeated:
        return None
    kept = new == State.UNSURE and old == State.UNSURE
    return None if kept else (int(new), answer, result.code, result.route or old_route, result.number)


def _settle_try(
    result: SendResult,
    news: JournalNews,
    old: State,
    new: State,
    tried: TriedRow | None,
    account: _Account,
    now: datetime,
    resend: bool,
) -> None:
    """Is it to be tried again, and when?"""
    if news == JournalNews.DEFERRED and new in (State.DEFERRED, State.UNSURE):
        assert tried is not None
        number = tried["tries"] + (0 if result.put_off else 1)
        account.again.append((result.number, number, tried["first"], _next(result, number, now)))
    elif (
        news == JournalNews.UNSURE
        and new == State.UNSURE
        and resend
        and not result.held
        and (result.crashed or old != new)
    ):
        # A second silence in a row is not answered by a third copy: it stays in doubt until a person settles it.
        first = tried["first"] if tried else now
        account.again.append((result.number, (tried["tries"] if tried else 0) + 1, first, now))
    elif tried is not None:
        account.settled.append(result.number)


def _store(edition: int, account: _Account, now: datetime) -> None:
    # Campaign, chunks, then the rest: always in this order, so that two senders on PostgreSQL do not block each other.
    # Of a welcome email the day alone: in its minute somebody confirmed.
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    minute = day if is_welcome(edition) else now.replace(second=0, microsecond=0)
    sql.put_retries(edition, account.again)
    sql.drop_retries(edition, account.settled)
    sql.add_totals(
        edition,
        sql.DeliveryTotals(
            books={STATES[state]: count for state, count in changes(account.moves).items()},
            left=dict(sorted(account.left.items())),
            routes=[(route, *totals) for route, totals in sorted(account.routes.items())],
            minutes=[(route, minute, *totals) for route, totals in sorted(account.minutes.items())],
            providers=[(*key, count) for key, count in sorted(account.providers.items()) if count],
            variants=[(*key, count) for key, count in sorted(account.variants.items()) if count],
        ),
    )


# A server that puts a serial number into every answer must not fill the disk: no more texts than this in a batch.
MOST_TEXTS = 20


def _store_answers(edition: int, results: Iterable[SendResult]) -> None:
    by_text: dict[tuple[int, int, str], list[Any]] = {}
    for result in results:
        if result.text and result.route is not None:
            key = result.route, result.code, outcome.DIGITS.sub("", result.text)
            by_text.setdefault(key, [result, 0])[1] += 1
    if not by_text:
        return
    try:
        keys = keyring.keys(Edition.objects.select_related("organization").get(pk=edition).organization)
    except OrganizationLocked:
        return  # What was in flight is booked all the same, without the servers' words.
    assert keys.link is not None
    secret = seal.derive(keys.link.secret, "answers")
    rows = []
    for (route, code, like), (result, count) in list(by_text.items())[:MOST_TEXTS]:
        digest = seal.blind(secret, f"{code} {like}")
        sealed = keys.seal(result.text.encode(), "answer", answer_column(route, digest), edition)
        rows.append((edition, route, digest, result.answer, code, sealed, count))
    sql.add_answers(sorted(rows, key=lambda row: (row[1], row[2])))
