"""What an uploaded file shows, written anew from its pixels: cut, made smaller, without place, camera and author.

No database and no organization here: bytes in, bytes out, in a helper of the desk (limited_process.py), since decoders
meet what strangers made. Errors: Unusable.
"""

import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from samizdat.core.content.compile import ImageKind

if TYPE_CHECKING:  # A helper alone decodes: what only knows of pictures is spared the 3 MB of it.
    from PIL.Image import Image
    from PIL.ImageCms import ImageCmsProfile
    from PIL.ImageFile import ImageFile

LARGEST_FILE = 10 * 1024 * 1024
# Wider than twice the letter's 600 px shows no difference and costs a slow line dearly.
WIDEST = 1200
# What is kept to cut from: a face out of a photograph of 4,000 points has to stay sharp.
WHOLE = 3000
THUMB = (240, 180)
NARROWEST = 16
# A picture that unpacks to more is a bomb, not a photograph. Only a JPEG can be unpacked at half its size; of others
# every point takes four bytes, twice while they are made smaller.
MOST_PIXELS, MOST_PIXELS_WHOLE = 40_000_000, 24_000_000
# All frames of a moving picture together: each is held as four bytes a point.
MOST_MOVING = 30_000_000
MOST_FRAMES = 300
QUALITY = 85

FORMATS: dict[str, ImageKind] = {"JPEG": "jpeg", "PNG": "png", "GIF": "gif", "WEBP": "webp"}
KINDS: dict[str, str] = {kind: name for name, kind in FORMATS.items()}
# How a file of each kind begins: what is called a picture is shown to everybody under that name.
BEGINS = {"jpeg": rb"\xff\xd8\xff", "png": rb"\x89PNG\r\n", "gif": rb"GIF8", "webp": rb"RIFF....WEBP"}
LONGEST_SIDE = 100_000

# Width to height. "whole": as it is.
SHAPES: dict[str, tuple[int, int] | None] = {
    "whole": None,
    "square": (1, 1),
    "photo": (3, 2),
    "wide": (16, 9),
    "banner": (3, 1),
    "tall": (3, 4),
}
# Where the cut keeps hold of the picture: shares of what is left over, across and down.
FOCUSES = {
    "top-left": (0.0, 0.0),
    "top": (0.5, 0.0),
    "top-right": (1.0, 0.0),
    "left": (0.0, 0.5),
    "middle": (0.5, 0.5),
    "right": (1.0, 0.5),
    "bottom-left": (0.0, 1.0),
    "bottom": (0.5, 1.0),
    "bottom-right": (1.0, 1.0),
}


def _(sentence: str) -> str:
    """Marks a sentence for the catalog. Whoever shows it translates it: a helper has no settings and no language."""
    return sentence


class Unusable(Exception):
    """A file that becomes no picture: a sentence to be translated, with the values for its holes."""

    def __init__(self, sentence: str, values: dict[str, int] | None = None) -> None:
        super().__init__(sentence, values or {})

    @property
    def sentence(self) -> str:
        return str(self.args[0])

    @property
    def values(self) -> dict[str, int]:
        return dict(self.args[1])


type Box = tuple[int, int, int, int]  # left, top, right, bottom, in points
type Step = Callable[[Image], Image]


@dataclass(frozen=True, slots=True)
class ProcessedShot:
    """A file as it is stored; `size` is (width, height) in points."""

    data: bytes
    kind: ImageKind
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class ProcessedImage:
    """What becomes of an upload: what readers get, what later cuts are made from (where that is more), and a thumb."""

    shown: ProcessedShot
    whole: ProcessedShot | None
    thumb: bytes


@dataclass(frozen=True, slots=True)
class CropBox:
    """`box` of the whole picture, None for all of it; at most `width` wide; `kind` "" as it is; quality of 30 to 95."""

    box: Box | None = None
    width: int = WIDEST
    kind: str = ""
    quality: int = QUALITY


