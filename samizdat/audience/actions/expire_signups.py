"""Sign-ups that nobody confirmed are forgotten: somebody typed an address in, and its owner never said yes."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from django.db import transaction

from samizdat.audience import consent_records, consent_writer, emptied_records, sql
from samizdat.audience.actions.consent import asked_among, verdicts
from samizdat.audience.consent_records import Digested
from samizdat.audience.list_totals import ListTotals
from samizdat.audience.models import List, SignUp, Subscriber, Subscription
from samizdat.audience.open_signups import ASKED, FORM
from samizdat.core import consent
from samizdat.core.consent import last_day
from samizdat.core.crypto import seal
from samizdat.events.actions import record
from samizdat.vault import keyring
from samizdat.vault.locks import unlocked

# Sign-ups of one look.
PAGE = 100

_CONFIRMED = consent.KINDS.index("confirmed")

log = logging.getLogger("samizdat.audience")


def forget_unconfirmed(now: datetime) -> int | None:
    """One page of sign-ups by a form that have had their week: how many were forgotten, None when there are no more.

    Only what came by a form: pending ones of an import were asked by somebody else, and stay. Who is known by nothing
    else goes whole, and may sign up again. Of everybody else, on the list or not, the sign-up alone is forgotten.
    """
    due = SignUp.objects.filter(unlocked("record__list__organization__"), day__lt=last_day(now)).order_by(
        "day", "record"
    )[:PAGE]
    by_list: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for id, subscriber, list_id in due.values_list("record_id", "record__subscriber", "record__list"):
        by_list[list_id].append((id, subscriber))
    if not by_list:
        return None
    rows = List.objects.select_related("organization").in_bulk(by_list)
    return sum(_forget_of(rows[list_id], entries, now) for list_id, entries in sorted(by_list.items()))


def _forget_of(list: List, due: Sequence[tuple[int, int]], now: datetime) -> int:
    """`due`: (record, subscriber) each. They are looked for no more, whatever becomes of them."""
    ids, records = sorted({subscriber for _record, subscriber in due}), {record for record, _subscriber in due}
    forgotten = 0
    with transaction.atomic():
        held = _held(sql.hold_subscribers(list.organization_id, ids))
        standing, known = _standing(list, held, now), _known_otherwise(list, held)
        for row in Subscriber.objects.select_related("organization").filter(id__in=[*held]).order_by("id"):
            if row.id in standing and row.id in known:
                forgotten += _forget(list, row, standing[row.id], held, now)
            elif row.id in standing and _is_waiting(row):
                forgotten += _forget(list, row, None, held, now)
            else:  # Also who was brought in as somebody who never agreed: of that nothing is on record.
                mine = [entry for entry in held[row.id] if _number(entry) in records and _is_old_sign_up(entry, now)]
                forgotten += _forget_words(list, row, mine, held, now)
        SignUp.objects.filter(record__in=records).delete()
    return forgotten


def waits(list: List, subscriber: Subscriber, day: date, now: datetime, sent_at: datetime) -> bool:
    """Whether their sign-up of that day may still be confirmed: nothing has answered it, it is of the last days, and
    they are not written to anyway. Who left, or whose mail came back, stays that until then. `sent_at`: when they
    confirmed, by the clock of the public pages: a worker that stood still for days takes nobody's week away."""
    return bool(waiting_among([list], subscriber, day, now, sent_at))


def waiting_among(
    lists: Iterable[List], subscriber: Subscriber, day: date, now: datetime, sent_at: datetime
) -> list[List]:
    """The lists of which that is so, with one look at their records."""
    asks = asked_among(lists, subscriber, day, now) if day >= last_day(sent_at) else []
    verdicts_of = verdicts(subscriber, asks, now) if asks else {}
    return [list for list in asks if not isinstance(verdicts_of[list.id], consent.Permission)]


