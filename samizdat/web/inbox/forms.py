"""What is typed in the inbox."""

from django import forms
from django.utils.translation import gettext_lazy as lazy

from samizdat.incoming.conversations import actions, away
from samizdat.web.base_form import DayField, DeskForm


class AnswerForm(DeskForm):
    text = forms.CharField(
        label=lazy("Reply"),
        strip=False,
        max_length=actions.LONGEST,
        widget=forms.Textarea(attrs={"rows": 6, "dir": "auto"}),
        error_messages={"required": lazy("Write a reply first.")},
    )


class NoteForm(DeskForm):
    note = forms.CharField(
        label=lazy("Note"),
        max_length=actions.LONGEST,
        widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"}),
        strip=False,
    )


class AwayForm(DeskForm):
    first = DayField(label=lazy("First day"), required=False)
    last = DayField(label=lazy("Last day"), required=False)
    text = forms.CharField(
        label=lazy("Text"),
        required=False,
        max_length=away.LONGEST,
        widget=forms.Textarea(attrs={"rows": 8, "dir": "auto"}),
        help_text=lazy("Leave it empty to turn the away text off."),
    )
