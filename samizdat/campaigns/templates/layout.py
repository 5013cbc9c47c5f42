"""What a letter makes of its template: its own words in places, parts repeated, moved, removed, left out."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from types import EllipsisType
from typing import Any, Literal

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Person
from samizdat.campaigns.drafts import revisions
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import CampaignError, DraftChangedMeanwhile, NotADraft
from samizdat.campaigns.media import storage
from samizdat.campaigns.models import Campaign, Template
from samizdat.campaigns.templates import region_names
from samizdat.campaigns.templates.layout_store import arrangement_of, insist_on_room, sealed, source_of, too_much
from samizdat.core.content.render import cleaning
from samizdat.core.content.templates.blocks import read
from samizdat.core.content.templates.layout import (
    MAX_COPIES,
    Hideable,
    LayoutChanges,
    LayoutTooLong,
    Part,
    Parts,
    Region,
    RepeatableRegion,
    WrittenRegion,
    arranged_parts,
    find,
    parts_of,
)

LONGEST_PLACE = 100_000  # characters
TRIES = 5
TITLE_READS = 20_000  # characters; a name has five words

type Deed = Literal["up", "down", "copy", "remove"]


# -- verbs; each raises CampaignError with what to do --


def write(
    campaign: Campaign,
    key: str,
    words: WrittenRegion | None,
    *,
    now: datetime,
    by: Person | None = None,
    page: str = "",
    over: WrittenRegion | EllipsisType | None = ...,
) -> None:
    """A letter's own words for a place of its template; None takes it back to what the template has.

    page: of autosave.save. over: what these words may stand in the place of; Overtaken where there is something else.
    """
    if words is not None:
        words = WrittenRegion(cleaned(words.html), words.blocks)

    def done(own: LayoutChanges, _part: Region) -> LayoutChanges:
        if over is not ... and own.texts.get(key) != over:
            raise DraftChangedMeanwhile(
                _("A colleague changed this block while you were editing. Choose which version to keep.")
            )
        return own.written(key, words)

    _change(campaign, key, Region, done, by, now, page)


def cleaned(source: str) -> str:
    """HTML as a place may hold it. Errors: CampaignError."""
    if len(source) > LONGEST_PLACE or cleaning.nesting(source) > cleaning.MAX_NESTING:
        raise CampaignError(_("That’s too much for one area of a template. Put it into the email itself."))
    return cleaning.clean(source, outlook=False)


def hide(campaign: Campaign, key: str, hidden: bool, *, now: datetime, by: Person | None = None) -> None:
    _change(campaign, key, Hideable, lambda own, _part: own.hiding(key, hidden), by, now)


def add(campaign: Campaign, key: str, model: int, *, now: datetime, by: Person | None = None) -> None:
    """One more of a part that can be repeated, as the template has it."""
    _change(campaign, key, RepeatableRegion, lambda own, part: own.added(part, model), by, now)


def arrange(campaign: Campaign, key: str, copy: str, deed: Deed, *, now: datetime, by: Person | None = None) -> None:
    """Moves, doubles or removes one copy of a part that can be repeated."""

    def done(own: LayoutChanges, part: Any) -> LayoutChanges:
        match deed:
            case "up":
                return own.moved(part, copy, -1)
            case "down":
                return own.moved(part, copy, 1)
            case "copy":
                return own.copied(part, copy)
            case "remove":
                return own.removed(part, copy)

    _change(campaign, key, RepeatableRegion, done, by, now)


def _change(
    campaign: Campaign,
    key: str,
    kind: type,
    change: Callable[[LayoutChanges, Any], LayoutChanges],
    by: Person | None,
    now: datetime,
    page: str = "",
) -> None:
    """A version of the draft like any other. The version is the lock: of two who write in two places, or one of them
    in the letter, nobody undoes the other.
    """
    for _try in range(TRIES):
        own, part = arrangement_of(campaign), None
        if campaign.template is not None:
            part = find(parts_of(source_of(campaign.template)), own, key)
        if not isinstance(part, kind):
            raise CampaignError(
                _("The template of this campaign no longer has this block. Copy what you typed, then reload the page.")
            )
        try:
            wanted = change(own, part)
        except KeyError:
            raise CampaignError(_("A colleague deleted this block while you were editing. Reload the page.")) from None
        except LayoutTooLong:
            raise too_much() from None
        except ValueError:
            raise CampaignError(_("A block can appear at most %(n)s times in an email.") % {"n": MAX_COPIES}) from None
        insist_on_room(campaign.template, wanted)
        if wanted == own or _stored(campaign, wanted, by, now, page):
            return
        campaign.refresh_from_db(fields=["state", "version", "draft_sealed", "places_sealed", "template"])
        if campaign.state != "draft":
            raise NotADraft(
                _("This campaign is already sent or scheduled and can’t be changed. Duplicate it and change the copy.")
            )
    raise DraftChangedMeanwhile(_("A colleague is changing the same blocks. Try again."))


def _stored(campaign: Campaign, wanted: LayoutChanges, by: Person | None, now: datetime, page: str) -> bool:
    """False: somebody saved meanwhile, and nothing was written."""
    version, blob = campaign.version, sealed(campaign, wanted)
    storage.insist_on_room_for_draft(campaign.organization, len(blob or b""), version + 1)
    with transaction.atomic():
        revisions.keep_before(campaign, version)
        same = Campaign.objects.filter(pk=campaign.pk, state="draft", version=version)
        if not same.update(places_sealed=blob, version=version + 1, changed=now):
            return False
        campaign.places_sealed, campaign.version, campaign.changed = blob, version + 1, now
        revisions.keep(campaign, draft_of(campaign), number=version + 1, by=by, at=now, page=page)
    return True


# -- as a page shows it --


@dataclass(frozen=True, slots=True)
class PlaceView:
    """A part that a letter may put its own words into; `own` is None while it has not. `title`: what it is called."""

    key: str
    usual: str
    holder: str
    own: WrittenRegion | None
    title: str = ""
    kind: str = "place"

    @property
    def html(self) -> str:
        return self.usual if self.own is None else self.own.html

    @property
    def words(self) -> str:
        return region_names.words_of(self.html)

    @property
    def is_picture(self) -> bool:
        """Whether the template has a picture there and nothing else."""
        parsed = read(self.usual) if "<img" in self.usual.lower() else None
        return parsed is not None and parsed.is_picture

    @property
    def picture(self) -> str:
        """The picture of the library that stands there; "" for none."""
        match = _LIBRARY.search(self.html) if self.is_picture else None
        return match[1] if match else ""

    @property
    def elsewhere(self) -> str:
        """The host of a picture that is not of the library; "" for none."""
        match = _SOURCE.search(self.html) if self.is_picture and not self.picture else None
        return match[1] if match else ""


_LIBRARY = re.compile(r"<img\b[^<>]*?\bsrc=\"[^\"]*/m/([0-9a-f]{8,40})\.[a-z]{3,4}\"")
_SOURCE = re.compile(r"<img\b[^<>]*?\bsrc=\"(?:https?:)?//([^\"/]+)")


@dataclass(frozen=True, slots=True)
class HideView:
    key: str
    hidden: bool
    inner: "list[PartView]"
    title: str = ""
    kind: str = "hide"


@dataclass(frozen=True, slots=True)
class CopyView:
    id: str
    variant: str
    inner: "list[PartView]"


@dataclass(frozen=True, slots=True)
class RepeatView:
    key: str
    variants: tuple[str, ...]
    copies: tuple[CopyView, ...]
    title: str = ""
    kind: str = "repeat"


type PartView = PlaceView | HideView | RepeatView


def parts(campaign: Campaign) -> list[PartView]:
    """The parts of the letter's template that it can do something with, in the order of the page."""
    if campaign.template is None:
        return []
    return _views(parts_of(source_of(campaign.template)), arrangement_of(campaign), "")


