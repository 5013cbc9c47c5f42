"""Test messages to a return address: sent by the organization's route, they come back through one of its mailboxes.

The address has a signed token, which says when it was sent and which mailbox is to bring it back. Nobody else can make
one, so what it proves is that bounces to this address reach us.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec import structs

from samizdat.accounts.actions import change_settings
from samizdat.accounts.errors import AccountError
from samizdat.accounts.memberships import has_role
from samizdat.accounts.models import Organization, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.core.bounce.report import Report
from samizdat.core.crypto import tokens
from samizdat.core.mail.outcome import REASONS, filled
from samizdat.core.mail.return_address import token_in
from samizdat.delivery.actions.testing import send_to_return_address
from samizdat.delivery.domain_ownership import is_anothers_mailbox
from samizdat.delivery.errors import DeliveryError
from samizdat.incoming.mailboxes.sealed import MailboxState, RoundTrip, open_state, write_state
from samizdat.incoming.models import PolledMailbox
from samizdat.logs import where_it_broke
from samizdat.vault import keyring

log = logging.getLogger("samizdat.worker")

PURPOSE = "probe"
# A test message that comes back later says nothing any more.
OLD = timedelta(days=2)
_BOUNCES = ("hard", "soft")


def send(mailbox: PolledMailbox, address: str, *, now: datetime, by: Person | None, uses: bool) -> RoundTrip:
    """Sends one now. uses: bounces are to go to this address as soon as it came back; for an admin (by) alone."""
    organization = mailbox.organization
    trip = RoundTrip(address, now, by.pk if uses and by is not None else 0)
    _change(mailbox.pk, organization, lambda state: structs.replace(state, trip=trip))
    link = keyring.keys(organization).link
    assert link is not None
    token = tokens.make(link, PURPOSE, _stamp(now), mailbox.pk)
    if failed := _failure(organization, address, token, now, by):
        trip = structs.replace(trip, failed=failed)
        _change(mailbox.pk, organization, lambda state: structs.replace(state, trip=trip))
    return trip


def _failure(organization: Organization, address: str, token: str, now: datetime, by: Person | None) -> str:
    """Why it was not sent; "" where it was."""
    if organization.sending_locked:
        return _("Sending is on hold, because this installation was copied, restored or moved.")
    try:
        result = send_to_return_address(organization, address, token, now=now, by=by)
    except DeliveryError as refused:
        return str(refused)
    if result.ok:
        return ""
    if result.reason not in REASONS:
        return result.sentence
    return filled(_(REASONS[result.reason]), _("The sending provider"), result.values)


def _stamp(moment: datetime) -> int:
    return int(moment.timestamp())


def reader(organization: Organization) -> tokens.TokenParser:
    """Reads the tokens of such addresses."""
    return tokens.TokenParser(keyring.keys(organization).links, PURPOSE)


def take(
    organization: Organization, to: Sequence[str], report: Report, now: datetime, read: Callable[[str], tokens.Token]
) -> bool:
    """Whether a message that came in is one of these, or a bounce of one; its mailbox then says so. to: whom the mail
    server delivered it to; read: reader(). Call it in a transaction."""
    for address, came_back in _candidates(to, report):
        try:
            if not (text := token_in(address)):  # Most: an exception takes as long as all else here.
                continue
            token = read(text)
        except tokens.BadToken:
            continue
        if now - datetime.fromtimestamp(token.edition, UTC) < OLD:
            _note(organization, token, came_back, now)
        return True
    return False


def _candidates(to: Sequence[str], report: Report) -> Iterator[tuple[str, bool]]:
    """(address, whether the message itself came back). A bounce goes to the address without the token."""
    if report.kind in _BOUNCES:
        yield from ((event.recipient or "", False) for event in report.events)
        yield report.hints.original_recipient or "", False
    yield from ((address, True) for address in (*to, *report.hints.returned_to))


def _note(organization: Organization, token: tokens.Token, came_back: bool, now: datetime) -> None:
    ended: list[RoundTrip] = []

    def noted(state: MailboxState) -> MailboxState:
        trip = state.trip
        if trip is None or _stamp(trip.sent) != token.edition or trip.returned:
            return state
        trip = structs.replace(trip, returned=now, rejected=None) if came_back else structs.replace(trip, rejected=now)
        ended.append(trip)
        return structs.replace(state, trip=structs.replace(trip, by=0))

    _change(token.number, organization, noted)
    for trip in ended:
        if trip.returned and trip.by:
            _turn_on(organization, trip, now)


def _turn_on(organization: Organization, trip: RoundTrip, now: datetime) -> None:
    """As that admin wanted; where one person may not do it alone, it waits for another one."""
    person = Person.objects.filter(pk=trip.by).first()
    if person is None or not has_role(person, organization, ("admin",)):
        return
    if leading(organization).return_address == trip.address or is_anothers_mailbox(organization, trip.address):
        return
    try:
        with transaction.atomic():
            change_settings(organization, by=person, now=now, return_address=trip.address)
    except AccountError as error:
        log.warning("A proven bounce address could not be set: %s", where_it_broke(error))


def _change(number: int, organization: Organization, change: Callable[[MailboxState], MailboxState]) -> None:
    """Nothing where the mailbox was removed meanwhile."""
    with transaction.atomic():
        rows = PolledMailbox.objects.select_related("organization").select_for_update(of=("self",))
        row = rows.filter(pk=number, organization=organization).first()
        if row is not None:
            state = open_state(row)
            if (changed := change(state)) != state:
                write_state(row, changed)
