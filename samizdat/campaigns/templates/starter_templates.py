"""Five letters to begin with, in the words of the letter's language."""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy

from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.models import Template
from samizdat.campaigns.templates.layout_store import text_of
from samizdat.core.content.blocks import Node, dumps, parse
from samizdat.core.content.phrases import base
from samizdat.core.content.templates.blocks import read


@dataclass(frozen=True, slots=True)
class StarterTemplate:
    """`name` is what the command line calls it."""

    name: str
    title: str | Promise
    about: str | Promise


STARTERS = (
    StarterTemplate("letter", lazy("Newsletter"), lazy("One story, one image, one link.")),
    StarterTemplate("digest", lazy("Digest"), lazy("Several stories with an image, a button and columns.")),
    StarterTemplate(
        "appeal",
        lazy("Fundraising appeal"),
        lazy("What’s needed, donor warning, buttons."),
    ),
    StarterTemplate("event", lazy("Event"), lazy("When, where and how to join.")),
    StarterTemplate("alert", lazy("Urgent alert"), lazy("One message, one action.")),
)
NAMES = tuple(starter.name for starter in STARTERS)
_LANGUAGES = ("en", "ru")


def document_of(name: str, language: str) -> Node:
    """Errors: KeyError for a name that is none of NAMES."""
    if name not in NAMES:
        raise KeyError(name)
    return parse(_stored(name, base(language) if base(language) in _LANGUAGES else "en"))


def body_of(name: str, language: str) -> str:
    """The draft's body, in the format "blocks"."""
    return dumps(document_of(name, language))


def begun(organization: Organization, asked: str, language: str, draft: Draft) -> tuple[Draft, Template | None]:
    """The draft with a letter to begin with, by its name; or with the text of an own template, by its number. The
    sample of one that was imported is in blocks where something of it can be, else HTML.

    What stands in the former speaks to the writer: in a language that it does not have, in that of the organization.
    """
    if asked in NAMES:
        known = language if base(language) in _LANGUAGES else leading(organization).language
        return draft.with_(body=body_of(asked, known), format="blocks"), None
    if asked.isascii() and asked.isdigit() and len(asked) < 15:
        template = organization.templates.filter(pk=int(asked)).first()
        if template is not None:
            text = text_of(template)
            if text.body:
                return draft.with_(body=text.body, format=text.format), template
            return _with_sample(draft, text.sample), template
    return draft, None


def _with_sample(draft: Draft, sample: str) -> Draft:
    if not sample:
        return draft
    parsed = read(sample)
    if parsed is None:
        return draft.with_(body=sample, format="html")
    return draft.with_(body=dumps(parsed.document), format="blocks")


def has_html(draft: Draft) -> bool:
    """Whether a block of it is HTML."""
    if draft.format != "blocks":
        return False
    return any(block["type"] == "html" for block in parse(draft.body).get("content", ()))


@lru_cache(maxsize=len(NAMES) * len(_LANGUAGES))
def _stored(name: str, language: str) -> str:
    return files("samizdat.core").joinpath(f"templates/starters/{name}.{language}.json").read_text(encoding="utf-8")
