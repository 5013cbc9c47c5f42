"""Every regular expression of the code: of modules as they are, and of functions as they are written there."""

import ast
import importlib
import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import django

import samizdat
from tests.core import hostile

ROOT = Path(samizdat.__file__).parent
CALLS = frozenset({"compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"})
# What only looks where it is put; everything else goes through the text from sign to sign.
PUT = frozenset({"match", "fullmatch"})
# Pieces of expressions that are handed on, and only put.
ONLY_PUT = ("(?:!doctype|html|\\?xml)", "{0,2000}?</a", "[^()\\n]{0,200}")
# Stands for what a function puts into an expression when it runs: a token, a word, an escaped address.
HOLE = "zq0x"


class Found(NamedTuple):
    """`name`: file and line. `how`: the methods that it is used by."""

    name: str
    pattern: re.Pattern[Any]
    how: frozenset[str]


def everywhere() -> Iterator[Found]:
    files = {
        path: list(ast.walk(ast.parse(path.read_text())))
        for path in sorted(ROOT.rglob("*.py"))
        if "migrations" not in path.parts
    }
    own = {path: _methods_of(nodes) for path, nodes in files.items()}
    taken = _taken(files, own)
    for path, nodes in files.items():
        uses = own[path]
        for name, how in taken[path.stem].items():
            uses[name] = uses.get(name, set()) | how
        yield from _of_file(path, nodes, uses)


def _taken(files: dict[Path, list[ast.AST]], own: dict[Path, Any]) -> dict[str, dict[str, set[str]]]:
    """Module -> name of it -> the methods that others call on it."""
    taken: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for path, nodes in files.items():
        for node in nodes:
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    taken[(node.module or "").rpartition(".")[2]][alias.name] |= own[path].get(alias.name, set())
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
                taken[_name(node.value.value)][node.value.attr].add(node.attr)  # module.NAME.method(...)
    return taken


def _methods_of(nodes: list[ast.AST]) -> dict[str, set[str]]:
    """Name -> the methods that are called on it. One that is handed on may be used in any way."""
    uses: dict[str, set[str]] = defaultdict(set)
    called: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            uses[node.value.id].add(node.attr)
            called.add(id(node.value))
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in called:
            uses[node.id].add("handed on")
    return uses


def _name(node: Any) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _of_file(path: Path, nodes: list[ast.AST], uses: dict[str, set[str]]) -> Iterator[Found]:
    names = {id(node.value): _name(node.targets[0]) for node in nodes if isinstance(node, ast.Assign)}
    bound = {id(node.value): node.attr for node in nodes if isinstance(node, ast.Attribute)}
    for node in nodes:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "re" and node.func.attr in CALLS):
            continue
        for text in _texts(node.args[0], path):
            flags = _flags(node)
            how = frozenset({node.func.attr})
            if node.func.attr == "compile":
                by_name = uses.get(names.get(id(node), ""), {"search"})
                how = frozenset({bound[id(node)]} if id(node) in bound else by_name)
                if any(piece in written(text) for piece in ONLY_PUT):
                    how = frozenset({"match"})
            try:
                yield Found(f"{path.relative_to(ROOT)}:{node.lineno}", re.compile(text, flags), how)
            except re.error:
                continue  # A piece of one that is put together elsewhere.


def written(text: Any) -> str:
    return text.decode("latin-1") if isinstance(text, bytes) else str(text)


def _flags(call: ast.Call) -> int:
    said = [ast.unparse(one) for one in (*call.args[1:], *(word.value for word in call.keywords))]
    return sum(getattr(re, name) for name in ("IGNORECASE", "DOTALL", "MULTILINE", "ASCII", "VERBOSE")
               if any(f"re.{name}" in one for one in said)) | (
        re.IGNORECASE if any(re.search(r"re\.I\b", one) for one in said) else 0)  # fmt: skip


