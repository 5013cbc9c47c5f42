"""A segment as a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping

from samizdat.core.segment.conditions import KINDS
from samizdat.core.segment.tree import EVERYBODY, NOBODY, All, Any, Name, Not, Tree

# The doors pass these through gettext. {a} and {b} are clauses about somebody.
_JOINTS = {
    "not": "for whom this isn’t true: ({a})",
    "and": "{a} and {b}",
    "or": "{a} or {b}",
    "everybody": "Everyone.",
    "nobody": "Nobody.",
    "whole": "Everyone {a}.",
}
WORDS = {key: text for kind in KINDS for key, text in kind.words.items()} | _JOINTS


def explain(tree: Tree, name: Name, words: Mapping[str, str] = WORDS) -> str:
    """The segment as one sentence: "Everybody who has the tag Riga and who reads Russian."."""
    if tree == EVERYBODY:
        return words["everybody"]
    if tree == NOBODY:
        return words["nobody"]
    return _filled(words["whole"], clause(tree, name, words))


def clause(tree: Tree, name: Name, words: Mapping[str, str] = WORDS, *, no: bool = False) -> str:
    """The segment as a clause about somebody. no: the opposite."""
    match tree:
        case Not(part) if not isinstance(part, All | Any):
            return clause(part, name, words, no=not no)
        case Not(part):
            inner = clause(part, name, words)
            return inner if no else _filled(words["not"], inner)
        case All(parts) | Any(parts):
            text = _joined(parts, words["and" if isinstance(tree, All) else "or"], name, words)
            text = text or words["everybody" if isinstance(tree, All) else "nobody"].rstrip(".").lower()
            return _filled(words["not"], text) if no else text
    key, a, b = tree.phrase(name)
    return _filled(words[f"not {key}" if no else key], a, b)


def _joined(parts: tuple[Tree, ...], joint: str, name: Name, words: Mapping[str, str]) -> str:
    result = ""
    for part in parts:
        text = clause(part, name, words)
        if isinstance(part, All | Any) and len(part.parts) > 1 and len(parts) > 1:
            text = f"({text})"
        result = _filled(joint, result, text) if result else text
    return result


def _filled(text: str, a: str = "", b: str = "") -> str:
    """In one go and without format(): a tag may be called "{b}" or "{0.x}"."""
    return re.sub(r"\{([ab])\}", lambda match: a if match[1] == "a" else b, text)
