"""The conditions that there are, by their names in JSON. The apps that have them say where they are."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache

from samizdat.core.segment.condition import Condition
from samizdat.core.segment.form import ConditionForm

_finders: list[Callable[[], Iterable[type[Condition]]]] = []


def register(find: Callable[[], Iterable[type[Condition]]]) -> None:
    """When the program starts; they are looked for when somebody reads a segment."""
    _finders.append(find)


@cache
def kinds() -> tuple[type[Condition], ...]:
    """In the order in which they are offered."""
    known = [kind for find in _finders for kind in find()]
    return tuple(sorted(known, key=lambda kind: kind.forms[0].position))


@cache
def by_name() -> Mapping[str, type[Condition]]:
    """By each of their names in JSON."""
    known = {name: kind for kind in kinds() for name in kind.names}
    assert len(known) == sum(len(kind.names) for kind in kinds()), "Two conditions have the same name."
    return known


@cache
def forms() -> Mapping[str, tuple[ConditionForm, type[Condition]]]:
    """By their kinds, in the order in which they are offered."""
    known = sorted(((form, kind) for kind in kinds() for form in kind.forms), key=lambda pair: pair[0].position)
    by_kind = {form.kind: (form, kind) for form, kind in known}
    assert len(by_kind) == len(known), "Two conditions have a form of the same kind."
    return by_kind
