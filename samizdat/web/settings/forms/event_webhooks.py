"""Adding a webhook."""

from collections.abc import Sequence
from typing import Unpack

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as lazy

from samizdat.audience.queries import ListView
from samizdat.core.event_webhooks import LONGEST_URL
from samizdat.portability.webhooks.actions import LABELS
from samizdat.web.base_form import DeskForm, FormData, FormFiles, FormOptions, offer


class EventWebhookForm(DeskForm):
    """Lists are those of the organization."""

    url = forms.CharField(
        label=lazy("Address (URL)"),
        max_length=LONGEST_URL,
        help_text=lazy("Where your program listens. It begins with https://."),
        widget=forms.URLInput,
    )
    events = forms.MultipleChoiceField(
        label=lazy("Events"),
        choices=[(event, format_lazy("{} ({})", label, event)) for event, label in LABELS.items()],
        error_messages={"required": lazy("Choose at least one event.")},
        widget=forms.CheckboxSelectMultiple,
    )
    lists = forms.TypedMultipleChoiceField(
        label=lazy("Only these lists"),
        help_text=lazy("If you select none, the webhook reports on all lists, including later ones."),
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    addresses = forms.BooleanField(
        label=lazy("Send email addresses along"),
        help_text=lazy("Without this, your program gets only numbers, and asks the API for what it may know."),
        required=False,
    )

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
