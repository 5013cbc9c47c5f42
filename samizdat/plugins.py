"""Finds transports, importers, accounts elsewhere and places for backups: every module of `transports/providers`,
`importers/services`, `importers/accounts` and `places`, and those that installed packages announce.

A plug is a class whose name ends in `Transport`, `Webhook`, `Importer`, `Account` or `Place`, with a `name` of its own.
A new file is found, tested and documented the day it appears; there is no list to edit. Packages announce theirs by the
entry points `samizdat.transports`, `samizdat.importers`, `samizdat.accounts` and `samizdat.places`.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import TYPE_CHECKING, Any

from samizdat import limited_process
from samizdat.core.imports import DetectedFiles, ImportColumn, ImportPlan, Problem

if TYPE_CHECKING:
    from samizdat.core.private_networks import Network
    from samizdat.importers.accounts.base import Account, AccountSettings, BaseAccount, ServiceRefused
    from samizdat.importers.base import Importer
    from samizdat.importers.mailchimp_account import MailchimpAccountExport
    from samizdat.importers.reading.files import GivenFile as GivenFile
    from samizdat.importers.reading.files import Source as Source
    from samizdat.places.base import BasePlace, NotThere, Place, PlaceError

    # What the engine needs of every transport. Apps import these from here: they know plugs by name alone.
    from samizdat.transports.base import BadRoute, Message, RouteDown, RouteField, RouteProvider, RouteSettings
    from samizdat.transports.base import Transport as BaseTransport
    from samizdat.transports.webhook_reading import ReadDelivery, ReadEvent
    from samizdat.transports.webhooks import Webhook, WebhookRefused, WebhookRequest, WebhookSecret
else:

    def __getattr__(name: str) -> object:
        """Those of transports and places at their first use: a process that reads what strangers wrote has no need of
        network and TLS, and begins 30 ms sooner without."""
        if name not in _OF_PLUGS:
            raise AttributeError(name)
        module = importlib.import_module(f"samizdat.{_OF_PLUGS[name]}")
        value = globals()[name] = getattr(module, _NAMES.get(name, name))
        return value


# What is called otherwise there.
_NAMES = {"BaseTransport": "Transport"}
# Name -> the module that has it.
_OF_PLUGS = (
    dict.fromkeys(
        ["BadRoute", "BaseTransport", "Message", "RouteDown", "RouteField", "RouteProvider", "RouteSettings"],
        "transports.base",
    )
    | dict.fromkeys(["Webhook", "WebhookRefused", "WebhookRequest", "WebhookSecret"], "transports.webhooks")
    | dict.fromkeys(["ReadDelivery", "ReadEvent"], "transports.webhook_reading")
    | dict.fromkeys(["NotThere", "Place", "PlaceError"], "places.base")
    | dict.fromkeys(["Account", "ServiceRefused", "AccountSettings", "BaseAccount"], "importers.accounts.base")
)

__all__ = [
    "Account",
    "AccountSettings",
    "BadRoute",
    "BaseAccount",
    "BaseTransport",
    "Message",
    "NoSuchPlug",
    "NotThere",
    "Place",
    "PlaceError",
    "ReadDelivery",
    "ReadEvent",
    "RouteDown",
    "RouteField",
    "RouteProvider",
    "RouteSettings",
    "ServiceRefused",
    "Webhook",
    "WebhookRefused",
    "WebhookRequest",
    "WebhookSecret",
    "access_token",
    "account_kinds",
    "account_sentence",
    "advise",
    "answer",
    "ask_again",
    "count_leftovers",
    "importer",
    "importers",
    "inspect",
    "is_plain",
    "list_columns",
    "open_account",
    "open_account_export",
    "open_files",
    "open_place",
    "place_sentence",
    "places",
    "plain_label",
    "read_deliveries",
    "read_url",
    "refuse_on_server",
    "route_providers",
    "spf_host",
    "transport",
    "transports",
    "webhook_sentence",
    "webhooks",
]


# Code -> what is not installed, and what is.
SENTENCES = {
    "no_transport": "There’s no route type {name}://. Use one of: {known}.",
    "no_importer": "There’s no source called {name}. Use one of: {known}.",
}


class NoSuchPlug(LookupError):
    """Nothing of that name is installed: `code` of SENTENCES and `values` for its holes, text in English."""

    def __init__(self, code: str, **values: str) -> None:
        self.code, self.values = code, values
        self.sentence = SENTENCES[code]
        super().__init__(self.sentence.format(**values))


@cache
def transports() -> "dict[str, type[BaseTransport]]":
    """Transport classes by URL scheme."""
    providers = _find("transports.providers", "samizdat.transports", "Transport")
    return {kind.scheme: plug for plug in providers.values() for kind in plug.kinds}


@cache
def importers() -> "dict[str, type[Importer]]":
    """Importer classes by name."""
    return _find("importers.services", "samizdat.importers", "Importer")


@cache
def webhooks() -> "dict[str, Webhook]":
    """Dialects of webhooks by the provider's name."""
    return {name: plug() for name, plug in _find("transports.providers", "samizdat.transports", "Webhook").items()}


