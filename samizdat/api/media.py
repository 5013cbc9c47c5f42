"""Images of the library: listed, uploaded, described, deleted. Each is stored anew from its pixels alone."""

from datetime import datetime
from typing import Annotated

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Path, Query, Router, Schema
from pydantic import Field, StringConstraints

from samizdat.accounts.models import ApiKey
from samizdat.api.campaigns import Number
from samizdat.api.keys import KeyAuth, KeyedRequest, insist_on_all_lists, spend
from samizdat.api.problems import ApiProblem
from samizdat.api.shapes import ERRORS, ProblemOut
from samizdat.api.templates import EITHER, FILE_COSTS
from samizdat.api.uploads import FileText, decoded
from samizdat.campaigns.errors import PictureShown
from samizdat.campaigns.media import library
from samizdat.campaigns.media.library import LONGEST_ALT, LONGEST_NAME, PictureView
from samizdat.campaigns.models import Picture
from samizdat.campaigns.queries import LARGE

router = Router(tags=["Templates and media"])
WRITE = KeyAuth("campaigns:write")
MOST_A_PAGE = 100

Name = Annotated[str, StringConstraints(max_length=LONGEST_NAME)]
Alt = Annotated[str, StringConstraints(max_length=LONGEST_ALT)]


class ImageOut(Schema):
    """slug: by which blocks name it. url: where subscribers see it once a campaign shows it. decoration: it needs no
    alt text. bytes: of the file that is sent."""

    id: int
    slug: str
    url: str
    name: str
    alt: str
    decoration: bool
    kind: str
    width: int
    height: int
    bytes: int
    created: datetime


class ImagesOut(Schema):
    """next: the cursor of the page after this one; null on the last."""

    items: list[ImageOut]
    next: str | None


class ImageIn(Schema):
    """data: base64 of a JPEG, PNG, GIF or WebP."""

    data: FileText
    name: Name = ""
    alt: Alt = ""
    decoration: bool = False


class ImageChangesIn(Schema):
    """What isn't named stays as it is."""

    name: Name | None = None
    alt: Alt | None = None
    decoration: bool | None = None


class ImagePageIn(Schema):
    """words: each in the name or alt text."""

    words: Annotated[str, StringConstraints(max_length=200)] = ""
    count: int = Field(50, ge=1, le=MOST_A_PAGE)
    cursor: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,14}$")] | None = None


class ImageRemovalIn(Schema):
    """also_sent: though a campaign that was sent shows it; there it disappears too."""

    also_sent: bool = False


@router.get("", response={200: ImagesOut, ERRORS: ProblemOut}, auth=EITHER, summary="A page of images")
def list_images(request: KeyedRequest, page: Query[ImagePageIn]) -> ImagesOut:
    """The newest first."""
    before = None if page.cursor is None else int(page.cursor)
    views, more = library.library(request.auth.organization, page.words, before=before, limit=page.count)
    return ImagesOut(items=[_out(view) for view in views], next=None if more is None else str(more))


@router.get("/{int:number}", response={200: ImageOut, ERRORS: ProblemOut}, auth=EITHER, summary="One image")
def get_image(request: KeyedRequest, number: Path[Number]) -> ImageOut:
    """Its facts; the file is at `url` once a campaign shows it."""
    return _out(library.view_of(_picture(request.auth, number)))


@router.post("", response={201: ImageOut, ERRORS: ProblemOut}, auth=WRITE, summary="Upload an image")
def add_image(request: KeyedRequest, body: ImageIn) -> tuple[int, ImageOut]:
    """It's stored without location, camera and author. Counts as five requests."""
    key, now = request.auth, timezone.now()
    spend(key, FILE_COSTS - 1)
    picture = library.take_in(key.organization, decoded(body.data, "data"), now, name=body.name, by=key.by)
    if body.alt or body.decoration:
        _describe(key, picture, ImageChangesIn(alt=body.alt, decoration=body.decoration))
    return 201, _out(library.view_of(_picture(key, picture.pk)))


@router.patch("/{int:number}", response={200: ImageOut, ERRORS: ProblemOut}, auth=WRITE, summary="Describe an image")
def describe_image(request: KeyedRequest, number: Path[Number], body: ImageChangesIn) -> ImageOut:
    """Its name, and its alt text for whoever doesn't see it. Only for a key that is bound to no list."""
    picture = _picture(request.auth, number)
    insist_on_all_lists(request.auth)
    _describe(request.auth, picture, body)
    return _out(library.view_of(_picture(request.auth, number)))


@router.delete(
    "/{int:number}",
    response={204: None, 409: ProblemOut, ERRORS: ProblemOut},
    auth=WRITE,
    summary="Delete an image",
)
def delete_image(request: KeyedRequest, number: Path[Number], asked: Query[ImageRemovalIn]) -> HttpResponse:
    """Also from your public pages. Only for a key that is bound to no list."""
    picture = _picture(request.auth, number)
    insist_on_all_lists(request.auth)
    try:
        library.remove(picture, also_sent=asked.also_sent, now=timezone.now(), by=request.auth.by)
    except PictureShown as shown:
        sentence = _("A campaign that was sent shows this image. To delete it there too, send `also_sent=true`.")
        raise ApiProblem(409, shown.code, sentence) from None
    return HttpResponse(status=204)


def _describe(key: ApiKey, picture: Picture, changes: ImageChangesIn) -> None:
    facts = library.facts_of(picture)
    library.describe(
        picture,
        name=facts.name if changes.name is None else changes.name,
        alt=facts.alt if changes.alt is None else changes.alt,
        plain=facts.plain if changes.decoration is None else changes.decoration,
        now=timezone.now(),
        by=key.by,
    )


def _picture(key: ApiKey, number: int) -> Picture:
    """Errors: ApiProblem 404."""
    rows = Picture.objects.select_related("organization").defer("sealed", *LARGE)
    picture = rows.filter(organization=key.organization, pk=number).first()
    if picture is None:
        raise ApiProblem(404, "no_such_image", _("There is no such image."))
    return picture


def _out(view: PictureView) -> ImageOut:
    picture = view.picture
    return ImageOut(
        id=picture.pk,
        slug=picture.slug,
        url=view.url,
        name=view.facts.name,
        alt=view.facts.alt,
        decoration=view.facts.plain,
        kind=picture.kind,
        width=picture.width,
        height=picture.height,
        bytes=picture.weight,
        created=picture.created,
    )
