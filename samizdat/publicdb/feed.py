"""The archive as an Atom feed (RFC 4287): titles and days of letters, and where to read them."""

import re
import uuid
from collections.abc import Sequence
from datetime import date
from html import escape

from samizdat.publicdb.models import Site

# Characters that XML 1.0 cannot hold, not even escaped (section 2.2).
_IMPOSSIBLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Of a feed without a letter, which has to have changed at some time.
_NEVER = date(1970, 1, 1)

Letter = tuple[str, str, date, date | None]


def feed(
    place: Site,
    letters: Sequence[Letter],
    page: str = "/a/{}",
    archive: str = "/a/",
    itself: str = "/a/feed.xml",
) -> str:
    """letters: (slug, title, day, day of its last correction), the newest first. page: where a slug is read.

    Addresses are relative: the feed is found under the name that a reader reaches, and an entry keeps its id when the
    house moves to another.
    """
    name = _text(place.name)
    changed = max((corrected or day for _slug, _title, day, corrected in letters), default=_NEVER)
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f'<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="{_text(place.language)}">',
        f"<title>{name}</title>",
        f"<id>{id_of(place)}</id>",
        f"<updated>{_moment(changed)}</updated>",
        f"<author><name>{name}</name></author>",
        f'<link rel="self" type="application/atom+xml" href="{itself}"/>',
        f'<link rel="alternate" type="text/html" href="{archive}"/>',
        *(_entry(letter, page) for letter in letters),
        "</feed>",
    ]
    return "\n".join(lines) + "\n"


def _entry(letter: Letter, page: str) -> str:
    slug, title, day, corrected = letter
    return (
        f"<entry><title>{_text(title)}</title><id>{_id(slug)}</id>"
        f'<link rel="alternate" type="text/html" href="{_text(page.format(slug))}"/>'
        f"<published>{_moment(day)}</published><updated>{_moment(corrected or day)}</updated></entry>"
    )


def _moment(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def _text(text: str) -> str:
    return escape(_IMPOSSIBLE.sub("", text))


def id_of(place: Site) -> str:
    """By which a feed is known for good."""
    return _id(bytes(place.uid).hex())


def _id(name: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_OID, f"letters {name}").urn
