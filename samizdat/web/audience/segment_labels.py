"""Segments at the desk: their codes in words."""

from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from samizdat import formatting
from samizdat.web.labels import Word, provider

# Why somebody may not be written to, as a clause of a segment's sentence.
REASONS: dict[str, Word] = {
    "not_asked_yet": pgettext_lazy("segment", "nobody has looked at her records yet"),
    "never_agreed": pgettext_lazy("segment", "she never agreed"),
    "not_confirmed": pgettext_lazy("segment", "she has not confirmed it"),
    "left": pgettext_lazy("segment", "she left"),
    "objected": pgettext_lazy("segment", "she objected"),
    "cleaned": pgettext_lazy("segment", "her address is dead"),
    "suppressed:bounce": pgettext_lazy("segment", "mail to her came back for good"),
    "suppressed:complaint": pgettext_lazy("segment", "she reported a letter as spam"),
    "suppressed:erased": pgettext_lazy("segment", "her data was erased"),
    "suppressed:manual": pgettext_lazy("segment", "somebody here put her on the stop list"),
    "suppressed:objected": pgettext_lazy("segment", "she objected to all mail from here"),
    "paused": pgettext_lazy("segment", "she asked for a pause"),
}


def segment_word(kind: str, code: str) -> str:
    """A language, mailbox provider or verdict, as segments.names.Names asks for them."""
    if kind == "language":
        return formatting.language(code)
    if kind == "provider":
        return provider(code) if code != "other" else _("another provider")
    return str(REASONS.get(code, code))
