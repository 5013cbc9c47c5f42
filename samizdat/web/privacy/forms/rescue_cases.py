"""A closed account: what is known of it, and what was sent or answered."""

from typing import Unpack

from django import forms
from django.utils.translation import gettext_lazy as lazy

from samizdat.privacy.rescue_cases import LONGEST
from samizdat.web.base_form import DeskForm, FormData, FormFiles, FormOptions, offer
from samizdat.web.privacy.countries import offered

# In the order of core/rescue/case.REASONS and LOST.
REASONS = {
    "none": lazy("None, or I don’t know"),
    "sanctions": lazy("Sanctions, or the country"),
    "terms": lazy("Its terms, or our content"),
}
LOST = {
    "subscribers": lazy("Subscribers"),
    "unsubscribed": lazy("Who unsubscribed or bounced"),
    "consent": lazy("Proof of consent"),
    "campaigns": lazy("Campaigns"),
    "templates": lazy("Templates"),
    "files": lazy("Images and files"),
    "reports": lazy("Reports"),
}
SUBSCRIBERS_IN = {
    "EU": lazy("European Union, Norway, Iceland or Liechtenstein"),
    "GB": lazy("United Kingdom"),
}


def _day() -> forms.DateInput:
    return forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class CaseForm(DeskForm):
    """What requests need to know. Only the first two can’t be left empty."""

    provider = forms.CharField(
        label=lazy("Who closed the account?"), max_length=LONGEST, help_text=lazy("For example: Mailchimp.")
    )
    closed = forms.DateField(label=lazy("When?"), widget=_day())
    reason = forms.ChoiceField(
        label=lazy("Which reason did they give?"), choices=[*REASONS.items()], widget=forms.RadioSelect, initial="none"
    )
    account = forms.CharField(label=lazy("Name or number of the account"), required=False, max_length=LONGEST)
    owner = forms.EmailField(
        label=lazy("Email address it was registered with"),
        required=False,
        max_length=LONGEST,
        help_text=lazy("Only in the request of the person who opened it."),
    )
    reply_to = forms.EmailField(label=lazy("Where should they answer?"), required=False, max_length=LONGEST)
    signed = forms.CharField(label=lazy("Who signs?"), required=False, max_length=LONGEST)
    provider_country = forms.ChoiceField(label=lazy("Where is the provider?"), required=False)
    country = forms.ChoiceField(label=lazy("Where is your organization?"), required=False)
    owner_country = forms.ChoiceField(label=lazy("Where does the person live who opened the account?"), required=False)
    authority = forms.CharField(
        label=lazy("Authority to complain to"),
        required=False,
        max_length=LONGEST,
        help_text=lazy("Leave empty for the one of your country."),
    )
    subscribers_in = forms.MultipleChoiceField(
        label=lazy("Do subscribers live here?"),
        required=False,
        choices=[*SUBSCRIBERS_IN.items()],
        widget=forms.CheckboxSelectMultiple,
    )
    lost = forms.MultipleChoiceField(
        label=lazy("What did you lose?"),
        required=False,
        choices=[*LOST.items()],
        widget=forms.CheckboxSelectMultiple,
        initial=[*LOST],
    )

    def __init__(self, data: FormData = None, files: FormFiles = None, **options: Unpack[FormOptions]):
        super().__init__(data, files, **options)
        offer(self, "provider_country", offered(lazy("As we know it, or United States")))
        for name in ("country", "owner_country"):
            offer(self, name, offered("–"))


class RequestSentForm(DeskForm):
    """A request went out."""

    sent = forms.DateField(label=lazy("Sent on"), widget=_day())
    received = forms.DateField(
        label=lazy("Reached them on"),
        required=False,
        widget=_day(),
        help_text=lazy("If you know it. The time to answer runs from here."),
    )


class RequestAnswerForm(DeskForm):
    """They answered."""

    answered = forms.DateField(label=lazy("Answered on"), widget=_day())


class EvidenceForm(DeskForm):
    """A file that proves something."""

    file = forms.FileField(label=lazy("File"), help_text=lazy("Up to 20 MB: a screenshot, an email, a document."))
    note = forms.CharField(label=lazy("What does it show?"), required=False, max_length=LONGEST)


class TimelineForm(DeskForm):
    """What the public reads of a case."""

    title = forms.CharField(label=lazy("Title"), max_length=LONGEST)
    lines = forms.CharField(
        label=lazy("What happened"),
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 8}),
        help_text=lazy("One line for each day: 2026-12-03 What happened. Name nobody who could be in danger."),
    )
    signatures = forms.BooleanField(
        label=lazy("Show how many signed the petition, and the names of those who chose to show theirs"), required=False
    )
