"""The library: pictures without their metadata, sealed until somebody outside has to see them.

A picture never changes under its address, since readers' programs keep it for a year: a cut is another picture.
"""

import re
import secrets
from binascii import a2b_qp
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec import Struct
from msgspec.structs import replace

from samizdat import limited_process
from samizdat.accounts.models import Organization, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.campaigns.brand import brand_of
from samizdat.campaigns.drafts.draft import Draft, place_of
from samizdat.campaigns.errors import BadPicture, PictureShown
from samizdat.campaigns.media import image_processing, storage
from samizdat.campaigns.media.image_processing import LARGEST_FILE, WIDEST, CropBox, ProcessedShot
from samizdat.campaigns.models import Campaign, Edition, EditionVariant, Picture, Template, TemplateText, Variant
from samizdat.campaigns.queries import AT_ONCE
from samizdat.core.content.message import loads
from samizdat.core.content.render import RenderedContent
from samizdat.events.actions import record
from samizdat.vault import keyring

__all__ = ["LARGEST_FILE", "WIDEST"]  # What doors ask for here.

PAGE = 24
LONGEST_NAME, LONGEST_ALT = 120, 500
# How a letter, a template or a draft says one of ours: the end of its public address.
# By its address, or by its slug alone, as blocks name it (their JSON lies in the JSON of the draft).
ADDRESS = re.compile(rb'(?:/m/|\bsrc\\*":\s?\\*")([0-9a-f]{8,40})(?:\.(?:jpeg|jpg|png|gif|webp)\b|\\*")')

_BLOBS = ("sealed", "whole_sealed", "thumb_sealed")


class PictureFacts(Struct, frozen=True):
    """What somebody says of a picture. `plain`: decoration, which needs no words. `whole`: (width, height) of what cuts
    are made from."""

    name: str = ""
    alt: str = ""
    plain: bool = False
    whole: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class PictureView:
    """A picture in the library, its facts opened. Bytes are not fetched."""

    picture: Picture
    facts: PictureFacts
    url: str

    @property
    def described(self) -> bool:
        return self.facts.plain or bool(self.facts.alt)


@dataclass(frozen=True, slots=True)
class PictureUse:
    """Where a picture is shown: a letter, which may have been sent, or a template."""

    kind: str  # letter, template
    number: int
    name: str
    sent: bool = False


def url_of(organization: Organization, picture: Picture) -> str:
    """Where readers find it."""
    return address_of(organization, picture.slug, picture.kind)


def address_of(organization: Organization, slug: str, kind: str) -> str:
    return f"{leading(organization).public_url}/m/{slug}.{kind}"


def new_slug() -> str:
    return secrets.token_hex(12)


# --- taking in and making ---


def take_in(
    organization: Organization, data: bytes, now: datetime, *, name: str = "", by: Person | None = None
) -> Picture:
    """Stores a picture anew from its pixels alone, so that place, camera and author stay behind. Errors:
    BadPicture, which StorageFull is too."""
    return keep(organization, decode(organization, data), now, name=name, by=by)


def decode(organization: Organization, data: bytes) -> image_processing.ProcessedImage:
    """What would be stored; it takes seconds, so in no transaction. Errors: BadPicture."""
    return _decoded(organization, image_processing.take, data)


def keep(
    organization: Organization,
    taken: image_processing.ProcessedImage,
    now: datetime,
    *,
    name: str = "",
    by: Person | None = None,
    slug: str = "",
) -> Picture:
    """`slug`: where its address was written down before. Errors: BadPicture."""
    facts = PictureFacts(name=name.strip()[:LONGEST_NAME], whole=taken.whole.size if taken.whole else None)
    whole = taken.whole.data if taken.whole else b""
    if taken.whole and (
        taken.whole.kind != taken.shown.kind or not image_processing.is_picture(taken.whole, taken.thumb)
    ):
        raise _unreadable()
    return _store(organization, taken.shown, taken.thumb, facts, now=now, by=by, whole=whole, slug=slug)


