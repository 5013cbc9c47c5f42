"""One subscriber is edited by hand, and two who do it at once lose nothing: a change is made to what was seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Person
from samizdat.audience import consent_writer, value_limit
from samizdat.audience.errors import AudienceError
from samizdat.audience.models import Subscriber
from samizdat.core.crypto import seal
from samizdat.events.actions import record
from samizdat.vault import keyring

# A value by its field's number; seal.NOTES is the note, LANGUAGE their language, which stands outside the seal.
LANGUAGE = -1

LONGEST_NOTE = 5_000


@dataclass(frozen=True, slots=True)
class EditClash:
    """A value that somebody else changed since it was seen, and that was to be changed here too."""

    number: int
    was: str
    now: str
    wanted: str


class ChangedMeanwhile(AudienceError):
    """Nothing was written. `clashes` say what stands now, `now` all of it."""

    code = "changed_meanwhile"

    def __init__(self, clashes: list[EditClash], now: Mapping[int, str]) -> None:
        self.clashes, self.now = clashes, now
        super().__init__(
            _("Someone else changed this subscriber while you were editing. Compare both versions, then save again.")
        )


@dataclass(frozen=True, slots=True)
class EditResult:
    """Numbers of what was changed here, and (number, was, now) of what others changed meanwhile and was left alone."""

    changed: list[int] = field(default_factory=list)
    meanwhile: list[tuple[int, str, str]] = field(default_factory=list)


def seen(subscriber: Subscriber) -> dict[int, str]:
    """All that edit() may change, as it stands."""
    held = consent_writer.values_of(keyring.keys(subscriber.organization), subscriber)
    held.pop(seal.ADDRESS, None)
    return {**held, LANGUAGE: subscriber.language}


def edit(
    subscriber: Subscriber,
    was: Mapping[int, str],
    wanted: Mapping[int, str],
    *,
    now: datetime,
    by: Person | None = None,
) -> EditResult:
    """Changes values from what was seen to what is wanted; both by number, for the same numbers.

    What is the same in both is not touched. Errors: NoSuchSubscriber, ChangedMeanwhile.
    """
    organization = subscriber.organization
    with transaction.atomic():
        row = consent_writer.lock(subscriber)
        here = seen(row)
        changes = {number: text for number, text in wanted.items() if text != was.get(number, "")}
        clashes = [
            EditClash(number, was.get(number, ""), here.get(number, ""), text)
            for number, text in sorted(changes.items())
            if here.get(number, "") not in (was.get(number, ""), text)
        ]
        if clashes:
            raise ChangedMeanwhile(clashes, here)
        meanwhile = [
            (number, was.get(number, ""), here.get(number, ""))
            for number in sorted(wanted)
            if number not in changes and here.get(number, "") != was.get(number, "")
        ]
        changed = [number for number, text in sorted(changes.items()) if here.get(number, "") != text]
        if changed:
            _write(row, {**here, **changes})
            detail = {"fields": changed}
            record("subscriber.changed", organization, about=row.id, by=by, now=now, detail=detail)
            value_limit.look(organization, now=now, by=by)
    return EditResult(changed, meanwhile)


def _write(row: Subscriber, values: dict[int, str]) -> None:
    keys = keyring.keys(row.organization)
    language = values.pop(LANGUAGE)[:8]
    values[seal.ADDRESS] = consent_writer.address_of(keys, row)
    consent_writer.insist_on_room(values)
    consent_writer.reseal(row, values)
    if language != row.language:
        Subscriber.objects.filter(id=row.id).update(language=language)
