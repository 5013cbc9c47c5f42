"""A way out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Unpack
from urllib.parse import quote, urlencode

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat import plugins
from samizdat.core.mail import rate as pace
from samizdat.delivery.actions import routes as actions
from samizdat.delivery.queries import WayOut
from samizdat.web.base_form import DeskForm, FormData, FormFiles, FormOptions
from samizdat.web.labels import SIGNERS
from samizdat.web.settings.forms.team import AddressField

# A folder:// route writes wherever it is told and sendmail:// runs whatever it is told, on the server itself: whoever
# may do that has its command line.
AT_THE_TERMINAL = lazy(
    "A folder or command on the server is added on the server itself: samizdat route add NAME {url}. Here, choose "
    "another type."
)
KEPT = lazy("Leave empty to keep the saved one. It’s never shown.")
SEALED = lazy("Stored encrypted; can’t be shown again.")
CHOOSE = lazy("Choose one of the types in the list.")

# What a transport asks -> the field of the form, where that has another name.
FIELDS = {"host": "where", "key": "password"}


def field_of(ask: plugins.RouteField) -> str:
    return FIELDS.get(ask.name, ask.name)


def kinds() -> list[tuple[str, str]]:
    """Those that may be added at the desk, whichever server it is before those of one provider."""
    plugs = sorted(dict.fromkeys(plugins.transports().values()), key=lambda plug: plug.keyed)
    return [(kind.scheme, _(kind.label)) for plug in plugs if not plug.no_path for kind in plug.kinds]


class KindField(forms.ChoiceField):
    """The kinds of servers; names of others get the way to them."""

    def validate(self, value: str) -> None:
        if value and not self.valid_value(value):
            plug = plugins.transports().get(value)
            raise forms.ValidationError(AT_THE_TERMINAL.format(url=plug.kinds[0].example) if plug else CHOOSE)
        super().validate(value)


def _field(ask: plugins.RouteField) -> forms.Field:
    """What a transport asks, as a field."""
    words: dict[str, Any] = {"label": _(ask.label), "required": ask.required, "help_text": _(ask.help)}
    if ask.choices:
        choices = [(value, _(text)) for value, text in ask.choices.items()]
        return forms.ChoiceField(choices=choices, initial=ask.default, **words)
    attributes = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
    if ask.secret:
        words["help_text"] = f"{SEALED} {words['help_text']}"
        widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
        return forms.CharField(strip=False, max_length=1000, widget=widget, **words)
    if ask.name == "host":
        attributes["class"] = "mono"
    return forms.CharField(max_length=300, initial=ask.default, widget=forms.TextInput(attrs=attributes), **words)


class RouteForm(DeskForm):
    scheme = KindField(label=lazy("Type"), choices=kinds)
    name = forms.CharField(label=lazy("Name"), max_length=60, help_text=lazy("Shown in reports."))
    priority = forms.IntegerField(
        label=lazy("Priority"), min_value=1, max_value=999, initial=10, help_text=lazy("Lowest number is used first.")
    )
    rate = forms.CharField(
        label=lazy("Rate limit"),
        required=False,
        max_length=100,
        initial="10/s",
        help_text=lazy("Example: 10/s or 10/s,5000/h,20000/d. Leave empty for no limit. Ask your provider."),
    )
    warm_up = forms.CharField(
        label=lazy("Warm-up"),
        required=False,
        max_length=800,
        help_text=lazy("For a new sender: emails per day, from the first day on. Example: 50, 100, 200, 400."),
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false", "autocapitalize": "none"}),
    )
    signs = forms.ChoiceField(
        label=lazy("DKIM signature"),
        required=False,
        initial="us",
        choices=list(SIGNERS.items()),
        help_text=lazy("Choose the provider only if it says that it signs for your domain."),
    )

    def __init__(
        self,
        data: FormData = None,
        files: FormFiles = None,
        *,
        way: WayOut | None = None,
        scheme: str = "",
        **options: Unpack[FormOptions],
    ) -> None:
        """`way`: the delivery.queries.WayOut of a route that is there already. `scheme`: the kind somebody chose."""
        self._way = way
        if way is not None:
            options["initial"] = _initial(way)
        super().__init__(data, files, **options)
        offered = dict(kinds())
        if way is not None and way.settings.scheme not in offered:
            del self.fields["scheme"]
            self._asked: list[plugins.RouteField] = []
            return
        chosen = self.data.get("scheme", scheme) or scheme or (way.settings.scheme if way else "")
        self._scheme = chosen if chosen in offered else next(iter(offered))
        self.initial["scheme"] = self._scheme
        self._asked = list(plugins.transport(self._scheme).at_desk())
        for ask in self._asked:
            self.fields[field_of(ask)] = self.dressed(_field(ask))
            if way is not None and ask.secret and way.has_password:
                self.fields[field_of(ask)].help_text = KEPT
            if way is not None and ask.choices:  # written by hand it may be EU as well
                self.initial[ask.name] = way.settings.options.get(ask.name, ask.default).lower()

    @property
    def asked(self) -> list[forms.BoundField]:
        """What this kind of route must know."""
        return [self[field_of(ask)] for ask in self._asked]

    @property
    def shared(self) -> list[forms.BoundField]:
        """What is asked of every route."""
        names = {"scheme", *map(field_of, self._asked)}
        return [self[name] for name in self.fields if name not in names]

    def kept(self) -> dict[str, str]:
        """Options of the route that this form does not ask for."""
        options = self._way.settings.options if self._way else {}
        asked = {ask.name for ask in self._asked}
        return {name: value for name, value in options.items() if name not in asked}

    @property
    def kept_shown(self) -> str:
        return urlencode(self.kept(), safe="/:")

    def clean_where(self) -> str:
        """Host and port alone: what may follow them names files of the server as well (?ca=…)."""
        where = str(self.cleaned_data["where"]).strip()
        if any(sign in where for sign in "/?#@\\"):
            raise forms.ValidationError(
                _(
                    "Enter only host and port, such as mail.example:587. User and password have their own fields. "
                    "For anything else, run on the server: samizdat route add."
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
        plug = plugins.transport(answers["scheme"])
        was = plugins.transport(self._way.settings.scheme) if self._way else plug
        asked = [ask.name for ask in self._asked if ask.name in plug.known_options and answers[ask.name]]
        query = (self.kept() if was is plug else {}) | {name: answers[name] for name in asked}
        user = quote(answers["user"], safe="") + "@" if answers.get("user") else ""
        options = urlencode(query, safe="/:")
        return f"{answers['scheme']}://{user}{answers['where']}" + (f"?{options}" if options else "")


@contextmanager
def _said() -> Iterator[None]:
    """What core cannot read is said beside the field."""
    try:
        yield
    except pace.BadRate as bad:
        raise forms.ValidationError(_(bad.sentence).format(**bad.values)) from None


def _initial(way: WayOut) -> dict[str, object]:
    return {
        **way.settings.options,
        "name": way.name,
        "where": way.where,
        "user": way.settings.user,
        "priority": way.priority,
        "rate": way.limits,
        "warm_up": way.warm_up.replace(",", ", "),
        "signs": actions.SIGNERS[way.signs],
    }


class ProbeForm(DeskForm):
    to = AddressField(label=lazy("Send a test email to"))
