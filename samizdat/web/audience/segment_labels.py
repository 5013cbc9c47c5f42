"""Segments at the desk: their codes in words."""

from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from samizdat import formatting
from samizdat.web.labels import Word, provider

# Why somebody may not be written to, as a clause of a segment's sentence.
REASONS: dict[str, Word] = {
    "not_asked_yet": pgettext_lazy("segment", "their consent hasn’t been checked yet"),
    "never_agreed": pgettext_lazy("segment", "they never gave consent"),
    "not_confirmed": pgettext_lazy("segment", "they haven’t confirmed"),
    "left": pgettext_lazy("segment", "they unsubscribed"),
    "objected": pgettext_lazy("segment", "they objected"),
    "cleaned": pgettext_lazy("segment", "they were cleaned (address bounced)"),
    "suppressed:bounce": pgettext_lazy("segment", "their address bounced permanently"),
    "suppressed:complaint": pgettext_lazy("segment", "they reported an email as spam"),
    "suppressed:erased": pgettext_lazy("segment", "their data was erased"),
    "suppressed:manual": pgettext_lazy("segment", "the team added them to the suppression list"),
    "suppressed:objected": pgettext_lazy("segment", "they objected to all email"),
    "paused": pgettext_lazy("segment", "they asked for a pause"),
}


def segment_word(kind: str, code: str) -> str:
    """A language, mailbox provider or verdict, as segments.describe.Names asks for them."""
    if kind == "language":
        return formatting.language(code)
    if kind == "provider":
        return provider(code) if code != "other" else _("another mailbox provider")
    return str(REASONS.get(code, code))
