"""What files are: which importer knows them, and what their columns become. For this process or the reading one."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from msgspec import convert, to_builtins

from samizdat import plugins
from samizdat.audience.imports.reading.parse import AskPiece, HandedFile
from samizdat.audience.imports.reading.upload_file import PieceFile
from samizdat.core.imports import DetectedFiles

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


def packed(detection: DetectedFiles) -> Any:
    """What was found as plain values for a pipe, with the examples that are never stored."""
    return to_builtins(detection, enc_hook=str)


def unpacked(plain: object) -> DetectedFiles:
    """Errors: ValueError."""
    return convert(plain, DetectedFiles)
