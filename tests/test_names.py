"""Names tell what they hold: no fillers, and a class name stands for one class."""

import ast
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Words that say nothing of what is held. A number may be `one` in a test; here it is `1`.
FILLERS = frozenset({"found", "told", "said", "one", "ones", "made", "thing", "things"})

# Of all names that are bound in samizdat/.
MOST = 0.005

# Those that stay, and why. Nothing else is called so, in any file.
FILLERS_THAT_STAY = {
    "samizdat/delivery/models.py": {"made"},  # The day of a key, a column.
    "samizdat/delivery/backup_places.py": {"made"},  # The same of a copy.
}

# Class names in two modules, and why each is right in both.
SHARED_CLASS_NAMES: dict[str, str] = {
    "DatabaseWrapper": "Django asks for it in each backend.",
    "Meta": "Django asks for it in each model and form.",
}


def bindings(source: str) -> Iterator[tuple[int, str]]:
    """(Line, name) of all that a module gives a name to: variables, fields, parameters, functions, classes."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.FunctionDef(name=name):
                yield node.lineno, name
            case ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                yield node.lineno, name
            case ast.Attribute(attr=name, ctx=ast.Store(), value=ast.Name(id="self")):
                yield node.lineno, name
            case ast.alias(asname=str(name)):
                yield node.lineno, name


def fillers(source: str) -> list[tuple[int, str]]:
    return [(line, name) for line, name in bindings(source) if name in FILLERS]


def modules() -> Iterator[tuple[str, str]]:
    """(Path, source) of the modules of samizdat/, but for migrations, which Django writes."""
    listed = subprocess.run(["git", "ls-files", "samizdat/*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    for path in listed.stdout.splitlines():
        if "/migrations/" not in path and (ROOT / path).exists():
            yield path, (ROOT / path).read_text()


def repeated_classes(sources: dict[str, str]) -> dict[str, list[str]]:
    paths = defaultdict(set)
    for path, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef):
                paths[node.name].add(path)
    return {name: sorted(where) for name, where in paths.items() if len(where) > 1}


@pytest.mark.parametrize(
    "line",
    [
        "found = rows.first()",
        "for one in rows: pass",
        "def said(code): pass",
        "def f(told): pass",
        "class C:\n    things: list[int]",
        "class C:\n    def f(self):\n        self.made = 1",
        "names = [thing.name for thing in rows]",
        "with open(path) as found: pass",
        "if (found := rows.first()): pass",
        "import json as one",
        "match row:\n    case {'a': told}: pass",
        "try: pass\nexcept ValueError as said: pass",
    ],
)
def test_a_name_that_says_nothing_is_noticed(line: str) -> None:
    assert fillers(line)


@pytest.mark.parametrize(
    "line",
    [
        "campaign = campaigns.first()",
        "for row in rows: pass",
        "payload['told'] = 1",  # a key is data, not a name
        "print(row.found)",  # asked for, not bound
        "found_text = ''",
        "# found, told, one",
        "'one thing'",
    ],
)
def test_a_name_that_says_what_it_holds_is_not(line: str) -> None:
    assert not fillers(line)


def test_names_say_what_they_hold() -> None:
    total, wrong = 0, []
    for path, source in modules():
        total += sum(1 for _binding in bindings(source))
        stays = FILLERS_THAT_STAY.get(path, set())
        wrong += [f"{path}:{line} {name}" for line, name in fillers(source) if name not in stays]
    assert not wrong, "call these what they hold"
    assert sum(map(len, FILLERS_THAT_STAY.values())) / total < MOST


def test_what_stays_is_still_there() -> None:
    sources = dict(modules())
    for path, names in FILLERS_THAT_STAY.items():
        assert names <= Counter(name for _line, name in fillers(sources[path])).keys(), f"take {path} off the table"


def test_a_class_in_two_modules_is_noticed() -> None:
    assert repeated_classes({"a.py": "class Row: pass", "b.py": "class Row: pass"}) == {"Row": ["a.py", "b.py"]}
    assert repeated_classes({"a.py": "class Row: pass", "b.py": "class Cell: pass"}) == {}


def test_a_class_name_stands_for_one_class() -> None:
    repeated = repeated_classes(dict(modules()))
    assert {name: paths for name, paths in repeated.items() if name not in SHARED_CLASS_NAMES} == {}
    assert SHARED_CLASS_NAMES.keys() <= repeated.keys(), "take those off the table that stand in one module only"
