"""What is written, and when it goes."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Unpack
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

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
# A letter without a word in it.
EMPTY = {"blocks": '{"type":"doc"}', "markdown": "", "html": ""}


class BeginForm(DeskForm):
    """What a letter begins with. Whatever is not said is as in the last letter, or as the organization has it."""

    list = forms.TypedChoiceField(label=lazy("List"), coerce=int, required=False)
    language = forms.ChoiceField(label=lazy("Language of the letter"), required=False)
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
        label=lazy("Preheader"), required=False, max_length=5000, help_text=lazy("The grey line beside the subject.")
    )
    reply_to = loose_address(lazy("Answers go to"), lazy("Empty: to the sender."))
    list = forms.TypedChoiceField(label=lazy("List"), coerce=int)
    tag = forms.TypedChoiceField(label=lazy("Only with the tag"), coerce=int, required=False, empty_value=None)
    segment = forms.TypedChoiceField(label=lazy("Only of the segment"), coerce=int, required=False, empty_value=None)
    purpose = forms.ChoiceField(
        label=lazy("What it is"),
        choices=[("newsletter", lazy("a letter")), ("fundraising", lazy("an appeal for money"))],
        required=False,
        help_text=lazy("An appeal goes to those alone who agreed to appeals as well, and stands in no archive."),
    )
    language = forms.ChoiceField(label=lazy("Language of the letter"))
    template = forms.TypedChoiceField(label=lazy("Template"), coerce=int, required=False, empty_value=None)
    format = forms.ChoiceField(choices=FORMATS, widget=forms.HiddenInput)
    page = forms.RegexField(r"^[0-9a-f]{32}$", required=False, widget=forms.HiddenInput)
    pictures = forms.ChoiceField(
        label=lazy("Pictures"),
        choices=[("linked", lazy("fetched by the mail program")), ("inside", lazy("inside the letter"))],
        required=False,
        help_text=lazy("Inside: for readers whose network lets nothing of ours through. The letter grows by them."),
    )
    links = forms.ChoiceField(
        label=lazy("Links"),
        choices=[("direct", lazy("lead where they say")), ("counted", lazy("are counted, as totals"))],
        required=False,
        help_text=lazy("Counted: they lead through your public pages, which keep one sum a link and day, of nobody."),
    )
    archive = forms.ChoiceField(
        label=lazy("Web version"),
        choices=[("listed", lazy("in the archive")), ("unlisted", lazy("by its address alone"))],
        required=False,
        help_text=lazy("By its address alone: in no archive and no feed. Whoever has the link can read it."),
    )
    body = forms.CharField(
        label=lazy("Letter"),
        required=False,
        strip=False,
        max_length=LONGEST_BODY,
        widget=forms.Textarea(attrs={"rows": 24, "class": "letter"}),
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
        self.fields["subject"].help_text = _("Phones show about 45 characters.")
        offer(self, "template", [("", _("Carbon (ours)")), *templates])
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
            self.fields["archive"].help_text = _("Decided: a letter to few stands in no archive.")
            offer(self, "archive", [(self.initial["archive"], _("by its address alone"))])
        if is_again:
            for name in ("list", "tag", "segment", "purpose"):
                del self.fields[name]
            return
        offer(self, "list", [(list_view.id, list_view.name) for list_view in lists])
        offer(self, "tag", [("", _("everybody on the list")), *tags])
        offer(self, "segment", [("", _("everybody on the list")), *segments])

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
        return Draft(**fields, body=body, pictures=pictures, links=links)


class FolderForm(DeskForm):
    name = forms.CharField(label=lazy("Name"), max_length=folders.LONGEST)


class CalendarForm(DeskForm):
    day = DayField(label=lazy("Day"))


class AgreeForm(forms.Form):
    """What the page showed: approval.bond_of, and how many people."""

    seen = forms.CharField(required=False, max_length=64)
    people = forms.IntegerField(required=False, min_value=0)


class TestForm(DeskForm):
    """To whom a test goes."""

    __test__ = False
    to = AddressField(label=lazy("Send a test to"))


class ReleaseForm(DeskForm):
    when = forms.ChoiceField(
        label=lazy("When"),
        choices=[("now", lazy("Now, after 5 minutes’ hold")), ("later", lazy("At the time below"))],
        widget=forms.RadioSelect,
        initial="now",
    )
    day = DayField(label=lazy("Day"), required=False)
    time = forms.TimeField(
        label=lazy("Time"), required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    unsure = forms.ChoiceField(
        label=lazy("If the sender crashes and an answer is lost"),
        choices=[
            ("resend", lazy("Send to those few once more. Somebody may get it twice.")),
            ("hold", lazy("Leave them until I decide. Somebody may not get it at all.")),
        ],
        help_text=lazy("The copy is marked as the same letter, so most mailboxes drop it."),
        widget=forms.RadioSelect,
        initial="resend",
        required=False,
    )
    quiet = forms.CharField(
        label=lazy("Quiet hours"),
        required=False,
        max_length=80,
        help_text=lazy("Nothing leaves in them, like 22:00-07:00. Empty: it goes at any hour."),
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false"}),
    )
    wave = forms.IntegerField(
        label=lazy("First wave, per cent"),
        required=False,
        min_value=1,
        max_value=99,
        help_text=lazy("So many of every hundred get it first, and the rest waits. Empty: all at once."),
    )
    wave_hold = forms.IntegerField(
        label=lazy("Hold after it, minutes"), required=False, min_value=0, max_value=LONGEST_HOLD, initial=30
    )
    wave_stop = forms.FloatField(
        label=lazy("Keep the rest back when more per cent are refused than"),
        required=False,
        min_value=0,
        max_value=100,
        initial=5,
    )
    number = forms.CharField(
        label=lazy("Type the number of people"),
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
        if not self.asks_number:
            del self.fields["number"]
        else:
            self.fields["number"].help_text = _("%(number)s, to show that you have seen it.") % {
                "number": count(people)
            }

    def ask_whether_meant(self, sentence: str) -> None:
        """The same letter went to the same list within a day: a box has to be ticked."""
        self.fields["meant"] = forms.BooleanField(
            label=_("Send it once more all the same"),
            required=True,
            help_text=sentence,
            error_messages={"required": _("The same letter went out lately. Tick the box if it is meant.")},
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
    def has_pace(self) -> bool:
        """Is something of it asked for or wrong? Then it is shown open."""
        return bool(self["quiet"].value() or self["wave"].value() or {"quiet", "wave", "wave_hold"} & set(self.errors))

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
        elif answers.get("day") or answers.get("time"):
            self.add_error("when", _("A time is filled in below, and “Now” is chosen. Choose one, or empty the time."))
        if self.asks_number and "number" not in self.errors:
            self._check_number(answers)
        return answers

    def _check_number(self, answers: dict[str, Any]) -> None:
        """Of the time that was chosen: whoever wants one letter a month may get it then, and not now."""
        at = answers["at"]
        people = self._people_at(at) if at and self._people_at else self._people
        if "".join(sign for sign in answers.get("number", "") if sign.isdigit()) != str(people):
            sentence = _("It goes to %(number)s people then. Type that number if it is right.")
            if not at:
                sentence = _("It goes to %(number)s people now. Type that number if it is right.")
            self.add_error("number", sentence % {"number": count(people)})

    def _read_time(self, answers: dict[str, Any]) -> None:
        day, at = answers.get("day"), answers.get("time")
        if day is None or at is None:
            if "day" not in self.errors and "time" not in self.errors:
                self.add_error("day" if day is None else "time", _("Say on which day and at what time it goes."))
            return
        moment = in_zone(day, at, self._zone)
        if moment is None:
            self.add_error("time", _("The clocks are put forward then: this time does not exist. Choose another one."))
        elif moment <= self._now:
            self.add_error("time", _("That time has passed. Choose a later one, or send now."))
        else:
            answers["at"] = moment


class CorrectionForm(DeskForm):
    """A slip on the web version: what stands there, and what should."""

    wrong = forms.CharField(
        label=lazy("What stands there"),
        max_length=web_corrections.LONGEST,
        help_text=lazy("A word, a few words, or the address of a link, as on the page."),
    )
    right = forms.CharField(label=lazy("What should stand there"), max_length=web_corrections.LONGEST, required=False)


class CancelForm(DeskForm):
    """The typed word that stops a campaign for good."""

    word = forms.CharField(
        label=lazy("Type STOP"), max_length=20, widget=forms.TextInput(attrs={"autocomplete": "off", "class": "mono"})
    )

    def clean_word(self) -> str:
        word = str(self.cleaned_data["word"])
        if word.strip().casefold() not in ("stop", _("STOP").casefold()):
            raise forms.ValidationError(_("Type the word %(word)s to stop it, or let it go on.") % {"word": _("STOP")})
        return word
