"""What files are: which importer knows them, and what their columns become. For this process or the reading one."""

import os
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from samizdat import plugs
from samizdat.audience.incoming.pieces import PieceFile
from samizdat.audience.incoming.prepare import AskPiece


def opened(things: Sequence[Any], piece: AskPiece | None) -> list[Any]:
    """Paths as they are; [name, piece size, size] of an upload as a file over its pieces."""
    return [
        os.fspath(thing)
        if isinstance(thing, str | os.PathLike)
        else (thing[0], PieceFile(place, thing[1], thing[2], piece))
        for place, thing in enumerate(things)
    ]


def found_in(things: Sequence[Any], source: str | None, piece: AskPiece | None, *, thorough: bool) -> Any:
    """importers.base.Found. `source`: an importer's name, None: whoever knows the files."""
    base = plugs.part("importers.base")
    with plugs.part("importers.reading").open_given(opened(things, piece)) as given:
        if source is None:
            importer = base.choose(given, [plug() for plug in plugs.importers().values()])
        else:
            importer = plugs.importer(source)()
        return plugs.part("importers.leftovers").named(given, importer.inspect(given, thorough=thorough))


def packed(found: Any) -> list[Any]:
    """What was found as plain values for a pipe, with the examples that Plan.to_json() leaves out."""
    files = [_values(file) | {"columns": list(map(_values, file.columns))} for file in found.files]
    return [found.source, files, [_values(problem) | {"values": _plain(problem.values)} for problem in found.problems]]


def unpacked(plain: Sequence[Any]) -> Any:
    base = plugs.part("importers.base")
    source, files, problems = plain
    return base.Found(
        source,
        [base.FileFound(**file | {"columns": list(map(_column, file["columns"]))}) for file in files],
        [base.Problem(**problem) for problem in problems],
    )


def _column(plain: dict[str, Any]) -> Any:
    seen = {word: tuple(told) for word, told in plain["seen"].items()}
    return plugs.part("importers.base").Column(**plain | {"seen": seen})


def _values(one: Any) -> dict[str, Any]:
    return {field.name: getattr(one, field.name) for field in fields(one)}


def _plain(values: Any) -> dict[str, Any]:
    return {name: value if isinstance(value, str | int | float) else str(value) for name, value in values.items()}