def remake(picture: Picture, cut: CropBox, *, now: datetime, by: Person | None = None) -> Picture:
    """Another picture, cut from the same whole. The old one stays. Errors: BadPicture."""
    origin = origin_of(picture)
    shot, thumb = _decoded(picture.organization, image_processing.remake, open_whole(origin), cut)
    facts = replace(facts_of(picture), whole=None)
    return _store(picture.organization, shot, thumb, facts, now=now, by=by, parent=origin)


def _decoded[T](organization: Organization, function: Callable[..., T], *args: object) -> T:
    """What pixels makes of a file, within bounds. Errors: BadPicture."""
    try:
        return limited_process.work(organization.pk, function, *args)
    except image_processing.Unusable as bad:
        raise BadPicture(_(bad.sentence) % bad.values) from bad
    except limited_process.TooMuch as much:
        raise BadPicture(_("The image takes too long to read. Make it smaller and upload it again.")) from much


def _unreadable() -> BadPicture:
    return BadPicture(_("We can’t read this image. Save it as JPEG, PNG, GIF or WebP."))


def _store(
    organization: Organization,
    shot: ProcessedShot,
    thumb: bytes,
    facts: PictureFacts,
    *,
    now: datetime,
    by: Person | None,
    whole: bytes = b"",
    parent: Picture | None = None,
    slug: str = "",
) -> Picture:
    if not image_processing.is_picture(shot, thumb):
        raise _unreadable()
    storage.insist_on_room(organization, len(shot.data) + len(thumb) + len(whole))
    keys = keyring.keys(organization)
    width, height = shot.size
    with transaction.atomic():
        picture = Picture.objects.create(
            organization=organization,
            slug=slug or new_slug(),
            kind=shot.kind,
            width=width,
            height=height,
            weight=len(shot.data),
            sealed=b"",
            parent=parent,
            created=now,
        )
        picture.sealed = seal_picture(picture, shot.data)
        picture.thumb_sealed = seal_picture(picture, thumb, "thumb")
        picture.whole_sealed = seal_picture(picture, whole, "whole") if whole else b""
        picture.facts_sealed = keys.seal_json(facts, "picture", "facts", picture.id)
        picture.save(update_fields=["facts_sealed", *_BLOBS])
        record("picture.added", organization, now=now, by=by, about=picture.pk)
    return picture


def describe(picture: Picture, *, name: str, alt: str, plain: bool, now: datetime, by: Person | None = None) -> None:
    """What it is called at the desk, and what it shows, for whoever does not see it."""
    facts = replace(
        facts_of(picture),
        name=" ".join(name.split())[:LONGEST_NAME],
        alt="" if plain else " ".join(alt.split())[:LONGEST_ALT],
        plain=plain,
    )
    with transaction.atomic():
        blob = keyring.keys(picture.organization).seal_json(facts, "picture", "facts", picture.id)
        Picture.objects.filter(pk=picture.pk).update(facts_sealed=blob)
        record("picture.described", picture.organization, now=now, by=by, about=picture.pk)


def remove(picture: Picture, *, also_sent: bool, now: datetime, by: Person | None = None) -> None:
    """Takes it off the disk and from the public pages. Errors: PictureShown while a letter that was sent shows it,
    unless `also_sent`: a picture may endanger who is on it."""
    sent = [use for use in uses(picture.organization, [picture.slug], exact=True)[picture.slug] if use.sent]
    if sent and not also_sent:
        raise PictureShown(
            _("“%(letter)s” was sent with this image. Confirm that it should disappear from there too, or keep it.")
            % {"letter": sent[0].name}
        )
    with transaction.atomic():
        Picture.objects.filter(pk=picture.pk).delete()
        detail = {"slug": picture.slug}
        record("picture.removed", picture.organization, now=now, by=by, about=picture.pk, detail=detail)


# --- opening ---


def seal_picture(picture: Picture, data: bytes, part: str = "data") -> bytes:
    """Under its own address: a letter names pictures by it, the logo is published by it, and whoever writes the
    database could give that of one that was released to one that was not. part: data, thumb or whole."""
    return keyring.keys(picture.organization).seal(data, "picture", _label(picture, part), picture.id)


