"""Signing in, setting up, inviting, settings."""

from typing import Any, Unpack
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.utils.translation import get_language_info
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.accounts.models import ROLES
from samizdat.core.mail import address
from samizdat.web import labels
from samizdat.web.base_form import DeskForm, FormData, FormFiles, FormOptions

# Each language by its own name, so that whoever reads no other finds it.
LANGUAGES = [(code, get_language_info(code)["name_local"].capitalize()) for code, _name in settings.LANGUAGES]
LONGEST_PASSWORD = 1000  # argon2 takes any length; a megabyte of it would be work for nothing.


def _known_zone(text: str) -> str:
    zone = text.strip()
    if zone and zone not in available_timezones():
        sentence = _("There is no time zone called %(zone)s. Write one like Europe/Riga.")
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


class SignInForm(DeskForm):
    email = AddressField(label=lazy("Your e-mail address"))
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
    """A new password, typed once: whoever fears a slip can show it or has it made by her password manager."""

    password = forms.CharField(
        label=lazy("Password"),
        max_length=LONGEST_PASSWORD,
        strip=False,
        help_text=lazy("At least 14 characters. Four or five words that do not belong together are good."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class AcceptForm(NewPasswordForm):
    name = forms.CharField(label=lazy("Your name, as colleagues see it"), max_length=100)
    email = AddressField(label=lazy("Your e-mail address"), help_text=lazy("You sign in with it. It is sealed."))
    language = forms.ChoiceField(label=lazy("Language"), choices=LANGUAGES)
    field_order = ["name", "email", "password", "language"]


class SetUpForm(AcceptForm):
    code = forms.CharField(
        label=lazy("Set-up code"),
        max_length=40,
        help_text=lazy("It stands in the terminal where the desk was started. It proves that the server is yours."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "class": "mono"}),
    )
    organization = forms.CharField(label=lazy("Name of your organization"), max_length=200)
    field_order = ["code", "organization", "name", "email", "password", "language"]


class InviteForm(DeskForm):
    role = forms.ChoiceField(
        label=lazy("Role"),
        choices=[
            ("editor", lazy("editor: writes, sends, sees the audience")),
            ("viewer", lazy("viewer: sees everything, changes nothing")),
            ("admin", lazy("admin: everything, also people, routes and settings")),
        ],
    )
    note = forms.CharField(
        label=lazy("For whom"),
        max_length=100,
        help_text=lazy("Only your colleagues see it, so that they know whose link this is."),
    )


class RoleForm(DeskForm):
    role = forms.ChoiceField(label=lazy("Role"), choices=[(name, labels.ROLES[name]) for name in ROLES])


class ProfileForm(DeskForm):
    name = forms.CharField(label=lazy("Your name, as colleagues see it"), max_length=100, required=False)
    language = forms.ChoiceField(label=lazy("Language"), choices=LANGUAGES)
    timezone = forms.CharField(
        label=lazy("Your time zone"),
        max_length=64,
        required=False,
        help_text=lazy("Before a letter goes you see its time in your readers’ zone and in this one. Empty: the same."),
        widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off"}),
    )
    theme = forms.ChoiceField(
        label=lazy("Light or dark"),
        choices=[("auto", lazy("as my device")), ("light", lazy("light")), ("dark", lazy("dark"))],
    )
    shortcuts = forms.BooleanField(
        label=lazy("Single letters are shortcuts"),
        required=False,
        help_text=lazy(
            "Switch it off if you speak to your computer, or if keys are pressed by themselves. "
            "It is kept in this browser."
        ),
    )

    def clean_timezone(self) -> str:
        return _known_zone(self.cleaned_data["timezone"])


class ChangePasswordForm(NewPasswordForm):
    old = forms.CharField(
        label=lazy("Your password now"),
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    field_order = ["old", "password"]

    def __init__(self, data: FormData = None, files: FormFiles = None, **options: Unpack[FormOptions]) -> None:
        super().__init__(data, files, **options)
        self.fields["password"].label = _("New password")


NO_URL = {"invalid": lazy("This is no web address. Write it with https:// in front.")}


class SettingsForm(DeskForm):
    name = forms.CharField(label=lazy("Name"), max_length=200, help_text=lazy("Readers see it in every letter."))
    language = forms.ChoiceField(label=lazy("Language of letters and public pages"), choices=LANGUAGES)
    timezone = forms.CharField(
        label=lazy("Time zone of your readers"),
        max_length=64,
        help_text=lazy("Times on every page are in this zone. Write it like Europe/Riga."),
        widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off"}),
    )
    quiet_hours = forms.CharField(
        label=lazy("Quiet hours"),
        required=False,
        max_length=80,
        help_text=lazy("No letter leaves in them, like 22:00-07:00 in this time zone. Empty: letters go at any hour."),
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false"}),
    )
    public_url = forms.URLField(
        label=lazy("Address of the public pages"),
        required=False,
        max_length=200,
        assume_scheme="https",
        help_text=lazy("Leave, sign-up and archive links begin with it. Choose a name you keep for years."),
        error_messages=NO_URL,
    )
    desk_url = forms.URLField(
        label=lazy("Address of the desk"),
        required=False,
        max_length=200,
        assume_scheme="https",
        help_text=lazy("Invitation links begin with it, and the desk answers to this name alone. Empty: to any name."),
        error_messages=NO_URL,
    )
    postal_address = forms.CharField(
        label=lazy("Postal address"),
        required=False,
        max_length=400,
        help_text=lazy("Stands at the foot of each letter. Many countries want one; a post box will do."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    return_address = AddressField(
        label=lazy("Where bounces go"),
        required=False,
        help_text=lazy(
            "Mail that cannot be handed over comes back to this address. "
            "Empty: to the sender, if it is at a domain of yours."
        ),
    )
    unsubscribe_mailbox = AddressField(
        label=lazy("Mailbox for leaving by mail"),
        required=False,
        help_text=lazy(
            "When somebody reads it, readers can leave by writing to it: letters and public pages name it. "
            "Empty: by the link alone."
        ),
    )
    hostile_state = forms.ChoiceField(
        label=lazy("Whom your readers have to fear"),
        required=False,
        choices=[
            ("", lazy("no state in particular")),
            ("ru", lazy("the Russian state")),
            ("by", lazy("the Belarusian state")),
            ("kz", lazy("the Kazakh state")),
        ],
        help_text=lazy("Sign-up forms warn whoever gives a mailbox that this state can have read."),
    )
    requires_approval = forms.BooleanField(
        label=lazy("No letter leaves without the yes of a second person"),
        required=False,
        help_text=lazy("Somebody else than whoever releases it agrees to its text and its audience."),
    )
    accent = forms.CharField(
        label=lazy("Color of the public pages"),
        max_length=7,
        widget=forms.TextInput(attrs={"type": "color"}),
    )

    def clean_timezone(self) -> str:
        return _known_zone(self.cleaned_data["timezone"])
