"""Who has something in a field of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Self

from samizdat.core import fields
from samizdat.core.crypto.seal import FIRST_FIELD
from samizdat.core.segment import reading
from samizdat.core.segment.condition import Name, SealedCondition, SqlCondition, SqlSubject
from samizdat.core.segment.errors import BadSegment
from samizdat.core.segment.form import ConditionForm, Input, whole

LONGEST_VALUE = 200  # signs of a field's text
TEXT_OPS = ("is", "contains", "begins", "filled")
NUMBER_OPS = ("equal", "less", "more")
DATE_OPS = ("on", "before", "after")
YES_OPS = ("yes",)
OPERATORS = (*TEXT_OPS, *NUMBER_OPS, *DATE_OPS, *YES_OPS)
# Kind of a field -> what it can be asked. Whoever has no value is in none of them.
OPS_OF_KIND = {
    "text": TEXT_OPS,
    "number": (*NUMBER_OPS, "filled"),
    "date": (*DATE_OPS, "filled"),
    "choice": ("is", "filled"),
    "yesno": (*YES_OPS, "filled"),
}
BELOW, ABOVE = ("less", "before"), ("more", "after")
WITHOUT_VALUE = frozenset({"filled", "yes"})
_WAYS = {
    "is": "is",
    "!is": "is not",
    "contains": "contains",
    "!contains": "does not contain",
    "begins": "begins with",
    "!begins": "does not begin with",
    "equal": "is exactly",
    "!equal": "is not exactly",
    "less": "is less than",
    "!less": "is not less than",
    "more": "is more than",
    "!more": "is not more than",
    "on": "falls on",
    "!on": "doesn’t fall on",
    "before": "is before",
    "!before": "is not before",
    "after": "is after",
    "!after": "is not after",
    "yes": "is yes",
    "!yes": "isn’t yes",
    "filled": "is filled in",
    "!filled": "is empty",
}
_VALUE = Input("value", "value", "text", without=WITHOUT_VALUE)


class FieldConditionForm(ConditionForm):
    """A form for each field, by its kind."""

    __slots__ = ()

    def variants(self, names: Any) -> Sequence[ConditionForm]:
        known = names.reference("field")
        return [replace(self, kind=f"field:{number}", called=known.name(number)) for number in known.views]

    def variant(self, kind: str, names: Any, way: str) -> ConditionForm:
        known, number = names.reference("field"), whole(kind.partition(":")[2]) or 0
        view = known.views.get(number)
        allowed = OPS_OF_KIND.get(view.kind if view else "text", TEXT_OPS)
        ways = {each: word for each, word in _WAYS.items() if each.removeprefix("!") in allowed}
        if way not in ways and way in _WAYS:  # Its kind was changed since: the condition still holds.
            ways = {way: _WAYS[way], **ways}
        return replace(self, kind=kind, called=known.name(number), ways=ways, inputs=_inputs(view))


def _inputs(view: Any) -> tuple[Input, ...]:
    kind = view.kind if view else "text"
    if kind == "yesno":
        return ()
    if kind == "choice":
        return (replace(_VALUE, type="choice", texts=tuple(view.choices)),)
    return (replace(_VALUE, type="date") if kind == "date" else _VALUE,)


@dataclass(frozen=True, slots=True)
class FieldCondition(SealedCondition):
    """What a field holds of theirs compares so (OPERATORS) with this text."""

    names = ("field",)
    refers = ("field", "number")
    words = {
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
        "not field is": "whose {a} isn’t {b}",
        "not field contains": "whose {a} doesn’t contain {b}",
        "not field begins": "whose {a} doesn’t begin with {b}",
        "not field filled": "whose {a} is empty",
        "not field equal": "whose {a} isn’t {b}",
        "not field less": "whose {a} isn’t less than {b}",
        "not field more": "whose {a} isn’t more than {b}",
        "not field on": "whose {a} isn’t {b}",
        "not field before": "whose {a} isn’t before {b}",
        "not field after": "whose {a} isn’t after {b}",
        "not field yes": "whose {a} isn’t yes",
    }
    forms = (
        FieldConditionForm(
            "field",
            "a deleted field",
            _WAYS,
            (_VALUE,),
            position=85,
            missing="Enter a value to compare the field with.",
            heading="Fields",
            each="number",
        ),
    )

    number: int
    op: str
    value: str = ""

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        payload = reading.named(value, "number", "op", optional=("value",))
        number, op = reading.number(payload["number"], FIRST_FIELD, 0xFFFF), reading.word(payload["op"], OPERATORS)
        text = payload.get("value", "")
        if not isinstance(text, str) or (op in WITHOUT_VALUE) != ("value" not in payload):
            raise BadSegment("bad_value")
        if len(text) > LONGEST_VALUE:
            raise BadSegment("long_value")
        if op in NUMBER_OPS and fields.code("number", text) is None:
            raise BadSegment("bad_number")
        if op in DATE_OPS:
            reading.day(text)
        if op in TEXT_OPS and op != "filled" and not text.strip():
            raise BadSegment("bad_value")
        return cls(number, op, text)

    def json(self) -> dict[str, object]:
        value = {} if self.op in WITHOUT_VALUE else {"value": self.value}
        return {"field": {"number": self.number, "op": self.op, **value}}

    def phrase(self, name: Name) -> tuple[str, str, str]:
        operand = name("day", date.fromisoformat(self.value)) if self.op in DATE_OPS else ""
        if self.op not in DATE_OPS and self.value:
            operand = name("text", self.value)
        return f"field {self.op}", name("field", self.number), operand

    def compares(self) -> Callable[[str], bool]:
        """Upper and lower case are one; an empty text is no value. Numbers, days and yes are compared by their readable
        numbers (core/fields), so that a field is asked the same whether it is sealed or not.
        """
        wanted = _folded(self.value)
        match self.op:
            case "filled":
                return lambda text: bool(text.strip())
            case "is":
                return lambda text: bool(text) and _folded(text) == wanted
            case "contains":
                return lambda text: bool(text) and wanted in _folded(text)
            case "begins":
                return lambda text: bool(text) and _folded(text).startswith(wanted)
        return _compares_code(_coded(self.op), self.op, self._code())

    @property
    def column(self) -> str:
        """What does not fit its kind has no number and is there all the same: whether it is filled in is sealed."""
        return "choice" if self.op == "is" else _coded(self.op)

    def sql(self, about: SqlSubject) -> SqlCondition:
        """Of a field whose values stand readable as numbers. Errors: KeyError for any other."""
        column = about.columns[self.number]
        table, start = "audience_readablevalue rr", f"{about.of_subscriber('rr')} AND rr.field_id = %s"
        if self.op == "is":
            wanted = _folded(self.value)
            codes = [code for text, code in column.choices.items() if _folded(text) == wanted]
            among = ", ".join(["%s"] * len(codes)) or "NULL"
            return about.exists(table, f"{start} AND rr.value IN ({among})", column.id, *codes)
        sign = "<" if self.op in BELOW else ">" if self.op in ABOVE else "="
        return about.exists(table, f"{start} AND rr.value {sign} %s", column.id, self._code())

    def _code(self) -> int:
        """The readable number that it compares with."""
        return 1 if self.op == "yes" else fields.code(_coded(self.op), self.value) or 0


def _folded(text: str) -> str:
    return text.strip().casefold()


def _compares_code(kind: str, op: str, wanted: int) -> Callable[[str], bool]:
    def holds(text: str) -> bool:
        code = fields.code(kind, text) if text else None
        if code is None:
            return False
        return code < wanted if op in BELOW else code > wanted if op in ABOVE else code == wanted

    return holds


def _coded(op: str) -> str:
    """The kind of field whose readable numbers an operator compares; "" for those that compare texts."""
    return "number" if op in NUMBER_OPS else "date" if op in DATE_OPS else "yesno" if op in YES_OPS else ""
