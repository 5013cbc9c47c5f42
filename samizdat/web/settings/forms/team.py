"""Signing in, setting up, inviting, settings."""

from collections.abc import Callable
from typing import Any, Unpack
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.utils.translation import get_language_info
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.accounts.actions import check_return_address
from samizdat.accounts.default_sender import DefaultSender
from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import ROLES
from samizdat.accounts.notice_choices import TOPICS
from samizdat.core.mail import address
from samizdat.delivery.errors import SenderRefused
from samizdat.web import labels
from samizdat.web.base_form import DeskForm, FormData, FormFiles, FormOptions, refuse

# Each language by its own name, so that whoever reads no other finds it.
LANGUAGES = [(code, get_language_info(code)["name_local"].capitalize()) for code, _name in settings.LANGUAGES]
LONGEST_PASSWORD = 1000  # argon2 takes any length; a megabyte of it would be work for nothing.


def _known_zone(text: str) -> str:
    zone = text.strip()
    if zone and zone not in available_timezones():
        sentence = _("There is no time zone called %(zone)s. Enter one like Europe/Riga.")
        raise forms.ValidationError(sentence % {"zone": zone})
    return zone


class AddressField(forms.CharField):
    """A mail address by our own rules, given back in its one form."""

    widget = forms.EmailInput(attrs={"spellcheck": "false", "autocapitalize": "none"})

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=400, **kwargs)

    def clean(self, value: object) -> str:
        text = super().clean(value)
        if not text:
            return ""
        try:
            return address.normalize(text)
        except address.BadAddress as bad:
            raise forms.ValidationError(_(str(bad))) from None


class ReturnAddressField(forms.CharField):
    """Where bounces go: an address, or @domain where a whole domain is taken in. Given back in its one form."""

    widget = forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "none", "inputmode": "email"})

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=400, **kwargs)

    def clean(self, value: object) -> str:
        text = super().clean(value)
        try:
            return check_return_address(text) if text else ""
        except AccountError as refused:
            raise forms.ValidationError(str(refused)) from None


class SignInForm(DeskForm):
    email = AddressField(label=lazy("Your email address"))
    password = forms.CharField(
        label=lazy("Password"),
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, data: FormData = None, files: FormFiles = None, **options: Unpack[FormOptions]) -> None:
        super().__init__(data, files, **options)
        self.fields["email"].widget.attrs["autocomplete"] = "username"


