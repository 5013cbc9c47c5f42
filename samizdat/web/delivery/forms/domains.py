"""Sending domains and their keys."""

from django import forms
from django.utils.translation import gettext_lazy as lazy

from samizdat.core.mail.dkim import ALGORITHMS
from samizdat.web.base_form import DeskForm


class DomainForm(DeskForm):
    name = forms.CharField(
        label=lazy("Domain"),
        max_length=253,
        help_text=lazy("The part after the @ of your sender address. Its keys sign for its subdomains too."),
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false", "autocapitalize": "none"}),
    )
    kinds = forms.ChoiceField(
        label=lazy("Keys"),
        choices=[
            ("both", lazy("RSA and Ed25519 (recommended)")),
            ("rsa", lazy("RSA only: every mailbox provider can check it")),
            ("ed25519", lazy("Ed25519 only: fast, but many large mailbox providers can’t check it")),
        ],
        initial="both",
    )

    def algorithms(self) -> tuple[str, ...]:
        kinds = self.cleaned_data["kinds"]
        return ALGORITHMS if kinds == "both" else (kinds,)


class WarmUpForm(DeskForm):
    warm_up = forms.CharField(
        label=lazy("Emails per day"),
        required=False,
        max_length=800,
        help_text=lazy("For example 50, 100, 200, 400: the first day, the second and so on. Leave empty to end it."),
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false", "autocapitalize": "none"}),
    )


class AllowForm(DeskForm):
    reason = forms.CharField(
        label=lazy("Reason"),
        max_length=500,
        help_text=lazy("For example: “The provider signs under a name of its own.” It goes into the activity log."),
    )


class KeyForm(DeskForm):
    algorithm = forms.ChoiceField(label=lazy("Type"), choices=[("rsa", "RSA"), ("ed25519", "Ed25519")])
    selector = forms.CharField(
        label=lazy("Selector"),
        required=False,
        max_length=63,
        help_text=lazy("Its name in DNS. Leave it empty and we’ll choose one."),
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false", "autocapitalize": "none"}),
    )
    private = forms.CharField(
        label=lazy("Your own private key"),
        required=False,
        strip=False,
        max_length=20_000,
        help_text=lazy(
            "From -----BEGIN to -----END. Leave empty to create a new one. Stored encrypted; can’t be shown again."
        ),
        widget=forms.Textarea(attrs={"class": "mono", "rows": 4, "spellcheck": "false", "autocomplete": "off"}),
    )
