"""Where backups go, and how long they stay there."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Unpack
from urllib.parse import quote

from django import forms
from django.utils.translation import gettext_lazy as lazy
from msgspec import structs

from samizdat.delivery.backup_places import KeptPlace, PlaceDetails
from samizdat.web.base_form import FormData, FormOptions
from samizdat.web.delivery.forms.routes import SEALED
from samizdat.web.key_locks import UnlockForm

_PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none", "class": "mono"}
# Never sent back to the browser.
_SECRET = ("secret", "private_key", "password")
_MB = 1_000_000


def _text(label: Any, help_text: Any = "", required: bool = True) -> forms.CharField:
    widget = forms.TextInput(attrs=dict(_PLAIN))
    return forms.CharField(label=label, help_text=help_text, required=required, max_length=300, widget=widget)


def _secret(label: Any, help_text: Any = SEALED, required: bool = True) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    return forms.CharField(
        label=label, help_text=help_text, required=required, max_length=1000, strip=False, widget=widget
    )


class KeptForm(UnlockForm):
    """How long backups stay at a place, how fast they go there, and the password of whoever says so."""

    daily = forms.IntegerField(label=lazy("Days"), min_value=0, max_value=30, initial=7)
    weekly = forms.IntegerField(label=lazy("Weeks"), min_value=0, max_value=5, initial=4)
    monthly = forms.IntegerField(label=lazy("Months"), min_value=0, max_value=2, initial=0)
    days = forms.IntegerField(
        label=lazy("Delete after (days)"),
        min_value=1,
        max_value=30,
        initial=30,
        help_text=lazy("30 at most: erased subscribers are still in older backups. The newest one always stays."),
    )
    speed = forms.FloatField(
        label=lazy("Speed limit (MB per second)"),
        required=False,
        min_value=0.01,
        max_value=10_000,
        help_text=lazy("Leave empty for no limit."),
    )

    def __init__(self, data: FormData = None, *, kept: KeptPlace | None = None, **options: Unpack[FormOptions]) -> None:
        if kept is not None:
            details = kept.details
            options["initial"] = {name: getattr(details, name) for name in ("daily", "weekly", "monthly", "days")} | {
                "speed": details.bytes_per_second / _MB or None
            }
        super().__init__(data, **options)
        self.order_fields([name for name in self.fields if name != "password"])

    @property
    def kept(self) -> list[forms.BoundField]:
        return [self[name] for name in ("daily", "weekly", "monthly", "days", "speed")]

    def new(self) -> dict[str, Any]:
        """Fields of PlaceDetails."""
        values = {name: self.cleaned_data[name] for name in ("daily", "weekly", "monthly", "days")}
        return values | {"bytes_per_second": round((self.cleaned_data["speed"] or 0) * _MB)}


class PlaceForm(KeptForm):
    """A place on another server. others: those that are there already, whose age keys it may have as well."""

    opens_with = forms.ChoiceField(
        label=lazy("Who can open its backups"),
        help_text=lazy("Keys whose secret part isn’t on this server are named there: samizdat backup place add."),
    )
    where_fields: tuple[str, ...] = ()

    def __init__(
        self, data: FormData = None, *, others: Sequence[KeptPlace] = (), **options: Unpack[FormOptions]
    ) -> None:
        super().__init__(data, **options)
        # The key file goes along, encrypted to these, and only the server itself can encrypt it to others.
        self._others = {str(number): kept.details for number, kept in enumerate(others, 1) if kept.details.recipients}
        field = self.fields["opens_with"]
        assert isinstance(field, forms.ChoiceField)
        choices: list[tuple[str, Any]] = [("", lazy("Anyone with the key file"))]
        seen = list[list[str]]()
        for number, details in self._others.items():
            if details.recipients not in seen:
                seen.append(details.recipients)
                choices.append((number, ", ".join(_short(key) for key in details.recipients)))
        field.choices, field.required = choices, False
        if len(choices) > 1 and data is None:
            self.initial.setdefault("opens_with", choices[1][0])

    @property
    def where(self) -> list[forms.BoundField]:
        return [self[name] for name in self.where_fields]

    def url(self) -> str:
        raise NotImplementedError

    def given_secret(self) -> str:
        return str(self.cleaned_data["secret"])

    def details(self, now: datetime) -> PlaceDetails:
        like = self._others.get(self.cleaned_data["opens_with"])
        details = PlaceDetails(url=self.url(), added=now, secret=self.given_secret(), public_only=True)
        if like is not None:
            details = structs.replace(details, recipients=like.recipients, key=like.key)
        return structs.replace(details, **self.new())

    def typed(self) -> dict[str, Any]:
        """What was typed, without secrets."""
        return {name: self.data[name] for name in self.fields if name in self.data and name not in _SECRET}


class SftpForm(PlaceForm):
    host = _text(lazy("Server"), lazy("Example: backup.example.org"))
    port = forms.IntegerField(
        label=lazy("Port"), min_value=1, max_value=65535, initial=22, widget=forms.NumberInput(attrs={"class": "mono"})
    )
    user = _text(lazy("User name"))
    path = _text(lazy("Folder"), lazy("It must exist there. Example: /srv/samizdat"))
    secret = _secret(lazy("Password"), required=False)
    private_key = forms.CharField(
        label=lazy("Or a private key"),
        required=False,
        max_length=20_000,
        help_text=lazy("The contents of a file that ssh-keygen made, without a passphrase. Safer than a password."),
        widget=forms.Textarea(attrs={**_PLAIN, "rows": 3}),
    )
    host_key = _text(
        lazy("Fingerprint of the server"),
        lazy("Leave empty: you’ll see it, and compare it with what the server itself says."),
        required=False,
    )
    where_fields = ("host", "port", "user", "path", "secret", "private_key", "host_key")

    def clean(self) -> dict[str, Any]:
        answers: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors and bool(answers["secret"]) == bool(answers["private_key"].strip()):
            self.add_error("secret", lazy("Enter the password or the private key."))  # type: ignore[arg-type]
        return answers

    def url(self) -> str:
        values = self.cleaned_data
        host = f"[{values['host']}]" if ":" in values["host"] else values["host"]
        path = values["path"] if values["path"].startswith("/") else f"/~/{values['path']}"
        url = f"sftp://{quote(values['user'], safe='')}@{host}:{values['port']}{quote(path)}"
        return url + (f"?host_key={values['host_key']}" if values["host_key"] else "")

    def given_secret(self) -> str:
        key = self.cleaned_data["private_key"].strip().replace("\r\n", "\n")
        return f"{key}\n" if key else str(self.cleaned_data["secret"])


class S3Form(PlaceForm):
    endpoint = _text(
        lazy("Address of the service"),
        lazy("Example: https://s3.eu-central-003.backblazeb2.com. Leave empty for Amazon."),
        required=False,
    )
    region = _text(lazy("Region"), lazy("Example: eu-central-1"))
    bucket = _text(lazy("Bucket"))
    path = _text(lazy("Folder in the bucket"), required=False)
    access_key = _text(lazy("Access key"))
    secret = _secret(lazy("Secret key"))
    where_fields = ("endpoint", "region", "bucket", "path", "access_key", "secret")

    def url(self) -> str:
        values = self.cleaned_data
        path = quote(values["path"].strip("/"))
        options = [f"region={quote(values['region'], safe='')}"]
        if values["endpoint"]:
            options.insert(0, f"endpoint={quote(values['endpoint'].rstrip('/'), safe=':/')}")
        return (
            f"s3://{quote(values['access_key'], safe='')}@{quote(values['bucket'], safe='')}"
            f"{'/' + path if path else ''}?{'&'.join(options)}"
        )


FORMS: dict[str, type[PlaceForm]] = {"sftp": SftpForm, "s3": S3Form}


def _short(key: str) -> str:
    """As much of a public key as people compare."""
    return key if len(key) < 24 else f"{key[:16]}…{key[-4:]}"
