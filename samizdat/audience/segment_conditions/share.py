"""A random part of everybody."""

from dataclasses import dataclass
from datetime import date
from typing import Self

from samizdat.core.segment import reading
from samizdat.core.segment.condition import AnswerSource, Condition, Name, SqlCondition, SqlSubject
from samizdat.core.segment.facts import SubscriberFacts
from samizdat.core.segment.form import ConditionForm, Input

# x = (number + seed) * FACTOR, and x cubed is spread evenly for numbers in a row; all of it modulo PRIME. Each step
# stays below 2**63, so that both databases can do it: SQLite would go on in floating point, and PostgreSQL stop.
PRIME, FACTOR = 2_147_483_647, 1_103_515_245


@dataclass(frozen=True, slots=True)
class ShareCondition(Condition):
    """The subscriber belongs to a random part of everybody: percent of a hundred, chosen by seed (0 to 2**31 - 1)."""

    names = ("share",)
    words = {
        "share": "who is in a random sample of {a}%",
        "not share": "who isn’t in a random sample of {a}%",
    }
    forms = (
        ConditionForm(
            "share",
            "Random sample",
            {"": "is in", "!": "is not in"},
            (Input("percent", "percent", "number", first="10", after="%"), Input("", "seed", "hidden")),
            position=100,
            missing="A random sample is 1 to 99 percent. Enter a whole number.",
        ),
    )
    drawn = "seed"
    place = AnswerSource.NUMBER

    percent: int
    seed: int

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        payload = reading.named(value, "percent", "seed")
        return cls(reading.number(payload["percent"], 1, 99), reading.number(payload["seed"], 0, 2**31 - 1))

    def json(self) -> dict[str, object]:
        return {"share": {"percent": self.percent, "seed": self.seed}}

    def phrase(self, name: Name) -> tuple[str, str, str]:
        return "share", str(self.percent), ""

    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        return in_share(facts.number, self)

    def sql(self, about: SqlSubject) -> SqlCondition:
        x = f"(({about.number} %% {PRIME} + {self.seed}) %% {PRIME} * {FACTOR} %% {PRIME})"
        return SqlCondition(f"({x} * {x} %% {PRIME} * {x} %% {PRIME} < {_below(self)})")


def in_share(number: int, share: ShareCondition) -> bool:
    """Is the subscriber of this number in the random part? Neither order nor time of joining decides."""
    x = (number % PRIME + share.seed) % PRIME * FACTOR % PRIME
    return x * x % PRIME * x % PRIME < _below(share)


def _below(share: ShareCondition) -> int:
    return PRIME * share.percent // 100
