"""Pictures in letters: taken in without their metadata, sealed until somebody outside has to see them."""

import io
import secrets
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from PIL import Image, ImageOps, UnidentifiedImageError

from samizdat.campaigns.errors import BadPicture
from samizdat.campaigns.models import Picture
from samizdat.vault import house

LARGEST_FILE = 10 * 1024 * 1024
# Wider than twice the letter's 600 px shows no difference and costs a slow line dearly.
WIDEST = 1200
# 40 million: a picture that unpacks to more is a bomb, not a photograph.
MOST_PIXELS = 40_000_000

FORMATS = {"JPEG": "jpeg", "PNG": "png", "GIF": "gif", "WEBP": "webp"}


def take_in(organisation: Any, data: bytes, now: datetime) -> Picture:
    """Stores a picture anew from its pixels alone, so that place, camera and author stay behind. Errors: BadPicture."""
    if len(data) > LARGEST_FILE:
        raise BadPicture(_("The picture is larger than 10 MB. Save it smaller and upload it again."))
    if b"<svg" in data[:1024].lower():
        raise BadPicture(_("SVG pictures can carry scripts and are not taken. Save it as PNG and upload that."))
    clean, kind, size = _from_pixels(data)
    picture = Picture(organisation=organisation, slug=secrets.token_hex(12), kind=kind, created=now)
    picture.width, picture.height = size
    picture.sealed = b""
    picture.save()
    picture.sealed = house.keys(organisation).seal(clean, "picture", "data", picture.id)
    picture.save(update_fields=["sealed"])
    return picture


def open_picture(picture: Picture) -> bytes:
    return house.keys(picture.organisation).open(picture.sealed, "picture", "data", picture.id)


def _from_pixels(data: bytes) -> tuple[bytes, str, tuple[int, int]]:
    try:
        with Image.open(io.BytesIO(data), formats=list(FORMATS)) as image:
            kind = str(image.format)
            if image.width * image.height > MOST_PIXELS:
                raise BadPicture(_("The picture has more than 40 million points. Save it smaller and upload it again."))
            moving = getattr(image, "n_frames", 1) > 1
            if moving:
                return _moving(image, kind)
            upright = ImageOps.exif_transpose(image)
            if upright.width > WIDEST:
                upright.thumbnail((WIDEST, WIDEST * 10))
            return _saved(upright, kind), FORMATS[kind], upright.size
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as broken:
        raise BadPicture(_("This is no picture we can read. Save it as JPEG, PNG, GIF or WebP.")) from broken


def _saved(image: Image.Image, kind: str) -> bytes:
    # A fresh image of the same pixels: what Pillow keeps in .info (EXIF, XMP, comments) is not in it.
    bare = Image.new(image.mode, image.size)
    bare.putdata(list(image.getdata())) if image.mode == "P" else bare.paste(image)
    if image.mode == "P" and image.getpalette():
        bare.putpalette(image.getpalette() or [])
        if "transparency" in image.info:
            bare.info["transparency"] = image.info["transparency"]
    if kind == "JPEG" and bare.mode not in ("RGB", "L"):
        bare = bare.convert("RGB")
    out = io.BytesIO()
    bare.save(out, kind, **({"quality": 85, "optimize": True} if kind == "JPEG" else {}))
    return out.getvalue()


def _moving(image: Image.Image, kind: str) -> tuple[bytes, str, tuple[int, int]]:
    frames = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        frames.append(image.convert("RGBA"))
    out = io.BytesIO()
    duration = image.info.get("duration", 100)
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=duration, loop=0)
    return out.getvalue(), FORMATS[kind], image.size
