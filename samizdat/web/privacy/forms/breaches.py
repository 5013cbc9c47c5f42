"""Something got out: what, since when, and what is done about it."""

from collections.abc import Sequence
from typing import Unpack

from django import forms
from django.utils.translation import gettext_lazy as lazy

from samizdat.privacy.breach_register import KINDS
from samizdat.web.base_form import DeskForm, FormData, FormFiles, FormOptions, offer


class BreachForm(DeskForm):
    """What somebody knows in the first hour; the rest follows."""

    kind = forms.ChoiceField(label=lazy("What was exposed?"), widget=forms.RadioSelect, choices=[*KINDS.items()])
    noticed = forms.DateTimeField(
        label=lazy("When did you notice?"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=lazy("The 72 hours start here. In your organization’s time zone."),
    )
    since = forms.DateField(
        label=lazy("Since when could it have been used?"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=lazy("The first day. Leave empty for the day you noticed it."),
    )
    person = forms.TypedChoiceField(
        label=lazy("Whose account?"),
        required=False,
        coerce=int,
        empty_value=None,
        help_text=lazy("Only for an account."),
    )
    route = forms.TypedChoiceField(
        label=lazy("Which route?"), required=False, coerce=int, empty_value=None, help_text=lazy("Only for a route.")
    )
    notes = forms.CharField(
        label=lazy("What happened, as far as you know?"),
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=lazy("Stored encrypted. Copied into the drafts, so write it for others to read."),
    )

    def __init__(
        self,
        data: FormData = None,
        files: FormFiles = None,
        *,
        people: Sequence[tuple[int, str]],
        routes: Sequence[tuple[int, str]],
        **options: Unpack[FormOptions],
    ):
        super().__init__(data, files, **options)
        offer(self, "person", [("", "–"), *people])
        offer(self, "route", [("", "–"), *routes])


class NotesForm(DeskForm):
    notes = forms.CharField(
        label=lazy("What happened?"), required=False, max_length=10_000, widget=forms.Textarea(attrs={"rows": 6})
    )
    done = forms.CharField(
        label=lazy("What has been done about it?"),
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 6}),
    )
