"""The state of an export: a shape and a word."""

from django import template
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import pgettext_lazy

from samizdat.web.templatetags.desk import state

register = template.Library()

STATES: dict[str, tuple[str, str | Promise]] = {
    "held": ("care", pgettext_lazy("export", "Waiting for approval")),
    "asked": ("", pgettext_lazy("export", "Waiting to start")),
    "running": ("work", pgettext_lazy("export", "Preparing file")),
    "writing": ("work", pgettext_lazy("export", "Preparing file")),
    "ready": ("work", pgettext_lazy("export", "Ready to download")),
    "fetched": ("good", pgettext_lazy("export", "Downloaded")),
    "over": ("none", pgettext_lazy("export", "Deleted")),
    "elsewhere": ("none", pgettext_lazy("export", "From the previous installation")),
    "failed": ("stop", pgettext_lazy("export", "Failed")),
}


@register.simple_tag
def export_state(name: str) -> SafeString:
    shape, word = STATES.get(name, ("none", name))
    return state(shape, str(word))
