"""Addresses the organization never writes to, by blind index alone."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from itertools import batched

from django.db import transaction
from msgspec import Struct

from samizdat.accounts import pending_changes
from samizdat.accounts.models import Organization, PendingChange, Person
from samizdat.audience import bulk_consent_writer, consent_writer, headcount, removal_limit, sql, suppression_log
from samizdat.audience.errors import AddressesWait, SuppressionListFull, TooManyAddresses
from samizdat.audience.imports import held
from samizdat.audience.limits import SUPPRESSIONS
from samizdat.audience.models import SUPPRESSION_REASONS, Subscriber, Suppression, row_id
from samizdat.core.mail import address as addresses
from samizdat.events.actions import record, record_each
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys


def suppress(
    organization: Organization,
    reason: str,
    *,
    subscriber: Subscriber | None = None,
    address: str | None = None,
    now: datetime,
    by: Person | None = None,
) -> bool:
    """Never write to this address again. `reason` of SUPPRESSION_REASONS. False when that was written down today
    already: an entry on the list alone keeps nothing from being written (suppression_log.logged_today).

    The address need not be a subscriber's. Errors: BadAddress, NoSuchSubscriber, TooManyRemovals.
    """
    assert reason in SUPPRESSION_REASONS
    keys = keyring.keys(organization)
    with removal_limit.limited(organization, now=now, by=by):
        row = _row(organization, keys, subscriber, address)
        blinds = _blinds(keys, row, address)
        entries = Suppression.objects.filter(organization=organization, email_index__in=blinds, reason=reason)
        if entries.exists() and reason in {why for _, why in suppression_log.logged_today(organization, now, blinds)}:
            return False
        if row is not None:
            removal_limit.check(organization, [row.id], now=now, by=by)
        keep_suppression(organization, keys, _text(keys, row, address), reason, now)
        if row is not None:
            consent_writer.settle(row, now)
        about = row.id if row else None
        record("subscriber.suppressed", organization, about=about, by=by, now=now, detail={"reason": reason})
    return True


def suppress_bounced(organization: Organization, answers: Mapping[int, Mapping[str, object]], *, now: datetime) -> int:
    """Never write to these subscribers again, since servers called their addresses dead: row -> what was answered, for
    whoever asks why (delivery's suppression_cause). How many they were: who was erased meanwhile is passed over, and so
    is whose address was altered in the database."""
    keys, today = keyring.keys(organization), now.astimezone(UTC).date().isoformat()
    with transaction.atomic():
        keys = keyring.held_for_index(keys)
        sql.lock_subscribers(sorted(answers))
        here = consent_writer.indexes_among(organization, keys, sorted(answers))
        texts = {id: text for id, _index, text, _is_marked in here if text is not None}
        blinds = {id: keys.blinds(text) for id, text in texts.items()}
        # In the order of hashes, as of addresses that are pasted (_suppress_slice).
        listed = sorted((current, keys.index_version, "bounce", today) for current, *_older in blinds.values())
        suppression_log.write(organization, listed, now)
        bulk_consent_writer.settle_all(organization, sorted(texts), now, blinds)
        details = {id: {"reason": "bounce", **answers[id]} for id in sorted(texts)}
        record_each("subscriber.suppressed", organization, details, now=now)
    return len(texts)


def lift(
    organization: Organization,
    reason: str,
    *,
    subscriber: Subscriber | None = None,
    address: str | None = None,
    now: datetime,
    by: Person | None = None,
    words: str = "",
) -> bool:
    """Takes a suppression back; `words` say why, sealed in the log. False when there was none.

    Errors: BadAddress, NoSuchSubscriber, TooManyLifts.
    """
    keys = keyring.keys(organization)
    with removal_limit.limited(organization, now=now, by=by):
        row = _row(organization, keys, subscriber, address)
        blinds = _blinds(keys, row, address)
        entries = Suppression.objects.filter(organization=organization, email_index__in=blinds, reason=reason)
        if entries.exists():
            removal_limit.check_lift(organization, now=now, by=by)
        if not entries.exists():
            return False
        all_entries = suppression_log.of_address(organization, keys, _text(keys, row, address))
        suppression_log.delete(organization, all_entries.filter(reason__in=suppression_log.with_roots([reason])), now)
        if row is not None:
            consent_writer.settle(row, now)
        about = row.id if row else None
        detail = {"reason": reason} | ({"why": words} if words else {})
        record("subscriber.unsuppressed", organization, about=about, by=by, now=now, detail=detail)
    return True


# Reasons that somebody at the desk may write down and take back. Who was erased, or objected to all mail, comes back by
# their own sign-up alone.
GIVEN = ("manual", "bounce", "complaint")

# Addresses of one text or file, and of one transaction.
MOST, SLICE = 50_000, 1_000
_ADDRESS = re.compile(r"(?<![^\s,;|<>\"'()\[\]])[^\s,;|<>\"'()\[\]]+@[^\s,;|<>\"'()\[\]]+")


@dataclass(slots=True)
class SuppressionResult:
    """What became of a text with addresses: how many are new on the stop list, how many stood there for this reason
    before, and (line, code) of each line that holds no address. `subscribers`: those of the new ones who are here.
    `waits`: where nothing was written before an admin approved it.
    """

    added: int = 0
    known: int = 0
    subscribers: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    waits: PendingChange | None = None


CHANGE = "suppression_paste"
# Pastes of an organization that wait at once: each may have MOST addresses.
MOST_WAITING = 3


class PasteDetails(Struct, frozen=True):
    """What is sealed of a paste that waits: how many addresses, how many of them are on lists, and which, until it is
    settled."""

    n: int
    subscribers: int
    reason: str
    addresses: list[str] | None = None


def suppress_many(
    organization: Organization, text: str, reason: str, *, now: datetime, by: Person | None = None
) -> SuppressionResult:
    """Puts every address of a text on the stop list: one a line, alone or in a table. A heading is passed over. The
    list of subscribers says afterwards who of them is here: so it waits for an admin where a file of as many rows
    would.

    Errors: AudienceError for more than MOST lines, or than the list holds; TooManyRemovals, what stands before that
    slice is done.
    """
    assert reason in GIVEN
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if len(lines) > MOST:
        raise TooManyAddresses
    taken, known = SuppressionResult(), {}
    for number, line in lines:
        try:
            known[addresses.comparable(_address_in(line))] = number
        except addresses.BadAddress as bad:
            if number > 1 or "@" in line:
                taken.refused.append((number, bad.code))
    wanted = sorted(known)
    logged = _logged_today(organization, wanted, now)
    most = SUPPRESSIONS + headcount.of(organization.pk)
    here = Suppression.objects.filter(organization=organization, reason__in=SUPPRESSION_REASONS)
    if here.count() + len(wanted) > most:
        raise SuppressionListFull(most)
    if held.tells_too_much(organization, len(wanted), by):
        taken.waits = _ask(organization, wanted, reason, now=now, by=by)
        return taken
    for some in _slices(organization, wanted):
        with removal_limit.limited(organization, now=now, by=by):
            _suppress_slice(organization, some, reason, logged, now, by, taken)
    return taken


def _slices(organization: Organization, wanted: Sequence[str]) -> Iterator[Sequence[str]]:
    keys = keyring.keys(organization)
    for some in batched(wanted, SLICE):
        yield from sql.in_light_slices(some, lambda part: sorted(consent_writer.found_at(organization, keys, part)))


def _ask(
    organization: Organization, wanted: list[str], reason: str, *, now: datetime, by: Person | None
) -> PendingChange:
    waiting = pending_changes.waiting(organization).filter(kind=CHANGE)
    if waiting.count() >= MOST_WAITING:
        raise AddressesWait
    keys = keyring.keys(organization)
    slices = [wanted[at : at + SLICE] for at in range(0, len(wanted), SLICE)]
    here = sum(removal_limit.on_lists(consent_writer.found_at(organization, keys, part)) for part in slices)
    return pending_changes.ask(organization, CHANGE, PasteDetails(len(wanted), here, reason, wanted), now=now, by=by)


def approved_slices(
    organization: Organization, details: PasteDetails, *, now: datetime, by: Person | None
) -> Iterator[Callable[[], None]]:
    """What waited, each slice for a transaction of its own; what is done already is passed over. Whom it takes off
    lists counts toward no day."""
    wanted, taken = details.addresses or [], SuppressionResult()
    logged = _logged_today(organization, wanted, now)
    for some in _slices(organization, wanted):
        yield partial(_suppress_slice, organization, some, details.reason, logged, now, by, taken, approved=True)


def _logged_today(organization: Organization, wanted: Sequence[str], now: datetime) -> set[tuple[bytes, str]]:
    keys = keyring.keys(organization)
    return suppression_log.logged_today(
        organization, now, {blind for address in wanted for blind in keys.blinds(address)}
    )


def _address_in(line: str) -> str:
    match = _ADDRESS.search(line)
    return addresses.normalize(match[0] if match else line)


def _suppress_slice(
    organization: Organization,
    wanted: Sequence[str],
    reason: str,
    logged: Collection[tuple[bytes, str]],
    now: datetime,
    by: Person | None,
    taken: SuppressionResult,
    *,
    approved: bool = False,
) -> None:
    """What stands on the list is counted apart, and written down all the same, but for what was today (`logged`)."""
    keys = keyring.held_for_index(keyring.keys(organization))
    blinds = {blind: address for address in wanted for blind in keys.blinds(address)}
    written = {blinds[blind] for blind, why in logged if why == reason and blind in blinds}
    stopped = {blinds[bytes(known_blind)] for known_blind, why in _known(organization, list(blinds)) if why == reason}
    new = [address for address in wanted if address not in stopped]
    unsaid = [address for address in wanted if address in stopped - written]
    people, others = (sorted(consent_writer.found_at(organization, keys, some)) for some in (new, unsaid))
    sql.lock_subscribers(sorted({*people, *others}))
    if not approved:
        removal_limit.check(organization, people, now=now, by=by)
    today = now.astimezone(UTC).date().isoformat()
    rows = {row for address in [*new, *unsaid] for row in suppression_log.entries(keys, address, reason, today)}
    # In the order of hashes: the newest lines of the list say who is here, and would say it of each pasted line.
    suppression_log.write(organization, sorted(rows), now)
    bulk_consent_writer.settle_all(organization, sorted({*people, *others}), now)
    taken.added += len(new)
    taken.known += len(stopped)
    taken.subscribers += len(people)
    if new:
        detail = {"reason": reason, "added": len(new), "approved" if approved else "subscribers": len(people)}
        # Whom an admin agreed to, and nobody, count toward no day.
        about = removal_limit.NOBODY if approved or not people else None
        record("suppressions.added", organization, about=about, by=by, now=now, detail=detail)


def _known(organization: Organization, blinds: Sequence[bytes]) -> Sequence[tuple[bytes, str]]:
    return sql.suppressions_by_blind(organization.id, blinds)


def keep_suppression(
    organization: Organization,
    keys: OrganizationKeys,
    address: str,
    reason: str,
    now: datetime,
    day: date | None = None,
) -> None:
    """`day`: since when, where it isn't today. Errors: BadAddress."""
    since, keys = (day or now.astimezone(UTC).date()).isoformat(), keyring.held_for_index(keys)
    suppression_log.write(organization, suppression_log.entries(keys, address, reason, since), now)


def put_indexes_right(organization: Organization, numbers: Sequence[int], *, now: datetime) -> None:
    """Has these found by their own addresses again. Where another row came to the address meanwhile, nobody is written
    to at it until a person has looked: one of the two may have left."""
    keys = keyring.keys(organization)
    for number in numbers:
        with transaction.atomic():
            consent_writer.put_owners_right(organization, [row_id(organization.id, number)])
            rows = Subscriber.objects.select_for_update().filter(organization=organization)
            row = rows.filter(id=row_id(organization.id, number)).first()
            if row is not None and not consent_writer.put_index_right(keys, row):
                suppress(organization, "manual", address=consent_writer.address_of(keys, row), now=now)
                consent_writer.settle(row, now)


def _row(
    organization: Organization, keys: OrganizationKeys, subscriber: Subscriber | None, address: str | None
) -> Subscriber | None:
    if subscriber is not None:
        return consent_writer.lock(subscriber)
    assert address is not None
    return consent_writer.find(organization, keys, addresses.normalize(address), lock=True)


def _blinds(keys: OrganizationKeys, row: Subscriber | None, address: str | None) -> list[bytes]:
    """Under every index key, the current one first."""
    return keys.blinds(addresses.comparable(_text(keys, row, address)))


def _text(keys: OrganizationKeys, row: Subscriber | None, address: str | None) -> str:
    if row is not None:
        return consent_writer.address_of(keys, row)
    assert address is not None
    return addresses.normalize(address)
