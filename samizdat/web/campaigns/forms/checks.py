"""What an organization tells the checks of its letters."""

from django import forms
from django.utils.translation import gettext_lazy as lazy

from samizdat.web.base_form import DeskForm


class RulesForm(DeskForm):
    """Two lists, one entry a line; campaigns/checks/organization_rules.py reads them."""

    words = forms.CharField(
        label=lazy("One word per line"),
        required=False,
        max_length=200_000,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 10, "autocomplete": "off", "spellcheck": "false"}),
        help_text=lazy("Names and words that aren’t in the dictionary. Upper and lower case count as the same."),
    )
    hosts = forms.CharField(
        label=lazy("One site per line"),
        required=False,
        max_length=200_000,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 10, "autocomplete": "off", "spellcheck": "false", "inputmode": "url"}),
        help_text=lazy("Links to these sites and their subdomains get a warning. Example: example.org."),
    )
