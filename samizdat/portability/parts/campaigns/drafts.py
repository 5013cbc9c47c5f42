"""How a letter came to be and what was said of it: its history, comments, and corrections of its web copy.

Who wrote, said or mended something stays behind, as all people who work here do.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from samizdat.audience.models import Segment
from samizdat.audience.segments import lookup
from samizdat.campaigns import actions
from samizdat.campaigns.archive import web_corrections
from samizdat.campaigns.drafts import comments, revisions
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign, Comment, Correction, DraftRevision
from samizdat.core import consent
from samizdat.core.content.templates import LayoutChanges
from samizdat.portability.parts import base
from samizdat.portability.parts.campaigns.campaigns import VERSION, edition_of, segment_here
from samizdat.portability.parts.campaigns.extras import CampaignExtrasPart
from samizdat.portability.parts.campaigns.media import renamed, renamed_in
from samizdat.portability.parts.campaigns.templates import Templates
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.value_limits import moment, whole
from samizdat.vault import keyring
from samizdat.vault.sealed_json import open_json, seal_json


@dataclass(frozen=True, slots=True)
class _Version:
    number: int
    at: datetime
    draft: Draft
    chosen: dict[str, Any]
    places: LayoutChanges | None


class History(CampaignExtrasPart):
    """A draft as it stood after each save that is kept: `number`, `at`, `draft`, `chosen`, `places`."""

    name = "history"

    def rows(self, home: ExportContext, letter: Campaign) -> Iterator[dict[str, object]]:
        numbers = DraftRevision.objects.filter(campaign=letter).order_by("number").values_list("number", flat=True)
        for number in list(numbers):
            kept = revisions.version_of(letter, number)
            if kept is not None:  # Else it was thinned out meanwhile.
                chosen = {**kept.chosen, "segment": _segment_named(home, kept.chosen.get("segment"))}
                chosen["unlisted"] = chosen.pop("archive_hidden", False)
                draft = asdict(kept.draft)
                own = kept.places.document() if kept.places is not None else None
                yield {"number": number, "at": kept.at.isoformat(), "draft": draft, "chosen": chosen, "places": own}

    def read(self, payload: dict[str, Any]) -> _Version | None:
        known = {field.name for field in fields(Draft)}
        draft = Draft(**{name: str(text) for name, text in payload["draft"].items() if name in known})
        number = whole(payload["number"], VERSION, 1)
        own = LayoutChanges.read(payload["places"]) if payload.get("places") is not None else None
        at, chosen = moment(payload["at"]), dict(payload["chosen"])
        try:
            return _Version(number, at, actions.checked(draft), chosen, own)
        except CampaignError:
            return None  # As an editor of those days had it; nothing else shall stay behind for that.

    def make(self, letter: Campaign, rows: list[_Version], places: base.Places) -> None:
        there = set(DraftRevision.objects.filter(campaign=letter).values_list("number", flat=True))
        for version in rows:
            if version.number in there:
                continue
            there.add(version.number)
            draft = Draft(**{name: renamed(text, places) for name, text in asdict(version.draft).items()})
            chosen = _chosen_here(letter, version.chosen, places)
            own = renamed_in(version.places, places) if version.places is not None else None
            revisions.keep(letter, draft, number=version.number, by=None, at=version.at, chosen=chosen, places=own)


def _segment_named(home: ExportContext, number: Any) -> str | None:
    row = Segment.objects.filter(organization=home.organization, pk=number, removed=False).first() if number else None
    return lookup.name_of(row) if row is not None else None


def _chosen_here(letter: Campaign, choices: dict[str, Any], places: base.Places) -> dict[str, object]:
    """What was chosen beside the text, by the numbers of this house; a list that did not come is that of the letter."""
    segment = segment_here(places.organization, choices["segment"]) if choices.get("segment") else None
    return {
        "list": places.lists.get(_number(choices.get("list")), letter.list_id),
        "tag": places.tags.get(_number(choices.get("tag"))),
        "segment": segment.pk if segment is not None else None,
        "purpose": consent.APPEALS if choices.get("purpose") == consent.APPEALS else consent.LETTERS,
        "template": places.here(Templates.name, choices.get("template")),
        "language": str(choices.get("language") or letter.language)[:8],
        "archive_hidden": choices.get("unlisted") is True,
    }


def _number(value: Any) -> int:
    return value if type(value) is int else -1


class Comments(CampaignExtrasPart):
    """What colleagues said: `at`, `resolved` (a time, or null), `text`, `block`, `quote`, `other`."""

    name = "comments"

    def rows(self, home: ExportContext, letter: Campaign) -> Iterator[dict[str, object]]:
        for row in Comment.objects.filter(campaign=letter).order_by("pk"):
            words = open_json(home.keys, row.sealed, "comment", "sealed", row.pk)
            yield {"at": row.at.isoformat(), "resolved": row.resolved.isoformat() if row.resolved else None, **words}

    def read(self, payload: dict[str, Any]) -> tuple[datetime, datetime | None, comments.CommentText]:
        words = {field.name: str(payload.get(field.name, "")) for field in fields(comments.CommentText)}
        if max(map(len, words.values())) > comments.LONGEST:
            raise ValueError
        resolved = moment(payload["resolved"]) if payload["resolved"] else None
        return moment(payload["at"]), resolved, comments.CommentText(**words)

    def make(self, letter: Campaign, rows: list[Any], places: base.Places) -> None:
        keys = keyring.keys(letter.organization)
        for at, resolved, words in rows:
            row = Comment.objects.create(campaign=letter, at=at, resolved=resolved, sealed=b"")
            row.sealed = seal_json(keys, asdict(words), "comment", "sealed", row.pk)
            row.save(update_fields=["sealed"])


class Corrections(CampaignExtrasPart):
    """Slips mended on the web copy: `at`, `wrong`, `right`."""

    name = "corrections"

    def rows(self, home: ExportContext, letter: Campaign) -> Iterator[dict[str, object]]:
        for row in Correction.objects.filter(edition__campaign=letter).order_by("pk"):
            words = open_json(home.keys, bytes(row.sealed), "correction", "sealed", row.pk)
            yield {"at": row.at.isoformat(), **words}

    def read(self, payload: dict[str, Any]) -> tuple[datetime, dict[str, str]]:
        words = {"wrong": str(payload["wrong"]), "right": str(payload["right"])}
        if not words["wrong"] or max(map(len, words.values())) > web_corrections.LONGEST:
            raise ValueError
        if web_corrections.is_bad_address(words["right"]):
            raise ValueError
        return moment(payload["at"]), words

    def make(self, letter: Campaign, rows: list[Any], places: base.Places) -> None:
        edition = edition_of(letter)
        if edition is None:
            return
        keys = keyring.keys(letter.organization)
        for at, words in rows:
            row = Correction.objects.create(edition=edition, at=at, sealed=b"")
            row.sealed = seal_json(keys, words, "correction", "sealed", row.pk)
            row.save(update_fields=["sealed"])