def open_picture(picture: Picture) -> bytes:
    """Errors: SealBroken, where another picture has its address; so in the next two."""
    return keyring.keys(picture.organization).open(picture.sealed, "picture", _label(picture, "data"), picture.id)


def _label(picture: Picture, part: str) -> str:
    return f"{part} {picture.slug}.{picture.kind}"


def open_thumb(picture: Picture) -> tuple[bytes, str]:
    """(bytes, kind); the picture itself where it came before there were thumbs."""
    if not picture.thumb_sealed:
        return open_picture(picture), picture.kind
    keys = keyring.keys(picture.organization)
    return keys.open(picture.thumb_sealed, "picture", _label(picture, "thumb"), picture.id), "webp"


def open_whole(picture: Picture) -> bytes:
    """What cuts are made from: up to 3,000 points wide."""
    if not picture.whole_sealed:
        return open_picture(picture)
    keys = keyring.keys(picture.organization)
    return keys.open(picture.whole_sealed, "picture", _label(picture, "whole"), picture.id)


def origin_of(picture: Picture) -> Picture:
    """The picture that was uploaded; a cut whose origin is gone is its own."""
    return picture.parent if picture.parent is not None else picture


def whole_size(picture: Picture) -> tuple[int, int]:
    return facts_of(picture).whole or (picture.width, picture.height)


def facts_of(picture: Picture) -> PictureFacts:
    keys = keyring.keys(picture.organization)
    return keys.open_json(picture.facts_sealed, "picture", "facts", picture.id, PictureFacts)


# --- the library ---


def library(
    organization: Organization, words: str = "", *, before: int | None = None, limit: int = PAGE
) -> tuple[list[PictureView], int | None]:
    """The newest first; those whose name or description has all of the words. And the number to go on before.

    Names are sealed, so a search opens them: 0.15 s for 5,000 pictures.
    """
    wanted = words.casefold().split()
    if not wanted:
        views = list(islice(_views(organization, before), limit + 1))
        return views[:limit], views[limit - 1].picture.pk if len(views) > limit else None
    numbers = list(islice(_numbers_with(organization, wanted, before), limit + 1))
    views = list(_views(organization, among=numbers[:limit]))
    return views, numbers[limit - 1] if len(numbers) > limit else None


def _numbers_with(organization: Organization, wanted: list[str], before: int | None) -> Iterator[int]:
    keys = keyring.keys(organization)
    rows = Picture.objects.filter(organization=organization, **({"pk__lt": before} if before else {})).order_by("-pk")
    for number, blob in rows.values_list("pk", "facts_sealed").iterator(chunk_size=1000):
        facts = keys.open_json(blob, "picture", "facts", number, PictureFacts)
        text = f"{facts.name} {facts.alt}".casefold()
        if all(word in text for word in wanted):
            yield number


def undescribed(organization: Organization, limit: int = 12) -> list[PictureView]:
    """The newest that nobody has said anything about yet, among the last hundred."""
    return [view for view in islice(_views(organization), 100) if not view.described][:limit]


def _views(
    organization: Organization, before: int | None = None, among: Iterable[int] | None = None
) -> Iterator[PictureView]:
    rows = Picture.objects.filter(organization=organization, **({"pk__lt": before} if before else {}))
    rows = rows if among is None else rows.filter(pk__in=list(among))
    for picture in rows.defer(*_BLOBS).order_by("-pk").iterator(chunk_size=200):
        picture.organization = organization
        yield PictureView(picture, facts_of(picture), url_of(organization, picture))


def view_of(picture: Picture) -> PictureView:
    return PictureView(picture, facts_of(picture), url_of(picture.organization, picture))


