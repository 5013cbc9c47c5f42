"""Template words for fields of several kinds."""

from typing import Any

from django import template
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from samizdat.audience.queries.lists import FieldView
from samizdat.web.audience.field_types import DELIVERIES, KINDS, SOURCES, STOPPED, WORK_STATES
from samizdat.web.templatetags.desk import state

register = template.Library()


@register.simple_tag
def field_kind(view: FieldView) -> str:
    """What a field holds, in words."""
    word = str(KINDS.get(view.kind, view.kind))
    return _("%(kind)s, required") % {"kind": word} if view.required else word


@register.simple_tag
def delivery_state(row: Any) -> SafeString:
    """What became of a message."""
    shape, word = DELIVERIES.get(row.state, ("none", row.state))
    return state(shape, str(word))


@register.filter
def source_word(way: str) -> str:
    """How somebody first came."""
    return str(SOURCES.get(way, way))


@register.filter
def hinders(verdict: str, status: str) -> str:
    """Why somebody who is subscribed can't be emailed; "" for everybody else."""
    if status != "subscribed" or verdict == "yes":
        return ""
    if verdict == "paused":
        return _("Paused by the subscriber")
    return capfirst(STOPPED.get(verdict.removeprefix("suppressed:"), "")) or _("No consent, not emailed")


@register.filter
def stopped_word(reason: str) -> str:
    """Why an address is on the stop list."""
    return str(STOPPED.get(reason, reason))


@register.simple_tag
def work_state(name: str) -> SafeString:
    """How far bulk work is."""
    shape, word = WORK_STATES.get(name, ("none", name))
    return state(shape, str(word))
