"""Finds transports and importers: every module of `transports/providers` and `importers/services`, and those that
installed packages announce.

A plug is a class whose name ends in `Transport` or `Importer`, with a `name` of its own. A new file is found, tested
and documented the day it appears; there is no list to edit. Packages announce theirs by the entry points
`samizdat.transports` and `samizdat.importers`.
"""

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

# What the engine needs of every transport. Apps import these from here: they know plugs by name alone.
from samizdat.transports.base import BadRoute, Message, RouteDown, RouteSettings, is_near, read_url
from samizdat.transports.base import Transport as BaseTransport

__all__ = [
    "BadRoute",
    "BaseTransport",
    "Message",
    "NoSuchPlug",
    "RouteDown",
    "RouteSettings",
    "importer",
    "importers",
    "is_near",
    "read_url",
    "transport",
    "transports",
]


# Code -> what is not installed, and what is.
SENTENCES = {
    "no_transport": "There is no kind of sending route called {name}://. Use one of: {known}.",
    "no_importer": "There is no source called {name}. Use one of: {known}.",
}


class NoSuchPlug(LookupError):
    """Nothing of that name is installed: `code` of SENTENCES and `values` for its holes, text in English."""

    def __init__(self, code: str, **values: str) -> None:
        self.code, self.values = code, values
        self.sentence = SENTENCES[code]
        super().__init__(self.sentence.format(**values))


@cache
def transports() -> dict[str, Any]:
    """Transport classes by URL scheme."""
    providers = _find("transports.providers", "samizdat.transports", "Transport")
    return {scheme: plug for plug in providers.values() for scheme in plug.schemes}


@cache
def importers() -> dict[str, Any]:
    """Importer classes by name."""
    return _find("importers.services", "samizdat.importers", "Importer")


def transport(scheme: str) -> Any:
    known = transports()
    if scheme not in known:
        raise NoSuchPlug("no_transport", name=scheme, known=", ".join(sorted(known)))
    return known[scheme]


def importer(name: str) -> Any:
    known = importers()
    if name not in known:
        raise NoSuchPlug("no_importer", name=name, known=", ".join(sorted(known)))
    return known[name]


def part(name: str) -> ModuleType:
    """What the plugs of a kind share: `importers.base` (their contract), `importers.reading` (opens files)."""
    return importlib.import_module(f"samizdat.{name}")


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
        if name.endswith(suffix) and getattr(value, "__module__", "") == module.__name__
    ]
    return {plug.name: plug for plug in classes}
