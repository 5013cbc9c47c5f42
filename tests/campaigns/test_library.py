"""Pictures come in without place, camera or author, or not at all; the library finds, cuts and removes them."""

import io
import struct
import zlib
from dataclasses import replace
from datetime import timedelta
from typing import Any, get_type_hints

import pytest
from PIL import Image

from samizdat import limited_process
from samizdat.campaigns.errors import BadPicture, PictureShown, StorageFull
from samizdat.campaigns.media import image_processing, library, storage
from samizdat.campaigns.media.image_processing import MOST_FRAMES, CropBox, box_of
from samizdat.campaigns.media.library import WIDEST, open_picture, take_in
from samizdat.campaigns.models import Campaign, Picture, Template
from samizdat.campaigns.templates import import_template
from samizdat.core import json_values
from samizdat.core.crypto.seal import SealBroken
from tests.conftest import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters of another test have the same numbers."""
    monkeypatch.setattr(library, "_known", {})


def picture(kind: str = "JPEG", size: tuple[int, int] = (80, 60), mode: str = "RGB") -> bytes:
    image = Image.new(mode, size, 120)
    exif = Image.Exif()
    exif[0x010F] = "SECRETCAMERA"
    exif[0x013B] = "Clara"
    out = io.BytesIO()
    image.save(out, kind, **({"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}))
    return out.getvalue()


def moving(frames: int = 2, size: tuple[int, int] = (20, 20)) -> bytes:
    made = [Image.new("L", size, number * 200 % 256) for number in range(frames)]
    out = io.BytesIO()
    made[0].save(out, "GIF", save_all=True, append_images=made[1:])
    return out.getvalue()


def huge() -> bytes:
    """A PNG of 200 million points in a few bytes: its heading alone says so."""
    chunks = [b"IHDR" + struct.pack(">IIBBBBB", 20_000, 10_000, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(b"")]
    coded = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(coded)


def wide_gamut() -> bytes:
    """A color profile (ICC.1:2001) of three primaries far outside of sRGB: those of ProPhoto, gamma 1.8."""

    def fixed(*numbers: float) -> bytes:
        return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)

    curve = b"curv" + bytes(4) + struct.pack(">IHxx", 1, round(1.8 * 256))
    tags = {b"wtpt": (0.9642, 1.0, 0.8249), b"rXYZ": (0.7977, 0.2880, 0.0), b"gXYZ": (0.1352, 0.7119, 0.0),
            b"bXYZ": (0.0313, 0.0001, 0.8249)}  # fmt: skip
    bodies = {name: b"XYZ " + bytes(4) + fixed(*xyz) for name, xyz in tags.items()}
    bodies |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    at, table, data = 128 + 4 + 12 * len(bodies), b"", b""
    for name, body in bodies.items():
        table += name + struct.pack(">II", at + len(data), len(body))
        data += body
    head = struct.pack(">I4sI", at + len(data), bytes(4), 0x02100000) + b"mntrRGB XYZ " + bytes(12) + b"acsp"
    head = head.ljust(68, b"\0") + fixed(0.9642, 1.0, 0.8249)
    return head.ljust(128, b"\0") + struct.pack(">I", len(bodies)) + table + data


def opened(stored: Picture) -> Image.Image:
    return Image.open(io.BytesIO(open_picture(stored)))


@pytest.mark.once
def test_colors_stay_what_they_were_when_their_profile_goes(lantern: Any) -> None:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), (120, 60, 60)).save(out, "PNG", icc_profile=wide_gamut())
    stored = opened(take_in(lantern, out.getvalue(), NOW))
    assert "icc_profile" not in stored.info
    red, green, blue = stored.getpixel((5, 5))
    # In the wide space the same numbers are a stronger red.
    assert red > 150 and green < 60 and 60 <= blue < 90
    broken = io.BytesIO()
    Image.new("RGB", (40, 30), (120, 60, 60)).save(broken, "PNG", icc_profile=wide_gamut()[:200])
    assert opened(take_in(lantern, broken.getvalue(), NOW)).getpixel((5, 5)) == (120, 60, 60)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_metadata_stays_behind(lantern: Any, kind: str) -> None:
    data = picture(kind, size=(1400, 60))
    assert b"SECRETCAMERA" in data
    stored = take_in(lantern, data, NOW)
    for clean in (open_picture(stored), library.open_whole(stored), library.open_thumb(stored)[0]):
        assert b"SECRETCAMERA" not in clean
        assert b"Clara" not in clean
    assert opened(stored).size == (1200, 51)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "I;16"])
def test_every_kind_of_png_keeps_its_looks(lantern: Any, mode: str) -> None:
    stored = take_in(lantern, picture("PNG", mode=mode), NOW)
    assert (stored.width, stored.height) == (80, 60)


def test_a_wide_picture_is_made_as_wide_as_a_letter_needs_and_its_whole_is_kept_to_cut_from(lantern: Any) -> None:
    stored = take_in(lantern, picture(size=(4000, 1000)), NOW)
    assert stored.width == WIDEST
    assert library.whole_size(stored) == (3000, 750)


def test_a_moving_picture_still_moves_and_is_cut_frame_by_frame(lantern: Any) -> None:
    stored = take_in(lantern, moving(), NOW)
    assert getattr(opened(stored), "n_frames", 1) == 2
    data, _kind = library.open_thumb(stored)
    assert Image.open(io.BytesIO(data)).convert("L").getpixel((5, 5)) < 64, "the first frame, which is the dark one"
    cut = opened(library.remake(stored, CropBox((5, 5, 15, 10)), now=NOW))
    assert (cut.size, getattr(cut, "n_frames", 1)) == ((10, 5), 2)
    with pytest.raises(BadPicture, match="animation"):
        library.remake(stored, CropBox(kind="jpeg"), now=NOW)


def test_a_picture_is_sealed_in_the_database_and_so_are_its_words(lantern: Any) -> None:
    stored = take_in(lantern, picture(), NOW, name="Pavel at the river.jpg")
    library.describe(stored, name="Pavel", alt="A man in a boat", plain=False, now=NOW)
    stored = Picture.objects.get(pk=stored.pk)
    row = b"".join(bytes(getattr(stored, name)) for name in ("sealed", "thumb_sealed", "facts_sealed"))
    assert not any(word in row for word in (b"JFIF", b"WEBP", b"Pavel", b"boat"))


def test_no_size_of_a_picture_opens_under_the_address_of_another(lantern: Any) -> None:
    """The logo is published by its slug, and as its thumb."""
    logo, hidden = take_in(lantern, picture(), NOW), take_in(lantern, picture(size=(1400, 900)), NOW)
    Picture.objects.filter(pk=logo.pk).update(slug="0" * 24)
    Picture.objects.filter(pk=hidden.pk).update(slug=logo.slug)
    moved = Picture.objects.get(pk=hidden.pk)
    for open_part in (open_picture, library.open_thumb, library.open_whole):
        with pytest.raises(SealBroken):
            open_part(moved)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "can’t read this image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"no picture", "can’t read this image"),
        (picture()[:200], "can’t read this image"),
        (b"%PDF-1.7", "can’t read this image"),
        (huge(), "24 million"),
        (moving(MOST_FRAMES + 1, (1, 1)), "frames"),
    ],
    ids=["empty", "svg", "text", "torn", "pdf", "huge", "bomb"],
)
def test_what_is_no_picture_is_refused_with_a_sentence(lantern: Any, data: bytes, said: str) -> None:
    with pytest.raises(BadPicture, match=said):
        take_in(lantern, data, NOW)
    assert not Picture.objects.exists()


def test_a_cut_comes_from_the_whole_and_weighs_less_while_the_old_picture_stays(lantern: Any) -> None:
    image = Image.effect_noise((2400, 1600), 60).convert("RGB")
    image.paste("red", (1200, 800, 2400, 1600))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95)
    stored = take_in(lantern, out.getvalue(), NOW, name="Noise")
    made = library.remake(stored, CropBox((1200, 800, 2400, 1600), width=600, quality=40), now=NOW)
    assert opened(made).size == (600, 400)
    assert opened(made).convert("RGB").getpixel((300, 200))[0] > 240  # type: ignore[index]
    assert made.weight < stored.weight == len(open_picture(stored))
    assert library.facts_of(made).name == "Noise"
    again = library.remake(made, CropBox((0, 0, 2400, 1600), kind="webp"), now=NOW)
    assert (opened(again).format, opened(again).size) == ("WEBP", (1200, 800))


def test_a_part_outside_of_the_picture_is_refused(lantern: Any) -> None:
    with pytest.raises(BadPicture, match="80 × 60"):
        library.remake(take_in(lantern, picture(), NOW), CropBox((0, 0, 81, 60)), now=NOW)


@pytest.mark.parametrize(
    ("shape", "focus", "box"),
    [
        ("whole", "top", None),
        ("square", "middle", (150, 0, 450, 300)),
        ("square", "right", (300, 0, 600, 300)),
        ("banner", "bottom-left", (0, 100, 600, 300)),
    ],
)
def test_a_shape_keeps_hold_of_the_side_that_matters(shape: str, focus: str, box: Any) -> None:
    assert box_of((600, 300), shape, focus) == box


def test_the_library_is_searched_by_name_and_by_what_a_picture_shows(lantern: Any) -> None:
    river, bridge = (take_in(lantern, picture(), NOW, name=name) for name in ("IMG_1.jpg", "Bridge.jpg"))
    library.describe(river, name="IMG_1.jpg", alt="Вода у моста", plain=False, now=NOW)

    def found(words: str) -> list[Picture]:
        return [view.picture for view in library.library(lantern, words)[0]]

    assert found("") == [bridge, river]
    assert found("вода img") == [river]
    assert found("BRIDGE") == [bridge]
    assert [view.picture for view in library.undescribed(lantern)] == [bridge]
    first, more = library.library(lantern, limit=1)
    assert [view.picture for view in first] == [bridge]
    assert [view.picture for view in library.library(lantern, before=more)[0]] == [river]


def test_a_picture_that_readers_were_sent_stays_until_somebody_says_that_it_must_go(lantern: Any) -> None:
    from samizdat.audience.actions import new_list
    from samizdat.campaigns.actions import create
    from samizdat.campaigns.drafts.draft import Draft

    stored = take_in(lantern, picture(), NOW)
    body = f"![x]({library.url_of(lantern, stored)})"
    letter = create(lantern, new_list(lantern, "Letter", now=NOW), Draft(subject="River", body=body), by=None, now=NOW)
    [use] = library.uses(lantern, [stored.slug])[stored.slug]
    assert (use.kind, use.number, use.name, use.sent) == ("letter", letter.pk, "River", False)
    Campaign.objects.filter(pk=letter.pk).update(state="finished")
    with pytest.raises(PictureShown, match="River"):
        library.remove(stored, also_sent=False, now=NOW)
    library.remove(stored, also_sent=True, now=NOW)
    assert not Picture.objects.exists()


def test_a_picture_in_a_place_of_its_template_is_shown_by_the_letter(lantern: Any) -> None:
    from samizdat.audience.actions import new_list
    from samizdat.campaigns.actions import create
    from samizdat.campaigns.drafts.draft import Draft
    from samizdat.campaigns.templates import import_template, layout
    from samizdat.core.content.templates.layout import WrittenRegion

    page = b"<table><tr><td mc:edit='head'>Head</td></tr><tr><td mc:edit='body'>Body</td></tr></table>"
    template = import_template.take_in(lantern, "Old one", page, by=None, now=NOW).template
    list_ = new_list(lantern, "Letter", now=NOW)
    letter = create(lantern, list_, Draft(subject="River", body="x"), by=None, now=NOW, template=template)
    stored = take_in(lantern, picture(), NOW)
    assert library.uses(lantern, [stored.slug])[stored.slug] == []
    key = next(part.key for part in layout.parts(letter) if part.key)
    words = WrittenRegion(f'<img src="{library.url_of(lantern, stored)}" alt="x">')
    layout.write(letter, key, words, now=NOW + timedelta(seconds=1))
    assert [use.number for use in library.uses(lantern, [stored.slug])[stored.slug]] == [letter.pk]


def test_a_letter_carries_its_pictures_when_that_was_chosen_and_its_web_copy_shows_them_by_address(
    lantern: Any,
) -> None:
    from samizdat.audience.actions import new_list
    from samizdat.campaigns.actions import create
    from samizdat.campaigns.content import content_of, proof_of
    from samizdat.campaigns.drafts.draft import Draft
    from samizdat.core.content.render import archive_html

    url = library.url_of(lantern, take_in(lantern, picture("PNG"), NOW))
    draft = Draft(
        subject="River", from_email="a@lantern.example", body=f"![x]({url})\n\n![y]({url}0)", pictures="inside"
    )
    letter = create(lantern, new_list(lantern, "Letter", now=NOW), draft, by=None, now=NOW)
    inside, linked = proof_of(letter, NOW), proof_of(letter, NOW, draft.with_(pictures="linked"))
    assert inside.compiled is not None and linked.compiled is not None
    assert b"Content-Type: image/png" in b"".join(inside.compiled.parts)
    assert b"image/png" not in b"".join(linked.compiled.parts)
    assert (inside.inside > 0, linked.inside) == (True, 0)
    assert f'src="{url}"' in archive_html(content_of(letter, draft), now=NOW)


def test_pictures_and_templates_of_an_organization_take_no_more_of_the_disk_than_it_may(
    lantern: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = Image.effect_noise((1_200, 1_000), 100)
    out = io.BytesIO()
    noise.save(out, "PNG")
    stored = take_in(lantern, out.getvalue(), NOW)
    stored.refresh_from_db()
    columns = stored.sealed, stored.whole_sealed, stored.thumb_sealed
    assert storage.used(lantern) == sum(len(column) for column in columns) > storage.MB
    monkeypatch.setenv("SAMIZDAT_STORAGE", "1")
    with pytest.raises(StorageFull, match=r"of 1 MB.* Delete some"):
        take_in(lantern, picture(), NOW)
    with pytest.raises(StorageFull):
        library.remake(stored, CropBox(width=100), now=NOW)
    page = b"<table><tr><td>x</td></tr></table>"
    with pytest.raises(StorageFull):
        import_template.take_in(lantern, "Frame", page, by=None, now=NOW)
    assert Picture.objects.count() == 1 and not Template.objects.exists()
    library.remove(stored, also_sent=False, now=NOW)
    import_template.take_in(lantern, "Frame", page, by=None, now=NOW)
    assert 0 < storage.used(lantern) < 10_000


@pytest.mark.parametrize(
    "lie",
    [
        {"kind": "html\r\nContent-Type: text/html\r\n\r\n<h1>Donate to evil.example</h1>"},
        {"data": b"<h1>Donate to evil.example</h1>"},
        {"size": (0, 10)},
        {"size": (10, 1 << 40)},
    ],
)
@pytest.mark.parametrize("part", ["shown", "whole"])
def test_what_a_helper_that_was_taken_over_calls_a_picture_is_not_kept(
    lantern: Any, monkeypatch: pytest.MonkeyPatch, part: str, lie: dict[str, Any]
) -> None:
    processed = image_processing.take(picture(size=(1500, 60)))
    parts = ("shown", "whole") if "kind" in lie else (part,)  # Of two kinds they are none anyway.
    false = replace(processed, **{name: replace(getattr(processed, name), **lie) for name in parts})

    def work(_whose: int, function: Any, *_args: Any) -> Any:
        """What comes out of its pipe, as limited_process reads it."""
        text, beside = json_values.packed(false)
        try:
            return json_values.unpacked(get_type_hints(function)["return"], text, b"".join(beside), 1_000)
        except ValueError as odd:
            raise image_processing.Unusable("odd") from odd

    monkeypatch.setattr(limited_process, "work", work)
    with pytest.raises(BadPicture):
        take_in(lantern, b"", NOW)
    assert not Picture.objects.exists()
