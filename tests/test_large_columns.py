"""No query reads the texts of several campaigns at once: each weighs up to megabytes, and there may be thousands.

Looked for in the source, as a query that no test runs with several campaigns would pass any other way. What a function
reads is narrowed in the chain of calls itself, or wherever it uses the variable that the chain is assigned to.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent / "samizdat"
MODELS = {"Campaign", "Edition", "EditionVariant"}
# Relations to them by which select_related brings them along.
RELATIONS = {"campaign", "edition", "letter", "reminder", "version_of", "resend_of"}
# One row, no row, some columns, or a few rows at a time.
NARROWS = {
    *("get", "first", "exists", "count", "update", "delete", "create", "aggregate"),
    *("values", "values_list", "only", "defer", "iterator"),
}
# They read some columns, or a few rows at a time.
LIGHT = {"with_subjects", "_light", "in_turn"}

# Functions that may, with the reason.
KNOWN = {
    "campaigns.approval._compiled": "the versions of one edition",
    "campaigns.edition_details.all_versions": "those of one edition",
    "campaigns.released.web_versions": "those of one edition",
    "delivery.domain_ownership.claimed_before_release": "the versions of one edition",
    "campaigns.ab_test.versions": "those of one campaign, which have a limit, with the drafts of their texts",
    "campaigns.media.storage.used": "sums alone, made by the database",
    "campaigns.translations.versions": "those of one campaign, by language",
    "delivery.actions.digests._drafts": "each in its turn, with in_turn",
    "delivery.actions.domain_switch._letters": "each in its turn, with in_turn",
    "worker.publishing.publish._editions": "each use of it takes the first",
}


def _chain(node: ast.expr) -> tuple[ast.expr, list[tuple[str, ast.Call | None]]]:
    """Where a chain like Campaign.objects.filter(...)[:5] begins, and its names in order."""
    names: list[tuple[str, ast.Call | None]] = []
    call = None
    while isinstance(node, ast.Call | ast.Attribute | ast.Subscript):
        match node:
            case ast.Call(func=ast.Attribute()):
                call, node = node, node.func
            case ast.Attribute():
                names.append((node.attr, call))
                call, node = None, node.value
            case ast.Subscript():
                node = node.value
            case _:
                break
    return node, names[::-1]


def _keeps_details(name: str, call: ast.Call | None) -> bool:
    """defer("compiled_sealed") leaves the details of an edition, with all its texts."""
    named = {arg.value for arg in call.args if isinstance(arg, ast.Constant)} if call else set()
    return name == "defer" and call is not None and len(call.args) == 1 and named == {"compiled_sealed"}


class _Function:
    def __init__(self, node: ast.FunctionDef) -> None:
        self.node = node
        self.parents = {child: parent for parent in ast.walk(node) for child in ast.iter_child_nodes(parent)}

    def chains(self) -> Iterator[tuple[ast.expr, ast.expr, list[tuple[str, ast.Call | None]]]]:
        """Whole ones, not their parts."""
        for node in ast.walk(self.node):
            if not isinstance(node, ast.Call | ast.Subscript | ast.Name | ast.Attribute):
                continue
            parent = self.parents.get(node)
            is_part = isinstance(parent, ast.Attribute) or (isinstance(parent, ast.Subscript) and parent.value is node)
            if not is_part and not (isinstance(parent, ast.Call) and parent.func is node):
                yield node, *_chain(node)

    def is_whole(self, node: ast.expr, names: list[tuple[str, ast.Call | None]], depth: int = 0) -> bool:
        """Are all columns of its rows read?"""
        if NARROWS & {name for name, call in names if not _keeps_details(name, call)}:
            return False
        parent = self.parents.get(node)
        if isinstance(parent, ast.IfExp):
            node, parent = parent, self.parents.get(parent)
        if isinstance(parent, ast.keyword):
            return False  # Of a filter: a query within a query.
        if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name) and parent.func.id in LIGHT:
            return False
        if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name) and depth < 5:
            uses = self._uses(parent.targets[0].id, parent)
            return any(self.is_whole(other, calls, depth + 1) for other, calls in uses)
        return True

    def _uses(self, name: str, after: ast.Assign) -> Iterator[tuple[ast.expr, list[tuple[str, ast.Call | None]]]]:
        """Chains that begin with the variable, until it is assigned anew."""
        lines = [
            node.lineno
            for node in ast.walk(self.node)
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == name
            and node.lineno > after.lineno
        ]
        last = min(lines, default=10**6)
        for node, root, names in self.chains():
            is_use = isinstance(root, ast.Name) and root.id == name and isinstance(root.ctx, ast.Load)
            if is_use and after.lineno < root.lineno <= last:
                yield node, names


def _reads(root: ast.expr, names: list[tuple[str, ast.Call | None]]) -> bool:
    """Does the chain ask for rows of these models, or of others with them?"""
    if isinstance(root, ast.Name) and root.id in MODELS and names and names[0][0] == "objects":
        return True
    along = [
        str(arg.value)
        for name, call in names
        if name == "select_related" and call
        for arg in call.args
        if isinstance(arg, ast.Constant)
    ]
    return any(RELATIONS & {*path.split("__")} for path in along)


def whole_reads() -> dict[str, int]:
    """module.function -> line of a query that reads all of several."""
    results = {}
    for path in sorted(ROOT.rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                function = _Function(node)
                for chain, root, names in function.chains():
                    if _reads(root, names) and function.is_whole(chain, names):
                        results[f"{module}.{node.name}"] = chain.lineno
    return results


def test_no_query_reads_the_texts_of_several_campaigns_at_once() -> None:
    new = {name: line for name, line in whole_reads().items() if name not in KNOWN}
    assert not new, "name the columns (only, defer, values_list), or say in KNOWN why all are read"


def test_what_is_known_to_read_them_does() -> None:
    assert KNOWN.keys() <= whole_reads().keys()
