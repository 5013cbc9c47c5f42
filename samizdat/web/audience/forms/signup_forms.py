"""Making a sign-up form."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from django import forms
from django.utils.translation import gettext_lazy as lazy

from samizdat.audience.actions.forms import (
    LONGEST_APPEALS,
    LONGEST_INTRO,
    LONGEST_TITLE,
    LONGEST_WORDING,
    FormFacts,
)
from samizdat.audience.queries.lists import FieldView, ListView
from samizdat.labels import field_label
from samizdat.web.base_form import DeskForm, FormData, FormFiles, FormOptions, offer
from samizdat.web.settings.forms.team import LANGUAGES

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


def _many(label: "StrOrPromise", help_text: "StrOrPromise" = "") -> forms.TypedMultipleChoiceField:
    return forms.TypedMultipleChoiceField(
        label=label, help_text=help_text, coerce=int, required=False, widget=forms.CheckboxSelectMultiple
    )


class SignUpFormForm(DeskForm):
    """What a sign-up form says and asks. Lists, fields and tags are those of the organization."""

    title = forms.CharField(label=lazy("Heading"), max_length=LONGEST_TITLE)
    language = forms.ChoiceField(label=lazy("Language"), choices=LANGUAGES)
    intro = forms.CharField(
        label=lazy("Description"),
        required=False,
        max_length=LONGEST_INTRO,
        help_text=lazy("One or two sentences above the form."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    wording = forms.CharField(
        label=lazy("Consent wording"),
        max_length=LONGEST_WORDING,
        help_text=lazy("Shown above the button and saved in each consent record word for word."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    thanks = forms.CharField(
        label=lazy("Thank-you text"),
        required=False,
        max_length=LONGEST_WORDING,
        help_text=lazy("Shown after confirming. Leave empty for the default text."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    appeals = forms.CharField(
        label=lazy("Checkbox label for fundraising appeals"),
        required=False,
        max_length=LONGEST_APPEALS,
        help_text=lazy(
            "People who check it also agree to fundraising appeals; it’s never checked in advance. Leave empty for "
            "no checkbox: the form then asks for newsletters only."
        ),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    lists = _many(lazy("Lists"), lazy("With several lists, people choose among them, and one email confirms all."))
    asked = _many(lazy("Fields to ask for"))
    required = _many(lazy("Required fields"))
    topics = _many(
        lazy("Topics to choose from"),
        lazy("Tags that subscribers choose themselves, here and in their preferences. They see the tag names."),
    )

    def __init__(
        self,
        data: FormData = None,
        files: FormFiles = None,
        *,
        lists: Sequence[ListView],
        fields: Sequence[FieldView],
        tags: Sequence[tuple[int, str]],
        **options: Unpack[FormOptions],
    ) -> None:
        super().__init__(data, files, **options)
        labels = [(view.number, field_label(view.tag, view.label)) for view in fields]
        offer(self, "lists", [(view.id, view.name) for view in lists])
        offer(self, "asked", labels)
        offer(self, "required", labels)
        offer(self, "topics", list(tags))

    @property
    def groups(self) -> list[forms.BoundField]:
        """The boxes to tick, group by group."""
        return [self[name] for name in ("lists", "asked", "required", "topics")]

    def facts(self) -> FormFacts:
        answers = self.cleaned_data
        return FormFacts(
            title=answers["title"].strip(),
            language=answers["language"],
            lists=tuple(answers["lists"]),
            wording=answers["wording"].strip(),
            intro=answers["intro"].strip(),
            thanks=answers["thanks"].strip(),
            fields=tuple(answers["asked"]),
            required=tuple(number for number in answers["required"] if number in answers["asked"]),
            topics=tuple(answers["topics"]),
            appeals=answers["appeals"].strip(),
        )


def told_by(facts: FormFacts) -> dict[str, object]:
    """The initial values of a form that is there."""
    return {
        "title": facts.title,
        "language": facts.language,
        "intro": facts.intro,
        "wording": facts.wording,
        "thanks": facts.thanks,
        "lists": list(facts.lists),
        "asked": list(facts.fields),
        "required": list(facts.required),
        "topics": list(facts.topics),
        "appeals": facts.appeals,
    }
