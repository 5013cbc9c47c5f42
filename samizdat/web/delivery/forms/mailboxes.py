"""A mailbox that incoming email is read from."""

from collections.abc import Collection
from typing import Any, Unpack

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from msgspec import structs

from samizdat.incoming.mailboxes.providers import PROVIDERS, MailboxProvider
from samizdat.incoming.mailboxes.settings import (
    INBOX,
    SCHEMES,
    BadMailbox,
    MailboxSettings,
    check,
    read_fingerprint,
)
from samizdat.web.base_form import DeskForm, FormData, FormOptions
from samizdat.web.delivery.forms.routes import KEPT, SEALED
from samizdat.web.settings.forms.team import ReturnAddressField

OTHER = "other"
KINDS = {
    "imaps": "IMAP",
    "imap": lazy("IMAP with STARTTLS"),
    "pop3s": "POP3",
    "pop3": lazy("POP3 with STARTTLS"),
}
_PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
# What the form asks for and the settings have by the same name.
_SAME = ("scheme", "host", "user", "folder", "move_to", "fingerprint", "client", "tenant")
_SECRET = ("password", "refresh_token")


def _text(label: Any, required: bool = True, help_text: Any = "", mono: bool = False) -> forms.CharField:
    widget = forms.TextInput(attrs=_PLAIN | ({"class": "mono"} if mono else {}))
    return forms.CharField(label=label, required=required, max_length=300, help_text=help_text, widget=widget)


