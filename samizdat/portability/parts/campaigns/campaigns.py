"""Letters: drafts as they stand, and what was sent with its text, its books and its frozen edition.

Who got a letter does not go along. So what is over comes in as over; what was on its way too, with what was still owed
called off, for nobody here knows whom it reached; what had not begun as a draft, for a person to release.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from itertools import chain
from typing import Any

from django.db import transaction

from samizdat.accounts.models import Organization
from samizdat.audience.models import Segment
from samizdat.audience.segments import lookup
from samizdat.campaigns import actions, folders
from samizdat.campaigns.digest import STUCK
from samizdat.campaigns.drafts.draft import Draft, draft_of, sealed
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import (
    COUNTERS,
    STATES,
    Campaign,
    Edition,
    EditionVariant,
    Folder,
    goes_to_all,
    new_edition_number,
)
from samizdat.campaigns.templates.layout_store import arrangement_of
from samizdat.campaigns.templates.layout_store import sealed as sealed_arrangement
from samizdat.core import consent, totals
from samizdat.core.content.message import loads
from samizdat.core.content.templates import LayoutChanges
from samizdat.dbclock import YEARS
from samizdat.events.actions import record
from samizdat.portability.parts import base
from samizdat.portability.parts.campaigns.media import renamed, renamed_in
from samizdat.portability.parts.campaigns.templates import Templates
from samizdat.portability.read import KEY, OpenedExport, altered
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.value_limits import day, moment, whole
from samizdat.portability.zip_stream import ZipWriter
from samizdat.vault import keyring
from samizdat.vault.sealed_json import open_json, seal_json

FOLDER = "letters/"
OVER, GOING = ("finished", "cancelled"), ("sending", "paused", "waiting")
# Column -> its key in the file.
MOMENTS = {
    "created": "created",
    "changed": "changed",
    "not_before": "due",
    "released": "released",
    "finished": "finished",
}
# The highest that a file may bring: of rows, of an edition (models.new_edition_number), of versions: more will come.
NUMBER, EDITION_NUMBER, VERSION = 1 << 62, (1 << 47) - 1, 1 << 30
# Columns of an edition that go along as they are.
EDITION = ("link_key", "message_id_domain", "archive_slug", "marks", "languages", "counted_places")


# Characters of a file's rows, from which on the next one begins. One file a letter would be too many: a house of a
# hundred lists has 100,000 letters in twenty years.
LONG = 2 << 20


def give(box: ZipWriter, folder: str, rows: Iterable[dict[str, object]]) -> int:
    """Files 1.json, 2.json … of a folder; how many rows are in them."""
    held: list[dict[str, Any]] = []
    count = size = files = 0
    for row in chain(rows, [None]):
        if held and (row is None or size > LONG):
            files += 1
            box.add_json(f"{folder}/{files}.json", held)
            held, size = [], 0
        if row is not None:
            held.append(row)
            size += len(json.dumps(row, ensure_ascii=False))
            count += 1
    return count


class CampaignsPart:
    """In letters/, many to a file."""

    name = "letters"

    def give(self, home: ExportContext, box: ZipWriter) -> int:
        return give(box, self.name, (_told(home, letter) for letter in going_along(home)))

    def check(self, opened: OpenedExport) -> int:
        return sum(1 for _letter in _letters(opened))

    def take(self, opened: OpenedExport, places: base.Places) -> int:
        for letter in _letters(opened):
            if places.here(self.name, letter.number) is None and not letter.lost(places):
                with transaction.atomic():
                    places.put(self.name, letter.number, _make(letter, places).pk)
        many = len(places.all(self.name))
        if many:
            record("campaigns.restored", places.organization, now=places.now, by=places.by, detail={"letters": many})
        return many


def going_along(home: ExportContext) -> Iterator[Campaign]:
    """The letters of an export, in the order of their numbers: each is fetched when its turn comes, and passed over
    where somebody threw it away meanwhile."""
    rows = Campaign.objects.filter(organization=home.organization).order_by("pk")
    for number in list(rows.values_list("pk", flat=True)):
        letter = rows.select_related("organization", "version_of", "tag", "segment", "folder").filter(pk=number).first()
        if letter is not None and _goes_along(letter):
            yield letter


def _goes_along(letter: Campaign) -> bool:
    """A draft is left behind where it would go to others than here: to those whom another letter did not reach, to a
    tag or a segment that was removed."""
    letter = letter.version_of or letter
    if letter.state in OVER or letter.state in GOING:
        return True
    gone = (letter.tag is not None and letter.tag.removed) or (letter.segment is not None and letter.segment.removed)
    return letter.resend_of_id is None and not gone


def _told(home: ExportContext, letter: Campaign) -> dict[str, Any]:
    edition = Edition.objects.filter(campaign=letter).first()
    segment = None
    if letter.segment is not None and not letter.segment.removed:
        segment = lookup.name_of(letter.segment)
    return {
        "number": letter.pk,
        "list": letter.list_id,
        "tag": letter.tag_id if letter.tag_id in home.tags else None,
        "segment": segment,
        "purpose": consent.PURPOSES[letter.purpose],
        "template": letter.template_id,
        "language": letter.language,
        "version_of": letter.version_of_id,
        "state": letter.state,
        "unsure": letter.unsure_policy,
        "version": letter.version,
        "folder": folders.name_of(home.organization, letter.folder) if letter.folder else None,
        "replies": letter.replies,
        "planned": letter.planned.isoformat() if letter.planned else None,
        "unlisted": letter.archive_hidden or (letter.state in OVER + GOING and not goes_to_all(letter)),
        **{key: _told_moment(getattr(letter, name)) for name, key in MOMENTS.items()},
        "draft": asdict(draft_of(letter)),
        "places": arrangement_of(letter).document(),
        "books": {name: getattr(letter, name) for name in ("frozen", *COUNTERS)}
        | {"left_by_letter": letter.unsubscribes},
        "digest": {"is": letter.is_digest, "round": letter.digest_round},
        "edition": _edition(home, edition) if edition and letter.state in OVER + GOING else None,
    }


def _told_moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _edition(home: ExportContext, edition: Edition) -> dict[str, object]:
    def opened(row: Edition | EditionVariant, of: str = "") -> dict[str, Any]:
        compiled = home.keys.open(row.compiled_sealed, "edition", f"compiled{of}", edition.pk)
        details = open_json(home.keys, row.details_sealed, "edition", f"details{of}", edition.pk)
        return {"compiled": base64.b64encode(compiled).decode(), "details": details}

    return {
        "number": edition.pk,
        "created": edition.created.isoformat(),
        **{name: getattr(edition, name) for name in EDITION},
        **opened(edition),
        "variants": [
            {
                "place": row.variant_no,
                "language": row.language,
                "people": row.people,
                **opened(row, f" {row.variant_no}"),
            }
            for row in edition.variants.order_by("variant_no")
        ],
    }


# -- coming in ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CampaignRecord:
    """A letter of a file, understood. `books`: what the columns of the campaign will say."""

    number: int
    payload: dict[str, Any]
    draft: Draft
    arrangement: LayoutChanges
    moments: dict[str, datetime | None]
    state: str
    books: dict[str, int]
    version: int
    replies: int | None
    planned: date | None

    def lost(self, places: base.Places) -> bool:
        """Whether it has no place here: its list, tag or segment did not come, or the letter whose version it is."""
        tag, segment, letter = self.payload["tag"], self.payload["segment"], self.payload["version_of"]
        return (
            int(self.payload["list"]) not in places.lists
            or (tag is not None and int(tag) not in places.tags)
            or (segment is not None and self.state == "draft" and segment_here(places.organization, segment) is None)
            or (letter is not None and places.here(CampaignsPart.name, letter) is None)
        )


def _letters(opened: OpenedExport) -> Iterator[CampaignRecord]:
    """In the order of their numbers, so that a letter comes before its other languages. Errors: ExportRefused."""
    names = [name for name in opened.members(FOLDER) if name.endswith(".json")]
    for name in sorted(names, key=lambda path: (len(path), path)):
        try:
            payload = opened.table(name)
            records = [_read(entry) for entry in (payload if isinstance(payload, list) else [payload])]
        except (KeyError, TypeError, ValueError, AttributeError, CampaignError) as wrong:
            raise altered(name) from wrong
        yield from records


def _read(payload: dict[str, Any]) -> CampaignRecord:
    moments = {name: moment(payload[key]) if payload[key] else None for name, key in MOMENTS.items()}
    known = {field.name for field in fields(Draft)}
    draft = actions.checked(Draft(**{name: str(text) for name, text in payload["draft"].items() if name in known}))
    state, books = str(payload["state"]), {name: whole(payload["books"][name]) for name in ("frozen", *COUNTERS)}
    fits = (
        state in STATES
        and payload["unsure"] in ("resend", "hold")
        and payload.get("purpose", consent.LETTERS) in consent.PURPOSES
        and None not in (moments["created"], moments["changed"])
    )
    fits = fits and books["frozen"] == sum(books[name] for name in COUNTERS)
    if not fits or not str(payload["language"]):
        raise ValueError
    if payload["edition"] is None:
        state = "draft"
    else:
        _insist_on_edition(payload["edition"])
    if state in GOING:
        state = "finished"  # Its web copy stays, for those who had it.
    if state not in OVER:
        state, books = "draft", dict.fromkeys(books, 0)
    books = _called_off(books)
    books["unsubscribes"] = whole(payload["books"]["left_by_letter"]) if state in OVER else 0
    # What the second version of the format did not tell is as of a new letter.
    version, replies = whole(payload.get("version") or 1, VERSION, 1), payload.get("replies")
    if len(str(payload.get("folder") or "")) > folders.LONGEST:
        raise ValueError
    whole(payload["digest"]["round"])
    for name in ("list", "tag", "template", "version_of"):
        whole(payload[name] or 0, NUMBER)
    arrangement = LayoutChanges.read(payload["places"])
    number, replies = whole(payload["number"], NUMBER), None if replies is None else whole(replies)
    planned = day(payload["planned"]) if payload.get("planned") else None
    if planned and planned.year not in YEARS:
        raise ValueError
    return CampaignRecord(number, payload, draft, arrangement, moments, state, books, version, replies, planned)


def _called_off(books: dict[str, int]) -> dict[str, int]:
    owed = books["pending"] + books["deferred"]
    return books | {"cancelled": books["cancelled"] + owed, "pending": 0, "deferred": 0}


def _insist_on_edition(payload: dict[str, Any]) -> None:
    fits = whole(payload["number"], EDITION_NUMBER) >= 0 and whole(payload["link_key"], KEY) >= 0
    for variant in (payload, *payload["variants"]):
        loads(base64.b64decode(variant["compiled"], validate=True))
        fits = fits and isinstance(variant["details"], dict) and "subject" in variant["details"]
    lengths = {"message_id_domain": 253, "archive_slug": 40, "marks": 80, "languages": 120}
    fits = fits and all(len(str(payload[name])) <= most for name, most in lengths.items())
    fits = fits and len(totals.dump(totals.load(str(payload.get("counted_places", ""))))) <= 400
    fits = fits and all(
        whole(variant["place"], 254, 1) and whole(variant["people"]) >= 0 for variant in payload["variants"]
    )
    moment(payload["created"])
    if not fits:
        raise ValueError


def segment_here(organization: Organization, name: str) -> Segment | None:
    try:
        return lookup.segment_named(organization, name)
    except Exception:  # What it asked for may not have come either.
        return None


def _make(letter: CampaignRecord, places: base.Places) -> Campaign:
    payload, organization = letter.payload, places.organization
    segment = segment_here(organization, payload["segment"]) if payload["segment"] else None
    row = Campaign(
        organization=organization,
        list_id=places.lists[int(payload["list"])],
        tag_id=places.tags[int(payload["tag"])] if payload["tag"] is not None else None,
        segment=segment,
        template_id=places.here(Templates.name, payload["template"]),
        version_of_id=places.here(CampaignsPart.name, payload["version_of"]),
        language=str(payload["language"])[:8],
        state=letter.state,
        unsure_policy=payload["unsure"],
        is_digest=bool(payload["digest"]["is"]),
        digest_round=min(max(0, int(payload["digest"]["round"])), 1 << 30),
        version=letter.version,
        replies=letter.replies,
        planned=letter.planned if letter.state == "draft" else None,
        folder=_folder(payload, places),
        purpose=consent.PURPOSES.index(payload.get("purpose") or consent.LETTERS),
        archive_hidden=payload.get("unlisted") is True or (letter.state in OVER and _went_to_few(payload)),
        draft_sealed=b"",
        **letter.books,
        **(letter.moments if letter.state in OVER else {name: letter.moments[name] for name in ("created", "changed")}),
    )
    if row.state == "draft" and row.is_digest:
        row.reason = STUCK  # Nothing leaves a house that is new without somebody's press.
    elif row.state == "draft":
        row.digest_round = 0
    row.save(force_insert=True)
    words = {name: renamed(text, places) for name, text in asdict(letter.draft).items()}
    row.draft_sealed = sealed(row, Draft(**words))
    row.places_sealed = sealed_arrangement(row, renamed_in(letter.arrangement, places))
    row.save(update_fields=["draft_sealed", "places_sealed"])
    if letter.state in OVER:
        _make_edition(row, payload["edition"])
    return row


def _went_to_few(payload: Mapping[str, object]) -> bool:
    """Its tag or segment may not be here, and it is no letter to all for that."""
    appeal = payload.get("purpose") == consent.APPEALS
    return payload["tag"] is not None or bool(payload["segment"]) or appeal


def _folder(payload: Mapping[str, object], places: base.Places) -> Folder | None:
    """By its name; made where there is none. Where there are too many, the letter is in none."""
    name, organization = str(payload.get("folder") or ""), places.organization
    for view in folders.folders(organization) if name else ():
        if view.name.casefold() == name.casefold():
            return folders.folder_of(organization, view.number)
    try:
        return folders.add(organization, name, by=places.by, now=places.now) if name else None
    except CampaignError:
        return None


def edition_of(letter: Campaign) -> Edition | None:
    return Edition.objects.filter(campaign=letter).first()


def _make_edition(campaign: Campaign, payload: dict[str, Any]) -> None:
    """Under its number, which stands in the links of its letters; under another one where this house has that."""
    keys, number = keyring.keys(campaign.organization), int(payload["number"])
    if Edition.objects.filter(pk=number).exists():
        number = new_edition_number()
    slug = str(payload["archive_slug"])
    if slug and Edition.objects.filter(archive_slug=slug).exists():
        slug = ""
    columns = {name: str(payload.get(name, "")) for name in EDITION} | {
        "archive_slug": slug,
        "link_key": payload["link_key"],
    }

    def closed(version: dict[str, Any], of: str = "") -> dict[str, bytes]:
        compiled = base64.b64decode(version["compiled"])
        return {
            "compiled_sealed": keys.seal(compiled, "edition", f"compiled{of}", number),
            "details_sealed": seal_json(keys, version["details"], "edition", f"details{of}", number),
        }

    edition = Edition.objects.create(
        pk=number,
        campaign=campaign,
        organization=campaign.organization,
        created=datetime.fromisoformat(payload["created"]),
        **columns,
        **closed(payload),
    )
    for version in payload["variants"]:
        place = int(version["place"])
        variant = {"variant_no": place, "language": str(version["language"])[:8], "people": int(version["people"])}
        EditionVariant.objects.create(edition=edition, **variant, **closed(version, f" {place}"))
