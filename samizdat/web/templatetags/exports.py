"""The state of an export: a shape and a word."""

from django import template
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import pgettext_lazy

from samizdat.web.templatetags.desk import state

register = template.Library()

STATES: dict[str, tuple[str, str | Promise]] = {
    "held": ("care", pgettext_lazy("export", "Held")),
    "asked": ("", pgettext_lazy("export", "Waiting to begin")),
    "running": ("work", pgettext_lazy("export", "Being made")),
    "writing": ("work", pgettext_lazy("export", "Being made")),
    "ready": ("work", pgettext_lazy("export", "Waits to be fetched")),
    "fetched": ("good", pgettext_lazy("export", "Left")),
    "over": ("none", pgettext_lazy("export", "Forgotten")),
    "elsewhere": ("none", pgettext_lazy("export", "Left the house before")),
    "failed": ("stop", pgettext_lazy("export", "Failed")),
}


@register.simple_tag
def export_state(name: str) -> SafeString:
    shape, word = STATES.get(name, ("none", name))
    return state(shape, str(word))
