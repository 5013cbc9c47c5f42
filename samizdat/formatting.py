"""Numbers and days as each language writes them, for every page and sentence alike."""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.utils import timezone
from django.utils.dateformat import format as date_format
from django.utils.formats import get_format, number_format
from django.utils.translation import get_language, get_language_info
from django.utils.translation import gettext_lazy as lazy

from samizdat.core.money import DECIMALS, Money, as_decimal

# Day and time by language. Others go by what Django knows of them.
FORMATS = {
    "en": {"day": "j F Y", "short": "j M Y", "time": "H:i", "moment": "D j M, H:i", "today": "l, j F"},
    "ru": {"day": "j E Y", "short": "d.m.Y", "time": "H:i", "moment": "D j E, H:i", "today": "l, j E"},
}
# «в понедельник», «во вторник»: a day of the week after its preposition, from Monday on.
_RUSSIAN_ON = ("в понедельник", "во вторник", "в среду", "в четверг", "в пятницу", "в субботу", "в воскресенье")
# Languages for which Django has no name, or no right one in Russian: what they are called, and what they call
# themselves.
_LANGUAGES = {
    "af": (lazy("Afrikaans"), "Afrikaans"),
    "be": (lazy("Belarusian"), "беларуская"),
    "cy": (lazy("Welsh"), "Cymraeg"),
    "lv": (lazy("Latvian"), "latviešu"),
    "nl": (lazy("Dutch"), "Nederlands"),
    "zh": (lazy("Chinese"), "中文"),
    "no": (lazy("Norwegian"), "Norsk"),
    "nb": (lazy("Norwegian Bokmål"), "Norsk bokmål"),
}
_ENGLISH = re.compile(r"\d{1,3}(?:,\d{3})+")


def grouped(number: int) -> str:
    """17,938 in English; 17 938 in Russian, with a space that does not break."""
    return number_format(number, force_grouping=True)


def percent(part: int, whole: int, digits: int = 1) -> str:
    """99.7% in English; 99,7 % in Russian, with a space that does not break. Never 100 where somebody is missing."""
    steps = 100 * 10**digits * part // whole if whole else 0
    text = number_format(steps / 10**digits, digits if steps % 10**digits else 0)
    return f"{text}\u00a0%" if (get_language() or "en").startswith("ru") else f"{text}%"


# Signs that say a currency by themselves, wherever one is.
_CURRENCY_SIGNS = {
    "EUR": "€",
    "GBP": "£",
    "USD": "US$",
    "RUB": "₽",
    "UAH": "₴",
    "KZT": "₸",
    "GEL": "₾",
    "TRY": "₺",
    "ILS": "₪",
}


def money(amount: Money) -> str:
    """€2,730 and €12.50 and 2,730 PLN in English; 2 730 € in Russian. Without decimals where there are none to tell."""
    number = as_decimal(amount)
    digits = DECIMALS[amount.currency] if number != number.to_integral_value() else 0
    text = number_format(number, digits, force_grouping=True)
    sign = _CURRENCY_SIGNS.get(amount.currency, amount.currency)
    if (get_language() or "en").startswith("en") and sign != amount.currency:
        return f"-{sign}{text[1:]}" if amount.minor < 0 else f"{sign}{text}"
    return f"{text}\u00a0{sign}"


def regrouped(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values for the holes of a sentence, with their numbers as this language writes them. Core writes 4,206."""
    return {name: _regrouped(value) for name, value in values.items()}


def _regrouped(value: object) -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return grouped(value)
    if isinstance(value, str) and _ENGLISH.fullmatch(value):
        return grouped(int(value.replace(",", "")))
    return value


def language(code: str) -> str:
    """What a language is called in the words of whoever looks; the code itself of one that Django does not know."""
    return _named(code, 0, "name_translated")


def language_within(code: str) -> str:
    """The same inside a sentence: Russian, русский."""
    name = language(code)
    return name.lower() if (get_language() or "en").startswith("ru") else name


def languages(codes: Iterable[str]) -> str:
    """Several of them in one phrase: Persian, Georgian; Персидский, грузинский."""
    names = [language(code) for code in codes]
    small = (get_language() or "en").startswith("ru")
    return ", ".join(name.lower() if small and at else name for at, name in enumerate(names))


def own_name(code: str) -> str:
    """What a language calls itself; the code of one that Django does not know."""
    return _named(code, 1, "name_local")


def city(zone: str) -> str:
    """The city of a time zone as whoever looks calls it: Europe/Riga is Riga, or Рига."""
    spoken = (get_language() or "en").split("-")[0]
    return _cities(spoken).get(zone) or zone.rsplit("/", 1)[-1].replace("_", " ")


def country(code: str) -> str:
    """What a country (ISO 3166-1) is called: Georgia, Грузия; the code of one that CLDR does not know."""
    spoken = (get_language() or "en").split("-")[0]
    return (_table(spoken, "countries") or _table("en", "countries")).get(code) or code


def _cities(language: str) -> Mapping[str, str]:
    return _table(language, "cities")


@lru_cache(maxsize=16)
def _table(language: str, name: str) -> Mapping[str, str]:
    """Zone -> city, or code -> country, as CLDR has them (babel's `Locale(language).time_zones` and `.territories`; its
    license lies beside them, with the catalogue of the language).
    """
    path = Path(__file__).parent / "locale" / language / f"{name}.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else ()
    return dict(line.split(" ", 1) for line in lines)


def _named(code: str, place: int, key: str) -> str:
    try:
        name = str(_LANGUAGES[code][place] if code in _LANGUAGES else get_language_info(code)[key])
    except KeyError:
        return code
    return name[:1].upper() + name[1:]  # Not the rest in small letters: it is "Haitian Creole".


def shaped(value: date | datetime | None, shape: str) -> str:
    """A day or moment in one of the shapes of FORMATS; "" for none."""
    if not value:
        return ""
    local = timezone.localtime(value) if isinstance(value, datetime) else value
    language = (get_language() or "en").split("-")[0]
    formats = FORMATS.get(language)
    if formats is None and shape == "day":
        return date_format(local, get_format("DATE_FORMAT", language))
    return date_format(local, (formats or FORMATS["en"])[shape])


def on(value: datetime | None) -> str:
    """A moment in the middle of a sentence, with its prepositions: on Tue 1 Dec at 09:00, во вторник 1 декабря в 09:00.
    "" for none."""
    if not value:
        return ""
    local = timezone.localtime(value)
    language = (get_language() or "en").split("-")[0]
    if language == "ru":
        return f"{_RUSSIAN_ON[local.weekday()]} {date_format(local, 'j E')} в {date_format(local, 'H:i')}"
    if language == "en":
        return f"on {date_format(local, 'D j M')} at {date_format(local, 'H:i')}"
    return shaped(value, "moment")