@cache
def places() -> "dict[str, type[BasePlace]]":
    """Places for backups by URL scheme."""
    return {plug.scheme: plug for plug in _find("places", "samizdat.places", "Place").values()}


@cache
def account_kinds() -> "dict[str, type[BaseAccount]]":
    """Services whose accounts can be read, by name."""
    return _find("importers.accounts", "samizdat.accounts", "Account")


def open_account(service: str, settings: "AccountSettings") -> "Account":
    """An account there; it is connected to once it is asked. Errors: ServiceRefused."""
    from samizdat.importers.accounts.base import ServiceRefused

    known = account_kinds()
    if service not in known:
        raise ServiceRefused("no_service", name=service, known=", ".join(sorted(known)))
    return known[service](settings)


def account_sentence(code: str) -> str:
    """What an account answered instead, in English with holes; "" for a code of a newer version."""
    from samizdat.importers.accounts.base import SENTENCES as sentences

    return sentences.get(code, "")


def open_place(
    url: str, secret: str = "", *, bytes_per_second: float = 0, inside: "tuple[Network, ...] | None" = None
) -> "Place":
    """A place for backups; it is connected to once it is used. secret: password or key. bytes_per_second: at most; 0
    for no limit. inside: as in RouteSettings. Errors: PlaceError."""
    from samizdat.places import base

    return base.read_url(places(), url, secret, base.Pace(bytes_per_second), inside)


def place_sentence(code: str) -> str:
    """What is wrong with a place, in English with holes; "" for a code of a newer version."""
    from samizdat.places.base import SENTENCES as sentences

    return sentences.get(code, "")


def refuse_on_server(url: str) -> None:
    """Of a place that somebody adds on a page. Errors: PlaceError, of a kind that names files or programs of the
    server: whoever may add those has its command line."""
    kind = places().get(url.partition(":")[0].lower())
    if kind is None or kind.on_server:
        from samizdat.places import base

        raise base.PlaceError("at_terminal")


def webhook_sentence(code: str) -> str:
    """Why a delivery was refused, in English with holes; "" for a code of a newer version."""
    from samizdat.transports.webhooks import SENTENCES as sentences

    return sentences.get(code, "")


def read_deliveries(
    organization_id: int, name: str, requests: "Sequence[WebhookRequest]"
) -> "tuple[ReadDelivery, ...]":
    """What deliveries of a provider say, as a process without keys reads it. Errors: limited_process.TooMuch,
    limited_process.HelperBroke."""
    from samizdat.transports import webhook_reading

    return limited_process.work(organization_id, webhook_reading.read_all, webhooks()[name], requests)


def route_providers() -> "dict[str, RouteProvider]":
    """The sending providers that transports know, by name, as they are listed."""
    plugs = dict.fromkeys(transports().values())
    providers = sorted((provider for plug in plugs for provider in plug.providers), key=lambda each: each.label.lower())
    by_name = {provider.name: provider for provider in providers}
    assert len(by_name) == len(providers), "Two transports have a provider of the same name."
    return by_name


def transport(scheme: str) -> "type[BaseTransport]":
    known = transports()
    if scheme not in known:
        raise NoSuchPlug("no_transport", name=scheme, known=", ".join(sorted(known)))
    return known[scheme]


def spf_host(scheme: str) -> str:
    """Of a provider's web interface, the domain by which core/mail/spf knows the provider; "" of any other route."""
    plug = transports().get(scheme)
    return plug.spf_host if plug else ""


def read_url(
    name: str,
    url: str,
    *,
    password: str | None = None,
    connections: int | None = None,
    rate: float | None = None,
) -> "RouteSettings":
    """A route's URL as settings. `password` wins over the one in the URL. Errors: BadRoute, without credentials."""
    from samizdat.transports import base

    plug = transports().get(base.scheme_of(url), base.Transport)
    return base.read_url(plug, name, url, password=password, connections=connections, rate=rate)


