"""Whom a letter is owed to, as rows: chunks of at most 500 numbers, each of one version and one wave."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date

from samizdat.campaigns import translations
from samizdat.campaigns.models import Edition
from samizdat.core import ab_test
from samizdat.core.languages import load
from samizdat.core.mail import rate
from samizdat.core.mail.ledger import CHUNK, pack_numbers
from samizdat.delivery import sealed_chunks
from samizdat.delivery.actions.language_choice import by_version
from samizdat.delivery.actions.wait_reasons import LATER
from samizdat.delivery.models import Chunk
from samizdat.delivery.sealed_chunks import CarriedTags
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

_NO_TAGS = CarriedTags()


def write_chunks(
    edition: Edition,
    position: int,
    numbers: list[int],
    first: int = 0,
    tags: CarriedTags = _NO_TAGS,
    owed: date | None = None,
) -> int:
    """Chunks of these numbers, from this place on; how many. `first`: per cent of them in the first wave. owed: of a
    welcome email, since which day."""
    cut = [
        (variant, wave, people[at : at + CHUNK])
        for variant, wave, people in _parts(edition, numbers, first)
        for at in range(0, len(people), CHUNK)
    ]
    keys = keyring.keys(edition.organization)
    Chunk.objects.bulk_create(_chunk(keys, edition, position + i, tags, owed, *part) for i, part in enumerate(cut))
    for variant, _wave, people in cut if edition.languages else ():
        translations.count_people(edition, variant, len(people))
    return len(cut)


def _chunk(
    keys: OrganizationKeys,
    edition: Edition,
    position: int,
    tags: CarriedTags,
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
        digest_sealed=sealed_chunks.sealed(keys, edition.pk, position, variant, packed, tags.packed(numbers)),
        variant=variant,
        wave=wave,
        not_before=LATER if wave == 2 else None,
        owed=owed,
    )


def _parts(edition: Edition, numbers: list[int], first: int) -> Iterator[tuple[int, int, list[int]]]:
    """(variant, wave, people) of a page, by the languages of the letter where it has several."""
    spoken = load(edition.languages)
    for variant, wave, people in _waves(edition, numbers, first):
        if spoken:
            versions = by_version(edition.organization_id, spoken, people)
            yield from ((place, wave, some) for place, some in sorted(versions.items()))
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
