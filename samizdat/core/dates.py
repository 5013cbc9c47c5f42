"""Days and months in the languages that letters are written in, and dates by PHP's letters, as Mailchimp asks for them.

Months stand as they are said within a date ("25 ноября", "25 listopada").
"""

import re
from datetime import date, datetime

MONTHS: dict[str, tuple[str, ...]] = {
    "en": ("January", "February", "March", "April", "May", "June",
           "July", "August", "September", "October", "November", "December"),
    "ru": ("января", "февраля", "марта", "апреля", "мая", "июня",
           "июля", "августа", "сентября", "октября", "ноября", "декабря"),
    "uk": ("січня", "лютого", "березня", "квітня", "травня", "червня",
           "липня", "серпня", "вересня", "жовтня", "листопада", "грудня"),
    "be": ("студзеня", "лютага", "сакавіка", "красавіка", "мая", "чэрвеня",
           "ліпеня", "жніўня", "верасня", "кастрычніка", "лістапада", "снежня"),
    "de": ("Januar", "Februar", "März", "April", "Mai", "Juni",
           "Juli", "August", "September", "Oktober", "November", "Dezember"),
    "fr": ("janvier", "février", "mars", "avril", "mai", "juin",
           "juillet", "août", "septembre", "octobre", "novembre", "décembre"),
    "es": ("enero", "febrero", "marzo", "abril", "mayo", "junio",
           "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"),
    "pl": ("stycznia", "lutego", "marca", "kwietnia", "maja", "czerwca",
           "lipca", "sierpnia", "września", "października", "listopada", "grudnia"),
    "lv": ("janvārī", "februārī", "martā", "aprīlī", "maijā", "jūnijā",
           "jūlijā", "augustā", "septembrī", "oktobrī", "novembrī", "decembrī"),
}  # fmt: skip
DAYS: dict[str, tuple[str, ...]] = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "ru": ("понедельник", "вторник", "среда", "четверг", "пятница", "суббота", "воскресенье"),
    "uk": ("понеділок", "вівторок", "середа", "четвер", "пʼятниця", "субота", "неділя"),
    "be": ("панядзелак", "аўторак", "серада", "чацвер", "пятніца", "субота", "нядзеля"),
    "de": ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
    "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
    "pl": ("poniedziałek", "wtorek", "środa", "czwartek", "piątek", "sobota", "niedziela"),
    "lv": ("pirmdiena", "otrdiena", "trešdiena", "ceturtdiena", "piektdiena", "sestdiena", "svētdiena"),
}
# How a language calls itself: *|MC_LANGUAGE_LABEL|*.
OWN_NAMES: dict[str, str] = {
    "en": "English", "ru": "Русский", "uk": "Українська", "be": "Беларуская", "de": "Deutsch", "fr": "Français",
    "es": "Español", "pl": "Polski", "lv": "Latviešu",
}  # fmt: skip
# The order of a whole date; every other language says the day first.
USUAL = {"en": "F j, Y", "lv": "Y. \\g\\a\\d\\a j. F"}


def usual(language: str) -> str:
    """The letters of a whole date in this language; one that is not known is said as English."""
    return USUAL.get(_known(language), "j F Y")


def php_date(letters: str, now: datetime, language: str = "en") -> str:
    """A date by PHP's letters, as *|DATE:F j, Y|* asks; a backslash keeps the next letter as it is."""
    language = _known(language)
    month, day = MONTHS[language][now.month - 1], DAYS[language][now.weekday()]
    hour = now.hour % 12 or 12
    table = {
        "d": f"{now.day:02}", "j": f"{now.day}", "D": day[:3], "l": day, "N": f"{now.isoweekday()}",
        "w": f"{now.isoweekday() % 7}", "z": f"{now.timetuple().tm_yday - 1}", "S": _ordinal(now.day),
        "W": f"{now.isocalendar().week:02}", "F": month, "M": month[:3], "m": f"{now.month:02}", "n": f"{now.month}",
        "Y": f"{now.year}", "y": f"{now.year % 100:02}", "o": f"{now.isocalendar().year}",
        "a": "am" if now.hour < 12 else "pm", "A": "AM" if now.hour < 12 else "PM", "g": f"{hour}", "h": f"{hour:02}",
        "G": f"{now.hour}", "H": f"{now.hour:02}", "i": f"{now.minute:02}", "s": f"{now.second:02}",
    }  # fmt: skip
    return re.sub(r"\\(.)|([A-Za-z])", lambda m: m[1] or table.get(m[2], m[2]), letters)


def _known(language: str) -> str:
    short = language.split("-")[0].lower()
    return short if short in MONTHS else "en"


def _ordinal(day: int) -> str:
    return "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_BIRTHDAY = re.compile(r"(\d{1,2})/(\d{1,2})")  # Mailchimp keeps a birthday without its year.
_NEEDS_YEAR = re.compile(r"(?<!\\)[YyoDlNwzW]")


def shown(value: str, letters: str, language: str) -> str:
    """A kept day (2026-11-25, or 11/25 without a year) by PHP's letters; what is none stays as it is."""
    try:
        if found := _DAY.fullmatch(value):
            day = date(int(found[1]), int(found[2]), int(found[3]))
        elif (found := _BIRTHDAY.fullmatch(value)) and not _NEEDS_YEAR.search(letters):
            day = date(2000, int(found[1]), int(found[2]))  # A leap year: the 29th of February is somebody's birthday.
        else:
            return value
    except ValueError:
        return value
    return php_date(letters, datetime(day.year, day.month, day.day), language)
