"""A letter's text from one way of writing to another, where nothing that readers get is lost. Between texts, since it
goes to a helper (limited_process.py) and back."""

import json
import re
from collections.abc import Mapping
from typing import Any

from samizdat.core.content.blocks import BadDocument, Node, dumps, from_markdown, parse, to_html, to_markdown
from samizdat.core.content.templates.blocks import dress_of, read

# A page of its own, with a head and styles, is no block.
_WHOLE = re.compile(r"<(?:!doctype|html|head|body|style)\b", re.IGNORECASE)


def as_blocks(body: str, format: str, sample: str) -> str | None:
    """The text as a document; None: not without loss. HTML becomes one block of raw HTML, which readers get as they
    did; where its text looks as the template has it in its `sample`, blocks of text."""
    if format == "blocks":
        typed = _read(body)
        return None if typed is None else dumps(typed)
    if format == "markdown":
        document = from_markdown(body)
        return None if document is None else dumps(document)
    if _WHOLE.search(body):
        return None
    if sample and (result := read(body)) and result.dress == dress_of(sample):
        return dumps(result.document)
    block = {"type": "html", "attrs": {"source": body}}
    whole = _read(json.dumps({"type": "doc", "content": [block]}))
    return None if whole is None else dumps(whole)


def as_markdown(document: str) -> str | None:
    parsed = _read(document)
    return None if parsed is None else to_markdown(parsed)


def as_html(document: str, how: Mapping[str, Any]) -> str | None:
    """`how`: of to_html."""
    parsed = _read(document)
    return None if parsed is None else to_html(parsed, **how)


def _read(document: str) -> Node | None:
    try:
        return parse(document)
    except BadDocument:
        return None
