"""The form all others are made of."""

from typing import Any

from django import forms


class DeskForm(forms.Form):
    """Inputs carry the class of the stylesheet; errors and hints are tied by Django's aria-describedby."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        kwargs.setdefault("auto_id", "f-%s")
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            kind = getattr(field.widget, "input_type", "")
            if kind not in ("checkbox", "radio", "file", "hidden"):
                field.widget.attrs["class"] = f"input {field.widget.attrs.get('class', '')}".strip()


def refuse(form: forms.Form, field: str | None, error: Exception | str) -> None:
    """Puts an action's refusal beside the field it speaks of; None: above the form."""
    form.add_error(field if field in form.fields else None, str(error))
