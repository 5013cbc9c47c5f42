"""In which round of its list's digest a letter begins to go out (core/content/digest), and who is set aside meanwhile.

Whether somebody gets a letter by itself or gathered stands when it begins. A release leaves out who would get it
gathered now; she is set aside, and asked once more when it begins, which may be days and a digest later.
"""

import logging
from collections.abc import Collection

from django.db import transaction
from django.db.models import F

from samizdat.audience import recipients_sql
from samizdat.audience.models import NUMBER_MASK, List, row_id
from samizdat.campaigns.models import Campaign, is_gathered
from samizdat.core.crypto.seal import SealBroken
from samizdat.core.mail.ledger import pack_numbers, unpack_numbers
from samizdat.delivery.actions.chunks import write_chunks
from samizdat.delivery.models import DigestRecipients
from samizdat.delivery.queries import next_position
from samizdat.vault import keyring

PAGE = 5_000

log = logging.getLogger("samizdat.delivery")


def set_aside(campaign: Campaign, rows: Collection[int]) -> None:
    """Remembers subscriber rows with a campaign (SetAside)."""
    numbers = sorted(row & NUMBER_MASK for row in rows)
    keys = keyring.keys(campaign.organization)
    for at in range(0, len(numbers), PAGE):
        with transaction.atomic():
            page = DigestRecipients.objects.create(campaign=campaign, numbers=b"")
            packed = pack_numbers(numbers[at : at + PAGE])
            page.numbers = keys.seal(packed, "digestrecipients", _column(campaign), page.pk)
            page.save(update_fields=["numbers"])


def numbers_of(campaign: Campaign) -> list[tuple[int, ...]]:
    """Numbers of the subscribers who are set aside, by pages. Nobody is added by whoever writes the database."""
    keys, pages = keyring.keys(campaign.organization), []
    for page in DigestRecipients.objects.filter(campaign=campaign).order_by("pk"):
        try:
            packed = keys.open(page.numbers, "digestrecipients", _column(campaign), page.pk)
        except SealBroken:
            log.error("Readers set aside with campaign %d were altered in the database by other means", campaign.pk)
            continue
        pages.append(unpack_numbers(packed))
    return pages


def _column(campaign: Campaign) -> str:
    return f"numbers of {campaign.pk}"


def aside_of(campaign: Campaign) -> list[list[int]]:
    """The rows that are set aside, by pages."""
    return [[row_id(campaign.organization_id, number) for number in page] for page in numbers_of(campaign)]


def enter_round(number: int) -> None:
    """A campaign begins to send: whether she gets it by itself or gathered stands from here on. In the transaction that
    makes it sendable; the list is held, so that no round ends and nobody changes her mind meanwhile."""
    campaign = Campaign.objects.select_related("edition").get(pk=number)
    if is_gathered(campaign) and not campaign.digest_round:
        list_ = List.objects.select_for_update(no_key=True).get(id=campaign.list_id)
        Campaign.objects.filter(pk=number, digest_round=0).update(digest_round=list_.digest_round)
        _owe_who_changed(campaign, list_.digest_round)


def _owe_who_changed(campaign: Campaign, round: int) -> None:
    """Whoever was set aside and is in no digest of this round gets the letter by itself."""
    for rows in aside_of(campaign):
        numbers = [row & NUMBER_MASK for row in recipients_sql.singly_among(campaign.list_id, round, rows)]
        if numbers:
            write_chunks(campaign.edition, next_position(campaign.edition.pk), numbers)
            more = {"frozen": F("frozen") + len(numbers), "pending": F("pending") + len(numbers)}
            Campaign.objects.filter(pk=campaign.pk).update(**more)
    DigestRecipients.objects.filter(campaign=campaign).delete()
