"""What was released: the words and the audience that the seal of an edition keeps, where the log tells of its release.

Pages, feeds and digests are made of these alone. Whoever writes the database can lead a campaign's columns anywhere and
put an edition beside another draft, so no draft is read for them and no column of a campaign is believed.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from samizdat.accounts.sealed_settings import leading
from samizdat.audience.models import List
from samizdat.audience.queries import details_of
from samizdat.campaigns.edition_details import EditionDetails, opened, slug_of
from samizdat.campaigns.models import Edition, EditionVariant
from samizdat.campaigns.release_log import standing
from samizdat.core.content.render import Content
from samizdat.core.crypto.seal import SealBroken
from samizdat.vault import keyring

log = logging.getLogger("samizdat.campaigns")
_told = set[int]()  # Once in a process: pages are looked for every ten seconds.


@dataclass(frozen=True, slots=True)
class WebVersion:
    """A letter as everybody may read it, or it in another language. place: 0 is the letter itself."""

    place: int
    slug: str
    content: Content


def released(edition: Edition) -> EditionDetails | None:
    """None for an edition of another letter, and for one that nobody released or whose release was taken back."""
    try:
        details = opened(keyring.keys(edition.organization), edition)
    except SealBroken:
        details = None
    if details is not None and (details.imported or standing(edition).goes):
        return details
    if edition.pk not in _told:
        _told.add(edition.pk)
        log.error("Edition %d is not what was released: the database was altered by other means", edition.pk)
    return None


def web_versions(edition: Edition, details: EditionDetails) -> list[WebVersion]:
    """The letter first, then its other languages; of a test the letter itself alone."""
    keys = keyring.keys(edition.organization)
    rows = EditionVariant.objects.filter(edition=edition).exclude(language="").order_by("variant_no")
    rows = rows.defer("compiled_sealed")
    versions = [(0, "", details), *((row.variant_no, row.language, opened(keys, row)) for row in rows)]
    base, sent_to = leading(edition.organization).public_url, List.objects.select_related("organization")
    form = details_of(sent_to.get(id=details.list)).form_slug
    return [
        WebVersion(place, slug := slug_of(edition, language), _placed(of.content, base, form, slug))
        for place, language, of in versions
        if of.content is not None
    ]


def _placed(content: Content, base: str, form: str | None, slug: str) -> Content:
    """With the addresses of today: the public pages may have moved since the release."""
    before = content.website

    def here(url: str) -> str:
        return base + url.removeprefix(before) if url.startswith(f"{before}/") else url

    return replace(
        content,
        website=base,
        archive_url=f"{base}/a/{slug}" if slug else "",
        neutral_url=f"{base}/a/",
        signup_url=f"{base}/f/{form}" if base and form else "",
        template=content.template.replace(f"{before}/m/", f"{base}/m/") if before else content.template,
        pictures={name: replace(picture, url=here(picture.url)) for name, picture in content.pictures.items()},
        look=replace(content.look, logo=here(content.look.logo)),
    )


def released_to(list_: List, editions: Iterable[Edition]) -> Iterator[tuple[Edition, EditionDetails]]:
    """Those of these editions that were released to the whole list. One is opened at a time: each weighs up to a
    megabyte."""
    for edition in editions:
        details = released(edition)
        edition.__dict__.pop("details_sealed", None)
        if details and details.to_all and details.list == list_.id:
            yield edition, details
