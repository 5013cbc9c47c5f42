"""How a letter came to be and what was said of it: its history, comments, and corrections of its web copy.

Who wrote, said or mended something stays behind, as all people who work here do.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from samizdat.audience.exporting import besides
from samizdat.audience.exporting.people import House
from samizdat.audience.exporting.values import moment, whole
from samizdat.audience.models import Segment
from samizdat.audience.segments import saved
from samizdat.campaigns import actions, commenting, correcting, history
from samizdat.campaigns.draft import Draft
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign, Comment, Correction, DraftVersion
from samizdat.campaigns.portable.belongings import Belongings
from samizdat.campaigns.portable.letters import VERSION, edition_of, segment_here
from samizdat.campaigns.portable.pictures import renamed, renamed_in
from samizdat.campaigns.portable.templates import Templates
from samizdat.core import consent
from samizdat.core.templating import Arrangement
from samizdat.vault import house
from samizdat.vault.sealed import open_json, seal_json


@dataclass(frozen=True, slots=True)
class _Version:
    number: int
    at: datetime
    draft: Draft
    chosen: dict[str, Any]
    places: Arrangement | None


class History(Belongings):
    """A draft as it stood after each save that is kept: `number`, `at`, `draft`, `chosen`, `places`."""

    name = "history"

    def rows(self, home: House, letter: Campaign) -> Iterator[dict[str, Any]]:
        numbers = DraftVersion.objects.filter(campaign=letter).order_by("number").values_list("number", flat=True)
        for number in list(numbers):
            kept = history.version_of(letter, number)
            if kept is not None:  # Else it was thinned out meanwhile.
                chosen = {**kept.chosen, "segment": _segment_named(home, kept.chosen.get("segment"))}
                draft = asdict(kept.draft)
                own = kept.places.document() if kept.places is not None else None
                yield {"number": number, "at": kept.at.isoformat(), "draft": draft, "chosen": chosen, "places": own}

    def read(self, told: dict[str, Any]) -> _Version | None:
        known = {one.name for one in fields(Draft)}
        draft = Draft(**{name: str(text) for name, text in told["draft"].items() if name in known})
        number = whole(told["number"], VERSION, 1)
        own = Arrangement.read(told["places"]) if told.get("places") is not None else None
        at, chosen = moment(told["at"]), dict(told["chosen"])
        try:
            return _Version(number, at, actions.checked(draft), chosen, own)
        except CampaignError:
            return None  # As an editor of those days had it; nothing else shall stay behind for that.

    def make(self, letter: Campaign, rows: list[_Version], places: besides.Places) -> None:
        there = set(DraftVersion.objects.filter(campaign=letter).values_list("number", flat=True))
        for one in rows:
            if one.number in there:
                continue
            there.add(one.number)
            draft = Draft(**{name: renamed(text, places) for name, text in asdict(one.draft).items()})
            chosen = _chosen_here(letter, one.chosen, places)
            own = renamed_in(one.places, places) if one.places is not None else None
            history.keep(letter, draft, number=one.number, by=None, at=one.at, chosen=chosen, places=own)


def _segment_named(home: House, number: Any) -> str | None:
    row = Segment.objects.filter(organisation=home.organisation, pk=number, removed=False).first() if number else None
    return saved.name_of(row) if row is not None else None


def _chosen_here(letter: Campaign, told: dict[str, Any], places: besides.Places) -> dict[str, Any]:
    """What was chosen beside the text, by the numbers of this house; a list that did not come is that of the letter."""
    segment = segment_here(places.organisation, told["segment"]) if told.get("segment") else None
    return {
        "list": places.lists.get(_number(told.get("list")), letter.list_id),
        "tag": places.tags.get(_number(told.get("tag"))),
        "segment": segment.pk if segment is not None else None,
        "purpose": consent.APPEALS if told.get("purpose") == consent.APPEALS else consent.LETTERS,
        "template": places.here(Templates.name, told.get("template")),
        "language": str(told.get("language") or letter.language)[:8],
        "unlisted": told.get("unlisted") is True,
    }


def _number(told: Any) -> int:
    return told if type(told) is int else -1


class Comments(Belongings):
    """What colleagues said: `at`, `resolved` (a time, or null), `text`, `block`, `quote`, `other`."""

    name = "comments"

    def rows(self, home: House, letter: Campaign) -> Iterator[dict[str, Any]]:
        for row in Comment.objects.filter(campaign=letter).order_by("pk"):
            words = open_json(home.keys, row.sealed, "comment", "sealed", row.pk)
            yield {"at": row.at.isoformat(), "resolved": row.resolved.isoformat() if row.resolved else None, **words}

    def read(self, told: dict[str, Any]) -> tuple[datetime, datetime | None, commenting.Words]:
        words = {one.name: str(told.get(one.name, "")) for one in fields(commenting.Words)}
        if max(map(len, words.values())) > commenting.LONGEST:
            raise ValueError
        resolved = moment(told["resolved"]) if told["resolved"] else None
        return moment(told["at"]), resolved, commenting.Words(**words)

    def make(self, letter: Campaign, rows: list[Any], places: besides.Places) -> None:
        keys = house.keys(letter.organisation)
        for at, resolved, words in rows:
            row = Comment.objects.create(campaign=letter, at=at, resolved=resolved, sealed=b"")
            row.sealed = seal_json(keys, asdict(words), "comment", "sealed", row.pk)
            row.save(update_fields=["sealed"])


class Corrections(Belongings):
    """Slips mended on the web copy: `at`, `wrong`, `right`."""

    name = "corrections"

    def rows(self, home: House, letter: Campaign) -> Iterator[dict[str, Any]]:
        for row in Correction.objects.filter(edition__campaign=letter).order_by("pk"):
            words = open_json(home.keys, bytes(row.sealed), "correction", "sealed", row.pk)
            yield {"at": row.at.isoformat(), **words}

    def read(self, told: dict[str, Any]) -> tuple[datetime, dict[str, str]]:
        words = {"wrong": str(told["wrong"]), "right": str(told["right"])}
        if not words["wrong"] or max(map(len, words.values())) > correcting.LONGEST:
            raise ValueError
        if correcting.is_bad_address(words["right"]):
            raise ValueError
        return moment(told["at"]), words

    def make(self, letter: Campaign, rows: list[Any], places: besides.Places) -> None:
        edition = edition_of(letter)
        if edition is None:
            return
        keys = house.keys(letter.organisation)
        for at, words in rows:
            row = Correction.objects.create(edition=edition, at=at, sealed=b"")
            row.sealed = seal_json(keys, words, "correction", "sealed", row.pk)
            row.save(update_fields=["sealed"])
