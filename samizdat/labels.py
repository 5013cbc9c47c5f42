"""What a merge field is called on pages and in papers, and the status of a route there and on the command line."""

from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import pgettext_lazy

from samizdat.core.fields import STANDARD_FIELDS

STANDARD = {
    "FNAME": lazy("First name"),
    "LNAME": lazy("Last name"),
    "ADDRESS": lazy("Postal address"),
    "PHONE": lazy("Telephone"),
    "BIRTHDAY": lazy("Birthday"),
}
# "again": it is used again after it was condemned, and has taken nothing yet.
ROUTE_STATES = {
    "live": pgettext_lazy("route", "Working"),
    "again": pgettext_lazy("route", "Retrying"),
    "paused": pgettext_lazy("route", "Paused"),
    "waiting": pgettext_lazy("route", "Waiting for approval"),
    "throttled": pgettext_lazy("route", "Throttled by provider"),
    "dead": pgettext_lazy("route", "Not working"),
    "removed": pgettext_lazy("route", "Removed"),
}
# What an importer calls them when nobody gave them a name.
UNNAMED = {tag: ("", tag, english) for tag, english in STANDARD_FIELDS.items()}


def route_state(state: str, reason: str) -> str:
    """With a reason a live route is one that was condemned for it, and has taken nothing since."""
    return str(ROUTE_STATES.get("again" if state == "live" and reason else state, state))


def field_label(tag: str, label: str) -> str:
    """By its own name, else a standard one by our word for it in the language of the moment, else by its tag."""
    return str(STANDARD[tag]) if label in UNNAMED.get(tag, ()) else label or tag
