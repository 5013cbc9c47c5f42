"""In which round of its list's digest a letter begins to go out (core/content/digest), and who is set aside meanwhile.

Whether somebody gets a letter by itself or gathered stands when it begins. A release leaves out who would get it
gathered now; they are set aside, and asked once more when it begins, which may be days and a digest later.
"""

import logging
from collections.abc import Collection

from django.db import transaction
from django.db.models import F

from samizdat.audience import recipients_sql
from samizdat.audience.condition_values import Asked
from samizdat.audience.models import NUMBER_MASK, List, row_id
from samizdat.campaigns.models import Campaign
from samizdat.core.crypto.seal import SealBroken
from samizdat.core.mail.ledger import pack_numbers, unpack_numbers
from samizdat.delivery.actions.chunks import write_chunks
from samizdat.delivery.models import DigestRecipients
from samizdat.delivery.queries import next_position
from samizdat.delivery.sealed_chunks import CarriedTags, carried_now
from samizdat.vault import keyring

PAGE = 5_000

log = logging.getLogger("samizdat.delivery")


def set_aside(campaign: Campaign, rows: Collection[int], asked: Asked | None = None) -> None:
    """Remembers subscriber rows with a campaign (DigestRecipients); asked: of which tags its conditions ask."""
    numbers = sorted(row & NUMBER_MASK for row in rows)
    keys = keyring.keys(campaign.organization)
    for at in range(0, len(numbers), PAGE):
        with transaction.atomic():
            page = DigestRecipients.objects.create(campaign=campaign, numbers=b"")
            some = numbers[at : at + PAGE]
            tags = carried_now(campaign.organization_id, some, list(asked or ()))
            packed = len(some).to_bytes(2) + pack_numbers(some) + tags.packed(some)
            page.numbers = keys.seal(packed, "digestrecipients", _column(campaign), page.pk)
            page.save(update_fields=["numbers"])


def numbers_of(campaign: Campaign) -> list[tuple[int, ...]]:
    """Numbers of the subscribers who are set aside, by pages. Nobody is added by whoever writes the database."""
    return [numbers for numbers, _tags in _pages(campaign)]


def _pages(campaign: Campaign) -> list[tuple[tuple[int, ...], CarriedTags]]:
    keys, pages = keyring.keys(campaign.organization), []
    for page in DigestRecipients.objects.filter(campaign=campaign).order_by("pk"):
        try:
            packed = keys.open(page.numbers, "digestrecipients", _column(campaign), page.pk)
        except SealBroken:
            log.error("Readers set aside with campaign %d were altered in the database by other means", campaign.pk)
            continue
        numbers = unpack_numbers(packed[2 : (end := 2 + 8 * int.from_bytes(packed[:2]))])
        pages.append((numbers, CarriedTags.unpacked(numbers, packed[end:])))
    return pages


def _column(campaign: Campaign) -> str:
    return f"numbers of {campaign.pk}"


def aside_of(campaign: Campaign) -> list[list[int]]:
    """The rows that are set aside, by pages."""
    return [[row_id(campaign.organization_id, number) for number in page] for page in numbers_of(campaign)]


def enter_round(number: int) -> None:
    """A campaign begins to send: whether they get it by itself or gathered stands from here on. In the transaction that
    makes it sendable; the list is held, so that no round ends and nobody changes their mind meanwhile."""
    campaign = Campaign.objects.select_related("edition").get(pk=number)
    if campaign.is_gathered and not campaign.digest_round:
        list_ = List.objects.select_for_update(no_key=True).get(id=campaign.list_id)
        Campaign.objects.filter(pk=number, digest_round=0).update(digest_round=list_.digest_round)
        _owe_who_changed(campaign, list_.digest_round)


def _owe_who_changed(campaign: Campaign, round: int) -> None:
    """Whoever was set aside and is in no digest of this round gets the letter by itself."""
    for aside, tags in _pages(campaign):
        rows = [row_id(campaign.organization_id, number) for number in aside]
        numbers = [row & NUMBER_MASK for row in recipients_sql.singly_among(campaign.list_id, round, rows)]
        if numbers:
            write_chunks(campaign.edition, next_position(campaign.edition.pk), numbers, tags=tags)
            more = {"frozen": F("frozen") + len(numbers), "pending": F("pending") + len(numbers)}
            Campaign.objects.filter(pk=campaign.pk).update(**more)
    DigestRecipients.objects.filter(campaign=campaign).delete()
