"""The builder of segments: conditions as a form that works without script, and back.

What can be asked about, and how, is said by the conditions (core/segment/form.py): a new one needs nothing here.

A form carries the whole tree. Node i has `i-kind`, `i-in` (the group that it stands in) and its values: `i-a` is how it
is asked, with `!` before it for the opposite, `i-b`, `i-c` … what is asked for. `of` is how many nodes there are. `do`
is the button: add-i (with `i-new`, what to ask about), remove-i, wrap-i, unwrap-i.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from django.utils.translation import gettext as _
from django.utils.translation import pgettext, pgettext_lazy

from samizdat.accounts.models import Organization
from samizdat.audience.actions import new_seed
from samizdat.audience.segments import describe
from samizdat.audience.segments.errors import SegmentRefused
from samizdat.core import segment
from samizdat.core.segment import registry
from samizdat.core.segment.form import ConditionForm, Input
from samizdat.web.audience.segment_labels import CODES
from samizdat.web.labels import Word

GROUPS: dict[str, Word] = {
    "all": pgettext_lazy("segment", "Match all of these"),
    "any": pgettext_lazy("segment", "Match any of these"),
    "none": pgettext_lazy("segment", "Match none of these"),
}
# Of all selects of a page together.
OPTIONS = 60_000
# Deeper groups than a segment may have are shown, with the sentence that says so; a page of a thousand could not be.
LEVELS = segment.DEEPEST + 4


# What an added condition is if somebody posts a kind that there is not.
FIRST = "tag"
# Of the values of a node, behind how it is asked.
LETTERS = "bcdefgh"


@dataclass(slots=True)
class Control:
    """One control of a condition. `options`: of a choice, (value, word)."""

    name: str
    label: str
    value: str
    options: list[tuple[str, str]] | None = None
    type: str = "text"
    after: str = ""


@dataclass(slots=True)
class BuilderNode:
    """A condition or a group as it stands in the form; `number` is its place there."""

    kind: str
    a: str = ""
    values: list[str] = field(default_factory=list)
    parts: list["BuilderNode"] = field(default_factory=list)
    number: int = 0
    error: str = ""
    fresh: bool = False  # It was just added: the cursor goes there.
    # For the page.
    title: str = ""
    inputs: list[Control] = field(default_factory=list)

    @property
    def is_group(self) -> bool:
        return self.kind in GROUPS

    def nodes(self) -> Iterator["BuilderNode"]:
        yield self
        for part in self.parts:
            yield from part.nodes()


# -- from a tree --


def from_tree(tree: segment.Tree) -> BuilderNode:
    """The form of a segment; its outermost node is a group."""
    node = _node(tree, False)
    return node if node.is_group else BuilderNode("all", parts=[node])


def _node(tree: segment.Tree, no: bool) -> BuilderNode:
    match tree:
        case segment.Not(part):
            return _node(part, not no)
        case segment.All(parts) | segment.Any(parts):
            inside = BuilderNode(
                "all" if isinstance(tree, segment.All) else "any", parts=[_node(part, False) for part in parts]
            )
            if not no:
                return inside
            return BuilderNode("none", parts=inside.parts if inside.kind == "any" else [inside])
    return _leaf(tree, "!" if no else "")


def _leaf(leaf: segment.Leaf, no: str) -> BuilderNode:
    ((name, value),) = leaf.json().items()
    form = next(form for form in leaf.forms if form.takes(name, value))
    kind, op, values = form.filled(value)
    return BuilderNode(kind, no + op, values)


def _form(kind: str) -> ConditionForm | None:
    """The form for a kind of condition; None for a kind that there is not."""
    form, _condition = registry.forms().get(kind.partition(":")[0], (None, None))
    return form if form and bool(form.each) == (":" in kind) else None


# -- from a form --


class BrokenForm(ValueError):
    """A form that is none of ours, or arrived in part: a condition left out of it, or the list or status that it asks
    for, would make the segment larger, up to everybody."""


def read(data: Mapping[str, str]) -> BuilderNode:
    """The nodes of a posted form. Errors: BrokenForm."""
    nodes: list[BuilderNode] = []
    whole = sum(name.endswith("-kind") for name in data)
    if data.get("of") != str(whole):
        raise BrokenForm
    levels: list[int] = []
    for number in range(segment.MOST_CONDITIONS + 1):
        kind = data.get(f"{number}-kind", "")
        if not kind and number == whole:
            break
        form = _form(kind)
        if kind not in GROUPS and form is None:
            raise BrokenForm
        if any(f"{number}-{name}" not in data for name in _asked(form)):
            raise BrokenForm
        a, *values = (data.get(f"{number}-{name}", "")[:500] for name in ("a", *_letters(form)))
        node = BuilderNode(kind, a, values, number=number)
        place = data.get(f"{number}-in", "")
        above = _digits(place)
        if nodes:
            # Anywhere else it would mean something else: what must not hold in one group has to hold in another.
            if str(above) != place or above >= len(nodes) or not nodes[above].is_group:
                raise BrokenForm
            if levels[above] >= LEVELS:
                above = 0
            nodes[above].parts.append(node)
        elif not node.is_group:
            raise BrokenForm
        levels.append(levels[above] + 1 if nodes else 0)
        nodes.append(node)
    if len(nodes) < max(whole, 1):  # Our forms have a group at least; none would be everybody.
        raise BrokenForm
    return nodes[0]


def _letters(form: ConditionForm | None) -> str:
    return LETTERS[: len(form.inputs)] if form else ""


def _asked(form: ConditionForm | None) -> Iterator[str]:
    """The values that the page asks for in each case."""
    if form:
        yield "a"
        yield from (letter for letter, each in zip(LETTERS, form.inputs, strict=False) if not each.without)


def _digits(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0


def press(root: BuilderNode, button: str, data: Mapping[str, str]) -> None:
    """Does what a button of the form says: add-3, remove-3, wrap-3, unwrap-3."""
    deed, _dash, place = button.partition("-")
    number = _digits(place)
    if deed == "add":
        for node in root.nodes():
            if node.is_group and node.number == number:
                node.parts.append(_new(data.get(f"{number}-new", "")))
                return
    for parent in list(root.nodes()):
        for at, node in enumerate(parent.parts):
            if node.number == number and number:
                parent.parts[at : at + 1] = _replaced(deed, node)
                return


def _replaced(deed: str, node: BuilderNode) -> list[BuilderNode]:
    if deed == "remove":
        return []
    if deed == "wrap":
        return [BuilderNode("any", parts=[node], fresh=True)]
    return node.parts if deed == "unwrap" and node.is_group else [node]


def _new(kind: str) -> BuilderNode:
    if kind in GROUPS:
        return BuilderNode(kind, fresh=True)
    form = _form(kind)
    if form is None:
        return _new(FIRST)
    _form_again, condition = registry.forms()[form.kind]
    values = [
        str(new_seed()) if condition.drawn and each.key == condition.drawn else each.first for each in form.inputs
    ]
    return BuilderNode(kind, values=values, fresh=True)


# -- to a tree --


class UnfinishedCondition(ValueError):
    """A condition is not filled in; its node says what is missing."""


def to_tree(root: BuilderNode) -> segment.Tree:
    """Errors: Unfinished, with the reason at each node; SegmentRefused for one that is nested too deep."""
    tree = _tree(root, root)
    if any(node.error for node in root.nodes()):
        raise UnfinishedCondition
    return describe.read(segment.dump(tree))


def _tree(node: BuilderNode, root: BuilderNode) -> segment.Tree:
    if node.is_group:
        parts = tuple(_tree(part, root) for part in node.parts)
        if not parts and not (node is root and node.kind == "all"):
            node.error = _("This group is empty. Add a condition or remove the group.")
        if node.kind == "all":
            return segment.All(parts)
        return segment.Not(segment.Any(parts)) if node.kind == "none" else segment.Any(parts)
    form = _form(node.kind)
    assert form is not None
    try:
        leaf = describe.read(form.json(node.kind, node.a, node.values))
    except SegmentRefused as refused:
        node.error = _word(form.missing) if refused.code == "bad_value" else str(refused)
        return segment.EVERYBODY
    return segment.Not(leaf) if node.a.startswith("!") else leaf


def _word(text: str) -> str:
    """What a form says, in the language of this moment."""
    return pgettext("segment", text)


# -- for the page --


class Builder:
    """What an organization's conditions can be about, and the form that asks for them."""

    def __init__(self, organization: Organization, names_: describe.Names) -> None:
        self.organization, self.names = organization, names_
        self._conditions = 1
        self._known: dict[str, list[tuple[str, str]]] = {}  # Options that there are, by kind of Reference.

    @cached_property
    def offered(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """What can be added: (heading, (kind, word) …)."""
        by_heading: dict[str, list[tuple[str, str]]] = {}
        for form, _condition in registry.forms().values():
            for variant in form.variants(self.names):
                by_heading.setdefault(form.heading, []).append((variant.kind, _title(variant)))
        groups = [("any", _("Group of conditions"))]
        return [*((_word(heading), options) for heading, options in by_heading.items()), ("", groups)]

    def laid_out(self, root: BuilderNode) -> BuilderNode:
        """Numbers the nodes in the order of the page and gives each its controls."""
        nodes = list(root.nodes())
        self._conditions = len(nodes)
        for number, node in enumerate(nodes):
            node.number = number
            if node.is_group:
                node.title, node.inputs = str(GROUPS[node.kind]), []
            else:
                self._lay_out(node)
        return root

    def _lay_out(self, node: BuilderNode) -> None:
        form = _form(node.kind)
        assert form is not None
        form = form.variant(node.kind, self.names, node.a)
        ways = [(way, _word(word)) for way, word in form.ways.items()]
        node.title = _title(form)
        node.inputs = [Control(f"{node.number}-a", _("comparison"), node.a, ways)]
        values = zip(LETTERS, form.inputs, node.values, strict=False)
        node.inputs += [self._control(f"{node.number}-{letter}", each, value) for letter, each, value in values]

    def _control(self, name: str, asked: Input, value: str) -> Control:
        label = _word(asked.label) if asked.label else ""
        if asked.type == "choice":
            chosen = value or asked.first
            return self._select(name, label, chosen, self._options(asked, chosen))
        return Control(name, label, value, type=asked.type, after=asked.after)

    def _options(self, asked: Input, chosen: str) -> list[tuple[str, str]]:
        if asked.texts or not asked.options:
            return [(text, text) for text in asked.texts]
        if not isinstance(asked.options, str):
            return [(value, _word(word)) for value, word in asked.options.items()]
        if asked.options in CODES:
            return CODES[asked.options](chosen)
        return self._things(asked.options)

    def _things(self, kind: str) -> list[tuple[str, str]]:
        if kind not in self._known:
            self._known[kind] = self.names.reference(kind).options()
        return self._known[kind]

    def _select(self, name: str, label: str, value: str, options: list[tuple[str, str]]) -> Control:
        """What is gone stays in sight; nothing is chosen for anybody."""
        # A condition for each of thousands of tags would be a page of thirty megabytes.
        most = max(200, OPTIONS // self._conditions)
        options = [*options[:most], *(option for option in options[most:] if option[0] == value)]
        if value not in {key for key, _word in options}:
            options = [(value, _("something that was deleted") if value else _("choose")), *options]
        return Control(name, label, value, options)


def _title(form: ConditionForm) -> str:
    return form.called or _word(form.title)
