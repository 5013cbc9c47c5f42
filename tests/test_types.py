"""Types tell what goes in and comes out: `Any` stands in few signatures, and mypy is asked for all it knows."""

import ast
import re
import tomllib
from collections.abc import Iterator

import pytest

from tests.test_names import ROOT, modules

# Of all functions: JSON that was just read, and what a library calls without types.
MOST = 0.05


def functions(source: str) -> Iterator[tuple[int, str, bool]]:
    """(Line, name, whether its parameters or what it gives back mention `Any`, also deep inside)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            hints = [parameter.annotation for parameter in ast.walk(node.args) if isinstance(parameter, ast.arg)]
            yield node.lineno, node.name, any(map(_mentions_any, [*hints, node.returns]))


def _mentions_any(hint: ast.expr | None) -> bool:
    """A hint may be a text, where its type is imported for the checker alone."""
    return hint is not None and bool(re.search(r"\bAny\b", ast.unparse(hint)))


@pytest.mark.parametrize(
    "line",
    [
        "def of(row: Any): ...",
        "def of(row) -> dict[str, Any]: ...",
        "async def of(*rows: Any): ...",
        "def of(**words: list[Any]): ...",
        "def of(*, row: typing.Any): ...",
        'def of(row: "Row | Any"): ...',
        "def of(do: Callable[[Any], None]): ...",
    ],
)
def test_a_signature_with_any_is_noticed(line: str) -> None:
    assert [(number, name) for number, name, mentions in functions(line) if mentions] == [(1, "of")]


@pytest.mark.parametrize(
    "line",
    [
        "def of(row: object) -> Mapping[str, object]: ...",
        'def of(row: "Row", mode: Literal["Anyhow"] = "Any") -> None: ...',
        "def of() -> None:\n    rows: list[Any] = fetch()",
    ],
)
def test_a_signature_without_any_is_not(line: str) -> None:
    assert not any(mentions for _line, _name, mentions in functions(line))


def test_few_signatures_mention_any() -> None:
    """What is missing is a model, a TypedDict, a Protocol; or `object`, where it is only passed on."""
    known = [
        (f"{path}:{line} {name}", mentions) for path, source in modules() for line, name, mentions in functions(source)
    ]
    vague = [place for place, mentions in known if mentions]
    share = len(vague) / len(known)
    assert share <= MOST, f"{share:.1%} of {len(known)} signatures mention Any:\n" + "\n".join(vague)


def test_mypy_is_asked_for_all_it_knows() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert settings["strict"]
    assert settings["files"] == ["samizdat", "samizdat_client"]
