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
    "hand": lazy("Somebody here decides"),
    "replies": lazy("Most replies, which somebody here counts"),
    "unsubscribes": lazy("Fewest unsubscribed by its link"),
    "clicks": lazy("Most clicks, as totals of its links"),
}


class ChangeForm(EnvelopeForm):
    """A version; what is left empty is as in the letter."""

    letter = forms.TypedChoiceField(
        label=lazy("Text"),
        coerce=int,
        required=False,
        empty_value=None,
        help_text=lazy("Of another draft: copy this letter, change the copy, and choose it here."),
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
        titles = [
            (row.campaign.pk, f"{row.subject[:60] or _('without a subject')} ({row.campaign.pk})") for row in drafts
        ]
        offer(self, "letter", [("", _("as in the letter")), *titles])

    def change(self) -> VersionChange:
        answers = self.cleaned_data
        words = {name: answers[name].strip() for name in ("subject", "from_name", "from_email")}
        return VersionChange(**words, letter=self._drafts.get(answers["letter"]))


class TestPlanForm(DeskForm):
    share = forms.IntegerField(
        label=lazy("Per cent that get one of the versions"),
        min_value=ab_test.LEAST_SHARE,
        max_value=ab_test.MOST_SHARE,
        initial=20,
        help_text=lazy("Drawn by chance, in equal parts. The rest waits for the version that wins."),
    )
    way = forms.ChoiceField(label=lazy("The winner"), widget=forms.RadioSelect, initial="hand")
    link = forms.ChoiceField(label=lazy("Clicks of"), required=False, help_text=lazy("Only where clicks decide."))
    day = DayField(label=lazy("The rest goes on"))
    time = forms.TimeField(label=lazy("At"), widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))

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
                sentence = _("The clocks are put forward then: this time does not exist. Choose another one.")
                self.add_error("time", sentence)
        return answers

    @property
    def at(self) -> datetime:
        at: datetime = self.cleaned_data["at"]
        return at


class RepliesForm(DeskForm):
    """How many replies a person has counted to one version."""

    replies = forms.IntegerField(label=lazy("Replies"), min_value=0, max_value=10_000_000)
