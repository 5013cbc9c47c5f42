"""What an organization tells the checks of its letters."""

from django import forms
from django.utils.translation import gettext_lazy as lazy

from samizdat.web.base_form import DeskForm


class RulesForm(DeskForm):
    """Two lists, one entry a line; campaigns/checks/organization_rules.py reads them."""

    words = forms.CharField(
        label=lazy("One word a line"),
        required=False,
        max_length=200_000,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 10, "autocomplete": "off", "spellcheck": "false"}),
        help_text=lazy("Names and words that no dictionary has. Upper and lower case are alike."),
    )
    hosts = forms.CharField(
        label=lazy("One host a line"),
        required=False,
        max_length=200_000,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 10, "autocomplete": "off", "spellcheck": "false", "inputmode": "url"}),
        help_text=lazy("A link to one of them, or to one below it, is worth a look. Like example.org."),
    )
