"""Whom an edition is owed to, as rows: chunks of at most 500 numbers, each of one version and one wave.

A release cuts the parts of a test first, writes them page by page (owe), and seals last which versions enough people
get for their clicks and answers to be counted (core/totals).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.audience import recipients_sql
from samizdat.audience.condition_values import Asked
from samizdat.audience.models import NUMBER_MASK, SUBSCRIBED, Subscription, row_id
from samizdat.campaigns import edition_details, sealed_clicks, translations
from samizdat.campaigns.ab_test import BadTest
from samizdat.campaigns.agreed_people import AgreedPeople
from samizdat.campaigns.models import Campaign, Edition
from samizdat.core import ab_test, languages, totals
from samizdat.core.mail import rate
from samizdat.core.mail.ledger import CHUNK, pack_numbers, unpack_numbers
from samizdat.delivery import sealed_chunks
from samizdat.delivery.actions.wait_reasons import LATER
from samizdat.delivery.models import Chunk, DigestRecipients
from samizdat.delivery.sealed_chunks import ConditionMasks, masks_now
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

NO_MASKS = ConditionMasks()
NO_PLACES: Mapping[int, int] = MappingProxyType({})

# Numbers, their masks, and their places as of places_now.
type SetAside = Callable[[Sequence[int], ConditionMasks, Mapping[int, int]], None]


def clear_half_made(campaign: Campaign) -> None:
    """Takes away what a release left that was killed: its chunks in slices, then the edition."""
    if not campaign.is_digest:
        DigestRecipients.objects.filter(campaign=campaign).delete()
    for edition in Edition.objects.filter(campaign=campaign).values_list("pk", flat=True):
        while page := list(Chunk.objects.filter(edition=edition).values_list("pk", flat=True)[:100]):
            Chunk.objects.filter(pk__in=page).delete()
        Edition.objects.filter(pk=edition).delete()


def owe(
    edition: Edition,
    pages: Iterable[list[int]],
    first: int,
    seldom: frozenset[int],
    asked: Asked,
    agreed: AgreedPeople | None,
    set_aside: SetAside | None = None,
) -> int:
    """Writes the chunks of everybody who may get this letter now, but for the rows of `seldom`. How many people.
    Errors: NotApproved where a second person did not mean them. pages: recipients.pages, as they are read.

    first: per cent of each page that go in the first wave; the others may not be claimed before it has passed. asked:
    for which tags its conditions ask, and what of fields. agreed: whom a second person meant. set_aside: keeps those of
    `seldom` with what each would read, as it was compared.
    """
    frozen, position, spoken = 0, 0, languages.load(edition.languages)
    left_out = {row & NUMBER_MASK for row in seldom}
    for page in pages:
        numbers = [number for number in page if number not in left_out] if left_out else page
        # Read once, and nowhere again: somebody may edit tags, fields and languages meanwhile.
        masks, places = masks_now(edition.organization, page, asked), places_now(edition.organization_id, spoken, page)
        if agreed:
            agreed.compare(page, parts_of(masks, spoken, places, page))
        if set_aside and len(numbers) < len(page):
            set_aside([number for number in page if number in left_out], masks, places)
        position += write_chunks(edition, position, numbers, first, masks, places)
        frozen += len(numbers)
    if agreed:
        agreed.refuse_others()
    return frozen


def write_chunks(
    edition: Edition,
    position: int,
    numbers: list[int],
    first: int = 0,
    masks: ConditionMasks = NO_MASKS,
    places: Mapping[int, int] = NO_PLACES,
    owed: date | None = None,
) -> int:
    """Chunks of these numbers, from this place on; how many. `first`: per cent of them in the first wave. places: as of
    places_now. owed: of a welcome email, since which day."""
    cut = [
        (variant, wave, people[at : at + CHUNK])
        for variant, wave, people in _parts(edition, numbers, first, places)
        for at in range(0, len(people), CHUNK)
    ]
    keys = keyring.keys(edition.organization)
    Chunk.objects.bulk_create(_chunk(keys, edition, position + i, masks, owed, *part) for i, part in enumerate(cut))
    for variant, _wave, people in cut if edition.languages else ():
        translations.count_people(edition, variant, len(people))
    return len(cut)


def _chunk(
    keys: OrganizationKeys,
    edition: Edition,
    position: int,
    masks: ConditionMasks,
    owed: date | None,
    variant: int,
    wave: int,
    numbers: Sequence[int],
) -> Chunk:
    packed = pack_numbers(numbers)
    return Chunk(
        edition=edition,
        position=position,
        size=len(numbers),
        remaining=len(numbers),
        numbers=packed,
        digest_sealed=sealed_chunks.sealed(keys, edition.pk, position, variant, packed, masks.packed(numbers)),
        variant=variant,
        wave=wave,
        not_before=LATER if wave == 2 else None,
        owed=owed,
    )


def _parts(
    edition: Edition, numbers: list[int], first: int, places: Mapping[int, int]
) -> Iterator[tuple[int, int, list[int]]]:
    """(variant, wave, people) of a page, by the languages of the letter where it has several."""
    for variant, wave, people in _waves(edition, numbers, first):
        if edition.languages:
            by_place = defaultdict[int, list[int]](list)
            for number in people:
                by_place[places.get(number, 0)].append(number)
            yield from ((place, wave, some) for place, some in sorted(by_place.items()))
        else:
            yield variant, wave, people


def _waves(edition: Edition, numbers: list[int], first: int) -> Iterator[tuple[int, int, list[int]]]:
    """What is of wave 2 waits until the first has passed, or the test is decided."""
    if edition.marks:
        marks, groups = ab_test.load(edition.marks), defaultdict(list)
        for number in numbers:
            groups[ab_test.group(edition.pk, number, marks)].append(number)
        for variant, people in sorted(groups.items()):
            yield variant, 2 if variant == ab_test.REST else 1, people
    elif first:
        now, later = rate.first_wave(numbers, first)
        yield from ((0, 1, now), (0, 2, later))
    else:
        yield 0, 0, numbers


def places_now(organization: int, versions: Sequence[str], numbers: Sequence[int]) -> dict[int, int]:
    """Number -> place of the version that they get, by the language that each of them has now; without those who are
    gone. versions: the languages of an edition by place, none for a letter in one. One query; 6 us a reader."""
    if not versions:
        return {}
    rows = recipients_sql.languages_of([row_id(organization, number) for number in numbers])
    places = {language: languages.place_of(language, versions) or 0 for language in {code for _row, code in rows}}
    return {row & NUMBER_MASK: places[language] for row, language in rows}


def parts_of(
    masks: ConditionMasks, versions: Sequence[str], places: Mapping[int, int], numbers: Sequence[int]
) -> Mapping[int, int]:
    """Number -> in which parts of the audience they are: bits of conditions, then that of their version."""
    if not versions:
        return masks.by_number
    by_number, first = masks.by_number, masks.asked
    return {number: by_number.get(number, 0) | 1 << first + places.get(number, 0) for number in numbers}


def cut_parts(
    edition: Edition, pages: Iterable[Sequence[int]], seldom: frozenset[int], share: int, versions: int
) -> None:
    """Writes into the edition who gets which version of a test: `share` per cent of `pages`, without the rows of
    `seldom`. Up to ab_test.COUNTED people the parts are counted out, so that they are equal; that reads the audience
    once more.

    Errors: BadTest where a version would go to nobody.
    """
    draws: list[int] | None = []
    left_out = {row & NUMBER_MASK for row in seldom}
    for page in pages:
        assert draws is not None
        draws += [ab_test.draw(edition.pk, number) for number in page if number not in left_out]
        if len(draws) > ab_test.COUNTED:
            draws = None
            break
    if draws is not None and len(draws) * share // 100 < versions:
        sentence = _("That’s too few people for a test: %(people)s. Make the test larger, or send one version.")
        raise BadTest(sentence % {"people": len(draws)}, "share")
    edition.marks = ab_test.dump(ab_test.marks(draws, share, versions))
    edition.save(update_fields=["marks"])


def settle_what_counts(campaign: Campaign, edition: Edition, now: datetime) -> None:
    """Seals with the edition which versions reach the floor. After its chunks are written, before anything leaves.

    Errors: BadTest where clicks are to decide and one of the versions does not reach it.
    """
    counted = _reaching(campaign, edition, now)
    versions = len(ab_test.load(edition.marks))
    if campaign.test_share and campaign.ab_metric == "clicks" and not counted >= set(range(versions)):
        sentence = _(
            "Clicks are counted only if at least %(floor)s people who have been subscribed for %(days)s days get "
            "each version, and one version has fewer. Make the test larger, or choose another way to decide the "
            "winner."
        )
        raise BadTest(sentence % {"floor": totals.FLOOR, "days": totals.SETTLED_DAYS}, "way")
    if counted:
        with transaction.atomic():
            edition_details.change(edition, counted_places=totals.dump(counted))
            sealed_clicks.begin(edition, campaign.organization.day_of(now))


def _reaching(campaign: Campaign, edition: Edition, now: datetime) -> frozenset[int]:
    """Reads no further than to the floor of each version: two chunks of five hundred for most letters."""
    latest = now.astimezone(UTC).date() - timedelta(days=totals.SETTLED_DAYS)
    settled = Subscription.objects.filter(list=campaign.list_id, status=SUBSCRIBED, since__lte=latest)
    counts = defaultdict[int, int](int)
    owed = Chunk.objects.filter(edition=edition, retry=False).exclude(variant=ab_test.REST).order_by("position")
    for variant in owed.order_by("variant").values_list("variant", flat=True).distinct():
        for packed in owed.filter(variant=variant).values_list("numbers", flat=True).iterator(10):
            rows = [row_id(campaign.organization_id, number) for number in unpack_numbers(bytes(packed))]
            counts[variant] += settled.filter(subscriber__in=rows).count()
            if counts[variant] >= totals.FLOOR:
                break
    return frozenset(place for place, many in counts.items() if many >= totals.FLOOR)
