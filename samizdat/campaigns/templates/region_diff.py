"""The parts of a template in a version of a draft, and what is different in them today."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat.campaigns.drafts.revisions import KeptRevision, compared
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign, Template
from samizdat.campaigns.templates import region_names
from samizdat.campaigns.templates.layout import HideView, PartView, PlaceView, RepeatView, every_part
from samizdat.campaigns.templates.layout_store import arrangement_of, insist_on_room
from samizdat.core.content.blocks.compare import ComparedPart
from samizdat.core.content.templates.layout import LayoutChanges


@dataclass(frozen=True, slots=True)
class ComparedRegions:
    """A part by its name, and its words with what went and came. `looks`: the words are the same, the rest is not."""

    title: str
    words: list[ComparedPart]
    looks: bool


@dataclass(frozen=True, slots=True)
class _RegionState:
    """A part as a letter has it: what it says, and all that makes it what it is. `own`: not just as the template."""

    title: str
    words: str
    whole: object
    own: bool


def places(kept: KeptRevision, campaign: Campaign) -> list[ComparedRegions]:
    """Every part that the letter wrote, arranged or left out by itself, then or today. [] for a version that was kept
    before places were: nobody knows.
    """
    if kept.places is None:
        return []
    rows = Template.objects.filter(organization=campaign.organization_id, pk=kept.chosen.template or 0)
    before = _told(rows.first(), kept.places)
    today = _told(campaign.template, arrangement_of(campaign)) if campaign.template else {}
    pairs: list[tuple[_RegionState | None, _RegionState | None]] = []
    for key in [*today, *(key for key in before if key not in today)]:
        old, new = before.get(key), today.get(key)
        if (old and old.own) or (new and new.own):
            pairs.append((old, new))
    words = compared(campaign.organization, [(_words(old), _words(new)) for old, new in pairs])
    return [_compared(*both, parts) for both, parts in zip(pairs, words, strict=True)]


def _compared(old: _RegionState | None, new: _RegionState | None, words: list[ComparedPart]) -> ComparedRegions:
    titled = new or old
    assert titled is not None
    looks = old is not None and new is not None and old.words == new.words and old.whole != new.whole
    return ComparedRegions(titled.title, words, looks)


def _words(region: _RegionState | None) -> list[str]:
    return [region.words] if region and region.words else []


def _told(template: Template | None, own: LayoutChanges) -> Mapping[str, _RegionState]:
    try:
        insist_on_room(template, own)
    except CampaignError:  # They came with an export, and belong to another template.
        template = None
    regions = dict(_of_view(view, own) for view in every_part(template, own)) if template else {}
    # Of a template that was removed since there are the words alone.
    for key, written in own.texts.items() if not template else ():
        words = region_names.words_of(written.html)
        regions[f"place {key}"] = _RegionState(
            str(region_names.place(key.rpartition("/")[2], words, False)), words, written.html, True
        )
    return regions


def _of_view(view: PartView, own: LayoutChanges) -> tuple[str, _RegionState]:
    match view:
        case PlaceView():
            return f"place {view.key}", _RegionState(view.title, view.words, view.html, view.own is not None)
        case HideView():
            words = _("hidden") if view.hidden else _("shown")
            return f"hide {view.key}", _RegionState(view.title, words, view.hidden, view.hidden)
        case RepeatView():
            copies = tuple((copy.id, copy.variant) for copy in view.copies)
            words = ngettext("%(n)s time", "%(n)s times", len(copies)) % {"n": len(copies)}
            return f"repeat {view.key}", _RegionState(view.title, words, copies, view.key in own.copies)
