"""A test of versions: what is different in each, who gets them, and how one wins."""

from datetime import datetime
from typing import Unpack
from zoneinfo import ZoneInfo

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.campaigns.ab_test import VersionChange
from samizdat.campaigns.queries import CampaignRow
from samizdat.core import ab_test
from samizdat.dbclock import in_zone
from samizdat.web.base_form import DayField, DeskForm, FormData, FormFiles, FormOptions, offer
from samizdat.web.campaigns.forms.envelope import EnvelopeForm

WAYS = {
    "hand": lazy("Chosen manually"),
    "replies": lazy("Most replies, counted by your team"),
    "unsubscribes": lazy("Fewest unsubscribes through its link"),
    "clicks": lazy("Most clicks, as totals per link"),
}


class ChangeForm(EnvelopeForm):
    """A version; what is left empty is as in the letter."""

    letter = forms.TypedChoiceField(
        label=lazy("Text"),
        coerce=int,
        required=False,
        empty_value=None,
        help_text=lazy("From another draft: duplicate this campaign, change the duplicate, and choose it here."),
    )

    def __init__(
        self,
        data: FormData = None,
        files: FormFiles = None,
        *,
        drafts: list[CampaignRow],
        **options: Unpack[FormOptions],
    ) -> None:
        super().__init__(data, files, **options)
        self._drafts = {row.campaign.pk: row.campaign for row in drafts}
        titles = [(row.campaign.pk, f"{row.subject[:60] or _('no subject')} ({row.campaign.pk})") for row in drafts]
        offer(self, "letter", [("", _("as in the campaign")), *titles])

    def change(self) -> VersionChange:
        answers = self.cleaned_data
        words = {name: answers[name].strip() for name in ("subject", "from_name", "from_email")}
        return VersionChange(**words, letter=self._drafts.get(answers["letter"]))


class TestPlanForm(DeskForm):
    share = forms.IntegerField(
        label=lazy("Test group, percent"),
        min_value=ab_test.LEAST_SHARE,
        max_value=ab_test.MOST_SHARE,
        initial=20,
        help_text=lazy("Chosen at random, in equal parts. The rest wait for the winning version."),
    )
    way = forms.ChoiceField(label=lazy("Winner"), widget=forms.RadioSelect, initial="hand")
    link = forms.ChoiceField(label=lazy("Clicks on"), required=False, help_text=lazy("Only if clicks decide."))
    day = DayField(label=lazy("Send to the rest on"))
    time = forms.TimeField(label=lazy("Time"), widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))

    def __init__(
        self,
        data: FormData = None,
        files: FormFiles = None,
        *,
        ways: tuple[str, ...],
        links: tuple[str, ...] = (),
        **options: Unpack[FormOptions],
    ) -> None:
        """links: the counted ones of the letter, one of which may decide."""
        super().__init__(data, files, **options)
        offer(self, "way", [(way, WAYS[way]) for way in ways])
        if "clicks" in ways:
            offer(self, "link", [("", _("all links together")), *((url, url[:80]) for url in links)])
        else:
            del self.fields["link"]

    def clean(self) -> dict[str, object]:
        answers = super().clean() or self.cleaned_data
        if answers.get("day") and answers.get("time"):
            zone = ZoneInfo(timezone.get_current_timezone_name())
            answers["at"] = in_zone(answers["day"], answers["time"], zone)
            if answers["at"] is None:
                sentence = _("Clocks go forward then, so this time doesn’t exist. Choose another one.")
                self.add_error("time", sentence)
        return answers

    @property
    def at(self) -> datetime:
        at: datetime = self.cleaned_data["at"]
        return at


class RepliesForm(DeskForm):
    """How many replies a person has counted to one version."""

    replies = forms.IntegerField(label=lazy("Replies"), min_value=0, max_value=10_000_000)
