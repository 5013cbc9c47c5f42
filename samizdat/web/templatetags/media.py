"""Template words of pictures."""

from django import template
from django.utils.translation import gettext as _

from samizdat import formatting
from samizdat.campaigns.models import Picture

register = template.Library()

KB = 1024


@register.filter
def kilobytes(number: int) -> str:
    """1,536 bytes are 2 kB; below one it says 1."""
    return _("%(n)s kB") % {"n": formatting.grouped(max(1, round(number / KB)))}


@register.filter
def weight_word(picture: Picture) -> str:
    """What readers load of a picture. One from before it was written down is known by its sealed bytes."""
    return kilobytes(picture.weight or len(picture.sealed))
