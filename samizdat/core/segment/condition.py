"""What a condition is: how it is stored, said, tested, answered in SQL and asked for at the desk.

Each is one class in a file of its own, in the folder `segment_conditions` of the app that has the table
(docs/adding-a-segment-condition.md).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any, ClassVar, Protocol, Self

from samizdat.core.segment.facts import SubscriberFacts
from samizdat.core.segment.form import ConditionForm

# name(kind, value): a kind of Reference ("tag", "list", "field", "campaign") with its number, "language" and "provider"
# with their codes, "reason" with one of consent.REASONS, "day" with a date, "days" with a number of them, "text" with a
# field's.
type Name = Callable[[str, object], str]


@dataclass(frozen=True, slots=True)
class SqlCondition:
    """A piece of SQL and its values, in the order of their places."""

    text: str
    values: tuple[Any, ...] = ()


class ReadableColumn(Protocol):
    """A field whose values stand readable as numbers."""

    @property
    def id(self) -> int: ...
    @property
    def choices(self) -> Mapping[str, int]: ...


class SqlSubject(Protocol):
    """Whom the SQL of a condition is about (audience/segments/sql.About)."""

    @property
    def today(self) -> date: ...
    @property
    def number(self) -> str:
        """The number of the subscriber alone."""

    @property
    def columns(self) -> Mapping[int, ReadableColumn]:
        """The readable fields that are asked for."""

    def of_subscriber(self, table: str) -> str:
        """That a row of a table is about the subscriber."""

    def exists(self, table: str, condition: str, *values: object) -> SqlCondition:
        """That there is such a row in another table."""

    def day(self, value: date) -> object:
        """A day as the columns hold it."""


class AnswerSource(Enum):
    """Where the answer stands."""

    ROW = "in the subscriber's own row, `s`"
    NUMBER = "in the subscriber's number"
    TABLE = "in another table"


class Condition(ABC):
    """What can be asked of a subscriber."""

    __slots__ = ()

    # In JSON. Whoever has the same questions under several names reads them with each.
    names: ClassVar[tuple[str, ...]]
    # What has a name of its own and is asked for by its number: (kind of a Reference, where the number stands in the
    # JSON value; "": it is the value).
    refers: ClassVar[tuple[str, str] | None] = None
    # Clauses about somebody, each with its opposite ("not …"); {a} is a name, {b} a value.
    words: ClassVar[Mapping[str, str]]
    # How it is asked for at the desk.
    forms: ClassVar[tuple[ConditionForm, ...]]
    # A number in the JSON value that is drawn by chance where somebody leaves it out.
    drawn: ClassVar[str] = ""

    @classmethod
    @abstractmethod
    def read(cls, name: str, value: object) -> Self:
        """From the value of a JSON condition. Errors: BadSegment."""

    @abstractmethod
    def json(self) -> dict[str, object]:
        """{name: value}, for ever; read(name, value) gives the same."""

    @abstractmethod
    def phrase(self, name: Name) -> tuple[str, str, str]:
        """(key of `words`, {a}, {b})."""

    @abstractmethod
    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        """Does it hold for this subscriber on this day?"""

    @abstractmethod
    def sql(self, about: SqlSubject) -> SqlCondition:
        """The same asked of the database. Tables have doubled letters (`tt`), which no query around uses: its `u` would
        be hidden by one of ours, and the question would be about anybody.
        """

    @property
    def place(self) -> AnswerSource:
        """What has to be in the query around, and what is asked first: the row is cheaper than another table."""
        return AnswerSource.TABLE

    def rows(self) -> tuple[SqlCondition, str] | None:
        """Where an index has all rows of those who fulfil it together: tables, with {joined} where others are joined
        and up to the end of WHERE, and the column of the subscriber's row id. segments/counts._size knows how many.
        """
        return None

    @property
    def reference(self) -> tuple[str, int] | None:
        """(kind, number) of what it asks for; None for nothing, and for all lists."""
        if self.refers is None:
            return None
        kind, place = self.refers
        ((_name, value),) = self.json().items()
        number = value[place] if place else value  # type: ignore[index]
        return (kind, number) if number else None  # type: ignore[return-value]

    @classmethod
    def sentences(cls) -> Iterator[tuple[str, str]]:
        """All that is translated: (context, English)."""
        yield from (("", text) for text in cls.words.values())
        yield from (("segment", text) for form in cls.forms for text in form.sentences() if text)


class SealedCondition(Condition):
    """A condition on what is sealed with the address: it is opened for each subscriber that the others leave in
    question. `number`: of the value in the blob.
    """

    __slots__ = ()
    number: int

    @abstractmethod
    def compares(self) -> Callable[[str], bool]:
        """The value ("": there is none) -> does it hold?"""

    @property
    def column(self) -> str:
        """The kind of a readable column whose numbers answer it by themselves, for sql(); "": none does."""
        return ""

    def sql(self, about: SqlSubject) -> SqlCondition:
        raise LookupError(f"{type(self).__name__} asks for what is sealed, which no database answers.")

    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        return self.compares()(facts.fields.get(self.number, ""))
