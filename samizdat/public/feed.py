"""The archive as an Atom feed (RFC 4287): titles and days of the newest letters, and where to read them."""

import re
import uuid
from collections.abc import Sequence
from datetime import date
from typing import Any

from django.template.loader import render_to_string

# Characters that XML 1.0 cannot hold, not even escaped (section 2.2).
_IMPOSSIBLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Of a feed without a letter, which has to have changed at some time.
_NEVER = date(1970, 1, 1)


def feed(place: Any, letters: Sequence[tuple[str, str, date, date | None]]) -> str:
    """letters: (slug, title, day, day of its last correction), the newest first.

    Addresses are relative: the feed is found under the name that a reader reaches, and an entry keeps its id when the
    house moves to another.
    """
    entries = [
        {"slug": slug, "title": _sayable(title), "id": _id(slug), "day": day, "changed": corrected or day}
        for slug, title, day, corrected in letters
    ]
    values = {
        "name": _sayable(place.name),
        "language": place.language,
        "id": _id(bytes(place.uid).hex()),
        "changed": max((corrected or day for _slug, _title, day, corrected in letters), default=_NEVER),
        "entries": entries,
    }
    return render_to_string("public/feed.xml", values)


def _sayable(text: str) -> str:
    return _IMPOSSIBLE.sub("", text)


def _id(name: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_OID, f"letters {name}").urn
