"""Who gets a letter and who does not, as an addition in words; and when, in her readers' zone and in her own."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.accounts.models import Person
from samizdat.dbclock import comes_twice
from samizdat.delivery.recipients_breakdown import RecipientsBreakdown
from samizdat.formatting import shaped
from samizdat.web.labels import LabelRow, Word
from samizdat.web.templatetags.desk import day, zone_city

# By reason: what stands in the line, and what it means where that is not plain.
REASONS: dict[str, tuple[Word, Word]] = {
    "not_listed": (lazy("not on this list"), ""),
    "untagged": (lazy("without the tag"), ""),
    "pending": (lazy("have not confirmed yet"), ""),
    "unsubscribed": (lazy("unsubscribed"), ""),
    "cleaned": (lazy("address unreachable"), ""),
    "nonsubscribed": (lazy("never agreed"), lazy("no consent for letters of this list")),
    "unasked": (lazy("did not agree to appeals for money"), lazy("or took it back; they get the letters of this list")),
    "outside": (lazy("not in the segment"), ""),
    "suppressed:bounce": (lazy("on the stop list: bounced for good"), ""),
    "suppressed:complaint": (lazy("on the stop list: reported a letter as spam"), ""),
    "suppressed:erased": (lazy("on the stop list: erased"), ""),
    "suppressed:manual": (lazy("on the stop list: put there by somebody here"), ""),
    "suppressed:objected": (lazy("on the stop list: objected to all mail"), ""),
    "stopped": (lazy("on the stop list since a moment ago"), ""),
    "paused": (lazy("asked for a pause"), ""),
    "reached": (lazy("reached by the first letter"), lazy("or not written to by it")),
    "monthly": (lazy("want one letter a month"), lazy("the first of the month that goes to the whole list")),
    "digest": (lazy("get it in the digest"), lazy("they asked for the letters of this list gathered")),
    "singly": (lazy("want their letters one by one"), lazy("the digest goes to those who asked for it")),
}


def rows(whom: RecipientsBreakdown) -> list[LabelRow]:
    """The lines of the addition, but for its sum."""
    lines = [LabelRow(_("subscribers known here"), whom.known)]
    for reason, count in whom.without.items():
        # What a verdict says that is no reason of its own here: the records and the status do not agree.
        word, note = REASONS.get(reason, (lazy("no valid consent"), ""))
        if reason == "paused" and whom.back:
            note = _("the first of them is written to again from %(day)s") % {"day": day(whom.back)}
        lines.append(LabelRow(str(word), count, note=str(note), minus=True))
    return lines


def times(person: Person, at: datetime) -> list[tuple[str, str, str]]:
    """(whose, when, city): of the readers first, then of the one who writes where her zone is another one."""
    readers = timezone.get_current_timezone_name()
    entries = [(_("Your readers"), shaped(at, "moment"), zone_city(readers))]
    if person.timezone and person.timezone != readers:
        with timezone.override(ZoneInfo(person.timezone)):
            entries.append((_("You"), shaped(at, "moment"), zone_city(person.timezone)))
    return entries


def twice(at: datetime) -> bool:
    return comes_twice(timezone.localtime(at))
