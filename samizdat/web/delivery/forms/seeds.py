"""A seed mailbox: the form of a mailbox, without what is only for one that incoming email is read from."""

from collections.abc import Collection
from typing import Unpack

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.core.mail.address import BadAddress, normalize
from samizdat.web.base_form import FormData, FormOptions
from samizdat.web.delivery.forms.mailboxes import KINDS, MailboxForm


class SeedForm(MailboxForm):
    scheme = forms.ChoiceField(
        label=lazy("Protocol"),
        choices=[(name, label) for name, label in KINDS.items() if name.startswith("imap")],
        help_text=lazy("POP3 doesn’t show the spam folder."),
    )
    name = forms.CharField(label=lazy("Name"), max_length=60, help_text=lazy("Shown in reports, such as Gmail."))

    def __init__(self, data: FormData = None, *, taken: Collection[str] = (), **options: Unpack[FormOptions]) -> None:
        super().__init__(data, taken=taken, **options)
        for name in ("folder", "after", "move_to", "uses"):
            del self.fields[name]
        self.fields["address"] = self.dressed(
            forms.CharField(
                label=_("Address"),
                max_length=254,
                help_text=_("Copies of campaigns go there, such as seed@provider.example."),
                widget=forms.EmailInput(attrs={"autocomplete": "off"}),
            )
        )
        if self.initial.get("name", "").startswith("bounces"):
            self.initial["name"] = ""

    @property
    def reading(self) -> list[forms.BoundField]:
        return []

    @property
    def addressed(self) -> list[forms.BoundField]:
        return [self["address"]]

    def clean_address(self) -> str:
        try:
            return normalize(str(self.cleaned_data["address"]))
        except BadAddress as bad:
            raise forms.ValidationError(str(bad)) from None
