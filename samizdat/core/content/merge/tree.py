"""The tree of a text with merge tags: its nodes, what a condition asks, and settling what is known."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from msgspec import Struct

from samizdat.core.content.problems import ContentProblem


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    line: int = 1


@dataclass(frozen=True, slots=True)
class MergeTag:
    """A value to be put in. `name` is canonical: a field "FNAME", a built-in "UNSUB_URL" or a known value "list"."""

    name: str
    default: str | None = None
    url: bool = False  # percent-encode, as *|URL:EMAIL|* asks
    argument: str = ""  # PHP letters: of DATE:, or of a field that is a day
    line: int = 1
    start: int = 0
    end: int = 0
    written: str = ""


class MergeCondition(Struct, frozen=True, array_like=True):
    """`name` compared with `value`. Operators: has, lacks, =, !=, <, >, <=, >=, any and none (of a comma list)."""

    name: str
    operator: str
    value: str = ""

    def holds(self, value: str) -> bool:
        """Whether the condition is true for one subscriber's value (empty when they have none)."""
        return OPERATORS[self.operator](value.strip(), self.value)


@dataclass(frozen=True, slots=True)
class Branch:
    condition: MergeCondition | None  # None: else
    nodes: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class IfBlock:
    branches: tuple[Branch, ...]
    line: int = 1


type Node = Text | MergeTag | IfBlock


@dataclass(frozen=True, slots=True)
class Tree:
    nodes: tuple[Node, ...]
    flaws: tuple[ContentProblem, ...]


def _ordered(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    """Mailchimp orders number fields only; what is no number is never before or after anything."""

    def test(left: str, right: str) -> bool:
        try:
            return compare(float(left.replace(",", ".")), float(right.replace(",", ".")))
        except ValueError:
            return False

    return test


def _any(value: str, wanted: str) -> bool:
    return not folded_groups(value).isdisjoint(folded_groups(wanted))


def folded_groups(text: str) -> set[str]:
    """Upper and lower case alike, as tags are."""
    return split_groups(text.casefold())


def split_groups(text: str) -> set[str]:
    r"""Names of a comma list; a comma inside a name is written `\,` (Mailchimp's way)."""
    return {part.replace("\\,", ",").strip() for part in re.split(r"(?<!\\),", text) if part.strip()}


OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "has": lambda value, _: value != "",
    "lacks": lambda value, _: value == "",
    "=": lambda value, wanted: value == wanted,
    "!=": lambda value, wanted: value != wanted,
    "<": _ordered(lambda a, b: a < b),
    ">": _ordered(lambda a, b: a > b),
    "<=": _ordered(lambda a, b: a <= b),
    ">=": _ordered(lambda a, b: a >= b),
    "any": _any,
    "none": lambda value, wanted: not _any(value, wanted),
}

# Different conditions of a letter, all its versions together: some countries have 80 regions. What each says of a
# reader is kept with the release and with a second person's yes; of a hundred that is 13 bytes for each reader.
MOST_CONDITIONS = 100

# A reader's groups, as conditions ask for them: INTERESTED:Category; with no category all their tags.
GROUPS = "INTERESTED:"
# Among the fields that are known: a tag by its name, in small letters.
TAGGED = "TAGGED:"


def escaped_group(name: str) -> str:
    """A name as it stands in a comma list."""
    return name.replace(",", "\\,")


def different(conditions: Iterable[MergeCondition]) -> set[tuple[str, str, str]]:
    """What they ask of a reader, each once: (name, operator, value), and each group of a list by itself."""
    asked = set()
    for it in conditions:
        groups = split_groups(it.value.casefold()) if it.operator in ("any", "none") else ()
        asked |= {(it.name, "any", group) for group in groups} or {(it.name, it.operator, it.value)}
    return asked


def walk(nodes: Iterable[Node]) -> Iterator[MergeTag | MergeCondition]:
    """Every tag and condition of a tree, in order."""
    for node in nodes:
        if isinstance(node, MergeTag):
            yield node
        elif isinstance(node, IfBlock):
            for branch in node.branches:
                if branch.condition is not None:
                    yield branch.condition
                yield from walk(branch.nodes)


def resolve(nodes: Iterable[Node], known: Mapping[str, str]) -> tuple[Node, ...]:
    """The tree with every condition settled that asks for a known value (archive_page, rewards, list …)."""
    settled: list[Node] = []
    for node in nodes:
        if isinstance(node, IfBlock):
            settled.extend(_settle(node, known))
        else:
            settled.append(node)
    return tuple(settled)


def _settle(choice: IfBlock, known: Mapping[str, str]) -> tuple[Node, ...]:
    open_branches: list[Branch] = []
    for branch in choice.branches:
        condition = branch.condition
        inner = resolve(branch.nodes, known)
        if condition is not None and condition.name not in known:
            open_branches.append(Branch(condition, inner))
            continue
        if condition is not None and not condition.holds(known[condition.name]):
            continue
        # A branch that is surely taken ends the choice; what comes after it can never be read.
        if not open_branches:
            return inner
        open_branches.append(Branch(None, inner))
        break
    return (IfBlock(tuple(open_branches), choice.line),) if open_branches else ()
