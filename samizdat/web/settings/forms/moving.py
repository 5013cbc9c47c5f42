"""Beginning a move."""

from django import forms
from django.utils.translation import gettext_lazy as lazy

from samizdat.web.base_form import DeskForm
from samizdat.web.settings.forms.team import NO_URL


class BeginMoveForm(DeskForm):
    to = forms.URLField(
        label=lazy("New address of the public pages"),
        max_length=200,
        assume_scheme="https",
        help_text=lazy(
            "Unsubscribe, sign-up and archive links will start with it. Enter the one you have if it stays."
        ),
        error_messages=NO_URL,
    )
    domain = forms.CharField(
        label=lazy("New sending domain"),
        required=False,
        max_length=253,
        help_text=lazy("The part after the @ of the new sender address. Leave empty if it stays."),
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false", "autocapitalize": "none"}),
    )
    keeps_server = forms.BooleanField(label=lazy("The server stays"), required=False)
