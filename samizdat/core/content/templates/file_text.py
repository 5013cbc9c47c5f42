"""From the bytes of a file to text without what no letter can hold.

This is for the person who brings it: they are told what will be missing. It is not what keeps a letter safe; everything
that goes out is cleaned when it is compiled (core/content/render/cleaning.py).
"""

import re
from bisect import bisect_left
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter

from samizdat.core.content.render.stylesheet import STYLE, without_fetched
from samizdat.core.content.templates.notes import Note

# Elements that go with all that is in them; of the second kind everything to the end, as browsers read them.
_WHOLE = ("object", "applet", "svg", "math", "video", "audio", "select", "noscript")
_RAW = ("script", "iframe", "textarea")
_BARE = ("form", "input", "button", "embed", "frame", "frameset", "base")  # their tags go, what is inside stays
_TAG = re.compile(r"<[a-z][^<>]{0,8000}>", re.IGNORECASE)
_HANDLER = re.compile(r"[\s/](on[a-z]{3,20})\s{0,9}=\s{0,9}(?:\"[^\"]*\"|'[^']*'|[^\s>]+)", re.IGNORECASE)
_LINK = re.compile(r"<link\b[^<>]{0,2000}>", re.IGNORECASE)
_DATA = re.compile(r"data:[a-z]{3,20}/[\w.+-]{1,40}[;,][^\"'<>)\s]*", re.IGNORECASE)
_PICTURE = re.compile(r"<img\b[^<>]{0,4000}>", re.IGNORECASE)
_ONE = tuple(
    re.compile(rf"\b{side}\s{{0,4}}[=:]\s{{0,4}}[\"']?\s{{0,4}}[01](?:px)?(?![\d.%])", re.IGNORECASE)
    for side in ("width", "height")
)


def decoded(data: bytes) -> tuple[str, list[Note]]:
    """Text, and a note where some of it is guessed at. The page may name an older encoding."""
    for encoding in ("utf-8-sig", _named(data)):
        try:
            return data.decode(encoding).replace("\x00", ""), []
        except (UnicodeDecodeError, LookupError):
            continue
    text = data.decode("utf-8", "replace").replace("\x00", "")
    return text, [Note("note_unread", {"count": f"{text.count('\ufffd'):,}"})]


def _named(data: bytes) -> str:
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return "utf-16"  # What Windows calls Unicode.
    match = re.search(rb"charset\s*+=\s*+[\"']?\s*+([\w-]{3,20})", data[:4096], re.IGNORECASE)
    name = match[1].decode("ascii", "ignore").lower() if match else "utf-8"
    # Old names of Western and Cyrillic pages alone: others could make text of anything.
    return name if re.fullmatch(r"windows-125\d|iso-8859-\d{1,2}|koi8-[ru]", name) else "utf-8"


def emptied(text: str) -> tuple[str, list[Note]]:
    """The page without scripts, forms, frames, handlers, counting pixels and whatever is fetched; and what went."""
    text, count = _DATA.subn("", text)
    notes = _counted("note_data", count)
    out = Counter[str]()
    for name in (*_RAW, *_WHOLE):
        text = _without_element(text, name, out)
    for name in _BARE:
        text, number = re.subn(rf"</?{name}\b[^<>]{{0,4000}}>", "", text, flags=re.IGNORECASE)
        out[f"<{name}>"] += number
    handlers = Counter[str]()
    text = _TAG.sub(lambda tag: _HANDLER.sub(lambda match: handlers.update([match[1].lower()]) or "", tag[0]), text)
    for what, number in (*out.items(), *sorted(handlers.items())):
        notes += [Note("note_taken_out", {"what": what, "count": f"{number:,}"})] if number else []
    text, count = _without_remote(text)
    notes += _counted("note_remote", count)
    pixels = sum(map(_is_pixel, _PICTURE.findall(text)))
    text = _PICTURE.sub(lambda picture: "" if _is_pixel(picture[0]) else picture[0], text)
    return text, notes + _counted("note_pixel", pixels)


def _without_remote(text: str) -> tuple[str, int]:
    """Without fonts and sheets from elsewhere, and how many there were."""
    text, count = _LINK.subn("", text)

    def less(match: re.Match[str]) -> str:
        nonlocal count
        if match[2] is None:
            return match[0]
        sheet, gone = without_fetched(match[2])
        count += gone
        return text[match.start() : match.start(2)] + sheet + text[match.end(2) : match.end()]

    return STYLE.sub(less, text), count


def _counted(code: str, count: int) -> list[Note]:
    return [Note(code, {"count": f"{count:,}"})] if count else []


def _is_pixel(picture: str) -> bool:
    return all(side.search(picture) for side in _ONE)


def _without_element(text: str, name: str, out: Counter[str]) -> str:
    """In one pass, however often it is opened and never closed. An unclosed one costs its tag and not the page."""
    tag = re.compile(rf"<(/?){name}\b(?:[^<>]{{0,8000}}>)?", re.IGNORECASE)
    matches = [*tag.finditer(text)]
    closing = [match.start() for match in matches if match[1]]
    kept, position = list[str](), 0
    for match in matches:
        if match.start() < position:
            continue
        kept.append(text[position : match.start()])
        position = match.end()
        if match[1]:
            continue
        out[f"<{name}>"] += 1
        place = bisect_left(closing, match.end())
        if place < len(closing):
            end = text.find(">", closing[place])
            position = len(text) if end < 0 else end + 1
        elif name in _RAW:
            position = len(text)
    return "".join([*kept, text[position:]])
