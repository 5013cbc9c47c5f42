"""What is written, and when it goes."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Unpack
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext, pgettext

from samizdat.audience.queries.lists import ListView
from samizdat.campaigns import folders
from samizdat.campaigns.archive import web_corrections
from samizdat.campaigns.drafts.draft import ENVELOPE, Draft
from samizdat.core.languages import direction
from samizdat.dbclock import in_zone
from samizdat.delivery.actions.releasing import LONGEST_HOLD, ReleaseWave
from samizdat.delivery.actions.wait_reasons import read_quiet
from samizdat.delivery.errors import WrongPace
from samizdat.web.audience.subscriber_filters import every_language
from samizdat.web.base_form import DayField, DeskForm, FormData, FormFiles, FormOptions, offer
from samizdat.web.campaigns.forms.envelope import EnvelopeForm, loose_address
from samizdat.web.settings.forms.team import AddressField
from samizdat.web.templatetags.desk import count

# Above this many people the number has to be typed (shared interface, section 6).
TYPED_ABOVE = 1000
LONGEST_BODY = 1_000_000
# Ways to write a letter, the first is where a new one begins.
FORMATS = (("blocks", lazy("Blocks")), ("markdown", "Markdown"), ("html", "HTML"))
# What is chosen among rows that somebody else may remove while the page stands open.
ROWS = ("list", "tag", "segment", "template")
# The frames of our own, as a select names them; the value of the first is "".
DESIGNS = {
    "carbon": lazy("Carbon (built-in)"),
    "plain": lazy("Plain (built-in)"),
    "banner": lazy("Banner (built-in)"),
}
# A letter without a word in it.
EMPTY = {"blocks": '{"type":"doc"}', "markdown": "", "html": ""}


class BeginForm(DeskForm):
    """What a letter begins with. Whatever is not said is as in the last letter, or as the organization has it."""

    list = forms.TypedChoiceField(label=lazy("List"), coerce=int, required=False)
    language = forms.ChoiceField(label=lazy("Email language"), required=False)
    begin = forms.CharField(required=False, max_length=40)
    format = forms.ChoiceField(choices=FORMATS, required=False)

    def __init__(
        self,
        data: FormData = None,
        files: FormFiles = None,
        *,
        lists: Sequence[ListView],
        **options: Unpack[FormOptions],
    ) -> None:
        super().__init__(data, files, **options)
        self._lists = [list_view.id for list_view in lists]
        offer(self, "list", [(list_view.id, list_view.name) for list_view in lists])
        offer(self, "language", every_language(self.initial["language"]))

    def clean_list(self) -> int:
        usual = self.initial.get("list")  # None before the first letter.
        if chosen := self.cleaned_data["list"]:
            return int(chosen)
        return int(usual if usual is not None and usual in self._lists else self._lists[0])

    def clean_language(self) -> str:
        return str(self.cleaned_data["language"] or self.initial["language"])

    def clean_format(self) -> str:
        return str(self.cleaned_data["format"] or FORMATS[0][0])


class ComposeForm(EnvelopeForm):
    """A letter half written is saved too: what is missing or wrong is a flaw, not a refusal. `gone`: of ROWS, what was
    chosen and is not offered any more; that choice alone is left out.
    """

    version = forms.IntegerField(widget=forms.HiddenInput, required=False)
    preheader = forms.CharField(
        label=lazy("Preview text"),
        required=False,
        max_length=5000,
    )
    reply_to = loose_address(lazy("Reply-to"), lazy("Leave empty to use the sender address."))
    list = forms.TypedChoiceField(label=lazy("List"), coerce=int)
    tag = forms.TypedChoiceField(label=lazy("Tag"), coerce=int, required=False, empty_value=None)
    segment = forms.TypedChoiceField(label=lazy("Segment"), coerce=int, required=False, empty_value=None)
    purpose = forms.ChoiceField(
        label=lazy("Type"),
        choices=[("newsletter", lazy("Newsletter")), ("fundraising", lazy("Fundraising appeal"))],
        required=False,
        help_text=lazy("Appeals go only to subscribers who agreed to them too, and never appear in the archive."),
    )
    language = forms.ChoiceField(label=lazy("Email language"))
    template = forms.TypedChoiceField(
        label=lazy("Template"),
        coerce=lambda chosen: chosen if chosen in DESIGNS else int(chosen),
        required=False,
        empty_value="carbon",
    )
    format = forms.ChoiceField(choices=FORMATS, widget=forms.HiddenInput)
    page = forms.RegexField(r"^[0-9a-f]{32}$", required=False, widget=forms.HiddenInput)
    pictures = forms.ChoiceField(
        label=lazy("Media"),
        choices=[("linked", lazy("Linked")), ("inside", lazy("Embedded"))],
        required=False,
        help_text=lazy(
            "Embedded images are for subscribers whose network blocks our server. They make the email larger."
        ),
    )
    links = forms.ChoiceField(
        label=lazy("Links"),
        choices=[("direct", lazy("Don’t count clicks")), ("counted", lazy("Count totals per link"))],
        required=False,
        help_text=lazy(
            "Counted links go through your public pages, which keep one total per link and day, not "
            "tied to any subscriber."
        ),
    )
    archive = forms.ChoiceField(
        label=lazy("Web version"),
        choices=[("listed", lazy("Public, in the archive")), ("unlisted", lazy("Unlisted, by link only"))],
        required=False,
        help_text=lazy("Unlisted: in no archive and no feed. Anyone with the link can read it."),
    )
    body = forms.CharField(
        label=lazy("Email"),
        required=False,
        strip=False,
        max_length=LONGEST_BODY,
        widget=forms.Textarea(attrs={"rows": 24, "class": "source"}),
    )

    def __init__(
        self,
        data: FormData = None,
        files: FormFiles = None,
        *,
        lists: Sequence[ListView],
        tags: Sequence[tuple[int, str]],
        segments: Sequence[tuple[int, str]],
        templates: Sequence[tuple[int, str]],
        is_version: bool = False,
        is_again: bool = False,
        is_to_few: bool = False,
        **options: Unpack[FormOptions],
    ) -> None:
        """is_version: in another language, whose sender and audience are those of its letter. is_again: to those whom
        another letter did not reach, and to nobody else. is_to_few: to a tag, a segment or those.
        """
        super().__init__(data, files, **options)
        self.is_version, self.is_again = is_version, is_again
        self.gone: list[str] = []
        for name, placeholder in (
            ("subject", _("What is this email about?")),
            ("preheader", _("Preview text: what inboxes show after the subject")),
        ):
            looks = "line subject" if name == "subject" else "line pre"
            attrs = {"rows": 1, "class": looks, "placeholder": placeholder}
            self.fields[name].widget = forms.Textarea(attrs=attrs)
            self.fields[name].help_text = ""
        for field in self.fields.values():  # Settings stand beside the form, in the rail.
            field.widget.attrs["form"] = "letter"
        built_in = [("" if name == "carbon" else name, word) for name, word in DESIGNS.items()]
        offer(self, "template", [*built_in, *templates])
        code = self.initial.get("language", "")
        for name in ("subject", "preheader", "body"):
            self.fields[name].widget.attrs |= {"lang": code, "dir": direction(code)} if code else {}
        if is_version:
            for name in (*ENVELOPE, "archive", "list", "tag", "segment", "purpose", "language"):
                del self.fields[name]
            return
        offer(self, "language", every_language(code))
        # Who makes it a letter to all and chooses, both in one page, is heard.
        if is_to_few and "archive" not in self.data:
            self.fields["archive"].disabled = True
            self.fields["archive"].help_text = _("Fixed: a campaign to part of the list isn’t added to the archive.")
            offer(self, "archive", [(self.initial["archive"], _("Unlisted, by link only"))])
        if is_again:
            for name in ("list", "tag", "segment", "purpose"):
                del self.fields[name]
            return
        offer(self, "list", [(list_view.id, list_view.name) for list_view in lists])
        offer(self, "tag", [("", _("Everyone on the list")), *tags])
        offer(self, "segment", [("", _("Everyone on the list")), *segments])

    def clean_subject(self) -> str:
        return " ".join(self.cleaned_data["subject"].splitlines())

    def clean_preheader(self) -> str:
        return " ".join(self.cleaned_data["preheader"].splitlines())

    def clean(self) -> dict[str, object]:
        self.gone = [name for name in ROWS if self.has_error(name, "invalid_choice")]
        for name in self.gone:
            del self.errors[name]
        return self.cleaned_data

    def draft(self) -> Draft:
        answers = self.cleaned_data
        words = ("subject", "preheader", "from_name", "from_email", "reply_to", "format")
        # Browsers send CRLF; a letter has one kind of line end, or its lines would be counted twice.
        body = answers["body"].replace("\r\n", "\n").replace("\r", "\n")
        if answers["format"] == "blocks" and not body.strip():
            body = EMPTY["blocks"]
        # A page that does not ask keeps what was chosen.
        pictures = answers["pictures"] or self.initial.get("pictures") or "linked"
        links = answers.get("links") or self.initial.get("links") or "direct"
        fields = {name: answers[name] for name in words if name in answers}
        chosen = answers.get("template")
        fields["design"] = chosen if chosen in DESIGNS else self.initial.get("design") or "carbon"
        return Draft(**fields, body=body, pictures=pictures, links=links)


class FolderForm(DeskForm):
    name = forms.CharField(label=lazy("Name"), max_length=folders.LONGEST)


class CalendarForm(DeskForm):
    day = DayField(label=lazy("Day"))


class AgreeForm(forms.Form):
    """What the page showed: approval.bond_of, how many people, and how many more whose turn it is not."""

    seen = forms.CharField(required=False, max_length=64)
    people = forms.IntegerField(required=False, min_value=0)
    waiting = forms.IntegerField(required=False, min_value=0)


class TestForm(DeskForm):
    """To whom a test goes."""

    __test__ = False
    to = AddressField(label=lazy("Send a test to"))


# Minutes that a campaign waits after *Send now*: time enough to see a slip and undo it.
UNDO_WINDOWS, UNDO_WINDOW = (0, 5, 10, 30), 5


def _undo_windows() -> list[tuple[int, str]]:
    return [
        (n, ngettext("%(n)s minute", "%(n)s minutes", n) % {"n": n} if n else pgettext("undo window", "None"))
        for n in UNDO_WINDOWS
    ]


class ReleaseForm(DeskForm):
    when = forms.ChoiceField(
        label=lazy("When"),
        choices=[("now", lazy("Send now")), ("later", lazy("Schedule"))],
        widget=forms.RadioSelect,
        initial="now",
    )
    day = DayField(label=lazy("Day"), required=False)
    time = forms.TimeField(
        label=lazy("Time"), required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    # What day and time were filled in with: nobody chose them who sends now.
    suggested = forms.CharField(required=False, max_length=20, widget=forms.HiddenInput)
    unsure = forms.ChoiceField(
        label=lazy("If the outcome is unknown"),
        choices=[
            ("resend", lazy("Resend to those few. Someone may get it twice.")),
            ("hold", lazy("Don’t resend; ask me. Someone may not get it at all.")),
        ],
        help_text=lazy("The copy is marked as the same email, so most mailbox providers drop it."),
        widget=forms.RadioSelect,
        initial="resend",
        required=False,
    )
    undo = forms.ChoiceField(
        label=lazy("Undo window"),
        choices=_undo_windows,
        help_text=lazy(
            "After “Send now”, nothing is sent during this time and one click cancels everything. "
            "What is scheduled can be undone until the first email is sent."
        ),
        widget=forms.RadioSelect,
        initial=UNDO_WINDOW,
        required=False,
    )
    quiet = forms.CharField(
        label=lazy("Quiet hours"),
        required=False,
        max_length=80,
        help_text=lazy("No emails are sent during these hours, like 22:00-07:00. Leave empty to send at any hour."),
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false"}),
    )
    wave = forms.IntegerField(
        label=lazy("First batch, percent"),
        required=False,
        min_value=1,
        max_value=99,
        help_text=lazy(
            "This share of the recipients gets it first; the rest wait. Leave empty to send to all at once."
        ),
    )
    wave_hold = forms.IntegerField(
        label=lazy("Wait after it, minutes"), required=False, min_value=0, max_value=LONGEST_HOLD, initial=30
    )
    wave_stop = forms.FloatField(
        label=lazy("Pause if more than this percent bounces"),
        required=False,
        min_value=0,
        max_value=100,
        initial=5,
    )
    number = forms.CharField(
        label=lazy("Type the number of recipients"),
        required=False,
        max_length=30,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "class": "mono"}),
    )

    def __init__(
        self,
        data: FormData = None,
        files: FormFiles = None,
        *,
        people: int,
        zone: ZoneInfo,
        now: datetime,
        people_at: Callable[[datetime], int] | None = None,
        **options: Unpack[FormOptions],
    ) -> None:
        """people: who would get it now; people_at: who would at another time."""
        super().__init__(data, files, **options)
        self._people, self._zone, self._now, self._people_at = people, zone, now, people_at
        for field in self.fields.values():  # The sheet with the time stands beside the form with the button.
            field.widget.attrs["form"] = "release"
        if not self.asks_number:
            del self.fields["number"]
        else:
            self.fields["number"].help_text = _("%(number)s, to confirm") % {"number": count(people)}

    def ask_whether_meant(self, sentence: str) -> None:
        """The same letter went to the same list within a day: a box has to be ticked."""
        self.fields["meant"] = forms.BooleanField(
            label=_("Send again anyway"),
            required=True,
            help_text=sentence,
            widget=forms.CheckboxInput(attrs={"form": "release"}),
            error_messages={"required": _("The same campaign was sent recently. Check the box to send it again.")},
        )

    def clean_quiet(self) -> str:
        """Empty is an answer too: this letter goes at any hour. Not asked: as the organization has it."""
        if "quiet" not in self.data:
            return ""
        try:
            return read_quiet(str(self.cleaned_data["quiet"])) or "none"
        except WrongPace as wrong:
            raise forms.ValidationError(str(wrong)) from None

    def first_wave(self) -> ReleaseWave:
        answers, usual = self.cleaned_data, ReleaseWave()
        hold, stop = answers.get("wave_hold"), answers.get("wave_stop")
        return ReleaseWave(
            answers.get("wave") or 0,
            usual.hold_minutes if hold is None else hold,
            usual.stop_above if stop is None else stop,
        )

    @property
    def is_pace_wrong(self) -> bool:
        """Then the safeguards are shown open."""
        return bool({"undo", "quiet", "wave", "wave_hold", "wave_stop", "unsure"} & set(self.errors))

    @property
    def undo_window(self) -> int:
        """Minutes. What is not valid counts as the usual ones: the page says so elsewhere."""
        chosen = str(self["undo"].value())
        return int(chosen) if chosen in map(str, UNDO_WINDOWS) else UNDO_WINDOW

    @property
    def safeguards(self) -> list[str]:
        """What is chosen of them, in a few words each."""
        wave, quiet = self["wave"].value(), self["quiet"].value()
        minutes = self.undo_window
        words = [_("%(n)s-minute undo") % {"n": minutes}] if minutes else [_("no undo window")]
        words += [_("first batch of %(n)s%%") % {"n": wave}] if wave else [_("no first batch")]
        words += [_("quiet hours %(hours)s") % {"hours": quiet}] if quiet and quiet != "none" else []
        return words + ([_("no resending")] if self["unsure"].value() == "hold" else [])

    def clean_unsure(self) -> str:
        return str(self.cleaned_data["unsure"] or "resend")

    @property
    def asks_number(self) -> bool:
        return self._people > TYPED_ABOVE

    def clean(self) -> dict[str, object]:
        answers = super().clean() or self.cleaned_data
        answers["at"] = None
        if answers.get("when") == "later":
            self._read_time(answers)
        elif (answers.get("day") or answers.get("time")) and not self._is_suggested(answers):
            self.add_error(
                "when", _("A time is entered, but “Send now” is selected. Choose “Schedule”, or clear the time.")
            )
        if self.asks_number and "number" not in self.errors:
            self._check_number(answers)
        return answers

    def _is_suggested(self, answers: dict[str, Any]) -> bool:
        day, at = answers.get("day"), answers.get("time")
        return bool(day and at) and answers.get("suggested") == f"{day:%Y-%m-%d} {at:%H:%M}"

    def _check_number(self, answers: dict[str, Any]) -> None:
        """Of the time that was chosen: whoever wants one letter a month may get it then, and not now."""
        at = answers["at"]
        people = self._people_at(at) if at and self._people_at else self._people
        if "".join(sign for sign in answers.get("number", "") if sign.isdigit()) != str(people):
            sentence = _("At that time it goes to %(number)s recipients. Type that number if it’s right.")
            if not at:
                sentence = _("It goes to %(number)s recipients now. Type that number if it’s right.")
            self.add_error("number", sentence % {"number": count(people)})

    def _read_time(self, answers: dict[str, Any]) -> None:
        day, at = answers.get("day"), answers.get("time")
        if day is None or at is None:
            if "day" not in self.errors and "time" not in self.errors:
                self.add_error("day" if day is None else "time", _("Enter the day and the time of sending."))
            return
        moment = in_zone(day, at, self._zone)
        if moment is None:
            self.add_error("time", _("Clocks go forward then, so this time doesn’t exist. Choose another one."))
        elif moment <= self._now:
            self.add_error("time", _("That time is in the past. Choose a later one, or send now."))
        else:
            answers["at"] = moment


class CorrectionForm(DeskForm):
    """A slip on the web version: what stands there, and what should."""

    wrong = forms.CharField(
        label=lazy("Current text"),
        max_length=web_corrections.LONGEST,
        help_text=lazy("A word, a few words or a link address, as on the page."),
    )
    right = forms.CharField(label=lazy("Correct text"), max_length=web_corrections.LONGEST, required=False)


class CancelForm(DeskForm):
    """The typed word that stops a campaign for good."""

    word = forms.CharField(
        label=lazy("Type STOP"), max_length=20, widget=forms.TextInput(attrs={"autocomplete": "off", "class": "mono"})
    )

    def clean_word(self) -> str:
        word = str(self.cleaned_data["word"])
        if word.strip().casefold() not in ("stop", _("STOP").casefold()):
            raise forms.ValidationError(
                _("Type %(word)s to cancel the campaign, or let it continue.") % {"word": _("STOP")}
            )
        return word
