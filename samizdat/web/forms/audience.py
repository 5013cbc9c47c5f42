"""Finding, adding and erasing people; lists."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.web.forms.base import DeskForm, offer
from samizdat.web.forms.people import AddressField
from samizdat.web.plans import field_label

# What is typed to erase somebody. Not translated away: the word stands in the label, in whatever script it is.
ERASE = lazy("ERASE")


class FindForm(DeskForm):
    """Looks for one whole address."""

    address = AddressField(
        label=lazy("Whole e-mail address"),
        help_text=lazy(
            "Part of an address or a name finds nothing, for you as for a thief. "
            "Each look-up is written to your organisation’s log."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["address"].widget.attrs |= {"autocomplete": "off", "data-key": "/"}


class AddForm(DeskForm):
    """One person, by hand, with the words she agreed to."""

    address = AddressField(label=lazy("Her e-mail address"))
    list = forms.TypedChoiceField(label=lazy("List"), coerce=int)
    consent = forms.CharField(
        label=lazy("What did she agree to, and how?"),
        max_length=2000,
        help_text=lazy(
            "Goes into her consent record in these words, for instance: signed the paper list at the book fair."
        ),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    tags = forms.CharField(
        label=lazy("Tags"), required=False, max_length=400, help_text=lazy("Separate several with commas.")
    )

    def __init__(self, *args: Any, lists: Any, fields: Any, **kwargs: Any) -> None:
        self._merge_fields = list(fields)
        super().__init__(*args, **kwargs)
        self.fields["address"].widget.attrs["autocomplete"] = "off"
        offer(self, "list", [(found.id, found.name) for found in lists])
        for found in self._merge_fields:
            self.fields[f"value-{found.number}"] = forms.CharField(
                label=field_label(found.tag, found.label),
                required=False,
                max_length=1000,
                widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
            )

    @property
    def merge_fields(self) -> Sequence[Any]:
        return [self[f"value-{found.number}"] for found in self._merge_fields]

    def values(self) -> dict[str, str]:
        answers = self.cleaned_data
        found = {field.tag: answers.get(f"value-{field.number}", "").strip() for field in self._merge_fields}
        return {tag: value for tag, value in found.items() if value}

    def tag_names(self) -> Sequence[str]:
        return [name.strip() for name in self.cleaned_data["tags"].split(",") if name.strip()]


class EraseForm(DeskForm):
    word = forms.CharField(
        label=lazy("Type ERASE"), max_length=20, widget=forms.TextInput(attrs={"autocomplete": "off", "class": "mono"})
    )

    def clean_word(self) -> str:
        word = str(self.cleaned_data["word"])
        if word.strip().casefold() not in ("erase", str(ERASE).casefold()):
            raise forms.ValidationError(_("Type the word %(word)s to erase her, or keep her.") % {"word": ERASE})
        return word


class ListForm(DeskForm):
    name = forms.CharField(
        label=lazy("Name of the list"), max_length=200, help_text=lazy("Readers see it when they leave.")
    )


class FieldForm(DeskForm):
    """A merge field."""

    tag = forms.CharField(
        label=lazy("Merge tag"),
        max_length=40,
        help_text=lazy("As letters say it, like CITY: up to 10 Latin letters and digits. Files bring values in by it."),
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false", "autocapitalize": "characters"}),
    )
    label = forms.CharField(
        label=lazy("Name"), required=False, max_length=100, help_text=lazy("As you see it at the desk, like City.")
    )
    default = forms.CharField(
        label=lazy("Where somebody has none"),
        required=False,
        max_length=100,
        help_text=lazy("Letters say this instead, like “friend”. Empty: nothing."),
    )


class FormForm(DeskForm):
    """The sign-up form of a list."""

    wording = forms.CharField(
        label=lazy("What do readers agree to?"),
        max_length=1000,
        help_text=lazy("They read it above the button, and it goes into each consent record in these words."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
