"""Who joined or confirmed on some days."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

from samizdat.core import consent
from samizdat.core.segment import reading
from samizdat.core.segment.condition import AnswerSource, Condition, Name, SqlCondition, SqlSubject
from samizdat.core.segment.errors import BadSegment
from samizdat.core.segment.facts import SubscriberFacts
from samizdat.core.segment.form import ConditionForm, Input

MOST_DAYS = 36_500  # a hundred years
KINDS_OF_DAYS = ("joined", "confirmed")
DAY_OPS = ("on", "before", "after", "last", "earlier")  # the last two count days back from today
NEWSLETTER = consent.PURPOSES.index("newsletter")
CONFIRMED = consent.KINDS.index("confirmed")

_ON = {
    "on": "on",
    "before": "before",
    "after": "after",
    "!on": "not on",
    "!before": "not before",
    "!after": "not after",
}
_AGO = {
    "last": "in the last (days)",
    "earlier": "at least (days ago)",
    "!last": "not in the last (days)",
    "!earlier": "less than (days ago)",
}
_DAY, _DAYS = (Input("day", "day", "date"),), (Input("days", "days", "number"),)


@dataclass(frozen=True, slots=True)
class DayCondition(Condition):
    """A day of the subscriber (`what`, one of KINDS_OF_DAYS) lies so to a day, or to today less so many days."""

    names = KINDS_OF_DAYS
    words = {
        "joined on": "who joined on {a}",
        "joined before": "who joined before {a}",
        "joined after": "who joined after {a}",
        "joined last": "who joined in the last {a}",
        "joined earlier": "who joined at least {a} ago",
        "not joined on": "who didn’t join on {a}",
        "not joined before": "who didn’t join before {a}",
        "not joined after": "who didn’t join after {a}",
        "not joined last": "who didn’t join in the last {a}",
        "not joined earlier": "who joined less than {a} ago",
        "confirmed on": "who confirmed on {a}",
        "confirmed before": "who confirmed before {a}",
        "confirmed after": "who confirmed after {a}",
        "confirmed last": "who confirmed in the last {a}",
        "confirmed earlier": "who confirmed at least {a} ago",
        "not confirmed on": "who didn’t confirm on {a}",
        "not confirmed before": "who didn’t confirm before {a}",
        "not confirmed after": "who didn’t confirm after {a}",
        "not confirmed last": "who didn’t confirm in the last {a}",
        "not confirmed earlier": "who didn’t confirm at least {a} ago",
    }
    forms = (
        ConditionForm("joined", "Added on a date", _ON, _DAY, position=70),
        ConditionForm("joined_ago", "Added some days ago", _AGO, _DAYS, position=71, name="joined"),
        ConditionForm("confirmed", "Confirmed on a date", _ON, _DAY, position=72),
        ConditionForm("confirmed_ago", "Confirmed some days ago", _AGO, _DAYS, position=73, name="confirmed"),
    )

    what: str
    op: str
    day: date | None = None
    days: int = 0

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        payload = reading.named(value, "op", optional=("day", "days"))
        op = reading.word(payload["op"], DAY_OPS)
        if op in ("last", "earlier"):
            days = reading.named(payload, "op", "days")["days"]
            if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= MOST_DAYS:
                raise BadSegment("bad_day")
            return cls(name, op, days=days)
        return cls(name, op, day=reading.day(reading.named(payload, "op", "day")["day"]))

    def json(self) -> dict[str, object]:
        when = {"day": self.day.isoformat()} if self.day else {"days": self.days}
        return {self.what: {"op": self.op, **when}}

    def phrase(self, name: Name) -> tuple[str, str, str]:
        return f"{self.what} {self.op}", name("day", self.day) if self.day else name("days", self.days), ""

    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        first, last = span(self, today)
        days = [facts.joined] if self.what == "joined" else facts.confirmed
        return any((first is None or first <= day) and (last is None or day <= last) for day in days)

    @property
    def place(self) -> AnswerSource:
        return AnswerSource.ROW if self.what == "joined" else AnswerSource.TABLE

    def sql(self, about: SqlSubject) -> SqlCondition:
        if self.what == "joined":
            return self._between("s.joined", about)
        days = self._between("cc.day", about)
        text = f"{about.of_subscriber('cc')} AND cc.kind = {CONFIRMED} AND cc.purpose = {NEWSLETTER} AND {days.text}"
        return about.exists("audience_consentrecord cc", text, *days.values)

    def _between(self, column: str, about: SqlSubject) -> SqlCondition:
        first, last = span(self, about.today)
        ends = [(f"{column} >= %s", first), (f"{column} <= %s", last)]
        bounds = [(text, about.day(value)) for text, value in ends if value is not None]
        text = " AND ".join(text for text, _ in bounds)
        return SqlCondition(f"({text or '1 = 1'})", tuple(value for _, value in bounds))


def span(leaf: DayCondition, today: date) -> tuple[date | None, date | None]:
    """First and last day that a condition on days holds for; None: open on that side."""
    one_day = timedelta(days=1)
    match leaf.op:
        case "last":  # today is the first of them
            return today - timedelta(days=leaf.days - 1), None
        case "earlier":
            return None, today - timedelta(days=leaf.days)
    day = leaf.day or today
    match leaf.op:
        case "before":
            return None, day - one_day if day > date.min else None
        case "after":
            return day + one_day if day < date.max else None, None
    return day, day
