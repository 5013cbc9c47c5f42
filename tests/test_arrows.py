"""Who may know whom. The contracts stand in pyproject.toml."""

import ast
import graphlib
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_the_arrows_point_the_right_way() -> None:
    result = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout


@pytest.mark.once
def test_every_module_can_be_the_first_that_is_imported() -> None:
    """Where modules import each other at their top, it depends on who was first whether that works."""
    files = [path for path in (ROOT / "samizdat").rglob("*.py") if "migrations" not in path.parts]
    modules = {_name(path): path for path in files}
    wanted = {name: _imported(name, path, modules.keys()) for name, path in modules.items()}
    graphlib.TopologicalSorter(wanted).prepare()  # A CycleError names the circle.


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(name: str, path: Path, modules: Iterable[str]) -> set[str]:
    """What runs when this module is imported. The packages around another one run before it; those around this one
    have begun already.
    """
    found: set[str] = set()
    for node in _at_the_top(ast.parse(path.read_bytes()).body):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        else:
            below = {f"{node.module}.{one.name}" for one in node.names}
            found |= below & set(modules) | ({node.module or ""} if below - set(modules) else set())
    found &= set(modules)
    before = {outer for one in found for outer in _around(one)} - set(_around(name))
    return (found | before) - {name}


def _around(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _at_the_top(nodes: Iterable[ast.AST]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports that run at once: none in a function, none for the type checker alone."""
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _at_the_top(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _at_the_top(ast.iter_child_nodes(node))
