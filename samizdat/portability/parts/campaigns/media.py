"""The library of pictures: each as readers load it, and what it can be cut from."""

import re
import secrets
from typing import Annotated, Any

import msgspec
from django.db import transaction
from msgspec import Meta, convert, structs

from samizdat.accounts.models import Organization
from samizdat.campaigns.errors import StorageFull
from samizdat.campaigns.media import library, storage
from samizdat.campaigns.media.image_processing import BEGINS, LONGEST_SIDE
from samizdat.campaigns.models import Picture
from samizdat.core.content.compile import ImageKind
from samizdat.portability.errors import ExportRefused
from samizdat.portability.parts import base
from samizdat.portability.read import OpenedExport, altered
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.value_limits import moment
from samizdat.portability.zip_stream import ZipWriter
from samizdat.vault import keyring

FILE, FOLDER = "pictures.json", "pictures/"
LARGEST = 64 << 20
type Side = Annotated[int, Meta(gt=0, le=LONGEST_SIDE)]


class _Picture(library.PictureFacts, frozen=True, kw_only=True):
    slug: Annotated[str, Meta(pattern=r"\A[0-9a-f]{8,40}\Z")]
    kind: ImageKind
    width: Side
    height: Side
    whole: tuple[Side, Side] | None = None
    cut_from: str | None = None
    created: str


class Pictures:
    """pictures.json tells of each; its bytes stand in pictures/SLUG.KIND, what cuts are made from in SLUG.whole, what
    the desk shows in SLUG.thumb."""

    name = "pictures"

    def give(self, home: ExportContext, box: ZipWriter) -> int:
        entries = []
        rows = Picture.objects.filter(organization=home.organization).order_by("pk")
        for number in rows.values_list("pk", flat=True):
            picture = Picture.objects.select_related("organization", "parent").filter(pk=number).first()
            if picture is None:
                continue  # Removed meanwhile.
            path = FOLDER + picture.slug
            box.add(f"{path}.{picture.kind}", library.open_picture(picture))
            if picture.whole_sealed:
                box.add(f"{path}.whole", library.open_whole(picture))
            if picture.thumb_sealed:
                box.add(f"{path}.thumb", library.open_thumb(picture)[0])
            entries.append(_told(picture))
        box.add_json(FILE, entries)
        return len(entries)

    def check(self, opened: OpenedExport) -> int:
        pictures = _pictures(opened)
        names = set(opened.members(FOLDER))
        for slug, details in pictures.items():
            name = f"{FOLDER}{slug}.{details.kind}"
            if name not in names or not re.match(BEGINS[details.kind], opened.member(name, LARGEST), re.DOTALL):
                raise altered(name)
        return len(pictures)

    def take(self, opened: OpenedExport, places: base.Places) -> int:
        for slug, details in _pictures(opened).items():
            if places.here(self.name, slug) is None:
                with transaction.atomic():
                    places.put(self.name, slug, _make(opened, places, slug, details).slug)
                    insist_on_room(places.organization)
        return len(places.all(self.name))


def insist_on_room(organization: Organization) -> None:
    """For what came in last. Errors: ExportRefused."""
    try:
        storage.insist_on_room(organization, 0)
    except StorageFull as full:
        raise ExportRefused(full.code, str(full)) from None


def _told(picture: Picture) -> dict[str, Any]:
    return {
        "slug": picture.slug,
        "kind": picture.kind,
        "width": picture.width,
        "height": picture.height,
        "cut_from": picture.parent.slug if picture.parent else None,
        "created": picture.created.isoformat(),
        **structs.asdict(library.facts_of(picture)),
    }


def _pictures(opened: OpenedExport) -> dict[str, _Picture]:
    """By slug, in the order of their making. Errors: ExportRefused."""
    try:
        pictures = convert(opened.table(FILE) or [], list[_Picture])
        by_slug = {picture.slug: picture for picture in pictures if moment(picture.created)}
        if len(by_slug) < len(pictures):
            raise ValueError
    except (TypeError, ValueError) as wrong:
        raise altered(FILE) from wrong
    return by_slug


def _make(opened: OpenedExport, places: base.Places, slug: str, details: _Picture) -> Picture:
    """Under the name that letters in mailboxes know it by; under another where somebody of this house has that one."""
    organization, keys = places.organization, keyring.keys(places.organization)
    name = secrets.token_hex(12) if Picture.objects.filter(slug=slug).exists() else slug
    parent = places.here(Pictures.name, details.cut_from)
    picture = Picture.objects.create(
        organization=organization,
        slug=name,
        kind=details.kind,
        width=details.width,
        height=details.height,
        sealed=b"",
        parent=Picture.objects.filter(organization=organization, slug=parent).first() if parent else None,
        created=moment(details.created),
    )
    names = set(opened.members(FOLDER))
    shown = opened.member(f"{FOLDER}{slug}.{details.kind}", LARGEST)
    picture.sealed, picture.weight = library.seal_picture(picture, shown), len(shown)
    for column, part in ("whole_sealed", "whole"), ("thumb_sealed", "thumb"):
        if (member := f"{FOLDER}{slug}.{part}") in names:
            setattr(picture, column, library.seal_picture(picture, opened.member(member, LARGEST), part))
    facts = library.PictureFacts(
        details.name[: library.LONGEST_NAME], details.alt[: library.LONGEST_ALT], details.plain, details.whole
    )
    picture.facts_sealed = keys.seal_json(facts, "picture", "facts", picture.pk)
    picture.save()
    return picture


def renamed(text: str, places: base.Places) -> str:
    """A text that shows pictures, with the names that they have here."""
    for there, here in places.all(Pictures.name).items():
        if there != here:
            text = text.replace(there, here)
    return text


def renamed_in[T: msgspec.Struct](own: T, places: base.Places) -> T:
    """The same of a draft, or of what it made of its template."""
    return msgspec.json.decode(renamed(msgspec.json.encode(own).decode(), places), type=type(own))
