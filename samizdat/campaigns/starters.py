"""Five letters to begin with, in the words of the letter's language."""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy

from samizdat.core.document import Node, dumps, parse


@dataclass(frozen=True, slots=True)
class Starter:
    """`name` is what the command line calls it."""

    name: str
    title: str | Promise
    about: str | Promise


STARTERS = (
    Starter("letter", lazy("Plain letter"), lazy("One story, one picture, one thing to do.")),
    Starter("digest", lazy("Digest"), lazy("Several short stories, two of them side by side.")),
    Starter("appeal", lazy("Appeal"), lazy("A story, what is missing, and how to give, with the warning to donors.")),
    Starter("event", lazy("Event"), lazy("When, where, and a programme.")),
    Starter("alert", lazy("Urgent alert"), lazy("What happened and what to do now, readable in ten seconds.")),
)
NAMES = tuple(starter.name for starter in STARTERS)
_LANGUAGES = ("en", "ru")


def document_of(name: str, language: str) -> Node:
    """Errors: KeyError for a name that is none of NAMES."""
    if name not in NAMES:
        raise KeyError(name)
    spoken = language.split("-")[0].lower()
    return parse(_stored(name, spoken if spoken in _LANGUAGES else "en"))


def body_of(name: str, language: str) -> str:
    """The draft's body, in the format "blocks"."""
    return dumps(document_of(name, language))


@lru_cache(maxsize=len(NAMES) * len(_LANGUAGES))
def _stored(name: str, language: str) -> str:
    return files("samizdat.core").joinpath(f"templates/starters/{name}.{language}.json").read_text(encoding="utf-8")
