"""Values of our own kinds as JSON with bytes beside it, and back again.

Whoever sends them may be a process that was taken over. So nothing is made of a name that they say: what is made
follows from the type hints of the function that was asked, down to each field, and what does not fit is an error.
"""

import json
import re
from typing import Any

import msgspec

from samizdat.core import bounded_json

# Stands with their size for bytes that are beside, each once and in the order of the text.
_BYTES = "bytes beside"


def packed(value: object) -> tuple[bytes, list[bytes]]:
    """(JSON, the bytes beside it)."""
    beside: list[bytes] = []

    def put(held: Any) -> dict[str, int]:
        beside.append(held)
        return {_BYTES: len(held)}

    plain = msgspec.to_builtins(value, builtin_types=(bytes,), enc_hook=_plain_text)
    # Half a character, which a text of a file may hold, is escaped: UTF-8 has none.
    return json.dumps(plain, separators=(",", ":"), default=put).encode(), beside


def _plain_text(held: object) -> str:
    """Of texts that know more than their letters, as a parser's."""
    if isinstance(held, str):
        return str.__str__(held)
    raise TypeError(f"{type(held).__name__} does not go between processes")


def unpacked(hint: Any, text: bytes, beside: bytes, values: int) -> Any:
    """What the hint says; `values`: how many the text may hold. Errors: ValueError, for all that is something else."""
    return msgspec.convert(
        bounded_json.counted(_whole(text, values), values, object_hook=_Beside(beside).placed),
        hint,
        builtin_types=(bytes,),
        str_keys=True,
    )


_HALVES = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")


def _whole(text: bytes, values: int) -> bytes:
    """Without halves of characters. Nothing can keep one, so an email with one would be read for ever, and those behind
    it never."""
    if not _HALVES.search(text):
        return text
    plain = bounded_json.counted(text, values)
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


class _Beside:
    def __init__(self, beside: bytes) -> None:
        self._left = memoryview(beside)

    def placed(self, held: dict[str, Any]) -> Any:
        if held.keys() != {_BYTES}:
            return held
        size = held[_BYTES]
        if type(size) is not int or not 0 <= size <= len(self._left):
            raise ValueError("there is less than it says")
        piece, self._left = bytes(self._left[:size]), self._left[size:]
        return piece
