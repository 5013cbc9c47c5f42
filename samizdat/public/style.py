"""The stylesheet with a group's accent in it, made readable on light and on dark paper."""

import re
from functools import lru_cache
from pathlib import Path

DEFAULT = "b3261e"
_SOURCE = (Path(__file__).parent / "style.css").read_text("utf-8")
# Lightest and darkest paper that the accent stands on as text; WCAG 2.2 asks for a contrast of 4.5.
_LIGHT_PAPER, _DARK_PAPER = (0xF3, 0xEF, 0xE6), (0x1C, 0x1E, 0x24)
_ENOUGH = 4.5

Color = tuple[int, int, int]


@lru_cache(maxsize=256)
def sheet(accent: str) -> str:
    """CSS for an accent of six hexadecimal digits; anything else gives the default one."""
    digits = accent.lstrip("#").lower()
    if not re.fullmatch(r"[0-9a-f]{6}", digits):
        digits = DEFAULT
    color = (int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16))
    light = _until_readable(color, _LIGHT_PAPER, (0, 0, 0))
    dark = _until_readable(color, _DARK_PAPER, (255, 255, 255))
    return _SOURCE.replace("#ACCENT", _text(light)).replace("#DARK", _text(dark))


def _until_readable(color: Color, paper: Color, towards: Color) -> Color:
    """The color itself where it can be read, else mixed step by step with black or white."""
    for step in range(21):
        mixed = tuple(round(c + (t - c) * step / 20) for c, t in zip(color, towards, strict=True))
        if _contrast(mixed, paper) >= _ENOUGH:  # type: ignore[arg-type]
            return mixed  # type: ignore[return-value]
    return towards


def _contrast(color: Color, other: Color) -> float:
    high, low = sorted((_luminance(color), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(color: Color) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [c / 255 for c in color]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _text(color: Color) -> str:
    return "#" + "".join(f"{part:02x}" for part in color)
