"""How letters of an organization look: colors, fonts, logo, and the words that stand in every letter."""

import re
from dataclasses import dataclass, replace

# Fonts that mail programs have; anything else falls back to something nobody has looked at.
FONTS: dict[str, str] = {
    "georgia": "Georgia,'Times New Roman',serif",
    "times": "'Times New Roman',Times,serif",
    "arial": "Arial,Helvetica,sans-serif",
    "verdana": "Verdana,Geneva,sans-serif",
    "tahoma": "Tahoma,Geneva,sans-serif",
    "trebuchet": "'Trebuchet MS',Tahoma,sans-serif",
    "courier": "'Courier New',Courier,monospace",
}
# The frames of our own (templates/designs), the first where nothing was chosen: fonts of text and of headings.
DESIGNS: dict[str, tuple[str, str]] = {
    "carbon": ("georgia", "courier"),
    "plain": ("arial", "arial"),
    "banner": ("georgia", "trebuchet"),
}
LEAST_CONTRAST = 4.5  # WCAG 2.2, 1.4.3
_COLOR = re.compile(r"#[0-9a-f]{6}")
_DARK_PAPER, _DARK_INK = "#1c1e24", "#ebe7dd"


@dataclass(frozen=True, slots=True)
class Theme:
    """Colors are #rrggbb in lower case, fonts keys of FONTS or "" for those of the design. `logo` is an address, its
    width in pixels.

    `footer` and `warning` (to donors) are plain text; "" for our own words.
    """

    text: str = "#1b1d22"
    paper: str = "#fffdf8"
    ground: str = "#f3efe6"
    link: str = "#33479a"
    button: str = "#1b1d22"
    text_font: str = ""
    heading_font: str = ""
    logo: str = ""
    logo_width: int = 0
    logo_alt: str = ""
    footer: str = ""
    warning: str = ""

    def in_design(self, design: str) -> "Theme":
        """With the fonts of one of DESIGNS where none were chosen."""
        text, heading = DESIGNS[design]
        return replace(self, text_font=self.text_font or text, heading_font=self.heading_font or heading)

    @property
    def on_button(self) -> str:
        """White or black, whichever is read more easily on a button."""
        return max(("#ffffff", "#000000"), key=lambda color: contrast(color, self.button))

    @property
    def link_in_dark(self) -> str:
        """The color of links, made lighter until it is read on dark paper."""
        return lightened(self.link, _DARK_PAPER)

    def values(self) -> dict[str, str]:
        """What templates may say: {{ color_text }} and so on."""
        return {
            "color_text": self.text,
            "color_paper": self.paper,
            "color_ground": self.ground,
            "color_link": self.link,
            "color_link_dark": self.link_in_dark,
            "color_button": self.button,
            "color_on_button": self.on_button,
            "font_text": FONTS[self.text_font],
            "font_heading": FONTS[self.heading_font],
            "logo": self.logo,
            "logo_width": str(self.logo_width or ""),
            "logo_alt": self.logo_alt,
            "footer": self.footer,
        }


@dataclass(frozen=True, slots=True)
class ThemePicture:
    """A picture of the library as letters show it: address and size in pixels, 0 where that is not known."""

    url: str
    width: int = 0
    height: int = 0


def is_color(text: str) -> bool:
    return bool(_COLOR.fullmatch(text))


def contrast(first: str, second: str) -> float:
    """The contrast of two colors as WCAG counts it, 1 to 21."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def unreadable(look: Theme) -> list[tuple[str, str, float]]:
    """Pairs of colors that are too alike to be read, by name, with their contrast."""
    pairs = [("text", "paper"), ("link", "paper"), ("button", "paper"), ("text", "ground")]
    contrasts = [
        (foreground, background, contrast(getattr(look, foreground), getattr(look, background)))
        for foreground, background in pairs
    ]
    # A button is a shape and needs less than words do (WCAG 2.2, 1.4.11).
    return [pair for pair in contrasts if pair[2] < (3 if pair[0] == "button" else LEAST_CONTRAST)]


def lightened(color: str, paper: str) -> str:
    for step in range(21):
        parts = [round(part + (255 - part) * step / 20) for part in _parts(color)]
        candidate = "#" + "".join(f"{part:02x}" for part in parts)
        if contrast(candidate, paper) >= LEAST_CONTRAST + 1:
            return candidate
    return _DARK_INK


def _parts(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(color: str) -> float:
    red, green, blue = ((part / 255 / 12.92) if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4
                        for part in _parts(color))  # fmt: skip
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
