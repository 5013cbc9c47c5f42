"""Finds transports and importers: every module of our folders, and those that installed packages announce.

A plug is a module with a class `Transport` or `Importer`. A new file is found, tested and documented the day it
appears; there is no list to edit. Packages announce theirs by the entry points `samizdat.transports` and
`samizdat.importers`.
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
    found = _find("transports", "Transport")
    return {scheme: plug for plug in found.values() for scheme in plug.schemes}


@cache
def importers() -> dict[str, Any]:
    """Importer classes by name."""
    return _find("importers", "Importer")


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


def _find(kind: str, class_name: str) -> dict[str, Any]:
    folder = importlib.import_module(f"samizdat.{kind}")
    modules: list[ModuleType] = [
        importlib.import_module(f"{folder.__name__}.{module.name}") for module in pkgutil.iter_modules(folder.__path__)
    ]
    modules += [point.load() for point in entry_points(group=f"samizdat.{kind}")]
    classes: list[Any] = [vars(module).get(class_name) for module in modules]
    return {plug.name: plug for plug in classes if getattr(plug, "name", "")}
