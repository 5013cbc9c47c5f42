"""Who may know whom, by imports and by the tables that SQL names. The contracts stand in pyproject.toml."""

import ast
import graphlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path

import pytest
from django.apps import apps

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
def test_no_modules_import_each_other_in_a_circle_not_inside_functions_either() -> None:
    """Whoever changes one of a circle has to know all of it, and whether it can be imported depends on who was first.
    An import inside a function, or for the type checker alone, only hides that."""
    files = [path for path in (ROOT / "samizdat").rglob("*.py") if "migrations" not in path.parts]
    modules = {_name(path): path for path in files}
    wanted = {name: _imported(name, path, modules.keys()) for name, path in modules.items()}
    graphlib.TopologicalSorter(wanted).prepare()  # A CycleError names the circle.


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(name: str, path: Path, modules: Collection[str]) -> set[str]:
    """What a module imports, wherever in it. The packages around another one run before it; those around this one
    have begun already.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            below = {f"{node.module}.{one.name}" for one in node.names}
            found |= below & set(modules) | ({node.module or ""} if below - set(modules) else set())
    found &= set(modules)
    before = {outer for one in found for outer in _around(one)} - set(_around(name))
    return (found | before) - {name}


def _around(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


# Neither the contracts nor the test above see an import by a name that is put together: module -> why it needs one.
BY_NAME = {
    "audience/segments/discovery.py": "Conditions of segments are the files in one folder of each app.",
    "cli/__main__.py": "A command loads its own module alone, so that each begins at once.",
    "compat/mailchimp/entry.py": "Ninja and Pydantic, and a dialect that few use, are imported by the first request.",
    "limited_process.py": "A helper is told by name what to call.",
    "plugins.py": "Transports, importers and places are the files in three folders.",
    "worker/processes/child.py": "One of two roles; the public one may not even load what the other imports.",
    "worker/processes/zygote.py": "All that the processes begin with, after Django is set up.",
}


@pytest.mark.once
def test_imports_by_name_are_few_and_have_a_reason() -> None:
    by_name = {
        str(path.relative_to(ROOT / "samizdat"))
        for path in (ROOT / "samizdat").rglob("*.py")
        if re.search(r"\b(import_module|__import__)\(", path.read_text())
    }
    assert by_name == BY_NAME.keys()


# -- imports inside functions --

# Where one may stand inside a function -> why it must not run with its module.
INSIDE = {
    "cli/*": "A word's module is read for its help and for mistakes, before Django is there; --help reads all.",
    "*/apps.py": "Models wait for all apps.",
    "*/asgi.py": "It is imported before Django is set up.",
    "public/middleware.py": "Django is configured by it.",
    "public/tokens.py": "With the supervisor's keys alone; tests and demos have others.",
    "web/static_files.py": "It is imported before Django is set up.",
    "places/sftp.py": "asyncssh takes a place that is reached over SSH alone.",
    "queue_types.py": "It is imported before Django is set up.",
    "api/entry.py": "Ninja and Pydantic are imported by the first request.",
    "plugins.py": "Importers and readers are loaded by whoever reads a file.",
    "backup/restore_test/checks.py": "What migrates is large, and a worker hardly ever needs it.",
    "worker/publishing/repair.py": "What migrates is large, and a worker hardly ever needs it.",
    "backup/restore_test/process.py": "It gives up what it may not keep before it sets Django up.",
    "worker/processes/*": "A child sets Django up once it has given up what it may not keep.",
}
# Libraries that one of the two databases, one of the processes or one seldom step needs.
LATE = {
    "PIL",
    "argon2",
    "css_inline",
    "dns",
    "django_tasks_db",
    "mjml",
    "nh3",
    "openpyxl",
    "procrastinate",
    "segno",
    "psycopg",
    "uvicorn",
    "uvloop",
}


@pytest.mark.once
def test_an_import_inside_a_function_has_a_reason_and_loads_something() -> None:
    """What the module loads anyway stands at its top (docs/architecture.md)."""
    files = {_name(path): path for path in (ROOT / "samizdat").rglob("*.py") if "migrations" not in path.parts}
    sorted_imports = {name: _by_place(path) for name, path in files.items()}
    tops = {
        name: {target for node in top for target in _targets(node)} for name, (top, _inside) in sorted_imports.items()
    }
    wrong = []
    for name, (_top, inside) in sorted_imports.items():
        file, loaded = str(files[name].relative_to(ROOT / "samizdat")), _loaded(name, tops)
        for node in inside:
            targets = [target for target in _targets(node) if target in files or target == _targets(node)[0]]
            allowed = targets[0].split(".")[0] in LATE or any(fnmatch(file, pattern) for pattern in INSIDE)
            if not allowed or loaded.issuperset(targets):
                wrong.append(f"{file}:{node.lineno} {ast.unparse(node)}")
    assert not wrong, "Move them to the top, or say why in INSIDE:\n" + "\n".join(wrong)


type _Import = ast.Import | ast.ImportFrom


def _by_place(path: Path) -> tuple[list[_Import], list[_Import]]:
    """Imports that run with the module, and those that run with a function."""
    top: list[_Import] = []
    inside: list[_Import] = []

    def walk(node: ast.AST, into: list[_Import]) -> None:
        for below in ast.iter_child_nodes(node):
            if isinstance(below, ast.Import | ast.ImportFrom):
                into.append(below)
            elif not (isinstance(below, ast.If) and ast.unparse(below.test) == "TYPE_CHECKING"):
                walk(below, inside if isinstance(below, ast.FunctionDef | ast.AsyncFunctionDef) else into)

    walk(ast.parse(path.read_bytes()), top)
    return top, inside


def _targets(node: _Import) -> list[str]:
    """Modules that it may load; the first of them it loads."""
    if isinstance(node, ast.Import):
        return [one.name for one in node.names]
    return [node.module or "", *(f"{node.module}.{one.name}" for one in node.names)]


def _loaded(name: str, tops: Mapping[str, Collection[str]]) -> set[str]:
    """Whatever is there once this module is."""
    seen, waiting = set[str](), [name]
    while waiting:
        one = waiting.pop()
        for target in (*tops.get(one, ()), *_around(one)):
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen


# -- tables --

# (module, table of another app) -> why no query of the owner, and no piece of one, serves.
EXCEPTIONS = {
    ("audience/recipients_sql.py", "events_event"): "Two EXISTS by its index, asked again for everybody of each slice.",
    ("campaigns/sql.py", "accounts_organization"): "One EXISTS over three keys, asked again for every slice.",
}


def _owners() -> dict[str, str]:
    """Our tables, and whose they are."""
    return {
        model._meta.db_table: model._meta.app_label
        for model in apps.get_models(include_auto_created=True)
        if model.__module__.startswith("samizdat.")
    }


def _named_tables() -> Iterator[tuple[str, str, str]]:
    """(module, its app, table) of each table that a string of a module names."""
    tables = _owners().keys()
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
    owner = _owners()
    foreign = {(name, table) for name, app, table in _named_tables() if owner[table] != app}
    assert foreign == EXCEPTIONS.keys()


def test_an_exception_knows_only_whom_the_arrows_let_it_know() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    floors = [{app.strip(" ()") for app in re.split(r"[|:]", layer)} for layer in layers]
    floor = {app: number for number, apps in enumerate(floors) for app in apps}
    for name, table in EXCEPTIONS:
        assert floor[name.split("/")[0]] < floor[_owners()[table]]
