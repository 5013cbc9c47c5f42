"""A segment as a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable

from samizdat.core.segment.condition import Name
from samizdat.core.segment.tree import EVERYBODY, NOBODY, All, Any, Not, Tree

# As the words of conditions, these are translated by whoever says the sentence. {a} and {b} are clauses about somebody.
JOINTS = {
    "not": "for whom this isn’t true: ({a})",
    "and": "{a} and {b}",
    "or": "{a} or {b}",
    "everybody": "Everyone.",
    "nobody": "Nobody.",
    "whole": "Everyone {a}.",
}
# English -> the language of the sentence.
type Translate = Callable[[str], str]


def explain(tree: Tree, name: Name, translate: Translate = str) -> str:
    """The segment as one sentence: "Everybody who has the tag Riga and who reads Russian."."""
    if tree == EVERYBODY:
        return translate(JOINTS["everybody"])
    if tree == NOBODY:
        return translate(JOINTS["nobody"])
    return _filled(translate(JOINTS["whole"]), clause(tree, name, translate))


def clause(tree: Tree, name: Name, translate: Translate = str, *, no: bool = False) -> str:
    """The segment as a clause about somebody. no: the opposite."""
    match tree:
        case Not(part) if not isinstance(part, All | Any):
            return clause(part, name, translate, no=not no)
        case Not(part):
            inner = clause(part, name, translate)
            return inner if no else _filled(translate(JOINTS["not"]), inner)
        case All(parts) | Any(parts):
            text = _joined(parts, translate(JOINTS["and" if isinstance(tree, All) else "or"]), name, translate)
            empty = JOINTS["everybody" if isinstance(tree, All) else "nobody"]
            text = text or translate(empty).rstrip(".").lower()
            return _filled(translate(JOINTS["not"]), text) if no else text
    key, a, b = tree.phrase(name)
    return _filled(translate(tree.words[f"not {key}" if no else key]), a, b)


def _joined(parts: tuple[Tree, ...], joint: str, name: Name, translate: Translate) -> str:
    result = ""
    for part in parts:
        text = clause(part, name, translate)
        if isinstance(part, All | Any) and len(part.parts) > 1 and len(parts) > 1:
            text = f"({text})"
        result = _filled(joint, result, text) if result else text
    return result


def _filled(text: str, a: str = "", b: str = "") -> str:
    """In one go and without format(): a tag may be called "{b}" or "{0.x}"."""
    return re.sub(r"\{([ab])\}", lambda match: a if match[1] == "a" else b, text)