def every_part(template: Template, own: LayoutChanges) -> list[PartView]:
    """The parts of a template as an arrangement has them, those inside of others behind them."""
    return list(_flat(_views(parts_of(source_of(template)), own, "")))


def outline(template: Template) -> list[str]:
    """What the parts of a template are called."""
    return [view.title for view in every_part(template, LayoutChanges())]


def place(campaign: Campaign, key: str) -> PlaceView | None:
    return next((view for view in _flat(parts(campaign)) if isinstance(view, PlaceView) and view.key == key), None)


def _flat(views: Iterable[PartView]) -> Iterator[PartView]:
    for view in views:
        yield view
        match view:
            case HideView():
                yield from _flat(view.inner)
            case RepeatView():
                for copy in view.copies:
                    yield from _flat(copy.inner)


def _views(template_parts: Parts, own: LayoutChanges, prefix: str) -> list[PartView]:
    """Neighbors are told apart by their names."""
    shown = [view for part in template_parts if (view := _view(part, own, prefix))]
    titles = region_names.told_apart([called for _view, called in shown])
    return [replace(view, title=title) for (view, _called), title in zip(shown, titles, strict=True)]


def _view(part: Part, own: LayoutChanges, prefix: str) -> tuple[PartView, region_names.RegionName] | None:
    match part:
        case Region():
            key = prefix + part.name
            view = PlaceView(key, part.usual.strip(), part.holder, own.texts.get(key))
            return view, region_names.place(part.name, view.words, view.is_picture)
        case Hideable():
            key = prefix + part.name
            hidden = HideView(key, key in own.hidden, _views(part.inner, own, prefix))
            return hidden, region_names.hideable(part.name, _beginning(part.inner))
        case RepeatableRegion():
            copies = tuple(
                CopyView(
                    copy.id,
                    part.models[copy.model].variant,
                    _views(part.models[copy.model].inner, own, f"{part.name}/{copy.id}/"),
                )
                for copy in own.of(part)
                if copy.model < len(part.models)
            )
            repeat = RepeatView(part.name, tuple(model.variant for model in part.models), copies)
            return repeat, region_names.repeated(part.name, _beginning(part.models[0].inner))
    return None


def _beginning(template_parts: Parts) -> str:
    """What a part is called by. A part may hold another one that holds another one, 200 deep, and each the whole page:
    reading all of them took 4 s where 200 KB lay in the innermost.
    """
    return region_names.words_of(_usual(template_parts)[:TITLE_READS])


def _usual(template_parts: Parts) -> str:
    """A part as the template has it, with all that is inside."""
    return arranged_parts(template_parts, LayoutChanges())