def take(data: bytes) -> ProcessedImage:
    if len(data) > LARGEST_FILE:
        raise Unusable(_("The image is larger than 10 MB. Make it smaller and upload it again."))
    if b"<svg" in data[:1024].lower():
        raise Unusable(_("SVG images can contain scripts and aren’t accepted. Save it as PNG and upload that."))
    with _opened(data) as image:
        kind = _kind(image)
        if _moves(image):
            shown = _moving(image, kind, lambda frame: frame)
            return ProcessedImage(shown, None, _first(image))
        # From here on nothing has the size of the upload: 24 million points are 96 MB.
        profile = image.info.get("icc_profile")
        whole = _in_srgb(_fitted(_upright(image), WHOLE), profile)
        small = _fitted(whole, WIDEST)
        kept = _still(whole, kind, quality=90) if whole.size != small.size else None
        return ProcessedImage(_still(small, kind), kept, _thumb(small))


def remake(data: bytes, cut: CropBox) -> tuple[ProcessedShot, bytes]:
    """Another picture made from this one, and its thumb."""

    def step(image: "Image") -> "Image":
        return _fitted(image.crop(_inside(cut.box, image.size)) if cut.box else image, cut.width)

    with _opened(data) as image:
        kind = KINDS.get(cut.kind, _kind(image))
        if not _moves(image):
            result = step(_upright(image))
            return _still(result, kind, quality=cut.quality), _thumb(result)
        if kind not in ("GIF", "WEBP", _kind(image)):
            raise Unusable(_("An animation can only be saved as GIF or WebP. Choose one of these."))
        shot = _moving(image, kind, step)
        return shot, _first(image, step)


def is_picture(shot: ProcessedShot, thumb: bytes) -> bool:
    """Whether an answer of a helper can be one: it may have been taken over by the file that it read."""
    begins = re.match(BEGINS[shot.kind], shot.data, re.DOTALL) and re.match(BEGINS["webp"], thumb, re.DOTALL)
    return bool(begins) and all(0 < side <= LONGEST_SIDE for side in shot.size)


def box_of(size: tuple[int, int], shape: str, focus: str) -> Box | None:
    """The largest part of this shape, at that side of the picture; None where nothing is cut off."""
    ratio = SHAPES.get(shape)
    if ratio is None:
        return None
    width, height = size
    across, down = min(width, height * ratio[0] // ratio[1]), min(height, width * ratio[1] // ratio[0])
    x, y = FOCUSES.get(focus, FOCUSES["middle"])
    left, top = round((width - across) * x), round((height - down) * y)
    return left, top, left + max(across, 1), top + max(down, 1)


def _inside(box: Box, size: tuple[int, int]) -> Box:
    left, top, right, bottom = box
    if not (0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]):
        text = _("The selected area is outside the image, which is %(width)s × %(height)s pixels.")
        raise Unusable(text, {"width": size[0], "height": size[1]})
    return box


# What the decoder trips over in files that are torn, misnamed or made to hurt it.
_TRIPS = (
    OSError,  # And Pillow's UnidentifiedImageError.
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    struct.error,
    zlib.error,
)


