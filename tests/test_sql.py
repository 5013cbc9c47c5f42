"""Whose tables a module names in SQL: its own app's, so that a table can change where its owner stands."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps

ROOT = Path(__file__).parent.parent

# (module, table of another app) -> why no query of the owner, and no piece of one, serves.
EXCEPTIONS = {
    ("campaigns/sql.py", "accounts_organization"): "One EXISTS over three keys, asked again for every slice.",
}


def owners() -> dict[str, str]:
    """Our tables, and whose they are."""
    return {
        model._meta.db_table: model._meta.app_label
        for model in apps.get_models(include_auto_created=True)
        if model.__module__.startswith("samizdat.")
    }


def named() -> Iterator[tuple[str, str, str]]:
    """(module, its app, table) of each table that a string of a module names."""
    tables = owners().keys()
    for path in sorted((ROOT / "samizdat").rglob("*.py")):
        if "migrations" in path.parts:
            continue
        name = str(path.relative_to(ROOT / "samizdat"))
        words = {word for text in _strings(ast.parse(path.read_bytes())) for word in re.findall(r"\w+", text)}
        for table in sorted(words & tables):
            yield name, name.split("/")[0].removesuffix(".py"), table


def _strings(tree: ast.AST) -> Iterator[str]:
    """Those that are no docstrings."""
    prose = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


def test_sql_names_tables_of_its_own_app_alone() -> None:
    owner = owners()
    foreign = {(name, table) for name, app, table in named() if owner[table] != app}
    assert foreign == EXCEPTIONS.keys()


def test_an_exception_knows_only_whom_the_arrows_let_it_know() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    floors = [{app.strip(" ()").removeprefix("samizdat.") for app in layer.split("|")} for layer in layers]
    floor = {app: number for number, apps in enumerate(floors) for app in apps}
    for name, table in EXCEPTIONS:
        assert floor[name.split("/")[0]] < floor[owners()[table]]


def test_every_condition_of_a_segment_has_its_sql() -> None:
    from samizdat.audience.segments.sql import condition_sql
    from samizdat.core import segment

    unknown = condition_sql.dispatch(object)
    assert not [kind for kind in segment.KINDS if condition_sql.dispatch(kind) is unknown]
