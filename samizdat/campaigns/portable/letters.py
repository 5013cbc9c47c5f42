"""Letters: drafts as they stand, and what was sent with its text, its books and its frozen edition.

Who got a letter does not go along. So what is over comes in as over; what was on its way too, with what was still owed
called off, for nobody here knows whom it reached; what had not begun as a draft, for a person to release.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from itertools import chain
from typing import Any

from django.db import transaction

from samizdat.audience.exporting import besides
from samizdat.audience.exporting.packing import Zip
from samizdat.audience.exporting.people import House
from samizdat.audience.exporting.reading import KEY, Opened, altered
from samizdat.audience.exporting.values import day, moment, whole
from samizdat.audience.models import Segment
from samizdat.audience.segments import saved
from samizdat.campaigns import actions, folders
from samizdat.campaigns.arrangement import arrangement_of
from samizdat.campaigns.arrangement import sealed as sealed_arrangement
from samizdat.campaigns.digest import STUCK
from samizdat.campaigns.draft import Draft, draft_of, sealed
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
from samizdat.campaigns.portable.pictures import renamed, renamed_in
from samizdat.campaigns.portable.templates import Templates
from samizdat.core import consent, totals
from samizdat.core.message import loads
from samizdat.core.templating import Arrangement
from samizdat.events.actions import record
from samizdat.hours import YEARS
from samizdat.vault import house
from samizdat.vault.sealed import open_json, seal_json

FOLDER = "letters/"
OVER, GOING = ("finished", "cancelled"), ("sending", "paused", "waiting")
MOMENTS = ("created", "changed", "due", "released", "finished")
# The highest that a file may bring: of rows, of an edition (models.new_edition_number), of versions: more will come.
NUMBER, EDITION_NUMBER, VERSION = 1 << 62, (1 << 47) - 1, 1 << 30
# Columns of an edition that go along as they are.
EDITION = ("link_key", "message_id_domain", "archive_slug", "marks", "languages", "counted_places")


# Characters of a file's rows, from which on the next one begins. One file a letter would be too many: a house of a
# hundred lists has 100,000 letters in twenty years.
LONG = 2 << 20


def give(box: Zip, folder: str, rows: Iterable[dict[str, Any]]) -> int:
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


class Letters:
    """In letters/, many to a file."""

    name = "letters"

    def give(self, home: House, box: Zip) -> int:
        return give(box, self.name, (_told(home, letter) for letter in going_along(home)))

    def check(self, opened: Opened) -> int:
        return sum(1 for _letter in _letters(opened))

    def take(self, opened: Opened, places: besides.Places) -> int:
        for letter in _letters(opened):
            if places.here(self.name, letter.number) is None and not letter.lost(places):
                with transaction.atomic():
                    places.put(self.name, letter.number, _make(letter, places).pk)
        many = len(places.all(self.name))
        if many:
            record("letters.brought", places.organisation, now=places.now, by=places.by, detail={"letters": many})
        return many


def going_along(home: House) -> Iterator[Campaign]:
    """The letters of an export, in the order of their numbers: each is fetched when its turn comes, and passed over
    where somebody threw it away meanwhile."""
    rows = Campaign.objects.filter(organisation=home.organisation).order_by("pk")
    for number in list(rows.values_list("pk", flat=True)):
        letter = rows.select_related("organisation", "version_of", "tag", "segment", "folder").filter(pk=number).first()
        if letter is not None and _goes_along(letter):
            yield letter


def _goes_along(letter: Campaign) -> bool:
    """A draft is left behind where it would go to others than here: to those whom another letter did not reach, to a
    tag or a segment that was removed."""
    letter = letter.version_of or letter
    if letter.state in OVER or letter.state in GOING:
        return True
    gone = (letter.tag is not None and letter.tag.removed) or (letter.segment is not None and letter.segment.removed)
    return letter.again_id is None and not gone


def _told(home: House, letter: Campaign) -> dict[str, Any]:
    edition = Edition.objects.filter(campaign=letter).first()
    segment = None
    if letter.segment is not None and not letter.segment.removed:
        segment = saved.name_of(letter.segment)
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
        "folder": folders.name_of(home.organisation, letter.folder) if letter.folder else None,
        "replies": letter.replies,
        "planned": letter.planned.isoformat() if letter.planned else None,
        "unlisted": letter.unlisted or (letter.state in OVER + GOING and not goes_to_all(letter)),
        **{name: _told_moment(getattr(letter, name)) for name in MOMENTS},
        "draft": asdict(draft_of(letter)),
        "places": arrangement_of(letter).document(),
        "books": {name: getattr(letter, name) for name in ("frozen", *COUNTERS, "left_by_letter")},
        "digest": {"is": letter.is_digest, "round": letter.digest_round},
        "edition": _edition(home, edition) if edition and letter.state in OVER + GOING else None,
    }


def _told_moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _edition(home: House, edition: Edition) -> dict[str, Any]:
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
            {"place": row.place, "language": row.language, "people": row.people, **opened(row, f" {row.place}")}
            for row in edition.variants.order_by("place")
        ],
    }


# -- coming in ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter of a file, understood. `books`: what the columns of the campaign will say."""

    number: int
    told: dict[str, Any]
    draft: Draft
    arrangement: Arrangement
    moments: dict[str, datetime | None]
    state: str
    books: dict[str, int]
    version: int
    replies: int | None
    planned: date | None

    def lost(self, places: besides.Places) -> bool:
        """Whether it has no place here: its list, tag or segment did not come, or the letter whose version it is."""
        tag, segment, letter = self.told["tag"], self.told["segment"], self.told["version_of"]
        return (
            int(self.told["list"]) not in places.lists
            or (tag is not None and int(tag) not in places.tags)
            or (segment is not None and self.state == "draft" and segment_here(places.organisation, segment) is None)
            or (letter is not None and places.here(Letters.name, letter) is None)
        )


