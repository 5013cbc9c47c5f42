"""Who is on a list, and how."""

from dataclasses import dataclass
from datetime import date
from typing import Self

from samizdat.audience.subscriptions_sql import along, of_list
from samizdat.core.consent import STATUSES
from samizdat.core.segment import reading
from samizdat.core.segment.condition import Condition, Name, SqlCondition, SqlSubject
from samizdat.core.segment.facts import SubscriberFacts
from samizdat.core.segment.form import ConditionForm, Input

_BY_STATUS = "subscription_by_status"
_STATUSES = {
    "": "any status",
    "pending": "unconfirmed",
    "subscribed": "subscribed",
    "unsubscribed": "unsubscribed",
    "cleaned": "cleaned (address bounced)",
    "nonsubscribed": "no consent",
}


@dataclass(frozen=True, slots=True)
class ListCondition(Condition):
    """The subscriber stands on this list (0: on one at least) with this status ("": any)."""

    names = ("list",)
    refers = ("list", "id")
    words = {
        "list": "who is on {a} with any status",
        "not list": "who isn’t on {a} at all",
        "list pending": "who hasn’t confirmed {a} yet",
        "not list pending": "who isn’t unconfirmed on {a}",
        "list subscribed": "who is subscribed to {a}",
        "not list subscribed": "who isn’t subscribed to {a}",
        "list unsubscribed": "who unsubscribed from {a}",
        "not list unsubscribed": "who hasn’t unsubscribed from {a}",
        "list cleaned": "who is cleaned on {a} (address bounced)",
        "not list cleaned": "who isn’t cleaned on {a} (address bounced)",
        "list nonsubscribed": "who is on {a} without consent",
        "not list nonsubscribed": "who isn’t on {a} without consent",
    }
    forms = (
        ConditionForm(
            "list",
            "List and status",
            {"": "is on", "!": "is not on"},
            (Input("list", "id", options="list", numbered=True), Input("status", "status", options=_STATUSES)),
            position=20,
        ),
    )

    list: int
    status: str = ""

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        payload = reading.named(value, "id", "status")
        return cls(reading.number(payload["id"], 0), reading.word(payload["status"], ("", *STATUSES)))

    def json(self) -> dict[str, object]:
        return {"list": {"id": self.list, "status": self.status}}

    def phrase(self, name: Name) -> tuple[str, str, str]:
        return f"list {self.status}".strip(), name("list", self.list), ""

    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        return any(not self.status or status == self.status for status, _reason in facts.standings(self.list))

    def sql(self, about: SqlSubject) -> SqlCondition:
        if not self.status:
            return of_list(about, self.list)
        status = SqlCondition("uu.status = %s", (STATUSES.index(self.status),))
        return of_list(about, self.list, status, along(_BY_STATUS) if self.list else "")

    def rows(self) -> tuple[SqlCondition, str] | None:
        if not self.list or not self.status:
            return None
        tables = f"audience_subscription u0{along(_BY_STATUS)}{{joined}} WHERE u0.list_id = %s AND u0.status = %s"
        return SqlCondition(tables, (self.list, STATUSES.index(self.status))), "u0.subscriber_id"
