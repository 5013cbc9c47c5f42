"""The library of pictures: finding, taking in, describing, cutting, removing, and putting one into a letter."""

from collections.abc import Callable

from django.contrib import messages
from django.core import signing
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat.campaigns import queries
from samizdat.campaigns.errors import BadPicture, CampaignError, PictureShown
from samizdat.campaigns.media import library as pictures
from samizdat.campaigns.media import storage
from samizdat.campaigns.media.library import PictureView as PictureView
from samizdat.campaigns.models import Picture
from samizdat.campaigns.templates import insert_media
from samizdat.web import params
from samizdat.web.base_form import refuse
from samizdat.web.campaigns import previews
from samizdat.web.campaigns.forms.media import CutForm, FactsForm
from samizdat.web.campaigns.views.campaigns import campaign_at
from samizdat.web.permissions import EVERYONE, WRITERS, View, address, deed, door, go, open_door
from samizdat.web.request import DeskRequest
from samizdat.web.templatetags.media import weight_word
from samizdat.web.uploads import MemoryUploadHandler, SeveralUploadHandler, handler_of, takes_files

# Files and bytes of one upload: they are held in memory, and unpacked one after the other.
MOST_FILES = 20
MOST_BYTES = 60 * 1024 * 1024


def picture_at(request: DeskRequest, slug: str) -> Picture:
    picture = queries.picture_named(request.organization, slug)
    if picture is None:
        raise Http404
    return picture


@door(see=EVERYONE)
def library(request: DeskRequest) -> HttpResponse:
    """With `?for=` a letter, each picture has a button that puts it there."""
    words = request.GET.get("q", "").strip()[:200]
    views, more = pictures.library(request.organization, words, before=params.number(request.GET.get("before", "")))
    wanted = params.number(request.GET.get("for", ""))
    letter = campaign_at(request, wanted) if wanted else None
    facts = {
        "views": views,
        "more": more,
        "words": words,
        "letter": letter if letter is not None and letter.state == "draft" else None,
        "undescribed": pictures.undescribed(request.organization) if not words else [],
        "has_any": bool(views) or request.organization.pictures.exists(),
        "most": MOST_FILES,
        "used": storage.megabytes(storage.used(request.organization)),
        "limit": storage.megabytes(storage.limit()),
    }
    return render(request, "web/media/library.html", facts)


@door(see=EVERYONE)
def as_list(request: DeskRequest) -> JsonResponse:
    """The library for the editor: `{"pictures": […], "before": number or null}`; `?q=` words, `?before=` goes on."""
    words = request.GET.get("q", "").strip()[:200]
    views, more = pictures.library(request.organization, words, before=params.number(request.GET.get("before", "")))
    return JsonResponse({"pictures": [_document(request, view) for view in views], "before": more})


def _document(request: DeskRequest, view: PictureView) -> dict[str, object]:
    """`url` is where readers find it and what a letter says; `thumb` and `shown` are the desk's own."""
    picture = view.picture
    return {
        "slug": picture.slug,
        "name": view.facts.name,
        "alt": view.facts.alt,
        "decoration": view.facts.plain,
        "width": picture.width,
        "height": picture.height,
        "bytes": picture.weight,
        "kind": picture.kind,
        "url": view.url,
        "thumb": address(request.organization, "picture-thumb", picture.slug),
        "shown": address(request.organization, "picture", picture.slug),
        "page": address(request.organization, "media-item", picture.slug),
    }


# -- taking in --


@deed(WRITERS)
@takes_files(lambda request: SeveralUploadHandler(request, limit=pictures.LARGEST_FILE, most=MOST_BYTES))
def add_pictures(request: DeskRequest) -> HttpResponse:
    """Several files. To a script that asks for JSON: `{"pictures": […], "refused": [{"name", "sentence"}]}`."""
    views, refused = _taken_in(request)
    if "application/json" in request.headers.get("Accept", ""):
        refusals = [{"name": name, "sentence": sentence} for name, sentence in refused]
        status = 200 if views or not refused else 422
        return JsonResponse(
            {"pictures": [_document(request, view) for view in views], "refused": refusals}, status=status
        )
    for name, sentence in refused:
        messages.error(request, f"{name}: {sentence}" if name else sentence)
    if views:
        text = ngettext(
            "%(n)s image uploaded, without location, camera and author. Add its alt text.",
            "%(n)s images uploaded, without location, camera and author. Add their alt text.",
            len(views),
        )
        messages.success(request, text % {"n": len(views)})
    return go(request, "media", anchor="describe" if views else "")


@deed(WRITERS)
@takes_files(lambda request: MemoryUploadHandler(request, limit=pictures.LARGEST_FILE))
def add_picture(request: DeskRequest, campaign_id: int) -> HttpResponse:
    campaign_at(request, campaign_id)
    file = request.FILES.get("picture")
    handler = handler_of(request, MemoryUploadHandler)
    try:
        if handler.too_large:
            raise BadPicture(_("The image is larger than 10 MB. Make it smaller and upload it again."))
        if file is None:
            raise BadPicture(_("Choose an image first."))
        name = _bare(file.name or "")
        pictures.take_in(request.organization, file.read(), timezone.now(), name=name, by=request.person)
    except BadPicture as refused:
        messages.error(request, str(refused))
    else:
        messages.success(
            request, _("Image uploaded, without location, camera and author. Copy its line into the email.")
        )
    return go(request, "campaign", campaign_id, anchor="pictures")


