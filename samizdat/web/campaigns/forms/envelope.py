"""What stands on the outside of a letter, in every form that asks for it."""

from typing import TYPE_CHECKING

from django import forms
from django.utils.translation import gettext_lazy as lazy

from samizdat.web.base_form import DeskForm

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


def loose_address(label: "StrOrPromise", help_text: "StrOrPromise" = "") -> forms.CharField:
    """A mail address that may be half written: what is wrong with it is a flaw of the letter."""
    widget = forms.TextInput(attrs={"inputmode": "email", "spellcheck": "false", "autocapitalize": "none"})
    return forms.CharField(label=label, required=False, max_length=400, help_text=help_text, widget=widget)


class EnvelopeForm(DeskForm):
    """Subject and sender. Nothing of it has to be there yet."""

    subject = forms.CharField(label=lazy("Subject"), required=False, max_length=5000)
    from_name = forms.CharField(label=lazy("Sender name"), required=False, max_length=200)
    from_email = loose_address(lazy("Sender address"))
