"""Who has their mailbox with a provider."""

from dataclasses import dataclass
from datetime import date
from typing import Self

from samizdat.core.mail.address import PROVIDERS
from samizdat.core.segment import reading
from samizdat.core.segment.condition import AnswerSource, Condition, Name, SqlCondition, SqlSubject
from samizdat.core.segment.facts import SubscriberFacts
from samizdat.core.segment.form import ConditionForm, Input


@dataclass(frozen=True, slots=True)
class ProviderCondition(Condition):
    """The subscriber's mailbox is with this provider, one of address.PROVIDERS."""

    names = ("provider",)
    words = {
        "provider": "whose mailbox provider is {a}",
        "not provider": "whose mailbox provider isn’t {a}",
    }
    forms = (
        ConditionForm(
            "provider",
            "Mailbox provider",
            {"": "uses", "!": "doesn’t use"},
            (Input("mailbox provider", options="provider"),),
            position=60,
        ),
    )
    place = AnswerSource.ROW

    name: str

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        return cls(reading.word(value, PROVIDERS))

    def json(self) -> dict[str, object]:
        return {"provider": self.name}

    def phrase(self, name: Name) -> tuple[str, str, str]:
        return "provider", name("provider", self.name), ""

    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        return facts.provider == self.name

    def sql(self, about: SqlSubject) -> SqlCondition:
        return SqlCondition("s.provider = %s", (PROVIDERS.index(self.name),))
