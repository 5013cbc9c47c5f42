"""Finding, adding and erasing people; lists."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict, Unpack

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.audience.actions import FieldShape
from samizdat.audience.actions.edit_subscriber import LANGUAGE, LONGEST_NOTE
from samizdat.audience.actions.forms import LONGEST_APPEALS
from samizdat.audience.queries.lists import FieldView, ListView
from samizdat.core.crypto.seal import FIRST_FIELD, NOTES
from samizdat.core.unsafe_text import bare
from samizdat.web.audience.field_types import KINDS, ValueField, lines, value_name
from samizdat.web.audience.subscriber_filters import every_language
from samizdat.web.base_form import DeskForm, FormData, FormFiles, FormOptions, offer
from samizdat.web.settings.forms.team import AddressField

# As long as an address can be.
LONGEST_SEARCH = 254

# What is typed to erase somebody. Not translated away: the word stands in the label, in whatever script it is.
ERASE = lazy("ERASE")


class FindForm(DeskForm):
    """Looks for part of a name or an address."""

    q = forms.CharField(
        label=lazy("Search by name or address"),
        max_length=LONGEST_SEARCH,
        widget=forms.TextInput(
            attrs={
                "type": "search",
                "placeholder": lazy("Search by name or address"),
                "autocomplete": "off",
                "spellcheck": "false",
                "dir": "auto",
                "data-key": "/",
            }
        ),
    )


class AddForm(DeskForm):
    """One person, by hand, with the words they agreed to."""

    address = AddressField(label=lazy("Email address"))
    list = forms.TypedChoiceField(label=lazy("List"), coerce=int)
    consent = forms.CharField(
        label=lazy("Consent: what did they agree to, and how?"),
        max_length=2000,
        help_text=lazy("Saved in the consent record. Example: “Signed up on paper at the book fair.”"),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    purpose = forms.ChoiceField(
        label=lazy("Consent covers"),
        choices=[
            ("newsletter", lazy("Newsletters")),
            ("both", lazy("Newsletters and fundraising appeals")),
            ("fundraising", lazy("Fundraising appeals, in addition to the newsletters they get")),
        ],
        initial="newsletter",
        required=False,
        help_text=lazy(
            "Agreeing to newsletters isn’t agreeing to appeals. Appeals go only to subscribers who agreed to them too."
        ),
    )
    tags = forms.CharField(
        label=lazy("Tags"), required=False, max_length=400, help_text=lazy("Separate tags with commas.")
    )

    def __init__(
        self,
        data: FormData = None,
        files: FormFiles = None,
        *,
        lists: Sequence[ListView],
        fields: Sequence[FieldView],
        **options: Unpack[FormOptions],
    ) -> None:
        self._merge_fields = list(fields)
        super().__init__(data, files, **options)
        self.fields["address"].widget.attrs["autocomplete"] = "off"
        offer(self, "list", [(view.id, view.name) for view in lists])
        for view in self._merge_fields:
            add_value(self, view)

    @property
    def merge_fields(self) -> Sequence[object]:
        return [self[value_name(field)] for field in self._merge_fields]

    def values(self) -> dict[str, str]:
        answers = self.cleaned_data
        values_by_tag = {field.tag: answers.get(value_name(field), "") for field in self._merge_fields}
        return {tag: value for tag, value in values_by_tag.items() if value}

    def tag_names(self) -> Sequence[str]:
        return [name.strip() for name in self.cleaned_data["tags"].split(",") if name.strip()]


# Before the name of an input: its hidden signs shall go.
_BARE = "bare-"


class EditForm(DeskForm):
    """All that is known of one reader and may be changed by hand. Beside each value stands what was seen.

    The numbers are those of the sealed values (audience.actions.editing), so that a field may change its name
    while somebody edits.
    """

    language = forms.ChoiceField(label=lazy("Language"), required=False)
    notes = forms.CharField(
        label=lazy("Notes"),
        required=False,
        max_length=LONGEST_NOTE,
        help_text=lazy("Encrypted, and never shown in an email. Included when they ask for their data."),
        widget=forms.Textarea(attrs={"rows": 4}),
    )

    def __init__(
        self,
        data: FormData = None,
        files: FormFiles = None,
        *,
        fields: Sequence[FieldView],
        seen: Mapping[int, str],
        **options: Unpack[FormOptions],
    ) -> None:
        """`seen`: what stands now, by number."""
        super().__init__(data, files, **options)
        self._names = {LANGUAGE: "language", NOTES: "notes"}
        self._take_signs_out()
        self.fields["language"].widget.attrs["autocomplete"] = "off"
        # What stands there may stay, whatever it is: a file can have brought it.
        offer(self, "language", [("", "–"), *every_language(self._before(LANGUAGE, seen))])
        for number, name in self._names.items():
            self.fields[name].initial = seen.get(number, "")
        for field in fields:
            if self.is_bound and value_name(field) not in self.data:
                continue  # Made since the page was opened: they were not asked for it.
            add_value(self, field, self._before(field.number, seen))
            self._names[field.number] = value_name(field)
        self._was = {number: self._before(number, seen) for number in self._names}

    @staticmethod
    def is_whole(data: QueryDict, fields: Iterable[FieldView]) -> bool:
        """Whether each value came once, with what was seen beside it: an absent one would read as an empty one."""
        names = {LANGUAGE: "language", NOTES: "notes"} | {view.number: value_name(view) for view in fields}
        here = {number: (len(data.getlist(name)), len(data.getlist(f"was{number}"))) for number, name in names.items()}
        own = (here.pop(LANGUAGE), here.pop(NOTES))
        return own == ((1, 1), (1, 1)) and set(here.values()) <= {(1, 1), (0, 0)}

    def _before(self, number: int, seen: Mapping[int, str]) -> str:
        """What was seen when the page was opened; the page brings it back."""
        value = self.data.get(f"was{number}") if self.is_bound else None
        return flat(str(value)) if value is not None else seen.get(number, "")

    def _take_signs_out(self) -> None:
        """Of values for which somebody chose so, before they are read."""
        if isinstance(self.data, QueryDict):
            self.data = data = self.data.copy()
            for name in [name for name in data if f"{_BARE}{name}" in data]:
                data[name] = bare(str(data[name]))

    @property
    def merge_fields(self) -> Sequence[tuple[object, str, str]]:
        """Each input, what it holds where that cannot all be seen in it, and by which name its signs are removed."""
        return [self._seen_through(name) for number, name in self._names.items() if number >= FIRST_FIELD]

    @property
    def own_notes(self) -> tuple[object, str, str]:
        return self._seen_through("notes")

    def _seen_through(self, name: str) -> tuple[object, str, str]:
        text = str(self[name].value() or "")
        return self[name], text if bare(text) != text else "", f"{_BARE}{name}"

    @property
    def hidden(self) -> Sequence[tuple[str, str]]:
        return [(f"was{number}", text) for number, text in self._was.items()]

    def was(self) -> dict[int, str]:
        return dict(self._was)

    def wanted(self) -> dict[int, str]:
        return {number: flat(str(self.cleaned_data.get(name) or "")) for number, name in self._names.items()}

    def see(self, now: Mapping[int, str]) -> None:
        """After a clash: what stands now is seen, so that saving again is meant."""
        self._was = {number: now.get(number, "") for number in self._was}


def flat(text: str) -> str:
    """Lines as they are kept: a browser sends them with carriage returns."""
    return "\n".join(text.splitlines()).strip()


def add_value(form: DeskForm, field: FieldView, was: str = "") -> None:
    """Gives a form the input for a merge field."""
    value = ValueField(field, was)
    value.widget.attrs["class"] = "input"
    form.fields[value_name(field)] = value


class EraseForm(DeskForm):
    word = forms.CharField(
        label=lazy("Type ERASE"), max_length=20, widget=forms.TextInput(attrs={"autocomplete": "off", "class": "mono"})
    )

    def clean_word(self) -> str:
        word = str(self.cleaned_data["word"])
        if word.strip().casefold() not in ("erase", str(ERASE).casefold()):
            raise forms.ValidationError(_("Type %(word)s to erase their data, or cancel.") % {"word": ERASE})
        return word


class ListForm(DeskForm):
    name = forms.CharField(
        label=lazy("List name"), max_length=200, help_text=lazy("Subscribers see it when they unsubscribe.")
    )


class DeleteListForm(DeskForm):
    name = forms.CharField(label=lazy("List name, typed to confirm"), max_length=200)


class FieldFacts(TypedDict):
    """What actions.add_field and change_field take."""

    tag: str
    label: str
    default: str
    shape: FieldShape


class FieldForm(DeskForm):
    """A merge field."""

    tag = forms.CharField(
        label=lazy("Merge tag"),
        max_length=40,
        help_text=lazy("As used in emails, like CITY: up to 10 Latin letters and digits. Imports match columns by it."),
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false", "autocapitalize": "characters"}),
    )
    label = forms.CharField(
        label=lazy("Name"), required=False, max_length=100, help_text=lazy("Name shown to your team, like City.")
    )
    default = forms.CharField(
        label=lazy("Fallback"),
        required=False,
        max_length=100,
        help_text=lazy("Emails show this instead, like “friend”. Leave empty to show nothing."),
    )
    kind = forms.ChoiceField(label=lazy("Type"), choices=[*KINDS.items()], required=False)
    choices = forms.CharField(
        label=lazy("Choices"),
        required=False,
        max_length=30_000,
        help_text=lazy("For “One of several options”: one per line."),
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    required = forms.BooleanField(
        label=lazy("Required"), required=False, help_text=lazy("When a subscriber is added or edited by hand.")
    )
    readable = forms.BooleanField(
        label=lazy("Usable in segments (stored unencrypted)"),
        required=False,
        help_text=lazy(
            "Values are stored unencrypted, as numbers, so segments are counted at once. Anyone who copies the "
            "disk can read them. For numbers, dates, choices and yes or no."
        ),
    )

    def facts(self) -> FieldFacts:
        """What actions.add_field and change_field take."""
        answers = self.cleaned_data
        shape = FieldShape(
            answers["kind"] or "text", answers["required"], lines(answers["choices"]), answers["readable"]
        )
        return FieldFacts(tag=answers["tag"], label=answers["label"], default=answers["default"], shape=shape)


class FormForm(DeskForm):
    """The sign-up form of a list."""

    wording = forms.CharField(
        label=lazy("Consent wording"),
        max_length=1000,
        help_text=lazy("Shown above the button and saved in each consent record word for word."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class AppealsForm(DeskForm):
    """Which words a list asks with for a yes to appeals."""

    words = forms.CharField(
        label=lazy("Checkbox label"),
        required=False,
        max_length=LONGEST_APPEALS,
        help_text=lazy(
            "Leave empty to ask nobody, unless a form for this list has such a checkbox. People who already agreed "
            "aren’t affected."
        ),
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class DigestForm(DeskForm):
    """When a list gathers its letters."""

    when = forms.ChoiceField(
        label=lazy("Create a digest"),
        required=False,
        choices=[
            ("day", lazy("each day")),
            ("mon", lazy("each Monday")),
            ("tue", lazy("each Tuesday")),
            ("wed", lazy("each Wednesday")),
            ("thu", lazy("each Thursday")),
            ("fri", lazy("each Friday")),
            ("sat", lazy("each Saturday")),
            ("sun", lazy("each Sunday")),
            ("month", lazy("on the first of each month")),
            ("", lazy("never")),
        ],
        help_text=lazy(
            "At 9:00, your time. After “never”, what’s already collected is still sent; then they get each email "
            "separately again."
        ),
    )


class SegmentForm(DeskForm):
    """The name of a segment; its conditions are web/audience/segment_builder's."""

    name = forms.CharField(label=lazy("Segment name"), max_length=100)
    version = forms.IntegerField(widget=forms.HiddenInput, required=False)
