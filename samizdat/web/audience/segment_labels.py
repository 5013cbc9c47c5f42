"""Segments at the desk: their codes in words."""

from collections.abc import Callable

from django.utils.translation import gettext as _
from django.utils.translation import pgettext, pgettext_lazy

from samizdat import formatting
from samizdat.core import consent
from samizdat.core.mail.address import PROVIDERS
from samizdat.web.audience.subscriber_filters import LANGUAGES
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


# -- codes to choose from --


def _languages(_chosen: str) -> list[tuple[str, str]]:
    known = sorted(((code, formatting.language(code).capitalize()) for code in LANGUAGES), key=lambda pair: pair[1])
    return [*known, ("-", _("unknown"))]


def _providers(_chosen: str) -> list[tuple[str, str]]:
    return [(name, segment_word("provider", name)) for name in (*PROVIDERS[1:], "other")]


def _reasons(chosen: str) -> list[tuple[str, str]]:
    codes = [code for code in consent.REASONS if code not in ("yes", "not_asked_yet") or code == chosen != "yes"]
    no = [(code, pgettext("segment", "no: %(why)s") % {"why": REASONS[code]}) for code in codes]
    return [("yes", pgettext("segment", "yes")), *no]


# Kind of codes, as Input.options of a condition has it -> (code that is chosen) -> (code, word) of those that can be.
CODES: dict[str, Callable[[str], list[tuple[str, str]]]] = {
    "language": _languages,
    "provider": _providers,
    "reason": _reasons,
}
