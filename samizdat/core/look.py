"""How letters of an organisation look: colours, fonts, logo, and the words that stand in every letter."""

import re
from dataclasses import dataclass

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
LEAST_CONTRAST = 4.5  # WCAG 2.2, 1.4.3
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_DARK_PAPER, _DARK_INK = "#1c1e24", "#ebe7dd"


@dataclass(frozen=True, slots=True)
class Look:
    """Colours are #rrggbb in lower case, fonts keys of FONTS. `logo` is an address, its width in pixels.

    `footer` and `warning` (to donors) are plain text; "" for our own words.
    """

    text: str = "#1b1d22"
    paper: str = "#fffdf8"
    ground: str = "#f3efe6"
    link: str = "#33479a"
    button: str = "#1b1d22"
    text_font: str = "georgia"
    heading_font: str = "courier"
    logo: str = ""
    logo_width: int = 0
    logo_alt: str = ""
    footer: str = ""
    warning: str = ""

    @property
    def on_button(self) -> str:
        """White or black, whichever is read more easily on a button."""
        return max(("#ffffff", "#000000"), key=lambda colour: contrast(colour, self.button))

    @property
    def link_in_dark(self) -> str:
        """The colour of links, made lighter until it is read on dark paper."""
        return lightened(self.link, _DARK_PAPER)

    def values(self) -> dict[str, str]:
        """What templates may say: {{ colour_text }} and so on."""
        return {
            "colour_text": self.text,
            "colour_paper": self.paper,
            "colour_ground": self.ground,
            "colour_link": self.link,
            "colour_link_dark": self.link_in_dark,
            "colour_button": self.button,
            "colour_on_button": self.on_button,
            "font_text": FONTS[self.text_font],
            "font_heading": FONTS[self.heading_font],
            "logo": self.logo,
            "logo_width": str(self.logo_width or ""),
            "logo_alt": self.logo_alt,
            "footer": self.footer,
        }


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the library as letters show it: address and size in pixels, 0 where that is not known."""

    url: str
    width: int = 0
    height: int = 0


def is_colour(text: str) -> bool:
    return bool(_COLOUR.fullmatch(text))


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG counts it, 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def unreadable(look: Look) -> list[tuple[str, str, float]]:
    """Pairs of colours that are too alike to be read, by name, with their contrast."""
    pairs = [("text", "paper"), ("link", "paper"), ("button", "paper"), ("text", "ground")]
    found = [(one, other, contrast(getattr(look, one), getattr(look, other))) for one, other in pairs]
    # A button is a shape and needs less than words do (WCAG 2.2, 1.4.11).
    return [pair for pair in found if pair[2] < (3 if pair[0] == "button" else LEAST_CONTRAST)]


def lightened(colour: str, paper: str) -> str:
    for step in range(21):
        parts = [round(part + (255 - part) * step / 20) for part in _parts(colour)]
        made = "#" + "".join(f"{part:02x}" for part in parts)
        if contrast(made, paper) >= LEAST_CONTRAST + 1:
            return made
    return _DARK_INK


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    red, green, blue = ((part / 255 / 12.92) if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4
                        for part in _parts(colour))  # fmt: skip
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
