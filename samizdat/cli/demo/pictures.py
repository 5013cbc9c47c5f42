"""The pictures of the demo's campaigns, drawn here: so that they are nobody's photographs and of nobody."""

import io

from PIL import Image, ImageDraw

_SIZE = (1200, 600)
_INK, _PAPER, _BLUE, _RED = "#1b1d22", "#fffdf8", "#33479a", "#b3261e"


def lighthouse() -> bytes:
    """A lighthouse at night, as PNG."""
    image, draw = _canvas("#20263d")
    draw.rectangle((0, 430, 1200, 600), fill="#151a2b")
    draw.polygon(((860, 190), (0, 60), (0, 330)), fill="#5d6482")
    draw.polygon(((820, 200), (900, 200), (930, 470), (790, 470)), fill=_PAPER)
    for top, bottom, left, right in ((250, 310, 812, 908), (370, 430, 800, 920)):
        draw.polygon(((left + 4, top), (right - 4, top), (right, bottom), (left, bottom)), fill=_RED)
    draw.rectangle((832, 150, 888, 200), fill="#f2d27a")
    draw.polygon(((822, 150), (898, 150), (860, 110)), fill=_INK)
    draw.polygon(((700, 470), (1020, 470), (1120, 600), (600, 600)), fill=_INK)
    return _png(image)


def window() -> bytes:
    """The sun behind a barred window, as PNG."""
    image, draw = _canvas("#d8d2c4")
    draw.rectangle((330, 80, 870, 520), fill="#f6e7c1")
    draw.ellipse((500, 200, 700, 400), fill="#e9b44c")
    for left in range(330, 871, 108):
        draw.rectangle((left - 8, 80, left + 8, 520), fill=_INK)
    draw.rectangle((310, 60, 890, 540), outline=_INK, width=20)
    return _png(image)


def parcel() -> bytes:
    """A parcel in the snow, as PNG."""
    image, draw = _canvas("#c9d3e6")
    draw.ellipse((-300, 380, 1500, 1100), fill=_PAPER)
    draw.rectangle((400, 200, 800, 460), fill="#b98b5a")
    draw.rectangle((585, 200, 615, 460), fill=_BLUE)
    draw.rectangle((400, 315, 800, 345), fill=_BLUE)
    draw.ellipse((520, 150, 600, 215), outline=_BLUE, width=14)
    draw.ellipse((600, 150, 680, 215), outline=_BLUE, width=14)
    return _png(image)


def _canvas(color: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", _SIZE, color)
    return image, ImageDraw.Draw(image)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()