def _letters(opened: Opened) -> Iterator[Letter]:
    """In the order of their numbers, so that a letter comes before its other languages. Errors: ExportRefused."""
    names = [name for name in opened.members(FOLDER) if name.endswith(".json")]
    for name in sorted(names, key=lambda one: (len(one), one)):
        try:
            told = opened.table(name)
            found = [_read(one) for one in (told if isinstance(told, list) else [told])]
        except (KeyError, TypeError, ValueError, AttributeError, CampaignError) as wrong:
            raise altered(name) from wrong
        yield from found


def _read(told: dict[str, Any]) -> Letter:
    moments = {name: moment(told[name]) if told[name] else None for name in MOMENTS}
    known = {one.name for one in fields(Draft)}
    draft = actions.checked(Draft(**{name: str(text) for name, text in told["draft"].items() if name in known}))
    state, books = str(told["state"]), {name: whole(told["books"][name]) for name in ("frozen", *COUNTERS)}
    fits = (
        state in STATES
        and told["unsure"] in ("resend", "hold")
        and told.get("purpose", consent.LETTERS) in consent.PURPOSES
        and None not in (moments["created"], moments["changed"])
    )
    fits = fits and books["frozen"] == sum(books[name] for name in COUNTERS)
    if not fits or not str(told["language"]):
        raise ValueError
    if told["edition"] is None:
        state = "draft"
    else:
        _insist_on_edition(told["edition"])
    if state in GOING:
        state = "finished"  # Its web copy stays, for those who had it.
    if state not in OVER:
        state, books = "draft", dict.fromkeys(books, 0)
    books = _called_off(books)
    books["left_by_letter"] = whole(told["books"]["left_by_letter"]) if state in OVER else 0
    # What the second version of the format did not tell is as of a new letter.
    version, replies = whole(told.get("version") or 1, VERSION, 1), told.get("replies")
    if len(str(told.get("folder") or "")) > folders.LONGEST:
        raise ValueError
    whole(told["digest"]["round"])
    for name in ("list", "tag", "template", "version_of"):
        whole(told[name] or 0, NUMBER)
    arrangement = Arrangement.read(told["places"])
    number, replies = whole(told["number"], NUMBER), None if replies is None else whole(replies)
    planned = day(told["planned"]) if told.get("planned") else None
    if planned and planned.year not in YEARS:
        raise ValueError
    return Letter(number, told, draft, arrangement, moments, state, books, version, replies, planned)


def _called_off(books: dict[str, int]) -> dict[str, int]:
    owed = books["pending"] + books["deferred"]
    return books | {"cancelled": books["cancelled"] + owed, "pending": 0, "deferred": 0}