class MailboxForm(DeskForm):
    provider = forms.ChoiceField(label=lazy("Provider"))
    scheme = forms.ChoiceField(
        label=lazy("Protocol"),
        choices=list(KINDS.items()),
        help_text=lazy("IMAP reads new email at once, POP3 every five minutes."),
    )
    host = _text(lazy("Mail server"), help_text=lazy("Example: imap.provider.example"), mono=True)
    port = forms.IntegerField(
        label=lazy("Port"),
        required=False,
        min_value=1,
        max_value=65535,
        help_text=lazy("Leave empty for the usual one."),
        widget=forms.NumberInput(attrs={"class": "mono"}),
    )
    user = _text(lazy("User name"), help_text=lazy("Usually the whole email address."))
    password = forms.CharField(
        label=lazy("Password"),
        required=False,
        max_length=1000,
        strip=False,
        help_text=SEALED,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    name = forms.CharField(label=lazy("Name"), max_length=60, help_text=lazy("Shown to your team only."))
    folder = _text(
        lazy("Folder"),
        required=False,
        help_text=lazy("With IMAP. All email in it is read, so it should get nothing but bounces. Empty: the inbox."),
    )
    after = forms.ChoiceField(
        label=lazy("Email that was read"),
        choices=[("delete", lazy("Delete it in the mailbox")), ("move", lazy("Move it to a folder (IMAP)"))],
    )
    move_to = _text(lazy("Folder for email that was read"), required=False, help_text=lazy("Example: Read"))
    fingerprint = _text(
        lazy("Fingerprint of the certificate"),
        required=False,
        help_text=lazy("Only for a server with a certificate of its own: the SHA-256 of the one to trust."),
        mono=True,
    )
    client = _text(
        lazy("Client ID"),
        required=False,
        help_text=lazy("Of your application at Google or Microsoft. Its secret is then the password above."),
        mono=True,
    )
    tenant = _text(lazy("Tenant ID"), required=False, help_text=lazy("Microsoft only."), mono=True)
    refresh_token = forms.CharField(
        label=lazy("Refresh token"),
        required=False,
        max_length=4000,
        help_text=lazy("Google needs one. A Microsoft application that signs in for itself has none."),
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    address = ReturnAddressField(
        label=lazy("Bounce address"),
        required=False,
        help_text=lazy(
            "The address of this mailbox, such as bounces@lantern.example, or @bounces.lantern.example if it gets all "
            "email of that domain. A test message goes there when you save."
        ),
    )
    uses = forms.BooleanField(
        label=lazy("Use it for bounces"),
        required=False,
        help_text=lazy("As soon as the test message came back. Each email then has a signed address of its own."),
    )

    def __init__(
        self,
        data: FormData = None,
        *,
        kept: MailboxSettings | None = None,
        name: str = "",
        address: str = "",
        taken: Collection[str] = (),
        **options: Unpack[FormOptions],
    ) -> None:
        """kept: settings of a mailbox that is there already, by this name. address: where bounces go now. taken: names
        of the other mailboxes. With `choose` in the data nothing is checked yet: host and port follow the provider."""
        self._kept, self._taken = kept, taken
        initial = _initial(kept, name) if kept else {"name": _free("bounces", taken)}
        initial |= {"address": address, "uses": True}
        if data is not None and "choose" in data:
            typed = {field: str(data[field]) for field in self.base_fields if field in data and field not in _SECRET}
            initial, data = initial | typed | {"uses": "uses" in typed} | _filled_in(typed), None
        options["initial"] = initial
        super().__init__(data, **options)
        field = self.fields["provider"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(OTHER, _("Another one")), *((key, row.label) for key, row in PROVIDERS.items())]
        if kept is not None:
            self.fields["password"].help_text = KEPT

    @property
    def provider_help(self) -> str:
        """What to do at the provider first."""
        provider = PROVIDERS.get(str(self["provider"].value() or ""))
        return str(provider.help) if provider else ""

    @property
    def where(self) -> list[forms.BoundField]:
        return [self[name] for name in ("scheme", "host", "port", "user", "password", "name")]

    @property
    def oauth(self) -> list[forms.BoundField]:
        return [self[name] for name in ("client", "tenant", "refresh_token")]

    @property
    def reading(self) -> list[forms.BoundField]:
        return [self[name] for name in ("folder", "after", "move_to")]

    @property
    def addressed(self) -> list[forms.BoundField]:
        return [self["address"], self["uses"]]

    def clean_host(self) -> str:
        host = str(self.cleaned_data["host"]).strip().lower()
        if any(sign in host for sign in "/?#@\\: "):
            raise forms.ValidationError(_("Enter only the host name, such as imap.provider.example."))
        return host

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"]).strip()
        if name in self._taken:
            raise forms.ValidationError(
                _("A mailbox called “%(name)s” already exists. Choose another name.") % {"name": name}
            )
        return name

    def clean_fingerprint(self) -> str:
        try:
            return read_fingerprint(str(self.cleaned_data["fingerprint"]))
        except BadMailbox as refused:
            raise forms.ValidationError(str(refused)) from None

    def clean(self) -> dict[str, Any]:
        answers: dict[str, Any] = self.cleaned_data
        is_pop3 = str(answers.get("scheme", "")).startswith("pop3")
        moves = answers.get("after") == "move"
        if is_pop3 and answers.get("folder") not in ("", INBOX):
            self.add_error("folder", _("POP3 knows no folders. Leave the field empty, or choose IMAP."))
        if is_pop3 and moves:
            self.add_error("after", _("POP3 knows no folders. Have read email deleted, or choose IMAP."))
        elif moves and not answers.get("move_to"):
            self.add_error("move_to", _("Enter the folder that read email goes to."))
        if not answers.get("password") and not self._keeps_password(answers):
            self.add_error("password", _("Enter the password of the mailbox."))
        if not self.errors:
            try:
                check(self.settings())
            except BadMailbox as refused:
                self.add_error("client" if self.cleaned_data["client"] and is_pop3 else "move_to", str(refused))
        return answers

    def _keeps_password(self, answers: dict[str, Any]) -> bool:
        """The saved one goes to no other server than before."""
        return self._kept is not None and answers.get("host") == self._kept.host

    def settings(self) -> MailboxSettings:
        """As typed; what the form does not ask for stays."""
        answers, kept = self.cleaned_data, self._kept or MailboxSettings(ours=False)
        moved = structs.replace(
            kept,
            scheme=answers["scheme"],
            host=answers["host"],
            port=answers["port"] or SCHEMES[answers["scheme"]].port,
            user=answers["user"],
            password=f"{answers['password']} {answers['refresh_token']}".strip() or kept.password,
            client=answers["client"],
            tenant=answers["tenant"],
            folder=answers.get("folder") or INBOX,
            move_to=answers["move_to"] if answers.get("after") == "move" else "",
            fingerprint=answers["fingerprint"],
        )
        # Of the server itself are those alone that still lead where they did then.
        is_same = (moved.host, moved.port) == (kept.host, kept.port)
        return moved if is_same else structs.replace(moved, ours=False, ca="")

    def typed(self) -> dict[str, str]:
        """What was typed, without its password, to show it again."""
        return {name: str(self.data[name]) for name in self.fields if name in self.data and name not in _SECRET}

    def ask_password_again(self) -> None:
        """A page that comes back shows no password: whoever typed one must know that it is gone."""
        if self.errors and "password" not in self.errors and (self._kept is None or self.data.get("password")):
            sentence = _("Enter “%(field)s” again: this page never shows it.")
            self.add_error("password", sentence % {"field": self["password"].label})


def _initial(kept: MailboxSettings, name: str) -> dict[str, Any]:
    initial = {field: getattr(kept, field) for field in _SAME}
    hosts = {row.host(kept.kind.protocol): key for key, row in PROVIDERS.items()}
    is_usual = kept.port == kept.kind.port
    return initial | {
        "provider": hosts.get(kept.host, OTHER),
        "port": None if is_usual else kept.port,
        "after": "move" if kept.move_to else "delete",
        "name": name,
    }


def _filled_in(typed: dict[str, str]) -> dict[str, Any]:
    """Host and port of the provider that was chosen; of one before, they go."""
    chosen: MailboxProvider | None = PROVIDERS.get(typed.get("provider", ""))
    hosts = {row.host(protocol) for row in PROVIDERS.values() for protocol in ("imap", "pop3")}
    if chosen is None:
        return {"host": "", "port": None} if typed.get("host", "") in hosts else {}
    scheme = typed.get("scheme", "imaps")
    if not (host := chosen.host("pop3" if scheme.startswith("pop3") else "imap")):
        scheme, host = "imaps", chosen.imap
    return {"scheme": scheme, "host": host, "port": None}


def _free(name: str, taken: Collection[str]) -> str:
    return next(
        free for number in range(1, 10_000) if (free := name if number == 1 else f"{name} {number}") not in taken
    )
