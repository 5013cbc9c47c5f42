"""Pictures inside the message, for readers whose network lets nothing of ours through. A choice of each letter.

The web copy shows them by their address; so does every preview.
"""

import re
from collections.abc import Collection, Iterator

from samizdat.accounts.models import Organization
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.media.library import open_picture
from samizdat.campaigns.queries import picture_named
from samizdat.core.content.compile import Carries, InlineImage

_SLUG = re.compile(r"/m/([0-9a-f]{8,40})\.[a-z]{3,4}")


def carries(organization: Organization, base: str, draft: Draft) -> Carries | None:
    """base: address of the public pages. None for letters whose pictures are fetched: nothing is opened for those."""
    if draft.pictures != "inside" or not base:
        return None

    def resolve(urls: Collection[str]) -> Iterator[InlineImage]:
        for url in urls:
            slug = _SLUG.fullmatch(url.removeprefix(base))
            picture = picture_named(organization, slug[1]) if slug else None
            if picture is not None:
                # The slug is random, so no other picture has this Content-ID (RFC 2392); the host is the sender's.
                host = draft.from_email.rpartition("@")[2].strip() or "picture.invalid"
                yield InlineImage(url, f"{picture.slug}@{host}", picture.kind, open_picture(picture))

    return resolve
