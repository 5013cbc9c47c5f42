"""The stylesheet with a group's colors in it, made readable on light and on dark paper."""

import re
from functools import lru_cache
from pathlib import Path

from samizdat.core.content.theme import contrast, lightened
from samizdat.publicdb.models import Site

DEFAULT = "b3261e"
# The comment at its beginning is for whoever changes it.
_SOURCE = (Path(__file__).parent / "style.css").read_text("utf-8").partition("*/")[2].lstrip()
# Lightest and darkest paper that the accent stands on as text; WCAG 2.2 asks for a contrast of 4.5.
_LIGHT_PAPER, _DARK_PAPER = "#f3efe6", "#1c1e24"
_ENOUGH = 4.5
# Text, sheet, paper, link and button, in the order of campaigns/brand.COLORS.
_OURS = ("1b1d22", "fffdf8", _LIGHT_PAPER[1:], "33479a", "1b1d22")
_ADDRESS = re.compile(r"([0-9a-f]{6})((?:-[0-9a-f]{6}){5})?")


def address_of(place: Site | None) -> str:
    """What a page says behind /style.css?: the colors themselves, so that nothing has to be looked up for a sheet."""
    if place is None:
        return DEFAULT
    accent = place.accent.lstrip("#")
    return f"{accent}-{place.colors}" if place.colors else accent


@lru_cache(maxsize=256)
def sheet(address: str) -> str:
    """CSS for such an address; anything else gives the default one."""
    matched = _ADDRESS.fullmatch(address.lstrip("#").lower())
    accent = f"#{matched[1] if matched else DEFAULT}"
    text, sheet_color, paper, link, button = _chosen(matched[2] if matched else None)
    colors = {
        "#ACCENT": _until_readable(accent, paper, "#000000"),
        "#DARK": _until_readable(accent, _DARK_PAPER, "#ffffff"),
        "#PAPER": paper,
        "#SHEET": sheet_color,
        "#INK": text,
        "#SOFT": _until_readable("#535763", paper, "#000000"),
        "#EDGE": _until_readable("#857e6d", paper, "#000000", 3),
        "#LINK": _until_readable(link, paper, "#000000"),
        "#NIGHTLINK": "#a3b5ff" if link == f"#{_OURS[3]}" else lightened(link, _DARK_PAPER),
        "#BUTTON": button,
        "#ONBUTTON": max(("#ffffff", "#000000"), key=lambda color: contrast(color, button)),
    }
    return re.sub(r"#[A-Z]{3,}\b", lambda name: colors[name[0]], _SOURCE)


def _chosen(colors: str | None) -> tuple[str, ...]:
    """Colors of a page by day. Paper that is dark is for emails alone: here the rest is made for light paper."""
    text, sheet_color, paper, link, button = (f"#{color}" for color in (colors or "").split("-")[1:] or _OURS)
    if min(contrast(ground, "#000000") for ground in (paper, sheet_color)) < 14 or contrast(text, paper) < _ENOUGH:
        text, sheet_color, paper = (f"#{color}" for color in _OURS[:3])
    return text, sheet_color, paper, link, button


def _until_readable(color: str, paper: str, towards: str, enough: float = _ENOUGH) -> str:
    """The color itself where it can be read, else mixed step by step with black or white."""
    start, end = _parts(color), _parts(towards)
    for step in range(21):
        parts = (round(c + (t - c) * step / 20) for c, t in zip(start, end, strict=True))
        mixed = "#" + "".join(f"{part:02x}" for part in parts)
        if contrast(mixed, paper) >= enough:
            return mixed
    return towards


def _parts(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
