"""Presses of links and answers to questions as totals: the addresses, what the public database has to know of them, and
the sums.

A code names an edition, a version, and a link or answer of it (core/crypto/tokens, purposes "click" and "answer"), so
it is the same for all readers and made anew at any time. Nothing of a press is kept but one more in a sum.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import F, Sum

from samizdat.accounts.models import Organization
from samizdat.accounts.public_site import publish as publish_place
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.edition_details import EditionDetails, Question, counted_versions, opened
from samizdat.campaigns.models import AnswerTotal, Edition, EditionVariant, LinkTotal, ProcessedClickBatch
from samizdat.campaigns.queries import AT_ONCE
from samizdat.core import totals
from samizdat.core.content.blocks.markup import answers_of
from samizdat.core.content.blocks.schema import MAX_ANSWERS, Node
from samizdat.core.content.render.counted_links import location
from samizdat.core.crypto import tokens
from samizdat.publicdb import actions as publicdb
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

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


def _frozen(edition: Edition, keys: OrganizationKeys) -> dict[int, EditionDetails]:
    """place of a version -> what was kept beside it at the release."""
    rows = EditionVariant.objects.filter(edition=edition).order_by("variant_no").defer("compiled_sealed")
    return {0: opened(keys, edition), **{row.variant_no: opened(keys, row) for row in rows}}


def lay_out(edition: Edition) -> None:
    """Lets the public process know where counted links lead and what answers say, and of which it counts nothing. May
    be repeated; before anything of the letter leaves. One that came from another house without its keys has none: its
    links lead to that house.
    """
    targets: dict[str, dict[str, Any]] = {}
    keys = keyring.keys(edition.organization)
    key = keys.links.get(edition.link_key)
    if key is None:
        return
    versions = _frozen(edition, keys)
    counted = totals.load(versions[0].counted_places)
    for place, details in versions.items():
        codes = UrlCodes(key, edition.pk, place)
        uncounted = {} if place in counted else {"uncounted": True}
        for at, url in enumerate(details.counted):
            targets[codes.click(at)] = {"to": location(url)} | uncounted
        asked = details.question or Question("", ())
        for at, answer in enumerate(asked.answers):
            shown = {"question": asked.question, "answer": answer, "language": asked.language}
            targets[codes.answer(at)] = shown | uncounted
    if targets:
        publish_place(edition.organization)  # A public database that was lost may not know it yet.
        publicdb.publish_targets(bytes(edition.organization.uid), targets, tokens.target_key(key))


# --- sums ------------------------------------------------------------------------------------------------------------


def add_up(organization: Organization, box: bytes, day: date, counts: Mapping[str, int]) -> None:
    """Adds what a box of the public database says: code -> presses. Once for each box; codes that are not ours, and
    those of versions that too few people got, are passed over.
    """
    keys = keyring.keys(organization)
    pressed: Counter[tuple[str, int, int]] = Counter()
    for code, count in counts.items():
        for purpose in ("click", "answer"):
            try:
                token = tokens.read(keys.links, purpose, code)
            except tokens.BadToken:
                continue
            pressed[purpose, token.edition, token.number] += count
    asked = {edition for _purpose, edition, _number in pressed}
    editions = Edition.objects.select_related("organization").filter(organization=organization, pk__in=asked)
    editions = editions.defer("compiled_sealed")
    counted = {edition.pk: counted_versions(edition) for edition in editions.iterator(chunk_size=AT_ONCE)}
    with transaction.atomic():
        if not ProcessedClickBatch.objects.get_or_create(name=hashlib.sha256(box).digest())[1]:
            return
        for (purpose, edition, number), count in sorted(pressed.items()):
            if number >> 16 in counted.get(edition, ()):
                _add(purpose, edition, number, day, count)


def _add(purpose: str, edition: int, number: int, day: date, count: int) -> None:
    place, at = number >> 16, number & 0xFFFF
    if purpose == "click":
        link_row, _new = LinkTotal.objects.get_or_create(edition_id=edition, variant_no=place, link=at, day=day)
        LinkTotal.objects.filter(pk=link_row.pk).update(count=F("count") + count)
    else:
        row, _new = AnswerTotal.objects.get_or_create(edition_id=edition, variant_no=place, answer=at)
        AnswerTotal.objects.filter(pk=row.pk).update(count=F("count") + count)


def forget_boxes(boxes: Sequence[bytes]) -> None:
    """These are gone from the public database."""
    ProcessedClickBatch.objects.filter(name__in=[hashlib.sha256(box).digest() for box in boxes]).delete()


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
    sums: dict[tuple[int, int], dict[date, int]] = {}
    for row in LinkTotal.objects.filter(edition=edition).order_by("day"):
        sums.setdefault((row.variant_no, row.link), {})[row.day] = row.count
    return [
        CountedPress(place, url, sums.get((place, at), {}))
        for place, details in _frozen(edition, keyring.keys(edition.organization)).items()
        for at, url in enumerate(details.counted)
    ]


def presses(edition: Edition, url: str = "") -> dict[int, int]:
    """place of a version -> presses of all its links, or of this one alone."""
    if url:
        return {press.place: press.total for press in pressed(edition) if press.url == url}
    rows = LinkTotal.objects.filter(edition=edition).values_list("variant_no").annotate(sum=Sum("count"))
    return dict(rows)


def answers(edition: Edition) -> list[CountedQuestion]:
    """What was asked in each version, with the answers; [] where nothing was."""
    sums = {(row.variant_no, row.answer): row.count for row in AnswerTotal.objects.filter(edition=edition)}
    return [
        CountedQuestion(
            place, asked.question, [(answer, sums.get((place, at), 0)) for at, answer in enumerate(asked.answers)]
        )
        for place, details in _frozen(edition, keyring.keys(edition.organization)).items()
        if (asked := details.question)
    ]
