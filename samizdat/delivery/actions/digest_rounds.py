"""In which round of its list's digest a letter begins to go out (core/content/digest), and who is set aside meanwhile.

Whether somebody gets a letter by itself or gathered stands when it begins. A release leaves out who would get it
gathered now; they are set aside, and asked once more when it begins, which may be days and a digest later.
"""

import logging
import time
from collections.abc import Collection, Iterator, Mapping

from django.db import transaction
from django.db.models import F, QuerySet

from samizdat.audience import recipients_sql
from samizdat.audience.models import NUMBER_MASK, List, row_id
from samizdat.campaigns.models import Campaign, Edition, large, large_of_edition
from samizdat.core.crypto.seal import SealBroken
from samizdat.core.mail.ledger import pack_numbers, unpack_numbers
from samizdat.delivery.actions.chunks import NO_MASKS, NO_PLACES, write_chunks
from samizdat.delivery.models import DigestRecipients
from samizdat.delivery.queries import next_position
from samizdat.delivery.sealed_chunks import ConditionMasks
from samizdat.vault import keyring

PAGE = 5_000
# Seconds of whoever presses the button: some 100,000 people.
AT_ONCE = 1.0
_GOING = ("sending", "waiting", "paused")

log = logging.getLogger("samizdat.delivery")


def set_aside(
    campaign: Campaign, rows: Collection[int], masks: ConditionMasks = NO_MASKS, places: Mapping[int, int] = NO_PLACES
) -> None:
    """Remembers subscribers, by row or number, with a campaign (DigestRecipients), and what each would read of it: its
    conditions, and the place of the version."""
    numbers = sorted(row & NUMBER_MASK for row in rows)
    keys = keyring.keys(campaign.organization)
    for at in range(0, len(numbers), PAGE):
        with transaction.atomic():
            page = DigestRecipients.objects.create(campaign=campaign, numbers=b"")
            some = numbers[at : at + PAGE]
            versions = bytes(places.get(number, 0) for number in some)
            packed = len(some).to_bytes(2) + pack_numbers(some) + versions + masks.packed(some)
            page.numbers = keys.seal(packed, "digestrecipients", _column(campaign), page.pk)
            page.save(update_fields=["numbers"])


def numbers_of(campaign: Campaign) -> list[tuple[int, ...]]:
    """Numbers of the subscribers who are set aside, by pages. Nobody is added by whoever writes the database."""
    pages = DigestRecipients.objects.filter(campaign=campaign).order_by("pk")
    return [_opened(campaign, page)[0] for page in pages]


def _opened(campaign: Campaign, page: DigestRecipients) -> tuple[tuple[int, ...], ConditionMasks, dict[int, int]]:
    """Numbers, and of each its mask and the place of its version."""
    try:
        packed = keyring.keys(campaign.organization).open(page.numbers, "digestrecipients", _column(campaign), page.pk)
    except SealBroken:
        log.error("Readers set aside with campaign %d were altered in the database by other means", campaign.pk)
        return (), NO_MASKS, {}
    numbers = unpack_numbers(packed[2 : (end := 2 + 8 * int.from_bytes(packed[:2]))])
    places, masks = packed[end : (end := end + len(numbers))], packed[end:]
    return numbers, ConditionMasks.unpacked(numbers, masks), dict(zip(numbers, places, strict=True))


def _column(campaign: Campaign) -> str:
    return f"numbers of {campaign.pk}"


def aside_of(campaign: Campaign) -> list[list[int]]:
    """The rows that are set aside, by pages."""
    return [[row_id(campaign.organization_id, number) for number in page] for page in numbers_of(campaign)]


def enter_round(number: int) -> None:
    """A campaign begins to send: of which round it is stands from here on, so whether they get it by itself or
    gathered. In the transaction that makes it sendable; the list is held, so that no round ends meanwhile. Whoever was
    set aside is owed it afterwards, in portions: nobody comes into the digest of a round that has begun, and none is
    made of it before."""
    campaign = Campaign.objects.defer(*large()).get(pk=number)
    if campaign.is_gathered and not campaign.digest_round:
        list_ = List.objects.select_for_update(no_key=True).get(id=campaign.list_id)
        Campaign.objects.filter(pk=number, digest_round=0).update(digest_round=list_.digest_round)


def begun() -> QuerySet[DigestRecipients]:
    """Pages of letters that have begun, whose readers are not asked yet."""
    letters = {"campaign__is_digest": False, "campaign__digest_round__gt": 0, "campaign__state__in": _GOING}
    return DigestRecipients.objects.filter(**letters)


def portions(number: int) -> Iterator[int]:
    """Page by page, each in a transaction of its own when it is asked for: whoever was set aside with this campaign
    and is in no digest of its round is owed it by itself. How many people."""
    while (count := _owe_page(number)) is not None:
        yield count


def _owe_page(number: int) -> int | None:
    with transaction.atomic():
        # Every sender's clock and the worker's do this at once: the campaign's row is the lock between them.
        campaign = Campaign.objects.select_related("organization").select_for_update(of=("self",)).defer(*large())
        letter = campaign.get(pk=number)
        page = begun().filter(campaign=letter).order_by("pk").first()
        if page is None:
            return None
        aside, masks, places = _opened(letter, page)
        rows = [row_id(letter.organization_id, number) for number in aside]
        numbers = [row & NUMBER_MASK for row in recipients_sql.singly_among(letter.list_id, letter.digest_round, rows)]
        if numbers:
            edition = Edition.objects.select_related("organization").defer(*large_of_edition()).get(campaign=letter)
            write_chunks(edition, next_position(edition.pk), numbers, masks=masks, places=places)
            more = {"frozen": F("frozen") + len(numbers), "pending": F("pending") + len(numbers)}
            Campaign.objects.filter(pk=letter.pk).update(**more)
        page.delete()
    return len(numbers)


def owe(number: int) -> None:
    """For a second of whoever presses the button; what is left is the clock's."""
    until = time.monotonic() + AT_ONCE
    for _people in portions(number):
        if time.monotonic() > until:
            return
