"""States of a campaign as they stand in the sentences of delivery."""

from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

STATES = {
    "draft": pgettext_lazy("this campaign is", "a draft"),
    "scheduled": pgettext_lazy("this campaign is", "scheduled"),
    "held": pgettext_lazy("this campaign is", "held before it goes"),
    "sending": pgettext_lazy("this campaign is", "sending"),
    "waiting": pgettext_lazy("this campaign is", "waiting"),
    "paused": pgettext_lazy("this campaign is", "paused"),
    "finished": pgettext_lazy("this campaign is", "finished"),
    "cancelled": pgettext_lazy("this campaign is", "cancelled"),
}


def what_it_is(state: str) -> str:
    """The sentence that says how a campaign stands."""
    return _("This one is %(state)s.") % {"state": STATES[state]}
