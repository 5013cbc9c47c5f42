"""What files are: which importer knows them, and what their columns become. For this process or the reading one."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from samizdat import plugins
from samizdat.audience.imports.reading.parse import AskPiece, HandedFile
from samizdat.audience.imports.reading.upload_file import PieceFile
from samizdat.core.imports import DetectedFile, DetectedFiles, ImportColumn, Problem

if TYPE_CHECKING:
    from samizdat.plugins import Source


def opened(import_files: Sequence[HandedFile], piece: AskPiece | None) -> "list[Source]":
    """Paths as they are; an upload as a file over its pieces."""
    return [
        os.fspath(import_file)
        if isinstance(import_file, str | os.PathLike)
        else (import_file[0], cast("BinaryIO", PieceFile(place, import_file[1], import_file[2], piece)))
        for place, import_file in enumerate(import_files)
    ]


def found_in(
    import_files: Sequence[HandedFile], source: str | None, piece: AskPiece | None, *, thorough: bool
) -> DetectedFiles:
    """`source`: an importer's name, None: whoever knows the files."""
    with plugins.open_files(opened(import_files, piece)) as given:
        return plugins.inspect(given, source, thorough=thorough)


def packed(detection: DetectedFiles) -> list[Any]:
    """What was found as plain values for a pipe, with the examples that Plan.to_json() leaves out."""
    files = [_values(file) | {"columns": list(map(_values, file.columns))} for file in detection.files]
    return [
        detection.source,
        files,
        [_values(problem) | {"values": _plain(problem.values)} for problem in detection.problems],
    ]


def unpacked(plain: Sequence[Any]) -> DetectedFiles:
    source, files, problems = plain
    return DetectedFiles(
        source,
        [DetectedFile(**file | {"columns": list(map(_column, file["columns"]))}) for file in files],
        [Problem(**problem) for problem in problems],
    )


def _column(plain: dict[str, Any]) -> ImportColumn:
    seen = {word: tuple(entry) for word, entry in plain["seen"].items()}
    return ImportColumn(**plain | {"seen": seen})


def _values(instance: DetectedFile | ImportColumn | Problem) -> dict[str, object]:
    return {field.name: getattr(instance, field.name) for field in fields(instance)}


def _plain(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value if isinstance(value, str | int | float) else str(value) for name, value in values.items()}
