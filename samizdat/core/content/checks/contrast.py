"""Text that is hard to tell from what it stands on: less than WCAG 2.2 asks (1.4.3: 4.5 to 1, large text 3 to 1)."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from html.parser import HTMLParser

from samizdat.core.content.checks.check_input import Readability
from samizdat.core.content.problems import ContentProblem

type Color = tuple[int, int, int]

WHITE, BLACK, LINK = (255, 255, 255), (0, 0, 0), (0, 0, 238)
ENOUGH, LARGE_ENOUGH = 4.5, 3.0
LARGE, LARGE_BOLD = 24.0, 18.66  # Pixels.

NAMED: dict[str, Color] = {
    "white": WHITE, "black": BLACK, "red": (255, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 255),
    "gray": (128, 128, 128), "grey": (128, 128, 128), "silver": (192, 192, 192), "lightgray": (211, 211, 211),
    "lightgrey": (211, 211, 211), "darkgray": (169, 169, 169), "darkgrey": (169, 169, 169), "dimgray": (105, 105, 105),
    "yellow": (255, 255, 0), "gold": (255, 215, 0), "orange": (255, 165, 0), "navy": (0, 0, 128), "teal": (0, 128, 128),
    "maroon": (128, 0, 0), "purple": (128, 0, 128), "fuchsia": (255, 0, 255), "lime": (0, 255, 0),
    "aqua": (0, 255, 255), "cyan": (0, 255, 255), "magenta": (255, 0, 255), "olive": (128, 128, 0),
    "pink": (255, 192, 203), "brown": (165, 42, 42), "whitesmoke": (245, 245, 245),
    "ivory": (255, 255, 240), "beige": (245, 245, 220),
    "crimson": (220, 20, 60), "tomato": (255, 99, 71), "darkred": (139, 0, 0), "darkblue": (0, 0, 139),
    "darkgreen": (0, 100, 0), "lightblue": (173, 216, 230), "skyblue": (135, 206, 235),
}  # fmt: skip
_HEX = re.compile(r"#([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})(?![0-9a-f])", re.IGNORECASE)
_RGB = re.compile(r"rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})(?:[\s,/]+([\d.]+%?))?", re.IGNORECASE)
_VOID = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr",
})  # fmt: skip
_SILENT = frozenset({
    "head", "script", "style", "title", "template",
})  # fmt: skip
_HEADINGS = {"h1": 32.0, "h2": 24.0, "h3": 18.72}


def look(reading: Readability) -> Iterator[ContentProblem]:
    walker = _Walker()
    walker.feed(reading.html)
    for (ink, ground), (text, ratio) in walker.pale.items():
        values = {"text": text, "ink": _written(ink), "ground": _written(ground), "ratio": f"{ratio:.1f}"}
        yield reading.flaw("contrast_low", text, **values)


def color(text: str) -> Color | None:
    """The first color of a CSS value, None where there is none or it can be seen through."""
    text = text.strip().lower()
    if match := _HEX.search(text):
        digits = match[1]
        if len(digits) in (4, 8):
            return None
        whole = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
        return int(whole[:2], 16), int(whole[2:4], 16), int(whole[4:], 16)
    if match := _RGB.search(text):
        if match[4] and match[4] not in ("1", "1.0", "100%"):
            return None
        return min(255, int(match[1])), min(255, int(match[2])), min(255, int(match[3]))
    return next((NAMED[word] for word in re.findall(r"[a-z]+", text) if word in NAMED), None)


def contrast(first: Color, second: Color) -> float:
    """1 (the same) to 21 (black on white), as WCAG counts."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(ink: Color) -> float:
    red, green, blue = (part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in ink)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _written(ink: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*ink)


class _Walker(HTMLParser):
    """Colors as they are inherited through inline styles; a ground that is a picture or unknown is not judged."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[tuple[str, Color, Color | None, float, bool, bool]] = []
        self.open = Counter[str]()  # How often each tag is on the stack: it may be deep, and is not gone through.
        self.now: tuple[Color, Color | None, float, bool, bool] = (BLACK, WHITE, 16.0, False, False)
        self.pale: dict[tuple[Color, Color], tuple[str, float]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            return
        self.stack.append((tag, *self.now))
        self.open[tag] += 1
        values = {name: value or "" for name, value in attrs}
        style = _declared(values.get("style", ""))
        ink, ground, size, bold, hidden = self.now
        if tag == "a" and "href" in values:
            ink = LINK
        ink = color(style.get("color", values.get("color", ""))) or ink
        ground = ground_of(values, style, ground)
        size = _size(style.get("font-size", style.get("font", "")), size) if style else size
        size = _HEADINGS.get(tag, size) if "font-size" not in style else size
        weight = style.get("font-weight", "")
        bold = (
            weight in ("bold", "bolder", "600", "700", "800", "900")
            if weight
            else bold or tag in ("b", "strong", *_HEADINGS)
        )
        hidden = hidden or tag in _SILENT or style.get("display") == "none"
        self.now = ink, ground, size, bold, hidden

    def handle_endtag(self, tag: str) -> None:
        while self.open[tag]:
            name, *before = self.stack.pop()
            self.open[name] -= 1
            self.now = tuple(before)  # type: ignore[assignment]
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        ink, ground, size, bold, hidden = self.now
        words = " ".join(data.split())
        # Letters of no size are not seen; MJML's cells have none, and what stands in them says its own.
        if hidden or not size or ground is None or not any(sign.isalnum() for sign in words):
            return
        enough = LARGE_ENOUGH if size >= LARGE or (bold and size >= LARGE_BOLD) else ENOUGH
        if (ink, ground) not in self.pale and (ratio := contrast(ink, ground)) < enough:
            self.pale[ink, ground] = words[:60], ratio


@lru_cache(maxsize=512)  # A letter has some thirty different ones, again and again.
def _declared(style: str) -> Mapping[str, str]:
    parts = (part.partition(":") for part in style.split(";"))
    return {name.strip().lower(): value.strip().lower().removesuffix("!important").strip() for name, _, value in parts}


def ground_of(values: dict[str, str], style: Mapping[str, str], ground: Color | None) -> Color | None:
    if values.get("background") or "url(" in style.get("background", "") + style.get("background-image", ""):
        return color(style.get("background-color", values.get("bgcolor", "")))
    background = style.get("background-color") or style.get("background") or values.get("bgcolor", "")
    if not background or background in ("transparent", "none", "inherit", "initial", "unset"):
        return ground
    return color(background)


def _size(text: str, size: float) -> float:
    """Pixels of a font-size; what is no length leaves it as it was."""
    if text == "0":
        return 0.0
    match = re.search(r"([\d.]{1,6})(px|pt|em|rem|%)", text)
    if not match:
        return size
    try:
        number = float(match[1])
    except ValueError:
        return size
    return number * {"px": 1.0, "pt": 4 / 3, "em": size, "rem": 16.0, "%": size / 100}[match[2]]
