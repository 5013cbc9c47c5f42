"""What letters say by themselves, and how they say days: a file of words for each language.

A language is its file here and nothing else (docs/languages.md). Where there is none for a letter's language, the words
are those of another one, by the rule of `language_for`; then they carry their own `lang` and `dir` in the letter, so
that a full stop stands where it belongs.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape
from importlib.resources import files
from types import MappingProxyType

from samizdat.core.languages import direction

# Whose readers read which language next, where theirs has no file. For everybody else it is English.
NEXT = {
    # Where these are spoken, Russian is taught in every school and read more widely than English.
    **dict.fromkeys(
        ("ab", "ady", "av", "ba", "bua", "ce", "cv", "dar", "inh", "kbd", "krc", "kum", "kv", "ky", "lbe", "lez", "mdf",
         "mhr", "myv", "nog", "os", "sah", "tg", "tk", "tyv", "udm", "xal"),
        "ru",
    ),
    "crh": "uk",
    "rue": "uk",
    "prs": "fa",  # Dari
    "lb": "de",
    **dict.fromkeys(("ca", "eu", "gl"), "es"),
    "gag": "tr",
    "yi": "he",
}  # fmt: skip
LAST = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """One language. words: by table and name, as in "frame.leave". whole, moment: a day and a point in time by PHP's
    letters. months: as they are said within a date ("25 ноября"). days: Monday first. digits: "" for 0 to 9.
    """

    language: str
    name: str
    words: Mapping[str, str]
    whole: str
    moment: str
    months: tuple[str, ...]
    days: tuple[str, ...]
    short_months: tuple[str, ...]
    short_days: tuple[str, ...]
    digits: str = ""


@dataclass(frozen=True, slots=True)
class PhraseTable:
    """The words for a letter of this language. own: those of the house in place of ours, by the same names."""

    language: str
    own: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return self.own.get(name) or spoken(self.language).words[name]

    def html(self, name: str) -> str:
        return self.marked(escape(self[name]))

    def marked(self, html: str) -> str:
        """Words of ours as they stand in the letter: with their own language and direction, if they are of another."""
        language = spoken(self.language).language
        if language == base(self.language):
            return html
        return f'<span lang="{language}" dir="{direction(language)}">{html}</span>'


def base(code: str) -> str:
    """pt for pt-BR."""
    return code.strip().replace("_", "-").lower().partition("-")[0]


def language_for(code: str) -> str:
    """The language whose words are said in a letter of this one: itself, its base (pt for pt-br), that which its
    readers read next, English."""
    short = base(code)
    return next(candidate for candidate in (short, NEXT.get(short, ""), LAST) if candidate in known())


def has_words(code: str) -> bool:
    """Whether its readers are said these words in a language that they read."""
    return language_for(code) != LAST or base(code) == LAST


@lru_cache(maxsize=256)
def spoken(code: str) -> Phrases:
    """The words for a letter of this language."""
    return _read(language_for(code))


@lru_cache(maxsize=1)
def known() -> tuple[str, ...]:
    """Those that have a file here."""
    return tuple(sorted(file.name[:-5] for file in files(__name__).iterdir() if file.name.endswith(".toml")))


def _read(language: str) -> Phrases:
    document = tomllib.loads(files(__name__).joinpath(f"{language}.toml").read_text(encoding="utf-8"))
    name, dates = document.pop("name"), document.pop("dates")
    months, days = tuple(dates["months"]), tuple(dates["days"])
    return Phrases(
        language=language,
        name=name,
        words=MappingProxyType(flat(document)),
        whole=dates["whole"],
        moment=dates["moment"],
        months=months,
        days=days,
        short_months=tuple(dates.get("short_months") or (word[:3] for word in months)),
        short_days=tuple(dates.get("short_days") or (word[:3] for word in days)),
        digits=dates.get("digits", ""),
    )


def flat(tables: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The words of a file by table and name."""
    return {f"{table}.{name}": text for table, words in tables.items() for name, text in words.items()}
