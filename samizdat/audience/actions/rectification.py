"""Another address for the same reader: they moved, or it was mistyped (GDPR, article 16)."""

from datetime import date, datetime
from itertools import product

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization, Person
from samizdat.audience import address_log, bound_addresses, consent_writer, removal_limit, suppression_log
from samizdat.audience.actions.suppressions import keep_suppression
from samizdat.audience.errors import AddressErased, AudienceError
from samizdat.audience.models import Subscriber, Suppression
from samizdat.core.crypto import seal
from samizdat.core.mail import address as addresses
from samizdat.core.mail import misspelling
from samizdat.events.actions import record
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

# What they or somebody for them decided goes along; that the old mailbox was dead does not.
_OWN_DECISIONS = ("complaint", "manual", "objected")


class AddressTaken(AudienceError):
    code = "address_taken"

    def __init__(self) -> None:
        super().__init__(_("Another subscriber has this address. Look them up and decide which of the two to keep."))


class LetterUnderWay(AudienceError):
    code = "letter_under_way"

    def __init__(self) -> None:
        text = _(
            "A campaign to a few people, including this subscriber, is about to be sent as approved. Correct the "
            "address after it’s sent, or cancel the campaign."
        )
        super().__init__(text)


def correct_address(subscriber: Subscriber, address: str, *, now: datetime, by: Person | None = None) -> bool:
    """The address of this subscriber from now on. False when it is theirs already.

    Consent, tags and history stay theirs. More than two by one person in a day count as readers that are taken off
    lists; a mistyped provider that is put right does not.

    Errors: BadAddress, AddressTaken, AddressErased, NoSuchSubscriber, TooManyCorrections, LetterUnderWay.
    """
    wanted = addresses.normalize(address)
    try:
        while (is_changed := _correct(subscriber, wanted, now, by)) is None:
            with transaction.atomic():
                subscriber = consent_writer.lock(subscriber)
    except IntegrityError as taken:  # Somebody took it between the look and the write.
        raise AddressTaken from taken
    return is_changed


def _correct(subscriber: Subscriber, wanted: str, now: datetime, by: Person | None) -> bool | None:
    """As correct_address(); None where somebody else corrected it since it was read. What the log has of the old
    address, and what is on its way to it, is read before the transaction, in which nobody else can write."""
    organization = subscriber.organization
    keys = keyring.keys(organization)
    before = keys.blinds(addresses.comparable(consent_writer.address_of(keys, subscriber)))
    logged = suppression_log.logged_days(organization, before)
    is_bound = bound_addresses.look(organization, subscriber.number) if by is not None else None
    with removal_limit.limited(organization, now=now, by=by):
        row = consent_writer.lock(subscriber)
        held = consent_writer.values_of(keys, row)
        if held[seal.ADDRESS] == wanted and not consent_writer.has_older_address(keys, row, held):
            return False
        if before != keys.blinds(addresses.comparable(held[seal.ADDRESS])):
            return None
        if keyring.held_for_index(keys) is not keys:
            return None
        blinds, waits = keys.blinds(addresses.comparable(wanted)), seal.WAITING in held
        other = consent_writer.find(organization, keys, wanted, lock=True, waiting=waits)
        if other is not None and other.id != row.id:
            raise AddressTaken
        if consent_writer.suppressed(organization.id, blinds) == "erased":
            raise AddressErased
        if misspelling.meant(held[seal.ADDRESS]) != wanted:
            if is_bound and is_bound():
                raise LetterUnderWay
            removal_limit.check_correction(organization, row.id, now=now, by=by)
        _keep_own_decisions(organization, keys, before, wanted, logged, now)
        row.email_index = keys.blind(consent_writer.index_text(wanted, waits))
        row.index_version = keys.index_version
        row.provider = addresses.provider(addresses.domain(wanted))
        row.save(update_fields=["email_index", "index_version", "provider"])
        consent_writer.reseal(row, held | {seal.ADDRESS: wanted})
        detail = address_log.detail_for(keys, wanted)
        record("subscriber.address_changed", organization, about=row.id, by=by, now=now, detail=detail)
        consent_writer.settle(row, now)
    return True


def _keep_own_decisions(
    organization: Organization,
    keys: OrganizationKeys,
    before: list[bytes],
    wanted: str,
    logged: dict[tuple[bytes, str], str],
    now: datetime,
) -> None:
    """By the log as well: an entry can be away for the moment of the correction, and be nobody's afterwards."""
    rows = Suppression.objects.filter(organization=organization, email_index__in=before, reason__in=_OWN_DECISIONS)
    days = dict(rows.values_list("reason", "day"))
    for index, reason in product(before, _OWN_DECISIONS):
        if day := logged.get((index, reason)):
            days.setdefault(reason, date.fromisoformat(day))
    for reason, day_of in days.items():
        keep_suppression(organization, keys, wanted, reason, now, day_of)
