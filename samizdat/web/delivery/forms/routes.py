"""A way out."""

import shlex
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Unpack
from urllib.parse import quote, urlencode

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat import plugins
from samizdat.core.mail import rate as pace
from samizdat.delivery.actions import route_webhooks
from samizdat.delivery.actions import routes as actions
from samizdat.delivery.actions.route_webhooks import WebhookView
from samizdat.delivery.queries import WayOut
from samizdat.options import inner_networks
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
    """Those that may be added at the desk, but for those of a provider, which is chosen by its name."""
    plugs = dict.fromkeys(plugins.transports().values())
    known = plugins.route_providers()
    return [
        (kind.scheme, _(kind.label))
        for plug in plugs
        if not plug.no_path
        for kind in plug.kinds
        if kind.scheme not in known
    ]


def choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """What the form offers: providers, whose fields are filled in, and any other server."""
    providers = [(name, _(provider.label)) for name, provider in plugins.route_providers().items()]
    return [(_("Sending providers"), providers), (_("Other servers"), kinds())]


def provider_of(way: WayOut) -> str:
    """The name of the provider to which a route leads; else its scheme."""
    for name, provider in plugins.route_providers().items():
        if provider.scheme == way.settings.scheme and provider.where in ("", way.where):
            return name
    return way.settings.scheme


class KindField(forms.ChoiceField):
    """Providers and kinds of servers; names of others get the way to them."""

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


# A limit that the form asks for -> how it is written (core/mail/rate).
UNITS = {"per_second": "s", "per_minute": "m", "per_hour": "h", "per_day": "d"}


def _limit(label: Any, initial: int | None = None) -> forms.DecimalField:
    """How many emails in one stretch of time."""
    least = Decimal("0.000001")
    widget = forms.NumberInput(attrs={"step": "any", "min": "0", "class": "mono"})
    return forms.DecimalField(
        label=label, required=False, min_value=least, max_digits=15, decimal_places=6, initial=initial, widget=widget
    )


