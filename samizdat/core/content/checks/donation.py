"""A letter that asks for money from an organization at risk must warn whoever gives (threat model, T16).

Giving to such a group can be a crime where the reader lives, and a bank reports payments. The block of an editor's
letter brings its warning along; in Markdown and HTML it is written by hand, so it is looked for.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from samizdat.core.content.checks.check_input import Readability
from samizdat.core.content.checks.links import host_of, known_in
from samizdat.core.content.phrases import PhraseTable
from samizdat.core.content.problems import ContentProblem

# Where nothing but giving is done.
GIVING = frozenset({
    "patreon.com", "boosty.to", "opencollective.com", "liberapay.com", "ko-fi.com", "buymeacoffee.com", "paypal.me",
    "donate.stripe.com", "gofundme.com", "donorbox.org", "betterplace.org", "every.org", "donationalerts.com",
    "yoomoney.ru", "tribute.tg", "buy.stripe.com", "twingle.de", "zeffy.com", "raisely.com", "fundraiseup.com",
    "givebutter.com", "revolut.me",
})  # fmt: skip
_GIVING_PATH = re.compile(
    r"https?://[^/]+/(?:[\w-]+/)*(?:donate|donations?|give|support-us|pozhertvovat\w*)/?(?:[?#]|$)", re.IGNORECASE
)
# How people warn in a sentence of their own, in English and Russian: a bank or a card, and that one must not. For other
# languages the flaw says which words will do.
_BANK = re.compile(r"\b(?:bank|card|account|банк\w*|карт\w*|счёт\w*|счет\w*)", re.IGNORECASE)
_MUST_NOT = re.compile(
    r"\b(?:do not|don[’']t|never|не)\s(?:\w+\s){0,3}?"
    r"(?:give|pay|donate|transfer|use|перевод\w*|жертв\w*|плат\w*|присыла\w*|использ\w*)",
    re.IGNORECASE,
)


def look(reading: Readability) -> Iterator[ContentProblem]:
    link = next((url for url in reading.links if asks(url)), "")
    if not (link or reading.donation):
        return
    if reading.to_unasked:
        yield reading.flaw("donation_to_all", link)
    if warned(reading.text, reading.warnings):
        return
    if reading.hostile_state:
        words = (*reading.warnings, PhraseTable(reading.language)["block.warning"])[0]
        # Set apart from the sentence around it, whichever way that runs.
        yield replace(
            reading.flaw("donation_unwarned", link, words=f"\u2068{' '.join(words.split())}\u2069"), severity="stop"
        )
    else:
        yield reading.flaw("donation_no_word", link)


def asks(url: str) -> bool:
    """Whether this link leads to where one gives money."""
    return known_in(host_of(url), GIVING) or bool(_GIVING_PATH.match(url))


def warned(text: str, warnings: tuple[str, ...]) -> bool:
    plain_text = " ".join(text.split()).casefold()
    if any(" ".join(warning.split()).casefold() in plain_text for warning in warnings if warning.strip()):
        return True
    return any(_BANK.search(sentence) and _MUST_NOT.search(sentence) for sentence in re.split(r"[.!?]\s", plain_text))
