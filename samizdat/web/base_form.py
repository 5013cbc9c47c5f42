"""The form all others are made of."""

from collections.abc import Iterable, Mapping, MutableMapping
from datetime import date
from typing import Any, TypedDict, Unpack

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _

from samizdat.dbclock import YEARS
from samizdat.formatting import grouped

type FormData = Mapping[str, object] | None
type FormFiles = MultiValueDict[str, UploadedFile[bytes]] | None


class FormOptions(TypedDict, total=False):
    """What a view may say of a form besides what was typed."""

    auto_id: str
    initial: MutableMapping[str, Any]
    label_suffix: str
    prefix: str


class DeskForm(forms.Form):
    """Inputs carry the class of the stylesheet; errors and hints are tied by Django's aria-describedby."""

    def __init__(self, data: FormData = None, files: FormFiles = None, **options: Unpack[FormOptions]) -> None:
        options.setdefault("label_suffix", "")
        options.setdefault("auto_id", "f-%s")
        super().__init__(data, files, **options)
        for field in self.fields.values():
            self.dressed(field)

    def add_error(self, field: str | None, error: ValidationError | str) -> None:  # type: ignore[override]
        """Django's own words name no field, and in the summary above the form nothing else does."""
        if field is not None and isinstance(error, ValidationError):
            known, label = self.fields[field], str(self[field].label)
            error = ValidationError([_named(known, label, problem) for problem in error.error_list])
        super().add_error(field, error)

    @staticmethod
    def dressed(field: forms.Field) -> forms.Field:
        """With the class of the stylesheet."""
        kind = getattr(field.widget, "input_type", "")
        if kind not in ("checkbox", "radio", "file", "hidden"):
            field.widget.attrs["class"] = f"input {field.widget.attrs.get('class', '')}".strip()
        return field


def _named(field: forms.Field, label: str, error: ValidationError) -> ValidationError:
    if not _is_djangos(field, error.message):
        return error
    facts = {"field": label} | {name: _written(value) for name, value in (error.params or {}).items()}
    kind = getattr(field.widget, "input_type", "")
    sentences = {
        "required": {
            "checkbox": _("Select “%(field)s”."),
            "radio": _("Choose an option for “%(field)s”."),
            "select": _("Choose an option for “%(field)s”."),
            "file": _("Choose a file for “%(field)s”."),
        }.get(kind, _("Fill in “%(field)s”.")),
        "max_length": _("“%(field)s” is too long: %(show_value)s of %(limit_value)s characters. Shorten it."),
        "min_length": _("“%(field)s” is too short: %(show_value)s of %(limit_value)s characters. Make it longer."),
        "max_value": _("“%(field)s” is too high. Enter %(limit_value)s or less."),
        "min_value": _("“%(field)s” is too low. Enter %(limit_value)s or more."),
        "invalid_choice": _("“%(field)s” doesn’t offer “%(value)s”. Choose another one."),
    }
    if error.code in sentences:
        return ValidationError(sentences[error.code] % facts, error.code)
    return ValidationError(_("“%(field)s”: %(problem)s") % (facts | {"problem": error.messages[0]}), error.code)


def _is_djangos(field: forms.Field, message: object) -> bool:
    """Whether these words are Django's, and none that we gave the field."""
    classes = [kind for kind in type(field).__mro__ if kind.__module__.startswith("django.")]
    defaults = [text for kind in classes for text in vars(kind).get("default_error_messages", {}).values()]
    checks = [getattr(check, "message", None) for check in field.validators]
    return any(message is text for text in (*defaults, *checks))


def _written(value: object) -> str:
    return grouped(value) if isinstance(value, int) else str(value)


class DayField(forms.DateField):
    """A day that can be planned: computers know no moment before the year 1 or after 9999, and a slip of the hand
    may say either.
    """

    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")

    def validate(self, value: date | None) -> None:
        super().validate(value)
        if value is not None and value.year not in YEARS:
            years = {"first": str(YEARS[0]), "last": str(YEARS[-1])}
            raise forms.ValidationError(_("Check the year: it must be from %(first)s to %(last)s.") % years)


def offer(form: forms.Form, name: str, choices: Iterable[tuple[object, object]]) -> None:
    """What a field of choices offers, when only the view knows."""
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)
    field.choices = [*choices]


def sentences(form: forms.Form) -> str:
    """All that is wrong with a form, in one line."""
    return " ".join(str(text) for texts in form.errors.values() for text in texts)


def refuse(form: forms.Form, field: str | None, error: Exception | str) -> None:
    """Puts an action's refusal beside the field it speaks of; None: above the form."""
    form.add_error(field if field in form.fields else None, str(error))
