"""Times as exports write them, brought to `YYYY-MM-DDTHH:MM:SSZ`."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

_iso = datetime.fromisoformat

LOOSE = re.compile(
    r"(\d{1,4})([/.-])(\d{1,2})\2(\d{2,4})"
    r"(?:,?[ T]+(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?(?:\.\d+)?\s*([ap])?\.?(?:m\.?)?)?"
    r"\s*(?:UTC|GMT|Z)?",
    re.IGNORECASE,
)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# "May 19, 2019 06:00 pm" and "19 May 2019"
WORDED = re.compile(
    r"(?:(\d{1,2})\s+)?([a-z]{3})[a-z]*\.?\s+(?:(\d{1,2}),?\s+)?(\d{4})"
    r"(?:,?\s+(?:at\s+)?(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([ap])?\.?(?:m\.?)?)?",
    re.IGNORECASE,
)
# The end of "2019/03/02 10:00:00 AM GMT+3", as Google Forms writes it
FORM_ZONE = re.compile(r"GMT([+-])(\d{1,2})(?::?([0-5]\d))?")


def when(text: str, order: str = "mdy") -> str:
    """A time of an export in UTC, or "" if it is empty or none. Times without a zone are UTC (Mailchimp's are).

    `order` is "mdy" or "dmy" and settles 4/5/2023; dots are always day first, a leading year always year first.
    """
    # Mailchimp's own form, three times in a million rows: 0.2 us. The two looks at the signs keep other
    # ISO forms of 19 characters (week dates, offsets) out of the shortcut.
    if len(text) == 19 and text[7] == "-" and text[16] == ":":
        try:
            _iso(text)
        except ValueError:
            return ""
        return f"{text[:10]}T{text[11:]}Z"
    return _slow(text.strip(), order) if text else ""


def reader_of(order: str) -> Callable[[str], str]:
    """`when` with the order fixed."""
    return when if order != "dmy" else lambda text: when(text, "dmy")


def order_of(texts: Iterable[str]) -> str:
    """Which of day and month comes first in a column, as far as its cells tell: "dmy", "mdy", or "" if no
    cell has slashes or dashes. Mailchimp and spreadsheets in English write the month first, so that wins a tie."""
    firsts, seconds = 0, 0
    seen = False
    for text in texts:
        if match := re.match(r"\s*(\d{1,2})[/-](\d{1,2})(?:[/-]|\s*$)", text):
            seen = True
            firsts = max(firsts, int(match[1]))
            seconds = max(seconds, int(match[2]))
    if not seen:
        return ""
    return "dmy" if firsts > 12 >= seconds else "mdy"


def _slow(text: str, order: str) -> str:
    if not text or text.startswith("0000-00-00"):
        return ""
    try:
        return _written(_iso(_iso_like(text)))
    except (ValueError, OverflowError):
        pass
    local, gmt, zone = text.rpartition("GMT")
    if match := FORM_ZONE.fullmatch(gmt + zone):
        return _zoned(local.rstrip(), match, order)
    if match := LOOSE.fullmatch(text):
        return _numbered(match, order)
    if match := WORDED.fullmatch(text):
        return _worded(match)
    return ""


def _iso_like(text: str) -> str:
    """Zones as services write them: "10:23:10 UTC", "07:55:20 +0000", and Go's "07:55:20.999 +0000 UTC"."""
    text = re.sub(r"(?<=[+-]\d{4}) [A-Z]{2,5}$", "", text)
    text = re.sub(r"(?<!\s)\s*(?:UTC|GMT)$", "Z", text, flags=re.IGNORECASE)
    text = re.sub(r"(?<!\s)\s+(?=[+-]\d{2}:?\d{2}$)", "", text)
    # Bare numbers are no dates, though ISO would read 20230421 and a ten-digit one may be anything.
    if "-" not in text:
        raise ValueError(text)
    return text


def _zoned(text: str, zone: re.Match[str], order: str) -> str:
    local = LOOSE.fullmatch(text)
    at = _numbered(local, order) if local else ""
    if not at:
        return ""
    ahead = timedelta(hours=int(zone[2]), minutes=int(zone[3] or 0))
    try:
        return _written(_iso(at) - (ahead if zone[1] == "+" else -ahead))
    except OverflowError:
        return ""


def _numbered(match: re.Match[str], order: str) -> str:
    first, sign, second, third = match[1], match[2], int(match[3]), match[4]
    if len(first) == 4:
        return _made(int(first), second, int(third), match.groups()[4:])
    if len(first) > 2 or len(third) == 3:
        return ""
    year = int(third) if len(third) == 4 else _century(int(third))
    day_first = sign == "." or order == "dmy"
    month, day = (second, int(first)) if day_first else (int(first), second)
    return _made(year, month, day, match.groups()[4:])


def _worded(match: re.Match[str]) -> str:
    day, name = match[1] or match[3], match[2].lower()
    if not day or name not in MONTHS:
        return ""
    return _made(int(match[4]), MONTHS.index(name) + 1, int(day), match.groups()[4:])


def _made(year: int, month: int, day: int, clock: tuple[str | None, ...]) -> str:
    hour, minute, second = (int(part or 0) for part in clock[:3])
    if half := (clock[3] or "").lower():
        hour = hour % 12 + (12 if half == "p" else 0)
    try:
        return _written(datetime(year, month, day, hour, minute, second, tzinfo=UTC))
    except ValueError:
        return ""


def _written(moment: datetime) -> str:
    moment = moment if moment.tzinfo is None else moment.astimezone(UTC)
    return f"{moment.replace(tzinfo=None, microsecond=0).isoformat()}Z"


def _century(year: int) -> int:
    """Two digits as spreadsheets read them; nobody subscribed to a newsletter before 1969."""
    return year + (2000 if year < 69 else 1900)
