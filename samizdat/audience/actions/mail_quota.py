"""At most one mail a day of each kind to one mailbox, whoever asks for it and however often; and how many cannot go."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from django.db import transaction

from samizdat.accounts.models import Organization
from samizdat.audience.models import MailQuota, UnsentMailCount
from samizdat.core.mail import address
from samizdat.vault import keyring

# Mails of a kind in a day to one mailbox under several spellings: some people do use them.
A_DAY = 3
# Reasons on the suppression list of whoever wants no mail at all.
WANT_NO_MAIL = ("complaint", "erased", "objected")


def once_a_day(organization: Organization, what: str, box: int, now: datetime) -> bool:
    """Whether the mail `what` ("confirm ada@example.org", "erase 17") may go today (UTC). Told before it goes, so a
    crash costs the mail of that day and never a second one.

    `box`: the row of the public database that asks. The same one asking again is a second try of the same mail, and
    may.
    """
    day = now.astimezone(UTC).date()
    mark, *formers = _marks(organization, what, day)
    if formers:
        taken = MailQuota.objects.filter(organization=organization, mark__in=formers, day=day).first()
        if taken is not None:
            return taken.box == box
    row, _made = MailQuota.objects.get_or_create(organization=organization, mark=mark, day=day, defaults={"box": box})
    return row.box == box


def _marks(organization: Organization, what: str, day: date) -> list[bytes]:
    """Another one each day: whoever has a copy of two days does not see that somebody was mailed on both. Under the
    current index key, then under former ones: one may have been replaced today."""
    return keyring.keys(organization).blinds(f"mailed\0{day} {what}")


def once_a_week(organization: Organization, what: str, box: int, now: datetime) -> bool:
    """The same of a week, from Monday on."""
    sunday = now.astimezone(UTC) + timedelta(days=6 - now.astimezone(UTC).weekday())
    return once_a_day(organization, f"{what} weekly", box, sunday)


def may_come_back(organization: Organization, to: str, reason: str | None, box: int, now: datetime) -> bool:
    """Whether a mail may ask who is suppressed for this reason: whoever said no to all mail comes back of their own
    accord, so they are asked once a week, however strangers spell their mailbox. One row is left of everybody."""
    if reason in WANT_NO_MAIL and once_a_week(organization, f"confirm {address.root(to)}", box, now):
        return True
    once_a_week(organization, f"unused week {box}", box, now)
    return reason not in WANT_NO_MAIL


def few_a_day(organization: Organization, what: str, to: str, box: int, now: datetime) -> bool:
    """Whether one more mail of a kind may go today to the mailbox behind this address, whichever of its spellings it
    is: a program that puts +1, +2, +3 behind a name means one person."""
    return few_in_all(organization, f"{what} behind {address.root(to)}", A_DAY, box, now)


def few_in_all(organization: Organization, what: str, most: int, box: int, now: datetime) -> bool:
    """Whether one more mail of a kind may go today, to whomever. box: as of once_a_day."""
    day = now.astimezone(UTC).date()
    names = {
        mark: f"{what} {number}" for number in range(most) for mark in _marks(organization, f"{what} {number}", day)
    }
    rows = MailQuota.objects.filter(organization=organization, day=day, mark__in=list(names))
    boxes = {names[bytes(mark)]: taken for mark, taken in rows.values_list("mark", "box")}
    if box in boxes.values():
        return True
    return any(once_a_day(organization, name, box, now) for name in dict.fromkeys(names.values()) if name not in boxes)


def forget_mailed(now: datetime) -> None:
    """What was mailed on days that are over."""
    MailQuota.objects.filter(day__lt=now.astimezone(UTC).date() - timedelta(days=1)).delete()


def tell_unmailed(waiting: Mapping[tuple[int, str], int]) -> None:
    """(organization, why) -> how many sign-ups wait for their mail; of whom nothing is told, none do."""
    rows = [UnsentMailCount(organization_id=whose, why=why, count=many) for (whose, why), many in waiting.items()]
    with transaction.atomic():
        UnsentMailCount.objects.all().delete()
        UnsentMailCount.objects.bulk_create(rows)
