"""What a merge field is called on pages and in papers."""

from django.utils.translation import gettext_lazy as lazy

from samizdat.core.fields import STANDARD_FIELDS

STANDARD = {
    "FNAME": lazy("First name"),
    "LNAME": lazy("Last name"),
    "ADDRESS": lazy("Postal address"),
    "PHONE": lazy("Telephone"),
    "BIRTHDAY": lazy("Birthday"),
}
# What an importer calls them when nobody gave them a name.
UNNAMED = {tag: ("", tag, english) for tag, english in STANDARD_FIELDS.items()}


def field_label(tag: str, label: str) -> str:
    """By its own name, else a standard one by our word for it in the language of the moment, else by its tag."""
    return str(STANDARD[tag]) if label in UNNAMED.get(tag, ()) else label or tag
