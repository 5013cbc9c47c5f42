"""Who agreed to appeals for money."""

from dataclasses import dataclass
from datetime import date
from typing import Self

from samizdat.audience.subscriptions_sql import along, of_list
from samizdat.core import consent
from samizdat.core.segment import reading
from samizdat.core.segment.condition import Condition, Name, SqlCondition, SqlSubject
from samizdat.core.segment.facts import SubscriberFacts
from samizdat.core.segment.form import ConditionForm, Input

_ASKING = "subscription_asking"


@dataclass(frozen=True, slots=True)
class FundraisingCondition(Condition):
    """The subscriber agreed to appeals for money, beside the letters of this list (0: of one at least)."""

    names = ("appeals",)
    refers = ("list", "list")
    words = {
        "appeals": "who agreed to fundraising appeals from {a}",
        "not appeals": "who didn’t agree to fundraising appeals from {a}",
    }
    forms = (
        ConditionForm(
            "appeals",
            "Fundraising appeals",
            {"": "agreed", "!": "did not agree"},
            (Input("list", "list", options="list", numbered=True),),
            position=40,
        ),
    )

    list: int = 0

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        return cls(reading.number(reading.named(value, optional=("list",)).get("list", 0), 0))

    def json(self) -> dict[str, object]:
        return {"appeals": {"list": self.list}}

    def phrase(self, name: Name) -> tuple[str, str, str]:
        return "appeals", name("list", self.list), ""

    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        return self.list in facts.appeals if self.list else bool(facts.appeals)

    def sql(self, about: SqlSubject) -> SqlCondition:
        return of_list(about, self.list, SqlCondition(_asking("uu")), along(_ASKING) if self.list else "")

    def rows(self) -> tuple[SqlCondition, str] | None:
        if not self.list:
            return None
        tables = f"audience_subscription u0{along(_ASKING)}{{joined}} WHERE u0.list_id = %s AND {_asking('u0')}"
        return SqlCondition(tables, (self.list,)), "u0.subscriber_id"


def _asking(table: str) -> str:
    """The condition of the index, so no value stands apart from it."""
    return f"{table}.fundraising_verdict = {consent.YES}"
