"""Which parts of an answer are sent: a page of its rows, and of these what fields and exclude_fields say."""

from collections.abc import Iterable
from typing import Any

from django.http import QueryDict

from samizdat.compat.mailchimp.calls import MailchimpCall, list_hex

type PathTree = dict[str, "PathTree"]


def paged(call: MailchimpCall, name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    offset, count = call.page
    shown = {name: rows[offset : offset + count], "list_id": list_hex(call.list_.pk)}
    return shown | {"total_items": len(rows), "_links": []}


def selected(document: Any, query: QueryDict) -> Any:
    """The same with those parts alone; a list by each of its elements."""
    kept, left_out = _tree(query, "fields"), _tree(query, "exclude_fields")
    document = _kept(document, kept) if kept else document
    return _without(document, left_out) if left_out else document


def _tree(query: QueryDict, name: str) -> PathTree:
    tree: PathTree = {}
    for path in _paths(query, name):
        at = tree
        for part in path.split(".")[:10]:
            at = at.setdefault(part, {})
    return tree


def _paths(query: QueryDict, name: str) -> Iterable[str]:
    """As name=a,b, name=a&name=b or name[0]=a."""
    for key in query:
        if key == name or key.startswith(f"{name}["):
            for text in query.getlist(key):
                yield from (path.strip() for path in text.split(",")[:200] if path.strip())


def _kept(value: Any, tree: PathTree) -> Any:
    if not tree:
        return value
    if isinstance(value, list):
        return [_kept(each, tree) for each in value]
    if isinstance(value, dict):
        return {name: _kept(value[name], below) for name, below in tree.items() if name in value}
    return value


def _without(value: Any, tree: PathTree) -> Any:
    if isinstance(value, list):
        return [_without(each, tree) for each in value]
    if isinstance(value, dict):
        return {
            name: _without(each, tree[name]) if tree.get(name) else each
            for name, each in value.items()
            if name not in tree or tree[name]
        }
    return value
