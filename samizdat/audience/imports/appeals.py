"""Consent to appeals for money of people who come in: whoever imports says that what they had agreed to covered
appeals, in the words that were shown to them."""

from django.utils.translation import gettext as _

from samizdat.audience.consent_texts import words_of
from samizdat.audience.errors import ImportRefused
from samizdat.audience.imports.reading.parse import Fact
from samizdat.audience.models import List
from samizdat.core import consent
from samizdat.core.crypto import seal

LONGEST = 1_000


def checked(text: str) -> str:
    """The words as each consent record keeps them. Errors: ImportRefused, for none or too many."""
    words = text.strip()
    if not words:
        sentence = _("Write the words about fundraising appeals that these people were shown when they agreed.")
        raise ImportRefused("appeals_words", sentence)
    if len(words) > LONGEST:
        sentence = _("The words about fundraising appeals can have at most %(n)s characters. Shorten them.")
        raise ImportRefused("appeals_words", sentence % {"n": f"{LONGEST:,}"})
    return words


class AppealsConsent:
    """Makes the yes of a row one to appeals as well."""

    def __init__(self, list: List, text: str) -> None:
        self._words = words_of(list, text, consent.APPEALS)

    def fact(self, facts: tuple[Fact, ...]) -> Fact:
        """Of the facts of somebody who is subscribed, of which the last is their yes: the same time and source, in the
        words about appeals."""
        kind, day, is_ours, words = facts[-1]
        return kind, day, is_ours, seal.pack(seal.unpack(words) | self._words)
