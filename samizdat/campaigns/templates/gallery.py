"""What a new campaign can begin with, each with a small drawing of it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat import formatting
from samizdat.accounts.models import Organization
from samizdat.campaigns.models import Template, TemplateText
from samizdat.campaigns.templates import starter_templates
from samizdat.campaigns.templates.layout_store import text_of
from samizdat.core.content.blocks.schema import Node
from samizdat.core.content.thumbnail import Shape, blocks_of_html, drawing


@dataclass(frozen=True, slots=True)
class GalleryCard:
    """`value` is what a form posts as `begin`; `number` that of an own template."""

    value: str
    title: str | Promise
    about: str | Promise
    shapes: tuple[Shape, ...]
    number: int = 0


def starters(language: str) -> list[GalleryCard]:
    """The blank page, then each starter template as it is in a language."""
    blank = GalleryCard("blank", _("Blank"), _("Just the text."), drawing(()))
    return [
        blank,
        *(
            GalleryCard(
                starter.name,
                starter.title,
                starter.about,
                drawing(starter_templates.document_of(starter.name, language)["content"]),
            )
            for starter in starter_templates.STARTERS
        ),
    ]


def own(organization: Organization) -> list[GalleryCard]:
    """The organization's own, the one that was used most first."""
    used = Count("campaigns", filter=Q(campaigns__version_of=None))
    rows = Template.objects.filter(organization=organization).annotate(used=used).order_by("-used", "-pk")
    return [_card(row, row.used) for row in rows.iterator(chunk_size=5)]  # A row may have 2 MB.


def _card(template: Template, used: int) -> GalleryCard:
    text = text_of(template)
    day = formatting.shaped(template.changed, "short")
    about = ngettext("Used %(n)s time", "Used %(n)s times", used) if used else _("Added %(day)s")
    values = {"n": formatting.grouped(used), "day": day}
    return GalleryCard(str(template.pk), text.name, about % values, _drawn(text), template.pk)


def _drawn(text: TemplateText) -> tuple[Shape, ...]:
    inside = _blocks(text)
    return drawing(blocks_of_html(text.source, inside)) if text.source else drawing(inside, text.design)


def _blocks(text: TemplateText) -> list[Node]:
    """What stands in it where the email goes."""
    if text.body and text.format == "blocks":
        return list(json.loads(text.body).get("content", ()))
    return list(_limited(blocks_of_html(text.body or text.sample)))


def _limited(blocks: Iterable[Node], most: int = 40) -> Iterable[Node]:
    """More than a drawing shows."""
    return (block for block, _place in zip(blocks, range(most), strict=False))