def _texts(node: Any, path: Path) -> list[Any]:
    """What the expression may be: as the module knows it, with HOLE for what only a function knows."""
    if isinstance(node, ast.Constant):
        return [node.value]
    module = importlib.import_module(".".join(path.relative_to(ROOT.parent).with_suffix("").parts))
    try:
        value = eval(compile(ast.Expression(node), str(path), "eval"), dict(vars(module)))  # noqa: S307
        return [value.pattern if isinstance(value, re.Pattern) else value]
    except Exception:
        pass
    if isinstance(node, ast.JoinedStr):
        parts = []
        for part in node.values:
            inner = part.value if isinstance(part, ast.FormattedValue) else part
            known = _texts(inner, path)
            parts.append(known[0] if known and isinstance(known[0], str) else HOLE)
        return ["".join(parts)]
    return [HOLE]


# -- how long they take -----------------------------------------------------------------------------------------------

SHORT, LONGER = 4_000, 8
# Most inputs are no trouble, which shows at a quarter of that: a square of its length takes several times as long as is
# suspect here. What is repeated has to fit in often enough.
SHORTEST, SHORTEST_SUSPECT, PUMP = 1_000, 0.00006, 20
# Seconds of the processor below which nothing is said: far above what a text of this length costs where the cost grows
# with the length alone, far below where it grows with its square.
SUSPECT, SLOW = 0.001, 0.04
# Eight times the length costs eight times as much, or sixty-four times.
MOST_GROWTH = 24


class Slow(NamedTuple):
    name: str
    pattern: str
    text: str
    growth: float
    seconds: float


def slow(found: Found, most: int) -> Slow | None:
    """The first input whose cost grows faster than its length; `most`: characters that it is ever used on."""
    binary = isinstance(found.pattern.pattern, bytes)
    length, much = min(SHORT, most), min(SHORT * LONGER, most)
    methods = _methods(found)
    for shape in hostile.shapes(found.pattern):
        suspects = methods
        if len(shape.pump) <= PUMP and length == SHORT:
            shortest = _given(shape.text(SHORTEST), binary)
            suspects = [method for method in methods if _seconds(method, shortest) >= SHORTEST_SUSPECT]
        if not suspects:
            continue
        short = _given(shape.text(length), binary)
        for method in suspects:
            if _seconds(method, short) < SUSPECT:
                continue
            long = _given(shape.text(much), binary)
            if _seconds(method, long) <= SLOW:
                continue
            # A machine that lends its processors to others books their time late: nothing at first, and then too much.
            worst = min(_seconds(method, long) for _ in range(5))
            least = max(min(_seconds(method, short) for _ in range(3)), SUSPECT / 100)
            # What is never longer costs this at most; of the rest its growth tells.
            if worst > SLOW and (much == most or worst > MOST_GROWTH * least):
                return Slow(found.name, written(found.pattern.pattern), shape.text(1)[:60], worst / least, worst)
    return None


def _methods(found: Found) -> list[Any]:
    methods = []
    if found.how - PUT:
        methods.append(lambda text: [None for _ in found.pattern.finditer(text)])
    if "match" in found.how:
        methods.append(found.pattern.match)
    if "fullmatch" in found.how:
        methods.append(found.pattern.fullmatch)
    return methods


def _given(text: str, binary: bool) -> Any:
    return text.encode("latin-1", "replace") if binary else text


def _seconds(method: Any, text: Any) -> float:
    begun = time.process_time()
    method(text)
    return time.process_time() - begun


def main() -> int:
    """Prints what is slow, a line of JSON each; before each expression its name, in case it never ends."""
    bounded = json.loads(sys.stdin.read())
    django.setup()  # Modules with models want it; no database is opened.
    for found in everywhere():
        print("at", found.name, flush=True)
        most = min(
            (limit for piece, limit in bounded.items() if piece in written(found.pattern.pattern)), default=1 << 30
        )
        if told := slow(found, most):
            print(json.dumps(told._asdict()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
