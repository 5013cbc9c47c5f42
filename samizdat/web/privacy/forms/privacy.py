"""How long a list keeps things; correcting a reader; their objection."""

from datetime import datetime, timedelta
from typing import Unpack

from django import forms
from django.utils.translation import gettext_lazy as lazy

from samizdat.privacy.retention_rules import DELIVERY_MONTHS, LEFT_DAYS
from samizdat.web.base_form import DeskForm, FormData, FormFiles, FormOptions
from samizdat.web.settings.forms.team import AddressField


class RetentionForm(DeskForm):
    """The rules of one list. Empty: no rule."""

    left_days = forms.IntegerField(
        label=lazy("Erase unsubscribed people after (days)"),
        required=False,
        min_value=LEFT_DAYS[0],
        max_value=LEFT_DAYS[1],
        help_text=lazy(
            "For people who unsubscribed or whose address bounced, and who are on no other list. A keyed hash is "
            "kept. Leave empty for never."
        ),
    )
    delivery_months = forms.IntegerField(
        label=lazy("Reduce delivery records to totals after (months)"),
        required=False,
        min_value=DELIVERY_MONTHS[0],
        max_value=DELIVERY_MONTHS[1],
        help_text=lazy(
            "Who got which campaign is deleted; report totals stay. Segments can’t use it after that. Leave empty "
            "for never."
        ),
    )


class CorrectForm(DeskForm):
    """Their address; fields are corrected where they are edited."""

    address = AddressField(label=lazy("Email address"))

    def __init__(self, data: FormData = None, files: FormFiles = None, **options: Unpack[FormOptions]) -> None:
        super().__init__(data, files, **options)
        self.fields["address"].widget.attrs["autocomplete"] = "off"


class DeadlineForm(DeskForm):
    """Until when they may answer."""

    deadline = forms.DateField(
        label=lazy("Last day to answer"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=lazy("7 to 90 days from today. Shown in the email."),
    )

    def __init__(
        self, data: FormData = None, files: FormFiles = None, *, now: datetime, **options: Unpack[FormOptions]
    ) -> None:
        # Three weeks: long enough for somebody on holiday.
        options.setdefault("initial", {"deadline": (now + timedelta(days=21)).date()})
        super().__init__(data, files, **options)


class ObjectForm(DeskForm):
    reason = forms.CharField(
        label=lazy("Reason, if given"),
        required=False,
        max_length=1000,
        help_text=lazy("No reason is required. What you write is encrypted with their record."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
