"""Copies of campaigns to seed mailboxes: sent by each route that carries the campaign, looked for in the inbox and in
the spam folder, and told to the admins where a route's copies are in spam or nowhere.

A copy counts nowhere: neither in the campaign's books nor as a test.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from django.db.models import Q, QuerySet

from samizdat.accounts.models import Organization
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign
from samizdat.core.mail.address import BadAddress
from samizdat.delivery.actions.testing import send_copies
from samizdat.delivery.errors import DeliveryError
from samizdat.delivery.models import Route, RouteTotal
from samizdat.events.actions import detail_of, record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.incoming.mailboxes import polling
from samizdat.incoming.mailboxes.faults import MailboxFault
from samizdat.incoming.mailboxes.imap import ImapSource
from samizdat.incoming.models import SeedCopy, SeedMailbox
from samizdat.incoming.seeds.mailboxes import LOOK, keep_renewed, settings_of

NOT_ARRIVING: EventKind = "campaign.not_arriving"

# A header that relays and web interfaces of providers leave as it is; some give messages another Message-ID.
HEADER = "X-Entity-Ref-ID"
# How long a copy is looked for. With the round before it and the mail after it an admin knows within 15 minutes.
PATIENCE = timedelta(minutes=12)
# A campaign that ended longer ago gets no copies any more.
AFTER_END = timedelta(hours=1)
# Whoever was to send a copy and has not by then is gone.
STALE = timedelta(minutes=5)
# A state as commands name it, by its number.
WORDS = ("to be sent", "on its way", "inbox", "spam", "missing", "rejected", "mailbox not readable")
# Of a route that somebody paused meanwhile nothing is sent.
USED = ("live", "throttled")
OPEN = (SeedCopy.UNSENT, SeedCopy.SENT)
BAD = (SeedCopy.SPAM, SeedCopy.MISSING)


def organizations(now: datetime) -> set[int]:
    """Numbers of those for which a copy is to be sent or looked for."""
    waiting = SeedCopy.objects.filter(state__in=OPEN, organization__sending_locked=False)
    carrying = {total.edition.campaign.organization_id for total in _carrying(now) if _lacks(total)}
    return carrying | {*waiting.values_list("organization", flat=True)}


def _carrying(now: datetime) -> QuerySet[RouteTotal]:
    """Routes of campaigns that are being sent, or were until lately, by organizations with seed mailboxes."""
    going = Q(edition__campaign__state="sending") | Q(edition__campaign__finished__gt=now - AFTER_END)
    seeded = SeedMailbox.objects.values("organization")
    rows = RouteTotal.objects.filter(going, edition__campaign__organization__in=seeded, accepted__gt=0)
    rows = rows.filter(edition__campaign__organization__sending_locked=False, edition__campaign__welcome=0)
    rows = rows.filter(route__state__in=USED)
    return rows.select_related("edition__campaign").only("route", "accepted", "edition__campaign__organization")


def _lacks(total: RouteTotal) -> list[SeedMailbox]:
    """Seed mailboxes that have no copy of this campaign by this route."""
    campaign = total.edition.campaign
    mailboxes = SeedMailbox.objects.filter(organization=campaign.organization_id)
    copies = SeedCopy.objects.filter(campaign=campaign, route=total.route_id)
    return [*mailboxes.exclude(pk__in=copies.values("seed")).order_by("pk")]


def go_on(organization: int, now: datetime) -> None:
    """Sends what is to be sent for an organization and looks for what was, once. Takes as long as routes and mailboxes
    take to answer."""
    _write_down(organization, now)
    for campaign, route, copies in _unsent(organization, now):
        _send(campaign, route, copies, now)
    for seed in SeedMailbox.objects.select_related("organization").filter(organization=organization):
        _look(seed, [*SeedCopy.objects.filter(seed=seed, state=SeedCopy.SENT)], now)
    _tell(organization, now)


def _write_down(organization: int, now: datetime) -> None:
    """Before a copy is sent, so that two processes do not send the same."""
    totals = _carrying(now).filter(edition__campaign__organization=organization)
    SeedCopy.objects.bulk_create(
        [
            SeedCopy(
                organization_id=organization,
                campaign_id=total.edition.campaign_id,
                route_id=total.route_id,
                seed=seed,
                mark=secrets.token_hex(16),
                at=now - STALE,
            )
            for total in totals
            for seed in _lacks(total)
        ],
        ignore_conflicts=True,
    )


def _unsent(organization: int, now: datetime) -> list[tuple[Campaign, Route, list[SeedCopy]]]:
    """Those that nobody is sending, taken for this process."""
    rows = SeedCopy.objects.select_related("organization", "route__organization", "seed__organization")
    rows = rows.filter(organization=organization, state=SeedCopy.UNSENT, at__lte=now - STALE)
    mine = [
        row
        for row in rows.order_by("campaign", "route", "seed")
        if SeedCopy.objects.filter(pk=row.pk, state=SeedCopy.UNSENT, at=row.at).update(at=now)
    ]
    return [
        (Campaign.objects.select_related("organization").get(pk=campaign, organization=organization), route, [*rows])
        for (campaign, route), rows in groupby(mine, key=lambda row: (row.campaign_id, row.route))
    ]


def _send(campaign: Campaign, route: Route, copies: Sequence[SeedCopy], now: datetime) -> None:
    by_address = {settings.address: row for row in copies if (settings := settings_of(row.seed)) is not None}
    headers = {address: f"{HEADER}: {row.mark}\r\n".encode() for address, row in by_address.items()}
    try:
        accepted = send_copies(campaign, route, headers, now=now)
    except (CampaignError, DeliveryError, BadAddress):  # Removed or altered meanwhile: its campaign says so itself.
        accepted = set()
    for row in copies:
        sent = any(row is by_address[address] for address in accepted)
        _settle(row, SeedCopy.SENT if sent else SeedCopy.REJECTED, SeedCopy.UNSENT)


def _settle(row: SeedCopy, state: int, before: int) -> None:
    """Where another process has not settled it."""
    SeedCopy.objects.filter(pk=row.pk, state=before).update(state=state)


def _look(seed: SeedMailbox, copies: Sequence[SeedCopy], now: datetime) -> None:
    settings, places, fault = settings_of(seed), dict[str, str](), "not_understood"
    if not copies:
        return
    if settings is not None:
        try:
            with polling.session(settings.mailbox, LOOK) as source:
                keep_renewed(seed, settings)
                assert isinstance(source, ImapSource)
                places, fault = source.places_of(HEADER, [row.mark for row in copies]), ""
        except MailboxFault as error:
            fault = error.code
    SeedMailbox.objects.filter(pk=seed.pk).update(fault=fault)
    for row in copies:
        state = _state_of(row, places.get(row.mark, ""), fault, now)
        if state != SeedCopy.SENT:
            _settle(row, state, SeedCopy.SENT)


def _state_of(row: SeedCopy, place: str, fault: str, now: datetime) -> int:
    match place:
        case "inbox":
            return SeedCopy.INBOX
        case "spam":
            return SeedCopy.SPAM
    if now - row.at < PATIENCE:
        return SeedCopy.SENT
    return SeedCopy.UNREAD if fault else SeedCopy.MISSING


def _tell(organization: int, now: datetime) -> None:
    """Of each route of a campaign once, when all of its copies are settled."""
    rows = SeedCopy.objects.filter(organization=organization, at__gt=now - 2 * AFTER_END)
    owner = Organization.objects.get(pk=organization)
    grouped = groupby(rows.order_by("campaign", "route"), key=lambda row: (row.campaign_id, row.route_id))
    for (campaign, route), some in grouped:
        states = [row.state for row in some]
        settled = not any(state in OPEN for state in states)
        if settled and any(state in BAD for state in states) and not _was_told(owner, campaign, route):
            sums = {"spam": states.count(SeedCopy.SPAM), "missing": states.count(SeedCopy.MISSING)}
            detail = {"route": route, "copies": len(states), **sums}
            record(NOT_ARRIVING, owner, now=now, about=campaign, detail=detail)


def _was_told(organization: Organization, campaign: int, route: int) -> bool:
    events = Event.objects.select_related("organization").filter(organization=organization, kind=NOT_ARRIVING)
    return any(detail_of(event).get("route") == route for event in events.filter(about=campaign))


@dataclass(frozen=True, slots=True)
class RoutePlacement:
    """Where the copies of a campaign by one route arrived: name of the seed mailbox -> a state of SeedCopy."""

    route: str
    states: Mapping[str, int]


def last_campaign(organization: Organization) -> Campaign | None:
    """The newest of which copies were sent."""
    rows = SeedCopy.objects.filter(organization=organization).order_by("-campaign")
    newest = rows.values_list("campaign", flat=True).first()
    campaigns = Campaign.objects.select_related("organization").filter(organization=organization)
    return campaigns.filter(pk=newest).first() if newest else None


def placements(campaign: Campaign) -> list[RoutePlacement]:
    rows = SeedCopy.objects.select_related("route", "seed").filter(
        organization=campaign.organization_id, campaign=campaign
    )
    grouped = groupby(rows.order_by("route__priority", "route", "seed__name"), key=lambda row: row.route)
    return [RoutePlacement(route.name, {row.seed.name: row.state for row in some}) for route, some in grouped]
