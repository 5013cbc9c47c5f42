"""What everybody sees of an organization that is locked: since when, by whom, and how it is unlocked."""

from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.accounts.queries import name_in
from samizdat.core.crypto.passphrase import PassphraseError, check_new, normalized
from samizdat.delivery.actions import key_destruction, key_locks
from samizdat.vault import locks, strict
from samizdat.web.base_form import DeskForm, FormData
from samizdat.web.request import VisitorRequest
from samizdat.web.settings.forms.team import LONGEST_PASSWORD


class UnlockForm(DeskForm):
    password = forms.CharField(
        label=lazy("Your password"),
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class _PassphraseField(forms.CharField):
    """No browser keeps it, and what was typed counts as it is."""

    def __init__(self, **words: Any) -> None:
        widget = forms.PasswordInput(attrs={"autocomplete": "off"})
        super().__init__(max_length=4096, strip=False, widget=widget, **words)


class PassphraseForm(DeskForm):
    passphrase = _PassphraseField(
        label=lazy("Your passphrase"),
        help_text=lazy("The one you set for this organization, not the password of your account."),
    )
    hours = forms.IntegerField(
        label=lazy("Hours until it locks by itself"), min_value=1, max_value=strict.MOST_HOURS, initial=strict.HOURS
    )


class ChangePassphraseForm(DeskForm):
    old = _PassphraseField(label=lazy("Present passphrase"))
    new = _PassphraseField(
        label=lazy("New passphrase"), help_text=lazy("At least 16 characters, for example six unrelated words.")
    )
    again = _PassphraseField(label=lazy("New passphrase, once more"))

    def clean_new(self) -> str:
        typed: str = self.cleaned_data["new"]
        try:
            check_new(typed)
        except PassphraseError as wrong:
            sentence = _("Choose at least 16 characters that every keyboard has, for example six unrelated words.")
            raise forms.ValidationError(sentence) from wrong
        return typed

    def clean_again(self) -> str:
        typed: str = self.cleaned_data["again"]
        if "new" in self.cleaned_data and normalized(typed) != normalized(self.cleaned_data["new"]):
            raise forms.ValidationError(_("The two new passphrases differ. Enter both again."))
        return typed


class DestroyForm(UnlockForm):
    """name: that of the organization, as it has to be typed."""

    typed = forms.CharField(label=lazy("Name of the organization, to confirm"), max_length=200)
    hours = forms.TypedChoiceField(
        label=lazy("Waiting time after the second admin’s confirmation"),
        widget=forms.RadioSelect,
        coerce=int,
        choices=[(24, lazy("24 hours")), (72, lazy("72 hours"))],
        initial=key_destruction.HOURS[0],
    )
    field_order = ("hours", "typed", "password")

    def __init__(self, data: FormData, name: str) -> None:
        super().__init__(data)
        self._name = name
        self.fields["typed"].help_text = _("Type: %(name)s") % {"name": name}

    def clean_typed(self) -> str:
        if self.cleaned_data["typed"].strip() != self._name.strip():
            raise forms.ValidationError(_("That isn’t its name. Type: %(name)s") % {"name": self._name})
        return self._name


def answer(request: VisitorRequest, form: DeskForm | None = None) -> HttpResponse:
    organization = request.organization
    assert organization is not None
    row = locks.state(organization)
    destroyed = row is not None and row.destroyed and locks.are_destroyed(organization) is not None
    people = strict.people(organization)
    facts = {
        "strict": bool(people),
        "may_open": request.role in ("admin", "editor") and any(row.person == request.person for row in people),
        "organization": organization,
        "by": name_in(organization, row.by) if row and row.by else "",
        "at": row.at if row else None,
        "by_mail": row is not None and key_locks.was_by_mail(row),
        "by_service": row is not None and key_locks.was_by_service(row),
        "form": form or (PassphraseForm() if people else UnlockForm()),
        "may_unlock": request.role == "admin",
        "destroyed": destroyed,
        "practice": row is not None and key_locks.is_practice(row),
        "title": (_("The keys of %(name)s were destroyed") if destroyed else _("%(name)s is locked"))
        % {"name": organization.name},
    }
    return render(request, "web/locked.html", facts, status=422 if form and form.errors else 423)
