"""samizdat_client/operations.py: a typed method for each operation of the API and a class for each of its shapes."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

from samizdat.api import openapi

_HEAD = '''"""Printed from the code of the API by `scripts/docs.py`: change nothing here."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from samizdat_client.connection import Connection
from samizdat_client.decoding import read

'''

# As annotations: of what is read and of what is sent.
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
_TIMES = {"date": "date", "date-time": "datetime"}
_JSON = "application/json"
_IDEMPOTENCY = "Idempotency-Key"


def operations_module() -> str:
    document = openapi.document()
    shapes, operations = document["components"]["schemas"], [*_operations(document)]
    sent = {name for each in operations for name in each.nested_inputs(shapes)}
    answers = {name for each in operations for name in each.answers(shapes)}
    used = [name for name in _ordered(shapes) if name in answers or name in sent]
    classes = [_class(name, shapes[name]) for name in used]
    methods = [method for each in operations for method in each.methods(shapes)]
    names = sorted(["Client", *map(_class_name, used)])
    client = 'class Client(Connection):\n    """Every operation of the API. Errors of each: Problem, NoAnswer."""\n'
    exported = f"__all__ = {names!r}\n\n"
    return _formatted("\n".join([_HEAD, exported, *classes, client, *(indent(each, "    ") for each in methods)]))


def _formatted(source: str) -> str:
    ruff = Path(sys.executable).parent / "ruff"
    for words in (["check", "--fix", "--exit-zero", "--quiet"], ["format"]):
        command = [str(ruff), *words, "--stdin-filename", "samizdat_client/operations.py", "-"]
        source = subprocess.run(
            command, input=source, capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent
        ).stdout
    return source


def _class(name: str, shape: Mapping[str, Any]) -> str:
    about = shape.get("description")
    lines = ["@dataclass(frozen=True, kw_only=True)", f"class {_class_name(name)}:"]
    lines += [indent(f'"""{about}"""\n', "    ")] if about else []
    needed = shape.get("required", ())
    for field, described in sorted(shape.get("properties", {}).items(), key=lambda pair: pair[0] not in needed):
        kind = _annotation(described)
        lines.append(f"    {field}: {kind}" if field in needed else f"    {field}: {_optional(kind)} = None")
    return "\n".join(lines if len(lines) > 2 else [*lines, "    pass"]) + "\n\n"


def _class_name(name: str) -> str:
    return name.removesuffix("Out")


def _optional(annotation: str) -> str:
    return annotation if annotation.endswith("| None") else f"{annotation} | None"


def _annotation(shape: Mapping[str, Any], *, sequence: str = "tuple[{}, ...]") -> str:
    """Errors: ValueError for what isn't known here."""
    if "$ref" in shape:
        return _class_name(_named(shape))
    if "anyOf" in shape:
        some = [_annotation(each, sequence=sequence) for each in shape["anyOf"] if each.get("type") != "null"]
        return " | ".join([*some, *["None"][: len(shape["anyOf"]) - len(some)]])
    if "enum" in shape or "const" in shape:
        values = shape.get("enum", [shape.get("const")])
        return f"Literal[{', '.join(map(repr, values))}]"
    match shape.get("type"):
        case "array":
            return sequence.format(_annotation(shape["items"], sequence=sequence))
        case "object":
            values = shape.get("additionalProperties") or next(iter(shape.get("patternProperties", {}).values()), None)
            return f"Mapping[str, {_annotation(values, sequence=sequence) if isinstance(values, dict) else 'Any'}]"
        case "string" if shape.get("format") in _TIMES:
            return _TIMES[shape["format"]]
        case str(kind) if kind in _PLAIN:
            return _PLAIN[kind]
    if not shape.keys() - {"title", "description", "default"}:
        return "Any"
    raise ValueError(f"the client knows no such shape: {shape}")


def _named(shape: Mapping[str, Any]) -> str:
    return str(shape["$ref"]).rpartition("/")[2]


def _ordered(shapes: Mapping[str, Any]) -> list[str]:
    """Each after those that it is made of."""
    graph = {name: _within(shape, shapes, set()) - {name} for name, shape in shapes.items()}
    return [*TopologicalSorter(graph).static_order()]


def _within(shape: Any, shapes: Mapping[str, Any], known: set[str]) -> set[str]:
    """Names of the shapes that this one is made of."""
    match shape:
        case {"$ref": _}:
            name = _named(shape)
            if name not in known:
                known.add(name)
                _within(shapes[name], shapes, known)
        case dict():
            for each in shape.values():
                _within(each, shapes, known)
        case list():
            for each in shape:
                _within(each, shapes, known)
    return known


def _operations(document: Mapping[str, Any]) -> Iterator["_Operation"]:
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            yield _Operation(method.upper(), path, described)


class _Operation:
    """One of the document."""

    def __init__(self, method: str, path: str, described: Mapping[str, Any]) -> None:
        self._method, self._path, self._described = method, path, described
        self._name = str(described["operationId"])
        self._parameters = described.get("parameters", ())
        content = described.get("requestBody", {}).get("content", {})
        if content.keys() - {_JSON}:
            raise ValueError(f"{self._name}: the client sends JSON only, not {[*content]}")
        self._body = content[_JSON]["schema"] if content else None
        self._answer = next((
            answer.get("content", {}).get(_JSON, {}).get("schema")
            for status, answer in described["responses"].items()
            if int(status) < 300
        ), None)  # fmt: skip

    def nested_inputs(self, shapes: Mapping[str, Any]) -> set[str]:
        """Shapes that a body is made of, without the body itself, whose parts are arguments."""
        return _within(shapes[_named(self._body)], shapes, set()) if self._body else set()

    def answers(self, shapes: Mapping[str, Any]) -> set[str]:
        return _within(self._answer, shapes, set()) if self._answer else set()

    def methods(self, shapes: Mapping[str, Any]) -> Iterator[str]:
        yield self._method_of(shapes)
        items = shapes[_named(self._answer)].get("properties", {}) if self._answer and "$ref" in self._answer else {}
        if {"items", "next"} <= items.keys() and "cursor" in self._places("query"):
            yield self._pages(_annotation(items["items"]["items"]))

    def _places(self, place: str) -> dict[str, Mapping[str, Any]]:
        return {each["name"]: each for each in self._parameters if each["in"] == place}

    def _arguments(self, shapes: Mapping[str, Any]) -> list[str]:
        """Of the path by place, the others by name: what is needed comes first."""
        needed, others = [], []
        for name, each in self._places("query").items():
            kind = _annotation(each["schema"])
            (needed if each.get("required") else others).append((name, kind))
        body = shapes[_named(self._body)] if self._body else {}
        for name, shape in body.get("properties", {}).items():
            kind = _annotation(shape, sequence="Sequence[{}]")
            (needed if name in body.get("required", ()) else others).append((name, kind))
        path = [f"{name}: {_annotation(each['schema'])}" for name, each in self._places("path").items()]
        named = [f"{name}: {kind}" for name, kind in needed]
        named += [f"{name}: {_optional(kind)} = None" for name, kind in others]
        return ["self", *path, *(["*", *named] if named else [])]

    def _method_of(self, shapes: Mapping[str, Any]) -> str:
        answer = _annotation(self._answer) if self._answer else "None"
        asked = [repr(self._method), ("f" if "{" in self._path else "") + repr(self._path)]
        if query := self._places("query"):
            asked.append(f"query={{{', '.join(f'{name!r}: {name}' for name in query)}}}")
        if self._body:
            names = shapes[_named(self._body)].get("properties", {})
            asked.append(f"body={{{', '.join(f'{name!r}: {name}' for name in names)}}}")
        # PUT can be repeated as it is, and upserts with the header are written one by one.
        if _IDEMPOTENCY in self._places("header") and self._method != "PUT":
            asked.append(f"headers={{{_IDEMPOTENCY!r}: secrets.token_urlsafe()}}")
        call = f"self.ask({', '.join(asked)})"
        line = f"return read({answer}, {call})" if self._answer else call
        scopes = " or ".join(self._described.get("x-scopes", ()))
        about = f"{self._described['summary']}. {self._method} {self._path}."
        return dedent(f'''
            def {self._name}({", ".join(self._arguments(shapes))}) -> {answer}:
                """{about}

                Access: {scopes}.
                """
                {line}
        ''')  # fmt: skip

    def _pages(self, item: str) -> str:
        query = {name: each for name, each in self._places("query").items() if name != "cursor"}
        arguments = [f"{name}: {_optional(_annotation(each['schema']))} = None" for name, each in query.items()]
        name = re.sub(r"^list_", "", self._name)
        path = {each: _annotation(shape["schema"]) for each, shape in self._places("path").items()}
        given = ", ".join([*path, *(f"{each}={each}" for each in query)])
        placed = "".join(f"{each}: {kind}, " for each, kind in path.items())
        return dedent(f'''
            def iterate_{name}(self, {placed}*, {", ".join(arguments)}) -> Iterator[{item}]:
                """All of {self._name}(), page by page."""
                cursor = None
                while True:
                    page = self.{self._name}({given}, cursor=cursor)
                    yield from page.items
                    cursor = page.next
                    if cursor is None:
                        return
        ''')
