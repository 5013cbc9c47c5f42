"""States of a campaign as they stand in the sentences of delivery."""

from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

STATES = {
    "draft": pgettext_lazy("this campaign is", "a draft"),
    "scheduled": pgettext_lazy("this campaign is", "scheduled"),
    "held": pgettext_lazy("this campaign is", "in its undo window"),
    "sending": pgettext_lazy("this campaign is", "being sent"),
    "waiting": pgettext_lazy("this campaign is", "waiting"),
    "paused": pgettext_lazy("this campaign is", "paused"),
    "finished": pgettext_lazy("this campaign is", "sent"),
    "cancelled": pgettext_lazy("this campaign is", "cancelled"),
}


def what_it_is(state: str) -> str:
    """The sentence that says how a campaign stands."""
    return _("This campaign is %(state)s.") % {"state": STATES[state]}
