"""Fields by their kinds at the desk: what each kind is called, and the input that takes a value of it."""

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from samizdat.audience.queries.lists import FieldView
from samizdat.core import fields
from samizdat.labels import field_label

KINDS: dict[str, Promise] = {
    "text": pgettext_lazy("kind of field", "Text"),
    "number": pgettext_lazy("kind of field", "Number"),
    "date": pgettext_lazy("kind of field", "Date"),
    "choice": pgettext_lazy("kind of field", "One of several options"),
    "yesno": pgettext_lazy("kind of field", "Yes or no"),
    "address": pgettext_lazy("kind of field", "Postal address"),
    "phone": pgettext_lazy("kind of field", "Telephone"),
    "link": pgettext_lazy("kind of field", "Link"),
    "language": pgettext_lazy("kind of field", "Language"),
}

YES_NO = {fields.YES: pgettext_lazy("value of a field", "yes"), fields.NO: pgettext_lazy("value of a field", "no")}

# What a phone's keyboard is told; everything else is an ordinary line.
_INPUTS = {"number": "decimal", "phone": "tel", "link": "url"}


class ValueField(forms.Field):
    """A merge field's value. What stood there may stay, also when it does not fit the kind: a file brought it."""

    def __init__(self, view: FieldView, was: str = "") -> None:
        self.view, self.was = view, was
        label = field_label(view.tag, view.label)
        super().__init__(label=label, required=False, widget=_widget(view, was), initial=was)

    def clean(self, value: object) -> str:
        text = "\n".join(str(value or "").splitlines()).strip()
        if text == self.was:
            return text
        try:
            kept = fields.read(self.view.kind, text, self.view.codes)
        except fields.BadValue as bad:
            raise forms.ValidationError(_(str(bad))) from bad
        if not kept and self.view.required:
            raise forms.ValidationError(_("This field is required. Fill it in."))
        return kept


def _widget(view: FieldView, was: str) -> forms.Widget:
    if view.kind in ("choice", "yesno"):
        return forms.Select(choices=_choices(view, was))
    if view.kind == "address":
        return forms.Textarea(attrs={"rows": 3, "autocomplete": "off"})
    if view.kind == "date":
        # An old value that is no day would be dropped by a date input.
        kind = "date" if not was or _is_day(was) else "text"
        return forms.DateInput(attrs={"type": kind, "autocomplete": "off"})
    attributes = {"autocomplete": "off", "maxlength": fields.LONGEST}
    if view.kind in _INPUTS:
        attributes["inputmode"] = _INPUTS[view.kind]
    return forms.TextInput(attrs=attributes)


def _is_day(text: str) -> bool:
    try:
        return fields.read("date", text) == text
    except fields.BadValue:
        return False


def _choices(view: FieldView, was: str) -> list[tuple[str, str | Promise]]:
    known: Sequence[tuple[str, str | Promise]] = (
        [*YES_NO.items()] if view.kind == "yesno" else [(choice, choice) for choice in view.choices]
    )
    old = [(was, was)] if was and was not in dict(known) else []
    return [("", "–"), *known, *old]


def value_name(view: FieldView) -> str:
    """What a field's input is called in a form."""
    return f"value-{view.number}"


def shown(view: FieldView, text: str) -> str:
    """A kept value as the desk shows it."""
    return str(YES_NO[text]) if view.kind == "yesno" and text in YES_NO else text


def fits(view: FieldView, text: str) -> bool:
    """Whether a kept value is one of its kind; an import may have brought another."""
    try:
        fields.read(view.kind, text, view.codes)
    except fields.BadValue:
        return False
    return True


def lines(text: str) -> tuple[str, ...]:
    """Choices as they are typed, one a line."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def typed(choices: Iterable[str]) -> str:
    return "\n".join(choices)


# What became of one message, by core/mail/ledger.STATES.
DELIVERIES: dict[str, tuple[str, Any]] = {
    "pending": ("", pgettext_lazy("delivery", "Waiting")),
    "deferred": ("work", pgettext_lazy("delivery", "Deferred, will be retried")),
    "accepted": ("good", pgettext_lazy("delivery", "Accepted by the receiving mail server")),
    "refused": ("stop", pgettext_lazy("delivery", "Bounced")),
    "unsure": ("care", pgettext_lazy("delivery", "Outcome unknown")),
    "suppressed": ("none", pgettext_lazy("delivery", "Skipped: unsubscribed or bounced after scheduling")),
    "cancelled": ("none", pgettext_lazy("delivery", "Cancelled")),
}

# How somebody first came, by core/consent.WAYS.
SOURCES: dict[str, Any] = {
    "import": pgettext_lazy("came by", "import"),
    "form": pgettext_lazy("came by", "a sign-up form"),
    "desk": pgettext_lazy("came by", "the team"),
    "api": pgettext_lazy("came by", "API"),
    "mail": pgettext_lazy("came by", "an email from them"),
    "one-click": pgettext_lazy("came by", "the unsubscribe button"),
    "bounce": pgettext_lazy("came by", "a bounce"),
}
# The same where leaving and coming back are meant too: one leaves by a page of ours, and takes that back by its button.
MOVED_BY: dict[str, Any] = SOURCES | {
    "form": pgettext_lazy("moved by", "our public pages"),
    "one-click": pgettext_lazy("moved by", "the unsubscribe link of an email"),
    "moved": pgettext_lazy("moved by", "a move between lists"),
    "undone": pgettext_lazy("moved by", "something undone by the team"),
}

# Why an address is on the stop list.
STOPPED: dict[str, Any] = {
    "any": pgettext_lazy("stop list", "on the suppression list, for any reason"),
    "bounce": pgettext_lazy("stop list", "address bounced permanently"),
    "complaint": pgettext_lazy("stop list", "complaint"),
    "erased": pgettext_lazy("stop list", "data erased"),
    "manual": pgettext_lazy("stop list", "added manually"),
    "objected": pgettext_lazy("stop list", "objected to all email"),
}

# What is done to many at once, by audience.actions.bulk.
DEEDS: dict[str, Any] = {
    "tag": pgettext_lazy("bulk work", "Add tag"),
    "untag": pgettext_lazy("bulk work", "Remove tag"),
    "move": pgettext_lazy("bulk work", "Move to another list"),
    "remove": pgettext_lazy("bulk work", "Remove from list"),
    "erase": pgettext_lazy("bulk work", "Erase personal data"),
}

WORK_STATES: dict[str, tuple[str, Any]] = {
    "waiting": ("care", pgettext_lazy("bulk work", "Waiting for approval")),
    "running": ("work", pgettext_lazy("bulk work", "Running")),
    "stopped": ("care", pgettext_lazy("bulk work", "Stopped")),
    "finished": ("good", pgettext_lazy("bulk work", "Done")),
    "undoing": ("work", pgettext_lazy("bulk work", "Undoing")),
    "undone": ("none", pgettext_lazy("bulk work", "Undone")),
}
