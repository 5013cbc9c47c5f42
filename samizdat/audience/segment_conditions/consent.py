"""Who can be emailed, or why not."""

from dataclasses import dataclass
from datetime import date
from typing import Self

from samizdat.audience.subscriptions_sql import of_list
from samizdat.core.consent import REASONS
from samizdat.core.segment import reading
from samizdat.core.segment.condition import Condition, Name, SqlCondition, SqlSubject
from samizdat.core.segment.facts import SubscriberFacts
from samizdat.core.segment.form import ConditionForm, Input


@dataclass(frozen=True, slots=True)
class ConsentCondition(Condition):
    """This is the verdict of consent.may for this list (0: for one at least)."""

    names = ("consent",)
    refers = ("list", "list")
    words = {
        "consent": "who can’t be emailed on {a} because {b}",
        "not consent": "for whom it isn’t true on {a} that {b}",
        "consent yes": "who can be emailed on {a}",
        "not consent yes": "who can’t be emailed on {a}",
    }
    forms = (
        ConditionForm(
            "consent",
            "Can be emailed",
            {"": "the answer is", "!": "the answer is not"},
            (
                Input("answer", "state", options="reason", first="yes"),
                Input("list", "list", options="list", numbered=True),
            ),
            position=30,
        ),
    )

    list: int
    state: str = "yes"

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        payload = reading.named(value, "list", "state")
        return cls(reading.number(payload["list"], 0), reading.word(payload["state"], REASONS))

    def json(self) -> dict[str, object]:
        return {"consent": {"list": self.list, "state": self.state}}

    def phrase(self, name: Name) -> tuple[str, str, str]:
        key = "consent yes" if self.state == "yes" else "consent"
        return key, name("list", self.list), name("reason", self.state)

    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        return any(reason == self.state for _status, reason in facts.standings(self.list))

    def sql(self, about: SqlSubject) -> SqlCondition:
        return of_list(about, self.list, SqlCondition("uu.mail_verdict = %s", (REASONS.index(self.state),)))
