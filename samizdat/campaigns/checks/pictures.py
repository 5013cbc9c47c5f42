"""Pictures of the library that are slow to load on a phone."""

import re
from collections.abc import Iterator

from samizdat.accounts.models import Organization
from samizdat.campaigns.models import Picture
from samizdat.core.content.checks import Readability
from samizdat.core.content.problems import ContentProblem

# Bytes of one, and of all together. At 1.5 MB/s, a bad mobile line, three megabytes take two seconds; in a crowd ten.
HEAVY, HEAVY_TOGETHER = 1_000_000, 3_000_000
_OURS = re.compile(r"/m/([0-9a-f]{8,40})\.\w{2,5}")


def flaws(reading: Readability, organization: Organization) -> Iterator[ContentProblem]:
    slugs = list(dict.fromkeys(_OURS.findall(reading.html)))
    if not slugs:
        return
    weights = dict(Picture.objects.filter(organization=organization, slug__in=slugs).values_list("slug", "weight"))
    for slug in slugs:
        weight = weights.get(slug, 0)
        if weight > HEAVY:
            yield reading.flaw("image_heavy", slug, url=f"{slug}", size=_kilobytes(weight))
    together = sum(weights.values())
    if together > HEAVY_TOGETHER:
        yield reading.flaw("images_heavy", slugs[0], size=_kilobytes(together))


def _kilobytes(weight: int) -> str:
    return f"{weight // 1000:,}"