@contextmanager
def _opened(data: bytes) -> "Iterator[ImageFile]":
    from PIL import Image

    many = _("The image has more than %(limit)s million pixels. Make it smaller and upload it again.")
    try:
        with Image.open(io.BytesIO(data), formats=list(FORMATS)) as image:
            most = MOST_PIXELS if _kind(image) == "JPEG" else MOST_PIXELS_WHOLE
            if image.width * image.height > most:
                raise Unusable(many, {"limit": most // 1_000_000})
            image.draft(image.mode, (WHOLE, WHOLE))  # JPEG alone: not unpacked finer than it is kept.
            yield image
    except Image.DecompressionBombError as bomb:
        raise Unusable(many, {"limit": MOST_PIXELS_WHOLE // 1_000_000}) from bomb
    except _TRIPS as broken:
        raise Unusable(_("We can’t read this image. Save it as JPEG, PNG, GIF or WebP.")) from broken


def _kind(image: "Image") -> str:
    """Cameras put a second view behind the first and call it MPO; the first is a JPEG like any other."""
    return "JPEG" if image.format == "MPO" else str(image.format)


def _moves(image: "Image") -> bool:
    return _kind(image) != "JPEG" and bool(getattr(image, "is_animated", False))


def _upright(image: "Image") -> "Image":
    from PIL import ImageOps

    ImageOps.exif_transpose(image, in_place=True)
    upright: Image = image
    return upright


@cache
def _srgb() -> "ImageCmsProfile":
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


# Mode of a picture -> the space that its profile must be of, and its mode in sRGB.
_COLORED = {"RGB": ("RGB", "RGB"), "RGBA": ("RGB", "RGBA"), "CMYK": ("CMYK", "RGB")}


def _in_srgb(image: "Image", profile: bytes | None) -> "Image":
    """The same colors in the space that every screen takes for granted: the profile goes with all that is not pixels.

    A profile that cannot be read, or is of another kind than the picture, is as if there were none.
    """
    if not profile or image.mode not in _COLORED:
        return image
    from PIL import ImageCms

    space, mode = _COLORED[image.mode]
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if own.profile.xcolor_space.strip() != space:
            return image
        turned = ImageCms.profileToProfile(image, own, _srgb(), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return turned or image


def _fitted(image: "Image", width: int) -> "Image":
    """At most so wide, and ten times as high."""
    scale = min(width / image.width, width * 10 / image.height)
    if scale >= 1:
        return image
    if image.mode in ("P", "1"):  # These have no shades between two points.
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    from PIL.Image import Resampling

    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Resampling.LANCZOS, reducing_gap=2.0)


def _still(image: "Image", kind: str, quality: int = QUALITY) -> ProcessedShot:
    bare = image.copy()
    # What Pillow keeps in .info (EXIF, XMP, comments, profiles) would be written again.
    kept: dict[Any, Any] = (
        {"transparency": image.info["transparency"]} if "transparency" in image.info and kind != "JPEG" else {}
    )
    bare.info = kept if bare.mode == "P" else {}
    if kind == "JPEG" and bare.mode not in ("RGB", "L"):
        bare = _on_white(bare)
    if kind == "WEBP" and bare.mode not in ("RGB", "RGBA"):
        bare = bare.convert("RGBA" if kept or bare.mode in ("LA", "PA") else "RGB")
    out = io.BytesIO()
    bare.save(out, kind, **_options(kind, quality))
    return ProcessedShot(out.getvalue(), FORMATS[kind], bare.size)


def _options(kind: str, quality: int) -> dict[str, object]:
    match kind:
        case "JPEG":
            return {"quality": quality, "optimize": True, "progressive": True}
        case "WEBP":
            return {"quality": quality, "method": 4}
        case _:
            return {"optimize": True}


def _on_white(image: "Image") -> "Image":
    """JPEG knows no transparency: what was clear becomes white, not black."""
    if "transparency" not in image.info and image.mode not in ("RGBA", "LA", "PA", "P"):
        return image.convert("RGB")
    clear = image.convert("RGBA")
    from PIL.Image import new

    ground = new("RGB", clear.size, "white")
    ground.paste(clear, mask=clear.getchannel("A"))
    return ground


def _thumb(image: "Image") -> bytes:
    small = image.convert("RGBA")
    small.thumbnail(THUMB)
    small.info = {}
    out = io.BytesIO()
    small.save(out, "WEBP", quality=70)
    return out.getvalue()


def _first(image: "Image", step: Step = lambda frame: frame) -> bytes:
    """The thumb of a moving picture: what it begins with, whichever frame was read last."""
    image.seek(0)
    return _thumb(step(image.convert("RGBA")))


def _moving(image: "Image", kind: str, step: Step) -> ProcessedShot:
    frames, waits = [], []
    for frame in _frames(image):
        waits.append(int(frame.info.get("duration") or 100))
        frames.append(step(frame.convert("RGBA")))
    for output_frame in frames:
        output_frame.info = {}
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=waits, loop=0)
    return ProcessedShot(out.getvalue(), FORMATS[kind], frames[0].size)


def _frames(image: "Image") -> "Iterator[Image]":
    """Each frame, counted as it comes: a file of 10 MB may hold a million, and a frame may be larger than the first."""
    points = number = 0
    while True:
        try:
            image.seek(number)
        except EOFError:
            return
        points, number = points + image.width * image.height, number + 1
        if points > MOST_MOVING or number > MOST_FRAMES:
            raise Unusable(_("The animation has too many frames. Make it shorter or smaller, or use a still image."))
        yield image
