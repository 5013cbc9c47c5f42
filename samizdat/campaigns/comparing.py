"""The parts of a template in a version of a draft, and what is different in them today."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat.campaigns import calling
from samizdat.campaigns.arrangement import arrangement_of
from samizdat.campaigns.arranging import HideView, PartView, PlaceView, RepeatView, every_part
from samizdat.campaigns.history import Kept, compared
from samizdat.campaigns.models import Campaign, Template
from samizdat.core.document.words import Part
from samizdat.core.templating import Arrangement


@dataclass(frozen=True, slots=True)
class Compared:
    """A part by its name, and its words with what went and came. `looks`: the words are the same, the rest is not."""

    title: str
    words: list[Part]
    looks: bool


@dataclass(frozen=True, slots=True)
class _Told:
    """A part as a letter has it: what it says, and all that makes it what it is. `own`: not just as the template."""

    title: str
    words: str
    whole: object
    own: bool


def places(kept: Kept, campaign: Campaign) -> list[Compared]:
    """Every part that the letter wrote, arranged or left out by itself, then or today. [] for a version that was kept
    before places were: nobody knows.
    """
    if kept.places is None:
        return []
    rows = Template.objects.filter(organisation=campaign.organisation_id, pk=kept.chosen.get("template") or 0)
    before = _told(rows.first(), kept.places)
    today = _told(campaign.template, arrangement_of(campaign)) if campaign.template else {}
    found: list[tuple[_Told | None, _Told | None]] = []
    for key in [*today, *(key for key in before if key not in today)]:
        old, new = before.get(key), today.get(key)
        if (old and old.own) or (new and new.own):
            found.append((old, new))
    words = compared(campaign.organisation, [(_words(old), _words(new)) for old, new in found])
    return [_compared(*both, parts) for both, parts in zip(found, words, strict=True)]


def _compared(old: _Told | None, new: _Told | None, words: list[Part]) -> Compared:
    titled = new or old
    assert titled is not None
    looks = old is not None and new is not None and old.words == new.words and old.whole != new.whole
    return Compared(titled.title, words, looks)


def _words(one: _Told | None) -> list[str]:
    return [one.words] if one and one.words else []


def _told(template: Template | None, own: Arrangement) -> Mapping[str, _Told]:
    told = dict(_of_view(view, own) for view in every_part(template, own)) if template else {}
    # Of a template that was removed since there are the words alone.
    for key, written in own.texts.items() if not template else ():
        words = calling.words_of(written.html)
        told[f"place {key}"] = _Told(
            str(calling.place(key.rpartition("/")[2], words, False)), words, written.html, True
        )
    return told


def _of_view(view: PartView, own: Arrangement) -> tuple[str, _Told]:
    match view:
        case PlaceView():
            return f"place {view.key}", _Told(view.title, view.words, view.html, view.own is not None)
        case HideView():
            words = _("left out") if view.hidden else _("shown")
            return f"hide {view.key}", _Told(view.title, words, view.hidden, view.hidden)
        case RepeatView():
            copies = tuple((copy.id, copy.variant) for copy in view.copies)
            words = ngettext("%(n)s time", "%(n)s times", len(copies)) % {"n": len(copies)}
            return f"repeat {view.key}", _Told(view.title, words, copies, view.key in own.copies)