class RouteForm(DeskForm):
    scheme = KindField(label=lazy("Provider"), choices=choices)
    name = forms.CharField(label=lazy("Name"), max_length=60, help_text=lazy("Shown in reports."))
    priority = forms.IntegerField(
        label=lazy("Priority"), min_value=1, max_value=999, initial=10, help_text=lazy("Lowest number is used first.")
    )
    signs = forms.ChoiceField(
        label=lazy("DKIM signature"),
        required=False,
        initial="us",
        choices=list(SIGNERS.items()),
        help_text=lazy("Choose the provider only if it says that it signs for your domain."),
    )
    per_second = _limit(lazy("Emails per second"), 10)
    per_minute = _limit(lazy("Emails per minute"))
    per_hour = _limit(lazy("Emails per hour"))
    per_day = _limit(lazy("Emails per day"))
    connections = forms.IntegerField(
        label=lazy("Connections at once"),
        required=False,
        min_value=1,
        max_value=500,
        initial=50,
        widget=forms.NumberInput(attrs={"class": "mono"}),
    )
    warm_up = forms.CharField(
        label=lazy("Warm-up"),
        required=False,
        max_length=800,
        help_text=lazy("For a new sender: emails per day, from the first day on. Example: 50, 100, 200, 400."),
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false", "autocapitalize": "none"}),
    )

    def __init__(
        self,
        data: FormData = None,
        files: FormFiles = None,
        *,
        way: WayOut | None = None,
        scheme: str = "",
        taken: Collection[str] = (),
        asks_sender: bool = False,
        **options: Unpack[FormOptions],
    ) -> None:
        """`way`: the delivery.queries.WayOut of a route that is there already. `scheme`: the provider or the kind that
        somebody chose. `taken`: names of the other routes. `asks_sender`: also where new campaigns come from. With
        `choose` in the data nothing is checked yet: the fields follow what was chosen."""
        self._way = way
        self._taken = taken
        offered = [name for _group, rows in choices() for name, _label in rows]
        chosen = str((data or {}).get("scheme", scheme) or scheme or (provider_of(way) if way else ""))
        self.chosen = chosen if chosen in offered else kinds()[0][0]
        initial = _initial(way) if way is not None else _filled_in(self.provider, {}, taken)
        if data and "choose" in data:
            # Who signs follows from the provider: what the one before had filled in would be wrong for this one.
            names = {"where", "user", *self.base_fields} - {"signs"}
            typed = {name: data[name] for name in names if name in data}
            initial, data = initial | _filled_in(self.provider, typed, taken), None
        options["initial"] = initial | {"scheme": self.chosen}
        super().__init__(data, files, **options)
        self._asked: list[plugins.RouteField] = []
        if way is not None and plugins.transport(way.settings.scheme).no_path:
            del self.fields["scheme"]
            return
        self._scheme = self.provider.scheme if self.provider else self.chosen
        self._asked = list(plugins.transport(self._scheme).at_desk())
        for ask in self._asked:
            self.fields[field_of(ask)] = self.dressed(_field(ask))
            if way is not None and ask.secret and way.has_password:
                self.fields[field_of(ask)].help_text = KEPT
            if way is not None and ask.choices:  # written by hand it may be EU as well
                self.initial[ask.name] = way.settings.options.get(ask.name, ask.default).lower()

        if asks_sender and way is None:
            self.fields["sender"] = self.dressed(
                AddressField(
                    label=_("Sender address"),
                    required=False,
                    help_text=_("New campaigns come from it. You can change it in each one and under Settings."),
                )
            )

    @property
    def provider(self) -> plugins.RouteProvider | None:
        """The provider that was chosen; None: another server."""
        return plugins.route_providers().get(self.chosen)

    @property
    def provider_help(self) -> str:
        """What to enter for the provider."""
        return _(self.provider.help) if self.provider else ""

    @property
    def asked(self) -> list[forms.BoundField]:
        """What this kind of route must know."""
        return [self[field_of(ask)] for ask in self._asked]

    @property
    def shared(self) -> list[forms.BoundField]:
        """What is asked of every route."""
        return [self[name] for name in ("sender", "name", "priority", "signs") if name in self.fields]

    @property
    def limits(self) -> list[forms.BoundField]:
        """How fast the route may send."""
        return [self[name] for name in (*UNITS, "connections")]

    def typed(self) -> dict[str, str]:
        """What was typed, without its secrets, to show it again."""
        secrets = {field_of(ask) for ask in self._asked if ask.secret}
        return {name: str(self.data[name]) for name in self.fields if name in self.data and name not in secrets}

    @property
    def is_own_server(self) -> bool:
        """Whether it may be a mail server of the organization's own."""
        return self.provider is None and any(ask.name == "host" for ask in self._asked)

    @property
    def inner_allowed(self) -> str:
        """Private addresses and networks that a route added here may lead to; "": none."""
        return ", ".join(str(network).removesuffix(f"/{network.max_prefixlen}") for network in inner_networks())

    @property
    def inner_commands(self) -> tuple[str, str]:
        """What whoever runs the server types there for a mail server inside: to add it, or to have it allowed here. To
        this machine itself without TLS: nothing leaves it, and few mail servers have a certificate for 127.0.0.1."""
        where, user = (str(self[name].value() or "") if name in self.fields else "" for name in ("where", "user"))
        account = quote(user, safe="") + "@" if user else ""
        where = where.strip() or "127.0.0.1:25"
        host = (where if where.endswith("]") else where.rpartition(":")[0] or where).strip("[]").lower()
        is_address = all(sign in "0123456789abcdef.:" for sign in host)
        is_here = host in ("localhost", "::1") or (is_address and host.startswith("127."))
        url = f"{'smtp+plain' if is_here else self._scheme}://{account}{where}"
        name = str(self["name"].value() or "") or _("Mail server")
        allowed = host if is_address else "127.0.0.1"
        add = shlex.join(["./run", "route", "add", name, url])
        return add, f'SAMIZDAT_INNER_NETWORKS="{allowed}" ./run serve'

    def ask_secret_again(self) -> None:
        """A page that comes back with errors shows no password: whoever typed one must know that it is gone."""
        for name in (field_of(ask) for ask in self._asked if ask.secret):
            if self.errors and self.data.get(name) and name not in self.errors:
                sentence = _("Enter “%(field)s” again: this page never shows it.")
                self.add_error(name, sentence % {"field": self[name].label})

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

    def clean_per_day(self) -> Decimal | None:
        """A day's limit is a whole number: less than one a day would be none."""
        count: Decimal | None = self.cleaned_data["per_day"]
        with _said():
            pace.parse_limits(f"{count:f}/d" if count else "")
        return count

    @property
    def rate(self) -> str | None:
        """The limits as they are written; None: there are none."""
        answers = {name: self.cleaned_data.get(name) for name in UNITS}
        return ",".join(f"{count.normalize():f}/{UNITS[name]}" for name, count in answers.items() if count) or None

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
        plug = plugins.transport(self._scheme)
        was = plugins.transport(self._way.settings.scheme) if self._way else plug
        asked = [ask.name for ask in self._asked if ask.name in plug.known_options and answers[ask.name]]
        query = (self.kept() if was is plug else {}) | {name: answers[name] for name in asked}
        user = quote(answers["user"], safe="") + "@" if answers.get("user") else ""
        options = urlencode(query, safe="/:")
        return f"{self._scheme}://{user}{answers['where']}" + (f"?{options}" if options else "")


