"""Presses of links and answers to questions as totals: the addresses, what the public database has to know of them, and
the sums.

A code names an edition, a version, and a link or answer of it (core/crypto/tokens, purposes "click" and "answer"), so
it is the same for all readers and made anew at any time. Nothing of a press is kept but one more in a sum, which is
sealed (sealed_clicks.py).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from samizdat.accounts.public_site import publish as publish_place
from samizdat.campaigns import sealed_clicks
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.edition_details import EditionDetails, Question, all_versions
from samizdat.campaigns.models import Edition
from samizdat.core import totals
from samizdat.core.content.blocks.markup import answers_of
from samizdat.core.content.blocks.schema import MAX_ANSWERS, Node
from samizdat.core.content.render.counted_links import location
from samizdat.core.crypto import tokens
from samizdat.publicdb import actions as publicdb
from samizdat.vault import keyring

# Characters of a question and of an answer as the public page and the report say them.
LONGEST_QUESTION, LONGEST_ANSWER = 300, 200


class UrlCodes:
    """What stands in the addresses of one version of an edition. place: the version; 0 is the edition itself."""

    def __init__(self, key: tokens.LinkKey, edition: int, place: int = 0) -> None:
        self._edition, self._place = edition, place
        self._click, self._answer = tokens.TokenMaker(key, "click"), tokens.TokenMaker(key, "answer")

    def click(self, number: int) -> str:
        return self._click(self._edition, self._place << 16 | number)

    def answer(self, number: int) -> str:
        return self._answer(self._edition, self._place << 16 | number)

    def through(self, base: str, urls: Sequence[str]) -> Mapping[str, str]:
        """core/content/render/counted_links.Through: by which address below `base` each counted link is reached."""
        return {url: f"{base}/l/{self.click(at)}" for at, url in enumerate(urls)}

    def answers(self, base: str) -> tuple[str, ...]:
        """By which address each answer to a question is given."""
        return tuple(f"{base}/q/{self.answer(at)}" for at in range(MAX_ANSWERS))


# --- what was frozen -------------------------------------------------------------------------------------------------


def question_in(draft: Draft, language: str) -> Question | None:
    """The one that a letter asks."""
    if draft.format != "blocks" or '"question"' not in draft.body:
        return None
    question_node = next((node for node in _nodes(json.loads(draft.body)) if node["type"] == "question"), None)
    if question_node is None:
        return None
    answers = tuple(answer[:LONGEST_ANSWER] for answer in answers_of(question_node["attrs"]))
    return Question(question_node["attrs"]["question"][:LONGEST_QUESTION], answers, language)


def _nodes(node: Node) -> Iterator[Node]:
    for child in node.get("content", ()):
        yield child
        yield from _nodes(child)


def lay_out(edition: Edition) -> None:
    """Lets the public process know where counted links lead and what answers say, and of which it counts nothing. May
    be repeated; before anything of the letter leaves. One that came from another house without its keys has none: its
    links lead to that house.
    """
    keys = keyring.keys(edition.organization)
    key = keys.links.get(edition.link_key)
    if key is None:
        return
    versions = all_versions(edition)
    counted = totals.load(versions[0].counted_places)
    if any(details.counted or details.question for details in versions.values()):
        publish_place(edition.organization)  # A public database that was lost may not know it yet.
    for place, details in versions.items():
        targets = _targets(UrlCodes(key, edition.pk, place), details, is_counted=place in counted)
        publicdb.publish_targets(bytes(edition.organization.uid), targets, tokens.target_key(key))


def _targets(codes: UrlCodes, details: EditionDetails, *, is_counted: bool) -> dict[str, dict[str, Any]]:
    """What the links and answers of a version lead to, by their codes."""
    uncounted = {} if is_counted else {"uncounted": True}
    asked = details.question or Question("", ())
    shown = {"question": asked.question, "language": asked.language}
    links = {codes.click(at): {"to": location(url)} | uncounted for at, url in enumerate(details.counted)}
    answers = {codes.answer(at): shown | {"answer": answer} | uncounted for at, answer in enumerate(asked.answers)}
    return links | answers


# --- sums ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CountedPress:
    """A counted link of a version (its place), with its presses by day."""

    place: int
    url: str
    days: Mapping[date, int]

    @property
    def total(self) -> int:
        return sum(self.days.values())


@dataclass(frozen=True, slots=True)
class CountedQuestion:
    """The question of a version (its place), and each answer with how often it was given."""

    place: int
    question: str
    answers: Sequence[tuple[str, int]]


def pressed(edition: Edition) -> list[CountedPress]:
    """Every counted link of every version, in the order of the letter, also those that nobody pressed."""
    sums = sealed_clicks.sums_of(edition)
    return [
        CountedPress(place, url, sums.days_of(place, at) if sums else {})
        for place, details in all_versions(edition).items()
        for at, url in enumerate(details.counted)
    ]


def presses(edition: Edition, url: str = "") -> dict[int, int]:
    """place of a version -> presses of all its links, or of this one alone."""
    sums: dict[int, int] = {}
    for press in pressed(edition):
        if url in ("", press.url):
            sums[press.place] = sums.get(press.place, 0) + press.total
    return sums


def answers(edition: Edition) -> list[CountedQuestion]:
    """What was asked in each version, with the answers; [] where nothing was."""
    questions = {place: asked for place, details in all_versions(edition).items() if (asked := details.question)}
    sums = sealed_clicks.sums_of(edition) if questions else None
    counts = sums.answers if sums else {}
    return [
        CountedQuestion(
            place, asked.question, [(answer, counts.get((place, at), 0)) for at, answer in enumerate(asked.answers)]
        )
        for place, asked in questions.items()
    ]
