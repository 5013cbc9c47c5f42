"""Every kind of event stands in one table, is recorded somewhere, and nothing else is."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from samizdat.events.actions import record
from samizdat.events.kinds import SENTENCES, EventKind, UnknownKind
from samizdat.events.models import Event
from tests.conftest import NOW

SOURCE = Path(__file__).parents[2] / "samizdat"
KINDS = frozenset(get_args(EventKind.__value__))

# Where kinds are told and not recorded.
TELLING = ("events/kinds.py", "web/labels.py", "privacy/labels.py", "worker/schedule/event_handlers.py")


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in SOURCE.rglob("*.py"):
        if "migrations" not in path.parts:
            yield path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text())


def texts(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def choices(node: ast.expr) -> Iterator[str]:
    """A kind that is written out, or both of `a if … else b`."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from (*choices(body), *choices(orelse))


def recorded(tree: ast.Module) -> Iterator[str]:
    """Kinds that are written out as the first argument of record()."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "record" and call.args:
            yield from choices(call.args[0])


def asked_for(tree: ast.Module) -> Iterator[str]:
    """Kinds that are written out where events are looked for: kind="…", kind__in=(…)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("kind", "kind__in"):
            yield from (text for text in texts(node.value) if "." in text)


def test_every_kind_has_its_sentence() -> None:
    assert SENTENCES.keys() == KINDS
    assert [*SENTENCES] == sorted(SENTENCES), "in order, so that one is found"
    assert all(str(sentence).endswith(".") for sentence in SENTENCES.values())


@pytest.mark.django_db
def test_an_event_of_another_kind_is_not_recorded(lantern: Any) -> None:
    with pytest.raises(UnknownKind):
        record("campaign.folded", lantern, now=NOW)  # type: ignore[arg-type]
    assert not Event.objects.filter(kind="campaign.folded").exists()


def test_what_is_recorded_and_asked_for_are_kinds() -> None:
    for path, tree in trees():
        assert {*recorded(tree), *asked_for(tree)} <= KINDS, path


def test_every_kind_is_recorded_somewhere() -> None:
    written: set[str] = set()
    for path, tree in trees():
        if path not in TELLING:
            written |= KINDS & {*texts(tree)}
    assert written == KINDS


def test_a_wrong_kind_would_be_noticed() -> None:
    source = 'record("list.made" if new else "list.changed", organization)\nEvent.objects.filter(kind="list.gone")'
    assert {*recorded(ast.parse(source))} == {"list.made", "list.changed"}
    assert {*asked_for(ast.parse(source))} == {"list.gone"}
