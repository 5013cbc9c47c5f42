"""A segment as a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date

from samizdat.core.segment.tree import (
    DATE_OPS,
    EVERYBODY,
    NOBODY,
    All,
    Any,
    CampaignCondition,
    ConsentCondition,
    DayCondition,
    FieldCondition,
    FundraisingCondition,
    LanguageCondition,
    Leaf,
    ListCondition,
    Not,
    ProviderCondition,
    ShareCondition,
    TagCondition,
    Tree,
)

# The doors pass these through gettext. Each is a clause about somebody; {a} is a name, {b} a value.
WORDS = {
    "tag": "who has the tag {a}",
    "not tag": "who does not have the tag {a}",
    "language": "who reads {a}",
    "not language": "who does not read {a}",
    "no language": "whose language is not known",
    "not no language": "whose language is known",
    "provider": "whose mailbox is with {a}",
    "not provider": "whose mailbox is not with {a}",
    "list": "who is on {a} in any way",
    "not list": "who is not on {a} at all",
    "list pending": "who has not confirmed {a} yet",
    "not list pending": "who does not wait to confirm {a}",
    "list subscribed": "who is subscribed to {a}",
    "not list subscribed": "who is not subscribed to {a}",
    "list unsubscribed": "who has left {a}",
    "not list unsubscribed": "who has not left {a}",
    "list cleaned": "whose address is dead for {a}",
    "not list cleaned": "whose address is not dead for {a}",
    "list nonsubscribed": "who is on {a} and never agreed to it",
    "not list nonsubscribed": "who is not on {a} without having agreed",
    "consent": "who may not be written to for {a}, because {b}",
    "not consent": "about whom it is not so for {a} that {b}",
    "consent yes": "who may be written to for {a}",
    "not consent yes": "who may not be written to for {a}",
    "appeals": "who agreed to appeals for money from {a}",
    "not appeals": "who did not agree to appeals for money from {a}",
    "joined on": "who joined on {a}",
    "joined before": "who joined before {a}",
    "joined after": "who joined after {a}",
    "joined last": "who joined in the last {a}",
    "joined earlier": "who joined at least {a} ago",
    "not joined on": "who did not join on {a}",
    "not joined before": "who did not join before {a}",
    "not joined after": "who did not join after {a}",
    "not joined last": "who did not join in the last {a}",
    "not joined earlier": "who joined less than {a} ago",
    "confirmed on": "who confirmed on {a}",
    "confirmed before": "who confirmed before {a}",
    "confirmed after": "who confirmed after {a}",
    "confirmed last": "who confirmed in the last {a}",
    "confirmed earlier": "who confirmed at least {a} ago",
    "not confirmed on": "who did not confirm on {a}",
    "not confirmed before": "who did not confirm before {a}",
    "not confirmed after": "who did not confirm after {a}",
    "not confirmed last": "who did not confirm in the last {a}",
    "not confirmed earlier": "who did not confirm at least {a} ago",
    "field is": "whose {a} is {b}",
    "field contains": "whose {a} contains {b}",
    "field begins": "whose {a} begins with {b}",
    "field filled": "whose {a} is filled in",
    "field equal": "whose {a} is {b}",
    "field less": "whose {a} is less than {b}",
    "field more": "whose {a} is more than {b}",
    "field on": "whose {a} is {b}",
    "field before": "whose {a} is before {b}",
    "field after": "whose {a} is after {b}",
    "field yes": "whose {a} is yes",
    "not field is": "whose {a} is not {b}",
    "not field contains": "whose {a} does not contain {b}",
    "not field begins": "whose {a} does not begin with {b}",
    "not field filled": "whose {a} is empty",
    "not field equal": "whose {a} is not {b}",
    "not field less": "whose {a} is not less than {b}",
    "not field more": "whose {a} is not more than {b}",
    "not field on": "whose {a} is not {b}",
    "not field before": "whose {a} is not before {b}",
    "not field after": "whose {a} is not after {b}",
    "not field yes": "whose {a} is not yes",
    "campaign": "who was sent {a}",
    "not campaign": "who was not sent {a}",
    "share": "who is in a random {a} %",
    "not share": "who is not in a random {a} %",
    "not": "for whom this is not so: ({a})",
    "and": "{a} and {b}",
    "or": "{a} or {b}",
    "everybody": "Everybody.",
    "nobody": "Nobody.",
    "whole": "Everybody {a}.",
}

# name(kind, value): "tag", "list", "field" and "campaign" with their numbers, "language" and "provider" with their
# codes, "reason" with one of consent.REASONS, "day" with a date, "days" with a number of them, "text" with a field's.
type Name = Callable[[str, object], str]


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
    key, a, b = _said(tree, name)
    return _filled(words[f"not {key}" if no else key], a, b)


def _joined(parts: tuple[Tree, ...], joint: str, name: Name, words: Mapping[str, str]) -> str:
    result = ""
    for part in parts:
        text = clause(part, name, words)
        if isinstance(part, All | Any) and len(part.parts) > 1 and len(parts) > 1:
            text = f"({text})"
        result = _filled(joint, result, text) if result else text
    return result


def _said(leaf: Leaf, name: Name) -> tuple[str, str, str]:
    """(key of WORDS, {a}, {b})."""
    match leaf:
        case TagCondition(id):
            return "tag", name("tag", id), ""
        case LanguageCondition(code):
            return ("language", name("language", code), "") if code else ("no language", "", "")
        case ProviderCondition(provider):
            return "provider", name("provider", provider), ""
        case ListCondition(id, status):
            return f"list {status}".strip(), name("list", id), ""
        case ConsentCondition(id, state):
            return ("consent yes" if state == "yes" else "consent"), name("list", id), name("reason", state)
        case FundraisingCondition(id):
            return "appeals", name("list", id), ""
        case DayCondition(what, op, day, days):
            return f"{what} {op}", name("day", day) if day else name("days", days), ""
        case FieldCondition(number, op, value):
            kind = "day" if op in DATE_OPS else "text"
            operand = date.fromisoformat(value) if op in DATE_OPS else value
            return f"field {op}", name("field", number), name(kind, operand) if value else ""
        case CampaignCondition(id):
            return "campaign", name("campaign", id), ""
        case ShareCondition(percent, _seed):
            return "share", str(percent), ""


def _filled(text: str, a: str = "", b: str = "") -> str:
    """In one go and without format(): a tag may be called "{b}" or "{0.x}"."""
    return re.sub(r"\{([ab])\}", lambda match: a if match[1] == "a" else b, text)
