"""Values of our own kinds as JSON with bytes beside it, and back again.

Whoever sends them may be a process that was taken over. So nothing is made of a name that they say: what is made
follows from the type hints of the function that was asked, down to each field, and what does not fit is an error.
"""

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeAliasType, Union, get_args, get_origin, get_type_hints


def packed(value: object, data: list[bytes]) -> object:
    """As JSON has it. Bytes are added to `data`, and their place stands for them."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes):
        data.append(value)
        return len(data) - 1
    kind: Any = type(value)
    if names := _names(kind):
        return [kind.__name__, [packed(getattr(value, name), data) for name in names]]
    if isinstance(value, Mapping):
        return [[packed(key, data), packed(held, data)] for key, held in value.items()]
    if isinstance(value, tuple | list | frozenset):
        return [packed(item, data) for item in value]
    raise TypeError(f"{type(value).__name__} does not go between processes")


def unpacked(hint: Any, plain: Any, data: Sequence[bytes]) -> Any:
    """What the hint says. Errors: ValueError, for all that is something else."""
    if isinstance(hint, TypeAliasType):
        return unpacked(hint.__value__, plain, data)
    origin, within = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        chosen = next((option for option in within if _may_be(option, plain)), None)
        _insist(chosen is not None)
        return unpacked(chosen, plain, data)
    if origin is Literal:
        _insist(any(type(plain) is type(option) and plain == option for option in within))
        return plain
    if hint is types.NoneType or hint in (str, int, bool, float):
        _insist(_may_be(hint, plain))
        return plain
    if hint is bytes:
        _insist(type(plain) is int and 0 <= plain < len(data))
        return data[plain]
    if names := _names(hint):
        _insist(_may_be(hint, plain) and len(plain) == 2 and len(_listed(plain[1])) == len(names))
        hints = _hints(hint)
        return hint(**{name: unpacked(hints[name], item, data) for name, item in zip(names, plain[1], strict=True)})
    return _gathered(origin, within, _listed(plain), data)


def _gathered(origin: Any, within: Any, plain: list[Any], data: Sequence[bytes]) -> Any:
    if origin is tuple and within[-1] is not Ellipsis:
        _insist(len(plain) == len(within))
        return tuple(unpacked(item_hint, held, data) for item_hint, held in zip(within, plain, strict=True))
    if origin in (dict, Mapping):
        _insist(all(len(_listed(pair)) == 2 for pair in plain))
        return {unpacked(within[0], key, data): unpacked(within[1], held, data) for key, held in plain}
    if origin in (tuple, list, frozenset):
        return origin(unpacked(within[0], item, data) for item in plain)
    raise ValueError("nothing that goes between processes")


def _may_be(hint: Any, plain: object) -> bool:
    """Which of several: told by what JSON has, and for kinds of ours by the name before the fields."""
    if hint is None or hint is types.NoneType:
        return plain is None
    if hint in (str, int, bool, float):
        return type(plain) is hint
    if get_origin(hint) is Literal:
        return isinstance(plain, str)
    if hint is bytes:
        return type(plain) is int
    if _names(hint):
        return isinstance(plain, list) and plain[:1] == [hint.__name__]
    return isinstance(plain, list)


@cache
def _names(kind: object) -> tuple[str, ...]:
    """The fields of a data class, a struct or a named tuple; nothing for all else."""
    if is_dataclass(kind):
        return tuple(field.name for field in fields(kind))
    return tuple(getattr(kind, "__struct_fields__", ()) or getattr(kind, "_fields", ()))


@cache
def _hints(kind: type[object]) -> dict[str, Any]:
    return get_type_hints(kind)


def _listed(plain: Any) -> list[Any]:
    _insist(isinstance(plain, list))
    items: list[Any] = plain
    return items


def _insist(fits: bool) -> None:
    if not fits:
        raise ValueError("nothing that was asked for")
