"""What a letter makes of its template: its own words in places, parts repeated, moved, removed, left out."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.utils.translation import gettext as _

from samizdat.campaigns import templating
from samizdat.campaigns.errors import CampaignError, NotADraft, Overtaken
from samizdat.campaigns.models import Campaign
from samizdat.core.letter import cleaning
from samizdat.core.templating import Arrangement, Written, arranged
from samizdat.core.templating.arranging import MAX_COPIES, Hideable, Part, Parts, Place, Repeat, find, parts_of
from samizdat.vault import house
from samizdat.vault.sealed import open_json, seal_json

LONGEST_PLACE = 100_000  # characters
TRIES = 5

type Deed = Literal["up", "down", "copy", "remove"]


def source_for(campaign: Campaign) -> str:
    """The template of a letter as the letter has it; empty for the built-in one."""
    if campaign.template is None:
        return ""
    return arranged(templating.source_of(campaign.template), arrangement_of(campaign))


def arrangement_of(campaign: Campaign) -> Arrangement:
    keys = house.keys(campaign.organisation)
    stored = open_json(keys, campaign.places_sealed or b"", "campaign", "places", campaign.pk)
    return Arrangement.read(stored) if stored else Arrangement()


def copy_arrangement(of: Campaign, to: Campaign) -> None:
    """For the copy of a letter."""
    if of.places_sealed:
        to.places_sealed = sealed(to, arrangement_of(of))
        to.save(update_fields=["places_sealed"])


def sealed(campaign: Campaign, own: Arrangement) -> bytes | None:
    if own == Arrangement():
        return None
    return seal_json(house.keys(campaign.organisation), own.document(), "campaign", "places", campaign.pk)


# -- verbs; each raises CampaignError with what to do --


def write(campaign: Campaign, key: str, words: Written | None, *, now: datetime) -> None:
    """A letter's own words for a place of its template; None takes it back to what the template has."""
    if words is not None:
        if len(words.html) > LONGEST_PLACE or cleaning.nesting(words.html) > cleaning.MAX_NESTING:
            raise CampaignError(_("That is too much for one place of a template. Put it into the letter."))
        words = Written(cleaning.clean(words.html, outlook=False), words.blocks)
    _change(campaign, key, Place, lambda own, _part: own.written(key, words), now)


def hide(campaign: Campaign, key: str, hidden: bool, *, now: datetime) -> None:
    _change(campaign, key, Hideable, lambda own, _part: own.hiding(key, hidden), now)


def add(campaign: Campaign, key: str, model: int, *, now: datetime) -> None:
    """One more of a part that can be repeated, as the template has it."""
    _change(campaign, key, Repeat, lambda own, part: own.added(part, model), now)


def arrange(campaign: Campaign, key: str, copy: str, deed: Deed, *, now: datetime) -> None:
    """Moves, doubles or removes one copy of a part that can be repeated."""

    def done(own: Arrangement, part: Any) -> Arrangement:
        match deed:
            case "up":
                return own.moved(part, copy, -1)
            case "down":
                return own.moved(part, copy, 1)
            case "copy":
                return own.copied(part, copy)
            case "remove":
                return own.removed(part, copy)

    _change(campaign, key, Repeat, done, now)


def _change(
    campaign: Campaign, key: str, kind: type, change: Callable[[Arrangement, Any], Arrangement], now: datetime
) -> None:
    """What was stored is the lock: of two who write in two places nobody undoes the other."""
    for _try in range(TRIES):
        own, part = arrangement_of(campaign), None
        if campaign.template is not None:
            part = find(parts_of(templating.source_of(campaign.template)), own, key)
        if not isinstance(part, kind):
            raise CampaignError(_("The template of this letter has no such part. Load the page again."))
        try:
            blob = sealed(campaign, change(own, part))
        except KeyError:
            raise CampaignError(_("A colleague removed that part meanwhile. Load the page again.")) from None
        except ValueError:
            raise CampaignError(_("One part stands at most %(n)s times in a letter.") % {"n": MAX_COPIES}) from None
        before = bytes(campaign.places_sealed) if campaign.places_sealed else None
        same = Campaign.objects.filter(pk=campaign.pk, state="draft", places_sealed=before)
        if same.update(places_sealed=blob, changed=now):
            campaign.places_sealed, campaign.changed = blob, now
            return
        campaign.refresh_from_db(fields=["state", "places_sealed", "template"])
        if campaign.state != "draft":
            raise NotADraft(_("This campaign has been released and cannot be changed. Copy it and change the copy."))
    raise Overtaken(_("A colleague is changing the same parts. Do it again."))


# -- as a page shows it --


@dataclass(frozen=True, slots=True)
class PlaceView:
    """A part that a letter may put its own words into; `own` is None while it has not."""

    key: str
    name: str
    usual: str
    own: Written | None
    kind: str = "place"

    @property
    def html(self) -> str:
        return self.usual if self.own is None else self.own.html

    @property
    def words(self) -> str:
        """How it reads, pictures by what they show."""
        shown = re.sub(r"<img\b[^<>]*?\balt=\"([^\"]*)\"[^<>]*>", r" \1 ", self.html)
        return " ".join(html.unescape(re.sub(r"<[^<>]*>", " ", shown)).split())


@dataclass(frozen=True, slots=True)
class HideView:
    key: str
    name: str
    hidden: bool
    inner: "list[PartView]"
    kind: str = "hide"


@dataclass(frozen=True, slots=True)
class CopyView:
    id: str
    variant: str
    inner: "list[PartView]"


@dataclass(frozen=True, slots=True)
class RepeatView:
    key: str
    name: str
    variants: tuple[str, ...]
    copies: tuple[CopyView, ...]
    kind: str = "repeat"


type PartView = PlaceView | HideView | RepeatView


def parts(campaign: Campaign) -> list[PartView]:
    """The parts of the letter's template that it can do something with, in the order of the page."""
    if campaign.template is None:
        return []
    return _views(parts_of(templating.source_of(campaign.template)), arrangement_of(campaign), "")


def place(campaign: Campaign, key: str) -> PlaceView | None:
    if campaign.template is None:
        return None
    own = arrangement_of(campaign)
    part = find(parts_of(templating.source_of(campaign.template)), own, key)
    return _view(part, own, key.removesuffix(part.name)) if isinstance(part, Place) else None  # type: ignore[return-value]


def _views(found: Parts, own: Arrangement, prefix: str) -> list[PartView]:
    return [view for part in found if (view := _view(part, own, prefix))]


def _view(part: Part, own: Arrangement, prefix: str) -> PartView | None:
    match part:
        case Place():
            key = prefix + part.name
            return PlaceView(key, part.name, part.usual.strip(), own.texts.get(key))
        case Hideable():
            key = prefix + part.name
            return HideView(key, part.name, key in own.hidden, _views(part.inner, own, prefix))
        case Repeat():
            copies = tuple(
                CopyView(
                    copy.id,
                    part.models[copy.model].variant,
                    _views(part.models[copy.model].inner, own, f"{part.name}/{copy.id}/"),
                )
                for copy in own.of(part)
                if copy.model < len(part.models)
            )
            return RepeatView(part.name, part.name, tuple(model.variant for model in part.models), copies)
    return None
