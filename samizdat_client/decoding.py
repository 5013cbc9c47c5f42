"""JSON to dataclasses and back, by their annotations."""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


class NotAsDescribed(Exception):
    """An answer is of another shape than this client knows."""


def read[T](kind: type[T], value: Any) -> T:
    """`value` of a JSON document as `kind`: a dataclass, tuple, mapping, date, datetime or plain value. What a newer
    server adds is passed over. Errors: NotAsDescribed."""
    try:
        known: T = _read(kind, value)
        return known
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotAsDescribed("The server answers in a shape that this client doesn't know. Is it too old?") from error


def _read(kind: Any, value: Any) -> Any:
    origin = get_origin(kind)
    if kind is Any or origin is Literal:
        return value
    if origin in (Union, types.UnionType):
        some = [each for each in get_args(kind) if each is not type(None)]
        return None if value is None else _read(some[0], value)
    if isinstance(kind, type) and is_dataclass(kind):
        held = {name: value.get(name) if _may_lack(hint) else value[name] for name, hint in _hints(kind).items()}
        return kind(**{name: _read(hint, held[name]) for name, hint in _hints(kind).items()})
    if origin is tuple:
        return tuple(_read(get_args(kind)[0], each) for each in value)
    if origin is Mapping:
        return {str(name): _read(get_args(kind)[1], each) for name, each in value.items()}
    if kind in (date, datetime):
        return kind.fromisoformat(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise TypeError(kind)
    return value


def _may_lack(kind: Any) -> bool:
    return type(None) in get_args(kind)


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def written(value: Any) -> Any:
    """For json.dumps(default=): of a dataclass what isn't None, of a day or time its ISO 8601."""
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in fields(value) if getattr(value, each.name) is not None}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} can't be sent as JSON.")
