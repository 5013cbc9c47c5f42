"""Files that are no lines of text, as lines of text: each row becomes a JSON list on a line of its own.

That is the form of Mailchimp's old dumps, which everything behind it can read. One line is one row, so a rejected row
is named by its own number. Rows come as they are asked for; nothing is written anywhere.
"""

import io
import json
from collections.abc import Iterable
from typing import Any, BinaryIO


class Rows(io.RawIOBase):
    """Rows of cells as a binary file."""

    def __init__(self, rows: Iterable[list[str]], source: BinaryIO | None = None) -> None:
        super().__init__()
        self._lines = iter(rows)
        self._source = source
        self._held = bytearray()  # a row of a thousand cells may be asked for in pieces

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while len(self._held) < len(buffer):
            row = next(self._lines, None)
            if row is None:
                break
            self._held += line_of(row)
        data = bytes(self._held[: len(buffer)])
        del self._held[: len(buffer)]
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed and self._source is not None:
            self._source.close()
        super().close()


def line_of(row: list[str]) -> bytes:
    """Half characters, which a damaged file may hold, stay escaped; they are rejected with their line later."""
    if not row:
        return b"[]\n"
    text = json.dumps(row, ensure_ascii=False)
    try:
        return f"{text}\n".encode()
    except UnicodeEncodeError:
        return f"{json.dumps(row)}\n".encode()


def cells(person: dict[str, object], heading: Iterable[str]) -> list[str]:
    """A record as a row under this heading."""
    values = flat(person)
    return [text_of(values.get(name)) for name in heading]


def flat(person: dict[str, Any], depth: int = 3) -> dict[str, Any]:
    """A record with what its parts hold beside it: {"profile": {"unsubscribed": true}} must be heard as well."""
    fields: dict[str, Any] = {}
    for key, value in person.items():
        if isinstance(value, dict) and value and depth:
            inner = flat(value, depth - 1)
            fields |= {
                name if name not in person and name not in fields else f"{key}.{name}": inner[name] for name in inner
            }
        else:
            fields[key] = value
    return fields


def text_of(value: object) -> str:
    """A value of a document or a workbook as the text of a cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, list) and all(isinstance(part, str | int | float) for part in value):
        return ",".join(map(str, value))
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
