"""Dates by PHP's letters, as Mailchimp asks for them, in the languages that letters are written in
(core/content/phrases)."""

import re
from datetime import date, datetime

from samizdat.core.content.phrases import Phrases, spoken


def usual(language: str) -> str:
    """The letters of a whole date in this language."""
    return spoken(language).whole


def moment(at: datetime, language: str) -> str:
    """A day with its weekday and its hour, as an event has them."""
    return php_date(spoken(language).moment, at, language)


def hour(at: datetime, language: str) -> str:
    return _digits(at.strftime("%H:%M"), spoken(language))


# What says a day by a word; a date in digits alone may stand in an address and keeps 0 to 9.
_BY_WORD = re.compile(r"(?<!\\)[DlFM]")


def php_date(letters: str, now: datetime, language: str = "en") -> str:
    """A date by PHP's letters, as *|DATE:F j, Y|* asks; a backslash keeps the next letter as it is."""
    phrases = spoken(language)
    month, day = now.month - 1, now.weekday()
    hour = now.hour % 12 or 12
    table = {
        "d": f"{now.day:02}", "j": f"{now.day}", "D": phrases.short_days[day], "l": phrases.days[day],
        "N": f"{now.isoweekday()}", "w": f"{now.isoweekday() % 7}", "z": f"{now.timetuple().tm_yday - 1}",
        "S": _ordinal(now.day) if phrases.language == "en" else "",
        "W": f"{now.isocalendar().week:02}", "F": phrases.months[month], "M": phrases.short_months[month],
        "m": f"{now.month:02}", "n": f"{now.month}",
        "Y": f"{now.year}", "y": f"{now.year % 100:02}", "o": f"{now.isocalendar().year}",
        "a": "am" if now.hour < 12 else "pm", "A": "AM" if now.hour < 12 else "PM", "g": f"{hour}", "h": f"{hour:02}",
        "G": f"{now.hour}", "H": f"{now.hour:02}", "i": f"{now.minute:02}", "s": f"{now.second:02}",
    }  # fmt: skip
    written = re.sub(r"\\(.)|([A-Za-z])", lambda m: m[1] or table.get(m[2], m[2]), letters)
    return _digits(written, phrases) if _BY_WORD.search(letters) else written


def _digits(text: str, phrases: Phrases) -> str:
    return text.translate(str.maketrans("0123456789", phrases.digits)) if phrases.digits else text


def _ordinal(day: int) -> str:
    return "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_BIRTHDAY = re.compile(r"(\d{1,2})/(\d{1,2})")  # Mailchimp keeps a birthday without its year.
_NEEDS_YEAR = re.compile(r"(?<!\\)[YyoDlNwzW]")


def shown(value: str, letters: str, language: str) -> str:
    """A kept day (2026-11-25, or 11/25 without a year) by PHP's letters; what is none stays as it is."""
    try:
        if match := _DAY.fullmatch(value):
            day = date(int(match[1]), int(match[2]), int(match[3]))
        elif (match := _BIRTHDAY.fullmatch(value)) and not _NEEDS_YEAR.search(letters):
            day = date(2000, int(match[1]), int(match[2]))  # A leap year: the 29th of February is somebody's birthday.
        else:
            return value
    except ValueError:
        return value
    return php_date(letters, datetime(day.year, day.month, day.day), language)
