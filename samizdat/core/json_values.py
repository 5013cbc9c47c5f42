"""Values of our own kinds as JSON with bytes beside it, and back again.

Whoever sends them may be a process that was taken over. So nothing is made of a name that they say: what is made
follows from the type hints of the function that was asked, down to each field, and what does not fit is an error.
"""

import types
from collections.abc import Callable, Hashable, Mapping, Sequence
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
    return _unpacker(hint)(plain, data)


# What makes a value of one hint out of JSON and the bytes beside it.
type _Unpacker = Callable[[Any, Sequence[bytes]], Any]


@cache
def _unpacker(hint: Any) -> _Unpacker:
    """Looking a hint through takes ten times as long as following it: once for each."""
    if isinstance(hint, TypeAliasType):
        return _unpacker(hint.__value__)
    origin, within = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _of_union(within)
    if origin is Literal:
        kinds = {(type(option), option) for option in within}
        return _checked(lambda plain: isinstance(plain, Hashable) and (type(plain), plain) in kinds)
    if hint is types.NoneType or hint in (str, int, bool, float):
        return _checked(lambda plain: _may_be(hint, plain))
    if hint is bytes:
        return _of_data
    if names := _names(hint):
        return _of_fields(hint, names)
    return _gathered(origin, within)


def _checked(fits: Callable[[Any], bool]) -> _Unpacker:
    def unpack(plain: Any, _data: Sequence[bytes]) -> Any:
        _insist(fits(plain))
        return plain

    return unpack


def _of_data(plain: Any, data: Sequence[bytes]) -> Any:
    _insist(type(plain) is int and 0 <= plain < len(data))
    return data[plain]


def _of_union(options: Sequence[Any]) -> _Unpacker:
    def unpack(plain: Any, data: Sequence[bytes]) -> Any:
        chosen = next((option for option in options if _may_be(option, plain)), None)
        _insist(chosen is not None)
        return _unpacker(chosen)(plain, data)

    return unpack


def _of_fields(hint: Any, names: Sequence[str]) -> _Unpacker:
    hints = _hints(hint)

    def unpack(plain: Any, data: Sequence[bytes]) -> Any:
        _insist(_may_be(hint, plain) and len(plain) == 2 and len(_listed(plain[1])) == len(names))
        both = zip(names, plain[1], strict=True)
        return hint(**{name: _unpacker(hints[name])(item, data) for name, item in both})

    return unpack


def _gathered(origin: Any, within: Any) -> _Unpacker:
    if origin is tuple and within[-1] is not Ellipsis:
        return lambda plain, data: tuple(
            _unpacker(item_hint)(held, data) for item_hint, held in zip(within, _counted(plain, within), strict=True)
        )
    if origin in (dict, Mapping):
        return lambda plain, data: {
            _unpacker(within[0])(key, data): _unpacker(within[1])(held, data)
            for key, held in (_counted(pair, within) for pair in _listed(plain))
        }
    if origin in (tuple, list, frozenset):
        return lambda plain, data: origin(_unpacker(within[0])(item, data) for item in _listed(plain))
    raise ValueError("nothing that goes between processes")


def _counted(plain: Any, within: Sequence[Any]) -> list[Any]:
    _insist(len(_listed(plain)) == len(within))
    return _listed(plain)


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
