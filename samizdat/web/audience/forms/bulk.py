"""What is done to many at once: one small form for each deed."""

from collections.abc import Sequence
from typing import Unpack

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.audience.actions.bulk import ERASE as ERASING
from samizdat.audience.actions.bulk import MOVE, REMOVE, TAG, UNTAG
from samizdat.audience.queries.lists import ListView
from samizdat.web.audience.forms.audience import ERASE
from samizdat.web.base_form import DeskForm, FormData, FormFiles, FormOptions, offer


class BulkActionForm(DeskForm):
    """`lists` and `tags` are what can be chosen."""

    deed = ""

    def __init__(
        self,
        data: FormData = None,
        files: FormFiles = None,
        *,
        lists: Sequence[ListView] = (),
        tags: Sequence[tuple[int, str]] = (),
        **options: Unpack[FormOptions],
    ) -> None:
        # Filters of the same names go along in the same form.
        options["prefix"], options["auto_id"] = "do", f"f-{self.deed}-%s"
        super().__init__(data, files, **options)
        for name, choices in (
            ("list", [(list_view.id, list_view.name) for list_view in lists]),
            ("to", [(list_view.id, list_view.name) for list_view in lists if not list_view.archived]),
            ("tag", tags),
        ):
            if isinstance(self.fields.get(name), forms.ChoiceField):
                offer(self, name, choices)

    @property
    def again(self) -> Sequence[tuple[str, str]]:
        """What was answered, to be sent along with the last yes."""
        return [(self.add_prefix(name), str(value)) for name, value in self.cleaned_data.items()]


class TagForm(BulkActionForm):
    deed = TAG
    name = forms.CharField(label=lazy("Tag"), max_length=100)

    def clean_name(self) -> str:
        return str(self.cleaned_data["name"]).strip()


class UntagForm(BulkActionForm):
    deed = UNTAG
    tag = forms.TypedChoiceField(label=lazy("Tag"), coerce=int)


class MoveForm(BulkActionForm):
    deed = MOVE
    list = forms.TypedChoiceField(label=lazy("From the list"), coerce=int)
    to = forms.TypedChoiceField(label=lazy("To the list"), coerce=int)
    words = forms.CharField(
        label=lazy("Why can they be emailed on the other list?"),
        max_length=1000,
        help_text=lazy("Saved in each consent record word for word. Consent to one list covers only that list."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def clean(self) -> dict[str, object]:
        answers = super().clean() or {}
        if answers.get("list") is not None and answers.get("list") == answers.get("to"):
            self.add_error("to", _("These are the same list. Choose another one to move to."))
        return answers


class RemoveForm(BulkActionForm):
    deed = REMOVE
    list = forms.TypedChoiceField(label=lazy("List"), coerce=int)
    words = forms.CharField(
        label=lazy("Reason"),
        required=False,
        max_length=1000,
        help_text=lazy("Saved in each consent record."),
    )


class ErasingForm(BulkActionForm):
    deed = ERASING


class WordForm(DeskForm):
    """What is typed before many are erased."""

    word = forms.CharField(
        label=lazy("Type ERASE"), max_length=20, widget=forms.TextInput(attrs={"autocomplete": "off", "class": "mono"})
    )

    def clean_word(self) -> str:
        word = str(self.cleaned_data["word"])
        if word.strip().casefold() not in ("erase", str(ERASE).casefold()):
            raise forms.ValidationError(_("Type %(word)s to erase their data, or cancel.") % {"word": ERASE})
        return word


FORMS: dict[str, type[BulkActionForm]] = {
    form.deed: form for form in (TagForm, UntagForm, MoveForm, RemoveForm, ErasingForm)
}
