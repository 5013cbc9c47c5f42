"""Pictures come in without place, camera or author, or not at all."""

import io
from typing import Any

import pytest
from PIL import Image

from samizdat.campaigns.errors import BadPicture
from samizdat.campaigns.models import Picture
from samizdat.campaigns.pictures import WIDEST, open_picture, take_in
from tests.conftest import NOW

pytestmark = pytest.mark.django_db


def picture(kind: str = "JPEG", size: tuple[int, int] = (80, 60), mode: str = "RGB") -> bytes:
    image = Image.new(mode, size, 120)
    exif = Image.Exif()
    exif[0x010F] = "SECRETCAMERA"
    exif[0x013B] = "Clara"
    out = io.BytesIO()
    image.save(out, kind, **({"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}))
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_metadata_stays_behind(lantern: Any, kind: str) -> None:
    data = picture(kind)
    assert b"SECRETCAMERA" in data
    clean = open_picture(take_in(lantern, data, NOW))
    assert b"SECRETCAMERA" not in clean
    assert b"Clara" not in clean
    assert Image.open(io.BytesIO(clean)).size == (80, 60)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1"])
def test_every_kind_of_png_keeps_its_looks(lantern: Any, mode: str) -> None:
    stored = take_in(lantern, picture("PNG", mode=mode), NOW)
    assert (stored.width, stored.height) == (80, 60)


def test_a_wide_picture_is_made_as_wide_as_a_letter_needs(lantern: Any) -> None:
    assert take_in(lantern, picture(size=(4000, 1000)), NOW).width == WIDEST


def test_a_moving_picture_still_moves(lantern: Any) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    stored = open_picture(take_in(lantern, out.getvalue(), NOW))
    assert getattr(Image.open(io.BytesIO(stored)), "n_frames", 1) == 2


def test_a_picture_is_sealed_in_the_database(lantern: Any) -> None:
    stored = Picture.objects.get(pk=take_in(lantern, picture(), NOW).pk)
    assert b"JFIF" not in bytes(stored.sealed)


@pytest.mark.parametrize(
    "data",
    [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"no picture", picture()[:200], b"%PDF-1.7"],
    ids=["empty", "svg", "text", "torn", "pdf"],
)
def test_what_is_no_picture_is_refused_with_a_sentence(lantern: Any, data: bytes) -> None:
    with pytest.raises(BadPicture):
        take_in(lantern, data, NOW)
    assert not Picture.objects.exists()