def importer(name: str) -> "type[Importer]":
    known = importers()
    if name not in known:
        raise NoSuchPlug("no_importer", name=name, known=", ".join(sorted(known)))
    return known[name]


def _find(folder_name: str, announced: str, suffix: str) -> dict[str, Any]:
    folder = importlib.import_module(f"samizdat.{folder_name}")
    modules: list[ModuleType] = [
        importlib.import_module(f"{folder.__name__}.{module.name}") for module in pkgutil.iter_modules(folder.__path__)
    ]
    modules += [point.load() for point in entry_points(group=announced)]
    classes: list[Any] = [
        value
        for module in modules
        for name, value in vars(module).items()
        if name.endswith(suffix) and getattr(value, "__module__", "") == module.__name__ and getattr(value, "name", "")
    ]
    return {plug.name: plug for plug in classes}


def access_token(
    host: str, options: Mapping[str, str], secret: str, user: str, inside: "tuple[Network, ...] | None"
) -> str:
    """For a mail server that takes no passwords: what it is shown by XOAUTH2. See transports/oauth.token_for."""
    from samizdat.transports import oauth

    return oauth.token_for(host, options, secret, user, inside)


def token_renewals() -> int:
    """While it stays the same, `renewed_secret` has nothing new to say. See transports/oauth.renewals."""
    from samizdat.transports import oauth

    return oauth.renewals()


def renewed_secret(host: str, options: Mapping[str, str], secret: str, user: str) -> str:
    """What takes the place of a secret whose refresh token was renewed here; "" for nothing."""
    from samizdat.transports import oauth

    return oauth.renewed_secret(host, options, secret, user)


def xoauth2_response(user: str, token: str) -> str:
    """What follows AUTH XOAUTH2."""
    from samizdat.transports import oauth

    return oauth.xoauth2(user, token)


# -- what apps ask of the importers ---------------------------------------------------------------------------------
# Their values are in core/imports.py. They themselves are imported once there is a file to read: it takes 70 ms, which
# no other command has to wait for.


def open_files(sources: "Iterable[Source]") -> "GivenFile":
    """What somebody gave, opened: paths, or (name, file). A context manager."""
    from samizdat.importers.reading import files

    return files.open_given(sources)


def open_account_export(source: "Source") -> "MailchimpAccountExport":
    """The export of a whole account, opened: a path, or (name, file). A context manager. Errors: ImportFailed."""
    from samizdat.importers import mailchimp_account

    return mailchimp_account.opened(source)


def is_plain(sources: "Iterable[Source]") -> bool:
    """Whether all of it is text in rows, which streams by. Workbooks and documents may be made to unfold."""
    from samizdat.importers.reading import files

    return files.is_plain(sources)


def inspect(given: "GivenFile", source: str | None, *, thorough: bool) -> DetectedFiles:
    """What the files are. `source`: an importer's name, None: whoever knows them."""
    from samizdat.importers.base import choose
    from samizdat.importers.reading import leftovers

    plugs = [plug() for plug in importers().values()]
    chosen = choose(given, plugs) if source is None else importer(source)()
    return leftovers.named(given, chosen.inspect(given, thorough=thorough))


def count_leftovers(problems: Iterable[Problem]) -> dict[str, int]:
    """How many past campaigns, templates, images and other files stay out: kind -> number."""
    from samizdat.importers.reading import leftovers

    return leftovers.of_problems(problems)


def answer(plan: ImportPlan, maps: Sequence[str], means: Sequence[str]) -> None:
    """Changes a plan by what was said on the command line. Errors: BadPlan."""
    from samizdat.importers.reading import answers

    answers.apply(plan, maps, means)


def list_columns(plan: ImportPlan) -> list[dict[str, object]]:
    """Every column of a plan and what it becomes, with every word of those that tell a status."""
    from samizdat.importers.reading import answers

    return answers.table(plan)


def advise(plan: ImportPlan) -> str:
    """The options of `samizdat import` that answer what is asked about columns."""
    from samizdat.importers.reading import answers

    return answers.advice(plan)


def ask_again(column: ImportColumn) -> None:
    """After a column became something else: which of its words still have to be explained."""
    from samizdat.importers.reading import questions

    questions.again(column)


def plain_label(label: str) -> str:
    """A heading as it is compared with others."""
    from samizdat.importers.reading import labels

    return labels.plain(label)
