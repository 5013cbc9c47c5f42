"""How a condition is asked for at the desk, as data: web/audience/segment_builder.py makes controls of it.

Titles, labels and words are plain English; the desk translates them with the context "segment".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CHOOSE = "Choose a value."


@dataclass(frozen=True, slots=True)
class Input:
    """One control. `key`: where its value stands in the JSON value of the condition; "": it is that value.

    options: of a choice, (value -> word), or the kind of what is chosen among: things that are asked for by their
    number ("tag", a Reference) or codes that the desk has words for ("language", "provider", "reason"). texts: of a
    choice, own texts of an organization. first: what a new one has; a choice without it has to be made.
    """

    label: str
    key: str = ""
    type: str = "choice"  # choice, text, date, number (a whole one), hidden (a whole number)
    options: str | Mapping[str, str] = ""
    texts: tuple[str, ...] = ()
    first: str = ""
    numbered: bool = False  # The value of the choice is a number in JSON.
    empty: str = ""  # What stands in the form for an empty text in JSON: there "" is a choice not made.
    without: frozenset[str] = frozenset()  # The comparisons that need no value; the form may leave it out then.
    after: str = ""  # Behind the control, as a unit.

    def read(self, text: str) -> object:
        """From the form to JSON; None is never allowed there."""
        if self.numbered or self.type in ("number", "hidden"):
            return whole(text)
        if self.empty:
            return "" if text == self.empty else text or None
        return text.strip() if self.type == "date" else text

    def text(self, value: object) -> str:
        """From JSON to the form."""
        return str(value) if value != "" else self.empty


@dataclass(frozen=True, slots=True)
class ConditionForm:
    """One entry of what can be asked about. `ways`: how it is compared, "!" before the opposite; where "" is none of
    them, they are the values of "op" in JSON.

    position: in the order in which they are offered. name: of the condition in JSON, where `kind` is another one.
    each: it stands for many things, by the number under this name in JSON; its kind is "field:17" then, and a class of
    its own says what it is for each of them.
    """

    kind: str
    title: str
    ways: Mapping[str, str]
    inputs: tuple[Input, ...]
    position: int
    name: str = ""
    missing: str = CHOOSE  # What is said where a value is not allowed.
    heading: str = "Known for all subscribers"
    each: str = ""
    called: str = ""  # By an organization itself, instead of `title`.
    constant: object = None  # The JSON value of one without inputs.

    def variants(self, names: Any) -> Sequence[ConditionForm]:
        """What is offered, for an organization whose things `names` knows (segments/describe.Names)."""
        return (self,)

    def variant(self, kind: str, names: Any, way: str) -> ConditionForm:
        """As it is laid out for a condition of this kind that is compared so."""
        return self

    def json(self, kind: str, way: str, texts: Sequence[str]) -> dict[str, object]:
        """What was filled in, as a condition in JSON; Condition.read says whether it is one."""
        op = way.removeprefix("!")
        if not any(each.key for each in self.inputs) and "" in self.ways:
            return {self.json_name: self.inputs[0].read(texts[0]) if self.inputs else self.constant}
        value: dict[str, object] = {self.each: whole(kind.partition(":")[2])} if self.each else {}
        if "" not in self.ways:
            value["op"] = op
        filled = zip(self.inputs, texts, strict=False)
        return {self.json_name: value | {each.key: each.read(text) for each, text in filled if op not in each.without}}

    @property
    def json_name(self) -> str:
        return self.name or self.kind

    def takes(self, name: str, value: object) -> bool:
        """Whether a condition in JSON is asked for by this form."""
        keys = set(value) - {"op", self.each} if isinstance(value, Mapping) else {each.key for each in self.inputs[:1]}
        return name == self.json_name and keys <= {each.key for each in self.inputs}

    def filled(self, value: object) -> tuple[str, str, list[str]]:
        """(kind, comparison, texts of the inputs) of a condition's JSON value."""
        if not isinstance(value, Mapping):
            return self.kind, "", [each.text(value) for each in self.inputs]
        kind = f"{self.kind}:{value[self.each]}" if self.each else self.kind
        return kind, str(value.get("op", "")), [each.text(value.get(each.key, "")) for each in self.inputs]

    def sentences(self) -> Iterator[str]:
        """All that is translated."""
        yield from (self.title, self.heading, self.missing)
        yield from self.ways.values()
        for each in self.inputs:
            yield from (each.label, *(each.options.values() if isinstance(each.options, Mapping) else ()))


def whole(text: str) -> int | None:
    plain = text.strip()
    return int(plain) if plain.isascii() and plain.isdigit() and len(plain) < 20 else None