def uses(organization: Organization, slugs: Iterable[str], *, exact: bool = False) -> Mapping[str, list[PictureUse]]:
    """Letters and templates that show these pictures.

    A letter is opened again when its version is another one; with `exact` each is. Opening takes 1 to 3 ms a letter.
    """
    keys = keyring.keys(organization)
    by_slug: dict[str, list[PictureUse]] = {slug: [] for slug in slugs}
    slugs_by_letter = _said(organization, exact)
    hit = {number: shown & by_slug.keys() for number, shown in slugs_by_letter.items() if shown & by_slug.keys()}
    letters = Campaign.objects.filter(organization=organization, pk__in=hit).order_by("-pk")
    # A draft whose text was a version of a letter that was released lies in mailboxes too.
    tested = Variant.objects.filter(letter__in=hit).exclude(campaign__state="draft").values_list("letter_id", flat=True)
    sent = set(tested) if hit else set[int]()
    for state, blob, *place in letters.values_list("state", "draft_sealed", *_PLACE).iterator(chunk_size=AT_ONCE):
        number = place[0]
        subject = keys.open_json(blob, *place_of(*place), Draft).subject or _("no subject")
        for slug in hit[number]:
            by_slug[slug].append(PictureUse("letter", number, subject, state != "draft" or number in sent))
    templates = Template.objects.filter(organization=organization).order_by("pk")
    for number, blob in templates.values_list("pk", "sealed").iterator(chunk_size=AT_ONCE):
        text = keys.open_json(blob, "template", "source", number, TemplateText)
        for slug in _any_in(f"{text.source} {text.sample} {text.body} {text.places}".encode()) & by_slug.keys():
            by_slug[slug].append(PictureUse("template", number, text.name))
    if (logo := brand_of(organization).logo) in by_slug:
        by_slug[logo].append(PictureUse("template", 0, _("Branding")))
    return by_slug


# Columns that place_of wants.
_PLACE = ("pk", "created", "version_of_id")

# Organization and letter -> its version, when it or its places were changed, and what may be a slug in them. Slugs
# stand in mails; nothing else is held here.
_known: dict[tuple[bytes, int], tuple[tuple[int, datetime], frozenset[str]]] = {}


def _said(organization: Organization, exact: bool) -> dict[int, frozenset[str]]:
    """Letter -> what it shows."""
    keys, uid = keyring.keys(organization), bytes(organization.uid)
    rows = Campaign.objects.filter(organization=organization)
    marks = {pk: (version, changed) for pk, version, changed in rows.values_list("pk", "version", "changed")}
    old = [pk for pk, mark in marks.items() if exact or _known.get((uid, pk), (None,))[0] != mark]
    columns = "version", "changed", "draft_sealed", "places_sealed", *_PLACE
    for at in range(0, len(old), 100):
        some = rows.filter(pk__in=old[at : at + 100]).values_list(*columns).iterator(chunk_size=AT_ONCE)
        for version, changed, draft, places, *place in some:
            number, shown = place[0], _any_in(keys.open(draft, *place_of(*place)))
            shown |= _any_in(keys.open(places, "campaign", "places", number)) if places else set()
            _known[uid, number] = (version, changed), frozenset(shown)
    return {number: _known[uid, number][1] for number in marks if (uid, number) in _known}


def named_in(text: bytes | str) -> set[str]:
    """The pictures of ours that a text says, by their slugs."""
    data = text.encode() if isinstance(text, str) else text
    return {slug.decode() for slug in ADDRESS.findall(data)}


def pictures_of(letter: RenderedContent) -> set[str]:
    """The pictures of ours that a letter shows, by their slugs."""
    return named_in("".join(piece for piece in letter.html if isinstance(piece, str)))


def frozen_in(edition: Edition) -> set[str]:
    """The pictures of ours that the compiled letter says by their address, in all of its versions."""
    keys = keyring.keys(edition.organization)
    rows = EditionVariant.objects.filter(edition=edition).values_list("variant_no", "compiled_sealed")
    shown = set[str]()
    for column, blob in [("compiled", edition.compiled_sealed), *((f"compiled {place}", blob) for place, blob in rows)]:
        parts = loads(keys.open(blob, "edition", column, edition.pk)).parts
        # An address may lie over the end of a line: parts are quoted-printable, cut only at their slots.
        shown |= named_in(a2b_qp(b"".join(parts)))
    return shown


# Blocks say a picture by its slug alone.
_SLUG = re.compile(rb"(?<![0-9a-f])[0-9a-f]{8,40}(?![0-9a-f])")


def _any_in(text: bytes) -> set[str]:
    return {slug.decode() for slug in _SLUG.findall(text)}
