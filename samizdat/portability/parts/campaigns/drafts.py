"""How a letter came to be and what was said of it: its history, comments, and corrections of its web copy.

Who wrote, said or mended something stays behind, as all people who work here do.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct, convert, structs, to_builtins

from samizdat.audience.models import Segment
from samizdat.audience.segments import lookup
from samizdat.campaigns import actions
from samizdat.campaigns.archive import web_corrections
from samizdat.campaigns.drafts import comments, revisions
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign, Comment, Correction, DraftRevision
from samizdat.core import consent
from samizdat.core.content.templates.layout import LayoutChanges
from samizdat.portability.parts import base
from samizdat.portability.parts.campaigns.campaigns import VERSION, edition_of, segment_here
from samizdat.portability.parts.campaigns.extras import CampaignExtrasPart
from samizdat.portability.parts.campaigns.media import renamed_in
from samizdat.portability.parts.campaigns.templates import Templates
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.value_limits import moment
from samizdat.vault import keyring


class _Choices(Struct, frozen=True):
    """revisions.DraftChoices of another house, where a segment goes by its name."""

    list: int | None = None
    tag: int | None = None
    segment: str | None = None
    purpose: str = consent.LETTERS
    template: int | None = None
    language: str = ""
    unlisted: bool = False


class _KeptDraft(Struct, frozen=True):
    number: Annotated[int, Meta(ge=1, le=VERSION)]
    at: str
    draft: Draft
    chosen: _Choices
    places: LayoutChanges | None = None


class History(CampaignExtrasPart):
    """A draft as it stood after each save that is kept: `number`, `at`, `draft`, `chosen`, `places`."""

    name = "history"
    # At most 340 of a campaign that is saved each day, and one for each day before (revisions.thin).
    most, weight = 2_000, 10

    def rows(self, home: ExportContext, letter: Campaign) -> Iterator[dict[str, object]]:
        numbers = DraftRevision.objects.filter(campaign=letter).order_by("number").values_list("number", flat=True)
        for number in list(numbers):
            kept = revisions.version_of(letter, number)
            if kept is not None:  # Else it was thinned out meanwhile.
                mine = structs.asdict(kept.chosen) | {"segment": _segment_named(home, kept.chosen.segment)}
                chosen = _Choices(unlisted=mine.pop("archive_hidden"), **mine)
                version = _KeptDraft(number, kept.at.isoformat(), kept.draft, chosen, kept.places)
                yield to_builtins(version, order="deterministic")

    def read(self, payload: dict[str, Any]) -> _KeptDraft | None:
        version = convert(payload, _KeptDraft)
        moment(version.at)
        try:
            return structs.replace(version, draft=actions.checked(version.draft))
        except CampaignError:
            return None  # As an editor of those days had it; nothing else shall stay behind for that.

    def make(self, letter: Campaign, rows: list[_KeptDraft], places: base.Places) -> None:
        there = set(DraftRevision.objects.filter(campaign=letter).values_list("number", flat=True))
        for version in rows:
            if version.number in there:
                continue
            there.add(version.number)
            mine, at = renamed_in(version, places), moment(version.at)
            chosen = _chosen_here(letter, mine.chosen, places)
            revisions.keep(letter, mine.draft, number=mine.number, by=None, at=at, chosen=chosen, places=mine.places)


def _segment_named(home: ExportContext, number: int | None) -> str | None:
    row = Segment.objects.filter(organization=home.organization, pk=number, removed=False).first() if number else None
    return lookup.name_of(row) if row is not None else None


def _chosen_here(letter: Campaign, choices: _Choices, places: base.Places) -> revisions.DraftChoices:
    """What was chosen beside the text, by the numbers of this house; a list that did not come is that of the letter."""
    segment = segment_here(places.organization, choices.segment) if choices.segment else None
    return revisions.DraftChoices(
        list=places.lists.get(choices.list or 0, letter.list_id),
        tag=places.tags.get(choices.tag or 0),
        segment=segment.pk if segment is not None else None,
        purpose=consent.APPEALS if choices.purpose == consent.APPEALS else consent.LETTERS,
        template=places.here(Templates.name, choices.template),
        language=(choices.language or letter.language)[:8],
        archive_hidden=choices.unlisted,
    )


class Comments(CampaignExtrasPart):
    """What colleagues said: `at`, `resolved` (a time, or null), `text`, `block`, `quote`, `other`."""

    name = "comments"
    most = 2 * comments.MOST  # Two who comment at once may be one more.

    def rows(self, home: ExportContext, letter: Campaign) -> Iterator[dict[str, object]]:
        for row in Comment.objects.filter(campaign=letter).order_by("pk"):
            words = structs.asdict(home.keys.open_json(row.sealed, "comment", "sealed", row.pk, comments.CommentText))
            yield {"at": row.at.isoformat(), "resolved": row.resolved.isoformat() if row.resolved else None, **words}

    def read(self, payload: dict[str, Any]) -> tuple[datetime, datetime | None, comments.CommentText]:
        resolved = moment(payload["resolved"]) if payload["resolved"] else None
        return moment(payload["at"]), resolved, convert(payload, comments.CommentText)

    def make(self, letter: Campaign, rows: list[Any], places: base.Places) -> None:
        keys = keyring.keys(letter.organization)
        for at, resolved, words in rows:
            row = Comment.objects.create(campaign=letter, at=at, resolved=resolved, sealed=b"")
            row.sealed = keys.seal_json(words, "comment", "sealed", row.pk)
            row.save(update_fields=["sealed"])


class Corrections(CampaignExtrasPart):
    """Slips mended on the web copy: `at`, `wrong`, `right`."""

    name = "corrections"
    most = 2 * web_corrections.MOST

    def rows(self, home: ExportContext, letter: Campaign) -> Iterator[dict[str, object]]:
        for row in Correction.objects.filter(edition__campaign=letter).order_by("pk"):
            words = web_corrections.opened(home.keys, row)
            yield {"at": row.at.isoformat(), **structs.asdict(words)}

    def read(self, payload: dict[str, Any]) -> tuple[datetime, web_corrections.CorrectedText]:
        words = convert(payload, web_corrections.CorrectedText)
        longest = max(len(words.wrong), len(words.right))
        if web_corrections.is_bad_address(words.right) or longest > web_corrections.LONGEST:
            raise ValueError
        return moment(payload["at"]), words

    def make(self, letter: Campaign, rows: list[Any], places: base.Places) -> None:
        edition = edition_of(letter)
        if edition is None:
            return
        keys = keyring.keys(letter.organization)
        for at, words in rows:
            row = Correction.objects.create(edition=edition, at=at, sealed=b"")
            row.sealed = web_corrections.sealed(keys, row, words)
            row.save(update_fields=["sealed"])
