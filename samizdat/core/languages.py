"""Which version of a letter a reader gets by their language. Pure."""

import re
from collections.abc import Sequence
from unicodedata import bidirectional

# A language as readers' rows say it, at most eight characters: de, pt-br, zh-hant.
CODE = re.compile(r"(?=.{2,8}\Z)[a-z]{2,3}(-[a-z0-9]{2,5})?", re.ASCII)
RIGHT_TO_LEFT = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})
# Versions of a letter at the most, the fallback among them.
MOST = 12


def normal(code: str) -> str:
    """pt_BR, PT-br and pt-br are one language."""
    return code.strip().replace("_", "-").lower()


def place_of(language: str, versions: Sequence[str]) -> int | None:
    """The version for a reader of this language: in theirs exactly, else in its base (pt for pt-BR). None: there is
    none, and they get the fallback.

    Not the other way round: whoever reads Portuguese may not want it as it is written in Brazil, and zh-hant is another
    script than zh-hans.
    """
    code = normal(language)
    if not code:
        return None
    for wanted in (code, code.partition("-")[0]):
        if wanted in versions:
            return versions.index(wanted)
    return None


def direction(language: str) -> str:
    """rtl or ltr."""
    return "rtl" if language.split("-")[0].lower() in RIGHT_TO_LEFT else "ltr"


def towards(html: str, text: str, way: str) -> str:
    """What somebody wrote once for letters of all languages, as it stands in one that runs `way`.

    Where its first letter runs the other way, its full stop shall stand there as well. html: the text, escaped.
    """
    strong = next((kind for kind in map(bidirectional, text) if kind in ("L", "R", "AL")), "")
    own = "" if not strong else "ltr" if strong == "L" else "rtl"
    return f'<span dir="{own}">{html}</span>' if own and own != way else html


def dump(versions: Sequence[str]) -> str:
    return ",".join(versions)


def load(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()
