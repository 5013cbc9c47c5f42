"""The builder of segments: conditions as a form that works without script, and back.

A form carries the whole tree. Node i has `i-kind`, `i-in` (the group that it stands in) and up to three values: `i-a`
is how it is asked, with `!` before it for the opposite, `i-b` and `i-c` what is asked for. `of` is how many nodes there
are. `do` is the button: add-i (with `i-new`, what to ask about), remove-i, wrap-i, unwrap-i.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from django.utils.translation import gettext as _
from django.utils.translation import pgettext, pgettext_lazy

from samizdat import formatting
from samizdat.accounts.models import Organization
from samizdat.audience import queries
from samizdat.audience.actions import new_seed
from samizdat.audience.queries.lists import FieldView
from samizdat.audience.segments import describe
from samizdat.audience.segments.errors import SegmentRefused
from samizdat.campaigns import queries as campaigns
from samizdat.core import segment
from samizdat.core.consent import REASONS, STATUSES
from samizdat.core.mail.address import PROVIDERS
from samizdat.web.audience.segment_labels import REASONS as REASON_WORDS
from samizdat.web.audience.segment_labels import segment_word
from samizdat.web.audience.subscriber_filters import LANGUAGES
from samizdat.web.labels import Word

GROUPS: dict[str, Word] = {
    "all": pgettext_lazy("segment", "Match all of these"),
    "any": pgettext_lazy("segment", "Match any of these"),
    "none": pgettext_lazy("segment", "Match none of these"),
}
# What can be asked about, besides fields; in the order in which it is offered.
KINDS: dict[str, Word] = {
    "tag": pgettext_lazy("segment", "Tag or group"),
    "list": pgettext_lazy("segment", "List and status"),
    "consent": pgettext_lazy("segment", "Can be emailed"),
    "appeals": pgettext_lazy("segment", "Fundraising appeals"),
    "language": pgettext_lazy("segment", "Language"),
    "provider": pgettext_lazy("segment", "Mailbox provider"),
    "joined": pgettext_lazy("segment", "Added on a date"),
    "joined_ago": pgettext_lazy("segment", "Added some days ago"),
    "confirmed": pgettext_lazy("segment", "Confirmed on a date"),
    "confirmed_ago": pgettext_lazy("segment", "Confirmed some days ago"),
    "campaign": pgettext_lazy("segment", "Sent a campaign"),
    "share": pgettext_lazy("segment", "Random sample"),
}
# How each is asked; "!" turns it round.
WAYS: dict[str, dict[str, Word]] = {
    "tag": {"": pgettext_lazy("segment", "has"), "!": pgettext_lazy("segment", "does not have")},
    "list": {"": pgettext_lazy("segment", "is on"), "!": pgettext_lazy("segment", "is not on")},
    "consent": {"": pgettext_lazy("segment", "the answer is"), "!": pgettext_lazy("segment", "the answer is not")},
    "appeals": {"": pgettext_lazy("segment", "agreed"), "!": pgettext_lazy("segment", "did not agree")},
    "language": {"": pgettext_lazy("segment", "is set to"), "!": pgettext_lazy("segment", "isn’t set to")},
    "provider": {"": pgettext_lazy("segment", "uses"), "!": pgettext_lazy("segment", "doesn’t use")},
    "campaign": {"": pgettext_lazy("segment", "was sent"), "!": pgettext_lazy("segment", "was not sent")},
    "share": {"": pgettext_lazy("segment", "is in"), "!": pgettext_lazy("segment", "is not in")},
}
_DAY_WAYS: dict[str, Word] = {
    "on": pgettext_lazy("segment", "on"),
    "before": pgettext_lazy("segment", "before"),
    "after": pgettext_lazy("segment", "after"),
    "!on": pgettext_lazy("segment", "not on"),
    "!before": pgettext_lazy("segment", "not before"),
    "!after": pgettext_lazy("segment", "not after"),
}
_AGO_WAYS: dict[str, Word] = {
    "last": pgettext_lazy("segment", "in the last (days)"),
    "earlier": pgettext_lazy("segment", "at least (days ago)"),
    "!last": pgettext_lazy("segment", "not in the last (days)"),
    "!earlier": pgettext_lazy("segment", "less than (days ago)"),
}
_FIELD_WAYS: dict[str, Word] = {
    "is": pgettext_lazy("segment", "is"),
    "!is": pgettext_lazy("segment", "is not"),
    "contains": pgettext_lazy("segment", "contains"),
    "!contains": pgettext_lazy("segment", "does not contain"),
    "begins": pgettext_lazy("segment", "begins with"),
    "!begins": pgettext_lazy("segment", "does not begin with"),
    "equal": pgettext_lazy("segment", "is exactly"),
    "!equal": pgettext_lazy("segment", "is not exactly"),
    "less": pgettext_lazy("segment", "is less than"),
    "!less": pgettext_lazy("segment", "is not less than"),
    "more": pgettext_lazy("segment", "is more than"),
    "!more": pgettext_lazy("segment", "is not more than"),
    "on": pgettext_lazy("segment", "falls on"),
    "!on": pgettext_lazy("segment", "doesn’t fall on"),
    "before": pgettext_lazy("segment", "is before"),
    "!before": pgettext_lazy("segment", "is not before"),
    "after": pgettext_lazy("segment", "is after"),
    "!after": pgettext_lazy("segment", "is not after"),
    "yes": pgettext_lazy("segment", "is yes"),
    "!yes": pgettext_lazy("segment", "isn’t yes"),
    "filled": pgettext_lazy("segment", "is filled in"),
    "!filled": pgettext_lazy("segment", "is empty"),
}
_STATUSES: dict[str, Word] = {
    "": pgettext_lazy("segment", "any status"),
    "subscribed": pgettext_lazy("segment", "subscribed"),
    "pending": pgettext_lazy("segment", "unconfirmed"),
    "unsubscribed": pgettext_lazy("segment", "unsubscribed"),
    "cleaned": pgettext_lazy("segment", "cleaned (address bounced)"),
    "nonsubscribed": pgettext_lazy("segment", "no consent"),
}
MOST_CAMPAIGNS = 100
# Of all selects of a page together.
OPTIONS = 60_000
# Deeper groups than a segment may have are shown, with the sentence that says so; a page of a thousand could not be.
LEVELS = segment.DEEPEST + 4


@dataclass(slots=True)
class Input:
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
    b: str = ""
    c: str = ""
    parts: list["BuilderNode"] = field(default_factory=list)
    number: int = 0
    error: str = ""
    fresh: bool = False  # It was just added: the cursor goes there.
    # For the page.
    title: str = ""
    inputs: list[Input] = field(default_factory=list)

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
    match leaf:
        case segment.TagCondition(id) | segment.CampaignCondition(id):
            return BuilderNode("tag" if isinstance(leaf, segment.TagCondition) else "campaign", no, str(id))
        case segment.LanguageCondition(code):
            return BuilderNode("language", no, code or "-")
        case segment.ProviderCondition(name):
            return BuilderNode("provider", no, name)
        case segment.ListCondition(id, status):
            return BuilderNode("list", no, str(id), status)
        case segment.ConsentCondition(id, state):
            return BuilderNode("consent", no, state, str(id))
        case segment.FundraisingCondition(id):
            return BuilderNode("appeals", no, str(id))
        case segment.DayCondition(what, op, day, days):
            return BuilderNode(what if day else f"{what}_ago", no + op, day.isoformat() if day else str(days))
        case segment.ShareCondition(percent, seed):
            return BuilderNode("share", no, str(percent), str(seed))
    assert isinstance(leaf, segment.FieldCondition)
    return BuilderNode(f"field:{leaf.number}", no + leaf.op, leaf.value)


# -- from a form --


class BrokenForm(ValueError):
    """A form that is none of ours, or arrived in part: a condition left out of it, or the list or status that it asks
    for, would make the segment larger, up to everybody."""


# Values that the page asks for, by kind; of fields only how.
_ASKED = {"list": "abc", "consent": "abc", "share": "abc"}


def read(data: Mapping[str, str]) -> BuilderNode:
    """The nodes of a posted form. Errors: OddForm."""
    nodes: list[BuilderNode] = []
    whole = sum(name.endswith("-kind") for name in data)
    if data.get("of") != str(whole):
        raise BrokenForm
    levels: list[int] = []
    for number in range(segment.MOST_CONDITIONS + 1):
        kind = data.get(f"{number}-kind", "")
        if not kind and number == whole:
            break
        if kind not in GROUPS and kind not in KINDS and not kind.startswith("field:"):
            raise BrokenForm
        asked = "" if kind in GROUPS else "a" if kind.startswith("field:") else _ASKED.get(kind, "ab")
        if any(f"{number}-{name}" not in data for name in asked):
            raise BrokenForm
        a, b, c = (data.get(f"{number}-{name}", "")[:500] for name in "abc")
        node = BuilderNode(kind, a, b, c, number=number)
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
    if kind == "share":
        return BuilderNode(kind, "", "10", str(new_seed()), fresh=True)
    return BuilderNode(kind if kind in KINDS or kind.startswith("field:") else "tag", fresh=True)


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
    try:
        leaf = describe.read(_json(node))
    except SegmentRefused as refused:
        node.error = _what_is_missing(node) if refused.code == "bad_value" else str(refused)
        return segment.EVERYBODY
    return segment.Not(leaf) if node.a.startswith("!") else leaf


def _json(node: BuilderNode) -> dict[str, object]:
    op = node.a.removeprefix("!")
    match node.kind:
        case "tag" | "campaign":
            return {node.kind: _whole(node.b)}
        case "language":
            return {"language": "" if node.b == "-" else node.b or None}
        case "provider":
            return {"provider": node.b}
        case "list":
            return {"list": {"id": _whole(node.b), "status": node.c}}
        case "consent":
            return {"consent": {"list": _whole(node.c), "state": node.b}}
        case "appeals":
            return {"appeals": {"list": _whole(node.b)}}
        case "joined" | "confirmed":
            return {node.kind: {"op": op, "day": node.b.strip()}}
        case "joined_ago" | "confirmed_ago":
            return {node.kind.removesuffix("_ago"): {"op": op, "days": _whole(node.b)}}
        case "share":
            return {"share": {"percent": _whole(node.b), "seed": _whole(node.c)}}
    condition = {"number": _whole(node.kind.removeprefix("field:")), "op": op}
    return {"field": condition if op in ("filled", "yes") else condition | {"value": node.b}}


def _whole(text: str) -> int | None:
    plain = text.strip()
    return int(plain) if plain.isascii() and plain.isdigit() and len(plain) < 20 else None


def _what_is_missing(node: BuilderNode) -> str:
    if node.kind.startswith("field:"):
        return _("Enter a value to compare the field with.")
    if node.kind == "share":
        return _("A random sample is 1 to 99 percent. Enter a whole number.")
    return _("Choose a value.")


# -- for the page --


class Builder:
    """What an organization's conditions can be about, and the form that asks for them."""

    def __init__(self, organization: Organization, names_: describe.Names) -> None:
        self.organization, self.names = organization, names_
        self._conditions = 1

    @cached_property
    def fields(self) -> dict[int, FieldView]:
        return {view.number: view for view in queries.fields(self.organization)}

    @cached_property
    def campaigns(self) -> list[tuple[str, str]]:
        """Letters that left, the newest first."""
        states = ("sending", "paused", "waiting", "finished", "cancelled")
        rows = campaigns.newest(self.organization, states, limit=MOST_CAMPAIGNS)
        return [(str(row.campaign.pk), row.subject or str(row.campaign.pk)) for row in rows]

    @cached_property
    def offered(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """What can be added: (heading, (kind, word) …)."""
        inside = [(kind, str(word)) for kind, word in KINDS.items()]
        own = [(f"field:{number}", self.names.fields.get(number, "")) for number in self.fields]
        groups = [("any", _("Group of conditions"))]
        return [(_("Known for all subscribers"), inside), *([(_("Fields"), own)] if own else []), ("", groups)]

    def laid_out(self, root: BuilderNode) -> BuilderNode:
        """Numbers the nodes in the order of the page and gives each its controls."""
        nodes = list(root.nodes())
        self._conditions = len(nodes)
        for number, node in enumerate(nodes):
            node.number = number
            node.title = self._title(node)
            node.inputs = [] if node.is_group else [control for control in self._inputs(node) if control]
        return root

    def _title(self, node: BuilderNode) -> str:
        if node.kind.startswith("field:"):
            return self.names.fields.get(_digits(node.kind[6:]), _("a deleted field"))
        return str(GROUPS.get(node.kind) or KINDS[node.kind])

    def _inputs(self, node: BuilderNode) -> Iterator[Input]:
        yield self._way(node)
        make: dict[str, Callable[[BuilderNode], Iterator[Input]]] = {
            "tag": lambda node: self._chosen(node, _("tag"), self._tags()),
            "language": lambda node: self._chosen(node, _("language"), self._languages()),
            "provider": lambda node: self._chosen(node, _("mailbox provider"), self._providers()),
            "appeals": lambda node: self._chosen(node, _("list"), self._lists()),
            "campaign": lambda node: self._chosen(node, _("campaign"), self.campaigns),
            "list": self._list,
            "consent": self._consent,
            "share": self._share,
        }
        if node.kind in make:
            yield from make[node.kind](node)
        elif node.kind in ("joined", "confirmed"):
            yield Input(f"{node.number}-b", _("day"), node.b, type="date")
        elif node.kind.endswith("_ago"):
            yield Input(f"{node.number}-b", _("days"), node.b, type="number")
        else:
            yield from self._value(node)

    def _way(self, node: BuilderNode) -> Input:
        ways = WAYS.get(node.kind)
        if ways is None:
            ways = _AGO_WAYS if node.kind.endswith("_ago") else _DAY_WAYS
        if node.kind.startswith("field:"):
            view = self.fields.get(_digits(node.kind[6:]))
            allowed = segment.OPS_OF_KIND.get(view.kind if view else "text", segment.TEXT_OPS)
            ways = {way: word for way, word in _FIELD_WAYS.items() if way.removeprefix("!") in allowed}
            if node.a not in ways and node.a in _FIELD_WAYS:  # Its kind was changed since: the condition still holds.
                ways = {node.a: _FIELD_WAYS[node.a], **ways}
        return Input(f"{node.number}-a", _("comparison"), node.a, [(way, str(word)) for way, word in ways.items()])

    def _chosen(self, node: BuilderNode, label: str, options: list[tuple[str, str]]) -> Iterator[Input]:
        # A condition for each of thousands of tags would be a page of thirty megabytes.
        most = max(200, OPTIONS // self._conditions)
        chosen = [option for option in options[most:] if option[0] == node.b]
        yield self._select(f"{node.number}-b", label, node.b, [*options[:most], *chosen])

    def _select(self, name: str, label: str, value: str, options: list[tuple[str, str]]) -> Input:
        """What is gone stays in sight; nothing is chosen for anybody."""
        known = {key for key, _word in options}
        if value and value not in known:
            options = [(value, _("something that was deleted")), *options]
        return Input(name, label, value, options if value else [("", _("choose")), *options])

    def _tags(self) -> list[tuple[str, str]]:
        return [(str(id), name) for id, name in sorted(self.names.tags.items(), key=lambda pair: pair[1].casefold())]

    def _languages(self) -> list[tuple[str, str]]:
        known = sorted(((code, formatting.language(code).capitalize()) for code in LANGUAGES), key=lambda pair: pair[1])
        return [*known, ("-", _("unknown"))]

    def _providers(self) -> list[tuple[str, str]]:
        return [(name, segment_word("provider", name)) for name in (*PROVIDERS[1:], "other")]

    def _lists(self) -> list[tuple[str, str]]:
        return [*((str(id), name) for id, name in self.names.lists.items()), ("0", _("at least one list"))]

    def _list(self, node: BuilderNode) -> Iterator[Input]:
        yield self._select(f"{node.number}-b", _("list"), node.b, self._lists())
        options = [(status, str(_STATUSES[status])) for status in ("", *STATUSES)]
        yield Input(f"{node.number}-c", _("status"), node.c, options)

    def _consent(self, node: BuilderNode) -> Iterator[Input]:
        reasons = [(code, pgettext("segment", "no: %(why)s") % {"why": REASON_WORDS[code]}) for code in REASONS[2:]]
        yield Input(f"{node.number}-b", _("answer"), node.b or "yes", [("yes", pgettext("segment", "yes")), *reasons])
        yield self._select(f"{node.number}-c", _("list"), node.c, self._lists())

    def _share(self, node: BuilderNode) -> Iterator[Input]:
        yield Input(f"{node.number}-b", _("percent"), node.b, type="number", after="%")
        yield Input(f"{node.number}-c", "", node.c, type="hidden")

    def _value(self, node: BuilderNode) -> Iterator[Input]:
        view = self.fields.get(_digits(node.kind[6:]))
        if view is not None and view.kind == "choice":
            yield self._select(f"{node.number}-b", _("value"), node.b, [(text, text) for text in view.choices])
        elif view is None or view.kind != "yesno":
            kind = {"date": "date"}.get(view.kind if view else "", "text")
            yield Input(f"{node.number}-b", _("value"), node.b, type=kind)
