"""Finds the conditions of segments: every module of the folder `segment_conditions` of each app.

A condition is a class there whose base is Condition. What conditions ask for by its number is a Reference, in the file
of the condition or beside it. A new file is known, tested and offered the day it appears; there is no list to edit.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

from django.apps import apps

from samizdat.audience.segments.reference import Reference
from samizdat.core.segment import Condition

FOLDER = "segment_conditions"


def conditions() -> Collection[type[Condition]]:
    return [each for each in _classes() if issubclass(each, Condition)]


@cache
def references() -> Mapping[str, type[Reference]]:
    """By their kinds."""
    return {each.kind: each for each in _classes() if issubclass(each, Reference)}


@cache
def _classes() -> Collection[type]:
    """Of all modules, those that are defined there and are no bases of others."""
    modules = [importlib.import_module(name) for name in _modules()]
    return [
        each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and each.__module__ == module.__name__ and not inspect.isabstract(each)
    ]


def _modules() -> Iterator[str]:
    for app in apps.get_app_configs():
        for module in pkgutil.iter_modules([str(Path(app.path, FOLDER))]):
            yield f"{app.name}.{FOLDER}.{module.name}"
