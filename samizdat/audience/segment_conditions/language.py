"""Who reads a language."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Self

from samizdat.core.segment.condition import AnswerSource, Condition, Name, SqlCondition, SqlSubject
from samizdat.core.segment.errors import BadSegment
from samizdat.core.segment.facts import SubscriberFacts
from samizdat.core.segment.form import ConditionForm, Input


@dataclass(frozen=True, slots=True)
class LanguageCondition(Condition):
    """The subscriber reads this language; "" where none is known."""

    names = ("language",)
    words = {
        "language": "whose language is {a}",
        "not language": "whose language isn’t {a}",
        "no language": "whose language isn’t known",
        "not no language": "whose language is known",
    }
    forms = (
        ConditionForm(
            "language",
            "Language",
            {"": "is set to", "!": "isn’t set to"},
            (Input("language", options="language", empty="-"),),
            position=50,
        ),
    )
    place = AnswerSource.ROW

    code: str

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_-]{0,8}", value):
            raise BadSegment("bad_value")
        return cls(value)

    def json(self) -> dict[str, object]:
        return {"language": self.code}

    def phrase(self, name: Name) -> tuple[str, str, str]:
        return ("language", name("language", self.code), "") if self.code else ("no language", "", "")

    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        return facts.language == self.code

    def sql(self, about: SqlSubject) -> SqlCondition:
        return SqlCondition("s.language = %s", (self.code,))