def _insist_on_edition(told: dict[str, Any]) -> None:
    fits = whole(told["number"], EDITION_NUMBER) >= 0 and whole(told["link_key"], KEY) >= 0
    for one in (told, *told["variants"]):
        loads(base64.b64decode(one["compiled"], validate=True))
        fits = fits and isinstance(one["details"], dict) and "subject" in one["details"]
    lengths = {"message_id_domain": 253, "archive_slug": 40, "marks": 80, "languages": 120}
    fits = fits and all(len(str(told[name])) <= most for name, most in lengths.items())
    fits = fits and len(totals.dump(totals.load(str(told.get("counted_places", ""))))) <= 400
    fits = fits and all(whole(one["place"], 254, 1) and whole(one["people"]) >= 0 for one in told["variants"])
    moment(told["created"])
    if not fits:
        raise ValueError


def segment_here(organisation: Any, name: str) -> Segment | None:
    try:
        return saved.segment_named(organisation, name)
    except Exception:  # What it asked for may not have come either.
        return None


def _make(letter: Letter, places: besides.Places) -> Campaign:
    told, organisation = letter.told, places.organisation
    segment = segment_here(organisation, told["segment"]) if told["segment"] else None
    row = Campaign(
        organisation=organisation,
        list_id=places.lists[int(told["list"])],
        tag_id=places.tags[int(told["tag"])] if told["tag"] is not None else None,
        segment=segment,
        template_id=places.here(Templates.name, told["template"]),
        version_of_id=places.here(Letters.name, told["version_of"]),
        language=str(told["language"])[:8],
        state=letter.state,
        unsure_policy=told["unsure"],
        is_digest=bool(told["digest"]["is"]),
        digest_round=min(max(0, int(told["digest"]["round"])), 1 << 30),
        version=letter.version,
        replies=letter.replies,
        planned=letter.planned if letter.state == "draft" else None,
        folder=_folder(told, places),
        purpose=consent.PURPOSES.index(told.get("purpose") or consent.LETTERS),
        unlisted=told.get("unlisted") is True or (letter.state in OVER and _went_to_few(told)),
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
        _make_edition(row, told["edition"])
    return row


def _went_to_few(told: dict[str, Any]) -> bool:
    """Its tag or segment may not be here, and it is no letter to all for that."""
    appeal = told.get("purpose") == consent.APPEALS
    return told["tag"] is not None or bool(told["segment"]) or appeal


def _folder(told: dict[str, Any], places: besides.Places) -> Folder | None:
    """By its name; made where there is none. Where there are too many, the letter is in none."""
    name, organisation = str(told.get("folder") or ""), places.organisation
    for view in folders.folders(organisation) if name else ():
        if view.name.casefold() == name.casefold():
            return folders.folder_of(organisation, view.number)
    try:
        return folders.add(organisation, name, by=places.by, now=places.now) if name else None
    except CampaignError:
        return None


def edition_of(letter: Campaign) -> Edition | None:
    return Edition.objects.filter(campaign=letter).first()


def _make_edition(campaign: Campaign, told: dict[str, Any]) -> None:
    """Under its number, which stands in the links of its letters; under another one where this house has that."""
    keys, number = house.keys(campaign.organisation), int(told["number"])
    if Edition.objects.filter(pk=number).exists():
        number = new_edition_number()
    slug = str(told["archive_slug"])
    if slug and Edition.objects.filter(archive_slug=slug).exists():
        slug = ""
    columns = {name: str(told.get(name, "")) for name in EDITION} | {"archive_slug": slug, "link_key": told["link_key"]}

    def closed(one: dict[str, Any], of: str = "") -> dict[str, bytes]:
        compiled = base64.b64decode(one["compiled"])
        return {
            "compiled_sealed": keys.seal(compiled, "edition", f"compiled{of}", number),
            "details_sealed": seal_json(keys, one["details"], "edition", f"details{of}", number),
        }

    edition = Edition.objects.create(
        pk=number,
        campaign=campaign,
        organisation=campaign.organisation,
        created=datetime.fromisoformat(told["created"]),
        **columns,
        **closed(told),
    )
    for one in told["variants"]:
        place = int(one["place"])
        variant = {"place": place, "language": str(one["language"])[:8], "people": int(one["people"])}
        EditionVariant.objects.create(edition=edition, **variant, **closed(one, f" {place}"))
