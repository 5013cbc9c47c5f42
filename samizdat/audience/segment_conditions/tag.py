"""Who has a tag."""

from dataclasses import dataclass
from datetime import date
from typing import Self

from samizdat.core.segment import reading
from samizdat.core.segment.condition import Condition, Name, SqlCondition, SqlSubject
from samizdat.core.segment.facts import SubscriberFacts
from samizdat.core.segment.form import ConditionForm, Input
from samizdat.db import on_sqlite


@dataclass(frozen=True, slots=True)
class TagCondition(Condition):
    """The subscriber carries this tag. A group is a tag that names its category."""

    names = ("tag",)
    refers = ("tag", "")
    words = {
        "tag": "who has the tag {a}",
        "not tag": "who doesn’t have the tag {a}",
    }
    forms = (
        ConditionForm(
            "tag",
            "Tag or group",
            {"": "has", "!": "does not have"},
            (Input("tag", options="tag", numbered=True),),
            position=10,
        ),
    )

    id: int

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        return cls(reading.number(value))

    def json(self) -> dict[str, object]:
        return {"tag": self.id}

    def phrase(self, name: Name) -> tuple[str, str, str]:
        return "tag", name("tag", self.id), ""

    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        return self.id in facts.tags

    def sql(self, about: SqlSubject) -> SqlCondition:
        return about.exists("audience_subscribertag tt", f"tt.tag_id = %s AND {about.of_subscriber('tt')}", self.id)

    def rows(self) -> tuple[SqlCondition, str]:
        # Asked for a window of numbers, SQLite would walk through the key, which has everybody's tags in it.
        by_tag = " INDEXED BY subscribertag_by_tag" if on_sqlite() else ""
        tables = f"audience_subscribertag t0{by_tag}{{joined}} WHERE t0.tag_id = %s"
        return SqlCondition(tables, (self.id,)), "t0.subscriber_id"
