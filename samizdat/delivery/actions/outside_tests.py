"""Test letters, of a campaign or a route, to addresses outside the team: a few a day.

They leave at once, with the organization's own sender, and no second person has agreed to them: whoever stole a session
would send what they like to whom they like. Those of the team's own addresses are not counted: of members who write,
for a day or longer. A viewer is invited by one session at once, and by any address.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts import queries as accounts
from samizdat.accounts.models import WRITERS, Organization, Person
from samizdat.accounts.pending_changes import SEASONED
from samizdat.audience import queries as audience
from samizdat.audience.actions.mail_quota import WANT_NO_MAIL
from samizdat.audience.models import SUBSCRIBED, UNSUBSCRIBED, Subscription
from samizdat.core.mail.address import comparable, normalize
from samizdat.delivery.errors import TooManyTests, WantsNoMail
from samizdat.events.actions import detail_of, record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.events.queries import was_said

TESTED: EventKind = "campaign.tested"
ROUTE_TESTED: EventKind = "route.tested"
REFUSED: EventKind = "campaign.test_refused"
ALARM: EventKind = "person.test_limit_reached"

# In the detail: number of the question (remote_checks.py) that a test answers; slugs of the pictures that it shows.
ASKED, PICTURES = "asked", "pictures"

# The whole seed list (campaigns/seed_list.py) twice.
OUTSIDE_A_DAY = 40
DAY = timedelta(days=1)

# Whoever is behind such an address said no, or somebody here for them. A test has no way out, so it does not go there
# either. A dead mailbox may be tried.
SAID_NO = ("manual", *WANT_NO_MAIL)


def outside(organization: Organization, addresses: Sequence[str], now: datetime) -> list[str]:
    """Those that nobody of the team has."""
    members = accounts.members(organization)
    trusted = (row for row in members if row.role in WRITERS and row.since and row.since <= now - SEASONED)
    team = {comparable(normalize(member.email)) for member in trusted}
    return [address for address in addresses if comparable(address) not in team]


def check(
    organization: Organization, campaign: int | None, addresses: Sequence[str], *, now: datetime, by: Person | None
) -> int:
    """How many of these are outside the team. Errors: TooManyTests, WantsNoMail."""
    outsiders = outside(organization, addresses, now)
    if _are_too_many(organization, len(outsiders), now, by):
        raise _too_many(organization, now, by)
    if refusal := _refusal(organization, addresses, outsiders):
        # It tells something about that address, so it is counted like a test.
        note(REFUSED, organization, campaign, {"outside": len(outsiders)}, now=now, by=by)
        raise WantsNoMail(refusal)
    return len(outsiders)


def note(
    kind: EventKind,
    organization: Organization,
    about: int | None,
    detail: dict[str, Any],
    *,
    now: datetime,
    by: Person | None,
) -> None:
    """Counts it before anything leaves. Of several at once each counts those before it. Errors: TooManyTests."""
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        is_refused = _are_too_many(organization, detail["outside"], now, by)
        if not is_refused:
            record(kind, organization, now=now, by=by, about=about, detail=detail)
    if is_refused:
        raise _too_many(organization, now, by)


def _are_too_many(organization: Organization, outsiders: int, now: datetime, by: Person | None) -> bool:
    return by is not None and outsiders > 0 and _used(organization, now) + outsiders > OUTSIDE_A_DAY


def _too_many(organization: Organization, now: datetime, by: Person | None) -> TooManyTests:
    if by is not None:
        _tell(organization, now, by)
    sentence = _("Your team can send %(n)s tests a day to other people’s addresses. Send this one to your team.")
    return TooManyTests(sentence % {"n": OUTSIDE_A_DAY})


def _refusal(organization: Organization, addresses: Sequence[str], outsiders: Sequence[str]) -> str:
    for address in addresses:
        if audience.suppression_of(organization, address) in SAID_NO:
            sentence = _(
                "%(address)s is on your suppression list, so no test can be sent there. Remove it here, "
                "or from the suppression list."
            )
            return sentence % {"address": address}
    for address in outsiders:
        if has_left(organization, address):
            return _("%(address)s is unsubscribed, so no test can be sent there. Remove it.") % {"address": address}
    return ""


def wants_no_mail(organization: Organization, address: str) -> bool:
    """Whether whoever is behind this address wants nothing of ours: suppressed for that, or a subscriber who left."""
    return audience.suppression_of(organization, address) in SAID_NO or has_left(organization, address)


def has_left(organization: Organization, address: str) -> bool:
    """Whether a subscriber has this address who left, and gets nothing any more."""
    subscriber = audience.subscriber_at(organization, address)
    if subscriber is None:
        return False
    statuses = set(Subscription.objects.filter(subscriber=subscriber).values_list("status", flat=True))
    return UNSUBSCRIBED in statuses and SUBSCRIBED not in statuses


def was_sent(organization: Organization, asked: int, since: datetime) -> bool:
    """Whether a test that answers this question left since."""
    rows = Event.objects.select_related("organization").filter(organization=organization, kind=TESTED, at__gte=since)
    return any(detail_of(event).get(ASKED) == asked for event in rows)


def alarms(organization: Organization, now: datetime) -> list[Event]:
    """Of the last day, the newest first."""
    rows = Event.objects.select_related("organization", "by").filter(organization=organization, kind=ALARM)
    return list(rows.filter(at__gt=now - DAY).order_by("-id")[:10])


def _used(organization: Organization, now: datetime) -> int:
    rows = Event.objects.select_related("organization").filter(organization=organization, at__gt=now - DAY)
    counted = rows.filter(kind__in=(TESTED, ROUTE_TESTED, REFUSED))
    return sum(int(detail_of(event).get("outside", 0)) for event in counted)


def _tell(organization: Organization, now: datetime, by: Person) -> None:
    """One alarm a day for each person is enough."""
    if not was_said(organization, ALARM, now - DAY, about=by.pk):
        record(ALARM, organization, now=now, about=by.pk, by=by)
