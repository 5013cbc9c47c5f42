"""The library of pictures: each as readers load it, and what it can be cut from."""

import json
import re
import secrets
from dataclasses import asdict
from typing import Any

from django.db import transaction

from samizdat.audience.exporting import besides
from samizdat.audience.exporting.packing import Zip
from samizdat.audience.exporting.people import House
from samizdat.audience.exporting.reading import Opened, altered
from samizdat.audience.exporting.values import moment, whole
from samizdat.campaigns import pictures
from samizdat.campaigns.models import Picture
from samizdat.core.templating import Arrangement
from samizdat.vault import house
from samizdat.vault.sealed import seal_json

FILE, FOLDER = "pictures.json", "pictures/"
# How a file of each kind begins: what a forged export calls a picture is shown to everybody under that name.
BEGINS = {"jpeg": rb"\xff\xd8\xff", "png": rb"\x89PNG\r\n", "gif": rb"GIF8", "webp": rb"RIFF....WEBP"}
LARGEST = 64 << 20
SIDE = 100_000
_SLUG = re.compile(r"[0-9a-f]{8,40}")


class Pictures:
    """pictures.json tells of each; its bytes stand in pictures/SLUG.KIND, what cuts are made from in SLUG.whole, what
    the desk shows in SLUG.thumb."""

    name = "pictures"

    def give(self, home: House, box: Zip) -> int:
        told = []
        rows = Picture.objects.filter(organisation=home.organisation).order_by("pk")
        for number in rows.values_list("pk", flat=True):
            picture = Picture.objects.select_related("organisation", "parent").filter(pk=number).first()
            if picture is None:
                continue  # Removed meanwhile.
            path = FOLDER + picture.slug
            box.add(f"{path}.{picture.kind}", pictures.open_picture(picture))
            if picture.whole_sealed:
                box.add(f"{path}.whole", pictures.open_whole(picture))
            if picture.thumb_sealed:
                box.add(f"{path}.thumb", pictures.open_thumb(picture)[0])
            told.append(_told(picture))
        box.add_json(FILE, told)
        return len(told)

    def check(self, opened: Opened) -> int:
        found = _pictures(opened)
        names = set(opened.members(FOLDER))
        for slug, told in found.items():
            name = f"{FOLDER}{slug}.{told['kind']}"
            if name not in names or not re.match(BEGINS[told["kind"]], opened.member(name, LARGEST), re.DOTALL):
                raise altered(name)
        return len(found)

    def take(self, opened: Opened, places: besides.Places) -> int:
        for slug, told in _pictures(opened).items():
            if places.here(self.name, slug) is None:
                with transaction.atomic():
                    places.put(self.name, slug, _make(opened, places, slug, told).slug)
        return len(places.all(self.name))


def _told(picture: Picture) -> dict[str, Any]:
    return {
        "slug": picture.slug,
        "kind": picture.kind,
        "width": picture.width,
        "height": picture.height,
        "cut_from": picture.parent.slug if picture.parent else None,
        "created": picture.created.isoformat(),
        **asdict(pictures.facts_of(picture)),
    }


def _pictures(opened: Opened) -> dict[str, Any]:
    """By slug, in the order of their making. Errors: ExportRefused."""
    try:
        found = {}
        for told in opened.table(FILE) or ():
            slug, size = str(told["slug"]), (whole(told["width"]), whole(told["height"]))
            facts, made = _facts(told), moment(told["created"])
            fits = _SLUG.fullmatch(slug) and told["kind"] in BEGINS and all(0 < side <= SIDE for side in size)
            if not fits or slug in found:
                raise ValueError
            found[slug] = told | {"facts": facts, "created": made}
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise altered(FILE) from wrong
    return found


def _facts(told: dict[str, Any]) -> pictures.Facts:
    size = told.get("whole")
    return pictures.Facts(
        str(told.get("name", ""))[: pictures.LONGEST_NAME],
        str(told.get("alt", ""))[: pictures.LONGEST_ALT],
        bool(told.get("plain")),
        (whole(size[0], SIDE), whole(size[1], SIDE)) if size else None,
    )


def _make(opened: Opened, places: besides.Places, slug: str, told: dict[str, Any]) -> Picture:
    """Under the name that letters in mailboxes know it by; under another where somebody of this house has that one."""
    organisation, keys = places.organisation, house.keys(places.organisation)
    name = secrets.token_hex(12) if Picture.objects.filter(slug=slug).exists() else slug
    parent = places.here(Pictures.name, told.get("cut_from"))
    picture = Picture.objects.create(
        organisation=organisation,
        slug=name,
        kind=told["kind"],
        width=int(told["width"]),
        height=int(told["height"]),
        sealed=b"",
        parent=Picture.objects.filter(organisation=organisation, slug=parent).first() if parent else None,
        created=told["created"],
    )
    names = set(opened.members(FOLDER))
    for column, part, ending in (
        ("sealed", "data", told["kind"]),
        ("whole_sealed", "whole", "whole"),
        ("thumb_sealed", "thumb", "thumb"),
    ):
        member = f"{FOLDER}{slug}.{ending}"
        if member in names:
            data = opened.member(member, LARGEST)
            setattr(picture, column, keys.seal(data, "picture", part, picture.pk))
            picture.weight = len(data) if column == "sealed" else picture.weight
    picture.facts_sealed = seal_json(keys, asdict(told["facts"]), "picture", "facts", picture.pk)
    picture.save()
    return picture


def renamed(text: str, places: besides.Places) -> str:
    """A text that shows pictures, with the names that they have here."""
    for there, here in places.all(Pictures.name).items():
        if there != here:
            text = text.replace(there, here)
    return text


def renamed_in(own: Arrangement, places: besides.Places) -> Arrangement:
    """The same of what a letter made of its template."""
    return Arrangement.read(json.loads(renamed(json.dumps(own.document()), places)))
