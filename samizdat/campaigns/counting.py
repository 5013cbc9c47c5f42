"""Presses of links as totals: the addresses of counted links, what the gate has to know of them, and the sums.

A code names an edition, a version and a link of it (core/link, purpose "click"), so it is the same for all readers and
made anew at any time. Nothing of a press is kept but one more in the sum of its day.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import F, Sum

from samizdat.accounts.place import publish as publish_place
from samizdat.campaigns.models import Edition, EditionVariant, Folded, LinkTotal
from samizdat.core import link
from samizdat.core.letter.counting import Through, location
from samizdat.gate import actions as gate
from samizdat.vault import house
from samizdat.vault.sealed import open_json


@dataclass(frozen=True, slots=True)
class Pressed:
    """A counted link of a version (its place), with its presses by day."""

    place: int
    url: str
    days: Mapping[date, int]

    @property
    def total(self) -> int:
        return sum(self.days.values())


def through(organisation: Any, edition: int, place: int = 0) -> Through:
    """By which address each counted link of a version is reached that is being frozen."""
    keys = house.keys(organisation)
    assert keys.link is not None
    code, base = link.Maker(keys.link, "click"), organisation.public_url

    def addresses(urls: Sequence[str]) -> Mapping[str, str]:
        return {url: f"{base}/l/{code(edition, place << 16 | at)}" for at, url in enumerate(urls)}

    return addresses


def counted_in(edition: Edition) -> dict[int, list[str]]:
    """place of a version -> its counted addresses, by their number."""
    keys = house.keys(edition.organisation)
    found = {0: open_json(keys, bytes(edition.details_sealed), "edition", "details", edition.pk)}
    for row in EditionVariant.objects.filter(edition=edition):
        found[row.place] = open_json(keys, bytes(row.details_sealed), "edition", f"details {row.place}", edition.pk)
    return {place: urls for place, told in found.items() if (urls := (told or {}).get("counted"))}


def lay_out(edition: Edition) -> None:
    """Lets the public process know where the counted links lead. May be repeated; after the commit of the release."""
    targets = {}
    for place, urls in counted_in(edition).items():
        code = link.Maker(house.keys(edition.organisation).links[edition.link_key], "click")
        targets.update({code(edition.pk, place << 16 | at): {"to": location(url)} for at, url in enumerate(urls)})
    if targets:
        publish_place(edition.organisation)  # A gate that was lost may not know it yet.
        gate.publish_targets(bytes(edition.organisation.uid), targets)


def add_up(organisation: Any, box: bytes, day: date, counts: Mapping[str, int]) -> None:
    """Adds what a box of the gate says: code -> presses. Once for each box; codes that are not ours are passed over."""
    keys = house.keys(organisation)
    pressed: Counter[link.Token] = Counter()
    for code, count in counts.items():
        try:
            pressed[link.read(keys.links, "click", code)] += count
        except link.BadToken:
            continue
    known = Edition.objects.filter(organisation=organisation, pk__in={token.edition for token in pressed})
    editions = set(known.values_list("pk", flat=True))
    with transaction.atomic():
        if not Folded.objects.get_or_create(name=hashlib.sha256(box).digest())[1]:
            return
        for token, count in sorted(pressed.items(), key=lambda one: (one[0].edition, one[0].number)):
            if token.edition not in editions:
                continue
            which: dict[str, Any] = {
                "edition_id": token.edition,
                "place": token.number >> 16,
                "link": token.number & 0xFFFF,
            }
            row, _new = LinkTotal.objects.get_or_create(**which, day=day)
            LinkTotal.objects.filter(pk=row.pk).update(count=F("count") + count)


def forget_boxes(boxes: Sequence[bytes]) -> None:
    """These are gone from the gate."""
    Folded.objects.filter(name__in=[hashlib.sha256(box).digest() for box in boxes]).delete()


def pressed(edition: Edition) -> list[Pressed]:
    """Every counted link of every version, in the order of the letter, also those that nobody pressed."""
    sums: dict[tuple[int, int], dict[date, int]] = {}
    for row in LinkTotal.objects.filter(edition=edition).order_by("day"):
        sums.setdefault((row.place, row.link), {})[row.day] = row.count
    return [
        Pressed(place, url, sums.get((place, at), {}))
        for place, urls in counted_in(edition).items()
        for at, url in enumerate(urls)
    ]


def presses(edition: Edition, url: str = "") -> dict[int, int]:
    """place of a version -> presses of all its links, or of this one alone."""
    if url:
        return {one.place: one.total for one in pressed(edition) if one.url == url}
    rows = LinkTotal.objects.filter(edition=edition).values_list("place").annotate(sum=Sum("count"))
    return dict(rows)
