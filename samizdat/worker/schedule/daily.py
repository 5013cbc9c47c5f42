"""What is gone through once a day (UTC), list by list, some of it in each round of the clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from django.db.models import QuerySet

from samizdat.audience.models import List
from samizdat.vault.locks import unlocked

# Of one round.
SECONDS = 0.5


@dataclass(slots=True)
class Daily:
    """How far this process is today. One that ends begins anew, so what is done must not be found again."""

    day: date | None = None
    done: set[int] = field(default_factory=set)  # lists
    after: dict[int, int] = field(default_factory=dict)  # list -> row to go on from

    def go_on(
        self,
        lists: QuerySet[List],
        now: datetime,
        step: Callable[[List, int], int | None],
        stop: Callable[[], bool],
    ) -> None:
        """Calls step(list, row to go on from) until each list is through or `stop()`. It says the next row, None at
        the end of a list.
        """
        today = now.astimezone(UTC).date()
        if self.day != today:
            self.day = today
            self.done.clear()
            self.after.clear()
        for list_ in lists.filter(unlocked("organization__")).exclude(id__in=self.done).order_by("id"):
            after: int | None = self.after.get(list_.id, 0)
            while after is not None:
                if stop():
                    return
                after = step(list_, after)
                self.after[list_.id] = after or 0
            self.done.add(list_.id)
