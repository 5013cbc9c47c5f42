"""A way out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.core.mail import rate as pace
from samizdat.delivery.actions import routes as actions
from samizdat.web.base_form import DeskForm
from samizdat.web.labels import SIGNERS
from samizdat.web.settings.forms.team import AddressField

# A folder:// route writes wherever it is told and sendmail:// runs whatever it is told, on the server itself: whoever
# may do that has its command line.
ON_THE_SERVER = ("folder", "sendmail")
AT_THE_TERMINAL = lazy(
    "A folder or a command of the server is added on the server itself, with: samizdat route add NAME folder:///path. "
    "Here, choose one of the others."
)
KEPT = lazy("Empty: the one that is kept stays. It is never shown.")
CHOOSE = lazy("Choose one of the kinds that are offered.")


class KindField(forms.ChoiceField):
    """The kinds of servers; names of others get the way to them."""

    def validate(self, value: Any) -> None:
        if value and not self.valid_value(value):
            raise forms.ValidationError(AT_THE_TERMINAL if value in ON_THE_SERVER else CHOOSE)
        super().validate(value)


class RouteForm(DeskForm):
    scheme = KindField(
        label=lazy("Kind"),
        choices=[
            ("smtp", lazy("SMTP server, STARTTLS (mostly port 587)")),
            ("smtps", lazy("SMTP server, TLS from the start (mostly port 465)")),
            ("smtp+plain", lazy("SMTP server without TLS: only on this machine or inside a tunnel")),
            # The scheme, and the region that it is kept in: one choice, because nobody would look for a second one.
            ("mailgun us", lazy("Mailgun, domain in the US: for networks that let no mail out")),
            ("mailgun eu", lazy("Mailgun, domain in the EU: for networks that let no mail out")),
        ],
    )
    name = forms.CharField(label=lazy("Name"), max_length=60, help_text=lazy("As you will see it in reports."))
    where = forms.CharField(
        label=lazy("Host and port"),
        max_length=300,
        help_text=lazy("As your provider names them, like mail.example:587. For Mailgun, your sending domain."),
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false", "autocapitalize": "none"}),
    )
    user = forms.CharField(
        label=lazy("User"), required=False, max_length=300, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    password = forms.CharField(
        label=lazy("Password"),
        required=False,
        strip=False,
        max_length=1000,
        help_text=lazy("Sealed at once, never shown again. For Mailgun, the key for sending."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    priority = forms.IntegerField(
        label=lazy("Turn"), min_value=1, max_value=999, initial=10, help_text=lazy("The lowest number goes first.")
    )
    rate = forms.CharField(
        label=lazy("Limit"),
        required=False,
        max_length=100,
        initial="10/s",
        help_text=lazy("Messages as 10/s or 10/s,5000/h,20000/d; empty: as fast as it goes. Ask the provider."),
    )
    warm_up = forms.CharField(
        label=lazy("Warm-up"),
        required=False,
        max_length=800,
        help_text=lazy("For a new sender: how many go on the first day, the second and so on, as 50, 100, 200, 400."),
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false", "autocapitalize": "none"}),
    )
    signs = forms.ChoiceField(
        label=lazy("DKIM signature"),
        required=False,
        initial="us",
        choices=list(SIGNERS.items()),
        help_text=lazy("The provider: only when it says that it signs for your domain."),
    )

    def __init__(self, *args: Any, way: Any = None, **kwargs: Any) -> None:
        """`way`: the delivery.queries.Way of a route that is there already."""
        self._way = way
        if way is not None:
            kwargs["initial"] = {
                "scheme": kind_of(way),
                "name": way.name,
                "where": way.where,
                "user": way.settings.user,
                "priority": way.priority,
                "rate": way.limit,
                "warm_up": way.warm_up.replace(",", ", "),
                "signs": actions.SIGNERS[way.signs],
            }
        super().__init__(*args, **kwargs)
        if way is None:
            return
        if way.has_password:
            self.fields["password"].help_text = KEPT
        if kind_of(way) not in dict(self.fields["scheme"].choices):  # type: ignore[attr-defined]
            for name in ("scheme", "where", "user", "password"):
                del self.fields[name]

    def kept(self) -> dict[str, str]:
        """Options of the route that this form does not ask for."""
        options = self._way.settings.options if self._way else {}
        return {name: value for name, value in options.items() if name != "region"}

    @property
    def kept_shown(self) -> str:
        return urlencode(self.kept(), safe="/:")

    def clean_where(self) -> str:
        """Host and port alone: what may follow them names files of the server as well (?ca=…)."""
        where = str(self.cleaned_data["where"]).strip()
        if any(sign in where for sign in "/?#@\\"):
            raise forms.ValidationError(
                _(
                    "Write host and port alone, like mail.example:587. User and password have fields of their own; "
                    "anything else is set on the server, with: samizdat route add."
                )
            )
        return where

    def clean_rate(self) -> str | None:
        rate = str(self.cleaned_data["rate"]).strip()
        with _said():
            pace.parse_limits(rate)
        return rate or None

    def clean_warm_up(self) -> str | None:
        """None: it was not asked."""
        if "warm_up" not in self.data:
            return None
        plan = str(self.cleaned_data["warm_up"])
        with _said():
            pace.parse_plan(plan)
        return plan

    def clean_signs(self) -> bool | None:
        """None: it was not asked."""
        return self.cleaned_data["signs"] == "us" if self.cleaned_data["signs"] else None

    def url(self) -> str | None:
        """The route as one address, without its password: that one goes by itself. None: it stays what it is."""
        answers: dict[str, Any] = self.cleaned_data
        if "where" not in answers:
            return None
        scheme, _space, region = answers["scheme"].partition(" ")
        was_mailgun = self._way is not None and self._way.settings.scheme == "mailgun"
        kept = self.kept() if was_mailgun == bool(region) else {}
        options = urlencode(kept | ({"region": region} if region else {}), safe="/:")
        user = quote(answers["user"], safe="") + "@" if answers["user"] and not region else ""
        return f"{scheme}://{user}{answers['where']}" + (f"?{options}" if options else "")


@contextmanager
def _said() -> Iterator[None]:
    """What core cannot read is said beside the field."""
    try:
        yield
    except pace.BadRate as bad:
        raise forms.ValidationError(_(bad.sentence).format(**bad.values)) from None


def kind_of(way: Any) -> str:
    """The choice that stands for a route: its scheme, and of Mailgun its region."""
    scheme = str(way.settings.scheme)
    return f"{scheme} {way.settings.options.get('region', 'us').lower()}" if scheme == "mailgun" else scheme


class ProbeForm(DeskForm):
    to = AddressField(label=lazy("Send one short letter to"))