def _held(ids: Sequence[int]) -> dict[int, list[Digested]]:
    """What is on record about these subscribers, without those of whom anything isn't as we wrote it: whoever writes
    the database would have a no forgotten as a sign-up."""
    rows = sql.digested_consent_of(ids)
    not_ours = emptied_records.altered(rows)
    altered = {row[0] for row in rows if _number(row) in not_ours}
    if altered:
        log.error("Sign-ups aren't forgotten: the database was altered by other means. Run `samizdat log check`.")
    held: dict[int, list[Digested]] = defaultdict(list)
    for row in rows:
        if row[0] not in altered:
            held[row[0]].append(row)
    return dict(held)


def _number(entry: Digested) -> int:
    return entry[1][0]


def _is_sign_up(entry: Digested) -> bool:
    _number, _list, kind, _purpose, way, _day = entry[1]
    return (kind, way) == (ASKED, FORM)


def _is_old_sign_up(entry: Digested, now: datetime) -> bool:
    """By its own day: that of the row by which it is looked for stands in the open."""
    return _is_sign_up(entry) and entry[1][5] < last_day(now).isoformat()


def _is_waiting(row: Subscriber) -> bool:
    """Whether they are a sign-up and nobody else, as their sealed values say."""
    return seal.WAITING in consent_writer.values_of(keyring.keys(row.organization), row)


def _standing(list: List, held: Mapping[int, Sequence[Digested]], now: datetime) -> dict[int, int]:
    """Who is on this list by nothing but sign-ups by a form, none of them fresh -> their status there: pending, or what
    they had said about every list.
    """
    here = Subscription.objects.filter(list=list, subscriber__in=[*held]).values_list("subscriber_id", "status")
    return {
        id: status
        for id, status in here
        if all(_is_old_sign_up(entry, now) for entry in held[id] if entry[1][1] == list.id)
    }


def _known_otherwise(list: List, held: Mapping[int, Sequence[Digested]]) -> set[int]:
    """Those who are on another list, or of whom anything else is on record than sign-ups by a form."""
    elsewhere = Subscription.objects.filter(subscriber__in=[*held]).exclude(list=list)
    known = {id for id, entries in held.items() if not all(map(_is_sign_up, entries))}
    return known | {*elsewhere.values_list("subscriber_id", flat=True)}


def _forget(
    list: List, row: Subscriber, status: int | None, held: Mapping[int, Sequence[Digested]], now: datetime
) -> int:
    """Their place on this list; without a `status` all that is known of them."""
    if status is None:
        consent_writer.remove(row)
    else:
        tags = consent_writer.tags_of(row)
        totals = ListTotals()
        totals.move({list.id: status}, tags, {}, tags)
        totals.write()
        Subscription.objects.filter(subscriber=row, list=list).delete()
        emptied_records.empty(entry for entry in held[row.id] if entry[1][1] == list.id)
    _say(list, row, now)
    return 1


def _forget_words(
    list: List,
    row: Subscriber,
    due: Iterable[Digested],
    held: Mapping[int, Sequence[Digested]],
    now: datetime,
) -> int:
    """Of one who stands as they stood: what was typed about them, and is not what they confirmed."""
    mine = [entry for entry in due if entry[3]]
    answered = _answered(list, row, held[row.id]) if mine else frozenset()
    lost = [entry for entry in mine if (entry[1][3], _words(row, entry).get(consent.AT)) not in answered]
    if lost:
        emptied_records.empty(lost)
        _say(list, row, now)
    return bool(lost)


def _answered(list: List, row: Subscriber, held: Iterable[Digested]) -> frozenset[tuple[int, str | None]]:
    """(purpose, when) of the sign-ups that they confirmed, as their confirmations say it."""
    confirmed = (entry for entry in held if entry[1][1:3] == (list.id, _CONFIRMED) and entry[3])
    return frozenset((entry[1][3], _words(row, entry).get(consent.ASKED_AT, "")) for entry in confirmed)


def _words(row: Subscriber, entry: Digested) -> dict[int, str]:
    return seal.unpack(keyring.keys(row.organization).open(entry[3], *consent_records.RECORD, row.number))


def _say(list: List, row: Subscriber, now: datetime) -> None:
    record("subscriber.forgotten", row.organization, about=row.id, now=now, detail={"list": list.id})