@contextmanager
def _said() -> Iterator[None]:
    """What core cannot read is said beside the field."""
    try:
        yield
    except pace.BadRate as bad:
        raise forms.ValidationError(_(bad.sentence).format(**bad.values)) from None


def _free(label: str, taken: Collection[str]) -> str:
    """A name for the route: the label, with a number where there is one of that name."""
    names = (f"{label} {number}" for number in range(2, len(taken) + 3))
    return next(name for name in (label, *names) if name not in taken)


def _filled_in(provider: plugins.RouteProvider | None, typed: dict[str, Any], taken: Collection[str]) -> dict[str, Any]:
    """What was typed, and what the provider fills in; what another provider had filled in goes."""
    known = plugins.route_providers().values()
    own_server = _("Mail server")
    filled = {
        "name": {_free(label, taken) for label in (own_server, *(_(other.label) for other in known))},
        "where": {other.where for other in known},
        "user": {other.user for other in known},
    }
    kept = {name: value for name, value in typed.items() if value not in filled.get(name, ())}
    kept["name"] = kept.get("name") or _free(_(provider.label) if provider else own_server, taken)
    if provider is None:
        return kept
    own = {"where": provider.where, "user": provider.user, "signs": actions.SIGNERS[provider.signs]}
    return kept | {name: value for name, value in own.items() if value}


def _initial(way: WayOut) -> dict[str, Any]:
    limits = {str(limit).partition("/")[2]: f"{limit.count:.10g}" for limit in pace.parse_limits(way.limits)}
    return {
        **way.settings.options,
        **{name: limits.get(unit, "") for name, unit in UNITS.items()},
        "name": way.name,
        "where": way.where,
        "user": way.settings.user,
        "priority": way.priority,
        "connections": way.connections,
        "warm_up": way.warm_up.replace(",", ", "),
        "signs": actions.SIGNERS[way.signs],
    }


class WebhookForm(DeskForm):
    provider = forms.ChoiceField(label=lazy("Provider"))
    secret = forms.CharField(
        label=lazy("Webhook secret"),
        required=False,
        max_length=route_webhooks.LONGEST_SECRET,
        widget=forms.Textarea(
            attrs={"rows": "3", "autocomplete": "off", "spellcheck": "false", "autocapitalize": "none", "class": "mono"}
        ),
    )

    fetches = forms.BooleanField(
        label=lazy("Fetch bounces from the provider every ten minutes"),
        required=False,
        help_text=lazy("For servers that no webhook can reach. No address has to be entered at the provider."),
    )

    def __init__(
        self, data: FormData = None, *, provider: str = "", view: WebhookView | None = None, lists: bool = False
    ) -> None:
        """`provider`: the one that is chosen first. `lists`: whether it can be asked by this route."""
        super().__init__(data, initial={"provider": provider, "fetches": bool(view and view.fetches)})
        if not lists:
            del self.fields["fetches"]
        elif hint := plugins.webhooks()[provider].list_hint:
            self.fields["fetches"].help_text = f"{self.fields['fetches'].help_text} {_(hint)}"
        known = sorted(plugins.webhooks().values(), key=lambda hook: hook.label.lower())
        choices = [("", _("Choose a provider")), *((hook.name, hook.label) for hook in known)]
        self.fields["provider"] = self.dressed(forms.ChoiceField(label=_("Provider"), choices=choices))
        chosen = plugins.webhooks().get(provider)
        if chosen and not chosen.secret_label:
            del self.fields["secret"]
        elif chosen:
            kept = KEPT if view and view.has_secret else SEALED
            self.fields["secret"].help_text = f"{_(chosen.secret_label)}. {kept}"


class ProbeForm(DeskForm):
    to = AddressField(label=lazy("Send a test email to"))
