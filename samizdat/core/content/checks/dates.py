"""Days in the text whose weekday or year cannot be right, in English and Russian."""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from samizdat.core.content.checks.check_input import Readability
from samizdat.core.content.phrases import spoken
from samizdat.core.content.problems import ContentProblem
from samizdat.core.dates import php_date

_MONTH_WORDS = {
    "en": ("jan(?:uary)?", "feb(?:ruary)?", "mar(?:ch)?", "apr(?:il)?", "may", "june?", "july?", "aug(?:ust)?",
           "sept?(?:ember)?", "oct(?:ober)?", "nov(?:ember)?", "dec(?:ember)?"),
    "ru": ("янв(?:аря)?", "фев(?:р(?:аля)?)?", "мар(?:та)?", "апр(?:еля)?", "мая", "июня?", "июля?", "авг(?:уста)?",
           "сен(?:т(?:ября)?)?", "окт(?:ября)?", "ноя(?:б(?:ря)?)?", "дек(?:абря)?"),
}  # fmt: skip
_DAY_WORDS = {
    "en": ("mon(?:day)?", "tue(?:s(?:day)?)?", "wed(?:nesday)?", "thu(?:r(?:s(?:day)?)?)?", "fri(?:day)?",
           "sat(?:urday)?", "sun(?:day)?"),
    "ru": ("понедельник\\w?|пн", "вторник\\w?|вт", "сред[аыуе]|ср", "четверг\\w?|чт", "пятниц[аыуе]|пт",
           "суббот[аыуе]|сб", "воскресень[ея]|вс"),
}  # fmt: skip


def _either(words: tuple[str, ...]) -> str:
    return "|".join(words)


_EN_MONTH, _RU_MONTH = _either(_MONTH_WORDS["en"]), _either(_MONTH_WORDS["ru"])


def _year(name: str) -> str:
    return rf"(?:,?\s{{1,2}}(?P<{name}>(?:19|20)\d\d)(?!\d))?"


# 26 November 2026, November 26, 2026, 26 ноября 2026, 26.11.2026
_DATE = re.compile(
    r"(?<![\d.])(?:"
    rf"(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?\s{{1,2}}(?:of\s)?(?P<m1>{_EN_MONTH})\.?(?!\w){_year('y1')}"
    rf"|(?<!\w)(?P<m2>{_EN_MONTH})\.?\s{{1,2}}(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?(?![\d\w:]){_year('y2')}"
    rf"|(?P<d3>\d{{1,2}})\s{{1,2}}(?P<m3>{_RU_MONTH})\.?(?!\w){_year('y3')}"
    r"|(?P<d4>\d{1,2})\.(?P<m4>\d{1,2})\.(?P<y4>20\d\d)(?!\d))",
    re.IGNORECASE,
)
_WEEKDAY = "|".join(
    rf"(?P<{language}{number}>{words})" for language, days in _DAY_WORDS.items() for number, words in enumerate(days)
)
_BEFORE = re.compile(rf"(?<!\w)(?:{_WEEKDAY})\.?,?\s{{0,2}}(?:the\s)?$", re.IGNORECASE)
_AFTER = re.compile(
    rf"\s{{0,2}}(?:г\.|года)?(?:,\s{{0,2}}(?:в\s|во\s|on\s|a\s)?|\s?\()(?:{_WEEKDAY})(?!\w)", re.IGNORECASE
)
_MONTHS = [
    (re.compile(words, re.IGNORECASE), number)
    for months in _MONTH_WORDS.values()
    for number, words in enumerate(months, 1)
]
_COPYRIGHT = re.compile(r"(?:©|\(c\)|copyright)\s{0,3}(?P<year>20\d\d)(?!\s?[-–]\s?20\d\d|\d)", re.IGNORECASE)

# Days ahead within which a letter announces something: last January's year in this January's letter.
SOON = 60
FAR = 6


def look(reading: Readability) -> Iterator[ContentProblem]:
    seen: set[str] = set()
    for place, text in (("subject", reading.subject), ("", reading.text)):
        text = re.sub(r"\s+", " ", text)
        for match in _DATE.finditer(text):
            for flaw in _of_date(reading, text, match, place):
                if flaw.code + match[0] not in seen:
                    seen.add(flaw.code + match[0])
                    yield flaw
    for match in _COPYRIGHT.finditer(reading.text):
        if int(match["year"]) < reading.now.year and match[0] not in seen:
            seen.add(match[0])
            yield reading.flaw("year_old", match[0], match["year"], written=match[0], year=f"{reading.now.year}")


def _of_date(reading: Readability, text: str, match: re.Match[str], place: str) -> Iterator[ContentProblem]:
    day, month, year = _parts(match)
    if not 1 <= month <= 12:
        return
    today = reading.now.date()
    weekday, around = _weekday(text, match)
    written = f"{around}".strip(" ,.(")

    def flaw(code: str, **values: str) -> ContentProblem:
        if place:
            return ContentProblem(1, code, values, None, "care", place)
        return reading.flaw(code, written, match[0], **values)

    meant = _date(year, month, day) if year else _nearest(month, day, today)
    if meant is None:
        if day > (29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31) or year:
            yield flaw("date_none", date=match[0])
        return
    if year and (ahead := _soon(year, month, day, today)):
        yield flaw("date_year", date=match[0], year=f"{ahead.year}")
    elif year and year > today.year + FAR:
        yield flaw("date_far", date=match[0], year=f"{today.year}")
    elif weekday is not None and meant.weekday() != weekday:
        language = "ru" if re.search("[а-я]", written, re.IGNORECASE) else "en"
        right = spoken(language).days[meant.weekday()]
        yield flaw("date_weekday", date=written, day=right, whole=_said(meant, language))


def _said(day: date, language: str) -> str:
    return php_date("j F Y", datetime(day.year, day.month, day.day), language)


def _parts(match: re.Match[str]) -> tuple[int, int, int]:
    """(day, month, year or 0)."""
    which = next(n for n in "1234" if match[f"d{n}"])
    month = match[f"m{which}"]
    number = int(month) if month.isdigit() else next(n for words, n in _MONTHS if words.fullmatch(month))
    return int(match[f"d{which}"]), number, int(match[f"y{which}"] or 0)


def _weekday(text: str, match: re.Match[str]) -> tuple[int | None, str]:
    """The weekday that stands beside a date, Monday 0, and the words of both."""
    start, end = match.span()
    if before := _BEFORE.search(text, max(0, start - 20), start):
        return _number(before), text[before.start() : end]
    if after := _AFTER.match(text, end):
        return _number(after), text[start : after.end()]
    return None, match[0]


def _number(match: re.Match[str]) -> int:
    return next(int(name[2:]) for name, text in match.groupdict().items() if text and name[:2] in ("en", "ru"))


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _nearest(month: int, day: int, today: date) -> date | None:
    """The day that a letter of today means without a year: less than half a year away."""
    days = [_date(year, month, day) for year in (today.year - 1, today.year, today.year + 1)]
    return min(
        (candidate for candidate in days if candidate), key=lambda candidate: abs(candidate - today), default=None
    )


def _soon(year: int, month: int, day: int, today: date) -> date | None:
    """The day that was probably meant, when the year that was written is one behind and the day is soon."""
    meant = _date(year + 1, month, day)
    if meant and year < today.year + 1 and timedelta(0) <= meant - today <= timedelta(SOON):
        written = _date(year, month, day)
        return meant if written and today - written > timedelta(180) else None
    return None
