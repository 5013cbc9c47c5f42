"""Appeals for money: with which words a list asks for a yes to them, and asking one reader, whose mailbox answers."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from msgspec import structs

from samizdat.accounts.models import Person
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import consent_writer, sql
from samizdat.audience.actions import forms, mailed_words
from samizdat.audience.actions.consent import asked_among
from samizdat.audience.actions.lists import change_list
from samizdat.audience.models import SUBSCRIBED, List, Subscriber, Subscription
from samizdat.audience.queries import details_of
from samizdat.core import consent
from samizdat.core.consent import APPEALS
from samizdat.events.actions import record


def put_words(list: List, words: str, *, now: datetime, by: Person | None = None) -> None:
    """Readers of this list are asked for a yes to appeals with these words; with none they are not asked."""
    change_list(list, structs.replace(details_of(list), appeals=words.strip()), now=now, by=by)


def words_for(list: List, language: str = "") -> str:
    """The words beside the box for appeals of this list, in that language where there are such; "" where the house asks
    for none. They stand in the settings of the list, or in a form that has it."""
    own, details = leading(list.organization).language, details_of(list)
    by_language = {own: mailed_words.appeals_said([list], details.appeals, details.agreed).strip()}
    for form in forms.standing(list.organization):
        facts = forms.facts_of(form)
        if list.id in facts.lists:
            words = mailed_words.appeals_said([list], facts.appeals, facts.agreed)
            by_language[facts.language] = by_language.get(facts.language) or words
    return by_language.get(language[:2].lower()) or by_language[own] or next(filter(None, by_language.values()), "")


def concern(subscriber: Subscriber, list: List, now: datetime) -> bool:
    """Whether they are asked for a yes to appeals of this list: they get its letters, and the house asks for it, or
    anything of that is on record about them, as where somebody at the desk noted it."""
    if consent_writer.standing(subscriber, list, now) != "subscribed":
        return False
    about = list.id, consent.PURPOSES.index(APPEALS)
    known = [record for _id, record in sql.consent_of([subscriber.id]) if (record[1], record[3]) == about]
    spoke = any(consent.KINDS[record[2]] != "withdrawn" for record in known)  # A no alone asks for nothing.
    return spoke or bool(words_for(list))


def agreed(subscriber: Subscriber, lists: Iterable[List], now: datetime) -> set[int]:
    """The numbers of those of these lists to whose appeals they agreed, by the records that we wrote: what their
    settings show, and whether a no to appeals is one of somebody who had agreed."""
    known = consent_writer.genuine(subscriber)
    return {list.id for list in lists if known.standing(list.id, APPEALS, now) == "subscribed"}


def without(subscriber: Subscriber, lists: Iterable[List]) -> list[List]:
    """Of these, those whose letters they get and not their appeals."""
    mine = Subscription.objects.filter(subscriber=subscriber, list__in=lists, status=SUBSCRIBED)
    ids = {*mine.exclude(fundraising_verdict=consent.YES).values_list("list_id", flat=True)}
    return [list_ for list_ in lists if list_.id in ids]


def ask(subscriber: Subscriber, lists: Iterable[List], words: str, number: int, *, now: datetime) -> None:
    """Somebody ticked the box for them: asked, until their mailbox says yes by the link with this number. Told once,
    however often its mail is tried. Errors: NoSuchSubscriber."""
    with transaction.atomic():
        row, lists, today = consent_writer.lock(subscriber), [*lists], now.astimezone(UTC).date()
        if len(asked_among(lists, row, today, now, APPEALS)) == len(lists):
            return
        consent_writer.write(row, forms.asking(lists, words, number), now)
        for list_ in lists:
            detail: dict[str, Any] = {"list": list_.id, "purpose": APPEALS}
            record("subscriber.confirmation_requested", row.organization, about=row.id, now=now, detail=detail)
