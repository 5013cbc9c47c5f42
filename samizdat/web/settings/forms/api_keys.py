"""Creating a key of the API."""

from collections.abc import Sequence
from typing import Unpack

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as lazy

from samizdat.accounts import api_keys
from samizdat.audience.queries import ListView
from samizdat.web.base_form import DeskForm, FormData, FormFiles, FormOptions, offer

DAYS = ((365, lazy("In 1 year")), (90, lazy("In 90 days")), (30, lazy("In 30 days")))


class ApiKeyForm(DeskForm):
    """Lists are those of the organization."""

    name = forms.CharField(
        label=lazy("Name"),
        max_length=api_keys.LONGEST_NAME,
        help_text=lazy("What will use this key? For example, “Website form”."),
    )
    scopes = forms.MultipleChoiceField(
        label=lazy("Access"),
        choices=[(scope, format_lazy("{} ({})", allows, scope)) for scope, allows in api_keys.SCOPES.items()],
        error_messages={"required": lazy("Choose what the key may do.")},
        widget=forms.CheckboxSelectMultiple,
    )
    lists = forms.TypedMultipleChoiceField(
        label=lazy("Only these lists"),
        help_text=lazy("If you select none, the key works for all lists, including later ones."),
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    consent = forms.CharField(
        label=lazy("What people agree to (for Mailchimp plug-ins)"),
        help_text=lazy("As they read it on your website. Without it, new people get an email to confirm."),
        max_length=api_keys.LONGEST_CONSENT,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    days = forms.TypedChoiceField(label=lazy("Expires"), choices=DAYS, coerce=int)

    def __init__(
        self,
        data: FormData = None,
        files: FormFiles = None,
        *,
        lists: Sequence[ListView],
        **options: Unpack[FormOptions],
    ) -> None:
        super().__init__(data, files, **options)
        offer(self, "lists", [(each.id, each.name) for each in lists])
