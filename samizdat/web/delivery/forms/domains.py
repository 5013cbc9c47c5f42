"""Sending domains and their keys."""

from django import forms
from django.utils.translation import gettext_lazy as lazy

from samizdat.core.mail.dkim import ALGORITHMS
from samizdat.web.base_form import DeskForm


class DomainForm(DeskForm):
    name = forms.CharField(
        label=lazy("Domain"),
        max_length=253,
        help_text=lazy("The part after the @ of your From address. It signs for the ones below it as well."),
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false", "autocapitalize": "none"}),
    )
    kinds = forms.ChoiceField(
        label=lazy("Keys"),
        choices=[
            ("both", lazy("RSA and Ed25519: read by all, and ready for what comes")),
            ("rsa", lazy("RSA alone: read by all")),
            ("ed25519", lazy("Ed25519 alone: quick, but many large mailboxes cannot read it")),
        ],
        initial="both",
    )

    def algorithms(self) -> tuple[str, ...]:
        kinds = self.cleaned_data["kinds"]
        return ALGORITHMS if kinds == "both" else (kinds,)


class WarmUpForm(DeskForm):
    warm_up = forms.CharField(
        label=lazy("Letters a day"),
        required=False,
        max_length=800,
        help_text=lazy("As 50, 100, 200, 400: the first day, the second and so on. Empty ends it."),
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false", "autocapitalize": "none"}),
    )


class KeyForm(DeskForm):
    algorithm = forms.ChoiceField(label=lazy("Kind"), choices=[("rsa", "RSA"), ("ed25519", "Ed25519")])
    selector = forms.CharField(
        label=lazy("Selector"),
        required=False,
        max_length=63,
        help_text=lazy("Its name in DNS. Leave it empty and we choose one."),
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false", "autocapitalize": "none"}),
    )
    private = forms.CharField(
        label=lazy("Private key that you bring along"),
        required=False,
        strip=False,
        max_length=20_000,
        help_text=lazy("From -----BEGIN to -----END. Empty: we make one. Sealed at once, never shown again."),
        widget=forms.Textarea(attrs={"class": "mono", "rows": 4, "spellcheck": "false", "autocomplete": "off"}),
    )
