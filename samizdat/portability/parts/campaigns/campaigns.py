"""Letters: drafts as they stand, and what was sent with its text, its books and its frozen edition.

Who got a letter does not go along. So what is over comes in as over; what was on its way too, with what was still owed
called off, for nobody here knows whom it reached; what had not begun as a draft, for a person to release.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain
from typing import Annotated, Any, Literal

from django.db import transaction
from msgspec import Meta, Struct, convert, field, structs, to_builtins

from samizdat.accounts.models import Organization
from samizdat.audience.models import Segment
from samizdat.audience.segments import lookup
from samizdat.campaigns import actions, edition_details, folders
from samizdat.campaigns.content import content_of, with_urls
from samizdat.campaigns.digest import STUCK
from samizdat.campaigns.drafts.draft import Draft, draft_of, sealed
from samizdat.campaigns.edition_details import EditionDetails, slug_of
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import (
    COUNTERS,
    STATES,
    WELCOME,
    Campaign,
    Edition,
    EditionVariant,
    Folder,
    new_edition_number,
)
from samizdat.campaigns.templates.layout_store import arrangement_of
from samizdat.campaigns.templates.layout_store import sealed as sealed_arrangement
from samizdat.core import ab_test, consent, languages, totals
from samizdat.core.content.blocks.schema import MAX_ANSWERS
from samizdat.core.content.message import loads
from samizdat.core.content.render import Content
from samizdat.core.content.render.counted_links import MOST
from samizdat.core.content.templates.layout import LayoutChanges, LayoutTooLong, insist_on_size
from samizdat.dbclock import YEARS
from samizdat.events.actions import record
from samizdat.portability.parts import base
from samizdat.portability.parts.campaigns.media import insist_on_room, renamed_in
from samizdat.portability.parts.campaigns.templates import Templates, templates_in
from samizdat.portability.read import KEY, OpenedExport, altered
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.value_limits import Whole, day, moment
from samizdat.portability.zip_stream import ZipWriter
from samizdat.vault import keyring

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
type Number = Annotated[int, Meta(ge=0, le=NUMBER)]
type Text = Annotated[str, Meta(min_length=1)]
# Columns of an edition that go along as they are.
EDITION = ("link_key", "message_id_domain", "archive_slug", "marks", "languages")


# Room is looked at once for so many letters: summing up what there is takes longer than a letter.
COUNTED = 20
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
        sources = {number: text.source for number, (_changed, text) in templates_in(opened).items()}
        count = 0
        for letter in _letters(opened):
            _insist_on_size(sources.get(letter.template or 0, ""), letter)
            count += 1
        return count

    def take(self, opened: OpenedExport, places: base.Places) -> int:
        for letter in _letters(opened):
            if places.here(self.name, letter.number) is None and not letter.lost(places):
                with transaction.atomic():
                    places.put(self.name, letter.number, _make(letter, places).pk)
                    if len(places.all(self.name)) % COUNTED == 0:
                        insist_on_room(places.organization)
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


def _told(home: ExportContext, letter: Campaign) -> dict[str, object]:
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
        "unlisted": letter.archive_hidden or (letter.state in OVER + GOING and not letter.goes_to_all),
        **{key: _told_moment(getattr(letter, name)) for name, key in MOMENTS.items()},
        "draft": structs.asdict(draft_of(letter)),
        "places": to_builtins(arrangement_of(letter), order="deterministic"),
        "books": {name: getattr(letter, name) for name in ("frozen", *COUNTERS)}
        | {"left_by_letter": letter.unsubscribes},
        "digest": {"is": letter.is_digest, "round": letter.digest_round},
        "welcome": bool(letter.welcome),
        "edition": _edition(home, edition) if edition and letter.state in OVER + GOING else None,
    }


def _told_moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _edition(home: ExportContext, edition: Edition) -> dict[str, object]:
    def opened(row: Edition | EditionVariant, of: str = "") -> dict[str, object]:
        compiled = home.keys.open(row.compiled_sealed, "edition", f"compiled{of}", edition.pk)
        # Of which its web copies are made stands in the draft beside it.
        details = structs.replace(
            edition_details.opened(home.keys, row), content=None, counted_places="", asked=(), fields=()
        )
        return {"compiled": base64.b64encode(compiled).decode(), "details": to_builtins(details)}

    return {
        "number": edition.pk,
        "created": edition.created.isoformat(),
        **{name: getattr(edition, name) for name in EDITION},
        "counted_places": totals.dump(edition_details.counted_versions(edition)),
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


class _CompiledLetter(Struct, frozen=True):
    """What is compiled, as base64, and what is kept beside it."""

    compiled: bytes
    details: EditionDetails

    def __post_init__(self) -> None:
        loads(self.compiled)


class _Variant(_CompiledLetter, frozen=True):
    place: Annotated[int, Meta(ge=1, le=254)]
    language: str
    people: Whole


class _Edition(_CompiledLetter, frozen=True):
    number: Annotated[int, Meta(ge=0, le=EDITION_NUMBER)]
    created: str
    link_key: Annotated[int, Meta(ge=0, le=KEY)]
    message_id_domain: Annotated[str, Meta(max_length=253)]
    archive_slug: Annotated[str, Meta(pattern=r"\A[0-9a-z-]{0,40}\Z")]  # Of a page, and of a file of `archive`.
    marks: Annotated[str, Meta(max_length=80)]
    languages: Annotated[str, Meta(max_length=120)]
    variants: list[_Variant]
    counted_places: str = ""

    def __post_init__(self) -> None:
        loads(self.compiled)
        moment(self.created)
        if len(totals.dump(totals.load(self.counted_places))) > 400:
            raise ValueError("too many places")


class _Digest(Struct, frozen=True):
    round: Whole
    is_digest: bool = field(name="is")


class CampaignRecord(Struct, frozen=True):
    """A letter of a file. What the second version of the format did not tell is as of a new letter."""

    number: Number
    list: Number
    tag: Number | None
    segment: str | None
    template: Number | None
    language: Text
    version_of: Number | None
    state: str
    unsure: Literal["resend", "hold"]
    created: Text
    changed: Text
    due: str | None
    released: str | None
    finished: str | None
    draft: Draft
    places: LayoutChanges
    books: dict[str, Whole]
    digest: _Digest
    edition: _Edition | None
    purpose: str = consent.LETTERS
    version: Annotated[int, Meta(ge=1, le=VERSION)] = 1
    folder: Annotated[str, Meta(max_length=folders.LONGEST)] | None = None
    replies: Whole | None = None
    planned: str | None = None
    unlisted: bool = False
    welcome: bool = False

    def lost(self, here: base.Places) -> bool:
        """Whether it has no place here: its list, tag or segment did not come, or the letter whose version it is."""
        segment, letter = self.segment, self.version_of
        return (
            self.list not in here.lists
            or (self.tag is not None and self.tag not in here.tags)
            or (segment is not None and self.state_here == "draft" and segment_here(here.organization, segment) is None)
            or (letter is not None and here.here(CampaignsPart.name, letter) is None)
        )

    @property
    def state_here(self) -> str:
        """Of one that was on its way the web copy stays, for those who had it."""
        if self.edition is None or self.state not in OVER + GOING:
            return "draft"
        return self.state if self.state in OVER else "finished"


def _letters(opened: OpenedExport) -> Iterator[CampaignRecord]:
    """In the order of their numbers, so that a letter comes before its other languages. Errors: ExportRefused."""
    names = [name for name in opened.members(FOLDER) if name.endswith(".json")]
    for name in sorted(names, key=lambda path: (len(path), path)):
        try:
            payload = opened.table(name)
            records = convert(payload if isinstance(payload, list) else [payload], list[CampaignRecord])
            yield from [_checked(record) for record in records]
        except (KeyError, TypeError, ValueError, AttributeError, CampaignError) as wrong:
            raise altered(name) from wrong


def _checked(letter: CampaignRecord) -> CampaignRecord:
    """What no type can say. Errors: KeyError, TypeError, ValueError, CampaignError."""
    _moments(letter)
    if letter.planned and day(letter.planned).year not in YEARS:
        raise ValueError
    fits = letter.state in STATES and letter.purpose in consent.PURPOSES
    if not fits or letter.books["frozen"] != sum(letter.books[name] for name in COUNTERS):
        raise ValueError
    if letter.edition:
        _insist_on_limits(letter.edition)
    return structs.replace(letter, draft=actions.checked(letter.draft))


def _insist_on_limits(edition: _Edition) -> None:
    """Those of a release: each version, link and answer costs everybody time, each quarter of an hour. Errors:
    ValueError."""
    places = {variant.place for variant in edition.variants}
    details = [version.details for version in (edition, *edition.variants)]
    if len(places) < len(edition.variants) or len(details) > max(languages.MOST, ab_test.MOST):
        raise ValueError
    if sum(len(each.counted) for each in details) > MOST:
        raise ValueError
    if any(len(each.question.answers) > MAX_ANSWERS for each in details if each.question):
        raise ValueError


def _moments(letter: CampaignRecord) -> dict[str, datetime | None]:
    texts = {column: getattr(letter, name) for column, name in MOMENTS.items()}
    return {column: moment(text) if text else None for column, text in texts.items()}


def _books(letter: CampaignRecord) -> dict[str, int]:
    """What the columns of the campaign will say: what was still owed is called off."""
    if letter.state_here == "draft":
        return dict.fromkeys(("frozen", *COUNTERS, "unsubscribes"), 0)
    books = {name: letter.books[name] for name in ("frozen", *COUNTERS)}
    owed = books["pending"] + books["deferred"]
    called_off = {"cancelled": books["cancelled"] + owed, "pending": 0, "deferred": 0}
    return books | called_off | {"unsubscribes": letter.books["left_by_letter"]}


def segment_here(organization: Organization, name: str) -> Segment | None:
    try:
        return lookup.segment_named(organization, name)
    except Exception:  # What it asked for may not have come either.
        return None


def _make(letter: CampaignRecord, places: base.Places) -> Campaign:
    organization, is_over, moments = places.organization, letter.state_here in OVER, _moments(letter)
    segment = segment_here(organization, letter.segment) if letter.segment else None
    row = Campaign(
        organization=organization,
        list_id=places.lists[letter.list],
        tag_id=places.tags[letter.tag] if letter.tag is not None else None,
        segment=segment,
        template_id=places.here(Templates.name, letter.template),
        version_of_id=places.here(CampaignsPart.name, letter.version_of),
        language=letter.language[:8],
        state=letter.state_here,
        unsure_policy=letter.unsure,
        is_digest=letter.digest.is_digest,
        welcome=WELCOME if letter.welcome else 0,
        digest_round=min(letter.digest.round, 1 << 30),
        version=letter.version,
        replies=letter.replies,
        planned=day(letter.planned) if letter.planned and not is_over else None,
        folder=_folder(letter.folder or "", places),
        purpose=consent.PURPOSES.index(letter.purpose),
        archive_hidden=letter.unlisted or (is_over and _went_to_few(letter)),
        draft_sealed=b"",
        **_books(letter),
        **(moments if is_over else {name: moments[name] for name in ("created", "changed")}),
    )
    if row.state == "draft" and row.is_digest:
        row.reason = STUCK  # Nothing leaves a house that is new without somebody's press.
    elif row.state == "draft":
        row.digest_round = 0
    row.save(force_insert=True)
    row.draft_sealed = sealed(row, renamed_in(letter.draft, places))
    row.places_sealed = sealed_arrangement(row, renamed_in(letter.places, places))
    row.save(update_fields=["draft_sealed", "places_sealed"])
    if is_over and letter.edition:
        _make_edition(row, letter, letter.edition)
    elif row.version_of is not None:
        _make_web_version(row)
    return row


def _insist_on_size(source: str, letter: CampaignRecord) -> None:
    """Of the template with what the letter makes of it: it may be repeated without end. Errors: ExportRefused."""
    try:
        insist_on_size(source, letter.places)
    except LayoutTooLong as wrong:
        raise altered(FOLDER) from wrong


def _went_to_few(letter: CampaignRecord) -> bool:
    """Its tag or segment may not be here, and it is no letter to all for that."""
    return letter.tag is not None or bool(letter.segment) or letter.purpose == consent.APPEALS or letter.welcome


def _folder(name: str, places: base.Places) -> Folder | None:
    """By its name; made where there is none. Where there are too many, the letter is in none."""
    organization = places.organization
    for view in folders.folders(organization) if name else ():
        if view.name.casefold() == name.casefold():
            return folders.folder_of(organization, view.number)
    try:
        return folders.add(organization, name, by=places.by, now=places.now) if name else None
    except CampaignError:
        return None


def edition_of(letter: Campaign) -> Edition | None:
    return Edition.objects.filter(campaign=letter).first()


def _make_edition(campaign: Campaign, letter: CampaignRecord, edition: _Edition) -> None:
    """Under its number, which stands in the links of its letters; under another one where this house has that."""
    keys, number = keyring.keys(campaign.organization), edition.number
    # One to those whom another letter did not reach is told as unlisted, and by its details.
    went_to_all = edition.details.to_all or not letter.unlisted
    if Edition.objects.filter(pk=number).exists():
        number = new_edition_number()
    columns = {name: getattr(edition, name) for name in EDITION}
    if edition.archive_slug and Edition.objects.filter(archive_slug=edition.archive_slug).exists():
        columns["archive_slug"] = ""

    here = {
        "campaign": campaign.pk,
        "list": campaign.list_id,
        "purpose": campaign.purpose,
        "to_all": campaign.goes_to_all and not _went_to_few(letter) and went_to_all,
        "unlisted": campaign.archive_hidden,
        "template": campaign.template_id or 0,
        "imported": True,
        "asked": (),
        "counted_places": edition.counted_places,
    }

    def closed(version: _CompiledLetter, language: str, content: Content | None, of: str = "") -> dict[str, bytes]:
        details = structs.replace(version.details, **here, language=language, content=content)
        return {
            "compiled_sealed": keys.seal(version.compiled, "edition", f"compiled{of}", number),
            "details_sealed": edition_details.sealed(keys, number, details, of),
        }

    row = Edition.objects.create(
        pk=number,
        campaign=campaign,
        organization=campaign.organization,
        created=moment(edition.created),
        **columns,
        **closed(edition, campaign.language, _content(campaign, columns["archive_slug"])),
    )
    for variant in edition.variants:
        language = variant.language[:8]
        facts = {"variant_no": variant.place, "language": language, "people": variant.people}
        details = closed(variant, language or campaign.language, None, f" {variant.place}")
        EditionVariant.objects.create(edition=row, **facts, **details)


def _content(campaign: Campaign, slug: str) -> Content:
    return with_urls(content_of(campaign, draft_of(campaign)), slug)


def _make_web_version(version: Campaign) -> None:
    """What its web copy is made of: another language of a letter comes in after it."""
    row = EditionVariant.objects.filter(edition__campaign=version.version_of, language=version.language).first()
    if row is None:
        return
    keys, edition = keyring.keys(version.organization), row.edition
    content = _content(version, slug_of(edition, version.language))
    details = structs.replace(edition_details.opened(keys, row), content=content)
    row.details_sealed = edition_details.sealed(keys, edition.pk, details, f" {row.variant_no}")
    row.save(update_fields=["details_sealed"])
