"""Who gets a letter and who does not, as an addition in words; and when, in the readers' zone and in that of whoever
writes."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.accounts.models import Person
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.core.mail.address import BadAddress, domain, normalize
from samizdat.dbclock import comes_twice
from samizdat.delivery import send_time
from samizdat.delivery.recipients_breakdown import RecipientsBreakdown
from samizdat.formatting import shaped
from samizdat.web.labels import LabelRow, Word
from samizdat.web.templatetags.desk import day, zone_city

# By reason: what stands in the line, and what it means where that is not plain.
REASONS: dict[str, tuple[Word, Word]] = {
    "not_listed": (lazy("not on this list"), ""),
    "untagged": (lazy("without the tag"), ""),
    "pending": (lazy("unconfirmed"), ""),
    "unsubscribed": (lazy("unsubscribed"), ""),
    "cleaned": (lazy("cleaned (address bounced)"), ""),
    "nonsubscribed": (lazy("no consent"), lazy("no consent to newsletters from this list")),
    "unasked": (
        lazy("no consent to fundraising appeals"),
        lazy("or it was withdrawn; they do get newsletters from this list"),
    ),
    "outside": (lazy("not in the segment"), ""),
    "suppressed:bounce": (lazy("on the suppression list: bounced"), ""),
    "suppressed:complaint": (lazy("on the suppression list: marked an email as spam"), ""),
    "suppressed:erased": (lazy("on the suppression list: data erased"), ""),
    "suppressed:manual": (lazy("on the suppression list: added by your team"), ""),
    "suppressed:objected": (lazy("on the suppression list: objected to all email"), ""),
    "stopped": (lazy("just added to the suppression list"), ""),
    "paused": (lazy("paused by the subscriber"), ""),
    "reached": (lazy("the first email was accepted"), lazy("or they weren’t recipients of it")),
    "monthly": (lazy("get one email a month"), lazy("the first campaign of the month to the whole list")),
    "digest": (lazy("get it in the digest"), lazy("they chose a digest of this list")),
    "singly": (lazy("get separate emails"), lazy("the digest is sent to those who chose it")),
}


def rows(whom: RecipientsBreakdown) -> list[LabelRow]:
    """The lines of the addition, but for its sum."""
    lines = [LabelRow(_("all subscribers"), whom.known)]
    for reason, count in whom.without.items():
        # What a verdict says that is no reason of its own here: the records and the status do not agree.
        word, note = REASONS.get(reason, (lazy("no valid consent"), ""))
        if reason == "paused" and whom.back:
            note = _("the first pause ends on %(day)s") % {"day": day(whom.back)}
        lines.append(LabelRow(str(word), count, note=str(note), minus=True))
    return lines


class ZonedTime(NamedTuple):
    at: str
    city: str


def times(person: Person, at: datetime) -> list[ZonedTime]:
    """The readers' first, then that of the one who writes where their zone is another one."""
    readers = timezone.get_current_timezone_name()
    entries = [ZonedTime(shaped(at, "moment"), zone_city(readers))]
    if person.timezone and person.timezone != readers:
        with timezone.override(ZoneInfo(person.timezone)):
            entries.append(ZonedTime(shaped(at, "moment"), zone_city(person.timezone)))
    return entries


def last_email(campaign: Campaign, people: int, begin: datetime, now: datetime, answers: dict[str, Any]) -> str:
    """When about the last email leaves, in the readers' zone; "" where nobody can know. answers: of the release form.

    Up to the next five minutes: it is an estimate, and other campaigns may be on their way.
    """
    sender = domain_in(draft_of(campaign).from_email)
    quiet = answers.get("quiet") or ""
    last = send_time.last_email(campaign.organization, sender, people, begin, now, quiet=quiet) if people else None
    if last is None:
        return ""
    if answers.get("wave"):
        last += timedelta(minutes=answers.get("wave_hold") or 0)
    last = timezone.localtime(last + (datetime.min.replace(tzinfo=UTC) - last) % timedelta(minutes=5))
    return shaped(last, "time" if last.date() == timezone.localtime(begin).date() else "moment")


def domain_in(email: str) -> str:
    """The domain of an address; "" where it is none yet."""
    try:
        return domain(normalize(email))
    except BadAddress:
        return ""


def twice(at: datetime) -> bool:
    return comes_twice(timezone.localtime(at))