def _taken_in(request: DeskRequest) -> tuple[list[PictureView], list[tuple[str, str]]]:
    """What came in, and (name of the file, sentence) of what did not."""
    files = request.FILES.getlist("pictures")
    handler = handler_of(request, SeveralUploadHandler)
    large = _("The image is larger than 10 MB. Make it smaller and upload it again.")
    refused = [(name, large) for name in handler.refused]
    if handler.too_large:
        refused.append(("", _("These are more than 60 MB together. Upload the rest separately.")))
    elif not files and not refused:
        refused.append(("", _("Choose an image first.")))
    views = []
    for file in files[:MOST_FILES]:
        try:
            picture = pictures.take_in(
                request.organization, file.read(), timezone.now(), name=_bare(file.name or ""), by=request.person
            )
        except BadPicture as bad:
            refused.append((file.name or "", str(bad)))
        else:
            views.append(pictures.view_of(picture))
    if len(files) > MOST_FILES:
        text = _("%(n)s files at a time. Upload the rest separately.")
        refused.append(("", text % {"n": MOST_FILES}))
    return views, refused


def _bare(name: str) -> str:
    """A file's name without its ending."""
    return name.rpartition(".")[0] or name


# -- one picture --


@door(see=EVERYONE, do=WRITERS)
def one_picture(request: DeskRequest, slug: str) -> HttpResponse:
    picture = picture_at(request, slug)
    picture_facts = pictures.facts_of(picture)
    initial = {"name": picture_facts.name, "alt": picture_facts.alt, "plain": picture_facts.plain}
    form = FactsForm(request.POST or None, initial=initial)
    if form.is_valid():
        pictures.describe(picture, **form.cleaned_data, now=timezone.now(), by=request.person)
        messages.success(request, _("Saved."))
        return go(request, "media") if request.POST.get("then") == "library" else go(request, "media-item", slug)
    facts = {
        "view": pictures.view_of(picture),
        "picture": picture,
        "origin": picture.parent,
        "whole": pictures.whole_size(picture),
        "uses": pictures.uses(request.organization, [slug])[slug],
        "form": form,
    }
    return render(request, "web/media/picture.html", facts, status=422 if form.errors else 200)


@door(see=WRITERS, do=WRITERS)
def crop_picture(request: DeskRequest, slug: str) -> HttpResponse:
    """Cut, made smaller, pressed: another picture comes of it."""
    picture = picture_at(request, slug)
    size = pictures.whole_size(pictures.origin_of(picture))
    form = CutForm(request.POST or None, size=size, initial=_first_cut(size))
    if form.is_valid():
        try:
            new_picture = pictures.remake(picture, form.cut(), now=timezone.now(), by=request.person)
        except BadPicture as refused:
            refuse(form, None, refused)
        else:
            text = _("Created: %(before)s before, %(after)s now. The old image is kept.")
            weights = {"before": weight_word(picture), "after": weight_word(new_picture)}
            messages.success(request, text % weights)
            return go(request, "media-item", new_picture.slug)
    facts = {"view": pictures.view_of(picture), "picture": picture, "size": size, "form": form}
    return render(request, "web/media/cut.html", facts, status=422 if form.errors else 200)


def _first_cut(size: tuple[int, int]) -> dict[str, int]:
    return {"left": 0, "top": 0, "across": size[0], "down": size[1]}


@door(see=WRITERS, do=WRITERS)
def remove_picture(request: DeskRequest, slug: str) -> HttpResponse:
    picture = picture_at(request, slug)
    uses = pictures.uses(request.organization, [slug])[slug]
    if request.method == "POST":
        try:
            pictures.remove(picture, also_sent=bool(request.POST.get("also")), now=timezone.now(), by=request.person)
        except PictureShown as refused:
            messages.error(request, str(refused))
            return go(request, "remove-picture", slug)
        messages.success(request, _("Image deleted."))
        return go(request, "media")
    facts = {
        "view": pictures.view_of(picture),
        "sent": [use for use in uses if use.sent],
        "drafts": [use for use in uses if not use.sent],
    }
    return render(request, "web/media/remove.html", facts)


# -- bytes, for whoever is signed in --


def _bytes(opened: Callable[[Picture], tuple[bytes, str]]) -> View:
    def view(request: DeskRequest, slug: str) -> HttpResponse:
        return _answer(*opened(picture_at(request, slug)))

    return door(see=EVERYONE)(view)


def _answer(data: bytes, kind: str) -> HttpResponse:
    response = HttpResponse(data, content_type=f"image/{kind}")
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


picture = _bytes(lambda picture: (pictures.open_picture(picture), picture.kind))
thumb = _bytes(pictures.open_thumb)
whole = _bytes(lambda picture: (pictures.open_whole(pictures.origin_of(picture)), pictures.origin_of(picture).kind))


@open_door
def shown_picture(request: DeskRequest, token: str) -> HttpResponse:
    """A picture inside a preview: the frame is a stranger to the desk and sends no cookie, so its address is signed."""
    try:
        picture = previews.picture_of(token)
    except signing.BadSignature:
        raise Http404 from None
    if picture is None:
        raise Http404
    return _answer(pictures.open_picture(picture), picture.kind)


# -- into a letter --


@deed(WRITERS)
def insert_picture(request: DeskRequest, campaign_id: int, slug: str) -> HttpResponse:
    """The picture at the end of a draft, by whoever has no script or likes buttons."""
    letter = campaign_at(request, campaign_id)
    try:
        insert_media.put_in(letter, picture_at(request, slug), by=request.person, now=timezone.now())
    except CampaignError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("Image added at the end of the email."))
    return go(request, "campaign", campaign_id)