class NewPasswordForm(DeskForm):
    """A new password, typed once: whoever fears a slip can show it or has it made by their password manager."""

    password = forms.CharField(
        label=lazy("Password"),
        max_length=LONGEST_PASSWORD,
        strip=False,
        help_text=lazy("At least 14 characters. Four or five unrelated words work well."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class AcceptForm(NewPasswordForm):
    name = forms.CharField(label=lazy("Your name, shown to teammates"), max_length=100)
    email = AddressField(label=lazy("Your email address"), help_text=lazy("You sign in with it. Stored encrypted."))
    language = forms.ChoiceField(label=lazy("Language"), choices=LANGUAGES)
    field_order = ["name", "email", "password", "language"]


class SetUpForm(AcceptForm):
    code = forms.CharField(
        label=lazy("Set-up code"),
        max_length=40,
        help_text=lazy("Shown in the terminal where Samizdat was started. It proves that the server is yours."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "class": "mono"}),
    )
    organization = forms.CharField(label=lazy("Name of your organization"), max_length=200)
    field_order = ["code", "organization", "name", "email", "password", "language"]


class InviteForm(DeskForm):
    role = forms.ChoiceField(
        label=lazy("Role"),
        choices=[
            ("editor", lazy("Editor: can write, send and see subscribers")),
            ("viewer", lazy("Viewer: can see everything, can’t change anything")),
            ("admin", lazy("Admin: can do everything, including team, routes and settings")),
        ],
    )
    note = forms.CharField(
        label=lazy("Who it’s for"),
        max_length=100,
        help_text=lazy("Only your teammates see it, so that they know whose link this is."),
    )


class RoleForm(DeskForm):
    role = forms.ChoiceField(label=lazy("Role"), choices=[(name, labels.ROLES[name]) for name in ROLES])


class ProfileForm(DeskForm):
    name = forms.CharField(label=lazy("Your name, shown to teammates"), max_length=100, required=False)
    language = forms.ChoiceField(label=lazy("Language"), choices=LANGUAGES)
    timezone = forms.CharField(
        label=lazy("Your time zone"),
        max_length=64,
        required=False,
        help_text=lazy(
            "Before sending, you see the time in your subscribers’ zone and in this one. Leave empty if "
            "they are the same."
        ),
        widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off"}),
    )
    theme = forms.ChoiceField(
        label=lazy("Theme"),
        choices=[("auto", lazy("same as device")), ("light", lazy("light")), ("dark", lazy("dark"))],
    )
    shortcuts = forms.BooleanField(
        label=lazy("Single-letter shortcuts"),
        required=False,
        help_text=lazy(
            "Turn this off if you use voice control or if keys get pressed by accident. Saved in this browser only."
        ),
    )

    def clean_timezone(self) -> str:
        return _known_zone(self.cleaned_data["timezone"])


NOTICES = {
    "finished": lazy("A campaign I sent has finished"),
    "waiting": lazy("A campaign is waiting for a sending limit or route"),
    "paused": lazy("A campaign was paused"),
    "approval": lazy("A teammate asks for approval"),
    "route": lazy("A sending route stopped working (admins)"),
    "import": lazy("My import finished or stopped"),
}


class NoticesForm(DeskForm):
    """Which mails about work somebody gets, a box for each topic."""

    def __init__(self, data: FormData = None, files: FormFiles = None, **options: Unpack[FormOptions]) -> None:
        super().__init__(data, files, **options)
        for topic in TOPICS:
            self.fields[topic] = forms.BooleanField(label=NOTICES[topic], required=False)

    @property
    def wanted(self) -> list[str]:
        return [topic for topic in TOPICS if self.cleaned_data[topic]]


class ChangeAddressForm(DeskForm):
    email = AddressField(
        label=lazy("New email address"),
        help_text=lazy("A link goes to this address. Until you open it, you sign in with the present one."),
    )
    old = forms.CharField(
        label=lazy("Current password"),
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class ChangePasswordForm(NewPasswordForm):
    old = forms.CharField(
        label=lazy("Current password"),
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    field_order = ["old", "password"]

    def __init__(self, data: FormData = None, files: FormFiles = None, **options: Unpack[FormOptions]) -> None:
        super().__init__(data, files, **options)
        self.fields["password"].label = _("New password")


class DefaultSenderForm(DeskForm):
    """Who new campaigns come from. delivery.actions.default_senders looks at it."""

    name = forms.CharField(label=lazy("Sender name"), required=False, max_length=200)
    email = AddressField(label=lazy("Sender address"), required=False)
    reply_to = AddressField(
        label=lazy("Reply-to"), required=False, help_text=lazy("Leave empty to use the sender address.")
    )

    def keep(self, setter: Callable[[DefaultSender], None]) -> bool:
        """Whether the setter took it; else the form says why not."""
        if self.is_valid():
            try:
                setter(DefaultSender(**self.cleaned_data))
            except SenderRefused as refused:
                refuse(self, refused.field, refused)
        return not self.errors


NO_URL = {"invalid": lazy("That isn’t a web address. Start it with https://.")}


class SettingsForm(DeskForm):
    name = forms.CharField(label=lazy("Name"), max_length=200, help_text=lazy("Shown to subscribers in every email."))
    language = forms.ChoiceField(label=lazy("Language of emails and public pages"), choices=LANGUAGES)
    timezone = forms.CharField(
        label=lazy("Subscribers’ time zone"),
        max_length=64,
        help_text=lazy("Times on every page are in this zone. Example: Europe/Riga."),
        widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off"}),
    )
    quiet_hours = forms.CharField(
        label=lazy("Quiet hours"),
        required=False,
        max_length=80,
        help_text=lazy(
            "No campaigns are sent during these hours, in this time zone. Example: 22:00-07:00. Leave "
            "empty to send at any hour."
        ),
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false"}),
    )
    public_url = forms.URLField(
        label=lazy("Address of the public pages"),
        required=False,
        max_length=200,
        assume_scheme="https",
        help_text=lazy("Unsubscribe, sign-up and archive links start with it. Choose a name you’ll keep for years."),
        error_messages=NO_URL,
    )
    desk_url = forms.URLField(
        label=lazy("Samizdat address"),
        required=False,
        max_length=200,
        assume_scheme="https",
        help_text=lazy(
            "Invitation links start with it, and Samizdat answers only to this name. Leave empty to allow any name."
        ),
        error_messages=NO_URL,
    )
    postal_address = forms.CharField(
        label=lazy("Postal address"),
        required=False,
        max_length=400,
        help_text=lazy("Shown at the end of every email. Many countries require it; a PO box works."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    return_address = ReturnAddressField(
        label=lazy("Bounce address"),
        required=False,
        help_text=lazy(
            "Bounces go to this address, or to a whole domain: @bounces.example. Leave empty to use the sender "
            "address, if it’s on one of your domains."
        ),
    )
    unsubscribe_mailbox = AddressField(
        label=lazy("Unsubscribe-by-email address"),
        required=False,
        help_text=lazy(
            "If this mailbox is checked, subscribers can unsubscribe by writing to it. Shown in emails and on "
            "public pages. Leave empty to allow the link only."
        ),
    )
    hostile_state = forms.ChoiceField(
        label=lazy("Which state could endanger your subscribers?"),
        required=False,
        choices=[
            ("", lazy("none in particular")),
            ("ru", lazy("Russia")),
            ("by", lazy("Belarus")),
            ("kz", lazy("Kazakhstan")),
        ],
        help_text=lazy("Sign-up forms warn people whose mailbox this state can get access to."),
    )
    requires_approval = forms.BooleanField(
        label=lazy("Require a second person’s approval before sending"),
        required=False,
        help_text=lazy("Someone other than the sender approves text and audience."),
    )
    accent = forms.CharField(
        label=lazy("Color of the public pages"),
        max_length=7,
        widget=forms.TextInput(attrs={"type": "color"}),
    )

    def clean_timezone(self) -> str:
        return _known_zone(self.cleaned_data["timezone"])
